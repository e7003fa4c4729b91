"""Aggregates over values in arrival order: LISTAGG, ARRAY_AGG, FIRST and LAST under deletes.

state   a list per slot (:class:`.log.Log`), sorted by arrival number
deletes the oldest equal value goes, as in Flink
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.aggregates.bags import lists
from millstream.engine.aggregates.base import Accumulator, Fold, Home
from millstream.engine.aggregates.sums import nulls_at
from millstream.engine.state import log
from millstream.engine.state.codec import NO_WORDS


class Logged(Accumulator):
    """Whatever keeps a list per slot."""

    words = log.OWNER_WORDS
    plain = False
    merges_in_order = False
    keeps_nulls = False

    def __init__(self, dtype: pl.DataType) -> None:
        self._dtype = dtype

    def settle(self, home: Home) -> None:
        super().settle(home)
        self.log = log.Log(
            self._dtype,
            home.seed,
            arena=home.arena,
            heap=home.heap,
            owners=home.rows,
            at=home.at,
            exact_pair=not self.keeps_nulls,
        )

    def fold(self, batch: Fold) -> None:
        self.log.add(batch.slots, batch.column, batch.arrived, batch.weights)

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        where, values, arrived = self.log.lists(given)
        if where.size:
            weights = NO_WORDS if sign > 0 else np.full(where.size, -1, dtype=np.int64)
            self.log.add(into[where], values, arrived, weights, exact=True)

    def release(self, slots: np.ndarray) -> None:
        self.log.release(slots)

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        return self.log.save(slots)

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        self.log.load(slots, saved)


class End(Logged):
    """FIRST_VALUE or LAST_VALUE where rows may be deleted."""

    def __init__(self, dtype: pl.DataType, *, last: bool) -> None:
        super().__init__(dtype)
        self._end = log.LAST if last else log.FIRST

    def result(self, slots: np.ndarray) -> pl.Series:
        return self.log.ends(slots, self._end)


class ListAgg(Logged):
    """LISTAGG: texts joined by a constant; NULL where there is none."""

    def __init__(self, separator: str) -> None:
        super().__init__(pl.String())
        self._separator = separator

    def result(self, slots: np.ndarray) -> pl.Series:
        where, values, _ = self.log.lists(slots)
        joined = lists(where, values, slots.size).list.join(self._separator)
        return nulls_at(joined, np.bincount(where, minlength=slots.size) == 0)


class ArrayAgg(Logged):
    """ARRAY_AGG: all values, NULL too; NULL where there is no row."""

    keeps_nulls = True

    def result(self, slots: np.ndarray) -> pl.Series:
        where, values, _ = self.log.lists(slots)
        return nulls_at(
            lists(where, values, slots.size), np.bincount(where, minlength=slots.size) == 0
        )
