"""The process that writes the events, each at its planned time.

in      phases, one by one, through a pipe; for each the moment at which it begins
out     how late against the plan each event was handed to the client, and how long it took
pace    it wakes every STEP_S and hands over all that is due by then; an event that comes late
        keeps its planned time, whoever was to blame
client  idempotent, ``acks=all``, no linger: a batch is what came while the one before travelled
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from benchmarks.latency.events import Phase, Ready, ready
from confluent_kafka import Producer

STEP_S = 0.001
AT_ONCE = 500
"""So many events are handed over before the clock is read again."""
FLUSH_S = 60.0
_CLIENT = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 0,
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 524_288,
    "delivery.report.only.error": True,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a phase."""

    late_s: np.ndarray
    """Of each event: when it was with the client, against its plan."""
    seconds: float
    """From the beginning until the broker had acknowledged everything."""
    failures: tuple[str, ...] = ()


class Generator:
    """Writes phases into the topics."""

    def __init__(self, address: str, topics: tuple[str, ...]) -> None:
        self._topics = topics
        self._failures: list[str] = []
        self._producer = Producer(
            {"bootstrap.servers": address, **_CLIENT, "on_delivery": self._reported}
        )

    def send(self, phase: Phase, made: Ready, begin_ns: int) -> Sent:
        """Send a phase that begins at a moment of the monotonic clock."""
        planned_ns = begin_ns + (phase.planned_s * 1e9).astype(np.int64)
        due, cuts, at_ns = 0, [0], []
        while due < phase.count:
            now_ns = time.monotonic_ns()
            end = min(int(np.searchsorted(planned_ns, now_ns, "right")), due + AT_ONCE)
            if end > due:
                self._hand_over(made, due, end)
                due = end
                cuts.append(due)
                at_ns.append(time.monotonic_ns())
                continue
            self._producer.poll(0)
            time.sleep(STEP_S)
        for partition, document in enumerate(made.closing):
            for topic in self._topics:
                self._producer.produce(topic, document, partition=partition)
        left = self._producer.flush(FLUSH_S)
        if left:
            self._failures.append(f"{left} events were not taken by the broker")
        late_ns = np.repeat(at_ns, np.diff(cuts)) - planned_ns
        seconds = (time.monotonic_ns() - begin_ns) / 1e9
        return Sent(late_ns / 1e9, seconds, tuple(self._failures))

    def _hand_over(self, made: Ready, begin: int, end: int) -> None:
        """One event at a time: the client takes one a call."""
        produce = self._producer.produce
        for index in range(begin, end):
            document, partition = made.documents[index], made.partitions[index]
            for topic in self._topics:
                try:
                    produce(topic, document, partition=partition)
                except BufferError:
                    self._when_there_is_room(topic, document, partition)

    def _when_there_is_room(self, topic: str, document: bytes, partition: int) -> None:
        while True:
            self._producer.poll(0.01)
            try:
                self._producer.produce(topic, document, partition=partition)
            except BufferError:
                continue
            return

    def _reported(self, error: Any, _message: Any) -> None:
        if error is not None and len(self._failures) < 5:
            self._failures.append(str(error))


def serve(pipe: Connection, address: str, topics: tuple[str, ...], *, closes: bool) -> None:
    """Send what the pipe asks for until it says None."""
    gc.disable()  # documents refer to nothing; a collection would be a pause
    generator = Generator(address, topics)
    receive: Callable[[], Any] = pipe.recv
    while (phase := receive()) is not None:
        made = ready(phase, closes=closes)
        pipe.send("ready")
        pipe.send(generator.send(phase, made, receive()))
