"""From a real Kafka through the whole of Millstream to a real Kafka and a real PostgreSQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.e2e import events as given

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
RUN_LIMIT_S = 240.0
EPOCHS_BEFORE_KILL = 5

SCRIPT = """
SET 'execution.checkpointing.interval' = '{interval}';

CREATE TABLE orders (
  id BIGINT, country STRING, amount DOUBLE, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = '{source}', 'properties.bootstrap.servers' = '{servers}',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
  'format' = 'json'
);
CREATE TABLE to_kafka (
  window_start TIMESTAMP(3), country STRING, orders BIGINT, total DOUBLE, least DOUBLE, most DOUBLE
) WITH (
  'connector' = 'kafka', 'topic' = '{sink}', 'properties.bootstrap.servers' = '{servers}',
  'key.format' = 'json', 'key.fields' = 'country', 'value.format' = 'json'
);
CREATE TABLE to_postgres (
  window_start TIMESTAMP(3), country STRING, orders BIGINT, total DOUBLE, least DOUBLE, most DOUBLE
) WITH (
  'connector' = 'jdbc', 'url' = 'jdbc:{url}', 'table-name' = 'per_minute'
);
CREATE VIEW per_minute AS
SELECT window_start, country, COUNT(*) AS orders, SUM(amount) AS total,
       MIN(amount) AS least, MAX(amount) AS most
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE amount > 1
GROUP BY window_start, window_end, country;

EXECUTE STATEMENT SET
BEGIN
  INSERT INTO to_kafka SELECT * FROM per_minute;
  INSERT INTO to_postgres SELECT * FROM per_minute;
END;
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> given.Events:
    return given.make(tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def topic(events: given.Events, kafka: KafkaServer) -> str:
    name = f"orders-{uuid.uuid4().hex[:8]}"
    given.send(events, kafka, name)
    return name


@pytest.fixture
def flow(topic: str, kafka: KafkaServer, database: str, tmp_path: Path) -> Iterator[Flow]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE per_minute (window_start timestamp, country text, orders bigint, "
            "total double precision, least double precision, most double precision)"
        )
    running = Flow(topic, kafka, database, tmp_path)
    yield running
    running.kill()


class Flow:
    """One script, run by the command line in a process of its own."""

    def __init__(self, topic: str, kafka: KafkaServer, database: str, folder: Path) -> None:
        self.kafka = kafka
        self.database = database
        self.folder = folder
        self.sink = f"per-minute-{uuid.uuid4().hex[:8]}"
        self.source = topic
        self.process: subprocess.Popen[bytes] | None = None
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": kafka.plain})
        admin.create_topics([NewTopic(self.sink, 2, 1)])[self.sink].result(30)

    def start(self, *, interval: str) -> None:
        script = self.folder / "flow.sql"
        script.write_text(
            SCRIPT.format(
                source=self.source, sink=self.sink, servers=self.kafka.plain,
                url=self.database, interval=interval,
            )
        )  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "millstream.cli", "run", str(script),
                 "--checkpoint", str(self.folder / "checkpoints")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )  # fmt: skip

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def finish(self) -> None:
        assert self.process is not None, "not started"
        try:
            code = self.process.wait(RUN_LIMIT_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"not done after {RUN_LIMIT_S} s:\n{self.log()}")
        assert code == 0, self.log()

    def in_postgres(self) -> list[given.Row]:
        with psycopg.connect(self.database) as connection:
            return connection.execute("SELECT * FROM per_minute ORDER BY 1, 2").fetchall()

    def in_kafka(self) -> list[given.Row]:
        """What a reader of committed messages sees, sorted."""
        consumer = Consumer(
            {"bootstrap.servers": self.kafka.plain, "group.id": "reader",
             "isolation.level": "read_committed", "enable.partition.eof": True,
             "enable.auto.commit": False, "auto.offset.reset": "error"}
        )  # fmt: skip
        consumer.assign([TopicPartition(self.sink, p, 0) for p in range(2)])
        rows: list[given.Row] = []
        ended: set[int | None] = set()
        while len(ended) < 2:
            for message in consumer.consume(1000, 1):
                if message.error() is not None:
                    ended.add(message.partition())
                    continue
                found = json.loads(message.value() or b"")
                assert json.loads(message.key() or b"") == {"country": found["country"]}
                start = datetime.fromisoformat(found.pop("window_start"))
                rows.append((start, *found.values()))
        consumer.close()
        return sorted(rows, key=lambda row: row[:2])  # type: ignore[arg-type, return-value]


def test_a_million_events_to_kafka_and_postgres(events: given.Events, flow: Flow) -> None:
    """The main promise: the streaming answer is the batch answer, in every sink."""
    flow.start(interval="1 s")
    flow.finish()
    assert flow.in_postgres() == events.answer
    assert flow.in_kafka() == events.answer


def test_killed_and_started_again_nothing_is_lost_or_doubled(
    events: given.Events, flow: Flow
) -> None:
    """kill -9 between two checkpoints, twice; both sinks end as if nothing had happened."""
    manifests = flow.folder / "checkpoints" / "manifests"
    for start in range(2):
        flow.start(interval="50 ms")
        assert flow.process is not None
        known = _newest(manifests)
        end = time.monotonic() + RUN_LIMIT_S
        while _newest(manifests) < known + EPOCHS_BEFORE_KILL and flow.process.poll() is None:
            assert time.monotonic() < end, flow.log()
            time.sleep(0.005)
        assert start > 0 or flow.process.poll() is None, f"over before the kill:\n{flow.log()}"
        flow.kill()
    flow.start(interval="1 s")
    flow.finish()
    assert flow.in_postgres() == events.answer
    assert flow.in_kafka() == events.answer


def _newest(manifests: Path) -> int:
    """The number of the newest epoch."""
    names = [p.stem for p in manifests.glob("*.json")] if manifests.exists() else []
    return max((int("".join(filter(str.isdigit, name)) or 0) for name in names), default=0)
