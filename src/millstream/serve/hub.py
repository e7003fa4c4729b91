"""The jobs of this process under one roof: looked at once a second, listed, told to stop.

in      running jobs
state   per job the newest looks and what was made of them (:mod:`millstream.serve.history`)
out     looks and histories for whoever shows them; every look is also given to the listeners
threads the hub looks in a thread of its own; everything else may be called from any thread
bad     a listener that raises is logged and asked again next time
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream.errors import PlanError, UnknownName
from millstream.serve.history import History

if TYPE_CHECKING:
    from millstream.connect.live_view import LiveView
    from millstream.engine.progress import Progress
    from millstream.job import Job, Running

LOG = logging.getLogger("millstream")
LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """How a job stood at one moment, and at the one before."""

    at_ms: int
    now: Progress
    before: Progress | None


@dataclass
class Held:
    """A job under the hub's eye."""

    name: str
    job: Job
    running: Running
    started_at_ms: int
    history: History = field(default_factory=History)
    ended_at_ms: int | None = None
    again: Callable[[], Running] | None = None
    """Starts it once more after its end, where its checkpoint left off; None = not offered."""
    starting: threading.Lock = field(default_factory=threading.Lock)
    """Held by who starts it again: two who ask at a time get one job."""
    _last: Look | None = None

    def look(self, at_ms: int) -> Look:
        """Take a look, and keep it."""
        is_over = self.running.done  # asked first: the look after the end is the last one
        now = self.running.progress()
        self._last = Look(at_ms, now, None if self._last is None else self._last.now)
        if is_over and self.ended_at_ms is None:
            self.ended_at_ms = at_ms
        self.history.add(self._last)
        return self._last

    @property
    def last(self) -> Look:
        """The newest look; there is always one."""
        assert self._last is not None, "a job is looked at when it is added"
        return self._last

    @property
    def can_be_started_again(self) -> bool:
        """Whether it has ended, and that is offered."""
        return self.again is not None and self.running.done


Listener = Callable[[Held, Look], None]


class Hub:
    """All jobs of a server."""

    def __init__(
        self,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        *,
        jobs_due: int = 0,
    ) -> None:
        self.clock_ms = clock_ms
        self.jobs_due = jobs_due
        """So many jobs are still to come; until then the server is not ready."""
        self._jobs: dict[str, Held] = {}
        self._listeners: list[Listener] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def jobs(self) -> Mapping[str, Held]:
        """The jobs by name, in the order in which they were added."""
        return dict(self._jobs)

    def add(
        self,
        job: Job,
        running: Running,
        name: str | None = None,
        again: Callable[[], Running] | None = None,
    ) -> Held:
        """Take a running job in; raises PlanError where another one has its name."""
        named = name or job.settings.pipeline_name
        with self._lock:
            if named in self._jobs and not self._jobs[named].running.done:
                raise PlanError(
                    f"Two jobs are called '{named}'.",
                    hint="Give each its own: SET 'pipeline.name' = '…'.",
                )
            held = Held(named, job, running, self.clock_ms(), again=again)
            held.look(held.started_at_ms)
            if named not in self._jobs:
                self.jobs_due = max(0, self.jobs_due - 1)
            self._jobs[named] = held
        return held

    def start_again(self, name: str) -> Held:
        """Start a job that has ended; raises PlanError where it runs or that is not offered."""
        held = self.held(name)
        with held.starting:
            newest = self.held(name)
            if newest is not held:
                return newest  # somebody else has started it meanwhile
            if held.again is None or not held.running.done:
                fact = "runs" if not held.running.done else "cannot be started from here"
                hint = "Start programs with 'millstream serve' to stop and resume them from here."
                raise PlanError(f"The job '{name}' {fact}.", hint=hint)
            return self.add(held.job, held.again(), name, held.again)

    def offer_no_more(self) -> None:
        """Start no job again from now on; one that is being started is waited for."""
        for name, held in self.jobs.items():
            with held.starting:
                self.held(name).again = None

    def held(self, name: str) -> Held:
        """Return a job; raises UnknownName with the names there are."""
        if name not in self._jobs:
            raise UnknownName("job", name, available=self._jobs)
        return self._jobs[name]

    def views(self) -> dict[str, tuple[str, LiveView]]:
        """Return all views, each with its job's name; one that two jobs have is ``job.view``."""
        found: dict[str, tuple[str, LiveView]] = {}
        for job, held in self.jobs.items():
            for view in held.running.views:
                name = view.name if view.name not in found else f"{job}.{view.name}"
                found[name] = (job, view)
        return found

    def view(self, name: str) -> tuple[str, LiveView]:
        """Return a view and its job's name; raises UnknownName with the names there are."""
        found = self.views()
        if name not in found:
            raise UnknownName("view", name, available=found)
        return found[name]

    def on_look(self, listener: Listener) -> None:
        """Have a function called with every look, in the hub's thread."""
        self._listeners.append(listener)

    def look(self) -> None:
        """Take a look at every job now; done once a second by the hub's own thread."""
        at_ms = self.clock_ms()
        for held in self.jobs.values():
            if held.ended_at_ms is not None:
                continue
            try:  # one that cannot be looked at must not hide the others
                look = held.look(at_ms)
            except Exception:
                LOG.exception("Looking at job '%s' failed.", held.name)
                continue
            for listener in self._listeners:
                try:
                    listener(held, look)
                except Exception:
                    LOG.exception("Telling of job '%s' failed.", held.name)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look once a second for as long as this lasts."""
        self._over.clear()
        self._thread = threading.Thread(target=self._run, name="millstream-looks", daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self.look()
