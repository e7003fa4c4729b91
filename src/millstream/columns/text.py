"""Values as text, the way Flink writes them, a whole column at a time.

in      an expression or a frame, its SQL type(s), and a style
out     String; a NULL stays null at the top and is written inside a row, list or map
styles  ``Style.SQL`` is CAST(… AS STRING): ``TRUE``, ``2026-01-01 00:00:05.000``, ``(1, NULL)``
        ``Style.PRINT`` is what Flink's print connector shows, which is Java's ``toString``:
        ``true``, ``2026-01-01T00:00:05``, ``+I[1, null]``
bytes   SQL reads them as UTF-8 (broken sequences become U+FFFD), PRINT lists signed numbers
limit   PRINT writes a DECIMAL plainly where Java would write ``1E-7``
source  Flink's CastRuleProvider and RowUtils.deepToString, observed
"""

from __future__ import annotations

from enum import Enum

import polars as pl

from millstream import types as t
from millstream.columns.changes import OP, Op

_MS_PER_DAY = 86_400_000


class Style(Enum):
    """Who is read by."""

    SQL = "sql"
    PRINT = "print"


_NULL = {Style.SQL: "NULL", Style.PRINT: "null"}
_ROW = {Style.SQL: ("(", ")"), Style.PRINT: ("+I[", "]")}


def text_of(
    value: pl.Expr, dtype: t.LogicalType, *, style: Style = Style.SQL, zone: str = "UTC"
) -> pl.Expr:
    """Return the text of one column; ``zone`` is where TIMESTAMP_LTZ is shown (SQL style)."""
    match dtype:
        case t.Boolean():
            yes, no = ("TRUE", "FALSE") if style is Style.SQL else ("true", "false")
            return pl.when(value).then(pl.lit(yes)).when(~value).then(pl.lit(no))
        case t.Float() | t.Double():
            return float_text(value)
        case t.Char() | t.VarChar():
            return value
        case t.Binary() | t.VarBinary():
            return _bytes_text(value, style)
        case t.Date():
            return value.dt.to_string("%Y-%m-%d")
        case t.Time(precision=precision):
            return _time_text(value, precision, style)
        case t.Timestamp(precision=precision):
            return _timestamp_text(value, precision, style)
        case t.TimestampLtz(precision=precision):
            if style is Style.SQL:
                local = value.dt.convert_time_zone(zone).dt.replace_time_zone(None)
                return _timestamp_text(local, precision, style)
            return _seconds_text(value.dt.replace_time_zone(None)) + "Z"
        case t.IntervalYear():
            return _months_text(value)
        case t.IntervalDay():
            return _day_text(value)
        case t.Array(element=element):
            return _list_text(value, text_of(pl.element(), element, style=style, zone=zone), style)
        case t.Map(key=key, value=inner):
            return _map_text(value, key, inner, style, zone)
        case t.Multiset(element=element):
            return _map_text(value, element, t.Int(), style, zone)
        case t.Row(fields=fields):
            parts = [
                text_of(value.struct.field(name), kind, style=style, zone=zone)
                for name, kind in fields
            ]
            return _joined(value, parts, style)
        case _:
            return value.cast(pl.String)


def float_text(value: pl.Expr) -> pl.Expr:
    """Return Java's text of a FLOAT or DOUBLE: ``100.5``, ``1.0E7``, ``1.5E-5``, ``Infinity``."""
    size = value.abs()
    plain = value.cast(pl.String)
    body = plain.str.strip_chars_start("-")
    sign = pl.when(plain.str.starts_with("-")).then(pl.lit("-")).otherwise(pl.lit(""))
    mantissa, exponent = body.str.extract(r"^([^e]+)"), body.str.extract(r"e\+?(-?\d+)$")
    pointed = pl.when(mantissa.str.contains(".", literal=True)).then(mantissa)
    scientific = sign + pointed.otherwise(mantissa + ".0") + "E" + exponent
    # Polars writes out 10000000.0 and 0.000015, which Java does not.
    digits = body.str.replace(".", "", literal=True).str.strip_chars_start("0")
    tail = digits.str.slice(1).str.strip_chars_end("0")
    tail = pl.when(tail == "").then(pl.lit("0")).otherwise(tail)
    zeros = body.str.extract(r"^0\.(0*)").str.len_chars().cast(pl.Int64)
    power = pl.when(size >= 1).then(body.str.find(".", literal=True).cast(pl.Int64) - 1)
    written = sign + digits.str.slice(0, 1) + "." + tail + "E"
    written += power.otherwise(-zeros - 1).cast(pl.String)
    return (
        pl.when(value.is_nan())
        .then(pl.lit("NaN"))
        .when(value.is_infinite())
        .then(sign + "Infinity")
        .when((size == 0) | ((size >= 1e-3) & (size < 1e7)))
        .then(plain)
        .when(body.str.contains("e", literal=True))
        .then(scientific)
        .otherwise(written)
    )


def text_frame(
    frame: pl.DataFrame, schema: t.Schema, *, style: Style = Style.SQL, zone: str = "UTC"
) -> pl.DataFrame:
    """Return every column of ``schema`` as text; NULL stays null."""
    return frame.select(
        text_of(pl.col(f.name), f.type, style=style, zone=zone).alias(f.name) for f in schema
    )


def op_text(frame: pl.DataFrame) -> pl.Series:
    """Return ``+I -U +U -D`` for each row."""
    if OP not in frame.columns:
        return pl.Series(OP, [Op.INSERT.short]).new_from_index(0, frame.height)
    return frame[OP].replace_strict({int(op): op.short for op in Op}, return_dtype=pl.String)


def print_lines(frame: pl.DataFrame, schema: t.Schema, *, prefix: str = "") -> pl.Series:
    """Return one line per row as Flink's print connector shows it: ``+I[1, abc, null]``."""
    cells = text_frame(frame, schema, style=Style.PRINT).fill_null(_NULL[Style.PRINT])
    rows = cells.select(pl.concat_str(pl.all(), separator=", ")).to_series()
    return pl.select(pl.lit(prefix) + op_text(frame) + "[" + rows + "]").to_series().alias("line")


def _bytes_text(value: pl.Expr, style: Style) -> pl.Expr:
    if style is Style.SQL:
        return value.map_batches(_decode_utf8, return_dtype=pl.String)
    return value.map_batches(_signed_bytes, return_dtype=pl.String)


def _decode_utf8(column: pl.Series) -> pl.Series:
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError:
        # A loop over rows, only where some value is no UTF-8: Polars has no lossy decoding.
        texts = [None if v is None else v.decode("utf-8", "replace") for v in column]
        return pl.Series(column.name, texts, dtype=pl.String)


def _signed_bytes(column: pl.Series) -> pl.Series:
    # A loop over rows: bytes on a terminal are for eyes, and Java shows them as signed numbers.
    texts = [
        None if v is None else "[" + ", ".join(str((b ^ 128) - 128) for b in v) + "]"
        for v in column
    ]
    return pl.Series(column.name, texts, dtype=pl.String)


def _fraction(precision: int) -> str:
    """Return the strftime part of ``precision`` digits (Polars knows 3, 6 and 9)."""
    return (
        "" if precision == 0 else "%.3f" if precision <= 3 else "%.6f" if precision <= 6 else "%.9f"
    )


def _cut(text: pl.Expr, precision: int) -> pl.Expr:
    spare = -precision % 3
    return text.str.head(-spare) if spare else text


def _timestamp_text(value: pl.Expr, precision: int, style: Style) -> pl.Expr:
    if style is Style.SQL:
        return _cut(value.dt.to_string("%Y-%m-%d %H:%M:%S" + _fraction(precision)), precision)
    # Java's LocalDateTime leaves out the seconds where they and the fraction are zero.
    return _seconds_text(value).str.replace(r"(T\d\d:\d\d):00$", "$1")


def _seconds_text(value: pl.Expr) -> pl.Expr:
    text = value.cast(pl.Datetime("ns"), strict=False).dt.to_string("%Y-%m-%dT%H:%M:%S%.9f")
    wide = value.dt.to_string("%Y-%m-%dT%H:%M:%S%.3f")  # beyond the range of ns
    return _short_fraction(pl.coalesce(text, wide))


def _short_fraction(text: pl.Expr) -> pl.Expr:
    """Drop groups of three zeros at the end of a fraction, as Java does."""
    return text.str.replace(r"(?:\.000000000|\.000|(?:000){1,2})$", "")


def _time_text(value: pl.Expr, precision: int, style: Style) -> pl.Expr:
    if style is Style.SQL:
        return _cut(value.dt.to_string("%H:%M:%S" + _fraction(precision)), precision)
    text = _short_fraction(value.dt.to_string("%H:%M:%S%.9f"))
    return text.str.replace(r"^(\d\d:\d\d):00$", "$1")


def _months_text(value: pl.Expr) -> pl.Expr:
    sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    size = value.abs()
    months = (size % 12).cast(pl.String).str.zfill(2)
    return pl.when(value.is_not_null()).then(sign + (size // 12).cast(pl.String) + "-" + months)


def _day_text(value: pl.Expr) -> pl.Expr:
    ms = value.dt.total_milliseconds()
    sign = pl.when(ms < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    size = ms.abs()
    clock = (size % _MS_PER_DAY * 1_000_000).cast(pl.Time).dt.to_string("%H:%M:%S%.3f")
    return pl.when(ms.is_not_null()).then(
        sign + (size // _MS_PER_DAY).cast(pl.String) + " " + clock
    )


def _list_text(value: pl.Expr, element: pl.Expr, style: Style) -> pl.Expr:
    inner = value.list.eval(element.fill_null(_NULL[style])).list.join(", ")
    return pl.when(value.is_not_null()).then(pl.lit("[") + inner + "]")


def _map_text(
    value: pl.Expr, key: t.LogicalType, inner: t.LogicalType, style: Style, zone: str
) -> pl.Expr:
    entry = pl.element().struct
    left = text_of(entry.field("key"), key, style=style, zone=zone).fill_null(_NULL[style])
    right = text_of(entry.field("value"), inner, style=style, zone=zone).fill_null(_NULL[style])
    joined = value.list.eval(left + "=" + right).list.join(", ")
    return pl.when(value.is_not_null()).then(pl.lit("{") + joined + "}")


def _joined(value: pl.Expr, parts: list[pl.Expr], style: Style) -> pl.Expr:
    opening, closing = _ROW[style]
    filled = [part.fill_null(_NULL[style]) for part in parts]
    body = pl.concat_str(filled, separator=", ") if filled else pl.lit("")
    return pl.when(value.is_not_null()).then(pl.lit(opening) + body + closing)
