"""Small pipelines over scripted sources, for tests of what a run tells and is told."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from millstream.connect.memory import Collected
from millstream.expr.resolve import resolve
from millstream.expr.tree import AggCall, Column, Named
from millstream.plan.nodes import Node, Scan, WindowAggregate, Write
from millstream.plan.table import Physical, Table, Watermark
from millstream.plan.windows import Tumble
from millstream.ports import registry
from millstream.types import Schema
from tests.unit.engine.gated import Gated
from tests.unit.engine.scripted import Script

START = dt.datetime(2026, 1, 1)  # noqa: DTZ001 (event time has no zone)
START_MS = 1_767_225_600_000
EVENTS = Schema.of({"k": "STRING", "v": "INT", "ts": "TIMESTAMP(3)"})
PATIENCE_S = 60.0


def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the connectors of these tests known."""
    for name in ("scripted", "gated", "flaky"):
        monkeypatch.setitem(registry.CONNECTORS, name, f"tests.unit.engine.{name}")
    registry.connector.cache_clear()


def rows(*seconds: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "k": ["a"] * len(seconds),
            "v": range(len(seconds)),
            "ts": [START + dt.timedelta(seconds=s) for s in seconds],
        },
        schema={"k": pl.String, "v": pl.Int32, "ts": pl.Datetime("ms")},
    )


def events(script: Script, *, watermark: bool = True) -> Scan:
    mark = Watermark("ts", resolve(Column("ts"), EVENTS)) if watermark else None
    columns = tuple(Physical(f.name, f.type) for f in EVENTS)
    return Scan(table=Table("events", columns, "scripted", {"script": script}, mark))


def counts(scan: Node) -> WindowAggregate:
    count = Named("n", resolve(AggCall("COUNT", ()), EVENTS))
    return WindowAggregate(input=scan, window=Tumble(10_000), time="ts", keys=("k",), aggs=(count,))


def into(node: Node, name: str, target: Collected | Gated) -> Write:
    columns = tuple(Physical(f.name, f.type) for f in node.schema)
    of: dict[str, Any] = {"gated": target} if isinstance(target, Gated) else {"target": target}
    connector = "gated" if isinstance(target, Gated) else "memory"
    return Write(input=node, table=Table(name, columns, connector, of))


def until(true: Callable[[], Any]) -> None:
    """Poll for an event; a test that waits in vain fails instead of hanging."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
