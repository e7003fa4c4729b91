"""Rows that wait until the watermark has passed their time.

in      frames in arrival order, with a column of times
state   a few runs sorted by (time, arrival); runs of about one size are merged, so that a row is
        sorted again O(log rows) times in all, and taking the front of a run copies nothing
out     the rows up to a mark, by time, then in order of arrival
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.engine.batch import FINAL_MARK_MS

ARRIVED = "$arrived"


@dataclass(slots=True)
class _Run:
    """Sorted rows with their times."""

    frame: pl.DataFrame
    times: np.ndarray


class Waiting:
    """Rows by time; ``time`` is a Datetime('ms') column without NULLs."""

    def __init__(self, time: str, empty: pl.DataFrame) -> None:
        self._time = time
        self._empty = empty.with_columns(pl.lit(0, dtype=pl.Int64).alias(ARRIVED)).clear()
        self._runs: list[_Run] = []
        self._arrived = 0

    def __len__(self) -> int:
        return sum(run.frame.height for run in self._runs)

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows in."""
        if not rows.height:
            return
        stamps = np.arange(self._arrived, self._arrived + rows.height)
        self._arrived += rows.height
        self._push(rows.with_columns(pl.Series(ARRIVED, stamps)))

    def take(self, mark_ms: int) -> pl.DataFrame:
        """Return the rows whose time is not after ``mark_ms``, with their arrival numbers."""
        ready: list[pl.DataFrame] = []
        left: list[_Run] = []
        for run in self._runs:
            if mark_ms == FINAL_MARK_MS:
                count = run.frame.height
            else:
                count = int(np.searchsorted(run.times, mark_ms, side="right"))
            if count:
                ready.append(run.frame[:count])
            if count < run.frame.height:
                left.append(_Run(run.frame[count:], run.times[count:]) if count else run)
        self._runs = left
        if not ready:
            return self._empty
        return ready[0] if len(ready) == 1 else pl.concat(ready).sort(self._time, ARRIVED)

    def save(self) -> tuple[pl.DataFrame, int]:
        """Return the rows, and the number of the next to arrive."""
        frames = [run.frame for run in self._runs]
        return pl.concat(frames, rechunk=True) if frames else self._empty, self._arrived

    def load(self, rows: pl.DataFrame, arrived: int) -> None:
        """Take saved rows back."""
        self._runs, self._arrived = [], arrived
        if rows.height:
            self._push(rows)

    @property
    def bytes_used(self) -> int:
        """Bytes of the rows that wait."""
        return sum(int(run.frame.estimated_size()) for run in self._runs)

    def _push(self, rows: pl.DataFrame) -> None:
        self._runs.append(self._sorted(rows))
        while len(self._runs) > 1:
            before, last = self._runs[-2:]
            if before.frame.height > 2 * last.frame.height:
                return
            self._runs[-2:] = [self._sorted(pl.concat([before.frame, last.frame]))]

    def _sorted(self, rows: pl.DataFrame) -> _Run:
        rows = rows.sort(self._time, ARRIVED)
        return _Run(rows, rows[self._time].cast(pl.Int64).to_numpy())
