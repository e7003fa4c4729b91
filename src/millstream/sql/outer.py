"""Columns of the query around a sub-query.

A sub-query that reads them is correlated: the binder lifts what it says of them into the condition
of the join that the sub-query becomes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from millstream.errors import Unsupported
from millstream.expr.tree import Call, Column, Expr, columns_of


@dataclass(frozen=True, slots=True)
class OuterColumn(Expr):
    """A column of the scope around; always typed."""

    name: str = ""

    def __str__(self) -> str:
        return f"outer {self.name}"


def reads_outside(expr: Expr) -> bool:
    """Tell whether an expression reads columns of the query around it."""
    return any(isinstance(x, OuterColumn) for x in expr.walk())


def equated(conditions: Iterable[Expr]) -> tuple[str, ...]:
    """Return the columns that conditions equate with something of the query around."""
    found: list[str] = []
    for part in conditions:
        if isinstance(part, Call) and part.function == "=":
            for own, other in (part.args, part.args[::-1]):
                if isinstance(own, Column) and not columns_of(other):
                    found.append(own.name)
    return tuple(dict.fromkeys(found))


def as_columns(expr: Expr) -> Expr:
    """Return ``expr`` with outer columns as columns, to be read over both sides of a join."""
    return expr.rewrite(
        lambda x: Column(x.name, type=x.type, place=x.place) if isinstance(x, OuterColumn) else x
    )


def no_outside(exprs: tuple[Expr, ...], where: str) -> None:
    """Raise where an expression reads columns of the query around it."""
    for expr in exprs:
        for part in expr.walk():
            if isinstance(part, OuterColumn):
                raise Unsupported(
                    f"A sub-query that reads '{part.name}' of the query around it in {where}.",
                    where=part.place,
                    hint="Compare it in the WHERE of the sub-query, or write the sub-query as a "
                    "JOIN.",
                )
