"""Cost per row as a query grows: more windows a row is in, more joins, more columns.

in      rows in memory, made once; SQL whose size is a number
out     per size: seconds of processor time per million rows, from the first batch to the end
method  ``ms.run`` from Polars frames into ``blackhole``; a first run compiles and is not counted.
        The input is the same for every size of a shape: what differs is the query
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

import millstream as ms

ROWS = 500_000
KEYS = 10_000
ROUNDS = 3
COLUMNS_MAX = 64
SPAN_S = 600
"""Seconds of event time the rows go over."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A query that grows with a number."""

    what: str
    sizes: tuple[int, ...]
    query: Callable[[int], str]


def _windows(overlap: int) -> str:
    return (
        "SELECT k, window_end, COUNT(*) AS n, SUM(v0) AS s FROM TABLE(HOP(TABLE a, DESCRIPTOR(ts), "
        f"INTERVAL '1' SECOND, INTERVAL '{overlap}' SECOND)) GROUP BY k, window_start, window_end"
    )


def _joins(count: int) -> str:
    joined = " ".join(f"JOIN b AS b{i} ON a.k = b{i}.k" for i in range(count))
    picked = ", ".join(f"b{i}.w AS w{i}" for i in range(count))
    return f"SELECT a.k, a.v0, {picked} FROM a {joined}"


def _columns(count: int) -> str:
    sums = ", ".join(f"SUM(v{i}) AS s{i}" for i in range(count))
    return f"SELECT k, {sums} FROM a GROUP BY k"


SHAPES = {
    "windows": Shape("windows that each row is in (HOP)", (1, 5, 20, 60), _windows),
    "joins": Shape("joins with a table of 10 000 rows", (1, 2, 4), _joins),
    "columns": Shape("columns that are summed", (1, 4, 16, COLUMNS_MAX), _columns),
}


def tables() -> dict[str, pl.DataFrame]:
    """Return the rows: ``a`` is the stream, ``b`` one row per key."""
    chance = np.random.default_rng(5)
    ms_of = np.linspace(0, SPAN_S * 1_000, ROWS, endpoint=False).astype(np.int64)
    values = {f"v{i}": chance.integers(0, 1_000, ROWS) for i in range(COLUMNS_MAX)}
    a = pl.DataFrame({"k": chance.integers(0, KEYS, ROWS), **values}).with_columns(
        pl.Series("ts", ms_of).cast(pl.Datetime("ms"))
    )
    b = pl.DataFrame({"k": np.arange(KEYS), "w": chance.integers(0, 1_000, KEYS)})
    return {"a": a, "b": b}


def cost(shape: Shape, size: int, frames: dict[str, pl.DataFrame]) -> tuple[float, int]:
    """Return seconds of processor time per million rows (the best round), and the rows given."""
    best, rows = float("inf"), 0
    for round_ in range(ROUNDS + 1):
        some = {name: f.head(20_000) if not round_ else f for name, f in frames.items()}
        streams = {
            "a": ms.from_polars(some["a"], event_time="ts"),
            "b": ms.from_polars(some["b"]),
        }
        sink = ms.sql(shape.query(size), **streams).write_blackhole()
        began_s = time.process_time()
        summary = ms.run(sink)
        took_s = time.process_time() - began_s
        if round_:
            best, rows = min(best, took_s), summary.progress.rows_out
    return best / ROWS * 1e6, rows
