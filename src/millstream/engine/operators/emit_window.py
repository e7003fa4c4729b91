"""Windows whose results also come early, before their end, or again for late rows after it.

in      append-only batches; a row whose time is NULL is rejected
state   one slot per window and key: partial results, and the result given last where readers
        need old rows; kept until the watermark is ``lateness_ms`` past the window's end
out     changes: per firing and changed slot at most one old row (-U), then one new (+I, +U).
        At the end of a window its result stands; early and late ones come as often as ``Emit``
        says, by the clock. The table they fold to does not depend on when
late    a row whose last window is forgotten already
cost    a row folds into each of its windows (not into a pane); a firing costs what changed since
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.frames import filtered, gathered, gathered_columns
from millstream.columns.physical import polars_schema, polars_type
from millstream.engine.aggregates.arguments import Arguments
from millstream.engine.aggregates.group import Aggregates
from millstream.engine.batch import FINAL_MARK_MS, MARK, OP, Batch, Op
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot
from millstream.engine.operators.window_spec import datetimes, milliseconds, with_time
from millstream.engine.operators.window_table import windows_of
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import KeptRows
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import Rows, gather_words
from millstream.engine.wall_clock import WallClock
from millstream.plan.windows import Attached, Fixed, Session

if TYPE_CHECKING:
    from millstream.plan.nodes import WindowAggregate

START, END = "$start", "$end"
# The operator's own words behind the keys of a slot.
DIRTY, GIVEN = 0, 1
OWN_WORDS = 2


class EmitWindow(Operator):
    """One running windowed GROUP BY with early or late results."""

    timed = True

    def __init__(self, node: WindowAggregate, lowering: Lowering) -> None:
        assert node.emit is not None, "windows without early or late results have other operators"
        assert not isinstance(node.window, Session), "the plan refuses sessions"
        given = node.input.schema
        zone = lowering.ctx.time_zone
        kind = given.type_of(node.time)
        self.uid = node.uid
        self._node = node
        self._emit = node.emit
        self._window: Fixed | Attached = node.window
        self._by_clock = lowering.by_clock
        self._clock = WallClock(
            zone if isinstance(kind, t.TimestampLtz) and zone != "UTC" else None
        )
        self._time_type = polars_type(kind)
        bounds = (node.window.start, node.window.end) if isinstance(node.window, Attached) else ()
        self._arguments = Arguments.of(
            node.aggs,
            tuple(dict.fromkeys((*node.keys, node.time, *bounds))),
            given,
            lowering.ctx,
            seed=lowering.seed,
            uid=node.uid,
        )
        self._aggs = Aggregates(self._arguments.aggs, changes=False)
        self._settle(lowering)
        self._ends: dict[int, list[np.ndarray]] = {}
        self._open: list[int] = []
        self._past: list[int] = []
        self._early: list[np.ndarray] = []
        self._late: list[np.ndarray] = []
        self._mark_ms = LOWEST_MS
        self._now_ms = LOWEST_MS
        self._early_since_ms = LOWEST_MS
        self._late_since_ms = LOWEST_MS

    def _settle(self, lowering: Lowering) -> None:
        """Lay the state out: keys and bounds, own words, partial results, the given result."""
        self._arena = Arena()
        heap = ByteHeap(self._arena)
        schema = polars_schema(self._node.input.schema)
        keys = {f"k{i}": schema[key] for i, key in enumerate(self._node.keys)}
        results = {a.name: polars_type(a.expr.typed) for a in self._node.aggs}
        self._given = None if lowering.upsert_out else KeptRows(results, heap)
        self._index = KeyIndex(
            {**keys, START: pl.Int64(), END: pl.Int64()},
            lowering.seed,
            arena=self._arena,
            heap=heap,
            extra_words=OWN_WORDS
            + self._aggs.words
            + (0 if self._given is None else self._given.words),
        )
        self._own = self._index.extra
        at = self._own + OWN_WORDS
        self._aggs.settle(self._arena, heap, self._index.rows, at, lowering.seed)
        if self._given is not None:
            self._given.settle(self._index.rows, at + self._aggs.words)

    # ------------------------------------------------------------------ rows

    @property
    def may_reject(self) -> bool:
        return self._arguments.may_reject

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a window has one input"
        self._now_ms = max(self._now_ms, batch.read_at_ms)
        frame, untimed = with_time(batch.frame, self._node.time, self.uid)
        frame, late = self._without_late(frame)
        frame, failed = self._arguments.prepare(batch.with_frame(frame))
        if frame.height:
            self._fold(frame)
        failed = (*failed, *self._aggs.rejected(self.uid))
        return Outputs(out=self._fire(), late=late, rejected=(*untimed, *failed))

    def _without_late(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[pl.DataFrame, ...]]:
        if MARK not in frame.columns or not frame.height:
            return frame, ()
        rows, _, ends = self._windows(frame)
        last = np.empty(frame.height, dtype=np.int64)
        # The windows of a row stand together, the one that ends last behind the others.
        last[np.arange(frame.height) if rows is None else rows] = ends
        gone = self._forgotten_at(last) <= frame[MARK].to_numpy()
        if not gone.any():
            return frame, ()
        mask = pl.Series(gone)
        return filtered(frame, ~mask), (filtered(frame, mask),)

    def _windows(self, frame: pl.DataFrame) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Return (row, start, end) of each row's windows; row None = each has exactly one."""
        window = self._window
        if isinstance(window, Attached):
            return None, milliseconds(frame[window.start]), milliseconds(frame[window.end])
        return windows_of(self._clock.wall_of(milliseconds(frame[self._node.time])), window)

    def _forgotten_at(self, ends: np.ndarray) -> np.ndarray:
        """Return the marks at which windows are forgotten."""
        return self._clock.instants_of(ends) - 1 + self._emit.lateness_ms

    def _fold(self, frame: pl.DataFrame) -> None:
        rows, starts, ends = self._windows(frame)
        wide = frame if rows is None else gathered(frame, rows)
        if MARK in wide.columns:
            open_ones = self._forgotten_at(ends) > wide[MARK].to_numpy()
            if not open_ones.all():
                wide = filtered(wide, pl.Series(open_ones))
                starts, ends = starts[open_ones], ends[open_ones]
        keys = [wide[key] for key in self._node.keys]
        keys += [pl.Series(starts), pl.Series(ends)]
        slots, made = self._index.upsert_columns(keys, wide.height)
        self._aggs.fold(wide, slots, NO_WORDS)
        if made.size:
            self._list(slots[made], ends[made])
        self._touch(slots)

    def _list(self, slots: np.ndarray, ends: np.ndarray) -> None:
        """Note new windows under their ends."""
        order = np.argsort(ends, kind="stable")
        slots, ends = slots[order], ends[order]
        cuts = np.flatnonzero(ends[1:] != ends[:-1]) + 1
        # A Python loop over the windows that got new keys, not over rows.
        for some in np.split(slots, cuts):
            if some.size:
                end = int(gather_words(self._index.rows.view, self._at_end, 1, some[:1])[0][0])
                if end not in self._ends:
                    self._ends[end] = []
                    ended = self._clock.instant_of(end) - 1 <= self._mark_ms
                    heappush(self._past if ended else self._open, end)
                self._ends[end].append(some)

    @property
    def _at_end(self) -> int:
        """The word of a slot that holds the end of its window."""
        return self._own - 1

    def _touch(self, slots: np.ndarray) -> None:
        """Note what changed since it was given last, apart by whether its window has ended."""
        fresh = mark_dirty(self._index.rows.view, self._own + DIRTY, slots)
        ends = gather_words(self._index.rows.view, self._at_end, 1, fresh)[0]
        ended = self._clock.instants_of(ends) - 1 <= self._mark_ms
        if ended.any():
            self._late_since_ms = self._late_since_ms if self._late else self._now_ms
            self._late.append(fresh[ended])
        if self._emit.early_ms is not None and not ended.all():
            self._early_since_ms = self._early_since_ms if self._early else self._now_ms
            self._early.append(fresh[~ended])

    # ------------------------------------------------------------------ firing

    def on_mark(self, mark_ms: int) -> Outputs:
        self._mark_ms = mark_ms
        if self._by_clock and mark_ms < FINAL_MARK_MS:
            self._now_ms = max(self._now_ms, mark_ms + 1)
        on_time: list[np.ndarray] = []
        gone: list[np.ndarray] = []
        # Python loops over the windows whose time has come, not over keys or rows.
        while self._open and self._clock.instant_of(self._open[0]) - 1 <= mark_ms:
            end = heappop(self._open)
            on_time += self._ends[end]
            heappush(self._past, end)
        kept_ms = self._emit.lateness_ms
        while self._past and self._clock.instant_of(self._past[0]) - 1 + kept_ms <= mark_ms:
            gone += self._ends.pop(heappop(self._past))
        out = (*self._give([*on_time, *gone]), *self._fire())
        for slots in gone:
            self._forget(slots)
        return Outputs(out=out) if out else NOTHING

    def clock_times(self, frame: pl.DataFrame, port: int) -> np.ndarray:
        if isinstance(self._window, Attached):
            return self._clock.instants_of(milliseconds(frame[self._window.end])) - 1
        return milliseconds(frame[self._node.time])

    def on_clock(self, now_ms: int) -> Outputs:
        self._now_ms = max(self._now_ms, now_ms)
        out = self._fire()
        return Outputs(out=out) if out else NOTHING

    def _fire(self) -> tuple[pl.DataFrame, ...]:
        """Give early and late results that are due by the clock."""
        emit, due = self._emit, list[np.ndarray]()
        early_ms = emit.early_ms or 0
        if self._early and self._now_ms - self._early_since_ms >= early_ms:
            due += self._early
            self._early = []
        if self._late and self._now_ms - self._late_since_ms >= emit.late_ms:
            due += self._late
            self._late = []
        return self._give(due)

    def _give(self, parts: list[np.ndarray]) -> tuple[pl.DataFrame, ...]:
        """Return the changes of those slots that changed since they were given last."""
        if not parts:
            return ()
        slots = parts[0] if len(parts) == 1 else np.concatenate(parts)
        slots = take_dirty(self._index.rows.view, self._own + DIRTY, slots)
        if not slots.size:
            return ()
        new = pl.DataFrame(self._aggs.results(slots)) if self._node.aggs else pl.DataFrame()
        given = gather_words(self._index.rows.view, self._own + GIVEN, 1, slots)[0] > 0
        out = self._changes(slots, given, new)
        if self._given is not None:
            if given.any():
                self._given.free(slots[given])
            self._given.put(slots, new)
        put_ones(self._index.rows.view, self._own + GIVEN, slots)
        return (out,)

    def _changes(self, slots: np.ndarray, given: np.ndarray, new: pl.DataFrame) -> pl.DataFrame:
        """Return new rows, each behind the old one where readers need it."""
        kinds = np.where(given, Op.UPDATE_AFTER, Op.INSERT).astype(np.int8)
        if self._given is None or not given.any():
            return self._frame(slots, new.get_columns()).hstack([pl.Series(OP, kinds)])
        old = np.flatnonzero(given)
        results = self._given.columns(slots[old])
        every = np.concatenate([slots[old], slots])
        order = np.argsort(np.concatenate([old * 2, np.arange(slots.size) * 2 + 1]), kind="stable")
        both = [column.extend(new[column.name]) for column in results]
        ops = np.concatenate([np.full(old.size, Op.UPDATE_BEFORE, dtype=np.int8), kinds])
        made = self._frame(every[order], gathered_columns(both, order))
        return made.hstack([pl.Series(OP, ops[order])])

    def _frame(self, slots: np.ndarray, results: list[pl.Series]) -> pl.DataFrame:
        """Return rows in the order of the plan node's columns."""
        node = self._node
        keys = self._index.keys(slots)
        made = [keys[f"k{i}"].alias(key) for i, key in enumerate(node.keys)]
        made += results
        starts, ends = keys[START].to_numpy(), keys[END].to_numpy()
        if node.window_start is not None:
            made.append(datetimes(node.window_start, starts))
        if node.window_end is not None:
            made.append(datetimes(node.window_end, ends))
        if node.window_time is not None:
            last = pl.Series(node.window_time, self._clock.instants_of(ends) - 1)
            made.append(last.cast(self._time_type))
        return pl.DataFrame(made)

    def _forget(self, slots: np.ndarray) -> None:
        if self._given is not None:
            given = gather_words(self._index.rows.view, self._own + GIVEN, 1, slots)[0] > 0
            self._given.free(slots[given])
        self._aggs.drop(slots)
        self._index.free(slots)

    # ------------------------------------------------------------------ state

    def snapshot(self) -> Snapshot:
        slots = self._index.rows.live()
        own = gather_words(self._index.rows.view, self._own, OWN_WORDS, slots)
        tables, facts = self._aggs.save(slots)
        words = [pl.Series("$dirty", own[DIRTY]), pl.Series("$given", own[GIVEN])]
        tables["windows"] = self._index.keys(slots).with_columns(words)
        if self._given is not None:
            tables["given"] = self._given.get(slots[own[GIVEN] > 0])
        clocks = [self._mark_ms, self._now_ms, self._early_since_ms, self._late_since_ms]
        return Snapshot(tables, {**facts, "clocks": clocks})

    def restore(self, snapshot: Snapshot) -> None:
        saved = snapshot.tables["windows"]
        slots = self._index.restore(saved.drop("$dirty", "$given"))
        given = saved["$given"].to_numpy()
        matrix = self._index.rows.matrix()
        matrix[slots, self._own + GIVEN] = given
        self._aggs.load(slots, snapshot.tables, snapshot.facts)
        if self._given is not None:
            self._given.put(slots[given > 0], snapshot.tables["given"])
        self._mark_ms, self._now_ms, early_ms, late_ms = map(int, snapshot.facts["clocks"])
        self._list(slots, saved[END].to_numpy())
        self._touch(slots[saved["$dirty"].to_numpy() > 0])
        self._early_since_ms, self._late_since_ms = early_ms, late_ms

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used + 8 * len(self._index)

    @property
    def state_rows(self) -> int:
        return len(self._index)


@kernel
def mark_dirty(rows: Rows, at: int, slots: np.ndarray) -> np.ndarray:
    """Mark slots; returns those that were not marked yet, each once."""
    out = np.empty(slots.size, dtype=np.int64)
    count = 0
    for slot in slots:
        p = slot * rows.width + at
        if rows.words[p] == 0:
            rows.words[p] = 1
            out[count] = slot
            count += 1
    return out[:count].copy()


@kernel
def take_dirty(rows: Rows, at: int, slots: np.ndarray) -> np.ndarray:
    """Take the marks off; returns the slots that had one, each once.

    A slot that was forgotten, or taken again since, has none or is as well given now.
    """
    out = np.empty(slots.size, dtype=np.int64)
    count = 0
    for slot in slots:
        p = slot * rows.width
        if rows.words[p] > 0 and rows.words[p + at] != 0:
            rows.words[p + at] = 0
            out[count] = slot
            count += 1
    return out[:count].copy()


@kernel
def put_ones(rows: Rows, at: int, slots: np.ndarray) -> None:
    """Write 1 into one word of slots."""
    for slot in slots:
        rows.words[slot * rows.width + at] = 1
