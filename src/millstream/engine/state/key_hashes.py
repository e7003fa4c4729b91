"""Rows by a 128-bit hash of their columns, computed from the words values are kept as.

in      columns of one height; NULL, and NaN, are equal to themselves; -0.0 = 0.0
out     two seeded 64-bit hashes of each row, the same for equal rows of any batch. Of one column of
        whole numbers, dates or times each of them is different for different values
method  the words of a row put together by multiplying (Knuth, TAOCP 6.4) and folding, on two ways
        with multipliers of their own. Texts of up to twelve bytes are words themselves, longer
        ones are walked word by word; nested values are hashed by Polars
why     Polars' own hash is a query for each column: 20 us for a single row
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from millstream.columns.address import byte_at, word_at
from millstream.engine.state.codec import NO_WORDS, Kind, canonical, encode, kind_of, validity
from millstream.engine.state.jit import kernel
from millstream.engine.state.texts import LENGTH, SHORT_BYTES, addresses, view_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

_ODD_A, _ODD_B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_START = np.uint64(0xC2B2AE3D27D4EB4F)
_HALF, _BYTE_BITS = np.uint64(32), np.uint64(8)
WORD_BYTES = 8
NULL_BITS = 63


def key_hashes(columns: Sequence[pl.Series], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both hashes of each row (int64)."""
    own_seed = np.uint64(seed & (2**64 - 1))
    words: list[np.ndarray] = []
    nulls = NO_WORDS
    for place, column in enumerate(columns):
        valid = validity(column)
        found = _words(column, seed, own_seed)
        if valid is not None:
            found = [np.where(valid, word, 0) for word in found]
            missing = np.where(valid, 0, 1 << (place % NULL_BITS))
            nulls = nulls ^ missing if nulls.size else missing
        words += found
    rows = len(columns[0])
    arrays = [np.ascontiguousarray(word, dtype=np.int64) for word in words]
    places = np.array([array.ctypes.data for array in arrays], dtype=np.int64)
    return mixed(places, rows, nulls, own_seed)


def _words(column: pl.Series, seed: int, own_seed: np.uint64) -> list[np.ndarray]:
    """Return a column as words that are equal where its values are; NULLs are of no meaning."""
    kind = kind_of(column.dtype)
    if kind is Kind.NESTED:
        halves = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF or 1
        return [column.hash(half).to_numpy().view(np.int64) for half in halves]
    if kind is Kind.BYTES:
        views, blocks = view_words(column)
        return list(text_words(views, addresses(blocks), own_seed))
    cells = encode(column)
    if kind is Kind.FLOAT:
        return [canonical(cells.first)]
    return [cells.first] if kind is Kind.WORD else [cells.first, cells.second]


@kernel
def stirred(state: Any, word: Any, odd: Any) -> Any:
    """Take a word into a hash; for one state and multiplier no two words give the same."""
    found = (state ^ word) * odd
    return found ^ (found >> _HALF)


@kernel
def mixed(
    places: np.ndarray, rows: int, nulls: np.ndarray, seed: np.uint64
) -> tuple[np.ndarray, np.ndarray]:
    """Put the words of each row together; ``places`` are the addresses of the columns' words."""
    one = np.empty(rows, dtype=np.int64)
    two = np.empty(rows, dtype=np.int64)
    for i in range(rows):
        a, b = seed, seed ^ _START
        if nulls.size and nulls[i] != 0:
            a = stirred(a, np.uint64(nulls[i]), _ODD_B)
            b = stirred(b, np.uint64(nulls[i]), _ODD_A)
        for j in range(places.size):
            word = word_at(places[j], 8 * i)
            a = stirred(a, word, _ODD_A)
            b = stirred(b, word, _ODD_B)
        one[i] = np.int64(a)
        two[i] = np.int64(b)
    return one, two


@kernel
def text_words(
    views: np.ndarray, blocks: np.ndarray, seed: np.uint64
) -> tuple[np.ndarray, np.ndarray]:
    """Return two words for each text: its view where it is short, else two hashes of its bytes."""
    n = views.size // 2
    low = np.empty(n, dtype=np.int64)
    high = np.empty(n, dtype=np.int64)
    for i in range(n):
        low[i], high[i] = views[2 * i], views[2 * i + 1]
        length = low[i] & LENGTH
        if length <= SHORT_BYTES:
            continue
        base = blocks[high[i] & LENGTH] + ((high[i] >> 32) & LENGTH)
        a, b = seed ^ np.uint64(length), seed ^ _START
        whole = length - length % WORD_BYTES
        for at in range(0, whole, WORD_BYTES):
            word = word_at(base, at)
            a = stirred(a, word, _ODD_A)
            b = stirred(b, word, _ODD_B)
        rest = np.uint64(0)
        for at in range(whole, length):
            rest = (rest << _BYTE_BITS) | np.uint64(byte_at(base, at))
        low[i] = np.int64(stirred(a, rest, _ODD_A))
        high[i] = np.int64(stirred(b, rest, _ODD_B))
    return low, high
