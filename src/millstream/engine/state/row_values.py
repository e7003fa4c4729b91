"""The columns of rows as words of slots: what a row holds beside what its owner knows of it.

in      frames of fixed columns, and the slots they belong to
state   null bits, then the words of each column; text and nested values lie in a byte heap
out     the rows of live slots
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.state.codec import NO_WORDS, Kind, Store, encode, validity
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.key_index import free_blocks
from millstream.engine.state.slots import SlotRows, gather_words

BITS = 62
"""Null bits per word."""


class RowValues:
    """Columns in slots; ``words`` is the room they take, from word ``at`` on."""

    def __init__(self, schema: pl.Schema, heap: ByteHeap, at: int) -> None:
        self.names = tuple(schema)
        self._heap = heap
        self._stores = [Store(dtype, heap) for dtype in schema.values()]
        self._nulls_at = at
        self._null_words = -(-len(schema) // BITS)
        self._at: list[int] = []
        at += self._null_words
        for store in self._stores:
            self._at.append(at)
            at += store.kind.words
        self.words = at - self._nulls_at

    def get(self, rows: SlotRows, slots: np.ndarray) -> pl.DataFrame:
        """Return the values of live slots."""
        words = gather_words(rows.view, self._nulls_at, self.words, slots)
        out: list[pl.Series] = []
        for i, (name, store, at) in enumerate(zip(self.names, self._stores, self._at, strict=True)):
            valid = (words[i // BITS] >> (i % BITS)) & 1 == 0
            first = at - self._nulls_at
            second = words[first + 1] if store.kind.words == 2 else NO_WORDS
            column = store.get(words[first], second, None if valid.all() else valid)
            out.append(column.alias(name))
        return pl.DataFrame(out)

    def put(self, rows: SlotRows, slots: np.ndarray, frame: pl.DataFrame) -> None:
        """Write the values of slots that hold none."""
        nulls = np.zeros((slots.size, self._null_words), dtype=np.int64)
        matrix = rows.matrix()
        for i, (name, store, at) in enumerate(zip(self.names, self._stores, self._at, strict=True)):
            column = frame[name]
            valid = validity(column)
            if valid is not None:
                nulls[:, i // BITS] |= np.where(valid, 0, 1 << (i % BITS))
            first, second = store.put(encode(column))
            matrix[slots, at] = first
            if store.kind.words == 2:
                matrix[slots, at + 1] = second
        for word in range(self._null_words):
            matrix[slots, self._nulls_at + word] = nulls[:, word]

    def free(self, rows: SlotRows, slots: np.ndarray) -> None:
        """Give the bytes of some slots back."""
        for store, at in zip(self._stores, self._at, strict=True):
            if store.kind >= Kind.BYTES:
                free_blocks(self._heap.view, rows.view, slots, at)
