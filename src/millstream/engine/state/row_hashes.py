"""Rows by a 128-bit hash of all their columns.

in      frames of the same columns; NULL, and NaN, are equal to themselves; -0.0 = 0.0
out     two seeded 64-bit hashes of each row, the same for equal rows of any frame
method  Polars' hash of each column, put together by multiplying (Knuth, TAOCP 6.4) and folding.
        ``DataFrame.hash_rows`` would hand even a single row to Polars' pool (columns/frames.py)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from millstream.engine.state.codec import face

if TYPE_CHECKING:
    import polars as pl

_ODD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


def row_hash(frame: pl.DataFrame, seed: int) -> np.ndarray:
    """Return one hash of each row (uint64)."""
    total = np.zeros(frame.height, np.uint64)
    for place, column in enumerate(frame):
        found = column.hash(seed).to_numpy()
        if not place:
            total = found
            continue
        total = total * _ODD
        total ^= total >> _HALF
        total += found
    return total


def row_hashes(frame: pl.DataFrame, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both hashes of each row (int64), as kernels take them; each half of the seed is one's.

    A second half of 0 counts as 1.
    """
    halves = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF or 1
    one, two = (face(row_hash(frame, half).view(np.int64)) for half in halves)
    return one, two
