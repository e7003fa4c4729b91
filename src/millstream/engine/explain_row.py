"""Finds the input rows an output row was made of, by reading the input again.

in      a finished plan, a sink and the values of some of its columns; the folder the run left
out     :class:`Explained`: per table the rows that took part, with split and place; rows that would
        have, but came too late; and what makes the answer "at most these"
method  :mod:`millstream.plan.lineage` turns the question into joins of scans with conditions;
        here these are evaluated over what was read up to the epoch
late    the mark at a row is known where its table has one split; with more, a row behind the mark
        of its own split may have come in time: the answer is "at most" then
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from millstream.engine.batch import FINAL_MARK_MS, MARK, OFFSET, SPLIT
from millstream.engine.checkpoint import Epoch
from millstream.engine.evaluate import lower
from millstream.engine.functions import Context
from millstream.engine.operators.window_table import windows_of
from millstream.engine.replay import POLL_S, again
from millstream.engine.scan import Block, ScanStage
from millstream.engine.wall_clock import WallClock
from millstream.errors import PlanError, UnknownName
from millstream.expr.tree import Call, Cast, Expr, Literal, columns_of
from millstream.plan.lineage import Read, Sessions, Trace, Windows, trace
from millstream.plan.nodes import Plan, Scan, Write
from millstream.ports.connector import End
from millstream.settings import Settings
from millstream.types import TimestampLtz, VarChar

ROW = "$row"
LATE = "$late"
QUIET_MAX_S = 1.0
DOCUMENTS_A_POLL = 8_192
CROSS_ROWS_MAX = 50_000_000


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of one table with ``$split``, ``$offset`` and ``$late``, in reading order."""

    table: str
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Explained:
    """Which rows made an output row; exactly these where ``at_most`` says nothing."""

    sink: str
    tables: tuple[TableRows, ...]
    at_most: tuple[str, ...]


def asked_of(plan: Plan, sink: str | None, text: Mapping[str, str]) -> tuple[Write, dict[str, Any]]:
    """Return the sink that is meant, and the values asked for in the types of its columns."""
    by_name = {write.uid: write for write in plan.sinks}
    if sink is None and len(by_name) > 1:
        raise PlanError(
            "The program has several sinks.", hint=f"Say --sink, one of {', '.join(by_name)}."
        )
    if sink is not None and sink not in by_name:
        raise UnknownName("sink", sink, available=by_name)
    write = by_name[sink] if sink is not None else plan.sinks[0]
    names = dict(zip(write.table.writable.names, write.input.schema.names, strict=True))
    values: dict[str, Any] = {}
    for column, value in text.items():
        if column not in names:
            raise UnknownName("column", column, available=names, where=f"sink '{write.uid}'")
        kind = write.input.schema.type_of(names[column])
        made = Literal(value, type=VarChar(nullable=False))
        if value == "NULL":
            values[names[column]] = None
            continue
        read = pl.select(lower(Cast(arg=made, to=kind, type=kind, safe=True), Context()).value)
        if read.item() is None:
            raise PlanError(f"'{value}' is no {kind}.", where=f"column '{column}'")
        values[names[column]] = read.item()
    return write, values


def explain(
    write: Write, values: Mapping[str, Any], scans: Mapping[str, Scan], epoch: Epoch,
    settings: Settings,
) -> Explained:  # fmt: skip
    """Return the rows that made the rows of a sink with these values.

    ``scans`` are those that ran, by id: they say which rows a source left out.
    """
    asked = _Asked(scans, epoch, settings)
    for found in trace(write.input, values):
        asked.evaluate(found)
    tables: list[TableRows] = []
    for uid, taken in asked.taken.items():
        frame = asked.inputs[uid]
        rows = pl.DataFrame(
            {ROW: list(taken), LATE: [not sure for sure in taken.values()]},
            schema={ROW: frame.schema[ROW], LATE: pl.Boolean},
        )
        kept = frame.join(rows, on=ROW, how="inner", maintain_order="left")
        tables.append(TableRows(asked.names[uid], kept.drop(ROW, MARK)))
    return Explained(write.uid, tuple(tables), tuple(dict.fromkeys(asked.at_most)))


@dataclass
class _Asked:
    """What was read for one question, and what was found."""

    scans: Mapping[str, Scan]
    epoch: Epoch
    settings: Settings
    inputs: dict[str, pl.DataFrame] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    single: dict[str, bool] = field(default_factory=dict)
    taken: dict[str, dict[int, bool]] = field(default_factory=dict)
    """Scan → row → whether it took part; False = it came too late."""
    at_most: list[str] = field(default_factory=list)

    @property
    def ctx(self) -> Context:
        return Context(time_zone=self.settings.time_zone)

    def evaluate(self, found: Trace) -> None:
        """Find the rows of a trace, and of what it is made of."""
        self.at_most.extend(found.at_most)
        for parts in found.below.values():
            for part in parts:
                self.evaluate(part)
        reads = [read for read in found.reads if isinstance(read.node, Scan)]
        for read in reads:
            self._input(read)
        if not reads:
            return
        frame = self._joined(reads, found)
        if found.sessions is not None:
            frame = self._of_session(frame, found.sessions)
        late = pl.lit(value=False) if LATE not in frame.columns else pl.col(LATE)
        for read in reads:
            taken = self.taken.setdefault(read.node.uid, {})
            pairs = frame.select(pl.col(f"#{read.number}.{ROW}").alias(ROW), late.alias(LATE))
            # A loop over the rows of an answer, which people will read one by one.
            for row, is_late in pairs.unique(maintain_order=True).iter_rows():
                taken[row] = taken.get(row, False) or not is_late

    def _joined(self, reads: list[Read], found: Trace) -> pl.DataFrame:
        left = [w for w in found.where if not _is_foreign(w, reads, found)]
        windows = list(found.windows)
        frame: pl.DataFrame | None = None
        for read in reads:
            own = self._named(read)
            own, left = self._kept(own, left)
            frame = own if frame is None else self._met(frame, own, left)
            frame, left = self._kept(frame, left)
            for made in [w for w in windows if columns_of(w.time) <= set(frame.columns)]:
                windows.remove(made)
                frame = self._in_windows(frame, made, reads)
                frame, left = self._kept(frame, left)
        assert frame is not None, "a trace reads something"
        return frame

    def _kept(self, frame: pl.DataFrame, where: list[Expr]) -> tuple[pl.DataFrame, list[Expr]]:
        """Apply the conditions that can be decided now; returns the others too."""
        have = set(frame.columns)
        now = [w for w in where if columns_of(w) <= have]
        for condition in now:
            kept = frame.select(lower(condition, self.ctx).value.alias("$keep"))["$keep"]
            if kept.len() == frame.height:
                frame = frame.filter(kept.fill_null(value=False))
            elif not (kept.len() and kept[0]):  # a constant is one value
                frame = frame.head(0)
        return frame, [w for w in where if w not in now]

    def _met(self, one: pl.DataFrame, other: pl.DataFrame, where: list[Expr]) -> pl.DataFrame:
        """Join two sides by the equalities between them."""
        keys: list[tuple[pl.Expr, pl.Expr]] = []
        for part in where:
            if not (isinstance(part, Call) and part.function == "="):
                continue
            a, b = part.args
            for x, y in ((a, b), (b, a)):
                here, there = columns_of(x), columns_of(y)
                if here and there and here <= set(one.columns) and there <= set(other.columns):
                    keys.append((lower(x, self.ctx).value, lower(y, self.ctx).value))
        if not keys:
            if one.height * other.height > CROSS_ROWS_MAX:
                raise PlanError(
                    "The question leaves too many rows to join.",
                    hint="Name more columns of the row.",
                )
            return one.join(other, how="cross")
        on = [f"$on{i}" for i in range(len(keys))]
        mine = [x.alias(name) for (x, _), name in zip(keys, on, strict=True)]
        theirs = [y.alias(name) for (_, y), name in zip(keys, on, strict=True)]
        both = one.with_columns(mine).join(other.with_columns(theirs), on=on, how="inner")
        return both.drop(on)

    def _in_windows(self, frame: pl.DataFrame, made: Windows, reads: list[Read]) -> pl.DataFrame:
        """Put each row into its windows; those closed before it came are marked late."""
        times = frame.select(lower(made.time, self.ctx).value.alias("t"))["t"]
        instants = times.dt.cast_time_unit("ms").to_physical().to_numpy()
        zone = self.settings.time_zone
        is_local = isinstance(made.time.typed, TimestampLtz) and zone != "UTC"
        clock = WallClock(zone if is_local else None)
        rows, starts, ends = windows_of(clock.wall_of(instants), made.window)
        wide = frame if rows is None else frame[rows]
        closing = clock.instants_of(ends) - 1
        wide = wide.with_columns(
            pl.Series(made.start, starts).cast(pl.Datetime("ms")),
            pl.Series(made.end, ends).cast(pl.Datetime("ms")),
            pl.Series(made.last, closing).cast(times.dtype),
        )
        if not made.drops_late:
            return wide
        marks = [f"#{read.number}.{MARK}" for read in reads]
        have = [m for m in marks if m in wide.columns]
        if not have:
            return wide
        late = closing <= wide.select(pl.min_horizontal(have)).to_series().to_numpy()
        if late.any() and not (len(reads) == 1 and self.single[reads[0].node.uid]):
            self.at_most.append("some of these may have come too late for their window")
            return wide
        return wide.with_columns(pl.Series(LATE, late))

    def _of_session(self, frame: pl.DataFrame, sessions: Sessions) -> pl.DataFrame:
        """Keep the rows of the sessions that are asked for."""
        by = [lower(p, self.ctx).value.alias(f"$by{i}") for i, p in enumerate(sessions.partition)]
        at = lower(sessions.time, self.ctx).value.dt.epoch("ms").alias("$at")
        ordered = frame.with_columns(*by, at).sort("$at", maintain_order=True)
        keys = ["$all", *(f"$by{i}" for i in range(len(by)))]
        pause = pl.col("$at") - pl.col("$at").shift(1)
        begins = (pause > sessions.gap_ms).fill_null(value=False).cast(pl.Int64)
        ordered = ordered.with_columns(pl.lit(0).alias("$all"))
        ordered = ordered.with_columns(begins.cum_sum().over(keys).alias("$number"))
        of = [*keys, "$number"]
        first = pl.col("$at").min().over(of).cast(pl.Datetime("ms")).alias(sessions.start)
        end = (pl.col("$at").max().over(of) + sessions.gap_ms).cast(pl.Datetime("ms"))
        ordered = ordered.with_columns(first, end.alias(sessions.end))
        last = sessions.end.replace(".end", ".time")
        ordered = ordered.with_columns((pl.col(sessions.end).dt.offset_by("-1ms")).alias(last))
        kept, _ = self._kept(ordered, list(sessions.where))
        marks = [c for c in kept.columns if c.endswith(f".{MARK}")]
        behind = (
            kept.select(pl.any_horizontal(pl.col(m) >= pl.col("$at") for m in marks))
            if marks
            else None
        )
        if behind is not None and behind.to_series().any():
            self.at_most.append("some of these may have come too late for their session")
        return kept

    # -- the input -----------------------------------------------------------------------------

    def _named(self, read: Read) -> pl.DataFrame:
        frame = self.inputs[read.node.uid]
        return frame.rename({c: f"#{read.number}.{c}" for c in frame.columns})

    def _input(self, read: Read) -> None:
        node = read.node
        assert isinstance(node, Scan), "only scans are read"
        if node.uid not in self.inputs:
            self.names[node.uid] = node.table.name
            self.inputs[node.uid] = self._scanned(node)

    def _scanned(self, node: Scan) -> pl.DataFrame:
        """Read a table again, as far as the epoch had read it."""
        ran = self.scans.get(node.uid) or next(
            (s for s in self.scans.values() if s.table.name == node.table.name), node
        )
        read = (self.epoch.journal or {}).get("read")
        counts: dict[str, int] | None = None if read is None else read.get(ran.uid, {})
        if counts is None:
            self.at_most.append(f"the epoch does not say how far '{node.table.name}' was read")
        node = replace(node, conditions=ran.conditions)
        stage = ScanStage(node, self.ctx, seed=int(self.epoch.facts["seed"]), marks=True)
        stage.places = True
        source = again(node, self.settings)
        frames: list[pl.DataFrame] = []
        try:
            splits = sorted(source.splits()) if counts is None else sorted(counts)
            self.single[node.uid] = len(splits) <= 1
            for split in splits:
                # Every split by itself: the mark of another one is not known at a row.
                own = ScanStage(node, self.ctx, seed=int(self.epoch.facts["seed"]), marks=True)
                own.places = True
                reader = source.open(split, resume=None)
                try:
                    blocks = _blocks(reader, split, None if counts is None else counts[split])
                    frames.extend(own.turn([block], 0).batch.frame for block in blocks)
                finally:
                    reader.close()
        finally:
            source.close()
        frames = [f for f in frames if f.width]
        whole = pl.concat(frames) if frames else stage.turn([], 0).batch.frame
        if MARK not in whole.columns:
            whole = whole.with_columns(pl.lit(-FINAL_MARK_MS, dtype=pl.Int64).alias(MARK))
        numbers = np.arange(whole.height, dtype=np.int64)
        if not whole.width:
            empty = {name: pl.Series(name, [], dtype=pl.Null) for name in node.schema.names}
            whole = pl.DataFrame({**empty, MARK: [], SPLIT: [], OFFSET: []})
        return whole.with_columns(pl.Series(ROW, numbers))


def _blocks(reader: Any, split: str, documents: int | None) -> Iterator[Block]:
    """Read so many documents of a split, or all there are."""
    have, quiet_since_s = 0, time.monotonic()
    while documents is None or have < documents:
        wanted = DOCUMENTS_A_POLL if documents is None else min(DOCUMENTS_A_POLL, documents - have)
        try:
            chunk = reader.poll(max_rows=wanted, timeout_s=POLL_S)
        except End:
            return
        if chunk is None:
            if time.monotonic() - quiet_since_s > QUIET_MAX_S:
                return
            continue
        quiet_since_s = time.monotonic()
        have += chunk.frame.height + (0 if chunk.rejected is None else chunk.rejected.height)
        yield Block(split, chunk.frame, chunk.rejected, chunk.offsets)


def _is_foreign(condition: Expr, reads: list[Read], found: Trace) -> bool:
    """Tell whether a condition names columns of what is traced by itself."""
    own = tuple(f"#{read.number}." for read in reads)
    made = {c for w in found.windows for c in (w.start, w.end, w.last)}
    return not all(c.startswith(own) or c in made for c in columns_of(condition))


__all__ = ["Explained", "TableRows", "asked_of", "explain"]
