"""What steps share that keep the rows of each partition in order: age, snapshots, figures.

state   :class:`~millstream.engine.state.ordered_rows.OrderedRows`
ttl     a partition not written for so long is forgotten, without any output
"""

from __future__ import annotations

import numpy as np

from millstream.engine.operator import Operator, Snapshot
from millstream.engine.state import top
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.ordered_rows import OrderedRows


class OrderedOperator(Operator):
    """A step over ordered rows; ``wanted`` are the ranks its results look at."""

    def __init__(self, rows: OrderedRows, wanted: top.Wanted, ttl_ms: int) -> None:
        self._rows = rows
        self._wanted = wanted
        self._ttl_ms = ttl_ms
        self._expiry = Expiry(rows.index.rows, rows.at + top.WRITTEN, ttl_ms)

    def _renew(self, owners: np.ndarray) -> None:
        """Forget what partitions of this batch hold if it is too old, and renew all."""
        if not self._ttl_ms:
            return
        at = self._rows.at + top.WRITTEN
        matrix = self._rows.index.rows.matrix()
        mine = np.unique(owners)
        self._rows.drop(mine[matrix[mine, at] <= self._expiry.cutoff_ms], free=False)
        matrix[mine, at] = self._expiry.now_ms

    def snapshot(self) -> Snapshot:
        return Snapshot({"rows": self._rows.save()})

    def restore(self, snapshot: Snapshot) -> None:
        self._rows.load(snapshot.tables["rows"], self._wanted)

    @property
    def rows_unmatched(self) -> int:
        """How many rows were taken back that never came."""
        return self._rows.rows_unmatched

    @property
    def state_bytes(self) -> int:
        return self._rows.arena.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._rows.rows)
