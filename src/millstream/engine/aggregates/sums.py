"""SUM of integers and of floating-point numbers, AVG of the latter.

ints    two words: rows, sum; the sum wraps around in the width of its type, as in Flink
floats  folded in arrival order, one addition per row; SUM(FLOAT) rounds to 32 bits at each step.
        Under deletes NaN, +inf and -inf are counted apart, so that deleting one leaves the rest
NULL    the sum of no rows
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.aggregates.base import Accumulator, Fold, add_words
from millstream.engine.state.codec import encode, floats, nulls
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows

NUMPY_INTS: dict[pl.DataType, type[np.signedinteger]] = {
    pl.Int8(): np.int8,
    pl.Int16(): np.int16,
    pl.Int32(): np.int32,
    pl.Int64(): np.int64,
}


class IntSum(Accumulator):
    """SUM of TINYINT … BIGINT."""

    words = 2

    def __init__(self, out: pl.DataType) -> None:
        self._out = out

    def fold(self, batch: Fold) -> None:
        values = encode(batch.column).first
        add_ints(self.rows, self.home.at, batch.slots, values, batch.weights)

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        add_words(self.rows, self.home.at, 2, into, given, sign)

    def result(self, slots: np.ndarray) -> pl.Series:
        cells = self.cells(slots)
        return nulls_at(pl.Series(cells[:, 1].astype(NUMPY_INTS[self._out])), cells[:, 0] == 0)


class FloatSum(Accumulator):
    """SUM or AVG of FLOAT and DOUBLE; words: rows, sum, NaNs, +infs, -infs."""

    words = 5
    invertible = False

    def __init__(self, out: pl.DataType, *, average: bool, changes: bool) -> None:
        self._out = out
        self._average = average
        self._single = out == pl.Float32 and not average
        self._changes = changes

    def fold(self, batch: Fold) -> None:
        values = floats(batch.column)
        args = (self.rows, self.home.at, batch.slots, values)
        if self._changes:
            add_changed_floats(*args, batch.weights, self._single)
        else:
            add_floats(*args, self._single)

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        assert sign == 1, "a float sum is not taken apart again"
        merge_floats(self.rows, self.home.at, into, given, self._single)

    def result(self, slots: np.ndarray) -> pl.Series:
        cells = self.cells(slots)
        rows = cells[:, 0]
        total = np.ascontiguousarray(cells[:, 1]).view(np.float64).copy()
        total[cells[:, 3] > 0] = np.inf
        total[cells[:, 4] > 0] = -np.inf
        total[(cells[:, 2] > 0) | ((cells[:, 3] > 0) & (cells[:, 4] > 0))] = np.nan
        if self._average:
            total = total / np.where(rows == 0, 1, rows)
        return nulls_at(pl.Series(total).cast(self._out), rows == 0)


def nulls_at(values: pl.Series, empty: np.ndarray) -> pl.Series:
    """Return the values with NULL where ``empty``."""
    if not empty.any():
        return values
    return values.zip_with(pl.Series(~empty), nulls(values.dtype, len(values)))


@kernel
def add_ints(
    rows: Rows, at: int, slots: np.ndarray, values: np.ndarray, weights: np.ndarray
) -> None:
    """Add values, wrapping around."""
    words = rows.words
    if weights.size == 0:
        for i in range(slots.size):
            p = slots[i] * rows.width + at
            words[p] += 1
            words[p + 1] += values[i]
    else:
        for i in range(slots.size):
            p = slots[i] * rows.width + at
            words[p] += weights[i]
            words[p + 1] += weights[i] * values[i]


@kernel
def rounded(value: float, single: bool) -> float:
    """Return the value as 32 bits hold it, where asked."""
    return np.float64(np.float32(value)) if single else value


@kernel
def add_floats(rows: Rows, at: int, slots: np.ndarray, values: np.ndarray, single: bool) -> None:
    """Add values in arrival order."""
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        first = rows.words[p] == 0  # the first value itself: 0.0 + -0.0 would lose the sign
        rows.words[p] += 1
        total = values[i] if first else rows.floats[p + 1] + values[i]
        rows.floats[p + 1] = rounded(total, single)


@kernel
def add_changed_floats(
    rows: Rows, at: int, slots: np.ndarray, values: np.ndarray, weights: np.ndarray, single: bool
) -> None:
    """Add and take away values in arrival order, the special ones counted apart."""
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        w = weights[i] if weights.size else 1
        v = values[i]
        rows.words[p] += w
        if np.isnan(v):
            rows.words[p + 2] += w
        elif np.isinf(v):
            rows.words[p + (3 if v > 0 else 4)] += w
        else:
            rows.floats[p + 1] = rounded(rows.floats[p + 1] + w * v, single)
        if rows.words[p] == 0:
            rows.floats[p + 1] = 0.0  # nothing is left, so no rounding error may stay


@kernel
def merge_floats(rows: Rows, at: int, into: np.ndarray, given: np.ndarray, single: bool) -> None:
    """Add partial sums, pair by pair."""
    for i in range(into.size):
        p = into[i] * rows.width + at
        q = given[i] * rows.width + at
        total = rows.floats[q + 1]
        if rows.words[p] != 0:
            total = rounded(rows.floats[p + 1] + total, single)
        if rows.words[q] != 0:
            rows.floats[p + 1] = total
        for j in (0, 2, 3, 4):
            rows.words[p + j] += rows.words[q + j]
