"""Values as text, in Flink's forms.

numbers   plain decimals; floats as Java prints them (1.0E10, NaN, Infinity)
booleans  TRUE, FALSE;  bytes as UTF-8
times     2026-01-31 09:05:07.120, as many digits as the type has
intervals +1-02 and +3 04:05:06.700
nested    [1, NULL], (1, a), {k=v}
"""

from __future__ import annotations

import polars as pl

from millstream import types as t
from millstream.engine.functions import Context
from millstream.engine.functions.series import on_series
from millstream.types.logical import BinaryString, CharacterString, Integer

_QUOTED_CHARS_MAX = 40


def quoted(x: pl.Expr) -> pl.Expr:
    """Return the start of a text in quotes, for a message."""
    return pl.concat_str(
        pl.lit("'"), x.cast(pl.String).str.slice(0, _QUOTED_CHARS_MAX), pl.lit("'")
    )


def length_max(have: t.LogicalType) -> int:
    """Return the most characters the text of a type can have, where that is known."""
    match have:
        case t.Char(length=length) | t.VarChar(length=length):
            return length
        case _:
            return t.logical.MAX_LENGTH + 1


def to_text(x: pl.Expr, have: t.LogicalType, ctx: Context) -> pl.Expr:
    """Return the text of a value of a SQL type."""
    match have:
        case CharacterString():
            return x
        case t.Null():
            return x.cast(pl.String)
        case t.Boolean():
            return x.cast(pl.String).str.to_uppercase()
        case Integer() | t.Decimal():
            return x.cast(pl.String)
        case t.Float() | t.Double():
            return on_series(java_text, [x], pl.String())
        case BinaryString():
            return on_series(_utf8, [x], pl.String())
        case t.Date():
            return x.dt.to_string("%Y-%m-%d")
        case t.Time(precision=precision):
            return _clock(x, precision)
        case t.Timestamp(precision=precision):
            return stamp(x, precision)
        case t.TimestampLtz(precision=precision):
            return stamp(x.dt.convert_time_zone(ctx.time_zone), precision)
        case t.IntervalYear():
            size = x.abs()
            years, months = (size // 12).cast(pl.String), (size % 12).cast(pl.String)
            return pl.concat_str(_sign(x), years, pl.lit("-"), months.str.zfill(2))
        case t.IntervalDay():
            return _days(x.cast(pl.Int64))
        case _:
            return _nested(x, have, ctx)


def stamp(x: pl.Expr, precision: int) -> pl.Expr:
    """Return date and time with as many digits of the second as the type has."""
    text = x.dt.to_string("%Y-%m-%d %H:%M:%S")
    if precision == 0:
        return text
    return pl.concat_str(text, pl.lit("."), _fraction(x, precision))


def _fraction(x: pl.Expr, precision: int) -> pl.Expr:
    nanos = x.dt.nanosecond().cast(pl.Int64)
    return (nanos // int(10 ** (9 - precision))).cast(pl.String).str.zfill(precision)


def _clock(x: pl.Expr, precision: int) -> pl.Expr:
    """Return a time of the day; zeros at the end of the fraction are left out but one (Flink)."""
    text = x.dt.to_string("%H:%M:%S")
    if precision == 0:
        return text
    digits = _fraction(x, precision).str.strip_chars_end("0")
    shown = pl.when(digits == "").then(pl.lit("0")).otherwise(digits)
    return pl.concat_str(text, pl.lit("."), shown)


def _sign(x: pl.Expr) -> pl.Expr:
    return pl.when(x < 0).then(pl.lit("-")).otherwise(pl.lit("+"))


def _days(ms: pl.Expr) -> pl.Expr:
    size = ms.abs()

    def part(unit_ms: int, modulo: int, width: int) -> pl.Expr:
        return (size // unit_ms % modulo).cast(pl.String).str.zfill(width)

    return pl.concat_str(
        _sign(ms), (size // 86_400_000).cast(pl.String), pl.lit(" "),
        part(3_600_000, 24, 2), pl.lit(":"), part(60_000, 60, 2), pl.lit(":"),
        part(1000, 60, 2), pl.lit("."), part(1, 1000, 3),
    )  # fmt: skip


# --- floats


def java_text(column: pl.Series) -> pl.Series:
    """Return floats as Java prints them: plain from 10^-3 below 10^7, else 1.0E7."""
    size = column.abs()
    plain = column.cast(pl.String)
    odd = (((size >= 1e7) | (size < 1e-3)) & (size != 0) | ~column.is_finite()).fill_null(False)
    if not odd.any():
        return plain
    where = odd.arg_true()
    # Few values are this large or small: their texts are rearranged one by one.
    texts = [_scientific(text) for text in plain.gather(where).to_list()]
    return plain.scatter(where, texts)


def _scientific(text: str) -> str:
    special = {"inf": "Infinity", "-inf": "-Infinity", "NaN": "NaN"}
    if text in special:
        return special[text]
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + part
    kept = digits.lstrip("0")
    power -= len(digits) - len(kept)
    kept = kept.rstrip("0") or "0"
    return f"{sign}{kept[0]}.{kept[1:] or '0'}E{power}"


def _utf8(column: pl.Series) -> pl.Series:
    try:
        return column.cast(pl.String)
    except pl.exceptions.ComputeError:
        # Bytes that are no UTF-8 are rare; each bad byte is shown as U+FFFD, as Java does.
        texts = [None if v is None else v.decode("utf-8", "replace") for v in column.to_list()]
        return pl.Series(column.name, texts, dtype=pl.String)


# --- nested values


def _nested(x: pl.Expr, have: t.LogicalType, ctx: Context) -> pl.Expr:
    match have:
        case t.Array(element=element):
            return _listed(x, _shown(pl.element(), element, ctx), "[", "]")
        case t.Multiset(element=element):
            return _listed(x, _pair(element, t.Int(), ctx), "{", "}")
        case t.Map(key=key, value=value):
            return _listed(x, _pair(key, value, ctx), "{", "}")
        case t.Row(fields=fields):
            parts: list[pl.Expr] = []
            for name, kind in fields:
                parts += [pl.lit(", " if parts else "("), _shown(x.struct.field(name), kind, ctx)]
            text = pl.concat_str(*parts, pl.lit(")"))
            return pl.when(x.is_not_null()).then(text).otherwise(pl.lit(None, dtype=pl.String))
        case t.Null():
            return x.cast(pl.String)
        case _:
            raise AssertionError(f"{have} has no text")


def _shown(x: pl.Expr, kind: t.LogicalType, ctx: Context) -> pl.Expr:
    return to_text(x, kind, ctx).fill_null("NULL")


def _pair(key: t.LogicalType, value: t.LogicalType, ctx: Context) -> pl.Expr:
    pair = pl.element().struct
    return pl.concat_str(
        _shown(pair.field("key"), key, ctx), pl.lit("="), _shown(pair.field("value"), value, ctx)
    )


def _listed(x: pl.Expr, each: pl.Expr, left: str, right: str) -> pl.Expr:
    return pl.concat_str(pl.lit(left), x.list.eval(each).list.join(", "), pl.lit(right))
