"""Frames as JSON rows: every type, few rows and many alike."""

from __future__ import annotations

import datetime as dt
import decimal
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.columns.physical import polars_schema
from millstream.serve.rows import ROWS_BY_HAND, columns, json_numbers, json_rows
from millstream.types import Schema

UTC = dt.UTC
MOMENT = dt.datetime.fromisoformat("2026-01-02T03:04:05.120")
VALUES = [
    ("BOOLEAN", True, True),
    ("INT", -5, -5),
    ("BIGINT", 2**53, 2**53),
    ("BIGINT", 2**53 + 1, str(2**53 + 1)),
    ("BIGINT", -(2**63), str(-(2**63))),
    ("DECIMAL(10, 2)", decimal.Decimal("1.10"), "1.10"),
    ("DOUBLE", 1.5e300, 1.5e300),
    ("DOUBLE", float("nan"), "NaN"),
    ("DOUBLE", float("-inf"), "-Infinity"),
    ("STRING", 'a"\\\n\x01é€\u2028', 'a"\\\n\x01é€\u2028'),
    ("BYTES", b"\xff\x00", "/wA="),
    ("DATE", dt.date(2026, 1, 2), "2026-01-02"),
    ("TIME(3)", dt.time(1, 2, 3, 500_000), "01:02:03.5"),
    ("TIMESTAMP(3)", MOMENT, "2026-01-02T03:04:05.12"),
    ("TIMESTAMP(0)", MOMENT.replace(microsecond=0), "2026-01-02T03:04:05"),
    ("TIMESTAMP_LTZ(6)", MOMENT.replace(tzinfo=UTC), "2026-01-02T03:04:05.12Z"),
    ("INTERVAL DAY TO SECOND", dt.timedelta(seconds=90), 90_000),
    ("ARRAY<BIGINT>", [1, None, 2**60], [1, None, str(2**60)]),
    ("ARRAY<STRING>", [], []),
    ("MAP<STRING, INT>", [{"key": 'k"', "value": None}], {'k"': None}),
    ("MAP<INT, BOOLEAN>", [{"key": 7, "value": True}], {"7": True}),
    ("MULTISET<STRING>", [{"key": "a", "value": 2}], {"a": 2}),
    ('ROW<x INT, `a"b` STRING>', {"x": 1, 'a"b': None}, {"x": 1, 'a"b': None}),
]


@pytest.mark.parametrize("rows", [1, ROWS_BY_HAND + 1])
@pytest.mark.parametrize(("sql", "value", "wanted"), VALUES)
def test_values_are_those_a_browser_can_hold(sql, value, wanted, rows):
    """A number rounded on its way to a page is a wrong number; the shape never depends on rows."""
    schema = Schema.of({"v": sql, "none": sql})
    frame = pl.DataFrame([(value, None)], schema=polars_schema(schema), orient="row")
    found = json.loads(json_rows(pl.concat([frame] * rows), schema))
    assert found == [[wanted, None]] * rows


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(st.text() | st.none(), st.floats(allow_nan=False) | st.none())),
    many=st.booleans(),
)
def test_any_text_and_number_comes_back(rows, many):
    """Texts of strangers end up here: nothing of them may break the document."""
    schema = Schema.of({"t": "STRING", "f": "DOUBLE"})
    frame = pl.DataFrame(rows, schema=polars_schema(schema), orient="row")
    times = ROWS_BY_HAND + 1 if many and rows else 1
    found = json.loads(json_rows(pl.concat([frame] * times), schema))
    said = {float("inf"): "Infinity", float("-inf"): "-Infinity"}
    assert found == [[t, said.get(f, f)] for t, f in rows] * times


def test_no_rows_no_columns_and_numbers():
    """The borders of the format."""
    schema = Schema.of({"t": "STRING"})
    assert json_rows(pl.DataFrame(schema=polars_schema(schema)), schema) == b"[]"
    assert json_numbers(np.array([3, 0])) == b"[3,0]"
    assert [(c.name, c.type) for c in columns(schema)] == [("t", "STRING")]
