"""The hub: what it keeps of jobs that end, start again, and come while somebody looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from millstream.engine.progress import Progress, State
from millstream.errors import PlanError
from millstream.job import Job, Running
from millstream.serve.facts import job_info
from millstream.serve.hub import Held, Hub
from millstream.settings import Settings
from tests.unit.serve_api.conftest import client_of

WAIT_S = 120.0


class Played:
    """A running job that does what a test says."""

    def __init__(self, at_look: Callable[[Played], None] = lambda _: None) -> None:
        self.done = False
        self.state = State.RUNNING
        self.rows_in = 0
        self.views: list[Any] = []
        self._at_look = at_look

    def progress(self) -> Progress:
        seen = replace(nothing(), state=self.state, rows_in=self.rows_in)
        self._at_look(self)
        return seen


def nothing() -> Progress:
    return Progress(
        elapsed_s=0.0, rows_in=0, rows_out=0, rows_late=0, rows_rejected=0, rows_per_s=0.0,
        watermark_ms=None, lag_ms=None, rows_waiting=None, state_bytes=0, state_rows=0, epoch=0,
        batches=0, steps=(), sinks=(),
    )  # fmt: skip


def job() -> Job:
    plan = SimpleNamespace(walk=lambda: ())
    return cast("Job", SimpleNamespace(settings=Settings(), bounded=False, plan=plan))


def added(hub: Hub, name: str, played: Played, again: Callable[[], Any] | None = None) -> Held:
    return hub.add(job(), cast("Running", played), name, again)


def test_the_last_look_is_of_the_end() -> None:
    """A job that fails between two glances of one look must not be remembered as running."""
    hub = Hub()

    def fails(played: Played) -> None:
        played.state, played.rows_in, played.done = State.FAILED, 7, True

    played = Played()
    held = added(hub, "a", played)
    played._at_look = fails
    hub.look()
    hub.look()
    assert held.last.now.state is State.FAILED
    assert held.last.now.rows_in == 7
    assert held.ended_at_ms is not None


def test_two_who_resume_at_once_start_one_job() -> None:
    """Two runs of one job would write the same results twice."""
    hub, starts = Hub(), []
    both = threading.Barrier(2)

    def again() -> Played:
        starts.append(1)
        threading.Event().wait(0.05)  # long enough for the other to come
        return Played()

    played = Played()
    added(hub, "a", played, again)
    played.done = True
    found: list[Held] = []

    def resume() -> None:
        both.wait()
        found.append(hub.start_again("a"))

    threads = [threading.Thread(target=resume) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(starts) == 1
    assert found == [hub.held("a")] * 2


def test_a_server_that_ends_starts_nothing() -> None:
    """A job that was resumed while the others end would be left behind."""
    hub, played = Hub(), Played()
    held = added(hub, "a", played, Played)
    assert not held.can_be_started_again
    played.done = True
    assert job_info(held).can_be_started_again
    hub.offer_no_more()
    assert not job_info(held).can_be_started_again
    with pytest.raises(PlanError, match="cannot be started"):
        hub.start_again("a")


def test_a_server_is_ready_with_its_jobs() -> None:
    """It listens first: who sends events while a job restores its state must come again."""
    hub = Hub(jobs_due=2)
    client = client_of(hub)
    played = Played()
    added(hub, "a", played)
    played.done, played.state = True, State.STOPPED
    added(hub, "a", Played())  # started again, no other one
    early = client.get("/readyz")
    assert (early.status_code, early.json()["reasons"]) == (503, ["jobs to be started: 1"])
    assert client.post("/v1/events/clicks", json={}).status_code == 503
    added(hub, "b", Played())
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/events/clicks", json={}).status_code == 404


def test_a_job_that_comes_while_views_are_listed() -> None:
    """The list is read by threads of requests, and a program starts one job after the other."""
    hub = Hub()

    class Adding(Played):
        @property
        def views(self) -> list[Any]:
            if len(hub.jobs) < 5:
                added(hub, f"more{len(hub.jobs)}", Played())
            return []

        @views.setter
        def views(self, _: list[Any]) -> None: ...

    added(hub, "a", Adding())
    assert hub.views() == {}
