"""The format ``csv``: one line a payload, fields by position.

decode   a whole chunk at a time; coercions are those of ``coerce``, Flink's. An ARRAY is one field
         whose elements are split at ``array-element-delimiter``
encode   fields are quoted where they must be; times and numbers as in JSON
bad      a line with too few or too many fields, an open quote, or a value its column cannot take is
         rejected alone. An empty field is NULL only where ``null-literal`` says so, as in Flink.
         With ``ignore-parse-errors`` a value that cannot be read, or is not there, is NULL
source   Flink's CSV format, its options and their meaning
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.errors import DataError, OptionError, TypeMismatch
from millstream.formats.coerce import SQL_TIMES, Failures, Ints, Spans, column, texts
from millstream.formats.csv_scan import (
    AFTER_QUOTE,
    NONE,
    OPEN_QUOTE,
    mark_nulls,
    scan_lines,
    unescape_fields,
)
from millstream.formats.json_decode import buffer_of, decoded, lists_of, no_utf8, no_utf8_in
from millstream.formats.json_encode import short_decimal, short_fraction
from millstream.formats.json_scan import ESCAPED, MISSING, NULL, TEXT
from millstream.ports.format import Decoded, Decoder, Encoder, Format
from millstream.settings import option
from millstream.types.logical import BinaryString, CharacterString

_COMMENT = b"#"
_NO_UTF8 = "the line is not UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvConfig:
    """Flink's options of the CSV format."""

    field_delimiter: str = option(
        "field-delimiter", "The character between fields ('\\t' is a tab).", default=","
    )
    quote_character: str = option(
        "quote-character", "The character around fields that need it.", default='"'
    )
    disable_quote_character: bool = option(
        "disable-quote-character", "No character quotes.", default=False, kind="bool"
    )
    escape_character: str | None = option(
        "escape-character", "The character that takes the next one's meaning.", default=None
    )
    null_literal: str | None = option(
        "null-literal", "The text that stands for NULL; none without.", default=None
    )
    allow_comments: bool = option(
        "allow-comments", "Lines that begin with # are not data.", default=False, kind="bool"
    )
    ignore_parse_errors: bool = option(
        "ignore-parse-errors",
        "A value that cannot be read or is not there is NULL instead of rejecting its line.",
        default=False,
        kind="bool",
    )
    array_element_delimiter: str = option(
        "array-element-delimiter", "The text between the elements of an ARRAY.", default=";"
    )
    decimal_scientific: bool = option(
        "write-bigdecimal-in-scientific-notation",
        "Write 1E+2 for the DECIMAL 100, as Flink does.",
        default=True,
        kind="bool",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRules:
    """What the options decided; characters are byte values, NONE = there is none."""

    delimiter: int
    quote: int
    escape: int
    null_literal: bytes | None
    comments: bool
    ignore_errors: bool
    between_elements: str
    scientific: bool


class CsvDecoder(Decoder):
    """Decodes lines whose fields are the columns of one schema, in order."""

    several_threads = True

    def __init__(self, schema: t.Schema, rules: CsvRules) -> None:
        for f in schema:
            _check(f.type, f.name)
        self._schema = schema
        self._rules = rules

    def decode(self, payloads: pl.Series) -> Decoded:
        """Decode a chunk."""
        failures, nulls = Failures(), payloads.is_null()
        # Loops over rows: only those that are rejected.
        for i in np.flatnonzero(nulls.to_numpy()) if nulls.any() else ():
            failures.note(int(i), "there is no payload")
        for i in no_utf8(payloads):
            failures.note(int(i), _NO_UTF8)
        return self._decode(*buffer_of(payloads), failures)

    def decode_in(self, data: np.ndarray, begins: Ints, stops: Ints) -> Decoded:
        """Decode a chunk where it lies."""
        failures = Failures()
        for i in no_utf8_in(data, begins, stops):
            failures.note(int(i), _NO_UTF8)
        if len(begins):  # escaped fields are written behind the buffer: only what is used of it
            first = begins[0]
            data, begins, stops = data[first : stops[-1]], begins - first, stops - first
        return self._decode(data, begins, stops, failures)

    def _decode(self, data: np.ndarray, begins: Ints, stops: Ints, failures: Failures) -> Decoded:
        rules, count = self._rules, len(begins)
        shape = (len(self._schema), count)
        starts, ends = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        kinds, fields = np.empty(shape, np.uint8), np.zeros(count, np.int64)
        address = int(data.ctypes.data)
        characters = (rules.delimiter, rules.quote, rules.escape)
        scan_lines(address, begins, stops, *characters, starts, ends, kinds, fields)
        if rules.comments:
            there = np.flatnonzero(begins < stops)
            for i in there[data[begins[there]] == ord(_COMMENT)]:
                failures.note(int(i), "the line is a comment")
        self._note_lines(fields, failures)
        if failures.reasons:
            kinds[:, list(failures.reasons)] = MISSING
        data = self._written_out(data, starts, ends, kinds)
        rows = np.arange(count)
        columns = []
        for i, f in enumerate(self._schema):
            spans = Spans(data, starts[i], ends[i], kinds[i], rows)
            columns.append(self._read(spans, f.type, f.name, failures))
        return decoded(columns, self._schema, count, failures)

    def _note_lines(self, fields: Ints, failures: Failures) -> None:
        """Note the lines that are no rows of this table; a loop over rejected rows alone."""
        wanted = len(self._schema)
        wrong = fields < 0 if self._rules.ignore_errors else fields != wanted
        for i in np.flatnonzero(wrong):
            failures.note(int(i), _REASONS.get(int(fields[i])) or _mismatch(wanted, int(fields[i])))

    def _written_out(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, kinds: np.ndarray
    ) -> np.ndarray:
        """Return the buffer with unescaped fields behind it, and mark the NULLs."""
        rules = self._rules
        flat = starts.reshape(-1), ends.reshape(-1), kinds.reshape(-1)
        escaped = flat[2] == ESCAPED
        if escaped.any():
            out = np.empty(int((flat[1] - flat[0])[escaped].sum()), np.uint8)
            used = unescape_fields(
                int(data.ctypes.data),
                *flat,
                rules.quote,
                rules.escape,
                int(out.ctypes.data),
                len(data),
            )
            data = np.concatenate([data, out[:used]])
        if rules.null_literal is not None:
            literal = np.frombuffer(rules.null_literal or b"\0", np.uint8)
            size = len(rules.null_literal)
            mark_nulls(int(data.ctypes.data), *flat, int(literal.ctypes.data), size)
        return data

    def _read(self, spans: Spans, dtype: t.LogicalType, path: str, failures: Failures) -> pl.Series:
        sink = Failures() if self._rules.ignore_errors else failures
        if not isinstance(dtype, t.Array):
            return column(spans, dtype, path, sink, SQL_TIMES)
        parts = texts(spans)[0].str.split(self._rules.between_elements)
        sizes = parts.list.len().fill_null(0).to_numpy().astype(np.int64)
        inner = parts.drop_nulls().explode(empty_as_null=False).cast(pl.Binary)
        data, begins, stops = buffer_of(inner)
        kinds = np.full(len(inner), TEXT, np.uint8)
        literal = self._rules.null_literal
        if literal is not None:
            kinds[(inner == pl.Series([literal])).to_numpy()] = NULL
        elements = Spans(data, begins, stops, kinds, np.repeat(spans.rows, sizes))
        values = column(elements, dtype.element, f"{path}[]", sink, SQL_TIMES)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        lists = lists_of(offsets, values).cast(polars_type(dtype))
        return lists.set(pl.Series(spans.kinds <= NULL), None) if len(lists) else lists


class CsvEncoder(Encoder):
    """Encodes the rows of one schema as lines, without line ends."""

    def __init__(self, schema: t.Schema, rules: CsvRules) -> None:
        for f in schema:
            _check(f.type, f.name)
        self._schema = schema
        self._rules = rules
        special = [chr(c) for c in (rules.delimiter, rules.quote, rules.escape) if c >= 0]
        self._special = "[\r\n" + "".join(f"\\x{ord(c):02x}" for c in special) + "]"

    def encode(self, frame: pl.DataFrame) -> pl.Series:
        """Return one line per row."""
        null = (self._rules.null_literal or b"").decode()
        delimiter = chr(self._rules.delimiter)
        fields = [self._field(pl.col(f.name), f.type).fill_null(null) for f in self._schema]
        line = pl.concat_str(fields, separator=delimiter) if fields else pl.lit("")
        lines = frame.select(line).to_series()
        return (
            lines.new_from_index(0, frame.height).cast(pl.Binary)
            if not fields
            else lines.cast(pl.Binary)
        )

    def header(self) -> bytes:
        """Return the line with the columns' names."""
        names = pl.Series([f.name for f in self._schema], dtype=pl.String)
        return chr(self._rules.delimiter).join(self._safe(names)).encode()

    def _field(self, value: pl.Expr, dtype: t.LogicalType) -> pl.Expr:
        if isinstance(dtype, t.Array):
            elements = value.list.eval(
                _text(pl.element(), dtype.element, self._rules).fill_null(
                    (self._rules.null_literal or b"").decode()
                )
            )
            text = elements.list.join(self._rules.between_elements, ignore_nulls=False)
            return text.map_batches(self._safe, pl.String, is_elementwise=True)
        text = _text(value, dtype, self._rules)
        if isinstance(dtype, CharacterString) or self._rules.delimiter in b"0123456789+-.:eE TZ":
            return text.map_batches(self._safe, pl.String, is_elementwise=True)
        return text

    def _safe(self, column: pl.Series) -> pl.Series:
        """Return texts as fields: quoted, or escaped, where they hold a special character."""
        special = column.str.contains(self._special)
        if self._rules.comments:
            special |= column.str.starts_with(_COMMENT.decode())
        if not special.any():
            return column
        frame = column.to_frame("text").with_columns(special=special)
        text = pl.col("text")
        rules = self._rules
        if rules.quote >= 0:
            quote = chr(rules.quote)
            if rules.escape >= 0:
                escape = chr(rules.escape)
                text = text.str.replace_all(escape, escape + escape, literal=True)
            written = quote + text.str.replace_all(quote, quote + quote, literal=True) + quote
        elif rules.escape >= 0:
            escape = chr(rules.escape)
            for c in (escape, chr(rules.delimiter)):
                text = text.str.replace_all(c, escape + c, literal=True)
            written = text
        else:
            raise DataError(
                f"A text holds the delimiter or a line end: {column.filter(special)[0]!r}.",
                where="format 'csv'",
                hint="Allow quotes, or set 'csv.escape-character'.",
            )
        return frame.select(pl.when("special").then(written).otherwise("text")).to_series()


_REASONS = {
    OPEN_QUOTE: "a quote is not closed",
    AFTER_QUOTE: "something follows a closing quote",
}


def _mismatch(wanted: int, found: int) -> str:
    return f"{wanted} fields are expected, the line has {found}"


def _check(dtype: t.LogicalType, path: str) -> None:
    inner = dtype.element if isinstance(dtype, t.Array) else dtype
    if isinstance(inner, t.Row | t.Map | t.Multiset | t.Array | t.Null):
        raise TypeMismatch(
            f"The column '{path}' is {dtype}, which a CSV field cannot hold.",
            hint="Use the format 'json' or 'parquet', or declare the column as STRING.",
        )


def _text(value: pl.Expr, dtype: t.LogicalType, rules: CsvRules) -> pl.Expr:
    match dtype:
        case t.Boolean():
            return pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))
        case t.Float() | t.Double():
            text = value.cast(pl.String)
            return (
                pl.when(value.is_infinite())
                .then(text.str.replace("inf", "Infinity", literal=True))
                .otherwise(text)
            )
        case t.Decimal(scale=scale):
            text = value.cast(pl.String)
            return short_decimal(text, scale) if rules.scientific else text
        case BinaryString():
            return value.bin.encode("base64")
        case t.Date():
            return value.dt.to_string("%Y-%m-%d")
        case t.Time():
            return short_fraction(value.dt.to_string("%H:%M:%S%.9f"))
        case t.Timestamp() | t.TimestampLtz():
            digits = {"ms": 3, "us": 6, "ns": 9}[polars_type(dtype).time_unit]  # type: ignore[attr-defined]
            text = short_fraction(value.dt.to_string(f"%Y-%m-%d %H:%M:%S%.{digits}f"))
            return text + "Z" if isinstance(dtype, t.TimestampLtz) else text
        case t.IntervalDay():
            return value.dt.total_milliseconds().cast(pl.String)
        case _:
            return value.cast(pl.String)


def rules_of(config: CsvConfig) -> CsvRules:
    """Return what the options mean."""
    quote = None if config.disable_quote_character else config.quote_character
    return CsvRules(
        delimiter=_byte(config.field_delimiter.replace("\\t", "\t"), "field-delimiter"),
        quote=NONE if quote is None else _byte(quote, "quote-character"),
        escape=NONE
        if config.escape_character is None
        else _byte(config.escape_character, "escape-character"),
        null_literal=None if config.null_literal is None else config.null_literal.encode(),
        comments=config.allow_comments,
        ignore_errors=config.ignore_parse_errors,
        between_elements=config.array_element_delimiter,
        scientific=config.decimal_scientific,
    )


def _byte(text: str, name: str) -> int:
    if len(text) != 1 or not text.isascii() or text in "\r\n":
        raise OptionError(
            f"The option 'csv.{name}' cannot be {text!r}.", hint="One ASCII character is expected."
        )
    return ord(text)


FORMAT = Format(
    name="csv",
    doc="One line of separated fields a payload; fields by position.",
    config=CsvConfig,
    decoder=lambda schema, config: CsvDecoder(schema, rules_of(config)),
    encoder=lambda schema, config: CsvEncoder(schema, rules_of(config)),
    positional=True,
)
