# ruff: noqa: S608 (names are quoted by the driver, types come from a fixed list)
"""A PostgreSQL table that is asked for rows by key: one query for all keys of a question.

in      different keys; they travel as arrays, so that the query's text and plan are the same
out     the rows of the keys as they are now, each column cast to its declared type
state   connections, one for each question that is under way; ``close`` cancels what runs
bad     a lost connection is given up, and the error says that asking again may help
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.connect import postgres_client as door
from millstream.connect.postgres_text import database_type
from millstream.ports.lookup import ASK, Lookup, LookupSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millstream.connect.postgres_options import PostgresConfig

KEYS_MAX = 20_000
"""Keys of one query; a larger question takes several."""
TEXTS = ("text", "character varying", "character", "name", "citext")


class PostgresLookup(Lookup):
    """Joins an array of keys with the table."""

    def __init__(self, spec: LookupSpec) -> None:
        self._config: PostgresConfig = spec.config
        self._where = f"table '{spec.table.name}'"
        self._keys, self._wanted = spec.keys, spec.wanted
        for field in (*spec.keys, *spec.wanted):
            self._type(field)
        self._lock = threading.Lock()
        self._idle: list[door.Connection] = []
        self._lent: set[door.Connection] = set()
        self._query: door.sql.Composed | None = None
        self._closed = False

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Ask for keys, some thousands at a time."""
        schema = {ASK: pl.Int64(), **polars_schema(self._wanted)}
        parts = [pl.DataFrame(schema=schema)]
        with self._connection() as connection:
            for start in range(0, keys.height, KEYS_MAX):
                some = keys[start : start + KEYS_MAX]
                rows = self._rows(connection, [column.to_list() for column in some])
                found = pl.DataFrame(rows, schema=schema, orient="row", strict=False)
                parts.append(found.with_columns(pl.col(ASK) + (start - 1)))
        return pl.concat(parts)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            lent = list(self._lent)
        for connection in idle:
            connection.close()
        for connection in lent:
            with contextlib.suppress(door.Error):  # it may just have ended
                connection.cancel()

    def _rows(self, connection: door.Connection, keys: list[list[Any]]) -> list[tuple[Any, ...]]:
        if self._query is None:
            self._query = self._composed(connection)
        return connection.execute(self._query, keys).fetchall()

    def _composed(self, connection: door.Connection) -> door.sql.Composed:
        arrays = ", ".join(f"%s::{self._type(f)}[]" for f in self._keys)
        names = ", ".join(f"k{i}" for i in range(len(self._keys)))
        own = self._own_types(connection)
        same = [
            door.sql.SQL(f"t.{{}} = k.k{i}{self._cast(f, own.get(f.name, ''))}").format(
                door.sql.Identifier(f.name)
            )
            for i, f in enumerate(self._keys)
        ]
        columns = [
            door.sql.SQL(f"t.{{}}::{self._type(f)}").format(door.sql.Identifier(f.name))
            for f in self._wanted
        ]
        text = f"SELECT k.n, {{columns}} FROM unnest({arrays}) WITH ORDINALITY AS k({names}, n) "
        return door.sql.SQL(text + "JOIN {table} AS t ON {same}").format(
            columns=door.sql.SQL(", ").join(columns),
            table=door.name(self._config.table_name),
            same=door.sql.SQL(" AND ").join(same),
        )

    def _own_types(self, connection: door.Connection) -> dict[str, str]:
        """Return the types the columns have in the database."""
        found = connection.execute(
            "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            [door.name(self._config.table_name).as_string(connection)],
        ).fetchall()
        return dict(found)

    def _cast(self, field: t.Field, own: str) -> str:
        """Cast a text to what the column is (uuid, an enum), or its index could not be used."""
        is_text = isinstance(field.type, t.Char | t.VarChar)
        return f"::{own}" if is_text and own and own not in TEXTS else ""

    def _type(self, field: t.Field) -> str:
        return database_type(field.type, column=field.name, where=self._where)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[door.Connection]:
        """Lend a connection; one in which something failed is not used again."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = door.connect(self._config)
        with self._lock:
            self._lent.add(connection)
        works = False
        try:
            yield connection
            works = True
        except door.Error as error:
            raise door.in_our_words(error, self._config, f"{self._where} cannot be asked") from None
        finally:
            with self._lock:
                self._lent.discard(connection)
                kept = works and not self._closed
                if kept:
                    self._idle.append(connection)
            if not kept:
                connection.close()
