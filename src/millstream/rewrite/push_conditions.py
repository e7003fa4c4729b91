"""Sources that can leave rows out are told what is asked for.

before    Filter v > 10 AND LOWER(s) = 'a' ─ Scan t [postgres]
after     Filter v > 10 AND LOWER(s) = 'a' ─ Scan t [postgres] where v > 10

The filter stays: a source may leave out what it finds cheaply (row groups of a Parquet file) and
give the rest. Only comparisons of a stored column with a constant, of types that every system
compares alike; only tables without a watermark, as a row that is left out moves no watermark.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from millstream.expr.tree import Call, Column, Literal
from millstream.plan import nodes as n
from millstream.plan.table import Condition
from millstream.ports.registry import connector
from millstream.rewrite.reading import parts_of, readers
from millstream.types import Boolean, Date, Decimal, Timestamp, VarChar
from millstream.types.logical import Integer

if TYPE_CHECKING:
    from millstream.expr.tree import Expr
    from millstream.types import Schema

_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def push_conditions(plan: n.Plan) -> n.Plan:
    """Tell each scan the conditions of the filter right above it."""
    count = readers(plan)

    def told(node: n.Node, was: n.Node) -> n.Node:
        if not isinstance(node, n.Filter) or not isinstance(node.input, n.Scan):
            return node
        scan = node.input
        alone = count[id(was.inputs[0])] == 1
        if not alone or scan.table.watermark is not None:
            return node
        if not connector(scan.table.connector).filters(scan.table):
            return node
        stored = scan.table.physical
        found = [_condition(part, stored) for part in parts_of(node.predicate)]
        conditions = tuple(c for c in found if c is not None)
        if not conditions or conditions == scan.conditions:
            return node
        return replace(node, input=replace(scan, conditions=conditions))

    return plan.rewrite_from(told)


def _condition(part: Expr, stored: Schema) -> Condition | None:
    """Return a part of a predicate as a condition, None where it is not so simple."""
    if not isinstance(part, Call):
        return None
    if part.function == "IS NOT NULL" and isinstance(part.args[0], Column):
        name = part.args[0].name
        return Condition(name, part.function) if name in stored else None
    if part.function not in _TURNED or len(part.args) != 2:
        return None
    left, right = part.args
    op = part.function
    if isinstance(left, Literal):
        left, right, op = right, left, _TURNED[op]
    if not isinstance(left, Column) or not isinstance(right, Literal) or left.name not in stored:
        return None
    if right.value is None:
        return None
    kind = stored.type_of(left.name)
    # The order of texts is the system's own; that they are equal is not.
    exact = isinstance(kind, Integer | Decimal | Date | Timestamp | Boolean)
    if not exact and not (isinstance(kind, VarChar) and op == "="):
        return None
    return Condition(left.name, op, right.value)


__all__ = ["push_conditions"]
