"""Top-N per window: the first rows of each window and partition, once the window closes.

in      rows that only come, each with the bounds of its window
state   the rows of open windows that can still be among the first
out     closed windows only, append-only: by window end, partitions in the order they came, ranks
late    a row whose window is closed already
ties    rows that are equal in the order: the older first; where the order is descending time alone
        and one row is wanted, the newer one, as in Flink's window deduplication
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.frames import filtered, picked, without
from millstream.columns.physical import polars_schema
from millstream.engine.batch import HIDDEN, MARK, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.operators.ordered import OrderedOperator
from millstream.engine.operators.over_changes import equal_groups, places_of
from millstream.engine.operators.rank import KINDS
from millstream.engine.operators.rank_first import milliseconds
from millstream.engine.state import top
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.ordered_rows import OrderedRows
from millstream.engine.state.waiting import ARRIVED
from millstream.engine.wall_clock import WallClock
from millstream.plan.nodes import SortKey
from millstream.plan.ranks import RankKind, WindowRank


class RankPerWindow(OrderedOperator):
    """One running top-N per window."""

    def __init__(self, node: WindowRank, lowering: Lowering) -> None:
        schema = dict(polars_schema(node.input.schema))
        self._names = node.input.schema.names
        self._number = node.number
        self._end = node.bounds[1]
        wanted = top.Wanted(KINDS[node.kind], node.first, node.last, numbered=False)
        by = node.by
        self._arrivals = _keeps_last(node)
        if self._arrivals:
            by = (*by, SortKey(ARRIVED, descending=True))
            schema[ARRIVED] = pl.Int64()
        partition = (*node.bounds, *node.partition)
        rows = OrderedRows(schema, partition, by, changes=False, seed=lowering.seed)
        super().__init__(rows, wanted, ttl_ms=0)
        times = lowering.facts_in[0].times
        kind = node.input.schema.type_of(times[0]) if times else None
        zone = lowering.ctx.time_zone
        local = isinstance(kind, t.TimestampLtz) and zone != "UTC"
        self._clock = WallClock(zone if local else None)
        self._open: dict[int, list[np.ndarray]] = {}
        self._arrived = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a rank has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        ends = milliseconds(frame[self._end])
        late: tuple[pl.DataFrame, ...] = ()
        if MARK in frame.columns:
            closed = self._clock.instants_of(ends) - 1 <= frame[MARK].to_numpy()
            if closed.any():
                mask = pl.Series(closed)
                late = (filtered(frame, mask),)
                frame, ends = filtered(frame, ~mask), ends[~closed]
        if frame.height:
            self._take(without(frame, HIDDEN), ends)
        return Outputs(late=late) if late else NOTHING

    def _take(self, frame: pl.DataFrame, ends: np.ndarray) -> None:
        if self._arrivals:
            numbers = np.arange(self._arrived, self._arrived + frame.height)
            self._arrived += frame.height
            frame = frame.hstack([pl.Series(ARRIVED, numbers)])
        rows = self._rows
        keys = [frame[name] for name in rows.partition]
        owners, made = rows.index.upsert_columns(keys, frame.height)
        if made.size:
            self._list(owners[made], ends[made])
        touched, lost = rows.append(frame, owners, self._wanted)
        pruned = NO_WORDS
        if self._wanted.kind != top.ROW_NUMBER:
            pruned = top.tell(
                rows.rows.view,
                rows.index.rows.view,
                rows.at,
                touched,
                lost,
                rows.order,
                rows.heap.view,
                self._wanted,
                True,
            )[2]
        never = rows.keep(frame)
        if pruned.size:
            kept = pruned[rows.rows.matrix()[pruned, top.SOURCE] == 0]
            lost = np.concatenate([lost, kept])
        rows.forget(lost, never)

    def _list(self, owners: np.ndarray, ends: np.ndarray) -> None:
        """Remember which partitions close with which window."""
        # A Python loop over the different windows of a batch, not over its rows.
        for end in np.unique(ends):
            self._open.setdefault(int(end), []).append(owners[ends == end])

    def on_mark(self, mark_ms: int) -> Outputs:
        out: list[pl.DataFrame] = []
        # Windows by their end; there are few open ones.
        for end in sorted(self._open):
            if self._clock.instant_of(end) - 1 > mark_ms:
                break
            owners = np.concatenate(self._open.pop(end))
            out.append(self._closed(owners))
            self._rows.drop(owners, free=True)
        out = [frame for frame in out if frame.height]
        return Outputs(out=tuple(out)) if out else NOTHING

    def _closed(self, owners: np.ndarray) -> pl.DataFrame:
        """Return the rows that are wanted of some partitions."""
        rows = self._rows
        where, nodes = rows.in_order(owners)
        equal = equal_groups(rows.rows.view, where, nodes, rows.order, rows.heap.view)
        places = places_of(where, equal)
        ranks = (places.number, places.rank, places.groups)[self._wanted.kind]
        wanted = (ranks >= self._wanted.first) & (ranks <= self._wanted.last)
        out = picked(rows.values(nodes[wanted]), self._names)
        if self._number is None:
            return out
        return out.hstack([pl.Series(self._number, ranks[wanted])])

    def snapshot(self) -> Snapshot:
        return Snapshot({"rows": self._rows.save()}, {"arrived": self._arrived})

    def restore(self, snapshot: Snapshot) -> None:
        self._arrived = int(snapshot.facts["arrived"])
        self._rows.load(snapshot.tables["rows"], self._wanted)
        owners = self._rows.index.rows.live()
        self._list(owners, milliseconds(self._rows.index.keys(owners)[self._end]))


@lowers(WindowRank)
def _(node: WindowRank, lowering: Lowering) -> Operator:
    return RankPerWindow(node, lowering)


def _keeps_last(node: WindowRank) -> bool:
    """Tell whether the newest row is wanted, of equal times the one that came last."""
    once = node.last == 1 and node.kind is RankKind.ROW_NUMBER and len(node.by) == 1
    if not once or not node.by[0].descending:
        return False
    kind = node.input.schema.type_of(node.by[0].column)
    return isinstance(kind, t.Timestamp | t.TimestampLtz) and kind.precision <= 3
