"""A batch: the unit that moves through the engine.

A Polars frame whose user columns come first. Two hidden columns may follow:

``$op``    Int8, the change kind of each row (:class:`Op`); absent = all rows are inserts
``$mark``  Int64 ms, the watermark each row arrived under; absent = every row is ahead of its own
           mark, so no row of the batch can be late anywhere

``mark_ms`` is the watermark *after* the batch's last row; None = no watermark yet. A batch
without rows carries a mark. Hidden columns ride along through filters and projections for free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.frames import without
from millstream.ports.connector import FINAL_MARK_MS

MARK = "$mark"
SPLIT = "$split"
OFFSET = "$offset"
HIDDEN = (OP, MARK, SPLIT, OFFSET)

__all__ = [
    "FINAL_MARK_MS",
    "HIDDEN",
    "MARK",
    "OFFSET",
    "OP",
    "SPLIT",
    "Batch",
    "Op",
]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows in arrival order, with the mark after the last one and the clock stamp of the chunk."""

    frame: pl.DataFrame
    mark_ms: int | None = None
    read_at_ms: int = 0

    def __len__(self) -> int:
        return self.frame.height

    @property
    def has_ops(self) -> bool:
        """Whether the rows say their change kind."""
        return OP in self.frame.columns

    @property
    def has_marks(self) -> bool:
        """Whether some row may be behind the mark it arrived under."""
        return MARK in self.frame.columns

    def with_frame(self, frame: pl.DataFrame) -> Batch:
        """Return other rows under the same mark and stamp."""
        return replace(self, frame=frame)

    def data(self) -> pl.DataFrame:
        """Return the user's columns."""
        return without(self.frame, HIDDEN)

    def weights(self) -> np.ndarray | None:
        """Return +1 for inserts and -1 for retractions per row (int8), or None for all +1."""
        if not self.has_ops:
            return None
        ops = self.frame[OP].to_numpy()
        return np.where((ops == Op.UPDATE_BEFORE) | (ops == Op.DELETE), -1, 1).astype(np.int8)

    def marks(self) -> np.ndarray | None:
        """Return each row's own mark (int64 ms), or None where no row is behind it."""
        return self.frame[MARK].to_numpy() if self.has_marks else None
