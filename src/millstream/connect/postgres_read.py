"""A PostgreSQL table as a bounded source.

in      one query over the wanted columns, each cast to its declared type, with a server-side cursor
where   conditions the query asks for (``rewrite.push_conditions``) are part of it
order   the declared PRIMARY KEY, else the storage order of the table, else all columns of a view;
        a restart skips the rows it had read, so the table should not change while it is read
bad     a value that its declared type cannot hold is an error of the query, told with the column
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.connect import postgres_client as door
from millstream.connect.postgres_text import database_type
from millstream.connect.row_places import resume_of, rows_read
from millstream.ports.connector import Chunk, Delivery, End, Reader, Source, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.connect.postgres_options import PostgresConfig

SPLIT = "table"


class PostgresSource(Source):
    """The rows a table holds now."""

    delivery = Delivery.EXACTLY_ONCE
    bounded = True

    def __init__(self, spec: SourceSpec) -> None:
        self._config: PostgresConfig = spec.config
        self._key = spec.table.primary_key
        self._schema = spec.physical
        self._stored = spec.table.physical
        self._all = self._stored.names
        self._where = f"table '{spec.table.name}'"
        self._conditions = spec.conditions
        for field in spec.physical:
            database_type(field.type, column=field.name, where=self._where)

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Read on behind the first ``resume`` rows."""
        assert split == SPLIT, f"a table has no split '{split}'"
        return _PostgresReader(self, rows_read(resume, self.asked, self._where))

    def test(self) -> None:
        """Connect and look at one row."""
        with door.connect(self._config) as connection:
            self.query(connection, skip=0, cursor=None)

    def query(self, connection: door.Connection, *, skip: int, cursor: str | None) -> Any:
        """Run the query; without a cursor's name only its form is checked."""
        columns = door.joined(
            [(f"{{}}::{self._cast(f.type, f.name)}", f.name) for f in self._schema],
            ", ",
        )
        text = "SELECT {columns} FROM {table} {where} ORDER BY {order} OFFSET {skip} {limit}"
        found = door.sql.SQL(text).format(
            columns=columns,
            table=door.name(self._config.table_name),
            where=self._kept(),
            order=self._order(connection),
            skip=door.sql.Literal(skip),
            limit=door.sql.SQL("" if cursor else "LIMIT 1"),
        )
        try:
            if cursor is None:
                return connection.execute(found).fetchall()
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            named = connection.cursor(cursor)
            try:
                named.execute(found)
            except door.Error:
                named.close()
                connection.close()
                raise
        except door.Error as error:
            raise door.in_our_words(error, self._config, f"{self._where} cannot be read") from None
        return named

    @property
    def asked(self) -> str:
        """The conditions as text, to know them again after a restart."""
        return " AND ".join(map(str, self._conditions))

    def _kept(self) -> door.sql.Composable:
        parts = []
        for condition in self._conditions:
            kind = self._cast(self._schema_of(condition.column), condition.column)
            form = f"{{}}::{kind} {condition.op}"
            named = door.sql.SQL(form).format(door.sql.Identifier(condition.column))
            if condition.value is not None:
                named = door.sql.SQL("{} {}").format(named, door.sql.Literal(condition.value))
            parts.append(named)
        if not parts:
            return door.sql.SQL("")
        return door.sql.SQL("WHERE {}").format(door.sql.SQL(" AND ").join(parts))

    def _schema_of(self, column: str) -> t.LogicalType:
        return self._stored.type_of(column)

    def _cast(self, dtype: t.LogicalType, column: str) -> str:
        return database_type(dtype, column=column, where=self._where)

    def _order(self, connection: door.Connection) -> door.sql.Composable:
        if self._key:
            return door.joined([("{}", k) for k in self._key], ", ")
        kind = connection.execute(
            "SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)",
            [door.name(self._config.table_name).as_string(connection)],
        ).fetchone()
        if kind is not None and kind[0] in ("r", "m", b"r", b"m"):
            return door.sql.SQL("ctid")
        if kind is not None and kind[0] in ("p", b"p"):
            return door.sql.SQL("tableoid, ctid")
        return door.joined([("{}", name) for name in self._all], ", ")

    def frame(self, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
        """Rows of the driver as a frame of the declared types."""
        return pl.DataFrame(rows, schema=polars_schema(self._schema), orient="row", strict=False)

    @property
    def fetch_rows(self) -> int:
        """Rows fetched at a time."""
        return self._config.fetch_size

    @property
    def config(self) -> PostgresConfig:
        """The options."""
        return self._config


class _PostgresReader(Reader):
    def __init__(self, source: PostgresSource, skip: int) -> None:
        self._source = source
        self._next = skip
        self._connection: door.Connection | None = None
        self._cursor: Any = None
        self._ahead: list[tuple[Any, ...]] = []
        self._ended = False

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk:
        """The next rows; the driver hands rows over one by one, which a bounded read can afford."""
        if self._connection is None and not self._ended:
            self._connection = door.connect(self._source.config)
            self._cursor = self._source.query(self._connection, skip=self._next, cursor="mill")
        while len(self._ahead) < max_rows and not self._ended:
            try:
                more = self._cursor.fetchmany(self._source.fetch_rows)
            except door.Error as error:
                raise door.in_our_words(error, self._source.config, "Reading") from None
            self._ahead += more
            if len(more) < self._source.fetch_rows:
                self._ended = True
                self.close()
        rows, self._ahead = self._ahead[:max_rows], self._ahead[max_rows:]
        if not rows:
            raise End
        start, self._next = self._next, self._next + len(rows)
        frame = self._source.frame(rows)
        return Chunk(
            frame=frame,
            resume=resume_of(self._next, self._source.asked),
            offsets=pl.int_range(start, self._next, eager=True),
            bytes=int(frame.estimated_size()),
        )

    def close(self) -> None:
        """End the cursor and the connection."""
        connection, self._connection = self._connection, None
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with contextlib.suppress(door.Error):  # the connection may be gone already
                cursor.close()
        if connection is not None:
            connection.close()
        self._ended = True
