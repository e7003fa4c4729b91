"""Rows made of rows: UNION, INTERSECT, EXCEPT, VALUES.

in      nodes with equally many columns; rows of constants
out     one node; columns are cast to what they meet in, names are those of the first
bad     SqlError for other numbers of columns, TypeMismatch where types do not meet
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as PyDecimal

from millstream import types as t
from millstream.errors import Place, SqlError, TypeMismatch
from millstream.expr.coerce import common_type
from millstream.expr.resolve import cast_to, resolve
from millstream.expr.tree import Cast, Expr, Literal, Named
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.plan.ranks import SetOperation
from millstream.sql import query as q
from millstream.types import Schema
from millstream.types.logical import Integer

_DUMMY = Schema((t.Field("_nothing", t.Boolean()),))


def united(parts: list[n.Node], place: Place) -> n.Node:
    """Return UNION ALL of nodes with equally many columns."""
    return n.Union(parts=tuple(build.met(parts, "UNION", place)))


def set_operation(left: n.Node, right: n.Node, said: q.SetOf) -> n.Node:
    """Return INTERSECT or EXCEPT of two nodes."""
    word = said.kind.value
    check_width(left, right, word, said.place)
    a, b = build.met([left, right], word, said.place)
    return SetOperation(left=a, right=b, kind=said.kind, every=said.all)


def check_width(left: n.Node, right: n.Node, word: str, place: Place) -> None:
    """Raise where two sides have different numbers of columns."""
    if len(left.schema) != len(right.schema):
        raise SqlError(
            f"{word} of {len(left.schema)} and {len(right.schema)} columns.",
            where=place,
            hint=f"Left: ({left.schema}). Right: ({right.schema}).",
        )


def values(body: q.Rows) -> n.Node:
    """Return the rows of VALUES; a column has the type its cells meet in."""
    width = len(body.rows[0])
    for row in body.rows:
        if len(row) != width:
            raise SqlError(
                f"A row of VALUES has {len(row)} columns, the first one {width}.",
                where=row[0].place or body.place,
            )
    rows = [[resolve(cell, Schema(())) for cell in row] for row in body.rows]
    kinds: list[t.LogicalType] = []
    for index in range(width):
        kind = common_type([row[index].typed for row in rows])
        if kind is None:
            raise TypeMismatch(
                f"Column {index + 1} of VALUES has values of different types.",
                where=body.rows[0][index].place or body.place,
                hint="CAST them to one type.",
            )
        kinds.append(kind)
    names = [f"EXPR${i}" for i in range(width)]
    cells = [[_as_literal(c, k) for c, k in zip(row, kinds, strict=True)] for row in rows]
    if all(isinstance(cell, Literal) for row in cells for cell in row):
        literals = tuple(tuple(c for c in row if isinstance(c, Literal)) for row in cells)
        return n.Values(columns=Schema(tuple(map(t.Field, names, kinds))), rows=literals)
    parts: list[n.Node] = [
        n.Project(
            input=one_row(),
            columns=tuple(
                Named(name, cast_to(c, k)) for name, c, k in zip(names, row, kinds, strict=True)
            ),
        )
        for row in rows
    ]
    return parts[0] if len(parts) == 1 else n.Union(parts=tuple(parts))


def one_row() -> n.Node:
    """Return what a SELECT without FROM reads."""
    nothing = Literal(value=None, type=t.Boolean())
    return n.Values(columns=_DUMMY, rows=((nothing,),))


def _as_literal(expr: Expr, to: t.LogicalType) -> Expr:
    """Return a constant as one of type ``to`` where that needs no computing."""
    if isinstance(expr, Cast) and isinstance(expr.arg, Literal) and expr.arg.value is None:
        expr = expr.arg
    if not isinstance(expr, Literal):
        return expr
    have = expr.typed
    same = type(have) is type(to) and not isinstance(to, t.Decimal | t.Char | t.Binary)
    if expr.value is None or same or (isinstance(to, t.VarChar) and isinstance(have, t.Char)):
        return replace(expr, type=to)
    if isinstance(have, Integer) and isinstance(to, Integer):
        return replace(expr, type=to)
    if isinstance(have, Integer | t.Decimal) and isinstance(to, t.Decimal):
        return replace(expr, value=PyDecimal(expr.value), type=to)
    if isinstance(have, Integer | t.Decimal) and isinstance(to, t.Double):
        return replace(expr, value=float(expr.value), type=to)
    if have.with_nullable(True) == to.with_nullable(True):
        return replace(expr, type=to)
    return expr
