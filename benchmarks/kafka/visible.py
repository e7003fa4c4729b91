"""Watches what a read_committed consumer could see of an output topic, alike for every contender.

in      an output topic, the number of result rows expected, the broker's process
out     when the broker gave out the first documents, when the last expected row became visible
begin   the broker's own write counter (/proc/PID/io, which counts sendfile as well) grows by
        FIRST_BYTES within a moment: nothing but the answer to a fetch is that large
end     the last stable offset of each partition is asked every STEP_S; afterwards the topic is
        read, and the moment of a row is the first time the offset asked lay beyond it
cost    a request each STEP_S while it runs; rows are read and compared after the clock stopped
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from benchmarks.kafka import workload
from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

STEP_S = 0.02
FIRST_STEP_S = 0.005
FIRST_BYTES, FIRST_WITHIN_S = 65_536, 0.25
_ASK_S = 10.0
_READ_AT_ONCE = 10_000


def bytes_given(broker: int) -> int:
    """Return how much the broker has written so far, to sockets and files."""
    for line in Path(f"/proc/{broker}/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise AssertionError("the kernel counts what a process writes")


@dataclass(slots=True)
class FirstRead:
    """Notices the first answer of the broker that carries documents."""

    broker: int
    at: float | None = None
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def look(self) -> bool:
        """Look once; True from the first answer on, counted from where it began."""
        now, given = time.monotonic(), bytes_given(self.broker)
        self._seen.append((now, given))
        while now - self._seen[0][0] > FIRST_WITHIN_S:
            self._seen.popleft()
        if self.at is None and given - self._seen[0][1] >= FIRST_BYTES:
            self.at = next(at for at, before in self._seen if before > self._seen[0][1])
        return self.at is not None


@dataclass(slots=True)
class Ends:
    """The ends of an output topic over time, as a read_committed consumer is told them."""

    address: str
    topic: str
    history: list[tuple[float, tuple[int, ...]]] = field(default_factory=list)
    _admin: AdminClient = field(init=False)

    def __post_init__(self) -> None:
        self._admin = AdminClient({"bootstrap.servers": self.address})

    def ask(self) -> int:
        """Ask once; return the sum of the ends."""
        asked = {
            TopicPartition(self.topic, p): OffsetSpec.latest() for p in range(workload.PARTITIONS)
        }
        futures = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_ASK_S
        )
        found = {part.partition: future.result().offset for part, future in futures.items()}
        ends = tuple(found[p] for p in range(workload.PARTITIONS))
        if not self.history or self.history[-1][1] != ends:
            self.history.append((time.monotonic(), ends))
        return sum(ends)

    def ask_until_there(self) -> None:
        """Ask until the leaders of a new topic answer."""
        until = time.monotonic() + _ASK_S
        while True:
            try:
                self.ask()
            except KafkaException:
                if time.monotonic() > until:
                    raise
                time.sleep(STEP_S)
            else:
                return

    @property
    def still_s(self) -> float:
        """How long nothing new has been seen."""
        return time.monotonic() - self.history[-1][0] if self.history else 0.0

    def seen_at(self, partition: int, offset: int) -> float:
        """Return when a row became visible."""
        return next(at for at, ends in self.history if ends[partition] > offset)


@dataclass(frozen=True, slots=True)
class Read:
    """What an output topic holds."""

    answer: workload.Answer
    last_at: float
    """When the last row of the answer became visible."""
    others: int
    """Rows that are no part of the answer: windows of END."""


def read(ends: Ends, case: str) -> Read:
    """Read the topic up to the ends seen last, and fold the answer."""
    until = ends.history[-1][1]
    consumer = Consumer(
        {
            "bootstrap.servers": ends.address,
            "group.id": f"reader-of-{ends.topic}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 131_072,
        }
    )
    answer, others, change = workload.Answer(), 0, msgspec.json.Decoder(workload.Change).decode
    decode, last = workload.decoder(case).decode, dict.fromkeys(range(len(until)), -1)
    waiting = {p for p, end in enumerate(until) if end > 0}
    try:
        consumer.assign([TopicPartition(ends.topic, p, 0) for p in waiting])
        while waiting:
            # One row at a time: each is decoded and hashed for itself; it is not measured.
            for message in consumer.consume(_READ_AT_ONCE, timeout=_ASK_S):
                partition = message.partition()
                if message.error() is not None:
                    waiting.discard(partition)  # the end of the partition
                    continue
                if message.offset() >= until[partition]:
                    continue
                # Pathway has no column named ``id``: there it is the ``number``.
                value = message.value().replace(b'"number":', b'"id":', 1)
                row = decode(value)
                if workload.counts(row):
                    answer.add(row, change(value).diff)
                    last[partition] = message.offset()
                else:
                    others += 1
    finally:
        consumer.close()
    seen = [ends.seen_at(p, offset) for p, offset in last.items() if offset >= 0]
    return Read(answer, max(seen, default=0.0), others)
