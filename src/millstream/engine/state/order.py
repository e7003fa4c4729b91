"""Sort keys as words that compare like the values they stand for.

in      the columns of an ORDER BY; NULLs are lowest unless said otherwise, as in Flink
out     per row some signed words, compared one after the other; DESC turns the words round.
        Text has three: its first eight bytes, then where the whole lies in the heap
floats  NaN is the largest number, -0.0 = 0.0
bad     a nested column has no order
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from millstream.engine.state.codec import Cells, Kind, Store, encode, kind_of, validity
from millstream.engine.state.heap import ByteHeap, Heap, compare_bytes, free_block
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import free_blocks
from millstream.engine.state.slots import Rows, SlotRows
from millstream.plan.nodes import SortKey

if TYPE_CHECKING:
    import polars as pl

SIGN = np.int64(-(2**63))
PLAIN, TEXT, TEXT_DOWN = 0, 1, 2
"""What a word of a sort key is: compared as it is, or the head of a text (up, down)."""


class SortWords:
    """The sort key of some rows; ``marks`` tells kernels what each word is."""

    def __init__(
        self, by: tuple[SortKey, ...], schema: dict[str, pl.DataType], heap: ByteHeap
    ) -> None:
        self.by = by
        self._heap = heap
        self._stores = [Store(schema[key.column], heap) for key in by]
        marks: list[int] = []
        self._text_at: list[int] = []
        for key, store in zip(by, self._stores, strict=True):
            assert store.kind is not Kind.NESTED, f"{key.column} has no order"
            marks.append(PLAIN)
            if store.kind is Kind.BYTES:
                self._text_at.append(len(marks))
                # The two words behind the head say where the text lies; no one compares them.
                marks += [TEXT_DOWN if key.descending else TEXT, PLAIN, PLAIN]
            else:
                marks += [PLAIN] * store.kind.words
        self.marks = np.array(marks, dtype=np.int64)
        self.words = len(marks)

    @property
    def has_text(self) -> bool:
        """Whether some words point into the heap."""
        return bool(self._text_at)

    def encode(self, frame: pl.DataFrame) -> np.ndarray:
        """Return (word, row); text is put into the heap and belongs to the caller."""
        out = np.zeros((self.words, frame.height), dtype=np.int64)
        at = 0
        for key, store in zip(self.by, self._stores, strict=True):
            column = frame[key.column]
            first = not key.descending if key.nulls_first is None else key.nulls_first
            valid = validity(column)
            if valid is not None:
                out[at] = np.where(valid, 0, -1 if first else 1)
            cells = encode(column)
            made = self._values(store, cells, valid)
            turn = -1 if key.descending else 0
            for j, words in enumerate(made):
                plain = store.kind is not Kind.BYTES or j == 0
                out[at + 1 + j] = words ^ turn if plain else words
            if valid is not None:
                out[at + 1 : at + 1 + len(made), ~valid] = 0
            at += 1 + len(made)
        return out

    def _values(
        self, store: Store, cells: Cells, valid: np.ndarray | None
    ) -> tuple[np.ndarray, ...]:
        match store.kind:
            case Kind.WORD:
                return (cells.first,)
            case Kind.FLOAT:
                return (float_words(cells.first),)
            case Kind.DECIMAL:
                return (cells.second, cells.first ^ SIGN)
            case _:
                if valid is not None:
                    # What stands at NULL rows is of no meaning: it must not take room.
                    lengths = np.where(valid, cells.second, 0)
                    cells = Cells(cells.first, lengths, cells.data)
                heads = text_heads(cells.data, cells.first, cells.second)
                starts, lengths = store.put(cells)
                return heads, starts, lengths

    def free(self, rows: SlotRows, at: int, slots: np.ndarray) -> None:
        """Give back the bytes of sort keys that lie behind word ``at`` of slots."""
        for word in self._text_at:
            free_blocks(self._heap.view, rows.view, slots, at + word + 1)

    def free_words(self, words: np.ndarray) -> None:
        """Give back the bytes of encoded sort keys that no slot took over."""
        for word in self._text_at:
            free_texts(self._heap.view, words[word + 1], words[word + 2])


def has_order(dtype: pl.DataType) -> bool:
    """Tell whether values of a dtype can be sorted by."""
    return kind_of(dtype) is not Kind.NESTED


def float_words(bits: np.ndarray) -> np.ndarray:
    """Return doubles as words in the order of the numbers."""
    numbers = bits.view(np.float64) + 0.0
    numbers[np.isnan(numbers)] = np.nan
    words = numbers.view(np.int64)
    # Negative numbers have their other bits the wrong way round; NaN's are the largest anyway.
    return np.where(words < 0, ~words ^ SIGN, words)


@kernel
def text_heads(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the first eight bytes of texts as words in their order."""
    out = np.empty(starts.size, dtype=np.int64)
    for i in range(starts.size):
        head = np.uint64(0)
        for j in range(8):
            byte = np.uint64(data[starts[i] + j]) if j < lengths[i] else np.uint64(0)
            head = (head << np.uint64(8)) | byte
        out[i] = np.int64(head) ^ np.int64(-(2**63))
    return out


@kernel
def free_texts(heap: Heap, starts: np.ndarray, lengths: np.ndarray) -> None:
    """Give back blocks."""
    for i in range(starts.size):
        free_block(heap, starts[i], lengths[i])


@kernel
def compare_words(
    a: np.ndarray, p: int, b: np.ndarray, q: int, marks: np.ndarray, heap: Heap
) -> int:
    """Compare two sort keys, at ``a[p]`` and ``b[q]``: -1, 0 or 1."""
    j = 0
    while j < marks.size:
        u = a[p + j]
        v = b[q + j]
        if u != v:
            return -1 if u < v else 1
        if marks[j] != PLAIN:
            order = compare_bytes(
                heap.data, a[p + j + 1], a[p + j + 2], heap.data, b[q + j + 1], b[q + j + 2]
            )
            if order != 0:
                return order if marks[j] == TEXT else -order
            j += 3
        else:
            j += 1
    return 0


@kernel
def compare_rows(rows: Rows, at: int, a: int, b: int, marks: np.ndarray, heap: Heap) -> int:
    """Compare the sort keys of two slots."""
    return compare_words(
        rows.words, a * rows.width + at, rows.words, b * rows.width + at, marks, heap
    )
