"""The SESSION table function: each row with the bounds of its session, once that is closed.

in      append-only batches; a row whose time is NULL is rejected
state   the open sessions of every partition, with all their rows
out     the input's columns, then window_start, window_end, window_time; sessions by their end,
        the rows of one session in arrival order
close   as in :mod:`.session_window`, also for what is late
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import filtered
from millstream.columns.physical import polars_schema
from millstream.engine.batch import Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot
from millstream.engine.operators.session_window import (
    Timing,
    restored_sessions,
    saved_sessions,
)
from millstream.engine.operators.window_spec import with_time
from millstream.engine.state.arena import Arena
from millstream.engine.state.row_list import CELL_WORDS as LIST_WORDS
from millstream.engine.state.row_list import RowList
from millstream.engine.state.sessions import CELL_WORDS, Sessions
from millstream.plan.nodes import WINDOW_COLUMNS, WindowTable
from millstream.plan.windows import Session

PLACE, ARRIVED = "$place", "$arrived"


class SessionRows(Operator):
    """Rows that wait for their sessions."""

    def __init__(self, node: WindowTable, lowering: Lowering) -> None:
        assert isinstance(node.window, Session), "other windows are known at once"
        given = node.input.schema
        schema = polars_schema(given)
        self._node = node
        self._names = given.names
        self._timing = Timing(given.type_of(node.time), node.time, lowering)
        self._arena = Arena()
        keys = {f"k{i}": schema[key] for i, key in enumerate(node.partition)}
        self._sessions = Sessions(keys, lowering.seed, self._arena, LIST_WORDS, node.window.gap_ms)
        self._rows = RowList(dict(schema), self._arena, self._sessions.cells, CELL_WORDS)
        self._rows_seen = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a window table function has one input"
        frame, rejected = with_time(batch.frame, self._node.time, self.uid)
        if not frame.height:
            return Outputs(rejected=rejected) if rejected else NOTHING
        columns = [frame[key] for key in self._node.partition]
        keys, _ = self._sessions.keys.upsert_columns(columns, frame.height)
        assigned = self._sessions.assign(keys, *self._timing.of(frame))
        cells = assigned.cells
        late: tuple[pl.DataFrame, ...] = ()
        if (cells < 0).any():
            behind = cells < 0
            late = (filtered(frame, pl.Series(behind)),)
            frame, cells = filtered(frame, pl.Series(~behind)), cells[~behind]
        arrived = np.arange(self._rows_seen, self._rows_seen + frame.height)
        self._rows_seen += frame.height
        # Merged lists are sorted by arrival when they go out, so merging may come last here.
        self._rows.add(cells, frame, arrived)
        into, given, _ = assigned.merges
        if into.size:
            self._rows.merge(into, given)
        self._sessions.settle(assigned, self._timing.ends_by(batch.mark_ms))
        return Outputs(late=late, rejected=rejected) if late or rejected else NOTHING

    def on_mark(self, mark_ms: int) -> Outputs:
        cells = self._sessions.lists.ended(self._timing.ends_by(mark_ms))
        if not cells.size:
            return NOTHING
        where, _, rows = self._rows.of(cells)
        starts, ends = self._sessions.bounds(cells)
        made = self._timing.columns(starts[where], ends[where], WINDOW_COLUMNS)
        out = pl.DataFrame([*rows.get_columns(), *(c for c in made if c is not None)])
        self._rows.release(cells)
        self._sessions.close(cells)
        return Outputs(out=(out,))

    def clock_times(self, frame: pl.DataFrame, port: int) -> np.ndarray:
        return self._timing.of(frame)[0]

    def snapshot(self) -> Snapshot:
        cells = self._sessions.live()
        where, arrived, rows = self._rows.of(cells)
        places = [pl.Series(PLACE, where), pl.Series(ARRIVED, arrived)]
        tables = {
            "sessions": saved_sessions(self._sessions, cells),
            "rows": rows.with_columns(places),
        }
        return Snapshot(tables, {"rows_seen": self._rows_seen})

    def restore(self, snapshot: Snapshot) -> None:
        cells = restored_sessions(self._sessions, snapshot.tables["sessions"])
        saved = snapshot.tables["rows"]
        where, arrived = saved[PLACE].to_numpy(), saved[ARRIVED].to_numpy()
        self._rows.add(cells[where], saved.select(self._names), arrived)
        self._rows_seen = int(snapshot.facts["rows_seen"])

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used + self._sessions.bytes_listed

    @property
    def state_rows(self) -> int:
        return len(self._rows)
