"""The engine section: one checksum for all, and three engines that come to the same one."""

from __future__ import annotations

import sys

import polars as pl
import pytest
from benchmarks.engine import connector, events, in_duckdb, in_polars, ours, section
from benchmarks.engine.batch import result_of
from benchmarks.engine.fold import Fold
from benchmarks.harness.contract import Measured, Options, Outcome

from millstream.columns.changes import OP, Op

SCHEMA = {"k": pl.Int64(), "v": pl.Decimal(23, 3)}
ROWS = pl.DataFrame({"k": [1, 2, 2, 3], "v": ["0.5", "1", "1", None]}).cast(SCHEMA)
EVENTS = 20_000


def folded(*frames, schema=SCHEMA):
    fold = Fold(schema)
    for frame in frames:
        fold.add(frame)
    return fold.rows, fold.checksum


def test_neither_order_nor_batches_change_the_checksum():
    """Engines give their rows in any order and in any pieces."""
    assert folded(ROWS) == folded(ROWS.slice(2, 2), ROWS.slice(0, 2).reverse())


def test_any_value_changes_the_checksum():
    """Equal rows count as often as they are there; NULL is not a number."""
    others = [
        ROWS.slice(0, 3),
        ROWS.with_columns(pl.col("k").reverse()),
        ROWS.with_columns(pl.col("v").fill_null(0)),
        pl.concat([ROWS, ROWS.slice(1, 2)]),
    ]
    assert len({folded(ROWS), *map(folded, others)}) == 1 + len(others)


def test_a_folded_changelog_equals_its_table():
    """A streaming result is compared with a batch result by this alone."""
    old = ROWS.with_columns(pl.col("k") + 10)
    ops = [(old, Op.INSERT), (old, Op.UPDATE_BEFORE), (ROWS, Op.UPDATE_AFTER)]
    ops += [(old, Op.INSERT), (old, Op.DELETE)]
    frames = [f.with_columns(pl.lit(int(op), dtype=pl.Int8).alias(OP)) for f, op in ops]
    assert folded(pl.concat(frames)) == folded(ROWS)


def test_types_of_another_engine_are_brought_to_the_results():
    """DuckDB has other decimals and names than the sink's columns."""
    other = ROWS.select(pl.col("k").cast(pl.Int32).alias("a"), pl.col("v").cast(pl.Decimal(30, 3)))
    assert folded(other) == folded(ROWS)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Some events, made and read as the section does it."""
    kept = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "KEPT", kept)
        patch.setattr(events, "BATCH_ROWS", 7_000)
        patch.setattr(connector, "KEPT", kept)
        patch.setattr(sys, "path", list(sys.path))
        file = events.make(EVENTS, rate=1_000)
        assert events.make(EVENTS, rate=1_000) == file
        connector.install()
        yield events.load(file)


@pytest.mark.parametrize("query", [2, 17])
def test_three_engines_give_the_same_checksum(query, table, tmp_path):
    """If they did not on a small input, no figure of the section would mean anything."""
    found = ours.timed(query, table, f"q{query}", tmp_path)
    assert found["events"] == EVENTS
    assert found["seconds"] > 0
    assert found["notes"]["steps"]
    for prepare in (in_duckdb.prepare, in_polars.prepare):
        fold = Fold(result_of(query))
        prepare(query, table)(fold)
        assert (fold.rows, fold.checksum) == (found["rows"], found["checksum"])


def test_who_runs_is_a_function_of_the_options(monkeypatch):
    """Names, cores and what is not asked decide what the figures mean."""
    monkeypatch.setattr(section, "make_events", lambda count: count)
    made = section.contenders(Options(queries=(5, 10), events=1_000, peers=("duckdb", "polars")))
    assert [(c.case, c.name, len(c.cores)) for c in made if c.case.startswith("q5")] == [
        (f"q5{end}", name, cores)
        for end, cores in (("", 1), ("/2", min(2, cores_here())))
        for name in ("millstream", "duckdb", "polars")
    ]
    assert {c.name for c in made if c.case.startswith("q10")} == {"millstream"}
    profiled = section.contenders(Options(queries=(5,), profile=True))
    assert [c.name for c in profiled] == ["millstream"]
    assert "--profile" in profiled[0].argv


def cores_here() -> int:
    return len(section._last_cores(2))


def test_the_mean_leaves_out_what_the_issue_leaves_out(monkeypatch):
    """q0 would flatter us, and a query that was not run must not count as met."""
    monkeypatch.setattr(section, "make_events", lambda count: count)
    wanted = section.contenders(Options(queries=(0, 3, 5), events=1_000, cores=(1,)))
    seconds = {("q0", "duckdb"): 100.0, ("q3", "duckdb"): 1.0, ("q5", "duckdb"): 0.25}
    outcomes = [Outcome(contender=c, runs=(measured(seconds.get(c.key, 1.0)),)) for c in wanted]
    by_name = {t.name: t for t in section.targets(outcomes)}
    mean = by_name["geometric mean to DuckDB's batch speed (2 queries)"]
    assert (mean.found, mean.met) == ("0.50", True)
    assert by_name["q4 on one core"].met is None
    assert by_name["q3 on one core"].met is False
    assert "| one core | duckdb | 0.50 | 0.25 (q5) | 2 |" in section.text(outcomes)


def measured(seconds):
    return Measured(
        seconds=seconds, events=1_000, rows=1, checksum="a", wall_s=seconds, cpu_s=seconds,
        notes={"cpu_s": seconds, "steps": [["Scan", 1, 1, seconds]]}, memory_bytes_peak=1, load=0.0,
    )  # fmt: skip
