"""The progress topic: which epoch each exactly-once Kafka sink has delivered.

in      one compacted topic per cluster; a record's key is the sink's transactional id, its value
        the epoch and the incarnation that wrote it
out     ``read`` gives the newest committed record of one key; it is true only after
        ``init_transactions``, which ends whatever an older producer had open
waits   another sink's open transaction hides what lies behind it, so reading goes on until the end
        that the partition had when it began, within the limit
"""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass
from typing import Any, Final

from millstream.connect import kafka_client as door
from millstream.connect.kafka_options import KafkaConfig
from millstream.errors import ConnectorError, Domain, Retry

PARTITIONS: Final = 16
READ_LIMIT_S: Final = 200.0
"""Longer than a transaction may stay open, so that one left behind by another has been ended."""
TOPIC_CONFIG: Final = {
    "cleanup.policy": "compact",
    "segment.bytes": str(8 << 20),
    "min.cleanable.dirty.ratio": "0.1",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What a sink has delivered; ``epoch`` None = nothing yet."""

    epoch: int | None
    incarnation: int


class ProgressLog:
    """The records of one key."""

    def __init__(self, config: KafkaConfig, cluster: door.Cluster, *, key: str) -> None:
        self._config = config
        self._cluster = cluster
        self._topic = config.progress_topic
        self._key = key.encode()
        there = cluster.partitions()
        if self._topic not in there:
            cluster.make_topic(self._topic, partitions=PARTITIONS, config=TOPIC_CONFIG)
        self._partition = zlib.crc32(self._key) % self._partition_count()

    def _partition_count(self) -> int:
        end = time.monotonic() + door.CONNECT_LIMIT_S
        while not (found := self._cluster.partitions().get(self._topic)):
            if time.monotonic() > end:
                raise ConnectorError(
                    f"The progress topic '{self._topic}' does not exist and was not made.",
                    where=f"Kafka at {self._config.servers}",
                    hint="Make it with cleanup.policy=compact, or allow this user to.",
                    domain=Domain.CONFIG,
                )
        return len(found)

    def read(self, *, glance: bool = False) -> Progress:
        """The newest committed record of the key.

        With ``glance`` only up to the first open transaction: quick, and good enough to see that a
        newer start is there.
        """
        place = (self._topic, self._partition)
        (end,) = self._cluster.offsets([place], "latest", committed_only=glance).values()
        (start,) = self._cluster.offsets([place], "earliest", committed_only=False).values()
        newest = Progress(None, -1)
        if start >= end:
            return newest
        complaints = door.Complaints()
        consumer = door.consumer(self._config, complaints, **{"isolation.level": "read_committed"})
        try:
            consumer.assign([door.TopicPartition(*place, start)])
            limit = time.monotonic() + READ_LIMIT_S
            while True:
                if time.monotonic() > limit:
                    raise ConnectorError(
                        f"The progress topic '{self._topic}' could not be read to its end in "
                        f"{READ_LIMIT_S:.0f} s.",
                        where=f"Kafka at {self._config.servers}, partition {self._partition}",
                        hint="A transaction may hang there: kafka-transactions.sh find-hanging.",
                        domain=Domain.NETWORK,
                        retry=Retry.LATER,
                    )
                for message in consumer.consume(1000, 0.05):
                    error = message.error()
                    if error is None and message.key() == self._key:
                        newest = _progress(message.value())
                    elif error is not None and error.code() != door.Code._PARTITION_EOF:
                        raise door.in_our_words(error, self._config, "Reading the progress topic")
                (position,) = consumer.position([door.TopicPartition(*place)])
                if position.offset >= end:
                    return newest
        finally:
            consumer.close()

    def write(self, producer: Any, progress: Progress) -> None:
        """Add a record to the producer's open transaction."""
        value = json.dumps({"epoch": progress.epoch, "incarnation": progress.incarnation})
        producer.produce(self._topic, value.encode(), self._key, partition=self._partition)


def _progress(value: bytes) -> Progress:
    found = json.loads(value)
    return Progress(found["epoch"], int(found["incarnation"]))
