"""Which scans say of each row where it came from: ``$split`` and ``$offset``, hidden columns.

in      a graph, as it was built
out     ``places`` set on the scans from which some row can reach a step that may reject it or find
        it late; the columns end at the first step that makes rows of its own
cost    none where nothing can drop a row; else two columns that ride along (docs/reliability.md)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.plan import (
    async_call,
    changelog,
    expand,
    joins,
    process,
    table_function,
)
from millstream.plan import nodes as n

if TYPE_CHECKING:
    from millstream.engine.graph import Graph, Step

PASS = (
    n.Filter, n.Project, n.Union, n.MapBatches, n.WindowTable, expand.Expand,
    table_function.CallTable, async_call.AsyncCall, joins.LookupJoin, changelog.FromChanges,
)  # fmt: skip
"""Steps that give each row on with its hidden columns."""
CAN_REJECT = (
    n.MapBatches, table_function.CallTable, async_call.AsyncCall, joins.LookupJoin,
    changelog.FromChanges, process.Process,
)  # fmt: skip
"""Steps that may reject a row whatever their expressions are."""


def want_places(graph: Graph) -> None:
    """Let the scans say the places of their rows where a step may want them."""
    wanted = [False] * len(graph.steps)
    for index in reversed(range(len(graph.steps))):
        step = graph.steps[index]
        above = any(wanted[reader] for reader, _ in step.out)
        # What a step wants of its input: for itself, or for a reader of the rows it gives on.
        wanted[index] = _may_drop(step) or (above and isinstance(step.node, (n.Scan, *PASS)))
        step.places = wanted[index]
    for stage, index in zip(graph.stages, graph.scans, strict=True):
        stage.places = wanted[index]


def _may_drop(step: Step) -> bool:
    if step.operator is None:
        return False
    if isinstance(step.node, CAN_REJECT):
        return True
    return step.operator.may_reject or (step.node.drops_late and not step.by_clock)
