"""A window table function: each row once per window it falls in.

in      append-only batches; hidden columns ride along
state   none
out     the input's columns, then window_start, window_end, window_time; the windows of one row
        stand together, the earliest first
late    never: a row whose windows are all closed passes too, as in Flink; what follows decides
reject  a row whose time is NULL (only where no watermark is declared, else the scan rejects it)
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.frames import gathered
from millstream.columns.physical import polars_type
from millstream.engine.batch import HIDDEN, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, lowers
from millstream.engine.operators.window_spec import with_time
from millstream.engine.wall_clock import WallClock
from millstream.plan.nodes import WindowTable
from millstream.plan.windows import Cumulate, Fixed, Hop, Session, Tumble


class WindowRows(Operator):
    """Puts each row into its windows."""

    def __init__(self, node: WindowTable, zone: str) -> None:
        assert not isinstance(node.window, Session), "sessions are known when they are closed"
        kind = node.input.schema.type_of(node.time)
        self._window = node.window
        self._time = node.time
        self._names = node.input.schema.names
        self._clock = WallClock(
            zone if isinstance(kind, t.TimestampLtz) and zone != "UTC" else None
        )
        self._time_type = polars_type(node.schema.type_of("window_time"))

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a window table function has one input"
        frame, rejected = with_time(batch.frame, self._time, self.uid)
        if not frame.height:
            return Outputs(rejected=rejected) if rejected else NOTHING
        times = frame[self._time].cast(pl.Int64).to_numpy()
        rows, starts, ends = windows_of(self._clock.wall_of(times), self._window)
        wide = frame if rows is None else gathered(frame, rows)
        closing = self._clock.instants_of(ends) - 1
        plain = pl.Datetime("ms")
        made = [
            pl.Series("window_start", starts).cast(plain),
            pl.Series("window_end", ends).cast(plain),
            pl.Series("window_time", closing).cast(self._time_type),
        ]
        hidden = [wide[h] for h in HIDDEN if h in wide.columns]
        out = pl.DataFrame([*(wide[c] for c in self._names), *made, *hidden])
        return Outputs(out=(out,), rejected=rejected)


@lowers(WindowTable)
def _(node: WindowTable, lowering: Lowering) -> Operator:
    if isinstance(node.window, Session):
        from millstream.engine.operators.session_rows import SessionRows

        return SessionRows(node, lowering)
    return WindowRows(node, lowering.ctx.time_zone)


def windows_of(
    times: np.ndarray, window: Fixed
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return (row, start, end) of each row's windows; row None = each row has exactly one."""
    # Floor division keeps its direction below zero, so times before 1970 fall right too.
    since = times - window.offset_ms
    match window:
        case Tumble(size_ms=size):
            starts = since // size * size + window.offset_ms
            return None, starts, starts + size
        case Hop(size_ms=size, slide_ms=slide):
            count = size // slide
            last = since // slide * slide + window.offset_ms
            back = np.arange(count - 1, -1, -1, dtype=np.int64) * slide
            starts = (last[:, None] - back[None, :]).ravel()
            return np.repeat(np.arange(times.size), count), starts, starts + size
        case Cumulate(size_ms=size, step_ms=step):
            first = since // size * size
            passed = (since - first) // step
            counts = size // step - passed
            rows = np.repeat(np.arange(times.size), counts)
            begins = np.cumsum(counts) - counts
            nth = np.arange(rows.size, dtype=np.int64) - begins[rows] + passed[rows]
            starts = first[rows] + window.offset_ms
            return rows, starts, starts + (nth + 1) * step
