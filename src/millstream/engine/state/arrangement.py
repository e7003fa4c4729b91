"""Rows by key: what each side of a join keeps.

in      rows of a frame with the slots of their keys; rows that are taken back
state   one slot per row in a matrix of words (text in a byte heap), the rows of a key in a chain.
        Where rows can be taken back, equal rows share a slot with a count, found by a 128-bit
        hash of the whole row, so that taking one back never walks a hot key's chain
out     the rows of keys as (place, slot) pairs, oldest first; the columns of slots
ttl     a row not written for so long is not seen any more, and removed a few slots a batch
bad     taking back a row that is not there changes nothing and is counted in ``rows_unmatched``
cost    follows the batch and its pairs, never the rows kept
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.frames import gathered
from millstream.engine.state import arrangement_kernels as k
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, face, validity
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.hash_table import HashTable
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.kept_rows import put_columns
from millstream.engine.state.key_hashes import key_hashes
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import SlotRows, gather_words
from millstream.engine.state.texts import ColumnStore

SIDES = 2
BITS = 60
"""Null bits in a word."""
TIMES, PARTNERS, WRITTEN = "$times", "$partners", "$written"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a side of a join must know of its rows.

    removes   rows can be taken back
    partners  each row knows how many rows of the other side it meets
    ttl_ms    rows are forgotten when not written for so long; 0 = never
    """

    removes: bool
    partners: bool
    ttl_ms: int = 0


def keys_of_sides(
    schema: dict[str, pl.DataType], seed: int, *, arena: Arena, heap: ByteHeap
) -> KeyIndex:
    """Return the keys that two arrangements share."""
    words = SIDES * k.SIDE_WORDS
    return KeyIndex(schema, seed, arena=arena, heap=heap, extra_words=words)


class Arrangement:
    """The rows of one side; ``keys`` is shared with the other side."""

    def __init__(
        self,
        schema: dict[str, pl.DataType],
        keys: KeyIndex,
        side: int,
        needs: Needs,
        seed: int,
        *,
        arena: Arena,
        heap: ByteHeap,
    ) -> None:
        self.names = tuple(schema)
        self.needs = needs
        self._keys = keys
        self._at = keys.extra + side * k.SIDE_WORDS
        self._stores = [ColumnStore(dtype, heap) for dtype in schema.values()]
        self.layout, width = _layout(len(schema), needs)
        self._words: list[int] = []
        for store in self._stores:
            self._words.append(width)
            width += store.width
        self.rows = SlotRows(arena, width)
        self._seed = seed
        self._table = HashTable(arena, self.rows, seed) if needs.removes else None
        self.expiry = Expiry(self.rows, self.layout.written, needs.ttl_ms)
        self.rows_unmatched = 0

    def __len__(self) -> int:
        return len(self.rows)

    # ---- rows come and go

    def fold(
        self,
        frame: pl.DataFrame,
        owners: np.ndarray,
        weights: np.ndarray | None,
        partners: np.ndarray,
    ) -> np.ndarray:
        """Keep rows, or take them back where the weight is negative; both in order.

        ``partners`` counts what each row meets (empty where that is not kept). Returns keys that
        lost a row.
        """
        if self._table is None:
            grows = weights is None or (weights > 0).all()
            assert grows, "rows are taken back from a side that only grows"
            slots = self.rows.take(frame.height)
            self._write(frame, slots, owners)
            self._set(slots, self.layout.partners, partners)
            if self.layout.written:
                self._set(slots, self.layout.written, np.full(slots.size, self.expiry.now_ms))
            return NO_WORDS
        first, second = self._hashes(frame)
        slots, made = self._table.upsert(first, second)
        new = frame if made.size == frame.height else gathered(frame, made)
        self._write(new, slots[made], owners[made])
        self._set(slots, self.layout.partners, partners)
        signs = np.ones(slots.size, dtype=np.int64) if weights is None else weights
        unmatched, emptied = k.count_rows(
            self.rows.view, self.layout, slots, signs, self.expiry.now_ms, self.expiry.cutoff_ms
        )
        self.rows_unmatched += unmatched
        if not emptied.size:
            return NO_WORDS
        self._table.remove(first[emptied], second[emptied])
        return self._remove(slots[emptied])

    def sweep(self, rows: int) -> np.ndarray:
        """Forget some of what is too old, for a batch of ``rows``; returns keys that lost a row."""
        slots = self.expiry.due(rows)
        if not slots.size:
            return NO_WORDS
        if self._table is not None:
            # Hashes are not kept: 16 bytes a row are dearer than hashing again what gets too old.
            self._table.remove(*self._hashes(pl.DataFrame(self.get(slots))))
        return self._remove(slots)

    # ---- rows are seen

    def count_partners(self, owners: np.ndarray) -> np.ndarray:
        """Return how many distinct rows each key has; key -1 has none."""
        keys = self._keys.rows.view
        return k.count_partners(
            self.rows.view, self.layout, keys, self._at, owners, self.expiry.cutoff_ms
        )

    def pairs(
        self, owners: np.ndarray, counts: np.ndarray, start: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (place, slot) of all rows of keys at places from ``start`` on."""
        return k.pairs(
            self.rows.view,
            self.layout,
            self._keys.rows.view,
            self._at,
            owners,
            counts,
            self.expiry.cutoff_ms,
            start,
        )

    def get(self, slots: np.ndarray, names: tuple[str, ...] | None = None) -> list[pl.Series]:
        """Return columns of rows; slot -1 is NULL in all of them."""
        wanted = [self.names.index(name) for name in (self.names if names is None else names)]
        if not wanted:
            return []
        at = [self._words[i] + j for i in wanted for j in range(self._stores[i].width)]
        nulls, values = k.gather_rows(self.rows.view, self.layout, slots, np.array(at))
        some = [bool((word & ALL_BITS).any()) for word in nulls]
        out: list[pl.Series] = []
        place = 0
        for i in wanted:
            word, bit = divmod(i, BITS)
            valid = (nulls[word] >> (bit + 1)) & 1 == 0 if some[word] else None
            if valid is not None and valid.all():
                valid = None
            store = self._stores[i]
            second = values[place + 1] if store.width == 2 else NO_WORDS
            out.append(store.get(values[place], second, valid).alias(self.names[i]))
            place += store.width
        return out

    # ---- snapshot

    def save(self) -> pl.DataFrame:
        """Return all rows with what is known of them."""
        slots = self.rows.live()
        extra = [
            pl.Series(name, gather_words(self.rows.view, at, 1, slots)[0])
            for name, at in self._known()
        ]
        return pl.DataFrame([*self.get(slots), *extra])

    def load(self, saved: pl.DataFrame, owners: np.ndarray) -> None:
        """Take saved rows into an empty arrangement."""
        assert not len(self), "a restore needs an empty arrangement"
        frame = saved.select(self.names)
        if self._table is None:
            slots = self.rows.take(frame.height)
        else:
            slots, made = self._table.upsert(*self._hashes(frame))
            assert made.size == frame.height, "a row stands twice in a snapshot"
        self._write(frame, slots, owners)
        for name, at in self._known():
            self._set(slots, at, face(saved[name].to_numpy()))

    # ---- inside

    def _known(self) -> list[tuple[str, int]]:
        lay = self.layout
        known = ((TIMES, lay.times), (PARTNERS, lay.partners), (WRITTEN, lay.written))
        return [(name, at) for name, at in known if at]

    def _set(self, slots: np.ndarray, at: int, values: np.ndarray) -> None:
        if at and slots.size:
            k.put_words(self.rows.view, slots, at, values)

    def _write(self, frame: pl.DataFrame, slots: np.ndarray, owners: np.ndarray) -> None:
        """Write new rows and put them into their keys' chains."""
        if not slots.size:
            return
        rows = self.rows.view
        words: list[np.ndarray] = []
        for i, (column, store) in enumerate(zip(frame.iter_columns(), self._stores, strict=True)):
            valid = validity(column)
            if valid is not None:
                word, bit = divmod(i, BITS)
                at = self.layout.nulls + word - 1 if word else 0
                k.put_nulls(rows, slots, at, 2 << bit, valid)
            words += store.put(column, valid)[: store.width]
        put_columns(rows, self.layout.values, slots, words)
        k.link(rows, self.layout, self._keys.rows.view, self._at, slots, owners)

    def _remove(self, slots: np.ndarray) -> np.ndarray:
        """Give rows back; returns their keys."""
        keys = self._keys.rows.view
        owners = k.unlink(self.rows.view, self.layout, keys, self._at, slots)
        for store, at in zip(self._stores, self._words, strict=True):
            store.free(self.rows.view, slots, at)
        self.rows.free(slots)
        return owners

    def _hashes(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        columns = frame.get_columns()
        return key_hashes(columns, self._seed) if columns else (NO_WORDS, NO_WORDS)


ALL_BITS = k.ALL_NULL - 1


def forget_empty(keys: KeyIndex, owners: np.ndarray) -> None:
    """Free those keys that have no row on either side."""
    if owners.size:
        keys.free(k.without_rows(keys.rows.view, keys.extra, owners))


def _layout(columns: int, needs: Needs) -> tuple[k.Layout, int]:
    """Return where the words of a row lie, and where its columns begin."""
    at = k.NEXT + 1
    places: list[int] = []
    goes = needs.removes or needs.ttl_ms > 0
    for wanted in (goes, goes, needs.removes, needs.partners, needs.ttl_ms > 0):
        places.append(at if wanted else 0)
        at += wanted
    more_nulls = (columns - 1) // BITS if columns else 0
    prev, key, times, partners, written = places
    values = at + more_nulls
    return k.Layout(prev, key, times, partners, written, at, values), values
