"""Exact decimal arithmetic on scaled integers.

in      Series of Decimal (any precision and scale); Polars' own arithmetic is never used
out     Series of Decimal(precision, scale), rounded half away from zero; a result of too many
        digits is NULL, as in Flink
method  Polars keeps a decimal as a 128-bit integer times 10^-scale. Where the values at hand cannot
        leave 127 bits the work is done on those integers; else on Python integers, row by row
        (no wider machine integer exists). The bound is taken from the data, not from the types:
        DECIMAL(38, …) mostly holds small numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal

import polars as pl
import pyarrow as pa

from millstream.engine.functions.series import divided, picked

LIMIT = 2**126
"""Intermediates below this never leave a 128-bit integer, twice over."""

INT128 = pl.Int128()

# --- between a decimal and its integer


def unscaled(column: pl.Series) -> pl.Series:
    """Return the 128-bit integers of a decimal or integer column."""
    if isinstance(column.dtype, pl.Decimal):
        return column.to_physical()
    return column.cast(INT128)


def scale_of(column: pl.Series) -> int:
    """Return the digits behind the point; 0 for integers."""
    return column.dtype.scale if isinstance(column.dtype, pl.Decimal) else 0


def scaled(integers: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return the decimals of 128-bit integers; NULL where there are more digits than fit."""
    top = 10 ** (dtype.precision or 38)
    if largest(integers) >= top:
        fits = integers.is_between(1 - top, top - 1)
        integers = picked(
            fits, integers, pl.Series([None], dtype=INT128).new_from_index(0, len(integers))
        )
    whole = integers.cast(pl.Decimal(38, 0)).to_arrow()
    kind = pa.decimal128(dtype.precision or 38, dtype.scale)
    # The same buffers under another scale: nothing is computed or copied.
    view = pa.Array.from_buffers(kind, len(whole), whole.buffers(), offset=whole.offset)
    result = pl.from_arrow(view)
    assert isinstance(result, pl.Series), "an array gives a series"
    return result.cast(dtype).alias(integers.name)


def largest(integers: pl.Series) -> int:
    """Return the largest absolute value, 0 where there is none."""
    low, high = integers.min(), integers.max()
    if low is None or high is None:
        return 0
    return max(abs(int(low)), abs(int(high)))  # type: ignore[arg-type]


def _k(value: int) -> pl.Series:
    return pl.Series([value], dtype=INT128)


def _rows(fn: Callable[..., int | None], *columns: pl.Series) -> pl.Series:
    """Run ``fn`` row by row on Python integers: these values need more than 128 bits."""
    found = [
        None if any(v is None for v in row) else _within(fn(*row))
        for row in zip(*(c.to_list() for c in columns), strict=True)
    ]
    return pl.Series(columns[0].name, found, dtype=INT128)


def _within(value: int | None) -> int | None:
    return value if value is not None and -(10**38) < value < 10**38 else None


# --- rounding division


def _half_up(a: int, b: int) -> int:
    quotient, rest = divmod(abs(a), abs(b))
    quotient += 2 * rest >= abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _divide_rounding(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return a / b rounded half away from zero; NULL where b is 0. |a| and 2|b| fit 127 bits."""
    up, down = a.abs(), b.abs()
    quotient = up // down
    rest = up - quotient * down
    quotient = quotient + (rest * _k(2) >= down).cast(INT128)
    negative = (a < 0) != (b < 0)
    return picked(negative, quotient * _k(-1), quotient)


def rescaled(integers: pl.Series, by: int) -> pl.Series:
    """Return the integers times 10^by, rounded half away from zero where ``by`` is negative."""
    if by == 0:
        return integers
    factor = 10 ** abs(by)
    if by < 0:
        if factor < LIMIT:
            return _divide_rounding(integers, _k(factor))
        return integers - integers
    if largest(integers) * factor < LIMIT:
        return integers * _k(factor)
    return _rows(lambda v: v * factor, integers)


# --- arithmetic


def add(a: pl.Series, b: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return a + b."""
    return _sum(a, b, dtype, operator.add)


def subtract(a: pl.Series, b: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return a - b."""
    return _sum(a, b, dtype, operator.sub)


def _sum(a: pl.Series, b: pl.Series, dtype: pl.Decimal, op: Callable[[int, int], int]) -> pl.Series:
    scale = max(scale_of(a), scale_of(b))
    x, y = unscaled(a), unscaled(b)
    grow_x, grow_y = 10 ** (scale - scale_of(a)), 10 ** (scale - scale_of(b))
    if largest(x) * grow_x + largest(y) * grow_y < LIMIT:
        x, y = x * _k(grow_x), y * _k(grow_y)
        total = x + y if op is operator.add else x - y
        return scaled(rescaled(total, dtype.scale - scale), dtype)
    shrink = 10 ** (scale - dtype.scale)
    return scaled(_rows(lambda v, w: _half_up(op(v * grow_x, w * grow_y), shrink), x, y), dtype)


def multiply(a: pl.Series, b: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return a * b."""
    x, y = unscaled(a), unscaled(b)
    shrink = scale_of(a) + scale_of(b) - dtype.scale
    if largest(x) * largest(y) < LIMIT:
        return scaled(rescaled(x * y, -shrink), dtype)
    return scaled(_rows(lambda v, w: _half_up(v * w, 10**shrink), x, y), dtype)


def divide(a: pl.Series, b: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return a / b; NULL where b is 0 (the caller rejects that row)."""
    x, y = unscaled(a), unscaled(b)
    grow = 10 ** (dtype.scale - scale_of(a) + scale_of(b))
    if largest(x) * grow < LIMIT and largest(y) < LIMIT:
        return scaled(_divide_rounding(x * _k(grow), y), dtype)
    return scaled(_rows(lambda v, w: None if w == 0 else _half_up(v * grow, w), x, y), dtype)


def remainder(a: pl.Series, b: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return a % b with the sign of a; NULL where b is 0 (the caller rejects that row)."""
    scale = max(scale_of(a), scale_of(b))
    x, y = unscaled(a), unscaled(b)
    grow_x, grow_y = 10 ** (scale - scale_of(a)), 10 ** (scale - scale_of(b))
    if largest(x) * grow_x < LIMIT and largest(y) * grow_y < LIMIT:
        up, down = x.abs() * _k(grow_x), y.abs() * _k(grow_y)
        rest = up - up // down * down
        rest = picked(x < 0, rest * _k(-1), rest)
    else:
        rest = _rows(lambda v, w: _remainder(v * grow_x, w * grow_y), x, y)
    return scaled(rescaled(rest, dtype.scale - scale), dtype)


def _remainder(a: int, b: int) -> int | None:
    if b == 0:
        return None
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


# --- rounding to digits


def to_decimal(column: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return a decimal or integer column at another precision and scale."""
    return scaled(rescaled(unscaled(column), dtype.scale - scale_of(column)), dtype)


def round_to(column: pl.Series, digits: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return the column rounded to ``digits`` behind the point (negative: before it)."""
    return _each_digits(column, digits, dtype, rescaled)


def truncate_to(column: pl.Series, digits: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return the column cut after ``digits`` behind the point (negative: before it)."""
    return _each_digits(column, digits, dtype, _cut)


def _each_digits(
    column: pl.Series,
    digits: pl.Series,
    dtype: pl.Decimal,
    drop: Callable[[pl.Series, int], pl.Series],
) -> pl.Series:
    scale, integers = scale_of(column), unscaled(column)
    result = pl.Series([None], dtype=INT128).new_from_index(0, len(column))
    for wanted in digits.unique().drop_nulls().to_list():
        keep = max(-38, min(wanted, scale))
        kept = rescaled(drop(integers, keep - scale), dtype.scale - keep)
        result = picked(digits == wanted, kept, result)
    return scaled(result, dtype).alias(column.name)


def _cut(integers: pl.Series, by: int) -> pl.Series:
    if by == 0:
        return integers
    if 10**-by >= LIMIT:
        return integers - integers
    quotient = integers.abs() // _k(10**-by)
    return picked(integers < 0, quotient * _k(-1), quotient)


def truncated(column: pl.Series) -> pl.Series:
    """Return the whole part of a decimal as a 128-bit integer."""
    return _cut(unscaled(column), -scale_of(column))


def floor(column: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return the largest whole number that is not larger."""
    return scaled(unscaled(column) // _k(10 ** scale_of(column)), dtype)


def ceil(column: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return the smallest whole number that is not smaller."""
    factor = 10 ** scale_of(column)
    integers = unscaled(column)
    quotient = integers // _k(factor)
    return scaled(quotient + (quotient * _k(factor) != integers).cast(INT128), dtype)


# --- to and from floats and text


def to_double(column: pl.Series) -> pl.Series:
    """Return the nearest doubles."""
    integers = unscaled(column)
    if largest(integers) < 2**53 and scale_of(column) <= 22:
        # Both are exact doubles, so that one division rounds correctly.
        by = pl.Series([float(10 ** scale_of(column))])
        return divided(integers.cast(pl.Float64), by)
    return column.cast(pl.String).cast(pl.Float64)


_PLAIN = r"^([+-]?)0*(\d*)(?:\.(\d*))?$"
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,6})?$"


def looks_decimal(text: pl.Expr) -> pl.Expr:
    """Tell which trimmed texts are numbers."""
    return text.str.contains(_NUMBER)


def from_text(column: pl.Series, dtype: pl.Decimal) -> pl.Series:
    """Return the decimals that texts spell; NULL for what is no number or has too many digits."""
    parts = column.to_frame("t").select(
        pl.col("t").str.extract_groups(_PLAIN).struct.rename_fields(["sign", "whole", "part"]),
        good=looks_decimal(pl.col("t")).fill_null(False),
    )
    groups, good = parts["t"].struct, parts["good"]
    whole = groups.field("whole")
    keep = dtype.scale + 1
    part = groups.field("part").fill_null("").str.slice(0, keep).str.pad_end(keep, "0")
    # At most 38 digits before rounding the last one away: fits 128 bits.
    short = whole.str.len_chars().cast(pl.Int64) <= 38 - keep
    simple = good & short.fill_null(False)
    digits = picked(simple, whole + part, pl.Series(["0"]).new_from_index(0, len(column)))
    integers = _divide_rounding(digits.cast(INT128), _k(10))
    integers = picked(groups.field("sign") == "-", integers * _k(-1), integers)
    none = pl.Series([None], dtype=INT128).new_from_index(0, len(column))
    integers = picked(simple, integers, none)
    odd = good & ~simple
    if odd.any():
        # Exponents and very long numbers are rare: Python's own decimals read them one by one.
        found = [
            _unscaled_of(value, dtype.scale) if is_odd else None
            for value, is_odd in zip(column.to_list(), odd.to_list(), strict=True)
        ]
        integers = picked(odd, pl.Series(found, dtype=INT128), integers)
    return scaled(integers, dtype).alias(column.name)


_WIDE = Context(prec=100, rounding=ROUND_HALF_UP)


def _unscaled_of(text: str, scale: int) -> int | None:
    value = Decimal(text)
    if value.adjusted() > 39:
        return None
    if value.adjusted() < -60:
        return 0
    return _within(int(_WIDE.quantize(value.scaleb(scale, _WIDE), Decimal(1))))
