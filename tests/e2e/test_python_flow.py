"""The README's kind of program: the Python API from a real Kafka to a real Kafka and PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import millstream as ms
from millstream import col
from tests.connect.test_kafka_sink import values
from tests.connect.test_kafka_source import new_topic, produce

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
EVENTS = 6000


def test_windows_from_two_partitions_reach_both_sinks_once(
    kafka: KafkaServer, database: str, tmp_path: Path
) -> None:
    """One partition may be far ahead of the other: no row is late for that, none comes twice."""
    topic, out = new_topic(kafka, 2), new_topic(kafka)
    documents = [
        json.dumps(
            {
                "id": i,
                "country": "AB"[i % 2],
                "amount": i / 4,
                "ts": f"2026-01-01 00:{i // 600:02d}:{i // 10 % 60:02d}.000",
            }
        ).encode()
        for i in range(EVENTS)
    ]
    for partition in (0, 1):
        produce(kafka, topic, documents[partition::2], partition=partition)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE per_minute (window_start timestamp, country text, n bigint, total float8)"
        )
    schema = {"id": "BIGINT", "country": "STRING", "amount": "DOUBLE", "ts": "TIMESTAMP(3)"}
    orders = ms.read_kafka(
        kafka.plain,
        topic=topic,
        format="json",
        schema=schema,
        event_time="ts",
        watermark="5s",
        options={"scan.bounded.mode": "latest-offset"},
    )
    windows = (
        orders.group_by("country", window=ms.tumble("1m"))
        .agg(n=ms.count(), total=col("amount").sum())
        .select("window_start", "country", "n", "total")
    )
    to_kafka = windows.write_kafka(kafka.plain, topic=out)
    to_postgres = windows.write_postgres(database, table="per_minute")
    ms.run(to_kafka, to_postgres, checkpoint=tmp_path / "checkpoints")
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT extract(minute FROM window_start)::int, country, n, total "
            "FROM per_minute ORDER BY 1, 2"
        ).fetchall()
    expected = []
    for minute in range(EVENTS // 600):
        for country in (0, 1):
            amounts = [i / 4 for i in range(minute * 600 + country, (minute + 1) * 600, 2)]
            expected.append((minute, "AB"[country], len(amounts), sum(amounts)))
    assert rows == expected
    assert sorted((v["country"], v["total"]) for v in values(kafka, out)) == sorted(
        (country, total) for _, country, _, total in expected
    )
