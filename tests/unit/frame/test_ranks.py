"""OVER, top and deduplicate from Python: the same plans as from SQL."""

from __future__ import annotations

import pytest

import millstream as ms
from millstream import col
from millstream.errors import PlanError, TypeMismatch, UnknownName
from millstream.plan.derive import Tables, Upwards
from millstream.plan.ranks import Rank, WindowRank

ROWS = [
    {"k": "a", "v": 5, "ts": "2026-01-01 00:00:05"},
    {"k": "a", "v": 9, "ts": "2026-01-01 00:00:10"},
    {"k": "b", "v": 1, "ts": "2026-01-01 00:00:20"},
    {"k": "a", "v": 7, "ts": "2026-01-01 00:00:30"},
]
SCHEMA = {"k": "STRING", "v": "BIGINT", "ts": "TIMESTAMP(3)"}


@pytest.fixture
def stream() -> ms.Stream:
    return ms.read_memory(ROWS, schema=SCHEMA, event_time="ts", watermark="1s")


def test_over_looks_at_the_rows_before(stream: ms.Stream) -> None:
    """Aggregates inside an expression get the window; what stands around them stays."""
    found = stream.select(
        "k",
        more=col("v") - ms.call("LAG", col("v")).over("k", order_by="ts"),
        two=col("v").mean().over(order_by="ts", rows=1),
        soon=col("v").sum().over("k", order_by="ts", range="20s"),
    )
    assert found.collect().rows() == [
        ("a", None, 5.0, 5),
        ("a", 4, 7.0, 14),
        ("b", None, 5.0, 1),
        ("a", -2, 4.0, 16),
    ]
    assert not Upwards(Tables()).of(found.node).updates


def test_top_keeps_the_highest(stream: ms.Stream) -> None:
    """The highest come first unless said otherwise; the rank is there on request."""
    best = stream.top(2, by="v", per="k", number="place").select("k", "v", "place")
    assert sorted(best.collect().rows()) == [("a", 7, 2), ("a", 9, 1), ("b", 1, 1)]
    least = stream.top(1, by="v", descending=False).select("v")
    assert least.collect().rows() == [(1,)]
    assert isinstance(stream.top(1, by="v").node, Rank)


def test_top_per_window(stream: ms.Stream) -> None:
    """With the bounds of a window among the keys rows are given once, when it closes."""
    sums = stream.group_by("k", window=ms.tumble("10s")).agg(total=col("v").sum())
    best = sums.top(1, by="total", per=("window_start", "window_end"))
    assert isinstance(best.node, WindowRank)
    assert sorted(best.select("k", "total").collect().rows()) == [
        ("a", 5),
        ("a", 7),
        ("a", 9),
        ("b", 1),
    ]


def test_deduplicate(stream: ms.Stream) -> None:
    """By event time if nothing else is said; the first row is never changed again."""
    first = stream.deduplicate("k")
    assert sorted(first.select("k", "v").collect().rows()) == [("a", 5), ("b", 1)]
    assert not Upwards(Tables()).of(first.node).updates
    last = stream.deduplicate("k", keep="last")
    assert sorted(last.select("k", "v").collect().rows()) == [("a", 7), ("b", 1)]
    assert sorted(stream.deduplicate("k", by="v").select("v").collect().rows()) == [(1,), (5,)]


def test_filter_may_ask_a_rank(stream: ms.Stream) -> None:
    """What QUALIFY is in SQL: a bounded rank is a top-N, other windows are computed and asked."""
    place = ms.call("ROW_NUMBER").over("k", order_by="v", descending=True)
    best = stream.filter((place <= 1) & (col("k") == "a")).select("k", "v")
    assert best.collect().rows() == [("a", 9)]
    grown = stream.filter(col("v").sum().over("k", order_by="ts") > 10)
    assert grown.columns == ("k", "v", "ts")
    assert sorted(grown.select("v").collect().rows()) == [(7,), (9,)]


def test_mistakes_are_told_at_once(stream: ms.Stream) -> None:
    """Each verb checks itself where it is written."""
    with pytest.raises(PlanError, match="behind an aggregate"):
        col("v").over(order_by="ts")
    with pytest.raises(PlanError, match="not both"):
        col("v").sum().over(order_by="ts", rows=1, range="1s")
    with pytest.raises(PlanError, match="looks at rows that come later"):
        stream.select(x=ms.call("LEAD", col("v")).over(order_by="ts"))
    with pytest.raises(TypeMismatch, match="RANGE"):
        stream.select(x=col("v").sum().over(order_by="v", range="1s"))
    with pytest.raises(UnknownName):
        stream.top(1, by="w")
    with pytest.raises(PlanError, match="at least one"):
        stream.top(0, by="v")
    with pytest.raises(PlanError, match="no event time"):
        ms.read_memory([{"x": 1}]).deduplicate("x")
    with pytest.raises(PlanError, match="cannot stand in group_by"):
        stream.group_by(col("v").sum().over(order_by="ts")).agg(n=ms.count())
