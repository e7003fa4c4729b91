"""A million events from a producer that knows nothing of Millstream, and DuckDB's answer.

The producer is a plain Kafka client. Amounts are dyadic, so that sums are exact in any order.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

EVENTS = 1_000_000
COUNTRIES = ("AT", "BR", "DE", "FR", "JP", "NL", "US", "ZA")
START_MS = 1_767_225_600_000  # 2026-01-01 00:00:00
SPAN_MS = 3_600_000
JITTER_MS = 3_000
ANSWER = """
SELECT time_bucket(INTERVAL '1 minute', ts) AS window_start, country,
       count(*) AS orders, sum(amount) AS total, min(amount) AS least, max(amount) AS most
FROM read_json(?, format = 'newline_delimited',
     columns = {id: 'BIGINT', country: 'VARCHAR', amount: 'DOUBLE', ts: 'TIMESTAMP'})
WHERE amount > 1
GROUP BY ALL ORDER BY ALL
"""
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Events:
    """Documents, one a line in `file`, and what a batch query says about them."""

    file: Path
    answer: list[Row]


def make(folder: Path) -> Events:
    """Write the events; out of order by less than JITTER_MS."""
    chance = random.Random(20260101)
    file = folder / "events.ndjson"
    with file.open("w") as out:
        for number in range(EVENTS):
            at_ms = number * SPAN_MS // EVENTS + chance.randrange(JITTER_MS)
            seconds, ms = divmod(at_ms, 1000)
            minutes, second = divmod(seconds, 60)
            hour, minute = divmod(minutes, 60)
            ts = f"2026-01-01 {hour:02d}:{minute:02d}:{second:02d}.{ms:03d}"
            country = chance.choice(COUNTRIES)
            amount = chance.randrange(8000) / 64
            out.write(f'{{"id":{number},"country":"{country}","amount":{amount},"ts":"{ts}"}}\n')
    with duckdb.connect() as connection:
        answer = connection.execute(ANSWER, [str(file)]).fetchall()
    return Events(file, answer)


def send(events: Events, kafka: KafkaServer, topic: str) -> None:
    """Produce every line to the topic, as an application would."""
    admin = AdminClient({"bootstrap.servers": kafka.plain})
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(30)
    producer = Producer(
        {"bootstrap.servers": kafka.plain, "linger.ms": 50, "compression.type": "lz4",
         "sticky.partitioning.linger.ms": 10}
    )  # fmt: skip
    failed: list[str] = []
    with events.file.open("rb") as lines:
        for number, line in enumerate(lines):
            while True:
                try:
                    producer.produce(
                        topic,
                        line.rstrip(b"\n"),
                        on_delivery=lambda error, _: failed.append(str(error)) if error else None,
                    )
                except BufferError:
                    producer.poll(0.1)
                    continue
                break
            if number % 10_000 == 0:
                producer.poll(0)
    assert producer.flush(60) == 0
    assert not failed, failed[:3]
