"""Measures a pipeline: how much it can take, and how late its results are at a steady rate.

in      a job; rows at planned times in place of its sources (:mod:`planned_rows`)
out     a :class:`Measurement`: the most events a second, then per rate the percentiles of latency
method  The clock of an event starts at its *planned* time, whether the generator was late or the
        pipeline would not take it (no coordinated omission). It stops when all that follows from
        the event within its turn has been taken by the sinks: a filtered row when it is known to
        be gone, the row that closes a window when the window's last result is out. Each rate is a
        run of its own, its first part is not counted. A process beside it, which only sleeps a
        millisecond again and again, tells how late this machine is with anything
limits  sinks count and forget; answers from outside (lookups, async functions) are not waited for
bad     OptionError for a rate or a time that is too small to measure anything
source  Gil Tene, "How NOT to measure latency"
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from millstream.engine.analyzing import Analysis, Analyzed, Forgetting
from millstream.engine.assemble import Systems
from millstream.errors import OptionError
from millstream.frame.planned_rows import PlannedSource, Prepared, Start

if TYPE_CHECKING:
    import polars as pl

    from millstream.engine.taking import Turn
    from millstream.job import Job
    from millstream.plan.nodes import Scan
    from millstream.plan.table import Table
    from millstream.ports.connector import Delivered, Sink

PERCENTILES = (50.0, 99.0, 99.9, 99.99)
UNCOUNTED = 0.25
"""The part of a run before its figures count: kernels are loaded, caches are cold."""
SHARE_MAX = 0.8
"""The highest rate, as a part of the most that the pipeline can take."""
RATE_FIRST = 1_000
BEHIND_MS = 1_000.0
"""A run whose last events are later than this did not keep up with its rate."""
PROBE_S = 1.0
ROWS_MIN = 2
"""So many rows a source is due at least: of one, none would be counted."""

_STALLS = """
import json, sys, threading, time
late, on = [], True
def sleep():
    while on:
        began = time.perf_counter()
        time.sleep(0.001)
        late.append(time.perf_counter() - began - 0.001)
thread = threading.Thread(target=sleep)
thread.start()
print("ready", flush=True)
sys.stdin.read()
on = False
thread.join()
print(json.dumps(late))
"""


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in ms of so many events or samples."""

    events: int
    p50: float
    p99: float
    p999: float
    p9999: float
    max: float


@dataclass(frozen=True, slots=True)
class AtRate:
    """One steady rate.

    generator_late  of the rows handed over, how late against their plan; part of their latency
    stalls          of a process beside it that sleeps 1 ms again and again, how much too long
    kept_up         whether the last events were not late by more than a second
    """

    events_per_s: float
    seconds: float
    latency: Latency
    generator_late: Latency
    stalls: Latency
    kept_up: bool


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was found of one pipeline."""

    most_per_s: float
    slowest: str
    slowest_share: float
    memory_bytes_peak: int
    state_bytes: int
    rows_in: int
    rows_out: int
    rows_late: int
    rows_rejected: int
    rates: tuple[AtRate, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def latency_of(late_s: np.ndarray) -> Latency:
    """Return the percentiles of lengths of time, in ms: of those measured, never between two."""
    if not len(late_s):
        none = float("nan")
        return Latency(0, none, none, none, none, none)
    found = np.percentile(late_s * 1000, PERCENTILES, method="higher").tolist()
    p50, p99, p999, p9999 = found
    return Latency(len(late_s), p50, p99, p999, p9999, float(late_s.max() * 1000))


@contextmanager
def stalls() -> Iterator[list[Latency]]:
    """Let a process sleep a millisecond again and again; what it saw is in the list afterwards."""
    seen: list[Latency] = []
    argv = [sys.executable, "-c", _STALLS]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own text)
    try:
        assert child.stdout is not None, "it was asked for"
        child.stdout.readline()
        yield seen
        text, _ = child.communicate("", timeout=30)
        seen.append(latency_of(np.array(json.loads(text))))
    finally:
        child.kill()
        child.wait()


class _Stamping(Forgetting):
    """A sink that forgets, and knows when it had taken each frame."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.taken_at_s: list[float] = []

    def write(self, frame: pl.DataFrame) -> Delivered:
        delivered = super().write(frame)
        self.taken_at_s.append(time.perf_counter())
        return delivered


@dataclass
class _Turns:
    """What was noted after each turn."""

    scan: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    ended_at_s: list[float] = field(default_factory=list)
    given: list[tuple[int, ...]] = field(default_factory=list)
    """Frames given to each sink by then."""


class Measured:
    """One run at one rate; ``rate`` 0 = as fast as it can."""

    def __init__(self, job: Job, rows: dict[str, Prepared], rate: float, seconds: float) -> None:
        self.start = Start()
        self.rate = rate
        self._seconds = seconds
        self._sinks: list[_Stamping] = []
        self._sources: dict[str, PlannedSource] = {}
        self._rows = rows
        self._turns = _Turns()
        self._analyzed = Analyzed(job.derived, job.settings, Systems(self._source, self._sink))
        driver = self._analyzed.supervisor.driver
        self._workers = driver.parts.workers
        driver.on_turn = self._on_turn

    def run(self) -> Analysis:
        """Run it; the sources end by themselves where they have a rate."""
        return self._analyzed.run(self._seconds if not self.rate else None)

    def most_per_s(self) -> float:
        """Return the events taken a second, the first part of the run left out."""
        turns = self._turns
        ended, done = np.array(turns.ended_at_s), np.cumsum(turns.rows)
        if len(ended) < 2:
            return 0.0
        first = int(np.searchsorted(ended, ended[0] + (ended[-1] - ended[0]) * UNCOUNTED))
        first = min(first, len(ended) - 2)
        return float((done[-1] - done[first]) / (ended[-1] - ended[first]))

    def late_s(self) -> np.ndarray:
        """Return the latency of every event that counts, in the order they were done."""
        assert self.start.at_s is not None, "it has run"
        share = self.rate / len(self._sources)
        begun = dict.fromkeys(self._sources, 0)
        found: list[np.ndarray] = []
        for index, scan in enumerate(self._turns.scan):
            rows = self._turns.rows[index]
            planned = np.arange(begun[scan], begun[scan] + rows) / share
            begun[scan] += rows
            late = self._done_at_s(index) - self.start.at_s - planned
            found.append(late[planned >= self._seconds * UNCOUNTED])
        return np.concatenate(found) if found else np.empty(0)

    def generator_late_s(self) -> np.ndarray:
        """Return how late against the plan the rows were handed over, counted by row."""
        handed = [source.handed for source in self._sources.values()]
        return np.concatenate([np.repeat(h.late_s, h.rows) for h in handed])

    def _done_at_s(self, index: int) -> float:
        """Return when everything of a turn had been taken by the sinks."""
        done = self._turns.ended_at_s[index]
        for sink, given in zip(self._sinks, self._turns.given[index], strict=True):
            before = self._turns.given[index - 1] if index else (0,) * len(self._sinks)
            if given > before[self._sinks.index(sink)]:
                done = max(done, sink.taken_at_s[given - 1])
        return done

    def _source(self, scan: Scan) -> PlannedSource:
        count = len(self._rows)
        total = int(self.rate * self._seconds / count) if self.rate else None
        source = PlannedSource(self._rows[scan.uid], self.rate / count, total, self.start)
        self._sources[scan.uid] = source
        return source

    def _sink(self, table: Table, _updating: bool, _exactly_once: bool) -> Sink:
        self._sinks.append(_Stamping(table))
        return self._sinks[-1]

    def _on_turn(self, turn: Turn) -> None:
        if turn.scan is None or not turn.cuts:
            return
        self._turns.scan.append(turn.scan)
        self._turns.rows.append(sum(cut.documents for cut in turn.cuts))
        self._turns.ended_at_s.append(time.perf_counter())
        self._turns.given.append(tuple(worker.frames_given for worker in self._workers))


def measured(
    job: Job,
    rows: dict[str, Prepared],
    *,
    seconds: float,
    rates: Sequence[float] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Measurement:
    """Measure a job: first what it can take, then its latency at each rate."""
    assert rows, "a pipeline without a source cannot be given events"
    for rate in rates or ():
        if rate * seconds / len(rows) < ROWS_MIN:
            raise OptionError(
                f"At {rate:g} events a second, {seconds:g} s bring a source less than "
                f"{ROWS_MIN} rows.",
                hint="Ask for higher rates, or for more seconds.",
            )
    tell("warming up")
    Measured(job, rows, 0, PROBE_S).run()
    tell(f"as fast as it can, for {seconds:g} s")
    full = Measured(job, rows, 0, seconds)
    analysis, most = full.run(), full.most_per_s()
    if not most:
        raise OptionError(
            f"The pipeline took less than two batches in {seconds:g} s, so there is no rate.",
            hint="Ask for more seconds.",
        )
    found = []
    for rate in rates or usual_rates(most):
        tell(f"{rate:,.0f} events a second, for {seconds:g} s")
        found.append(at_rate(job, rows, rate, seconds))
    slowest = analysis.slowest
    busy_s = analysis.busy_s
    return Measurement(
        most_per_s=most,
        slowest="" if slowest is None else slowest.did.label.splitlines()[0],
        slowest_share=slowest.did.busy_s / busy_s if slowest is not None and busy_s else 0.0,
        memory_bytes_peak=memory_bytes_peak(),
        state_bytes=analysis.progress.state_bytes,
        rows_in=analysis.progress.rows_in,
        rows_out=analysis.progress.rows_out,
        rows_late=analysis.progress.rows_late,
        rows_rejected=analysis.progress.rows_rejected,
        rates=tuple(found),
    )


def at_rate(job: Job, rows: dict[str, Prepared], rate: float, seconds: float) -> AtRate:
    """Run a job at a steady rate."""
    run = Measured(job, rows, rate, seconds)
    with stalls() as beside:
        run.run()
    late_s = run.late_s()
    last = late_s[-max(1, len(late_s) // 10) :]
    return AtRate(
        events_per_s=rate,
        seconds=seconds,
        latency=latency_of(late_s),
        generator_late=latency_of(run.generator_late_s()),
        stalls=beside[0],
        kept_up=bool(len(last) and np.median(last) * 1000 <= BEHIND_MS),
    )


def usual_rates(most_per_s: float) -> list[float]:
    """Return 1 k/s, then about three steps to a decade, up to 80 % of what is possible.

    >>> [round(rate) for rate in usual_rates(100_000)]
    [1000, 10000, 40000, 80000]
    """
    top = most_per_s * SHARE_MAX
    if top <= RATE_FIRST:
        return [top]
    decades = accumulate([RATE_FIRST, *[10] * 6], lambda rate, by: rate * by)
    return [*(rate for rate in decades if rate < top / 2.5), top / 2, top]


def memory_bytes_peak() -> int:
    """Return the most memory this process has had."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
