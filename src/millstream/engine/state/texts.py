"""Columns of kept rows: numbers in words, text in words too where it is short.

in      Polars columns
state   two words a text, as Arrow's string views have them: length and first four bytes, then the
        other eight bytes of up to twelve, or where the whole text lies in the heap. NULL is zeros
out     columns; of text as Arrow views beside one block of bytes, which Polars takes as it is
why     Polars' own text is views: each text that is kept or given is copied once and the short
        ones not at all, and eight in ten of Nexmark's texts are short
nested  as in :mod:`.codec`, the message being the text
source  Neumann and Freitag, "Umbra", CIDR 2020 (strings of 16 bytes)
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.columns.address import copy_bytes
from millstream.engine.state.codec import (
    NO_WORDS,
    Kind,
    Store,
    encode,
    face,
    packed,
    unpacked,
)
from millstream.engine.state.heap import ByteHeap, Heap, compare_bytes, free_block, take_block
from millstream.engine.state.jit import kernel
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import Rows

SHORT_BYTES = 12
LENGTH = (1 << 32) - 1
PIECE_BYTES = 1 << 30
"""A view counts from the start of a piece, in 31 bits."""
NO_ROWS = np.zeros(0, dtype=np.bool_)
VIEWS = pl.CompatLevel.newest()


class ColumnStore:
    """Where the values of one column of kept rows live."""

    def __init__(self, dtype: pl.DataType, heap: ByteHeap) -> None:
        self._plain = Store(dtype, heap)
        self._heap = heap
        self.dtype = dtype
        self.kind = self._plain.kind
        self.width = self.kind.words
        self.is_text = self.kind >= Kind.BYTES

    def put(self, column: pl.Series, valid: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Keep values; returns the words to write into rows (the second may be empty)."""
        if not self.is_text:
            return self._plain.put(encode(column))
        if not len(column):
            return NO_WORDS, NO_WORDS
        if self.kind is Kind.NESTED:
            column, valid = packed(column), None
        words, blocks = view_words(column)
        low, high, bytes_long, long = measure(words, NO_ROWS if valid is None else valid)
        if long:
            at = addresses(blocks)
            put_long(self._heap.ensure(bytes_long, long), at, low, high)
        return low, high

    def get(self, first: np.ndarray, second: np.ndarray, valid: np.ndarray | None) -> pl.Series:
        """Return kept values as a column."""
        if not self.is_text:
            return self._plain.get(first, second, valid)
        views, data, starts = gather(self._heap.view, first, second)
        ends = [*starts[1:].tolist(), data.size]
        blocks = [data[a:b] for a, b in zip(starts.tolist(), ends, strict=True)]
        mask = None
        if valid is not None and self.kind is not Kind.NESTED:
            mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
        arrow = pa.string_view() if self.dtype == pl.String else pa.binary_view()
        parts = [mask, pa.py_buffer(views), *map(pa.py_buffer, blocks)]
        out = pl.from_arrow(pa.Array.from_buffers(arrow, first.size, parts))
        assert isinstance(out, pl.Series), "an Arrow array gives a series"
        return unpacked(out, valid, self.dtype) if self.kind is Kind.NESTED else out

    def free(self, rows: Rows, slots: np.ndarray, at: int) -> None:
        """Give the bytes of some rows back; the column's words lie at ``at``."""
        if self.is_text:
            free_texts(self._heap.view, rows, slots, at)


def view_words(column: pl.Series) -> tuple[np.ndarray, list[pa.Buffer]]:
    """Return the two words of each text of a column, and the blocks that hold the long ones."""
    if not len(column):
        return NO_WORDS, []
    array = column.to_arrow(compat_level=VIEWS)
    _, views, *blocks = array.buffers()
    words = np.frombuffer(views, dtype=np.int64)
    return face(words[2 * array.offset : 2 * (array.offset + len(array))]), blocks


def addresses(blocks: list[pa.Buffer]) -> np.ndarray:
    """Return where blocks lie; whoever asks keeps them."""
    return np.array([block.address for block in blocks], dtype=np.int64)


@kernel
def measure(views: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Return the two words of each view, zeros for NULL, and bytes and number of long texts."""
    n = views.size // 2
    low = np.empty(n, dtype=np.int64)
    high = np.empty(n, dtype=np.int64)
    total, long = 0, 0
    for i in range(n):
        low[i] = views[2 * i]
        high[i] = views[2 * i + 1]
        if valid.size > 0 and not valid[i]:
            low[i] = 0
            high[i] = 0
        length = low[i] & LENGTH
        if length > SHORT_BYTES:
            total += length
            long += 1
    return low, high, total, long


@kernel
def put_long(heap: Heap, blocks: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Copy long texts into the heap, room for which has been made; ``high`` says where they are."""
    base = heap.data.ctypes.data
    for i in range(low.size):
        length = low[i] & LENGTH
        if length > SHORT_BYTES:
            at = take_block(heap, length)
            place = blocks[high[i] & LENGTH] + ((high[i] >> 32) & LENGTH)
            copy_bytes(base + at, place, length)
            high[i] = at


@kernel
def gather(
    heap: Heap, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return views, the bytes of the long texts, and where each piece of these begins."""
    total, pieces, left = 0, 1, PIECE_BYTES
    for i in range(low.size):
        length = low[i] & LENGTH
        if length > SHORT_BYTES:
            total += length
            if length > left:
                pieces += 1
                left = PIECE_BYTES
            left = max(left - length, 0)
    views = np.empty(2 * low.size, dtype=np.int64)
    data = np.empty(total, dtype=np.uint8)
    starts = np.zeros(pieces, dtype=np.int64)
    base, to = heap.data.ctypes.data, data.ctypes.data
    end, piece, left = 0, 0, PIECE_BYTES
    for i in range(low.size):
        if i + AHEAD < low.size and low[i + AHEAD] & LENGTH > SHORT_BYTES:
            prefetch(heap.data, high[i + AHEAD])
        length = low[i] & LENGTH
        views[2 * i] = low[i]
        views[2 * i + 1] = high[i]
        if length > SHORT_BYTES:
            if length > left:
                piece += 1
                starts[piece] = end
                left = PIECE_BYTES
            left = max(left - length, 0)
            copy_bytes(to + end, base + high[i], length)
            views[2 * i + 1] = piece | ((end - starts[piece]) << 32)
            end += length
    return views, data, starts


@kernel
def free_texts(heap: Heap, rows: Rows, slots: np.ndarray, at: int) -> None:
    """Give back the bytes of one column's long texts."""
    for slot in slots:
        p = slot * rows.width + at
        length = rows.words[p] & LENGTH
        if length > SHORT_BYTES:
            free_block(heap, rows.words[p + 1], length)


@kernel
def compare_texts(heap: Heap, words: np.ndarray, p: int, q: int) -> int:
    """Return -1, 0 or 1 for the texts whose words begin at ``p`` and at ``q``."""
    own = words.view(np.uint8)
    m, n = words[p] & LENGTH, words[q] & LENGTH
    a, a0 = (own, 8 * p + 4) if m <= SHORT_BYTES else (heap.data, words[p + 1])
    b, b0 = (own, 8 * q + 4) if n <= SHORT_BYTES else (heap.data, words[q + 1])
    return compare_bytes(a, a0, m, b, b0, n)
