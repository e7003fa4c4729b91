"""JSON documents read and written: the door to msgspec for functions.

reads   with exact numbers: 1.50 stays 1.50, integers of any size
writes  compact, numbers as Java's BigDecimal prints them (1E+3), members in their order
bad     :data:`INVALID` where a text is not one JSON document
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl

from millstream import types as t
from millstream.engine.functions.cast_text import java_text
from millstream.engine.functions.rows import on_rows
from millstream.engine.functions.series import on_series
from millstream.expr.json_path import MISSING
from millstream.types.logical import BinaryString, CharacterString, Integer

INVALID, OTHERWISE = object(), object()

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_NO_DOCUMENT = (msgspec.DecodeError, UnicodeEncodeError, RecursionError, ArithmeticError)
_STRING = pl.String()
_ESCAPED = {chr(code): f"\\u{code:04X}" for code in range(32)} | {
    "\\": "\\\\", '"': '\\"', "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
}  # fmt: skip
_UNESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"\\(?:([\"\\/bfnrt])|u([0-9A-Fa-f]{4})|(.?))", re.DOTALL)
_PLAIN_SCALE_MAX = 6


def decoded(document: str) -> Any:
    """Return the value of a JSON text, or INVALID."""
    try:
        return _DECODER.decode(document)
    except _NO_DOCUMENT:
        return INVALID


def member_reader(names: tuple[str, ...]) -> Callable[[str], Any]:
    """Return what reads one member of a member … without building the rest of the document.

    The reader gives the value, MISSING, INVALID, or OTHERWISE where the document has another shape
    and must be read as a whole. Three times as fast as decoding everything.
    """
    kind: Any = Any
    for name in reversed(names):
        fields = [("member", kind, msgspec.UNSET)]
        kind = msgspec.defstruct("Member", fields, rename={"member": name})
    decode = msgspec.json.Decoder(kind, float_hook=Decimal).decode
    depth = range(len(names))

    def read(document: str) -> Any:
        try:
            value = decode(document)
        except msgspec.ValidationError:
            return OTHERWISE
        except _NO_DOCUMENT:
            return INVALID
        for _ in depth:
            value = value.member
            if value is msgspec.UNSET:
                return MISSING
        return value

    return read


def encoded(value: Any) -> str:
    """Return a decoded value as JSON."""
    try:
        return _ENCODER.encode(value).decode()
    except OverflowError:
        return _ENCODER.encode(_wide(value)).decode()


def _wide(value: Any) -> Any:
    """Return the value with its integers as decimals, which may be of any size."""
    match value:
        case bool():
            return value
        case int():
            return Decimal(value)
        case list():
            return [_wide(each) for each in value]
        case dict():
            return {key: _wide(each) for key, each in value.items()}
        case _:
            return value


def scalar_text(value: Any) -> str:
    """Return a JSON scalar as SQL text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def normal(document: str) -> str | None:
    """Return a JSON text without its blanks, or None where it is none."""
    value = decoded(document)
    return None if value is INVALID else encoded(value)


def quoted(text: str) -> str:
    """Return a text as a JSON string in ASCII; ``/`` is escaped too, as Flink does."""
    return json.dumps(text).replace("/", "\\/")


def unquoted(text: str) -> str:
    """Return the text of a JSON string; the same text where it has no quotes or a bad escape."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    bad = False

    def plain(match: re.Match[str]) -> str:
        nonlocal bad
        if match[1]:
            return _UNESCAPED.get(match[1], match[1])
        bad = bad or not match[2]
        return chr(int(match[2], 16)) if match[2] else ""

    found = _ESCAPE.sub(plain, text[1:-1])
    if bad:
        return text
    # Two escapes may be the halves of one character.
    return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# --- columns as JSON


def json_of(x: pl.Expr, kind: t.LogicalType) -> pl.Expr:
    """Return each value as JSON text; NULL stays NULL."""
    match kind:
        case t.Null():
            return x.cast(pl.String)
        case t.Boolean() | Integer():
            return x.cast(pl.String)
        case CharacterString():
            return string_of(x)
        case BinaryString():
            return pl.concat_str(pl.lit('"'), x.bin.encode("base64"), pl.lit('"'))
        case t.Decimal(scale=scale):
            return x.cast(pl.String) if scale <= _PLAIN_SCALE_MAX else on_rows(str, [x], _STRING)
        case t.Float() | t.Double():
            return on_series(_doubles, [x.cast(pl.Float64)], _STRING)
        case t.Timestamp() | t.TimestampLtz():
            return _moment(x, kind)
        case _:
            plain = _plain_of(kind)
            # Nested values are written one by one: Polars has no encoder for a single column.
            return on_series(lambda c: _written(c, plain), [x], _STRING)


def string_of(x: pl.Expr) -> pl.Expr:
    """Return each text as a JSON string."""
    inside = x.str.replace_many(list(_ESCAPED), list(_ESCAPED.values()))
    return pl.concat_str(pl.lit('"'), inside, pl.lit('"'))


def _written(column: pl.Series, plain: Callable[[Any], Any]) -> pl.Series:
    texts = [None if v is None else encoded(plain(v)) for v in column.to_list()]
    return pl.Series(column.name, texts, dtype=pl.String)


def _moment(x: pl.Expr, kind: t.Timestamp | t.TimestampLtz) -> pl.Expr:
    fraction = x.dt.nanosecond().cast(pl.Int64).cast(pl.String).str.zfill(9)
    digits = fraction.str.strip_chars_end("0")
    shown = pl.when(digits == "").then(pl.lit("")).otherwise(pl.concat_str(pl.lit("."), digits))
    end = pl.lit('Z"' if isinstance(kind, t.TimestampLtz) else '"')
    return pl.concat_str(pl.lit('"'), x.dt.to_string("%Y-%m-%dT%H:%M:%S"), shown, end)


def _doubles(column: pl.Series) -> pl.Series:
    texts = [None if v is None else _decimal_text(v) for v in java_text(column).to_list()]
    return pl.Series(column.name, texts, dtype=pl.String)


def _decimal_text(text: str) -> str:
    """Return Java's text of a double as its BigDecimal prints it: 1.0E20 is 1.0E+20."""
    return f'"{text}"' if text[-1] in "Ny" else str(Decimal(text))


def _plain_of(kind: t.LogicalType) -> Callable[[Any], Any]:
    """Return how a Python value of a SQL type becomes what the encoder writes."""
    match kind:
        case t.Array(element=element):
            each = _plain_of(element)
            return lambda v: None if v is None else [each(e) for e in v]
        case t.Map(value=value):
            one = _plain_of(value)
            return lambda v: None if v is None else {str(e["key"]): one(e["value"]) for e in v}
        case t.Row(fields=fields):
            parts = [(name, _plain_of(each)) for name, each in fields]
            return lambda v: None if v is None else {name: p(v[name]) for name, p in parts}
        case t.Float() | t.Double():
            return _plain_float
        case t.Timestamp() | t.TimestampLtz():
            return _plain_moment
        case BinaryString():
            return lambda v: None if v is None else base64.b64encode(v).decode()
        case _:
            return lambda v: v


def _plain_float(value: float | None) -> Decimal | str | None:
    if value is None:
        return None
    if not math.isfinite(value):
        return str(java_text(pl.Series([value], dtype=pl.Float64))[0])
    return Decimal(str(java_text(pl.Series([value], dtype=pl.Float64))[0]))


def _plain_moment(value: dt.datetime | None) -> str | None:
    if value is None:
        return None
    text = value.replace(tzinfo=None).isoformat(timespec="seconds")
    fraction = f".{value.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{text}{fraction}Z" if value.tzinfo is not None else text + fraction
