"""Tumbling, hopping and cumulating windows: fixed size, aligned to the epoch.

in      any batches; a row whose time is NULL is rejected
state   one cell per open (pane, keys) with partial results; keys whose window holds several panes
        also have a total
out     closed windows only, append-only, by window end, keys in the order they first came
late    a row whose last window is already closed goes to ``late``; a row whose earlier windows
        are closed counts in the later ones only, and the batch is cut before it where those
        windows have not fired yet (each cut fires at least one window)
cost    see :mod:`.pane_windows`
source  Akidau et al., "The Dataflow Model", VLDB 2015, section 2.2
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.frames import filtered
from millstream.columns.physical import polars_schema, polars_type
from millstream.engine.aggregates.arguments import Arguments
from millstream.engine.aggregates.group import Aggregates
from millstream.engine.batch import MARK, OP, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot
from millstream.engine.operators.pane_windows import PaneWindows
from millstream.engine.operators.window_spec import (
    WindowSpec,
    datetimes,
    milliseconds,
    pane_numbers,
    with_time,
)
from millstream.engine.state import panes as p
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, face
from millstream.engine.state.copies import Copies
from millstream.expr.tree import AggCall, Named
from millstream.plan.nodes import WindowAggregate
from millstream.plan.windows import Attached

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
        self._key_copies, self._cell_copies = Copies(), Copies()
        self._windows = PaneWindows(self._spec, self._panes, self._aggs, self._frame)
        self._time_type = polars_type(given.type_of(node.time))

    # ------------------------------------------------------------------ rows

    @property
    def may_reject(self) -> bool:
        return self._arguments.may_reject

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a window has one input"
        frame, untimed = with_time(batch.frame, self._node.time, self.uid)
        late: tuple[pl.DataFrame, ...] = ()
        if batch.has_marks and frame.height:
            ends = self._spec.end_of(self._spec.last_pane(self._pane_numbers(frame)))
            too_late = self._spec.clock.instants_of(ends) - 1 <= frame[MARK].to_numpy()
            if too_late.any():
                mask = pl.Series(too_late)
                late = (filtered(frame, mask),)
                frame = filtered(frame, ~mask)
        frame, failed = self._arguments.prepare(batch.with_frame(frame))
        rejected = (*untimed, *failed)
        out: list[pl.DataFrame] = []
        if frame.height:
            panes = self._pane_numbers(frame)
            start = 0
            for end, fired in self._cuts(frame, panes):
                self._fold(frame[start:end], panes[start:end])
                out.extend(self._windows.advance(fired))
                start = end
            self._fold(frame[start:] if start else frame, panes[start:])
            rejected = (*rejected, *self._aggs.rejected(self.uid))
        if not (out or late or rejected):
            return NOTHING
        return Outputs(out=tuple(out), late=late, rejected=rejected)

    def on_mark(self, mark_ms: int) -> Outputs:
        closed = self._spec.closed_by(mark_ms)
        if closed <= self._windows.entered:
            return NOTHING
        out = self._windows.advance(closed)
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
        fired = self._windows.entered
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
        if not frame.height:
            return
        weights = NO_WORDS
        if OP in frame.columns:
            found = Batch(frame).weights()
            weights = NO_WORDS if found is None else found.astype(np.int64)
        columns = [frame[key] for key in self._keys]
        keys, _ = self._panes.keys.upsert_columns(columns, frame.height)
        self._windows.fold(frame, keys, panes, weights)

    def _frame(self, keys: np.ndarray, slots: list[np.ndarray], panes: np.ndarray) -> pl.DataFrame:
        """Return result rows, in the order of the plan node's columns."""
        node, spec = self._node, self._spec
        names = [*node.keys, *([self._attached.start] if self._attached else [])]
        found = self._panes.keys.columns(keys)
        columns = [c.alias(n) for c, n in zip(found, names, strict=True)]
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
            out = filtered(out, rows > 0)
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
        active = self._windows.active
        words = self._cell_copies.gather(store.cells.view, p.PANE, p.KEY - p.PANE + 1, cells)
        numbers, keys, slots = words[0], words[p.KEY - p.PANE] - 1, cells
        if active.size:
            totals = store.totals(active)
            keys, slots = np.concatenate([keys, active]), np.concatenate([cells, totals])
            numbers = np.concatenate([numbers, np.zeros_like(totals)])
        tables, facts = self._aggs.save(slots)
        entered = np.zeros(slots.size, dtype=np.int64)
        entered[cells.size :] = store.key_words(active, p.ENTERED)
        tables["cells"] = store.keys.keys(keys, self._key_copies).with_columns(
            pl.Series("$pane", numbers), pl.Series("$entered", entered)
        )
        return Snapshot(
            tables, {**facts, "cells": int(cells.size), "entered": self._windows.entered}
        )

    def restore(self, snapshot: Snapshot) -> None:
        store = self._panes
        saved = snapshot.tables["cells"]
        count = int(snapshot.facts["cells"])
        keys, _ = store.keys.upsert(saved.drop("$pane", "$entered"))
        cells, made = store.locate(keys[:count], saved["$pane"].to_numpy()[:count].copy())
        assert made.size == count, "a cell stands twice in a snapshot"
        active = keys[count:]
        self._windows.active = store.enter(active)
        assert self._windows.active.size == active.size, "a total stands twice in a snapshot"
        entered = saved["$entered"].to_numpy()[count:]
        store.keys.rows.matrix()[active, store.x + p.ENTERED] = entered
        slots = np.concatenate([cells, store.totals(active)])
        self._aggs.load(slots, snapshot.tables, snapshot.facts)
        self._windows.entered = int(snapshot.facts["entered"])

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used + self._panes.bytes_listed

    @property
    def state_rows(self) -> int:
        return len(self._panes.cells)
