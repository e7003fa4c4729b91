"""Partitions come, topics go, offsets are out of range: never a silent jump (F18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from millstream.errors import ConnectorError, Domain, Retry
from millstream.ports.registry import source_for
from tests.connect.contract import read, table_of
from tests.connect.test_kafka_source import COLUMNS, doc, new_topic, options, produce
from tests.servers.ports import wait_until

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.kafka


def admin_of(kafka: KafkaServer) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.plain})


def refused(kafka: KafkaServer, topic: str, resume: int) -> ConnectorError:
    """The error of going on from a place that is gone."""
    source = source_for(table_of("kafka", options(kafka, topic), COLUMNS))
    reader = source.open(f"{topic}:0", resume=resume)
    with pytest.raises(ConnectorError) as caught:
        read(reader, max_rows=10, documents=1)
    source.close()
    assert caught.value.domain is Domain.DATA
    assert caught.value.retry is Retry.NEVER
    return caught.value


def test_f18_a_partition_is_added_while_the_topic_is_read(kafka: KafkaServer) -> None:
    """Its rows are read from the first one on, also those that came before it was seen."""
    topic = new_topic(kafka)
    produce(kafka, topic, [doc(1)])
    given = {"scan.topic-partition-discovery.interval": "1 ms"}
    source = source_for(table_of("kafka", options(kafka, topic, **given), COLUMNS))
    assert read(source.open(f"{topic}:0", resume=0), max_rows=10, documents=1).sizes == [1]
    admin = admin_of(kafka)  # held: a client that is forgotten never answers
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
    produce(kafka, topic, [doc(7), doc(8)], partition=1)
    assert wait_until(lambda: len(source.splits()) == 2, limit_s=20)
    got = read(source.open(f"{topic}:1", resume=None), max_rows=10, documents=2)
    assert got.frame["id"].to_list() == [7, 8]
    source.close()


def test_f18_retention_has_deleted_the_place(kafka: KafkaServer) -> None:
    """A pipeline that was down too long must not go on with a gap."""
    topic = new_topic(kafka)
    produce(kafka, topic, [doc(n) for n in range(10)])
    admin = admin_of(kafka)
    (done,) = admin.delete_records([TopicPartition(topic, 0, 5)]).values()
    done.result(30)
    error = refused(kafka, topic, 2)
    assert "the first one there is 5" in error.fact
    assert "retention" in str(error.hint)


def test_f18_a_topic_made_anew_is_shorter_than_what_was_read(kafka: KafkaServer) -> None:
    """Beginning anew, or waiting until it is as long again, would lose rows in silence."""
    topic = new_topic(kafka)
    produce(kafka, topic, [doc(n) for n in range(10)])
    admin = admin_of(kafka)
    admin.delete_topics([topic])[topic].result(30)

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
        except Exception:  # noqa: BLE001 (it is still being deleted)
            return False
        return True

    assert wait_until(made, limit_s=20)
    produce(kafka, topic, [doc(1), doc(2)])
    error = refused(kafka, topic, 9)
    assert "the partition ends at 2" in error.fact
    assert "made anew" in str(error.hint)
