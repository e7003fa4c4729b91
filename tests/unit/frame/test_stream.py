"""Streams: each verb once, over rows in memory; the same verbs on wrong names and types."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

import millstream as ms
from millstream import col
from millstream.errors import Place

ORDERS = {"id": "BIGINT", "country": "STRING", "amount": "DOUBLE", "ts": "TIMESTAMP(3)"}
ROWS = [
    {"id": 1, "country": "de", "amount": 5.0, "ts": "2026-01-01 00:00:05"},
    {"id": 2, "country": "fr", "amount": -1.0, "ts": "2026-01-01 00:00:40"},
    {"id": 3, "country": "de", "amount": 7.5, "ts": "2026-01-01 00:01:10"},
]


@pytest.fixture
def orders():
    return ms.read_memory(ROWS, schema=ORDERS, event_time="ts", name="orders")


def test_columns_come_go_and_change_their_names(orders):
    """select, with_columns, drop and rename keep the order a reader expects."""
    shaped = (
        orders.with_columns(amount=col("amount") * 2, twice=col("id") * 2)
        .drop("ts")
        .rename({"id": "order"})
    )
    assert shaped.columns == ("order", "country", "amount", "twice")
    assert shaped.collect().rows()[0] == (1, "de", 10.0, 2)


def test_filters_add_up(orders):
    """Several predicates must all hold."""
    left = orders.filter(col("amount") > 0, col("country") == "de", col("id") < 3)
    assert left.select("id").collect().rows() == [(1,)]


def test_a_window_gives_each_group_once(orders):
    """The bounds are ordinary columns and stand before the keys."""
    minutes = orders.group_by("country", window=ms.tumble("1m")).agg(
        n=ms.count(), total=col("amount").sum()
    )
    assert minutes.columns == ("window_start", "window_end", "country", "n", "total")
    midnight = dt.datetime(2026, 1, 1)  # noqa: DTZ001 (a TIMESTAMP has no zone)
    one = dt.timedelta(minutes=1)
    assert sorted(minutes.collect().rows()) == [
        (midnight, midnight + one, "de", 1, 5.0),
        (midnight, midnight + one, "fr", 1, -1.0),
        (midnight + one, midnight + 2 * one, "de", 1, 7.5),
    ]


def test_hop_and_cumulate_overlap(orders):
    """A row falls into each window that covers it."""
    hops = orders.group_by(window=ms.hop("2m", slide="1m")).agg(n=ms.count())
    assert sorted(hops.select("n").collect()["n"]) == [1, 2, 3]
    grows = orders.group_by(window=ms.cumulate("2m", step="1m")).agg(n=ms.count())
    assert sorted(grows.select("n").collect()["n"]) == [2, 3]


def test_sessions_are_made_per_key(orders):
    """Two rows of one country that are 65 seconds apart are one session or two, by the gap."""
    visits = orders.group_by("country", window=ms.session("64s")).agg(n=ms.count())
    assert visits.columns == ("window_start", "window_end", "country", "n")
    assert sorted(visits.select("country", "n").collect().rows()) == [("de", 1)] * 2 + [("fr", 1)]
    longer = orders.group_by("country", window=ms.session("65s")).agg(n=ms.count())
    assert sorted(longer.select("country", "n").collect().rows()) == [("de", 2), ("fr", 1)]


def test_a_window_may_change_its_result(orders):
    """With emit a result is a row that changes; what stands at the end is the same."""
    spec = ms.emit(early=0, lateness="1h")
    minutes = orders.group_by("country", window=ms.tumble("1m"), emit=spec).agg(n=ms.count())
    once = orders.group_by("country", window=ms.tumble("1m")).agg(n=ms.count())
    assert sorted(minutes.collect().rows()) == sorted(once.collect().rows())
    assert "EMIT(early 0s, late 0s, lateness 1h)" in minutes.explain()
    with pytest.raises(ms.PlanError, match="emit without a window"):
        orders.group_by("country", emit=spec)
    with pytest.raises(ms.PlanError, match="allowed lateness"):
        ms.emit(late="1m")


def test_windows_over_windows(orders):
    """keep_time hands the event time on to a second window."""
    minutes = orders.group_by(window=ms.tumble("1m", keep_time="at")).agg(n=ms.count())
    hours = minutes.group_by(window=ms.tumble("1h")).agg(most=col("n").max())
    assert hours.select("most").collect().rows() == [(2,)]


def test_aggregates_may_be_combined(orders):
    """An expression over several aggregates is cut at them; equal ones are computed once."""
    both = orders.group_by("country").agg(
        mean=col("amount").sum() / ms.count(),
        share=ms.count() * 100 / 3,
        mean2=col("amount").mean(),
    )
    assert sorted(both.collect().rows()) == [
        ("de", 6.25, pytest.approx(200 / 3), 6.25),
        ("fr", -1.0, pytest.approx(100 / 3), -1.0),
    ]


def test_groups_by_expression_and_by_nothing(orders):
    """A key may be computed; no key is one group of everything."""
    halves = orders.group_by((col("id") > 1).alias("later")).agg(n=ms.count())
    assert sorted(halves.collect().rows()) == [(False, 1), (True, 2)]
    assert orders.group_by().agg(n=ms.count()).collect().rows() == [(3,)]


def test_filtered_and_distinct_aggregates(orders):
    """FILTER and DISTINCT belong to one aggregate, not to the group."""
    found = orders.group_by().agg(
        good=ms.count().filter(col("amount") > 0), countries=col("country").n_unique()
    )
    assert found.collect().rows() == [(2, 2)]


def test_an_updating_result_tells_its_changes(orders):
    """test() gives every change, so that a test sees what a sink would."""
    counted = orders.group_by("country").agg(n=ms.count())
    one_by_one = ms.test(counted, ROWS, settings={"engine.chunk-rows-max": 1})
    assert sorted(one_by_one.rows) == [("de", 2), ("fr", 1)]
    assert one_by_one.changes[0] == ("+I", "de", 1)


def test_late_rows_are_not_lost(orders):
    """A row behind the watermark comes out of .late with the columns of the window's input."""
    late_row = {"id": 9, "country": "de", "amount": 1.0, "ts": "2026-01-01 00:00:01"}
    far = {"id": 8, "country": "de", "amount": 1.0, "ts": "2026-01-01 00:09:00"}
    minutes = orders.group_by(window=ms.tumble("1m")).agg(n=ms.count())
    result = ms.test(minutes, [ROWS[0], far, late_row], settings={"engine.chunk-rows-max": 1})
    assert result.late["id"].to_list() == [9]
    assert sum(row[2] for row in result.rows) == 2


def test_rejected_rows_say_why(orders):
    """A row whose expression fails is not dropped and does not become NULL."""
    texts = orders.select("id", n=col("country").cast("INT"))
    result = ms.test(texts, ROWS[:1])
    assert result.rows == []
    assert result.rejected.height == 1
    assert "de" in result.rejected["reason"][0]


def test_union_aligns_columns_by_name(orders):
    """Streams with the same columns in another order are the same table."""
    swapped = orders.select("country", "id")
    both = orders.select("id", "country").union(swapped)
    assert both.columns == ("id", "country")
    assert both.collect().height == 6


def test_sort_limit_distinct(orders):
    """The verbs of bounded streams."""
    assert orders.sort("amount", limit=1).select("id").collect().rows() == [(2,)]
    assert orders.sort("country", "id", descending=(False, True)).collect()["id"].to_list() == [
        3,
        1,
        2,
    ]
    assert sorted(orders.select("country").distinct().collect()["country"]) == ["de", "fr"]
    assert orders.limit(2).collect().height == 2
    assert orders.limit(1, offset=1).collect()["id"].to_list() == [2]


def test_map_batches_runs_a_users_own_function(orders):
    """Frame in, frame out, with a schema of its own."""

    def score(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("id", score=pl.col("amount") * 10)

    scored = orders.map_batches(score, schema={"id": "BIGINT", "score": "DOUBLE"})
    assert scored.collect().rows() == [(1, 50.0), (2, -10.0), (3, 75.0)]


def test_udfs_row_by_row_and_by_column(orders):
    """Types come from annotations or are said; both kinds give the same."""

    @ms.udf
    def plus_one(x: int) -> int:
        return x + 1

    @ms.udf(args=["BIGINT"], result="BIGINT", vectorised=True)
    def plus_one_column(x):
        return x + 1

    both = orders.select(a=plus_one(col("id")), b=plus_one_column(col("id")))
    assert both.collect().rows() == [(2, 2), (3, 3), (4, 4)]
    assert plus_one(41) == 42
    assert repr(plus_one) == "Function(plus_one(BIGINT) -> BIGINT)"


def test_a_udf_without_types_is_refused():
    """What a function gives must be known before a row comes."""
    with pytest.raises(ms.PlanError, match="not known"):

        @ms.udf
        def mystery(x):
            return x


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda s: s.select("amont"), "Did you mean 'amount'"),
        (lambda s: s.drop("nothing"), "Unknown column 'nothing'"),
        (lambda s: s.filter(col("amount")), "needs a BOOLEAN"),
        (lambda s: s.filter(col("amount") > "x"), "DOUBLE"),
        (lambda s: s.select(col("id"), id=col("amount")), "Two columns are named 'id'"),
        (lambda s: s.select(total=col("amount").sum()), "Group first"),
        (lambda s: s.group_by("country").agg(x=col("id")), "needs one value per group"),
        (lambda s: s.group_by("country").agg(x=col("id").sum().max()), "inside an aggregate"),
        (
            lambda s: s.select("id").group_by(window=ms.tumble("1m")).agg(ms.count()),
            "no event time",
        ),
        (lambda s: s.sort("id", descending=(True, False)), "answers to descending"),
        (lambda s: s.union(s.drop("id")), "Unknown column 'id'"),
        (lambda s: s.select(ms.call("UPER", col("country"))), "Did you mean 'UPPER'"),
        (lambda s: s.write_print().frame(), "keeps no rows"),
        (lambda s: s.write_table("kafak"), "Did you mean 'kafka'"),
        (lambda s: s.write_table("print", prefix="x"), "Unknown option 'prefix'"),
        (lambda s: s.write_duckdb("x.db", table="t", key=["idd"]), "Did you mean 'id'"),
    ],
    ids=lambda said: said if isinstance(said, str) else "mistake",
)
def test_mistakes_are_told_where_they_are_made(orders, wrong, says):
    """Every verb checks itself at once and says what to do; nothing waits for run()."""
    with pytest.raises(ms.PlanError) as caught:
        wrong(orders)
    assert says in str(caught.value)
    if isinstance(caught.value.where, Place):
        assert "test_stream.py" in str(caught.value)


def test_endless_streams_cannot_be_collected():
    """collect() on an endless stream would never return."""
    endless = ms.read_table("datagen", schema={"id": "BIGINT"})
    with pytest.raises(ms.PlanError, match="never ends"):
        endless.collect()
