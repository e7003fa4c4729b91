"""The desk of one job's alerts: takes transitions in, keeps the record, tells the channels.

in      transitions by epoch, silences; from any thread
state   a :class:`Board` and the :class:`Outbox` that can make it anew
out     notifications, each channel from a thread of its own, so that a slow one holds up no other
once    what is to be sent is durable before it is sent, with the id it is sent under; that it was
        sent is durable right behind. A crash between the receiver's answer and that record sends
        it once more, under the same id; nothing else is ever sent twice
bad     a channel that fails is tried again and told in ``failure``; it never stops the pipeline.
        While the store fails nothing new is sent, and what was sent is not sent again
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from millstream.connect.alert_board import SILENCES_KEPT, Board, Record, Send
from millstream.connect.alert_channels import Channel, ChannelError
from millstream.connect.alert_outbox import MemoryOutbox, Outbox
from millstream.connect.alert_values import Policy, Rule, Silence, Transition
from millstream.connect.epochs import fenced
from millstream.errors import Domain, JobError, Retry
from millstream.events import carried
from millstream.ports.store import StoreError

if TYPE_CHECKING:
    from millstream.connect.alert_book import AlertBook

LOG = logging.getLogger("millstream")
END_S = 5.0
"""So long the end of a job waits for what is still to be told; the rest is told after a restart."""
TRY_STORE_AGAIN_S = 1.0
LOOK_AGAIN_S = 30.0
"""A machine's clock may be set: nobody sleeps for longer than that."""
CLAIMS_MAX = 10
"""So often a start reads the record anew, as the one before it still writes there."""


def clock_ms() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1_000_000


class AlertDesk:
    """All alerts of one job; shared by its sinks."""

    def __init__(
        self,
        rules: Sequence[Rule],
        channels: Mapping[str, Channel],
        *,
        policy: Policy | None = None,
        outbox: Callable[[], Outbox] = MemoryOutbox,
        newest_epoch: Callable[[], int] = lambda: 0,
        job: str | None = None,
        clock: Callable[[], int] = clock_ms,
        forgets_quietly: bool = False,
    ) -> None:
        self.board = Board(uuid.uuid4().hex, rules, policy or Policy(), job=job)
        self.channels = dict(channels)
        self.clock = clock
        self.lock = threading.RLock()
        self._make_outbox = outbox
        self._forgets_quietly = forgets_quietly
        self._outbox: Outbox = MemoryOutbox()
        self._newest_epoch = newest_epoch
        self._changed = threading.Condition(self.lock)
        self._users = 0
        self._over = self._closed = True
        self._hurry = False
        self._era = 0
        """Counts the starts: a thread that hung through the end of one is not another's."""
        self._threads: list[threading.Thread] = []
        self._chance = random.Random()  # noqa: S311 (it only spreads the tries of many)
        self._book: AlertBook | None = None

    @property
    def book(self) -> AlertBook:
        """What people may ask and say."""
        from millstream.connect.alert_book import AlertBook

        if self._book is None:
            self._book = AlertBook(self)
        return self._book

    @property
    def place(self) -> str | None:
        """Where its records are; None = in memory."""
        return self._outbox.place

    # ------------------------------------------------------------------ sinks

    def open(self, sink: str, pipeline: str, incarnation: int) -> int | None:
        """Take a sink in; returns the last epoch that was noted for it."""
        with self.lock:
            if not self._users:
                self._start(sink, pipeline, incarnation)
            elif incarnation < self.board.incarnation:
                raise fenced(pipeline, sink, incarnation, self.board.incarnation)
            self._users += 1
            if not incarnation:
                return None
            # Epochs without a row of ours are not noted. One is written when the one before it is
            # delivered, so that all but the newest are; also in a folder restored from elsewhere.
            known, newest = self.board.epochs.get(sink), self._newest_epoch()
            delivered = [newest - 1] if newest else []
            return max([*delivered, *([] if known is None else [known])], default=None)

    def take(self, sink: str, epoch: int | None, rows: Sequence[Transition]) -> bool:
        """Note an epoch's transitions, once; False: it was noted before."""
        with self.lock:
            if epoch is not None and self.board.epochs.get(sink) == epoch:
                return False
            if rows:
                self.keep(self.board.rows_record(sink, epoch, rows, self.clock()))
            return True

    def leave(self) -> None:
        """A sink is closed; with the last one the threads end, after what is still to be told."""
        with self.lock:
            self._users -= 1
            if self._users > 0:
                return
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_told, END_S)
            self._over = True
            self._changed.notify_all()
            threads, self._threads = self._threads, []
        deadline_s = time.monotonic() + END_S
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        with self.lock:
            if self._closed or self._users:
                return
            self._closed = True
            self._outbox.close()

    # ------------------------------------------------------------------ people

    def silence(self, labels: Mapping[str, str], seconds: int, comment: str) -> Silence:
        """Keep alerts with these labels quiet for some time."""
        with self.lock:
            now_ms = self.clock()
            holding = sum(now_ms < s.ends_at_ms for s in self.board.silences.values())
            if holding >= SILENCES_KEPT:
                raise JobError(
                    f"{holding} silences are in force, and no more are kept.",
                    hint="End some of them, or silence by a label that alerts have in common.",
                )
            made = Silence(
                id=uuid.uuid4().hex[:12],
                labels=dict(labels),
                created_at_ms=now_ms,
                ends_at_ms=now_ms + seconds * 1000,
                comment=comment,
            )
            self.keep({"do": "silence", "silence": asdict(made)})
            return made

    def unsilence(self, silence: str) -> bool:
        """End a silence; False where there is none of this id."""
        with self.lock:
            if silence not in self.board.silences:
                return False
            self.keep({"do": "unsilence", "id": silence, "at_ms": self.clock()})
            return True

    # ------------------------------------------------------------------ records

    def keep(self, *records: Record) -> None:
        """Make records durable, then take them in; ``lock`` is held.

        After the end of the job its folder may be another's: then they are only taken in.
        """
        if not self._closed:
            self._outbox.append(records)
        for record in records:
            self.board.apply(record)
        if not self._closed and self._outbox.is_long:
            try:
                self._outbox.compact(self.board.to_json())
            except StoreError as error:  # the records are safe; the next ones try again
                LOG.warning("The record of alerts stays long: %s", error.fact)
        self._changed.notify_all()

    def _start(self, sink: str, pipeline: str, incarnation: int) -> None:
        """Take the records of earlier starts in, and begin to tell."""
        if incarnation:
            self._outbox = self._make_outbox()
            try:
                self._claim(sink, pipeline, incarnation)
            except BaseException:
                self._outbox.close()
                raise
        else:
            if not self._forgets_quietly:
                LOG.warning(
                    "Alerts are kept in memory, as there is no checkpoint folder: "
                    "a restart forgets silences and may tell again what it told."
                )
            self.board.forget_rows()
        self._over = self._hurry = self._closed = False
        self._era += 1
        tell = carried(self._tell)
        self._threads = [
            threading.Thread(
                target=tell, args=(name, channel, self._era), name=f"alerts {name}", daemon=True
            )
            for name, channel in self.channels.items()
        ]
        for thread in self._threads:
            thread.start()

    def _claim(self, sink: str, pipeline: str, incarnation: int) -> None:
        """Read the records and note this start behind them, which shuts older ones out."""
        for tries_left in reversed(range(CLAIMS_MAX)):
            board = self.board.fresh()
            base, records = self._outbox.load()
            if base is not None:
                board.load(base)
            for record in records:
                board.apply(record)
            if incarnation < board.incarnation:
                raise fenced(pipeline, sink, incarnation, board.incarnation)
            start = board.start_record(incarnation, self.clock())
            try:
                self._outbox.append([start])
            except StoreError as error:
                if error.domain is not Domain.FENCED or not tries_left:
                    raise
                continue  # the start before this one has just written: it is to be read first
            board.apply(start)
            self.board = board
            return

    # ------------------------------------------------------------------ telling

    def _tell(self, name: str, channel: Channel, era: int) -> None:
        """Tell one channel what there is, until the end; runs in a thread of its own."""
        while True:
            try:
                send = self._next(name, era)
                if send is None:
                    return
                self._send(name, channel, send, era)
            except StoreError as error:
                if not self._waited(name, error, era):
                    return

    def _waited(self, name: str, error: StoreError, era: int) -> bool:
        """Wait for the store to come back; False: it is over, or another start tells now."""
        LOG.warning("alerts for %s wait: %s", name, error.fact)
        if error.domain is Domain.FENCED:
            return False
        with self.lock:
            return not self._changed.wait_for(lambda: self._is_over(era), TRY_STORE_AGAIN_S)

    def _is_over(self, era: int) -> bool:
        return self._over or era != self._era

    def _next(self, name: str, era: int) -> Send | None:
        """Wait for what is to be told; None = it is over. What is returned is durable."""
        with self.lock:
            while not self._is_over(era):
                found = self.board.next(name, self.clock(), hurry=self._hurry)
                if found.record is not None:
                    self.keep(found.record)
                if isinstance(found, Send):
                    return found
                if found.record is not None:
                    continue
                wait_s = LOOK_AGAIN_S
                if found.until_ms is not None:
                    wait_s = min(wait_s, max(0.001, (found.until_ms - self.clock()) / 1000))
                self._changed.wait(wait_s)
        return None

    def _send(self, name: str, channel: Channel, send: Send, era: int) -> None:
        notification = send.notification
        failure: ChannelError | None = None
        try:
            channel.send(notification)
        except ChannelError as error:
            LOG.warning("An alert could not be delivered: %s: %s", name, error)
            failure = error
        except Exception as error:
            LOG.exception("The channel '%s' failed.", name)
            failure = ChannelError(type(error).__name__, Retry.NEVER)
        if failure is None:
            self._sent(name, notification.id, era)
        else:
            self._failed(name, failure, era)

    def _sent(self, name: str, notification: str, era: int) -> None:
        """Note that it is told, however long the store takes: it must not be sent again."""
        while True:
            try:
                with self.lock:
                    self.keep(self.board.sent_record(name, notification, self.clock()))
                return
            except StoreError as error:
                if error.domain is Domain.FENCED or not self._waited(name, error, era):
                    raise

    def _failed(self, name: str, failure: ChannelError, era: int) -> None:
        with self.lock:
            if era != self._era:
                return  # another thread tries it by now
            gave_up = self.board.failed(
                name,
                f"{name}: {failure}",
                self.clock(),
                forever=failure.retry is Retry.NEVER,
                chance=self._chance.random(),
                wait_ms=int(failure.wait_s * 1000),
            )
            if gave_up is not None:
                self.keep(gave_up)
            self._changed.notify_all()

    def _is_told(self) -> bool:
        now_ms = self.clock()
        return all(
            self.board.is_failing(name)
            or not self.board.waiting(name)
            or self.board.is_held_back(name, now_ms)
            for name in self.channels
        )
