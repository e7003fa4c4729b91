"""Changes through a real Kafka: Debezium's documents in, sums of them out, as changes again."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import millstream as ms
from millstream.columns.changes import OP, Op
from millstream.errors import OptionError
from millstream.ports.registry import sink_for, source_for
from millstream.types import Schema
from tests.connect.contract import table_of
from tests.connect.test_kafka_sink import messages, values
from tests.connect.test_kafka_source import bounded, new_topic, options, produce

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.kafka
ORDERS = {"id": "BIGINT", "country": "STRING", "amount": "BIGINT"}


def order(number: int, country: str, amount: int) -> dict[str, Any]:
    return {"id": number, "country": country, "amount": amount}


def change(op: str, before: Any, after: Any) -> bytes:
    source = {"connector": "postgresql", "db": "shop", "table": "orders", "ts_ms": 1}
    return json.dumps({"before": before, "after": after, "source": source, "op": op}).encode()


A, B, C = order(1, "de", 5), order(2, "de", 7), order(3, "fr", 9)
DOCUMENTS: list[bytes | None] = [
    change("r", None, A),
    change("c", None, B),
    change("u", A, order(1, "fr", 6)),
    change("d", B, None),
    None,
    b"no change",
    change("u", None, C),
    change("c", None, C),
]


@pytest.fixture(scope="module")
def topic(kafka: KafkaServer) -> str:
    topic = new_topic(kafka)
    produce(kafka, topic, DOCUMENTS, key=b"k")
    return topic


def debezium(kafka: KafkaServer, topic: str, **more: Any) -> dict[str, Any]:
    return bounded(kafka, topic, **{"format": "debezium-json", **more})


def orders(kafka: KafkaServer, topic: str) -> ms.Stream:
    return ms.read_kafka(
        kafka.plain,
        topic=topic,
        format="debezium-json",
        schema=ORDERS,
        start="earliest",
        options={"scan.bounded.mode": "latest-offset"},
    )


def test_offsets_stay_with_their_documents(kafka: KafkaServer, topic: str) -> None:
    """Two rows of one message, a tombstone and a bad message must not shift what follows."""
    source = source_for(table_of("kafka", debezium(kafka, topic), Schema.of(ORDERS)))
    reader = source.open(f"{topic}:0", resume=None)
    chunk = None
    while chunk is None:
        chunk = reader.poll(max_rows=100, timeout_s=1)
    reader.close()
    source.close()
    assert chunk.frame[OP].to_list() == [
        Op.INSERT, Op.INSERT, Op.UPDATE_BEFORE, Op.UPDATE_AFTER, Op.DELETE, Op.INSERT,
    ]  # fmt: skip
    assert chunk.offsets is not None
    assert chunk.offsets.to_list() == [0, 1, 2, 2, 3, 7]
    assert chunk.skipped == 1
    assert chunk.rejected is not None
    assert chunk.rejected["offset"].to_list() == [5, 6]
    assert chunk.rejected["raw"].to_list() == [DOCUMENTS[5], DOCUMENTS[6]]
    assert chunk.resume == 8


def test_sums_of_changes_come_out_by_key(kafka: KafkaServer, topic: str) -> None:
    """An update moves its amount from one country to the other, a delete takes it away."""
    out = new_topic(kafka)
    sums = orders(kafka, topic).group_by("country").agg(total=ms.col("amount").sum())
    ms.run(sums.write_kafka(kafka.plain, topic=out, key="country"), orders_rejected(kafka, topic))
    newest = {m.key(): m.value() for m in messages(kafka, out)}
    assert {k: v for k, v in newest.items() if v is not None} == {
        b'{"country":"fr"}': b'{"country":"fr","total":15}'
    }


def orders_rejected(kafka: KafkaServer, topic: str) -> ms.Sink:
    return orders(kafka, topic).rejected.write_table("blackhole", name="bad")


def test_sums_of_changes_come_out_as_changes(kafka: KafkaServer, topic: str) -> None:
    """What is written folds to the table, and is read back as the same table."""
    out = new_topic(kafka)
    sums = orders(kafka, topic).group_by("country").agg(total=ms.col("amount").sum())
    sink = sums.write_kafka(kafka.plain, topic=out, format="debezium-json", key="country")
    ms.run(sink, orders_rejected(kafka, topic))
    table: Counter[tuple[str, int]] = Counter()
    for told in values(kafka, out):
        for image, count in ((told["before"], -1), (told["after"], 1)):
            if image is not None:
                table[image["country"], image["total"]] += count
    assert {row: n for row, n in table.items() if n} == {("fr", 15): 1}
    assert all(m.key().startswith(b'{"country"') for m in messages(kafka, out))
    back = ms.read_kafka(
        kafka.plain,
        topic=out,
        format="debezium-json",
        schema={"country": "STRING", "total": "BIGINT"},
        start="earliest",
        options={"scan.bounded.mode": "latest-offset"},
    )
    assert back.collect().rows() == [("fr", 15)]


def test_changes_are_no_keys_and_no_upserts(kafka: KafkaServer, topic: str) -> None:
    """A key is a plain row, and upsert-kafka makes the changes itself."""
    keyed = {"key.format": "debezium-json", "key.fields": "id", "format": "json"}
    with pytest.raises(OptionError, match="a key is a plain row"):
        source_for(table_of("kafka", options(kafka, topic, **keyed), Schema.of(ORDERS)))
    upsert = {
        "topic": topic,
        "properties.bootstrap.servers": kafka.plain,
        "key.format": "json",
        "value.format": "debezium-json",
    }
    table = table_of("upsert-kafka", upsert, Schema.of(ORDERS), key=("id",))
    for build in (source_for, lambda t: sink_for(t, updating=True)):
        with pytest.raises(OptionError, match="makes the changes itself"):
            build(table)
