"""Where a stream can go: one method per system.

Each ``write_…`` and ``show`` declares a :class:`Sink` and returns it; nothing is written before
the sink runs. ``key`` names the columns a row is stored under: a new row replaces the old one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from millstream.errors import UnknownName
from millstream.frame.facts import facts_of
from millstream.frame.sink import Sink
from millstream.frame.tables import sink_table
from millstream.frame.where import here
from millstream.plan import nodes as n
from millstream.plan.materialize import ROWS_MAX
from millstream.ports.registry import format_named

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    import polars as pl

    from millstream.frame.live_views import Viewed
    from millstream.frame.view import View

Key = str | Sequence[str]


class Writes:
    """The sinks of a stream."""

    __slots__ = ()

    @property
    def node(self) -> n.Node:
        """The plan so far."""
        raise AssertionError("a stream knows its node")

    def write_table(
        self,
        connector: str,
        *,
        name: str | None = None,
        key: Key = (),
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Sink:
        """Write to any connector.

        Args:
            connector: its name; ``millstream connectors`` lists them.
            name: name of the table in messages, plans and checkpoints.
            key: the primary key.
            options: options under their SQL names.
            more: options as Python names: ``scan_startup_mode`` for ``scan.startup.mode``.

        Raises:
            UnknownName: for an unknown connector, option or key column, with the near names.
            OptionError: for a value an option cannot have.

        >>> import millstream as ms
        >>> ms.read_memory([{"x": 1}]).write_table("blackhole")
        Sink(blackhole [blackhole])
        """
        return Sink(self._write(connector, name or connector, key, {**(options or {}), **more}))

    def write_kafka(
        self,
        servers: str,
        *,
        topic: str,
        format: str = "json",  # noqa: A002 (the option's own name)
        key: Key = (),
        properties: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Sink:
        """Write to a Kafka topic.

        An updating stream needs a ``key``: each change becomes a message, a row that goes away a
        tombstone (the connector ``upsert-kafka``).

        Args:
            servers: ``"host:9092,other:9092"``.
            topic: the topic.
            format: how values are encoded: ``json``, ``csv``, ``raw``, or ``debezium-json`` (as
                ``canal-json`` and ``maxwell-json`` it writes changes as they are).
            key: columns that become the message key.
            properties: client properties, such as ``{"security.protocol": "SSL"}``.
            options: further options under their SQL names.
            more: further options as Python names.

        Raises:
            MissingExtra: if the Kafka client is not installed.
            UnknownName: for an unknown column or option.
        """
        given: dict[str, Any] = {"properties.bootstrap.servers": servers, "topic": topic}
        given |= {f"properties.{k}": v for k, v in (properties or {}).items()}
        keys = _names(key)
        changelog = format_named(format).changelog
        if facts_of(self.node).updates and not changelog:
            given |= {"key.format": format, "value.format": format}
            return Sink(
                self._write("upsert-kafka", topic, keys, {**given, **(options or {}), **more})
            )
        given["format"] = format
        if keys:
            key_format = "json" if changelog else format
            given |= {"key.format": key_format, "key.fields": ";".join(keys)}
        self._check_key(keys)
        return Sink(self._write("kafka", topic, (), {**given, **(options or {}), **more}))

    def write_files(
        self,
        path: str | Path,
        *,
        format: str = "json",  # noqa: A002 (the option's own name)
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Sink:
        """Write files into a directory; each appears whole, or not at all.

        Args:
            path: the directory.
            format: ``json`` (lines), ``csv`` or ``parquet``.
            options: further options under their SQL names.
            more: further options as Python names.

        Raises:
            PlanError: at start, if the stream is updating: files only grow.
        """
        given = {"path": str(path), "format": format, **(options or {}), **more}
        return Sink(self._write("filesystem", _stem(path, "files"), (), given))

    def write_duckdb(self, path: str | Path, *, table: str, key: Key = (), **more: Any) -> Sink:
        """Write to a table of a DuckDB file, made if it is not there.

        Args:
            path: the file.
            table: the table.
            key: its primary key; an updating stream needs one.
            more: further options as Python names.
        """
        return Sink(self._write("duckdb", table, key, {"path": str(path), "table": table, **more}))

    def write_sqlite(self, path: str | Path, *, table: str, key: Key = (), **more: Any) -> Sink:
        """Write to a table of a SQLite file, made if it is not there.

        Args:
            path: the file.
            table: the table.
            key: its primary key; an updating stream needs one.
            more: further options as Python names.
        """
        return Sink(self._write("sqlite", table, key, {"path": str(path), "table": table, **more}))

    def write_postgres(self, url: str, *, table: str, key: Key = (), **more: Any) -> Sink:
        """Write to a PostgreSQL table: COPY for rows that only come, upsert by ``key`` else.

        Args:
            url: ``"postgresql://user:password@host/database"``.
            table: the table.
            key: its primary key; an updating stream needs one.
            more: further options as Python names.

        Raises:
            MissingExtra: if the PostgreSQL client is not installed.
        """
        return Sink(self._write("postgres", table, key, {"url": url, "table-name": table, **more}))

    def write_print(self, *, prefix: str | None = None, to_stderr: bool = False) -> Sink:
        """Print every row, or change of a row: ``+I[1, abc]``.

        >>> import millstream as ms
        >>> summary = ms.read_memory([{"x": 1}]).write_print().run()
        +I[1]
        """
        given = {"print-identifier": prefix, "standard-error": to_stderr}
        return Sink(self._write("print", "print", (), given))

    def write_blackhole(self) -> Sink:
        """Throw the rows away, but count them.

        >>> import millstream as ms
        >>> ms.read_memory([{"x": 1}]).write_blackhole().run().progress.rows_out
        1
        """
        return Sink(self._write("blackhole", "blackhole", (), {}))

    def write_memory(self, name: str = "memory", *, rows_max: int | None = None) -> Sink:
        """Keep the result in this process: ``sink.frame()`` gives it as it stands.

        Args:
            name: name of the table.
            rows_max: keep only so many of the newest rows of an append-only stream.

        >>> import millstream as ms
        >>> sink = ms.read_memory([{"x": 1}]).write_memory()
        >>> summary = sink.run()
        >>> sink.frame().rows()
        [(1,)]
        """
        view = self._view(rows_max)
        return Sink(self._write("memory", name, (), {"target": view}), view)

    def show(self, name: str = "result", *, rows_max: int = 10_000) -> Sink:
        """Show the result: a table that follows it while it runs, in a terminal or a notebook.

        Args:
            name: the title.
            rows_max: keep only so many of the newest rows of an append-only stream.
        """
        view = self._view(rows_max)
        return Sink(self._write("memory", name, (), {"target": view}), view, shown=True)

    def view(
        self,
        name: str,
        *,
        key: Key | None = None,
        rows_max: int = ROWS_MAX,
        ttl: str | timedelta | float | None = None,
    ) -> Viewed:
        """Keep the result as a live view: a table that SQL, pages and subscribers can read.

        Args:
            name: what queries call it.
            key: the columns a row is known by, the newest row of each key stands. Without it: of
                results that change, their own key; of others, each row stands for itself.
            rows_max: beyond so many the rows written longest ago go.
            ttl: a row not written for so long goes, by the clock; ``"10m"``, or seconds.

        Raises:
            UnknownName: for a key column that is not there.

        >>> import millstream as ms
        >>> orders = ms.read_memory([{"id": 1, "v": 5}, {"id": 2, "v": 1}, {"id": 1, "v": 7}])
        >>> with orders.view("orders", key="id").start() as job:
        ...     _ = job.wait()
        ...     job.query("SELECT SUM(v) AS v FROM orders").rows()
        [(8,)]
        """
        from millstream.frame.live_views import said_of_view, viewed

        said = said_of_view(self.node, name, key=_key(key), rows_max=rows_max, ttl=ttl)
        return viewed(self.node, name, said)

    def chart(  # noqa: PLR0913 (each says something of the drawing)
        self,
        kind: str | None = None,
        *,
        x: str | None = None,
        y: str | Sequence[str] | None = None,
        by: str | None = None,
        title: str | None = None,
        order: str | None = None,
        limit: int | None = None,
        name: str = "chart",
        key: Key | None = None,
        rows_max: int = ROWS_MAX,
        ttl: str | timedelta | float | None = None,
    ) -> Viewed:
        """Keep the result as a live view, and say how the dashboard is to draw it.

        Args:
            kind: number, line, bar, heat, geo, table or top; chosen by its columns if left out.
            x: the column along the axis.
            y: what is drawn.
            by: the column that tells lines apart, or the other axis of a heat map.
            title: what stands above it.
            order: a column to sort by; with ``-`` before it the largest first.
            limit: only the first so many rows are drawn.
            name: what queries call the view.
            key, rows_max, ttl: as in :meth:`view`.

        Raises:
            UnknownName: for a kind or a column that is not there, with the near names.
        """
        from millstream.frame.live_views import said_of_view, viewed

        drawn = {
            "kind": kind, "x": x, "y": y, "by": by, "title": title, "order": order, "limit": limit,
        }  # fmt: skip
        said = said_of_view(self.node, name, key=_key(key), rows_max=rows_max, ttl=ttl, chart=drawn)
        return viewed(self.node, name, said)

    def collect(self, **settings: Any) -> pl.DataFrame:
        """Run a bounded stream to its end and return its result as a Polars frame.

        Args:
            settings: as in ``ms.run``.

        Raises:
            PlanError: if the stream never ends.

        >>> import millstream as ms
        >>> ms.read_memory([{"x": 1}, {"x": 2}]).filter(ms.col("x") > 1).collect().rows()
        [(2,)]
        """
        from millstream.frame.run import collect

        return collect(self.node, settings)

    def explain(self, *, analyze: bool = False, for_s: float | None = None) -> str:
        """Return the plan of this stream as text: steps, time, changes, state; see ``ms.explain``.

        >>> import millstream as ms
        >>> print(ms.read_memory([{"x": 1}], name="numbers").limit(1).explain().splitlines()[1])
        Write result [memory]
        """
        from millstream.frame.run import explain_node

        node = self._write("memory", "result", (), {"target": "result"})
        return explain_node(node, analyze=analyze, for_s=for_s)

    # ------------------------------------------------------------------ helpers
    def _write(self, connector: str, name: str, key: Key, options: Mapping[str, Any]) -> n.Write:
        keys = _names(key)
        self._check_key(keys)
        schema = self.node.schema
        table = sink_table(connector, name, schema, options, primary_key=keys)
        return n.Write(input=self.node, table=table)

    def _check_key(self, keys: tuple[str, ...]) -> None:
        for column in keys:
            if column not in self.node.schema:
                raise UnknownName(
                    "key column", column, available=self.node.schema.names, where=here()
                )

    def _view(self, rows_max: int | None) -> View:
        from millstream.frame.results import view_of

        return view_of(self.node, rows_max=rows_max)


def _names(key: Key) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else tuple(key)


def _key(key: Key | None) -> tuple[str, ...] | None:
    return None if key is None else _names(key)


def _stem(path: str | Path, otherwise: str) -> str:
    last = str(path).rstrip("/").rsplit("/", 1)[-1]
    return last.split(".")[0] or otherwise
