"""INTERSECT and EXCEPT, with and without ALL: how often each distinct row stands.

in      port 0 left, port 1 right; rows may be taken back (``$op``). NULL = NULL, NaN = NaN
state   one slot per distinct row with how often it stands on the left and on the right
out     per batch and touched row what its number changed by, in first-touch order; with ALL a
        row is given as often as it is to stand more, or less
late    never; a row taken back before it came leaves a negative count that its coming cancels
ttl     a row not written for so long is forgotten; nothing is given out for that
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import Rows
from millstream.plan.ranks import SetKind, SetOperation

# The operator's own words behind the columns of a slot.
LEFT, RIGHT, WRITTEN, TURN = 0, 1, 2, 3
OWN_WORDS = 4
COUNTS = ("$left", "$right", "$written")
INSERT, DELETE = int(Op.INSERT), int(Op.DELETE)


class RowCounts(Operator):
    """One running INTERSECT or EXCEPT."""

    def __init__(self, node: SetOperation, lowering: Lowering) -> None:
        schema = dict(polars_schema(node.schema))
        self._names = tuple(side.schema.names for side in node.inputs)
        self._rule = (node.kind is SetKind.INTERSECT, node.every)
        self._updates = any(lowering.changes_in) or node.kind is SetKind.EXCEPT
        self._arena = Arena()
        self._index = KeyIndex(
            schema,
            lowering.seed,
            arena=self._arena,
            heap=ByteHeap(self._arena),
            extra_words=OWN_WORDS,
        )
        self._own = self._index.extra
        self._expiry = Expiry(self._index.rows, self._own + WRITTEN, lowering.ttl_ms)
        self._turn = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        if not len(batch):
            return NOTHING
        self._expiry.at_time(batch.read_at_ms)
        columns = [batch.frame[name] for name in self._names[port]]
        slots, _ = self._index.upsert_columns(columns, len(batch))
        weights = batch.weights()
        self._turn += 1
        touched, before = count(
            self._index.rows.view,
            self._own,
            port,
            slots,
            NO_WORDS if weights is None else weights.astype(np.int64),
            (self._turn, batch.read_at_ms, self._expiry.cutoff_ms),
            self._rule,
        )
        given, ops, empty = changes(self._index.rows.view, self._own, touched, before, self._rule)
        made = self._index.columns(given) if given.size else []
        if self._updates:
            made.append(pl.Series(OP, ops))
        self._index.free(empty)
        self._index.free(self._expiry.due(len(batch)))
        return Outputs(out=(pl.DataFrame(made),)) if given.size else NOTHING

    def snapshot(self) -> Snapshot:
        slots = self._index.rows.live()
        matrix = self._index.rows.matrix()
        counts = [
            pl.Series(name, matrix[slots, self._own + word]) for word, name in enumerate(COUNTS)
        ]
        return Snapshot({"rows": self._index.keys(slots).with_columns(counts)})

    def restore(self, snapshot: Snapshot) -> None:
        rows = snapshot.tables["rows"]
        slots = self._index.restore(rows.drop(COUNTS))
        matrix = self._index.rows.matrix()
        for word, name in enumerate(COUNTS):
            matrix[slots, self._own + word] = rows[name].to_numpy()

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._index)


@lowers(SetOperation)
def _(node: SetOperation, lowering: Lowering) -> Operator:
    return RowCounts(node, lowering)


@kernel
def stands(left: int, right: int, rule: tuple[bool, bool]) -> int:
    """Return how often a row is in the result."""
    intersect, every = rule
    left, right = max(left, 0), max(right, 0)
    if every:
        return min(left, right) if intersect else max(left - right, 0)
    if intersect:
        return 1 if left > 0 and right > 0 else 0
    return 1 if left > 0 and right == 0 else 0


@kernel
def count(
    rows: Rows,
    at: int,
    side: int,
    slots: np.ndarray,
    weights: np.ndarray,
    times: tuple[int, int, int],
    rule: tuple[bool, bool],
) -> tuple[np.ndarray, np.ndarray]:
    """Count rows of a side; returns each slot once, in first-touch order, and how it stood."""
    turn, now, cutoff = times
    touched = np.empty(slots.size, dtype=np.int64)
    before = np.empty(slots.size, dtype=np.int64)
    words = rows.words
    n = 0
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        if words[p + TURN] != turn:
            words[p + TURN] = turn
            if words[p + WRITTEN] <= cutoff:
                words[p + LEFT] = 0
                words[p + RIGHT] = 0
            words[p + WRITTEN] = now
            touched[n] = slots[i]
            before[n] = stands(words[p + LEFT], words[p + RIGHT], rule)
            n += 1
        words[p + side] += weights[i] if weights.size else 1
    return touched[:n].copy(), before[:n].copy()


@kernel
def changes(
    rows: Rows, at: int, touched: np.ndarray, before: np.ndarray, rule: tuple[bool, bool]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the slots to give, repeated, with their change kinds; and those without counts."""
    total = 0
    after = np.empty(touched.size, dtype=np.int64)
    for i in range(touched.size):
        p = touched[i] * rows.width + at
        after[i] = stands(rows.words[p + LEFT], rows.words[p + RIGHT], rule)
        total += abs(after[i] - before[i])
    given = np.empty(total, dtype=np.int64)
    ops = np.empty(total, dtype=np.int8)
    empty = np.empty(touched.size, dtype=np.int64)
    n, gone = 0, 0
    for i in range(touched.size):
        for _ in range(abs(after[i] - before[i])):
            given[n] = touched[i]
            ops[n] = INSERT if after[i] > before[i] else DELETE
            n += 1
        p = touched[i] * rows.width + at
        if rows.words[p + LEFT] == 0 and rows.words[p + RIGHT] == 0:
            empty[gone] = touched[i]
            gone += 1
    return given, ops, empty[:gone].copy()
