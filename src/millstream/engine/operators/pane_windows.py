"""The panes of fixed windows: rows are folded in, windows are fired from them.

in      rows with their key slots, pane numbers, weights and arrival numbers
state   partial results per (pane, key) (:class:`.panes.Panes`), how far windows have fired, the
        keys of the window that is open now, each with a total where a window holds several panes
out     for each window that is fired its keys and the slots of their results, as the frame that
        the operator makes of them
cost    a row folds into one pane; firing costs O(1) merges per key. Exact results that can be
        taken apart add the pane that enters and subtract the one that leaves. The others keep
        suffixes of whole blocks of panes and the prefix of the current block
source  Li et al., "No pane, no gain", SIGMOD Record 2005; van Herk, "A fast algorithm for local
        minimum filters", 1992
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from millstream.engine.aggregates.group import Aggregates
from millstream.engine.operators.window_spec import NEVER, WindowSpec
from millstream.engine.state import panes as p
from millstream.engine.state.codec import NO_WORDS

Frame = Callable[[np.ndarray, list[np.ndarray], np.ndarray], pl.DataFrame]
"""Makes result rows of keys, the slots of each aggregate, and pane numbers."""


class PaneWindows:
    """Windows made of panes."""

    def __init__(self, spec: WindowSpec, panes: p.Panes, aggs: Aggregates, frame: Frame) -> None:
        self._spec = spec
        self._panes = panes
        self._aggs = aggs
        self._frame = frame
        # CUMULATE only ever adds within a block; a HOP subtracts what can be subtracted exactly.
        self._running = [part for part in aggs.parts if part.invertible and not spec.grows]
        self._blocked = [part for part in aggs.parts if part not in self._running]
        self.entered = NEVER
        self.active = NO_WORDS

    def fold(
        self,
        frame: pl.DataFrame,
        keys: np.ndarray,
        panes: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Take rows in; those whose pane has entered its windows already go on from there."""
        arrived = self._aggs.arrive(frame.height)
        behind = panes <= self.entered if self._spec.length > 1 else None
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
        block_start = self._spec.block_of(self.entered) * self._spec.length
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
        self.active = np.concatenate([self.active, keys])

    def advance(self, closed: int) -> list[pl.DataFrame]:
        """Fire every window that ends with a pane up to ``closed``."""
        out = self._fire_side_by_side(closed) if self._spec.length == 1 else []
        if self._spec.length > 1:
            fired: list[pl.DataFrame] = []
            panes = self._panes.open_panes()
            while True:
                # Windows without rows are skipped at once, however long the gap.
                pane = self.entered + 1
                if not self.active.size:
                    ahead = panes[panes > self.entered]
                    pane = int(ahead[0]) if ahead.size else closed + 1
                if pane > closed:
                    break
                frame = self._step(pane, panes)
                if frame.height:
                    fired.append(frame)
            if fired:
                out = [pl.concat(fired, rechunk=True)] if len(fired) > 1 else fired
        self.entered = max(self.entered, closed)
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
        self._leave(open_panes[(open_panes < first) & (open_panes <= self.entered)])
        if not self._spec.grows and pane == block_start and self._blocked:
            self._finish_block(open_panes[(open_panes >= first) & (open_panes < pane)])
        cells = self._panes.cells_of(np.array([pane]))
        keys = self._panes.keys_of(cells)
        self._activate(self._panes.enter(keys))
        totals = self._panes.totals(keys)
        for part in self._aggs.parts:
            part.merge(totals, cells)
        self.entered = pane
        if self._spec.grows:
            self._aggs.drop(cells)
            self._panes.close(np.array([pane]), cells)
        return self._window(pane, block_start)

    def _window(self, pane: int, block_start: int) -> pl.DataFrame:
        """Return the results of the window that ends with ``pane``, from totals and suffixes."""
        keys = self.active
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
        self.active = self.active[self._panes.key_words(self.active, p.ENTERED) > 0]
        self._aggs.drop(cells)
        self._panes.close(panes, cells)

    def _finish_block(self, panes: np.ndarray) -> None:
        """Turn the panes of a finished block into suffixes and begin an empty prefix."""
        for pane in panes[::-1]:
            self._merge_newer(self._panes.cells_of(np.array([pane])), int(pane))
        totals = self._panes.totals(self.active)
        for part in self._blocked:
            part.release(totals)

    def _drop_totals(self) -> None:
        """Forget what the windows of a block have gathered."""
        keys = self.active
        if not keys.size:
            return
        totals = self._panes.totals(keys)
        matrix = self._panes.keys.rows.matrix()
        matrix[keys, self._panes.x + p.TOTAL] = 0
        matrix[keys, self._panes.x + p.ENTERED] = 0
        self._aggs.drop(totals)
        self._panes.cells.free(totals)
        self.active = NO_WORDS
        self._panes.forget_idle(keys)


def _rows(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], which: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    keys, panes, arrived, weights = rows
    return keys[which], panes[which], arrived[which], weights[which] if weights.size else weights
