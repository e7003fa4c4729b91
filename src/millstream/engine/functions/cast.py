"""CAST and TRY_CAST as Polars expressions.

in      a value, the type it has and the type wanted (``expr/casts.py`` allowed the pair)
out     exactly the wanted physical type; CHAR and VARCHAR lengths, TIME and TIMESTAMP digits obeyed
failure text that does not spell a value fails its row; TRY_CAST gives NULL there
source  Flink's cast rules: numbers wrap or saturate as Java's do, decimals round half up and
        overflow to NULL, text is trimmed before it is read
"""

from __future__ import annotations

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Fail, Lowered, cast_text, cast_time, decimal
from millstream.engine.functions.series import on_series, picked
from millstream.expr.tree import Cast
from millstream.types.logical import (
    BinaryString,
    CharacterString,
    Integer,
    Interval,
    Numeric,
    Temporal,
)

_TRUE = ("t", "true", "y", "yes", "1")
_FALSE = ("f", "false", "n", "no", "0")
_WHOLE = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$"
_REAL = r"^[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)$"


def lower_cast(cast: Cast, arg: Lowered, ctx: Context) -> Lowered:
    """Return the cast of an already lowered argument."""
    done = converted(arg.value, cast.arg.typed, cast.to, ctx)
    fails = () if cast.safe else done.fails
    return Lowered(done.value, arg.fails + fails)


def converted(x: pl.Expr, have: t.LogicalType, want: t.LogicalType, ctx: Context) -> Lowered:
    """Return ``x`` as another SQL type; where it cannot be, NULL and a failure."""
    if have.with_nullable(True) == want.with_nullable(True):
        return Lowered(x)
    dtype = polars_type(want)
    if isinstance(have, t.Null):
        return Lowered(x.cast(dtype))
    match want:
        case CharacterString():
            return Lowered(_to_text(x, have, want, ctx))
        case BinaryString():
            return Lowered(_to_bytes(x, have, want))
        case t.Boolean():
            return _to_boolean(x, have)
        case Numeric():
            return _to_number(x, have, want)
        case Temporal():
            return cast_time.to_time(x, have, want, ctx)
        case Interval():
            return _to_interval(x, have, want)
        case _:
            return _to_nested(x, have, want, ctx)


def _or_fails(x: pl.Expr, value: pl.Expr, what: t.LogicalType) -> Lowered:
    """Return a value read from text, which fails where there was text and no value."""
    wrong = x.is_not_null() & value.is_null()
    return Lowered(value, (Fail(wrong, f"this is no {what.name()}", cast_text.quoted(x)),))


# --- text and bytes


def _to_text(x: pl.Expr, have: t.LogicalType, want: t.LogicalType, ctx: Context) -> pl.Expr:
    text = cast_text.to_text(x, have, ctx)
    longest = cast_text.length_max(have)
    if isinstance(want, t.Char):
        text = text if longest <= want.length else text.str.slice(0, want.length)
        return text.str.pad_end(want.length)
    assert isinstance(want, t.VarChar), "text is CHAR or VARCHAR"
    unbounded = want.length == t.logical.MAX_LENGTH
    return text if unbounded or longest <= want.length else text.str.slice(0, want.length)


def _to_bytes(x: pl.Expr, have: t.LogicalType, want: t.LogicalType) -> pl.Expr:
    assert isinstance(want, t.Binary | t.VarBinary), "bytes are BINARY or VARBINARY"
    data = x if isinstance(have, BinaryString) else x.cast(pl.Binary)
    fits = isinstance(have, t.Binary | t.VarBinary) and have.length <= want.length
    if want.length == t.logical.MAX_LENGTH or (fits and isinstance(want, t.VarBinary)):
        return data
    if isinstance(want, t.VarBinary):
        return data.bin.slice(0, want.length)
    zeros = pl.lit(b"\x00" * want.length)
    hexed = data.bin.encode("hex") + zeros.bin.encode("hex")
    return hexed.str.slice(0, 2 * want.length).str.decode("hex")


# --- booleans and numbers


def _to_boolean(x: pl.Expr, have: t.LogicalType) -> Lowered:
    if isinstance(have, t.Decimal):
        return Lowered(x.to_physical() != 0)
    if isinstance(have, Numeric):
        return Lowered(x != 0)
    word = x.str.strip_chars().str.to_lowercase()
    value = (
        pl.when(word.is_in(_TRUE)).then(pl.lit(True)).when(word.is_in(_FALSE)).then(pl.lit(False))
    )
    return _or_fails(x, value.otherwise(pl.lit(None, dtype=pl.Boolean)), t.Boolean())


def _to_number(x: pl.Expr, have: t.LogicalType, want: Numeric) -> Lowered:
    match have, want:
        case CharacterString(), _:
            return _read_number(x, want)
        case t.IntervalDay(), _:
            return _to_number(x.cast(pl.Int64), t.BigInt(), want)
        case t.IntervalYear(), _:
            return _to_number(x, t.Int(), want)
        case t.Boolean(), t.Decimal():
            return _to_number(x.cast(pl.Int32), t.Int(), want)
        case t.Boolean(), _:
            return Lowered(x.cast(polars_type(want)))
        case ((Integer() | t.Decimal()), t.Decimal()):
            return Lowered(_to_decimal(x, want))
        case _, t.Decimal():
            return _double_to_decimal(x, want)
        case t.Decimal(), Integer():
            whole = on_series(decimal.truncated, [x], pl.Int128())
            return Lowered(whole.cast(polars_type(want), strict=False, wrap_numerical=True))
        case t.Decimal(), _:
            return Lowered(on_series(decimal.to_double, [x], pl.Float64()).cast(polars_type(want)))
        case ((t.Float() | t.Double()), Integer()):
            return Lowered(_saturated(x, want))
        case _:
            return Lowered(x.cast(polars_type(want), strict=False, wrap_numerical=True))


def _decimal_dtype(want: t.LogicalType) -> pl.Decimal:
    dtype = polars_type(want)
    assert isinstance(dtype, pl.Decimal), "a DECIMAL is kept as one"
    return dtype


def _to_decimal(x: pl.Expr, want: t.LogicalType) -> pl.Expr:
    dtype = _decimal_dtype(want)
    return on_series(lambda s: decimal.to_decimal(s, dtype), [x], dtype)


def _double_to_decimal(x: pl.Expr, want: t.LogicalType) -> Lowered:
    dtype = _decimal_dtype(want)
    value = on_series(lambda s: decimal.from_text(s.cast(pl.String), dtype), [x], dtype)
    wrong = ~x.is_finite()
    return Lowered(value, (Fail(wrong, "NaN and Infinity are no DECIMAL"),))


def _saturated(x: pl.Expr, want: Integer) -> pl.Expr:
    """Return floats as integers the way Java does: cut, NaN is 0, too large is the largest.

    Java narrows to INT first; BYTE and SHORT then take the low bits.
    """
    bits = 64 if isinstance(want, t.BigInt) else 32
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    x = x.cast(pl.Float64)
    wide = pl.Int64 if bits == 64 else pl.Int32
    inside = x.fill_nan(0.0).clip(float(low), float(high) if bits == 32 else 2.0**62)
    whole = (
        pl.when(x >= float(high))
        .then(pl.lit(high, dtype=wide))
        .otherwise(
            pl.when(x <= 2.0**62)
            .then(inside.cast(wide))
            .otherwise(
                x.fill_nan(0.0)
                .clip(0.0, 9223372036854774784.0)
                .cast(pl.Int64)
                .cast(wide, strict=False)
            )
        )
    )
    whole = pl.when(x.is_nan()).then(pl.lit(0, dtype=wide)).otherwise(whole)
    return whole.cast(polars_type(want), strict=False, wrap_numerical=True)


def _read_number(x: pl.Expr, want: Numeric) -> Lowered:
    text = x.str.strip_chars()
    match want:
        case t.Decimal():
            dtype = _decimal_dtype(want)
            value = on_series(lambda s: decimal.from_text(s, dtype), [text], dtype)
            wrong = x.is_not_null() & ~decimal.looks_decimal(text)
            fail = Fail(wrong, f"this is no {want.name()}", cast_text.quoted(x))
            return Lowered(value, (fail,))
        case Integer():
            kind = polars_type(want)
            value = on_series(lambda s: _read_whole(s, kind), [x], kind)
            return _or_fails(x, value, want)
        case _:
            fine = pl.when(text.str.contains(_REAL)).then(text.str.strip_chars_end("fFdD"))
            plain = fine.otherwise(pl.lit(None, dtype=pl.String))
            plain = plain.str.replace("Infinity", "inf", literal=True)
            value = plain.cast(pl.Float64, strict=False).cast(polars_type(want))
            return _or_fails(x, value, want)


def _read_whole(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return the integers texts spell: plain digits at once, spaces and fractions where left."""
    found = texts.cast(dtype, strict=False)
    if found.null_count() == texts.null_count():
        return found
    rest = texts.str.strip_chars()
    fine = rest.str.contains(_WHOLE)
    whole = rest.str.replace(r"\..*$", "").str.replace(r"^([+-]?)$", "${1}0")
    whole = picked(fine, whole, pl.Series([None], dtype=pl.String).new_from_index(0, len(texts)))
    return picked(found.is_not_null(), found, whole.cast(dtype, strict=False))


def _to_interval(x: pl.Expr, have: t.LogicalType, want: t.LogicalType) -> Lowered:
    dtype = polars_type(want)
    if isinstance(have, Integer):
        return Lowered(x.cast(pl.Int64).cast(dtype, strict=False))
    text = x.str.strip_chars()
    if isinstance(want, t.IntervalYear):
        parts = text.str.extract_groups(r"^([+-]?)(\d+)-(\d{1,2})$").struct
        size = parts.field("2").cast(pl.Int32) * 12 + parts.field("3").cast(pl.Int32)
    else:
        pattern = r"^([+-]?)(\d+) (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,3}))?$"
        parts = text.str.extract_groups(pattern).struct
        size = cast_time.clock_ms(parts, 3) + parts.field("2").cast(pl.Int64) * 86_400_000
    sign = pl.when(parts.field("1") == "-").then(pl.lit(-1)).otherwise(pl.lit(1))
    return _or_fails(x, (size * sign).cast(dtype), want)


# --- nested values


def _to_nested(x: pl.Expr, have: t.LogicalType, want: t.LogicalType, ctx: Context) -> Lowered:
    match have, want:
        case t.Array(element=a), t.Array(element=b):
            return _each_element(x, converted(pl.element(), a, b, ctx), want)
        case t.Multiset(element=a), t.Multiset(element=b):
            counted = (("key", a, b), ("value", t.Int(), t.Int()))
            return _each_element(x, _fields(pl.element(), counted, ctx), want)
        case t.Map(), t.Map():
            pairs = (("key", have.key, want.key), ("value", have.value, want.value))
            return _each_element(x, _fields(pl.element(), pairs, ctx), want)
        case t.Row(), t.Row():
            names = [name for name, _ in have.fields]
            inner = [
                converted(x.struct.field(name), a, b, ctx)
                for name, (_, a), (_, b) in zip(names, have.fields, want.fields, strict=True)
            ]
            parts = [
                low.value.alias(name) for low, (name, _) in zip(inner, want.fields, strict=True)
            ]
            row = pl.when(x.is_not_null()).then(pl.struct(parts))
            nothing = pl.lit(None, dtype=polars_type(want))
            return Lowered(row.otherwise(nothing), tuple(f for low in inner for f in low.fails))
        case _:
            raise AssertionError(f"the catalogue has no cast from {have} to {want}")


def _fields(
    x: pl.Expr, pairs: tuple[tuple[str, t.LogicalType, t.LogicalType], ...], ctx: Context
) -> Lowered:
    inner = [(name, converted(x.struct.field(name), a, b, ctx)) for name, a, b in pairs]
    return Lowered(
        pl.struct([low.value.alias(name) for name, low in inner]),
        tuple(f for _, low in inner for f in low.fails),
    )


def _each_element(x: pl.Expr, inner: Lowered, want: t.LogicalType) -> Lowered:
    value = x.list.eval(inner.value).cast(polars_type(want))
    fails = tuple(
        Fail(x.list.eval(f.when.fill_null(False)).list.any(), f"{f.reason} (inside)")
        for f in inner.fails
    )
    return Lowered(value, fails)
