"""Sums of more than 64 bits: SUM and AVG of decimals, AVG of integers.

state   four words: rows, then the sum as three 64-bit limbs (192 bits, two's complement),
        so that neither 2**32 values of 38 digits nor their deletes overflow
out     SUM: NULL beyond 38 digits, as Flink's; AVG of decimals: rounded half up to the scale of
        the result; AVG of integers: towards zero
source  long division of Knuth, "The Art of Computer Programming" 2, section 4.3.1
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.aggregates.base import Accumulator, Fold
from millstream.engine.aggregates.sums import nulls_at
from millstream.engine.state.codec import encode, from_limbs
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows

DIGIT = 0xFFFFFFFF
# 10**38 as 32-bit digits, lowest first.
LIMIT = np.array([(10**38 >> (32 * j)) & DIGIT for j in range(4)], dtype=np.uint64)
DIGITS_MAX = 10


class WideSum(Accumulator):
    """SUM or AVG, exact in 192 bits."""

    words = 4

    def __init__(self, arg: pl.DataType, out: pl.DataType, *, average: bool) -> None:
        self._out = out
        self._average = average
        scale = arg.scale if isinstance(arg, pl.Decimal) else 0
        self._shift = out.scale - scale if isinstance(out, pl.Decimal) else 0

    def fold(self, batch: Fold) -> None:
        cells = encode(batch.column)
        high = cells.second if cells.second.size else cells.first >> 63
        add_wide(self.rows, self.home.at, batch.slots, cells.first, high, batch.weights)

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        merge_wide(self.rows, self.home.at, into, given, sign)

    def result(self, slots: np.ndarray) -> pl.Series:
        rows = self.cells(slots)[:, 0]
        divisor = rows.copy() if self._average else np.ones_like(rows)
        divisor[divisor == 0] = 1
        decimal = isinstance(self._out, pl.Decimal)
        low, high, fits = quotients(
            self.rows, self.home.at, slots, divisor, 10**self._shift, decimal
        )
        values = from_limbs(low, high, self._out) if decimal else pl.Series(low).cast(self._out)
        return nulls_at(values, (rows == 0) | ~fits)


@kernel
def add_to(rows: Rows, p: int, low: int, high: int, top: int) -> None:
    """Add a 192-bit number to the three words at ``p``."""
    words = rows.words
    a = np.uint64(words[p]) + np.uint64(low)
    carry = np.uint64(1) if a < np.uint64(low) else np.uint64(0)
    b = np.uint64(words[p + 1]) + np.uint64(high)
    over = np.uint64(1) if b < np.uint64(high) else np.uint64(0)
    b += carry
    if b < carry:
        over += np.uint64(1)
    words[p] = np.int64(a)
    words[p + 1] = np.int64(b)
    words[p + 2] = np.int64(np.uint64(words[p + 2]) + np.uint64(top) + over)


@kernel
def subtract_from(rows: Rows, p: int, low: int, high: int, top: int) -> None:
    """Add the two's complement of a 192-bit number."""
    add_to(rows, p, ~low, ~high, ~top)
    add_to(rows, p, 1, 0, 0)


@kernel
def add_wide(
    rows: Rows,
    at: int,
    slots: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Add 128-bit numbers; a weight other than one is repeated addition."""
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        w = weights[i] if weights.size else 1
        rows.words[p] += w
        top = high[i] >> 63
        for _ in range(abs(w)):
            if w > 0:
                add_to(rows, p + 1, low[i], high[i], top)
            else:
                subtract_from(rows, p + 1, low[i], high[i], top)


@kernel
def merge_wide(rows: Rows, at: int, into: np.ndarray, given: np.ndarray, sign: int) -> None:
    """Add or subtract partial sums, pair by pair."""
    words = rows.words
    for i in range(into.size):
        p = into[i] * rows.width + at
        q = given[i] * rows.width + at
        words[p] += sign * words[q]
        if sign > 0:
            add_to(rows, p + 1, words[q + 1], words[q + 2], words[q + 3])
        else:
            subtract_from(rows, p + 1, words[q + 1], words[q + 2], words[q + 3])


@kernel
def quotients(
    rows: Rows, at: int, slots: np.ndarray, divisor: np.ndarray, factor: int, half_up: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sum * factor / divisor as 128-bit halves, and whether 38 digits hold it."""
    low = np.empty(slots.size, dtype=np.int64)
    high = np.empty(slots.size, dtype=np.int64)
    fits = np.empty(slots.size, dtype=np.bool_)
    digits = np.empty(DIGITS_MAX, dtype=np.uint64)
    for i in range(slots.size):
        p = slots[i] * rows.width + at + 1
        negative = divide(rows.words, p, divisor[i], factor, half_up, digits)
        fits[i] = is_below_limit(digits)
        a = digits[0] | (digits[1] << np.uint64(32))
        b = digits[2] | (digits[3] << np.uint64(32))
        if not fits[i]:
            a = np.uint64(0)
            b = np.uint64(0)
        if negative:
            a = ~a + np.uint64(1)
            b = ~b + (np.uint64(1) if a == 0 else np.uint64(0))
        low[i] = np.int64(a)
        high[i] = np.int64(b)
    return low, high, fits


@kernel
def divide(
    words: np.ndarray, p: int, divisor: int, factor: int, half_up: bool, digits: np.ndarray
) -> bool:
    """Leave |words * factor / divisor| in ``digits`` (32 bits each); tells whether it is < 0."""
    negative = (words[p + 2] < 0) != (divisor < 0)
    flip = np.uint64(DIGIT) if words[p + 2] < 0 else np.uint64(0)
    carry = np.uint64(1) if words[p + 2] < 0 else np.uint64(0)
    for j in range(DIGITS_MAX):
        part = np.uint64(0)
        if j < 6:
            part = (np.uint64(words[p + j // 2]) >> np.uint64(32 * (j % 2))) & np.uint64(DIGIT)
            part = (part ^ flip) + carry
            carry = part >> np.uint64(32)
        digits[j] = part & np.uint64(DIGIT)
    over = np.uint64(0)
    for j in range(DIGITS_MAX):
        product = digits[j] * np.uint64(factor) + over
        digits[j] = product & np.uint64(DIGIT)
        over = product >> np.uint64(32)
    by = np.uint64(abs(divisor))
    rest = np.uint64(0)
    for j in range(DIGITS_MAX - 1, -1, -1):
        # Bit by bit where the divisor needs more than 32 bits, else one digit at a time.
        if by <= np.uint64(DIGIT):
            whole = (rest << np.uint64(32)) | digits[j]
            digits[j] = whole // by
            rest = whole % by
            continue
        made = np.uint64(0)
        for bit in range(31, -1, -1):
            rest = (rest << np.uint64(1)) | ((digits[j] >> np.uint64(bit)) & np.uint64(1))
            made <<= np.uint64(1)
            if rest >= by:
                rest -= by
                made |= np.uint64(1)
        digits[j] = made
    if half_up and rest >= by - rest:
        for j in range(DIGITS_MAX):
            digits[j] = (digits[j] + np.uint64(1)) & np.uint64(DIGIT)
            if digits[j] != 0:
                break
    return negative


@kernel
def is_below_limit(digits: np.ndarray) -> bool:
    """Tell whether the number has at most 38 decimal digits."""
    for j in range(4, DIGITS_MAX):
        if digits[j] != 0:
            return False
    for j in range(3, -1, -1):
        if digits[j] != LIMIT[j]:
            return digits[j] < LIMIT[j]
    return False
