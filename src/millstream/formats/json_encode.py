"""Typed columns to JSON documents, a whole frame at a time.

in      a frame of one schema
out     one JSON object per row, fields in the schema's order, without blanks; NULL is ``null``
values  texts are escaped as Flink's JSON writer does (quote, backslash, control characters);
        NaN and the infinities are texts; times have as many digits as they need; bytes are base64;
        intervals are whole months or milliseconds
bad     a NULL key of a MAP where ``map-null-key.mode`` is FAIL raises DataError
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

import polars as pl

from millstream import types as t
from millstream.columns.frames import computed
from millstream.errors import DataError
from millstream.formats.json_decode import check_type
from millstream.ports.format import Encoder
from millstream.types.logical import BinaryString, CharacterString, Integer

ROWS_BY_HAND = 256
_SPECIAL = r'["\\\x00-\x1f]'
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPES = {chr(c): f"\\u{c:04X}" for c in range(32)} | _SHORT


class NullKey(Enum):
    """What happens to a NULL key of a MAP."""

    FAIL = "fail"
    DROP = "drop"
    LITERAL = "literal"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeRules:
    """What the options decided."""

    between: str = " "
    decimal_plain: bool = False
    ignore_null_fields: bool = False
    null_key: NullKey = NullKey.FAIL
    null_key_literal: str = "null"


class JsonEncoder(Encoder):
    """Encodes the rows of one schema as JSON objects."""

    def __init__(self, schema: t.Schema, rules: EncodeRules) -> None:
        for f in schema:
            check_type(f.type, f.name)
        fields = [(f.name, f.type, pl.col(f.name)) for f in schema]
        texts = {f.name for f in schema if isinstance(f.type, CharacterString)}
        self._document = _object(fields, rules).alias("json")
        # Texts that need no escapes are the rule, which one question for all columns finds out.
        self._texts = sorted(texts)
        self._needs_escapes = pl.any_horizontal(
            pl.lit(False), *(pl.col(name).str.contains(_SPECIAL).any() for name in self._texts)
        )
        self._plain_document = _object(fields, rules, frozenset(texts)).alias("json")
        self._keyed = [f.name for f in schema if _has_map(f.type)]
        self._row: str | None = None
        """A document with places for its values; None where that is not all there is to it."""
        if fields and not rules.ignore_null_fields and not self._keyed:
            members = (quoted(f.name).replace("%", "%%") + ":%s" for f in schema)
            self._row = "{" + ",".join(members) + "}"
        self._fields = [
            (f.name, None if f.name in texts or isinstance(f.type, Integer)
             else _json(pl.col(f.name), f.type, rules))
            for f in schema
        ]  # fmt: skip

    def encode(self, frame: pl.DataFrame) -> pl.Series:
        """Return one document per row."""
        return self.encode_text(frame).cast(pl.Binary)

    def encode_text(self, frame: pl.DataFrame) -> pl.Series:
        """Return one document per row, as text."""
        if self._row is not None and frame.height <= ROWS_BY_HAND:
            documents = self._by_hand(frame, self._row)
            if documents is not None:
                return documents
        has_special = bool(self._texts) and frame.select(self._needs_escapes).item()
        (document,) = computed(frame, [self._document if has_special else self._plain_document])
        if document.null_count():
            raise DataError(
                f"A MAP has a NULL key (in one of: {', '.join(self._keyed)}).",
                where="format 'json'",
                hint="Set 'json.map-null-key.mode' to 'DROP' or 'LITERAL'.",
            )
        return document

    def _by_hand(self, frame: pl.DataFrame, row: str) -> pl.Series | None:
        """Return the documents of very few rows, put together in Python; None if a text is special.

        A loop over rows: joining texts in Polars takes its pool (columns/frames.py), which for a
        few rows takes a hundred times as long.
        """
        columns = []
        for name, written in self._fields:
            values = (frame[name] if written is None else computed(frame, [written])[0]).to_list()
            if name in self._texts:
                if re.search(_SPECIAL, "".join(filter(None, values))):
                    return None
                values = [None if value is None else f'"{value}"' for value in values]
            columns.append(["null" if value is None else value for value in values])
        return pl.Series("json", [row % values for values in zip(*columns, strict=True)])


def _object(
    fields: list[tuple[str, t.LogicalType, pl.Expr]],
    rules: EncodeRules,
    plain: frozenset[str] = frozenset(),
) -> pl.Expr:
    """Return the JSON object of some fields; the texts of ``plain`` hold nothing to escape."""
    if rules.ignore_null_fields:
        pieces = [
            pl.when(value.is_null())
            .then(pl.lit(""))
            .otherwise(
                pl.lit(f"{quoted(name)}:")
                + (_plain_text(value) if name in plain else _json(value, kind, rules))
                + ","
            )
            for name, kind, value in fields
        ]
        inner = pl.concat_str(pieces).str.strip_suffix(",") if pieces else pl.lit("")
        return pl.lit("{") + inner + "}"
    parts: list[pl.Expr] = []
    before = "{"
    for name, kind, value in fields:
        is_plain = name in plain
        found = _plain_text(value).fill_null("null") if is_plain else _or_null(value, kind, rules)
        parts += [pl.lit(f"{before}{quoted(name)}:"), found]
        before = ","
    return pl.concat_str([*parts, pl.lit("}")]) if parts else pl.lit("{}")


def _plain_text(value: pl.Expr) -> pl.Expr:
    return pl.lit('"') + value + '"'


def _or_null(value: pl.Expr, dtype: t.LogicalType, rules: EncodeRules) -> pl.Expr:
    """Return the JSON of a value; a null that remains means that it has none."""
    text = _json(value, dtype, rules)
    if _has_map(dtype):
        return pl.when(value.is_null()).then(pl.lit("null")).otherwise(text)
    return text.fill_null("null")


def _json(value: pl.Expr, dtype: t.LogicalType, rules: EncodeRules) -> pl.Expr:
    match dtype:
        case t.Boolean():
            return pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))
        case t.Float() | t.Double():
            return real(value)
        case t.Decimal():
            text = value.cast(pl.String)
            return text if rules.decimal_plain else short_decimal(text, dtype.scale)
        case CharacterString():
            return pl.lit('"') + value.map_batches(escaped, pl.String, is_elementwise=True) + '"'
        case BinaryString():
            return pl.lit('"') + value.bin.encode("base64") + '"'
        case t.Date():
            return value.dt.to_string('"%Y-%m-%d"')
        case t.Time():
            return pl.lit('"') + short_fraction(value.dt.to_string("%H:%M:%S%.9f")) + '"'
        case t.Timestamp(precision=precision) | t.TimestampLtz(precision=precision):
            digits = (3, 3, 6, 9)[-(-precision // 3)]
            text = value.dt.to_string(f"%Y-%m-%d{rules.between}%H:%M:%S%.{digits}f")
            end = 'Z"' if isinstance(dtype, t.TimestampLtz) else '"'
            return pl.lit('"') + short_fraction(text) + end
        case t.IntervalDay():
            return value.dt.total_milliseconds().cast(pl.String)
        case t.Array(element=element):
            inner = value.list.eval(_or_null(pl.element(), element, rules))
            return pl.lit("[") + inner.list.join(",", ignore_nulls=False) + "]"
        case t.Map(value=inner_type):
            return _map(value, inner_type, rules)
        case t.Multiset():
            return _map(value, t.Int(), rules)
        case t.Row(fields=fields):
            members = [(name, kind, value.struct.field(name)) for name, kind in fields]
            return pl.when(value.is_not_null()).then(_object(members, rules))
        case t.Null():
            return pl.lit(None, dtype=pl.String)
        case _:
            return value.cast(pl.String)


def _map(value: pl.Expr, inner: t.LogicalType, rules: EncodeRules) -> pl.Expr:
    key = pl.element().struct.field("key")
    name = pl.lit('"') + key.map_batches(escaped, pl.String, is_elementwise=True) + '":'
    if rules.null_key is NullKey.LITERAL:
        name = name.fill_null(quoted(rules.null_key_literal) + ":")
    entries = value
    if rules.null_key is NullKey.DROP:
        entries = value.list.filter(key.is_not_null())
    held = pl.element().struct.field("value")
    pairs = entries.list.eval(name + _or_null(held, inner, rules))
    return pl.lit("{") + pairs.list.join(",", ignore_nulls=False) + "}"


def _has_map(dtype: t.LogicalType) -> bool:
    match dtype:
        case t.Map() | t.Multiset():
            return True
        case t.Array(element=element):
            return _has_map(element)
        case t.Row(fields=fields):
            return any(_has_map(kind) for _, kind in fields)
        case _:
            return False


def escaped(column: pl.Series) -> pl.Series:
    """Return texts as they stand between quotes."""
    if not column.str.contains(_SPECIAL).any():
        return column
    frame = column.to_frame("text")
    return frame.select(pl.col("text").str.replace_many(_ESCAPES)).to_series()


def quoted(name: str) -> str:
    """Return a text as a JSON string."""
    return '"' + "".join(_ESCAPES.get(c, c) for c in name) + '"'


def real(value: pl.Expr) -> pl.Expr:
    """Return floating-point numbers; NaN and the infinities are texts."""
    return (
        pl.when(value.is_finite())
        .then(value.cast(pl.String))
        .when(value.is_nan())
        .then(pl.lit('"NaN"'))
        .when(value > 0)
        .then(pl.lit('"Infinity"'))
        .when(value < 0)
        .then(pl.lit('"-Infinity"'))
    )


def short_fraction(text: pl.Expr) -> pl.Expr:
    """Drop the zeros at the end of a fraction, and its point where nothing is left."""
    return text.str.strip_chars_end("0").str.strip_chars_end(".")


def short_decimal(text: pl.Expr, scale: int) -> pl.Expr:
    """Return a plain decimal as Java writes it without its trailing zeros: 1.5, 1E+2, 2.7E-8."""
    if scale:
        text = short_fraction(text)
    sign = pl.when(text.str.starts_with("-")).then(pl.lit("-")).otherwise(pl.lit(""))
    body = text.str.strip_prefix("-")
    digits = body.str.replace(".", "", literal=True).str.strip_chars("0")
    tail = digits.str.slice(1)
    mantissa = digits.str.head(1) + pl.when(tail == "").then(pl.lit("")).otherwise("." + tail)
    size = body.str.len_chars().cast(pl.Int32)
    zeros = body.str.extract(r"^0\.(0*)").str.len_chars().cast(pl.Int32)
    return (
        pl.when(body.str.contains(r"^[1-9]\d*0$"))
        .then(sign + mantissa + "E+" + (size - 1).cast(pl.String))
        .when(body.str.starts_with("0.000000"))
        .then(sign + mantissa + "E-" + (zeros + 1).cast(pl.String))
        .otherwise(text)
    )
