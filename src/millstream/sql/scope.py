"""The names a SELECT can say: which relation of FROM, which column of its node.

in      an expression as written: ``Column('x')``, ``FIELD(Column('t'), 'x')`` for ``t.x``
out     the same over the columns of one node, in which every relation's columns have names of
        their own
bad     UnknownName with near names; SqlError for a name that several relations have
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from millstream.errors import Place, SqlError, UnknownName, Unsupported
from millstream.expr.tree import Call, Column, Expr, Literal, Named
from millstream.plan import nodes as n
from millstream.plan.joining import fresh_names, join_all, renamed_in, under_names
from millstream.sql.outer import OuterColumn, reads_outside
from millstream.types import Schema


@dataclass(frozen=True, slots=True)
class Seen:
    """A relation in FROM: what its columns may be qualified with, and what each is called below.

    ``hidden`` are columns that USING has merged into those of another relation: they are only
    there when qualified.
    """

    alias: str | None
    columns: Mapping[str, str]
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a SELECT reads: relations that are, or will be, joined.

    ``parts`` are nodes whose columns have different names; ``conditions`` hold between them and
    make inner joins of them once WHERE is known (:meth:`joined`). ``merged`` are the columns of
    USING and NATURAL. ``outer`` is the scope around a sub-query, ``lifted`` what was said of it.
    """

    parts: tuple[n.Node, ...]
    seen: tuple[Seen, ...]
    merged: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Expr, ...] = ()
    outer: Scope | None = None
    lifted: tuple[Expr, ...] = ()

    @classmethod
    def of(cls, node: n.Node, alias: str | None) -> Scope:
        """Return the scope of one relation."""
        return cls((node,), (Seen(alias, {name: name for name in node.schema.names}),))

    @property
    def node(self) -> n.Node:
        """The node that all relations are columns of."""
        assert len(self.parts) == 1, "the relations are not joined yet"
        assert not self.conditions, "the relations are not joined yet"
        return self.parts[0]

    @property
    def schema(self) -> Schema:
        """All columns."""
        if len(self.parts) == 1:
            return self.parts[0].schema
        return Schema(tuple(f for part in self.parts for f in part.schema))

    def joined(self, conditions: Sequence[Expr] = ()) -> Scope:
        """Return the same scope over one node, its inner joins made."""
        every = (*self.conditions, *conditions)
        return replace(self, parts=(join_all(self.parts, every),), conditions=())

    def over(self, node: n.Node) -> Scope:
        """Return the same names over another node."""
        return replace(self, parts=(node,), conditions=())

    def beside(self, right: Scope) -> tuple[Scope, dict[str, str]]:
        """Return the scope of both sides, and what the columns of the right side are called."""
        names = fresh_names(right.schema.names, set(self.schema.names))
        made = Scope(
            parts=(*self.parts, *(under_names(part, names) for part in right.parts)),
            seen=(
                *self.seen,
                *(
                    replace(s, columns={k: names[v] for k, v in s.columns.items()})
                    for s in right.seen
                ),
            ),
            merged={**self.merged, **{k: names[v] for k, v in right.merged.items()}},
            conditions=(*self.conditions, *(renamed_in(c, names) for c in right.conditions)),
            outer=self.outer,
            lifted=(*self.lifted, *(renamed_in(c, names) for c in right.lifted)),
        )
        return made, names

    @property
    def alias(self) -> str | None:
        """The name of the one relation there is; None without a name, or with several."""
        return self.seen[0].alias if len(self.seen) == 1 else None

    @property
    def aliases(self) -> list[str]:
        """The names of the relations."""
        return [s.alias for s in self.seen if s.alias is not None]

    def owners(self, name: str) -> list[Seen]:
        """Return the relations an unqualified name may mean a column of."""
        return [s for s in self.seen if name in s.columns and name not in s.hidden]

    def column(self, name: str) -> str | None:
        """Return the column an unqualified name means; None = there is none."""
        owners = self.owners(name)
        return None if not owners else self.merged.get(name, owners[0].columns[name])

    def relation(self, alias: str) -> Seen | None:
        """Return the relation of this name."""
        return next((s for s in self.seen if s.alias == alias), None)

    def names(self) -> list[str]:
        """Return every name that can be said, for messages."""
        return [*self.aliases, *dict.fromkeys(name for s in self.seen for name in s.columns)]


def named(expr: Expr, scope: Scope) -> Expr:
    """Return ``expr`` with what it names as columns of the scope, or of a scope around it."""
    match expr:
        case Column():
            return _column(expr, scope)
        case Call(function="FIELD", args=(Column() as head, Literal(value=str() as key))):
            return _field(expr, head, key, scope)
        case _:
            children = expr.children()
            if not children:
                return expr
            return expr.with_children(tuple(named(child, scope) for child in children))


def _column(said: Column, scope: Scope) -> Expr:
    owners = scope.owners(said.name)
    if len(owners) > 1:
        raise ambiguous(said.name, owners, said.place)
    found = scope.column(said.name)
    if found is not None:
        return Column(name=found, place=said.place)
    outside = _outside(lambda outer: _column(said, outer), scope)
    if outside is not None:
        return outside
    raise UnknownName("column", said.name, available=_columns(scope), where=said.place)


def _field(said: Call, head: Column, key: str, scope: Scope) -> Expr:
    owner, is_column = scope.relation(head.name), scope.column(head.name) is not None
    if owner is not None and key in owner.columns:
        return Column(name=owner.columns[key], place=said.place)
    if is_column:
        return said.with_children((_column(head, scope), said.args[1]))
    if owner is not None:
        raise UnknownName("column", key, available=owner.columns, where=said.place)
    outside = _outside(lambda outer: _field(said, head, key, outer), scope)
    if outside is not None:
        return outside
    raise UnknownName("table or column", head.name, available=scope.names(), where=head.place)


def _outside(find: Callable[[Scope], Expr], scope: Scope) -> Expr | None:
    """Return what a name means in the scope around, as an outer column; None = not there either."""
    if scope.outer is None:
        return None
    try:
        found = find(scope.outer)
    except UnknownName:
        return None
    outer = scope.outer.schema
    if reads_outside(found):
        raise Unsupported(
            "A sub-query that reads columns of a query two levels up.",
            where=found.place,
            hint="Pass the column on in the query between, or write a JOIN.",
        )

    def change(x: Expr) -> Expr:
        if not isinstance(x, Column):
            return x
        return OuterColumn(x.name, type=outer.type_of(x.name), place=x.place)

    return found.rewrite(change)


def _columns(scope: Scope) -> list[str]:
    return list(dict.fromkeys(name for s in scope.seen for name in s.columns))


def ambiguous(name: str, owners: list[Seen], place: Place | None) -> SqlError:
    """Return the error for a name that several relations have."""
    tables = [s.alias for s in owners if s.alias is not None]
    said = ", ".join(f"{table}.{name}" for table in tables)
    return SqlError(
        f"The column '{name}' is ambiguous: {len(owners)} tables have it.",
        where=place,
        hint=f"Say which one: {said}." if said else "Give the tables names: … AS a.",
    )


# ---- select lists


def own_name(expr: Expr, index: int) -> str:
    """Return the name a select item has without AS, from what was written."""
    if isinstance(expr, Column):
        return expr.name
    if isinstance(expr, Call) and expr.function == "FIELD" and isinstance(expr.args[1], Literal):
        return str(expr.args[1].value)
    return f"EXPR${index}"


def star(scope: Scope, table: str | None, place: Place) -> list[Named]:
    """Return the columns of ``*`` or ``t.*`` under the names they have in their relations."""
    seen = scope.seen
    if table is not None:
        owner = scope.relation(table)
        if owner is None:
            raise UnknownName("table", table, available=scope.aliases, where=place)
        seen = (owner,)
    if table is not None:
        pairs = [(k, v) for s in seen for k, v in s.columns.items()]
        return [Named(name, Column(name=column, place=place)) for name, column in pairs]
    pairs = [*scope.merged.items()]
    merged = set(scope.merged)
    for s in seen:
        for name, column in s.columns.items():
            if name in s.hidden:
                continue
            if name in merged:
                merged.remove(name)  # its first owner's; a later table's own column is another one
            else:
                pairs.append((name, column))
    return [Named(name, Column(name=column, place=place)) for name, column in pairs]


def unique(items: list[Named]) -> list[Named]:
    """Rename a second column of the same name as Flink does: a, a0, a1."""
    taken: set[str] = set()
    made: list[Named] = []
    for item in items:
        name, tail = item.name, 0
        while name in taken:
            name, tail = f"{item.name}{tail}", tail + 1
        taken.add(name)
        made.append(Named(name, item.expr))
    return made
