"""Kafka topics, read by partition and offset, written in transactions.

extra      kafka
delivery   exactly once (source: offsets in the checkpoint; sink: one short transaction an epoch)
split      one per partition, named ``topic:partition``
bad row    the raw bytes go to ``rejected`` with offset and reason
rooms      ``kafka_options`` (config, allow-list), ``kafka_client`` (the one door to the library),
           ``kafka_read``, ``kafka_decode``, ``kafka_write``, ``kafka_encode``, ``kafka_progress``
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.connect.kafka_options import Bound, KafkaConfig
from millstream.ports.connector import Changes, Connector

if TYPE_CHECKING:
    from millstream.ports.connector import Sink, SinkSpec, Source, SourceSpec

METADATA = {
    "topic": "STRING",
    "partition": "INT",
    "headers": "MAP<STRING, BYTES>",
    "leader-epoch": "INT",
    "offset": "BIGINT",
    "timestamp": "TIMESTAMP_LTZ(3)",
    "timestamp-type": "STRING",
    "key": "BYTES",
}
GUARANTEE = (
    "exactly once where checkpoints are kept (rows appear with their epoch, to readers with "
    "isolation.level=read_committed), else at least once"
)


# The client library is loaded by the first table that is opened, never by `check` or `explain`.
def _source(spec: SourceSpec) -> Source:
    from millstream.connect import kafka_read

    return kafka_read.source(spec)


def _sink(spec: SinkSpec) -> Sink:
    from millstream.connect import kafka_write

    return kafka_write.sink(spec)


CONNECTOR = Connector(
    name="kafka",
    doc="Topics of Apache Kafka: each message is a row.",
    config=KafkaConfig,
    extra="kafka",
    source=_source,
    sink=_sink,
    gives=Changes.APPEND,
    takes=Changes.APPEND,
    metadata=METADATA,
    bounded=lambda config: config.bounded_mode is not Bound.UNBOUNDED,
    payload=True,
    decides=True,
    guarantee=GUARANTEE,
)
