"""Turns a plan into an equal, cheaper one: an ordered list of rules, one file each.

in      a complete plan with ids
out     a plan with the same results; steps that remember something keep their ids
law     a rule never moves anything below a watermark, never computes an expression twice that is
        dear or depends on chance, and never shares less than before. As in Flink, an expression
        whose value nobody reads, or whose row is filtered away, is not computed: it cannot fail
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.rewrite.fold_constants import fold_constants
from millstream.rewrite.merge_filters import merge_filters
from millstream.rewrite.merge_projects import merge_projects
from millstream.rewrite.prune_columns import prune_columns
from millstream.rewrite.prune_fields import prune_fields
from millstream.rewrite.push_conditions import push_conditions
from millstream.rewrite.push_filters import push_filters
from millstream.rewrite.share_subplans import share_subplans

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.plan.nodes import Plan

RULES: tuple[Callable[[Plan], Plan], ...] = (
    fold_constants,
    share_subplans,
    push_filters,
    merge_filters,
    prune_columns,
    prune_fields,
    merge_projects,
    push_conditions,
)


PASSES_MAX = 8
"""One rule makes room for another; a plan is settled after two or three passes."""


def rewrite(plan: Plan) -> Plan:
    """Apply all rules in order, until none finds anything to do."""
    for _ in range(PASSES_MAX):
        before = plan
        for rule in RULES:
            plan = rule(plan)
        if plan.sinks == before.sinks:
            break
    return plan


__all__ = [
    "RULES",
    "fold_constants",
    "merge_filters",
    "merge_projects",
    "prune_columns",
    "prune_fields",
    "push_conditions",
    "push_filters",
    "rewrite",
    "share_subplans",
]
