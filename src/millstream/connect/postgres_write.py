"""A PostgreSQL table as a sink: COPY, one transaction an epoch.

in      frames with the writable columns, plus ``$op`` where the table has a key
epoch   the epoch row is moved first, in the rows' own transaction: it locks out a second writer,
        tells a repeat (nothing to do) and a newer start of the pipeline (stop)
keys    of one epoch only the newest change of each key is applied, so a reader never sees a
        half-done update; a row that went away is deleted
lost    a connection lost in the middle is opened again and the epoch tried again: the epoch row
        knows whether the commit had happened
refused a part with a row the database refuses is halved until that row stands alone; such rows are
        told before the commit
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from millstream.columns.changes import OP, Op
from millstream.connect import postgres_client as door
from millstream.connect.epochs import fenced, skipped
from millstream.connect.halving import refused_rows
from millstream.connect.postgres_options import PostgresConfig
from millstream.connect.postgres_text import csv, database_type
from millstream.errors import PlanError
from millstream.ports.connector import Delivered, Delivery, Sink, SinkSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

TRIES_MAX: Final = 3
IDLE_LIMIT_MS: Final = 60_000
"""Between two statements of a transaction; the server ends one that is silent for longer."""
_STAGED, _GONE = "_millstream_rows", "_millstream_gone"


class PostgresSink(Sink):
    """The writable side of a table."""

    def __init__(self, spec: SinkSpec) -> None:
        config: PostgresConfig = spec.config
        self.delivery = Delivery.EXACTLY_ONCE if spec.exactly_once else Delivery.AT_LEAST_ONCE
        self._config = config
        self._name = spec.table.name
        self._where = f"table '{spec.table.name}'"
        self._schema = spec.writable
        self._key = spec.primary_key
        if spec.updating and not self._key:
            raise PlanError(
                "Rows that change need a key to be found by.",
                where=self._where,
                hint="Add PRIMARY KEY (…) NOT ENFORCED to its columns.",
            )
        for field in spec.writable:
            database_type(field.type, column=field.name, where=self._where)
        self._connection: door.Connection | None = None
        self._pipeline = ""
        self._incarnation = 0

    # ------------------------------------------------------------------ the contract

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Connect, make what is missing, take the epoch row over."""
        self._pipeline, self._incarnation = pipeline, incarnation
        try:
            connection = self._connected()
            if self._config.create_table:
                self._create_table(connection)
            self._check_table(connection)
            if self.delivery is not Delivery.EXACTLY_ONCE or incarnation == 0:
                return None  # start 0 keeps no checkpoints: its rows are written, never delivered
            return self._take_over(connection)
        except door.Error as error:
            raise self._error(error) from None

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """One transaction: the epoch row, then the rows."""
        parts = [frame for frame in frames if frame.height]
        rows = pl.concat(parts) if parts else None
        reached: Delivered | None = None
        for attempt in range(TRIES_MAX):
            try:
                connection = self._connected()
                with connection.transaction():
                    if not self._claim(connection, epoch):
                        return reached or Delivered(0)
                    reached = Delivered(0)
                    if rows is not None:
                        reached = self._apply(connection, rows, epoch)
            except door.LOST as error:
                self.close()
                if attempt == TRIES_MAX - 1:
                    raise self._error(error) from None
                continue
            except door.Error as error:
                raise self._error(error) from None
            return reached
        raise AssertionError("the last try returns or raises")

    def write(self, frame: pl.DataFrame) -> Delivered:
        """One transaction per frame; acknowledged when this returns."""
        if not frame.height:
            return Delivered(0)
        try:
            connection = self._connected()
            with connection.transaction():
                return self._apply(connection, frame, None)
        except door.Error as error:
            self.close()
            raise self._error(error) from None

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back by the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def test(self) -> None:
        """Connect and look at the table."""
        try:
            self._check_table(self._connected())
        except door.Error as error:
            raise self._error(error) from None
        finally:
            self.close()

    # ------------------------------------------------------------------ epochs

    def _take_over(self, connection: door.Connection) -> int | None:
        table = door.name(self._config.epoch_table)
        if connection.execute(
            "SELECT to_regclass(%s)", [table.as_string(connection)]
        ).fetchone() == (None,):
            self._create_epoch_table(connection, table)
        taken = connection.execute(
            door.composed(
                "INSERT INTO {table} AS e (pipeline, sink, epoch, incarnation) "
                "VALUES (%s, %s, NULL, %s) ON CONFLICT (pipeline, sink) DO UPDATE "
                "SET incarnation = EXCLUDED.incarnation "
                "WHERE e.incarnation <= EXCLUDED.incarnation RETURNING epoch",
                table=table,
            ),
            [self._pipeline, self._name, self._incarnation],
        ).fetchone()
        if taken is None:
            _, newer = self._noted(connection)
            raise fenced(self._pipeline, self._name, self._incarnation, newer)
        return None if taken[0] is None else int(taken[0])

    def _create_epoch_table(self, connection: door.Connection, table: Any) -> None:
        # Another pipeline may make it at the same moment.
        with contextlib.suppress(door.UNIQUE_VIOLATION, door.DUPLICATE_TABLE):
            connection.execute(
                door.composed(
                    "CREATE TABLE IF NOT EXISTS {table} (pipeline text, sink text, epoch bigint, "
                    "incarnation bigint NOT NULL, PRIMARY KEY (pipeline, sink))",
                    table=table,
                )
            )

    def _claim(self, connection: door.Connection, epoch: int) -> bool:
        """Move the epoch row; False = this epoch is delivered already."""
        moved = connection.execute(
            door.composed(
                "UPDATE {table} SET epoch = %s WHERE pipeline = %s AND sink = %s "
                "AND incarnation = %s AND (epoch IS NULL OR epoch < %s)",
                table=door.name(self._config.epoch_table),
            ),
            [epoch, self._pipeline, self._name, self._incarnation, epoch],
        )
        if moved.rowcount == 1:
            return True
        last, incarnation = self._noted(connection)
        if incarnation != self._incarnation:
            raise fenced(self._pipeline, self._name, self._incarnation, incarnation)
        if last is not None and last > epoch:
            raise skipped(self._pipeline, self._name, epoch, last)
        return False

    def _noted(self, connection: door.Connection) -> tuple[int | None, int]:
        found = connection.execute(
            door.composed(
                "SELECT epoch, incarnation FROM {table} WHERE pipeline = %s AND sink = %s",
                table=door.name(self._config.epoch_table),
            ),
            [self._pipeline, self._name],
        ).fetchone()
        return (None, -1) if found is None else (found[0], int(found[1]))

    # ------------------------------------------------------------------ rows

    def _apply(
        self, connection: door.Connection, rows: pl.DataFrame, epoch: int | None
    ) -> Delivered:
        """Write rows inside the open transaction; those refused are told, the others stay."""
        # A deferred constraint would speak at the commit, too late to say which row it means.
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        if self._key:
            rows = rows.unique(list(self._key), keep="last", maintain_order=True)

        def put(part: pl.DataFrame) -> str | None:
            try:
                with connection.transaction():  # a savepoint
                    self._put(connection, part)
            except door.ROW_ERRORS as error:
                return str(error).strip().splitlines()[0]
            return None

        refused = refused_rows(rows, put)
        if refused is None:
            return Delivered(rows.height)
        self.keep_refused(epoch, refused)
        return Delivered(rows.height - refused.height, refused.height)

    def _put(self, connection: door.Connection, rows: pl.DataFrame) -> None:
        if not self._key:
            self._copy(connection, self._config.table_name, rows, self._schema)
            return
        gone = rows.clear()
        if OP in rows.columns:
            dead = pl.col(OP).is_in([int(Op.DELETE), int(Op.UPDATE_BEFORE)])
            rows, gone = rows.filter(~dead), rows.filter(dead)
        if gone.height:
            keys = self._schema.select(self._key)
            self._stage(connection, _GONE, self._key)
            self._copy(connection, _GONE, gone, keys)
            same = door.joined([("t.{} = g.{}", key) for key in self._key], " AND ")
            connection.execute(
                door.composed(
                    "DELETE FROM {table} AS t USING {gone} AS g WHERE {same}",
                    table=door.name(self._config.table_name),
                    gone=door.name(_GONE),
                    same=same,
                )
            )
        if rows.height:
            self._stage(connection, _STAGED, self._schema.names)
            self._copy(connection, _STAGED, rows, self._schema)
            connection.execute(self._upsert())

    def _stage(self, connection: door.Connection, name: str, columns: Sequence[str]) -> None:
        """An empty temporary table with the target's own column types."""
        connection.execute(door.statement("DROP TABLE IF EXISTS pg_temp.{name}", name=name))
        connection.execute(
            door.statement(
                "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS "
                "SELECT {columns} FROM {table} WITH NO DATA",
                name=name,
                columns=list(columns),
                table=self._config.table_name,
            )
        )

    def _upsert(self) -> Any:
        others = [n for n in self._schema.names if n not in self._key]
        action = door.composed("NOTHING")
        if others:
            sets = door.joined([("{} = EXCLUDED.{}", name) for name in others], ", ")
            action = door.composed("UPDATE SET {sets}", sets=sets)
        columns = door.joined([("{}", name) for name in self._schema.names], ", ")
        return door.composed(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} "
            "ON CONFLICT ({key}) DO {action}",
            table=door.name(self._config.table_name),
            columns=columns,
            staged=door.name(_STAGED),
            key=door.joined([("{}", name) for name in self._key], ", "),
            action=action,
        )

    def _copy(
        self, connection: door.Connection, table: str, rows: pl.DataFrame, schema: Any
    ) -> None:
        command = door.statement(
            "COPY {table} ({columns}) FROM STDIN WITH (FORMAT csv)",
            table=table,
            columns=list(schema.names),
        )
        with connection.cursor() as cursor, cursor.copy(command) as copy:
            copy.write(csv(rows, schema))

    # ------------------------------------------------------------------ the table

    def _connected(self) -> door.Connection:
        if self._connection is None:
            self._connection = door.connect(self._config)
            # Of a process whose host went away the server hears nothing: its open transaction would
            # keep the epoch row locked, and the next start waiting, for hours.
            self._connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_LIMIT_MS}")
        return self._connection

    def _create_table(self, connection: door.Connection) -> None:
        columns = door.joined(
            [
                (f"{{}} {database_type(f.type, column=f.name, where=self._where)}", f.name)
                for f in self._schema
            ],
            ", ",
        )
        if self._key:
            key = door.joined([("{}", name) for name in self._key], ", ")
            columns = door.composed("{columns}, PRIMARY KEY ({key})", columns=columns, key=key)
        connection.execute(
            door.composed(
                "CREATE TABLE IF NOT EXISTS {table} ({columns})",
                table=door.name(self._config.table_name),
                columns=columns,
            )
        )

    def _check_table(self, connection: door.Connection) -> None:
        """Ask for the columns; the database says which of them, or the table, is missing."""
        connection.execute(
            door.statement(
                "SELECT {columns} FROM {table} LIMIT 0",
                columns=list(self._schema.names),
                table=self._config.table_name,
            )
        )

    def _error(self, error: Any) -> Exception:
        return door.in_our_words(error, self._config, f"{self._where} cannot be written")
