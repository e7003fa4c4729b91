"""Runs any pipeline under random cuts, crashes and restores, and compares.

in      a pipeline and the rows of its tables, which arrive in an order drawn from the seed
out     nothing: whatever the cuts and crashes, the outputs, the late and the rejected rows are
        those of the same arrivals in one piece
bad     AssertionError with the seed, the way it was cut, and the first difference
source  the law of SEMANTICS §1: results are a function of the arrivals, never of batches
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from millstream.errors import PlanError
from millstream.frame.rows import frame_of
from millstream.frame.sink import Sink
from millstream.frame.stream import Stream
from millstream.testing.compare import folded
from millstream.testing.trial import Trial

SEEDS = 50
RUNS_MAX = 6
"""Into how many runs the rows of each table are cut, to come between those of the others."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Rows of one table that come one after the other."""

    table: str
    rows: pl.DataFrame


def assert_crash_safe(
    pipeline: Stream | Sink | str | Path | Callable[[], Trial],
    rows: Any = None,
    *,
    seeds: int = SEEDS,
    settings: Mapping[str, Any] | None = None,
    **tables: Any,
) -> None:
    """Check that crashes and batch boundaries never show in what a pipeline gives.

    For each seed the tables' rows arrive in an order of their own (each table's rows in the order
    given); the pipeline takes them whole, then once more in random cuts with a crash and a restore
    after some of them. Functions that keep something outside their arguments, or that depend on
    where a batch ends, fail it.

    Args:
        pipeline: a stream, a sink, SQL (text or the path of a file), or a function that makes a
            fresh :class:`Trial` (for settings of its own, or lookups).
        rows: the rows of its only table, at least two: list of dicts or a Polars frame.
        seeds: how many orders and ways to cut are tried.
        settings: as in ``ms.run``.
        tables: the rows of each table by its name, where there are several.

    Raises:
        AssertionError: with the seed, the cuts and the first difference.
        PlanError: if rows do not fit a table.

    >>> import millstream as ms
    >>> from millstream.testing import assert_crash_safe
    >>> orders = ms.read_memory([{"k": "a", "v": 1}], name="orders")
    >>> totals = orders.group_by("k").agg(total=ms.col("v").sum())
    >>> assert_crash_safe(totals, [{"k": "a", "v": v} for v in range(20)], seeds=3)
    """
    fresh = _maker(pipeline, settings)
    given = _given(fresh(), rows, tables)
    for seed in range(seeds):
        chance = random.Random(seed)  # noqa: S311 (cutting rows needs no secret randomness)
        arrivals = _arrivals(given, chance)
        whole = fresh()
        for arrival in arrivals:
            whole.feed(arrival.rows, arrival.table)
        cut = fresh()
        cuts = [_feed_in_pieces(cut, arrival, chance) for arrival in arrivals]
        whole.finish()
        cut.finish()
        try:
            _compare(whole, cut)
        except AssertionError as error:
            way = "\n".join(f"  {a.table}: {c}" for a, c in zip(arrivals, cuts, strict=True))
            raise AssertionError(
                f"seed {seed}: cuts or crashes change what the pipeline gives.\n"
                f"cut into rows (! = a crash behind them):\n{way}\n{error}"
            ) from None


def _maker(pipeline: Any, settings: Mapping[str, Any] | None) -> Callable[[], Trial]:
    if isinstance(pipeline, Stream | Sink):
        return lambda: Trial(pipeline, settings=settings)
    if isinstance(pipeline, str | Path):
        return lambda: Trial.of_sql(pipeline, settings=settings)
    if settings is not None:
        raise PlanError("The trial has settings of its own.", hint="Give them where it is made.")
    made: Callable[[], Trial] = pipeline
    return made


def _given(trial: Trial, rows: Any, tables: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    named = dict(tables)
    if rows is not None:
        named[trial.table(None)] = rows
    if not named:
        raise PlanError("There are no rows to feed.", hint="Give rows, or those of each table.")
    frames = {name: frame_of(said, trial.columns(name)) for name, said in named.items()}
    if sum(frame.height for frame in frames.values()) < 2:
        raise PlanError(
            "Less than two rows cannot be cut.", hint="Give as many as cover what can happen."
        )
    return frames


def _arrivals(given: Mapping[str, pl.DataFrame], chance: random.Random) -> list[Arrival]:
    """Return runs of rows, those of one table in their order, the tables mixed."""
    runs: list[list[Arrival]] = []
    for name, frame in given.items():
        at = _cuts(frame.height, 1 if len(given) == 1 else RUNS_MAX, chance)
        runs.append([Arrival(name, frame[a:b]) for a, b in itertools.pairwise(at)])
    mixed: list[Arrival] = []
    while left := [run for run in runs if run]:
        mixed.append(chance.choice(left).pop(0))
    return mixed


def _feed_in_pieces(trial: Trial, arrival: Arrival, chance: random.Random) -> str:
    """Feed an arrival in pieces, with crashes; return how it was cut."""
    at = _cuts(arrival.rows.height, chance.choice((2, 8, arrival.rows.height)), chance)
    pieces: list[str] = []
    for start, end in itertools.pairwise(at):
        trial.feed(arrival.rows[start:end], arrival.table)
        crash = chance.random() < 0.5
        if crash:
            trial.crash()
        pieces.append(f"{end - start}{'!' if crash else ''}")
    return " ".join(pieces)


def _cuts(rows: int, pieces: int, chance: random.Random) -> list[int]:
    """Return bounds of at most so many pieces of at least a row each."""
    inner = chance.sample(range(1, rows), min(pieces, rows) - 1) if rows > 1 else []
    return sorted({0, rows, *inner})


def _compare(whole: Trial, cut: Trial) -> None:
    for name in whole.outputs:
        schema, key = whole.schema(name), whole.key(name)
        wanted = folded(whole.frames(name), schema, key, exact=True)
        found = folded(cut.frames(name), schema, key, exact=True)
        if wanted == found:
            continue
        more, less = found - wanted, wanted - found
        text = [
            f"output '{name}', of {wanted.total()} rows",
            *(f"  missing     {row}" for row in list(less.elements())[:5]),
            *(f"  unexpected  {row}" for row in list(more.elements())[:5]),
        ]
        raise AssertionError("\n".join(text))
    for what, left, right in (
        ("late", whole.late(), cut.late()),
        ("rejected", whole.rejected(), cut.rejected()),
    ):
        wanted_rows, found_rows = (Counter(map(repr, rows)) for rows in (left, right))
        assert wanted_rows == found_rows, (
            f"{what} rows differ: missing {list(wanted_rows - found_rows)[:5]}, "
            f"unexpected {list(found_rows - wanted_rows)[:5]}"
        )
