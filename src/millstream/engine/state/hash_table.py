"""Open addressing with linear probing over 128-bit keys, grown a few entries at a time.

in      key halves ``a`` and ``b`` per row; where keys are single integers (``exact``) there is no b
state   entries of two or three words: a, b where there is one, slot + 1 (0 = empty, -1 = moved
        away). While it grows there are two tables: new entries go to the new one, and each call
        moves a few old ones, whole clusters at a time
out     slots; new ones in first-appearance order
cost    follows the rows of the call, never the number of keys held; at most two thirds are full,
        so that an integer key takes 24 to 48 bytes
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from millstream.engine.state.arena import Arena, Region
from millstream.engine.state.jit import kernel
from millstream.engine.state.prefetch import AHEAD, LARGE_WORDS, prefetch
from millstream.engine.state.slots import LINE_WORDS, Rows, SlotRows, take_slot

CAPACITY_MIN = 1 << 10
MOVED_PER_ROW = 4
MOVED_MIN = 4096
GONE = -1
EXACT, PAIRS = 2, 3
"""Words of an entry."""
PROBES_AHEAD = 2 * AHEAD
"""A probe is short: so many pass while memory answers once."""
NO_TABLE = np.zeros(0, dtype=np.int64)


class Tables(NamedTuple):
    """What a kernel sees: both tables (the old one may be empty) and the seed of the mixer."""

    new: np.ndarray
    old: np.ndarray
    new_mask: int
    old_mask: int
    entry: int
    moved: np.ndarray
    """One word: keys at home below this position are in the old table no more."""
    seed: np.uint64


class HashTable:
    """Finds or makes the slot of a 128-bit key."""

    def __init__(self, arena: Arena, rows: SlotRows, seed: int, *, exact: bool = False) -> None:
        self._arena = arena
        self._rows = rows
        self._seed = np.uint64(seed & (2**64 - 1))
        self._entry = EXACT if exact else PAIRS
        self._new = self._table(CAPACITY_MIN)
        self._old: Region | None = None
        self._moved = np.zeros(1, dtype=np.int64)
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
            old = self._old.array if self._old is not None else NO_TABLE
            new = self._new.array
            masks = (new.size // self._entry - 1, old.size // self._entry - 1)
            self._tables = Tables(new, old, *masks, self._entry, self._moved, self._seed)
        return self._tables

    def _table(self, capacity: int) -> Region:
        words = capacity * self._entry
        region = self._arena.region(np.int64, lambda: words, words * 8)
        if region.array.size != words:
            raise MemoryError(f"no address space for a key index of {capacity} entries")
        return region

    def _make_room(self, rows: int) -> None:
        """Keep the table at most two thirds full, and move a share of the old one."""
        wanted = 3 * (len(self._rows) + rows) // 2
        capacity = self._new.array.size // self._entry
        if wanted > capacity:
            # A batch larger than the table needs more than the next size: it pays for itself.
            self._move(2**62)
            while capacity < wanted:
                capacity *= 2
            self._old = self._new
            self._moved[0] = 0
            self._new = self._table(capacity)
            self._tables = None
        self._move(MOVED_MIN + MOVED_PER_ROW * rows)

    def _move(self, positions: int) -> None:
        if self._old is None:
            return
        move(self._view(), positions)
        if self._moved[0] == self._old.array.size // self._entry:
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
def homes_of(a: np.ndarray, b: np.ndarray, entry: int, seed: np.uint64, mask: int) -> np.ndarray:
    """Return the home of every key; in a table of another size it is the same with its mask."""
    homes = np.empty(a.size, dtype=np.int64)
    for i in range(a.size):
        homes[i] = home_of(a[i], b[i] if entry == PAIRS else 0, seed, mask)
    return homes


@kernel
def find(table: np.ndarray, mask: int, entry: int, a: int, b: int, home: int) -> int:
    """Return the word position of the key's entry, or -(position of the empty one) - 1."""
    i = home
    while True:
        p = i * entry
        slot = table[p + entry - 1]
        if slot == 0:
            return -p - 1
        if table[p] == a and slot > 0 and (entry == EXACT or table[p + 1] == b):
            return p
        i = (i + 1) & mask


@kernel
def put(table: np.ndarray, entry: int, p: int, a: int, b: int, slot: int) -> None:
    """Write an entry; ``slot`` is one more than the slot."""
    table[p] = a
    if entry == PAIRS:
        table[p + 1] = b
    table[p + entry - 1] = slot


# The kernels below name the parts of ``Tables`` once: handing the whole on counts references.


@kernel
def upsert(
    tables: Tables, rows: Rows, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find or make the slot of every row."""
    new, old, entry, seed = tables.new, tables.old, tables.entry, tables.seed
    mask, old_mask = tables.new_mask, tables.old_mask
    moved = tables.moved[0] if old.size > 0 else 0
    n = a.size
    homes = homes_of(a, b, entry, seed, mask)
    slots = np.empty(n, dtype=np.int64)
    made = np.empty(n, dtype=np.int64)
    count = 0
    for i in range(n):
        if new.size > LARGE_WORDS and i + PROBES_AHEAD < n:
            prefetch(new, homes[i + PROBES_AHEAD] * entry)
            prefetch(new, homes[i + PROBES_AHEAD] * entry + LINE_WORDS)
        second = b[i] if entry == PAIRS else 0
        if old.size > 0:
            if old.size > LARGE_WORDS and i + PROBES_AHEAD < n:
                prefetch(old, (homes[i + PROBES_AHEAD] & old_mask) * entry)
            home = homes[i] & old_mask
            if home >= moved:
                p = find(old, old_mask, entry, a[i], second, home)
                if p >= 0:
                    slots[i] = old[p + entry - 1] - 1
                    continue
        p = find(new, mask, entry, a[i], second, homes[i])
        if p >= 0:
            slots[i] = new[p + entry - 1] - 1
            continue
        slot = take_slot(rows)
        put(new, entry, -p - 1, a[i], second, slot + 1)
        slots[i] = slot
        made[count] = i
        count += 1
    return slots, made[:count].copy()


@kernel
def lookup(tables: Tables, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Find the slot of every row."""
    new, old, entry, seed = tables.new, tables.old, tables.entry, tables.seed
    mask, old_mask = tables.new_mask, tables.old_mask
    moved = tables.moved[0] if old.size > 0 else 0
    homes = homes_of(a, b, entry, seed, mask)
    slots = np.empty(a.size, dtype=np.int64)
    for i in range(a.size):
        if new.size > LARGE_WORDS and i + PROBES_AHEAD < a.size:
            prefetch(new, homes[i + PROBES_AHEAD] * entry)
            prefetch(new, homes[i + PROBES_AHEAD] * entry + LINE_WORDS)
        second = b[i] if entry == PAIRS else 0
        if old.size > 0:
            if old.size > LARGE_WORDS and i + PROBES_AHEAD < a.size:
                prefetch(old, (homes[i + PROBES_AHEAD] & old_mask) * entry)
            home = homes[i] & old_mask
            if home >= moved:
                p = find(old, old_mask, entry, a[i], second, home)
                if p >= 0:
                    slots[i] = old[p + entry - 1] - 1
                    continue
        p = find(new, mask, entry, a[i], second, homes[i])
        slots[i] = new[p + entry - 1] - 1 if p >= 0 else -1
    return slots


@kernel
def remove(tables: Tables, a: np.ndarray, b: np.ndarray) -> None:
    """Delete entries: by backward shift in the new table, by a mark in the old one."""
    table, old, entry, seed = tables.new, tables.old, tables.entry, tables.seed
    mask, old_mask = tables.new_mask, tables.old_mask
    homes = homes_of(a, b, entry, seed, mask)
    for k in range(a.size):
        if table.size > LARGE_WORDS and k + PROBES_AHEAD < a.size:
            # What stands behind it is looked through as well, to the next empty entry.
            prefetch(table, homes[k + PROBES_AHEAD] * entry)
            prefetch(table, homes[k + PROBES_AHEAD] * entry + LINE_WORDS)
        second = b[k] if entry == PAIRS else 0
        p = find(table, mask, entry, a[k], second, homes[k])
        if p < 0:
            p = find(old, old_mask, entry, a[k], second, homes[k] & old_mask)
            old[p + entry - 1] = GONE
            continue
        hole = p // entry
        i = hole
        while True:
            i = (i + 1) & mask
            q = i * entry
            if table[q + entry - 1] == 0:
                break
            other = table[q + 1] if entry == PAIRS else 0
            home = home_of(table[q], other, seed, mask)
            if ((i - home) & mask) >= ((i - hole) & mask):
                put(table, entry, hole * entry, table[q], other, table[q + entry - 1])
                hole = i
        table[hole * entry + entry - 1] = 0


@kernel
def move(tables: Tables, positions: int) -> None:
    """Carry a range of old positions over, and the rest of the last cluster in it.

    What is at home before an empty position is not behind it, so that the old table is asked only
    for keys at home in what is left.
    """
    new, old, entry, seed = tables.new, tables.old, tables.entry, tables.seed
    mask = tables.new_mask
    start = tables.moved[0]
    capacity = tables.old_mask + 1
    i = start
    while i < capacity:
        p = i * entry
        ahead = p + AHEAD * entry
        if ahead < old.size and old[ahead + entry - 1] > 0:
            second = old[ahead + 1] if entry == PAIRS else 0
            prefetch(new, home_of(old[ahead], second, seed, mask) * entry)
        slot = old[p + entry - 1]
        i += 1
        if slot == 0 and i - start >= positions:
            break
        if slot > 0:
            b = old[p + 1] if entry == PAIRS else 0
            q = find(new, mask, entry, old[p], b, home_of(old[p], b, seed, mask))
            put(new, entry, -q - 1, old[p], b, slot)
            old[p + entry - 1] = GONE
    tables.moved[0] = i
