"""Kafka as a sink, on a real broker: what readers see, once, whatever happens to the writer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema
from millstream.connect import kafka_write
from millstream.connect.kafka_write import KafkaSink
from millstream.errors import ConnectorError, Domain, OptionError, PlanError
from millstream.plan.table import Metadata, Physical, Table
from millstream.ports.connector import Delivered, Delivery, Sink
from millstream.ports.registry import sink_for
from millstream.types import parse_type
from tests.connect.contract import SinkContract, sink_rows, table_of
from tests.connect.test_kafka_source import COLUMNS, new_topic, rows, secured

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.kafka


def options(kafka: KafkaServer, topic: str, **more: Any) -> dict[str, Any]:
    # Two tests at a time share the broker: one transactional id for both would fence one of them.
    given = {
        "topic": topic,
        "properties.bootstrap.servers": kafka.plain,
        "format": "json",
        "sink.transactional-id-prefix": topic,
    }
    # A progress topic of its own: the tests' pipelines all bear the same name.
    return {**given, "sink.progress-topic": f"_progress-{topic}", **more}


def messages(kafka: KafkaServer, topic: str, *, committed: bool = True) -> list[Any]:
    """Everything in a topic, by a plain client."""
    level = "read_committed" if committed else "read_uncommitted"
    consumer = Consumer(
        {"bootstrap.servers": kafka.plain, "group.id": "reader", "isolation.level": level,
         "enable.partition.eof": True, "auto.offset.reset": "error", "enable.auto.commit": False}
    )  # fmt: skip
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    found: list[Any] = []
    ended: set[int] = set()
    while len(ended) < len(partitions):
        message = consumer.poll(10)
        assert message is not None, "the broker gives nothing"
        if message.error() is None:
            found.append(message)
        else:
            assert message.error().name() == "_PARTITION_EOF", message.error()
            ended.add(message.partition())
    consumer.close()
    return found


def values(kafka: KafkaServer, topic: str, **more: bool) -> list[Any]:
    return [json.loads(m.value()) for m in messages(kafka, topic, **more)]


def as_row(payload: bytes) -> tuple[Any, ...]:
    """A row of the contract's columns as Python values, read by the standard library."""
    found = json.loads(payload)
    price, seen = found["price"], found["seen"]
    return (
        found["id"],
        found["name"],
        None if price is None else Decimal(str(price)).quantize(Decimal("0.01")),
        None if seen is None else datetime.fromisoformat(seen),
        found["ok"],
        found["score"],
    )


class TestContract(SinkContract):
    """A topic of one partition, so that order can be compared."""

    @pytest.fixture
    def topic(self, kafka: KafkaServer) -> str:
        return new_topic(kafka, **{"max.message.bytes": "2000"})

    @pytest.fixture
    def refusing(self, table: Table) -> tuple[Table, pl.DataFrame]:
        return table, sink_rows(9, name="x" * 5_000)

    @pytest.fixture
    def table(self, kafka: KafkaServer, topic: str) -> Table:
        return table_of("kafka", options(kafka, topic))

    @pytest.fixture
    def upsert_table(self, kafka: KafkaServer, topic: str) -> Table:
        given = options(kafka, topic, **{"key.format": "json", "value.format": "json"})
        del given["format"]
        return table_of("upsert-kafka", given, key=("id",))

    @pytest.fixture
    def read_back(self, kafka: KafkaServer, topic: str) -> Callable[[], list[tuple[Any, ...]]]:
        def newest() -> list[tuple[Any, ...]]:
            found = messages(kafka, topic)
            if all(m.key() is None for m in found):
                return [as_row(m.value()) for m in found]
            table = {m.key(): m.value() for m in found}
            return [as_row(value) for value in table.values() if value is not None]

        return newest

    @pytest.fixture
    def unwritable(self, kafka: KafkaServer, topic: str) -> Table:
        from tests.servers.ports import free_ports

        given = options(kafka, topic)
        given["properties.bootstrap.servers"] = f"127.0.0.1:{free_ports(1)[0]}"
        return table_of("kafka", given)


def test_nothing_of_an_epoch_shows_before_its_commit(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the middle of an epoch leaves no row that a committed reader sees."""
    topic = new_topic(kafka)
    table = table_of("kafka", options(kafka, topic), COLUMNS)
    first = sink_for(table, updating=False)
    first.open("p", 1)

    class CrashError(Exception):
        pass

    def crash(self: Any, producer: Any) -> None:
        producer.flush(10)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(kafka_write.KafkaSink, "_commit", crash)
        with pytest.raises(CrashError):
            first.deliver(1, [rows(1, 2)])
    assert values(kafka, topic) == []
    assert len(values(kafka, topic, committed=False)) == 2
    second = sink_for(table, updating=False)
    assert second.open("p", 2) is None
    second.deliver(1, [rows(1, 2)])
    assert [v["id"] for v in values(kafka, topic)] == [1, 2]
    second.close()
    first.close()


def test_a_commit_whose_answer_was_lost_is_not_repeated(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a time-out nobody knows whether the commit happened; the progress record does."""
    topic = new_topic(kafka)
    sink = sink_for(table_of("kafka", options(kafka, topic), COLUMNS), updating=False)
    sink.open("p", 1)
    real = kafka_write.KafkaSink._commit
    calls: list[bool] = []

    def lossy(self: Any, producer: Any) -> None:
        calls.append(True)
        if len(calls) == 1:
            real(self, producer)
        if len(calls) <= 2:
            raise kafka_write.door.KafkaException(
                kafka_write.door.Code(kafka_write.door.Code._TIMED_OUT)
            )
        real(self, producer)

    monkeypatch.setattr(kafka_write.KafkaSink, "_commit", lossy)
    assert sink.deliver(1, [rows(1)]).accepted == 1  # it had happened
    assert sink.deliver(2, [rows(2)]).accepted == 1  # it had not, and is done again
    assert len(calls) == 3
    assert [v["id"] for v in values(kafka, topic)] == [1, 2]
    sink.close()


def heard_of(sink: Sink) -> list[tuple[int | None, int]]:
    """The list that grows by (epoch, id) of every row refused from now on."""
    heard: list[tuple[int | None, int]] = []
    sink.keep_refused = lambda epoch, rows: heard.extend((epoch, i) for i in rows["id"])
    return heard


def test_a_message_the_broker_refuses_is_reported_alone(kafka: KafkaServer) -> None:
    """One row too large must not stop an epoch, nor vanish."""
    topic = new_topic(kafka, **{"max.message.bytes": "2000"})
    table = table_of("kafka", options(kafka, topic), COLUMNS)
    frame = pl.DataFrame(
        [(1, "a"), (2, "x" * 5000), (3, "c")], schema=polars_schema(COLUMNS), orient="row"
    )
    sink = sink_for(table, updating=False)
    heard = heard_of(sink)
    sink.open("p", 1)
    assert sink.deliver(1, [frame]) == Delivered(2, 1)
    assert heard == [(1, 2)]
    assert [v["id"] for v in values(kafka, topic)] == [1, 3]
    sink.deliver(2, [rows(4)])
    assert [v["id"] for v in values(kafka, topic)] == [1, 3, 4]
    sink.close()


def test_a_message_the_client_refuses_is_reported_alone(kafka: KafkaServer) -> None:
    """The same for a row above the client's own limit."""
    topic = new_topic(kafka)
    given = options(kafka, topic, **{"properties.message.max.bytes": "2000"})
    frame = pl.DataFrame([(1, "a"), (2, "x" * 5000)], schema=polars_schema(COLUMNS), orient="row")
    sink = sink_for(table_of("kafka", given, COLUMNS), updating=False)
    heard = heard_of(sink)
    sink.open("p", 1)
    assert sink.deliver(1, [frame]) == Delivered(1, 1)
    assert sink.write(frame) == Delivered(0, 1)
    assert sink.flush() == Delivered(1)
    assert heard == [(1, 2), (None, 2)]
    assert [v["id"] for v in values(kafka, topic)] == [1, 1]
    sink.close()


def test_at_least_once_tells_what_the_broker_refused(kafka: KafkaServer) -> None:
    """Accepted means acknowledged, and one large row does not take its batch along."""
    topic = new_topic(kafka, **{"max.message.bytes": "2000"})
    given = options(kafka, topic, **{"sink.delivery-guarantee": "at-least-once"})
    sink = sink_for(table_of("kafka", given, COLUMNS), updating=False)
    assert sink.delivery is Delivery.AT_LEAST_ONCE
    assert sink.open("p", 1) is None
    frame = pl.DataFrame(
        [(1, "a"), (2, "x" * 5000), (3, "c")], schema=polars_schema(COLUMNS), orient="row"
    )
    heard = heard_of(sink)
    done = [sink.write(frame), sink.flush()]
    assert (sum(d.accepted for d in done), sum(d.refused for d in done)) == (2, 1)
    assert heard == [(None, 2)]
    assert [v["id"] for v in values(kafka, topic)] == [1, 3]
    sink.close()


def deciding(kafka: KafkaServer, topic: str, **more: Any) -> KafkaSink:
    """A sink that will decide on epochs itself."""
    made = sink_for(table_of("kafka", options(kafka, topic, **more), COLUMNS), updating=False)
    assert isinstance(made, KafkaSink)
    made.epoch_s = 0.1
    return made


def test_staged_rows_appear_with_their_commit(kafka: KafkaServer) -> None:
    """The fast path: rows are sent as they come, and nobody sees them before their epoch."""
    topic = new_topic(kafka)
    sink = deciding(kafka, topic)
    assert sink.open("p", 1) is None
    sink.stage(rows(1))
    sink.stage(rows(2, 3))
    assert sink.prepare(1) == Delivered(3)
    assert values(kafka, topic) == []
    sink.commit(1)
    assert [v["id"] for v in values(kafka, topic)] == [1, 2, 3]
    assert sink.prepare(2) == Delivered(0)  # a quiet epoch counts
    sink.commit(2)
    sink.stage(rows(4))
    sink.close()  # stopped in the middle: nothing of it, and nobody is held up
    assert [v["id"] for v in values(kafka, topic)] == [1, 2, 3]
    again = deciding(kafka, topic)
    assert again.open("p", 2) == 2
    again.stage(rows(4))
    again.prepare(3)
    again.commit(3)
    again.deliver(4, [rows(5)])  # another sink came in: the same record goes on
    again.close()
    assert [v["id"] for v in values(kafka, topic)] == [1, 2, 3, 4, 5]


def test_a_prepared_epoch_that_was_not_committed_never_happened(kafka: KafkaServer) -> None:
    """The restart asks the progress record, after it has ended what was open."""
    topic = new_topic(kafka)
    first = deciding(kafka, topic)
    first.open("p", 1)
    first.stage(rows(1))
    first.prepare(1)
    second = deciding(kafka, topic)
    assert second.open("p", 2) is None
    with pytest.raises(ConnectorError) as caught:
        first.commit(1)
    assert caught.value.domain is Domain.FENCED
    second.stage(rows(1))
    second.prepare(1)
    second.commit(1)
    assert [v["id"] for v in values(kafka, topic)] == [1]
    first.close()
    second.close()


def test_a_staged_row_the_broker_refuses_is_told_and_the_others_stay(kafka: KafkaServer) -> None:
    """Told before the manifest is written; the transaction is begun anew without it."""
    topic = new_topic(kafka, **{"max.message.bytes": "2000"})
    sink = deciding(kafka, topic, **{"properties.message.max.bytes": "1000000"})
    heard = heard_of(sink)
    sink.open("p", 1)
    sink.stage(rows(1))
    large = [(2, "x" * 5000), (3, "c")]
    sink.stage(pl.DataFrame(large, schema=polars_schema(COLUMNS), orient="row"))
    assert sink.prepare(1) == Delivered(2, 1)
    assert heard == [(1, 2)]
    sink.commit(1)
    assert [v["id"] for v in values(kafka, topic)] == [1, 3]
    sink.close()


def test_a_transaction_must_outlive_its_epoch(kafka: KafkaServer) -> None:
    """With a time-out shorter than the interval every commit would fail."""
    topic = new_topic(kafka)
    sink = deciding(kafka, topic, **{"properties.transaction.timeout.ms": "10000"})
    sink.epoch_s = 30.0
    with pytest.raises(OptionError, match="stays open"):
        sink.open("p", 1)
    sink.close()


def test_progress_is_found_among_other_sinks(kafka: KafkaServer) -> None:
    """All sinks of a cluster share one progress topic, also while others have it open."""
    topic, other = new_topic(kafka), new_topic(kafka)
    shared = {"sink.progress-topic": f"_progress-{topic}"}
    first = sink_for(table_of("kafka", options(kafka, topic, **shared), COLUMNS), updating=False)
    first.open("p", 1)
    for epoch in range(1, 30):
        first.deliver(epoch, [rows(epoch)])
    second = table_of("kafka", options(kafka, other, **shared), COLUMNS, name="u")
    sink = sink_for(second, updating=False)
    assert sink.open("p", 1) is None
    sink.deliver(5, [rows(1)])
    sink.close()
    first.close()
    again = sink_for(table_of("kafka", options(kafka, topic, **shared), COLUMNS), updating=False)
    assert again.open("p", 2) == 29
    again.close()


def test_a_start_older_than_the_recorded_one_is_shut_out(kafka: KafkaServer) -> None:
    """A zombie that re-opens must not take the sink from its successor."""
    table = table_of("kafka", options(kafka, new_topic(kafka)), COLUMNS)
    new = sink_for(table, updating=False)
    new.open("p", 5)
    old = sink_for(table, updating=False)
    with pytest.raises(ConnectorError, match="started again elsewhere"):
        old.open("p", 4)
    assert new.deliver(1, [rows(1)]).accepted == 1
    new.close()
    old.close()


def test_metadata_and_keys_are_written(kafka: KafkaServer) -> None:
    """Timestamp and headers come from columns; the key goes to the partition Java would choose."""
    topic = new_topic(kafka, 3)
    columns = (
        Physical("id", parse_type("BIGINT")),
        Physical("name", parse_type("STRING")),
        Metadata("at", parse_type("TIMESTAMP_LTZ(3)"), "timestamp"),
        Metadata("h", parse_type("MAP<STRING, BYTES>"), "headers"),
        Metadata("o", parse_type("BIGINT"), "offset", virtual=True),
    )
    given = {"key.format": "json", "key.fields": "id", "value.fields-include": "EXCEPT_KEY"}
    table = Table("t", columns, "kafka", options(kafka, topic, **given))
    sink = sink_for(table, updating=False)
    sink.open("p", 1)
    stamp = 1_700_000_000_123
    frame = pl.DataFrame(
        {
            "id": range(20),
            "name": ["x"] * 20,
            "at": pl.Series([stamp] * 20).cast(pl.Datetime("ms", "UTC")),
            "h": [[{"key": "a", "value": b"1"}]] * 20,
        }
    )
    sink.deliver(1, [frame])
    found = messages(kafka, topic)
    sink.close()
    assert sorted(json.loads(m.key())["id"] for m in found) == list(range(20))
    assert {m.timestamp() for m in found} == {(1, stamp)}
    assert [m.headers() for m in found] == [[("a", b"1")]] * 20
    assert all(json.loads(m.value()) == {"name": "x"} for m in found)
    reference = new_topic(kafka, 3)
    producer = Producer({"bootstrap.servers": kafka.plain, "partitioner": "murmur2_random"})
    for message in found:
        producer.produce(reference, b"", message.key())
    producer.flush(10)
    expected = {m.key(): m.partition() for m in messages(kafka, reference)}
    assert {m.key(): m.partition() for m in found} == expected


@pytest.mark.parametrize(
    ("partitioner", "expected"), [("fixed", [6, 0, 0]), ("round-robin", [2, 2, 2])]
)
def test_partitioners_spread_as_they_say(
    kafka: KafkaServer, partitioner: str, expected: list[int]
) -> None:
    """The option does what its name says."""
    topic = new_topic(kafka, 3)
    given = options(kafka, topic, **{"sink.partitioner": partitioner})
    sink = sink_for(table_of("kafka", given, COLUMNS), updating=False)
    sink.open("p", 1)
    sink.deliver(1, [rows(*range(6))])
    sink.close()
    found = [m.partition() for m in messages(kafka, topic)]
    assert [found.count(p) for p in range(3)] == expected


def test_transactions_work_through_tls_and_sasl(kafka: KafkaServer) -> None:
    """The producer, the consumer of the progress topic and the admin client all log in."""
    topic = new_topic(kafka)
    given = options(kafka, topic)
    given |= {f"properties.{k}": v for k, v in secured(kafka)["tls scram"].items()}
    table = table_of("kafka", given, COLUMNS)
    for incarnation, last in ((1, None), (2, 1)):
        sink = sink_for(table, updating=False)
        assert sink.open("p", incarnation) == last
        sink.deliver(incarnation, [rows(incarnation)])
        sink.close()
    assert [v["id"] for v in values(kafka, topic)] == [1, 2]


def test_what_cannot_be_written_is_said_before_the_start(kafka: KafkaServer) -> None:
    """A sink without key, with two topics, or with a read-only column never starts."""
    given = {**options(kafka, "t"), "key.format": "json", "value.format": "json"}
    del given["format"]
    with pytest.raises(PlanError, match="needs a primary key"):
        sink_for(table_of("upsert-kafka", given, COLUMNS), updating=True)
    with pytest.raises(OptionError, match="writes to one topic"):
        sink_for(table_of("kafka", options(kafka, "a;b"), COLUMNS), updating=False)
    columns = (Physical("id", parse_type("BIGINT")), Metadata("o", parse_type("BIGINT"), "offset"))
    with pytest.raises(OptionError, match="VIRTUAL"):
        sink_for(Table("t", columns, "kafka", options(kafka, "t")), updating=False)


def test_upsert_sends_new_rows_and_tombstones_in_order(kafka: KafkaServer) -> None:
    """The old half of an update is not sent; a delete is a key without value."""
    topic = new_topic(kafka)
    given = options(kafka, topic, **{"key.format": "json", "value.format": "json"})
    del given["format"]
    sink = sink_for(table_of("upsert-kafka", given, COLUMNS, key=("id",)), updating=True)
    sink.open("p", 1)
    ops = [Op.INSERT, Op.UPDATE_BEFORE, Op.UPDATE_AFTER, Op.DELETE]
    frame = rows(1, 1, 1, 1).with_columns(pl.Series(OP, [int(o) for o in ops], dtype=pl.Int8))
    sink.deliver(1, [frame])
    sink.close()
    found = messages(kafka, topic)
    assert [m.value() is None for m in found] == [False, False, True]
    assert {m.key() for m in found} == {found[0].key()}
    assert json.loads(found[0].key()) == {"id": 1}


def test_many_rows_arrive_in_order(kafka: KafkaServer) -> None:
    """More rows than the client's queue holds: the sink waits for room and loses nothing."""
    topic = new_topic(kafka)
    more = {"properties.queue.buffering.max.messages": "1000"}
    sink = sink_for(table_of("kafka", options(kafka, topic, **more), COLUMNS), updating=False)
    sink.open("p", 1)
    assert sink.deliver(1, [rows(*range(5000))]).accepted == 5000
    sink.close()
    assert [v["id"] for v in values(kafka, topic)] == list(range(5000))
