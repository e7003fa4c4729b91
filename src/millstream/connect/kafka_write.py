"""Kafka topics as a sink: one short transaction an epoch, or plain writes checked by ``flush``.

exactly once   ``open`` takes the transactional id (which fences every older producer of it), then
               reads the progress record of (pipeline, sink); ``deliver`` puts the epoch's rows and
               the new progress record into one transaction, so that both are there or neither is
at least once  an idempotent producer; ``flush`` waits for the acknowledgements and tells what the
               broker refused
fast path      where it decides on epochs (``Deciding``), rows go into the open transaction as they
               come; the commit with the progress record is the decision
time-outs      a commit that timed out may have happened: the producer is thrown away, a new one
               fences it, and the progress record decides (librdkafka cannot resume, and its late
               EndTxn could end the next transaction)
refused        a message the broker does not take (too large) is told before the commit, the others
               are sent
source         docs/decisions/0101-kafka-progress-topic.md, 0604-kafka-decides.md
"""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from millstream.connect import kafka_client as door
from millstream.connect.epochs import fenced, skipped
from millstream.connect.kafka_encode import MessageEncoder, Messages
from millstream.connect.kafka_options import KafkaConfig
from millstream.connect.kafka_progress import Progress, ProgressLog
from millstream.connect.kafka_send import FLUSH_LIMIT_S, Reports, Sending, served
from millstream.errors import ConnectorError, Domain, MillstreamError, OptionError, Retry
from millstream.ports.connector import Deciding, Delivered, Delivery, Sink, SinkSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

TRANSACTION_LIMIT_S: Final = 60.0
TRIES_MAX: Final = 3
ABORT_LIMIT_S: Final = 5.0
MARGIN_S: Final = 60.0
"""So much longer than two epochs a transaction may stay open before the broker ends it."""


@dataclass(slots=True)
class _Owner:
    """Who we are, and what has been delivered; set by ``open``."""

    pipeline: str
    incarnation: int
    last: int | None = None


class KafkaSink(Sink, Deciding):
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
        self._sending = Sending(config, self._topic, self._complaints)
        self._reports: list[Reports] = []
        """Of what was staged and not committed."""
        self._troubled: list[Reports] = []
        """Of what was written: those that tell of trouble."""
        self._is_open = False
        """A transaction is."""

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
                self._sent(parts, refused)
                self._tell(epoch, refused)
                self._decide(epoch)
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
        self._sending.produce(self._plain, messages, self._troubled)
        self._written += len(messages)
        served(self._plain.poll, 0)
        return Delivered(0, self._told())

    def flush(self) -> Delivered:
        """Wait for every acknowledgement; ConnectorError when the broker stays away."""
        if self._plain is None:
            return Delivered(0)
        left = served(self._plain.flush, FLUSH_LIMIT_S)
        bad = self._told()
        if left:
            error = self._complaints.telling() or door.Code(door.Code._TIMED_OUT)
            raise door.in_our_words(error, self._config, f"{left} rows wait to be written")
        done, self._written = self._written, 0
        return Delivered(done, bad)

    def _told(self) -> int:
        """Tell the rows refused since the last call; raise what is no row's fault."""
        troubled, self._troubled = self._troubled, []
        # One by one: frames written at different times may differ in having a change column.
        bad = sum(self._tell(None, r.refused()) for r in troubled)
        self._written -= bad
        for report in troubled:
            report.bad = {}
            if report.failure is not None:
                doing = "Rows cannot be written"
                raise door.in_our_words(report.failure, self._config, doing, self._complaints)
        return bad

    # ------------------------------------------------------------------ deciding on epochs

    def stage(self, frame: pl.DataFrame) -> None:
        """Send rows into the open transaction."""
        try:
            self._begin()
            messages = self._encoder.encode(frame)
            self._reports.append(self._sending.produce(self._transactional, messages))
            served(self._transactional.poll, 0)
        except door.KafkaException as error:
            raise self._error(error, f"'{self._topic}' cannot be written") from None

    def prepare(self, epoch: int) -> Delivered:
        """Wait for the acknowledgements; what is refused is taken out, the rest sent anew."""
        refused: list[pl.DataFrame] = []
        try:
            self._begin()
            staged, self._reports = self._reports, []
            kept = self._settled(staged, refused)
            kept = [r.messages for r in staged] if kept is None else self._sent(kept, refused)
        except door.KafkaException as error:
            raise self._error(error, f"'{self._topic}' cannot be written") from None
        return Delivered(sum(map(len, kept)), self._tell(epoch, refused))

    def commit(self, epoch: int) -> None:
        """Commit with the progress record; where the outcome is unknown a restart asks for it."""
        try:
            self._decide(epoch)
        except door.KafkaException as error:
            self._forget_transactional()  # an abort could end what has been committed
            raise self._error(error, f"Epoch {epoch} may not be committed") from None

    def close(self) -> None:
        """Abort an open transaction; rows written but not flushed may be lost."""
        if self._is_open and self._transactional is not None:
            # Left open it would hide what others write until the broker ends it.
            with contextlib.suppress(door.KafkaException):
                self._transactional.abort_transaction(ABORT_LIMIT_S)
        self._is_open = False
        for producer in (self._transactional, self._plain):
            if producer is not None:
                producer.purge()
                with contextlib.suppress(door.KafkaException):  # it may be fenced
                    served(producer.flush, 1.0)
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
        producer = self._producer(
            **{"transactional.id": self._transactional_id(), **self._timeout()}
        )
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
        self._is_open = False
        return found.epoch

    def _timeout(self) -> dict[str, Any]:
        """How long the broker lets a transaction stay open, where rows are staged into it."""
        if not self.epoch_s:
            return {}
        name = "transaction.timeout.ms"
        own = self._config.properties.get(name)
        if own is None:
            return {name: int((2 * self.epoch_s + MARGIN_S) * 1000)}
        if int(own) < 2000 * self.epoch_s:
            raise OptionError(
                f"A transaction stays open for an epoch ({self.epoch_s:g} s), longer than "
                f"{own} ms allow.",
                where=f"option 'properties.{name}'",
                hint="Leave it out, or set 'engine.fast-path' = 'false'.",
            )
        return {}

    def _give_way_to(self, found: Progress) -> None:
        owner = self._owner
        assert owner is not None, "progress before open"
        if found.incarnation > owner.incarnation:
            raise fenced(owner.pipeline, self._name, owner.incarnation, found.incarnation)

    def _begin(self) -> None:
        if not self._is_open:
            self._transactional.begin_transaction()
            self._is_open = True

    def _sent(self, parts: list[Messages], refused: list[pl.DataFrame]) -> list[Messages]:
        """Send messages into a transaction; those refused go over from ``parts`` to ``refused``."""
        while True:
            self._begin()
            reports = [self._sending.produce(self._transactional, m) for m in parts]
            kept = self._settled(reports, refused)
            if kept is None:
                return parts
            parts[:] = kept  # in place, so that a try after this one does not send them again

    def _settled(
        self, reports: list[Reports], refused: list[pl.DataFrame]
    ) -> list[Messages] | None:
        """Wait for the acknowledgements; None: all were taken.

        Otherwise the transaction is aborted, and what can be sent again is returned.
        """
        left = served(self._transactional.flush, TRANSACTION_LIMIT_S)
        failure = next((r.failure for r in reports if r.failure is not None), None)
        if failure is not None or left:
            raise door.KafkaException(failure or door.Code(door.Code._TIMED_OUT))
        if not any(r.bad for r in reports):
            return None
        self._transactional.abort_transaction(TRANSACTION_LIMIT_S)
        self._is_open = False
        for report in reports:
            refused += report.refused()
        return [r.messages.without(set(r.bad)) if r.bad else r.messages for r in reports]

    def _decide(self, epoch: int) -> None:
        """Add the progress record to the open transaction and commit."""
        producer, log, owner = self._transactional, self._log, self._owner
        assert owner is not None, "transaction before open"
        assert log is not None, "transaction without a progress log"
        note = functools.partial(log.write, producer, Progress(epoch, owner.incarnation))
        try:
            note()
        except BufferError:
            self._sending.wait_for_room(producer, note)
        self._commit(producer)
        self._is_open = False
        owner.last = epoch

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
        if last_try or (found.code() in door.FENCED and self._newer_start() is not None):
            self._forget_transactional()
            raise self._error(error, f"'{self._topic}' cannot be written") from None
        if found.txn_requires_abort():
            try:
                self._transactional.abort_transaction(TRANSACTION_LIMIT_S)
                self._is_open = False
            except door.KafkaException:
                self._forget_transactional()
            return
        self._forget_transactional()

    def _forget_transactional(self) -> None:
        producer, self._transactional = self._transactional, None
        self._is_open = False
        if producer is not None:
            producer.purge()

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
        self._sending.partition_count = len(there[self._topic])

    def _producer(self, **more: Any) -> Any:
        limit = self._cluster.message_bytes_max(self._topic)
        return door.producer(self._config, self._complaints, bytes_max=limit, **more)

    def _error(self, error: Any, doing: str) -> MillstreamError:
        found = error.args[0] if isinstance(error, door.KafkaException) else error
        owner = self._owner
        if found.code() in door.FENCED and owner is not None:
            newer = self._newer_start()
            if newer is not None:
                return fenced(owner.pipeline, self._name, owner.incarnation, newer)
            return ConnectorError(
                f"{doing}: the broker ended the transaction: {found.str()}.",
                where=f"sink '{self._name}', topic '{self._topic}'",
                hint="It was open for longer than 'properties.transaction.timeout.ms', perhaps "
                "because this process was paused. A restart goes on from the last epoch.",
                domain=Domain.NETWORK,
                retry=Retry.LATER,
            )
        return door.in_our_words(found, self._config, doing, self._complaints)

    def _newer_start(self) -> int | None:
        """The incarnation that has taken over from us; None = nobody has, as far as can be seen."""
        owner, log = self._owner, self._log
        if owner is None or log is None:
            return None
        with contextlib.suppress(ConnectorError, door.KafkaException):
            found = log.read(glance=True)
            if found.incarnation > owner.incarnation:
                return found.incarnation
        return None


def sink(spec: SinkSpec) -> Sink:
    """The sink of the connector 'kafka'."""
    return KafkaSink(spec, spec.config, upsert=False)


def upsert_sink(spec: SinkSpec) -> Sink:
    """The sink of the connector 'upsert-kafka'."""
    return KafkaSink(spec, spec.config.common(spec.primary_key), upsert=True)
