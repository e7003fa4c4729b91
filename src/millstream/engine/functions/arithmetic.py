"""Arithmetic as Polars expressions.

Integers wrap around (Polars and Java agree) and divide towards zero (Polars floors, so we correct);
decimals go through the exact kernels of ``decimal.py``; floats are IEEE 754. An exact division by
zero fails its row; a float one gives Infinity or NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Fail, Lowered, chance, decimal, lowers, moments
from millstream.engine.functions.rounding import round_double, truncate_double
from millstream.engine.functions.series import constant_of, on_series, picked, quotient
from millstream.expr.tree import Call
from millstream.types.logical import Integer, Interval, Numeric, Temporal

BY_ZERO = "division by zero"
_DECIMAL_OPS = {
    "+": decimal.add,
    "-": decimal.subtract,
    "*": decimal.multiply,
    "/": decimal.divide,
    "%": decimal.remainder,
}


@lowers("+", "-", "*", "/", "%")
def _operator(call: Call, ctx: Context, a: pl.Expr, b: pl.Expr) -> pl.Expr | Lowered:
    kinds = [arg.typed for arg in call.args]
    if any(isinstance(kind, Temporal | Interval) for kind in kinds):
        return moments.arithmetic(call, ctx, a, b)
    match call.typed:
        case t.Decimal():
            return _decimal(call, a, b)
        case Integer() if any(isinstance(kind, t.Decimal) for kind in kinds):
            whole = pl.Decimal(38, 0)
            rest = on_series(lambda x, y: decimal.remainder(x, y, whole), [a, b], whole)
            small = rest.to_physical().cast(polars_type(call.typed), strict=False)
            return _unless_zero(small, a, b)
        case Integer():
            return _integer(call, a, b)
        case _:
            return _float(call, a, b)


def _decimal(call: Call, a: pl.Expr, b: pl.Expr) -> pl.Expr | Lowered:
    dtype = polars_type(call.typed)
    assert isinstance(dtype, pl.Decimal), "a DECIMAL is kept as one"
    kernel = _DECIMAL_OPS[call.function]
    value = on_series(lambda x, y: kernel(x, y, dtype), [a, b], dtype)
    return _unless_zero(value, a, b) if call.function in "/%" else value


def _integer(call: Call, a: pl.Expr, b: pl.Expr) -> pl.Expr | Lowered:
    match call.function:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return _unless_zero(_quotient(a, b), a, b)
        case _:
            rest = _remainder(a, b).cast(polars_type(call.typed), strict=False, wrap_numerical=True)
            return _unless_zero(rest, a, b)


def _quotient(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Return the integer quotient towards zero (Polars' own goes down)."""
    down = a // b
    uneven = (down * b != a) & ((a < 0) != (b < 0))
    return pl.when(uneven).then(down + 1).otherwise(down)


def _remainder(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Return the remainder with the sign of ``a`` (Polars' own has the sign of ``b``)."""
    rest = a % b
    return pl.when((rest != 0) & ((rest < 0) != (a < 0))).then(rest - b).otherwise(rest)


def _unless_zero(value: pl.Expr, a: pl.Expr, b: pl.Expr) -> pl.Expr | Lowered:
    constant = constant_of(b)
    if constant is not None and constant[0] is not None and constant[0] != 0:
        return value
    return Lowered(value, (Fail((b == 0) & a.is_not_null(), BY_ZERO),))


def _float(call: Call, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    match call.function:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return quotient(a, b, polars_type(call.typed))
        case _:
            return _remainder(a, b)


@lowers("NEGATE")
def _negate(call: Call, _ctx: Context, x: pl.Expr) -> pl.Expr:
    return -x if not isinstance(call.typed, t.IntervalDay) else x * -1


@lowers("ABS")
def _abs(_call: Call, _ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.abs()


@lowers("SIGN")
def _sign(call: Call, _ctx: Context, x: pl.Expr) -> pl.Expr:
    if isinstance(call.typed, t.Decimal):
        dtype = polars_type(call.typed)
        assert isinstance(dtype, pl.Decimal), "a DECIMAL is kept as one"
        return on_series(lambda s: decimal.to_decimal(_signs(s), dtype), [x], dtype)
    return x.sign()


def _signs(column: pl.Series) -> pl.Series:
    return decimal.unscaled(column).sign().cast(pl.Int64)


# --- rounding


@lowers("CEIL", "FLOOR")
def _whole(call: Call, ctx: Context, x: pl.Expr, *_unit: pl.Expr) -> pl.Expr | Lowered:
    up = call.function == "CEIL"
    match call.typed:
        case Temporal():
            return moments.rounded(call, ctx, x, up=up)
        case t.Decimal():
            dtype = polars_type(call.typed)
            assert isinstance(dtype, pl.Decimal), "a DECIMAL is kept as one"
            kernel = decimal.ceil if up else decimal.floor
            return on_series(lambda s: kernel(s, dtype), [x], dtype)
        case Integer():
            return x
        case _:
            return x.ceil() if up else x.floor()


@lowers("ROUND", "TRUNCATE")
def _round(call: Call, _ctx: Context, x: pl.Expr, digits: pl.Expr | None = None) -> pl.Expr:
    cut = call.function == "TRUNCATE"
    wanted = pl.lit(0, dtype=pl.Int32) if digits is None else digits
    have, dtype = call.args[0].typed, polars_type(call.typed)
    if isinstance(have, Integer | t.Decimal):
        if isinstance(have, Integer):
            kind = pl.Decimal(38, 0)
        else:
            assert isinstance(dtype, pl.Decimal), "a DECIMAL is kept as one"
            kind = dtype
        kernel = decimal.truncate_to if cut else decimal.round_to
        exact = on_series(lambda s, n: kernel(s, n, kind), [x, wanted], kind)
        return exact.to_physical().cast(dtype, wrap_numerical=True) if kind != dtype else exact
    on = truncate_double if cut else round_double
    return on_series(on, [x.cast(pl.Float64), wanted], pl.Float64()).cast(dtype)


# --- real functions


def _log10(column: pl.Series) -> pl.Series:
    """Return the logarithm to base 10; Polars divides two natural ones: log10(1000) < 3 there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = pl.Series(column.name, np.log10(column.to_numpy()))
    nothing = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(column))
    return picked(column.is_not_null(), found, nothing) if column.null_count() else found


_REAL: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "SQRT": pl.Expr.sqrt,
    "EXP": pl.Expr.exp,
    "LN": lambda x: x.log(),
    "LOG10": lambda x: on_series(_log10, [x], pl.Float64()),
    "LOG2": lambda x: quotient(x.log(), pl.lit(math.log(2.0)), pl.Float64()),
    "SIN": pl.Expr.sin,
    "COS": pl.Expr.cos,
    "TAN": pl.Expr.tan,
    "COT": lambda x: 1.0 / x.tan(),
    "ASIN": pl.Expr.arcsin,
    "ACOS": pl.Expr.arccos,
    "ATAN": pl.Expr.arctan,
    "SINH": pl.Expr.sinh,
    "COSH": pl.Expr.cosh,
    "TANH": pl.Expr.tanh,
    "DEGREES": pl.Expr.degrees,
    "RADIANS": pl.Expr.radians,
}


@lowers(*_REAL)
def _real(call: Call, _ctx: Context, x: pl.Expr) -> pl.Expr:
    return _REAL[call.function](x)


@lowers("POWER")
def _power(_call: Call, _ctx: Context, x: pl.Expr, y: pl.Expr) -> pl.Expr:
    return x.pow(y)


@lowers("LOG")
def _log(_call: Call, _ctx: Context, a: pl.Expr, b: pl.Expr | None = None) -> pl.Expr:
    return a.log() if b is None else quotient(b.log(), a.log(), pl.Float64())


@lowers("ATAN2")
def _atan2(_call: Call, _ctx: Context, y: pl.Expr, x: pl.Expr) -> pl.Expr:
    return pl.arctan2(y, x)


@lowers("PI")
def _pi(_call: Call, _ctx: Context) -> pl.Expr:
    return pl.lit(math.pi)


@lowers("E")
def _e(_call: Call, _ctx: Context) -> pl.Expr:
    return pl.lit(math.e)


# --- chance

lowers("RAND")(chance.rand)
lowers("RAND_INTEGER")(chance.rand_integer)
lowers("UUID")(chance.uuid)


# --- digits


@lowers("BIN")
def _bin(_call: Call, _ctx: Context, x: pl.Expr) -> pl.Expr:
    return on_series(lambda s: _digits(s, "b"), [x], pl.String())


@lowers("HEX")
def _hex(call: Call, _ctx: Context, x: pl.Expr) -> pl.Expr:
    if isinstance(call.args[0].typed, Numeric):
        return on_series(lambda s: _digits(s, "X"), [x], pl.String())
    return x.cast(pl.Binary).bin.encode("hex").str.to_uppercase()


def _digits(column: pl.Series, form: str) -> pl.Series:
    # Row by row: Polars has no number formatting in another base. Negative: 64-bit complement.
    texts = [None if v is None else format(v % 2**64, form) for v in column.to_list()]
    return pl.Series(column.name, texts, dtype=pl.String)
