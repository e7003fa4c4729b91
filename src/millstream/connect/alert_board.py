"""Who is to be told what, and when: the decisions of alerting, without clock, threads or I/O.

in      records: transitions by epoch, what was sent, silences. The board is what they add up to:
        whoever keeps the records gets the same board back
state   the alerts that are active, the newest resolved ones; per channel what is to be told, what
        is being told, and what was told and still fires
out     :class:`Send` and :class:`Wait` for each channel; records of what is decided, which must be
        durable before it is acted upon
rules   a channel is told of changes in their order, those of one alert together. What is silenced
        or inhibited when its turn comes waits until it is not, and is dropped with its end if it
        ends before. The end of what was told is always told
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from millstream.connect.alert_values import (
    FIRING,
    GONE,
    PENDING,
    RESOLVED,
    Alerted,
    Change,
    Notification,
    Policy,
    Rule,
    Silence,
    Transition,
    notification_id,
)

Record = dict[str, Any]
SILENCES_KEPT = 200


@dataclass(frozen=True, slots=True)
class Send:
    """Tell a channel this; ``record`` must be durable before, None = it is."""

    notification: Notification
    record: Record | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to tell until then; None = until something comes. ``record``: decided meanwhile."""

    until_ms: int | None
    record: Record | None = None


@dataclass(slots=True)
class _Told:
    """A firing alert that a channel knows of."""

    alert: Alerted
    at_ms: int
    times: int = 1


@dataclass(slots=True)
class _Flight:
    """A notification on its way."""

    notification: Notification
    began_at_ms: int
    keys: tuple[str, ...]
    tries: int = 0
    next_at_ms: int = 0


@dataclass(slots=True)
class _Lane:
    """One channel."""

    queue: deque[Change] = field(default_factory=deque)
    flight: _Flight | None = None
    told: dict[str, _Told] = field(default_factory=dict)
    dropped: int = 0
    failure: str | None = None


@dataclass(slots=True)
class _Notes:
    """What became of the notifications of one alert."""

    notified: int = 0
    failure: str | None = None


class Board:
    """All alerts of one job, and what its channels are told of them."""

    def __init__(
        self, origin: str, rules: Iterable[Rule], policy: Policy, *, job: str | None = None
    ) -> None:
        self.origin = origin
        self.policy = policy
        self.job = job
        self.rules = {rule.name: rule for rule in rules}
        self.epochs: dict[str, int] = {}
        self.incarnation = 0
        self.active: dict[str, Alerted] = {}
        self.resolved: deque[Alerted] = deque(maxlen=policy.history_max)
        self.silences: dict[str, Silence] = {}
        self._numbers: dict[str, int] = {}
        self._lanes: dict[str, _Lane] = {}
        self._notes: dict[str, _Notes] = {}
        self._grave: list[set[Hashable | None]] | None = None
        """What fires and keeps others quiet, per rule; None = to be found anew."""

    def fresh(self) -> Board:
        """Return one with the same rules, on which nothing stands."""
        return Board(self.origin, self.rules.values(), self.policy, job=self.job)

    # ------------------------------------------------------------------ records

    def apply(self, record: Record) -> None:
        """Take one record in; the same records give the same board."""
        match record["do"]:
            case "rows":
                self._take_rows(record)
            case "send":
                self._begin(record)
            case "sent":
                self._end(record)
            case "drop":
                lane = self._lane(record["channel"])
                gone = set(record["keys"])
                lane.queue = deque(c for c in lane.queue if c.key not in gone)
            case "silence":
                made = Silence(**record["silence"])
                self.silences[made.id] = made
                while len(self.silences) > SILENCES_KEPT:
                    self.silences.pop(min(self.silences.values(), key=lambda s: s.ends_at_ms).id)
            case "unsilence":
                was = self.silences.get(record["id"])
                if was is not None and was.ends_at_ms > record["at_ms"]:
                    ended = {**asdict(was), "ends_at_ms": record["at_ms"]}
                    self.silences[was.id] = Silence(**ended)
            case "start":
                self.incarnation = record["incarnation"]
                self.origin = record["origin"]
            case other:
                raise AssertionError(f"no board knows the record '{other}'")

    def rows_record(
        self, sink: str, epoch: int | None, rows: Iterable[Transition], now_ms: int
    ) -> Record:
        """Return what notes an epoch's transitions."""
        made = [asdict(row) for row in rows]
        return {"do": "rows", "sink": sink, "epoch": epoch, "at_ms": now_ms, "rows": made}

    def _take_rows(self, record: Record) -> None:
        if record["epoch"] is not None:
            self.epochs[record["sink"]] = record["epoch"]
        for row in record["rows"]:
            self._take(Transition(**row), record["at_ms"])

    def _take(self, row: Transition, now_ms: int) -> None:
        if row.number <= self._numbers.get(row.alert, 0):
            return  # it comes again, after a restart of a pipeline that repeats rows
        self._numbers[row.alert] = row.number
        self._grave = None
        known = self.active.get(row.fingerprint)
        alert = Alerted.of(row) if known is None else known.moved(row)
        if row.state in (PENDING, FIRING):
            self.active[row.fingerprint] = alert
        else:
            self.active.pop(row.fingerprint, None)
        if row.state == RESOLVED:
            self.resolved.append(alert)
            self._forget_notes()
        if row.state in (PENDING, GONE):
            return
        rule = self.rules.get(row.alert)
        for channel in () if rule is None else rule.channels:
            self._queue(self._lane(channel), Change(alert, now_ms))

    def _queue(self, lane: _Lane, change: Change) -> None:
        lane.queue.append(change)
        while len(lane.queue) > self.policy.queue_max:
            lane.queue.popleft()
            lane.dropped += 1
            lane.failure = f"{lane.dropped} changes were dropped: the channel is too far behind"

    def _forget_notes(self) -> None:
        if len(self._notes) <= 2 * self.policy.history_max + len(self.active):
            return
        kept = {incident(a) for a in (*self.resolved, *self.active.values())}
        self._notes = {f: notes for f, notes in self._notes.items() if f in kept}

    def _begin(self, record: Record) -> None:
        lane = self._lane(record["channel"])
        keys = tuple(record["keys"])
        if record["repeats"]:
            alerts = tuple(Alerted(**alert) for alert in record["alerts"])
        else:
            found = {c.key: c.alert for c in lane.queue}
            alerts = tuple(found[key] for key in keys if key in found)
            lane.queue = deque(c for c in lane.queue if c.key not in set(keys))
        made = Notification(
            id=record["id"],
            receiver=record["channel"],
            alert=record["alert"],
            alerts=alerts,
            job=self.job,
            repeats=record["repeats"],
        )
        lane.flight = _Flight(made, record["at_ms"], keys)

    def _end(self, record: Record) -> None:
        lane = self._lane(record["channel"])
        flight = lane.flight
        if flight is None or flight.notification.id != record["id"]:
            return
        lane.flight = None
        is_told = record["failure"] is None
        lane.failure = record["failure"]
        for alert in flight.notification.alerts:
            notes = self._notes.setdefault(incident(alert), _Notes())
            notes.failure = record["failure"]
            notes.notified += 1 if is_told else 0
            known = lane.told.get(alert.fingerprint)
            if alert.state == RESOLVED:
                lane.told.pop(alert.fingerprint, None)
            elif is_told and known is not None and known.alert.number == alert.number:
                known.at_ms, known.times = record["at_ms"], known.times + 1
            elif is_told:
                lane.told[alert.fingerprint] = _Told(alert, record["at_ms"])
        if not is_told:
            lane.dropped += len(flight.notification.alerts)

    # ------------------------------------------------------------------ decisions

    def next(self, channel: str, now_ms: int, *, hurry: bool = False) -> Send | Wait:
        """Return what a channel is to be told now; ``hurry``: do not wait for a group."""
        lane = self._lane(channel)
        flight = lane.flight
        if flight is not None:
            if flight.next_at_ms > now_ms:
                return Wait(flight.next_at_ms)
            return Send(flight.notification, None)
        ended = self._ended_unheard(lane, now_ms)
        if ended:
            return Wait(now_ms, {"do": "drop", "channel": channel, "keys": ended})
        ready = self._speakable(lane, now_ms)
        wait_ms = 0 if hurry else self.policy.group_wait_ms
        due = next((c for c in ready if c.queued_at_ms + wait_ms <= now_ms), None)
        if due is not None:
            return self._send(channel, due.alert.alert, ready, now_ms)
        repeat = self._repeat(channel, lane, now_ms)
        if isinstance(repeat, Send):
            return repeat
        moments = [c.queued_at_ms + wait_ms for c in ready]
        moments += [] if repeat is None else [repeat]
        moments += self._quiet_until(lane, now_ms)
        return Wait(min(moments, default=None))

    def failed(
        self, channel: str, reason: str, now_ms: int, *, forever: bool, chance: float
    ) -> Record | None:
        """Note a try that failed; returns the record that gives it up, None = it is tried again.

        ``chance``: a number below 1 that spreads the tries of many.
        """
        lane = self._lane(channel)
        flight = lane.flight
        assert flight is not None, "only what was sent can fail"
        lane.failure = reason
        for alert in flight.notification.alerts:
            self._notes.setdefault(incident(alert), _Notes()).failure = reason
        flight.tries += 1
        policy = self.policy
        refused = forever and flight.tries >= policy.refused_tries
        if refused or now_ms - flight.began_at_ms >= policy.keep_trying_ms:
            return self.sent_record(channel, flight.notification.id, now_ms, failure=reason)
        wait_ms = min(policy.retry_first_ms * 2 ** min(flight.tries - 1, 30), policy.retry_max_ms)
        flight.next_at_ms = now_ms + int(wait_ms * (0.5 + chance / 2))
        return None

    @staticmethod
    def sent_record(
        channel: str, notification: str, now_ms: int, *, failure: str | None = None
    ) -> Record:
        """Return what notes that a notification is done with: told, or given up."""
        return {
            "do": "sent", "channel": channel, "id": notification, "at_ms": now_ms,
            "failure": failure,
        }  # fmt: skip

    def is_silenced(self, alert: Alerted, now_ms: int) -> bool:
        """Tell whether a silence keeps an alert quiet."""
        return any(s.holds(alert, now_ms) for s in self.silences.values())

    def is_inhibited(self, alert: Alerted) -> bool:
        """Tell whether a graver alert keeps this one quiet."""
        if self._grave is None:
            self._grave = [
                {
                    rule.key(other)
                    for other in self.active.values()
                    if other.state == FIRING and other.severity == rule.source
                }
                for rule in self.policy.inhibitions
            ]
        return any(
            alert.severity in rule.targets
            and (key := rule.key(alert)) is not None
            and key in firing
            for rule, firing in zip(self.policy.inhibitions, self._grave, strict=True)
        )

    def waiting(self, channel: str) -> int:
        """Return how many changes a channel has not been told of."""
        lane = self._lane(channel)
        return len(lane.queue) + (0 if lane.flight is None else len(lane.flight.keys))

    def is_failing(self, channel: str) -> bool:
        """Tell whether the last try to tell a channel something failed."""
        flight = self._lane(channel).flight
        return flight is not None and flight.tries > 0

    def is_held_back(self, channel: str, now_ms: int) -> bool:
        """Tell whether all that a channel has not been told is kept back on purpose."""
        lane = self._lane(channel)
        return (
            lane.flight is None
            and not self._ended_unheard(lane, now_ms)
            and not self._speakable(lane, now_ms)
        )

    def dropped(self) -> int:
        """Return how many changes were given up, over all channels."""
        return sum(lane.dropped for lane in self._lanes.values())

    def notified(self, alert: Alerted) -> int:
        """Return how many notifications told of an alert."""
        notes = self._notes.get(incident(alert))
        return 0 if notes is None else notes.notified

    def failure(self, alert: Alerted) -> str | None:
        """Return why the last notification of an alert could not be delivered."""
        notes = self._notes.get(incident(alert))
        return None if notes is None else notes.failure

    def forget_rows(self) -> None:
        """Begin anew with rows: a pipeline without checkpoints was started again."""
        self.active.clear()
        self._grave = None
        self._numbers.clear()
        for lane in self._lanes.values():
            lane.told.clear()

    def _speakable(self, lane: _Lane, now_ms: int) -> list[Change]:
        """Return what may be told, in order: a change waits for the one before it of its alert."""
        found: list[Change] = []
        waits: set[str] = set()
        for change in lane.queue:
            alert = change.alert
            if alert.fingerprint in waits:
                continue
            waits.add(alert.fingerprint)
            quiet = alert.state == FIRING and self._is_quiet(alert, now_ms)
            if not quiet:
                found.append(change)
        return found

    def _is_quiet(self, alert: Alerted, now_ms: int) -> bool:
        return self.is_silenced(alert, now_ms) or self.is_inhibited(alert)

    def _ended_unheard(self, lane: _Lane, now_ms: int) -> list[str]:
        """Return changes that began and ended in silence, and ends of what was never told."""
        keys: list[str] = []
        began: dict[str, Change] = {}
        for change in lane.queue:
            alert = change.alert
            if alert.state == FIRING:
                began[alert.fingerprint] = change
                continue
            start = began.pop(alert.fingerprint, None)
            if start is not None and self._is_quiet(start.alert, now_ms):
                keys += [start.key, change.key]
            elif start is None and alert.fingerprint not in lane.told:
                keys.append(change.key)
        return keys

    def _send(self, channel: str, alert: str, ready: list[Change], now_ms: int) -> Send:
        chosen = [c for c in ready if c.alert.alert == alert][: self.policy.group_size_max]
        keys = [c.key for c in chosen]
        record: Record = {
            "do": "send", "channel": channel, "alert": alert, "at_ms": now_ms, "keys": keys,
            "repeats": False, "id": notification_id(self.origin, keys),
        }  # fmt: skip
        return Send(self._notification(channel, record, tuple(c.alert for c in chosen)), record)

    def _repeat(self, channel: str, lane: _Lane, now_ms: int) -> Send | int | None:
        """Return what is to be told again, or when something will be."""
        soonest: int | None = None
        due: dict[str, list[_Told]] = {}
        for told in lane.told.values():
            rule = self.rules.get(told.alert.alert)
            if rule is None or rule.repeat_ms is None or self._is_quiet(told.alert, now_ms):
                continue
            now = self.active.get(told.alert.fingerprint)
            if now is None or now.number != told.alert.number:
                continue
            at_ms = told.at_ms + rule.repeat_ms
            if at_ms <= now_ms:
                due.setdefault(rule.name, []).append(told)
            soonest = at_ms if soonest is None else min(soonest, at_ms)
        for alert, several in due.items():
            chosen = several[: self.policy.group_size_max]
            keys = [f"{t.alert.fingerprint}:{t.alert.number}:{t.times}" for t in chosen]
            record: Record = {
                "do": "send", "channel": channel, "alert": alert, "at_ms": now_ms, "keys": keys,
                "repeats": True, "id": notification_id(self.origin, keys, chosen[0].times),
                "alerts": [asdict(t.alert) for t in chosen],
            }  # fmt: skip
            alerts = tuple(t.alert for t in chosen)
            return Send(self._notification(channel, record, alerts), record)
        return soonest

    def _notification(
        self, channel: str, record: Record, alerts: tuple[Alerted, ...]
    ) -> Notification:
        return Notification(
            id=record["id"],
            receiver=channel,
            alert=record["alert"],
            alerts=alerts,
            job=self.job,
            repeats=record["repeats"],
        )

    def _quiet_until(self, lane: _Lane, now_ms: int) -> list[int]:
        """Return when silences end that keep something back."""
        if not lane.queue and not lane.told:
            return []
        return [s.ends_at_ms for s in self.silences.values() if s.ends_at_ms > now_ms]

    def _lane(self, channel: str) -> _Lane:
        return self._lanes.setdefault(channel, _Lane())

    # ------------------------------------------------------------------ the whole, as JSON

    def to_json(self) -> dict[str, Any]:
        """Return the state, for a restart."""
        lanes = {
            name: {
                "queue": [[asdict(c.alert), c.queued_at_ms] for c in lane.queue],
                "told": [[asdict(t.alert), t.at_ms, t.times] for t in lane.told.values()],
                "dropped": lane.dropped,
                "flight": None if lane.flight is None else _flight_json(lane.flight),
            }
            for name, lane in self._lanes.items()
            if any(name in rule.channels for rule in self.rules.values())
        }
        return {
            "origin": self.origin,
            "epochs": self.epochs,
            "incarnation": self.incarnation,
            "numbers": self._numbers,
            "active": [asdict(a) for a in self.active.values()],
            "resolved": [asdict(a) for a in self.resolved],
            "silences": [asdict(s) for s in self.silences.values()],
            "notified": {f: n.notified for f, n in self._notes.items()},
            "lanes": lanes,
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Take a state back."""
        self.origin = said["origin"]
        self.epochs = dict(said["epochs"])
        self.incarnation = said["incarnation"]
        self._numbers = dict(said["numbers"])
        self.active = {a["fingerprint"]: Alerted(**a) for a in said["active"]}
        self._grave = None
        self.resolved.clear()
        self.resolved.extend(Alerted(**a) for a in said["resolved"])
        self.silences = {s["id"]: Silence(**s) for s in said["silences"]}
        self._notes = {f: _Notes(n) for f, n in said["notified"].items()}
        self._lanes = {}
        for name, lane in said["lanes"].items():
            made = self._lane(name)
            made.queue.extend(Change(Alerted(**a), at_ms) for a, at_ms in lane["queue"])
            made.told = {
                a["fingerprint"]: _Told(Alerted(**a), at_ms, times)
                for a, at_ms, times in lane["told"]
            }
            made.dropped = lane["dropped"]
            if lane["flight"] is not None:
                made.flight = self._flight(lane["flight"])

    def _flight(self, said: Mapping[str, Any]) -> _Flight:
        given = dict(said["notification"])
        given["alerts"] = tuple(Alerted(**a) for a in given["alerts"])
        return _Flight(Notification(**given), said["began_at_ms"], tuple(said["keys"]))


def incident(alert: Alerted) -> str:
    """Return what tells one time an alert is active from others."""
    return f"{alert.fingerprint}:{alert.since_ms}"


def _flight_json(flight: _Flight) -> dict[str, Any]:
    return {
        "notification": asdict(flight.notification),
        "began_at_ms": flight.began_at_ms,
        "keys": list(flight.keys),
    }
