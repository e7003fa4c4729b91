"""What a job did over time, in memory: every second of ten minutes, every ten seconds of six hours.

in      looks (:class:`millstream.serve.hub.Look`), about one a second
out     series by name on one time axis; a gap is NaN
names   those of :data:`SERIES`; and per step ``busy:ID``, ``rows_in_per_s:ID``
limit   a fixed number of points per series, eight bytes each; series of steps are as many as the
        plan has
cost    many pages ask the same each second: what was answered is kept until the next look
        (:mod:`millstream.serve.alike`), ``ANSWERS_BYTES_MAX`` at most
restarts  a job that is started again counts on from its last checkpoint. How much it did in between
        is not known then: that point is a gap, and no peak of what was counted long ago
"""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.engine.progress import Histogram, Progress
    from millstream.serve.hub import Look

FINE_S, COARSE_S = 1, 10
FINE_POINTS, COARSE_POINTS = 600, 2_160
ANSWERS_BYTES_MAX = 1 << 20
SERIES = {
    "rows_in_per_s": "rows read a second",
    "rows_out_per_s": "rows given to sinks a second",
    "rows_late_per_s": "late rows a second",
    "rows_rejected_per_s": "rejected and refused rows a second",
    "busy": "part of the time the compute thread worked",
    "pressure": "part of the time in which rows had to wait (back-pressure)",
    "lag_ms": "clock minus watermark",
    "rows_waiting": "rows known to wait at the sources",
    "latency_p50_ms": "from read to sink, half of the rows are faster",
    "latency_p99_ms": "from read to sink, one row of a hundred is slower",
    "state_rows": "entries of state",
    "state_bytes": "bytes of state",
    "memory_bytes": "bytes of memory",
    "queued_bytes": "bytes read ahead or not yet with the sinks",
    "checkpoint_ms": "duration of the newest checkpoint",
    "checkpoint_bytes": "its size",
}


class _Axis:
    """Points at one distance: what two looks that far apart say of the time between them."""

    def __init__(self, step_s: int, points_max: int) -> None:
        self.step_s = step_s
        self._points_max = points_max
        self.at_ms = array("q")
        self.columns: dict[str, array[float]] = {}
        self._before: Look | None = None

    def add(self, look: Look) -> None:
        before = self._before
        if before is None or look.at_ms < before.at_ms:
            self._before = look
            self._forget_from(look.at_ms)
            return
        # Looks come every second, more or less: half of one too early is in time.
        if look.at_ms - before.at_ms < self.step_s * 1000 - 500:
            return
        self._before = look
        values = dict(values_of(before.now, look.now))
        known = len(self.at_ms)
        for name in values.keys() - self.columns.keys():
            self.columns[name] = array("d", [math.nan]) * known
        self.at_ms.append(look.at_ms)
        for name, column in self.columns.items():
            column.append(values.get(name, math.nan))
        if known == self._points_max:
            del self.at_ms[0]
            for column in self.columns.values():
                del column[0]

    def _forget_from(self, at_ms: int) -> None:
        """The clock was set back: what was seen in its future is not told, times only rise."""
        kept = bisect_left(self.at_ms, at_ms)
        del self.at_ms[kept:]
        for column in self.columns.values():
            del column[kept:]


class History:
    """The past of one job; any thread may ask."""

    def __init__(self) -> None:
        self._fine = _Axis(FINE_S, FINE_POINTS)
        self._coarse = _Axis(COARSE_S, COARSE_POINTS)
        self._lock = threading.Lock()
        self.looks = 0
        """How many were taken: as long as this stands still, so do all answers."""
        self._answers: dict[bytes, bytes] = {}
        self._answers_bytes = 0

    def add(self, look: Look) -> None:
        """Keep what a look tells."""
        with self._lock:
            self._fine.add(look)
            self._coarse.add(look)
            self.looks += 1
            self._answers.clear()
            self._answers_bytes = 0

    def series(
        self, names: Collection[str] | None = None, *, since_ms: int = 0, coarse: bool = False
    ) -> tuple[int, list[int], dict[str, list[float]]]:
        """Return the step in seconds, the times, and the series asked for (None = all).

        What is not known is NaN.
        """
        axis = self._coarse if coarse else self._fine
        with self._lock:
            skipped = bisect_right(axis.at_ms, since_ms)
            times = axis.at_ms[skipped:].tolist()
            wanted = list(axis.columns) if names is None else names
            found = {n: axis.columns[n][skipped:].tolist() for n in wanted if n in axis.columns}
        gap = [math.nan] * len(times)
        return axis.step_s, times, {n: found.get(n, gap) for n in wanted}

    def answered(self, question: bytes) -> bytes | None:
        """Return what this question was answered with since the last look."""
        return self._answers.get(question)

    def keep(self, question: bytes, answer: bytes, *, looks: int) -> None:
        """Keep an answer, unless a look was taken since it was asked for."""
        with self._lock:
            grown = self._answers_bytes + len(question) + len(answer)
            if looks == self.looks and grown <= ANSWERS_BYTES_MAX:
                self._answers[question] = answer
                self._answers_bytes = grown


def values_of(before: Progress, now: Progress) -> Iterator[tuple[str, float]]:
    """Yield what two looks say of the time between them."""
    passed_s = seconds_between(before, now)
    for name in ("rows_in", "rows_out", "rows_late", "rows_rejected"):
        then, reached = getattr(before, name), getattr(now, name)
        if reached >= then:
            yield f"{name}_per_s", rate(then, reached, passed_s)
    busy_s = busy_between(before, now)
    if busy_s >= 0:
        yield "busy", share(busy_s / passed_s)
    if now.waited_s >= before.waited_s:
        yield "pressure", share((now.waited_s - before.waited_s) / passed_s)
    for name in ("lag_ms", "rows_waiting"):
        if (value := getattr(now, name)) is not None:
            yield name, float(value)
    for part, name in ((0.5, "latency_p50_ms"), (0.99, "latency_p99_ms")):
        if (late_ms := latency_ms(before.latency, now.latency, part)) is not None:
            yield name, late_ms
    for name in ("state_rows", "state_bytes", "memory_bytes", "queued_bytes"):
        yield name, float(getattr(now, name))
    if now.checkpoints:
        yield "checkpoint_ms", now.checkpoints[-1].took_ms
        yield "checkpoint_bytes", float(now.checkpoints[-1].bytes)
    past = {step.uid: step for step in before.steps}
    for step in now.steps:
        earlier = past.get(step.uid)
        if earlier is not None and step.busy_s >= earlier.busy_s:
            yield f"busy:{step.uid}", share((step.busy_s - earlier.busy_s) / passed_s)
        if earlier is not None and step.rows_in >= earlier.rows_in:
            yield f"rows_in_per_s:{step.uid}", rate(earlier.rows_in, step.rows_in, passed_s)


def seconds_between(before: Progress, now: Progress) -> float:
    """Return the time between two looks; never nothing, so that one may divide by it."""
    return max(now.elapsed_s - before.elapsed_s, 1e-3)


def busy_between(before: Progress, now: Progress) -> float:
    """Return the seconds that steps worked between two looks."""
    return sum(s.busy_s for s in now.steps) - sum(s.busy_s for s in before.steps)


def rate(before: int, now: int, passed_s: float) -> float:
    """Return how many a second; none where the count fell, because the job was started again.

    >>> rate(100, 150, 2.0), rate(1_000_000, 999_000, 1.0)
    (25.0, 0.0)
    """
    return max(0, now - before) / passed_s


def share(value: float) -> float:
    """Return a part of one."""
    return min(1.0, max(0.0, value))


def latency_ms(before: Histogram | None, now: Histogram | None, part: float) -> float | None:
    """Return a percentile of the time between two looks, by interpolation in its bucket.

    None without rows, and where counts fell. What is above all bounds is told as the last bound.

    >>> from millstream.engine.progress import Histogram
    >>> round(latency_ms(None, Histogram((0.1, 0.2), (10, 10, 0), 0.0), 0.75))
    150
    """
    if now is None:
        return None
    counts = list(now.counts)
    if before is not None:
        counts = [new - old for new, old in zip(counts, before.counts, strict=True)]
    total = sum(counts)
    if total <= 0 or min(counts) < 0:
        return None
    wanted, seen, low_s = part * total, 0, 0.0
    for count, bound_s in zip(counts, (*now.bounds_s, now.bounds_s[-1]), strict=True):
        if count and seen + count >= wanted:
            return 1000 * (low_s + (bound_s - low_s) * (wanted - seen) / count)
        seen, low_s = seen + count, bound_s
    return 1000 * now.bounds_s[-1]
