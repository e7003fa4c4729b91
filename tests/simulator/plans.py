"""The pipelines that are simulated, and their input, drawn from a seed."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from functools import cache

import polars as pl

from millstream.job import Job
from millstream.plan.derive import Derived
from millstream.plan.nodes import Plan, Write
from millstream.ports import registry
from millstream.settings import Settings
from millstream.sql.script import Inserted, Session
from tests.simulator.systems import Topic

CONNECTORS = {
    "simulated": "systems",
    "simulated-upserts": "upserts",
    "simulated-deciding": "deciding",
}
START = dt.datetime(2026, 1, 1)  # noqa: DTZ001 (event time has no zone)
DELAY_S = 5
"""Watermarks stay so far behind; rows of a split are out of order by less."""


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """One plan: its SQL after the sources, and how its sinks are judged.

    sinks  name → (columns, connector, options), judged by ``keys`` where rows are changes
    """

    name: str
    sources: tuple[str, ...]
    sinks: dict[str, tuple[str, str, str]]
    sql: str
    keys: int = 0
    at_least_once: tuple[str, ...] = ()


def _appended(columns: str, options: str = "") -> tuple[str, str, str]:
    return columns, "simulated", options


PIPELINES = (
    Pipeline(
        "filter",
        ("events",),
        {"out": _appended("k STRING, v INT")},
        "INSERT INTO out SELECT k, v FROM events WHERE MOD(v, 3) <> 0",
    ),
    Pipeline(
        "tumble",
        ("events",),
        {"out": _appended("s TIMESTAMP(3), k STRING, n BIGINT, t BIGINT")},
        """INSERT INTO out SELECT window_start, k, COUNT(*), SUM(CAST(v AS BIGINT))
        FROM TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)
        GROUP BY window_start, window_end, k""",
    ),
    Pipeline(
        "group",
        ("events",),
        {
            "out": (
                "k STRING, n BIGINT, t BIGINT, PRIMARY KEY (k) NOT ENFORCED",
                "simulated-upserts",
                "",
            )
        },
        "INSERT INTO out SELECT k, COUNT(*), SUM(CAST(v AS BIGINT)) FROM events GROUP BY k",
        keys=1,
    ),
    Pipeline(
        "join",
        ("events", "others"),
        {"out": _appended("k STRING, a INT, b INT")},
        """INSERT INTO out SELECT e.k, e.v, o.v FROM events e JOIN others o ON e.k = o.k
        AND e.ts BETWEEN o.ts - INTERVAL '4' SECOND AND o.ts + INTERVAL '2' SECOND""",
    ),
    Pipeline(
        "session",
        ("events",),
        {"out": _appended("s TIMESTAMP(3), e TIMESTAMP(3), k STRING, n BIGINT")},
        """INSERT INTO out SELECT window_start, window_end, k, COUNT(*)
        FROM SESSION(TABLE events PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' SECOND)
        GROUP BY window_start, window_end, k""",
    ),
    Pipeline(
        "two sinks",
        ("events",),
        {
            "out": _appended("k STRING, v INT"),
            "sums": _appended("s TIMESTAMP(3), n BIGINT"),
            "raw": _appended("v INT", "'sink.delivery-guarantee' = 'at-least-once'"),
        },
        """EXECUTE STATEMENT SET BEGIN
        INSERT INTO out SELECT k, v FROM events WHERE v > 10;
        INSERT INTO sums SELECT window_start, COUNT(*)
        FROM TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '5' SECOND)
        GROUP BY window_start, window_end;
        INSERT INTO raw SELECT v FROM events;
        END""",
        at_least_once=("raw",),
    ),
)


@cache
def derived(pipeline: Pipeline, *, bounded: bool, kind: str, queue: bool) -> Derived:
    """Return the finished plan; shared by all seeds."""
    for name, module in CONNECTORS.items():
        registry.CONNECTORS[name] = f"tests.simulator.{module}"
    registry.connector.cache_clear()
    session = Session()
    for source in pipeline.sources:
        list(
            session.execute(
                f"CREATE TABLE {source} (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS"
                f" ts - INTERVAL '{DELAY_S}' SECOND) WITH ('connector' = 'simulated',"
                f" 'name' = '{source}', 'bounded' = '{str(bounded).lower()}',"
                f" 'queue' = '{str(queue).lower()}')"
            )
        )
    for sink, (columns, connector, options) in pipeline.sinks.items():
        more = f", {options}" if options else ""
        if kind == "deciding" and connector == "simulated":
            connector = "simulated-deciding"  # noqa: PLW2901
        list(
            session.execute(
                f"CREATE TABLE {sink} ({columns}) WITH ('connector' = '{connector}',"
                f" 'name' = '{sink}', 'kind' = '{kind}'{more})"
            )
        )
    sinks: list[Write] = []
    for outcome in session.execute(pipeline.sql):
        assert isinstance(outcome, Inserted), "a pipeline only inserts"
        sinks.extend(outcome.sinks)
    return Job(Plan(tuple(sinks)), Settings(checkpoint_dir="simulated://store")).derived


def topic(chance: random.Random, *, bounded: bool) -> Topic:
    """Return rows in one to three splits, out of order by less than the watermark's delay."""
    rows = chance.randint(30, 300)
    splits = chance.randint(1, 3)
    frames = {str(s): _frame(chance, rows // splits, 0.0) for s in range(splits)}
    if bounded or chance.random() < 0.6:
        return Topic(frames)
    # A split that appears while the pipeline runs: its rows are those of the second half.
    middle_s = max(30.0, rows / splits * 0.2 / 2)
    frames["late"] = _frame(chance, rows // (2 * splits), middle_s + DELAY_S)
    edge = START + dt.timedelta(seconds=middle_s)
    before = {}
    for name, frame in frames.items():
        before[name] = next((i for i, t in enumerate(frame["ts"]) if t >= edge), frame.height)
    before["late"] = frames["late"].height
    return Topic(frames, hidden="late", before=before)


def _frame(chance: random.Random, rows: int, from_s: float) -> pl.DataFrame:
    keys = chance.choice((3, 10, 40))
    seconds = sorted(from_s + chance.random() * max(60.0, rows * 0.2) for _ in range(rows))
    times = [s + chance.random() * (DELAY_S - 1) for s in seconds]
    return pl.DataFrame(
        {
            "k": [f"k{chance.randrange(keys)}" for _ in range(rows)],
            "v": [chance.randrange(1_000_000) for _ in range(rows)],
            "ts": [START + dt.timedelta(milliseconds=int(t * 1000)) for t in times],
        },
        schema={"k": pl.String, "v": pl.Int32, "ts": pl.Datetime("ms")},
    )
