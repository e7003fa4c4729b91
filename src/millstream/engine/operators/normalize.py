"""Keeps the newest row per key, to make retractions of upserts.

in      +I and +U are the newest row of their key, -D and -U say that the key is gone
state   one row per key
out     per batch and touched key at most one old row (-U, or -D where the key went), then the new
        one (+I, +U), in first-touch order; nothing where the row is the same as before.
        For readers that keep the newest row per key old rows of updates are left out
bad     a deletion of an absent key changes nothing and is counted in ``rows_unmatched``
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, Kind, Store, encode, validity
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex, free_blocks
from millstream.engine.state.slots import Rows
from millstream.plan.nodes import Normalize

# The operator's own words behind the keys of a slot, then null bits, then values.
TURN, PRESENT, NEWEST = 0, 1, 2
OWN_WORDS = 3
BITS = 62
"""Null bits per word."""


class NewestPerKey(Operator):
    """One running Normalize."""

    def __init__(self, node: Normalize, lowering: Lowering) -> None:
        schema = polars_schema(node.schema)
        self._names = node.schema.names
        self._key = node.key
        self._upsert_out = lowering.upsert_out
        self._arena = Arena()
        heap = ByteHeap(self._arena)
        kept = {name: schema[name] for name in schema if name not in node.key}
        self._values = _Values(kept, heap)
        self._index = KeyIndex(
            {name: schema[name] for name in node.key},
            lowering.seed,
            arena=self._arena,
            heap=heap,
            extra_words=OWN_WORDS + self._values.words,
        )
        self._own = self._index.extra
        self._values.settle(self._index, self._own + OWN_WORDS)
        self._turn = 0
        self.rows_unmatched = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "Normalize has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        slots, _ = self._index.upsert(frame.select(self._key))
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
        if changed.any():
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
        return Snapshot({"rows": rows.select(self._names)})

    def restore(self, snapshot: Snapshot) -> None:
        rows = snapshot.tables["rows"]
        slots = self._index.restore(rows.select(self._key))
        self._index.rows.matrix()[slots, self._own + PRESENT] = 1
        self._values.put(slots, rows.select(self._values.names))

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._index)

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


class _Values:
    """The columns beside the key, as words of the key's slot."""

    def __init__(self, schema: dict[str, pl.DataType], heap: ByteHeap) -> None:
        self.names = tuple(schema)
        self._heap = heap
        self._stores = [Store(dtype, heap) for dtype in schema.values()]
        self._null_words = -(-len(schema) // BITS)
        self.words = self._null_words + sum(store.kind.words for store in self._stores)

    def settle(self, index: KeyIndex, at: int) -> None:
        """Say where the words lie."""
        self._index = index
        self._nulls_at = at
        self._at: list[int] = []
        at += self._null_words
        for store in self._stores:
            self._at.append(at)
            at += store.kind.words

    def get(self, slots: np.ndarray) -> pl.DataFrame:
        """Return the values of live slots."""
        matrix = self._index.rows.matrix()
        out: list[pl.Series] = []
        for i, (name, store, at) in enumerate(zip(self.names, self._stores, self._at, strict=True)):
            bits = matrix[slots, self._nulls_at + i // BITS]
            valid = (bits >> (i % BITS)) & 1 == 0
            second = matrix[slots, at + 1] if store.kind.words == 2 else NO_WORDS
            column = store.get(matrix[slots, at], second, None if valid.all() else valid)
            out.append(column.alias(name))
        return pl.DataFrame(out) if out else pl.DataFrame(height=slots.size)

    def put(self, slots: np.ndarray, rows: pl.DataFrame) -> None:
        """Write the values of slots that hold none."""
        if not slots.size:
            return
        nulls = np.zeros((slots.size, self._null_words), dtype=np.int64)
        matrix = self._index.rows.matrix()
        for i, (column, store, at) in enumerate(
            zip(rows.iter_columns(), self._stores, self._at, strict=True)
        ):
            valid = validity(column)
            if valid is not None:
                nulls[:, i // BITS] |= np.where(valid, 0, 1 << (i % BITS))
            first, second = store.put(encode(column))
            matrix[slots, at] = first
            if store.kind.words == 2:
                matrix[slots, at + 1] = second
        for word in range(self._null_words):
            matrix[slots, self._nulls_at + word] = nulls[:, word]

    def free(self, slots: np.ndarray) -> None:
        """Give the bytes of some slots back."""
        for store, at in zip(self._stores, self._at, strict=True):
            if store.kind >= Kind.BYTES:
                free_blocks(self._heap.view, self._index.rows.view, slots, at)


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
