"""Answers the questions of lookup joins: through a connector, a cache, or a table read whole.

in      different keys of one table, none of them NULL
state   nothing that is kept over a restart: connections, and a cache as ``lookup.cache`` says.
        PARTIAL remembers answers (:mod:`millstream.engine.answer_cache`), FULL reads the table at
        the first question and again when it is older than the reload interval
out     the rows of the keys, computed columns of the table included
bad     what fails for a passing reason is asked again ``lookup.max-retries`` times, with pauses;
        then the pipeline stops with a ConnectorError that names the table and a key. A row that a
        FULL read cannot use stops it too: a join that misses rows in silence would be worse
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.changes import OP
from millstream.columns.physical import polars_schema
from millstream.engine.answer_cache import AnswerCache
from millstream.engine.batch import Batch
from millstream.engine.operator import Lowering, Resolver
from millstream.engine.program import Program
from millstream.engine.scan import column_expr
from millstream.engine.stages import Compute
from millstream.engine.state.arena import Arena
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.key_index import KeyIndex
from millstream.errors import ConnectorError, Domain, MillstreamError, PlanError, Retry
from millstream.expr.tree import Column, Named, columns_of
from millstream.plan.joins import LookupJoin
from millstream.plan.table import Table
from millstream.ports.connector import End
from millstream.ports.lookup import ASK, CacheKind, Lookup, LookupOptions
from millstream.ports.registry import check_lookup, lookup_for, source_for
from millstream.types import BigInt

PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 10.0
READ_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked of a table: by which columns, and for which.

    ``stored`` are the physical and metadata columns that the wanted ones, and for a table that is
    read whole its keys, are computed from; ``compute`` does so, None = nothing is to be computed.
    """

    table: Table
    keys: tuple[str, ...]
    names: tuple[str, ...]
    stored: tuple[str, ...]
    compute: Program | None
    seed: int

    @classmethod
    def of(
        cls, node: LookupJoin, keys: tuple[str, ...], lowering: Lowering, *, whole: bool
    ) -> _Wanted:
        table = node.table
        # Where no column is wanted, whether there are rows still is.
        names = tuple(name for name, _ in node.names) or keys[:1]
        named = {c.name: c for c in table.columns}
        made = tuple(dict.fromkeys((*names, *keys) if whole else names))
        columns = [Named(name, column_expr(table, named[name])) for name in made]
        program = None
        if any(c.expr != Column(c.name, type=table.schema.type_of(c.name)) for c in columns):
            if not whole:
                columns.append(Named(ASK, Column(ASK, type=BigInt(nullable=False))))
            stage = Compute(tuple(columns))
            program = Program((stage,), lowering.ctx, seed=lowering.seed, uid=node.uid)
        read = set().union(*(columns_of(c.expr) for c in columns))
        stored = tuple(c.name for c in table.columns if c.name in read)
        return cls(table, keys, names, stored, program, lowering.seed)

    def finished(self, rows: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        """Return answers with computed columns."""
        if self.compute is None or not rows.height:
            return rows
        made = self.compute.on_batch(Batch(rows, None, now_ms))
        if made.rejected:
            raise unreadable(made.rejected[0], self.where)
        return made.out[0]

    @property
    def where(self) -> str:
        """The table, for messages."""
        return f"table '{self.table.name}'"


class TableResolver(Resolver):
    """Asks a connector, and remembers what it said as far as it may."""

    def __init__(self, wanted: _Wanted, lookup: Lookup, options: LookupOptions) -> None:
        self._wanted = wanted
        self._lookup = lookup
        self._options = options
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._cache: AnswerCache | None = None
        if options.cache is CacheKind.PARTIAL:
            schema = wanted.table.schema
            self._cache = AnswerCache(
                polars_schema(schema.select(wanted.keys)),
                polars_schema(schema.select(wanted.names)),
                rows_max=options.rows_max,
                expire_write_ms=options.expire_write_ms,
                expire_access_ms=options.expire_access_ms,
                seed=wanted.seed,
            )

    @classmethod
    def of(cls, node: LookupJoin, keys: tuple[str, ...], lowering: Lowering) -> Resolver:
        """Return what answers a lookup join."""
        options = check_lookup(node.table, keys)
        if options.cache is CacheKind.FULL:
            return FullTable(_Wanted.of(node, keys, lowering, whole=True), options)
        wanted = _Wanted.of(node, keys, lowering, whole=False)
        physical = node.table.physical
        for name in wanted.stored:
            if name not in physical.names:
                raise PlanError(
                    f"The metadata column '{name}' cannot be asked for.",
                    where=wanted.where,
                    hint="Leave it out, or say 'lookup.cache' = 'FULL'.",
                )
        lookup = lookup_for(node.table, physical.select(keys), physical.select(wanted.stored))
        return cls(wanted, lookup, options)

    @property
    def asks_max(self) -> int | None:
        return None if self._options.is_async else 1

    def at_once(self, payload: pl.DataFrame, now_ms: int) -> pl.DataFrame | None:
        if not payload.height:
            return _no_rows(self._wanted)
        if self._cache is None:
            return None
        with self._lock:
            known, rows = self._cache.find(payload, now_ms)
        return rows if known.all() else None

    def answer(self, payload: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        if self._cache is None:
            return self._asked(payload, now_ms)
        with self._lock:
            known, rows = self._cache.find(payload, now_ms)
        missing = np.flatnonzero(~known)
        asked = payload[missing]
        found = self._asked(asked, now_ms)
        with self._lock:
            self._cache.put(asked, found, now_ms, missing=self._options.cache_missing)
        back = found.with_columns(pl.Series(ASK, missing[found[ASK].to_numpy()], dtype=pl.Int64))
        return pl.concat([rows, back.select(rows.columns)])

    def close(self) -> None:
        self._closing.set()
        self._lookup.close()

    def _asked(self, keys: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        found = self._tried(keys)
        assert ASK in found.columns, "an answer says which key each row belongs to"
        rows = self._wanted.finished(found.with_columns(pl.col(ASK).cast(pl.Int64)), now_ms)
        return rows.select(*self._wanted.names, ASK) if rows.height else _no_rows(self._wanted)

    def _tried(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Ask, and ask again after a pause where that may help."""
        left = 0 if self._lookup.retries_itself else self._options.retries_max
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                return self._lookup.ask(keys)
            except ConnectorError as error:
                if error.retry is not Retry.LATER or not left or self._closing.is_set():
                    raise _named(error, self._wanted, keys) from error
            left -= 1
            self._closing.wait(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)


class FullTable(Resolver):
    """A table that was read whole."""

    def __init__(self, wanted: _Wanted, options: LookupOptions) -> None:
        self._wanted = wanted
        self._options = options
        self._lock = threading.Lock()
        self._rows: _KeyedRows | None = None
        self._read_at_ms = 0
        self._closing = threading.Event()

    def at_once(self, payload: pl.DataFrame, now_ms: int) -> pl.DataFrame | None:
        if not payload.height:
            return _no_rows(self._wanted)
        # While another thread reads the table anew, the compute thread must not wait for it.
        if not self._lock.acquire(blocking=False):
            return None
        try:
            rows = None if self._is_due(now_ms) else self._rows
            return None if rows is None else rows.find(payload)
        finally:
            self._lock.release()

    def answer(self, payload: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        with self._lock:
            if self._is_due(now_ms) or self._rows is None:
                self._rows = self._read(now_ms)
                self._read_at_ms = now_ms
            return self._rows.find(payload)

    def close(self) -> None:
        self._closing.set()

    def _is_due(self, now_ms: int) -> bool:
        every_ms = self._options.reload_interval_ms
        return self._rows is None or bool(every_ms and now_ms - self._read_at_ms >= every_ms)

    def _read(self, now_ms: int) -> _KeyedRows:
        left, pause_s = self._options.retries_max, PAUSE_FIRST_S
        while True:
            try:
                rows = self._wanted.finished(self._read_once(), now_ms)
                return _KeyedRows(rows, self._wanted)
            except ConnectorError as error:
                if error.retry is not Retry.LATER or not left or self._closing.is_set():
                    raise
            left -= 1
            self._closing.wait(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def _read_once(self) -> pl.DataFrame:
        wanted = self._wanted
        source = source_for(wanted.table, wanted.stored)
        frames: list[pl.DataFrame] = []
        try:
            for split in source.splits():
                reader = source.open(split, resume=None)
                try:
                    while not self._closing.is_set():
                        chunk = reader.poll(max_rows=READ_ROWS, timeout_s=0.1)
                        if chunk is None:
                            continue
                        self._check(chunk.frame, chunk.rejected)
                        frames.append(chunk.frame.select(wanted.stored))
                except End:
                    pass
                finally:
                    reader.close()
        finally:
            source.close()
        if not frames:
            return pl.DataFrame(schema=polars_schema(wanted.table.schema.select(wanted.stored)))
        return pl.concat(frames, rechunk=True)

    def _check(self, frame: pl.DataFrame, rejected: pl.DataFrame | None) -> None:
        if rejected is not None and rejected.height:
            raise unreadable(rejected, self._wanted.where)
        if OP in frame.columns:
            raise PlanError(
                "The table's rows are changes, which a lookup cannot read.",
                where=self._wanted.where,
                hint="Look up the table that the changes are written to.",
            )


class _KeyedRows:
    """The rows of a table behind an index of their keys."""

    def __init__(self, rows: pl.DataFrame, wanted: _Wanted) -> None:
        keys = rows.select(wanted.keys)
        able = keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
        keys, rows = keys.filter(able), rows.filter(able)
        arena = Arena()
        schema = dict(polars_schema(wanted.table.schema.select(wanted.keys)))
        self._index = KeyIndex(schema, wanted.seed, arena=arena, heap=ByteHeap(arena))
        slots, _ = self._index.upsert(keys)
        order = np.argsort(slots, kind="stable")
        names = polars_schema(wanted.table.schema.select(wanted.names))
        self._rows = rows.select(pl.col(n).cast(t) for n, t in names.items())[order]
        self._counts = np.bincount(slots, minlength=len(self._index) + 1)
        self._starts = np.cumsum(self._counts) - self._counts

    def find(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of keys."""
        slots = self._index.lookup(keys)
        slots[slots < 0] = len(self._index)  # the slot behind all others has no rows
        counts = self._counts[slots]
        which = np.repeat(np.arange(slots.size), counts)
        nth = np.arange(which.size) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = self._rows[self._starts[slots[which]] + nth]
        return rows.with_columns(pl.Series(ASK, which, dtype=pl.Int64))


def unreadable(rejected: pl.DataFrame, where: str) -> ConnectorError:
    """Return what to raise for rows of a table that cannot be used."""
    return ConnectorError(
        f"A row of the table cannot be read: {rejected['reason'][0]}.",
        where=where,
        hint="Mend or remove it: a lookup join must know all rows.",
        domain=Domain.DATA,
    )


def _no_rows(wanted: _Wanted) -> pl.DataFrame:
    schema = polars_schema(wanted.table.schema.select(wanted.names))
    return pl.DataFrame(schema={**schema, ASK: pl.Int64()})


def _named(error: ConnectorError, wanted: _Wanted, keys: pl.DataFrame) -> MillstreamError:
    first = ", ".join(f"{name} = {value!r}" for name, value in keys.row(0, named=True).items())
    more = f" and {keys.height - 1} other keys" if keys.height > 1 else ""
    return ConnectorError(
        f"The lookup failed: {error.fact}",
        where=f"{wanted.where}, {first}{more}" + (f", {error.where}" if error.where else ""),
        hint=error.hint,
        retry=error.retry,
        domain=error.domain,
    )
