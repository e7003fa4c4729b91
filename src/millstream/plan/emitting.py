"""Early and late results of windows, as the settings of a pipeline ask for them.

in      a plan, the settings ``table.exec.emit.…``
out     the plan with every windowed aggregation giving results so, but those that say it themselves
bad     PlanError: late results without an allowed lateness, sessions
"""

from __future__ import annotations

from dataclasses import replace

from millstream.errors import PlanError
from millstream.plan.grouping import WindowAggregate
from millstream.plan.nodes import Node, Plan
from millstream.plan.windows import Emit
from millstream.settings import Settings


def emitting(plan: Plan, settings: Settings) -> Plan:
    """Return the plan with early and late results where the settings turn them on."""
    if not settings.early_fire and not settings.late_fire and not settings.allow_lateness_ms:
        return plan
    if settings.late_fire and not settings.allow_lateness_ms:
        raise PlanError(
            "table.exec.emit.late-fire is on, but no row is taken in late.",
            hint="Say how long rows may be late: SET 'table.exec.emit.allow-lateness' = '1 h'.",
        )
    emit = Emit(
        early_ms=settings.early_fire_delay_ms if settings.early_fire else None,
        late_ms=settings.late_fire_delay_ms if settings.late_fire else 0,
        lateness_ms=settings.allow_lateness_ms,
    )

    def change(node: Node) -> Node:
        if isinstance(node, WindowAggregate) and node.emit is None:
            return replace(node, emit=emit)
        return node

    return plan.rewrite(change)
