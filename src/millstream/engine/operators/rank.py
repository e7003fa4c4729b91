"""Top-N: the first rows of each partition in some order, kept up to date.

in      any batches; rows may be taken back (``$op``)
state   per partition its rows in order: of appended rows only those that are among the first, of
        changing rows all, because one that goes makes room for the next
out     per batch first the rows that left their rank (-U where the rank stays, else -D), then
        those that have it now (+U, +I), partitions in first-touch order. Without the rank in the
        result only rows that enter or leave. For readers that keep the newest row per key the -U
        are left out
ties    see :mod:`millstream.engine.state.ordered_rows`
late    never
ttl     a partition not written for so long is forgotten, without any output
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, lowers
from millstream.engine.operators.ordered import OrderedOperator
from millstream.engine.operators.rank_best import BestPerKey
from millstream.engine.operators.rank_first import FirstInTime
from millstream.engine.state import top
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.ordered_rows import OrderedRows
from millstream.plan.ranks import Rank, RankKind

KINDS = {
    RankKind.ROW_NUMBER: top.ROW_NUMBER,
    RankKind.RANK: top.RANK,
    RankKind.DENSE_RANK: top.DENSE_RANK,
}
# What goes, then what comes: of a rank that is new or left empty, and of one that stays.
CODES = np.array(
    [[Op.DELETE, Op.INSERT], [Op.UPDATE_BEFORE, Op.UPDATE_AFTER]],
    dtype=np.int8,
)


class TopRows(OrderedOperator):
    """One running top-N."""

    def __init__(self, node: Rank, lowering: Lowering) -> None:
        self._number = node.number
        self._changes = lowering.changes_in[0]
        self._upsert_out = lowering.upsert_out
        wanted = top.Wanted(KINDS[node.kind], node.first, node.last, node.number is not None)
        self._paired = node.kind is RankKind.ROW_NUMBER and (
            node.number is not None or node.last == 1
        )
        rows = OrderedRows(
            dict(polars_schema(node.input.schema)),
            node.partition,
            node.by,
            changes=self._changes,
            seed=lowering.seed,
        )
        super().__init__(rows, wanted, lowering.ttl_ms)

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a rank has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        self._expiry.at_time(batch.read_at_ms)
        self._rows.drop(self._expiry.due(frame.height), free=True)
        keys = [frame[name] for name in self._rows.partition]
        owners, _ = self._rows.index.upsert_columns(keys, frame.height)
        self._renew(owners)
        if self._changes:
            touched, gone = self._rows.change(frame, owners, batch.weights())
        else:
            touched, gone = self._rows.append(frame, owners, self._wanted)
        out = self._tell(frame, touched, gone)
        return Outputs(out=(out,)) if out is not None else NOTHING

    def _tell(
        self, frame: pl.DataFrame, touched: np.ndarray, gone: np.ndarray
    ) -> pl.DataFrame | None:
        """Return what changed at the top, and forget what is gone."""
        rows = self._rows
        prune = not self._changes and self._wanted.kind != top.ROW_NUMBER
        old, new, pruned = top.tell(
            rows.rows.view,
            rows.index.rows.view,
            rows.at,
            touched,
            gone,
            rows.order,
            rows.heap.view,
            self._wanted,
            prune,
        )
        lost = NO_WORDS
        if not self._changes:
            lost = rows.keep(frame)
            if pruned.size:
                kept = rows.rows.matrix()[pruned, top.SOURCE] == 0
                gone = np.concatenate([gone, pruned[kept]])
        out = self._changes_of(old.reshape(-1, 3), new.reshape(-1, 3))
        rows.forget(gone, lost)
        if self._changes:
            rows.free_empty(touched)
        return out

    def _changes_of(self, old: np.ndarray, new: np.ndarray) -> pl.DataFrame | None:
        if self._upsert_out and self._paired:
            old = old[old[:, 2] == 0]
        if not (old.size or new.size):
            return None
        both = np.concatenate([old, new]).T
        ops = np.repeat(CODES, (len(old), len(new)), axis=1)
        more = [pl.Series(OP, np.where(both[2] > 0, ops[1], ops[0]))]
        if self._number is not None:
            more.insert(0, pl.Series(self._number, both[1]))
        return self._rows.values(both[0].copy()).hstack(more)


@lowers(Rank)
def _(node: Rank, lowering: Lowering) -> Operator:
    if node.gives_once(lowering.facts_in[0]):
        return FirstInTime(node, lowering)
    if node.last == 1 and node.kind is RankKind.ROW_NUMBER and not lowering.changes_in[0]:
        return BestPerKey(node, lowering)
    return TopRows(node, lowering)
