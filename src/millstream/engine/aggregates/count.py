"""COUNT(*) and COUNT(x).

state   one word
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from millstream.engine.aggregates.base import Accumulator, Fold, add_words
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows

if TYPE_CHECKING:
    import numpy as np


class Count(Accumulator):
    """How many rows."""

    words = 1

    def fold(self, batch: Fold) -> None:
        count(self.rows, self.home.at, batch.slots, batch.weights)

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        add_words(self.rows, self.home.at, 1, into, given, sign)

    def result(self, slots: np.ndarray) -> pl.Series:
        return pl.Series(self.cells(slots)[:, 0])


@kernel
def count(rows: Rows, at: int, slots: np.ndarray, weights: np.ndarray) -> None:
    """Add one, or the weight, per row."""
    if weights.size == 0:
        for slot in slots:
            rows.words[slot * rows.width + at] += 1
    else:
        for i in range(slots.size):
            rows.words[slots[i] * rows.width + at] += weights[i]
