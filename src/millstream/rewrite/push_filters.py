"""Filters go down, below projections and window table functions, so that less is computed.

before    Filter k = 'a' ─ Project k, dear(v) AS d ─ input
after     Project k, dear(v) AS d ─ Filter k = 'a' ─ input

Below a projection only where the predicate reads columns it passes on or constants, else they
would be computed twice; below a window table function only where it does not read the window.
Never into a scan: a row that is filtered still moves the watermark.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from millstream.expr.tree import columns_of, substitute
from millstream.plan.legality import is_deterministic
from millstream.plan.nodes import Filter, Node, Plan, Project, WindowTable
from millstream.rewrite.reading import is_plain, readers

if TYPE_CHECKING:
    from millstream.expr.tree import Expr


def push_filters(plan: Plan) -> Plan:
    """Move every filter as far down as it can go."""
    # Each pass moves filters by one step at least, so a plan's size bounds the passes.
    for _ in range(len(plan.walk())):
        pushed = _one_step(plan)
        if pushed.sinks == plan.sinks:
            return plan
        plan = pushed
    return plan


def _one_step(plan: Plan) -> Plan:
    count = readers(plan)

    def pushed(node: Node, was: Node) -> Node:
        if not isinstance(node, Filter) or count[id(was.inputs[0])] > 1:
            return node
        below = node.input
        if not isinstance(below, Project | WindowTable):
            return node
        if isinstance(below, Project):
            predicate = _below_project(node.predicate, below)
        else:
            gone = set(below.schema.names) - set(below.input.schema.names)
            predicate = None if columns_of(node.predicate) & gone else node.predicate
        if predicate is None:
            return node
        return replace(below, input=replace(node, input=below.input, predicate=predicate))

    return plan.rewrite_from(pushed)


def _below_project(predicate: Expr, project: Project) -> Expr | None:
    by = {c.name: c.expr for c in project.columns}
    if not all(is_plain(by[name]) for name in columns_of(predicate)):
        return None
    if not all(is_deterministic(c.expr) for c in project.columns):
        return None  # random values follow the row's position, which the filter would change
    return substitute(predicate, by)
