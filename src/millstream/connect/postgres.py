"""PostgreSQL tables: read once, written by COPY.

extra      postgres
delivery   exactly once: an epoch's rows and its row in ``_millstream_epoch`` are one transaction
split      one; a restart reads on behind the rows it had, in the order of the key or of storage
keys       with a PRIMARY KEY declared, rows replace and delete by key (COPY into a temporary table,
           then INSERT … ON CONFLICT and DELETE); without one they are appended by COPY alone
bad row    a row the database refuses is reported with its reason; the others are kept
rooms      ``postgres_options`` (config, addresses), ``postgres_client`` (the one door to psycopg),
           ``postgres_read``, ``postgres_lookup``, ``postgres_write``, ``postgres_text`` (columns as
           COPY text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.connect.postgres_options import PostgresConfig
from millstream.ports.connector import Changes, Connector

if TYPE_CHECKING:
    from millstream.ports.connector import Sink, SinkSpec, Source, SourceSpec
    from millstream.ports.lookup import Lookup, LookupSpec


def _source(spec: SourceSpec) -> Source:
    from millstream.connect.postgres_read import PostgresSource

    return PostgresSource(spec)


def _sink(spec: SinkSpec) -> Sink:
    from millstream.connect.postgres_write import PostgresSink

    return PostgresSink(spec)


def _lookup(spec: LookupSpec) -> Lookup:
    from millstream.connect.postgres_lookup import PostgresLookup

    return PostgresLookup(spec)


CONNECTOR = Connector(
    name="postgres",
    doc="Tables of PostgreSQL: read once, asked by key, or written row by row or by key.",
    config=PostgresConfig,
    extra="postgres",
    filters=lambda _: True,
    source=_source,
    sink=_sink,
    lookup=_lookup,
    gives=Changes.APPEND,
    takes=Changes.UPSERT,
    bounded=lambda _: True,
    guarantee="exactly once where checkpoints are kept (one transaction an epoch), else at least "
    "once; by key a repeat changes nothing",
    aliases=("jdbc",),
)
