"""What conditions and measures read of the rows of a match, as columns.

in      rows of many partitions side by side, and matches among them: each a first row and how many
        rows every variable took; the rows of a match follow each other, so that any of them is
        found by counting
out     one column per look and fold, one value per match
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from millstream.columns.frames import gathered, gathered_columns, picked
from millstream.engine.aggregates.group import Aggregates
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import SlotRows
from millstream.expr.tree import Column, Expr, Literal, Named
from millstream.plan.match import Fold, Look, Match

TIME = "$time"


@dataclass(slots=True)
class Rows:
    """The rows at hand, partition by partition, each in order.

    Partition ``p`` has the rows from ``first[p]`` to before ``end[p]``. ``values`` has one row
    more than there are, of NULLs: what is read where there is no row.
    """

    values: pl.DataFrame
    times: np.ndarray
    place: np.ndarray
    first: np.ndarray
    end: np.ndarray

    @property
    def nothing(self) -> int:
        """The row of NULLs."""
        return self.times.size


@dataclass(slots=True)
class Partials:
    """Beginnings of matches: the first row, the row to look at next, the state, rows taken."""

    start: np.ndarray
    at: np.ndarray
    state: np.ndarray
    taken: np.ndarray

    @classmethod
    def none(cls, variables: int) -> Partials:
        """Return no beginnings."""
        return cls(NO_WORDS, NO_WORDS, NO_WORDS, np.zeros((0, variables), dtype=np.int64))

    def of(self, which: np.ndarray) -> Partials:
        """Return some, by a mask or by numbers."""
        return Partials(self.start[which], self.at[which], self.state[which], self.taken[which])

    @staticmethod
    def joined(parts: list[Partials]) -> Partials:
        """Return several lists as one."""
        return Partials(
            np.concatenate([p.start for p in parts]),
            np.concatenate([p.at for p in parts]),
            np.concatenate([p.state for p in parts]),
            np.concatenate([p.taken for p in parts]),
        )

    def __len__(self) -> int:
        return self.start.size


class Columns:
    """Which expressions over single rows a pattern reads, and what their columns are called."""

    def __init__(self, node: Match) -> None:
        self._names: dict[Expr, str] = {}
        self.types: dict[str, Expr] = {}
        for look in node.looks:
            self.of(look.expr)
        for fold in node.folds:
            for arg in fold.call.args:
                if not isinstance(arg, Literal):
                    self.of(arg)

    def of(self, expr: Expr) -> str:
        """Return the column of an expression."""
        name = self._names.setdefault(expr, f"$v{len(self._names)}")
        self.types[name] = expr
        return name

    @property
    def computed(self) -> tuple[Named, ...]:
        """What is to be computed of each row."""
        return tuple(Named(name, expr) for name, expr in self.types.items())


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen from where: ``asked`` is the variable of the row in question, None = FINAL."""

    rows: Rows
    start: np.ndarray
    taken: np.ndarray
    asked: int | None

    def span(self, variable: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row and the number of rows of a variable, None = all.

        Those of the variable that is asked include the row in question: nothing behind that
        variable has taken a row yet.
        """
        plus = 0 if self.asked is None else 1
        if variable is None:
            return self.start, self.taken.sum(axis=1) + plus
        begin = self.start + self.taken[:, :variable].sum(axis=1)
        return begin, self.taken[:, variable] + (plus if variable == self.asked else 0)


class LookReader:
    """Reads one look."""

    def __init__(self, look: Look, columns: Columns, variables: dict[str, int]) -> None:
        self.name = look.name
        self._column = columns.of(look.expr)
        self._variable = None if look.variable is None else variables[look.variable]
        self._look = look

    def read(self, sight: Sight) -> pl.Series:
        """Return its value for each match."""
        begin, count = sight.span(self._variable)
        offset = self._look.offset
        row = begin + count - 1 - offset if self._look.last else begin + offset
        row = np.where(count > offset, row, sight.rows.nothing)
        values = gathered_columns([sight.rows.values[self._column]], row)[0]
        return values.alias(self.name)


class FoldReader:
    """Computes one aggregate; what it folds in is forgotten after each call."""

    def __init__(self, fold: Fold, columns: Columns, variables: dict[str, int], seed: int) -> None:
        self.name = fold.name
        self._variable = None if fold.variable is None else variables[fold.variable]
        args = tuple(
            a if isinstance(a, Literal) else Column(columns.of(a), type=a.typed)
            for a in fold.call.args
        )
        self._reads = [a.name for a in args if isinstance(a, Column)]
        self._aggs = Aggregates((Named(fold.name, replace(fold.call, args=args)),), changes=False)
        arena = Arena()
        self._slots = SlotRows(arena, 1 + self._aggs.words)
        self._aggs.settle(arena, ByteHeap(arena), self._slots, 1, seed)

    def read(self, sight: Sight) -> pl.Series:
        """Return its value for each match."""
        begin, count = sight.span(self._variable)
        which, row = spread(begin, count)
        slots = self._slots.take(begin.size)
        if self._reads:
            frame = gathered(picked(sight.rows.values, self._reads), row)
        else:
            frame = pl.DataFrame(height=row.size)
        self._aggs.fold(frame, slots[which], NO_WORDS)
        (values,) = self._aggs.results(slots)
        self._aggs.drop(slots)
        self._slots.free(slots)
        return values.alias(self.name)


@kernel
def spread(begin: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of some spans, and for each the span it belongs to."""
    total = count.sum()
    which = np.empty(total, dtype=np.int64)
    row = np.empty(total, dtype=np.int64)
    k = 0
    for i in range(begin.size):
        for j in range(count[i]):
            which[k] = i
            row[k] = begin[i] + j
            k += 1
    return which, row
