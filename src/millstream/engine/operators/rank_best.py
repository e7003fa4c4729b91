"""Top-1 over rows that only come: one row per key, replaced by a better one.

in      rows that only come
state   per key the best row and its sort key
out     per batch the rows that were replaced (-U), then the new best ones (+I, +U), keys in
        first-touch order; for readers that keep the newest row per key the -U are left out
ties    the older row stays; by descending time the newer one, as in Flink's deduplication
ttl     a key not written for so long is forgotten, without any output
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import gathered, picked, stacked
from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot
from millstream.engine.state.arena import Arena
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.heap import ByteHeap, Heap, free_block
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import KeptRows, scatter_words
from millstream.engine.state.key_index import KeyIndex, keys_of
from millstream.engine.state.order import PLAIN, SortWords, compare_words
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import Rows
from millstream.plan.ranks import Rank

# The operator's own words behind the keys of a slot, then the sort key, then values.
TURN, PRESENT, NEWEST, WRITTEN = range(4)
OWN_WORDS = 4


class BestPerKey(Operator):
    """One running top-1."""

    def __init__(self, node: Rank, lowering: Lowering) -> None:
        schema = dict(polars_schema(node.input.schema))
        self._names = node.input.schema.names
        self._partition = node.partition
        self._number = node.number
        self._upsert_out = lowering.upsert_out
        self._newest_wins = node.keeps_last(lowering.facts_in[0])
        self._ttl_ms = lowering.ttl_ms
        self._arena = Arena()
        heap = self._heap = ByteHeap(self._arena)
        self._sort = SortWords(node.by, schema, heap)
        self._values = KeptRows(
            {name: schema[name] for name in self._names if name not in node.partition}, heap
        )
        self._index = KeyIndex(
            {name: schema[name] for name in node.partition},
            lowering.seed,
            arena=self._arena,
            heap=heap,
            extra_words=OWN_WORDS + self._sort.words + self._values.words,
        )
        self._own = self._index.extra
        self._values.settle(self._index.rows, self._own + OWN_WORDS + self._sort.words)
        self._expiry = Expiry(self._index.rows, self._own + WRITTEN, lowering.ttl_ms)
        self._turn = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a rank has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        self._expiry.at_time(batch.read_at_ms)
        gone = self._expiry.due(frame.height)
        if gone.size:
            self._clear(gone)
            self._index.free(gone)
        keys = [frame[name] for name in self._partition]
        slots, _ = self._index.upsert_columns(keys, frame.height)
        self._renew(slots)
        self._turn += 1
        sort = np.ascontiguousarray(self._sort.encode(frame).T)
        touched, was, newest = best(
            self._index.rows.view,
            self._own,
            slots,
            sort,
            self._sort.marks,
            self._heap.view,
            self._turn,
            self._newest_wins,
        )
        if not touched.size:
            return NOTHING
        new = gathered(picked(frame, self._names), newest)
        before = was > 0
        replaced = touched[before]
        olds: list[pl.DataFrame] = []
        if replaced.size and not self._upsert_out:
            olds.append(self._rows_of(replaced))
        if replaced.size:
            self._values.free(replaced)
        self._values.put(touched, new)
        ops = np.where(before, Op.UPDATE_AFTER, Op.INSERT).astype(np.int8)
        if olds:
            ops = np.concatenate([np.full(replaced.size, Op.UPDATE_BEFORE, dtype=np.int8), ops])
            new = stacked([*olds, new])
        more = [pl.Series(OP, ops)]
        if self._number is not None:
            more.insert(0, pl.Series(self._number, np.ones(new.height, dtype=np.int64)))
        return Outputs(out=(new.hstack(more),))

    def _rows_of(self, slots: np.ndarray) -> pl.DataFrame:
        columns = [*self._index.columns(slots), *self._values.columns(slots)]
        return picked(pl.DataFrame(columns), self._names)

    # ------------------------------------------------------------------ age

    def _renew(self, slots: np.ndarray) -> None:
        """Forget what keys of this batch hold if it is too old, and renew all."""
        if not self._ttl_ms:
            return
        matrix = self._index.rows.matrix()
        keys = np.unique(slots)
        self._clear(keys[matrix[keys, self._own + WRITTEN] <= self._expiry.cutoff_ms])
        matrix[keys, self._own + WRITTEN] = self._expiry.now_ms

    def _clear(self, slots: np.ndarray) -> None:
        """Forget the rows of keys that have one."""
        slots = slots[self._index.rows.matrix()[slots, self._own + PRESENT] > 0]
        if slots.size:
            self._values.free(slots)
            self._sort.free(self._index.rows, self._own + OWN_WORDS, slots)
            self._index.rows.matrix()[slots, self._own :] = 0

    # ------------------------------------------------------------------ state

    def snapshot(self) -> Snapshot:
        slots = self._index.rows.live()
        written = pl.Series("$written", self._index.rows.matrix()[slots, self._own + WRITTEN])
        return Snapshot({"rows": self._rows_of(slots).with_columns(written)})

    def restore(self, snapshot: Snapshot) -> None:
        rows = snapshot.tables["rows"]
        slots = self._index.restore(keys_of(rows, self._partition))
        matrix = self._index.rows.matrix()
        matrix[slots, self._own + PRESENT] = 1
        matrix[slots, self._own + WRITTEN] = rows["$written"].to_numpy()
        sort = self._sort.encode(rows)
        scatter_words(self._index.rows.view, self._own + OWN_WORDS, slots, sort)
        self._values.put(slots, rows)

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._index)


@kernel
def best(
    rows: Rows,
    at: int,
    slots: np.ndarray,
    sort: np.ndarray,
    marks: np.ndarray,
    heap: Heap,
    turn: int,
    newest_wins: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep the best sort key per slot.

    Returns the slots that have another row now, in first-touch order, whether each had one
    before, and the row of the batch it has.
    """
    n, width = sort.shape
    flat = sort.reshape(sort.size)
    words = rows.words
    touched = np.empty(n, dtype=np.int64)
    count = 0
    limit = 0 if newest_wins else -1
    for i in range(n):
        if i + AHEAD < n:
            prefetch(words, slots[i + AHEAD] * rows.width + at)
        p = slots[i] * rows.width + at
        key = p + OWN_WORDS
        if words[p + PRESENT] == 0 and words[p + TURN] != turn:
            taken = True
        else:
            taken = compare_words(flat, i * width, words, key, marks, heap) <= limit
            spoilt = key if taken else i * width
            for j in range(marks.size):
                if marks[j] != PLAIN:
                    source = words if taken else flat
                    free_block(heap, source[spoilt + j + 1], source[spoilt + j + 2])
        if not taken:
            continue
        if words[p + TURN] != turn:
            words[p + TURN] = turn
            touched[count] = slots[i]
            count += 1
        words[p + NEWEST] = i
        for j in range(width):
            words[key + j] = flat[i * width + j]
    was = np.empty(count, dtype=np.int64)
    newest = np.empty(count, dtype=np.int64)
    for k in range(count):
        p = touched[k] * rows.width + at
        was[k] = words[p + PRESENT]
        newest[k] = words[p + NEWEST]
        words[p + PRESENT] = 1
    return touched[:count].copy(), was, newest
