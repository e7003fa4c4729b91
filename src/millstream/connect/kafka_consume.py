"""Receiving from Kafka: librdkafka without an object per message, or the Python client.

in      a config, and what of a message is wanted beside value and offset
out     what has arrived: blocks of messages by partition, in order, and events (the end of a
        partition, an error)
choice  librdkafka itself where its library can be used (``librdkafka``), else the Python client:
        the same answers, tested side by side, at three times the cost
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from millstream.connect import kafka_client as door
from millstream.connect.kafka_messages import Block, Place, of_objects
from millstream.connect.librdkafka import library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.connect.kafka_options import KafkaConfig


@dataclass(frozen=True, slots=True)
class Happening:
    """Something of a partition that is no message; ``error`` is the client's KafkaError."""

    place: Place
    offset: int
    error: Any


@dataclass(frozen=True, slots=True)
class Arrived:
    """What one call received."""

    blocks: Sequence[Block] = ()
    happenings: Sequence[Happening] = ()

    def __bool__(self) -> bool:
        return bool(self.blocks or self.happenings)


class Receiver(Protocol):
    """One client of a source; partitions are assigned by hand, as the client's TopicPartitions."""

    def receive(self, count: int, wait_s: float) -> Arrived:
        """Return at most ``count`` of what is there; wait for the first one if nothing is."""

    def assign_more(self, places: list[Any]) -> None:
        """Read these partitions too, each from its offset."""

    def assign_less(self, places: list[Any]) -> None:
        """Read these partitions no longer."""

    def pause(self, places: list[Any]) -> None:
        """Fetch these partitions no more for now."""

    def resume(self, places: list[Any]) -> None:
        """Fetch these partitions again."""

    def tell_group(self, places: list[Any]) -> None:
        """Commit offsets to the group; nobody waits for it."""

    def look_up(self, topic: str) -> None:
        """Ask for the topic's partitions, so that the client knows them."""

    def known_end(self, place: Place) -> int:
        """Return where the partition ended when the client last heard of it; negative: unknown."""

    def close(self) -> None:
        """Leave the cluster and free everything."""


def receiver(config: KafkaConfig, complaints: door.Complaints, wanted: frozenset[str]) -> Receiver:
    """Return the fastest receiver there is."""
    found = library()
    if found is None:
        return ClientReceiver(config, complaints, wanted)
    from millstream.connect.kafka_native import NativeReceiver

    return NativeReceiver(found, config, complaints, wanted)


class ClientReceiver:
    """Receives through the Python client."""

    def __init__(
        self, config: KafkaConfig, complaints: door.Complaints, wanted: frozenset[str]
    ) -> None:
        self._consumer = door.consumer(config, complaints)
        self._wanted = wanted
        self.assign_more = self._consumer.incremental_assign
        self.assign_less = self._consumer.incremental_unassign
        self.pause = self._consumer.pause
        self.resume = self._consumer.resume
        self.close = self._consumer.close

    def receive(self, count: int, wait_s: float) -> Arrived:
        """Return at most ``count`` of what is there; wait for the first one if nothing is."""
        found = self._consumer.consume(count, 0)
        if not found and wait_s > 0:
            # consume(n, wait) waits for all n: wait for one, then take what came with it.
            found = self._consumer.consume(1, wait_s)
            if found and count > 1:
                found += self._consumer.consume(count - 1, 0)
        events = [m for m in found if m.error() is not None]
        if events:
            found = [m for m in found if m.error() is None]
        # A Python loop over messages: the client hands each over as an object.
        return Arrived(
            [of_objects(p, list(run), self._wanted) for p, run in itertools.groupby(found, _place)],
            [Happening(_place(e), e.offset(), e.error()) for e in events],
        )

    def tell_group(self, places: list[Any]) -> None:
        """Commit offsets to the group; nobody waits for it."""
        self._consumer.commit(offsets=places, asynchronous=True)

    def look_up(self, topic: str) -> None:
        """Ask for the topic's partitions, so that the client knows them."""
        self._consumer.list_topics(topic, timeout=door.STEP_S)

    def known_end(self, place: Place) -> int:
        """Return where the partition ended when the client last heard of it; negative: unknown."""
        _, high = self._consumer.get_watermark_offsets(door.TopicPartition(*place), cached=True)
        return int(high)


def _place(message: Any) -> Place:
    return message.topic(), message.partition()
