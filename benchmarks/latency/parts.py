"""The generator and the watcher of a run over Kafka: starting, asking and ending them.

in      a broker, the topics that are written and the one that is read
out     what was sent and what has arrived; the figures of a steady rate
parts   processes of their own, each behind a pipe
bad     a part that gives no answer ends the run with SystemExit
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.latency import generator, watcher
from benchmarks.latency.events import Phase
from benchmarks.latency.judging import Results

from millstream.frame.measuring import AtRate, Latency, latency_of

ANSWER_S = 120.0
"""A part that is silent for so long is broken, not slow."""
BEGIN_AFTER_S = 0.05
END_S = 10.0
LIMITED_SHARE = 0.9
"""A generator that took so much of a burst's time was what limited it."""


@dataclass(frozen=True, slots=True)
class Done:
    """A phase that was sent."""

    phase: Phase
    begin_ns: int
    sent: generator.Sent


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends of what is measured."""

    generator: Any
    watcher: Any

    def prepare(self, phase: Phase) -> None:
        """Let the generator make the documents of a phase."""
        self.generator.send(phase)
        _answer(self.generator)

    def send(self, phase: Phase) -> Done:
        """Send a phase that is prepared; return when the broker has acknowledged it."""
        begin_ns = time.monotonic_ns() + int(BEGIN_AFTER_S * 1e9)
        self.generator.send(begin_ns)
        sent = _answer(self.generator, phase.seconds + 2 * generator.FLUSH_S)
        return Done(phase, begin_ns, sent)

    def count(self) -> int:
        """Return how many results have arrived since they were last taken."""
        self.watcher.send(watcher.COUNT)
        return int(_answer(self.watcher))

    def take(self) -> Results:
        """Let the watcher decode what has arrived, and hand it over."""
        self.watcher.send(watcher.TAKE)
        return Results(*_answer(self.watcher))


@contextmanager
def ends_of(
    address: str, read: tuple[str, ...], write: str, *, closes: bool, committed: bool
) -> Iterator[Ends]:
    """Start both processes; they end with this.

    The generator writes what the pipeline is to ``read``, with a document at the end of a phase
    that ``closes`` its windows; the watcher reads what it is to ``write``, the ``committed`` part.
    """
    spawn = multiprocessing.get_context("spawn")
    (mine, theirs), (ours, its) = spawn.Pipe(), spawn.Pipe()
    parts = [
        spawn.Process(
            target=generator.serve, args=(theirs, address, read),
            kwargs={"closes": closes}, daemon=True,
        ),
        spawn.Process(
            target=watcher.serve, args=(its, address, write),
            kwargs={"committed": committed}, daemon=True,
        ),
    ]  # fmt: skip
    try:
        for part in parts:
            part.start()
        _answer(ours)
        yield Ends(mine, ours)
        mine.send(None)
        ours.send(watcher.END)
        for part in parts:
            part.join(END_S)
    finally:
        for part in parts:
            if part.is_alive():
                part.terminate()


def figures(
    rate: float, seconds: float, done: Done, late_s: np.ndarray, stalled: Latency, *, kept_up: bool
) -> AtRate:
    """Return what is said of one steady rate."""
    return AtRate(
        events_per_s=rate,
        seconds=seconds,
        latency=latency_of(late_s),
        generator_late=latency_of(done.sent.late_s),
        stalls=stalled,
        kept_up=kept_up,
    )


def generator_limits(done: Done, took_s: float) -> bool:
    """Tell whether the generator limited a burst whose last result came after so long."""
    return done.sent.seconds >= LIMITED_SHARE * took_s


def _answer(pipe: Any, limit_s: float = ANSWER_S) -> Any:
    """Return what a part says next."""
    if not pipe.poll(limit_s):
        raise SystemExit("a part of the benchmark gave no answer")
    return pipe.recv()
