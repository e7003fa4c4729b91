"""The decisions of alerting, by plain values and a clock that is a number."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.connect.alert_board import Board, Record, Send, Wait
from millstream.connect.alert_values import (
    FIRING,
    GONE,
    PENDING,
    RESOLVED,
    Inhibition,
    Policy,
    Rule,
    Silence,
    Transition,
)

CHANNEL = "webhook"
POLICY = Policy(group_wait_ms=1_000, retry_first_ms=100, retry_max_ms=1_000)


class Desk:
    """A board whose records are kept, as the real desk does, and a receiver that always answers."""

    def __init__(self, *rules: Rule, policy: Policy = POLICY) -> None:
        self.rules = rules or (Rule(name="hot", condition="t > 9", channels=(CHANNEL,)),)
        self.board = Board("origin", self.rules, policy, job="j")
        self.policy = policy
        self.records: list[Record] = []
        self.numbers: Counter[str] = Counter()
        self.now_ms = 0
        self.got: list[tuple[str, str, list[tuple[str, str]]]] = []
        """(id, status, [(host, state)]) of all that the receiver was given."""

    def keep(self, record: Record) -> None:
        record = json.loads(json.dumps(record))
        self.records.append(record)
        self.board.apply(record)

    def change(self, host: str, state: str, alert: str = "hot", severity: str = "warning") -> None:
        self.numbers[alert] += 1
        labels = {"host": host} if host else {}
        row = Transition(
            alert=alert, fingerprint=f"{alert}/{host}", labels=labels, state=state,
            severity=severity, summary=f"{host} {state}", since_ms=self.now_ms,
            at_ms=self.now_ms, number=self.numbers[alert], details={"t": 10},
        )  # fmt: skip
        self.keep(self.board.rows_record("sink", None, [row], self.now_ms))

    def tell(self, *, fails: bool = False, crash: bool = False) -> Send | Wait:
        """Take one step; ``crash``: after the answer, before it is noted."""
        found = self.board.next(CHANNEL, self.now_ms)
        if found.record is not None:
            self.keep(found.record)
        if isinstance(found, Wait):
            return found
        said = found.notification
        if fails:
            gave_up = self.board.failed(CHANNEL, "no", self.now_ms, forever=False, chance=0.5)
            if gave_up is not None:
                self.keep(gave_up)
            return found
        self.got.append(
            (said.id, said.status, [(a.labels.get("host", ""), a.state) for a in said.alerts])
        )
        if not crash:
            self.keep(self.board.sent_record(CHANNEL, said.id, self.now_ms))
        return found

    def tell_all(self) -> None:
        for _ in range(100):
            found = self.tell()
            if isinstance(found, Wait) and found.record is None:
                return

    def at(self, now_ms: int) -> Desk:
        self.now_ms = now_ms
        return self

    def restart(self, *, base: bool = False) -> None:
        board = Board("another", self.rules, self.policy, job="j")
        start: Record = {"do": "start", "incarnation": 1, "origin": "origin"}
        if base:
            board.load(json.loads(json.dumps(self.board.to_json())))
        else:
            for record in [start, *self.records]:
                board.apply(record)
        self.board = board

    @property
    def told(self) -> list[tuple[str, str]]:
        return [alert for _, _, alerts in self.got for alert in alerts]


def test_alerts_of_one_moment_are_one_notification() -> None:
    """Ten hosts that fail together must not ring ten times."""
    desk = Desk()
    for host in "abc":
        desk.change(host, FIRING)
    assert desk.tell() == Wait(1_000)
    desk.at(1_000).tell_all()
    assert [(status, hosts) for _, status, hosts in desk.got] == [
        ("firing", [("a", FIRING), ("b", FIRING), ("c", FIRING)])
    ]
    desk.change("b", RESOLVED)
    desk.at(2_000).tell_all()
    assert desk.got[-1][1:] == ("resolved", [("b", RESOLVED)])


def test_what_was_only_pending_is_told_to_nobody() -> None:
    """A condition that was not held for long enough is no news."""
    desk = Desk()
    desk.change("a", PENDING)
    assert [a.state for a in desk.board.active.values()] == [PENDING]
    desk.change("a", GONE)
    desk.at(5_000).tell_all()
    assert desk.got == []
    assert desk.board.active == {}


def test_a_short_alert_is_told_with_its_end_in_order() -> None:
    """What fires and ends within the wait of a group is two changes, and both are told."""
    desk = Desk()
    desk.change("a", FIRING)
    desk.change("a", RESOLVED)
    desk.at(1_000).tell_all()
    assert desk.told == [("a", FIRING), ("a", RESOLVED)]
    assert [a.number for a in desk.board.resolved] == [2]


def test_a_failing_channel_is_tried_again_with_the_same_id() -> None:
    """A receiver can only know a repeat by its id, and is not to be hammered."""
    desk = Desk()
    desk.change("a", FIRING)
    desk.at(1_000)
    waits = []
    for _ in range(5):
        assert isinstance(desk.tell(fails=True), Send)
        found = desk.tell(fails=True)
        assert isinstance(found, Wait)
        assert found.until_ms is not None
        waits.append(found.until_ms - desk.now_ms)
        desk.at(found.until_ms)
    assert waits == [75, 150, 300, 600, 750]  # doubled up to the most, three quarters by chance
    alert = desk.board.active["hot/a"]
    assert desk.board.failure(alert) == "no"
    desk.change("b", FIRING)
    desk.tell()
    assert desk.board.failure(alert) is None
    assert desk.board.notified(alert) == 1
    assert desk.told == [("a", FIRING)]


def test_a_notification_is_given_up_at_last() -> None:
    """A receiver that is gone for ever must not hold up what comes behind."""
    desk = Desk(policy=Policy(group_wait_ms=0, keep_trying_ms=10_000))
    desk.change("a", FIRING)
    desk.tell(fails=True)
    desk.at(10_000).tell(fails=True)
    assert desk.board.dropped() == 1
    desk.change("b", FIRING)
    desk.tell_all()
    assert desk.told == [("b", FIRING)]


def test_a_silence_holds_back_and_lets_go() -> None:
    """Who silences for an hour wants to hear of what still burns after it, and of no more."""
    desk = Desk()
    silence = Silence(id="s", labels={"host": "a"}, created_at_ms=0, ends_at_ms=60_000)
    desk.keep({"do": "silence", "silence": _json(silence)})
    for host in "abc":
        desk.change(host, FIRING)
    desk.at(1_000).tell_all()
    assert desk.told == [("b", FIRING), ("c", FIRING)]
    assert desk.tell() == Wait(60_000)
    desk.at(60_000).tell_all()
    assert desk.told[-1] == ("a", FIRING)


def test_what_begins_and_ends_in_silence_is_never_told() -> None:
    """The end of what nobody heard of is no news either."""
    desk = Desk()
    silence = Silence(id="s", labels={"alert": "hot"}, created_at_ms=0, ends_at_ms=60_000)
    desk.keep({"do": "silence", "silence": _json(silence)})
    desk.change("a", FIRING)
    desk.change("a", RESOLVED)
    desk.at(1_000).tell_all()
    desk.at(99_000).tell_all()
    assert desk.got == []
    assert desk.board.waiting(CHANNEL) == 0


def test_the_end_of_what_was_told_is_told_in_silence() -> None:
    """A pager that rang must not stay red because somebody silenced it."""
    desk = Desk()
    desk.change("a", FIRING)
    desk.at(1_000).tell_all()
    silence = Silence(id="s", labels={"host": "a"}, created_at_ms=0, ends_at_ms=60_000)
    desk.keep({"do": "silence", "silence": _json(silence)})
    desk.change("a", RESOLVED)
    desk.at(2_000).tell_all()
    assert desk.told == [("a", FIRING), ("a", RESOLVED)]


def test_an_ended_silence_stays_in_the_list() -> None:
    """Who asks why it was quiet last night finds the silence."""
    desk = Desk()
    silence = Silence(id="s", labels={"host": "a"}, created_at_ms=0, ends_at_ms=60_000)
    desk.keep({"do": "silence", "silence": _json(silence)})
    desk.keep({"do": "unsilence", "id": "s", "at_ms": 10})
    desk.restart(base=True)
    assert desk.board.silences["s"].ends_at_ms == 10


def test_graver_alerts_keep_others_quiet() -> None:
    """'The disk is full' says all that 'the disk is filling' would."""
    rules = (
        Rule(name="full", condition="", severity="critical", channels=(CHANNEL,)),
        Rule(name="filling", condition="", channels=(CHANNEL,)),
    )
    desk = Desk(*rules)
    desk.change("a", FIRING, "full", "critical")
    for host in ("a", "b", ""):
        desk.change(host, FIRING, "filling")
    desk.at(1_000).tell_all()
    assert sorted(desk.told) == [("", FIRING), ("a", FIRING), ("b", FIRING)]
    assert desk.board.is_inhibited(desk.board.active["filling/a"])
    desk.change("a", RESOLVED, "full", "critical")
    desk.at(2_000).tell_all()
    assert sorted(desk.told[3:]) == [("a", FIRING), ("a", RESOLVED)]


def test_labels_of_an_inhibition_can_be_named() -> None:
    """A cluster that is down says all about its hosts, whatever other labels they have."""
    grave = Inhibition(equal=("host",))
    rules = (Rule(name="x", condition="", channels=(CHANNEL,)),)
    desk = Desk(*rules, policy=Policy(group_wait_ms=0, inhibitions=(grave,)))
    desk.change("a", FIRING, "down", "critical")
    desk.change("a", FIRING, "x")
    desk.change("b", FIRING, "x")
    desk.tell_all()
    assert desk.told == [("b", FIRING)]


def test_what_still_fires_is_told_again() -> None:
    """A mail that was overlooked comes again; what ended does not."""
    desk = Desk(Rule(name="hot", condition="", channels=(CHANNEL,), repeat_ms=60_000))
    desk.change("a", FIRING)
    desk.change("b", FIRING)
    desk.at(1_000).tell_all()
    desk.change("b", RESOLVED)
    desk.at(2_000).tell_all()
    assert desk.tell() == Wait(61_000)
    desk.at(61_000).tell_all()
    desk.at(121_000).tell_all()
    assert desk.told[3:] == [("a", FIRING), ("a", FIRING)]
    assert len({i for i, _, _ in desk.got}) == len(desk.got)
    assert desk.board.notified(desk.board.active["hot/a"]) == 3


def test_a_queue_has_an_end() -> None:
    """A channel that is away for a month must not eat the memory."""
    desk = Desk(policy=Policy(queue_max=5))
    for host in range(9):
        desk.change(str(host), FIRING)
    assert desk.board.waiting(CHANNEL) == 5
    assert desk.board.dropped() == 4


def test_rows_that_come_again_are_known() -> None:
    """At least once rows repeat after a restart; their numbers tell."""
    desk = Desk()
    desk.change("a", FIRING)
    for record in list(desk.records):
        desk.board.apply(record)
    assert desk.board.waiting(CHANNEL) == 1


MOVES = st.one_of(
    st.tuples(st.just("change"), st.sampled_from("abc")),
    st.tuples(st.just("time"), st.integers(1, 3_000)),
    st.tuples(st.just("tell"), st.sampled_from(["ok", "ok", "fails", "crash", "restart", "base"])),
    st.tuples(st.just("silence"), st.sampled_from("abc")),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_every_change_is_told_once_through_crashes(moves: list[tuple[str, Any]]) -> None:
    """One notification per change; a crash behind the answer repeats it under the same id."""
    desk = Desk()
    firing: set[str] = set()
    silenced: set[str] = set()
    changes: list[tuple[str, str]] = []
    silences = 0
    for what, value in moves:
        match what:
            case "time":
                desk.at(desk.now_ms + value)
            case "silence":
                silences += 1
                silenced.add(value)
                made = Silence(
                    id=f"s{silences}", labels={"host": value}, created_at_ms=desk.now_ms,
                    ends_at_ms=desk.now_ms + 2_000,
                )  # fmt: skip
                desk.keep({"do": "silence", "silence": _json(made)})
            case "change":
                state = RESOLVED if value in firing else FIRING
                firing ^= {value}
                changes.append((value, state))
                desk.change(value, state)
            case _ if value in ("restart", "base"):
                desk.restart(base=value == "base")
            case _:
                desk.tell(fails=value == "fails", crash=value == "crash")
    desk.at(desk.now_ms + 10_000_000).tell_all()
    once = {i: alerts for i, _, alerts in desk.got}
    told = [alert for alerts in once.values() for alert in alerts]
    for host in "abc":
        want = [c for c in changes if c[0] == host]
        have = [t for t in told if t[0] == host]
        if host not in silenced:
            assert have == want
        else:  # pairs may be left out, order stays
            assert not have or have[0][1] == FIRING
            assert all(a[1] != b[1] for a, b in pairwise(have))
            assert (host in firing) == (bool(have) and have[-1][1] == FIRING)
    assert desk.board.waiting(CHANNEL) == 0


def _json(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.id, "labels": dict(silence.labels), "created_at_ms": silence.created_at_ms,
        "ends_at_ms": silence.ends_at_ms, "comment": silence.comment,
    }  # fmt: skip
