"""The benchmark's own texts over 100 000 events: DuckDB's batch answer and Flink's recorded one.

`python -m benchmarks.nexmark.flink` records Flink's answers anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from benchmarks.nexmark.duck import ANSWERS
from benchmarks.nexmark.flink import ANSWERS as RECORDED
from benchmarks.nexmark.flink import EVENTS, RATE, digest, line
from benchmarks.nexmark.functions import count_char
from benchmarks.nexmark.run import generator, script

import millstream as ms
from millstream.columns.changes import OP, Op
from millstream.connect.memory import collected
from millstream.connect.nexmark_values import TYPES
from millstream.errors import Unsupported
from millstream.ports.registry import source_for
from millstream.types import Schema
from tests.connect.contract import read, table_of

FLINK = json.loads(RECORDED.read_text())["answers"]
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """The three views as tables of DuckDB."""
    options = {"events.num": str(EVENTS), "first-event.rate": str(RATE)}
    source = source_for(table_of("nexmark", options, Schema.of(dict(TYPES))))
    events = read(source.open("0", resume=None), max_rows=EVENTS).frame.with_row_index("seq")
    with duckdb.connect() as connection:
        for kind in ("person", "auction", "bid"):
            rows = events.filter(pl.col(kind).is_not_null()).select(kind, "seq").unnest(kind)
            connection.register(kind, rows.to_arrow())
        yield connection


def answer(query: int, folder: Path) -> Rows:
    """Return what the query leaves in its sink, changes folded into rows."""
    target = collected(f"q{query}")
    target.clear()
    source = generator(EVENTS, RATE)
    text = script(query, source=source, sink="'connector' = 'memory'", folder=folder)
    summary = ms.run(*ms.script(text))
    assert summary.progress.rows_rejected == 0
    frame = target.frame()
    if OP not in frame.columns:
        return frame.rows()
    sign = pl.when(pl.col(OP).is_in([int(Op.INSERT), int(Op.UPDATE_AFTER)])).then(1).otherwise(-1)
    names = [c for c in frame.columns if c != OP]
    left = frame.group_by(names).agg(sign.sum().alias("$count")).filter(pl.col("$count") != 0)
    assert (left["$count"] == 1).all(), "a row is taken back that never came"
    return left.select(names).rows()


@pytest.mark.parametrize("query", [q for q in ANSWERS if q != 10])  # q10 writes folders, see below
def test_a_query_gives_what_duckdb_and_flink_give(
    query: int, duck: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """The texts are ours: only another engine can tell whether they ask for the right thing."""
    wanted = duck.execute(ANSWERS[query]).fetchall()
    assert wanted
    try:
        found = answer(query, tmp_path)
    except Unsupported as error:
        pytest.skip(f"not yet: {error.fact}")
    assert Counter(found) == Counter(wanted)
    if f"q{query}" in FLINK:
        assert digest(map(line, found)) == tuple(FLINK[f"q{query}"])


def test_the_folders_of_q10_hold_what_duckdb_and_flink_give(
    duck: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """The same folders must mean the same rows to DuckDB's reader, to ours, and to the query."""
    text = script(10, source=generator(EVENTS, RATE), sink="", folder=tmp_path)
    assert ms.run(*ms.script(text)).progress.rows_rejected == 0
    wanted = duck.execute(ANSWERS[10]).fetchall()
    kinds = "'auction': BIGINT, 'bidder': BIGINT, 'price': BIGINT, 'dateTime': TIMESTAMP"
    read_there = f"""SELECT auction, bidder, price, dateTime, extra, dt, hm FROM read_csv(
        '{tmp_path}/q10/*/*/*.csv', columns = {{{kinds}, 'extra': VARCHAR}}, auto_detect = false,
        quote = '"', escape = '"', hive_partitioning = true,
        hive_types = {{'dt': VARCHAR, 'hm': VARCHAR}})"""
    assert Counter(duck.execute(read_there).fetchall()) == Counter(wanted)
    target = collected("back")
    target.clear()
    table = text[text.index("CREATE TABLE q10") : text.index("INSERT INTO q10")]
    columns = table[table.index("(") : table.index("PARTITIONED BY")]
    table += f"CREATE TABLE back {columns} WITH ('connector' = 'memory');"
    ms.run(*ms.script(table + "INSERT INTO back SELECT * FROM q10;"))
    found = target.frame().rows()
    assert Counter(found) == Counter(wanted)
    assert digest(map(line, found)) == tuple(FLINK["q10"])
    files = list((tmp_path / "q10").rglob("_SUCCESS"))
    assert len(files) == len({row[5:] for row in wanted})


def test_windows_by_the_clock_hold_every_bid(tmp_path: Path) -> None:
    """The rows of q12 depend on the speed of the run, the sum of its counts does not."""
    rows = answer(12, tmp_path)
    assert sum(count for _, count, _, _ in rows) == EVENTS * 46 // 50
    assert all(end - start == timedelta(seconds=10) for _, _, start, end in rows)


def test_the_function_of_q14_counts_a_letter_in_each_row() -> None:
    """NULL counts as 0, and the letter may differ from row to row."""
    rows = [("cacao", "c"), (None, "c"), ("", "c"), ("a.b.", "."), ("ccc", "c")]
    texts = ms.read_memory([{"text": t, "letter": c} for t, c in rows])
    counted = texts.select(n=count_char(ms.col("text"), ms.col("letter"))).collect()
    assert counted.rows() == [(2,), (0,), (0,), (2,), (3,)]
