"""A queue as RabbitMQ or SQS is one: it sends again what nobody acknowledged, in any order.

A message is *in flight* once it was given to a reader; when the reader goes without having
acknowledged it, it is sent again to the next one, perhaps in another order. Now and then a message
that *was* acknowledged comes again too: the ack was lost on its way.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.ports.connector import Chunk, Connector, End, Reader, Source, SourceSpec
from millstream.settings import option


@dataclass
class Queue:
    """The messages of one queue; ``chance`` decides on order and on acks that get lost."""

    messages: list[int]
    chance: random.Random
    lost_acks: float = 0.0
    waiting: list[int] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    sent: int = 0
    fail_after: int | None = None
    with_bad: frozenset[int] = frozenset()
    heard: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.waiting = list(self.messages)

    def opened(self) -> None:
        """A new reader: all that is not acknowledged comes again."""
        again = [m for m in self.messages if m not in self.acknowledged]
        again += [m for m in sorted(self.acknowledged) if self.chance.random() < self.lost_acks]
        self.chance.shuffle(again)
        self.waiting = again


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """The queue itself."""

    queue: Any = option("queue", "A Queue.", kind="any")


class _Source(Source):
    bounded = True
    acknowledging = True

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def splits(self) -> Sequence[str]:
        return ("queue",)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        self.queue.opened()
        return _Reader(self.queue)


class _Reader(Reader):
    """Tags are of this reader alone: a resume value of an earlier one acknowledges nothing."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.tag = f"{queue.chance.random()}"
        self.given: list[int] = []

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        queue = self.queue
        if queue.fail_after is not None and queue.sent >= queue.fail_after:
            if not queue.acknowledged:  # a crash before the first epoch shows little
                queue.heard.wait(timeout_s)
                return None
            queue.fail_after = None
            raise ConnectionResetError("the queue's server has gone")
        if not queue.waiting:
            raise End
        size = queue.chance.randint(1, min(7, len(queue.waiting)))
        sent, queue.waiting = queue.waiting[:size], queue.waiting[size:]
        queue.sent += size
        self.given += sent
        good = [m for m in sent if m not in queue.with_bad]
        bad = [m for m in sent if m in queue.with_bad]
        rejected = pl.DataFrame(
            {
                "reason": ["not a number"] * len(bad),
                "offset": [None] * len(bad),
                "raw": [b"?"] * len(bad),
                "id": [f"m{m}" for m in bad],
            },
            schema={"reason": pl.String, "offset": pl.Int64, "raw": pl.Binary, "id": pl.String},
        )
        return Chunk(
            frame=pl.DataFrame({"x": good}, schema={"x": pl.Int64}),
            resume=[self.tag, len(self.given)],
            ids=pl.Series([f"m{m}" for m in good], dtype=pl.String),
            rejected=rejected if bad else None,
        )

    def commit(self, resume: Any) -> None:
        tag, upto = resume
        if tag == self.tag:
            self.queue.acknowledged |= set(self.given[:upto])
            self.queue.heard.set()


def _source(spec: SourceSpec) -> Source:
    return _Source(spec.config.queue)


CONNECTOR = Connector(
    name="queue",
    doc="Sends again what nobody acknowledged.",
    config=QueueConfig,
    source=_source,
    bounded=lambda _: True,
    guarantee="exactly once, within the deduplication window",
)
