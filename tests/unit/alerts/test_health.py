"""Health alerts over looks at a job, with a clock that is a number."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

import millstream as ms
from millstream.connect.alert_channels import Channel
from millstream.connect.alert_values import Notification
from millstream.engine.progress import Progress, State
from millstream.errors import DataError
from millstream.serve.health import Health, Limits
from millstream.serve.hub import Held, Hub, Look
from millstream.settings import Settings

START_MS = 1_000_000
LIMITS = Limits(
    watermark_stalled_ms=10_000, lag_window_ms=5_000, lag_for_ms=3_000, lag_ms_min=10_000,
    rejected_for_ms=2_000, rejected_window_ms=5_000, memory_for_ms=2_000,
    checkpoints_failing_for_ms=2_000, restarts_window_ms=30_000,
)  # fmt: skip


class Kept(Channel):
    """A channel of a program's own."""

    name = "kept"

    def __init__(self) -> None:
        self.got: list[Notification] = []
        self.came = threading.Condition()

    def send(self, notification: Notification) -> None:
        with self.came:
            self.got.append(notification)
            self.came.notify_all()

    def until(self, count: int) -> list[tuple[str, str]]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.told) >= count, 30)
            return self.told

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(a.alert, a.state) for n in self.got for a in n.alerts]


@dataclass
class Watched:
    """A job whose looks a test says, one a second."""

    settings: Settings = field(default_factory=lambda: Settings(checkpoint_dir="somewhere"))
    at_ms: int = START_MS
    now: Progress = field(
        default_factory=lambda: Progress(
            0.0, 0, 0, 0, 0, 0.0, None, None, None, 0, 0, 1, 0, (), (), memory_limit=1_000
        )
    )

    def __post_init__(self) -> None:
        self.hub = Hub(clock_ms=lambda: self.at_ms)
        self.channel = Kept()
        self.health = Health(self.hub, [self.channel], LIMITS)
        job: Any = SimpleNamespace(settings=self.settings)
        running: Any = SimpleNamespace(progress=lambda: self.now, done=False)
        self.held = Held("j", job, running, START_MS)

    def look(self, seconds: int = 1, **changes: Any) -> None:
        """Let seconds pass; numbers given with ``+`` names grow each second."""
        for _ in range(seconds):
            grown = {n: (getattr(self.now, n) or 0) + v for n, v in changes.items() if _adds(v)}
            said = {n: v for n, v in changes.items() if not _adds(v)}
            self.now = replace(self.now, **grown, **said)
            self.at_ms += 1_000
            self.health.on_look(self.held, Look(self.at_ms, self.now, None))

    @property
    def active(self) -> dict[str, str]:
        return {info.alert: info.state for info in self.health.book.active()}


class Add(int):
    """So much more each second."""


def _adds(value: object) -> bool:
    return isinstance(value, Add)


def test_a_watermark_that_stands_still_while_rows_come() -> None:
    """Rows of one split that hold all windows back are found; a quiet night is none."""
    job = Watched()
    with job.health:
        job.look(5, watermark_ms=5, rows_in=Add(10))
        job.look(4, rows_in=Add(10))
        assert job.active == {}
        job.look(6, rows_in=Add(10))
        assert job.active == {"watermark_stalled": "firing"}
        job.look(1, watermark_ms=6)
        assert job.active == {}
        job.look(60)
        assert job.active == {}
        assert job.channel.until(2) == [
            ("watermark_stalled", "firing"), ("watermark_stalled", "resolved"),
        ]  # fmt: skip


def test_lag_that_grows_and_no_other() -> None:
    """A large lag that shrinks is a job that catches up."""
    job = Watched()
    with job.health:
        job.look(20, lag_ms=Add(-500), watermark_ms=Add(1_500))
        job.look(1, lag_ms=90_000)
        job.look(20, lag_ms=Add(-500), watermark_ms=Add(1_500))
        assert job.active == {}
        job.look(4, lag_ms=Add(800), watermark_ms=Add(200))
        assert job.active == {"lag_growing": "pending"}
        job.look(4, lag_ms=Add(800), watermark_ms=Add(200))
        assert job.active == {"lag_growing": "firing"}


def test_checkpoints_that_fail_or_never_come() -> None:
    """What could be lost by a crash grows, and nobody would see it."""
    job = Watched()
    with job.health:
        job.look(4, checkpoint_failures=Add(1), rows_in=Add(1))
        assert job.active == {"checkpoints_failing": "firing"}
        job.look(1, epoch=2)
        assert job.active == {}
        job.look(75, rows_in=Add(1))
        assert job.active == {"checkpoints_missing": "firing"}
        job.look(1, epoch=3)
        assert job.active == {}


def test_rejected_rows_above_a_share() -> None:
    """A producer that changes its format is seen before anybody misses the rows."""
    job = Watched()
    with job.health:
        job.look(10, rows_in=Add(1_000), rows_rejected=Add(5))
        assert job.active == {}
        job.look(6, rows_in=Add(1_000), rows_rejected=Add(50))
        assert job.active == {"rows_rejected": "firing"}
        (info,) = job.health.book.active()
        assert info.labels == {"job": "j"}
        assert info.job is None
        job.look(10, rows_in=Add(1_000))
        assert job.active == {}


def test_memory_near_its_limit() -> None:
    """A moment near the limit is what the limit is for; a minute there is not."""
    job = Watched()
    with job.health:
        job.look(1, memory_bytes=950)
        assert job.active == {"memory_near_limit": "pending"}
        job.look(1, memory_bytes=100)
        assert job.active == {}
        job.look(3, memory_bytes=950)
        assert job.active == {"memory_near_limit": "firing"}


def test_restarts_and_the_end() -> None:
    """Whoever waits to be started again, or is too often, is told of; its end ends all."""
    job = Watched()
    with job.health:
        job.look(1, state=State.RESTARTING, last_failure="no route")
        assert job.active == {"job_restarting": "firing"}
        job.look(1, state=State.RUNNING, restarts=1)
        assert job.active == {}
        job.look(3, restarts=Add(1))
        assert job.active == {"job_restarting": "firing"}
        job.look(1, state=State.FAILED)
        assert job.active["job_failed"] == "firing"
        job.look(1, state=State.STOPPED)
        assert job.active == {}


def test_a_job_that_fails_in_a_hub() -> None:
    """The same with a real job: its last look tells, and what fails is named."""

    def broken(frame: Any) -> Any:
        raise ValueError("no such thing")

    numbers = ms.read_memory([{"x": 1}]).map_batches(broken, schema={"x": "BIGINT"})
    sink = numbers.write_blackhole()
    from millstream.job import Job
    from millstream.plan.nodes import Plan

    settings = Settings(pipeline_name="broken")
    job = Job(Plan((sink.node,)), replace(settings, on_reject=type(settings.on_reject)("fail")))
    channel = Kept()
    hub = Hub()
    with Health(hub, [channel]) as health, hub.looking():
        running = job.start()
        hub.add(job, running)
        with pytest.raises(DataError):
            running.wait(60)
        assert channel.until(1) == [("job_failed", "firing")]
        (info,) = health.book.active()
        assert info.severity == "critical"
        assert "no such thing" in info.summary
