"""Runs a random query here and in DuckDB: ``python -m tests.oracle.random_runs SEED …``.

in      seeds
out     "" or what differs; the query as a case that can be pasted into a file
rules   results are folded and compared as multisets; whole, in random cuts, and with a crash
        and restore after each chunk
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import duckdb

from millstream.engine.harness import Harness
from millstream.testing.cases import Case
from millstream.testing.cells import comparable, show_cell
from millstream.testing.compare import folded
from millstream.testing.run_case import (
    RESULT,
    Mode,
    _check_same_bits,
    _run,
    modes,
    planned,
)
from millstream.types import Schema
from tests.oracle.random_queries import RandomQuery, random_query
from tests.oracle.random_tables import COLUMNS, RandomTable

MODES = ("one batch", "random cuts 0", "random cuts 1, crash after each")
Row = tuple[Any, ...]
_TYPES = {"STRING": "VARCHAR", "TIMESTAMP(3)": "TIMESTAMP"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed; ``rows`` are ours."""

    query: RandomQuery
    trouble: str
    schema: Schema | None = None
    rows: Counter[Row] | None = None
    skipped: bool = False


def run(seed: int) -> Outcome:
    """Run one seed in every mode and compare it with DuckDB's answer."""
    query = random_query(seed)
    try:
        wanted = of_duckdb(query)
    except duckdb.OutOfRangeException:
        return Outcome(query, "", skipped=True)  # it counts no overflow as a value
    case = query.case
    plan, tables, settings = planned(case)
    schema = plan.sinks[0].table.writable
    expected = Counter(
        tuple(comparable(v, f.type) for v, f in zip(row, schema, strict=True)) for row in wanted
    )
    first: Harness | None = None
    rows: Counter[Row] = Counter()
    for mode in chosen_modes(case):
        try:
            harness = _run(case, plan, tables, settings, mode)
            rows = folded(harness.out[RESULT], schema)
            assert rows == expected, _difference(rows, expected, schema)
            assert not harness.rejected, f"rejected: {harness.rejected}"
            first = first or harness
            _check_same_bits(plan, first, harness)
        except AssertionError as error:
            return Outcome(query, f"{mode.name}: {error}", schema, rows)
    return Outcome(query, "", schema, rows)


def ours(query: RandomQuery) -> tuple[Schema, Counter[Row]]:
    """Return our answer, in one batch."""
    case = query.case
    plan, tables, settings = planned(case)
    schema = plan.sinks[0].table.writable
    harness = _run(case, plan, tables, settings, chosen_modes(case)[0])
    return schema, folded(harness.out[RESULT], schema)


def chosen_modes(case: Case) -> list[Mode]:
    """Return the ways to run it."""
    return [mode for mode in modes(case.name) if mode.name in MODES]


def of_duckdb(query: RandomQuery) -> list[Row]:
    """Return DuckDB's answer."""
    with duckdb.connect() as connection:
        for table in query.tables:
            _create(connection, table)
        return connection.execute(query.text.duck).fetchall()


def _create(connection: duckdb.DuckDBPyConnection, table: RandomTable) -> None:
    columns = ", ".join(f"{name} {_TYPES.get(kind, kind)}" for name, kind in COLUMNS.items())
    connection.execute(f"CREATE TABLE {table.name} ({columns}, mark_ BIGINT)")
    marks = ", ".join("?" for _ in range(len(COLUMNS) + 1))
    for row, mark in zip(table.rows, table.marks_ms, strict=True):
        connection.execute(f"INSERT INTO {table.name} VALUES ({marks})", [*row, mark])


def _difference(rows: Counter[Row], expected: Counter[Row], schema: Schema) -> str:
    return (
        f"only DuckDB's: {_shown(expected - rows, schema)}; only ours: "
        f"{_shown(rows - expected, schema)}; {sum((rows & expected).values())} are the same"
    )


def _shown(rows: Counter[Row], schema: Schema) -> list[str]:
    return [
        ",".join(
            show_cell(v, f.type) if v != "NaN" else v for v, f in zip(row, schema, strict=True)
        )
        for row in rows.elements()
    ]


def case_text(query: RandomQuery) -> str:
    """Return the query as a case file without what it expects."""
    lines = [f"-- why     random query {query.seed}"]
    seen: set[str] = set()
    for fed in query.feed:
        table = query.case.inputs[fed.table]
        columns = ", ".join(f"{f.name} {f.type}" for f in table.schema)
        assert table.watermark is not None, "a random table has a time"
        said = f"{fed.table}: {columns}; watermark ts - {table.watermark[1]}"
        lines.append(f"-- input   {fed.table if fed.table in seen else said}")
        seen.add(fed.table)
        for row in fed.rows:
            cells = (show_cell(v, f.type) for v, f in zip(row, table.schema, strict=True))
            lines.append(f"--         {','.join(cells)}")
    return "\n".join([*lines, query.text.flink])


def main(seeds: list[str]) -> int:
    """Run seeds, or a range FROM..TO, and show what differs."""
    bad = skipped = total = 0
    for said in seeds:
        low, _, high = said.partition("..")
        for seed in range(int(low), int(high or low) + 1):
            outcome = run(seed)
            total += 1
            skipped += outcome.skipped
            if outcome.trouble or not high:
                print(case_text(outcome.query))
                print(f"-- DuckDB: {outcome.query.text.duck}")
            if outcome.trouble:
                bad += 1
                print(f"seed {seed}: {outcome.trouble}\n")
    print(f"{total} queries, {skipped} skipped, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
