"""Row pattern recognition: sequences of rows that fit a pattern, one row given for each.

in      append-only rows; a row without a time is rejected
state   by event time the rows the watermark has not passed; per partition the rows from the first
        one that may still begin a match, and what each of them has taken so far
out     the partition's columns and the measures of each match, once no earlier row can begin one
        any more; its time is when that was known: the last row, or when WITHIN ran out
late    a row whose time the watermark has reached (event time only)
order   by time, further columns, then as rows came; by processing time alone at once
bad     a row for which a condition or measure cannot be computed is rejected: where that can be
        told of the row alone, before any pattern is looked for. SKIP TO a row that the match has
        not is a DataError
source  :mod:`.match_search`; the choice of matches is that of Flink's CEP library
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from millstream.columns.frames import filtered, gathered_columns, picked
from millstream.columns.physical import empty_frame, polars_type
from millstream.engine.batch import MARK, Batch
from millstream.engine.operator import (
    NOTHING,
    Lowering,
    Operator,
    Outputs,
    Snapshot,
    lowers,
)
from millstream.engine.operators.match_conditions import Conditions
from millstream.engine.operators.match_nfa import automaton
from millstream.engine.operators.match_search import NEVER_MS, Matches, Search, StuckSkip
from millstream.engine.operators.match_state import Partitions
from millstream.engine.operators.match_values import (
    TIME,
    Columns,
    FoldReader,
    LookReader,
    Rows,
    Sight,
)
from millstream.engine.operators.sort import sorted_rows
from millstream.engine.operators.window_spec import milliseconds
from millstream.engine.program import Program
from millstream.engine.rejects import rejected_rows
from millstream.engine.stages import Compute
from millstream.engine.state.waiting import ARRIVED, Waiting
from millstream.errors import DataError
from millstream.expr.tree import Column, Named, columns_of
from millstream.plan.match import ROWTIME, Match

KEY = "$key"


class Recogniser(Operator):
    """One running MATCH_RECOGNIZE."""

    def __init__(self, node: Match, lowering: Lowering) -> None:
        self.uid = node.uid
        given = node.input.schema
        self._node = node
        self._by_clock = lowering.by_clock
        self._at_once = lowering.by_clock and len(node.by) == 1
        columns = Columns(node)
        conditions = Conditions(node, lowering, columns)
        names = {v.name: i for i, v in enumerate(node.pattern)}
        self._search = Search(
            automaton(node.pattern), conditions, node.skip, tuple(names), node.within_ms
        )
        self._measures = _Measures(node, columns, names, lowering)
        keys = tuple(
            Named(f"{KEY}{i}", Column(k, type=given.type_of(k)))
            for i, k in enumerate(node.partition)
        )
        time = Named(TIME, Column(node.time, type=given.type_of(node.time)))
        kept = (*columns.computed, *conditions.computed, time)
        # What of a row matters is computed once, when its turn has come.
        self._prepare = Program(
            (Compute((*keys, *kept)),), lowering.ctx, seed=lowering.seed, uid=node.uid
        )
        self._waiting = Waiting(node.time, empty_frame(given))
        self._partitions = Partitions(
            {k.name: polars_type(k.expr.typed) for k in keys},
            {c.name: polars_type(c.expr.typed) for c in kept},
            len(names),
            node.within_ms,
            lowering.seed,
        )
        self._read_at_ms = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a pattern has one input"
        self._read_at_ms = batch.read_at_ms
        frame, rejected = self._timed(batch.frame)
        late: tuple[pl.DataFrame, ...] = ()
        if MARK in frame.columns and not self._by_clock:
            behind = milliseconds(frame[self._node.time]) <= frame[MARK].to_numpy()
            if behind.any():
                mask = pl.Series(behind)
                late, frame = (filtered(frame, mask),), filtered(frame, ~mask)
        rows = picked(frame, self._node.input.schema.names)
        if not self._at_once:
            self._waiting.add(rows)
            return Outputs(late=late, rejected=rejected)
        made = self._run(rows, NEVER_MS) if rows.height else NOTHING
        return replace(made, rejected=(*rejected, *made.rejected))

    def on_mark(self, mark_ms: int) -> Outputs:
        rows = self._waiting.take(mark_ms)
        if len(self._node.by) > 1 and rows.height:
            rows = sorted_rows(rows.sort(ARRIVED), self._node.by, total=False)
        return self._run(rows, mark_ms)

    def _timed(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[pl.DataFrame, ...]]:
        time = self._node.time
        if not frame[time].null_count():
            return frame, ()
        nothing = frame[time].is_null()
        reason = f"the time '{time}' of the pattern is NULL"
        bad = rejected_rows(frame.filter(nothing), reason, self.uid, port=0)
        return frame.filter(~nothing), (bad,)

    def _run(self, rows: pl.DataFrame, until_ms: int) -> Outputs:
        """Take rows whose turn has come, in order; ``until_ms``: the time all of them have."""
        rejected: tuple[pl.DataFrame, ...] = ()
        if rows.height:
            prepared = self._prepare.on_batch(Batch(rows, read_at_ms=self._read_at_ms))
            rejected = prepared.rejected
            rows = prepared.out[0] if prepared.out else rows.clear()
        found = self._partitions.open(rows if rows.height else None, until_ms)
        if found is None:
            return Outputs(rejected=rejected) if rejected else NOTHING
        try:
            matches, live, waiting, failed = self._search.run(
                found.rows, found.places, found.live, found.waiting, until_ms
            )
        except StuckSkip:
            raise self._stuck() from None
        if failed:
            rejected = (*rejected, *self._failed(found.rows, failed))
        out: tuple[pl.DataFrame, ...] = ()
        if matches.start.size:
            keys = self._partitions.keys_of(found, matches.start)
            made = self._measures.of(found.rows, matches, keys, self._read_at_ms)
            out, rejected = made.out, (*rejected, *made.rejected)
        self._partitions.close(found, live, waiting)
        return Outputs(out=out, rejected=rejected)

    def _failed(self, rows: Rows, failed: list[tuple[int, str]]) -> tuple[pl.DataFrame, ...]:
        at = [row for row, _ in failed]
        frame = rows.values[at].rename(self._measures.shown).select(*self._measures.shown.values())
        return (rejected_rows(frame, pl.Series([why for _, why in failed]), self.uid),)

    def _stuck(self) -> DataError:
        skip = self._node.skip
        return DataError(
            f"AFTER MATCH SKIP {skip}: the match has no row of {skip.variable}, or begins with it, "
            "so that the search could not go on.",
            where=f"step '{self._node.label()}'",
            hint="Skip to a variable that always has a row behind the first, or write SKIP PAST "
            "LAST ROW.",
        )

    def snapshot(self) -> Snapshot:
        rows, arrived = self._waiting.save()
        tables = self._partitions.save()
        return Snapshot(tables | {"rows": rows}, {"arrived": arrived})

    def restore(self, snapshot: Snapshot) -> None:
        self._waiting.load(snapshot.tables["rows"], int(snapshot.facts["arrived"]))
        self._partitions.load(snapshot.tables)

    @property
    def state_bytes(self) -> int:
        return self._waiting.bytes_used + self._partitions.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._waiting) + len(self._partitions)


class _Measures:
    """What is given of a match."""

    def __init__(
        self, node: Match, columns: Columns, variables: dict[str, int], lowering: Lowering
    ) -> None:
        read = {name for m in node.measures for name in columns_of(m.expr)}
        self._looks = [LookReader(x, columns, variables) for x in node.looks if x.name in read]
        self._folds = [
            FoldReader(x, columns, variables, lowering.seed) for x in node.folds if x.name in read
        ]
        keys = (
            Named(k, Column(f"{KEY}{i}", type=node.input.schema.type_of(k)))
            for i, k in enumerate(node.partition)
        )
        self._program = Program(
            (Compute((*keys, *node.measures)),), lowering.ctx, seed=lowering.seed, uid=node.uid
        )
        self._time = polars_type(node.value_schema.type_of(ROWTIME))
        self.shown = {name: str(expr) for name, expr in columns.types.items()}

    def of(self, rows: Rows, matches: Matches, keys: pl.DataFrame, read_at_ms: int) -> Outputs:
        """Return one row per match, by the time it was known."""
        order = np.argsort(matches.known, kind="stable")
        sight = Sight(rows, matches.start[order], matches.taken[order], None)
        values = [*(x.read(sight) for x in self._looks), *(x.read(sight) for x in self._folds)]
        known = pl.Series(ROWTIME, matches.known[order]).cast(self._time)
        own = gathered_columns(keys.get_columns(), order)
        frame = pl.DataFrame([*own, *values, known])
        return self._program.on_batch(Batch(frame, read_at_ms=read_at_ms))


@lowers(Match)
def _(node: Match, lowering: Lowering) -> Operator:
    return Recogniser(node, lowering)
