"""Where streams come from: one function per system.

All of them take the same words: ``schema`` (names to SQL types), ``event_time`` (the column windows
look at), ``watermark`` (how much later than its time a row may come: ``"5s"``), ``computed``
(columns made where the table is read), ``name`` (in messages, plans and checkpoints).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import ConnectorError, Domain, PlanError
from millstream.frame.stream import SchemaLike, Stream, schema_of
from millstream.frame.tables import source_table
from millstream.frame.where import here
from millstream.plan import nodes as n

if TYPE_CHECKING:
    from millstream.frame.expression import Expr
    from millstream.types import Schema


def read_table(
    connector: str,
    *,
    schema: SchemaLike,
    event_time: str | None = None,
    watermark: str | float | Expr = "0s",
    computed: Mapping[str, Expr] | None = None,
    metadata: Mapping[str, str] | None = None,
    primary_key: Sequence[str] = (),
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Stream:
    """Read from any connector.

    Args:
        connector: its name; ``millstream connectors`` lists them.
        schema: the stored columns: names to SQL types.
        event_time: the column that says when a row happened; TIMESTAMP(3) or TIMESTAMP_LTZ(3).
        watermark: how long to wait for rows that come out of order; or an expression.
        computed: columns computed where the table is read.
        metadata: columns the connector fills: ``{"offset": "offset"}`` (column to key).
        primary_key: the key of the rows.
        name: name of the table in messages, plans and checkpoints.
        options: options under their SQL names.
        more: options as Python names: ``scan_startup_mode`` for ``scan.startup.mode``.

    Raises:
        UnknownName: for an unknown connector, option, column or metadata key.
        OptionError: for a value an option cannot have.
        MissingExtra: if the connector's client is not installed.

    >>> import millstream as ms
    >>> ms.read_table("datagen", schema={"id": "BIGINT"}, number_of_rows=3)
    Stream(id BIGINT)
    """
    table = source_table(
        connector,
        name or connector,
        schema_of(schema),
        {**(options or {}), **more},
        event_time=event_time,
        watermark=watermark,
        computed=computed,
        metadata=metadata,
        primary_key=primary_key,
    )
    return Stream(n.Scan(table=table))


_START = {"earliest": "earliest-offset", "latest": "latest-offset", "group": "group-offsets"}


def read_kafka(
    servers: str,
    *,
    topic: str | Sequence[str],
    schema: SchemaLike,
    format: str = "json",  # noqa: A002 (the option's own name)
    start: str | None = None,
    group: str | None = None,
    properties: Mapping[str, str] | None = None,
    **more: Any,
) -> Stream:
    """Read Kafka topics, partition by partition.

    Args:
        servers: ``"host:9092,other:9092"``.
        topic: one topic or several.
        schema: names to SQL types.
        format: how values are encoded: ``json``, ``csv`` or ``raw``.
        start: ``earliest``, ``latest``, ``group`` (its committed offsets), ``timestamp`` …
        group: the consumer group told about progress.
        properties: client properties, such as ``{"security.protocol": "SSL"}``.
        more: ``event_time``, ``watermark``, ``computed``, ``metadata`` (``partition``, ``offset``,
            ``timestamp``, ``headers`` …), ``name``, and further options; see :func:`read_table`.

    Raises:
        MissingExtra: if the Kafka client is not installed.
        OptionError: for a value an option cannot have.
    """
    topics = topic if isinstance(topic, str) else ";".join(topic)
    given: dict[str, Any] = {"properties.bootstrap.servers": servers, "topic": topics}
    mode = None if start is None else _START.get(start, start)
    given |= {"format": format, "scan.startup.mode": mode, "properties.group.id": group}
    given |= {f"properties.{k}": v for k, v in (properties or {}).items()}
    given |= more.pop("options", None) or {}
    name = more.pop("name", None) or topics.split(";")[0]
    return read_table("kafka", schema=schema, name=name, options=given, **more)


def read_files(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002 (the option's own name)
    schema: SchemaLike = None,
    follow: str | float | None = None,
    **more: Any,
) -> Stream:
    """Read a file, the files of a directory, or those a glob names; compressed ones too.

    Args:
        path: ``"orders.csv"``, ``"in/"``, ``"in/*.json.gz"``.
        format: ``csv``, ``json`` (lines), ``parquet`` or ``raw``; by the ending without.
        schema: names to SQL types; without it the first file is looked at.
        follow: look for new files this often (``"10s"``): the stream never ends.
        more: ``event_time``, ``watermark``, ``computed``, ``name`` and further options.

    Raises:
        PlanError: if no schema is given and there is no file to look at.
    """
    chosen = format or _format_by_ending(str(path))
    known = schema_of(schema) if schema is not None else _look(path, chosen, more)
    given: dict[str, Any] = {"path": str(path), "format": chosen}
    given |= {"source.monitor-interval": follow, **(more.pop("options", None) or {})}
    name = more.pop("name", None) or Path(str(path).rstrip("/*")).name.split(".")[0] or "files"
    return read_table("filesystem", schema=known, name=name, options=given, **more)


def read_csv(
    path: str | Path, *, schema: SchemaLike = None, header: bool | None = None, **more: Any
) -> Stream:
    r"""Read CSV files; see :func:`read_files`.

    Args:
        path: as there.
        schema: names to SQL types; without it the first file is looked at.
        header: whether the first line names the columns; by default only where no schema is given.
        more: as there.

    >>> import millstream as ms, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.csv").write_text("1,x\n2,y\n")
    >>> rows = ms.read_csv(folder / "a.csv", schema={"id": "BIGINT", "k": "STRING"})
    >>> rows.collect().rows()
    [(1, 'x'), (2, 'y')]
    """
    named = schema is None if header is None else header
    return read_files(path, format="csv", schema=schema, header=named or None, **more)


def read_json(path: str | Path, *, schema: SchemaLike = None, **more: Any) -> Stream:
    """Read files with one JSON object a line; see :func:`read_files`."""
    return read_files(path, format="json", schema=schema, **more)


def read_parquet(path: str | Path, *, schema: SchemaLike = None, **more: Any) -> Stream:
    """Read Parquet files; the schema is theirs where none is given; see :func:`read_files`."""
    return read_files(path, format="parquet", schema=schema, **more)


def read_socket(
    host: str,
    port: int,
    *,
    schema: SchemaLike,
    format: str = "json",  # noqa: A002 (the option's own name)
    **more: Any,
) -> Stream:
    """Read lines from a TCP server.

    Args:
        host: its name or address.
        port: its port.
        schema: names to SQL types.
        format: what a line holds: ``json``, ``csv`` or ``raw``.
        more: ``event_time``, ``watermark``, ``computed``, ``name`` and further options.
    """
    return read_table(
        "socket", schema=schema, hostname=host, port=port, format=format, **_name(more, "socket")
    )


def read_stdin(
    *,
    schema: SchemaLike,
    format: str = "json",  # noqa: A002 (the option's own name)
    **more: Any,
) -> Stream:
    """Read lines from standard input.

    Args:
        schema: names to SQL types.
        format: what a line holds: ``json``, ``csv`` or ``raw``.
        more: ``event_time``, ``watermark``, ``computed``, ``name`` and further options.
    """
    return read_table("stdio", schema=schema, format=format, **_name(more, "stdin"))


def read_datagen(
    *,
    schema: SchemaLike,
    rows: int | None = None,
    rows_per_second: int | None = None,
    fields: Mapping[str, Mapping[str, Any]] | None = None,
    **more: Any,
) -> Stream:
    """Make rows up, for trying things out.

    Args:
        schema: names to SQL types.
        rows: how many; endless without.
        rows_per_second: how fast.
        fields: options of single columns: ``{"id": {"kind": "sequence", "start": 1, "end": 9}}``.
        more: ``event_time``, ``watermark``, ``computed``, ``name`` and further options.

    >>> import millstream as ms
    >>> ids = ms.read_datagen(
    ...     schema={"id": "BIGINT"}, fields={"id": {"kind": "sequence", "start": 1, "end": 3}}
    ... )
    >>> ids.collect().rows()
    [(1,), (2,), (3,)]
    """
    given: dict[str, Any] = {"number-of-rows": rows, "rows-per-second": rows_per_second}
    for column, settings in (fields or {}).items():
        given |= {f"fields.{column}.{k.replace('_', '-')}": v for k, v in settings.items()}
    given |= more.pop("options", None) or {}
    return read_table("datagen", schema=schema, options=given, **more)


def read_memory(
    rows: Any,
    *,
    schema: SchemaLike = None,
    event_time: str | None = None,
    name: str = "memory",
    **more: Any,
) -> Stream:
    """Read rows of this process.

    Args:
        rows: a Polars frame, or a list of dicts.
        schema: names to SQL types; theirs without.
        event_time: the column that says when a row happened.
        name: name of the table.
        more: ``watermark``, ``computed`` and further options; see :func:`read_table`.

    Raises:
        PlanError: if the rows do not fit the schema.

    >>> import millstream as ms
    >>> ms.read_memory([{"id": 1, "country": "de"}])
    Stream(id BIGINT, country STRING)
    """
    from millstream.frame.rows import frame_of, schema_of_frame

    wanted = None if schema is None else schema_of(schema)
    frame = frame_of(rows, wanted)
    known = wanted or schema_of_frame(frame, event_time)
    return read_table("memory", schema=known, event_time=event_time, name=name, frame=frame, **more)


def from_polars(frame: Any, *, event_time: str | None = None, **more: Any) -> Stream:
    """Read a Polars frame; the same as :func:`read_memory`.

    >>> import millstream as ms, polars as pl
    >>> ms.from_polars(pl.DataFrame({"x": [1, 2]}))
    Stream(x BIGINT)
    """
    return read_memory(frame, event_time=event_time, **more)


def read_replay(
    rows: Any,
    *,
    event_time: str,
    speed: float | None = None,
    seconds: float | None = None,
    name: str = "replay",
    **more: Any,
) -> Stream:
    """Play recorded rows back as a live stream, each when its time has come.

    Args:
        rows: a Polars frame, sorted by its event time.
        event_time: the column that says when a row happened.
        speed: how many times faster than it happened.
        seconds: instead of ``speed``: how long all of it takes; 0 is as fast as it can.
        name: name of the table.
        more: ``schema``, ``watermark``, ``computed``; see :func:`read_table`.

    Raises:
        OptionError: if both ``speed`` and ``seconds`` are given.

    >>> import datetime as dt, millstream as ms
    >>> day = [{"n": n, "ts": dt.datetime(2026, 1, 1, n)} for n in range(3)]
    >>> ms.read_replay(day, event_time="ts", seconds=0).collect().height
    3
    """
    from millstream.frame.rows import frame_of, schema_of_frame

    given = more.pop("schema", None)
    wanted = None if given is None else schema_of(given)
    frame = frame_of(rows, wanted)
    known = wanted or schema_of_frame(frame, event_time)
    options = {"frame": frame, "time": event_time, "speed": speed, "seconds": seconds}
    return read_table(
        "replay", schema=known, event_time=event_time, name=name, options=options, **more
    )


def read_duckdb(path: str | Path, *, table: str, schema: SchemaLike, **more: Any) -> Stream:
    """Read a table of a DuckDB file.

    Args:
        path: the file.
        table: the table.
        schema: names to SQL types.
        more: ``event_time``, ``watermark``, ``computed``, ``name`` and further options.
    """
    return read_table("duckdb", schema=schema, path=str(path), table=table, **_name(more, table))


def read_sqlite(path: str | Path, *, table: str, schema: SchemaLike, **more: Any) -> Stream:
    """Read a table of a SQLite file.

    Args:
        path: the file.
        table: the table.
        schema: names to SQL types.
        more: ``event_time``, ``watermark``, ``computed``, ``name`` and further options.
    """
    return read_table("sqlite", schema=schema, path=str(path), table=table, **_name(more, table))


def read_postgres(url: str, *, table: str, schema: SchemaLike, **more: Any) -> Stream:
    """Read a PostgreSQL table.

    Args:
        url: ``"postgresql://user:password@host/database"``.
        table: the table.
        schema: names to SQL types.
        more: ``event_time``, ``watermark``, ``computed``, ``name`` and further options.

    Raises:
        MissingExtra: if the PostgreSQL client is not installed.
    """
    return read_table("postgres", schema=schema, url=url, table_name=table, **_name(more, table))


def _name(more: dict[str, Any], otherwise: str) -> dict[str, Any]:
    return {**more, "name": more.get("name") or otherwise}


_ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".txt": "raw",
    ".log": "raw",
}


def _format_by_ending(path: str) -> str:
    for compressed in (".gz", ".zst", ".bz2", ".xz"):
        path = path.removesuffix(compressed)
    found = _ENDINGS.get(Path(path).suffix)
    if found is None:
        raise PlanError(
            f"The ending of '{path}' does not tell its format.",
            where=here(),
            hint="Say it: format='csv', 'json', 'parquet' or 'raw'.",
        )
    return found


def _look(path: str | Path, chosen: str, more: Mapping[str, Any]) -> Schema:
    """Infer the columns from the first file there is."""
    from millstream.frame.infer import schema_of_file

    try:
        header = bool(more.get("header"))
        return schema_of_file(path, chosen, more.get("event_time"), header=header)
    except OSError as error:
        raise ConnectorError(
            f"'{path}' cannot be looked at for its columns: {error.strerror or error}.",
            where=here(),
            hint="Give them: schema={'id': 'BIGINT', …}.",
            domain=Domain.CONFIG,
        ) from None
