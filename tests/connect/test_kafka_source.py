"""Kafka as a source, on a real broker."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema
from millstream.connect import kafka_read
from millstream.errors import ConnectorError, OptionError
from millstream.plan.table import Metadata, Physical, Table
from millstream.ports.connector import Changes, End
from millstream.ports.registry import config_of, connector, source_for
from millstream.types import Schema, parse_type
from tests.connect.contract import Bad, Expected, SourceContract, read, table_of

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.kafka
COLUMNS = Schema.of({"id": "BIGINT", "name": "STRING"})
WAIT_S = 120.0


def new_topic(kafka: KafkaServer, partitions: int = 1, **config: str) -> str:
    """Make a topic of this test alone."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": kafka.plain})
    admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(30)
    return name


def produce(
    kafka: KafkaServer,
    topic: str,
    values: Iterable[bytes | None],
    *,
    partition: int = 0,
    **more: Any,
) -> None:
    """Write values with a plain client, which knows nothing of ours."""
    producer = Producer({"bootstrap.servers": kafka.plain})
    for value in values:
        producer.produce(topic, value, partition=partition, **more)
    assert producer.flush(30) == 0


def doc(number: int) -> bytes:
    return json.dumps({"id": number, "name": f"n{number}"}).encode()


def rows(*numbers: int) -> pl.DataFrame:
    return pl.DataFrame(
        [(n, f"n{n}") for n in numbers], schema=polars_schema(COLUMNS), orient="row"
    )


def options(kafka: KafkaServer, topic: str, **more: Any) -> dict[str, Any]:
    given = {"topic": topic, "properties.bootstrap.servers": kafka.plain, "format": "json"}
    return {**given, "scan.startup.mode": "earliest-offset", **more}


def bounded(kafka: KafkaServer, topic: str, **more: Any) -> dict[str, Any]:
    return options(kafka, topic, **{"scan.bounded.mode": "latest-offset", **more})


def ids(table: Table, split: str, *, resume: Any = None, documents: int | None = None) -> list[int]:
    """Read the column id of one split to its end."""
    source = source_for(table)
    reader = source.open(split, resume=resume)
    try:
        return read(reader, max_rows=100, documents=documents).frame["id"].to_list()
    finally:
        reader.close()
        source.close()


VALUES = [doc(0), b'{"id": 1, "na', doc(2), b"", doc(3), doc(4)]


@pytest.fixture(scope="module")
def topic(kafka: KafkaServer) -> str:
    topic = new_topic(kafka, 2)
    produce(kafka, topic, VALUES, partition=0)
    produce(kafka, topic, [doc(10), doc(11), doc(12)], partition=1)
    return topic


class TestContract(SourceContract):
    """A bounded topic of two partitions, one with documents that cannot be decoded."""

    chunk_sizes = (1, 4, 1000)

    @pytest.fixture
    def table(self, kafka: KafkaServer, topic: str) -> Table:
        return table_of("kafka", bounded(kafka, topic), COLUMNS)

    @pytest.fixture
    def expected(self, topic: str) -> dict[str, Expected]:
        bad = [Bad(raw=VALUES[1], offset=1), Bad(raw=b"", offset=3)]
        return {
            f"{topic}:0": Expected(frame=rows(0, 2, 3, 4), bad=bad),
            f"{topic}:1": Expected(frame=rows(10, 11, 12)),
        }


class TestContractUnbounded(TestContract):
    """The same rows from a topic that never ends."""

    chunk_sizes = (4,)

    @pytest.fixture
    def table(self, kafka: KafkaServer, topic: str) -> Table:
        return table_of("kafka", options(kafka, topic), COLUMNS)


def test_metadata_columns_tell_where_a_row_came_from(kafka: KafkaServer) -> None:
    """Topic, partition, offset, time, key and headers are what people debug with."""
    topic = new_topic(kafka)
    header = {"headers": [("h", b"1"), ("h", None)]}
    produce(kafka, topic, [doc(1)], key=b"k", timestamp=1_700_000_000_123, **header)
    produce(kafka, topic, [b"bad", doc(2)])
    keys = connector("kafka").metadata
    columns = [Physical("id", parse_type("BIGINT"))]
    columns += [Metadata(f"m_{k}", parse_type(t), k) for k, t in keys.items()]
    table = Table("t", tuple(columns), "kafka", bounded(kafka, topic))
    source = source_for(table)
    reader = source.open(f"{topic}:0", resume=None)
    first, second = read(reader, max_rows=10).frame.to_dicts()
    source.close()
    assert first["id"] == 1
    assert (first["m_topic"], first["m_partition"], first["m_offset"]) == (topic, 0, 0)
    assert first["m_timestamp"].timestamp() == pytest.approx(1_700_000_000.123)
    assert first["m_timestamp-type"] == "CreateTime"
    assert first["m_key"] == b"k"
    assert first["m_headers"] == [{"key": "h", "value": b"1"}, {"key": "h", "value": None}]
    assert (second["m_offset"], second["m_key"], second["m_headers"]) == (2, None, [])


def test_only_wanted_columns_are_given_but_all_documents_are_checked(kafka: KafkaServer) -> None:
    """COUNT(*) over metadata must reject what SELECT * rejects."""
    topic = new_topic(kafka)
    produce(kafka, topic, [doc(1), b"bad", doc(2)])
    physical = tuple(Physical(f.name, f.type) for f in COLUMNS)
    offset = Metadata("o", parse_type("BIGINT"), "offset")
    table = Table("t", (*physical, offset), "kafka", bounded(kafka, topic))
    source = source_for(table, wanted=("o",))
    got = read(source.open(f"{topic}:0", resume=None), max_rows=10)
    source.close()
    assert got.frame.to_dict(as_series=False) == {"o": [0, 2]}
    assert [b[2] for b in got.bad] == [b"bad"]


def test_startup_modes_and_bounds(kafka: KafkaServer) -> None:
    """Each of Flink's modes starts and ends where it says."""
    topic = new_topic(kafka)
    for number in range(10):
        produce(kafka, topic, [doc(number)], timestamp=1_700_000_000_000 + number * 1000)
    split = f"{topic}:0"

    def got(**more: Any) -> list[int]:
        given = {k.replace("_", "."): v for k, v in more.items()}
        return ids(table_of("kafka", bounded(kafka, topic, **given), COLUMNS), split)

    assert got() == list(range(10))
    specific = {
        "scan.startup.mode": "specific-offsets",
        "scan.startup.specific-offsets": "partition:0,offset:3",
        "scan.bounded.mode": "specific-offsets",
        "scan.bounded.specific-offsets": "partition:0,offset:7",
    }
    assert got(**specific) == [3, 4, 5, 6]
    timed = {
        "scan.startup.mode": "timestamp",
        "scan.startup.timestamp-millis": "1700000003500",
        "scan.bounded.mode": "timestamp",
        "scan.bounded.timestamp-millis": "1700000006000",
    }
    assert got(**timed) == [4, 5]
    source = source_for(
        table_of("kafka", bounded(kafka, topic, **{"scan.startup.mode": "latest-offset"}), COLUMNS)
    )
    with pytest.raises(End):
        source.open(split, resume=None).poll(max_rows=1, timeout_s=1)
    source.close()


def test_group_offsets_start_and_commit(kafka: KafkaServer) -> None:
    """`commit` tells the group how far we are, and another reader of the group goes on there."""
    topic = new_topic(kafka)
    produce(kafka, topic, [doc(n) for n in range(6)])
    split, group = f"{topic}:0", f"g-{uuid.uuid4().hex}"
    given = {"properties.group.id": group, "scan.startup.mode": "group-offsets"}
    table = table_of("kafka", bounded(kafka, topic, **given), COLUMNS)
    source = source_for(table)
    with pytest.raises(ConnectorError, match="has no offset"):
        source.open(split, resume=None).poll(max_rows=4, timeout_s=WAIT_S)
    source.close()
    given["properties.auto.offset.reset"] = "earliest"
    table = table_of("kafka", bounded(kafka, topic, **given), COLUMNS)
    source = source_for(table)
    reader = source.open(split, resume=None)
    got = read(reader, max_rows=4, documents=4)
    reader.commit(got.resumes[-1])
    admin = AdminClient({"bootstrap.servers": kafka.plain})
    from confluent_kafka import ConsumerGroupTopicPartitions

    def committed() -> int:
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
        (found,) = admin.list_consumer_group_offsets([asked]).values()
        return found.result().topic_partitions[0].offset

    end = time.monotonic() + WAIT_S
    while committed() != 4:
        assert time.monotonic() < end, committed()
    source.close()
    assert ids(table, split) == [4, 5]


def test_latest_is_remembered_before_the_first_row(kafka: KafkaServer) -> None:
    """A restart before the first row must not look up "latest" anew and lose what came between."""
    topic = new_topic(kafka)
    produce(kafka, topic, [doc(1)])
    table = table_of("kafka", options(kafka, topic, **{"scan.startup.mode": "latest-offset"}))
    table = table_of("kafka", table.options, COLUMNS)
    source = source_for(table)
    first = source.open(f"{topic}:0", resume=None).poll(max_rows=10, timeout_s=WAIT_S)
    source.close()
    assert first is not None
    assert first.frame.height == 0
    produce(kafka, topic, [doc(2)])
    assert ids(table, f"{topic}:0", resume=first.resume, documents=1) == [2]


def test_a_poll_ends_when_another_partition_has_rows(kafka: KafkaServer) -> None:
    """One client waits for all partitions (``waits_for_any``): none may sleep on another's rows."""
    topic = new_topic(kafka, partitions=2)
    source = source_for(table_of("kafka", options(kafka, topic), COLUMNS))
    assert source.waits_for_any
    quiet, busy = (source.open(f"{topic}:{n}", resume=None) for n in range(2))
    produce(kafka, topic, [doc(7)], partition=1)
    assert quiet.poll(max_rows=10, timeout_s=3_600.0) is None
    got = read(busy, max_rows=10, documents=1)
    assert got.frame["id"].to_list() == [7]
    source.close()


def test_new_partitions_are_found_and_read_in_full(kafka: KafkaServer) -> None:
    """Rows that reach a new partition before we see it are rows all the same."""
    from confluent_kafka.admin import NewPartitions

    topic = new_topic(kafka)
    given = {
        "scan.startup.mode": "latest-offset",
        "scan.topic-partition-discovery.interval": "1 ms",
    }
    source = source_for(table_of("kafka", options(kafka, topic, **given), COLUMNS))
    assert source.splits() == [f"{topic}:0"]
    first = source.open(f"{topic}:0", resume=None)
    assert first.poll(max_rows=10, timeout_s=WAIT_S) is not None
    admin = AdminClient({"bootstrap.servers": kafka.plain})
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
    produce(kafka, topic, [doc(7)], partition=1)
    end = time.monotonic() + WAIT_S
    while len(source.splits()) < 2:
        assert time.monotonic() < end
    got = read(source.open(f"{topic}:1", resume=None), max_rows=10, documents=1)
    assert got.frame["id"].to_list() == [7]
    source.close()


def test_topic_pattern_reads_every_match(kafka: KafkaServer) -> None:
    """One table over the topics of many tenants."""
    stem = uuid.uuid4().hex[:10]
    admin = AdminClient({"bootstrap.servers": kafka.plain})
    for name in (f"{stem}-a", f"{stem}-b", f"x{stem}-c"):
        admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    given = options(kafka, "", **{"topic-pattern": f"{stem}-.*"})
    del given["topic"]
    source = source_for(table_of("kafka", given, COLUMNS))
    assert sorted(source.splits()) == [f"{stem}-a:0", f"{stem}-b:0"]
    source.close()


def test_rows_of_an_open_or_aborted_transaction_stay_unseen(kafka: KafkaServer) -> None:
    """Reading is read_committed unless said otherwise, and a marker at the end is no row."""
    topic = new_topic(kafka)
    producer = Producer({"bootstrap.servers": kafka.plain, "transactional.id": topic})
    producer.init_transactions(30)
    for number, commit in ((1, True), (2, False), (3, True)):
        producer.begin_transaction()
        producer.produce(topic, doc(number))
        producer.flush(30)
        (producer.commit_transaction if commit else producer.abort_transaction)(30)
    producer.begin_transaction()
    producer.produce(topic, doc(4))
    producer.flush(30)
    table = table_of("kafka", bounded(kafka, topic), COLUMNS)
    assert ids(table, f"{topic}:0") == [1, 3]
    seen = bounded(kafka, topic, **{"properties.isolation.level": "read_uncommitted"})
    assert ids(table_of("kafka", seen, COLUMNS), f"{topic}:0") == [1, 2, 3, 4]
    producer.abort_transaction(30)


def test_a_place_that_retention_deleted_is_an_error(kafka: KafkaServer) -> None:
    """Jumping to what is left would lose rows in silence."""
    topic = new_topic(kafka)
    produce(kafka, topic, [doc(n) for n in range(10)])
    admin = AdminClient({"bootstrap.servers": kafka.plain})
    (done,) = admin.delete_records([TopicPartition(topic, 0, 5)]).values()
    done.result(30)
    source = source_for(table_of("kafka", options(kafka, topic), COLUMNS))
    reader = source.open(f"{topic}:0", resume=2)
    with pytest.raises(
        ConnectorError, match=r"Offset 2 .* does not exist; the first one there is 5"
    ):
        read(reader, max_rows=10, documents=1)
    source.close()


def test_key_columns_come_from_the_key(kafka: KafkaServer) -> None:
    """With EXCEPT_KEY the value has no key columns; a broken key rejects its message."""
    topic = new_topic(kafka)
    produce(kafka, topic, [b'{"name": "a"}'], key=b'{"id": 1}')
    produce(kafka, topic, [b'{"name": "b"}'])
    produce(kafka, topic, [b'{"name": "c"}'], key=b"broken")
    given = {
        "key.format": "json",
        "key.fields": "k_id",
        "key.fields-prefix": "k_",
        "value.fields-include": "EXCEPT_KEY",
    }
    schema = Schema.of({"k_id": "BIGINT", "name": "STRING"})
    source = source_for(table_of("kafka", bounded(kafka, topic, **given), schema))
    got = read(source.open(f"{topic}:0", resume=None), max_rows=10)
    source.close()
    assert got.frame.rows() == [(1, "a"), (None, "b")]
    ((reason, offset, raw),) = got.bad
    assert (offset, raw) == (2, b'{"name": "c"}')
    assert reason.startswith("key: ")


def test_upsert_topic_gives_changes(kafka: KafkaServer) -> None:
    """A value is the newest row of its key, a message without value deletes it."""
    topic = new_topic(kafka)
    for key, value in ((1, doc(1)), (2, doc(2)), (1, None), (2, b"broken")):
        produce(kafka, topic, [value], key=json.dumps({"id": key}).encode())
    produce(kafka, topic, [doc(5)])
    given = bounded(kafka, topic, **{"key.format": "json", "value.format": "json"})
    del given["format"], given["scan.startup.mode"]
    source = source_for(table_of("upsert-kafka", given, COLUMNS, key=("id",)))
    assert source.changes is Changes.UPSERT
    got = read(source.open(f"{topic}:0", resume=None), max_rows=10)
    source.close()
    assert got.frame.select("id", "name", OP).rows() == [
        (1, "n1", Op.UPDATE_AFTER),
        (2, "n2", Op.UPDATE_AFTER),
        (1, None, Op.DELETE),
    ]
    assert [(b[1], b[2]) for b in got.bad] == [(3, b"broken"), (4, doc(5))]


# ------------------------------------------------------------------------- getting there


def connect(kafka: KafkaServer, topic: str, **more: str) -> list[int]:
    given = bounded(kafka, topic)
    given |= {f"properties.{name}": value for name, value in more.items()}
    return ids(table_of("kafka", given, COLUMNS), f"{topic}:0")


def secured(kafka: KafkaServer) -> dict[str, dict[str, str]]:
    login = {"sasl.username": kafka.user, "sasl.password": kafka.password}
    ca = {"ssl.ca.location": kafka.ca_file}
    jaas = (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="{kafka.user}" password="{kafka.password}";'
    )
    plain = {"bootstrap.servers": kafka.sasl, "security.protocol": "SASL_PLAINTEXT"}
    tls = {"bootstrap.servers": kafka.sasl_tls, "security.protocol": "SASL_SSL", **ca}
    return {
        "tls": {"bootstrap.servers": kafka.tls, "security.protocol": "SSL", **ca},
        "plain": {**plain, **login, "sasl.mechanism": "PLAIN"},
        "scram": {**plain, **login, "sasl.mechanism": "SCRAM-SHA-256"},
        "tls scram": {**tls, **login, "sasl.mechanism": "SCRAM-SHA-256"},
        "jaas": {**plain, "sasl.jaas.config": jaas, "sasl.mechanism": "SCRAM-SHA-256"},
    }


@pytest.mark.parametrize("way", ["tls", "plain", "scram", "tls scram", "jaas"])
def test_tls_and_sasl_let_us_in(kafka: KafkaServer, way: str) -> None:
    """Clusters outside a laptop are closed; each way in is tried on a broker that checks it."""
    topic = new_topic(kafka)
    produce(kafka, topic, [doc(1)])
    assert connect(kafka, topic, **secured(kafka)[way]) == [1]


@pytest.mark.parametrize("way", ["plain", "scram", "tls scram"])
def test_a_wrong_password_is_one_clear_error(
    kafka: KafkaServer, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """No retry storm, no library log, and the password is in no message."""
    given = {**secured(kafka)[way], "sasl.password": "not-the-password"}
    with pytest.raises(ConnectorError, match="refused the login") as caught:
        connect(kafka, "any", **given)
    assert "sasl.password" in str(caught.value)
    assert "not-the-password" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_authority_is_one_clear_error(kafka: KafkaServer) -> None:
    """A certificate that cannot be trusted must stop us."""
    given = {**secured(kafka)["tls"], "ssl.ca.location": kafka.other_ca_file}
    with pytest.raises(ConnectorError, match="TLS handshake failed"):
        connect(kafka, "any", **given)


def test_an_unreachable_broker_is_one_clear_error(
    kafka: KafkaServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first thing that goes wrong for a new user: nothing hangs, nothing is dumped."""
    from tests.servers.ports import free_ports

    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(ConnectorError, match="does not answer") as caught:
        connect(kafka, "any", **{"bootstrap.servers": address})
    assert address in str(caught.value)
    assert "bootstrap.servers" in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_topic_gives_near_names(kafka: KafkaServer) -> None:
    """A typo in a topic's name is found at the start."""
    topic = new_topic(kafka)
    with pytest.raises(ConnectorError, match="does not exist") as caught:
        source_for(table_of("kafka", options(kafka, topic + "x"), COLUMNS)).splits()
    assert topic in str(caught.value)


# ------------------------------------------------------------------------- options alone


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"properties.plugin.library.paths": "/x.so"}, "may not be set"),
        ({"properties.sasl.kerberos.kinit.cmd": "sh"}, "may not be set"),
        ({"properties.enable.ssl.certificate.verification": "false"}, "always checked"),
        ({"properties.ssl.endpoint.identification.algorithm": "none"}, "cannot be 'none'"),
        ({"properties.acks": "1"}, "cannot be '1'"),
        ({"properties.sasl.pasword": "hush"}, "sasl.password"),
        ({"properties.ssl.truststore.location": "/x.jks"}, "ssl.ca.location"),
        ({"topic-pattern": "a.*"}, "Exactly one"),
        ({"scan.startup.mode": "timestamp"}, "timestamp-millis' is missing"),
        ({"scan.startup.timestamp-millis": "5"}, "has no effect"),
        ({"scan.startup.mode": "group-offsets"}, "group.id"),
        ({"scan.startup.mode": "sometime"}, "latest-offset"),
        (
            {"scan.bounded.mode": "specific-offsets", "scan.bounded.specific-offsets": "0:1"},
            "partition:0,offset:42",
        ),
    ],
)
def test_a_wrong_option_says_what_is_accepted(given: dict[str, str], words: str) -> None:
    """Options are checked without a broker, and a secret is never in the message."""
    base = {"topic": "t", "properties.bootstrap.servers": "h:1", "format": "json"}
    with pytest.raises(OptionError) as caught:
        config_of(table_of("kafka", {**base, **given}, COLUMNS))
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


def test_secrets_do_not_show_in_the_config() -> None:
    """A repr ends in logs."""
    jaas = 'x.PlainLoginModule required username="u" password="hush";'
    base = {"topic": "t", "properties.bootstrap.servers": "h:1", "format": "json"}
    for name, value in (("sasl.password", "hush"), ("sasl.jaas.config", jaas)):
        given = {**base, f"properties.{name}": value}
        _, config, _ = config_of(table_of("kafka", given, COLUMNS))
        assert "hush" not in repr(config)


def test_a_partition_is_not_paused_while_it_has_less_than_a_chunk(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bounded partition gives full chunks alone: without one it would be paused for good."""
    monkeypatch.setattr(kafka_read, "LANE_ROWS_MAX", 10)
    topic = new_topic(kafka, 2)
    produce(kafka, topic, [doc(n) for n in range(120)], partition=0)
    produce(kafka, topic, [doc(0)], partition=1)
    source = source_for(table_of("kafka", bounded(kafka, topic), COLUMNS))
    long, short = (source.open(f"{topic}:{n}", resume=None) for n in range(2))
    # A buffer's worth of the long partition comes along with the short one.
    assert read(short, max_rows=15).frame["id"].to_list() == [0]
    assert read(long, max_rows=50).frame["id"].to_list() == list(range(120))
    source.close()
