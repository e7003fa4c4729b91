"""Gives queries their meaning: names are looked up, groups are cut, plan nodes come out.

in      a query as written, and a :class:`Names` that knows tables, views and functions
out     a plan node whose columns are the query's, in order
bad     UnknownName with near names, TypeMismatch, SqlError, each with its place
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from millstream.errors import PlanError, SqlError, UnknownName, Unsupported
from millstream.expr.tree import Column, Function, Named
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.ranks import Rank, RankKind
from millstream.sql import query as q
from millstream.sql import sets
from millstream.sql.as_of import bind_as_of
from millstream.sql.changelog_calls import ChangelogFn, changelog_node
from millstream.sql.from_ import bind_join
from millstream.sql.joined import AsOf, FunctionOf, JoinOf, Lateral, UnnestOf
from millstream.sql.lateral import bind_lateral, bind_unnest, unnest_alone
from millstream.sql.match import MatchOf, matched
from millstream.sql.meaning import placed
from millstream.sql.ordering import output_key
from millstream.sql.outer import equated
from millstream.sql.process_calls import ProcessFn, process_node
from millstream.sql.scope import Scope
from millstream.sql.select import Selected, bind_select
from millstream.sql.subquery import Sub
from millstream.sql.table_functions import bind_table_function, function_alone
from millstream.sql.windows import WindowFn, window_of
from millstream.types import Schema


class Names(Protocol):
    """What a binder may ask for."""

    @property
    def functions(self) -> Mapping[str, Function]:
        """The user's functions, by name in upper case."""

    def relation(self, name: str) -> n.Node | None:
        """Return the node of a table or view, the same object each time; None = no such name."""

    def relation_names(self) -> Iterable[str]:
        """Return every table and view there is."""


class Binder:
    """Binds queries against the names of a catalog and of enclosing WITH clauses.

    ``outer`` is the scope around the query, whose columns it may compare with its own.
    """

    def __init__(
        self, names: Names, ctes: dict[str, n.Node] | None = None, outer: Scope | None = None
    ) -> None:
        self._names = names
        self._ctes = ctes or {}
        self._outer = outer

    def query(self, query: q.Query) -> n.Node:
        """Return the node of a query."""
        made = self._inside(self._outer)._ordered(query, lifts=False)
        return _first(made.node, made.width)

    def sub(self, query: q.Query, outer: Scope) -> Sub:
        """Return a sub-query that may compare its columns with those of ``outer``."""
        return self._inside(outer)._ordered(query, lifts=True)

    def _inside(self, outer: Scope | None) -> Binder:
        return Binder(self._names, dict(self._ctes), outer)

    # ---- bodies

    def _ordered(self, query: q.Query, *, lifts: bool) -> Sub:
        for name, columns, body in query.ctes:
            self._ctes[name] = _with_columns(self.query(body), columns)
        if isinstance(query.body, q.Select):
            made = bind_select(self, query.body, query.order, lifts=lifts)
        else:
            node = self._body(query.body)
            by = tuple(output_key(order, node.schema) for order in query.order)
            made = Selected(node, by, len(node.schema))
        cut = query.limit is not None or query.offset > 0
        if made.lifted:
            node = _first_per_key(made, query) if cut else made.node
        else:
            node = _cut(made.node, made.by, query) if made.by or cut else made.node
        return Sub(node, made.width, made.lifted, made.empty)

    def _body(self, body: q.Body) -> n.Node:
        match body:
            case q.Select():
                made = bind_select(self, body, (), lifts=False)
                return _first(made.node, made.width)
            case q.SubQuery(query=query):
                return self.query(query)
            case q.Rows():
                return sets.values(body)
            case q.UnionOf():
                return self._union(body)
            case q.SetOf():
                left, right = self._body(body.left), self._body(body.right)
                return sets.set_operation(left, right, body)

    def _union(self, body: q.UnionOf) -> n.Node:
        # A long chain is a deep tree on its left; it is walked in a loop.
        steps: list[q.UnionOf] = []
        first: q.Body = body
        while isinstance(first, q.UnionOf):
            steps.append(first)
            first = first.left
        parts = [self._body(first)]
        for step in reversed(steps):
            parts.append(self._body(step.right))
            sets.check_width(parts[0], parts[-1], "UNION", step.place)
            if not step.all:
                parts = [build.distinct(sets.united(parts, step.place))]
        return parts[0] if len(parts) == 1 else sets.united(parts, body.place)

    # ---- FROM

    def relation(self, relation: q.Relation | None) -> Scope:
        """Return the scope of a relation; it sees the query around."""
        return replace(self._leaf(relation), outer=self._outer)

    def _leaf(self, relation: q.Relation | None) -> Scope:
        match relation:
            case None:
                return Scope((sets.one_row(),), ())
            case q.TableName():
                node = self._table(relation)
                return Scope.of(_with_columns(node, relation.columns), relation.alias)
            case q.SubQuery(query=query, alias=alias, columns=columns):
                return Scope.of(_with_columns(self.query(query), columns), alias)
            case WindowFn():
                data = self.relation(relation.data).joined()
                node = placed(
                    lambda: n.WindowTable(
                        input=data.node,
                        window=window_of(relation),
                        time=relation.time,
                        partition=relation.partition,
                    ),
                    relation.place,
                )
                return Scope.of(node, relation.alias or data.alias)
            case ChangelogFn():
                data = self.relation(relation.data).joined()
                node = placed(lambda: changelog_node(relation, data.node), relation.place)
                return Scope.of(node, relation.alias or data.alias)
            case ProcessFn():
                data = self.relation(relation.data).joined()
                node = placed(lambda: process_node(relation, data.node), relation.place)
                return Scope.of(node, relation.alias or data.alias)
            case MatchOf():
                data = self.relation(relation.data).joined()
                node = placed(lambda: matched(relation, data.node), relation.place)
                return Scope.of(_with_columns(node, relation.columns), relation.alias)

            case JoinOf():
                return self._join(relation)
            case UnnestOf():
                return unnest_alone(relation, sets.one_row())
            case Lateral(data=data):
                return self.relation(data)
            case FunctionOf():
                return function_alone(relation, sets.one_row(), self._names.functions)
            case AsOf():
                raise SqlError(
                    "FOR SYSTEM_TIME AS OF stands behind JOIN.",
                    where=relation.place,
                    hint="Write a JOIN t FOR SYSTEM_TIME AS OF a.ts ON a.k = t.k.",
                )

    def _join(self, said: JoinOf) -> Scope:
        match said.right:
            case AsOf():
                return bind_as_of(said, self.relation)
            case UnnestOf():
                return bind_unnest(said, self.relation)
            case Lateral():
                return bind_lateral(said, self.relation, self.sub)
            case FunctionOf():
                return bind_table_function(said, self.relation, self._names.functions)
            case _:
                return bind_join(said, self.relation)

    def _table(self, table: q.TableName) -> n.Node:
        found = self._ctes.get(table.name) or self._names.relation(table.name)
        if found is None:
            near = [*self._ctes, *self._names.relation_names()]
            raise UnknownName("table", table.name, available=near, where=table.place)
        return _with_options(found, table) if table.options else found


def _with_options(node: n.Node, said: q.TableName) -> n.Node:
    """Return a table read with the options of a hint: /*+ OPTIONS('key'='value') */."""
    if not isinstance(node, n.Scan):
        raise SqlError(
            f"OPTIONS behind '{said.name}', which is a query.",
            where=said.place,
            hint="Say them behind the tables that the query reads.",
        )
    if "connector" in said.options:
        raise SqlError(
            "The connector of a table is not an option of a hint.",
            where=said.place,
            hint="Create another table.",
        )
    table = node.table
    places = {**table.places, **dict.fromkeys(said.options, said.place)}
    options = {**table.options, **said.options}
    return replace(node, table=replace(table, options=options, places=places))


def _cut(node: n.Node, by: tuple[n.SortKey, ...], query: q.Query) -> n.Node:
    """Return the rows in order, those of LIMIT and OFFSET only."""
    if by:
        return n.Sort(input=node, by=by, limit=query.limit, offset=query.offset)
    if query.limit is None or Upwards(Tables()).of(node).updates:
        # The first rows of a result that changes are those that stand at its end.
        return n.Sort(input=node, by=(), limit=query.limit, offset=query.offset)
    return n.Limit(input=node, count=query.limit, offset=query.offset)


def _first_per_key(made: Selected, query: q.Query) -> n.Node:
    """Return the first rows for each row of the query around, which equations tell apart."""
    keys = equated(made.lifted)
    if query.limit is None or query.limit < 1 or not made.by or len(keys) != len(made.lifted):
        raise Unsupported(
            "LIMIT in a sub-query that compares with the query around it by more than =, or "
            "without ORDER BY.",
            where=made.lifted[0].place,
            hint="Rank the rows: ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) <= n.",
        )
    return Rank(
        input=made.node, kind=RankKind.ROW_NUMBER, partition=keys, by=made.by,
        first=query.offset + 1, last=query.offset + query.limit,
    )  # fmt: skip


def _first(node: n.Node, width: int) -> n.Node:
    """Return the selected columns: those that were only computed to sort by are gone."""
    if width == len(node.schema):
        return node
    names = node.schema.names[:width]
    return n.Project(input=node, columns=tuple(_column(node.schema, name) for name in names))


def _with_columns(node: n.Node, columns: tuple[str, ...]) -> n.Node:
    if not columns:
        return node
    if len(columns) != len(node.schema):
        raise PlanError(
            f"{len(columns)} names for {len(node.schema)} columns.",
            hint=f"The columns are: {node.schema}.",
        )
    return build.renamed(node, columns)


def _column(schema: Schema, name: str) -> Named:
    return Named(name, Column(name=name, type=schema.type_of(name)))
