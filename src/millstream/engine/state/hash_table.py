"""Open addressing with linear probing over 128-bit keys, grown a few entries at a time.

in      key halves ``a`` and ``b`` per row (for a single integer key ``b`` is always 0: exact)
state   entries of three words: a, b, slot + 1 (0 = empty, -1 = moved away). While it grows there
        are two tables: new entries go to the new one, and each call moves a few old ones
out     slots; new ones in first-appearance order
cost    follows the rows of the call, never the number of keys held
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from millstream.engine.state.arena import Arena, Region
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows, SlotRows, take_slot

CAPACITY_MIN = 1 << 10
MOVED_PER_ROW = 4
MOVED_MIN = 4096
GONE = -1
ENTRY = 3


class Tables(NamedTuple):
    """What a kernel sees: both tables (the old one may be empty) and the seed of the mixer."""

    new: np.ndarray
    old: np.ndarray
    seed: np.uint64


class HashTable:
    """Finds or makes the slot of a 128-bit key."""

    def __init__(self, arena: Arena, rows: SlotRows, seed: int) -> None:
        self._arena = arena
        self._rows = rows
        self._seed = np.uint64(seed & (2**64 - 1))
        self._new = self._table(CAPACITY_MIN)
        self._old: Region | None = None
        self._cursor = 0
        self._tables: Tables | None = None

    def upsert(self, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the slot of each row, and the rows that made a new slot."""
        self._make_room(a.size)
        return upsert(self._view(), self._rows.ensure(a.size), a, b)

    def lookup(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the slot of each row, -1 where there is none."""
        return lookup(self._view(), a, b)

    def remove(self, a: np.ndarray, b: np.ndarray) -> None:
        """Forget keys; each must be present."""
        remove(self._view(), a, b)

    def _view(self) -> Tables:
        if self._tables is None:
            old = self._old.array if self._old is not None else np.zeros(0, dtype=np.int64)
            self._tables = Tables(self._new.array, old, self._seed)
        return self._tables

    def _table(self, capacity: int) -> Region:
        words = capacity * ENTRY
        region = self._arena.region(np.int64, lambda: words, words * 8)
        if region.array.size != capacity * ENTRY:
            raise MemoryError(f"no address space for a key index of {capacity} entries")
        return region

    def _make_room(self, rows: int) -> None:
        """Keep the table at most half full, and move a share of the old one."""
        wanted = 2 * (len(self._rows) + rows)
        capacity = self._new.array.size // ENTRY
        if wanted > capacity:
            # A batch larger than the table needs more than the next size: it pays for itself.
            self._move(2**62)
            while capacity < wanted:
                capacity *= 2
            self._old, self._cursor = self._new, 0
            self._new = self._table(capacity)
            self._tables = None
        self._move(MOVED_MIN + MOVED_PER_ROW * rows)

    def _move(self, positions: int) -> None:
        if self._old is None:
            return
        end = min(self._cursor + positions, self._old.array.size // ENTRY)
        move(self._view(), self._cursor, end)
        self._cursor = end
        if end == self._old.array.size // ENTRY:
            self._arena.drop(self._old)
            self._old = None
            self._tables = None


@kernel
def home_of(a: int, b: int, seed: np.uint64, mask: int) -> Any:
    """Return the first position to try; two rounds of multiply and shift mix all bits."""
    h = np.uint64(a) ^ seed
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    h ^= np.uint64(b)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64((h ^ (h >> np.uint64(32))) & np.uint64(mask))


@kernel
def find(table: np.ndarray, a: int, b: int, seed: np.uint64) -> int:
    """Return the word position of the key's entry, or -(position of the empty one) - 1."""
    mask = table.size // ENTRY - 1
    i = home_of(a, b, seed, mask)
    while True:
        p = i * ENTRY
        slot = table[p + 2]
        if slot == 0:
            return -p - 1
        if table[p] == a and table[p + 1] == b and slot > 0:
            return p
        i = (i + 1) & mask


@kernel
def upsert(
    tables: Tables, rows: Rows, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find or make the slot of every row."""
    n = a.size
    slots = np.empty(n, dtype=np.int64)
    made = np.empty(n, dtype=np.int64)
    count = 0
    growing = tables.old.size > 0
    for i in range(n):
        p = find(tables.new, a[i], b[i], tables.seed)
        if p >= 0:
            slots[i] = tables.new[p + 2] - 1
            continue
        if growing:
            q = find(tables.old, a[i], b[i], tables.seed)
            if q >= 0:
                slots[i] = tables.old[q + 2] - 1
                continue
        slot = take_slot(rows)
        p = -p - 1
        tables.new[p] = a[i]
        tables.new[p + 1] = b[i]
        tables.new[p + 2] = slot + 1
        slots[i] = slot
        made[count] = i
        count += 1
    return slots, made[:count].copy()


@kernel
def lookup(tables: Tables, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Find the slot of every row."""
    slots = np.empty(a.size, dtype=np.int64)
    for i in range(a.size):
        p = find(tables.new, a[i], b[i], tables.seed)
        slots[i] = tables.new[p + 2] - 1 if p >= 0 else -1
        if p < 0 and tables.old.size > 0:
            p = find(tables.old, a[i], b[i], tables.seed)
            if p >= 0:
                slots[i] = tables.old[p + 2] - 1
    return slots


@kernel
def remove(tables: Tables, a: np.ndarray, b: np.ndarray) -> None:
    """Delete entries: by backward shift in the new table, by a mark in the old one."""
    table = tables.new
    mask = table.size // ENTRY - 1
    for k in range(a.size):
        p = find(table, a[k], b[k], tables.seed)
        if p < 0:
            p = find(tables.old, a[k], b[k], tables.seed)
            tables.old[p + 2] = GONE
            continue
        hole = p // ENTRY
        i = hole
        while True:
            i = (i + 1) & mask
            q = i * ENTRY
            if table[q + 2] == 0:
                break
            home = home_of(table[q], table[q + 1], tables.seed, mask)
            if ((i - home) & mask) >= ((i - hole) & mask):
                table[hole * ENTRY] = table[q]
                table[hole * ENTRY + 1] = table[q + 1]
                table[hole * ENTRY + 2] = table[q + 2]
                hole = i
        table[hole * ENTRY + 2] = 0


@kernel
def move(tables: Tables, start: int, end: int) -> None:
    """Carry a range of old positions over."""
    for i in range(start, end):
        p = i * ENTRY
        slot = tables.old[p + 2]
        if slot > 0:
            a = tables.old[p]
            b = tables.old[p + 1]
            q = -find(tables.new, a, b, tables.seed) - 1
            tables.new[q] = a
            tables.new[q + 1] = b
            tables.new[q + 2] = slot
            tables.old[p + 2] = GONE
