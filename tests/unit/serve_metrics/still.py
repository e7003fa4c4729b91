"""A job that stands still: the hub and its readers see the progress a test says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from millstream.engine.progress import (
    CheckpointProgress,
    Histogram,
    Progress,
    SinkProgress,
    SplitProgress,
    StepProgress,
)
from millstream.serve.hub import Hub
from millstream.settings import Settings

NOW_MS = 1_760_000_000_000


def progress(**values: Any) -> Progress:
    """Return a look at a job that reads, counts and writes."""
    steps = (
        StepProgress("scan", "Scan bids", 100, 90, 0, 10, 0.5, 0, 0, batches=4, kind="source",
                     bytes_in=2_000, watermark_ms=NOW_MS - 3_000),
        StepProgress("count", "Aggregate", 90, 5, 7, 0, 1.5, 640, 12, batches=4,
                     inputs=("scan",), watermark_ms=NOW_MS - 4_000),
        StepProgress("out", "Sink out", 5, 5, 0, 0, 0.25, 0, 0, batches=1, kind="sink",
                     inputs=("count",), bytes_out=80),
    )  # fmt: skip
    whole = Progress(
        elapsed_s=10.0, rows_in=100, rows_out=5, rows_late=7, rows_rejected=11, rows_per_s=10.0,
        watermark_ms=NOW_MS - 3_000, lag_ms=3_000, rows_waiting=40, state_bytes=640,
        state_rows=12, epoch=3, batches=4, steps=steps,
        sinks=(SinkProgress("out", 4, 1, exactly_once=True, bytes_queued=16, busy_s=0.125),),
        splits=(split("0"), split("1")),
        checkpoints=(CheckpointProgress(3, NOW_MS - 2_000, 250.0, 4_096),),
        latency=Histogram((0.01, 0.1), (60, 30, 10), 12.5),
        waited_s=2.0, memory_bytes=900, memory_limit=1_000, restarts=1, checkpoint_failures=2,
    )  # fmt: skip
    return replace(whole, **values)


def split(name: str, **values: Any) -> SplitProgress:
    """Return one split of the table ``bids``."""
    one = SplitProgress("scan", "bids", name, 50, 1_000, 20, NOW_MS - 3_000, NOW_MS - 1_000,
                        idle=False, ended=False)  # fmt: skip
    return replace(one, **values)


@dataclass
class Still:
    """What the hub takes for a running job; ``raises`` is raised when it is asked."""

    now: Progress = field(default_factory=progress)
    raises: Exception | None = None
    done: bool = False
    views: tuple[Any, ...] = ()
    alert_books: tuple[Any, ...] = ()

    def progress(self) -> Progress:
        if self.raises is not None:
            raise self.raises
        return self.now


def hub_of(checkpoint_dir: str | None = "ck", **jobs: Still) -> Hub:
    """Return a hub that holds these; its clock stands still."""
    hub = Hub(clock_ms=lambda: NOW_MS)
    for name, running in jobs.items():
        job: Any = SimpleNamespace(settings=Settings(checkpoint_dir=checkpoint_dir))
        hub.add(job, running, name)  # type: ignore[arg-type]
    return hub
