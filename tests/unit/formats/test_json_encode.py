"""JSON out: what is written is read back equal, and any other JSON reader agrees."""

# ruff: noqa: DTZ001 (TIMESTAMP has no zone)
from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from millstream.columns.physical import polars_schema
from millstream.errors import DataError
from millstream.formats.json_encode import ROWS_BY_HAND
from millstream.ports.registry import decoder_for, encoder_for
from millstream.types import Schema

WIDE = Schema.of(
    {
        "b": "BOOLEAN",
        "i": "TINYINT",
        "l": "BIGINT",
        "f": "FLOAT",
        "g": "DOUBLE",
        "c": "DECIMAL(30, 12)",
        "s": "STRING",
        "y": "BYTES",
        "d": "DATE",
        "t": "TIME(3)",
        "ts": "TIMESTAMP(3)",
        "ns": "TIMESTAMP(9)",
        "z": "TIMESTAMP_LTZ(6)",
        "a": "ARRAY<STRING>",
        "m": "MAP<STRING, ARRAY<INT>>",
        "r": "ROW<x INT, `a b` ROW<z DECIMAL(5, 2)>>",
        "iv": "INTERVAL DAY TO SECOND(3)",
        "im": "INTERVAL YEAR TO MONTH",
    }
)
_days = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
_lists = st.none() | st.lists(st.integers(-5, 5))
_maps = st.dictionaries(st.text(max_size=3), _lists, max_size=2).map(
    lambda d: [{"key": k, "value": v} for k, v in d.items()]
)
_rows = st.integers(0, 9).map(lambda i: {"x": i, "a b": {"z": Decimal(i) / 4} if i % 2 else None})
_row = st.fixed_dictionaries(
    {
        "b": st.none() | st.booleans(),
        "i": st.none() | st.integers(-128, 127),
        "l": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(width=32),
        "g": st.none() | st.floats(),
        "c": st.none()
        | st.integers(-(10**30) + 1, 10**30 - 1).map(lambda i: Decimal(i).scaleb(-12)),
        "s": st.none() | st.text(max_size=9),
        "y": st.none() | st.binary(max_size=9),
        "d": st.none() | st.dates(),
        "t": st.none() | st.times().map(lambda t: t.replace(microsecond=t.microsecond // 1000)),
        "ts": st.none() | _days.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
        "ns": st.none() | _days,
        "z": st.none() | _days.map(lambda t: t.replace(tzinfo=UTC)),
        "a": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
        "m": st.none() | _maps,
        "r": st.none() | _rows,
        "iv": st.none() | st.integers(-(10**12), 10**12).map(lambda i: timedelta(milliseconds=i)),
        "im": st.none() | st.integers(-999, 999),
    }
)


def encode(schema: Schema, rows: list[dict[str, Any]], **options: str) -> pl.Series:
    named = {f"json.{k.replace('_', '-')}": v for k, v in options.items()}
    frame = pl.DataFrame(rows, schema=polars_schema(schema))
    return encoder_for(schema, {"format": "json", **named}, owner="test").encode(frame)


def texts(schema: dict[str, str], *rows: dict[str, Any], **options: str) -> list[str]:
    return [raw.decode() for raw in encode(Schema.of(schema), list(rows), **options)]


@settings(max_examples=150, deadline=None)
@given(st.lists(_row, max_size=5), st.booleans(), st.booleans())
def test_what_is_written_is_read_back(
    rows: list[dict[str, Any]], plain: bool, without_nulls: bool
) -> None:
    """Encoder and decoder agree on every type, escape and NULL; Python's reader takes it too."""
    documents = encode(
        WIDE,
        rows,
        **{
            "encode.decimal_as_plain_number": str(plain),
            "encode.ignore_null_fields": str(without_nulls),
        },
    )
    for raw, row in zip(documents, rows, strict=True):
        value = json.loads(raw)
        assert value.get("s") == row["s"]
        assert value.get("l") == row["l"]
        if without_nulls:
            assert None not in value.values()
    got = decoder_for(WIDE, {"format": "json"}, owner="test").decode(documents)
    assert got.reasons == []
    frame = pl.DataFrame(rows, schema=polars_schema(WIDE))
    assert_frame_equal(got.frame, frame, check_exact=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(_row, min_size=1, max_size=3))
def test_few_rows_are_written_as_many_are(rows: list[dict[str, Any]]) -> None:
    """Very few rows are put together in Python; nobody may see it, not in a bit of a number."""
    schema = Schema(tuple(f for f in WIDE if f.name != "m"))
    rows = [{name: value for name, value in row.items() if name != "m"} for row in rows]
    few = encode(schema, rows)
    many = encode(schema, rows * (ROWS_BY_HAND + 1))
    assert few.to_list() == many.head(len(rows)).to_list()


def test_a_name_is_no_pattern() -> None:
    """A percent sign in a column's name stands for itself, in few rows too."""
    assert texts({"50%s": "INT", "%": "STRING"}, {"50%s": 1, "%": None}) == ['{"50%s":1,"%":null}']


def test_the_text_is_flinks() -> None:
    """Order of fields, no blanks, digits as needed: other systems compare these texts."""
    row = {
        "d": date(2026, 1, 2),
        "t": time(1, 2, 0),
        "ts": datetime(2026, 1, 2, 3, 4, 0),
        "z": datetime(2026, 1, 2, 3, 4, 5, 120000, tzinfo=UTC),
        "s": 'a"\\/\n\x01é',
        "y": b"hi",
        "g": float("nan"),
        "r": {"x": 1, "a b": None},
        "m": [{"key": "k", "value": [1]}],
    }
    schema = {f.name: str(f.type) for f in WIDE if f.name in row}
    (text,) = texts(schema, row)
    assert text == (
        '{"g":"NaN","s":"a\\"\\\\/\\n\\u0001é","y":"aGk=","d":"2026-01-02","t":"01:02:00",'
        '"ts":"2026-01-02 03:04:00","z":"2026-01-02 03:04:05.12Z","m":{"k":[1]},'
        '"r":{"x":1,"a b":null}}'
    )
    (iso,) = texts({"ts": "TIMESTAMP(3)"}, row, **{"timestamp_format.standard": "ISO-8601"})
    assert iso == '{"ts":"2026-01-02T03:04:00"}'


@pytest.mark.parametrize(
    ("value", "short", "plain"),
    [
        ("0.000000027", "2.7E-8", "0.000000027000"),
        ("-0.0000001", "-1E-7", "-0.000000100000"),
        ("0.000001", "0.000001", "0.000001000000"),
        ("1.50", "1.5", "1.500000000000"),
        ("0", "0", "0.000000000000"),
        ("100", "1E+2", "100.000000000000"),
        ("-1500", "-1.5E+3", "-1500.000000000000"),
        ("105", "105", "105.000000000000"),
    ],
)
def test_decimals_in_both_spellings(value: str, short: str, plain: str) -> None:
    """Flink's default may be scientific; consumers that cannot read it ask for plain numbers."""
    row = {"c": Decimal(value)}
    assert texts({"c": "DECIMAL(30, 12)"}, row) == [f'{{"c":{short}}}']
    option = {"encode.decimal_as_plain_number": "true"}
    assert texts({"c": "DECIMAL(30, 12)"}, row, **option) == [f'{{"c":{plain}}}']


def test_null_keys_of_a_map() -> None:
    """JSON has no NULL key; the three ways out are Flink's."""
    schema = {"m": "MAP<STRING, INT>"}
    row = {"m": [{"key": None, "value": 1}, {"key": "k", "value": None}]}
    with pytest.raises(DataError, match="NULL key"):
        texts(schema, row)
    assert texts(schema, row, **{"map_null_key.mode": "DROP"}) == ['{"m":{"k":null}}']
    literal = {"map_null_key.mode": "LITERAL", "map_null_key.literal": 'n"'}
    assert texts(schema, row, **literal) == ['{"m":{"n\\"":1,"k":null}}']
    assert texts(schema, {"m": None}, {"m": []}) == ['{"m":null}', '{"m":{}}']


def test_a_schema_without_columns() -> None:
    """Every row is still one document."""
    encoder = encoder_for(Schema(()), {"format": "json"}, owner="test")
    assert encoder.encode(pl.DataFrame(height=2)).to_list() == [b"{}", b"{}"]
