"""Rows by a 64-bit hash of all their columns, which may be kept: the journal's.

in      frames of the same columns; NULL, and NaN, are equal to themselves; -0.0 = 0.0
out     a seeded hash of each row, the same for equal rows of any frame
method  Polars' hash of each column, put together by multiplying (Knuth, TAOCP 6.4) and folding.
        ``DataFrame.hash_rows`` would hand even a single row to Polars' pool (columns/frames.py)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
