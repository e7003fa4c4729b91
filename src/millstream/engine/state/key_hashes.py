"""Rows by a 128-bit hash of their columns, computed from the words values are kept as.

in      columns of one height; NULL, and NaN, are equal to themselves; -0.0 = 0.0
out     two seeded 64-bit hashes of each row, the same for equal rows of any batch. Of one column of
        whole numbers, dates or times each of them is different for different values
method  the words of a row put together one after the other by multiplying and folding twice, with
        two secret multipliers for each hash (splitmix64 of the seed). With known multipliers, or
        one round, words that differ in their top bit alone would differ by known bits afterwards,
        in both hashes: a second word could be chosen that makes two keys one. Texts of up to
        twelve bytes are words themselves, longer ones are walked word by word; nested values are
        hashed by Polars
source  Steele et al., "Fast splittable pseudorandom number generators" (OOPSLA 2014)
why     Polars' own hash is a query for each column: 20 us for a single row
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from millstream.columns.address import byte_at, word_at
from millstream.engine.state.codec import Kind, canonical, encode, kind_of, validity
from millstream.engine.state.jit import kernel
from millstream.engine.state.texts import LENGTH, SHORT_BYTES, addresses, view_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ONE, _HALF, _BYTE_BITS = np.uint64(1), np.uint64(32), np.uint64(8)
WORD_BYTES = 8
NULL_BITS = 48
"""So many columns share a word that says which are NULL; its upper part is its number."""


def key_hashes(columns: Sequence[pl.Series], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both hashes of each row (int64)."""
    own_seed = np.uint64(seed & (2**64 - 1))
    words: list[np.ndarray] = []
    nulls = np.zeros((0, 0), dtype=np.int64)
    for place, column in enumerate(columns):
        valid = validity(column)
        found = _words(column, seed, own_seed)
        if valid is not None:
            found = [np.where(valid, word, 0) for word in found]
            if not nulls.size:
                nulls = np.zeros((-(-len(columns) // NULL_BITS), len(column)), dtype=np.int64)
            nulls[place // NULL_BITS, ~valid] |= 1 << (place % NULL_BITS)
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
def secret(seed: Any, number: int) -> Any:
    """Return one of the odd multipliers of a seed."""
    z = seed + np.uint64(number) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_A
    z = (z ^ (z >> np.uint64(27))) * _MIX_B
    return (z ^ (z >> np.uint64(31))) | _ONE


@kernel
def stirred(state: Any, word: Any, odd: Any, other: Any) -> Any:
    """Take a word into a hash; for one state no two words give the same."""
    found = (state ^ word) * odd
    found = (found ^ (found >> _HALF)) * other
    return found ^ (found >> _HALF)


@kernel
def mixed(
    places: np.ndarray, rows: int, nulls: np.ndarray, seed: np.uint64
) -> tuple[np.ndarray, np.ndarray]:
    """Put the words of each row together; ``places`` are the addresses of the columns' words."""
    one = np.empty(rows, dtype=np.int64)
    two = np.empty(rows, dtype=np.int64)
    a1, a2, b1, b2 = secret(seed, 1), secret(seed, 2), secret(seed, 3), secret(seed, 4)
    start_a, start_b = secret(seed, 5), secret(seed, 6)
    for i in range(rows):
        a, b = start_a, start_b
        for k in range(len(nulls)):
            if nulls[k, i] != 0:
                word = np.uint64(nulls[k, i] | (k << NULL_BITS))
                a = stirred(a, word, a1, a2)
                b = stirred(b, word, b1, b2)
        for j in range(places.size):
            word = word_at(places[j], 8 * i)
            a = stirred(a, word, a1, a2)
            b = stirred(b, word, b1, b2)
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
    a1, a2, b1, b2 = secret(seed, 7), secret(seed, 8), secret(seed, 9), secret(seed, 10)
    for i in range(n):
        low[i], high[i] = views[2 * i], views[2 * i + 1]
        length = low[i] & LENGTH
        if length <= SHORT_BYTES:
            continue
        base = blocks[high[i] & LENGTH] + ((high[i] >> 32) & LENGTH)
        a, b = a2 ^ np.uint64(length), b2 ^ np.uint64(length)
        whole = length - length % WORD_BYTES
        for at in range(0, whole, WORD_BYTES):
            word = word_at(base, at)
            a = stirred(a, word, a1, a2)
            b = stirred(b, word, b1, b2)
        rest = np.uint64(0)
        for at in range(whole, length):
            rest = (rest << _BYTE_BITS) | np.uint64(byte_at(base, at))
        low[i] = np.int64(stirred(a, rest, a1, a2))
        high[i] = np.int64(stirred(b, rest, b1, b2))
    return low, high
