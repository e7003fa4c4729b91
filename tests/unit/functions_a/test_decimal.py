"""Decimal kernels against Python's own exact decimals."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.engine.functions import decimal as kernel
from millstream.expr.coerce import decimal_result

WIDE = Context(prec=120, rounding=ROUND_HALF_UP)


@st.composite
def decimals(draw: st.DrawFn) -> tuple[t.Decimal, list[Decimal | None]]:
    """A decimal type and some of its values, the largest and NULL among them."""
    precision = draw(st.integers(1, 38))
    scale = draw(st.integers(0, precision))
    top = 10**precision - 1
    whole = st.one_of(st.integers(-top, top), st.sampled_from([0, 1, -1, top, -top]))
    numbers = st.one_of(st.none(), whole.map(lambda v: WIDE.scaleb(Decimal(v), -scale)))
    return t.Decimal(precision, scale), draw(st.lists(numbers, min_size=4, max_size=4))


def fitted(value: Decimal | None, dtype: t.Decimal) -> Decimal | None:
    """Return the value rounded half up to a type, None where it has too many digits."""
    if value is None:
        return None
    rounded = WIDE.quantize(value, Decimal(1).scaleb(-dtype.scale))
    return rounded if rounded.copy_abs() < Decimal(10) ** (dtype.precision - dtype.scale) else None


def naive(op: str, a: Decimal, b: Decimal) -> Decimal | None:
    """Return ``a op b`` without a limit on digits; None for a division by zero."""
    if op in "/%" and b == 0:
        return None
    if op == "/":
        return WIDE.divide(a, b)
    if op == "%":
        whole = WIDE.divide(a, b).to_integral_value(ROUND_DOWN)
        return WIDE.subtract(a, WIDE.multiply(whole, b))
    return {"+": WIDE.add, "-": WIDE.subtract, "*": WIDE.multiply}[op](a, b)


KERNELS = {
    "+": kernel.add,
    "-": kernel.subtract,
    "*": kernel.multiply,
    "/": kernel.divide,
    "%": kernel.remainder,
}


@pytest.mark.parametrize("op", KERNELS)
@given(left=decimals(), right=decimals())
@settings(max_examples=60, deadline=None)
def test_arithmetic_is_exact_at_any_precision(
    op: str, left: tuple[t.Decimal, list[Decimal]], right: tuple[t.Decimal, list[Decimal]]
) -> None:
    """Polars' own decimal arithmetic rounds wrong; ours must be the exact value, half up."""
    (x, a), (y, b) = left, right
    dtype = decimal_result(op, x, y)
    got = KERNELS[op](
        pl.Series(a, dtype=pl.Decimal(x.precision, x.scale)),
        pl.Series(b, dtype=pl.Decimal(y.precision, y.scale)),
        pl.Decimal(dtype.precision, dtype.scale),
    )
    want = [
        None if v is None or w is None else fitted(naive(op, v, w), dtype)
        for v, w in zip(a, b, strict=True)
    ]
    assert got.to_list() == want


@given(values=decimals(), to=decimals())
@settings(max_examples=100, deadline=None)
def test_another_scale_rounds_half_up(
    values: tuple[t.Decimal, list[Decimal]], to: tuple[t.Decimal, list[Decimal]]
) -> None:
    """Polars casts half to even; SQL rounds away from zero and overflows to NULL."""
    (x, a), (y, _) = values, to
    column = pl.Series(a, dtype=pl.Decimal(x.precision, x.scale))
    got = kernel.to_decimal(column, pl.Decimal(y.precision, y.scale))
    assert got.to_list() == [fitted(v, y) for v in a]


@given(values=decimals(), to=decimals(), exponent=st.booleans())
@settings(max_examples=100, deadline=None)
def test_text_is_read_as_python_reads_it(
    values: tuple[t.Decimal, list[Decimal]],
    to: tuple[t.Decimal, list[Decimal]],
    exponent: bool,
) -> None:
    """The fast path for plain digits and the slow one for exponents give the same value."""
    texts = [None if v is None else format(v, "E" if exponent else "f") for v in values[1]]
    dtype = to[0]
    got = kernel.from_text(
        pl.Series(texts, dtype=pl.String), pl.Decimal(dtype.precision, dtype.scale)
    )
    assert got.to_list() == [fitted(v, dtype) for v in values[1]]


@given(values=decimals())
@settings(max_examples=100, deadline=None)
def test_double_is_the_nearest(values: tuple[t.Decimal, list[Decimal]]) -> None:
    """A decimal that becomes a double must be the double its text spells."""
    x, a = values
    got = kernel.to_double(pl.Series(a, dtype=pl.Decimal(x.precision, x.scale)))
    assert got.to_list() == [None if v is None else float(v) for v in a]


def test_floor_and_ceil_of_negative_decimals() -> None:
    """Towards minus and plus infinity, not towards zero."""
    column = pl.Series([Decimal("-1.10"), Decimal("1.10"), Decimal("2.00"), None])
    column = column.cast(pl.Decimal(5, 2))
    assert kernel.floor(column, pl.Decimal(5, 0)).to_list() == [-2, 1, 2, None]
    assert kernel.ceil(column, pl.Decimal(5, 0)).to_list() == [-1, 2, 2, None]
