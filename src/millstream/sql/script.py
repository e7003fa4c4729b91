"""Executes statements against a catalog: declarations change it, queries become plan nodes.

in      a text of any number of statements
out     one :class:`Outcome` per statement, as it is reached; nothing is connected to or run
bad     MillstreamError with the place; the statements before it keep their effect
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from millstream.errors import MillstreamError, OptionError, Place, PlanError, SqlError, UnknownName
from millstream.expr.load import load_function
from millstream.plan import build, explain, ids
from millstream.plan.nodes import Node, Write
from millstream.plan.table import Table
from millstream.ports.options import options_of, with_options
from millstream.ports.views import ViewOptions, view_options
from millstream.settings import Settings
from millstream.sql import statements as s
from millstream.sql.alerts import CreateAlert, alert_sinks
from millstream.sql.bind import Binder
from millstream.sql.catalog import Catalog, View
from millstream.sql.ddl import StatementReader
from millstream.sql.declare import Declaration, changed, created
from millstream.sql.query import Query
from millstream.sql.read import tokens
from millstream.sql.show import create_table_text, create_view_text
from millstream.sql.tokens import Cursor, Source


@dataclass(frozen=True, slots=True)
class Done:
    """A declaration took effect."""

    message: str
    place: Place


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows to show: SHOW, DESCRIBE, SET."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Selected:
    """A bare query: its rows are wanted."""

    node: Node
    place: Place


@dataclass(frozen=True, slots=True)
class Inserted:
    """What one INSERT, or one statement set, writes: to be run as one job."""

    sinks: tuple[Write, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Materialized:
    """A view that a job is to keep; whoever runs no job reads it as any other view."""

    name: str
    node: Node
    options: ViewOptions
    message: str
    place: Place


@dataclass(frozen=True, slots=True)
class Explained:
    """A plan to be explained, not run."""

    of: Selected | Inserted


Outcome = Done | Listing | Selected | Inserted | Materialized | Explained


class Session:
    """A catalog and the settings said so far, one statement after another."""

    def __init__(self, catalog: Catalog | None = None, settings: Settings | None = None) -> None:
        self.catalog = catalog or Catalog()
        self._base = settings or Settings()

    @property
    def settings(self) -> Settings:
        """The settings, with what SET has said."""
        return with_options(self._base, self.catalog.options, owner="SET")

    def execute(self, text: str, *, file: str | None = None) -> Iterator[Outcome]:
        """Execute the statements of ``text`` one by one, as the caller asks for the next."""
        source = Source(text, file)
        reader = StatementReader(Cursor(source, tokens(source)), self.catalog.functions)
        while (statement := reader.next()) is not None:
            yield self._execute(statement)

    def query(self, text: str, *, file: str | None = None) -> Node:
        """Return the node of a text that is one query."""
        outcomes = list(self.execute(text, file=file))
        last = outcomes[-1] if outcomes else None
        if len(outcomes) != 1 or not isinstance(last, Selected):
            raise SqlError(
                "One query is expected here.", hint="Write one SELECT, without INSERT or CREATE."
            )
        return last.node

    def select(self, text: str) -> Node:
        """Return the node of a text that is one query; any other statement is not looked into."""
        source = Source(text, None)
        reader = StatementReader(Cursor(source, tokens(source)), self.catalog.functions)
        statement = reader.next()
        if not isinstance(statement, s.SelectStatement) or reader.next() is not None:
            raise SqlError(
                "One query is expected here.",
                where=None if statement is None else statement.place,
                hint="Write one SELECT, without INSERT or CREATE.",
            )
        outcome = self._execute(statement)
        assert isinstance(outcome, Selected), "a query is selected"
        return outcome.node

    def _execute(self, statement: s.Statement) -> Outcome:
        try:
            return self._dispatch(statement)
        except RecursionError:
            # Readers bound their own depth; what is left is a long chain of steps, as of UNION.
            raise SqlError(
                "This query has too many steps one upon another.",
                where=statement.place,
                hint="Write intermediate results to tables.",
            ) from None
        except MillstreamError as error:
            if not isinstance(error.where, Place):
                error.where = statement.place
            raise

    def _dispatch(self, statement: s.Statement) -> Outcome:
        match statement:
            case s.CreateTable():
                return self._create_table(statement)
            case s.CreateView():
                return self._create_view(statement)
            case s.CreateFunction():
                return self._create_function(statement)
            case CreateAlert(place=place):
                sinks = alert_sinks(statement, Binder(self.catalog), self.catalog.tables)
                return Inserted(sinks, place)
            case s.AlterTable():
                return self._alter_table(statement)
            case s.AlterView():
                return self._alter_view(statement)
            case s.Use(name=name, place=place):
                return Done(f"Using {name}, the only one there is.", place)
            case s.Drop():
                return self._drop(statement)
            case s.SelectStatement(query=query, place=place):
                return Selected(self._bound(query), place)
            case s.Insert(place=place):
                return Inserted((self._insert(statement),), place)
            case s.StatementSet(inserts=inserts, place=place):
                return Inserted(tuple(self._insert(i) for i in inserts), place)
            case s.Explain(of=of):
                inner = self._execute(of)
                assert isinstance(inner, Selected | Inserted), "only these can be explained"
                return Explained(inner)
            case s.Set() | s.Reset():
                return self._set(statement)
            case s.Describe(name=name, place=place):
                return self._describe(name, place)
            case s.Show():
                return self._show(statement)
            case _:
                raise AssertionError(f"no rule to execute {type(statement).__name__}")

    def _bound(self, query: Query) -> Node:
        return Binder(self.catalog).query(query)

    # ---- declarations

    def _taken(self, name: str, kind: str, rule: s.IfTaken) -> bool:
        """Tell whether a name is taken and stays so; raises where that is not wanted."""
        catalog = self.catalog
        if kind == "function":
            taken = name.upper() in catalog.functions
        else:
            taken = name in set(catalog.relation_names())
        if not taken or rule is s.IfTaken.KEEP:
            return taken
        own = kind == "function" or name in (catalog.tables if kind == "table" else catalog.views)
        if rule is s.IfTaken.REPLACE and own:
            return False
        raise PlanError(
            f"There is a {kind if own else 'table or view'} '{name}' already.",
            hint=f"DROP {kind.upper()} {name}; first, or write IF NOT EXISTS.",
        )

    def _create_table(self, said: s.CreateTable) -> Done | Inserted:
        if self._taken(said.name, "table", said.if_taken):
            return Done(f"The table {said.name} was there already.", said.place)
        like = None if said.like is None else self._declaration(said.like)
        rows = None if said.query is None else self._bound(said.query)
        found = created(said, like, None if rows is None else rows.schema)
        self.catalog.add_table(found.table, found.texts)
        if rows is None:
            return Done(f"Created table {said.name}.", said.place)
        return Inserted((build.write(rows, found.table, rows.schema.names),), said.place)

    def _alter_table(self, said: s.AlterTable) -> Done:
        if said.if_exists and said.name not in self.catalog.tables:
            return Done(f"There was no table {said.name}.", said.place)
        was = self._declaration(said.name)
        if isinstance(said.change, s.RenameTable):
            self._taken(said.change.to, "table", s.IfTaken.REFUSE)
        found = changed(was, said.change)
        self.catalog.drop_table(said.name)
        self.catalog.add_table(found.table, found.texts)
        return Done(f"Changed table {said.name}.", said.place)

    def _alter_view(self, said: s.AlterView) -> Done:
        views = self.catalog.views
        if said.name not in views:
            if said.if_exists:
                return Done(f"There was no view {said.name}.", said.place)
            raise UnknownName("view", said.name, available=views)
        if said.to is not None:
            self._taken(said.to, "view", s.IfTaken.REFUSE)
            views[said.to] = views.pop(said.name)
            return Done(f"The view {said.name} is now {said.to}.", said.place)
        assert said.query is not None, "ALTER VIEW renames or gives another query"
        views[said.name] = View(ids.owned(self._bound(said.query), said.name), said.text)
        return Done(f"Changed view {said.name}.", said.place)

    def _declaration(self, name: str) -> Declaration:
        return Declaration(self._table(name), self.catalog.texts.get(name, {}))

    def _table(self, name: str) -> Table:
        if name not in self.catalog.tables:
            raise UnknownName("table", name, available=self.catalog.tables)
        return self.catalog.tables[name]

    def _create_view(self, said: s.CreateView) -> Done | Materialized:
        if isinstance(said, s.CreateMaterializedView):
            return self._materialize(said)
        if self._taken(said.name, "view", said.if_taken):
            return Done(f"The view {said.name} was there already.", said.place)
        node = ids.owned(self._of_view(said), said.name)
        self.catalog.views[said.name] = View(node, said.text)
        return Done(f"Created view {said.name}.", said.place)

    def _materialize(self, said: s.CreateMaterializedView) -> Done | Materialized:
        name = said.name
        if self._taken(name, "view", said.if_taken):
            return Done(f"The view {name} was there already.", said.place)
        if said.if_taken is s.IfTaken.REPLACE and name in self.catalog.views:
            raise PlanError(
                f"There is a view '{name}' already, and a job cannot keep two of one name.",
                hint="Leave the first one out, or give this one another name.",
            )
        node = self._of_view(said)
        try:
            options = view_options(said.options, node.schema, owner=f"view '{name}'")
        except (OptionError, UnknownName) as error:
            named = error.option or "" if isinstance(error, OptionError) else error.name
            error.where = said.option_places.get(named, said.place)
            raise
        node = ids.owned(node, name)
        self.catalog.views[name] = View(node, said.text, said.options)
        message = f"Created materialized view {name}."
        return Materialized(name, node, options, message, said.place)

    def _of_view(self, said: s.CreateView) -> Node:
        """Return the query of a view under the names it gives its columns."""
        node = self._bound(said.query)
        if said.columns:
            if len(said.columns) != len(node.schema):
                raise PlanError(
                    f"The view names {len(said.columns)} columns, the query gives "
                    f"{len(node.schema)}.",
                    hint=f"The query gives: {node.schema}.",
                )
            node = build.renamed(node, said.columns)
        return node

    def _create_function(self, said: s.CreateFunction) -> Done:
        if self._taken(said.name, "function", said.if_taken):
            return Done(f"The function {said.name} was there already.", said.place)
        udf = replace(load_function(said.path), name=said.name)
        self.catalog.functions[said.name.upper()] = udf
        return Done(f"Created function {said.name}.", said.place)

    def _drop(self, said: s.Drop) -> Done:
        if said.kind == "FUNCTION":
            found = said.name.upper() in self.catalog.functions
            known = list(self.catalog.functions)
        else:
            owner = self.catalog.tables if said.kind == "TABLE" else self.catalog.views
            found, known = said.name in owner, list(owner)
        kind = said.kind.lower()
        if not found:
            if said.if_exists:
                return Done(f"There was no {kind} {said.name}.", said.place)
            raise UnknownName(kind, said.name, available=known)
        if said.kind == "FUNCTION":
            del self.catalog.functions[said.name.upper()]
        elif said.kind == "TABLE":
            self.catalog.drop_table(said.name)
        else:
            del self.catalog.views[said.name]
        return Done(f"Dropped {kind} {said.name}.", said.place)

    def _insert(self, said: s.Insert) -> Write:
        if said.table not in self.catalog.tables:
            raise UnknownName("table", said.table, available=self.catalog.tables, where=said.place)
        try:
            return build.write(
                self._bound(said.query), self.catalog.tables[said.table], said.columns
            )
        except MillstreamError as error:
            if error.where is None:
                error.where = said.place
            raise

    def _set(self, said: s.Set | s.Reset) -> Done | Listing:
        options = self.catalog.options
        if isinstance(said, s.Reset):
            if said.key is None:
                options.clear()
                return Done("Every setting has its default again.", said.place)
            options.pop(said.key, None)
            return Done(f"{said.key} has its default again.", said.place)
        if said.key is None or said.value is None:
            rows = tuple(
                (o.option.name, str(options.get(o.option.name, "")), o.option.doc)
                for o in options_of(Settings)
            )
            return Listing(("setting", "set to", "what it is"), rows, said.place)
        try:
            with_options(self._base, {said.key: said.value}, owner="SET")
        except MillstreamError as error:
            error.where = said.place
            raise
        options[said.key] = said.value
        return Done(f"{said.key} = {said.value}", said.place)

    # ---- looking

    def _describe(self, name: str, place: Place) -> Listing:
        columns = ("name", "type", "null", "key", "extras")
        if name in self.catalog.tables:
            return Listing(columns, tuple(explain.describe(self.catalog.tables[name])), place)
        node = self.catalog.relation(name)
        if node is None:
            raise UnknownName("table", name, available=self.catalog.relation_names(), where=place)
        rows = tuple(
            (f.name, f.type.name(), "TRUE" if f.type.nullable else "FALSE", "", "")
            for f in node.schema
        )
        return Listing(columns, rows, place)

    def _show(self, said: s.Show) -> Listing:
        catalog, name = self.catalog, said.name or ""
        match said.what:
            case "TABLES":
                names: list[str] = sorted(catalog.relation_names())
            case "VIEWS":
                names = sorted(catalog.views)
            case "FUNCTIONS":
                from millstream.expr.catalogue import functions

                names = sorted({*functions(), *catalog.functions})
            case "COLUMNS":
                return self._describe(name, said.place)
            case _:
                return Listing(("statement",), ((self._statement_text(said, name),),), said.place)
        return Listing((said.what.lower().removesuffix("s") + " name",),
                       tuple((n,) for n in names), said.place)  # fmt: skip

    def _statement_text(self, said: s.Show, name: str) -> str:
        if said.what == "CREATE TABLE":
            return create_table_text(self._table(name), self.catalog.texts.get(name, {}))
        view = self.catalog.views.get(name)
        if view is None:
            raise UnknownName("view", name, available=self.catalog.views, where=said.place)
        return create_view_text(name, view)
