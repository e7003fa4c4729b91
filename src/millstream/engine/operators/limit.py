"""LIMIT and OFFSET without an order: the first rows in arrival order.

in      append-only batches; marks ride along
state   how many rows have come, counted up to the last one that passes
out     rows ``offset`` to ``offset + count`` of the arrival sequence
"""

from __future__ import annotations

from millstream.engine.batch import Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.plan.nodes import Limit


class FirstRows(Operator):
    """Lets the first rows through."""

    def __init__(self, node: Limit) -> None:
        self._from = node.offset
        self._to = node.offset + node.count
        self._seen = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "LIMIT has one input"
        start = self._seen
        self._seen = min(start + len(batch), self._to)
        first, last = max(start, self._from), self._seen
        if last <= first:
            return NOTHING
        return Outputs(out=(batch.frame.slice(first - start, last - first),))

    def snapshot(self) -> Snapshot:
        return Snapshot(facts={"seen": self._seen})

    def restore(self, snapshot: Snapshot) -> None:
        self._seen = int(snapshot.facts["seen"])


@lowers(Limit)
def _(node: Limit, lowering: Lowering) -> Operator:
    assert not lowering.changes_in[0], "LIMIT over changing rows was not refused"
    return FirstRows(node)
