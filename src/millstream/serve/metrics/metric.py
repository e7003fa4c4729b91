"""What a metric is, and how one is made that is asked of jobs, operators, splits or sinks.

in      the name without its beginning, kind, unit, help, and where the number comes from
out     :class:`Metric` values; :mod:`millstream.serve.metrics.table` has all of them
limit   a source shows ``SPLITS_MAX`` splits, the rest are summed as split ``other``
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from millstream.engine.progress import (
    Histogram,
    Progress,
    SinkProgress,
    SplitProgress,
    StepProgress,
)
from millstream.serve.history import seconds_between, share
from millstream.serve.hub import Held, Look

SPLITS_MAX = 100
OTHER = "other"


class Kind(Enum):
    """What a number means from one scrape to the next."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Falls(Enum):
    """What a counter is shown as when its source falls, because the job was started again."""

    CATCHES_UP = "catches up"
    """It went back to the last checkpoint and counts rows read again once: stand still until it
    is past where it was."""
    GOES_ON = "goes on"
    """It is time that was spent, whatever came of it: add what comes to what was."""
    ANEW = "anew"
    """It began at zero: show it as it is."""


Number = float | Histogram
Sample = tuple[tuple[str, ...], Number]
"""The values of the labels, and the number."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    unit    ``seconds``, ``bytes``, ``rows``, ``ratio`` or "" for what is only counted
    labels  their names; each sample has as many values
    values  the samples of one job; what is unknown has none
    falls   of counters; those without checkpoints begin anew
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...]
    values: Callable[[Held, Look], Iterable[Sample]]
    falls: Falls = Falls.CATCHES_UP

    @property
    def family(self) -> str:
        """The name without the ending of counters."""
        return self.name.removesuffix("_total")


JOB = ("job_name",)
OPERATOR = ("job_name", "operator")
SPLIT = ("job_name", "source", "table", "split")
SINK = ("job_name", "sink")


def of_job(
    name: str,
    kind: Kind,
    unit: str,
    help_: str,
    value: Callable[[Progress], Number | None],
) -> Metric:
    """Make a metric of what a job's progress says."""

    def values(held: Held, look: Look) -> Iterator[Sample]:
        number = value(look.now)
        if number is not None:
            yield (held.name,), number

    return Metric(f"millstream_job_{name}", kind, unit, help_, JOB, values, _falls(unit))


def of_held(
    name: str, unit: str, help_: str, value: Callable[[Held, Look], float | None]
) -> Metric:
    """Make a gauge of what is known of a job beside its progress."""

    def values(held: Held, look: Look) -> Iterator[Sample]:
        number = value(held, look)
        if number is not None:
            yield (held.name,), number

    return Metric(f"millstream_job_{name}", Kind.GAUGE, unit, help_, JOB, values)


def of_operators(
    name: str,
    kind: Kind,
    unit: str,
    help_: str,
    value: Callable[[StepProgress], float | None],
) -> Metric:
    """Make a metric of each step."""

    def values(held: Held, look: Look) -> Iterator[Sample]:
        for step in look.now.steps:
            number = value(step)
            if number is not None:
                yield (held.name, step.uid), number

    full = f"millstream_operator_{name}"
    return Metric(full, kind, unit, help_, OPERATOR, values, _falls(unit))


def of_operators_lately(
    name: str,
    unit: str,
    help_: str,
    value: Callable[[StepProgress, StepProgress, float], float | None],
) -> Metric:
    """Make a metric of what the hub's last two looks, a second apart, say of a step."""

    def values(held: Held, _: Look) -> Iterator[Sample]:
        last = held.last
        if last.before is None:
            return
        passed_s = seconds_between(last.before, last.now)
        past = {step.uid: step for step in last.before.steps}
        for step in last.now.steps:
            before = past.get(step.uid)
            number = None if before is None else value(before, step, passed_s)
            if number is not None:
                yield (held.name, step.uid), number

    return Metric(f"millstream_operator_{name}", Kind.GAUGE, unit, help_, OPERATOR, values)


def of_splits(
    name: str,
    kind: Kind,
    unit: str,
    help_: str,
    value: Callable[[SplitProgress], float | None],
) -> Metric:
    """Make a metric of each split that is shown."""

    def values(held: Held, look: Look) -> Iterator[Sample]:
        for split in splits_shown(look.now.splits):
            number = value(split)
            if number is not None:
                yield (held.name, split.scan, split.table, split.split), number

    return Metric(f"millstream_split_{name}", kind, unit, help_, SPLIT, values)


def of_sinks(
    name: str, kind: Kind, unit: str, help_: str, value: Callable[[SinkProgress], float]
) -> Metric:
    """Make a metric of each sink."""

    def values(held: Held, look: Look) -> Iterator[Sample]:
        for sink in look.now.sinks:
            yield (held.name, sink.name), value(sink)

    return Metric(f"millstream_sink_{name}", kind, unit, help_, SINK, values, _falls(unit))


def _falls(unit: str) -> Falls:
    return Falls.GOES_ON if unit == "seconds" else Falls.CATCHES_UP


def lately(value: Callable[[Progress], float]) -> Callable[[Held, Look], float | None]:
    """Return what part of the second between the hub's last two looks went into something."""

    def of(held: Held, _: Look) -> float | None:
        before, now = held.last.before, held.last.now
        if before is None:
            return None
        return share((value(now) - value(before)) / seconds_between(before, now))

    return of


def splits_shown(splits: Iterable[SplitProgress], most: int = SPLITS_MAX) -> list[SplitProgress]:
    """Return the first splits of each source, and the rest of each as one."""
    shown: dict[str, list[SplitProgress]] = {}
    rest: dict[str, list[SplitProgress]] = {}
    for split in splits:
        kept = shown.setdefault(split.scan, [])
        if len(kept) < most and split.split != OTHER:
            kept.append(split)
        else:
            rest.setdefault(split.scan, []).append(split)
    found = [split for kept in shown.values() for split in kept]
    return found + [_together(many) for many in rest.values()]


def _together(splits: list[SplitProgress]) -> SplitProgress:
    waiting = [s.rows_waiting for s in splits if s.rows_waiting is not None]
    marks = [s.watermark_ms for s in splits if s.watermark_ms is not None and not s.ended]
    read = [s.read_at_ms for s in splits if s.read_at_ms is not None]
    return replace(
        splits[0],
        split=OTHER,
        rows=sum(s.rows for s in splits),
        bytes=sum(s.bytes for s in splits),
        rows_waiting=sum(waiting) if waiting else None,
        watermark_ms=min(marks, default=None),
        read_at_ms=max(read, default=None),
        idle=all(s.idle for s in splits),
        ended=all(s.ended for s in splits),
    )
