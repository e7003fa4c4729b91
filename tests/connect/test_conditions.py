"""Sources that are told what a query asks for: they leave rows out, and never one that is asked."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from millstream.errors import ConnectorError
from millstream.plan.table import Condition, Table
from millstream.ports.registry import source_for
from millstream.types import Schema
from tests.connect.contract import read, table_of
from tests.servers.postgres import PostgresServer

ROWS = 1000
SCHEMA = Schema.of({"id": "BIGINT", "name": "STRING", "price": "DECIMAL(10, 2)"})
FRAME = pl.DataFrame(
    {
        "id": range(ROWS),
        "name": [None if i % 7 == 0 else f"n{i % 5}" for i in range(ROWS)],
        "price": [Decimal(i) / 4 for i in range(ROWS)],
    },
    schema_overrides={"price": pl.Decimal(10, 2)},
)
ASKED = [
    (Condition("id", ">=", 990), pl.col("id") >= 990),
    (Condition("id", "<", 3), pl.col("id") < 3),
    (Condition("name", "=", "n3"), pl.col("name") == "n3"),
    (Condition("name", "IS NOT NULL"), pl.col("name").is_not_null()),
    (Condition("price", "<>", Decimal("0.25")), pl.col("price") != Decimal("0.25")),
    (Condition("price", "<=", Decimal("1.50")), pl.col("price") <= Decimal("1.50")),
]


def rows_of(table: Table, *conditions: Condition, resume: Any = None, rows: int = 64) -> Any:
    source = source_for(table, None, conditions)
    return read(source.open(source.splits()[0], resume=resume), max_rows=rows)


def holds(frame: pl.DataFrame, wanted: pl.Expr) -> None:
    expected = FRAME.filter(wanted)["id"].to_list()
    assert frame.filter(wanted)["id"].to_list() == expected


@pytest.fixture
def parquet(tmp_path: Path) -> Table:
    FRAME.write_parquet(tmp_path / "rows.parquet", row_group_size=100)
    options = {"path": str(tmp_path), "format": "parquet"}
    return table_of("filesystem", options, SCHEMA)


@pytest.fixture
def duck(tmp_path: Path) -> Table:
    with duckdb.connect(str(tmp_path / "f.db")) as connection:
        connection.register("rows", FRAME.to_arrow())
        connection.execute("CREATE TABLE t AS SELECT * FROM rows")
    return table_of("duckdb", {"path": str(tmp_path / "f.db")}, SCHEMA)


@pytest.mark.parametrize(("condition", "wanted"), ASKED)
def test_parquet_keeps_every_row_that_is_asked_for(
    parquet: Table, condition: Condition, wanted: pl.Expr
) -> None:
    """A row group is left out by its statistics, and by them alone."""
    holds(rows_of(parquet, condition).frame, wanted)


def test_row_groups_that_cannot_hold_the_row_are_not_read(parquet: Table) -> None:
    """The point of telling: one group of ten is read, and its rows keep their places."""
    source = source_for(parquet, None, (Condition("id", "=", 555),))
    chunk = source.open("files", resume=None).poll(max_rows=ROWS, timeout_s=1)
    assert chunk is not None
    assert chunk.frame["id"].to_list() == list(range(500, 600))
    assert chunk.offsets is not None
    assert chunk.offsets.to_list() == list(range(500, 600))


def test_parquet_goes_on_where_it_was(parquet: Table) -> None:
    """A place is a row's index in the file, whatever was left out before it."""
    condition = Condition("id", ">=", 750)
    first = source_for(parquet, None, (condition,)).open("files", resume=None)
    chunk = first.poll(max_rows=130, timeout_s=1)
    assert chunk is not None
    rest = rows_of(parquet, condition, resume=chunk.resume)
    assert [*chunk.frame["id"], *rest.frame["id"]] == list(range(700, ROWS))


@pytest.mark.parametrize(("condition", "wanted"), ASKED)
def test_duckdb_asks_for_just_these_rows(
    duck: Table, condition: Condition, wanted: pl.Expr
) -> None:
    """The database has its own indexes; what it leaves out is never fetched."""
    found = rows_of(duck, condition).frame
    assert found["id"].to_list() == FRAME.filter(wanted)["id"].to_list()


def test_a_place_counted_under_other_conditions_is_refused(duck: Table) -> None:
    """Skipping as many rows of another answer would lose some and repeat others."""
    reader = source_for(duck, None, (Condition("id", ">", 10),)).open("table", resume=None)
    chunk = reader.poll(max_rows=5, timeout_s=1)
    assert chunk is not None
    assert chunk.frame["id"].to_list() == [11, 12, 13, 14, 15]
    with pytest.raises(ConnectorError, match="id > 10"):
        rows_of(duck, resume=chunk.resume)


@pytest.mark.postgres
@pytest.mark.parametrize(("condition", "wanted"), ASKED)
def test_postgres_asks_for_just_these_rows(
    postgres: PostgresServer, database: str, condition: Condition, wanted: pl.Expr
) -> None:
    """As for DuckDB, on a real server."""
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id BIGINT, name TEXT, price NUMERIC(10, 2))")
        with connection.cursor().copy("COPY t FROM STDIN") as copy:
            for row in FRAME.rows():
                copy.write_row(row)
    table = table_of("postgres", {"url": database, "table-name": "t"}, SCHEMA)
    found = rows_of(table, condition).frame
    assert found["id"].to_list() == FRAME.filter(wanted)["id"].to_list()
