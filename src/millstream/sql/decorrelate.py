"""Pairs a sub-query with the values it reads of the query around, where = alone does not do.

in      the node of a sub-query, the conditions between its columns and those of the query around,
        and a node that has the latter
out     the sub-query's rows, each beside the values for which they meet the conditions, and
        conditions that equate the two
bad     Unsupported for a condition that may be TRUE of a NULL around, which equals nothing
source  Neumann and Kemper, "Unnesting Arbitrary Queries", BTW 2015: a join with the distinct
        values in place of an evaluation per row
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from millstream import types as t
from millstream.errors import Unsupported
from millstream.expr import catalogue
from millstream.expr.function import Nulls
from millstream.expr.tree import Call, Cast, Column, Expr, Named
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.plan.joining import all_of, join
from millstream.plan.joins import JoinKind
from millstream.sql.meaning import fresh, resolved
from millstream.sql.outer import OuterColumn, equated


def is_equated(conditions: Sequence[Expr]) -> bool:
    """Tell whether each condition is a column of its own = something of the query around."""
    return len(equated(conditions)) == len(conditions)


def paired(
    inner: n.Node, conditions: Sequence[Expr], around: n.Node, values: Mapping[str, Expr]
) -> tuple[n.Node, tuple[Expr, ...]]:
    """Return the rows of ``inner`` beside the values of ``around`` for which they meet.

    ``values`` are the expressions over ``around`` by the names of the outer columns.
    """
    outside = {x.name: x for part in conditions for x in part.walk() if isinstance(x, OuterColumn)}
    for name, column in outside.items():
        if not any(_needs(part, name) for part in conditions):
            raise Unsupported(
                f"A sub-query that compares with '{name}' of the query around it by what may be "
                "TRUE of a NULL.",
                where=column.place,
                hint="Compare by = in the WHERE of the sub-query, or write a JOIN.",
            )
    taken = {*inner.schema.names, *around.schema.names}
    names = {name: fresh("_value_", taken) for name in outside}
    columns = [Named(names[name], resolved(values[name], around.schema)) for name in outside]
    once = build.distinct(n.Project(input=around, columns=tuple(columns)))

    def inside(x: Expr) -> Expr:
        if not isinstance(x, OuterColumn):
            return x
        return Column(names[x.name], type=x.type, place=x.place)

    met = join(inner, once, JoinKind.INNER, all_of([part.rewrite(inside) for part in conditions]))
    equal = tuple(
        Call(
            "=",
            (x, Column(names[name], type=x.type, place=x.place)),
            type=t.Boolean(nullable=x.typed.nullable),
            place=x.place,
        )
        for name, x in outside.items()
    )
    return met, equal


def _needs(part: Expr, name: str) -> bool:
    """Tell whether a condition cannot be TRUE where the outer column is NULL."""
    return isinstance(part, Call) and any(
        isinstance(x, OuterColumn) and x.name == name for x in _strict(part)
    )


def _strict(expr: Expr) -> list[Expr]:
    """Return the expressions whose NULL makes the whole NULL."""
    match expr:
        case Call(function=name, args=args) if catalogue.find(name).nulls is Nulls.STRICT:
            return [x for arg in args for x in _strict(arg)]
        case Cast(arg=arg):
            return _strict(arg)
        case _:
            return [expr]


def single_part(parts: Sequence[n.Node], names: set[str]) -> n.Node | None:
    """Return the node that has all these columns."""
    return next((part for part in parts if names <= set(part.schema.names)), None)
