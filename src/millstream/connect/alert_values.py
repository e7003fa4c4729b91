"""What the parts of alerting hand to each other: changes, rules, silences, notifications.

All are plain values; those that survive a restart turn into JSON and back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

PENDING, FIRING, RESOLVED, GONE = "pending", "firing", "resolved", "gone"
SEVERITIES = ("info", "warning", "critical")
DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """An alert of a key has changed its state.

    ``number`` grows with each transition of one alert's keys; ``fingerprint`` stands for alert and
    key, for ever.
    """

    alert: str
    fingerprint: str
    labels: Mapping[str, str]
    state: str
    severity: str
    summary: str
    since_ms: int
    at_ms: int
    number: int
    details: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return _fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted:
    """An alert of one key, as it stood when something was to be told of it."""

    alert: str
    fingerprint: str
    labels: Mapping[str, str]
    state: str
    severity: str
    summary: str
    details: Mapping[str, Any]
    since_ms: int
    number: int
    fired_at_ms: int | None = None
    resolved_at_ms: int | None = None

    @property
    def key(self) -> str:
        """What this state of the alert is known by; numbers begin anew where state is lost."""
        return f"{self.fingerprint}:{self.since_ms}:{self.number}:{self.state}"

    @property
    def all_labels(self) -> dict[str, str]:
        """The labels by which it can be silenced: those of the key, its name and severity."""
        return {**self.labels, "alert": self.alert, "severity": self.severity}

    def moved(self, by: Transition) -> Alerted:
        """Return the alert after a transition."""
        return replace(
            self,
            state=by.state,
            severity=by.severity,
            summary=by.summary,
            details=dict(by.details),
            since_ms=by.since_ms,
            number=by.number,
            fired_at_ms=by.at_ms if by.state == FIRING else self.fired_at_ms,
            resolved_at_ms=by.at_ms if by.state == RESOLVED else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return _fields(self)

    @classmethod
    def of(cls, by: Transition) -> Alerted:
        """Return an alert that was not active before."""
        return cls(
            alert=by.alert,
            fingerprint=by.fingerprint,
            labels=dict(by.labels),
            state=by.state,
            severity=by.severity,
            summary=by.summary,
            details=dict(by.details),
            since_ms=by.since_ms,
            number=by.number,
            fired_at_ms=by.at_ms if by.state in (FIRING, RESOLVED) else None,
            resolved_at_ms=by.at_ms if by.state == RESOLVED else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is watched, and whom it is told to. ``repeat_ms``: told again while it fires."""

    name: str
    condition: str
    for_ms: int = 0
    severity: str = "warning"
    by: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    repeat_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """While an alert of severity ``source`` fires, those of ``targets`` are not told.

    Both must have the labels ``equal``; None = exactly the same labels, and at least one.
    """

    source: str = "critical"
    targets: tuple[str, ...] = ("warning", "info")
    equal: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        assert self.source not in self.targets, "an alert does not keep itself quiet"

    def key(self, alert: Alerted) -> Hashable | None:
        """Return what two alerts must have in common; None = nothing is in common with it."""
        if self.equal is None:
            return frozenset(alert.labels.items()) or None
        labels = alert.all_labels
        found = tuple(labels.get(name) for name in self.equal)
        return None if None in found else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How notifications are put together, repeated and tried again.

    group_wait_ms    what happens so soon after a change of the same alert is told with it
    group_size_max   alerts of one notification
    queue_max        changes that wait for a channel; beyond it the oldest are dropped and counted
    retry_first_ms   the first wait after a failure; each further one is twice as long
    keep_trying_ms   after so long, and ``tries_min``, a notification is given up
    refused_tries    or after so many tries where the receiver says that it will never take it
    asked_wait_max_ms  a receiver that asks to be left alone is, for so long at the most
    history_max      resolved alerts that are remembered
    """

    group_wait_ms: int = 1_000
    group_size_max: int = 100
    queue_max: int = 10_000
    retry_first_ms: int = 1_000
    retry_max_ms: int = 300_000
    keep_trying_ms: int = DAY_MS
    tries_min: int = 10
    refused_tries: int = 3
    asked_wait_max_ms: int = 3_600_000
    history_max: int = 1_000
    inhibitions: tuple[Inhibition, ...] = (
        Inhibition(),
        Inhibition(source="warning", targets=("info",)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Alerts that have all these labels are not told until it ends; named as in the API."""

    id: str
    labels: Mapping[str, str]
    created_at_ms: int
    ends_at_ms: int
    comment: str = ""

    def holds(self, alert: Alerted, now_ms: int) -> bool:
        """Tell whether it keeps an alert quiet now."""
        return now_ms < self.ends_at_ms and self.matches(alert.all_labels)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether all its labels are among these."""
        return self.labels.items() <= labels.items()


@dataclass(frozen=True, slots=True)
class Change:
    """One alert that is to be told to one channel, known at ``queued_at_ms``."""

    alert: Alerted
    queued_at_ms: int

    @property
    def key(self) -> str:
        """What it is known by."""
        return self.alert.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What a channel is given; ``id`` is the same however often it is tried.

    ``repeats``: it tells again of what was told before.
    """

    id: str
    receiver: str
    alert: str
    alerts: tuple[Alerted, ...]
    job: str | None = None
    repeats: bool = False

    @property
    def status(self) -> str:
        """``firing`` if any of its alerts fires."""
        return FIRING if any(a.state == FIRING for a in self.alerts) else RESOLVED


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertInfo:
    """One alert of one key, for people; the names are those of the API."""

    id: str
    alert: str
    job: str | None
    state: str
    severity: str
    labels: Mapping[str, str]
    summary: str
    values: Mapping[str, Any]
    since_ms: int
    fired_at_ms: int | None
    resolved_at_ms: int | None
    silenced: bool
    inhibited: bool
    notified: int
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """What is watched, for people; the names are those of the API."""

    name: str
    job: str | None
    condition: str
    for_ms: int
    severity: str
    by: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    active: int = 0


def _fields(value: Any) -> dict[str, Any]:
    # ``asdict`` copies all the way down, at ten times the price; nobody changes what is in them.
    return {one.name: getattr(value, one.name) for one in fields(value)}


def notification_id(origin: str, keys: Iterable[str], times: int = 0) -> str:
    """Return the id of a notification: of what it tells, and how often that was told before.

    ``origin`` tells apart outboxes whose numbers begin anew.
    """
    text = "\0".join([origin, str(times), *keys])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
