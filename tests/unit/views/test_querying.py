"""SQL over live views: what it answers, what it refuses, where it stops."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from millstream.columns.physical import polars_schema
from millstream.connect.live_rows import still
from millstream.connect.live_view import LiveView
from millstream.engine.functions import Context
from millstream.engine.once import Once
from millstream.errors import DataError, JobError, PlanError, SqlError, UnknownName
from millstream.job import querying
from millstream.job.querying import query, reads
from millstream.types import Schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SALES = Schema.of({"country": "STRING", "shop": "INT", "total": "BIGINT"})
SHOPS = Schema.of({"shop": "INT", "name": "STRING"})
LOOKED_UP = (
    "SELECT s.name FROM (SELECT *, PROCTIME() AS p FROM sales) x "
    "JOIN shops FOR SYSTEM_TIME AS OF x.p AS s ON x.shop = s.shop"
)


def view(
    name: str, schema: Schema, rows: Sequence[tuple[object, ...]], key: Iterable[str] | None
) -> LiveView:
    made = LiveView(name, schema, key=None if key is None else tuple(key))
    frame = pl.DataFrame(rows, schema=polars_schema(schema), orient="row")
    made.put(frame.with_row_index("$row"))
    return made


@pytest.fixture
def views() -> dict[str, LiveView]:
    sales = [(c, s, 10 * s + len(c)) for c, s in itertools.product(["de", "fr", "lux"], range(40))]
    shops = [(s, f"shop {s % 7}") for s in range(0, 40, 2)]
    return {
        "sales": view("sales", SALES, sales, ["country", "shop"]),
        "shops": view("shops", SHOPS, shops, ["shop"]),
        "empty": view("empty", SHOPS, [], None),
    }


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sales ORDER BY country, shop",
        "SELECT country, SUM(total) AS total, COUNT(*) AS n FROM sales GROUP BY country",
        "SELECT COUNT(*) AS n, MAX(total) AS m FROM sales WHERE shop > 100",
        "SELECT COUNT(*) AS n FROM empty",
        "SELECT name FROM empty",
        "SELECT s.country, p.name, s.total FROM sales s JOIN shops p ON s.shop = p.shop",
        "SELECT s.country, p.name FROM sales s LEFT JOIN shops p ON s.shop = p.shop",
        "SELECT DISTINCT name FROM shops",
        "SELECT name, COUNT(*) AS n FROM shops GROUP BY name ORDER BY n DESC, name LIMIT 3",
        "SELECT a.shop AS a, b.shop AS b FROM shops a JOIN shops b ON a.name = b.name",
        "SELECT name FROM shops WHERE shop IN (SELECT shop FROM sales WHERE total > 300)",
        "SELECT country FROM sales UNION ALL SELECT name FROM shops",
        "SELECT total FROM sales WHERE country = 'de' AND shop = (SELECT MAX(shop) FROM shops)",
    ],
)
def test_answers_are_those_of_another_engine(views, sql):
    """A query over a view must mean what SQL means, whatever steps change their results inside."""
    found = query(views, sql)
    with duckdb.connect() as other:
        for name, held in views.items():
            other.register(name, held.frame())
        wanted = other.sql(sql).pl()
    names = found.schema.names
    assert_frame_equal(
        found.frame,
        wanted.rename(dict(zip(wanted.columns, names, strict=True))),
        check_row_order="ORDER BY" in sql,
        check_dtypes=False,
    )
    assert not found.truncated
    assert found.frame.schema == polars_schema(found.schema)
    assert set(found.versions) == set(reads(sql, views))


def test_a_query_says_what_it_read(views):
    """A subscriber asks again when one of these versions has moved, and not otherwise."""
    found = query(views, "SELECT COUNT(*) AS n FROM sales")
    assert found.versions == {"sales": 1}
    views["sales"].put(views["sales"].frame().head(1).with_columns(pl.lit(0).alias("$row")))
    again = query(views, "SELECT COUNT(*) AS n FROM sales")
    assert again.versions == {"sales": 2}
    assert reads("SELECT 1 AS x FROM shops s JOIN sales t ON s.shop = t.shop", views) == (
        "shops",
        "sales",
    )


@pytest.mark.parametrize(
    ("sql", "error", "said"),
    [
        ("INSERT INTO sales SELECT * FROM sales", SqlError, "One query"),
        ("CREATE TABLE t (x INT) WITH ('connector' = 'stdio')", SqlError, "One query"),
        ("CREATE FUNCTION f AS 'gone.f' LANGUAGE PYTHON; SELECT f(1)", SqlError, "One query"),
        ("SET 'pipeline.name' = 'x'", SqlError, "One query"),
        ("SELECT 1 AS x; SELECT 2 AS x", SqlError, "One query"),
        ("", SqlError, "One query"),
        ("SELECT * FROM slaes", UnknownName, "Did you mean 'sales'"),
        ("SELECT totl FROM sales", UnknownName, "Did you mean 'total'"),
        ("SELECT f(total) FROM sales", PlanError, "Unknown function"),
        ("SELECT total / (shop - shop) AS x FROM sales", DataError, "division by zero"),
        (
            LOOKED_UP,
            PlanError,
            "not looked up",
        ),
    ],
)
def test_what_is_no_query_over_views_is_refused(views, sql, error, said):
    """Whoever may ask must not be able to write, to load code or to reach other systems."""
    with pytest.raises(error, match=said):
        query(views, sql)


def test_more_rows_than_asked_for_are_cut(views):
    """A page must not be sent a million rows, and must be told that there are more."""
    found = query(views, "SELECT * FROM sales", limit=7)
    assert (found.frame.height, found.truncated) == (7, True)
    found = query(views, "SELECT country, COUNT(*) AS n FROM sales GROUP BY country", limit=3)
    assert (found.frame.height, found.truncated) == (3, False)
    endless = "SELECT a.total AS a FROM sales a, sales b, sales c, sales d"
    assert query(views, endless, limit=5).truncated


def test_a_query_that_takes_too_long_is_ended(views):
    """A product of tables must not take a server's core for hours."""
    planned = querying._planned(
        "SELECT COUNT(*) AS n FROM sales a JOIN shops b ON a.shop <> b.shop",
        querying._said(views),
    )
    frames = {name: held.frame() for name, held in views.items()}
    clock = itertools.count(0.0, 1.0)
    once = Once(planned.derived, frames, Context(), None, 2.0, clock_s=lambda: next(clock))
    with pytest.raises(JobError, match="longer than 2 s"):
        once.run()


def test_zones_are_those_of_the_job(views):
    """A day begins where the job's users live, in its views and in questions about them."""
    sql = "SELECT CAST(TO_TIMESTAMP_LTZ(0, 3) AS STRING) AS t FROM (VALUES (1)) AS v (x)"
    assert query({}, sql, zone="Asia/Tokyo").frame.item() == "1970-01-01 09:00:00.000"


def test_views_of_one_query_are_seen_together(views):
    """Two views of one turn must not be read with a turn between them."""
    both = [views["shops"], views["sales"]]
    rows = [v.frame().head(1).with_columns(pl.lit(0).alias("$row")) for v in both]
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            with still(both):
                for held, row in zip(both, rows, strict=True):
                    held.put(row)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for _ in range(20):
                found = query(views, "SELECT COUNT(*) AS n FROM shops, sales").versions
                assert found["shops"] == found["sales"]
        finally:
            over.set()
        writing.result()
    assert both[0].version > 1
