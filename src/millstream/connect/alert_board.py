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
start   a record too: it says whom each alert is told to from there on. A channel that is new is
        told of what fires; an alert that the program has no longer ends
clock   may be set: a moment in the future that was noted as past is taken for now
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
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
Routes = dict[str, tuple[str, ...]]
"""The channels of each alert."""
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
    failed_at_ms: int = 0
    wait_ms: int = 0


@dataclass(slots=True)
class _Lane:
    """One channel."""

    queue: dict[str, Change] = field(default_factory=dict)
    """By key, in order."""
    flight: _Flight | None = None
    told: dict[str, _Told] = field(default_factory=dict)
    dropped: int = 0
    failure: str | None = None

    def knows(self, fingerprint: str) -> bool:
        """Tell whether the channel was told that an alert fires, or is being told."""
        if fingerprint in self.told:
            return True
        flying = () if self.flight is None else self.flight.notification.alerts
        return any(a.fingerprint == fingerprint for a in flying)


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
        self._routes: Routes = {rule.name: rule.channels for rule in self.rules.values()}
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
                for key in record["keys"]:
                    lane.queue.pop(key, None)
            case "silence":
                made = Silence(**record["silence"])
                self.silences[made.id] = made
                over = [s for s in self.silences.values() if s.ends_at_ms <= made.created_at_ms]
                if over and len(self.silences) > SILENCES_KEPT:
                    self.silences.pop(min(over, key=lambda s: s.ends_at_ms).id)
            case "unsilence":
                was = self.silences.get(record["id"])
                if was is not None and was.ends_at_ms > record["at_ms"]:
                    ended = {**asdict(was), "ends_at_ms": record["at_ms"]}
                    self.silences[was.id] = Silence(**ended)
            case "start":
                self.incarnation = record["incarnation"]
                self.origin = record["origin"]
                self._reroute(record["routes"], record["at_ms"])
            case other:
                raise AssertionError(f"no board knows the record '{other}'")

    def start_record(self, incarnation: int, now_ms: int) -> Record:
        """Return what notes a start of the program with these rules."""
        routes = {rule.name: list(rule.channels) for rule in self.rules.values()}
        return {
            "do": "start", "incarnation": incarnation, "origin": self.origin, "at_ms": now_ms,
            "routes": routes,
        }  # fmt: skip

    def rows_record(
        self, sink: str, epoch: int | None, rows: Iterable[Transition], now_ms: int
    ) -> Record:
        """Return what notes an epoch's transitions."""
        made = [row.to_json() for row in rows]
        return {"do": "rows", "sink": sink, "epoch": epoch, "at_ms": now_ms, "rows": made}

    def _take_rows(self, record: Record) -> None:
        if record["epoch"] is not None:
            self.epochs[record["sink"]] = record["epoch"]
        for row in record["rows"]:
            self._take(Transition(**row), record["at_ms"], by_epoch=record["epoch"] is not None)

    def _take(self, row: Transition, now_ms: int, *, by_epoch: bool) -> None:
        last = self._numbers.get(row.alert, 0)
        if by_epoch:
            if row.number <= last:
                # The step began anew, as its state was given up: what was active is unknown to it.
                self._end_all({row.alert}, now_ms)
            self._numbers[row.alert] = row.number
        else:
            if row.number <= last and self._came_before(row):
                return  # a pipeline that repeats rows after a restart
            self._numbers[row.alert] = max(last, row.number)
        known = self.active.get(row.fingerprint)
        if known is None and row.state == RESOLVED:
            # It began before these records: they were removed, or a savepoint came without them.
            for channel in self._routes.get(row.alert, ()):
                told = self._lane(channel).told
                told.setdefault(row.fingerprint, _Told(Alerted.of(row), now_ms))
        self._move(Alerted.of(row) if known is None else known.moved(row), now_ms)

    def _came_before(self, row: Transition) -> bool:
        known = self.active.get(row.fingerprint)
        if known is not None:
            return row.number <= known.number
        return row.state in (RESOLVED, GONE) or any(
            row.fingerprint == ended.fingerprint and row.number <= ended.number
            for ended in self.resolved
        )

    def _move(self, alert: Alerted, now_ms: int) -> None:
        """Let an alert stand as it does now, and tell whom it concerns."""
        self._grave = None
        if alert.state in (PENDING, FIRING):
            self.active[alert.fingerprint] = alert
        else:
            self.active.pop(alert.fingerprint, None)
        if alert.state in (PENDING, GONE):
            return
        channels = list(self._routes.get(alert.alert, ()))
        if alert.state == RESOLVED:
            self.resolved.append(alert)
            self._forget_notes()
            know = [n for n, lane in self._lanes.items() if lane.knows(alert.fingerprint)]
            channels += [name for name in know if name not in channels]
        for channel in channels:
            self._queue(self._lane(channel), Change(alert, now_ms))

    def _end_all(self, alerts: Iterable[str], now_ms: int) -> None:
        """End what is active of some alerts, as no row will."""
        for alert in [a for a in self.active.values() if a.alert in alerts]:
            state = RESOLVED if alert.state == FIRING else GONE
            ended_ms = now_ms if alert.state == FIRING else None
            self._move(replace(alert, state=state, resolved_at_ms=ended_ms), now_ms)

    def _reroute(self, routes: Mapping[str, Iterable[str]], now_ms: int) -> None:
        """Go on with another program: its alerts, and whom it tells of each."""
        before, self._routes = self._routes, {n: tuple(c) for n, c in routes.items()}
        there = {channel for channels in self._routes.values() for channel in channels}
        self._lanes = {name: lane for name, lane in self._lanes.items() if name in there}
        self._end_all({a.alert for a in self.active.values()} - self._routes.keys(), now_ms)
        for alert in self.active.values():
            if alert.state == FIRING:
                for channel in self._routes[alert.alert]:
                    if channel not in before.get(alert.alert, ()):
                        self._queue(self._lane(channel), Change(alert, now_ms))

    def _queue(self, lane: _Lane, change: Change) -> None:
        lane.queue[change.key] = change
        while len(lane.queue) > self.policy.queue_max:
            # Rather a beginning than the end of what was told.
            begin = (k for k, c in lane.queue.items() if c.alert.state == FIRING)
            del lane.queue[next(begin, None) or next(iter(lane.queue))]
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
            found = [lane.queue.pop(key, None) for key in keys]
            alerts = tuple(change.alert for change in found if change is not None)
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
            elif known is not None and known.alert.key == alert.key:
                # A repeat; one that was given up waits for its next turn like one that was told.
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
            if _is_to_come(flight.failed_at_ms, flight.wait_ms, now_ms):
                return Wait(flight.failed_at_ms + flight.wait_ms)
            return Send(flight.notification, None)
        is_quiet = self._quiet(now_ms)
        ended = _ended_unheard(lane, is_quiet)
        if ended:
            return Wait(now_ms, {"do": "drop", "channel": channel, "keys": ended})
        ready = _speakable(lane, is_quiet)
        wait_ms = 0 if hurry else self.policy.group_wait_ms
        first = next(ready, None)
        if first is not None and not _is_to_come(first.queued_at_ms, wait_ms, now_ms):
            return self._send(channel, first, ready, now_ms)
        repeat = self._repeat(channel, lane, is_quiet, now_ms)
        if isinstance(repeat, Send):
            return repeat
        moments = [] if first is None else [first.queued_at_ms + wait_ms]
        moments += [] if repeat is None else [repeat]
        moments += self._quiet_until(lane, now_ms)
        return Wait(min(moments, default=None))

    def failed(
        self,
        channel: str,
        reason: str,
        now_ms: int,
        *,
        forever: bool,
        chance: float,
        wait_ms: int = 0,
    ) -> Record | None:
        """Note a try that failed; returns the record that gives it up, None = it is tried again.

        ``chance``: a number below 1 that spreads the tries of many; ``wait_ms``: the receiver asks
        not to be tried before.
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
        # A machine that was off for a day, or whose clock was set, gets a few tries all the same.
        tried = flight.tries >= policy.tries_min
        if refused or (tried and now_ms - flight.began_at_ms >= policy.keep_trying_ms):
            return self.sent_record(channel, flight.notification.id, now_ms, failure=reason)
        own_ms = min(policy.retry_first_ms * 2 ** min(flight.tries - 1, 30), policy.retry_max_ms)
        asked_ms = min(wait_ms, policy.asked_wait_max_ms)
        flight.failed_at_ms = now_ms
        flight.wait_ms = max(asked_ms, int(own_ms * (0.5 + chance / 2)))
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
        lane, is_quiet = self._lane(channel), self._quiet(now_ms)
        return (
            lane.flight is None
            and not _ended_unheard(lane, is_quiet)
            and next(_speakable(lane, is_quiet), None) is None
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

    def _quiet(self, now_ms: int) -> Callable[[Alerted], bool]:
        """Return what tells whether an alert is silenced or inhibited now."""
        silences = [s for s in self.silences.values() if now_ms < s.ends_at_ms]

        def is_quiet(alert: Alerted) -> bool:
            labels = alert.all_labels
            return any(s.matches(labels) for s in silences) or self.is_inhibited(alert)

        return is_quiet

    def _send(self, channel: str, first: Change, others: Iterator[Change], now_ms: int) -> Send:
        alert = first.alert.alert
        alike = (c for c in others if c.alert.alert == alert)
        chosen = [first, *islice(alike, self.policy.group_size_max - 1)]
        keys = [c.key for c in chosen]
        record: Record = {
            "do": "send", "channel": channel, "alert": alert, "at_ms": now_ms, "keys": keys,
            "repeats": False, "id": notification_id(self.origin, keys),
        }  # fmt: skip
        return Send(self._notification(channel, record, tuple(c.alert for c in chosen)), record)

    def _repeat(
        self, channel: str, lane: _Lane, is_quiet: Callable[[Alerted], bool], now_ms: int
    ) -> Send | int | None:
        """Return what is to be told again, or when something will be."""
        soonest: int | None = None
        due: dict[str, list[_Told]] = {}
        for told in lane.told.values():
            rule = self.rules.get(told.alert.alert)
            if rule is None or rule.repeat_ms is None or channel not in rule.channels:
                continue
            now = self.active.get(told.alert.fingerprint)
            if now is None or now.key != told.alert.key or is_quiet(told.alert):
                continue
            if not _is_to_come(told.at_ms, rule.repeat_ms, now_ms):
                due.setdefault(rule.name, []).append(told)
            at_ms = told.at_ms + rule.repeat_ms
            soonest = at_ms if soonest is None else min(soonest, at_ms)
        for alert, several in due.items():
            chosen = several[: self.policy.group_size_max]
            keys = [f"{t.alert.key}:{t.times}" for t in chosen]
            record: Record = {
                "do": "send", "channel": channel, "alert": alert, "at_ms": now_ms, "keys": keys,
                "repeats": True, "id": notification_id(self.origin, keys, chosen[0].times),
                "alerts": [t.alert.to_json() for t in chosen],
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
                "queue": [[c.alert.to_json(), c.queued_at_ms] for c in lane.queue.values()],
                "told": [[t.alert.to_json(), t.at_ms, t.times] for t in lane.told.values()],
                "dropped": lane.dropped,
                "flight": None if lane.flight is None else _flight_json(lane.flight),
            }
            for name, lane in self._lanes.items()
        }
        return {
            "origin": self.origin,
            "epochs": self.epochs,
            "incarnation": self.incarnation,
            "routes": self._routes,
            "numbers": self._numbers,
            "active": [a.to_json() for a in self.active.values()],
            "resolved": [a.to_json() for a in self.resolved],
            "silences": [asdict(s) for s in self.silences.values()],
            "notified": {f: n.notified for f, n in self._notes.items()},
            "lanes": lanes,
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Take a state back."""
        self.origin = said["origin"]
        self.epochs = dict(said["epochs"])
        self.incarnation = said["incarnation"]
        self._routes = {name: tuple(channels) for name, channels in said["routes"].items()}
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
            changes = (Change(Alerted(**a), at_ms) for a, at_ms in lane["queue"])
            made.queue = {change.key: change for change in changes}
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


def _is_to_come(from_ms: int, wait_ms: int, now_ms: int) -> bool:
    """Tell whether a wait is not over; one that seems to begin later: the clock was set back."""
    return 0 <= now_ms - from_ms < wait_ms


def _speakable(lane: _Lane, is_quiet: Callable[[Alerted], bool]) -> Iterator[Change]:
    """Yield what may be told, in order: a change waits for the one before it of its alert."""
    waits: set[str] = set()
    for change in lane.queue.values():
        alert = change.alert
        if alert.fingerprint in waits:
            continue
        waits.add(alert.fingerprint)
        if alert.state != FIRING or not is_quiet(alert):
            yield change


def _ended_unheard(lane: _Lane, is_quiet: Callable[[Alerted], bool]) -> list[str]:
    """Return changes that began and ended in silence, and ends of what was never told."""
    keys: list[str] = []
    began: dict[str, Change] = {}
    for change in lane.queue.values():
        alert = change.alert
        if alert.state == FIRING:
            began[alert.fingerprint] = change
            continue
        start = began.pop(alert.fingerprint, None)
        if start is not None and is_quiet(start.alert):
            keys += [start.key, change.key]
        elif start is None and alert.fingerprint not in lane.told:
            keys.append(change.key)
    return keys


def incident(alert: Alerted) -> str:
    """Return what tells one time an alert is active from others."""
    return f"{alert.fingerprint}:{alert.since_ms}"


def _flight_json(flight: _Flight) -> dict[str, Any]:
    return {
        "notification": asdict(flight.notification),
        "began_at_ms": flight.began_at_ms,
        "keys": list(flight.keys),
    }
