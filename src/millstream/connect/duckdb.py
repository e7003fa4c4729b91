"""Tables of a DuckDB file: read in pages, written in one transaction an epoch.

extra      duckdb
delivery   exactly once: an epoch's rows and its row in ``_millstream_epoch`` are one transaction
split      one; a restart reads on behind the rows it had
keys       with a PRIMARY KEY declared rows replace and delete by key, without one they are added
lock       DuckDB lets either one process write a file or several read it. The file is therefore
           open only during a transaction or a page; between them any program may open it, and
           while another one holds it we wait up to ``lock-timeout``
bad row    a row the database refuses stops the sink; nothing of its transaction is kept
rooms      ``duckdb_client`` (the one door to the library), ``sql_file`` (shared with SQLite)
"""

from __future__ import annotations

from dataclasses import dataclass

from millstream.connect.sql_file import SqlFileConfig
from millstream.ports.connector import Changes, Connector, Sink, SinkSpec, Source, SourceSpec
from millstream.ports.lookup import Lookup, LookupSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckdbConfig(SqlFileConfig):
    """Options of the connector 'duckdb'; ``table`` may also be ``schema.table``."""


def _source(spec: SourceSpec) -> Source:
    from millstream.connect.duckdb_client import DuckdbSource

    return DuckdbSource(spec)


def _sink(spec: SinkSpec) -> Sink:
    from millstream.connect.duckdb_client import DuckdbSink

    return DuckdbSink(spec)


def _lookup(spec: LookupSpec) -> Lookup:
    from millstream.connect.duckdb_client import DuckdbLookup

    return DuckdbLookup(spec)


CONNECTOR = Connector(
    name="duckdb",
    doc="Tables of a DuckDB file: read once, asked by key, or written row by row or by key.",
    config=DuckdbConfig,
    extra="duckdb",
    filters=lambda _: True,
    source=_source,
    sink=_sink,
    lookup=_lookup,
    takes=Changes.UPSERT,
    bounded=lambda _: True,
    guarantee="exactly once where checkpoints are kept (one transaction an epoch), else at least "
    "once; by key a repeat changes nothing",
)
