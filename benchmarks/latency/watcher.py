"""The process that reads the results and says when each of them arrived.

in      the output topic, as a consumer of the choice (``read_committed`` where it is exactly once)
out     per message the moment at which the client's ``consume`` returned with it; the values as
        columns, decoded when they are asked for, which is after a phase
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import numpy as np
import polars as pl
from benchmarks.latency.events import PARTITIONS
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

COUNT, TAKE, END = "count", "take", "end"
WAIT_S = 0.01
AT_ONCE = 10_000
_CLIENT = {
    "enable.auto.commit": False,
    "fetch.wait.max.ms": 100,
    "fetch.queue.backoff.ms": 1,
    "queued.min.messages": 1_000_000,
    "queued.max.messages.kbytes": 524_288,
}
_NUMBERS = dict.fromkeys(("id", "k", "v", "n"), pl.Int64)


@dataclass
class Watcher:
    """Reads the output topic from its beginning."""

    consumer: Consumer
    count: int = 0
    _batches: list[tuple[int, list[bytes]]] = field(default_factory=list)

    def look(self) -> None:
        """Take what is there; wait a little for the first one."""
        found = self.consumer.consume(1, WAIT_S)
        if not found:
            return
        found += self.consumer.consume(AT_ONCE, 0)
        at_ns = time.monotonic_ns()
        values = [_value_of(message) for message in found]
        self.count += len(values)
        self._batches.append((at_ns, values))

    def take(self) -> tuple[np.ndarray, pl.DataFrame]:
        """Return arrivals and values since the last call, in the order they came."""
        batches, self._batches = self._batches, []
        counts = [len(values) for _, values in batches]
        arrived = np.repeat(np.array([at for at, _ in batches], np.int64), counts)
        text = b"\n".join(value for _, values in batches for value in values)
        return arrived, _columns(text)


def _value_of(message: Message) -> bytes:
    error, value = message.error(), message.value()
    if error is not None:
        raise KafkaException(error)
    assert value is not None, "no case deletes"
    return value if isinstance(value, bytes) else value.encode()


def _columns(text: bytes) -> pl.DataFrame:
    if not text:
        return pl.DataFrame()
    found = pl.read_ndjson(text)
    kept = [pl.col(n).cast(t) for n, t in _NUMBERS.items() if n in found.columns]
    if "window_start" in found.columns:
        start = pl.col("window_start").str.to_datetime(time_unit="ms", strict=True)
        kept.append(start.dt.epoch("ms").alias("start"))
    return found.select(kept)


def serve(pipe: Connection, address: str, topic: str, *, committed: bool) -> None:
    """Read until the pipe says END; answer COUNT and TAKE."""
    gc.disable()  # messages refer to nothing; a collection would be a pause
    level = "read_committed" if committed else "read_uncommitted"
    client = {"bootstrap.servers": address, "group.id": f"watcher-of-{topic}", **_CLIENT}
    watcher = Watcher(Consumer({**client, "isolation.level": level}))
    watcher.consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    pipe.send("ready")
    while True:
        watcher.look()
        if not pipe.poll(0):
            continue
        asked = pipe.recv()
        if asked == END:
            break
        pipe.send(watcher.count if asked == COUNT else watcher.take())
    watcher.consumer.close()
