"""Two projections in a row become one; one that changes nothing goes.

before    Project x + 1 AS y ─ Project a * 2 AS x, b ─ input
after     Project (a * 2) + 1 AS y ─ input

Only where nothing is computed twice: an expression of the lower projection that is more than a
column or a constant may be read once at most, and none may depend on chance.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from millstream.expr.tree import Column, Named, substitute
from millstream.plan.legality import is_deterministic
from millstream.plan.nodes import Node, Plan, Project
from millstream.rewrite.reading import is_plain, readers

if TYPE_CHECKING:
    from millstream.expr.tree import Expr


def merge_projects(plan: Plan) -> Plan:
    """Merge projections that stand on each other, and drop those that pass all columns on."""
    count = readers(plan)

    def merged(node: Node, was: Node) -> Node:
        if not isinstance(node, Project):
            return node
        below = node.input
        if isinstance(below, Project) and count[id(was.inputs[0])] == 1:
            node = _merged(node, below)
        return node.input if _passes_all(node) else node

    return plan.rewrite_from(merged)


def _merged(upper: Project, lower: Project) -> Project:
    read = Counter(
        part.name for c in upper.columns for part in c.expr.walk() if isinstance(part, Column)
    )
    for column in lower.columns:
        dear = not is_plain(column.expr)
        if dear and (read[column.name] > 1 or not is_deterministic(column.expr)):
            return upper
    by: dict[str, Expr] = {c.name: c.expr for c in lower.columns}
    columns = tuple(Named(c.name, substitute(c.expr, by)) for c in upper.columns)
    return replace(upper, input=lower.input, columns=columns)


def _passes_all(node: Project) -> bool:
    names = tuple(c.expr.name if isinstance(c.expr, Column) else None for c in node.columns)
    return names == node.input.schema.names == tuple(c.name for c in node.columns)
