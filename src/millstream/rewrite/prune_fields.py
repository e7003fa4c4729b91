"""Fields of ROW columns that nobody reads are not decoded.

before    Project bid.price ─ Filter event_type = 2 ─ Scan (event_type, bid ROW<price, url, extra>)
after     Project bid.price ─ Filter event_type = 2 ─ Scan (event_type, bid ROW<price>)

Only where every reader takes fields by name: a column that is passed on as a whole keeps them all.
Only for sources that find fields by name (JSON, Nexmark).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from millstream.expr.tree import Call, Column, Expr, Literal
from millstream.plan import nodes as n
from millstream.plan.table import Computed, Physical, Table
from millstream.ports.registry import narrows
from millstream.types.logical import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millstream.types import LogicalType

Path = tuple[str, ...]
"""A column, and the names of the fields that are taken out of it one after the other."""


def prune_fields(plan: n.Plan) -> n.Plan:
    """Narrow the ROW columns of scans to the fields that are read."""
    order = plan.walk()
    readers: dict[int, list[n.Node]] = {}
    for node in order:
        for child in node.inputs:
            readers.setdefault(id(child), []).append(node)

    def narrowed(node: n.Node, was: n.Node) -> n.Node:
        if not isinstance(node, n.Scan) or not narrows(node.table):
            return node
        rows = {f.name for f in node.schema if isinstance(f.type, Row)}
        if not rows:
            return node
        read = _read_of(was, readers, rows)
        table = _narrow(node.table, rows, read)
        return node if table is node.table else replace(node, table=table)

    return plan.rewrite_from(narrowed)


def _read_of(scan: n.Node, readers: dict[int, list[n.Node]], rows: set[str]) -> set[Path]:
    """Return what is read of a scan's ROW columns, also by its own expressions."""
    assert isinstance(scan, n.Scan), "only scans are narrowed"
    own: list[Expr] = [c.expr for c in scan.table.computed if c.name in scan.schema]
    if scan.table.watermark is not None:
        own.append(scan.table.watermark.expr)
    found = _paths(own, rows)
    waiting = list(readers.get(id(scan), ()))
    while waiting:
        node = waiting.pop()
        if isinstance(node, n.Filter):
            found |= _paths(node.expressions, rows)
            waiting.extend(readers.get(id(node), ()))
        elif isinstance(node, n.Project):
            found |= _paths(node.expressions, rows)
        else:
            found |= {(name,) for name in rows}
    return found


def _paths(expressions: Iterable[Expr], rows: set[str]) -> set[Path]:
    found: set[Path] = set()

    def visit(expr: Expr) -> None:
        path = _path(expr)
        if path is not None:
            found.update({path} if path[0] in rows else ())
            return
        for child in expr.children():
            visit(child)

    for expr in expressions:
        visit(expr)
    return found


def _path(expr: Expr) -> Path | None:
    """Return the path that ``a.b.c`` is, None for any other expression."""
    if isinstance(expr, Column):
        return (expr.name,)
    if not (isinstance(expr, Call) and expr.function == "FIELD"):
        return None
    inner, name = expr.args
    below = _path(inner)
    return None if below is None or not isinstance(name, Literal) else (*below, str(name.value))


def _narrow(table: Table, rows: set[str], read: set[Path]) -> Table:
    types: dict[str, LogicalType] = {}
    for column in table.columns:
        if isinstance(column, Physical) and column.name in rows:
            types[column.name] = _kept(column.type, {p[1:] for p in read if p[0] == column.name})
    if all(table.schema.type_of(name) == kind for name, kind in types.items()):
        return table
    columns = tuple(
        replace(c, type=types[c.name])
        if isinstance(c, Physical) and c.name in types
        else replace(c, expr=_retyped(c.expr, types))
        if isinstance(c, Computed)
        else c
        for c in table.columns
    )
    mark = table.watermark
    if mark is not None:
        mark = replace(mark, expr=_retyped(mark.expr, types))
    return replace(table, columns=columns, watermark=mark)


def _kept(kind: LogicalType, paths: set[Path]) -> LogicalType:
    """Return a ROW with the fields that paths name, and one where none is: it may be NULL."""
    if not isinstance(kind, Row) or () in paths:
        return kind
    heads = {path[0] for path in paths}
    fields = tuple(
        (name, _kept(inner, {p[1:] for p in paths if p[0] == name}))
        for name, inner in kind.fields
        if name in heads
    )
    return replace(kind, fields=fields or kind.fields[:1])


def _retyped(expr: Expr, types: dict[str, LogicalType]) -> Expr:
    def change(part: Expr) -> Expr:
        if isinstance(part, Column) and part.name in types:
            return replace(part, type=types[part.name])
        return part

    return expr.rewrite(change)
