"""The decisions of alerting, by plain values and a clock that is a number."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.connect.alert_board import SILENCES_KEPT, Board, Record, Send, Wait
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
        self.keep(self.board.start_record(1, 0))

    def keep(self, record: Record) -> None:
        record = json.loads(json.dumps(record))
        self.records.append(record)
        self.board.apply(record)

    def change(
        self,
        host: str,
        state: str,
        alert: str = "hot",
        severity: str = "warning",
        epoch: int | None = None,
    ) -> None:
        self.numbers[alert] += 1
        labels = {"host": host} if host else {}
        row = Transition(
            alert=alert, fingerprint=f"{alert}/{host}", labels=labels, state=state,
            severity=severity, summary=f"{host} {state}", since_ms=self.now_ms,
            at_ms=self.now_ms, number=self.numbers[alert], details={"t": 10},
        )  # fmt: skip
        self.keep(self.board.rows_record("sink", epoch, [row], self.now_ms))

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

    def restart(self, *rules: Rule, base: bool = False) -> None:
        """Start again, with other ``rules``; ``base``: after the records were put together."""
        self.rules = rules or self.rules
        board = Board(self.board.origin, self.rules, self.policy, job="j")
        if base:
            board.load(json.loads(json.dumps(self.board.to_json())))
        else:
            for record in self.records:
                board.apply(record)
        self.board = board
        self.keep(board.start_record(board.incarnation + 1, self.now_ms))

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
    desk = Desk(policy=Policy(group_wait_ms=0, keep_trying_ms=10_000, tries_min=3))
    desk.change("a", FIRING)
    for now_ms in (0, 10_000, 20_000):  # a machine that was off meanwhile tries again first
        assert desk.board.dropped() == 0
        desk.at(now_ms).tell(fails=True)
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


def test_a_refused_repeat_waits_for_its_turn() -> None:
    """A receiver that says 'never' must not be asked every second for as long as it fires."""
    desk = Desk(Rule(name="hot", condition="", channels=(CHANNEL,), repeat_ms=60_000))
    desk.change("a", FIRING)
    desk.at(1_000).tell_all()
    desk.at(61_000)
    tries = 0
    while isinstance(found := desk.board.next(CHANNEL, desk.now_ms), Send):
        if found.record is not None:
            desk.keep(found.record)
        tries += 1
        gave_up = desk.board.failed(CHANNEL, "gone", desk.now_ms, forever=True, chance=0)
        if gave_up is not None:
            desk.keep(gave_up)
        desk.at(desk.now_ms + 2_000)
    assert tries == 3
    assert found.until_ms is not None
    assert found.until_ms > desk.now_ms + 50_000


@pytest.mark.parametrize("base", [False, True])
def test_a_channel_that_is_new_is_told_of_what_fires(base: bool) -> None:
    """Who mends an address hears of what burns, and not of what was over long ago."""
    desk = Desk()
    for host in "ab":
        desk.change(host, FIRING)
    desk.change("a", RESOLVED)
    desk.at(1_000).tell_all()
    desk.restart(Rule(name="hot", condition="", channels=(CHANNEL, "new")), base=base)
    desk.tell_all()
    found = desk.board.next("new", 2_000)
    assert isinstance(found, Send)
    assert [(a.labels["host"], a.state) for a in found.notification.alerts] == [("b", FIRING)]
    assert len(desk.got) == 2  # the channel that knows hears nothing again


@pytest.mark.parametrize("base", [False, True])
def test_an_alert_that_was_taken_out_of_the_program_ends(base: bool) -> None:
    """Nothing will ever end it, so that it would burn and keep others quiet for ever."""
    other = Rule(name="x", condition="", channels=(CHANNEL,))
    desk = Desk(Rule(name="hot", condition="", channels=(CHANNEL,)), other)
    desk.change("a", FIRING, severity="critical")
    desk.change("b", PENDING)
    desk.at(1_000).tell_all()
    desk.restart(other, base=base)
    desk.change("a", FIRING, "x")
    desk.at(3_000).tell_all()
    assert desk.told == [("a", FIRING), ("a", RESOLVED), ("a", FIRING)]
    assert list(desk.board.active) == ["x/a"]


def test_a_channel_hears_the_end_of_what_it_was_told() -> None:
    """Also where the alert is told to others by now."""
    desk = Desk()
    desk.change("a", FIRING)
    desk.at(1_000).tell_all()
    elsewhere = Rule(name="hot", condition="", channels=("pager",), repeat_ms=1_000)
    desk.restart(elsewhere, Rule(name="x", condition="", channels=(CHANNEL,)))
    desk.at(9_000).tell_all()
    desk.change("a", RESOLVED)
    desk.at(20_000).tell_all()
    assert desk.told == [("a", FIRING), ("a", RESOLVED)]


def test_a_step_that_begins_anew_is_believed() -> None:
    """With its state given up an alert counts from 1 again: that must not look like old news."""
    desk = Desk()
    for epoch, host in enumerate("abc", 1):
        desk.change(host, FIRING, epoch=epoch)
    desk.at(1_000).tell_all()
    ids = {i for i, _, _ in desk.got}
    desk.numbers.clear()
    desk.change("a", FIRING, epoch=4)
    desk.at(3_000).tell_all()
    assert desk.told[3:] == [("a", RESOLVED), ("b", RESOLVED), ("c", RESOLVED), ("a", FIRING)]
    assert list(desk.board.active) == ["hot/a"]
    assert not ids & {i for i, _, _ in desk.got[1:]}


def test_the_end_of_what_earlier_records_told_is_told() -> None:
    """A savepoint brings the alerts that fire, and not the record of who was told."""
    desk = Desk()
    desk.change("a", RESOLVED, epoch=8)
    desk.at(1_000).tell_all()
    assert desk.told == [("a", RESOLVED)]


def test_repeated_rows_of_other_keys_are_news() -> None:
    """At least once: by the clock a restart may count other transitions under the same numbers."""
    desk = Desk()
    desk.change("a", FIRING)
    desk.change("b", FIRING)
    desk.numbers.clear()
    desk.change("c", FIRING)
    desk.change("b", FIRING)
    desk.at(1_000).tell_all()
    assert desk.told == [("a", FIRING), ("b", FIRING), ("c", FIRING)]


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    """A machine that was in the wrong year must not keep alerts until that year comes."""
    desk = Desk(Rule(name="hot", condition="", channels=(CHANNEL,), repeat_ms=60_000))
    desk.at(10**12).change("a", FIRING)
    desk.at(0).tell_all()
    assert desk.told == [("a", FIRING)]
    desk.at(10**12).change("b", FIRING)
    desk.at(10**12 + 1_000).tell(fails=True)
    desk.at(0).tell_all()
    assert desk.told[1] == ("b", FIRING)
    desk.at(10**12).tell_all()
    desk.at(0).tell_all()
    assert desk.tell() == Wait(60_000)


def test_a_receiver_is_left_alone_for_as_long_as_it_asks() -> None:
    """'Too many requests, come back in a minute' is no reason to come back in a second."""
    desk = Desk()
    desk.change("a", FIRING)
    desk.at(1_000).tell(fails=True)
    desk.at(2_000)
    assert isinstance(desk.board.next(CHANNEL, 2_000), Send)
    desk.board.failed(CHANNEL, "429", 2_000, forever=False, chance=0, wait_ms=60_000)
    assert desk.tell() == Wait(62_000)
    desk.at(62_000)
    desk.board.failed(CHANNEL, "429", 62_000, forever=False, chance=0, wait_ms=10**12)
    assert desk.tell() == Wait(62_000 + 3_600_000)


def test_a_full_queue_drops_beginnings_first() -> None:
    """A pager that rang must not stay red because the queue was full."""
    desk = Desk(policy=Policy(queue_max=2, group_wait_ms=0))
    desk.change("a", FIRING)
    desk.tell_all()
    desk.change("a", RESOLVED)
    for host in "bcd":
        desk.change(host, FIRING)
    desk.tell_all()
    assert desk.told == [("a", FIRING), ("a", RESOLVED), ("d", FIRING)]


def test_silences_in_force_are_never_forgotten() -> None:
    """The list is bounded by those that are over."""
    desk = Desk()
    for n in range(SILENCES_KEPT + 50):
        over = 10_000 if n % 2 else 1
        made = Silence(id=f"s{n}", labels={"host": "a"}, created_at_ms=n + 2, ends_at_ms=over + n)
        desk.keep({"do": "silence", "silence": _json(made)})
    assert len(desk.board.silences) == SILENCES_KEPT
    assert all(f"s{n}" in desk.board.silences for n in range(1, SILENCES_KEPT + 50, 2))


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
