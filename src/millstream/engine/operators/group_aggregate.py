"""GROUP BY without a window, and DISTINCT: one result row per key, kept up to date.

in      any batches, rows may be taken back (``$op``)
state   one slot per key: how many rows it has, then its partial results
out     per batch and touched key at most one old row (-U, or -D when its last row went), then one
        new row (+I, +U), keys in first-touch order; nothing where the result stays the same.
        For readers that keep the newest row per key the old rows of updates are left out
end     without keys there is one row even of no input; it comes at the end of bounded input
late    never; a row without its insert leaves a negative count that the insert cancels
ttl     a key without rows for so long is forgotten in silence; its next row begins it anew. With
        a time to live a result that stays the same is given again, so that readers keep it too
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import gathered_columns
from millstream.columns.physical import polars_schema
from millstream.engine.aggregates.arguments import Arguments
from millstream.engine.aggregates.group import Aggregates, same_results
from millstream.engine.batch import FINAL_MARK_MS, OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.copies import Copies
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import Rows, gather_words
from millstream.plan.nodes import Aggregate

# The operator's own words behind the keys of a slot.
TURN, COUNT, WRITTEN = 0, 1, 2
OWN_WORDS = 3
NO_ROWS = np.zeros(0, dtype=np.bool_)
# As kernels take them.
INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE = map(int, Op)


class GroupAggregate(Operator):
    """One running GROUP BY."""

    def __init__(self, node: Aggregate, lowering: Lowering) -> None:
        given = node.input.schema
        self.uid = node.uid
        self._keys = node.keys
        self._changes_in = lowering.changes_in[0]
        self._upsert_out = lowering.upsert_out
        self._arguments = Arguments.of(
            node.aggs, node.keys, given, lowering.ctx, seed=lowering.seed, uid=node.uid
        )
        self._aggs = Aggregates(self._arguments.aggs, changes=self._changes_in)
        self._arena = Arena()
        heap = ByteHeap(self._arena)
        self._index = KeyIndex(
            dict(polars_schema(given.select(node.keys))),
            lowering.seed,
            arena=self._arena,
            heap=heap,
            extra_words=OWN_WORDS + self._aggs.words,
        )
        self._own = self._index.extra
        self._aggs.settle(self._arena, heap, self._index.rows, self._own + OWN_WORDS, lowering.seed)
        self._expiry = Expiry(self._index.rows, self._own + WRITTEN, lowering.ttl_ms)
        self._keeps_forever = not lowering.ttl_ms
        self._key_copies, self._own_copies = Copies(), Copies()
        self._turn = 0
        self._ended = False

    @property
    def may_reject(self) -> bool:
        return self._arguments.may_reject

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "an aggregate has one input"
        frame, rejected = self._arguments.prepare(batch)
        if not frame.height:
            return Outputs(rejected=rejected) if rejected else NOTHING
        self._expiry.at_time(batch.read_at_ms)
        self._forget(self._expiry.due(frame.height))
        keys = [frame[key] for key in self._keys]
        slots, _ = self._index.upsert_columns(keys, frame.height)
        found = Batch(frame).weights()
        weights = NO_WORDS if found is None else found.astype(np.int64)
        self._turn += 1
        if not self._keeps_forever:
            self._renew(slots, batch.read_at_ms)
        rows = self._index.rows.view
        touched, was = touch(rows, self._own, slots, weights, self._turn)
        # Counted by ``touch`` already: ``was`` tells the rows each key had before this batch.
        old = self._old_results(touched, was)
        self._aggs.fold(frame, slots, weights)
        out = self._emit(touched, was, old)
        return Outputs(out=out, rejected=(*rejected, *self._aggs.rejected(self.uid)))

    def on_mark(self, mark_ms: int) -> Outputs:
        if mark_ms != FINAL_MARK_MS or self._keys or self._ended:
            return NOTHING
        self._ended = True
        if len(self._index):
            return NOTHING
        slot = self._index.rows.take(1)
        row = pl.DataFrame(self._aggs.results(slot))
        self._aggs.drop(slot)
        self._index.rows.free(slot)
        return Outputs(out=(row.with_columns(_ops(np.zeros(1, dtype=np.int8))),))

    def snapshot(self) -> Snapshot:
        slots = self._index.rows.live()
        own = self._own_copies.gather(self._index.rows.view, self._own, OWN_WORDS, slots)
        counts, written = pl.Series("$count", own[COUNT]), pl.Series("$written", own[WRITTEN])
        tables, facts = self._aggs.save(slots)
        keys = self._index.keys(slots, self._key_copies)
        tables["keys"] = keys.with_columns(counts, written)
        return Snapshot(tables, {**facts, "ended": self._ended})

    def restore(self, snapshot: Snapshot) -> None:
        keys = snapshot.tables["keys"]
        slots = self._index.restore(keys.drop("$count", "$written"))
        matrix = self._index.rows.matrix()
        matrix[slots, self._own + COUNT] = keys["$count"].to_numpy()
        matrix[slots, self._own + WRITTEN] = keys["$written"].to_numpy()
        self._aggs.load(slots, snapshot.tables, snapshot.facts)
        self._ended = bool(snapshot.facts["ended"])

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._index)

    def _forget(self, slots: np.ndarray) -> None:
        if slots.size:
            self._aggs.drop(slots)
            self._index.free(slots)

    def _renew(self, slots: np.ndarray, now_ms: int) -> None:
        """Begin anew what was forgotten but not removed yet, and note the write."""
        found = np.unique(slots)
        matrix = self._index.rows.matrix()
        old = found[matrix[found, self._own + WRITTEN] <= self._expiry.cutoff_ms]
        self._aggs.drop(old)
        matrix[old, self._own :] = 0
        matrix[found, self._own + WRITTEN] = now_ms

    def _old_results(self, touched: np.ndarray, was: np.ndarray) -> list[pl.Series] | None:
        if self._upsert_out and not self._changes_in:
            return None
        return self._aggs.results(touched[was > 0])

    def _emit(
        self, touched: np.ndarray, was: np.ndarray, old: list[pl.Series] | None
    ) -> tuple[pl.DataFrame, ...]:
        """Return the changes of the touched keys, and forget the keys without rows."""
        now = gather_words(self._index.rows.view, self._own + COUNT, 1, touched)[0]
        before, after = was > 0, now > 0
        everything = bool(after.all())
        new = self._aggs.results(touched if everything else touched[after])
        same = NO_ROWS
        if old is not None and self._keeps_forever:
            stays = before & after
            if stays.any():
                both = picked_rows(old, stays[before]), picked_rows(new, stays[after])
                same = same_results(*both, int(stays.sum()))
        olds = 0 if old is None else int(before.sum())
        slots, ops, places = arranged(touched, was, now, same, olds, self._upsert_out)
        out = self._frame(slots, ops, places, old if olds else None, new)
        if not everything:
            gone = touched[now == 0]
            self._aggs.drop(gone)
            self._index.free(gone)
        return out

    def _frame(
        self,
        slots: np.ndarray,
        ops: np.ndarray,
        places: np.ndarray,
        old: list[pl.Series] | None,
        new: list[pl.Series],
    ) -> tuple[pl.DataFrame, ...]:
        """Return the changes; ``places`` are those of their results, new ones behind old ones."""
        if not slots.size:
            return ()
        both = new
        if old is not None:
            both = [a.clone().extend(b) for a, b in zip(old, new, strict=True)]
        # They ascend where only new ones are given: as many as there are, they are all.
        if old is not None or (both and places.size < len(both[0])):
            both = gathered_columns(both, places)
        return (pl.DataFrame([*self._index.columns(slots), *both, _ops(ops)]),)


@lowers(Aggregate)
def _(node: Aggregate, lowering: Lowering) -> Operator:
    return GroupAggregate(node, lowering)


def picked_rows(columns: list[pl.Series], mask: np.ndarray) -> list[pl.Series]:
    """Return the masked rows, or the columns themselves where that is all."""
    if mask.all():
        return columns
    rows = pl.Series(mask)
    return [column.filter(rows) for column in columns]


@kernel
def arranged(
    touched: np.ndarray,
    was: np.ndarray,
    now: np.ndarray,
    same: np.ndarray,
    olds: int,
    upsert_out: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slot, change kind and place of the result of what is given, key by key.

    ``same``: for each key that was there and stays, whether its result does; empty = none does.
    """
    n = touched.size
    slots = np.empty(2 * n, dtype=np.int64)
    ops = np.empty(2 * n, dtype=np.int8)
    places = np.empty(2 * n, dtype=np.int64)
    given, before, after, stayed = 0, 0, 0, 0
    for i in range(n):
        had, has = was[i] > 0, now[i] > 0
        changed = had != has
        if had and has:
            changed = same.size == 0 or not same[stayed]
            stayed += 1
        if had and changed and (not has or not upsert_out):
            slots[given], places[given] = touched[i], before
            ops[given] = UPDATE_BEFORE if has else DELETE
            given += 1
        if has and changed:
            slots[given], places[given] = touched[i], olds + after
            ops[given] = UPDATE_AFTER if had else INSERT
            given += 1
        before += had
        after += has
    return slots[:given].copy(), ops[:given].copy(), places[:given].copy()


def _ops(codes: np.ndarray) -> pl.Series:
    return pl.Series(OP, codes)


@kernel
def touch(
    rows: Rows, at: int, slots: np.ndarray, weights: np.ndarray, turn: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count rows per slot; return each slot once, in first-touch order, with its count before."""
    touched = np.empty(slots.size, dtype=np.int64)
    was = np.empty(slots.size, dtype=np.int64)
    n = 0
    words = rows.words
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        if words[p + TURN] != turn:
            words[p + TURN] = turn
            touched[n] = slots[i]
            was[n] = words[p + COUNT]
            n += 1
        words[p + COUNT] += weights[i] if weights.size else 1
    return touched[:n].copy(), was[:n].copy()
