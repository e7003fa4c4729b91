"""One value kept per slot: MIN, MAX, FIRST_VALUE and LAST_VALUE over rows that only arrive.

state   three words: 0 = none or (arrival number + 1), then the value's words; text in the heap
order   MIN and MAX compare as Java's operators do (a NaN stays only if it came first), text by
        bytes; FIRST and LAST go by arrival number, so that the panes of a window merge right
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import polars as pl

from millstream.engine.aggregates.base import Accumulator, Fold, Home
from millstream.engine.state.codec import NO_BYTES, NO_WORDS, Cells, Kind, Store, encode
from millstream.engine.state.heap import (
    Heap,
    compare_bytes,
    free_block,
    put_bytes,
)
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import free_blocks
from millstream.engine.state.slots import Rows

WORD, FLOAT, DECIMAL, BYTES = (
    int(kind) for kind in (Kind.WORD, Kind.FLOAT, Kind.DECIMAL, Kind.BYTES)
)


class Wanted(IntEnum):
    """Which value stays."""

    MIN = 0
    MAX = 1
    FIRST = 2
    LAST = 3


FIRST, LAST, MAX = int(Wanted.FIRST), int(Wanted.LAST), int(Wanted.MAX)


class Pick(Accumulator):
    """Keeps one of the values."""

    words = 3
    invertible = False

    def __init__(self, dtype: pl.DataType, wanted: Wanted) -> None:
        self._dtype = dtype
        self._wanted = wanted

    def settle(self, home: Home) -> None:
        super().settle(home)
        self._store = Store(self._dtype, home.heap)
        # Nested values are bytes to the kernels; they are never compared.
        self._kind = min(self._store.kind, Kind.BYTES)
        self.plain = self._kind != Kind.BYTES
        self.merges_in_order = self._kind <= Kind.FLOAT and self._wanted <= MAX

    def fold(self, batch: Fold) -> None:
        cells = encode(batch.column)
        args = (self.rows, self.home.at)
        wanted = int(self._wanted)
        if self._kind <= Kind.FLOAT and wanted <= MAX:
            pick_number(*args, batch.slots, cells.first, batch.arrived, wanted, self._kind == FLOAT)
            return
        self._pick(cells, batch.slots, batch.arrived)

    def _pick(self, cells: Cells, slots: np.ndarray, arrived: np.ndarray) -> None:
        heap = self.home.heap.view
        if self._kind == Kind.BYTES:
            heap = self.home.heap.ensure(int(cells.second.sum()), slots.size)
        second = cells.second if cells.second.size else np.zeros_like(cells.first)
        given = (cells.first, second, cells.data, arrived)
        pick(self.rows, self.home.at, heap, slots, given, int(self._wanted), int(self._kind))

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        assert sign == 1, "a chosen value is not taken back"
        if self._kind <= Kind.FLOAT and self._wanted <= MAX:
            wanted = int(self._wanted)
            merge_numbers(self.rows, self.home.at, into, given, wanted, self._kind == FLOAT)
            return
        cells = self.cells(given)
        some = np.flatnonzero(cells[:, 0])
        cells = cells[some]
        heap = self.home.heap
        if self._kind == Kind.BYTES:
            heap.ensure(int(cells[:, 2].sum()), some.size)
            data = heap.view.data
        else:
            data = NO_BYTES
        first, second = np.ascontiguousarray(cells[:, 1]), np.ascontiguousarray(cells[:, 2])
        self._pick(Cells(first, second, data), into[some], cells[:, 0] - 1)

    def result(self, slots: np.ndarray) -> pl.Series:
        cells = self.cells(slots)
        valid = cells[:, 0] > 0
        second = cells[:, 2] if self._store.kind.words == 2 else NO_WORDS
        first = np.ascontiguousarray(cells[:, 1])
        return self._store.get(first, second, None if valid.all() else valid)

    def release(self, slots: np.ndarray) -> None:
        if self._kind == Kind.BYTES:
            free_blocks(self.home.heap.view, self.rows, slots, self.home.at + 1)
        super().release(slots)

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        if self.plain:
            return super().save(slots)
        arrived = pl.Series("arrived", self.cells(slots)[:, 0])
        return pl.DataFrame([arrived, self.result(slots).alias("value")])

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        if self.plain:
            super().load(slots, saved)
            return
        arrived = saved["arrived"].to_numpy()
        some = np.flatnonzero(arrived)
        cells = encode(saved["value"].gather(some))
        self._pick(cells, slots[some], arrived[some] - 1)


@kernel
def pick_number(
    rows: Rows,
    at: int,
    slots: np.ndarray,
    values: np.ndarray,
    arrived: np.ndarray,
    wanted: int,
    is_float: bool,
) -> None:
    """Keep the smallest or largest one-word value."""
    numbers = values.view(np.float64)
    words = rows.words
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        if words[p] == 0:
            better = True
        elif is_float:
            u, v = numbers[i], rows.floats[p + 1]
            better = u > v if wanted == MAX else u < v
        elif wanted == MAX:
            better = values[i] > words[p + 1]
        else:
            better = values[i] < words[p + 1]
        if better:
            words[p] = arrived[i] + 1
            words[p + 1] = values[i]


@kernel
def merge_numbers(
    rows: Rows, at: int, into: np.ndarray, given: np.ndarray, wanted: int, is_float: bool
) -> None:
    """Keep the smaller or larger of two one-word values, pair by pair."""
    words = rows.words
    for i in range(into.size):
        p = into[i] * rows.width + at
        q = given[i] * rows.width + at
        if words[q] == 0:
            continue
        if words[p] == 0:
            better = True
        elif is_float:
            u, v = rows.floats[q + 1], rows.floats[p + 1]
            better = u > v if wanted == MAX else u < v
        elif wanted == MAX:
            better = words[q + 1] > words[p + 1]
        else:
            better = words[q + 1] < words[p + 1]
        if better:
            words[p] = words[q]
            words[p + 1] = words[q + 1]


@kernel
def order_of(
    rows: Rows, p: int, heap: Heap, kind: int, first: int, second: int, data: np.ndarray
) -> int:
    """Compare a given value with the one at ``p``: -1, 0 or 1."""
    words = rows.words
    if kind == WORD:
        return -1 if first < words[p] else int(first > words[p])
    if kind == DECIMAL:
        if second != words[p + 1]:
            return -1 if second < words[p + 1] else 1
        a, b = np.uint64(first), np.uint64(words[p])
        return -1 if a < b else int(a > b)
    return compare_bytes(data, first, second, heap.data, words[p], words[p + 1])


@kernel
def pick(
    rows: Rows,
    at: int,
    heap: Heap,
    slots: np.ndarray,
    given: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    wanted: int,
    kind: int,
) -> None:
    """Keep one value of any kind per slot."""
    first, second, data, arrived = given
    words = rows.words
    numbers = first.view(np.float64)
    n = slots.size
    for j in range(n):
        # The last value comes first this way, so that text is copied once per slot and batch.
        i = n - 1 - j if wanted == LAST else j
        p = slots[i] * rows.width + at
        stamp = arrived[i] + 1
        if words[p] == 0:
            better = True
        elif wanted == FIRST:
            better = stamp < words[p]
        elif wanted == LAST:
            better = stamp > words[p]
        elif kind == FLOAT:
            u, v = numbers[i], rows.floats[p + 1]
            better = u > v if wanted == MAX else u < v
        else:
            order = order_of(rows, p + 1, heap, kind, first[i], second[i], data)
            better = order > 0 if wanted == MAX else order < 0
        if not better:
            continue
        if kind == BYTES:
            if words[p] != 0:
                free_block(heap, words[p + 1], words[p + 2])
            words[p + 1] = put_bytes(heap, data, first[i], second[i])
        else:
            words[p + 1] = first[i]
        words[p + 2] = second[i]
        words[p] = stamp
