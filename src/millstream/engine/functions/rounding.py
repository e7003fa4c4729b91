"""ROUND and TRUNCATE of floats, on the digits a reader sees.

in      a Float64 Series and the digits wanted per row
out     Float64, rounded half away from zero (or cut) on the shortest decimal text of each double
        (1.005 to 2 digits is 1.01 as in Flink, though the double is a little smaller)
method  x * 10^digits decides where it is clearly off a border; the few rows near one are decided
        on their text
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

import numpy as np
import polars as pl

from millstream.engine.functions.series import picked

CLEAR = 1e-3
"""A scaled value this far from a border is on its side of it: below the limit the error of one
multiplication is smaller."""
CLEAR_BELOW = 1e12
_DIGITS_MAX = 22
"""10^22 is the largest power of ten that is an exact double."""
_WIDE = Context(prec=700)


def round_double(column: pl.Series, digits: pl.Series) -> pl.Series:
    """Return the column rounded to ``digits`` behind the point (negative: before it)."""
    return _each_digits(column, digits, cut=False)


def truncate_double(column: pl.Series, digits: pl.Series) -> pl.Series:
    """Return the column cut after ``digits`` behind the point (negative: before it)."""
    return _each_digits(column, digits, cut=True)


def _each_digits(column: pl.Series, digits: pl.Series, *, cut: bool) -> pl.Series:
    nothing = pl.Series(column.name, [None], dtype=pl.Float64).new_from_index(0, len(column))
    result = nothing
    numbers = column.to_numpy()
    least = digits.min()
    if isinstance(least, int) and least == digits.max() and not digits.null_count():  # as usual
        result = pl.Series(column.name, _to_digits(numbers, least, cut=cut))
    else:
        for wanted in digits.unique().drop_nulls().to_list():
            done = pl.Series(_to_digits(numbers, wanted, cut=cut))
            result = picked(digits == wanted, done, result)
    return picked(column.is_not_null(), result, nothing) if column.null_count() else result


def _to_digits(numbers: np.ndarray, digits: int, *, cut: bool) -> np.ndarray:
    power = 10.0 ** min(abs(digits), _DIGITS_MAX)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = numbers / power if digits < 0 else numbers * power
        size = np.abs(scaled)
        whole = np.floor(size if cut else size + 0.5)
        part = size - np.floor(size)
        off = np.minimum(part, 1 - part) if cut else np.abs(part - 0.5)
        signed = np.copysign(whole, scaled)
        done = signed * power if digits < 0 else signed / power
    clear = (off > CLEAR) & (size < CLEAR_BELOW) & (abs(digits) <= _DIGITS_MAX)
    fixed = ~np.isfinite(numbers) | ((np.abs(numbers) >= 2.0**53) & (digits >= 0))
    done[fixed] = numbers[fixed]
    # Rows near a border are few: their texts are rounded one by one.
    for i in np.flatnonzero(~clear & ~fixed):
        done[i] = _by_text(float(numbers[i]), digits, cut=cut)
    return done + 0.0  # no negative zero


def _by_text(number: float, digits: int, *, cut: bool) -> float:
    if number == 0 or digits > 400:
        return number
    unit = Decimal(1).scaleb(-max(digits, -400))
    rounding = ROUND_DOWN if cut else ROUND_HALF_UP
    return float(Decimal(repr(number)).quantize(unit, rounding, _WIDE))
