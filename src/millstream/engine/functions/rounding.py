"""ROUND and TRUNCATE of floats, on the digits a reader sees.

in      a Float64 Series and the digits wanted per row
out     Float64, rounded half away from zero (or cut) on the shortest decimal text of each double
        (1.005 to 2 digits is 1.01 as in Flink, though the double is a little smaller)
"""

from __future__ import annotations

import polars as pl

from millstream.engine.functions import decimal
from millstream.engine.functions.series import picked

_DIGITS_MAX = 20
"""A double of at most 2^53 with a fraction has no digit of its text behind this place."""


def round_double(column: pl.Series, digits: pl.Series) -> pl.Series:
    """Return the column rounded to ``digits`` behind the point (negative: before it)."""
    return _each_digits(column, digits, cut=False)


def truncate_double(column: pl.Series, digits: pl.Series) -> pl.Series:
    """Return the column cut after ``digits`` behind the point (negative: before it)."""
    return _each_digits(column, digits, cut=True)


def _each_digits(column: pl.Series, digits: pl.Series, *, cut: bool) -> pl.Series:
    result = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(column))
    for wanted in digits.unique().drop_nulls().to_list():
        result = picked(digits == wanted, _to_digits(column, wanted, cut=cut), result)
    return result.alias(column.name)


def _to_digits(column: pl.Series, digits: int, *, cut: bool) -> pl.Series:
    if digits > _DIGITS_MAX:
        return column
    size = column.abs()
    if digits < 0:
        # Only the whole part decides: a half is reached by its digits alone.
        small = (size < 1e18).fill_null(False)
        whole = picked(small, column, column * 0.0).fill_nan(0.0).cast(pl.Int64)
        dtype = pl.Decimal(38, 0)
        by = pl.Series([digits]).new_from_index(0, len(column))
        done = (decimal.truncate_to if cut else decimal.round_to)(whole, by, dtype)
        return picked(small, decimal.to_double(done), column)
    small = (size < 2.0**53).fill_null(False)  # larger ones have no fraction
    texts = picked(
        small, column, pl.Series([None], dtype=pl.Float64).new_from_index(0, len(column))
    )
    done = decimal.to_double(decimal.from_text(texts.cast(pl.String), pl.Decimal(38, digits)))
    if cut:
        too_far = done.abs() > size
        step = decimal.from_text(
            pl.Series([f"{10.0**-digits:.{digits}f}"]), pl.Decimal(38, digits)
        ).new_from_index(0, len(column))
        exact = decimal.from_text(texts.cast(pl.String), pl.Decimal(38, digits))
        signed = picked(column < 0, decimal.subtract(step, step + step, step.dtype), step)  # type: ignore[arg-type]
        done = picked(too_far, decimal.to_double(decimal.subtract(exact, signed, step.dtype)), done)  # type: ignore[arg-type]
    return picked(small, done, column)
