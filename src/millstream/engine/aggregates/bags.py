"""Aggregates that remember their values: DISTINCT, COLLECT, MIN and MAX under deletes.

state   a multiset per slot (:class:`.bag.Bag`); DISTINCT also holds the words of the function it
        feeds with the values that come and go
merge   the values of one slot are folded into the other with their counts; exact, so invertible
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.columns.frames import gathered_columns
from millstream.engine.aggregates.base import Accumulator, Fold, Home
from millstream.engine.state import bag_kernels
from millstream.engine.state.bag import Bag, Changes
from millstream.engine.state.codec import NO_WORDS


class Bagged(Accumulator):
    """Whatever keeps a multiset per slot."""

    words = bag_kernels.OWNER_WORDS
    plain = False
    merges_in_order = False

    def __init__(self, dtype: pl.DataType, sign: int = 0) -> None:
        self.dtype = dtype
        self._sign = sign

    def settle(self, home: Home) -> None:
        super().settle(home)
        self.bag = Bag(
            self.dtype,
            home.seed,
            arena=home.arena,
            heap=home.heap,
            owners=home.rows,
            at=home.at,
            sign=self._sign,
        )

    def fold(self, batch: Fold) -> None:
        changes = self.bag.add(batch.slots, batch.column, batch.weights)
        self.changed(batch, changes)

    def changed(self, batch: Fold, changes: Changes) -> None:
        """Hear at which rows a value came or went."""

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        where, values, counts = self.bag.entries(given)
        if where.size:
            # Merged values count as arrived in the order in which they first came to their slot.
            self.fold(Fold(into[where], values, sign * counts, np.arange(where.size)))

    def release(self, slots: np.ndarray) -> None:
        self.bag.release(slots)

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        return self.bag.save(slots)

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        where = saved["place"].to_numpy()
        weights = saved["count"].to_numpy().copy()
        self.fold(Fold(slots[where], saved["value"], weights, np.arange(where.size)))


class Ranked(Bagged):
    """MIN (sign 1) or MAX (sign -1) where rows may be deleted."""

    def result(self, slots: np.ndarray) -> pl.Series:
        return self.bag.extremes(slots)


class Collect(Bagged):
    """COLLECT: the values with their counts; empty, not NULL, where there is none."""

    def __init__(self, dtype: pl.DataType, *, distinct: bool) -> None:
        super().__init__(dtype)
        self._distinct = distinct

    def result(self, slots: np.ndarray) -> pl.Series:
        where, values, counts = self.bag.entries(slots)
        keep = counts > 0
        where, values, counts = where[keep], values.filter(pl.Series(keep)), counts[keep]
        if self._distinct:
            counts = np.ones_like(counts)
        pairs = pl.DataFrame([values.alias("key"), pl.Series("value", counts).cast(pl.Int32)])
        return lists(where, pairs.to_struct("v"), slots.size)


class Distinct(Bagged):
    """Feeds each different value once into another function.

    Floating-point sums cannot be taken apart exactly: with ``afresh`` they are folded anew from
    the values present, in order of their first arrival, whenever a result is asked for.
    """

    def __init__(self, dtype: pl.DataType, inner: Accumulator, *, afresh: bool) -> None:
        super().__init__(dtype)
        self.inner = inner
        self._afresh = afresh
        self.words = bag_kernels.OWNER_WORDS + inner.words

    def settle(self, home: Home) -> None:
        super().settle(home)
        at = home.at + bag_kernels.OWNER_WORDS
        self.inner.settle(Home(home.arena, home.heap, home.rows, at, home.seed ^ 0x5DEECE66D))

    def changed(self, batch: Fold, changes: Changes) -> None:
        if self._afresh or not changes.rows.size:
            return
        values = gathered_columns([batch.column], changes.rows)[0]
        weights = changes.signs if (changes.signs < 0).any() else NO_WORDS
        arrived = batch.arrived[changes.rows]
        self.inner.fold(Fold(batch.slots[changes.rows], values, weights, arrived))

    def result(self, slots: np.ndarray) -> pl.Series:
        if not self._afresh:
            return self.inner.result(slots)
        where, values, counts = self.bag.entries(slots)
        scratch = self.home.rows.take(slots.size)
        batch = Fold(scratch[where], values, NO_WORDS, np.arange(where.size))
        self.inner.fold(batch.where(counts > 0))
        out = self.inner.result(scratch)
        self.inner.release(scratch)
        self.home.rows.free(scratch)
        return out

    def release(self, slots: np.ndarray) -> None:
        self.inner.release(slots)
        super().release(slots)


def lists(where: np.ndarray, values: pl.Series, count: int) -> pl.Series:
    """Return one list per position 0 … count - 1 of values whose positions ascend."""
    ends = np.cumsum(np.bincount(where, minlength=count)) if count else NO_WORDS
    offsets = np.zeros(count + 1, dtype=np.int64)
    offsets[1:] = ends
    flat = values.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    out = pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(offsets), flat))
    assert isinstance(out, pl.Series), "an Arrow array gives a series"
    return out.cast(pl.List(values.dtype))
