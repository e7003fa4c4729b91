"""Two filters in a row become one.

before    Filter b > 1 ─ Filter a > 1 ─ input
after     Filter a > 1 AND b > 1 ─ input

Only where the upper predicate cannot fail: AND computes its right side wherever the left one is
not FALSE, so also for rows where the lower predicate is NULL and that the upper one never saw.
"""

from __future__ import annotations

from dataclasses import replace

from millstream.plan.nodes import Filter, Node, Plan
from millstream.rewrite.reading import all_of, never_fails, readers


def merge_filters(plan: Plan) -> Plan:
    """Merge filters that stand on each other."""
    count = readers(plan)

    def merged(node: Node, was: Node) -> Node:
        if not isinstance(node, Filter) or not isinstance(node.input, Filter):
            return node
        if count[id(was.inputs[0])] > 1 or not never_fails(node.predicate):
            return node
        both = all_of([node.input.predicate, node.predicate])
        return replace(node, input=node.input.input, predicate=both)

    return plan.rewrite_from(merged)
