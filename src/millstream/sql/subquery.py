"""Binds sub-queries in expressions: :class:`InnerQuery` becomes :class:`BoundQuery`.

in      an expression whose names are bound, its scope, and what binds a query inside a scope
out     the same expression; each sub-query is a node, what is asked of it, and a condition between
        its columns and those of the query around it
bad     SqlError: a value of several columns, a comparison of other numbers of columns
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from millstream import types as t
from millstream.errors import SqlError
from millstream.expr.tree import Column, Expr
from millstream.plan import nodes as n
from millstream.plan.joining import renamed_in
from millstream.sql.inner import Asks, InnerQuery
from millstream.sql.outer import OuterColumn

if TYPE_CHECKING:
    from millstream.sql.query import Query
    from millstream.sql.scope import Scope


@dataclass(frozen=True, slots=True)
class Sub:
    """A bound sub-query: the first ``width`` columns of the node are its own.

    ``lifted`` are conditions between the node's columns and those of the query around; ``empty``
    says what each of its columns is where no row meets them, None = NULL.
    """

    node: n.Node
    width: int
    lifted: tuple[Expr, ...] = ()
    empty: tuple[Expr | None, ...] = ()


@dataclass(frozen=True, slots=True)
class BoundQuery(Expr):
    """A sub-query in an expression; always typed.

    ``args`` are what is compared with its columns, ``params`` the columns of the query around that
    its condition reads, in the order of ``names``: as children they follow what becomes of that
    query's columns.
    """

    asks: Asks = Asks.VALUE
    sign: str = "="
    args: tuple[Expr, ...] = ()
    params: tuple[Expr, ...] = ()
    names: tuple[str, ...] = ()
    sub: Sub | None = None

    def children(self) -> tuple[Expr, ...]:
        return (*self.args, *self.params)

    def with_children(self, children: tuple[Expr, ...]) -> BoundQuery:
        count = len(self.args)
        return replace(self, args=children[:count], params=children[count:])

    def __str__(self) -> str:
        left = f"{', '.join(map(str, self.args))} {self.sign} " if self.args else ""
        return f"{left}{self.asks.value} (SELECT …)"

    @property
    def bound(self) -> Sub:
        """The sub-query."""
        assert self.sub is not None, "a bound sub-query has a node"
        return self.sub

    def conditions(self, names: Mapping[str, str]) -> list[Expr]:
        """Return what must hold between its columns, under new names, and those around."""
        by = dict(zip(self.names, self.params, strict=True))
        return [
            renamed_in(part, names).rewrite(
                lambda x: by[x.name] if isinstance(x, OuterColumn) else x
            )
            for part in self.bound.lifted
        ]


def bind_inner(expr: Expr, scope: Scope, sub: Callable[[Query, Scope], Sub]) -> Expr:
    """Return ``expr`` with its sub-queries bound."""
    if not any(isinstance(x, InnerQuery) for x in expr.walk()):
        return expr
    return expr.rewrite(lambda x: _bound(x, scope, sub) if isinstance(x, InnerQuery) else x)


def _bound(said: InnerQuery, scope: Scope, sub: Callable[[Query, Scope], Sub]) -> BoundQuery:
    made = sub(said.query, scope)
    if said.asks is not Asks.EXISTS:
        wanted = max(len(said.args), 1)
        if made.width != wanted:
            raise SqlError(
                f"A sub-query of {made.width} columns where {wanted} "
                f"{'is' if wanted == 1 else 'are'} compared.",
                where=said.place,
                hint="Select as many columns as stand before it."
                if said.args
                else "As a value it has one column.",
            )
    outside = {x.name: x for part in made.lifted for x in part.walk() if isinstance(x, OuterColumn)}
    params = tuple(Column(x.name, place=x.place) for x in outside.values())
    kind: t.LogicalType = t.Boolean(nullable=said.asks is not Asks.EXISTS)
    if said.asks is Asks.VALUE:
        kind = made.node.schema.fields[0].type.with_nullable(True)
    return BoundQuery(
        type=kind, place=said.place, asks=said.asks, sign=said.sign, args=said.args,
        params=params, names=tuple(outside), sub=made,
    )  # fmt: skip
