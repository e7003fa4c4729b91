"""Keeps the newest row per key, to make retractions of upserts.

in      +I and +U are the newest row of their key, -D and -U say that the key is gone
state   one row per key
out     per batch and touched key at most one old row (-U, or -D where the key went), then the new
        one (+I, +U), in first-touch order; nothing where the row is the same as before.
        For readers that keep the newest row per key old rows of updates are left out
ttl     a key not written for so long is forgotten in silence. With a time to live a row that stays
        the same is given again, so that readers keep it too
bad     a deletion of an absent key changes nothing and is counted in ``rows_unmatched``
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.state.arena import Arena
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import keyed_rows
from millstream.engine.state.slots import Rows
from millstream.plan.nodes import Normalize

# The operator's own words behind the keys of a slot, then null bits, then values.
TURN, PRESENT, NEWEST, WRITTEN = 0, 1, 2, 3
OWN_WORDS = 4


class NewestPerKey(Operator):
    """One running Normalize."""

    def __init__(self, node: Normalize, lowering: Lowering) -> None:
        schema = polars_schema(node.schema)
        self._names = node.schema.names
        self._key = node.key
        self._upsert_out = lowering.upsert_out
        self._arena = Arena()
        self._index, self._values = keyed_rows(
            schema, node.key, OWN_WORDS, lowering.seed, self._arena
        )
        self._own = self._index.extra
        self._expiry = Expiry(self._index.rows, self._own + WRITTEN, lowering.ttl_ms)
        self._keeps_forever = not lowering.ttl_ms
        self._turn = 0
        self.rows_unmatched = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "Normalize has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        self._expiry.at_time(batch.read_at_ms)
        gone = self._expiry.due(frame.height)
        self._values.free(gone)
        self._index.free(gone)
        slots, _ = self._index.upsert(frame.select(self._key))
        if not self._keeps_forever:
            self._renew(slots, batch.read_at_ms)
        weights = batch.weights()
        self._turn += 1
        touched, was, newest, unmatched = touch(
            self._index.rows.view,
            self._own,
            slots,
            np.ones(slots.size, dtype=np.int8) if weights is None else weights,
            self._turn,
        )
        self.rows_unmatched += unmatched
        before, after = was > 0, newest >= 0
        old = self._values.get(touched[before])
        new = frame[newest[after]].select(self._values.names)
        changed = before & after
        if changed.any() and self._keeps_forever:
            differ = _differ(old.filter(changed[before]), new.filter(changed[after]))
            changed[changed] = differ
        out = self._changes(touched, (before, after, changed), old, new)
        written = (after & ~before) | changed
        self._values.free(touched[before & (~after | changed)])
        self._values.put(touched[written], new.filter(written[after]))
        self._index.free(touched[~after])
        return Outputs(out=(out,)) if out.height else NOTHING

    def snapshot(self) -> Snapshot:
        slots = self._index.rows.live()
        rows = pl.concat([self._index.keys(slots), self._values.get(slots)], how="horizontal")
        written = pl.Series("$written", self._index.rows.matrix()[slots, self._own + WRITTEN])
        return Snapshot({"rows": rows.select(self._names).with_columns(written)})

    def restore(self, snapshot: Snapshot) -> None:
        rows = snapshot.tables["rows"]
        slots = self._index.restore(rows.select(self._key))
        matrix = self._index.rows.matrix()
        matrix[slots, self._own + PRESENT] = 1
        matrix[slots, self._own + WRITTEN] = rows["$written"].to_numpy()
        self._values.put(slots, rows.select(self._values.names))

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._index)

    def _renew(self, slots: np.ndarray, now_ms: int) -> None:
        """Begin anew what was forgotten but not removed yet, and note the write."""
        found = np.unique(slots)
        matrix = self._index.rows.matrix()
        old = found[
            (matrix[found, self._own + WRITTEN] <= self._expiry.cutoff_ms)
            & (matrix[found, self._own + PRESENT] > 0)
        ]
        self._values.free(old)
        matrix[old, self._own :] = 0
        matrix[found, self._own + WRITTEN] = now_ms

    def _changes(
        self,
        touched: np.ndarray,
        masks: tuple[np.ndarray, np.ndarray, np.ndarray],
        old: pl.DataFrame,
        new: pl.DataFrame,
    ) -> pl.DataFrame:
        """Interleave old and new rows key by key."""
        before, after, changed = masks
        give_old = before & ~after if self._upsert_out else (before & ~after) | changed
        give_new = (after & ~before) | changed
        old_keys, new_keys = np.flatnonzero(give_old), np.flatnonzero(give_new)
        values = pl.concat([old.filter(give_old[before]), new.filter(give_new[after])])
        keys = self._index.keys(touched[np.concatenate([old_keys, new_keys])])
        ops = np.concatenate(
            [
                np.where(after[old_keys], Op.UPDATE_BEFORE, Op.DELETE),
                np.where(before[new_keys], Op.UPDATE_AFTER, Op.INSERT),
            ]
        ).astype(np.int8)
        order = np.argsort(np.concatenate([old_keys * 2, new_keys * 2 + 1]), kind="stable")
        whole = pl.concat([keys, values], how="horizontal").select(self._names)
        return whole.with_columns(pl.Series(OP, ops))[order]


@lowers(Normalize)
def _(node: Normalize, lowering: Lowering) -> Operator:
    return NewestPerKey(node, lowering)


def _differ(old: pl.DataFrame, new: pl.DataFrame) -> np.ndarray:
    """Tell which rows are not the same (NULL = NULL, NaN = NaN)."""
    differ = np.zeros(old.height, dtype=np.bool_)
    for a, b in zip(old.iter_columns(), new.iter_columns(), strict=True):
        differ |= a.ne_missing(b).to_numpy()
    return differ


@kernel
def touch(
    rows: Rows, at: int, slots: np.ndarray, weights: np.ndarray, turn: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Fold presence per slot; each slot once, in first-touch order.

    Returns the slots, whether each was there before, the row that is its newest now (-1: none),
    and how many deletions found nothing.
    """
    touched = np.empty(slots.size, dtype=np.int64)
    was = np.empty(slots.size, dtype=np.int64)
    words = rows.words
    n, unmatched = 0, 0
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        if words[p + TURN] != turn:
            words[p + TURN] = turn
            touched[n] = slots[i]
            was[n] = words[p + PRESENT]
            n += 1
        if weights[i] < 0:
            if words[p + PRESENT] == 0:
                unmatched += 1
            words[p + PRESENT] = 0
            words[p + NEWEST] = -1
        else:
            words[p + PRESENT] = 1
            words[p + NEWEST] = i
    newest = np.empty(n, dtype=np.int64)
    for j in range(n):
        newest[j] = words[touched[j] * rows.width + at + NEWEST]
    return touched[:n].copy(), was[:n].copy(), newest, unmatched
