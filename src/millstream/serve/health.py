"""Health alerts: what a server tells of its jobs without being asked.

in      looks of the hub, about one a second (:class:`millstream.serve.hub.Look`)
state   per job and check since when it is wrong, and the little past that a check needs
out     transitions to a desk of alerts like those of a job (:mod:`millstream.connect.alert_desk`):
        the same notifications, silences and book; the label ``job`` says which job it is
limits  :class:`Limits`; how long each must last is in them too
memory  in the process: after a restart what is still wrong fires anew
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from millstream.connect.alert_channels import Channel, channels_of
from millstream.connect.alert_desk import AlertDesk
from millstream.connect.alert_values import FIRING, GONE, PENDING, RESOLVED, Rule, Transition
from millstream.engine.progress import State
from millstream.plan.alert import fingerprint
from millstream.types.time import duration_text

if TYPE_CHECKING:
    from types import TracebackType

    from millstream.connect.alert_book import AlertBook
    from millstream.serve.hub import Held, Hub, Look

SINK = "health"
_OVER = (State.COMPLETED, State.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is wrong with a job, and how long it must be for somebody to be told.

    watermark_stalled_ms   rows come in and the watermark has not moved for so long
    lag_ms_min             shorter lags are not told of, even if they grow
    lag_growth_min         how much of the time that passes the lag grows by, over ``lag_window_ms``
    checkpoints_missed_max so many intervals without a checkpoint, and a minute
    rejected_share_max     of the rows read in ``rejected_window_ms``
    memory_share_max       of the memory limit
    restarts_max           more than so many in ``restarts_window_ms``
    """

    watermark_stalled_ms: int = 300_000
    lag_ms_min: int = 60_000
    lag_growth_min: float = 0.1
    lag_window_ms: int = 300_000
    lag_for_ms: int = 300_000
    checkpoints_failing_for_ms: int = 30_000
    checkpoints_missed_max: int = 10
    rejected_share_max: float = 0.01
    rejected_window_ms: int = 60_000
    rejected_for_ms: int = 60_000
    memory_share_max: float = 0.9
    memory_for_ms: int = 60_000
    restarts_max: int = 3
    restarts_window_ms: int = 900_000


@dataclass(slots=True)
class Past:
    """What the checks remember of one job; ``looks`` are (at, lag, rows in, rejected, restarts)."""

    started_at_ms: int
    watermark_ms: int | None = None
    moved_at_ms: int = 0
    rows_in_when_moved: int = 0
    epoch: int = 0
    epoch_at_ms: int = 0
    failures_before: int = 0
    looks: deque[tuple[int, int | None, int, int, int]] = field(default_factory=deque)

    def add(self, look: Look, keep_ms: int) -> None:
        """Take a look in."""
        now, at_ms = look.now, look.at_ms
        if now.watermark_ms != self.watermark_ms or not self.moved_at_ms:
            self.watermark_ms, self.moved_at_ms = now.watermark_ms, at_ms
            self.rows_in_when_moved = now.rows_in
        if now.epoch != self.epoch or not self.epoch_at_ms:
            self.epoch, self.epoch_at_ms = now.epoch, at_ms
            self.failures_before = now.checkpoint_failures
        restarts = now.restarts
        self.looks.append((at_ms, now.lag_ms, now.rows_in, now.rows_rejected, restarts))
        while self.looks[0][0] < at_ms - keep_ms:
            self.looks.popleft()

    def before(self, at_ms: int) -> tuple[int, int | None, int, int, int] | None:
        """Return the newest look that is not after a moment; None = there is none so old."""
        found = None
        for look in self.looks:
            if look[0] > at_ms:
                break
            found = look
        return found


Facts = Mapping[str, Any]
Holds = Callable[[Limits, Past, "Look", "Held"], Facts | None]
"""What is wrong, as figures to show; None = nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that can be wrong with a job; ``summary`` may name figures and ``job``."""

    name: str
    severity: str
    condition: Callable[[Limits], str]
    for_ms: Callable[[Limits], int]
    holds: Holds
    summary: str


def _failed(limits: Limits, past: Past, look: Look, held: Held) -> Facts | None:
    if look.now.state is not State.FAILED:
        return None
    return {"last_failure": look.now.last_failure}


def _restarting(limits: Limits, past: Past, look: Look, held: Held) -> Facts | None:
    then = past.before(look.at_ms - limits.restarts_window_ms) or past.looks[0]
    restarts = look.now.restarts - then[4]
    if look.now.state is not State.RESTARTING and restarts <= limits.restarts_max:
        return None
    return {"restarts": restarts, "last_failure": look.now.last_failure}


def _stalled(limits: Limits, past: Past, look: Look, held: Held) -> Facts | None:
    now, for_ms = look.now, look.at_ms - past.moved_at_ms
    if now.state is not State.RUNNING or now.watermark_ms is None:
        return None
    if now.rows_in <= past.rows_in_when_moved or for_ms < limits.watermark_stalled_ms:
        return None
    return {"stalled_ms": for_ms, "watermark_ms": now.watermark_ms}


def _lagging(limits: Limits, past: Past, look: Look, held: Held) -> Facts | None:
    lag_ms = look.now.lag_ms
    then = past.before(look.at_ms - limits.lag_window_ms)
    if look.now.state is not State.RUNNING or lag_ms is None or then is None or then[1] is None:
        return None
    grown_ms = lag_ms - then[1]
    passed_ms = look.at_ms - then[0]
    if lag_ms < limits.lag_ms_min or grown_ms < limits.lag_growth_min * passed_ms:
        return None
    return {"lag_ms": lag_ms, "grown_ms": grown_ms}


def _checkpoints_failing(limits: Limits, past: Past, look: Look, held: Held) -> Facts | None:
    failures = look.now.checkpoint_failures - past.failures_before
    return {"failures": failures} if failures > 0 else None


def _checkpoints_missing(limits: Limits, past: Past, look: Look, held: Held) -> Facts | None:
    settings = held.job.settings
    if settings.checkpoint_dir is None or look.now.state is not State.RUNNING:
        return None
    most_ms = limits.checkpoints_missed_max * settings.checkpoint_interval_ms + 60_000
    age_ms = look.at_ms - past.epoch_at_ms
    # Where nothing comes in nothing is to be kept, and no epoch is closed.
    idle = look.now.rows_in == past.looks[0][2]
    return None if age_ms <= most_ms or idle else {"age_ms": age_ms}


def _rejecting(limits: Limits, past: Past, look: Look, held: Held) -> Facts | None:
    then = past.before(look.at_ms - limits.rejected_window_ms) or past.looks[0]
    rows, rejected = look.now.rows_in - then[2], look.now.rows_rejected - then[3]
    # What is read anew after a restart counts for neither.
    if rows <= 0 or rejected <= 0 or rejected / rows <= limits.rejected_share_max:
        return None
    return {"rejected": rejected, "rows": rows, "percent": round(100 * rejected / rows, 2)}


def _full(limits: Limits, past: Past, look: Look, held: Held) -> Facts | None:
    now = look.now
    if not now.memory_limit or now.memory_bytes <= limits.memory_share_max * now.memory_limit:
        return None
    percent = round(100 * now.memory_bytes / now.memory_limit, 1)
    return {"memory_bytes": now.memory_bytes, "limit": now.memory_limit, "percent": percent}


CHECKS = (
    Check(
        "job_failed", "critical", lambda _: "the job has failed", lambda _: 0, _failed,
        "Job {job} has failed: {last_failure}",
    ),
    Check(
        "job_restarting", "warning",
        lambda n: f"it waits to be started again, or was more than {n.restarts_max} times in "
        f"{duration_text(n.restarts_window_ms)}",
        lambda _: 0, _restarting,
        "Job {job} was restarted {restarts} times: {last_failure}",
    ),
    Check(
        "watermark_stalled", "warning",
        lambda n: "rows come in and the watermark does not move for "
        f"{duration_text(n.watermark_stalled_ms)}",
        lambda _: 0, _stalled,
        "The watermark of job {job} stands still although rows come in",
    ),
    Check(
        "lag_growing", "warning",
        lambda n: f"the lag is above {duration_text(n.lag_ms_min)} and grows by more than "
        f"{n.lag_growth_min:.0%} of the time",
        lambda n: n.lag_for_ms, _lagging,
        "Job {job} falls behind: it lags {lag_ms} ms",
    ),
    Check(
        "checkpoints_failing", "warning",
        lambda _: "checkpoints cannot be written",
        lambda n: n.checkpoints_failing_for_ms, _checkpoints_failing,
        "{failures} checkpoints of job {job} could not be written",
    ),
    Check(
        "checkpoints_missing", "warning",
        lambda n: f"no checkpoint for {n.checkpoints_missed_max} intervals and a minute",
        lambda _: 0, _checkpoints_missing,
        "Job {job} has made no checkpoint for {age_ms} ms",
    ),
    Check(
        "rows_rejected", "warning",
        lambda n: f"more than {n.rejected_share_max:.2%} of the rows are rejected",
        lambda n: n.rejected_for_ms, _rejecting,
        "Job {job} rejects {percent} % of its rows",
    ),
    Check(
        "memory_near_limit", "warning",
        lambda n: f"more than {n.memory_share_max:.0%} of the memory limit is used",
        lambda n: n.memory_for_ms, _full,
        "Job {job} uses {percent} % of its memory limit",
    ),
)  # fmt: skip


@dataclass(slots=True)
class _Watch:
    """The alert of one check and job that is active: ``pending`` or ``firing``."""

    since_ms: int
    state: str
    facts: Facts


class Health:
    """Watches the jobs of a hub while the ``with`` block lasts; ``book`` tells how they stand.

    ``channels`` are addresses (``log``, ``webhook:…``) or channels; without any it only shows.
    """

    def __init__(
        self,
        hub: Hub,
        channels: Sequence[str | Channel] = (),
        limits: Limits | None = None,
    ) -> None:
        made = channels_of(channels)
        self._limits = limits or Limits()
        rules = [
            Rule(
                name=check.name,
                condition=check.condition(self._limits),
                for_ms=check.for_ms(self._limits),
                severity=check.severity,
                by=("job",),
                channels=tuple(channel.name for channel in made),
            )
            for check in CHECKS
        ]
        self._desk = AlertDesk(
            rules, {c.name: c for c in made}, clock=hub.clock_ms, forgets_quietly=True
        )
        self._keep_ms = max(
            self._limits.lag_window_ms,
            self._limits.rejected_window_ms,
            self._limits.restarts_window_ms,
        )
        self._past: dict[str, Past] = {}
        self._active: dict[tuple[str, str], _Watch] = {}
        self._number = 0
        self._watching = False
        hub.on_look(self.on_look)

    @property
    def book(self) -> AlertBook:
        """What people may ask and say."""
        return self._desk.book

    def __enter__(self) -> Self:
        self._desk.open(SINK, SINK, 0)
        self._watching = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watching = False
        self._desk.leave()

    def on_look(self, held: Held, look: Look) -> None:
        """Check one job; called by the hub with every look."""
        if not self._watching:
            return
        past = self._past.get(held.name)
        if past is None or past.started_at_ms != held.started_at_ms:
            past = self._past[held.name] = Past(held.started_at_ms)
        past.add(look, self._keep_ms)
        is_over = look.now.state in _OVER
        rows: list[Transition] = []
        for check in CHECKS:
            facts = None if is_over else check.holds(self._limits, past, look, held)
            rows += self._moved(check, held.name, facts, look.at_ms)
        if rows:
            self._desk.take(SINK, None, rows)

    def _moved(self, check: Check, job: str, facts: Facts | None, at_ms: int) -> list[Transition]:
        """Return the changes of one alert."""
        key = (check.name, job)
        active = self._active.get(key)
        for_ms = check.for_ms(self._limits)
        if facts is None:
            if active is None:
                return []
            del self._active[key]
            to = RESOLVED if active.state == FIRING else GONE
            return [self._transition(check, job, to, active, at_ms)]
        if active is None:
            state = PENDING if for_ms else FIRING
            active = self._active[key] = _Watch(at_ms, state, facts)
            return [self._transition(check, job, state, active, at_ms)]
        active.facts = facts
        if active.state == PENDING and at_ms - active.since_ms >= for_ms:
            active.state = FIRING
            return [self._transition(check, job, FIRING, active, at_ms)]
        return []

    def _transition(self, check: Check, job: str, to: str, watch: _Watch, at_ms: int) -> Transition:
        self._number += 1
        labels = {"job": job}
        return Transition(
            alert=check.name,
            fingerprint=fingerprint(check.name, json.dumps(labels)),
            labels=labels,
            state=to,
            severity=check.severity,
            summary=check.summary.format(job=job, **watch.facts),
            since_ms=watch.since_ms,
            at_ms=at_ms,
            number=self._number,
            details=dict(watch.facts),
        )
