"""Kafka topics as a sink: one short transaction an epoch, or plain writes checked by ``flush``.

exactly once   ``open`` takes the transactional id (which fences every older producer of it), then
               reads the progress record of (pipeline, sink); ``deliver`` puts the epoch's rows and
               the new progress record into one transaction, so that both are there or neither is
at least once  an idempotent producer; ``flush`` waits for the acknowledgements and tells what the
               broker refused
time-outs      a commit that timed out may have happened: the producer is thrown away, a new one
               fences it, and the progress record decides (librdkafka cannot resume, and its late
               EndTxn could end the next transaction)
refused        a message the broker does not take (too large) is told before the commit, the others
               are sent
source         docs/decisions/0101-kafka-progress-topic.md
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from millstream.connect import kafka_client as door
from millstream.connect.epochs import fenced, skipped
from millstream.connect.kafka_encode import MessageEncoder, Messages
from millstream.connect.kafka_options import KafkaConfig, Partitioner
from millstream.connect.kafka_progress import Progress, ProgressLog
from millstream.errors import ConnectorError, Domain, MillstreamError, OptionError, Retry
from millstream.ports.connector import REASON, Delivered, Delivery, Sink, SinkSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TRANSACTION_LIMIT_S: Final = 60.0
FLUSH_LIMIT_S: Final = 120.0
TRIES_MAX: Final = 3
_TOO_LARGE = {door.Code.MSG_SIZE_TOO_LARGE, door.Code.INVALID_RECORD, door.Code._INVALID_ARG}
# Of two errors for one cause, the queue's says only that the message was thrown away.
_THROWN_AWAY = {door.Code._PURGE_QUEUE, door.Code._PURGE_INFLIGHT}


@dataclass(slots=True)
class _Owner:
    """Who we are, and what has been delivered; set by ``open``."""

    pipeline: str
    incarnation: int
    last: int | None = None


class KafkaSink(Sink):
    """The writable side of a Kafka table."""

    def __init__(self, spec: SinkSpec, config: KafkaConfig, *, upsert: bool) -> None:
        self.delivery = Delivery.EXACTLY_ONCE if spec.exactly_once else Delivery.AT_LEAST_ONCE
        owner = f"table '{spec.table.name}'"
        if config.topic_pattern is not None or len(config.topic) != 1:
            raise OptionError("A sink writes to one topic.", where=owner, hint="Name one 'topic'.")
        self._config = config
        self._topic = config.topic[0]
        self._name = spec.table.name
        self._encoder = MessageEncoder(spec, config, upsert=upsert)
        self._cluster = door.Cluster(config)
        self._complaints = door.Complaints()
        self._owner: _Owner | None = None
        self._log: ProgressLog | None = None
        self._transactional: Any = None
        self._plain: Any = None
        self._written = 0
        self._failed: list[pl.DataFrame] = []
        self._next_partition = 0
        self._partition_count = 0

    # ------------------------------------------------------------------ the contract

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Look up the topic; for exactly once also fence older owners and read the progress."""
        self._find_topic()
        self._owner = _Owner(pipeline, incarnation)
        if self.delivery is not Delivery.EXACTLY_ONCE or incarnation == 0:
            return None  # start 0 keeps no checkpoints: its rows are written, never delivered
        self._log = ProgressLog(self._config, self._cluster, key=self._transactional_id())
        self._owner.last = self._take_over()
        return self._owner.last

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """One transaction with the epoch's rows and its progress record."""
        owner = self._owner
        assert owner is not None, "deliver before open"
        if owner.last is not None and epoch < owner.last:
            raise skipped(owner.pipeline, self._name, epoch, owner.last)
        if epoch == owner.last:
            return Delivered(0)
        parts = [self._encoder.encode(frame) for frame in frames if frame.height]
        refused: list[pl.DataFrame] = []
        for attempt in range(TRIES_MAX):
            if self._transactional is None:
                owner.last = self._take_over()
                if owner.last == epoch:  # the commit that timed out had happened
                    break
            try:
                parts = self._transaction(epoch, parts, refused, watch=attempt > 0)
            except door.KafkaException as error:
                self._after(error, last_try=attempt == TRIES_MAX - 1)
                continue
            break
        if owner.last != epoch:
            raise ConnectorError(
                f"Epoch {epoch} could not be written in {TRIES_MAX} tries.",
                where=f"sink '{self._name}', topic '{self._topic}'",
                hint="Look at the broker's log.",
                domain=Domain.NETWORK,
                retry=Retry.LATER,
            )
        return Delivered(sum(map(len, parts)), sum(r.height for r in refused))

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Hand rows to the client; ``flush`` tells which of them the broker took."""
        if self._plain is None:
            self._plain = self._producer()
        messages = self._encoder.encode(frame)
        on_delivery = functools.partial(self._on_failure, messages, set())
        refused = self._produce(self._plain, messages, None, on_delivery)
        self._written += len(messages) - len(refused)
        self._plain.poll(0)
        return Delivered(0, self._tell(None, _with_reasons(messages, refused)))

    def flush(self) -> Delivered:
        """Wait for every acknowledgement; ConnectorError when the broker stays away."""
        if self._plain is None:
            return Delivered(0)
        left = self._plain.flush(FLUSH_LIMIT_S)
        failed, self._failed = self._failed, []
        # One by one: frames written at different times may differ in having a change column.
        bad = sum(self._tell(None, [rows]) for rows in failed)
        done, self._written = self._written - left - bad, left
        if left:
            error = self._complaints.telling() or door.Code(door.Code._TIMED_OUT)
            raise door.in_our_words(error, self._config, f"{left} rows wait to be written")
        return Delivered(done, bad)

    def close(self) -> None:
        """Abort an open transaction; rows written but not flushed may be lost."""
        for producer in (self._transactional, self._plain):
            if producer is not None:
                producer.purge()
                producer.flush(1.0)
        self._transactional = self._plain = None
        self._cluster.close()

    def test(self) -> None:
        """Look up the topic."""
        self._find_topic()

    # ------------------------------------------------------------------ transactions

    def _transactional_id(self) -> str:
        assert self._owner is not None, "no id before open"
        return f"{self._config.transactional_id_prefix}-{self._owner.pipeline}-{self._name}"

    def _take_over(self) -> int | None:
        """Fence every older producer, then read what they had committed, then say we are here.

        ``init_transactions`` would fence a newer start as well, so a glance comes first.
        """
        owner, log = self._owner, self._log
        assert owner is not None, "take over before open"
        assert log is not None, "take over without a progress log"
        producer = self._producer(**{"transactional.id": self._transactional_id()})
        try:
            self._give_way_to(log.read(glance=True))
            producer.init_transactions(TRANSACTION_LIMIT_S)
            found = log.read()
            self._give_way_to(found)
            mine = Progress(found.epoch, owner.incarnation)
            producer.begin_transaction()
            log.write(producer, mine)
            producer.commit_transaction(TRANSACTION_LIMIT_S)
        except door.KafkaException as error:
            raise self._error(error, "The transactional producer cannot start") from None
        self._transactional = producer
        return found.epoch

    def _give_way_to(self, found: Progress) -> None:
        owner = self._owner
        assert owner is not None, "progress before open"
        if found.incarnation > owner.incarnation:
            raise fenced(owner.pipeline, self._name, owner.incarnation, found.incarnation)

    def _transaction(
        self, epoch: int, parts: list[Messages], refused: list[pl.DataFrame], *, watch: bool
    ) -> list[Messages]:
        """Try to commit; with refused messages it is aborted, they are taken out and told.

        The first try is not watched message by message; when it fails the second tells which
        message the broker refuses, at the price of a callback each. ``refused`` grows.
        """
        producer, log, owner = self._transactional, self._log, self._owner
        assert owner is not None, "transaction before open"
        assert log is not None, "transaction without a progress log"
        while True:
            failed: list[dict[int, str]] = [{} for _ in parts]
            producer.begin_transaction()
            for messages, bad in zip(parts, failed, strict=True):
                bad.update(self._produce(producer, messages, bad if watch else None))
            if watch:
                producer.flush(TRANSACTION_LIMIT_S)
            if not any(failed):
                break
            producer.abort_transaction(TRANSACTION_LIMIT_S)
            for i, bad in enumerate(failed):
                refused += _with_reasons(parts[i], bad)
                # In place, so that a try after this one does not send them again.
                parts[i] = parts[i].without(set(bad))
            watch = True
        self._tell(epoch, refused)
        note = functools.partial(log.write, producer, Progress(epoch, owner.incarnation))
        try:
            note()
        except BufferError:
            self._wait_for_room(producer, note)
        self._commit(producer)
        owner.last = epoch
        return parts

    def _commit(self, producer: Any) -> None:
        """Commit; a retriable error repeats the same call within the limit."""
        end = time.monotonic() + TRANSACTION_LIMIT_S
        while True:
            try:
                producer.commit_transaction(TRANSACTION_LIMIT_S)
            except door.KafkaException as error:
                found = error.args[0]
                unknown = found.code() == door.Code._TIMED_OUT
                if unknown or not found.retriable() or time.monotonic() > end:
                    raise
                continue
            return

    def _after(self, error: Any, *, last_try: bool) -> None:
        """Bring the producer into a state from which the epoch can be tried again, or raise."""
        found = error.args[0]
        if found.code() in door.FENCED or last_try:
            self._forget_transactional()
            raise self._error(error, f"'{self._topic}' cannot be written") from None
        if found.txn_requires_abort():
            try:
                self._transactional.abort_transaction(TRANSACTION_LIMIT_S)
            except door.KafkaException:
                self._forget_transactional()
            return
        self._forget_transactional()

    def _forget_transactional(self) -> None:
        producer, self._transactional = self._transactional, None
        if producer is not None:
            producer.purge()

    # ------------------------------------------------------------------ messages

    def _produce(
        self,
        producer: Any,
        messages: Messages,
        watch: dict[int, str] | None,
        on_delivery: Callable[[Any, Any], None] | None = None,
    ) -> dict[int, str]:
        """Hand messages to the client; returns those it refuses at once, by index.

        A Python loop over rows, because the client takes one message a call.
        """
        refused: dict[int, str] = {}
        produce, topic = producer.produce, self._topic
        plain = messages.topics is None and messages.timestamps_ms is None
        simple = plain and messages.headers is None and watch is None
        fixed = self._config.partitioner is not Partitioner.DEFAULT
        every: dict[str, Any] = {} if on_delivery is None else {"on_delivery": on_delivery}
        for index, value in enumerate(messages.values):
            key = None if messages.keys is None else messages.keys[index]
            more = every
            if not simple or fixed:
                topic, extra = self._details(messages, index, watch)
                more = {**every, **extra}
            try:
                try:
                    produce(topic, value, key, **more)
                except BufferError:
                    self._wait_for_room(producer, functools.partial(
                        produce, topic, value, key, **more
                    ))  # fmt: skip
            except door.KafkaException as error:
                if error.args[0].code() not in _TOO_LARGE:
                    raise
                refused[index] = str(error.args[0].str())
        return refused

    def _details(
        self, messages: Messages, index: int, watch: dict[int, str] | None
    ) -> tuple[str, dict[str, Any]]:
        more: dict[str, Any] = {}
        if watch is not None:
            more["on_delivery"] = functools.partial(_note, watch, index)
        if messages.timestamps_ms is not None:
            more["timestamp"] = messages.timestamps_ms[index] or 0
        if messages.headers is not None:
            more["headers"] = messages.headers[index] or []
        if self._config.partitioner is Partitioner.FIXED:
            more["partition"] = 0
        elif self._config.partitioner is Partitioner.ROUND_ROBIN:
            more["partition"] = self._next_partition % self._partition_count
            self._next_partition += 1
        return (messages.topics and messages.topics[index]) or self._topic, more

    def _wait_for_room(self, producer: Any, again: Callable[[], None]) -> None:
        end = time.monotonic() + FLUSH_LIMIT_S
        while True:
            producer.poll(0.1)
            try:
                again()
            except BufferError:
                if time.monotonic() > end:
                    raise self._error(
                        door.Code(door.Code._QUEUE_FULL), f"'{self._topic}' cannot be written"
                    ) from None
                continue
            return

    def _on_failure(self, messages: Messages, told: set[int], error: Any, message: Any) -> None:
        """A message written outside a transaction was not acknowledged."""
        if error is None:
            return
        # Found by its bytes: a callable for each message would be dear, and failures are rare.
        key, value = message.key(), message.value()
        for index, sent in enumerate(messages.values):
            same_key = messages.keys is None or messages.keys[index] == key
            if sent == value and same_key and index not in told:
                told.add(index)
                self._failed += _with_reasons(messages, {index: str(error.str())})
                return
        raise AssertionError("the broker refused a message that was not sent")

    def _tell(self, epoch: int | None, refused: list[pl.DataFrame]) -> int:
        if not refused:
            return 0
        rows = pl.concat(refused)
        self.keep_refused(epoch, rows)
        return rows.height

    # ------------------------------------------------------------------ errors and look-ups

    def _find_topic(self) -> None:
        there = self._cluster.partitions()
        if self._topic not in there:
            there |= self._cluster.partitions(self._topic)  # brokers may make a topic asked for
            there = self._cluster.with_topic(self._topic, there)
        end = time.monotonic() + door.CONNECT_LIMIT_S
        while not there.get(self._topic):
            if self._topic not in there or time.monotonic() > end:
                raise door.unknown_topic(self._topic, there, self._config)
            there |= self._cluster.partitions(self._topic)
        self._partition_count = len(there[self._topic])

    def _producer(self, **more: Any) -> Any:
        limit = self._cluster.message_bytes_max(self._topic)
        return door.producer(self._config, self._complaints, bytes_max=limit, **more)

    def _error(self, error: Any, doing: str) -> MillstreamError:
        found = error.args[0] if isinstance(error, door.KafkaException) else error
        owner = self._owner
        if found.code() in door.FENCED and owner is not None:
            return ConnectorError(
                f"Another start of the pipeline '{owner.pipeline}' writes here now (this is start "
                f"{owner.incarnation}).",
                where=f"sink '{self._name}', topic '{self._topic}'",
                hint="Let only one of them run: this one stops here and has written nothing more.",
                domain=Domain.FENCED,
            )
        return door.in_our_words(found, self._config, doing, self._complaints)


def sink(spec: SinkSpec) -> Sink:
    """The sink of the connector 'kafka'."""
    return KafkaSink(spec, spec.config, upsert=False)


def upsert_sink(spec: SinkSpec) -> Sink:
    """The sink of the connector 'upsert-kafka'."""
    return KafkaSink(spec, spec.config.common(spec.primary_key), upsert=True)


def _note(bad: dict[int, str], index: int, error: Any, _message: Any) -> None:
    if error is not None and error.code() not in _THROWN_AWAY:
        bad[index] = str(error.str())


def _with_reasons(messages: Messages, bad: dict[int, str]) -> list[pl.DataFrame]:
    """The rows behind some messages, each with its reason; none, or one frame."""
    if not bad:
        return []
    at = sorted(bad)
    reasons = pl.Series(REASON, [bad[i] for i in at], dtype=pl.String())
    return [messages.rows[at].with_columns(reasons)]
