"""OVER windows that are kept up to date: ordered by any columns, over rows that may change.

in      any batches; rows may be taken back (``$op``)
state   the rows of every partition in their order
out     per batch, for the partitions it touches, first the rows whose values are no longer so (-U,
        or -D where the row went), then those that are (+U, +I); nothing for rows that stay as they
        were. For readers that keep the newest row per key the -U are left out
ties    see :mod:`millstream.engine.state.ordered_rows`
late    never
reject  a row whose argument cannot be computed
ttl     a partition not written for so long is forgotten, without any output
cost    the partitions a batch touches are computed anew, once before and once after it: their
        results are not kept, which would cost more memory than the rows themselves
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.frames import filtered, gathered, gathered_columns, picked, stacked
from millstream.engine.aggregates.frames import Frames
from millstream.engine.aggregates.group import same_results
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Outputs
from millstream.engine.operators.ordered import OrderedOperator
from millstream.engine.operators.over_calls import OverCalls, Places
from millstream.engine.state import running, top
from millstream.engine.state.heap import ByteHeap, Heap
from millstream.engine.state.jit import kernel
from millstream.engine.state.order import compare_rows
from millstream.engine.state.ordered_rows import OrderedRows
from millstream.engine.state.slots import Rows, SlotRows
from millstream.engine.state.treap import Order
from millstream.plan.ranks import Over

EVERY = top.Wanted(top.ROW_NUMBER, 1, 2**62, numbered=False)
"""No row is beyond the last rank."""
NULL_TIME = -(2**62)
"""Where rows without a time stand: far from all others."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """Partitions with their results; ``nodes`` and ``copies`` tell rows apart."""

    nodes: np.ndarray
    copies: np.ndarray
    rows: pl.DataFrame

    def keys(self, width: int) -> np.ndarray:
        return self.nodes * width + self.copies


class OverOfChanges(OrderedOperator):
    """One running OVER whose results change."""

    def __init__(self, node: Over, lowering: Lowering) -> None:
        self.uid = node.uid
        self._names = node.input.schema.names
        self._made = tuple(c.name for c in node.calls)
        self._by = node.by[0]
        self._timed = not node.frame.rows and node.frame.preceding is not None
        self._peers = not node.frame.rows
        self._changes = lowering.changes_in[0]
        self._upsert_out = lowering.upsert_out
        self._calls = OverCalls.of(node, lowering)
        rows = OrderedRows(
            dict(self._calls.empty.schema),
            node.partition,
            node.by,
            changes=self._changes,
            seed=lowering.seed,
        )
        super().__init__(rows, EVERY, lowering.ttl_ms)
        arena = self._rows.arena
        self._scratch = SlotRows(arena, 1 + running.RUNNING_WORDS)
        self._frames = Frames(
            self._calls.aggs,
            node.frame,
            arena=arena,
            heap=ByteHeap(arena),
            owners=self._scratch,
            at=1,
            seed=lowering.seed,
        )

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "an OVER has one input"
        frame, rejected = self._calls.prepare(batch)
        if not frame.height:
            return Outputs(rejected=rejected) if rejected else NOTHING
        self._expiry.at_time(batch.read_at_ms)
        rows = self._rows
        rows.drop(self._expiry.due(frame.height), free=True)
        keys = [frame[name] for name in rows.partition]
        owners, _ = rows.index.upsert_columns(keys, frame.height)
        self._renew(owners)
        old = self._whole(np.unique(owners))
        if self._changes:
            touched, gone = rows.change(frame, owners, Batch(frame).weights())
        else:
            touched, gone = rows.append(frame, owners, EVERY)
            rows.keep(frame)
        new = self._whole(touched)
        out = self._difference(old, new)
        rows.forget(gone)
        if self._changes:
            rows.free_empty(touched)
        return Outputs(out=(out,) if out.height else (), rejected=rejected)

    # ------------------------------------------------------------------ values

    def _whole(self, owners: np.ndarray) -> _Whole:
        """Return all rows of partitions, in order, with their values."""
        rows = self._rows
        where, nodes = rows.in_order(owners)
        counts = rows.rows.matrix()[nodes, top.COUNT] if nodes.size else nodes
        equal = equal_groups(rows.rows.view, where, nodes, rows.order, rows.heap.view)
        data = rows.values(nodes)
        copies = np.zeros_like(nodes)
        if (counts > 1).any():
            each = np.repeat(np.arange(nodes.size), counts)
            copies = np.arange(each.size) - np.repeat(np.cumsum(counts) - counts, counts)
            where, nodes, equal = where[each], nodes[each], equal[each]
            data = gathered(data, each)
        if not nodes.size:
            return _Whole(nodes, copies, picked(data, self._names))
        places = places_of(where, equal)
        slots = self._scratch.take(owners.size)
        times = self._times(data) if self._timed else equal
        found = self._frames.run(slots[where], times, data, peers=self._peers)
        self._frames.release(slots)
        self._scratch.free(slots)
        made = self._calls.of_whole(data, {c.name: c for c in found}, places)
        own = [data[name] for name in self._names]
        return _Whole(nodes, copies, pl.DataFrame([*own, *made]))

    def _times(self, data: pl.DataFrame) -> np.ndarray:
        """Return the column of an interval frame as numbers that go up."""
        times = data[self._by.column].cast(pl.Int64)
        times = -times if self._by.descending else times
        if not times.null_count():
            return times.to_numpy()
        first = not self._by.descending if self._by.nulls_first is None else self._by.nulls_first
        return times.fill_null(NULL_TIME if first else -NULL_TIME).to_numpy()

    def _difference(self, old: _Whole, new: _Whole) -> pl.DataFrame:
        """Return the changes that lead from old rows to new ones."""
        width = 1 + max(int(side.copies.max(initial=0)) for side in (old, new))
        _, in_old, in_new = np.intersect1d(
            old.keys(width), new.keys(width), assume_unique=True, return_indices=True
        )
        differ = np.zeros(in_old.size, dtype=np.bool_)
        if in_old.size:
            before = gathered_columns([old.rows[name] for name in self._made], in_old)
            after = gathered_columns([new.rows[name] for name in self._made], in_new)
            differ = ~same_results(before, after, in_old.size)
        was = np.full(old.nodes.size, int(Op.DELETE), dtype=np.int8)
        now = np.full(new.nodes.size, int(Op.INSERT), dtype=np.int8)
        was[in_old], now[in_new] = Op.UPDATE_BEFORE, Op.UPDATE_AFTER
        tell_old = np.ones(old.nodes.size, dtype=np.bool_)
        tell_new = np.ones(new.nodes.size, dtype=np.bool_)
        tell_old[in_old] = differ & (not self._upsert_out)
        tell_new[in_new] = differ
        parts = [
            filtered(side.rows, pl.Series(tell)).hstack([pl.Series(OP, ops[tell])])
            for side, tell, ops in ((old, tell_old, was), (new, tell_new, now))
            if tell.any()
        ]
        if not parts:
            return pl.DataFrame()
        return stacked(parts)


def places_of(where: np.ndarray, equal: np.ndarray) -> Places:
    """Return where rows stand, which ``where`` and ``equal`` number by partition and order."""
    n = where.size
    at = np.arange(n)
    begins = np.flatnonzero(np.r_[True, where[1:] != where[:-1]])
    sizes = np.diff(np.r_[begins, n])
    start, size = np.repeat(begins, sizes), np.repeat(sizes, sizes)
    firsts = np.flatnonzero(np.r_[True, equal[1:] != equal[:-1]])
    lengths = np.diff(np.r_[firsts, n])
    group = np.repeat(np.arange(firsts.size), lengths)
    first = np.repeat(firsts, lengths)
    return Places(
        start=start,
        size=size,
        number=at - start + 1,
        rank=first - start + 1,
        groups=group - group[start] + 1,
        last=first + np.repeat(lengths, lengths) - start,
    )


@kernel
def equal_groups(
    rows: Rows, where: np.ndarray, nodes: np.ndarray, order: Order, heap: Heap
) -> np.ndarray:
    """Number the runs of rows of one partition with equal sort keys."""
    out = np.empty(nodes.size, dtype=np.int64)
    group = 0
    for i in range(nodes.size):
        if i > 0:
            same = where[i] == where[i - 1]
            if same:
                found = compare_rows(rows, order.at, nodes[i - 1], nodes[i], order.marks, heap)
                same = found == 0
            group += 0 if same else 1
        out[i] = group
    return out
