"""Tumbling, hopping and cumulating windows: fixed size, aligned to the epoch.

in      any batches; the time column is Datetime('ms') without NULLs
state   one cell per open (pane, keys) with partial results; keys whose window holds several panes
        also have a total
out     closed windows only, append-only, by window end, keys in the order they first came
late    a row whose last window is already closed goes to ``late``; a row whose earlier windows
        are closed counts in the later ones only, and the batch is cut before it where those
        windows have not fired yet (each cut fires at least one window)
cost    a row folds into one pane; firing costs O(1) merges per key. Exact results that can be
        taken apart add the pane that enters and subtract the one that leaves. The others keep
        suffixes of whole blocks of panes and the prefix of the current block
source  Akidau et al., "The Dataflow Model", VLDB 2015, section 2.2; Li et al., "No pane, no
        gain", SIGMOD Record 2005; van Herk, "A fast algorithm for local minimum filters", 1992
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_schema, polars_type
from millstream.engine.aggregates.arguments import Arguments
from millstream.engine.aggregates.group import Aggregates
from millstream.engine.batch import MARK, OP, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot
from millstream.engine.operators.window_spec import (
    NEVER,
    WindowSpec,
    datetimes,
    milliseconds,
    pane_numbers,
)
from millstream.engine.state import panes as p
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, face
from millstream.engine.state.key_index import key_frame
from millstream.expr.tree import AggCall, Named
from millstream.plan.nodes import WindowAggregate
from millstream.plan.windows import Attached

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS = "$rows"


class FixedWindow(Operator):
    """One running windowed GROUP BY."""

    def __init__(self, node: WindowAggregate, lowering: Lowering) -> None:
        given = node.input.schema
        self.uid = node.uid
        self._node = node
        self._spec = WindowSpec.of(node, lowering.ctx.time_zone)
        self._attached = node.window if isinstance(node.window, Attached) else None
        self._changes = lowering.changes_in[0]
        rows = Named(ROWS, AggCall("COUNT", type=t.BigInt(nullable=False)))
        bounds = () if self._attached is None else (self._attached.start, self._attached.end)
        self._keys = (*node.keys, *bounds[:1])
        keep = tuple(dict.fromkeys((*node.keys, node.time, *bounds)))
        self._arguments = Arguments.of(
            (*node.aggs, rows) if self._changes else node.aggs,
            keep,
            given,
            lowering.ctx,
            seed=lowering.seed,
            uid=node.uid,
        )
        several = self._spec.length > 1
        self._aggs = Aggregates(self._arguments.aggs, changes=self._changes, panes=several)
        self._arena = Arena()
        schema = polars_schema(given)
        names = {f"k{i}": schema[key] for i, key in enumerate(self._keys)}
        self._panes = p.Panes(names, lowering.seed, self._arena, self._aggs.words)
        self._aggs.settle(
            self._arena, self._panes.heap, self._panes.cells, p.CELL_WORDS, lowering.seed
        )
        # CUMULATE only ever adds within a block; a HOP subtracts what can be subtracted exactly.
        self._running = [
            part for part in self._aggs.parts if part.invertible and not self._spec.grows
        ]
        self._blocked = [part for part in self._aggs.parts if part not in self._running]
        self._time_type = polars_type(given.type_of(node.time))
        self._entered = NEVER
        self._active = NO_WORDS

    # ------------------------------------------------------------------ rows

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a window has one input"
        frame = batch.frame
        late: tuple[pl.DataFrame, ...] = ()
        if batch.has_marks and frame.height:
            ends = self._spec.end_of(self._spec.last_pane(self._pane_numbers(frame)))
            too_late = self._spec.clock.instants_of(ends) - 1 <= frame[MARK].to_numpy()
            if too_late.any():
                mask = pl.Series(too_late)
                late = (frame.filter(mask),)
                frame = frame.filter(~mask)
        frame, rejected = self._arguments.prepare(batch.with_frame(frame))
        out: list[pl.DataFrame] = []
        if frame.height:
            panes = self._pane_numbers(frame)
            start = 0
            for end, fired in self._cuts(frame, panes):
                self._fold(frame[start:end], panes[start:end])
                out.extend(self._advance(fired))
                start = end
            self._fold(frame[start:] if start else frame, panes[start:])
        if not (out or late or rejected):
            return NOTHING
        return Outputs(out=tuple(out), late=late, rejected=rejected)

    def on_mark(self, mark_ms: int) -> Outputs:
        closed = self._spec.closed_by(mark_ms)
        if closed <= self._entered:
            return NOTHING
        out = self._advance(closed)
        return Outputs(out=tuple(out)) if out else NOTHING

    def clock_times(self, frame: pl.DataFrame, port: int) -> np.ndarray:
        if self._attached is None:
            return milliseconds(frame[self._node.time])
        return self._spec.clock.instants_of(milliseconds(frame[self._attached.end])) - 1

    def _pane_numbers(self, frame: pl.DataFrame) -> np.ndarray:
        if self._attached is not None:
            return milliseconds(frame[self._attached.end])
        times = self._spec.clock.wall_of(milliseconds(frame[self._node.time]))
        return pane_numbers(face(times), self._spec.pane_ms, self._spec.offset_ms)

    def _cuts(self, frame: pl.DataFrame, panes: np.ndarray) -> list[tuple[int, int]]:
        """Return (row, pane to fire up to) before rows whose earlier windows must fire first."""
        if self._spec.length == 1 or MARK not in frame.columns:
            return []
        marks = frame[MARK].to_numpy()
        ends = self._spec.clock.instants_of(self._spec.end_of(panes))
        behind = np.flatnonzero(ends - 1 <= marks)
        out: list[tuple[int, int]] = []
        fired = self._entered
        # A Python loop over the rows behind their mark: few, and each cut fires a window.
        last_mark = None
        for row in behind:
            mark = int(marks[row])
            if mark == last_mark:
                continue
            last_mark = mark
            closed = self._spec.closed_by(mark)
            if closed > fired:
                out.append((int(row), closed))
                fired = closed
        return out

    def _fold(self, frame: pl.DataFrame, panes: np.ndarray) -> None:
        """Take rows in; those whose pane has entered its windows already also go on from there."""
        if not frame.height:
            return
        weights = NO_WORDS
        if OP in frame.columns:
            found = Batch(frame).weights()
            weights = NO_WORDS if found is None else found.astype(np.int64)
        renamed = [
            frame[key].alias(name)
            for key, name in zip(self._keys, self._panes.keys.schema, strict=True)
        ]
        keys, _ = self._panes.keys.upsert(key_frame(renamed, frame.height))
        arrived = self._aggs.arrive(frame.height)
        behind = panes <= self._entered if self._spec.length > 1 else None
        if behind is None or not behind.any():
            cells, _ = self._panes.locate(keys, panes)
            self._put(frame, cells, (weights, arrived), self._aggs.parts)
            return
        rows = (keys, panes, arrived, weights)
        ahead = np.flatnonzero(~behind)
        if ahead.size:
            k, at, stamps, w = _rows(rows, ahead)
            cells, _ = self._panes.locate(k, at)
            self._put(frame[ahead], cells, (w, stamps), self._aggs.parts)
        back = np.flatnonzero(behind)
        self._fold_behind(frame[back], _rows(rows, back))

    def _fold_behind(
        self, frame: pl.DataFrame, rows: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    ) -> None:
        keys, panes, arrived, weights = rows
        if self._spec.grows:
            fresh = np.unique(keys[self._panes.key_words(keys, p.TOTAL) == 0])
            self._activate(self._panes.enter(fresh))
            self._put(frame, self._panes.totals(keys), (weights, arrived), self._aggs.parts)
            return
        cells, made = self._panes.locate(keys, panes)
        block_start = self._spec.block_of(self._entered) * self._spec.length
        if made.size:
            self._activate(self._panes.enter(self._panes.keys_of(made)))
            self._fill_suffixes(made, block_start)
        totals = self._panes.totals(keys)
        self._put(frame, cells, (weights, arrived), self._running)
        self._put(frame, totals, (weights, arrived), self._running)
        now = np.flatnonzero(panes >= block_start)
        if now.size and self._blocked:
            some = frame[now]
            w, stamps = (weights[now] if weights.size else weights), arrived[now]
            self._put(some, cells[now], (w, stamps), self._blocked)
            self._put(some, totals[now], (w, stamps), self._blocked)
        before = np.flatnonzero(panes < block_start)
        if before.size and self._blocked:
            firsts = panes[before] // self._spec.length * self._spec.length
            which, found = p.older_in_block(self._panes.cells.view, cells[before], firsts)
            which = before[which]
            w = weights[which] if weights.size else weights
            self._put(frame[which], found, (w, arrived[which]), self._blocked)

    def _fill_suffixes(self, made: np.ndarray, block_start: int) -> None:
        """Give new cells of a finished block the suffix that begins with them, newest first."""
        matrix = self._panes.cells.matrix()
        made = made[matrix[made, p.PANE] < block_start]
        # A Python loop over panes, not rows: a suffix builds on that of the next newer pane.
        for pane in np.unique(matrix[made, p.PANE])[::-1]:
            self._merge_newer(made[matrix[made, p.PANE] == pane], int(pane))

    def _merge_newer(self, cells: np.ndarray, pane: int) -> None:
        matrix = self._panes.cells.matrix()
        newer = matrix[cells, p.NEWER] - 1
        last = self._spec.block_of(pane) * self._spec.length + self._spec.length - 1
        fits = newer >= 0
        fits[fits] = matrix[newer[fits], p.PANE] <= last
        for part in self._blocked:
            part.merge(cells[fits], newer[fits])

    def _put(
        self,
        frame: pl.DataFrame,
        cells: np.ndarray,
        rows: tuple[np.ndarray, np.ndarray],
        parts: Sequence[object],
    ) -> None:
        """Fold rows into cells, for some of the accumulators."""
        weights, arrived = rows
        inputs = self._aggs.inputs(frame, cells, weights, arrived)
        for part, batch in zip(self._aggs.parts, inputs, strict=True):
            if part in parts:
                part.fold(batch)

    def _activate(self, keys: np.ndarray) -> None:
        self._active = np.concatenate([self._active, keys])

    # ------------------------------------------------------------------ firing

    def _advance(self, closed: int) -> list[pl.DataFrame]:
        """Fire every window that ends with a pane up to ``closed``."""
        out = self._fire_side_by_side(closed) if self._spec.length == 1 else []
        if self._spec.length > 1:
            fired: list[pl.DataFrame] = []
            panes = self._panes.open_panes()
            while True:
                # Windows without rows are skipped at once, however long the gap.
                pane = self._entered + 1
                if not self._active.size:
                    ahead = panes[panes > self._entered]
                    pane = int(ahead[0]) if ahead.size else closed + 1
                if pane > closed:
                    break
                frame = self._step(pane, panes)
                if frame.height:
                    fired.append(frame)
            if fired:
                out = [pl.concat(fired, rechunk=True)] if len(fired) > 1 else fired
        self._entered = max(self._entered, closed)
        return out

    def _fire_side_by_side(self, closed: int) -> list[pl.DataFrame]:
        """Fire windows of one pane each, all at once."""
        panes = self._panes.open_panes()
        panes = panes[panes <= closed]
        if not panes.size:
            return []
        cells = self._panes.cells_of(panes)
        keys = self._panes.keys_of(cells)
        numbers = self._panes.panes_of(cells)
        frame = self._frame(keys, [cells] * len(self._aggs.parts), numbers)
        self._aggs.drop(cells)
        self._panes.close(panes, cells)
        return [frame] if frame.height else []

    def _step(self, pane: int, open_panes: np.ndarray) -> pl.DataFrame:
        """Fire the one window that ends with ``pane``."""
        block_start = self._spec.block_of(pane) * self._spec.length
        first = block_start if self._spec.grows else pane - self._spec.length + 1
        if self._spec.grows and pane == block_start:
            self._drop_totals()
        self._leave(open_panes[(open_panes < first) & (open_panes <= self._entered)])
        if not self._spec.grows and pane == block_start and self._blocked:
            self._finish_block(open_panes[(open_panes >= first) & (open_panes < pane)])
        cells = self._panes.cells_of(np.array([pane]))
        keys = self._panes.keys_of(cells)
        self._activate(self._panes.enter(keys))
        totals = self._panes.totals(keys)
        for part in self._aggs.parts:
            part.merge(totals, cells)
        self._entered = pane
        if self._spec.grows:
            self._aggs.drop(cells)
            self._panes.close(np.array([pane]), cells)
        return self._window(pane, block_start)

    def _window(self, pane: int, block_start: int) -> pl.DataFrame:
        """Return the results of the window that ends with ``pane``, from totals and suffixes."""
        keys = self._active
        if not keys.size:
            return pl.DataFrame()
        totals = self._panes.totals(keys)
        first = pane - self._spec.length + 1
        numbers = np.full(keys.size, pane, dtype=np.int64)
        if self._spec.grows or not self._blocked or first == block_start:
            return self._frame(keys, [totals] * len(self._aggs.parts), numbers)
        scratch = self._panes.cells.take(keys.size)
        oldest = self._panes.key_words(keys, p.OLDEST) - 1
        matrix = self._panes.cells.matrix()
        has = oldest >= 0
        has[has] = matrix[oldest[has], p.PANE] < block_start
        for part in self._blocked:
            part.merge(scratch[has], oldest[has])
            part.merge(scratch, totals)
        slots = [scratch if part in self._blocked else totals for part in self._aggs.parts]
        out = self._frame(keys, slots, numbers)
        for part in self._blocked:
            part.release(scratch)
        self._panes.cells.free(scratch)
        return out

    def _leave(self, panes: np.ndarray) -> None:
        """Take panes out of the window and forget them."""
        if not panes.size:
            return
        cells = self._panes.cells_of(panes)
        if not cells.size:
            return
        keys = self._panes.keys_of(cells)
        for part in self._running:
            part.merge(self._panes.totals(keys), cells, -1)
        gone = self._panes.leave(keys)
        self._aggs.drop(gone)
        self._panes.cells.free(gone)
        self._active = self._active[self._panes.key_words(self._active, p.ENTERED) > 0]
        self._aggs.drop(cells)
        self._panes.close(panes, cells)

    def _finish_block(self, panes: np.ndarray) -> None:
        """Turn the panes of a finished block into suffixes and begin an empty prefix."""
        for pane in panes[::-1]:
            self._merge_newer(self._panes.cells_of(np.array([pane])), int(pane))
        totals = self._panes.totals(self._active)
        for part in self._blocked:
            part.release(totals)

    def _drop_totals(self) -> None:
        """Forget what the windows of a block have gathered."""
        keys = self._active
        if not keys.size:
            return
        totals = self._panes.totals(keys)
        matrix = self._panes.keys.rows.matrix()
        matrix[keys, self._panes.x + p.TOTAL] = 0
        matrix[keys, self._panes.x + p.ENTERED] = 0
        self._aggs.drop(totals)
        self._panes.cells.free(totals)
        self._active = NO_WORDS
        self._panes.forget_idle(keys)

    def _frame(self, keys: np.ndarray, slots: list[np.ndarray], panes: np.ndarray) -> pl.DataFrame:
        """Return result rows, in the order of the plan node's columns."""
        node, spec = self._node, self._spec
        names = [*node.keys, *([self._attached.start] if self._attached else [])]
        found = self._panes.keys.keys(keys)
        columns = [c.alias(n) for c, n in zip(found.get_columns(), names, strict=True)]
        results = self._aggs.results_of(slots)
        ends = panes if self._attached else spec.end_of(panes)
        made = [*columns[: len(node.keys)]]
        made += [r for r in results if r.name != ROWS]
        if node.window_start is not None:
            if self._attached is not None:
                start = columns[-1].alias(node.window_start)
            else:
                start = datetimes(node.window_start, self._starts(panes, ends))
            made.append(start)
        if node.window_end is not None:
            made.append(datetimes(node.window_end, ends))
        if node.window_time is not None:
            last = pl.Series(node.window_time, spec.clock.instants_of(ends) - 1)
            made.append(last.cast(self._time_type))
        out = pl.DataFrame(made)
        if self._changes:
            rows = next(r for r in results if r.name == ROWS)
            out = out.filter(rows > 0)
        return out

    def _starts(self, panes: np.ndarray, ends: np.ndarray) -> np.ndarray:
        spec = self._spec
        if spec.grows:
            return panes // spec.length * spec.length * spec.pane_ms + spec.offset_ms
        return ends - spec.length * spec.pane_ms

    # ------------------------------------------------------------------ state

    def snapshot(self) -> Snapshot:
        store = self._panes
        open_panes = store.open_panes()
        cells = store.cells_of(open_panes)
        keys = np.concatenate([store.keys_of(cells), self._active])
        totals = store.totals(self._active)
        slots = np.concatenate([cells, totals])
        tables, facts = self._aggs.save(slots)
        numbers = np.concatenate([store.panes_of(cells), np.zeros_like(totals)])
        entered = np.concatenate([np.zeros_like(cells), store.key_words(self._active, p.ENTERED)])
        tables["cells"] = store.keys.keys(keys).with_columns(
            pl.Series("$pane", numbers), pl.Series("$entered", entered)
        )
        return Snapshot(tables, {**facts, "cells": int(cells.size), "entered": self._entered})

    def restore(self, snapshot: Snapshot) -> None:
        store = self._panes
        saved = snapshot.tables["cells"]
        count = int(snapshot.facts["cells"])
        keys, _ = store.keys.upsert(saved.drop("$pane", "$entered"))
        cells, made = store.locate(keys[:count], saved["$pane"].to_numpy()[:count].copy())
        assert made.size == count, "a cell stands twice in a snapshot"
        active = keys[count:]
        self._active = store.enter(active)
        assert self._active.size == active.size, "a total stands twice in a snapshot"
        entered = saved["$entered"].to_numpy()[count:]
        store.keys.rows.matrix()[active, store.x + p.ENTERED] = entered
        slots = np.concatenate([cells, store.totals(active)])
        self._aggs.load(slots, snapshot.tables, snapshot.facts)
        self._entered = int(snapshot.facts["entered"])

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used + self._panes.bytes_listed

    @property
    def state_rows(self) -> int:
        return len(self._panes.cells)


def _rows(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], which: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    keys, panes, arrived, weights = rows
    return keys[which], panes[which], arrived[which], weights[which] if weights.size else weights
