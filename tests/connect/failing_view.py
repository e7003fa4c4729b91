"""A view of a job whose source fails twice, after a checkpoint has rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

import millstream as ms
from millstream.frame.live_views import said_of_view, viewed
from millstream.frame.stream import Stream
from millstream.job import Job
from millstream.plan.nodes import Plan, Scan
from millstream.plan.table import Physical, Table
from millstream.ports import registry
from millstream.settings import Settings
from millstream.types import BigInt
from tests.unit.engine.flaky import Flaky

if TYPE_CHECKING:
    from pathlib import Path

    from millstream.frame.live_views import Viewed
    from millstream.job import Running

ROWS = 200


def failing_view(
    sql: str, folder: Path, monkeypatch: Any, running: list[Running], interval_ms: int
) -> tuple[Viewed, Job]:
    """Return the view of a query over ``t (k BIGINT)``, and its job; append it when it runs."""
    monkeypatch.setitem(registry.CONNECTORS, "flaky", "tests.unit.engine.flaky")
    registry.connector.cache_clear()
    flaky = Flaky(
        pl.DataFrame({"k": [i % 7 for i in range(ROWS)]}, schema={"k": pl.Int64}),
        [(120, OSError("gone")), (180, OSError("gone again"))],
        until=lambda: any(job.progress().epoch for job in running),  # a checkpoint has rows
    )
    table = Table("numbers", (Physical("k", BigInt()),), "flaky", {"flaky": flaky})
    node = ms.sql(sql, t=Stream(Scan(table=table))).node
    sink = viewed(node, "counts", said_of_view(node, "counts"))
    settings = Settings(
        checkpoint_dir=str(folder),
        checkpoint_interval_ms=interval_ms,
        restart_backoff_initial_ms=20,
        restart_backoff_max_ms=20,
    )
    return sink, Job(Plan((sink.node,)), settings)
