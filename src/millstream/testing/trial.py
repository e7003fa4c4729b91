"""A pipeline in your hands: feed it, let time pass, look at what it gives. No I/O, no threads.

in      a stream, sinks, or the SQL of a script; then rows, watermarks and clock by hand
state   that of the pipeline, exactly as a running job would have it
out     per output the rows there are now, or the changes since the last look; late and rejected
bad     UnknownName for a table or output that does not exist, PlanError for rows that do not fit
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.physical import empty_frame
from millstream.engine.functions import Context
from millstream.engine.harness import Harness
from millstream.errors import PlanError, UnknownName
from millstream.frame.rows import frame_of
from millstream.frame.sink import Sink
from millstream.frame.sqls import session_of
from millstream.frame.stream import Stream
from millstream.job import connected_tables
from millstream.plan import derive, ids
from millstream.plan import nodes as n
from millstream.plan.emitting import emitting
from millstream.plan.joins import LookupJoin
from millstream.plan.table import Metadata, Physical, Table
from millstream.ports.options import with_options
from millstream.rewrite import rewrite
from millstream.settings import Settings
from millstream.testing.compare import folded, listed
from millstream.types import Schema
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from millstream.testing.compare import Row

RESULT = "result"
"""The name of the output of a stream that is written nowhere."""
CLOCK = "2026-01-01 00:00:00"
_LATE = "$late"
_OPS = {op.short: op for op in Op}


class Trial:
    """One pipeline under test.

    Every table it reads is fed by hand, every table it writes is kept here; connectors are never
    opened. The clock stands still until :meth:`advance` lets it run.

    >>> import millstream as ms
    >>> from millstream.testing import Trial
    >>> clicks = ms.read_kafka(
    ...     "localhost:9092",
    ...     topic="clicks",
    ...     schema={"user": "STRING", "ts": "TIMESTAMP(3)"},
    ...     event_time="ts",
    ... )
    >>> per_minute = clicks.group_by("user", window=ms.tumble("1m")).agg(n=ms.count())
    >>> trial = Trial(per_minute.select("user", "n"))
    >>> _ = trial.feed([{"user": "ann", "ts": "2026-01-01 12:00:10"}])
    >>> trial.rows()
    []
    >>> trial.watermark("2026-01-01 12:01:00").rows()
    [('ann', 1)]
    """

    _harness: Harness

    def __init__(
        self,
        *pipeline: Stream | Sink,
        settings: Mapping[str, Any] | None = None,
        lookups: Mapping[str, Any] | None = None,
        clock: str | dt.datetime = CLOCK,
        seed: int = 0,
    ) -> None:
        """Take a pipeline.

        Args:
            pipeline: a stream, or what ``write_…`` gave; several run together.
            settings: as in ``ms.run``.
            lookups: the rows of each table that a lookup join asks, by its name.
            clock: the time of day at the start, for processing time.
            seed: what RAND and UUID are drawn from.
        """
        if not pipeline:
            raise PlanError("There is nothing to try.", hint="Give a stream or a sink.")
        chosen = with_options(Settings(), settings or {}, owner="settings")
        self._build(_sinks(pipeline), chosen, lookups or {}, clock, seed)

    @classmethod
    def of_sql(
        cls,
        text: str | Path,
        *,
        settings: Mapping[str, Any] | None = None,
        lookups: Mapping[str, Any] | None = None,
        clock: str | dt.datetime = CLOCK,
        seed: int = 0,
        **streams: Any,
    ) -> Self:
        """Take a script: a path, or SQL text ending in a SELECT (``"result"``) or in INSERTs.

        >>> from millstream.testing import Trial
        >>> trial = Trial.of_sql(
        ...     "CREATE TABLE t (k STRING, v INT) WITH ('connector' = 'datagen');"
        ...     "SELECT k, SUM(v) AS v FROM t GROUP BY k"
        ... )
        >>> trial.feed([{"k": "a", "v": 1}, {"k": "a", "v": 2}]).rows()
        [('a', 3)]
        """
        made = cls.__new__(cls)
        sinks, chosen = _of_script(text, streams, settings or {})
        made._build(sinks, chosen, lookups or {}, clock, seed)
        return made

    # ------------------------------------------------------------------ feeding

    def feed(
        self, rows: Any, table: str | None = None, *, split: str = "0", op: str = "+I"
    ) -> Self:
        """Push rows of a table as one batch, now.

        Args:
            rows: a list of dicts, a dict of lists, or a Polars frame; metadata columns too.
            table: which table; may be left out where there is only one.
            split: the split they come from; each split has a watermark of its own.
            op: their kind where the table changes: ``+I -U +U -D``.
        """
        name = self.table(table)
        frame = frame_of(rows, self._columns[name])
        if name in self._changing:
            kind = int(_OPS[op])
            frame = frame.with_columns(pl.lit(kind, dtype=pl.Int8).alias(OP))
        elif op != "+I":
            raise PlanError(
                f"The table '{name}' only appends.", hint="Leave op out, or give it a primary key."
            )
        self._harness.feed(name, frame, split=split, read_at_ms=self._now_ms)
        return self

    def watermark(self, until: str | dt.datetime, table: str | None = None) -> Self:
        """Let event time run on to ``until`` without rows, in one table or in all."""
        names = list(self._columns) if table is None else [self.table(table)]
        for name in names:
            self._harness.advance(name, _instant_ms(until))
        return self

    def advance(self, by: str | dt.timedelta) -> Self:
        """Let the clock run: processing time, time to live, early results."""
        self._now_ms += duration_ms(by)
        self._harness.tick(self._now_ms)
        return self

    def finish(self, table: str | None = None) -> Self:
        """End the input of one table, or of all: open windows close."""
        self._harness.finish(None if table is None else self.table(table))
        return self

    def crash(self) -> Self:
        """Go on as after kill -9: from the state as a checkpoint would hold it, nothing else."""
        self._harness = self._harness.restarted()
        self._harness.answer()
        return self

    # ------------------------------------------------------------------ looking

    def table(self, name: str | None) -> str:
        """Return the name of a table that is fed: the only one for None."""
        return _only(name, self._columns, "table")

    def output(self, name: str | None) -> str:
        """Return the name of an output: the only one for None."""
        return _only(name, self._schemas, "output")

    def columns(self, table: str) -> Schema:
        """Return what rows of a table must have."""
        return self._columns[self.table(table)]

    def schema(self, output: str) -> Schema:
        """Return the columns of an output."""
        return self._schemas[self.output(output)]

    def key(self, output: str) -> tuple[str, ...]:
        """Return the primary key of an output; empty without one."""
        return self._keys[self.output(output)]

    def frames(self, output: str) -> list[pl.DataFrame]:
        """Return everything an output was given, frame by frame; changes carry ``$op``."""
        return self._harness.out[self.output(output)]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of all outputs."""
        return tuple(self._schemas)

    @property
    def now(self) -> dt.datetime:
        """The clock."""
        return dt.datetime.fromtimestamp(self._now_ms / 1000, tz=dt.UTC)

    def rows(self, output: str | None = None) -> list[Row]:
        """Return the rows an output holds now, sorted; changes are folded into them."""
        name = self.output(output)
        found = folded(self.frames(name), self.schema(name), self.key(name))
        return sorted(found.elements(), key=repr)

    def new(self, output: str | None = None) -> list[tuple[str, Row]]:
        """Return the changes since the last call: the kind (``+I -U +U -D``), then the row."""
        name = self.output(output)
        frames = self.frames(name)
        fresh, self._seen[name] = frames[self._seen[name] :], len(frames)
        return listed(fresh, self.schema(name))

    def late(self) -> list[dict[str, Any]]:
        """Return the rows that came too late for a step, with the columns it reads."""
        found = [f for name in self._lates for f in self._harness.out[name]]
        return [row for frame in found for row in frame.drop(OP, strict=False).to_dicts()]

    def rejected(self) -> list[dict[str, Any]]:
        """Return the rows that could not be used: ``reason``, ``operator``, ``row`` …"""
        return [row for frame in self._harness.rejected for row in frame.to_dicts()]

    @property
    def state_rows(self) -> int:
        """Entries of state there are: open windows, groups, rows of joins."""
        steps = self._harness.graph.steps
        return sum(0 if s.operator is None else s.operator.state_rows for s in steps)

    # ------------------------------------------------------------------ building

    def _build(
        self,
        sinks: tuple[n.Write, ...],
        settings: Settings,
        lookups: Mapping[str, Any],
        clock: str | dt.datetime,
        seed: int,
    ) -> None:
        fed = n.Plan(sinks).rewrite(_by_hand)
        lates = _late_sinks(fed)
        plan = _with_lookups(n.Plan((*fed.sinks, *lates)), lookups)
        plan = ids.assign(emitting(plan, settings))
        tables = _tables({sink.table.name for sink in (*fed.sinks, *lates)})
        self._derived = derive.derive(rewrite(derive.complete(plan, tables)), tables)
        self._harness = Harness(
            self._derived, Context(settings.time_zone), seed=seed, ttl_ms=settings.state_ttl_ms
        )
        self._now_ms = self._harness.now_ms = _instant_ms(clock)
        self._columns: dict[str, Schema] = {}
        self._changing: set[str] = set()
        for node in self._derived.plan.walk():
            if isinstance(node, n.Scan):
                self._columns[node.table.name] = _fed_columns(node.table)
                if self._derived.facts(node).updates:
                    self._changing.add(node.table.name)
        self._lates = [sink.table.name for sink in lates]
        self._schemas = {s.table.name: s.table.writable for s in fed.sinks}
        self._keys = {s.table.name: s.table.primary_key for s in fed.sinks}
        self._seen = dict.fromkeys(self._schemas, 0)
        self._harness.start()


def _only(name: str | None, known: Mapping[str, Any], kind: str) -> str:
    if name is None and len(known) == 1:
        return next(iter(known))
    if name is None:
        raise PlanError(
            f"There are {len(known)} {kind}s: {', '.join(known)}.", hint=f"Name the {kind}."
        )
    if name not in known:
        raise UnknownName(kind, name, available=known)
    return name


def _sinks(pipeline: tuple[Stream | Sink, ...]) -> tuple[n.Write, ...]:
    found: list[n.Write] = []
    for number, part in enumerate(pipeline):
        if isinstance(part, Sink):
            found.append(part.node)
        else:
            name = RESULT if len(pipeline) == 1 else f"{RESULT} {number + 1}"
            found.append(_kept(part.node, name))
    return tuple(found)


def _of_script(
    text: str | Path, streams: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[tuple[n.Write, ...], Settings]:
    from millstream.sql.script import Inserted, Selected

    is_file = isinstance(text, Path) or text.strip().endswith(".sql")
    file = str(text).strip() if is_file else None
    said = str(text) if file is None else Path(file).read_text(encoding="utf-8")
    session = session_of(streams, options)
    sinks: list[n.Write] = []
    for outcome in session.execute(said, file=file):
        if isinstance(outcome, Selected):
            sinks.append(_kept(outcome.node, RESULT))
        elif isinstance(outcome, Inserted):
            sinks.extend(outcome.sinks)
    if not sinks:
        raise PlanError("The script gives nothing.", hint="End it with a SELECT or an INSERT INTO.")
    return tuple(sinks), session.settings


def _kept(node: n.Node, name: str) -> n.Write:
    columns = tuple(Physical(f.name, f.type) for f in node.schema)
    return n.Write(input=node, table=Table(name, columns, "memory"))


def _by_hand(node: n.Node) -> n.Node:
    """Let what a connector would fill in be a plain column, fed like the others."""
    if not isinstance(node, n.Scan):
        return node
    columns = tuple(
        Physical(c.name, c.type) if isinstance(c, Metadata) else c for c in node.table.columns
    )
    return replace(node, table=replace(node.table, columns=columns))


def _fed_columns(table: Table) -> Schema:
    return Schema.of({c.name: c.type for c in table.columns if isinstance(c, Physical)})


def _late_sinks(plan: n.Plan) -> tuple[n.Write, ...]:
    """Return outputs for the late rows of every step that drops some."""
    dropping = [node for node in plan.walk() if node.drops_late]
    return tuple(
        _kept(n.LateRows(input=node), f"{_LATE} {number}") for number, node in enumerate(dropping)
    )


def _with_lookups(plan: n.Plan, lookups: Mapping[str, Any]) -> n.Plan:
    asked: dict[str, Table] = {}
    for node in plan.walk():
        if isinstance(node, LookupJoin):
            asked[node.table.name] = node.table
    for name in lookups:
        if name not in asked:
            raise UnknownName("lookup table", name, available=asked)
    for name in asked:
        if name not in lookups:
            raise PlanError(
                f"The rows of the table '{name}' are looked up.",
                hint=f"Give them: Trial(…, lookups={{'{name}': [{{…}}]}}).",
            )

    def change(node: n.Node) -> n.Node:
        if not isinstance(node, LookupJoin):
            return node
        table = node.table
        rows = frame_of(lookups[table.name], _fed_columns(table))
        rows = rows if rows.height else empty_frame(_fed_columns(table))
        return replace(node, table=replace(table, connector="memory", options={"frame": [rows]}))

    return plan.rewrite(change)


def _tables(kept: set[str]) -> derive.Tables:
    """Tables are as their connectors say; what is kept here takes every change."""
    known = connected_tables()

    def takes(table: Table) -> derive.Takes:
        if table.name in kept and table.connector == "memory":
            return derive.Takes.UPSERT if table.primary_key else derive.Takes.CHANGES
        return known.takes(table)

    return derive.Tables(bounded=known.bounded, gives=known.gives, takes=takes)


def _instant_ms(said: str | dt.datetime) -> int:
    """Return an instant in ms since the epoch; without a zone it is UTC."""
    try:
        moment = dt.datetime.fromisoformat(said) if isinstance(said, str) else said
    except ValueError:
        raise PlanError(
            f"'{said}' is no time.", hint="Write it as 2026-01-01 12:00:00, or give a datetime."
        ) from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return round(zoned.timestamp() * 1000)
