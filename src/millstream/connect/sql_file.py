"""What DuckDB and SQLite share: one table of one database file, read in pages, written by epoch.

in      frames with the writable columns, plus ``$op`` where the table has a key
epoch   one transaction: the epoch row (``sql_epochs``), then the rows
write   rows wait for ``sink.buffer-flush.interval`` or ``sink.buffer-flush.max-rows``, then leave
        in one transaction; ``flush`` waits for nothing
keys    of one transaction only the newest change of each key is applied; a row that went away is
        deleted
file    it is opened for each transaction and each page, so that nobody is shut out in between
bad     a row the database refuses is found by halves and told before the commit, the others stay
order   a page continues behind the rows already read, in storage order; the table should not
        change while it is read
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import polars as pl

from millstream.columns.changes import OP, Op
from millstream.connect.halving import refused_rows
from millstream.connect.row_places import resume_of, rows_read
from millstream.connect.sql_epochs import EpochRow
from millstream.errors import ConnectorError, Domain, OptionError, PlanError
from millstream.ports.connector import (
    Chunk,
    Delivered,
    Delivery,
    End,
    Reader,
    Sink,
    SinkSpec,
    Source,
    SourceSpec,
)
from millstream.settings import option
from millstream.types import LogicalType, Schema

SPLIT = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlFileConfig:
    """Options of a table in a database file."""

    path: str = option("path", "The database file; a sink makes it when it is missing.")
    table: str | None = option(
        "table", "The table in the file; the name of this table without.", default=None
    )
    create_table: bool = option(
        "sink.create-table", "Make the table when it is missing.", default=True, kind="bool"
    )
    flush_interval_ms: int = option(
        "sink.buffer-flush.interval",
        "Without checkpoints, how long rows may wait for others; 0 = each batch at once.",
        default=1000,
        kind="duration_ms",
    )
    flush_rows_max: int = option(
        "sink.buffer-flush.max-rows",
        "Without checkpoints, how many rows may wait.",
        default=100_000,
        kind="int",
    )
    lock_timeout_ms: int = option(
        "lock-timeout",
        "How long to wait while somebody else holds the file.",
        default=10_000,
        kind="duration_ms",
    )


@dataclass(frozen=True, slots=True)
class Target:
    """The table that is written."""

    table: str
    schema: Schema
    key: tuple[str, ...]
    create: bool
    where: str


class Session(ABC):
    """One open transaction."""

    @abstractmethod
    def run(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement and return its rows."""

    @abstractmethod
    def columns(self, table: str) -> list[str] | None:
        """Return the names of a table's columns; None = there is no such table."""

    @abstractmethod
    def attempt(self, step: Callable[[], None], again: Callable[[], None]) -> str | None:
        """Do a step; where a row is refused, undo the step alone and return the reason.

        ``again`` does what the transaction had done before, for a database that can only undo all.
        """

    @abstractmethod
    def insert(self, target: Target, rows: pl.DataFrame) -> None:
        """Add rows; with a key they replace those of the same key."""

    @abstractmethod
    def delete(self, target: Target, keys: pl.DataFrame) -> None:
        """Remove the rows of these keys."""


class SqlFileSink(Sink):
    """The writable side; a subclass opens transactions and knows its types."""

    delivery = Delivery.EXACTLY_ONCE

    def __init__(self, spec: SinkSpec) -> None:
        config: SqlFileConfig = spec.config
        where = f"table '{spec.table.name}' in {config.path}"
        self.target = Target(
            config.table or spec.table.name, spec.writable, spec.primary_key, config.create_table,
            where,
        )  # fmt: skip
        self.config = config
        if spec.updating and not spec.primary_key:
            raise PlanError(
                "Rows that change need a key to be found by.",
                where=f"table '{spec.table.name}'",
                hint="Add PRIMARY KEY (…) NOT ENFORCED to its columns.",
            )
        if config.flush_rows_max < 1:
            raise OptionError("'sink.buffer-flush.max-rows' must be 1 or more.", where=where)
        for field in spec.writable:
            self.database_type(field.type, field.name)
        self._name = spec.table.name
        self._owner: EpochRow | None = None
        self._lock = threading.RLock()
        self._waiting: list[pl.DataFrame] = []
        self._untold: list[Delivered] = []  # what the timer did, not told yet
        self._timer: threading.Timer | None = None
        self._failed: Exception | None = None

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Session]:
        """Open the file and a transaction; it commits at the end or leaves nothing behind."""

    @abstractmethod
    def database_type(self, dtype: LogicalType, column: str) -> str:
        """Return the database's type for a column; raises OptionError where it has none."""

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Make what is missing, take the epoch row over."""
        with self._lock, self.transaction() as session:
            self._prepare(session)
            if incarnation == 0:
                return None  # start 0 keeps no checkpoints: its rows are written, not delivered
            self._owner = EpochRow(pipeline, self._name, incarnation)
            return self._owner.take_over(session.run)

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """One transaction: the epoch row, then the rows."""
        owner = self._owner
        assert owner is not None, "epochs are delivered by a sink that was opened for them"
        parts = [frame for frame in frames if frame.height]
        with self._lock, self.transaction() as session:
            if not owner.claim(session.run, epoch):
                return Delivered(0)
            return self._apply(session, parts, epoch, lambda: owner.claim(session.run, epoch))

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Let rows wait for others, within the limits of the options."""
        with self._lock:
            if frame.height:
                self._waiting.append(frame)
            rows = sum(f.height for f in self._waiting)
            if rows >= self.config.flush_rows_max or not self.config.flush_interval_ms:
                return self.flush()
            if rows and self._timer is None:
                self._timer = threading.Timer(self.config.flush_interval_ms / 1000, self._on_time)
                self._timer.daemon = True
                self._timer.start()
            return self._told()

    def flush(self) -> Delivered:
        """Commit the rows that wait."""
        with self._lock:
            self._stop_timer()
            if self._failed is None and self._waiting:
                with self.transaction() as session:
                    done = self._apply(session, self._waiting, None, lambda: None)
                self._waiting = []
                self._untold.append(done)
            return self._told()

    def close(self) -> None:
        """Forget the rows that wait; the file is closed already."""
        with self._lock:
            timer = self._timer
            self._stop_timer()
            self._waiting = []
        if timer is not None:
            timer.join()

    def test(self) -> None:
        """Open the file and look at the table."""
        with self._lock, self.transaction() as session:
            self._prepare(session)

    def _on_time(self) -> None:
        with self._lock:
            if self._timer is not threading.current_thread():
                return  # a flush was faster
            try:
                self._untold = [self.flush()]
            except Exception as error:  # noqa: BLE001 (raised again by the writer's next call)
                self._failed = error

    def _told(self) -> Delivered:
        if self._failed is not None:
            raise self._failed
        told, self._untold = self._untold, []
        return Delivered(sum(t.accepted for t in told), sum(t.refused for t in told))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _prepare(self, session: Session) -> None:
        target = self.target
        found = session.columns(target.table)
        if found is None and target.create:
            columns = [
                f"{quoted(f.name)} {self.database_type(f.type, f.name)}"
                # SQLite would let NULL into a key, where it never meets its equal.
                f"{'' if f.type.nullable and f.name not in target.key else ' NOT NULL'}"
                for f in target.schema
            ]
            if target.key:
                columns.append(f"PRIMARY KEY ({listed(target.key)})")
            session.run(f"CREATE TABLE {quoted_path(target.table)} ({', '.join(columns)})")
        elif found is None:
            raise no_table(target.table, target.where, "say 'sink.create-table' = 'true'")
        else:
            check_columns(target.schema, found, target.table, target.where)

    def _apply(
        self,
        session: Session,
        frames: Sequence[pl.DataFrame],
        epoch: int | None,
        begun: Callable[[], object],
    ) -> Delivered:
        """Write rows in the open transaction; ``begun`` is what was done in it before."""
        if not frames:
            return Delivered(0)
        given = sum(frame.height for frame in frames)
        rows = pl.concat(with_op(frames))
        if self.target.key:
            rows = rows.unique(list(self.target.key), keep="last", maintain_order=True)
        kept: list[pl.DataFrame] = []

        def again() -> None:
            begun()
            if kept:
                self._put(session, pl.concat(kept))

        def put(part: pl.DataFrame) -> str | None:
            reason = session.attempt(lambda: self._put(session, part), again)
            if reason is None:
                kept.append(part)
            return reason

        refused = refused_rows(rows, put)
        if refused is None:
            return Delivered(given)
        self.keep_refused(epoch, refused)
        return Delivered(given - refused.height, refused.height)

    def _put(self, session: Session, rows: pl.DataFrame) -> None:
        target = self.target
        if not target.key:
            session.insert(target, rows.select(target.schema.names))
            return
        dead = pl.lit(False)
        if OP in rows.columns:
            dead = pl.col(OP).is_in([int(Op.DELETE), int(Op.UPDATE_BEFORE)])
        gone = rows.filter(dead).select(target.key)
        new = rows.filter(~dead).select(target.schema.names)
        if gone.height:
            session.delete(target, gone)
        if new.height:
            session.insert(target, new)


class SqlFileSource(Source):
    """The rows a table holds now; a subclass reads pages."""

    bounded = True

    def __init__(self, spec: SourceSpec) -> None:
        config: SqlFileConfig = spec.config
        self.config = config
        self.table = config.table or spec.table.name
        self.schema = spec.physical
        self.where = f"table '{spec.table.name}' in {config.path}"
        self.conditions = spec.conditions
        self.stored = spec.table.physical

    @property
    def asked(self) -> str:
        """The conditions as text, to know them again after a restart."""
        return " AND ".join(map(str, self.conditions))

    @abstractmethod
    def page(self, start: int, rows_max: int) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Return rows from ``start`` on, and those among them that are rejected."""

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Read on behind the first ``resume`` rows."""
        assert split == SPLIT, f"a table has no split '{split}'"
        return _PageReader(self, rows_read(resume, self.asked, self.where))

    def test(self) -> None:
        """Open the file and look at one row."""
        self.page(0, 1)


class _PageReader(Reader):
    def __init__(self, source: SqlFileSource, start: int) -> None:
        self._source = source
        self._next = start
        self._ended = False

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk:
        """Return the next page."""
        if self._ended:
            raise End
        start = self._next
        frame, rejected = self._source.page(start, max_rows)
        bad = 0 if rejected is None else rejected.height
        read = frame.height + bad
        if read == 0:
            self._ended = True
            raise End
        self._next = start + read
        places = pl.int_range(start, self._next, eager=True)
        if rejected is not None:
            places = places.filter(~places.is_in(rejected["offset"].to_list()))
        return Chunk(
            frame=frame,
            rejected=rejected,
            resume=resume_of(self._next, self._source.asked),
            offsets=places,
            bytes=int(frame.estimated_size()),
        )


def quoted(name: str) -> str:
    """An identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_path(name: str) -> str:
    """An identifier, ``schema.table`` in two parts."""
    return ".".join(map(quoted, name.split(".", 1)))


def listed(names: Sequence[str]) -> str:
    """Identifiers, with commas between."""
    return ", ".join(map(quoted, names))


def upsert_tail(target: Target) -> str:
    """What turns an INSERT into a replacement by key; nothing without a key."""
    if not target.key:
        return ""
    sets = [
        f"{quoted(n)} = excluded.{quoted(n)}" for n in target.schema.names if n not in target.key
    ]
    action = f"UPDATE SET {', '.join(sets)}" if sets else "NOTHING"
    return f" ON CONFLICT ({listed(target.key)}) DO {action}"


def with_op(frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Give all frames the change column where one has it."""
    if not any(OP in f.columns for f in frames):
        return list(frames)
    insert = pl.lit(int(Op.INSERT), dtype=pl.Int8).alias(OP)
    return [f if OP in f.columns else f.with_columns(insert) for f in frames]


def check_columns(schema: Schema, found: Sequence[str], table: str, where: str) -> None:
    """Refuse a table that lacks a column."""
    there = {name.casefold() for name in found}  # both databases compare names without case
    for name in schema.names:
        if name.casefold() not in there:
            raise ConnectorError(
                f"The table '{table}' in the file has no column '{name}'.",
                where=where,
                hint=f"It has: {', '.join(found)}.",
                domain=Domain.CONFIG,
            )


def no_table(table: str, where: str, instead: str) -> ConnectorError:
    """Return the error of a table that is not there."""
    return ConnectorError(
        f"There is no table '{table}' in the file.",
        where=where,
        hint=f"Check 'table', or {instead}.",
        domain=Domain.CONFIG,
    )
