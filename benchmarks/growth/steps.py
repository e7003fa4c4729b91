"""Whether a step's cost per batch stays the same as its state grows.

in      rows made from their numbers, so that any of them can be taken back without being kept
out     per step and size of state: ms of processor time per batch (median and quartiles), how many
        rows came out, entries and bytes of state
run     python -m benchmarks.growth.steps [--only join] [--sizes 10000,1000000]
method  the steps of SQL queries as a job would lower them, each called as the driver calls it. The
        state is filled to the wanted size, then batches are measured. It stays as large as it is:
        as many rows are taken back as are added, or the watermark stays so many rows behind as are
        to be open, or the keys are known. Only where a step keeps every row for good does it grow
        by what is measured
add     a line in STEPS
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # before Polars is there: one thread's time

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import millstream as ms
from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema
from millstream.engine.batch import Batch
from millstream.engine.functions import Context
from millstream.engine.lower import lower
from millstream.engine.operator import Asking, Operator, Resolver
from millstream.frame.sqls import session_of
from millstream.plan import derive, ids
from millstream.plan.nodes import Node, Plan, Write
from millstream.plan.table import Physical, Table
from millstream.rewrite import rewrite
from millstream.sql.script import Selected
from millstream.types import Schema

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
ROWS = 10_000
"""Rows of a batch."""
FILL_ROWS = 100_000
MEASURED = 21
SEED = 0x5EED_5EED_5EED_5EED
WINDOW_MS = 10_000
BLOCK = 5_000
"""Half a batch; sizes are a multiple of it."""
VALUES = 1_000_000
TABLES = """
CREATE TABLE a (k {key}, v BIGINT, r BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'memory');
CREATE TABLE a2 (k {key}, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'memory');
CREATE TABLE b (k2 {key}, w BIGINT, ts2 TIMESTAMP(3), WATERMARK FOR ts2 AS ts2)
WITH ('connector' = 'memory');
CREATE TABLE newest (k2 {key}, w BIGINT, ts2 TIMESTAMP(3), WATERMARK FOR ts2 AS ts2,
PRIMARY KEY (k2) NOT ENFORCED) WITH ('connector' = 'memory');
CREATE TABLE asked (id BIGINT, x BIGINT) WITH ('connector' = 'sqlite', 'path' = '{database}',
'table' = 'asked', 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '10000000');
CREATE TABLE held (id BIGINT, x BIGINT) WITH ('connector' = 'sqlite', 'path' = '{database}',
'table' = 'asked', 'lookup.cache' = 'FULL');
"""


@ms.process_function(gives={"nth": "BIGINT"})
class Counted:
    """The smallest process function with a state."""

    def on_row(self, _row: dict[str, Any], state: dict[str, Any], _ctx: object) -> int:
        state["nth"] = state.get("nth", 0) + 1
        return int(state["nth"])


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table.

    ``runs`` is the node class whose step is measured. ``per_key`` rows have one key. ``changing``:
    old rows are taken back. ``open``: the watermark is as many rows behind as the state is large.
    ``grows``: what comes is kept for good, so that keys are for the size at the end.
    """

    runs: str
    query: str
    per_key: int = 1
    key: str = "BIGINT"
    changing: bool = False
    open: bool = False
    grows: bool = False
    size_max: int = 1 << 40


PER_WINDOW = "FROM TABLE({0}(TABLE a, DESCRIPTOR(ts), {1})) GROUP BY k, window_start, window_end"
IN_WINDOWS = "TABLE(TUMBLE(TABLE {0}, DESCRIPTOR({1}), INTERVAL '10' SECOND))"
RANKED = "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY {}) AS n FROM a)"
OVER = "SELECT k, SUM(v) OVER (PARTITION BY k ORDER BY ts {}) AS s, ts FROM a"
JOINED = "SELECT k, v, w FROM a {} JOIN b ON k = k2"
EACH = "SELECT k, v FROM a WHERE k {} (SELECT k2 FROM b)"
STEPS: dict[str, Step] = {
    "join inner": Step("Join", JOINED.format(""), grows=True),
    "join inner, text key": Step("Join", JOINED.format(""), key="STRING", grows=True),
    "join inner, changing": Step("Join", JOINED.format(""), changing=True),
    "join full, changing": Step("Join", JOINED.format("FULL"), changing=True),
    "join semi, changing": Step("Join", EACH.format("IN"), changing=True),
    "join anti, changing": Step(
        "Join",
        "SELECT k, v FROM a WHERE NOT EXISTS (SELECT * FROM b WHERE k2 = k)",
        changing=True,
    ),
    "intersect, changing": Step(
        "SetOperation", "SELECT k, v FROM a INTERSECT SELECT k, v FROM a2", changing=True
    ),
    "join as of": Step(
        "TemporalJoin",
        "SELECT k, v, w FROM a JOIN newest FOR SYSTEM_TIME AS OF a.ts ON k = k2",
    ),
    "interval join": Step(
        "IntervalJoin",
        "SELECT k, v, w FROM a JOIN b "
        "ON k = k2 AND ts2 BETWEEN ts - INTERVAL '{size}' SECOND(10, 3) AND ts",
    ),
    "window join": Step(
        "WindowJoin",
        f"SELECT x.k, x.v, y.w FROM (SELECT * FROM {IN_WINDOWS.format('a', 'ts')}) AS x "
        f"JOIN (SELECT * FROM {IN_WINDOWS.format('b', 'ts2')}) AS y ON x.k = y.k2 "
        "AND x.window_start = y.window_start AND x.window_end = y.window_end",
        open=True,
    ),
    "lookup, cached": Step(
        "LookupJoin",
        "SELECT k, x FROM (SELECT *, PROCTIME() AS p FROM a) AS a "
        "JOIN asked FOR SYSTEM_TIME AS OF p ON k = id",
    ),
    "lookup, held whole": Step(
        "LookupJoin",
        "SELECT k, x FROM (SELECT *, PROCTIME() AS p FROM a) AS a "
        "JOIN held FOR SYSTEM_TIME AS OF p ON k = id",
    ),
    "normalize": Step("Normalize", "SELECT w, COUNT(*) FROM newest GROUP BY w"),
    "count, changing": Step("Aggregate", "SELECT k, COUNT(*) FROM a GROUP BY k", changing=True),
    "distinct, changing": Step(
        "Aggregate", "SELECT k, COUNT(DISTINCT v) FROM a GROUP BY k", per_key=4, changing=True
    ),
    "min, max, changing": Step(
        "Aggregate", "SELECT k, MIN(v), MAX(v) FROM a GROUP BY k", per_key=4, changing=True
    ),
    "tumble": Step(
        "WindowAggregate",
        "SELECT k, COUNT(*), SUM(v), MAX(v) " + PER_WINDOW.format("TUMBLE", "INTERVAL '10' SECOND"),
        open=True,
    ),
    "tumble, one window": Step(
        "WindowAggregate",
        "SELECT k, COUNT(*), SUM(v), MAX(v) " + PER_WINDOW.format("TUMBLE", "INTERVAL '9' DAY"),
    ),
    "hop": Step(
        "WindowAggregate",
        "SELECT k, COUNT(*), SUM(v), MAX(v) "
        + PER_WINDOW.format("HOP", "INTERVAL '2' SECOND, INTERVAL '6' SECOND"),
        open=True,
    ),
    "session": Step(
        "WindowAggregate",
        "SELECT k, COUNT(*), SUM(v) FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), "
        "INTERVAL '{size}' SECOND(10, 3))) GROUP BY k, window_start, window_end",
    ),
    "top 1": Step("Rank", RANKED.format("r DESC") + " WHERE n = 1"),
    "newest row": Step("Rank", RANKED.format("ts DESC") + " WHERE n = 1"),
    "top 10": Step("Rank", RANKED.format("r DESC") + " WHERE n <= 10", per_key=10),
    "top 3, changing": Step(
        "Rank", RANKED.format("r DESC") + " WHERE n <= 3", per_key=4, changing=True
    ),
    "over, rows": Step("Over", OVER.format("ROWS BETWEEN 3 PRECEDING AND CURRENT ROW"), per_key=4),
    "over, range": Step(
        "Over",
        OVER.format("RANGE BETWEEN INTERVAL '{size}' SECOND(10, 3) PRECEDING AND CURRENT ROW"),
        per_key=4,
    ),
    "over, all before": Step("Over", OVER.format("RANGE UNBOUNDED PRECEDING")),
    "match": Step(
        "Match",
        "SELECT * FROM a MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.v AS low, B.v AS "
        "high PATTERN (A B) DEFINE A AS A.v < 500000, B AS B.v >= 500000) AS m",
    ),
    "match, runs": Step(
        "Match",
        "SELECT * FROM a MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.v AS low, "
        "COUNT(B.v) AS n PATTERN (A B* C) DEFINE B AS B.v >= LAST(B.v, 1) OR LAST(B.v, 1) IS NULL,"
        " C AS C.v < A.v) AS m",
    ),
    "process function": Step(
        "Process", "SELECT * FROM counted(TABLE a PARTITION BY k)", size_max=1_000_000
    ),
}


def mixed(numbers: np.ndarray, port: int) -> np.ndarray:
    """Return a number's random bits (splitmix64): keys are met in no order that memory likes."""
    z = (numbers.astype(np.uint64) * 2 + port + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(2)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a step at one size; row ``n`` has the time n ms."""

    step: Step
    size: int
    schemas: tuple[Schema, ...]
    changes: tuple[bool, ...]
    orders: np.ndarray
    """Of the keys, by side: one order and another."""

    def frame(self, port: int, numbers: np.ndarray) -> pl.DataFrame:
        """Return rows by their numbers."""
        kinds = polars_schema(self.schemas[port])
        return pl.DataFrame(
            [pl.Series(n, self._cells(n, numbers)).cast(kind) for n, kind in kinds.items()]
        )

    def _cells(self, name: str, numbers: np.ndarray) -> np.ndarray:
        if name.startswith("k"):
            return self._keys(1 if name.startswith("k2") else 0, numbers)
        if name.startswith("window"):
            start = numbers // WINDOW_MS * WINDOW_MS
            return start + WINDOW_MS * ("end" in name)
        if name.startswith(("v", "w")):
            return mixed(numbers, 2) % VALUES
        if name == "r":
            return np.where(mixed(numbers, 3) % 2 == 0, numbers, -numbers)
        assert name.startswith(("ts", "p")), f"{name} is no column of ours"
        return numbers

    def _keys(self, side: int, numbers: np.ndarray) -> np.ndarray:
        """Return keys such that a batch has as many different ones whatever the size.

        Half a batch has ``per_key`` rows of each of its keys. So many of these blocks meet every
        key once; then they are met again in another order, never those that are taken back.
        """
        per_block = BLOCK // self.step.per_key
        index = numbers // BLOCK * per_block + numbers % BLOCK % per_block
        keys = self.size // self.step.per_key
        found: np.ndarray = self.orders[side, index // keys % 2, index % keys]
        return found

    def fill(self) -> Iterator[tuple[int, Batch]]:
        """Give the first ``size`` rows of every input."""
        for start in range(0, self.size, FILL_ROWS):
            numbers = np.arange(start, min(self.size, start + FILL_ROWS))
            for port in range(len(self.schemas)):
                ops = np.zeros(numbers.size, dtype=np.int8)
                yield port, self._batch(port, numbers, ops, self._mark(port, numbers))

    @property
    def turns(self) -> int:
        """How many rounds are measured with one state: it does not become twice as large."""
        return min(MEASURED, max(1, self.size // ROWS)) if self.step.grows else MEASURED

    def rounds(self) -> Iterator[list[tuple[int, Batch]]]:
        """Give a batch to each input, again and again."""
        added = BLOCK if self.step.changing else ROWS
        for turn in range(self.turns):
            new = np.arange(added) + self.size + turn * added
            ops = np.zeros(ROWS, dtype=np.int8)
            numbers = new
            if self.step.changing:
                numbers = np.stack([new - self.size, new], axis=1).ravel()
                ops[0::2] = Op.DELETE
            yield [
                (port, self._batch(port, numbers, ops, self._mark(port, new)))
                for port in range(len(self.schemas))
            ]

    def _mark(self, port: int, new: np.ndarray) -> int:
        """Return the mark behind a batch: the least of all inputs'."""
        last = new[-1] if port == len(self.schemas) - 1 else new[0] - 1
        return int(last) - 1 - self.step.open * self.size

    def _batch(self, port: int, numbers: np.ndarray, ops: np.ndarray, mark_ms: int) -> Batch:
        frame = self.frame(port, numbers)
        if self.step.changing:
            frame = frame.with_columns(pl.Series(OP, ops))
        elif self.changes[port]:
            frame = frame.with_columns(pl.lit(int(Op.UPDATE_AFTER), dtype=pl.Int8).alias(OP))
        return Batch(frame, mark_ms)


def orders(keys: int) -> np.ndarray:
    """Return, for two sides, the keys in two orders whose first halves have no key in common."""
    chance = np.random.default_rng(keys)
    made = np.empty((2, 2, keys), dtype=np.int64)
    for side in range(2):
        one = chance.permutation(keys)
        halves = one[keys // 2 :], one[: keys // 2]
        made[side] = one, np.concatenate([chance.permutation(half) for half in halves])
    return made


class Running:
    """The operator of a step, and what answers it."""

    def __init__(self, step: Step, size: int, database: Path) -> None:
        self.operator, node, changes = lowered(step, size, database)
        schemas = tuple(i.schema for i in node.inputs)
        self.rows = Rows(step, size, schemas, changes, orders(size // step.per_key))
        self._resolver: Resolver | None = None
        if isinstance(self.operator, Asking):
            self._resolver = self.operator.resolver()

    def take(self, batch: Batch, port: int) -> int:
        """Let the operator do all it does for a batch; returns how many rows come out."""
        given = [self.operator.on_batch(batch, port)]
        if isinstance(self.operator, Asking) and self._resolver is not None:
            for ask in self.operator.asks():
                reply = self._resolver.at_once(ask.payload, 0)
                if reply is None:
                    reply = self._resolver.answer(ask.payload, 0)
                given.append(self.operator.on_reply(ask.number, reply, 0))
        if batch.mark_ms is not None:
            given.append(self.operator.on_mark(batch.mark_ms))
        return sum(frame.height for outputs in given for frame in outputs.out)

    def close(self) -> None:
        if self._resolver is not None:
            self._resolver.close()


def lowered(step: Step, size: int, database: Path) -> tuple[Operator, Node, tuple[bool, ...]]:
    """Return the operator that is measured, its node, and which inputs change."""
    session = session_of({"counted": Counted})
    text = TABLES.format(key=step.key, database=database)
    text += step.query.format(size=f"{size / 1000:.3f}")
    (selected,) = (o for o in session.execute(text) if isinstance(o, Selected))
    columns = tuple(Physical(f.name, f.type) for f in selected.node.schema)
    sink = Write(input=selected.node, table=Table("out", columns, "memory"))

    def gives(table: Table) -> derive.Mode:
        if table.primary_key:
            return derive.Upsert(table.primary_key)
        return derive.Retract() if step.changing else derive.Append()

    tables = derive.Tables(gives=gives)
    plan = derive.complete(ids.assign(Plan((sink,))), tables)
    derived = derive.derive(rewrite(plan), tables)
    graph = lower(derived, Context(), seed=SEED)
    (found,) = (s for s in graph.steps if type(s.node).__name__ == step.runs)
    assert found.operator is not None, "the step runs"
    return found.operator, found.node, derived.changes_in(found.node)


def measure(step: Step, size: int, database: Path) -> tuple[list[float], int, Operator]:
    """Return the ms of each batch, how many rows come out of one, and what was measured."""
    spent: list[float] = []
    rows_out = batches_in = 0
    running = Running(step, size, database)
    while len(spent) < MEASURED:
        if spent:
            running = Running(step, size, database)
        for port, batch in running.rows.fill():
            running.take(batch, port)
        for batches in running.rows.rounds():
            began = time.process_time()
            rows_out += sum(running.take(batch, port) for port, batch in batches)
            spent.append((time.process_time() - began) * 1e3 / len(batches))
            batches_in += len(batches)
        running.close()
    return spent, rows_out // batches_in, running.operator


def asked(folder: Path, size: int) -> Path:
    """Return a database with a table that is looked up."""
    file = folder / f"{size}.db"
    if not file.exists():
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE asked (id INTEGER PRIMARY KEY, x INTEGER)")
            pairs = ((i, i) for i in range(size))
            connection.executemany("INSERT INTO asked VALUES (?, ?)", pairs)
        connection.close()
    return file


def told(name: str, step: Step, sizes: list[int], folder: Path) -> dict[int, dict[str, float]]:
    """Measure a step at each size: ms per batch (median, quartiles), rows out, state."""
    measure(step, ROWS, asked(folder, ROWS))  # compiles the kernels
    found: dict[int, dict[str, float]] = {}
    for size in sizes:
        if size > step.size_max:
            continue
        spent, out, operator = measure(step, size, asked(folder, size))
        low, middle, high = statistics.quantiles(spent, n=4)
        found[size] = {
            "ms": middle,
            "ms_low": low,
            "ms_high": high,
            "rows_out": out,
            "state_rows": operator.state_rows,
            "state_bytes": operator.state_bytes,
        }
        print(
            f"{name:<22} {size:>10,} {middle:>9.2f} {f'({low:.2f} - {high:.2f})':>16} {out:>9,}"
            f" {operator.state_rows:>11,} {operator.state_bytes / 1e6:>6.0f}",
            file=sys.stderr,
            flush=True,
        )
    return found


def main() -> int:
    given = argparse.ArgumentParser(description="Cost per batch as state grows.")
    given.add_argument("--only", help="steps whose name holds one of these, with commas between")
    given.add_argument("--sizes", default=",".join(map(str, SIZES)), help="rows of state")
    options = given.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    print(f"{ROWS:,} rows a batch; ms of processor time, median (quartiles)\n")
    print(
        f"{'step':<22} {'state':>10} {'ms/batch':>9} {'':>16} {'out/batch':>9} {'entries':>11}"
        f" {'MB':>6}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, step in STEPS.items():
            if options.only and not any(part in name for part in options.only.split(",")):
                continue
            told(name, step, sizes, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
