"""DISTINCT aggregates of one argument under several filters: the values are kept once.

in      rows of (slot, value, bits): bit ``m`` tells whether the row passes the filter of call m
state   the values of each slot with the calls that have them (:mod:`..state.value_sets`); behind
        it the words of the function of every call
merge   the values of one slot are folded into the other with their counts; exact, so invertible
out     one struct per slot with a field per call
why     eight COUNT(DISTINCT …) FILTER (…) over two columns ask two indexes per row, not eight

Only functions for which the order of values means nothing share: a call that hears of a value
later than another call would otherwise take it in another place than its own rows say.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.aggregates.bags import Distinct
from millstream.engine.aggregates.base import Accumulator, Fold, Home
from millstream.engine.aggregates.count import Count
from millstream.engine.aggregates.moments import IntSpread
from millstream.engine.aggregates.sums import IntSum
from millstream.engine.aggregates.wide import WideSum
from millstream.engine.state import value_sets as v
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.value_sets import Held, ValueSets
from millstream.expr.tree import AggCall, Column

UNORDERED = (Count, IntSum, WideSum, IntSpread)


class SharedDistinct(Accumulator):
    """Feeds several functions, each with the different values that pass its own filter."""

    plain = False
    merges_in_order = False

    def __init__(
        self, dtype: pl.DataType, functions: tuple[Accumulator, ...], *, counted: bool
    ) -> None:
        self._dtype = dtype
        self._functions = functions
        self._counted = counted
        self.words = v.OWNER_WORDS + sum(function.words for function in functions)

    def settle(self, home: Home) -> None:
        super().settle(home)
        self._sets = ValueSets(
            self._dtype,
            home.seed,
            arena=home.arena,
            heap=home.heap,
            owners=home.rows,
            at=home.at,
            readers=len(self._functions),
            counted=self._counted,
        )
        at = home.at + v.OWNER_WORDS
        for function in self._functions:
            function.settle(Home(home.arena, home.heap, home.rows, at, home.seed))
            at += function.words

    def fold(self, batch: Fold) -> None:
        weights = batch.weights.reshape(-1, 1) if batch.weights.size else v.ONE_EACH
        self._take(batch, weights)

    def _take(self, batch: Fold, weights: np.ndarray) -> None:
        if not batch.slots.size:
            return
        changes = self._sets.add(batch.slots, batch.column, batch.bits, weights)
        for function, change in zip(self._functions, changes, strict=True):
            rows = change.rows
            if rows.size:
                # COUNT need not know which values they are.
                values = None if isinstance(function, Count) else batch.column.gather(rows)
                signs = change.signs if (change.signs < 0).any() else NO_WORDS
                function.fold(Fold(batch.slots[rows], values, signs, batch.arrived[rows]))

    def _put(self, slots: np.ndarray, held: Held, sign: int = 1) -> None:
        batch = Fold(slots, held.values, NO_WORDS, np.arange(slots.size), held.bits)
        assert sign == 1 or self._counted, "values are taken out that nobody counted"
        self._take(batch, sign * held.weights)

    def merge(self, into: np.ndarray, given: np.ndarray, sign: int = 1) -> None:
        held = self._sets.held(given)
        self._put(into[held.where], held, sign)

    def result(self, slots: np.ndarray) -> pl.Series:
        fields = [f.result(slots).alias(str(m)) for m, f in enumerate(self._functions)]
        return pl.DataFrame(fields).to_struct("calls")

    def release(self, slots: np.ndarray) -> None:
        for function in self._functions:
            function.release(slots)
        self._sets.release(slots)

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        held = self._sets.held(slots)
        columns = [pl.Series("place", held.where), held.values.alias("value")]
        columns.append(pl.Series("bits", held.bits))
        columns += [pl.Series(f"count{m}", held.weights[:, m]) for m in self._counts]
        return pl.DataFrame(columns)

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        where = saved["place"].to_numpy()
        weights = v.ONE_EACH
        if self._counted:
            counts = [saved[f"count{m}"].to_numpy() for m in self._counts]
            weights = np.stack(counts, axis=1)
        held = Held(where, saved["value"], saved["bits"].to_numpy().copy(), weights)
        self._put(slots[where], held)

    @property
    def _counts(self) -> range:
        return range(len(self._functions) if self._counted else 0)


def share(
    built: list[Accumulator], calls: list[AggCall], *, shrinks: bool
) -> list[tuple[Accumulator, tuple[int, ...]]]:
    """Return the accumulators to run, each with the places of the calls it answers."""
    groups: dict[object, list[int]] = {}
    for place, (part, call) in enumerate(zip(built, calls, strict=True)):
        key: object = place
        if isinstance(part, Distinct) and isinstance(part.inner, UNORDERED):
            (arg,) = call.args
            assert isinstance(arg, Column), f"the argument {arg} is not a column yet"
            key = arg.name
        groups.setdefault(key, []).append(place)
    out: list[tuple[Accumulator, tuple[int, ...]]] = []
    for places in groups.values():
        for start in range(0, len(places), v.READERS_MAX):
            some = tuple(places[start : start + v.READERS_MAX])
            out.append((_one(built, some, counted=shrinks), some))
    return out


def _one(built: list[Accumulator], places: tuple[int, ...], *, counted: bool) -> Accumulator:
    parts = [built[place] for place in places]
    if len(parts) == 1:
        return parts[0]
    distinct = [part for part in parts if isinstance(part, Distinct)]
    assert len(distinct) == len(parts), "only DISTINCT aggregates share their values"
    functions = tuple(part.inner for part in distinct)
    return SharedDistinct(distinct[0].dtype, functions, counted=counted)
