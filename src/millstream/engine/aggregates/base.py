"""What every aggregate function of the engine is.

in      rows of (slot, value, weight, arrival number), NULLs and filtered rows already left out
state   ``words`` 64-bit words in the slot's row, all zero for "nothing folded yet", and for some
        a side structure (bags, lists, bytes) that ``release`` gives back
merge   a partial result into another; ``sign`` -1 takes it out again where ``invertible``
out     one value per slot; NULL or 0 where nothing was folded, as SQL says
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows, SlotRows, gather_words


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to fold, in arrival order.

    ``weights`` is empty where all are +1; ``values`` is None for COUNT(*). ``bits`` tells, where
    several calls share an accumulator, for which of them a row counts; else it is empty.
    """

    slots: np.ndarray
    values: pl.Series | None
    weights: np.ndarray
    arrived: np.ndarray
    bits: np.ndarray = field(default_factory=lambda: NO_WORDS)

    def where(self, mask: np.ndarray) -> Fold:
        """Return the rows that ``mask`` keeps."""
        rows = np.flatnonzero(mask)
        return Fold(
            self.slots[rows],
            None if self.values is None else self.values.filter(pl.Series(mask)),
            self.weights[rows] if self.weights.size else self.weights,
            self.arrived[rows],
            self.bits[rows] if self.bits.size else self.bits,
        )

    @property
    def column(self) -> pl.Series:
        """The values of an aggregate that has an argument."""
        assert self.values is not None, "only COUNT(*) has no argument"
        return self.values


@dataclass(frozen=True, slots=True)
class Home:
    """Where an accumulator keeps its state."""

    arena: Arena
    heap: ByteHeap
    rows: SlotRows
    at: int
    seed: int


class Accumulator(ABC):
    """One aggregate function over one argument.

    ``plain``: the words are the whole state, so they can be saved as they are.
    """

    words: int
    invertible = True
    plain = True
    merges_in_order = True
    """A merge sees what the pairs before it have done, so that one call can make a chain."""
    keeps_nulls = False
    home: Home

    def settle(self, home: Home) -> None:
        """Take a place in the slot's row."""
        self.home = home

    @property
    def rows(self) -> Rows:
        """The slot rows as kernels take them."""
        return self.home.rows.view

    def cells(self, slots: np.ndarray) -> np.ndarray:
        """Return this accumulator's words of some slots, as (slot, word)."""
        return gather_words(self.rows, self.home.at, self.words, slots).T

    @abstractmethod
    def fold(self, batch: Fold) -> None:
        """Take rows in."""

    @abstractmethod
    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        """Merge the partial results of ``given`` into those of ``into``, pair by pair."""

    @abstractmethod
    def result(self, slots: np.ndarray) -> pl.Series:
        """Return one value per slot."""

    def release(self, slots: np.ndarray) -> None:
        """Forget what slots hold: their words are zero and nothing else is kept for them."""
        at = self.home.at
        self.home.rows.matrix()[slots, at : at + self.words] = 0

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        """Return the state of slots, in order."""
        return self.saved(self.cells(slots).T)

    def saved(self, words: np.ndarray) -> pl.DataFrame:
        """Return the state of slots, given their words, one row per word; only where ``plain``."""
        return pl.DataFrame([pl.Series(f"w{j}", words[j]) for j in range(self.words)])

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        """Take a saved state into fresh slots."""
        at = self.home.at
        matrix = self.home.rows.matrix()
        for j in range(self.words):
            matrix[slots, at + j] = saved[f"w{j}"].to_numpy()


@kernel
def add_words(
    rows: Rows, at: int, count: int, into: np.ndarray, given: np.ndarray, sign: int
) -> None:
    """Add integer words pair by pair."""
    for i in range(into.size):
        p = into[i] * rows.width + at
        q = given[i] * rows.width + at
        for j in range(count):
            rows.words[p + j] += sign * rows.words[q + j]
