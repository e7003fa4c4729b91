"""Case files are read by users too: what is wrong in one is said with its line."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from millstream.testing.cases import Fed, Tick, parse_case
from millstream.testing.cells import CaseError, comparable, parse_cell, show_cell, split_row
from millstream.types import parse_type

GOOD = """\
-- why     because
--         of this
-- input   bids: k STRING, d DECIMAL(10, 2), ts TIMESTAMP(3); watermark ts - 5s; key k, ts; endless
--         a,1.50,00:00:05
-- input   bids@other
--         'x,y',NULL,2026-01-01 10:00:00.5
-- input   ups: k STRING; key k; upsert
--         + a
--         - a
-- set     pipeline.name = x = y
-- expect  k, n
--         a,1
-- expect  more: n
-- late    a,1.50,00:00:05
-- targets flink, spark
SELECT 1 -- not a header
"""


def test_a_whole_case() -> None:
    """Every key of the header, once."""
    case = parse_case(GOOD, "good")
    assert case.why == "because of this"
    assert case.sql == "SELECT 1 -- not a header"
    bids, ups = case.inputs["bids"], case.inputs["ups"]
    assert str(bids.schema) == "k STRING, d DECIMAL(10, 2), ts TIMESTAMP(3)"
    assert (bids.watermark, bids.key, bids.endless) == (("ts", "5s"), ("k", "ts"), True)
    assert (ups.upsert, ups.changes, ups.key) == (True, False, ("k",))
    assert [(f.table, f.split, f.ops) for f in case.feed] == [
        ("bids", "0", ()),
        ("bids", "other", ()),
        ("ups", "0", ("+", "-")),
    ]
    at = dt.datetime(2026, 1, 1, 10, 0, 0, 500_000)  # noqa: DTZ001 (a TIMESTAMP has no zone)
    assert case.feed[1].rows == (("x,y", None, at),)
    assert case.settings == {"pipeline.name": "x = y"}
    assert [(e.sink, e.columns, e.rows) for e in case.expect] == [
        (None, ("k", "n"), (("a", "1"),)),
        ("more", ("n",), ()),
    ]
    assert case.late == (("a", "1.50", "00:00:05"),)
    assert case.targets == ("flink", "spark")


def test_rows_are_read_and_the_clock_comes_when_the_case_says() -> None:
    """Processing time is part of a case's input, or no two runs would agree."""
    text = """-- why x
-- input   t: at INT
--         1
-- input   t@b at 00:00:02
--         2
-- tick    00:01:00
-- expect  n
SELECT 1"""
    first, second, tick = parse_case(text, "clocked").feed
    assert isinstance(first, Fed)
    assert isinstance(second, Fed)
    assert (first.rows, first.split, first.read_at_ms) == (((1,),), "0", 0)
    assert (second.rows, second.split, second.read_at_ms) == (((2,),), "b", 2000)
    assert tick == Tick(60_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-- expect a\nSELECT 1", "why it exists"),
        ("-- why x\nSELECT 1", "expects something"),
        ("-- why x\n-- expect a", "no SQL"),
        ("-- why x\n-- expct a\nSELECT 1", "line 2"),
        ("-- why x\n-- input t: a INT\n--   x\n-- expect a\nSELECT 1", "'x' is no INT"),
        ("-- why x\n-- input t: a INT\n--   1,2\n-- expect a\nSELECT 1", "2 cells"),
        ("-- why x\n-- input t\n--   1\n-- expect a\nSELECT 1", "not said"),
        ("-- why x\n-- input t: a INT; fast\n-- expect a\nSELECT 1", "'fast'"),
        ("-- why x\n-- input t: a INT; changes\n--   1\n-- expect a\nSELECT 1", "+ or -"),
    ],
)
def test_a_broken_case_is_explained(text: str, says: str) -> None:
    """A typing error in a header must not turn an assertion off."""
    with pytest.raises(CaseError) as caught:
        parse_case(text, "broken")
    assert says in str(caught.value)
    assert "broken" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("BOOLEAN", "true"),
        ("BIGINT", "-5"),
        ("DECIMAL(10, 2)", "1.50"),
        ("DOUBLE", "0.25"),
        ("STRING", "plain"),
        ("STRING", "'a,b'"),
        ("STRING", "''"),
        ("STRING", "'NULL'"),
        ("BYTES", "00ff"),
        ("DATE", "2026-01-31"),
        ("TIME(0)", "10:11:12"),
        ("TIMESTAMP(3)", "00:00:05.500000"),
        ("TIMESTAMP_LTZ(3)", "2026-01-31 10:11:12"),
        ("ARRAY<INT>", "[1, null, 3]"),
        ("MAP<STRING, INT>", '{"a": 1}'),
        ("ROW<a INT, b STRING>", '{"a": 1, "b": "x"}'),
        ("INT", "NULL"),
    ],
)
def test_cells_are_shown_as_they_are_read(kind: str, text: str) -> None:
    """A message's rows can be pasted back into the file."""
    dtype = parse_type(kind)
    assert show_cell(parse_cell(text, dtype), dtype) == text


def test_what_compares_equal() -> None:
    """Floats to nine digits, maps in any order, decimals exactly."""
    double, pairs = parse_type("DOUBLE"), parse_type("MAP<STRING, INT>")
    assert comparable(1 / 3, double) == comparable(0.3333333334, double)
    assert comparable(float("nan"), double) == comparable(float("nan"), double)
    one = parse_cell('{"a": 1, "b": 2}', pairs)
    two = parse_cell('{"b": 2, "a": 1}', pairs)
    assert comparable(one, pairs) == comparable(two, pairs)
    decimal = parse_type("DECIMAL(3, 1)")
    assert comparable(Decimal("1.5"), decimal) != comparable(Decimal("1.6"), decimal)
    assert split_row('1, "a,b", {"x": [1,2]}') == ["1", '"a,b"', '{"x": [1,2]}']
