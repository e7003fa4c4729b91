"""How long rows are on their way: from the reader until their results are with the sinks.

in      when each chunk was read (the reader's poll has returned it) and how many rows it has; when
        a turn ended and for which sinks it had rows; when a sink's call or an epoch was done
state   a histogram over the time since the start of the job, in rows; what is still on its way
out     :class:`~millstream.engine.progress.Histogram`, from any thread

What is measured of a chunk ends

* at least once: when the sink's ``write`` with what its turn gave has returned; with several sinks
  the last of them. What a sink keeps in a buffer of its own after that is not in it
* exactly once: when the epoch of its turn is with all sinks
* no rows for any sink: when its turn has ended. What a window keeps is not on its way: its result
  belongs to the chunk that moved the mark past it
* where steps ask the outside: nothing ends before all that was asked up to its turn is answered

After a failure, where rows are pushed one by one, at least once ends with the turn.

limits  each turn costs the same whatever rows it has: one entry a chunk. Of an epoch at most
        ``READS_MAX`` entries are kept: neighbours are put together then, at their mean time
bad     what is on its way when a run fails is not counted; read again it is measured anew
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from millstream.engine.graph import Graph
from millstream.engine.operator import Asking
from millstream.engine.progress import Histogram

BOUNDS_S = (
    0.0005, 0.00075, 0.001, 0.0015, 0.0025, 0.004, 0.006, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1,
    0.15, 0.25, 0.4, 0.6, 1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 15.0, 30.0, 60.0,
)  # fmt: skip
READS_MAX = 512


class Stopwatch:
    """Adds up the time in which it runs; one thread runs it, any may look."""

    __slots__ = ("_now",)

    def __init__(self, total_s: float = 0.0) -> None:
        self._now: tuple[float, float | None] = (total_s, None)
        """What was added up, and since when it runs: one value, so that nobody sees half."""

    @property
    def total_s(self) -> float:
        """The time so far, what runs now included."""
        total_s, since_s = self._now
        return total_s if since_s is None else total_s + time.perf_counter() - since_s

    def run(self, *, on: bool) -> None:
        """Start or stop it, or leave it as it is."""
        if on != (self._now[1] is not None):
            self._now = (self.total_s, time.perf_counter() if on else None)


class Reads:
    """Rows by the time they were read, in seconds of the machine's clock for durations."""

    __slots__ = ("at_s", "rows")

    def __init__(self) -> None:
        self.at_s: list[float] = []
        self.rows: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.rows)

    def add(self, at_s: float, rows: int) -> None:
        """Take note of a chunk; one without rows says nothing."""
        if rows:
            self.at_s.append(at_s)
            self.rows.append(rows)
            if len(self.rows) > READS_MAX:
                self._halve()

    def extend(self, other: Reads) -> None:
        """Take note of others, which were read later."""
        self.at_s += other.at_s
        self.rows += other.rows
        while len(self.rows) > READS_MAX:
            self._halve()

    def _halve(self) -> None:
        """Put neighbours together; the sum of all times stays."""
        at_s, rows = self.at_s, self.rows
        if len(rows) % 2:
            at_s.append(at_s[-1])
            rows.append(0)
        both = [a + b for a, b in zip(rows[::2], rows[1::2], strict=True)]
        # A loop over chunks, once in half as many of them as are kept.
        self.at_s = [
            (at_s[2 * i] * rows[2 * i] + at_s[2 * i + 1] * rows[2 * i + 1]) / whole
            for i, whole in enumerate(both)
        ]
        self.rows = both


class Trip:
    """What one turn read, while its results go to sinks that take them at least once."""

    __slots__ = ("_latency", "_left", "_reads")

    def __init__(self, latency: Latency, reads: Reads, left: int) -> None:
        self._latency, self._reads, self._left = latency, reads, left

    def arrived(self) -> None:
        """One of the sinks has taken its part; called by its worker."""
        with self._latency.lock:
            self._left -= 1
            if self._left == 0:
                self._latency.count(self._reads)


@dataclass(slots=True)
class _Waiting:
    """What was read in a turn behind which asks are open: up to which, at which asking step."""

    reads: Reads
    last: int
    step: int = 0


class Latency:
    """The times of one run; called by the compute thread except where it says otherwise."""

    def __init__(self, by_epoch: Sequence[bool], graph: Graph) -> None:
        """``by_epoch``: of each sink, in the plan's order."""
        self.lock = threading.Lock()
        self._by_epoch = by_epoch
        self._graph = graph
        self._askers = [i for i, s in enumerate(graph.steps) if isinstance(s.operator, Asking)]
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0
        self._waiting: deque[_Waiting] = deque()
        self._epoch = Reads()
        self._closed: dict[int, Reads] = {}

    def go_on_from(self, before: Latency) -> None:
        """Take over what earlier runs of this process have measured."""
        found = before.histogram()
        self._counts, self._sum_s = list(found.counts), found.sum_s

    def histogram(self) -> Histogram:
        """Return what was measured so far; may be called from any thread."""
        with self.lock:
            return Histogram(BOUNDS_S, tuple(self._counts), self._sum_s)

    def turned(self, reads: Reads) -> Reads | None:
        """A turn has read these; returns what is to leave with its results, see :meth:`leaves`."""
        if not self._askers:
            return reads
        asking = self._asking()
        if reads:
            self._waiting.append(_Waiting(reads, asking[0].asks_made))
        return self.answered()

    def answered(self) -> Reads | None:
        """Answers may have come; returns what waits for none any more."""
        if not self._waiting:
            return None
        asking, found = self._asking(), Reads()
        while self._waiting and _is_through(self._waiting[0], asking):
            found.extend(self._waiting.popleft().reads)
        return found

    def leaves(self, reads: Reads | None, sinks: Sequence[int]) -> Trip | None:
        """Rows go to these sinks with the results of a turn; one may be named several times.

        Returns what each of them tells of its arrival, None where nobody has to.
        """
        if not reads:
            return None
        if any(self._by_epoch[sink] for sink in sinks):
            self._epoch.extend(reads)
            return None
        if sinks:
            return Trip(self, reads, len(sinks))
        with self.lock:
            self.count(reads)
        return None

    def has_left(self, reads: Reads, sinks: Collection[int]) -> None:
        """Rows have gone to these sinks, piece by piece: the last one counts, or the epoch."""
        self.leaves(reads, [sink for sink in sinks if self._by_epoch[sink]])

    def close_epoch(self, number: int) -> None:
        """What has left for sinks that take epochs belongs to this one."""
        if self._epoch:
            self._closed[number], self._epoch = self._epoch, Reads()

    def epoch_arrived(self, number: int) -> None:
        """An epoch is with all sinks; called by whoever delivers it."""
        reads = self._closed.pop(number, None)
        if reads is not None:
            with self.lock:
                self.count(reads)

    def _asking(self) -> list[Asking]:
        """Return the steps that ask, in order; a failed batch puts others into their places."""
        found = [self._graph.steps[index].operator for index in self._askers]
        return [operator for operator in found if isinstance(operator, Asking)]

    def count(self, reads: Reads) -> None:
        """Put what has arrived now into the histogram; the caller has the lock."""
        now_s = time.perf_counter()
        for at_s, rows in zip(reads.at_s, reads.rows, strict=True):
            took_s = max(0.0, now_s - at_s)
            self._counts[bisect_left(BOUNDS_S, took_s)] += rows
            self._sum_s += took_s * rows


def _is_through(one: _Waiting, asking: Sequence[Asking]) -> bool:
    """Tell whether all was answered that was asked for these rows, at one step after the other.

    What a step asks for them is made at the latest when the step before it has all its answers.
    """
    while one.step < len(asking):
        if min(asking[one.step].asks_open, default=one.last + 1) <= one.last:
            return False
        one.step += 1
        if one.step < len(asking):
            one.last = asking[one.step].asks_made
    return True
