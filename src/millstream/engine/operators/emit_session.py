"""Sessions whose results also come early, before their end, or again for late rows after it.

in      append-only batches; a row whose time is NULL is rejected
state   as in :mod:`.session_window`; also the bounds and the result given last; kept until the
        watermark is ``lateness_ms`` past the session's end
out     changes: a session that grew or joined another one takes its row back (-D) and gives a
        new one under its new bounds (+I); otherwise an old row (-U), then the new one (+U).
        When they come is said as in :mod:`.emit_window`
late    a row whose session, after all it touches has been joined, is forgotten already
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream.columns.frames import gathered, stacked
from millstream.columns.physical import polars_type
from millstream.engine.batch import FINAL_MARK_MS, OP, Batch, Op
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import NOTHING, Lowering, Outputs, Snapshot
from millstream.engine.operators.emit_window import mark_dirty, take_dirty
from millstream.engine.operators.session_window import SessionWindow
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import face
from millstream.engine.state.end_lists import EndLists, put_word
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.kept_rows import KeptRows
from millstream.engine.state.sessions import CELL_WORDS, END, Assigned
from millstream.engine.state.slots import gather_words
from millstream.plan.windows import Session

if TYPE_CHECKING:
    from millstream.plan.nodes import WindowAggregate

# Words of a cell behind those of its session; then the result given last, then the aggregates.
DIRTY, GIVEN, DUE, GIVEN_START, GIVEN_END = range(CELL_WORDS, CELL_WORDS + 5)
OWN_WORDS = 5


class EmitSession(SessionWindow):
    """One running GROUP BY over sessions with early or late results."""

    timed = True

    def __init__(self, node: WindowAggregate, lowering: Lowering) -> None:
        assert node.emit is not None, "sessions without early or late results are simpler"
        assert isinstance(node.window, Session), "other windows have operators of their own"
        results = {a.name: polars_type(a.expr.typed) for a in node.aggs}
        self._given_arena = Arena()
        self._given = KeptRows(results, ByteHeap(self._given_arena))
        super().__init__(node, lowering, OWN_WORDS + self._given.words)
        cells = self._sessions.cells
        self._given.settle(cells, CELL_WORDS + OWN_WORDS)
        self._emit = node.emit
        self._by_clock = lowering.by_clock
        self._upserts = lowering.upsert_out
        self._due = EndLists(cells, END, DUE, node.window.gap_ms)
        self._early: list[np.ndarray] = []
        self._late: list[np.ndarray] = []
        self._mark_ms = LOWEST_MS
        self._now_ms = LOWEST_MS
        self._early_since_ms = LOWEST_MS
        self._late_since_ms = LOWEST_MS

    # ------------------------------------------------------------------ rows

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        self._now_ms = max(self._now_ms, batch.read_at_ms)
        taken = super().on_batch(batch, port)
        return Outputs((*taken.out, *self._fire()), taken.late, taken.rejected)

    def _joined(self, assigned: Assigned) -> tuple[pl.DataFrame, ...]:
        """Take the rows of sessions that are part of others now back; note what changed."""
        merged = assigned.merges[1]
        gone = merged[self._word(GIVEN, merged) > 0]
        out: tuple[pl.DataFrame, ...] = ()
        if gone.size:
            ops = pl.Series(OP, np.full(gone.size, Op.DELETE, dtype=np.int8))
            out = (self._old(gone).with_columns(ops),)
            self._given.free(gone)
        kept = assigned.cells[assigned.cells >= 0]
        if merged.size:
            kept = kept[~np.isin(kept, merged)]
        self._note(mark_dirty(self._sessions.cells.view, DIRTY, kept))
        return out

    def _note(self, fresh: np.ndarray) -> None:
        """List cells that changed since they were given last."""
        if not fresh.size:
            return
        self._due.add(fresh)
        ended = self._word(END, fresh) <= self._timing.reaches(self._mark_ms)
        if ended.any():
            self._late_since_ms = self._late_since_ms if self._late else self._now_ms
            self._late.append(fresh[ended])
        if self._emit.early_ms is not None and not ended.all():
            self._early_since_ms = self._early_since_ms if self._early else self._now_ms
            self._early.append(fresh[~ended])

    def _word(self, at: int, cells: np.ndarray) -> np.ndarray:
        return gather_words(self._sessions.cells.view, at, 1, cells)[0]

    # ------------------------------------------------------------------ firing

    def on_mark(self, mark_ms: int) -> Outputs:
        self._mark_ms = mark_ms
        if self._by_clock and mark_ms < FINAL_MARK_MS:
            self._now_ms = max(self._now_ms, mark_ms + 1)
        on_time = self._due.ended(self._timing.reaches(mark_ms))
        gone = self._sessions.lists.ended(self._timing.ends_by(mark_ms))
        out = (*self._give([on_time, gone]), *self._fire())
        if gone.size:
            self._given.free(gone[self._word(GIVEN, gone) > 0])
            self._aggs.drop(gone)
            self._sessions.close(gone)
        return Outputs(out=out) if out else NOTHING

    def on_clock(self, now_ms: int) -> Outputs:
        self._now_ms = max(self._now_ms, now_ms)
        out = self._fire()
        return Outputs(out=out) if out else NOTHING

    def _fire(self) -> tuple[pl.DataFrame, ...]:
        """Give early and late results that are due by the clock."""
        due: list[np.ndarray] = []
        if self._early and self._now_ms - self._early_since_ms >= (self._emit.early_ms or 0):
            due += self._early
            self._early = []
        if self._late and self._now_ms - self._late_since_ms >= self._emit.late_ms:
            due += self._late
            self._late = []
        return self._give(due)

    def _give(self, parts: list[np.ndarray]) -> tuple[pl.DataFrame, ...]:
        """Return the changes of those sessions that changed since they were given last."""
        parts = [part for part in parts if part.size]
        if not parts:
            return ()
        cells = parts[0] if len(parts) == 1 else np.concatenate(parts)
        cells = take_dirty(self._sessions.cells.view, DIRTY, cells)
        if not cells.size:
            return ()
        results = self._aggs.results(cells)
        starts, ends = self._sessions.bounds(cells)
        given = self._word(GIVEN, cells) > 0
        same = (self._word(GIVEN_START, cells) == starts) & (self._word(GIVEN_END, cells) == ends)
        kinds = np.where(given & same, Op.UPDATE_AFTER, Op.INSERT).astype(np.int8)
        out = self._shown(cells, results, starts, ends).hstack([pl.Series(OP, kinds)])
        # Under the same bounds a reader by key needs no old row.
        back = np.flatnonzero(given & ~same if self._upserts else given)
        if back.size:
            taken = np.where(same[back], Op.UPDATE_BEFORE, Op.DELETE).astype(np.int8)
            old = self._old(cells[back]).hstack([pl.Series(OP, taken)])
            places = np.concatenate([back * 2, np.arange(cells.size) * 2 + 1])
            out = gathered(stacked([old, out]), np.argsort(places, kind="stable"))
        if given.any():
            self._given.free(cells[given])
        self._given.put(cells, pl.DataFrame(results))
        view = self._sessions.cells.view
        put_word(view, GIVEN, cells, np.ones(cells.size, dtype=np.int64))
        put_word(view, GIVEN_START, cells, starts)
        put_word(view, GIVEN_END, cells, ends)
        return (out,)

    def _old(self, cells: np.ndarray) -> pl.DataFrame:
        """Return the rows that were given last."""
        results = self._given.columns(cells)
        starts, ends = self._word(GIVEN_START, cells), self._word(GIVEN_END, cells)
        return self._shown(cells, results, starts, ends)

    # ------------------------------------------------------------------ state

    def snapshot(self) -> Snapshot:
        saved = super().snapshot()
        cells = self._sessions.live()
        words = {name: self._word(at, cells) for name, at in _SAVED.items()}
        tables = {
            **saved.tables,
            "own": pl.DataFrame([pl.Series(name, found) for name, found in words.items()]),
            "given": self._given.get(cells[words["given"] > 0]),
        }
        clocks = [self._mark_ms, self._now_ms, self._early_since_ms, self._late_since_ms]
        return Snapshot(tables, {**saved.facts, "clocks": clocks})

    def restore(self, snapshot: Snapshot) -> None:
        cells = self._take_back(snapshot)
        own = snapshot.tables["own"]
        view = self._sessions.cells.view
        for name, at in _SAVED.items():
            if at != DIRTY:
                put_word(view, at, cells, face(own[name].to_numpy()))
        given = own["given"].to_numpy() > 0
        self._given.put(cells[given], snapshot.tables["given"])
        self._mark_ms, self._now_ms, early_ms, late_ms = map(int, snapshot.facts["clocks"])
        self._note(mark_dirty(view, DIRTY, cells[own["dirty"].to_numpy() > 0]))
        self._early_since_ms, self._late_since_ms = early_ms, late_ms

    @property
    def state_bytes(self) -> int:
        return super().state_bytes + self._given_arena.bytes_used


_SAVED = {"dirty": DIRTY, "given": GIVEN, "start": GIVEN_START, "end": GIVEN_END}
