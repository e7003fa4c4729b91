"""Patterns from Python: the same steps as from SQL, and what is told of wrong ones."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import millstream as ms
from millstream import col
from millstream.errors import DataError, JobError, MillstreamError, Place, PlanError, UnknownName
from millstream.plan.match import Match

SCHEMA = {"card": "STRING", "amount": "INT", "ts": "TIMESTAMP(3)"}
ROWS = [
    ("c1", 1, "2026-01-01 00:00:01"),
    ("c1", 600, "2026-01-01 00:00:02"),
    ("c2", 700, "2026-01-01 00:00:03"),
    ("c1", 800, "2026-01-01 00:00:04"),
    ("c1", 2, "2026-01-01 00:00:05"),
    ("c1", 900, "2026-01-01 00:20:00"),
    ("c1", 3, "2026-01-01 00:20:01"),
]
A, B = ms.var("A"), ms.var("B")
RISING = ms.pattern("A B+ C").define(
    A=col("amount") < 5,
    B=(col("amount") > 500) & (B.last("amount", 1).is_null() | (B["amount"] > B.last("amount", 1))),
    C=col("amount") < 500,
)


def at(seconds: int) -> dt.datetime:
    return dt.datetime(2026, 1, 1) + dt.timedelta(seconds=seconds)  # noqa: DTZ001


@pytest.fixture
def uses() -> ms.Stream:
    return ms.read_memory(ROWS, schema=SCHEMA, event_time="ts", name="uses")


def test_a_pattern_gives_its_measures(uses: ms.Stream) -> None:
    """Aggregates and looks mean the rows of their variable."""
    asked = RISING.measures(
        probe=A["amount"], n=B["amount"].count(), total=B["amount"].sum(), mean=B["amount"].mean(),
        top=B.last("amount"), first=B.first(col_of_b(), 0), known=ms.match_time(),
    ).skip("past last row")  # fmt: skip
    found = uses.match(asked.within("10m"), by="card").collect().rows()
    assert found == [("c1", 1, 2, 1400, 700.0, 800, 1200, at(5))]


def col_of_b() -> ms.Expr:
    return B["amount"] * 2


def test_without_measures_a_match_tells_when_it_was(uses: ms.Stream) -> None:
    """The shortest thing one can write is useful; without WITHIN the second match counts too."""
    found = uses.match(RISING, by="card")
    assert found.columns == ("card", "match_start", "match_end")
    assert found.collect().rows() == [("c1", at(1), at(5)), ("c1", at(5), at(20 * 60 + 1))]


def test_sql_and_python_make_the_same_step(uses: ms.Stream) -> None:
    """Two ways in, one plan: what is tested of one holds for the other."""
    asked = ms.pattern("A B{2,}? C").define(B=B["amount"] > A["amount"])
    python = uses.match(asked.measures(n=B["amount"].count()).within("1h"), by="card")
    sql = ms.sql(
        "SELECT * FROM uses MATCH_RECOGNIZE (PARTITION BY card ORDER BY ts "
        "MEASURES COUNT(B.amount) AS n PATTERN (A B{2,}? C) WITHIN INTERVAL '1' HOUR "
        "DEFINE B AS B.amount > A.amount) AS m",
        uses=uses,
    )
    assert step_of(sql) == step_of(python)


def step_of(stream: ms.Stream) -> str:
    node = stream.node
    while not isinstance(node, Match):
        (node,) = node.inputs
    return node.label()


def test_matches_are_counted_by_window(uses: ms.Stream) -> None:
    """match_time() is the event time of what follows."""
    asked = RISING.measures(known=ms.match_time())
    counted = uses.match(asked, by="card").group_by(window=ms.tumble("1m")).agg(n=ms.count())
    rows = counted.collect().rows()
    assert sorted(row[-1] for row in rows) == [1, 1]


def test_order_breaks_ties(uses: ms.Stream) -> None:
    """Rows of one time are ordered by the columns named, '-' the other way round."""
    rows = [("c", 1, "2026-01-01 00:00:01"), ("c", 2, "2026-01-01 00:00:01")]
    stream = ms.read_memory(rows, schema=SCHEMA, event_time="ts", watermark="1s")
    asked = ms.pattern("A B").measures(a=A["amount"], b=B["amount"])
    assert stream.match(asked, order="-amount").collect().rows() == [(2, 1)]


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (lambda s: s.match(ms.pattern("A B+")), PlanError, "greedy"),
        (lambda s: s.match(ms.pattern("A B").define(C=col("amount") > 1)), UnknownName, "C"),
        (lambda s: s.match(ms.pattern("A B").measures(x=ms.var("D")["amount"])), UnknownName, "D"),
        (lambda s: s.match(ms.pattern("A B").measures(x=A["prise"])), UnknownName, "prise"),
        (lambda s: s.match(ms.pattern("A B").skip("to the end")), PlanError, "to the end"),
        (lambda s: s.match(ms.pattern("A B"), by="car"), UnknownName, "car"),
        (lambda s: s.match(ms.pattern("")), PlanError, "empty"),
        (lambda s: s.match(ms.pattern("A (B C)+ D")), PlanError, "group"),
        (lambda s: s.drop("ts").match(ms.pattern("A B")), PlanError, "event time"),
        (lambda s: s.match(ms.pattern("A B").define(B=A["amount"] + 1)), PlanError, "BOOLEAN"),
    ],
)
def test_mistakes_are_told_where_they_were_made(
    uses: ms.Stream, make: Any, kind: type[MillstreamError], says: str
) -> None:
    """A pattern that cannot work fails when it is written, not when rows come."""
    with pytest.raises(kind, match=says) as caught:
        make(uses)
    assert caught.value.where is None or isinstance(caught.value.where, Place)


def test_skip_to_a_row_that_is_not_there_stops_the_job(uses: ms.Stream) -> None:
    """Nothing says where to go on; the search would stand still."""
    asked = ms.pattern("A B? C").define(B=col("amount") > 10_000).skip("to last B")
    with pytest.raises((DataError, JobError), match="SKIP TO LAST B"):
        uses.match(asked, by="card").collect()
