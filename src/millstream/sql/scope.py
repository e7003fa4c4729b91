"""The names a SELECT can say: which relation of FROM, which column of its node.

in      an expression as written: ``Column('x')``, ``FIELD(Column('t'), 'x')`` for ``t.x``
out     the same over the columns of one node, in which every relation's columns have names of
        their own
bad     UnknownName with near names; SqlError for a name that several relations have
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from millstream.errors import Place, SqlError, UnknownName
from millstream.expr.tree import Call, Column, Expr, Literal, Named
from millstream.plan import nodes as n


@dataclass(frozen=True, slots=True)
class Seen:
    """A relation in FROM: what its columns may be qualified with, and what each is called below."""

    alias: str | None
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scope:
    """The node a SELECT reads and the relations it is made of.

    ``merged`` are the columns of USING and NATURAL: they stand for one column of each side.
    """

    node: n.Node
    seen: tuple[Seen, ...]
    merged: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, node: n.Node, alias: str | None) -> Scope:
        """Return the scope of one relation."""
        return cls(node, (Seen(alias, {name: name for name in node.schema.names}),))

    @property
    def alias(self) -> str | None:
        """The name of the one relation there is; None without a name, or with several."""
        return self.seen[0].alias if len(self.seen) == 1 else None

    @property
    def aliases(self) -> list[str]:
        """The names of the relations."""
        return [s.alias for s in self.seen if s.alias is not None]

    def column(self, name: str) -> str | None:
        """Return the column an unqualified name means; None = there is none."""
        if name in self.merged:
            return self.merged[name]
        found = next((s for s in self.seen if name in s.columns), None)
        return None if found is None else found.columns[name]

    def owners(self, name: str) -> list[Seen]:
        """Return the relations that have a column of this name."""
        return [] if name in self.merged else [s for s in self.seen if name in s.columns]

    def relation(self, alias: str) -> Seen | None:
        """Return the relation of this name."""
        return next((s for s in self.seen if s.alias == alias), None)

    def names(self) -> list[str]:
        """Return every name that can be said, for messages."""
        return [*self.aliases, *dict.fromkeys(name for s in self.seen for name in s.columns)]


def named(expr: Expr, scope: Scope) -> Expr:
    """Return ``expr`` with what it names as columns of the scope's node."""
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
        raise _ambiguous(said.name, owners, said.place)
    found = scope.column(said.name)
    if found is None:
        raise UnknownName("column", said.name, available=_columns(scope), where=said.place)
    return Column(name=found, place=said.place)


def _field(said: Call, head: Column, key: str, scope: Scope) -> Expr:
    owner, is_column = scope.relation(head.name), scope.column(head.name) is not None
    if owner is not None and key in owner.columns:
        return Column(name=owner.columns[key], place=said.place)
    if is_column:
        return said.with_children((_column(head, scope), said.args[1]))
    if owner is not None:
        raise UnknownName("column", key, available=owner.columns, where=said.place)
    raise UnknownName("table or column", head.name, available=scope.names(), where=head.place)


def _columns(scope: Scope) -> list[str]:
    return list(dict.fromkeys(name for s in scope.seen for name in s.columns))


def _ambiguous(name: str, owners: list[Seen], place: Place | None) -> SqlError:
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
    merged = {} if table is not None else scope.merged
    pairs = [*merged.items()]
    pairs += [(k, v) for s in seen for k, v in s.columns.items() if k not in merged]
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
