"""A Kafka topic as a table: the newest value of each key, a message without value deletes it.

extra      kafka
delivery   as the connector 'kafka'
needs      a PRIMARY KEY, 'key.format' and 'value.format'; reading starts at the earliest offset,
           because a table needs all its keys
bad row    the raw bytes go to ``rejected`` with offset and reason
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.connect.kafka import GUARANTEE, METADATA
from millstream.connect.kafka_options import Bound, UpsertKafkaConfig
from millstream.errors import PlanError
from millstream.ports.connector import Changes, Connector

if TYPE_CHECKING:
    from millstream.plan.table import Table
    from millstream.ports.connector import Sink, SinkSpec, Source, SourceSpec


def _needs_key(table: Table) -> None:
    if not table.primary_key:
        raise PlanError(
            "An 'upsert-kafka' table needs a primary key.",
            where=f"table '{table.name}'",
            hint="Add PRIMARY KEY (…) NOT ENFORCED to its columns.",
        )


def _source(spec: SourceSpec) -> Source:
    _needs_key(spec.table)
    from millstream.connect import kafka_read

    return kafka_read.upsert_source(spec)


def _sink(spec: SinkSpec) -> Sink:
    _needs_key(spec.table)
    from millstream.connect import kafka_write

    return kafka_write.upsert_sink(spec)


CONNECTOR = Connector(
    name="upsert-kafka",
    doc="A topic of Apache Kafka as a table with one row per key.",
    config=UpsertKafkaConfig,
    extra="kafka",
    source=_source,
    sink=_sink,
    gives=Changes.UPSERT,
    takes=Changes.UPSERT,
    metadata=METADATA,
    bounded=lambda config: config.bounded_mode is not Bound.UNBOUNDED,
    payload=True,
    decides=True,
    guarantee=GUARANTEE,
)
