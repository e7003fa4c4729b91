"""Counted multisets, one per slot of an owner: DISTINCT, COLLECT, MIN and MAX under deletes.

in      (owner slot, value, weight) rows without NULLs
state   one entry per (owner, value) with its count; per owner a chain of its entries and, where
        an order was asked for, a heap whose root is the smallest or largest value
out     which rows made a value appear or vanish; the values of an owner; its extreme value
bad     a delete before its insert leaves a negative count, which the insert cancels
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.engine.state import bag_kernels as k
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, Store
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import SlotRows

OWNER, VALUE = "owner", "value"


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of the call at which a value came to be present (+1) or ceased to be (-1)."""

    rows: np.ndarray
    signs: np.ndarray


class Bag:
    """The multisets of all slots of one owner; ``at`` is where its OWNER_WORDS lie there."""

    def __init__(
        self,
        dtype: pl.DataType,
        seed: int,
        *,
        arena: Arena,
        heap: ByteHeap,
        owners: SlotRows,
        at: int,
        sign: int = 0,
    ) -> None:
        self._heap = heap
        self._store = Store(dtype, heap)
        self._index = KeyIndex(
            {OWNER: pl.Int64(), VALUE: dtype},
            seed,
            arena=arena,
            heap=heap,
            extra_words=k.ENTRY_WORDS,
            exact_pair=True,
        )
        self._owners = owners
        self._at = at
        self._sign = sign
        self._born = 0

    def __len__(self) -> int:
        return len(self._index)

    def add(self, slots: np.ndarray, values: pl.Series, weights: np.ndarray) -> Changes:
        """Fold rows in order; an empty ``weights`` means all +1."""
        entries, made = self._index.upsert_columns([pl.Series(slots), values], slots.size)
        rows, x = self._index.rows.view, self._index.extra
        owners = self._owners.view
        if made.size:
            new = entries[made]
            matrix = self._index.rows.matrix()
            matrix[new, x + k.BORN] = np.arange(self._born, self._born + new.size)
            self._born += new.size
            k.chain(rows, x, owners, self._at, slots[made], new)
        changed, signs, gone = k.add(rows, x, owners, self._at, slots, entries, weights)
        if self._sign and changed.size:
            heap, kind = self._heap.view, int(self._store.kind)
            k.rank(rows, x, owners, self._at, heap, kind, self._sign, entries[changed], signs)
        if gone.size:
            k.unchain(rows, x, owners, self._at, gone)
            self._index.free(gone)
        return Changes(changed, signs)

    def sizes(self, slots: np.ndarray) -> np.ndarray:
        """Return how many distinct values each slot holds."""
        return self._owners.matrix()[slots, self._at + k.SIZE]

    def entries(self, slots: np.ndarray) -> tuple[np.ndarray, pl.Series, np.ndarray]:
        """Return (position in ``slots``, value, count), by position, then oldest value first."""
        where, found = k.walk(
            self._index.rows.view, self._index.extra, self._owners.view, self._at, slots
        )
        matrix = self._index.rows.matrix()
        order = np.lexsort((matrix[found, self._index.extra + k.BORN], where))
        found = found[order]
        values = self._index.keys(found)[VALUE]
        return where[order], values, matrix[found, self._index.extra + k.COUNT]

    def extremes(self, slots: np.ndarray) -> pl.Series:
        """Return each slot's smallest (or largest) value, NULL where it holds none."""
        assert self._sign, "this bag keeps no order"
        roots = self._owners.matrix()[slots, self._at + k.ROOT]
        valid = roots > 0
        at = np.where(valid, roots - 1, 0)
        matrix = self._index.rows.matrix()
        if not matrix.shape[0]:
            return pl.Series([None] * slots.size, dtype=self._store.dtype)
        second = matrix[at, 3] if self._store.kind.words == 2 else NO_WORDS
        return self._store.get(matrix[at, 2], second, None if valid.all() else valid)

    def release(self, slots: np.ndarray) -> None:
        """Forget the multisets of some slots."""
        _, found = k.walk(
            self._index.rows.view, self._index.extra, self._owners.view, self._at, slots
        )
        self._index.free(found)
        self._owners.matrix()[slots, self._at : self._at + k.OWNER_WORDS] = 0

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        """Return the multisets as rows of (place in ``slots``, value, count)."""
        where, values, counts = self.entries(slots)
        return pl.DataFrame(
            [pl.Series("place", where), values.alias(VALUE), pl.Series("count", counts)]
        )

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        """Take saved multisets back, oldest value first."""
        weights = saved["count"].to_numpy().copy()
        self.add(slots[saved["place"].to_numpy()], saved[VALUE], weights)
