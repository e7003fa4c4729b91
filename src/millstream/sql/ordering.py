"""Binds ORDER BY: selected columns, positions, expressions.

in      what ORDER BY says, the select list, the scope
out     sort keys over the columns of the result, and columns computed only to sort by
bad     SqlError for a position that is not there, UnknownName
"""

from __future__ import annotations

from millstream.errors import SqlError, UnknownName
from millstream.expr.tree import Column, Expr, Named
from millstream.plan import nodes as n
from millstream.sql import query as q
from millstream.sql.meaning import fresh, resolved
from millstream.sql.scope import Scope, named
from millstream.types import Schema


def order_expr(expr: Expr, items: list[Named], scope: Scope) -> Expr:
    """Return what an ORDER BY entry sorts by: a selected column, a position, or an expression."""
    at = q.position(expr)
    if at is not None:
        return items[_checked(at, len(items), expr)].expr
    if isinstance(expr, Column):
        selected = next((item for item in items if item.name == expr.name), None)
        if selected is not None:
            return selected.expr
    return named(expr, scope)


def _checked(position: int, width: int, expr: Expr) -> int:
    """Return the index of a position."""
    if not 1 <= position <= width:
        raise SqlError(f"ORDER BY {position}: the query has {width} columns.", where=expr.place)
    return position - 1


def sort_keys(
    order: tuple[q.Order, ...], exprs: list[Expr], columns: list[Named], schema: Schema
) -> tuple[tuple[n.SortKey, ...], list[Named]]:
    """Return the sort keys, and the columns that are computed only to sort by."""
    keys: list[n.SortKey] = []
    taken = {c.name for c in columns}
    extra: list[Named] = []
    for said, expr in zip(order, exprs, strict=True):
        meant = resolved(expr, schema)
        name = next((c.name for c in columns if c.expr == meant), None)
        if name is None:
            name = fresh("_order_", taken)
            extra.append(Named(name, meant))
        keys.append(n.SortKey(name, said.descending, said.nulls_first))
    return tuple(keys), extra


def output_key(order: q.Order, schema: Schema) -> n.SortKey:
    """Return a sort key over the columns of a result that is no single SELECT."""
    expr = order.expr
    at = q.position(expr)
    if at is not None:
        name = schema.names[_checked(at, len(schema), expr)]
        return n.SortKey(name, order.descending, order.nulls_first)
    if not isinstance(expr, Column):
        raise SqlError(
            "ORDER BY over UNION or VALUES names columns of the result.",
            where=expr.place,
            hint="Put the union in a sub-query and sort that.",
        )
    if expr.name not in schema:
        raise UnknownName("column", expr.name, available=schema.names, where=expr.place)
    return n.SortKey(expr.name, order.descending, order.nulls_first)
