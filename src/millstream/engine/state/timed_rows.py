"""Rows of two sides by key and time, for joins of rows whose times are close.

in      key rows, times and values of one side; a stretch of time per row to look for in the other
state   per side: rows in slots, and the order in which they end. Rows of one (key, stretch of
        ``width_ms``) form a chain per side, in arrival order, so that a look-up walks through
        two chains at most, however many rows the key has. A chain is found by a 128-bit hash of
        key and stretch together: keys are not kept beside the rows they stand in
out     pairs (row asked for, slot found); the rows that end
cost    follows the rows of the call and the rows found. What has ended is given back in steps
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.end_order import EndOrder
from millstream.engine.state.hash_table import HashTable
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import KeptRows
from millstream.engine.state.key_hashes import key_hashes
from millstream.engine.state.slots import Rows, SlotRows, free_slot, gather_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

# Words of a row; links are slot + 1, 0 = none.
TIME, MARK, ENDS, CHAIN, NEXT, PREVIOUS, MET = range(1, 8)
ROW_WORDS = 8
# Words of a chain: its hash, then first and last row of each side.
HASH, FIRST, LAST = 1, 3, 5
CHAIN_WORDS = 7
# Odd numbers that spread the stretches of a key (the golden ratio, and another).
SPREAD = (np.int64(-7046029254386353131), np.int64(-4417276706812531889))
FREED_ROWS_MIN = 65_536
"""Rows given back per step, at least."""


class Timed(NamedTuple):
    """Rows as they arrive: time, own mark (LOWEST where ahead of it), and when each ends."""

    times: np.ndarray
    marks: np.ndarray
    ends: np.ndarray

    def take(self, rows: np.ndarray) -> Timed:
        """Return some rows."""
        return Timed(self.times[rows], self.marks[rows], self.ends[rows])


class Keys(NamedTuple):
    """A 128-bit hash of each row's key."""

    a: np.ndarray
    b: np.ndarray

    def take(self, rows: np.ndarray) -> Keys:
        """Return some rows."""
        return Keys(self.a[rows], self.b[rows])

    def at(self, stretches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the hash of keys and stretches together."""
        return self.a ^ (stretches * SPREAD[0]), self.b + stretches * SPREAD[1]


@dataclass(slots=True)
class _Side:
    rows: SlotRows
    values: KeptRows
    order: EndOrder[np.ndarray]
    due: list[np.ndarray] = field(default_factory=list)


class TimedRows:
    """Both sides of one join."""

    def __init__(self, sides: tuple[pl.Schema, pl.Schema], width_ms: int, seed: int) -> None:
        self._arena = Arena()
        heap = ByteHeap(self._arena)
        self._seed = seed
        self._chains = SlotRows(self._arena, CHAIN_WORDS)
        self._table = HashTable(self._arena, self._chains, seed)
        self._width_ms = width_ms
        self._sides: list[_Side] = []
        for schema in sides:
            values = KeptRows(dict(schema), heap)
            rows = SlotRows(self._arena, ROW_WORDS + values.words)
            values.settle(rows, ROW_WORDS)
            order = EndOrder(NO_WORDS)
            self._sides.append(_Side(rows, values, order))

    def hashed(self, keys: list[pl.Series], rows: int) -> Keys:
        """Return what keys are known by; equal ones of both sides alike."""
        if not keys:
            return Keys(*np.zeros((2, rows), dtype=np.int64))
        return Keys(*key_hashes(keys, self._seed))

    def find(
        self, side: int, keys: Keys, timed: Timed, reach: tuple[int, int], pairs_max: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (row asked for, slot in ``side``) in pieces of about ``pairs_max``.

        ``reach``: from and to when partners may be, measured from each row's own time.
        """
        rows = self._sides[side].rows
        stretches = [(timed.times + by) // self._width_ms for by in reach]
        places = np.empty((2, timed.times.size), dtype=np.int64)
        for place, stretch in enumerate(stretches):
            places[place] = self._table.lookup(*keys.at(stretch))
        places[1, stretches[0] == stretches[1]] = -1
        given = (rows.view, self._chains.view, side, places, timed, reach)
        counts = count_partners(*given)
        ends = np.cumsum(counts)
        start = 0
        while start < ends.size:
            base = int(ends[start - 1]) if start else 0
            stop = int(np.searchsorted(ends, base + pairs_max, side="right"))
            stop = max(stop, start + 1)
            total = int(ends[stop - 1]) - base
            if total:
                yield partners(*given, (start, stop, total))
            start = stop

    def add(
        self, side: int, keys: Keys, timed: Timed, met: np.ndarray, frame: pl.DataFrame
    ) -> None:
        """Keep rows until they end."""
        if not frame.height:
            return
        own = self._sides[side]
        slots = own.rows.take(frame.height)
        own.values.put(slots, frame)
        a, b = keys.at(timed.times // self._width_ms)
        chains, _ = self._table.upsert(a, b)
        link(own.rows.view, self._chains.view, side, slots, chains, (a, b), timed, met)
        # A row must be there for others that arrive under the same mark, even if it comes late.
        own.order.add(np.maximum(timed.ends, timed.marks), slots)

    def met(self, side: int, slots: np.ndarray) -> None:
        """Note that rows have found a partner."""
        self._sides[side].rows.matrix()[slots, MET] = 1

    def get(self, side: int, slots: np.ndarray) -> pl.DataFrame:
        """Return the values of rows."""
        return self._sides[side].values.get(slots)

    def columns(self, side: int, slots: np.ndarray) -> list[pl.Series]:
        """Return the values of rows, column by column."""
        return self._sides[side].values.columns(slots)

    def words(self, side: int, slots: np.ndarray, word: int) -> np.ndarray:
        """Return one word of rows."""
        return self._sides[side].rows.matrix()[slots, word]

    def end(self, side: int, mark_ms: int) -> np.ndarray:
        """Return the rows that have ended by a mark; they can be read until ``give_back``."""
        own = self._sides[side]
        slots = own.order.take(mark_ms - 1)[1]
        if slots.size:
            own.due.append(slots)
        return slots

    def give_back(self, rows_max: int | None) -> None:
        """Free rows that have ended, about so many of each side; None = all of them."""
        for side, own in enumerate(self._sides):
            freed = 0
            while own.due and (rows_max is None or freed < rows_max):
                slots = own.due.pop(0)
                if rows_max is not None and slots.size > rows_max - freed:
                    own.due.insert(0, slots[rows_max - freed :])
                    slots = slots[: rows_max - freed]
                freed += slots.size
                self._free(side, slots)

    def kept(self, side: int) -> np.ndarray:
        """Return the rows that have not ended, in the order they will."""
        return self._sides[side].order.all()[1]

    @property
    def bytes_used(self) -> int:
        """Bytes of everything."""
        return self._arena.bytes_used + sum(side.order.bytes_used for side in self._sides)

    def __len__(self) -> int:
        return sum(len(side.order) for side in self._sides)

    def _free(self, side: int, slots: np.ndarray) -> None:
        own = self._sides[side]
        own.values.free(slots)
        chains = unlink(own.rows.view, self._chains.view, side, slots)
        if chains.size:
            a, b = gather_words(self._chains.view, HASH, 2, chains)
            self._table.remove(a, b)
            self._chains.free(chains)


@kernel
def link(
    rows: Rows,
    chains: Rows,
    side: int,
    slots: np.ndarray,
    at: np.ndarray,
    keys: tuple[np.ndarray, np.ndarray],
    timed: Timed,
    met: np.ndarray,
) -> None:
    """Write the words of new rows, and put these at the end of their chains."""
    a, b = keys
    words = rows.words
    for i in range(slots.size):
        r = slots[i] * rows.width
        c = at[i] * chains.width
        last = chains.words[c + LAST + side]
        words[r + TIME], words[r + MARK] = timed.times[i], timed.marks[i]
        words[r + ENDS], words[r + MET] = timed.ends[i], met[i]
        words[r + CHAIN] = at[i]
        words[r + PREVIOUS] = last
        if last > 0:
            words[(last - 1) * rows.width + NEXT] = slots[i] + 1
        else:
            chains.words[c + HASH] = a[i]
            chains.words[c + HASH + 1] = b[i]
            chains.words[c + FIRST + side] = slots[i] + 1
        chains.words[c + LAST + side] = slots[i] + 1


@kernel
def unlink(rows: Rows, chains: Rows, side: int, slots: np.ndarray) -> np.ndarray:
    """Free rows; returns the chains that have none left."""
    empty = np.empty(slots.size, dtype=np.int64)
    n = 0
    words = rows.words
    for slot in slots:
        r = slot * rows.width
        chain = words[r + CHAIN]
        c = chain * chains.width
        previous, following = words[r + PREVIOUS], words[r + NEXT]
        if previous > 0:
            words[(previous - 1) * rows.width + NEXT] = following
        else:
            chains.words[c + FIRST + side] = following
        if following > 0:
            words[(following - 1) * rows.width + PREVIOUS] = previous
        else:
            chains.words[c + LAST + side] = previous
        free_slot(rows, slot)
        if chains.words[c + FIRST] == 0 and chains.words[c + FIRST + 1] == 0:
            empty[n] = chain
            n += 1
    return empty[:n].copy()


@kernel
def fits(words: np.ndarray, r: int, timed: Timed, i: int, reach: tuple[int, int]) -> bool:
    """Tell whether the row at word ``r`` is a partner of row ``i``.

    The one that came later must find the other not yet ended. Who came later is told by the
    marks alone, for the sides of one batch arrive in no order; under equal marks either may be
    the later one. A row ahead of its mark (LOWEST) never finds a partner ended.
    """
    time, since = words[r + TIME], timed.times[i]
    if time < since + reach[0] or time > since + reach[1]:
        return False
    mark, ends = timed.marks[i], timed.ends[i]
    other = words[r + MARK]
    if mark == other:
        return mark <= max(ends, words[r + ENDS])
    if mark > other:
        return mark <= words[r + ENDS]
    return other <= ends


@kernel
def count_partners(
    rows: Rows,
    chains: Rows,
    side: int,
    places: np.ndarray,
    timed: Timed,
    reach: tuple[int, int],
) -> np.ndarray:
    """Return how many partners each row has."""
    counts = np.zeros(timed.times.size, dtype=np.int64)
    for i in range(timed.times.size):
        for j in range(2):
            if places[j, i] < 0:
                continue
            row = chains.words[places[j, i] * chains.width + FIRST + side]
            while row > 0:
                r = (row - 1) * rows.width
                if fits(rows.words, r, timed, i, reach):
                    counts[i] += 1
                row = rows.words[r + NEXT]
    return counts


@kernel
def partners(
    rows: Rows,
    chains: Rows,
    side: int,
    places: np.ndarray,
    timed: Timed,
    reach: tuple[int, int],
    piece: tuple[int, int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of a piece: its first row, the one behind its last, and their number."""
    start, stop, total = piece
    which = np.empty(total, dtype=np.int64)
    found = np.empty(total, dtype=np.int64)
    n = 0
    for i in range(start, stop):
        for j in range(2):
            if places[j, i] < 0:
                continue
            row = chains.words[places[j, i] * chains.width + FIRST + side]
            while row > 0:
                r = (row - 1) * rows.width
                if fits(rows.words, r, timed, i, reach):
                    which[n] = i
                    found[n] = row - 1
                    n += 1
                row = rows.words[r + NEXT]
    return which, found
