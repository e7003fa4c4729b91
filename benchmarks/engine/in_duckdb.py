"""One Nexmark query through DuckDB, as one batch over the same Arrow columns.

run     python -m benchmarks.engine.in_duckdb --query 5 --events 10000000
environment  MS_BENCH_THREADS: its threads (1); MS_BENCH_FLAT=1: see tables
tables  the Arrow table as it is, with the three views as SQL; flat: three Arrow tables made before
        the clock starts, so that telling the events apart and taking rows to pieces, which costs
        DuckDB more than many a query, is left out
method  the result is taken as a stream of Arrow batches straight into the checksum; order of rows
        need not be kept (``preserve_insertion_order = false``)
"""

from __future__ import annotations

import os

import duckdb
import polars as pl
import pyarrow as pa
from benchmarks.engine import batch
from benchmarks.engine.fold import Fold
from benchmarks.nexmark.duck import IN_BATCH

KINDS = ("person", "auction", "bid")
RESULT_ROWS = 100_000
"""Of a batch of the result."""


def prepare(query: int, table: pa.Table) -> batch.Ready:
    """Give DuckDB the tables."""
    connection = duckdb.connect()
    connection.execute(f"SET threads = {int(os.environ.get('MS_BENCH_THREADS', '1'))}")
    connection.execute("SET preserve_insertion_order = false")
    connection.register("side_input", batch.side_input().to_arrow())
    if os.environ.get("MS_BENCH_FLAT") == "1":
        _flat(connection, table)
    else:
        connection.register("nexmark", table)
        for kind in KINDS:
            names = [table.schema.field(kind).type.field(i).name for i in _fields(table, kind)]
            columns = ", ".join(f"{kind}.{name}" for name in names)
            connection.execute(
                f"CREATE VIEW {kind} AS SELECT {columns}, seq FROM nexmark"
                f" WHERE event_type = {KINDS.index(kind)}"
            )

    def run(fold: Fold) -> None:
        for rows in connection.sql(IN_BATCH[query]).to_arrow_reader(RESULT_ROWS):
            frame = pl.from_arrow(_distinct_names(rows))
            assert isinstance(frame, pl.DataFrame), "a batch becomes a frame"
            fold.add(frame)

    return run


def _flat(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> None:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
    for kind in KINDS:
        rows = frame.filter(pl.col("event_type") == KINDS.index(kind)).select(kind, "seq")
        made = rows.unnest(kind).rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
        connection.register(kind, made)


def _fields(table: pa.Table, kind: str) -> range:
    return range(table.schema.field(kind).type.num_fields)


def _distinct_names(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Columns go by their place; two of a join may have one name, which a frame refuses."""
    return rows.rename_columns([str(i) for i in range(rows.num_columns)])


if __name__ == "__main__":
    batch.main(prepare, __doc__.splitlines()[0])
