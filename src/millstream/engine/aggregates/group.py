"""All aggregates of one operator, folded side by side into the same slots.

in      slots, the frame of the rows and their weights; arguments and filters are columns or
        expressions over the frame
state   the words of every accumulator behind the owner's own; the number of rows ever seen.
        DISTINCT aggregates of one argument have one accumulator (:mod:`.shared`)
out     result columns by slot; state as frames
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from millstream.columns.physical import polars_type
from millstream.engine.aggregates.bags import Distinct
from millstream.engine.aggregates.base import Accumulator, Fold, Home
from millstream.engine.aggregates.build import accumulator_for
from millstream.engine.aggregates.shared import share
from millstream.engine.aggregates.user import UserFold
from millstream.engine.rejects import rejected_rows
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.copies import Copies
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.slots import SlotRows
from millstream.expr.tree import AggCall, Column, Expr, Named

ROWS = "rows_seen"


class Aggregates:
    """The accumulators of one GROUP BY."""

    def __init__(self, aggs: tuple[Named, ...], *, changes: bool, panes: bool = False) -> None:
        self.names = tuple(agg.name for agg in aggs)
        calls: list[AggCall] = []
        for agg in aggs:
            assert isinstance(agg.expr, AggCall), "only AggCall below an aggregate"
            calls.append(agg.expr)
        built = [accumulator_for(call, changes=changes, panes=panes) for call in calls]
        shared = share(built, calls, shrinks=changes or panes)
        self.parts: list[Accumulator] = [part for part, _ in shared]
        self._places = [places for _, places in shared]
        self._calls = calls
        self._dtypes = [polars_type(call.typed) for call in calls]
        self.words = sum(part.words for part in self.parts)
        self._rows_seen = 0
        self._copies = Copies()
        plain = [p.inner if isinstance(p, Distinct) else p for p in built]
        self._users = [part for part in plain if isinstance(part, UserFold)]
        self._given: list[tuple[np.ndarray, pl.DataFrame]] = []

    def settle(self, arena: Arena, heap: ByteHeap, rows: SlotRows, at: int, seed: int) -> None:
        """Lay the accumulators out behind word ``at`` of the rows."""
        for place, part in enumerate(self.parts):
            part.settle(Home(arena, heap, rows, at, seed + 0x9E3779B9 * (place + 1)))
            at += part.words

    def arrive(self, rows: int) -> np.ndarray:
        """Return the arrival numbers of new rows."""
        arrived = np.arange(self._rows_seen, self._rows_seen + rows)
        self._rows_seen += rows
        return arrived

    def inputs(
        self, frame: pl.DataFrame, slots: np.ndarray, weights: np.ndarray, arrived: np.ndarray
    ) -> list[Fold]:
        """Return what each accumulator has to fold."""
        out: list[Fold] = []
        if self._users:
            self._given.append((arrived, frame))
        keeps: dict[Expr, np.ndarray] = {}
        for call in self._calls:
            if call.filter is not None and call.filter not in keeps:
                keeps[call.filter] = _keeps(call.filter, frame)
        passes: dict[object, np.ndarray] = {}
        for part, places in zip(self.parts, self._places, strict=True):
            calls = [self._calls[place] for place in places]
            values = _values(calls[0], frame)
            mask = None
            if values is not None and values.null_count() and not part.keeps_nulls:
                mask = values.is_not_null().to_numpy()
            bits = NO_WORDS
            if len(calls) > 1:
                filters = tuple(call.filter for call in calls)
                if filters not in passes:
                    passes[filters] = _bits(filters, keeps, frame.height)
                bits = passes[filters]
                if None not in filters:
                    mask = bits != 0 if mask is None else mask & (bits != 0)
            elif calls[0].filter is not None:
                keep = keeps[calls[0].filter]
                mask = keep if mask is None else mask & keep
            fold = Fold(slots, values, weights, arrived, bits)
            out.append(fold if mask is None else fold.where(mask))
        return out

    def fold(self, frame: pl.DataFrame, slots: np.ndarray, weights: np.ndarray) -> None:
        """Take rows in, in arrival order."""
        inputs = self.inputs(frame, slots, weights, self.arrive(frame.height))
        for part, batch in zip(self.parts, inputs, strict=True):
            part.fold(batch)

    def rejected(self, uid: str) -> tuple[pl.DataFrame, ...]:
        """Return the rows that a user's function refused since the last call, once each."""
        if not self._users:
            return ()
        given, self._given = self._given, []
        why: dict[int, str] = {}
        for part in self._users:
            for number, reason in part.failed:
                why.setdefault(number, reason)
            part.failed.clear()
        made: list[pl.DataFrame] = []
        for arrived, frame in given:
            bad = np.flatnonzero(np.isin(arrived, list(why))) if why else NO_WORDS
            if bad.size:
                reasons = pl.Series([why.pop(int(arrived[at])) for at in bad])
                shown = frame[bad].rename(lambda c: c.removeprefix("$") if "$arg" in c else c)
                made.append(rejected_rows(shown, reasons, uid))
        return tuple(made)

    def results(self, slots: np.ndarray) -> list[pl.Series]:
        """Return the result columns of slots."""
        return self.results_of([slots] * len(self.parts))

    def results_of(self, slots: list[np.ndarray]) -> list[pl.Series]:
        """Return the result columns, each accumulator's from its own slots."""
        found: dict[int, pl.Series] = {}
        for part, places, where in zip(self.parts, self._places, slots, strict=True):
            values = part.result(where)
            fields = [values] if len(places) == 1 else values.struct.unnest().get_columns()
            found.update(zip(places, fields, strict=True))
        out = []
        for place, (name, dtype, call) in enumerate(
            zip(self.names, self._dtypes, self._calls, strict=True)
        ):
            values = found[place]
            values = values if values.dtype == dtype else values.cast(dtype)
            if call.function == "$SUM0" and values.null_count():
                values = values.fill_null(0)
            out.append(values.alias(name))
        return out

    def drop(self, slots: np.ndarray) -> None:
        """Give back what slots hold outside of their words; the slots are freed next."""
        for part in self.parts:
            if not part.plain:
                part.release(slots)

    def save(self, slots: np.ndarray) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
        """Return the state of slots, in order, and what is not in a slot."""
        tables: dict[str, pl.DataFrame] = {}
        words: np.ndarray | None = None
        at = 0
        for i, part in enumerate(self.parts):
            if not part.plain:
                tables[f"agg{i}"] = part.save(slots)
            else:
                if words is None:  # one walk through the slots for all of them
                    words = self._copies.gather(part.rows, part.home.at - at, self.words, slots)
                tables[f"agg{i}"] = part.saved(words[at : at + part.words])
            at += part.words
        return tables, {ROWS: self._rows_seen}

    def load(
        self, slots: np.ndarray, tables: dict[str, pl.DataFrame], facts: dict[str, Any]
    ) -> None:
        """Take a saved state into fresh slots."""
        self._rows_seen = int(facts[ROWS])
        for i, part in enumerate(self.parts):
            part.load(slots, tables[f"agg{i}"])
        for user in self._users:  # what was refused then has been told then
            user.failed.clear()


def same_results(old: list[pl.Series], new: list[pl.Series], rows: int) -> np.ndarray:
    """Tell which rows have the same results before and after (NULL = NULL, NaN = NaN)."""
    same = np.ones(rows, dtype=np.bool_)
    for was, now in zip(old, new, strict=True):
        # Without NULLs both say the same; ``eq_missing`` goes through Polars' query engine.
        some_null = was.null_count() or now.null_count() or was.dtype.is_nested()
        same &= (was.eq_missing(now) if some_null else was == now).to_numpy()
    return same


def _values(call: AggCall, frame: pl.DataFrame) -> pl.Series | None:
    """Return the argument; the several of a user's function as the fields of one column."""
    if call.udf is None or len(call.args) < 2:
        return frame[_column(call.args[0])] if call.args else None
    columns = [frame[_column(arg)].alias(str(i)) for i, arg in enumerate(call.args)]
    return pl.DataFrame(columns).to_struct("values")


def _keeps(condition: Expr, frame: pl.DataFrame) -> np.ndarray:
    """Return which rows pass a filter."""
    column = frame[_column(condition)]
    # Filling goes through Polars' query engine, which costs more than looking.
    return (column.fill_null(value=False) if column.null_count() else column).to_numpy()


def _bits(filters: tuple[Expr | None, ...], keeps: dict[Expr, np.ndarray], rows: int) -> np.ndarray:
    """Return for each row the filters it passes, as bits."""
    every = sum(1 << place for place, condition in enumerate(filters) if condition is None)
    bits = np.full(rows, every, dtype=np.int64)
    for place, condition in enumerate(filters):
        if condition is not None:
            bits |= keeps[condition].astype(np.int64) << place
    return bits


def _column(expr: Any) -> str:
    assert isinstance(expr, Column), f"the argument {expr} is not a column yet"
    return expr.name
