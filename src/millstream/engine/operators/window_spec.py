"""Fixed windows as panes: how times become pane numbers and panes become windows.

in      a windowed aggregate of the plan, the zone of the pipeline
out     :class:`WindowSpec`; small conversions of time columns that all windows need
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from millstream import types as t
from millstream.engine.rejects import rejected_rows
from millstream.engine.state.jit import kernel
from millstream.engine.wall_clock import WallClock
from millstream.plan.windows import Attached, Cumulate, Session

if TYPE_CHECKING:
    from millstream.plan.nodes import WindowAggregate

NEVER = -(2**62)
"""The pane number before all panes: nothing has fired."""
ALL_CLOSED = 2**62
"""The pane number behind all panes: the input has ended."""


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Panes and how windows are made of them.

    Pane n spans [n, n + 1) * pane_ms + offset_ms. ``length`` panes make the longest window;
    ``grows``: the windows of one block of panes share its start (CUMULATE).
    """

    pane_ms: int
    length: int
    offset_ms: int
    grows: bool
    clock: WallClock

    @classmethod
    def of(cls, node: WindowAggregate, zone: str) -> WindowSpec:
        """Return the panes of a plan node."""
        local = isinstance(node.input.schema.type_of(node.time), t.TimestampLtz) and zone != "UTC"
        clock = WallClock(zone if local else None)
        window = node.window
        assert not isinstance(window, Session), "sessions have no panes"
        if isinstance(window, Attached):
            # A pane per window end: the end is the pane's number, so it spans one millisecond.
            return cls(1, 1, -1, grows=False, clock=clock)
        pane = window.pane_ms
        length = window.size_ms // pane
        return cls(pane, length, window.offset_ms, isinstance(window, Cumulate), clock)

    def end_of(self, pane: np.ndarray) -> np.ndarray:
        """Return the wall-clock end of panes, in ms."""
        return (pane + 1) * self.pane_ms + self.offset_ms

    def block_of(self, pane: int) -> int:
        """Return the block of ``length`` panes a pane lies in."""
        return pane // self.length

    def last_pane(self, pane: np.ndarray) -> np.ndarray:
        """Return the pane with which the last window that holds a pane ends."""
        if self.grows:
            return pane // self.length * self.length + self.length - 1
        return pane + self.length - 1

    def closed_by(self, mark_ms: int) -> int:
        """Return the last pane whose end is reached: a window fires at mark >= end - 1 ms."""
        closed = self.clock.last_bound(mark_ms + 1, self.pane_ms, self.offset_ms) - 1
        return min(closed, ALL_CLOSED)


def with_time(
    frame: pl.DataFrame, column: str, uid: str
) -> tuple[pl.DataFrame, tuple[pl.DataFrame, ...]]:
    """Return the rows that have a time, and the others as rejected ones.

    Where a watermark is declared the scan has rejected them already.
    """
    if not frame[column].null_count():
        return frame, ()
    nothing = frame[column].is_null()
    reason = f"the window's time '{column}' is NULL"
    rejected = rejected_rows(frame.filter(nothing), reason, uid, port=0)
    return frame.filter(~nothing), (rejected,)


def milliseconds(times: pl.Series) -> np.ndarray:
    """Return a time column in milliseconds."""
    dtype = cast("pl.Datetime", times.dtype)
    times = times if dtype.time_unit == "ms" else times.dt.cast_time_unit("ms")
    return times.cast(pl.Int64).to_numpy()


def datetimes(name: str, walls: np.ndarray) -> pl.Series:
    """Return wall-clock milliseconds as a TIMESTAMP(3) column."""
    return pl.Series(name, walls).cast(pl.Datetime("ms"))


@kernel
def pane_numbers(times: np.ndarray, pane_ms: int, offset_ms: int) -> np.ndarray:
    """Return the pane of each time; a run of rows in one pane costs no division."""
    out = np.empty(times.size, dtype=np.int64)
    start = 0
    end = 0
    pane = 0
    for i in range(times.size):
        if times[i] < start or times[i] >= end:
            pane = (times[i] - offset_ms) // pane_ms
            start = pane * pane_ms + offset_ms
            end = start + pane_ms
        out[i] = pane
    return out
