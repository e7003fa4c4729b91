"""Rows that wait until the watermark has passed their time.

in      frames in arrival order, with a column of times
state   the rows by time (:class:`~millstream.engine.state.end_order.EndOrder`), with the number of
        their arrival
out     the rows up to a mark, by time, then in order of arrival
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.batch import FINAL_MARK_MS
from millstream.engine.state.end_order import EndOrder

ARRIVED = "$arrived"
_END = 2**63 - 1
"""No time is later."""


class Waiting:
    """Rows by time; ``time`` is a Datetime('ms') column without NULLs."""

    def __init__(self, time: str, empty: pl.DataFrame) -> None:
        self._time = time
        arrived = pl.Series(ARRIVED, [], dtype=pl.Int64)
        self._rows = EndOrder(empty.clear().hstack([arrived]))
        self._arrived = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows in."""
        if not rows.height:
            return
        stamps = np.arange(self._arrived, self._arrived + rows.height)
        self._arrived += rows.height
        self._keep(rows.hstack([pl.Series(ARRIVED, stamps)]))

    def take(self, mark_ms: int) -> pl.DataFrame:
        """Return the rows whose time is not after ``mark_ms``, with their arrival numbers."""
        return self._rows.take(_END if mark_ms == FINAL_MARK_MS else mark_ms)[1]

    def save(self) -> tuple[pl.DataFrame, int]:
        """Return the rows, and the number of the next to arrive."""
        return self._rows.all()[1], self._arrived

    def load(self, rows: pl.DataFrame, arrived: int) -> None:
        """Take saved rows back."""
        self._arrived = arrived
        self._keep(rows.sort(ARRIVED))

    @property
    def bytes_used(self) -> int:
        """Bytes of the rows that wait."""
        return self._rows.bytes_used

    def _keep(self, rows: pl.DataFrame) -> None:
        self._rows.add(rows[self._time].cast(pl.Int64).to_numpy(), rows)
