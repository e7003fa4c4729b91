"""What a plan may not ask of a user's functions.

in      a step and what is known of its inputs
out     nothing where it is allowed
bad     PlanError with the place of the call, what is missing, and what to write
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.errors import PlanError
from millstream.expr.tree import AggCall
from millstream.plan import nodes as n
from millstream.plan.windows import Cumulate, Hop, Session

if TYPE_CHECKING:
    from millstream.plan.derive import Derived


def check_functions(derived: Derived, node: n.Node) -> None:
    """Raise where a user's aggregate function lacks a method that the step needs."""
    if not isinstance(node, n.Aggregate | n.WindowAggregate):
        return
    for agg in node.aggs:
        call = agg.expr
        # Of different values it is folded anew, so nothing is ever taken out or merged.
        if not isinstance(call, AggCall) or call.udf is None or call.distinct:
            continue
        name, methods = call.udf.name, call.udf.methods
        if derived.facts(node.input).updates and "retract" not in methods:
            raise PlanError(
                f"{name} has no method retract, but rows below '{node.label()}' are taken back.",
                where=call.place,
                hint=f"Add retract(self, acc, *values) to {name}, or aggregate before the rows "
                "change.",
            )
        if isinstance(node, n.WindowAggregate) and _merges(node) and "merge" not in methods:
            raise PlanError(
                f"{name} has no method merge, but {node.window} puts windows together from parts.",
                where=call.place,
                hint=f"Add merge(self, acc, other) to {name}, or use TUMBLE.",
            )


def _merges(node: n.WindowAggregate) -> bool:
    match node.window:
        case Hop(size_ms=size, slide_ms=slide):
            return size != slide
        case Cumulate(size_ms=size, step_ms=step):
            return size != step
        case Session():
            return True
        case _:
            return False
