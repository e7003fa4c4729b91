"""Session windows with aggregates: rows of one key without a pause longer than the gap.

in      append-only batches; a row whose time is NULL is rejected
state   one cell per open session with partial results (:class:`.sessions.Sessions`)
out     closed sessions only, append-only, by their end
close   a session [first row, last row + gap) is closed by a mark at its end: until then a row
        that touches the end joins it. So the step stays one millisecond behind
        (``WindowAggregate.delay_ms``), and its rows are never late below. By processing time
        it is closed one millisecond earlier, before the rows read at its end
late    a row whose session, after all it touches has been joined, is closed already
zone    a pause is elapsed time; the bounds of sessions over instants are shown as local time
source  Akidau et al., "The Dataflow Model", VLDB 2015, section 2.2 (merging windows)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.frames import filtered
from millstream.columns.physical import polars_schema, polars_type
from millstream.engine.aggregates.arguments import Arguments
from millstream.engine.aggregates.group import Aggregates
from millstream.engine.batch import FINAL_MARK_MS, MARK, Batch
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot
from millstream.engine.operators.window_spec import datetimes, milliseconds, with_time
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, face
from millstream.engine.state.end_lists import NO_MARK
from millstream.engine.state.sessions import CELL_WORDS, Assigned, Sessions
from millstream.engine.wall_clock import WallClock
from millstream.plan.windows import Session

if TYPE_CHECKING:
    from millstream.plan.nodes import WindowAggregate
    from millstream.types import LogicalType

ROW = "$row"
"""The place of a row in its batch, where arguments are computed."""


class SessionWindow(Operator):
    """One running GROUP BY over sessions."""

    def __init__(self, node: WindowAggregate, lowering: Lowering, own_words: int = 0) -> None:
        assert isinstance(node.window, Session), "other windows have operators of their own"
        assert not lowering.changes_in[0], "a session's rows never change"
        given = node.input.schema
        self.uid = node.uid
        self._node = node
        kept_ms = 0 if node.emit is None else node.emit.lateness_ms
        self._timing = Timing(given.type_of(node.time), node.time, lowering, kept_ms)
        self._arguments = Arguments.of(
            node.aggs,
            tuple(dict.fromkeys((*node.keys, node.time, ROW))),
            t.Schema((*given.fields, t.Field(ROW, t.BigInt()))),
            lowering.ctx,
            seed=lowering.seed,
            uid=node.uid,
        )
        self._aggs = Aggregates(self._arguments.aggs, changes=False)
        self._arena = Arena()
        schema = polars_schema(given)
        names = {f"k{i}": schema[key] for i, key in enumerate(node.keys)}
        self._sessions = Sessions(
            names, lowering.seed, self._arena, own_words + self._aggs.words, node.window.gap_ms
        )
        self._aggs.settle(
            self._arena,
            self._sessions.heap,
            self._sessions.cells,
            CELL_WORDS + own_words,
            lowering.seed,
        )

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a window has one input"
        given, untimed = with_time(batch.frame, self._node.time, self.uid)
        if self._arguments.program is not None:
            given = given.hstack([pl.Series(ROW, np.arange(given.height))])
        frame, failed = self._arguments.prepare(batch.with_frame(given))
        rejected = (*untimed, *failed)
        if not frame.height:
            return Outputs(rejected=rejected) if rejected else NOTHING
        columns = [frame[key] for key in self._node.keys]
        keys, _ = self._sessions.keys.upsert_columns(columns, frame.height)
        times, marks = self._timing.of(frame)
        assigned = self._sessions.assign(keys, times, marks)
        late: tuple[pl.DataFrame, ...] = ()
        if (assigned.cells < 0).any():
            behind = filtered(frame, pl.Series(assigned.cells < 0))
            if self._arguments.program is not None:
                behind = given[behind[ROW].to_numpy()].drop(ROW)
            late = (behind,)
        self._fold(frame, assigned)
        out = self._joined(assigned)
        rejected = (*rejected, *self._aggs.rejected(self.uid))
        if assigned.merges[1].size:
            self._aggs.drop(assigned.merges[1])
        self._sessions.settle(assigned, self._timing.ends_by(batch.mark_ms))
        return Outputs(out=out, late=late, rejected=rejected)

    def _joined(self, assigned: Assigned) -> tuple[pl.DataFrame, ...]:
        """Hear which sessions got rows, before those that were joined to others are forgotten."""
        return ()

    def _fold(self, frame: pl.DataFrame, assigned: Assigned) -> None:
        """Fold rows and merge cells, stage by stage."""
        kept = assigned.cells >= 0
        into, given, merged_at = assigned.merges
        if not into.size and kept.all():
            self._put(frame, assigned.cells, self._aggs.arrive(frame.height))
            return
        arrived = np.zeros(frame.height, dtype=np.int64)
        arrived[kept] = self._aggs.arrive(int(kept.sum()))
        # A Python loop over the longest chain of merges in the batch, not over its rows.
        for stage in range(assigned.last_stage + 1):
            now = merged_at == stage
            if now.any():
                for part in self._aggs.parts:
                    part.merge(into[now], given[now])
            rows = np.flatnonzero(kept & (assigned.stages == stage))
            if rows.size:
                self._put(frame[rows], assigned.cells[rows], arrived[rows])

    def _put(self, frame: pl.DataFrame, cells: np.ndarray, arrived: np.ndarray) -> None:
        inputs = self._aggs.inputs(frame, cells, NO_WORDS, arrived)
        for part, rows in zip(self._aggs.parts, inputs, strict=True):
            part.fold(rows)

    def on_mark(self, mark_ms: int) -> Outputs:
        cells = self._sessions.lists.ended(self._timing.ends_by(mark_ms))
        if not cells.size:
            return NOTHING
        out = self._frame(cells)
        self._aggs.drop(cells)
        self._sessions.close(cells)
        return Outputs(out=(out,))

    def _frame(self, cells: np.ndarray) -> pl.DataFrame:
        starts, ends = self._sessions.bounds(cells)
        return self._shown(cells, self._aggs.results(cells), starts, ends)

    def _shown(
        self, cells: np.ndarray, results: list[pl.Series], starts: np.ndarray, ends: np.ndarray
    ) -> pl.DataFrame:
        """Return result rows, in the order of the plan node's columns."""
        node = self._node
        keys = self._sessions.keys.columns(self._sessions.keys_of(cells))
        made = [c.alias(n) for c, n in zip(keys, node.keys, strict=True)]
        made += results
        names = (node.window_start, node.window_end, node.window_time)
        made += [c for c in self._timing.columns(starts, ends, names) if c is not None]
        return pl.DataFrame(made)

    def clock_times(self, frame: pl.DataFrame, port: int) -> np.ndarray:
        return self._timing.of(frame)[0]

    def snapshot(self) -> Snapshot:
        cells = self._sessions.live()
        tables, facts = self._aggs.save(cells)
        tables["sessions"] = saved_sessions(self._sessions, cells)
        return Snapshot(tables, facts)

    def restore(self, snapshot: Snapshot) -> None:
        self._take_back(snapshot)

    def _take_back(self, snapshot: Snapshot) -> np.ndarray:
        """Restore sessions and aggregates; returns the cells in the order of the snapshot."""
        cells = restored_sessions(self._sessions, snapshot.tables["sessions"])
        self._aggs.load(cells, snapshot.tables, snapshot.facts)
        return cells

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used + self._sessions.bytes_listed

    @property
    def state_rows(self) -> int:
        return len(self._sessions.cells)


class Timing:
    """The time of sessions: what rows say, when they end, how their bounds are shown.

    ``kept_ms``: for so long after its end a session takes rows in.
    """

    def __init__(
        self, kind: LogicalType, column: str, lowering: Lowering, kept_ms: int = 0
    ) -> None:
        self._kept_ms = kept_ms
        zone = lowering.ctx.time_zone
        self._column = column
        self._by_clock = lowering.by_clock
        self._clock = WallClock(zone if isinstance(kind, t.TimestampLtz) else None)
        self._type = polars_type(kind)

    def of(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the times of rows and the marks they came under."""
        times = face(milliseconds(frame[self._column]))
        if MARK not in frame.columns:
            return times, NO_WORDS
        marks = frame[MARK].to_numpy()
        return times, face(np.where(marks == LOWEST_MS, marks, marks - self._kept_ms))

    def ends_by(self, mark_ms: int | None) -> int:
        """Return the last end whose session a mark closes for good."""
        reached = self.reaches(mark_ms)
        return reached if reached in (NO_MARK, FINAL_MARK_MS) else reached - self._kept_ms

    def reaches(self, mark_ms: int | None) -> int:
        """Return the last end that a mark reaches."""
        if mark_ms is None or mark_ms == LOWEST_MS:
            return NO_MARK
        return mark_ms + 1 if self._by_clock and mark_ms < FINAL_MARK_MS else mark_ms

    def columns(
        self, starts: np.ndarray, ends: np.ndarray, names: tuple[str | None, str | None, str | None]
    ) -> tuple[pl.Series | None, pl.Series | None, pl.Series | None]:
        """Return window_start, window_end and window_time under their names; None: not named."""
        start, end, time = names
        wall = self._clock.wall_of
        return (
            None if start is None else datetimes(start, wall(starts)),
            None if end is None else datetimes(end, wall(ends)),
            None if time is None else pl.Series(time, ends - 1).cast(self._type),
        )


def saved_sessions(sessions: Sessions, cells: np.ndarray) -> pl.DataFrame:
    """Return the keys and bounds of sessions."""
    starts, ends = sessions.bounds(cells)
    bounds = [pl.Series("$start", starts), pl.Series("$end", ends)]
    return sessions.keys.keys(sessions.keys_of(cells)).with_columns(bounds)


def restored_sessions(sessions: Sessions, saved: pl.DataFrame) -> np.ndarray:
    """Take saved sessions back; returns their cells, in order."""
    keys, _ = sessions.keys.upsert(saved.drop("$start", "$end"))
    return sessions.restore(keys, saved["$start"].to_numpy(), saved["$end"].to_numpy())
