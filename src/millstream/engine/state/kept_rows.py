"""Whole rows in slots of their owner's making: null bits, then the words of each column.

in      frames of some columns, written into slots that hold none of them yet
state   for every row its null bits and values behind word ``at``; text in the heap
out     the columns of slots, in any order; what a kernel needs to compare them
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from millstream.columns.address import word_at
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS, validity
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import LINE_WORDS, Rows, SlotRows, gather_words
from millstream.engine.state.texts import ColumnStore

BITS = 62
"""Null bits per word."""


class KeptRows:
    """Columns as words of slots."""

    def __init__(self, schema: dict[str, pl.DataType], heap: ByteHeap) -> None:
        self.names = tuple(schema)
        self._stores = [ColumnStore(dtype, heap) for dtype in schema.values()]
        self._null_words = -(-len(schema) // BITS)
        self.words = self._null_words + sum(store.kind.words for store in self._stores)

    def settle(self, rows: SlotRows, at: int) -> None:
        """Say where the words lie."""
        self._rows = rows
        self.at = at
        self._at: list[int] = []
        at += self._null_words
        for store in self._stores:
            self._at.append(at)
            at += store.kind.words

    def get(self, slots: np.ndarray) -> pl.DataFrame:
        """Return the values of slots."""
        out = self.columns(slots)
        return pl.DataFrame(out) if out else pl.DataFrame(height=slots.size)

    def columns(self, slots: np.ndarray) -> list[pl.Series]:
        """Return the values of slots, column by column."""
        words = gather_words(self._rows.view, self.at, self.words, slots)
        nulls = words[: self._null_words]
        some = bool(nulls.any())
        out: list[pl.Series] = []
        for i, (name, store, at) in enumerate(zip(self.names, self._stores, self._at, strict=True)):
            valid = None
            if some:
                word, bit = divmod(i, BITS)
                valid = (nulls[word] >> bit) & 1 == 0
                valid = None if valid.all() else valid
            first = words[at - self.at]
            second = words[at - self.at + 1] if store.width == 2 else NO_WORDS
            out.append(store.get(first, second, valid).alias(name))
        return out

    def put(self, slots: np.ndarray, rows: pl.DataFrame) -> None:
        """Write the values of slots that hold none."""
        if not slots.size or not self.words:
            return
        nulls = np.zeros((self._null_words, slots.size), dtype=np.int64)
        words = list(nulls)
        for i, (name, store) in enumerate(zip(self.names, self._stores, strict=True)):
            column = rows[name]
            valid = validity(column)
            if valid is not None:
                nulls[i // BITS] |= np.where(valid, 0, 1 << (i % BITS))
            words += store.put(column, valid)[: store.width]
        put_columns(self._rows.view, self.at, slots, words)

    def ties(self) -> np.ndarray:
        """Return (kind, word of the value, word of the null bits, bit) per column, to compare by.

        Nested values compare by their bytes: no order that SQL knows, but always the same one.
        """
        found = [
            (int(store.kind), at, self.at + i // BITS, i % BITS)
            for i, (store, at) in enumerate(zip(self._stores, self._at, strict=True))
        ]
        return np.array(found, dtype=np.int64).reshape(-1, 4)

    def free(self, slots: np.ndarray) -> None:
        """Give the bytes of some slots back."""
        if not slots.size:
            return
        for store, at in zip(self._stores, self._at, strict=True):
            store.free(self._rows.view, slots, at)


def keyed_rows(
    schema: dict[str, pl.DataType], key: Collection[str], own_words: int, seed: int, arena: Arena
) -> tuple[KeyIndex, KeptRows]:
    """Return slots for keys with a row each: the owner's words at ``index.extra``, then the values.

    The values are the columns of ``schema`` that are none of the key.
    """
    heap = ByteHeap(arena)
    values = KeptRows({n: dtype for n, dtype in schema.items() if n not in key}, heap)
    index = KeyIndex(
        {name: schema[name] for name in key},
        seed,
        arena=arena,
        heap=heap,
        extra_words=own_words + values.words,
    )
    values.settle(index.rows, index.extra + own_words)
    return index, values


def put_columns(rows: Rows, at: int, slots: np.ndarray, words: list[np.ndarray]) -> None:
    """Write neighbouring words of slots, each from an array of its own."""
    arrays = [np.ascontiguousarray(word) for word in words]
    put_from(rows, at, slots, np.array([a.ctypes.data for a in arrays], dtype=np.int64))


@kernel
def put_from(rows: Rows, at: int, slots: np.ndarray, places: np.ndarray) -> None:
    """Write neighbouring words of slots from arrays at some addresses; each row is met once."""
    for i in range(slots.size):
        if i + AHEAD < slots.size:
            p = slots[i + AHEAD] * rows.width + at
            for line in range(p, p + places.size, LINE_WORDS):
                prefetch(rows.words, line)
        p = slots[i] * rows.width + at
        for j in range(places.size):
            rows.words[p + j] = np.int64(word_at(places[j], 8 * i))


@kernel
def scatter_words(rows: Rows, at: int, slots: np.ndarray, words: np.ndarray) -> None:
    """Write some words of slots, one contiguous row per word."""
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        for j in range(words.shape[0]):
            rows.words[p + j] = words[j, i]
