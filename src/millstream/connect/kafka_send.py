"""Hands encoded rows to a Kafka producer, and tells which rows the broker did not take.

in      messages, a producer
out     rows refused, with the reason: at once (too large for the client), or later through the
        delivery reports of librdkafka
waits   while the client's queue is full, within a limit
"""

from __future__ import annotations

import functools
import time
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from millstream.connect import kafka_client as door
from millstream.connect.kafka_encode import Messages
from millstream.connect.kafka_options import KafkaConfig, Partitioner
from millstream.ports.connector import REASON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FLUSH_LIMIT_S: Final = 120.0
ANY_PARTITION: Final = -1
"""The client chooses."""
_OF_ONE_ROW = {door.Code.MSG_SIZE_TOO_LARGE, door.Code.INVALID_RECORD, door.Code._INVALID_ARG}
# Of two errors for one cause, the queue's says only that the message was thrown away.
_THROWN_AWAY = {door.Code._PURGE_QUEUE, door.Code._PURGE_INFLIGHT}


class Sending:
    """What all producers of one sink share."""

    def __init__(self, config: KafkaConfig, topic: str, complaints: door.Complaints) -> None:
        self._config = config
        self._topic = topic
        self._complaints = complaints
        self._next_partition = 0
        self.partition_count = 0

    def produce(
        self, producer: Any, messages: Messages, troubled: list[Reports] | None = None
    ) -> Reports:
        """Hand messages to the client; what it or the broker refuses is in the reports.

        Those that tell of trouble are added to ``troubled``.

        A Python loop over rows, because the client takes one message a call.
        """
        reports = Reports(messages, troubled)
        produce = producer.produce
        for index, arguments in enumerate(self._arguments(messages, reports)):
            try:
                try:
                    produce(*arguments)
                except BufferError:
                    self.wait_for_room(producer, functools.partial(produce, *arguments))
            except door.KafkaException as error:
                if error.args[0].code() not in _OF_ONE_ROW:
                    raise
                reports.refuse(index, error.args[0])
        return reports

    def _arguments(self, messages: Messages, reports: Reports) -> Iterable[tuple[Any, ...]]:
        """Return each call's arguments, by place: named ones take half as long again."""
        count = len(messages)
        topics, times, headers = messages.topics, messages.timestamps_ms, messages.headers
        return zip(
            repeat(self._topic, count) if topics is None else (t or self._topic for t in topics),
            messages.values,
            repeat(None, count) if messages.keys is None else messages.keys,
            self._partitions(count),
            repeat(reports, count),
            repeat(None, count),  # the same again under its other name
            repeat(0, count) if times is None else (t or 0 for t in times),
            repeat(None, count) if headers is None else (h or [] for h in headers),
            strict=True,
        )

    def _partitions(self, count: int) -> Iterable[int]:
        match self._config.partitioner:
            case Partitioner.FIXED:
                return repeat(0, count)
            case Partitioner.ROUND_ROBIN:
                first, self._next_partition = self._next_partition, self._next_partition + count
                return (n % self.partition_count for n in range(first, first + count))
            case _:
                return repeat(ANY_PARTITION, count)

    def wait_for_room(self, producer: Any, again: Callable[[], None]) -> None:
        """Try again what found the client's queue full."""
        end = time.monotonic() + FLUSH_LIMIT_S
        while True:
            served(producer.poll, 0.1)
            try:
                again()
            except BufferError:
                if time.monotonic() > end:
                    full = door.Code(door.Code._QUEUE_FULL)
                    doing = f"'{self._topic}' cannot be written"
                    raise door.in_our_words(full, self._config, doing, self._complaints) from None
                continue
            return


def served(call: Callable[[float], int], limit_s: float) -> int:
    """Flush or poll a producer, which serves delivery reports; returns what the call does.

    A fatal error is an exception of the call, set while reports are still served: the first report
    that does anything then makes a SystemError of it.
    """
    try:
        return call(limit_s)
    except SystemError as error:
        if isinstance(error.__cause__, door.KafkaException):
            raise error.__cause__ from None
        raise


class Reports:
    """What became of one frame's messages.

    One object for all of them, as a callable per message would be dear; failures are rare, so the
    row is found by its bytes.
    """

    def __init__(self, messages: Messages, troubled: list[Reports] | None) -> None:
        self.messages = messages
        self._troubled = troubled
        self.bad: dict[int, str] = {}
        """Rows that were refused: index → reason."""
        self.failure: Any = None
        """An error that is no row's fault: the broker is away, the right is missing."""

    def __call__(self, error: Any, message: Any) -> None:
        """Librdkafka's delivery report."""
        if error is None or error.code() in _THROWN_AWAY:
            return
        if error.code() not in _OF_ONE_ROW:
            self._is_trouble()
            self.failure = error if self.failure is None else self.failure
            return
        key, value, sent = message.key(), message.value(), self.messages
        for index, text in enumerate(sent.values):
            same_key = sent.keys is None or sent.keys[index] == key
            if text == value and same_key and index not in self.bad:
                self.refuse(index, error)
                return

    def refuse(self, index: int, error: Any) -> None:
        """Take note of a row that was not taken."""
        self._is_trouble()
        self.bad[index] = str(error.str())

    def _is_trouble(self) -> None:
        if self._troubled is not None and not self.bad and self.failure is None:
            self._troubled.append(self)

    def refused(self) -> list[pl.DataFrame]:
        """The rows refused, as they were, each with its reason; none, or one frame."""
        if not self.bad:
            return []
        at = sorted(self.bad)
        reasons = pl.Series(REASON, [self.bad[i] for i in at], dtype=pl.String())
        return [self.messages.rows[at].with_columns(reasons)]
