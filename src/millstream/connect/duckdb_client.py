# ruff: noqa: S608 (names are quoted by ``quoted``, values are parameters or Arrow)
"""The one door to DuckDB: files, transactions, Arrow in and out, errors in our words.

in      frames as Arrow tables; INTERVAL YEAR and MAP are converted by the database
out     pages as Arrow tables, cast by the database to the declared types
lock    one transaction per file at a time in this process; another program's hold is waited for
gap     MULTISET has no column type in DuckDB
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.connect.sql_file import (
    Session,
    SqlFileConfig,
    SqlFileSink,
    SqlFileSource,
    Target,
    check_columns,
    listed,
    no_table,
    quoted,
    quoted_path,
    upsert_tail,
)
from millstream.errors import ConnectorError, Domain, MissingExtra, OptionError, Retry
from millstream.ports.lookup import ASK, Lookup, LookupSpec

try:
    import duckdb
except ImportError:
    raise MissingExtra("duckdb", "duckdb", where="connector 'duckdb'") from None

RETRY_S = 0.02
ROW_ERRORS = (duckdb.DataError, duckdb.IntegrityError)
"""What one row can do wrong: its value does not fit, a constraint refuses it."""
_ROWS = "_millstream_rows"
_FILES: dict[str, threading.RLock] = {}
_FILES_LOCK = threading.Lock()
_PLAIN: dict[type[t.LogicalType], str] = {
    t.Boolean: "BOOLEAN",
    t.TinyInt: "TINYINT",
    t.SmallInt: "SMALLINT",
    t.Int: "INTEGER",
    t.BigInt: "BIGINT",
    t.Float: "FLOAT",
    t.Double: "DOUBLE",
    t.Char: "VARCHAR",
    t.VarChar: "VARCHAR",
    t.Binary: "BLOB",
    t.VarBinary: "BLOB",
    t.Date: "DATE",
    t.IntervalYear: "INTERVAL",
    t.IntervalDay: "INTERVAL",
}


def database_type(dtype: t.LogicalType, column: str, where: str) -> str:
    """Return DuckDB's type for a SQL type of ours."""
    match dtype:
        case t.Decimal(precision=precision, scale=scale):
            return f"DECIMAL({precision}, {scale})"
        case t.Time(precision=precision):
            return "TIME" if precision <= 6 else "TIME_NS"
        case t.Timestamp(precision=precision):
            return "TIMESTAMP" if precision <= 6 else "TIMESTAMP_NS"
        case t.TimestampLtz(precision=precision):
            return "TIMESTAMPTZ" if precision <= 6 else "TIMESTAMPTZ_NS"
        case t.Array(element=element) if not _has_interval(element):
            return database_type(element, column, where) + "[]"
        case t.Map(key=key, value=value) if not (_has_interval(key) or _has_interval(value)):
            one, other = (database_type(d, column, where) for d in (key, value))
            return f"MAP({one}, {other})"
        case t.Row(fields=fields) if not any(_has_interval(d) for _, d in fields):
            inner = [f"{quoted(n)} {database_type(d, column, where)}" for n, d in fields]
            return f"STRUCT({', '.join(inner)})"
    found = _PLAIN.get(type(dtype))
    if found is None:
        raise OptionError(
            f"The column '{column}' is {dtype}, which DuckDB has no type for.",
            where=where,
            hint="Make it text first, for example with CAST(… AS STRING).",
        )
    return found


def _has_interval(dtype: t.LogicalType) -> bool:
    """Whether a part needs a conversion that is only done for whole columns."""
    match dtype:
        case t.IntervalDay() | t.IntervalYear() | t.Map() | t.Multiset():
            return True
        case t.Array(element=element):
            return _has_interval(element)
        case t.Row(fields=fields):
            return any(_has_interval(d) for _, d in fields)
    return False


class DuckdbSink(SqlFileSink):
    """Writes by INSERT … SELECT from Arrow tables."""

    def database_type(self, dtype: t.LogicalType, column: str) -> str:
        """DuckDB's type for a column."""
        return database_type(dtype, column, self.target.where)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open the file for one transaction."""
        with _connected(self.config, self.target.where, reading=False) as connection:
            connection.execute("BEGIN TRANSACTION")
            yield _Session(connection)
            connection.execute("COMMIT")


class _Session(Session):
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._connection.execute(text, list(values)).fetchall()
        return found

    def columns(self, table: str) -> list[str] | None:
        return _columns(self._connection, table)

    def attempt(self, step: Callable[[], None], again: Callable[[], None]) -> str | None:
        try:
            step()
        except ROW_ERRORS as error:  # the transaction is broken, and there are no savepoints
            self.run("ROLLBACK")
            self.run("BEGIN TRANSACTION")
            again()
            return str(error).strip().splitlines()[0]
        return None

    def insert(self, target: Target, rows: pl.DataFrame) -> None:
        values = [_stored(f.type, quoted(f.name)) for f in target.schema]
        with self._arrow(rows):
            self.run(
                f"INSERT INTO {quoted_path(target.table)} ({listed(target.schema.names)}) "
                f"SELECT {', '.join(values)} FROM {_ROWS}{upsert_tail(target)}"
            )

    def delete(self, target: Target, keys: pl.DataFrame) -> None:
        same = " AND ".join(
            f"t.{quoted(k)} = {_stored(target.schema.type_of(k), 'r.' + quoted(k))}"
            for k in target.key
        )
        with self._arrow(keys):
            self.run(
                f"DELETE FROM {quoted_path(target.table)} AS t USING {_ROWS} AS r WHERE {same}"
            )

    @contextlib.contextmanager
    def _arrow(self, rows: pl.DataFrame) -> Iterator[None]:
        self._connection.register(_ROWS, rows.to_arrow())
        try:
            yield
        finally:
            with contextlib.suppress(duckdb.Error):  # the transaction may be broken
                self._connection.unregister(_ROWS)


class DuckdbSource(SqlFileSource):
    """Reads pages in the order of insertion, which DuckDB keeps."""

    def page(self, start: int, rows_max: int) -> tuple[pl.DataFrame, None]:
        """Open the file for one page."""
        columns = [
            f"{_loaded(f.type, quoted(f.name), f.name, self.where)} AS {quoted(f.name)}"
            for f in self.schema
        ]
        with _connected(self.config, self.where, reading=True) as connection:
            found = _columns(connection, self.table)
            if found is None:
                raise no_table(self.table, self.where, "make it first")
            check_columns(self.schema, found, self.table, self.where)
            kind = connection.execute(
                "SELECT count(*) FROM duckdb_views() WHERE NOT internal "
                "AND lower(schema_name) = lower(?) AND lower(view_name) = lower(?)",
                _place(self.table),
            ).fetchall()
            # A view may give its rows in any order; pages need one that is always the same.
            order = f" ORDER BY {listed(found)}" if kind[0][0] else ""
            kept, values = self._kept()
            rows = connection.sql(
                f"SELECT {', '.join(columns) or '1'} FROM {quoted_path(self.table)}{kept}{order} "
                f"LIMIT {rows_max} OFFSET {start}",
                params=values,
            ).to_arrow_table()
            frame = pl.from_arrow(rows)
        assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
        if not columns:
            return pl.DataFrame(height=frame.height), None  # a query that only counts rows
        return frame.cast(polars_schema(self.schema)), None

    def _kept(self) -> tuple[str, list[Any]]:
        """Return WHERE … and its values."""
        parts, values = [], []
        for condition in self.conditions:
            kind = self.stored.type_of(condition.column)
            loaded = _loaded(kind, quoted(condition.column), condition.column, self.where)
            if condition.value is None:
                parts.append(f"{loaded} {condition.op}")
            else:
                parts.append(f"{loaded} {condition.op} ?")
                values.append(condition.value)
        return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


class DuckdbLookup(Lookup):
    """Joins an Arrow table of keys with the table; the file is opened for each question."""

    def __init__(self, spec: LookupSpec) -> None:
        self._config: SqlFileConfig = spec.config
        self._table = self._config.table or spec.table.name
        self._keys, self._wanted = spec.keys, spec.wanted
        self._where = f"table '{spec.table.name}' in {self._config.path}"
        for field in (*spec.keys, *spec.wanted):
            database_type(field.type, field.name, self._where)

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Ask for all keys at once."""
        columns = [
            f"{_loaded(f.type, 't.' + quoted(f.name), f.name, self._where)} AS {quoted(f.name)}"
            for f in self._wanted
        ]
        same = " AND ".join(f"t.{quoted(f.name)} = r.{quoted(f.name)}" for f in self._keys)
        with _connected(self._config, self._where, reading=True) as connection:
            found = _columns(connection, self._table)
            if found is None:
                raise no_table(self._table, self._where, "make it first")
            check_columns(self._keys, found, self._table, self._where)
            check_columns(self._wanted, found, self._table, self._where)
            connection.register(_ROWS, keys.with_row_index(ASK).to_arrow())
            rows = connection.sql(
                f"SELECT {', '.join([*columns, 'r.' + quoted(ASK)])} "
                f"FROM {_ROWS} AS r JOIN {quoted_path(self._table)} AS t ON {same}"
            ).to_arrow_table()
            frame = pl.from_arrow(rows)
        assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
        kinds = polars_schema(self._wanted)
        return frame.select(
            *(pl.col(name).cast(kind) for name, kind in kinds.items()), pl.col(ASK).cast(pl.Int64)
        )


def _stored(dtype: t.LogicalType, value: str) -> str:
    """A column of ours as DuckDB keeps it."""
    match dtype:
        case t.IntervalYear():
            return f"to_months({value})"
        case t.Map():
            return f"map_from_entries({value})"
    return value


def _loaded(dtype: t.LogicalType, value: str, column: str, where: str) -> str:
    """A column of DuckDB as we read it."""
    match dtype:
        case t.IntervalYear():
            return f"(datepart('year', {value}) * 12 + datepart('month', {value}))::INTEGER"
        case t.IntervalDay():
            return f"epoch_ms({value})"
        case t.Map():
            return f"map_entries({value})"
    return f"CAST({value} AS {database_type(dtype, column, where)})"


def _columns(connection: Any, table: str) -> list[str] | None:
    # Asked of the catalog: a failed SELECT would end the transaction.
    schema, name = _place(table)
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_catalog = "
        "current_database() AND lower(table_schema) = lower(?) AND lower(table_name) = lower(?) "
        "ORDER BY ordinal_position",
        [schema, name],
    ).fetchall()
    return [column for (column,) in found] or None


def _place(table: str) -> tuple[str, str]:
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else ("main", table)


@contextlib.contextmanager
def _connected(config: SqlFileConfig, where: str, *, reading: bool) -> Iterator[Any]:
    """Hold the file; what fails inside leaves no trace."""
    with _file(config.path):
        try:
            connection = _open(config, where, reading=reading)
            try:
                yield connection
            finally:
                connection.close()  # an open transaction ends here, without a trace
        except duckdb.Error as error:
            raise _in_our_words(error, where, reading=reading) from None


def _file(path: str) -> threading.RLock:
    name = str(Path(path).absolute())
    with _FILES_LOCK:
        return _FILES.setdefault(name, threading.RLock())


def _open(config: SqlFileConfig, where: str, *, reading: bool) -> Any:
    if reading and not Path(config.path).exists():
        raise ConnectorError(
            "There is no such file.", where=where, hint="Check 'path'.", domain=Domain.CONFIG
        )
    until_s = time.monotonic() + config.lock_timeout_ms / 1000
    read_only = reading
    while True:
        try:
            return duckdb.connect(config.path, read_only=read_only)
        except duckdb.ConnectionException:
            # This process has the file open in the other way, which DuckDB does not mix.
            if time.monotonic() >= until_s:
                raise
            read_only = reading and not read_only
        except duckdb.IOException as error:
            if "lock" not in str(error) or time.monotonic() >= until_s:
                raise
        time.sleep(RETRY_S)


def _in_our_words(error: Exception, where: str, *, reading: bool) -> ConnectorError:
    text = str(error).strip().splitlines()[0].rstrip(".")
    doing = "read" if reading else "written"
    hint, retry = "See the reason given; nothing of this transaction was kept.", Retry.NEVER
    domain = Domain.SYSTEM
    if isinstance(error, duckdb.ConnectionException) or "lock" in text:
        hint, retry = "Close the program that has the file open.", Retry.LATER
    elif "No space left" in text or "out of disk" in text:
        hint, retry, domain = "Make room on the disk.", Retry.LATER, Domain.LIMIT
    elif isinstance(error, duckdb.IOException):
        hint = "Check 'path': its folder must exist, and the file must be DuckDB's and ours."
        domain = Domain.AUTH if "ermission" in text else Domain.CONFIG
    elif isinstance(error, duckdb.BinderException):
        hint = "The key columns need a PRIMARY KEY or UNIQUE constraint in the database."
        domain = Domain.CONFIG
    elif isinstance(error, duckdb.CatalogException):
        domain = Domain.CONFIG
    elif isinstance(error, ROW_ERRORS):
        domain = Domain.DATA
    return ConnectorError(
        f"The table cannot be {doing}: {text}.",
        where=where,
        hint=hint,
        retry=retry,
        domain=domain,
    )
