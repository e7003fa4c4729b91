"""CSV: by position, with Flink's options, each line for itself."""

# ruff: noqa: DTZ001 (TIMESTAMP has no zone)
from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from millstream.columns.physical import polars_schema
from millstream.errors import DataError, OptionError, TypeMismatch
from millstream.ports.format import Decoded
from millstream.ports.registry import decoder_for, encoder_for
from millstream.types import Schema


def named(options: dict[str, str]) -> dict[str, str]:
    return {"format": "csv", **{f"csv.{k.replace('_', '-')}": v for k, v in options.items()}}


def decode(schema: dict[str, str], lines: list[bytes | None], **options: str) -> Decoded:
    decoder = decoder_for(Schema.of(schema), named(options), owner="test")
    got = decoder.decode(pl.Series(lines, dtype=pl.Binary))
    assert got.frame.height + len(got.bad) == len(lines)
    return got


def encode(schema: dict[str, str], rows: list[tuple[Any, ...]], **options: str) -> list[str]:
    columns = Schema.of(schema)
    frame = pl.DataFrame(rows, schema=polars_schema(columns), orient="row")
    written = encoder_for(columns, named(options), owner="test").encode(frame)
    return [line.decode() for line in written]


def test_every_type() -> None:
    """One line with a value of each type a field can hold."""
    schema = {
        "b": "BOOLEAN",
        "i": "INT",
        "f": "DOUBLE",
        "c": "DECIMAL(10, 2)",
        "s": "STRING",
        "y": "BYTES",
        "d": "DATE",
        "t": "TIME",
        "ts": "TIMESTAMP(3)",
        "z": "TIMESTAMP_LTZ(3)",
        "a": "ARRAY<INT>",
    }
    line = b"true, 12 ,1.5e3,1.005,x y,aGk=,2026-01-31,12:30:59,2026-01-31 12:30:59.5,"
    line += b"2026-01-31 12:30:59Z,1;2"
    got = decode(schema, [line])
    assert got.reasons == []
    assert [v.to_list() if isinstance(v, pl.Series) else v for v in got.frame.row(0)] == [
        True,
        12,
        1500.0,
        Decimal("1.01"),
        "x y",
        b"hi",
        date(2026, 1, 31),
        time(12, 30, 59),
        datetime(2026, 1, 31, 12, 30, 59, 500000),
        datetime(2026, 1, 31, 12, 30, 59, tzinfo=UTC),
        [1, 2],
    ]


def test_quotes() -> None:
    """RFC 4180: doubled quotes, delimiters inside quotes, empty fields at the end."""
    lines: list[bytes | None] = [b'"a,b","say ""hi"""', b'a"b,', b'"",""', b",", b'"\n",x']
    got = decode({"a": "STRING", "b": "STRING"}, lines)
    wanted = [("a,b", 'say "hi"'), ('a"b', ""), ("", ""), ("", ""), ("\n", "x")]
    assert got.frame.rows() == wanted


def test_lines_that_are_no_rows_are_rejected_alone() -> None:
    """Between two good lines, so that a shift would show."""
    bad = [None, b"1", b"1,2,3", b'"1,2', b'"1"x,2', b"x,2", b"1,\xff", b"#1,2", b""]
    lines: list[bytes | None] = []
    for i, line in enumerate(bad):
        lines += [b"%d,x" % i, line]
    got = decode({"a": "INT", "b": "STRING"}, lines, allow_comments="true")
    assert got.bad.tolist() == list(range(1, len(lines), 2))
    assert got.frame["a"].to_list() == list(range(len(bad)))
    for reason, words in zip(
        got.reasons,
        ["no payload", "2 fields", "has 3", "quote", "closing", "'x'", "UTF-8", "comment", "has 1"],
        strict=True,
    ):
        assert words in reason


def test_ignore_parse_errors_makes_values_null() -> None:
    """Flink's option: short lines are filled, long ones cut, values that do not fit are NULL."""
    lines: list[bytes | None] = [b"x,1", b"1", b"1,2,3", b'"']
    got = decode({"a": "INT", "b": "INT"}, lines, ignore_parse_errors="true")
    assert got.frame.rows() == [(None, 1), (1, None), (1, 2)]
    assert got.bad.tolist() == [3]


def test_other_characters_and_null_literal() -> None:
    """Each option that changes the grammar, at once."""
    options = {
        "field_delimiter": "\\t",
        "quote_character": "'",
        "escape_character": "\\",
        "null_literal": "NA",
        "array_element_delimiter": "|",
    }
    schema = {"a": "STRING", "b": "INT", "c": "ARRAY<STRING>"}
    lines: list[bytes | None] = [b"'x\ty'\tNA\tp|NA|q", b"a\\\tb\t1\tNA", b"'\\''''\t2\t"]
    got = decode(schema, lines, **options)
    assert got.reasons == []
    rows = [(a, b, None if c is None else list(c)) for a, b, c in got.frame.rows()]
    assert rows == [("x\ty", None, ["p", None, "q"]), ("a\tb", 1, None), ("''", 2, [""])]
    (line,) = encode({"a": "STRING", "b": "INT"}, [(None, None)], **options)
    assert line == "NA\tNA"


def test_without_quotes() -> None:
    """A quote is an ordinary character then; a delimiter in a text needs an escape."""
    assert decode({"a": "STRING"}, [b'"x"'], disable_quote_character="true").frame.rows() == [
        ('"x"',)
    ]
    with pytest.raises(DataError, match="delimiter"):
        encode({"a": "STRING"}, [("a,b",)], disable_quote_character="true")
    escaped = {"disable_quote_character": "true", "escape_character": "\\"}
    assert encode({"a": "STRING"}, [("a,b\\",)], **escaped) == ["a\\,b\\\\"]
    assert decode({"a": "STRING"}, [b"a\\,b\\\\"], **escaped).frame.rows() == [("a,b\\",)]


def test_written_texts() -> None:
    """What a spreadsheet or Flink reads from our lines."""
    row = (Decimal("100.00"), datetime(2026, 1, 1, 0, 0, 1), 'a "b", c', [1, None], None)
    schema = {
        "c": "DECIMAL(10, 2)",
        "ts": "TIMESTAMP(3)",
        "s": "STRING",
        "a": "ARRAY<INT>",
        "n": "STRING",
    }
    assert encode(schema, [row]) == ['1E+2,2026-01-01 00:00:01,"a ""b"", c",1;,']
    plain = {"write_bigdecimal_in_scientific_notation": "false", "null_literal": "-"}
    assert encode(schema, [row], **plain) == ['100.00,2026-01-01 00:00:01,"a ""b"", c",1;-,-']


def test_what_a_field_cannot_hold_is_refused() -> None:
    """Before the job starts."""
    with pytest.raises(TypeMismatch, match="MAP"):
        decode({"a": "MAP<STRING, INT>"}, [])
    with pytest.raises(OptionError, match="field-delimiter"):
        decode({"a": "INT"}, [], field_delimiter=";;")


def test_a_part_of_the_columns() -> None:
    """Fields are found by place: a query for one column must not read the first one instead."""
    whole = Schema.of({"a": "INT", "b": "STRING", "c": "INT"})
    decoder = decoder_for(Schema.of({"c": "INT"}), {"format": "csv"}, owner="t", whole=whole)
    got = decoder.decode(pl.Series([b"1,x,3", b"y,x,3"]))
    assert got.frame.rows() == [(3,)]
    assert got.bad.tolist() == [1]


_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(_text, st.none() | st.integers(-99, 99), _text), max_size=6))
def test_written_lines_are_read_back(rows: list[tuple[str, int | None, str]]) -> None:
    """Our decoder and Python's csv module agree with our encoder on every text."""
    schema = Schema.of({"a": "STRING", "b": "INT", "c": "STRING"})
    rows = [(a, b, c) for a, b, c in rows if "\x00" not in a + c]
    frame = pl.DataFrame(rows, schema=polars_schema(schema), orient="row")
    options = named({"null_literal": "\\N"})
    lines = encoder_for(schema, options, owner="test").encode(frame)
    got = decoder_for(schema, options, owner="test").decode(lines)
    assert_frame_equal(got.frame, frame)
    text = "".join(line.decode() + "\r\n" for line in lines)
    wanted = [[a, "\\N" if b is None else str(b), c] for a, b, c in rows]
    assert list(csv.reader(io.StringIO(text, newline=""))) == wanted
