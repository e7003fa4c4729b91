"""The kernels of :mod:`.arrangement`: chains of rows per key, counts, gathers.

A key's row has two words per side (``at``): the link of its newest row and how many rows it has.
Links are slot + 1, 0 = none. Every kernel runs once per batch, over all of its rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.state.jit import kernel
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import LINE_WORDS, Rows

HEAD, SIZE = 0, 1
SIDE_WORDS = 2
NEXT = 1
ALL_NULL = (1 << 62) - 1
EMPTIED = -1


class Layout(NamedTuple):
    """Where the words of a row lie beside NEXT; 0 = rows of this side have no such word.

    prev      the newer row of the key
    key       the key's slot
    times     how often the row stands
    partners  how many rows of the other side it meets
    written   when it was last written, ms
    nulls     null bits of the columns that word 0 has no room for
    values    the first word of the columns
    """

    prev: int
    key: int
    times: int
    partners: int
    written: int
    nulls: int
    values: int


@kernel
def link(
    rows: Rows, lay: Layout, keys: Rows, at: int, slots: np.ndarray, owners: np.ndarray
) -> None:
    """Put new rows before their keys' chains."""
    words = rows.words
    for i in range(slots.size):
        if i + 2 * AHEAD < slots.size:
            prefetch(words, slots[i + 2 * AHEAD] * rows.width)
            prefetch(keys.words, owners[i + 2 * AHEAD] * keys.width + at)
        if lay.key > 0 and i + AHEAD < slots.size:
            head = keys.words[owners[i + AHEAD] * keys.width + at + HEAD]
            prefetch(words, (head - 1) * rows.width)
        p = slots[i] * rows.width
        q = owners[i] * keys.width + at
        head = keys.words[q + HEAD]
        words[p + NEXT] = head
        keys.words[q + HEAD] = slots[i] + 1
        keys.words[q + SIZE] += 1
        if lay.key > 0:
            words[p + lay.key] = owners[i]
            if head > 0:
                words[(head - 1) * rows.width + lay.prev] = slots[i] + 1


@kernel
def unlink(rows: Rows, lay: Layout, keys: Rows, at: int, slots: np.ndarray) -> np.ndarray:
    """Take rows out of their keys' chains; returns the keys, one per row."""
    words = rows.words
    owners = np.empty(slots.size, dtype=np.int64)
    for i in range(slots.size):
        if i + 2 * AHEAD < slots.size:
            prefetch(words, slots[i + 2 * AHEAD] * rows.width)
        if i + AHEAD < slots.size:
            p = slots[i + AHEAD] * rows.width
            prefetch(keys.words, words[p + lay.key] * keys.width + at)
            prefetch(words, (words[p + lay.prev] - 1) * rows.width)
            prefetch(words, (words[p + NEXT] - 1) * rows.width)
        p = slots[i] * rows.width
        owners[i] = words[p + lay.key]
        q = owners[i] * keys.width + at
        newer, older = words[p + lay.prev], words[p + NEXT]
        if newer > 0:
            words[(newer - 1) * rows.width + NEXT] = older
        else:
            keys.words[q + HEAD] = older
        if older > 0:
            words[(older - 1) * rows.width + lay.prev] = newer
        keys.words[q + SIZE] -= 1
    return owners


@kernel
def count_partners(
    rows: Rows, lay: Layout, keys: Rows, at: int, owners: np.ndarray, cutoff: int
) -> np.ndarray:
    """Return how many distinct rows each key has that were written after ``cutoff``."""
    out = np.zeros(owners.size, dtype=np.int64)
    for i in range(owners.size):
        if i + AHEAD < owners.size:
            prefetch(keys.words, owners[i + AHEAD] * keys.width + at)
        if owners[i] < 0:
            continue
        q = owners[i] * keys.width + at
        if lay.written == 0:
            out[i] = keys.words[q + SIZE]
            continue
        row = keys.words[q + HEAD]
        while row > 0:
            p = (row - 1) * rows.width
            if rows.words[p + lay.written] > cutoff:
                out[i] += 1
            row = rows.words[p + NEXT]
    return out


@kernel
def pairs(
    rows: Rows,
    lay: Layout,
    keys: Rows,
    at: int,
    owners: np.ndarray,
    counts: np.ndarray,
    cutoff: int,
    start: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (place in the batch, row), by place, then the oldest row of the key first.

    ``owners`` and ``counts`` are those of the places from ``start`` on.
    """
    total = counts.sum()
    places = np.empty(total, dtype=np.int64)
    found = np.empty(total, dtype=np.int64)
    end = 0
    for i in range(owners.size):
        end += counts[i]
        if i + AHEAD < owners.size and counts[i + AHEAD] > 0:
            head = keys.words[owners[i + AHEAD] * keys.width + at + HEAD]
            prefetch(rows.words, (head - 1) * rows.width)
        if counts[i] == 0:
            continue
        row = keys.words[owners[i] * keys.width + at + HEAD]
        n = end
        while row > 0:
            p = (row - 1) * rows.width
            if lay.written == 0 or rows.words[p + lay.written] > cutoff:
                n -= 1
                places[n] = start + i
                found[n] = row - 1
            row = rows.words[p + NEXT]
    return places, found


@kernel
def count_rows(
    rows: Rows, lay: Layout, slots: np.ndarray, weights: np.ndarray, now: int, cutoff: int
) -> tuple[int, np.ndarray]:
    """Count rows that come and go.

    Returns how many deletions found no row, and a place of each row that is left empty.
    """
    words = rows.words
    unmatched = 0
    for i in range(slots.size):
        if i + AHEAD < slots.size:
            prefetch(words, slots[i + AHEAD] * rows.width)
        p = slots[i] * rows.width
        if lay.written > 0 and words[p + lay.written] <= cutoff:
            words[p + lay.times] = 0
        if weights[i] > 0:
            words[p + lay.times] += 1
        elif words[p + lay.times] > 0:
            words[p + lay.times] -= 1
        else:
            unmatched += 1
            continue
        if lay.written > 0:
            words[p + lay.written] = now
    emptied = np.empty(slots.size, dtype=np.int64)
    n = 0
    for i in range(slots.size):
        p = slots[i] * rows.width
        if words[p + lay.times] == 0:
            words[p + lay.times] = EMPTIED
            emptied[n] = i
            n += 1
    return unmatched, emptied[:n].copy()


@kernel
def put_words(rows: Rows, slots: np.ndarray, at: int, values: np.ndarray) -> None:
    """Write one word of many rows."""
    for i in range(slots.size):
        rows.words[slots[i] * rows.width + at] = values[i]


@kernel
def put_nulls(rows: Rows, slots: np.ndarray, at: int, bit: int, valid: np.ndarray) -> None:
    """Set a null bit where the value is NULL."""
    for i in range(slots.size):
        if not valid[i]:
            rows.words[slots[i] * rows.width + at] |= bit


@kernel
def gather_rows(
    rows: Rows, lay: Layout, slots: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return null words and wanted words, one contiguous row each; slot -1 is all NULL."""
    more = lay.values - lay.nulls
    nulls = np.empty((1 + more, slots.size), dtype=np.int64)
    values = np.empty((wanted.size, slots.size), dtype=np.int64)
    for i in range(slots.size):
        if i + AHEAD < slots.size:
            p = slots[i + AHEAD] * rows.width
            for line in range(p, p + rows.width, LINE_WORDS):
                prefetch(rows.words, line)
        if slots[i] < 0:
            nulls[:, i] = ALL_NULL
            values[:, i] = 0
            continue
        p = slots[i] * rows.width
        nulls[0, i] = rows.words[p]
        for j in range(more):
            nulls[1 + j, i] = rows.words[p + lay.nulls + j]
        for j in range(wanted.size):
            values[j, i] = rows.words[p + wanted[j]]
    return nulls, values


@kernel
def without_rows(keys: Rows, at: int, owners: np.ndarray) -> np.ndarray:
    """Return each key once that has no row on either side; the sides' words begin at ``at``."""
    out = np.empty(owners.size, dtype=np.int64)
    n = 0
    for owner in owners:
        q = owner * keys.width + at
        if keys.words[q + SIZE] == 0 and keys.words[q + SIDE_WORDS + SIZE] == 0:
            keys.words[q + SIZE] = EMPTIED
            out[n] = owner
            n += 1
    return out[:n].copy()
