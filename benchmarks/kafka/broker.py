"""The broker of a run, and the topics loaded into it before anybody is measured.

in      how many events each input topic holds
out     a :class:`Loaded`: where the broker listens, and the right answers per topic
state   the broker lives as long as this process, its folder under ``.bench/kafka``
topics  ``in-N`` with two partitions; nothing in it expires, for the documents tell of the past
shared  the server itself is the one of the tests: jars through Maven, loopback, free ports
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from benchmarks.harness.contract import KEPT
from benchmarks.kafka import workload
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from tests.servers import kafka

FOLDER = KEPT / "kafka"
WAIT_S = 60.0
_SENT_AT_ONCE = 20_000
_PRODUCER = {
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "batch.num.messages": 20_000,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 262_144,
    "enable.idempotence": True,  # a retry neither repeats documents nor changes their order
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the contenders are told, kept as JSON in a file of the run."""

    address: str
    pid: int
    """Of the broker itself."""
    expected: dict[str, dict[str, tuple[int, str]]]
    """Topic, case → result rows and checksum."""

    @classmethod
    def read(cls, file: Path) -> Loaded:
        """Read what :meth:`write` wrote."""
        return msgspec.json.decode(file.read_bytes(), type=cls)

    def write(self, file: Path) -> None:
        """Keep it for the children."""
        file.write_bytes(msgspec.json.encode(self))


def topic(count: int) -> str:
    """Return the name of the input topic with so many events."""
    return f"in-{count}"


def start(cores: Sequence[int]) -> tuple[str, int]:
    """Start a broker on these cores; return its address and its process."""
    folder = FOLDER / f"broker-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, (set(cores) & before) or before)
    try:
        found = kafka.start(folder, os.getpid())
    finally:
        os.sched_setaffinity(0, before)
    keeper = int(found["keeper"])
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    return str(found["plain"]), int(children[0])


def make_topic(address: str, name: str) -> None:
    """Make a topic whose messages never expire."""
    asked = NewTopic(
        name,
        num_partitions=workload.PARTITIONS,
        replication_factor=1,
        config={"retention.ms": "-1", "segment.bytes": str(1 << 30)},
    )
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([asked])[name].result(WAIT_S)


def load(address: str, count: int, *, all_rows: bool) -> dict[str, tuple[int, str]]:
    """Fill an input topic; return the right answers over it."""
    name = topic(count)
    make_topic(address, name)
    producer = Producer({"bootstrap.servers": address, **_PRODUCER})
    encode = msgspec.json.Encoder().encode
    expected = workload.Expected()
    # One event at a time, because each is made and checked in Python; it is not measured.
    for number, (partition, event) in enumerate(workload.events(count)):
        expected.add(event, all_rows=all_rows)
        value, key = encode(event), event.user.encode()
        while True:
            try:
                producer.produce(name, value, key, partition, timestamp=event.ts)
            except BufferError:
                producer.poll(0.1)
                continue
            break
        if number % _SENT_AT_ONCE == 0:
            producer.poll(0)
    left = producer.flush(WAIT_S)
    assert left == 0, f"{left} documents were not taken by the broker"
    found = sum(_end(address, name, partition) for partition in range(workload.PARTITIONS))
    assert found == count + workload.PARTITIONS, f"{name} holds {found} documents"
    return {case: (a.rows, a.checksum) for case, a in expected.answers().items()}


def _end(address: str, name: str, partition: int) -> int:
    admin = AdminClient({"bootstrap.servers": address})
    asked = admin.list_offsets({TopicPartition(name, partition): OffsetSpec.latest()})
    return int(next(iter(asked.values())).result(WAIT_S).offset)


def prepare(counts: dict[int, bool], cores: Sequence[int]) -> tuple[Path, Loaded]:
    """Start the broker, load a topic per count (True: pass-through too), and write it down."""
    address, pid = start(cores)
    expected = {topic(n): load(address, n, all_rows=whole) for n, whole in counts.items()}
    loaded = Loaded(address, pid, expected)
    file = FOLDER / f"run-{os.getpid()}.json"
    loaded.write(file)
    return file, loaded


def drop_topics(address: str, *, keep: set[str]) -> None:
    """Remove what a run left behind: its output, a peer's change logs, our progress."""
    admin = AdminClient({"bootstrap.servers": address})
    there = [t for t in admin.list_topics(timeout=WAIT_S).topics if not t.startswith("__")]
    if left := [t for t in there if t not in keep]:
        for future in admin.delete_topics(left).values():
            future.result(WAIT_S)
