"""Receiving through librdkafka itself gives what the Python client gives."""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from confluent_kafka import Producer, TopicPartition
from polars.testing import assert_series_equal

from millstream.connect import kafka_client, kafka_consume, librdkafka
from millstream.connect.kafka_consume import ClientReceiver, Happening, Receiver, receiver
from millstream.connect.kafka_messages import OPTIONAL, Block, one_block
from millstream.connect.kafka_native import NativeReceiver
from millstream.connect.kafka_options import KafkaConfig
from millstream.errors import ConnectorError
from tests.connect import test_kafka_source
from tests.connect.test_kafka_source import new_topic

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.kafka
WAIT_S = 120.0
EVERYTHING = frozenset(OPTIONAL)
WAYS = (NativeReceiver, ClientReceiver)


def made(way: type, kafka: KafkaServer, wanted: frozenset[str] = EVERYTHING, **more: Any) -> Any:
    """Make a receiver of one kind."""
    given = {"bootstrap.servers": kafka.plain, **more}
    config = KafkaConfig(topic=("any",), properties=given)
    if way is ClientReceiver:
        return ClientReceiver(config, kafka_client.Complaints(), wanted)
    found = librdkafka.library()
    assert found is not None, "the wheel's own library is one we know"
    return NativeReceiver(found, config, kafka_client.Complaints(), wanted)


def all_of(
    taken: Receiver, topic: str, partitions: int, *, count: int = 1000
) -> tuple[dict[int, Block], list[Happening]]:
    """Read every partition to its end."""
    taken.assign_more([TopicPartition(topic, p, 0) for p in range(partitions)])
    blocks: dict[int, list[Block]] = defaultdict(list)
    happenings: list[Happening] = []
    deadline = time.monotonic() + WAIT_S
    while len(happenings) < partitions:
        assert time.monotonic() < deadline, f"only {len(happenings)} ends came"
        found = taken.receive(count, 0.2)
        for block in found.blocks:
            assert len(block) <= count
            blocks[block.place[1]].append(block)
        happenings += found.happenings
    return {p: one_block(some) for p, some in blocks.items()}, happenings


def fill(kafka: KafkaServer, topic: str, partitions: int, seed: int, codec: str) -> int:
    """Write messages of every shape; returns how many."""
    draw = random.Random(seed)
    settings = {"bootstrap.servers": kafka.plain, "compression.type": codec, "linger.ms": 20}
    producer = Producer({**settings, "message.max.bytes": 1_100_000})
    sizes = [0, 1, 7, 8, 9, 63, 64, 65, 230, 4096, 70_000]
    count = 2000
    for number in range(count):
        size = 1_000_000 if number % 500 == 7 else draw.choice(sizes[:9])
        size = draw.choice(sizes) if number % 40 == 3 else size
        key = draw.choice([None, b"", b"k", draw.randbytes(draw.randrange(40))])
        named = draw.choice([{}, {"headers": [("a", b"1"), ("a", None), ("ü", b"")]}])
        timed = draw.choice([{}, {"timestamp": 1_600_000_000_000 + number}])
        value = None if draw.random() < 0.1 else draw.randbytes(size)
        more: dict[str, Any] = {"partition": draw.randrange(partitions), **named, **timed}
        producer.produce(topic, value, key, **more)
        producer.poll(0)
    assert producer.flush(60) == 0
    return count


def same(left: Block, right: Block) -> None:
    """Compare two blocks in every column."""
    assert left.place == right.place
    assert left.offsets.tolist() == right.offsets.tolist()
    assert left.bytes == right.bytes
    assert_series_equal(left.values, right.values, check_names=False)
    assert left.more.keys() == right.more.keys()
    for name in left.more:
        assert_series_equal(left.more[name], right.more[name], check_names=False)


@pytest.mark.parametrize("codec", ["none", "gzip", "lz4", "zstd", "snappy"])
def test_messages_of_every_shape_come_as_through_the_python_client(
    kafka: KafkaServer, codec: str
) -> None:
    """Bytes are copied out of memory that is the library's: each must be the right one."""
    topic = new_topic(kafka, 3, **{"max.message.bytes": "1200000"})
    count = fill(kafka, topic, 3, random.randrange(1 << 30), codec)
    found = []
    for way in WAYS:
        taken = made(way, kafka)
        found.append(all_of(taken, topic, 3, count=random.choice([1, 17, 5000])))
        taken.close()
    (native, native_ends), (client, client_ends) = found
    assert native.keys() == client.keys()
    for partition, block in native.items():
        same(block, client[partition])
    assert sum(map(len, native.values())) == count
    values = pl.concat([b.values for b in native.values()])
    sizes = values.bin.size()
    assert values.null_count() > 0, "there were tombstones"
    assert (sizes.min(), sizes.max()) == (0, 1_000_000)

    def told(ends: list[Happening]) -> list[Any]:
        return sorted((e.place, e.offset, e.error.code(), e.error.name()) for e in ends)

    assert told(native_ends) == told(client_ends)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_wanted_is_not_fetched(kafka: KafkaServer, way: type) -> None:
    """A pipeline that reads values alone does not pay for headers and times."""
    topic = new_topic(kafka)
    producer = Producer({"bootstrap.servers": kafka.plain})
    producer.produce(topic, b"v", b"k", headers=[("h", b"1")])
    assert producer.flush(30) == 0
    taken = made(way, kafka, frozenset({"key"}))
    blocks, _ = all_of(taken, topic, 1)
    assert taken.known_end((topic, 0)) == 1
    taken.close()
    assert set(blocks[0].more) == {"key"}
    assert blocks[0].column("key").to_list() == [b"k"]


@pytest.mark.parametrize("way", WAYS)
def test_an_offset_that_is_gone_is_told_alike(kafka: KafkaServer, way: type) -> None:
    """The source makes an error of it, by its code and place."""
    topic = new_topic(kafka)
    taken = made(way, kafka)
    taken.assign_more([TopicPartition(topic, 0, 5)])
    deadline = time.monotonic() + WAIT_S
    while not (found := taken.receive(10, 0.2)):
        assert time.monotonic() < deadline
    taken.close()
    (told,) = found.happenings
    assert told.place == (topic, 0)
    assert told.error.code() == kafka_client.Code._AUTO_OFFSET_RESET
    assert "out of range" in told.error.str()


@pytest.mark.parametrize("way", WAYS)
def test_a_property_that_is_not_taken_is_one_error(kafka: KafkaServer, way: type) -> None:
    """The user sees the same sentence, whichever client said no."""
    with pytest.raises(ConnectorError, match="does not take its properties") as raised:
        made(way, kafka, **{"fetch.min.bytes": "many"})
    assert "fetch.min.bytes" in str(raised.value)


def test_paused_partitions_go_on_where_they_stopped(kafka: KafkaServer) -> None:
    """A full lane pauses its partition; nothing may be lost or come twice by that."""
    topic = new_topic(kafka)
    producer = Producer({"bootstrap.servers": kafka.plain})
    for number in range(2000):
        producer.produce(topic, b"%d" % number)
    assert producer.flush(30) == 0
    taken = made(NativeReceiver, kafka, frozenset())
    place = [TopicPartition(topic, 0, 0)]
    taken.assign_more(place)
    offsets: list[int] = []
    deadline = time.monotonic() + WAIT_S
    while len(offsets) < 2000:
        assert time.monotonic() < deadline
        for block in taken.receive(100, 0.2).blocks:
            offsets += block.offsets.tolist()
        taken.pause(place)
        taken.resume(place)
    taken.assign_less(place)
    taken.close()
    assert offsets == list(range(2000))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_no_message_stays_behind(kafka: KafkaServer) -> None:
    """What the library gave is given back: reading again and again takes no more memory."""
    topic = new_topic(kafka)
    producer = Producer({"bootstrap.servers": kafka.plain, "linger.ms": 50})
    for _ in range(30_000):
        producer.produce(topic, bytes(1000))
        producer.poll(0)
    assert producer.flush(60) == 0
    taken = made(NativeReceiver, kafka)
    used = []
    for _ in range(6):
        blocks, _ = all_of(taken, topic, 1, count=5000)
        assert len(blocks[0]) == 30_000
        taken.assign_less([TopicPartition(topic, 0)])
        del blocks
        gc.collect()
        used.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
    taken.close()
    assert used[-1] - used[1] < 60 << 20, used  # a leak would be 120 MB


def test_the_python_client_takes_over_where_the_library_is_not_known(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new version may have another layout; an operator may want the client he knows."""

    def chosen() -> Any:
        librdkafka.library.cache_clear()
        config = KafkaConfig(topic=("any",), properties={"bootstrap.servers": kafka.plain})
        taken = receiver(config, kafka_client.Complaints(), frozenset())
        taken.close()
        return type(taken)

    try:
        assert chosen() is NativeReceiver
        with monkeypatch.context() as patch:
            patch.setenv(librdkafka.VARIABLE, "python")
            assert chosen() is ClientReceiver
        with monkeypatch.context() as patch:
            patch.setattr(librdkafka, "VERSIONS", (0x03000000, 0x04000000))
            assert chosen() is ClientReceiver
        with monkeypatch.context() as patch:
            patch.setattr(kafka_client, "library_version", lambda: 0x01020300)
            assert chosen() is ClientReceiver
    finally:
        librdkafka.library.cache_clear()


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every receiver of a test be the Python client."""
    monkeypatch.setattr(kafka_consume, "library", lambda: None)


topic = test_kafka_source.topic


@pytest.mark.usefixtures("without_library")
class TestContractOfThePythonClient(test_kafka_source.TestContract):
    """The same contract through the client that is taken where the library cannot be."""


@pytest.mark.usefixtures("without_library")
class TestPythonClient:
    """Where the two ways meet the source: metadata, keys, tombstones, ends."""

    metadata = staticmethod(test_kafka_source.test_metadata_columns_tell_where_a_row_came_from)
    keys = staticmethod(test_kafka_source.test_key_columns_come_from_the_key)
    upsert = staticmethod(test_kafka_source.test_upsert_topic_gives_changes)
    gone = staticmethod(test_kafka_source.test_a_place_that_retention_deleted_is_an_error)

    @pytest.mark.parametrize("name", ["metadata", "keys", "upsert", "gone"])
    def test_source_tests_hold(self, kafka: KafkaServer, name: str) -> None:
        """These read through librdkafka where they stand, here through the client."""
        getattr(self, name)(kafka)
