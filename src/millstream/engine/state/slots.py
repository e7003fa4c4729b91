"""Slots: rows of 64-bit words, handed out and taken back.

state   one word matrix, row-major, so that one key's partial results share a cache line.
        Word 0 of a row belongs to this module and to the key index: 0 = never used, > 0 = live
        (LIVE plus the null bits of the keys), < 0 = free, ``-(next free slot + 2)``
out     slots; a new slot's other words are all zero, freed slots are reused first
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.state.arena import Arena
from millstream.engine.state.jit import kernel
from millstream.engine.state.prefetch import AHEAD, prefetch

LIVE = 1
# meta words: slots ever used, first free slot + 1, live slots
USED, FREE, COUNT = 0, 1, 2
LINE_WORDS = 8
"""Words of a cache line."""


class Rows(NamedTuple):
    """What a kernel sees of slot rows: word ``j`` of a slot is ``words[slot * width + j]``."""

    words: np.ndarray
    floats: np.ndarray
    width: int
    meta: np.ndarray


class SlotRows:
    """A growable matrix of words with a free list."""

    def __init__(self, arena: Arena, width: int) -> None:
        self.width = width
        self.meta = np.zeros(3, dtype=np.int64)
        self._region = arena.region(np.int64, lambda: int(self.meta[USED]) * width)
        self._view: Rows | None = None

    @property
    def view(self) -> Rows:
        """The words as kernels take them; fetch anew after ``ensure``."""
        words = self._region.array
        if self._view is None or self._view.words is not words:
            self._view = Rows(words, words.view(np.float64), self.width, self.meta)
        return self._view

    def ensure(self, more: int) -> Rows:
        """Make room for ``more`` new slots."""
        self._region.ensure((int(self.meta[USED]) + more) * self.width)
        return self.view

    def matrix(self) -> np.ndarray:
        """Return the used rows as (slot, word)."""
        used = int(self.meta[USED])
        return self._region.array[: used * self.width].reshape(used, self.width)

    def take(self, count: int) -> np.ndarray:
        """Return ``count`` new slots, zeroed but for their first word."""
        return take_slots(self.ensure(count), count)

    def free(self, slots: np.ndarray) -> None:
        """Take slots back; each must be live."""
        free_slots(self.view, slots)

    def live(self) -> np.ndarray:
        """Return the live slots in slot order."""
        return np.flatnonzero(self.matrix()[:, 0] > 0)

    def __len__(self) -> int:
        return int(self.meta[COUNT])


@kernel
def take_slot(rows: Rows) -> int:
    """Return one new slot; the caller has ensured room."""
    meta = rows.meta
    if meta[FREE] > 0:
        slot = meta[FREE] - 1
        meta[FREE] = -rows.words[slot * rows.width] - 1
        if meta[FREE] > 0:  # it names the one behind it: asked for as soon as it is known
            prefetch(rows.words, (meta[FREE] - 1) * rows.width)
    else:
        slot = meta[USED]
        meta[USED] += 1
    meta[COUNT] += 1
    rows.words[slot * rows.width] = LIVE
    return slot


@kernel
def free_slot(rows: Rows, slot: int) -> None:
    """Take one slot back and zero it."""
    base = slot * rows.width
    for j in range(1, rows.width):
        rows.words[base + j] = 0
    rows.words[base] = -(rows.meta[FREE] + 1)
    rows.meta[FREE] = slot + 1
    rows.meta[COUNT] -= 1


@kernel
def take_slots(rows: Rows, count: int) -> np.ndarray:
    """Return ``count`` new slots."""
    out = np.empty(count, dtype=np.int64)
    for i in range(count):
        out[i] = take_slot(rows)
    return out


@kernel
def free_slots(rows: Rows, slots: np.ndarray) -> None:
    """Take many slots back, the last first so that they are reused in the order given."""
    for i in range(slots.size - 1, -1, -1):
        if i >= AHEAD:
            prefetch(rows.words, slots[i - AHEAD] * rows.width)
        free_slot(rows, slots[i])


@kernel
def gather_words(rows: Rows, at: int, count: int, slots: np.ndarray) -> np.ndarray:
    """Return some words of slots, one contiguous row per word."""
    out = np.empty((count, slots.size), dtype=np.int64)
    for i in range(slots.size):
        if i + AHEAD < slots.size:
            p = slots[i + AHEAD] * rows.width + at
            for line in range(p, p + count, LINE_WORDS):
                prefetch(rows.words, line)
        p = slots[i] * rows.width + at
        for j in range(count):
            out[j, i] = rows.words[p + j]
    return out
