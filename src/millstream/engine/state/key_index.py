"""From key rows to slots, and back.

in      frames of key columns; NULL is a key of its own, -0.0 = 0.0 and NaN = NaN
state   one slot per key: null bits in word 0, then the words of the key columns, then the words
        the owner asked for; a hash table that is never part of a snapshot
out     slots in first-appearance order; freed slots are used again
keys    one integer-like column without NULLs is used exactly (its NULL has a slot of its own);
        two columns that never hold NULL can be (``exact_pair``); other keys go by a 128-bit hash
        (:mod:`.key_hashes`), the seed being random per pipeline
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from millstream.columns.frames import gathered_columns
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import (
    NO_WORDS,
    Cells,
    Kind,
    Store,
    canonical,
    encode,
    validity,
)
from millstream.engine.state.copies import Copies
from millstream.engine.state.hash_table import HashTable
from millstream.engine.state.heap import ByteHeap, Heap, free_block
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_hashes import key_hashes
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import LIVE, Rows, SlotRows, gather_words

KEY_COLUMNS_MAX = 60


class KeyIndex:
    """Slots of keys, with room for the owner's words in each slot's row."""

    def __init__(
        self,
        schema: dict[str, pl.DataType],
        seed: int,
        *,
        arena: Arena,
        heap: ByteHeap,
        extra_words: int = 0,
        exact_pair: bool = False,
    ) -> None:
        assert len(schema) <= KEY_COLUMNS_MAX, f"more than {KEY_COLUMNS_MAX} key columns"
        self.schema = schema
        self._heap = heap
        self._stores = {name: Store(dtype, heap) for name, dtype in schema.items()}
        self._at: dict[str, int] = {}
        word = 1
        for name, store in self._stores.items():
            self._at[name] = word
            word += store.kind.words
        self.extra = word
        self.rows = SlotRows(arena, word + extra_words)
        kinds = [store.kind for store in self._stores.values()]
        self._exact = kinds == [Kind.WORD]
        self._exact_pair = exact_pair and kinds == [Kind.WORD, Kind.WORD]
        self._table = HashTable(arena, self.rows, seed, exact=self._exact)
        self._seed = seed
        self._null_slot = -1
        self._has_heap = any(kind >= Kind.BYTES for kind in kinds)

    def __len__(self) -> int:
        return len(self.rows)

    def upsert(self, keys: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the slot of each row, and the rows that made a new slot."""
        return self.upsert_columns(keys.get_columns(), keys.height)

    def upsert_columns(self, columns: list[pl.Series], rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the slot of each row, and the rows that made a new slot."""
        if not self.schema:
            return self._only_slot(rows)
        if self._exact:
            column = columns[0]
            valid = validity(column)
            if valid is not None:
                return self._upsert_with_nulls(column, valid)
            words = encode(column).first
            slots, made = self._table.upsert(words, NO_WORDS)
            put_word(self.rows.view, slots, made, words, 1)
            return slots, made
        first, second = self._hashes(columns)
        slots, made = self._table.upsert(first, second)
        if made.size:
            new = columns if made.size == rows else gathered_columns(columns, made)
            self._write_keys(new, slots[made])
        return slots, made

    def lookup(self, keys: pl.DataFrame) -> np.ndarray:
        """Return the slot of each row, -1 where the key is absent."""
        if not self.schema:
            found = 0 if len(self.rows) else -1
            return np.full(keys.height, found, dtype=np.int64)
        if not self._exact:
            return self._table.lookup(*self._hashes(keys.get_columns()))
        column = keys.to_series()
        words = encode(column).first
        slots = self._table.lookup(words, NO_WORDS)
        valid = validity(column)
        return slots if valid is None else np.where(valid, slots, self._null_slot)

    def keys(self, slots: np.ndarray, copies: Copies | None = None) -> pl.DataFrame:
        """Return the key columns of live slots; ``copies`` lends the memory for them."""
        return key_frame(self.columns(slots, copies), slots.size)

    def columns(self, slots: np.ndarray, copies: Copies | None = None) -> list[pl.Series]:
        """Return what :meth:`keys` does, column by column."""
        if not self._stores:
            return []
        gather = gather_words if copies is None else copies.gather
        words = gather(self.rows.view, 0, self.extra, slots)
        some_null = bool((words[0] != LIVE).any())
        out: list[pl.Series] = []
        for place, (name, store) in enumerate(self._stores.items()):
            at = self._at[name]
            valid = (words[0] >> (place + 1)) & 1 == 0 if some_null else None
            second = words[at + 1] if store.kind.words == 2 else NO_WORDS
            column = store.get(words[at], second, valid)
            out.append(column.alias(name))
        return out

    def free(self, slots: np.ndarray) -> None:
        """Forget keys; each slot must be live and named once."""
        if not slots.size:
            return
        if self.schema:
            self._forget(slots)
        self.rows.free(slots)

    def restore(self, keys: pl.DataFrame) -> np.ndarray:
        """Take the keys of a snapshot into an empty index; returns their slots, in order."""
        assert len(self.rows) == 0, "a restore needs an empty key index"
        if not self.schema:
            return self._only_slot(keys.height)[0]
        slots, made = self.upsert(keys)
        assert made.size == keys.height, "a key stands twice in a snapshot"
        return slots

    def _only_slot(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the one slot of a global aggregate."""
        made = NO_WORDS
        if rows and not len(self.rows):
            self.rows.take(1)
            made = np.zeros(1, dtype=np.int64)
        return np.zeros(rows, dtype=np.int64), made

    def _upsert_with_nulls(
        self, column: pl.Series, valid: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the rows around the first NULL apart, so that slots keep first-appearance order."""
        slots = np.empty(len(column), dtype=np.int64)
        made: list[np.ndarray] = []
        words = encode(column).first
        first_null = int(np.argmin(valid))
        for part in (slice(0, first_null), slice(first_null, len(column))):
            rows = np.flatnonzero(valid[part]) + part.start
            if part.start == first_null and self._null_slot < 0:
                self._null_slot = int(self.rows.take(1)[0])
                self.rows.matrix()[self._null_slot, 0] = LIVE | 2
                made.append(np.array([first_null]))
            some = words[rows]
            found, new = self._table.upsert(some, NO_WORDS)
            put_word(self.rows.view, found, new, some, 1)
            slots[rows] = found
            made.append(rows[new])
        slots[~valid] = self._null_slot
        return slots, np.concatenate(made)

    def _hashes(self, columns: list[pl.Series]) -> tuple[np.ndarray, np.ndarray]:
        if self._exact_pair:
            first, second = (encode(column).first for column in columns)
            return first, second
        return key_hashes(columns, self._seed)

    def _write_keys(self, columns: list[pl.Series], slots: np.ndarray) -> None:
        matrix = self.rows.matrix()
        for place, (name, store) in enumerate(self._stores.items()):
            column = columns[place]
            valid = validity(column)
            if valid is not None:
                matrix[slots, 0] |= np.where(valid, 0, 2 << place)
            cells = encode(column)
            if store.kind is Kind.FLOAT:
                cells = Cells(canonical(cells.first), cells.second, cells.data)
            first, second = store.put(cells)
            matrix[slots, self._at[name]] = first
            if store.kind.words == 2:
                matrix[slots, self._at[name] + 1] = second

    def _forget(self, slots: np.ndarray) -> None:
        if self._exact:
            if self._null_slot >= 0 and (slots == self._null_slot).any():
                slots = slots[slots != self._null_slot]
                self._null_slot = -1
            words = gather_words(self.rows.view, 1, 1, slots)[0]
            self._table.remove(words, NO_WORDS)
            return
        if self._exact_pair:
            self._table.remove(*gather_words(self.rows.view, 1, 2, slots))
            return
        # The hashes are not kept: 16 bytes per key are dearer than hashing again when it goes.
        self._table.remove(*self._hashes(self.columns(slots)))
        for name, store in self._stores.items():
            if store.kind >= Kind.BYTES:
                free_blocks(self._heap.view, self.rows.view, slots, self._at[name])


def key_frame(columns: list[pl.Series], rows: int) -> pl.DataFrame:
    """Return key columns as a frame; without a key it still has its rows."""
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=rows)


def keys_of(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return some columns as keys; Polars' own ``select`` of no columns has no rows."""
    return key_frame([frame[name] for name in names], frame.height)


@kernel
def put_word(rows: Rows, slots: np.ndarray, made: np.ndarray, words: np.ndarray, at: int) -> None:
    """Write one word of each new slot."""
    for n in range(made.size):
        if n + AHEAD < made.size:
            prefetch(rows.words, slots[made[n + AHEAD]] * rows.width + at)
        rows.words[slots[made[n]] * rows.width + at] = words[made[n]]


@kernel
def free_blocks(heap: Heap, rows: Rows, slots: np.ndarray, at: int) -> None:
    """Give back the bytes of one column."""
    for slot in slots:
        p = slot * rows.width + at
        free_block(heap, rows.words[p], rows.words[p + 1])
