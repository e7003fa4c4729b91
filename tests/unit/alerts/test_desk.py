"""The threads and records of alerting, with channels and stores that misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from millstream.connect import alert_desk
from millstream.connect.alert_channels import Channel
from millstream.connect.alert_desk import AlertDesk
from millstream.connect.alert_outbox import StoreOutbox
from millstream.connect.alert_values import Notification, Policy, Rule, Transition
from millstream.errors import JobError, MillstreamError, OptionError, Retry
from millstream.ports.store import Bytes, StoreError
from millstream.stores.memory import MemoryStore

LIMIT_S = 60.0


def until(happened: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.005)


class Pager(Channel):
    """Notes what it is given; hangs for as long as it is told to."""

    def __init__(self, name: str = "pager") -> None:
        self.name = name
        self.got: list[Notification] = []
        self.open = threading.Event()
        self.open.set()

    def send(self, notification: Notification) -> None:
        self.got.append(notification)
        assert self.open.wait(LIMIT_S)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(a.labels["host"], a.state) for n in self.got for a in n.alerts]


class Trouble(MemoryStore):
    """A store whose writes fail while ``fails`` says so of what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Callable[[str, bytes], bool] = lambda _name, _data: False
        self.refused = 0

    def put(self, name: str, data: Bytes) -> None:
        self._check(name, data)
        super().put(name, data)

    def put_new(self, name: str, data: Bytes) -> bool:
        self._check(name, data)
        return super().put_new(name, data)

    def _check(self, name: str, data: Bytes) -> None:
        if self.fails(name, bytes(data)):
            self.refused += 1
            raise StoreError("The disk is full.", retry=Retry.LATER)


def desk_of(store: MemoryStore, *pagers: Pager, **more: Any) -> AlertDesk:
    rule = Rule(name="hot", condition="", channels=tuple(p.name for p in pagers))
    policy = more.pop("policy", Policy(group_wait_ms=0))
    return AlertDesk(
        [rule],
        {p.name: p for p in pagers},
        policy=policy,
        outbox=lambda: StoreOutbox(store),
        **more,
    )


def row(host: str, number: int, state: str = "firing") -> Transition:
    return Transition(
        alert="hot", fingerprint=f"hot/{host}", labels={"host": host}, state=state,
        severity="warning", summary="", since_ms=1, at_ms=2, number=number, details={},
    )  # fmt: skip


def test_a_full_disk_behind_the_answer_sends_nothing_twice() -> None:
    """A notification whose note cannot be written is still told: mails cannot be taken back."""
    store, pager = Trouble(), Pager()
    desk = desk_of(store, pager)
    desk.open("sink", "p", 1)
    store.fails = lambda _name, data: b'"do":"sent"' in data
    desk.take("sink", 1, [row("a", 1)])
    until(lambda: store.refused >= 2)
    assert pager.told == [("a", "firing")]
    store.fails = lambda _name, _data: False
    until(lambda: desk.book.active()[0].notified)
    desk.take("sink", 2, [row("b", 2)])
    until(lambda: len(pager.got) == 2)
    desk.leave()
    assert pager.told == [("a", "firing"), ("b", "firing")]


def test_a_channel_that_hangs_through_a_restart_has_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old thread must not tell beside the new one, nor what the new one has told."""
    monkeypatch.setattr(alert_desk, "END_S", 0.05)
    store, pager, other = MemoryStore(), Pager(), Pager("other")
    desk = desk_of(store, pager, other)
    desk.open("sink", "p", 1)
    pager.open.clear()
    desk.take("sink", 1, [row("a", 1)])
    until(lambda: pager.got and other.got)  # one that hangs holds up no other
    threads = {t for t in threading.enumerate() if t.name == "alerts pager"}
    desk.leave()
    desk.open("sink", "p", 2)
    until(lambda: len(pager.got) == 2)
    assert len({n.id for n in pager.got}) == 1
    pager.open.set()
    for thread in threads:
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    desk.take("sink", 2, [row("b", 2)])
    until(lambda: len(pager.got) == 3)
    desk.leave()
    assert pager.told == [("a", "firing"), ("a", "firing"), ("b", "firing")]


def test_a_start_that_was_taken_over_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that tell are two notifications; the older one stops by itself."""
    monkeypatch.setattr(alert_desk, "END_S", 0.05)
    store, pager, newer = MemoryStore(), Pager(), Pager()
    old = desk_of(store, pager, policy=Policy(group_wait_ms=10**9))
    old.open("sink", "p", 1)
    old.take("sink", 1, [row("a", 1)])
    new = desk_of(store, newer)
    new.open("sink", "p", 2)
    until(lambda: newer.got)
    with old.lock:  # the wait of its group is over
        old._hurry = True
        old._changed.notify_all()
    until(lambda: not [t for t in threading.enumerate() if t.name == "alerts pager" and t in
                       old._threads])  # fmt: skip
    assert pager.got == []
    with pytest.raises(StoreError, match="Another process"):
        old.take("sink", 2, [row("b", 2)])
    old.leave()
    new.leave()


def test_a_start_wins_over_one_that_still_writes() -> None:
    """On an object store the old one may write between our reading and our first record."""
    store, pager = MemoryStore(), Pager()
    old = StoreOutbox(store)
    old.load()
    desk = desk_of(store, pager)
    board = desk.board
    load = StoreOutbox.load
    raced = []

    class Raced(StoreOutbox):
        def load(self) -> Any:
            found = load(self)
            if not raced:
                raced.append(True)
                old.append(
                    [board.start_record(1, 0), board.rows_record("sink", 1, [row("a", 1)], 0)]
                )
            return found

    desk._make_outbox = lambda: Raced(store)
    assert desk.open("sink", "p", 2) == 1
    until(lambda: pager.told == [("a", "firing")])
    desk.leave()
    late = desk_of(store, pager)
    with pytest.raises(MillstreamError, match="started again elsewhere"):
        late.open("sink", "p", 1)


def test_a_record_that_cannot_be_put_together_is_no_failure() -> None:
    """What was asked for is done and safe: a full disk must not say otherwise."""
    store, pager = Trouble(), Pager()
    desk = desk_of(store, pager)
    desk.open("sink", "p", 1)
    store.fails = lambda name, _data: name.startswith("base/")
    for n in range(300):
        desk.book.silence({"host": "x"}, 1) if n < 100 else desk.take("s", n, [row("a", n)])
    assert store.refused
    store.fails = lambda _name, _data: False
    desk.take("s", 300, [row("a", 300)])
    assert store.names("base/")
    desk.leave()
    again = desk_of(store, pager)
    again.open("s", "p", 2)
    assert [info.alert for info in again.book.active()] == ["hot"]
    again.leave()


def test_silences_have_an_end() -> None:
    """One client that loops must not fill the record, nor push out the silences of others."""
    desk = desk_of(MemoryStore(), Pager())
    for n in range(200):
        desk.book.silence({"host": str(n)}, 3_600)
    with pytest.raises(JobError, match="200 silences"):
        desk.book.silence({"host": "one too many"}, 3_600)
    for labels, seconds in (({}, 1), ({"host": "a"}, 0)):
        with pytest.raises(OptionError):
            desk.book.silence(labels, seconds)


def test_many_that_fire_at_once_hold_nobody_up() -> None:
    """A storm of 20 000 alerts is told in order, and what does not fit is counted."""
    pagers = [Pager(), Pager("other")]
    desk = desk_of(MemoryStore(), *pagers)
    desk.open("sink", "p", 1)
    for n in range(20):
        desk.book.silence({"host": f"quiet {n}"}, 3_600)
    desk.take("sink", 1, [row(str(n), n) for n in range(1, 20_001)])
    until(lambda: not any(desk.board.waiting(p.name) for p in pagers))
    assert [len(p.told) for p in pagers] == [10_000, 10_000]
    assert desk.book.changes_dropped == 20_000
    assert len(desk.book.active()) == 20_000
    newest = desk.book.active(limit=2)
    assert [info.state for info in newest] == ["firing", "firing"]
    assert desk.book.active("pending") == []
    desk.leave()
