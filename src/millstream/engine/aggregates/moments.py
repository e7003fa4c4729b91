"""VAR_POP, VAR_SAMP, STDDEV_POP, STDDEV_SAMP.

state   rows, sum, sum of squares
out     (squares - sum * sum / rows) / (rows or rows - 1), the square root of it for STDDEV; NULL
        for no row, and for one row of a sample. The formula and its order are Flink's (it is
        numerically plain; equal answers are worth more here than the last digits)
ints    computed in the integer type itself, wrapping around and truncating, as Flink does
decimals computed as doubles, then rounded to the scale of the result
deletes a special value (NaN, infinity) is counted apart, so that deleting it leaves the rest
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.aggregates.base import Accumulator, Fold, add_words
from millstream.engine.aggregates.sums import NUMPY_INTS, nulls_at
from millstream.engine.state.codec import encode, floats
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows


class IntSpread(Accumulator):
    """Variance or deviation of integers."""

    words = 3

    def __init__(self, out: pl.DataType, *, sample: bool, root: bool) -> None:
        self._out = out
        self._sample = sample
        self._root = root

    def fold(self, batch: Fold) -> None:
        values = encode(batch.column).first
        add_int_squares(self.rows, self.home.at, batch.slots, values, batch.weights)

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        add_words(self.rows, self.home.at, 3, into, given, sign)

    def result(self, slots: np.ndarray) -> pl.Series:
        cells = self.cells(slots)
        rows = cells[:, 0]
        count = np.where(rows == 0, 1, rows)
        width = NUMPY_INTS[self._out]
        total, squares = cells[:, 1].astype(width), cells[:, 2].astype(width)
        mean = toward_zero((total * total).astype(np.int64), count).astype(width)
        by, empty = _divisor(count, rows, sample=self._sample)
        spread = toward_zero((squares - mean).astype(np.int64), by)
        if self._root:
            empty = empty | (spread < 0)
            spread = np.sqrt(np.where(spread < 0, 0, spread)).astype(np.int64)
        return nulls_at(pl.Series(spread.astype(width)), empty)


class FloatSpread(Accumulator):
    """Variance or deviation of floating-point numbers and decimals; word 3 counts specials."""

    words = 4
    invertible = False

    def __init__(self, out: pl.DataType, *, sample: bool, root: bool) -> None:
        self._out = out
        self._sample = sample
        self._root = root

    def fold(self, batch: Fold) -> None:
        values = floats(batch.column)
        add_float_squares(self.rows, self.home.at, batch.slots, values, batch.weights)

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        assert sign == 1, "a float sum is not taken apart again"
        merge_squares(self.rows, self.home.at, into, given)

    def result(self, slots: np.ndarray) -> pl.Series:
        cells = self.cells(slots)
        rows = cells[:, 0]
        total = np.ascontiguousarray(cells[:, 1]).view(np.float64)
        squares = np.ascontiguousarray(cells[:, 2]).view(np.float64)
        count = np.where(rows == 0, 1, rows)
        by, empty = _divisor(count, rows, sample=self._sample)
        with np.errstate(invalid="ignore", over="ignore"):
            spread = (squares - total * total / count) / by
            spread[cells[:, 3] != 0] = np.nan
            if self._root:
                # Rounding may leave a spread just below zero; Flink's POWER gives NaN there.
                spread = np.sqrt(np.where(spread < 0, 0.0, spread))
        return nulls_at(pl.Series(spread).cast(self._out), empty)


def toward_zero(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Divide integers as Java does; ``b`` is positive."""
    down = a // b
    return down + ((a < 0) & (down * b != a))


def _divisor(count: np.ndarray, rows: np.ndarray, *, sample: bool) -> tuple[np.ndarray, np.ndarray]:
    if not sample:
        return count, rows == 0
    return np.where(count == 1, 1, count - 1), rows <= 1


@kernel
def add_int_squares(
    rows: Rows, at: int, slots: np.ndarray, values: np.ndarray, weights: np.ndarray
) -> None:
    """Fold integers, wrapping around."""
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        w = weights[i] if weights.size else 1
        rows.words[p] += w
        rows.words[p + 1] += w * values[i]
        rows.words[p + 2] += w * values[i] * values[i]


@kernel
def add_float_squares(
    rows: Rows, at: int, slots: np.ndarray, values: np.ndarray, weights: np.ndarray
) -> None:
    """Fold doubles in arrival order."""
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        w = weights[i] if weights.size else 1
        rows.words[p] += w
        v = values[i]
        if np.isfinite(v):
            rows.floats[p + 1] += w * v
            rows.floats[p + 2] += w * v * v
        else:
            rows.words[p + 3] += w
        if rows.words[p] == 0:
            rows.floats[p + 1] = 0.0
            rows.floats[p + 2] = 0.0


@kernel
def merge_squares(rows: Rows, at: int, into: np.ndarray, given: np.ndarray) -> None:
    """Add partial sums, pair by pair."""
    for i in range(into.size):
        p = into[i] * rows.width + at
        q = given[i] * rows.width + at
        rows.words[p] += rows.words[q]
        rows.floats[p + 1] += rows.floats[q + 1]
        rows.floats[p + 2] += rows.floats[q + 2]
        rows.words[p + 3] += rows.words[q + 3]
