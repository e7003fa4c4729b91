# ruff: noqa: S608 (names are quoted by ``quoted``, values are parameters)
"""Tables of a SQLite file: read in pages, written in one transaction an epoch.

delivery   exactly once: an epoch's rows and its row in ``_millstream_epoch`` are one transaction
split      one; a restart reads on behind the rows it had, in the order of ``rowid``
keys       with a PRIMARY KEY declared rows replace and delete by key, without one they are added
lock       the file is open only during a transaction or a page; while another program writes it
           we wait up to ``lock-timeout``
types      SQLite has four: DECIMAL, DATE, TIME and TIMESTAMP are text (as CAST(… AS STRING) writes
           them, TIMESTAMP_LTZ in UTC with a Z), BOOLEAN 0 or 1, intervals whole ms or months
bad row    in: a value that is none of its declared type goes to ``rejected``, as any column of
           SQLite may hold anything; out: a row the database refuses is told, the others are written
gap        ARRAY, MAP, MULTISET and ROW
rooms      ``sql_file`` (shared with DuckDB)
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_schema, polars_type, time_unit
from millstream.columns.text import text_of
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
    upsert_tail,
)
from millstream.errors import ConnectorError, Domain, OptionError, Retry
from millstream.ports.connector import Changes, Connector, Sink, SinkSpec, Source, SourceSpec
from millstream.ports.lookup import ASK, Lookup, LookupSpec
from millstream.types.logical import Integer

_TYPES: dict[type[t.LogicalType], str] = {
    t.Boolean: "BOOLEAN",
    t.TinyInt: "TINYINT",
    t.SmallInt: "SMALLINT",
    t.Int: "INT",
    # "INTEGER" would be the rowid itself where it is the key: NULL would become a new number.
    t.BigInt: "BIGINT",
    t.Float: "REAL",
    t.Double: "REAL",
    t.Decimal: "TEXT",
    t.Char: "TEXT",
    t.VarChar: "TEXT",
    t.Binary: "BLOB",
    t.VarBinary: "BLOB",
    t.Date: "TEXT",
    t.Time: "TEXT",
    t.Timestamp: "TEXT",
    t.TimestampLtz: "TEXT",
    t.IntervalYear: "BIGINT",
    t.IntervalDay: "BIGINT",
}
ROW_ERRORS = (sqlite3.IntegrityError, sqlite3.DataError)
"""What one row can do wrong: its value does not fit, a constraint or a trigger refuses it."""
ASKED_MAX = 2_000
"""Keys of one query: SQLite takes 32 766 values."""
_REJECTED = {"reason": pl.String(), "offset": pl.Int64(), "raw": pl.Binary()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteConfig(SqlFileConfig):
    """Options of the connector 'sqlite'."""


class SqliteSink(SqlFileSink):
    """Writes by ``executemany``."""

    def database_type(self, dtype: t.LogicalType, column: str) -> str:
        """SQLite's type for a column."""
        return _database_type(dtype, column, self.target.where)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open the file for one transaction, as its only writer."""
        with _connected(self.config, self.target.where, reading=False) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield _Session(connection)
            connection.execute("COMMIT")


class _Session(Session):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(text, values).fetchall()

    def columns(self, table: str) -> list[str] | None:
        return _columns(self._connection, table)

    def attempt(self, step: Callable[[], None], again: Callable[[], None]) -> str | None:
        self.run("SAVEPOINT part")
        try:
            step()
        except ROW_ERRORS as error:
            self.run("ROLLBACK TO part")
            self.run("RELEASE part")
            return str(error)
        self.run("RELEASE part")
        return None

    def insert(self, target: Target, rows: pl.DataFrame) -> None:
        places = ", ".join("?" * len(target.schema))
        self._connection.executemany(
            f"INSERT INTO {quoted(target.table)} ({listed(target.schema.names)}) "
            f"VALUES ({places}){upsert_tail(target)}",
            _stored(rows, target.schema),
        )

    def delete(self, target: Target, keys: pl.DataFrame) -> None:
        same = " AND ".join(f"{quoted(k)} = ?" for k in target.key)
        self._connection.executemany(
            f"DELETE FROM {quoted(target.table)} WHERE {same}",
            _stored(keys, target.schema.select(target.key)),
        )


class SqliteSource(SqlFileSource):
    """Reads pages in the order of ``rowid``, or of all columns where there is none."""

    def __init__(self, spec: SourceSpec) -> None:
        super().__init__(spec)
        for field in spec.physical:
            _database_type(field.type, field.name, self.where)

    def page(self, start: int, rows_max: int) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Open the file for one page."""
        with _connected(self.config, self.where, reading=True) as connection:
            found = _columns(connection, self.table)
            if found is None:
                raise no_table(self.table, self.where, "make it first")
            check_columns(self.schema, found, self.table, self.where)
            rows = connection.execute(
                f"SELECT {listed(self.schema.names) or '1'} FROM {quoted(self.table)} "
                f"ORDER BY {_order(connection, self.table, found)} LIMIT ? OFFSET ?",
                (rows_max, start),
            ).fetchall()
        if not len(self.schema):
            return pl.DataFrame(height=len(rows)), None  # a query that only counts rows
        return _loaded(rows, self.schema, start)


class SqliteLookup(Lookup):
    """Joins a list of keys with the table; the file is opened for each question."""

    def __init__(self, spec: LookupSpec) -> None:
        self._config: SqlFileConfig = spec.config
        self._table = self._config.table or spec.table.name
        self._keys, self._wanted = spec.keys, spec.wanted
        self._where = f"table '{spec.table.name}' in {self._config.path}"
        for field in (*spec.keys, *spec.wanted):
            _database_type(field.type, field.name, self._where)

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Ask for keys, some thousands at a time."""
        parts = [pl.DataFrame(schema={**polars_schema(self._wanted), ASK: pl.Int64()})]
        with _connected(self._config, self._where, reading=True) as connection:
            found = _columns(connection, self._table)
            if found is None:
                raise no_table(self._table, self._where, "make it first")
            check_columns(self._keys, found, self._table, self._where)
            check_columns(self._wanted, found, self._table, self._where)
            parts += [
                self._answered(connection, keys[start : start + ASKED_MAX], start)
                for start in range(0, keys.height, ASKED_MAX)
            ]
        return pl.concat(parts)

    def _answered(
        self, connection: sqlite3.Connection, keys: pl.DataFrame, start: int
    ) -> pl.DataFrame:
        names = [f"k{i}" for i in range(len(self._keys))]
        asked = [(start + i, *key) for i, key in enumerate(_stored(keys, self._keys))]
        places = ", ".join([f"({', '.join('?' * (len(names) + 1))})"] * len(asked))
        same = " AND ".join(
            f"t.{quoted(name)} = k.{k}" for name, k in zip(self._keys.names, names, strict=True)
        )
        columns = ", ".join(["k.n", *(f"t.{quoted(name)}" for name in self._wanted.names)])
        # CROSS JOIN keeps the order of the tables, so that an index of the table is used.
        rows = connection.execute(
            f"WITH k(n, {', '.join(names)}) AS (VALUES {places}) "
            f"SELECT {columns} FROM k CROSS JOIN {quoted(self._table)} AS t WHERE {same}",
            [value for key in asked for value in key],
        ).fetchall()
        frame, rejected = _loaded([row[1:] for row in rows], self._wanted, 0)
        if rejected is not None:
            raise ConnectorError(
                f"A row cannot be used: {rejected['reason'][0]}",
                where=self._where,
                hint="Mend the row: a lookup join must know all rows.",
                domain=Domain.DATA,
            )
        return frame.with_columns(pl.Series(ASK, [row[0] for row in rows], dtype=pl.Int64))


def _database_type(dtype: t.LogicalType, column: str, where: str) -> str:
    found = _TYPES.get(type(dtype))
    if found is None:
        raise OptionError(
            f"The column '{column}' is {dtype}, which SQLite has no type for.",
            where=where,
            hint="Make it text first, for example with CAST(… AS STRING).",
        )
    return found


# -------------------------------------------------------------------------------------- columns


def _stored(rows: pl.DataFrame, schema: t.Schema) -> Iterator[tuple[Any, ...]]:
    """Rows as SQLite keeps them, one by one, because its interface takes them so."""
    stored = rows.select(_text_of(pl.col(f.name), f.type).alias(f.name) for f in schema)
    columns = []
    for column in stored:
        values = column.to_list()
        if column.dtype.is_float() and column.is_nan().any():
            # SQLite makes NULL of NaN, so it is kept as text.
            values = ["NaN" if v is not None and v != v else v for v in values]  # noqa: PLR0124
        columns.append(values)
    return zip(*columns, strict=True)


def _text_of(value: pl.Expr, dtype: t.LogicalType) -> pl.Expr:
    match dtype:
        case t.Decimal() | t.Date() | t.Time() | t.Timestamp():
            return text_of(value, dtype)
        case t.TimestampLtz():
            return text_of(value, dtype) + "Z"
        case t.IntervalDay():
            return value.dt.total_milliseconds()
    return value


def _loaded(
    rows: list[tuple[Any, ...]], schema: t.Schema, start: int
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """SQLite's rows as typed columns, and those that hold something else."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    made: list[pl.Series] = []
    reasons: dict[int, str] = {}
    for field, values in zip(schema, columns, strict=True):
        column = _column(values, field.type).alias(field.name)
        made.append(column)
        if column.null_count() == values.count(None):
            continue
        # A loop over rows, only where some value is none of its type.
        for i in column.is_null().arg_true():
            if values[i] is not None:
                reasons.setdefault(
                    i, f"The column '{field.name}' holds {values[i]!r}, which is no {field.type}."
                )
    frame = pl.DataFrame(made)
    if not reasons:
        return frame, None
    bad = sorted(reasons)
    raw = [json.dumps(rows[i], default=repr, ensure_ascii=False).encode() for i in bad]
    rejected = pl.DataFrame(
        {"reason": [reasons[i] for i in bad], "offset": [start + i for i in bad], "raw": raw},
        schema=_REJECTED,
    )
    good = ~pl.int_range(frame.height, eager=True).is_in(bad)
    return frame.filter(good), rejected


def _column(values: Sequence[Any], dtype: t.LogicalType) -> pl.Series:
    """Values of one column; NULL where one is none of the type."""
    wanted = polars_type(dtype)
    match dtype:
        case Integer() | t.Boolean() | t.IntervalYear() | t.IntervalDay():
            whole = _of(values, pl.Int64(), int)
            return whole != 0 if isinstance(dtype, t.Boolean) else whole.cast(wanted, strict=False)
        case t.Float() | t.Double():
            numbers = [float("nan") if v == "NaN" else v for v in values]
            return _of(numbers, pl.Float64(), int, float).cast(wanted)
        case t.Binary() | t.VarBinary():
            return _of([v.encode() if isinstance(v, str) else v for v in values], wanted, bytes)
        case t.Char() | t.VarChar() | t.Decimal():
            texts = [str(v) if isinstance(v, int | float) else v for v in values]
            return _of(texts, pl.String(), str).cast(wanted, strict=False)
    text = _of(values, pl.String(), str)
    match dtype:
        case t.Date():
            return text.str.to_date("%Y-%m-%d", strict=False)
        case t.Time():
            return text.str.to_time("%H:%M:%S%.f", strict=False)
        case t.TimestampLtz(precision=precision):
            text = text.str.replace(r"(Z|\+00:00)$", "")
        case t.Timestamp(precision=precision):
            pass
        case _:
            raise AssertionError(f"{dtype} was refused when the source was built")
    times = text.str.replace("T", " ", literal=True).str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", time_unit=time_unit(precision), strict=False
    )
    return times.cast(polars_type(t.Timestamp(precision))).dt.replace_time_zone(
        "UTC" if isinstance(dtype, t.TimestampLtz) else None
    )


def _of(values: Sequence[Any], dtype: pl.DataType, *kinds: type) -> pl.Series:
    """Values of these Python types as a series; others become NULL."""
    # A loop over rows: SQLite hands out Python values of any type in any column.
    return pl.Series([v if isinstance(v, kinds) else None for v in values], dtype=dtype)


# --------------------------------------------------------------------------------------- the file


def _columns(connection: sqlite3.Connection, table: str) -> list[str] | None:
    found = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    return [name for (name,) in found] or None


def _order(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> str:
    is_table = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE", (table,)
    ).fetchone()
    if is_table:
        with contextlib.suppress(sqlite3.OperationalError):  # made WITHOUT ROWID
            connection.execute(f"SELECT rowid FROM {quoted(table)} LIMIT 0").fetchall()
            return "rowid"
    return listed(columns)


@contextlib.contextmanager
def _connected(config: SqlFileConfig, where: str, *, reading: bool) -> Iterator[sqlite3.Connection]:
    """Hold the file; what fails inside leaves no trace."""
    path = Path(config.path).absolute()
    if reading and not path.exists():
        raise ConnectorError(
            "There is no such file.", where=where, hint="Check 'path'.", domain=Domain.CONFIG
        )
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={'ro' if reading else 'rwc'}",
            uri=True,
            timeout=config.lock_timeout_ms / 1000,
            isolation_level=None,
        )
        try:
            yield connection
        finally:
            connection.close()  # an open transaction is rolled back
    except sqlite3.Error as error:
        raise _in_our_words(error, where, reading=reading) from None


def _in_our_words(error: sqlite3.Error, where: str, *, reading: bool) -> ConnectorError:
    text = str(error)
    hint, retry = "See the reason given; nothing of this transaction was kept.", Retry.NEVER
    domain = Domain.SYSTEM
    if "locked" in text or "busy" in text:
        hint, retry = "Close the program that writes the file.", Retry.LATER
    elif "full" in text or "disk I/O" in text:
        hint, retry, domain = "Make room on the disk.", Retry.LATER, Domain.LIMIT
    elif "ON CONFLICT" in text:
        hint = "The key columns need a PRIMARY KEY or UNIQUE constraint in the database."
        domain = Domain.CONFIG
    elif "unable to open" in text or "not a database" in text or "readonly" in text:
        hint = "Check 'path': its folder must exist, and the file must be SQLite's and ours."
        domain = Domain.AUTH if "readonly" in text else Domain.CONFIG
    elif "no such" in text or "no column" in text:
        domain = Domain.CONFIG
    elif isinstance(error, ROW_ERRORS):
        domain = Domain.DATA
    doing = "read" if reading else "written"
    return ConnectorError(
        f"The table cannot be {doing}: {text}.",
        where=where,
        hint=hint,
        retry=retry,
        domain=domain,
    )


def _source(spec: SourceSpec) -> Source:
    return SqliteSource(spec)


def _sink(spec: SinkSpec) -> Sink:
    return SqliteSink(spec)


def _lookup(spec: LookupSpec) -> Lookup:
    return SqliteLookup(spec)


CONNECTOR = Connector(
    name="sqlite",
    doc="Tables of a SQLite file: read once, asked by key, or written row by row or by key.",
    config=SqliteConfig,
    source=_source,
    sink=_sink,
    lookup=_lookup,
    takes=Changes.UPSERT,
    bounded=lambda _: True,
    guarantee="exactly once where checkpoints are kept (one transaction an epoch), else at least "
    "once; by key a repeat changes nothing",
)
