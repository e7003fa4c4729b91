"""ORDER BY: on input that ends, with LIMIT and OFFSET, or by the event time as it passes.

in      any batches; rows may be taken back
state   the rows so far; with a limit over appended rows only those that can still be given,
        over changing rows each different row once with its weight
out     at the end of the input everything, in order, as inserts
order   NULLs are lowest unless said otherwise, NaN is the largest number (as in Flink); equal rows
        in arrival order, over changing rows by their other columns, because their arrival order
        depends on how changes were merged
time    endless rows by event time: each is given when the watermark reaches its time, and a row
        whose time it has reached already is late
bad     a row taken back that never came is counted in ``rows_unmatched``
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import filtered, picked
from millstream.columns.physical import empty_frame
from millstream.engine.batch import FINAL_MARK_MS, MARK, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.state.waiting import Waiting
from millstream.plan.nodes import Sort, SortKey
from millstream.types import Schema

WEIGHT = "$weight"
COMPACT_ROWS_MIN = 8_192
"""Rows that wait, at least, before the state is made smaller: sorting costs per call."""


class SortAll(Operator):
    """Collects, then gives everything."""

    def __init__(self, node: Sort, *, changes: bool) -> None:
        self._node = node
        self._changes = changes
        self._names = node.schema.names
        self._kept = _empty(node.schema, changes=changes)
        self._waiting: list[pl.DataFrame] = []
        self._rows_waiting = 0
        self._given = False
        self.rows_unmatched = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a sort has one input"
        rows = picked(batch.frame, self._names)
        if self._changes:
            weights = batch.weights()
            each = np.ones(rows.height) if weights is None else weights
            rows = rows.hstack([pl.Series(WEIGHT, each.astype(np.int64))])
        self._waiting.append(rows)
        self._rows_waiting += rows.height
        if self._rows_waiting > max(COMPACT_ROWS_MIN, self._kept.height):
            self._compact()
        return NOTHING

    def on_mark(self, mark_ms: int) -> Outputs:
        if mark_ms != FINAL_MARK_MS or self._given:
            return NOTHING
        self._given = True
        self._compact()
        rows, self._kept = self._kept, self._kept.clear()
        if self._changes:
            self.rows_unmatched += int(-rows.filter(pl.col(WEIGHT) < 0)[WEIGHT].sum())
            rows = rows.filter(pl.col(WEIGHT) > 0)
            # A weight of three is three equal rows.
            rows = rows.select(pl.col(*self._names).repeat_by(WEIGHT).explode())
        rows = sorted_rows(rows, self._node.by, total=self._changes)
        rows = rows.slice(self._node.offset, self._node.limit)
        return Outputs(out=(rows,)) if rows.height else NOTHING

    def snapshot(self) -> Snapshot:
        self._compact()
        return Snapshot({"rows": self._kept}, {"given": self._given})

    def restore(self, snapshot: Snapshot) -> None:
        self._kept = snapshot.tables["rows"]
        self._given = bool(snapshot.facts["given"])

    @property
    def state_bytes(self) -> int:
        waiting = sum(int(f.estimated_size()) for f in self._waiting)
        return int(self._kept.estimated_size()) + waiting

    @property
    def state_rows(self) -> int:
        return self._kept.height + self._rows_waiting

    def _compact(self) -> None:
        """Take the waiting rows up and forget those that cannot matter any more."""
        rows = pl.concat([self._kept, *self._waiting])
        self._waiting, self._rows_waiting = [], 0
        if self._changes:
            rows = _netted(rows, self._names)
        elif self._node.limit is not None:
            wanted = self._node.offset + self._node.limit
            rows = sorted_rows(rows, self._node.by, total=False).head(wanted)
        self._kept = rows


class SortInTime(Operator):
    """Gives rows in the order of their event time, as the watermark passes them."""

    def __init__(self, node: Sort) -> None:
        self._by = node.by
        self._time = node.by[0].column
        self._names = node.schema.names
        self._waiting = Waiting(self._time, empty_frame(node.schema))

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a sort has one input"
        frame = batch.frame
        late: tuple[pl.DataFrame, ...] = ()
        if MARK in frame.columns:
            behind = frame[self._time].cast(pl.Int64) <= frame[MARK]
            if behind.any():
                late = (filtered(frame, behind),)
                frame = filtered(frame, ~behind)
        if frame.height:
            self._waiting.add(picked(frame, self._names))
        return Outputs(late=late) if late else NOTHING

    def on_mark(self, mark_ms: int) -> Outputs:
        if not len(self._waiting):
            return NOTHING
        rows = picked(self._waiting.take(mark_ms), self._names)
        # They come by their time: only what else is asked for has to be sorted by.
        if not rows.height:
            return NOTHING
        if len(self._by) > 1 and rows.height > 1:
            rows = sorted_rows(rows, self._by, total=False)
        return Outputs(out=(rows,))

    def snapshot(self) -> Snapshot:
        rows, arrived = self._waiting.save()
        return Snapshot({"rows": rows}, {"arrived": arrived})

    def restore(self, snapshot: Snapshot) -> None:
        self._waiting.load(snapshot.tables["rows"], int(snapshot.facts["arrived"]))

    @property
    def state_bytes(self) -> int:
        return self._waiting.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._waiting)


@lowers(Sort)
def _(node: Sort, lowering: Lowering) -> Operator:
    if node.in_time(lowering.facts_in[0]):
        return SortInTime(node)
    return SortAll(node, changes=lowering.changes_in[0])


def sorted_rows(rows: pl.DataFrame, by: tuple[SortKey, ...], *, total: bool) -> pl.DataFrame:
    """Return rows in Flink's order; ``total`` breaks ties by the other columns."""
    named = {k.column for k in by}
    # Nested columns have no order in SQL; they cannot break a tie.
    rest = [c for c in rows.columns if c not in named and not rows.schema[c].is_nested()]
    keys = [*by, *(SortKey(c) for c in rest)] if total else list(by)
    if not keys:
        return rows
    descending = [k.descending for k in keys]
    nulls_last = [k.descending if k.nulls_first is None else not k.nulls_first for k in keys]
    return rows.sort(
        [k.column for k in keys],
        descending=descending,
        nulls_last=nulls_last,
        maintain_order=True,
    )


def _netted(rows: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    return (
        rows.group_by(names, maintain_order=True)
        .agg(pl.col(WEIGHT).sum())
        .filter(pl.col(WEIGHT) != 0)
    )


def _empty(schema: Schema, *, changes: bool) -> pl.DataFrame:
    empty = empty_frame(schema)
    return empty.with_columns(pl.lit(1, dtype=pl.Int64).alias(WEIGHT)) if changes else empty
