"""What pattern recognition remembers between batches, partition by partition.

in      prepared rows whose turn has come
state   a key per partition; its rows from the first that is not settled, in order; the beginnings
        of matches among them, told by numbers that count from that row; when WITHIN makes the
        first of them too old
out     the touched partitions side by side (:class:`Found`); after the search they are put back
cost    follows the rows that come and the rows kept of the partitions they touch
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.frames import gathered, picked, stacked
from millstream.engine.operators.match_search import NEVER_MS, Places
from millstream.engine.operators.match_values import TIME, Partials, Rows
from millstream.engine.operators.window_spec import milliseconds
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, nulls
from millstream.engine.state.end_order import EndOrder
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.key_index import KeyIndex, key_frame
from millstream.engine.state.row_list import CELL_WORDS as LIST_WORDS
from millstream.engine.state.row_list import RowList

# Words of a partition, behind those of its two lists.
BEGUN, TIMER = 2 * LIST_WORDS, 2 * LIST_WORDS + 1
WORDS = 2 * LIST_WORDS + 2

PLACE, ARRIVED = "$place", "$arrived"
START, AT, STATE = "$start", "$at", "$state"
BEGUN_SAVED = "$begun"


@dataclass(slots=True)
class Found:
    """The partitions that rows or the time have touched."""

    slots: np.ndarray
    rows: Rows
    places: Places
    live: Partials
    waiting: Partials


class Partitions:
    """All partitions."""

    def __init__(
        self,
        keys: dict[str, pl.DataType],
        columns: dict[str, pl.DataType],
        variables: int,
        within_ms: int | None,
        seed: int,
    ) -> None:
        self._columns = list(columns)
        self._nothing = pl.DataFrame([nulls(d, 1).alias(n) for n, d in columns.items()])
        self._within_ms = within_ms
        self._taken = [f"$taken{i}" for i in range(variables)]
        self._arena = Arena()
        self._keys = KeyIndex(
            keys, seed, arena=self._arena, heap=ByteHeap(self._arena), extra_words=WORDS
        )
        at = self._keys.extra
        self._rows = RowList(columns, self._arena, self._keys.rows, at)
        numbers: dict[str, pl.DataType] = {
            name: pl.Int64() for name in (START, AT, STATE, *self._taken)
        }
        self._partials = RowList(numbers, self._arena, self._keys.rows, at + LIST_WORDS)
        self._timers = EndOrder(NO_WORDS)

    def open(self, rows: pl.DataFrame | None, until_ms: int) -> Found | None:
        """Return the partitions of new rows, and those in which WITHIN has run out."""
        own = NO_WORDS
        if rows is not None:
            columns = [rows[name] for name in self._keys.schema]
            own, _ = self._keys.upsert_columns(columns, rows.height)
        due = self._due(until_ms)
        if not own.size and not due.size:
            return None
        slots = np.unique(np.concatenate([own, due]))
        where, _, kept = self._rows.of(slots)
        place = where
        parts, order = [kept], np.arange(kept.height)
        if rows is not None:
            # The rows kept come first, so that a stable sort leaves each partition in order.
            place = np.concatenate([where, np.searchsorted(slots, own)])
            order = np.argsort(place, kind="stable")
            parts.append(picked(rows, self._columns))
            place = place[order]
        # Behind them stands a row of NULLs, for looks that find none.
        parts.append(self._nothing)
        values = gathered(stacked(parts), np.append(order, order.size))
        every = np.arange(slots.size)
        first = np.searchsorted(place, every)
        end = np.searchsorted(place, every, side="right")
        times = milliseconds(values[TIME][:-1])
        begun = first + self._keys.rows.matrix()[slots, self._keys.extra + BEGUN]
        places = Places(first.copy(), begun, np.full(slots.size, NEVER_MS))
        live, waiting = self._beginnings(slots, first)
        return Found(slots, Rows(values, times, place, first, end), places, live, waiting)

    def _due(self, until_ms: int) -> np.ndarray:
        """Return the partitions whose first row is too old by a mark."""
        times, slots = self._timers.take(until_ms)
        if not slots.size:
            return slots
        # A partition may have gone since, and its slot been given to another.
        matrix, at = self._keys.rows.matrix(), self._keys.extra + TIMER
        slots = slots[(matrix[slots, 0] > 0) & (matrix[slots, at] == times)]
        matrix[slots, at] = 0
        return slots

    def _beginnings(self, slots: np.ndarray, first: np.ndarray) -> tuple[Partials, Partials]:
        if not len(self._partials):
            return Partials.none(len(self._taken)), Partials.none(len(self._taken))
        where, _, kept = self._partials.of(slots)
        start, at, state = (kept[name].to_numpy() for name in (START, AT, STATE))
        taken = np.stack([kept[name].to_numpy() for name in self._taken], axis=1)
        every = Partials(start + first[where], at + first[where], state, taken)
        open_ = state >= 0
        return every.of(open_), every.of(~open_)

    def keys_of(self, found: Found, rows: np.ndarray) -> pl.DataFrame:
        """Return the partition keys of rows."""
        return self._keys.keys(found.slots[found.rows.place[rows]])

    def close(self, found: Found, live: Partials, waiting: Partials) -> None:
        """Put partitions back after a search: what is settled is forgotten."""
        rows, at = found.rows, found.places.at
        self._rows.release(found.slots)
        self._partials.release(found.slots)
        left = at < rows.end
        kept = np.flatnonzero(np.arange(rows.times.size) >= at[rows.place])
        place = rows.place[kept]
        self._rows.add(found.slots[place], gathered(rows.values, kept), kept - at[place])
        beginnings = Partials.joined([live, waiting])
        if len(beginnings):
            self._put(found, beginnings)
        words, x = self._keys.rows.matrix(), self._keys.extra
        words[found.slots, x + BEGUN] = found.places.begun - at
        self._keys.free(found.slots[~left])
        if self._within_ms is not None:
            self._watch(found.slots[left], rows.times[at[left]] + self._within_ms)

    def _put(self, found: Found, beginnings: Partials) -> None:
        place = found.rows.place[beginnings.start]
        base = found.places.at[place]
        numbers = [
            pl.Series(START, beginnings.start - base),
            pl.Series(AT, beginnings.at - base),
            pl.Series(STATE, beginnings.state),
            *(pl.Series(n, beginnings.taken[:, i]) for i, n in enumerate(self._taken)),
        ]
        self._partials.add(found.slots[place], pl.DataFrame(numbers), np.arange(place.size))

    def _watch(self, slots: np.ndarray, times: np.ndarray) -> None:
        """See to it that partitions are opened again when their first row is too old."""
        matrix, at = self._keys.rows.matrix(), self._keys.extra + TIMER
        new = matrix[slots, at] == 0  # a first row is never older than the one before it
        matrix[slots[new], at] = times[new]
        self._timers.add(times[new], slots[new])

    def save(self) -> dict[str, pl.DataFrame]:
        """Return everything."""
        slots = self._keys.rows.live()
        begun = self._keys.rows.matrix()[slots, self._keys.extra + BEGUN]
        keys = self._keys.keys(slots).with_columns(pl.Series(BEGUN_SAVED, begun))
        tables = {"keys": keys}
        for name, kept in (("kept", self._rows), ("begun", self._partials)):
            where, arrived, rows = kept.of(slots)
            places = [pl.Series(PLACE, where), pl.Series(ARRIVED, arrived)]
            tables[name] = rows.with_columns(places)
        return tables

    def load(self, tables: dict[str, pl.DataFrame]) -> None:
        """Take saved partitions back."""
        keys = tables["keys"]
        columns = [keys[name] for name in self._keys.schema]
        slots = self._keys.restore(key_frame(columns, keys.height))
        begun = keys[BEGUN_SAVED].to_numpy()
        self._keys.rows.matrix()[slots, self._keys.extra + BEGUN] = begun
        for name, kept in (("kept", self._rows), ("begun", self._partials)):
            saved = tables[name]
            where, arrived = saved[PLACE].to_numpy(), saved[ARRIVED].to_numpy()
            kept.add(slots[where], saved.drop(PLACE, ARRIVED), arrived)
        if self._within_ms is not None:
            saved = tables["kept"].filter(pl.col(ARRIVED) == 0)
            times = milliseconds(saved[TIME]) + self._within_ms
            self._watch(slots[saved[PLACE].to_numpy()], times)

    @property
    def bytes_used(self) -> int:
        """Bytes of everything."""
        return self._arena.bytes_used + self._timers.bytes_used

    def __len__(self) -> int:
        return len(self._rows)
