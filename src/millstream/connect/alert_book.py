"""The book of alerts: what people may ask of a job's alerts, and what they may silence.

threads  safe to use from any
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from millstream.connect.alert_values import AlertInfo, AlertRule
from millstream.errors import OptionError, UnknownName

if TYPE_CHECKING:
    from millstream.connect.alert_desk import AlertDesk
    from millstream.connect.alert_values import Alerted, Silence


class AlertBook:
    """The alerts of one job, or the health alerts of a server."""

    def __init__(self, desk: AlertDesk) -> None:
        self._desk = desk

    @property
    def job(self) -> str | None:
        """Whose alerts these are; None = the server's."""
        return self._desk.board.job

    @property
    def place(self) -> str | None:
        """Where silences and what was told survive a restart; None = they do not."""
        return self._desk.place

    @property
    def changes_dropped(self) -> int:
        """Changes of state that some channel was never told: given up, or too far behind."""
        with self._desk.lock:
            return self._desk.board.dropped()

    def active(self, state: str | None = None, limit: int | None = None) -> list[AlertInfo]:
        """Return what is pending or firing, or in that state alone; the newest first."""
        with self._desk.lock:
            found = [a for a in self._desk.board.active.values() if state in (None, a.state)]
            found.sort(key=lambda alert: alert.fired_at_ms or alert.since_ms, reverse=True)
            return [self._info(alert) for alert in found[:limit]]

    def history(self, limit: int = 100) -> list[AlertInfo]:
        """Return what was resolved, the newest first."""
        with self._desk.lock:
            newest = list(self._desk.board.resolved)[-limit:] if limit > 0 else []
            return [self._info(alert) for alert in reversed(newest)]

    def rules(self) -> list[AlertRule]:
        """Return what is watched."""
        with self._desk.lock:
            board = self._desk.board
            active = Counter(alert.alert for alert in board.active.values())
            return [
                AlertRule(
                    name=rule.name,
                    job=board.job,
                    condition=rule.condition,
                    for_ms=rule.for_ms,
                    severity=rule.severity,
                    by=list(rule.by),
                    channels=list(rule.channels),
                    active=active[rule.name],
                )
                for rule in board.rules.values()
            ]

    def silence(self, labels: Mapping[str, str], seconds: int, comment: str = "") -> Silence:
        """Tell nobody of alerts that have all these labels, for so many seconds.

        ``alert`` and ``severity`` count as labels. Raises JobError where too many are in force.
        """
        if not labels or seconds <= 0:
            raise OptionError(
                "A silence names a label at least, and lasts for a second at least.",
                hint="book.silence({'alert': 'hot'}, seconds=3600)",
            )
        return self._desk.silence(labels, seconds, comment)

    def silences(self) -> list[Silence]:
        """Return the silences in force and those that were, the newest first."""
        with self._desk.lock:
            found = list(self._desk.board.silences.values())
        return sorted(found, key=lambda silence: silence.created_at_ms, reverse=True)

    def unsilence(self, silence: str) -> None:
        """End a silence; raises UnknownName with the ids there are."""
        if not self._desk.unsilence(silence):
            known = [one.id for one in self.silences()]
            raise UnknownName("silence", silence, available=known)

    def _info(self, alert: Alerted) -> AlertInfo:
        board = self._desk.board
        return AlertInfo(
            id=alert.fingerprint,
            alert=alert.alert,
            job=board.job,
            state=alert.state,
            severity=alert.severity,
            labels=dict(alert.labels),
            summary=alert.summary,
            values=dict(alert.details),
            since_ms=alert.since_ms,
            fired_at_ms=alert.fired_at_ms,
            resolved_at_ms=alert.resolved_at_ms,
            silenced=board.is_silenced(alert, self._desk.clock()),
            inhibited=board.is_inhibited(alert),
            notified=board.notified(alert),
            failure=board.failure(alert),
        )
