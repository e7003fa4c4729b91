"""The Nexmark queries by hand: one batch, random cuts, crash and restore against Flink's answers.

:mod:`tests.connect.test_nexmark_queries` runs them as jobs. Here each query reads the same 100 000
events in cuts that no source would make, and goes on from a snapshot taken between two of them.
"""

from __future__ import annotations

import hashlib
import random
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.nexmark.flink import EVENTS, RATE
from benchmarks.nexmark.run import generator, script

import millstream as ms
from millstream.columns.changes import OP, Op
from millstream.connect.nexmark_values import TYPES
from millstream.engine.harness import Harness
from millstream.job import Job
from millstream.plan.derive import Derived
from millstream.plan.nodes import Plan
from millstream.ports.registry import source_for
from millstream.types import Schema
from tests.connect.contract import read, table_of
from tests.connect.test_nexmark_queries import FLINK

QUERIES = tuple(query for query in range(24) if query not in (10, 12))
"""q10 writes files, and the rows of q12 depend on the clock."""
CUTS = 24
TINY = 6
"""Batches of one to three events among them."""
CRASHES = 8
TURN_MS = 700
"""By the clock, from one batch to the next."""


@cache
def events() -> pl.DataFrame:
    """Return all events as their source gives them."""
    options = {"events.num": str(EVENTS), "first-event.rate": str(RATE)}
    source = source_for(table_of("nexmark", options, Schema.of(dict(TYPES))))
    return read(source.open("0", resume=None), max_rows=EVENTS).frame


def planned(query: int, folder: Path) -> Derived:
    """Return a query's plan as a job would run it."""
    source = generator(EVENTS, RATE)
    text = script(query, source=source, sink="'connector' = 'memory'", folder=folder)
    return Job(Plan(tuple(sink.node for sink in ms.script(text)))).derived


def places(seed: str, cuts: int, tiny: int = 0) -> list[int]:
    """Return where the events are cut: anywhere, and ``tiny`` times just behind another cut."""
    chance = random.Random(seed)
    found = {chance.randrange(1, EVENTS) for _ in range(cuts)}
    found |= {min(EVENTS - 1, at + chance.randint(1, 3)) for at in sorted(found)[:tiny]}
    return [0, *sorted(found), EVENTS]


def run(derived: Derived, at: list[int], *, crash: bool = False) -> pl.DataFrame:
    """Return the rows that stand in the end."""
    harness = Harness(derived, answers=not crash)
    for turn, (start, end) in enumerate(pairwise(at)):
        harness.feed("nexmark", events()[start:end], read_at_ms=turn * TURN_MS)
        if crash:
            # The crash comes between the questions to tables outside and their answers.
            harness = harness.restarted()
            harness.answer()
    harness.finish()
    harness.answer()
    assert not sum(frame.height for frame in harness.rejected)
    assert crash or not sum(step.count.rows_late for step in harness.graph.steps)
    (frames,) = harness.out.values()
    return folded(frames)


def folded(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the table that the changes stand for, in an order of its own."""
    names = [name for name in frames[0].columns if name != OP]
    if not any(OP in frame.columns for frame in frames):
        return pl.concat(frames).select(names).sort(names)
    whole = pl.concat(frames, how="diagonal")
    given = pl.col(OP).fill_null(int(Op.INSERT)).is_in([int(Op.INSERT), int(Op.UPDATE_AFTER)])
    count = pl.when(given).then(1).otherwise(-1).cum_sum()
    left = whole.group_by(names).agg(least=count.min(), last=count.last())
    assert (left["least"] >= 0).all(), "a row is taken back before it is given"
    standing = left.filter(pl.col("last") > 0)
    times = standing["last"].to_numpy()
    return standing.select(names)[np.repeat(np.arange(times.size), times)].sort(names)


def digest(rows: pl.DataFrame) -> tuple[int, str]:
    """Return what :func:`benchmarks.nexmark.flink.digest` returns, by columns."""
    cells = [
        pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.3f")
        if isinstance(kind, pl.Datetime)
        else pl.col(name).cast(pl.String)
        for name, kind in rows.schema.items()
    ]
    lines = rows.select(
        line=pl.concat_str([cell.fill_null("null") for cell in cells], separator="\x01")
    )["line"].sort()
    text = "\n".join(lines.to_list())
    return lines.len(), hashlib.sha256(text.encode()).hexdigest()[:32]


@pytest.mark.parametrize("query", QUERIES)
def test_no_cut_and_no_crash_shows_in_a_query(query: int, tmp_path: Path) -> None:
    """What a source's batches happen to be, and where a job goes on, is not part of an answer."""
    derived = planned(query, tmp_path)
    whole = run(derived, [0, EVENTS])
    assert whole.height
    if f"q{query}" in FLINK:
        assert digest(whole) == tuple(FLINK[f"q{query}"])
    cut = run(derived, places(f"cuts of q{query}", CUTS, TINY))
    assert cut.equals(whole), "random cuts"
    crashed = run(derived, places(f"crashes of q{query}", CRASHES), crash=True)
    assert crashed.equals(whole), "crash and restore after each of some cuts"


@pytest.mark.parametrize("crash", [False, True])
def test_windows_by_the_clock_lose_no_bid(tmp_path: Path, *, crash: bool) -> None:
    """The rows of q12 are those of the clock stamps; every bid is in one of its windows."""
    rows = run(planned(12, tmp_path), places("q12", CUTS, TINY), crash=crash)
    assert rows["bid_count"].sum() == EVENTS * 46 // 50
    assert rows["starttime"].n_unique() > 1
    assert rows.select((pl.col("endtime") - pl.col("starttime")).unique()).item() == timedelta(
        seconds=10
    )
