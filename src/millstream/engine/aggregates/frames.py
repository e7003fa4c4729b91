"""Aggregates over the frame of every row: … ROWS or RANGE … PRECEDING AND CURRENT ROW.

in      rows by owner in order, with argument columns
state   per owner the partial results that later rows need (:mod:`.state.running`)
out     one value per row and aggregate
order   a value is merged from partial results in an order that follows the rows alone, so floats
        come out the same under any cut
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from millstream.engine.aggregates.base import Accumulator
from millstream.engine.aggregates.group import Aggregates
from millstream.engine.state import running as r
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.slots import SlotRows
from millstream.expr.tree import Named
from millstream.plan.ranks import Frame


class Frames:
    """The running aggregates of one OVER; owners keep RUNNING_WORDS behind word ``at``."""

    def __init__(
        self,
        aggs: tuple[Named, ...],
        frame: Frame,
        *,
        arena: Arena,
        heap: ByteHeap,
        owners: SlotRows,
        at: int,
        seed: int,
    ) -> None:
        self._aggs = Aggregates(aggs, changes=False)
        self._owners = owners
        self._at = at
        self._cells = SlotRows(arena, r.CELL_WORDS + self._aggs.words)
        self._aggs.settle(arena, heap, self._cells, r.CELL_WORDS, seed)
        self._reach = frame.preceding
        self._kind = r.ROWS if frame.rows else r.RANGE
        self._last = np.full(1024, -1, dtype=np.int64)

    def run(
        self, slots: np.ndarray, times: np.ndarray, rows: pl.DataFrame, *, peers: bool
    ) -> list[pl.Series]:
        """Return the result columns; with ``peers`` rows of one time have one frame."""
        if not self._aggs.parts:
            return []
        own = self._cells.take(slots.size)
        self._aggs.fold(rows, own, NO_WORDS)
        given = r.Given(slots, times, own)
        tells = np.arange(slots.size)
        if peers:
            if self._last.size <= slots.max():
                self._last = np.full(2 * (int(slots.max()) + 1), -1, dtype=np.int64)
            tells = r.last_equal(slots, times, self._last)
        owners = self._owners.view
        if self._reach is None:
            into, source, done = r.chain_all(owners, self._at, given)
            result = own[tells]
        else:
            room = len(self._cells)
            cells = self._cells.ensure(2 * slots.size)
            into, source, result, done = r.slide(
                cells, owners, self._at, given, tells, self._kind, self._reach, room
            )
        self._merge(into, source)
        out = self._aggs.results(result)
        self._forget(done)
        return out

    def _merge(self, into: np.ndarray, source: np.ndarray) -> None:
        rounds: list[np.ndarray] | None = None
        for part in self._aggs.parts:
            if part.merges_in_order:
                part.merge(into, source)
                continue
            if rounds is None:
                rounds = _rounds(into, source)
            # A Python loop over the rows of the busiest owner: what these functions keep (texts,
            # lists, sets) is gathered for all pairs before it is merged, so no chain in one call.
            for pairs in rounds:
                part.merge(into[pairs], source[pairs])

    def _forget(self, cells: np.ndarray) -> None:
        if cells.size:
            self._aggs.drop(cells)
            self._cells.free(cells)

    def release(self, slots: np.ndarray) -> None:
        """Forget the frames of some owners."""
        found = r.walk_frames(self._cells.view, self._owners.view, self._at, slots)
        self._forget(np.ascontiguousarray(found[:, 2]))
        matrix = self._owners.matrix()
        matrix[slots, self._at : self._at + r.RUNNING_WORDS] = 0

    def save(self, slots: np.ndarray) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
        """Return the frames of owners by their place in ``slots``."""
        found = r.walk_frames(self._cells.view, self._owners.view, self._at, slots)
        cells = np.ascontiguousarray(found[:, 2])
        tables, facts = self._aggs.save(cells)
        times = self._cells.matrix()[cells, r.TIME]
        tables["cells"] = pl.DataFrame(
            [
                pl.Series("place", found[:, 0]),
                pl.Series("stack", found[:, 1]),
                pl.Series("time", times),
            ]
        )
        return tables, facts

    def load(
        self, slots: np.ndarray, tables: dict[str, pl.DataFrame], facts: dict[str, Any]
    ) -> None:
        """Take saved frames back."""
        saved = tables["cells"]
        cells = self._cells.take(saved.height)
        self._cells.matrix()[cells, r.TIME] = saved["time"].to_numpy()
        self._aggs.load(cells, tables, facts)
        owners = slots[saved["place"].to_numpy()]
        stacks = saved["stack"].to_numpy().copy()
        r.take_frames(self._cells.view, self._owners.view, self._at, owners, stacks, cells)

    @property
    def cells(self) -> int:
        """How many partial results are kept."""
        return len(self._cells)

    @property
    def parts(self) -> list[Accumulator]:
        """The accumulators."""
        return self._aggs.parts


def _rounds(into: np.ndarray, source: np.ndarray) -> list[np.ndarray]:
    """Return the pairs, in order, that can be merged together."""
    if not into.size:
        return []
    both, places = np.unique(np.concatenate([into, source]), return_inverse=True)
    level = r.levels(places[: into.size].copy(), places[into.size :].copy(), both.size)
    order = np.argsort(level, kind="stable")
    ends = np.cumsum(np.bincount(level)[1:])
    return np.split(order, ends[:-1])
