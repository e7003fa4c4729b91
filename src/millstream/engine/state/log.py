"""Values in arrival order, one list per slot of an owner: LISTAGG, FIRST and LAST under deletes.

in      (owner slot, value, arrival number, weight) rows
state   one instance per row, in a list per owner sorted by arrival; instances of equal values
        are linked, so that a delete finds the oldest one without a search
out     the list of an owner, its first or its last value
bad     a delete of a value that is not there changes nothing and is counted in ``rows_unmatched``
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, Store
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import Rows, SlotRows, free_slot, take_slot

OWNER, VALUE = "owner", "value"
# Words of an instance; links are instance + 1, 0 = none.
ENTRY, ARRIVED, NEXT, PREV, SAME = range(1, 6)
INSTANCE_WORDS = 6
# Words of an owner, and of a (owner, value) entry behind its keys.
FIRST, LAST = 0, 1
OWNER_WORDS = 2
OLDEST = 0
ENTRY_WORDS = 1


class Log:
    """The lists of all slots of one owner; ``at`` is where its OWNER_WORDS lie there.

    Without ``exact_pair`` values may be NULL.
    """

    def __init__(
        self,
        dtype: pl.DataType,
        seed: int,
        *,
        arena: Arena,
        heap: ByteHeap,
        owners: SlotRows,
        at: int,
        exact_pair: bool = True,
    ) -> None:
        self._store = Store(dtype, heap)
        self._index = KeyIndex(
            {OWNER: pl.Int64(), VALUE: dtype},
            seed,
            arena=arena,
            heap=heap,
            extra_words=ENTRY_WORDS,
            exact_pair=exact_pair,
        )
        self._rows = SlotRows(arena, INSTANCE_WORDS)
        self._owners = owners
        self._at = at
        self.rows_unmatched = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        slots: np.ndarray,
        values: pl.Series,
        arrived: np.ndarray,
        weights: np.ndarray,
        *,
        exact: bool = False,
    ) -> None:
        """Fold rows in order; ``exact`` deletes the instance that arrived at that number."""
        frame = pl.DataFrame([pl.Series(OWNER, slots), values.alias(VALUE)])
        entries, _ = self._index.upsert(frame)
        unmatched, gone = fold(
            self._rows.ensure(slots.size),
            self._index.rows.view,
            self._index.extra,
            self._owners.view,
            self._at,
            (slots, entries, arrived, weights),
            exact,
        )
        self.rows_unmatched += unmatched
        if gone.size:
            self._index.free(np.unique(gone))

    def ends(self, slots: np.ndarray, end: int) -> pl.Series:
        """Return each slot's FIRST or LAST value, NULL where its list is empty."""
        found = self._owners.matrix()[slots, self._at + end]
        valid = found > 0
        if not valid.any():
            return pl.Series([None] * slots.size, dtype=self._store.dtype)
        entries = self._rows.matrix()[np.where(valid, found - 1, found.max() - 1), ENTRY]
        matrix = self._index.rows.matrix()
        second = matrix[entries, 3] if self._store.kind.words == 2 else NO_WORDS
        return self._store.get(matrix[entries, 2], second, None if valid.all() else valid)

    def lists(self, slots: np.ndarray) -> tuple[np.ndarray, pl.Series, np.ndarray]:
        """Return (position in ``slots``, value, arrival number), each list in arrival order."""
        where, found = walk(self._rows.view, self._owners.view, self._at, slots)
        matrix = self._rows.matrix()
        values = self._index.keys(matrix[found, ENTRY])[VALUE]
        return where, values, matrix[found, ARRIVED]

    def release(self, slots: np.ndarray) -> None:
        """Forget the lists of some slots."""
        _, found = walk(self._rows.view, self._owners.view, self._at, slots)
        entries = np.unique(self._rows.matrix()[found, ENTRY])
        self._rows.free(found)
        self._index.free(entries)
        self._owners.matrix()[slots, self._at : self._at + OWNER_WORDS] = 0

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        """Return the lists as rows of (place in ``slots``, value, arrival number)."""
        where, values, arrived = self.lists(slots)
        return pl.DataFrame(
            [pl.Series("place", where), values.alias(VALUE), pl.Series("arrived", arrived)]
        )

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        """Take saved lists back."""
        arrived = saved["arrived"].to_numpy().copy()
        self.add(slots[saved["place"].to_numpy()], saved[VALUE], arrived, NO_WORDS)


@kernel
def put(rows: Rows, entries: Rows, x: int, owners: Rows, q: int, entry: int, arrived: int) -> None:
    """Add one instance, keeping the owner's and the value's lists sorted by arrival."""
    words = rows.words
    link = take_slot(rows) + 1
    p = (link - 1) * rows.width
    words[p + ENTRY] = entry
    words[p + ARRIVED] = arrived
    before = owners.words[q + LAST]
    while before > 0 and words[(before - 1) * rows.width + ARRIVED] > arrived:
        before = words[(before - 1) * rows.width + PREV]
    after = owners.words[q + FIRST]
    if before > 0:
        after = words[(before - 1) * rows.width + NEXT]
        words[(before - 1) * rows.width + NEXT] = link
    else:
        owners.words[q + FIRST] = link
    words[p + PREV] = before
    words[p + NEXT] = after
    if after > 0:
        words[(after - 1) * rows.width + PREV] = link
    else:
        owners.words[q + LAST] = link
    # The instances of one value form a ring entered at its newest, so that adding is O(1).
    e = entry * entries.width + x + OLDEST
    newest = entries.words[e]
    if newest == 0:
        words[p + SAME] = link
        entries.words[e] = link
        return
    spot = newest
    if words[(newest - 1) * rows.width + ARRIVED] > arrived:
        while True:
            following = words[(spot - 1) * rows.width + SAME]
            if words[(following - 1) * rows.width + ARRIVED] > arrived:
                break
            spot = following
    else:
        entries.words[e] = link
    words[p + SAME] = words[(spot - 1) * rows.width + SAME]
    words[(spot - 1) * rows.width + SAME] = link


@kernel
def drop(rows: Rows, entries: Rows, x: int, owners: Rows, q: int, entry: int, arrived: int) -> bool:
    """Remove the value's oldest instance, or the one of ``arrived`` where that is not negative."""
    words = rows.words
    e = entry * entries.width + x + OLDEST
    newest = entries.words[e]
    if newest == 0:
        return False
    before = newest
    link = words[(before - 1) * rows.width + SAME]
    while arrived >= 0 and words[(link - 1) * rows.width + ARRIVED] != arrived:
        if link == newest:
            return False
        before = link
        link = words[(link - 1) * rows.width + SAME]
    p = (link - 1) * rows.width
    if link == before:
        entries.words[e] = 0
    else:
        words[(before - 1) * rows.width + SAME] = words[p + SAME]
        if link == newest:
            entries.words[e] = before
    left, right = words[p + PREV], words[p + NEXT]
    if left > 0:
        words[(left - 1) * rows.width + NEXT] = right
    else:
        owners.words[q + FIRST] = right
    if right > 0:
        words[(right - 1) * rows.width + PREV] = left
    else:
        owners.words[q + LAST] = left
    free_slot(rows, link - 1)
    return True


@kernel
def fold(
    rows: Rows,
    entries: Rows,
    x: int,
    owners: Rows,
    at: int,
    batch: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    exact: bool,
) -> tuple[int, np.ndarray]:
    """Add and drop instances in order; returns the unmatched and the values left empty."""
    slots, found, arrived, weights = batch
    unmatched = 0
    for i in range(slots.size):
        q = slots[i] * owners.width + at
        if weights.size == 0 or weights[i] > 0:
            put(rows, entries, x, owners, q, found[i], arrived[i])
        else:
            wanted = arrived[i] if exact else -1
            if not drop(rows, entries, x, owners, q, found[i], wanted):
                unmatched += 1
    gone = np.empty(found.size if weights.size else 0, dtype=np.int64)
    count = 0
    for i in range(gone.size):
        if entries.words[found[i] * entries.width + x + OLDEST] == 0:
            gone[count] = found[i]
            count += 1
    return unmatched, gone[:count].copy()


@kernel
def walk(rows: Rows, owners: Rows, at: int, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the instances of owners in arrival order, and for each the owner's position."""
    total = 0
    for slot in slots:
        link = owners.words[slot * owners.width + at + FIRST]
        while link > 0:
            total += 1
            link = rows.words[(link - 1) * rows.width + NEXT]
    where = np.empty(total, dtype=np.int64)
    found = np.empty(total, dtype=np.int64)
    n = 0
    for i in range(slots.size):
        link = owners.words[slots[i] * owners.width + at + FIRST]
        while link > 0:
            where[n] = i
            found[n] = link - 1
            n += 1
            link = rows.words[(link - 1) * rows.width + NEXT]
    return where, found
