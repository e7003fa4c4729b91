"""Which values each slot holds, for several readers at once: DISTINCT under several filters.

in      (owner slot, value, bits, weights) rows without NULLs; bit ``m`` says that the row counts
        for reader ``m``
state   one entry per (owner, value): the bits of the readers that have the value, and a count per
        reader where rows may go again; per owner a chain of its entries
out     per reader the rows at which it got a value or lost one
bad     a delete before its insert leaves a negative count, which the insert cancels
cost    one probe per row, however many readers there are
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from millstream.engine.state import bag_kernels as k
from millstream.engine.state.arena import Arena
from millstream.engine.state.bag import OWNER, VALUE, Changes
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.prefetch import AHEAD, LARGE_WORDS, prefetch
from millstream.engine.state.slots import Rows, SlotRows

# An entry begins as that of a bag does; its word COUNT holds the readers that have the value.
HAVE = k.COUNT
COUNTS = k.PREV + 1
# Of an owner's words only the head of its chain is needed.
OWNER_WORDS = k.HEAD + 1
READERS_MAX = 62
ENTRIES_AHEAD = 2 * AHEAD
"""Little is done for an entry: so many pass while memory answers once."""
ONE_EACH = np.zeros((0, 0), dtype=np.int64)
"""The weights of rows that all count +1."""


class Held(NamedTuple):
    """Values of slots: their position among the slots, and what the readers have of them."""

    where: np.ndarray
    values: pl.Series
    bits: np.ndarray
    weights: np.ndarray


class ValueSets:
    """The values of all slots of one owner; ``at`` is where its OWNER_WORDS lie there."""

    def __init__(
        self,
        dtype: pl.DataType,
        seed: int,
        *,
        arena: Arena,
        heap: ByteHeap,
        owners: SlotRows,
        at: int,
        readers: int,
        counted: bool,
    ) -> None:
        assert readers <= READERS_MAX, f"more than {READERS_MAX} readers of one set of values"
        self._index = KeyIndex(
            {OWNER: pl.Int64(), VALUE: dtype},
            seed,
            arena=arena,
            heap=heap,
            extra_words=COUNTS + (readers if counted else 0),
            exact_pair=True,
        )
        self._owners = owners
        self._at = at
        self._readers = readers
        self._counted = counted
        self._born = 0

    def __len__(self) -> int:
        return len(self._index)

    def add(
        self, slots: np.ndarray, values: pl.Series, bits: np.ndarray, weights: np.ndarray
    ) -> list[Changes]:
        """Fold rows in order; ``weights`` has no column, one, or one per reader."""
        entries, made = self._index.upsert_columns([pl.Series(slots), values], slots.size)
        rows, x = self._index.rows.view, self._index.extra
        owners = self._owners.view
        if made.size:
            new = entries[made]
            self._index.rows.matrix()[new, x + k.BORN] = np.arange(new.size) + self._born
            self._born += new.size
            k.chain(rows, x, owners, self._at, slots[made], new)
        if not self._counted:
            assert not weights.size, "rows go again, but nothing counts them"
            changed, sizes = mark(rows, x, entries, bits, self._readers)
            return [Changes(changed[m, :size].copy(), NO_WORDS) for m, size in enumerate(sizes)]
        changed, signs, sizes, gone = tally(rows, x, entries, bits, weights, self._readers)
        if gone.size:
            k.unchain(rows, x, owners, self._at, gone)
            self._index.free(gone)
        return [
            Changes(changed[m, :size].copy(), signs[m, :size].copy())
            for m, size in enumerate(sizes)
        ]

    def held(self, slots: np.ndarray) -> Held:
        """Return the values of slots by position in ``slots``, then oldest value first."""
        where, found = k.walk(
            self._index.rows.view, self._index.extra, self._owners.view, self._at, slots
        )
        matrix, x = self._index.rows.matrix(), self._index.extra
        order = np.lexsort((matrix[found, x + k.BORN], where))
        found = found[order]
        weights = ONE_EACH
        bits = matrix[found, x + HAVE]
        if self._counted:
            weights = matrix[found, x + COUNTS :]
            # A reader that waits for an insert (a negative count) has a count, but no value.
            bits = (weights != 0) @ (1 << np.arange(self._readers))
        return Held(where[order], self._index.keys(found)[VALUE], bits, weights)

    def release(self, slots: np.ndarray) -> None:
        """Forget the values of some slots."""
        _, found = k.walk(
            self._index.rows.view, self._index.extra, self._owners.view, self._at, slots
        )
        self._index.free(found)
        self._owners.matrix()[slots, self._at : self._at + OWNER_WORDS] = 0


@kernel
def mark(
    rows: Rows, x: int, entries: np.ndarray, bits: np.ndarray, readers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give values to readers; returns per reader the rows that were news, and how many."""
    changed = np.empty((readers, entries.size), dtype=np.int64)
    sizes = np.zeros(readers, dtype=np.int64)
    for i in range(entries.size):
        if rows.words.size > LARGE_WORDS and i + ENTRIES_AHEAD < entries.size:
            prefetch(rows.words, entries[i + ENTRIES_AHEAD] * rows.width + x + HAVE)
        p = entries[i] * rows.width + x + HAVE
        news = bits[i] & ~rows.words[p]
        if news == 0:
            continue
        rows.words[p] |= news
        for m in range(readers):
            if (news >> m) & 1:
                changed[m, sizes[m]] = i
                sizes[m] += 1
    return changed, sizes


@kernel
def tally(
    rows: Rows, x: int, entries: np.ndarray, bits: np.ndarray, weights: np.ndarray, readers: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Change counts; returns per reader the rows and signs of its changes, and empty entries."""
    n = entries.size
    changed = np.empty((readers, n), dtype=np.int64)
    signs = np.empty((readers, n), dtype=np.int64)
    sizes = np.zeros(readers, dtype=np.int64)
    words = rows.words
    columns = weights.shape[1]
    for i in range(n):
        if words.size > LARGE_WORDS and i + ENTRIES_AHEAD < n:
            prefetch(words, entries[i + ENTRIES_AHEAD] * rows.width + x + HAVE)
        p = entries[i] * rows.width + x
        for m in range(readers):
            if (bits[i] >> m) & 1 == 0:
                continue
            before = words[p + COUNTS + m]
            after = before + (1 if columns == 0 else weights[i, m if columns > 1 else 0])
            words[p + COUNTS + m] = after
            if (before > 0) != (after > 0):
                words[p + HAVE] ^= 1 << m
                changed[m, sizes[m]] = i
                signs[m, sizes[m]] = 1 if after > 0 else -1
                sizes[m] += 1
    gone = np.empty(n if columns else 0, dtype=np.int64)
    empty = 0
    for i in range(gone.size):
        p = entries[i] * rows.width + x
        counted = words[p + HAVE]
        for m in range(readers):
            counted |= words[p + COUNTS + m]
        if counted == 0:
            words[p + HAVE] = -1  # so that it is named once
            gone[empty] = entries[i]
            empty += 1
    return changed, signs, sizes, gone[:empty].copy()
