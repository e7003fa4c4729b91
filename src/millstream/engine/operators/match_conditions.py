"""The conditions of a pattern's variables.

in      rows, and beginnings of matches that ask whether a variable may take their next row
out     yes or no for each; why one cannot be computed

What a condition says of the row in question alone is computed once per row, for all rows at once.
Only what looks at other rows of the match is computed per beginning, and only where the rest holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream.columns.frames import computed, is_null
from millstream.engine.evaluate import lower
from millstream.engine.operators.match_values import (
    Columns,
    FoldReader,
    LookReader,
    Partials,
    Rows,
    Sight,
)
from millstream.engine.program import reason_of
from millstream.expr.tree import Expr, Named, columns_of, substitute
from millstream.plan.joining import all_of, conjuncts

if TYPE_CHECKING:
    from millstream.engine.operator import Lowering
    from millstream.plan.match import Match

FLAG = "$flag"


class Conditions:
    """The conditions of all variables; ``always`` are the variables that take any row."""

    def __init__(self, node: Match, lowering: Lowering, columns: Columns) -> None:
        names = {v.name: i for i, v in enumerate(node.pattern)}
        self.flags: dict[int, Expr] = {}
        """What is asked of single rows, by variable."""
        self._others: dict[int, _Other] = {}
        for define in node.defines:
            place = names[define.name]
            here = _here(node, define.name)
            alone: list[Expr] = []
            rest: list[Expr] = []
            for part in conjuncts(define.expr):
                (alone if columns_of(part) <= set(here) else rest).append(part)
            of_row, of_match = all_of(alone), all_of(rest)
            if of_row is not None:
                self.flags[place] = substitute(of_row, here)
            if of_match is not None:
                self._others[place] = _Other(node, of_match, place, lowering, columns)
        self.always = frozenset(range(len(names))) - set(self.flags) - set(self._others)

    @property
    def of_rows_alone(self) -> bool:
        """Whether every condition speaks of the row in question alone."""
        return not self._others

    @property
    def computed(self) -> tuple[Named, ...]:
        """What is to be computed of each row."""
        return tuple(Named(f"{FLAG}{place}", expr) for place, expr in self.flags.items())

    def flags_of(self, values: pl.DataFrame) -> dict[int, np.ndarray]:
        """Return the answers of single rows as masks, without the last one, which is of NULLs."""
        rows = values.height - 1
        return {
            place: _sure(values[f"{FLAG}{place}"].head(rows)).to_numpy() for place in self.flags
        }

    def ask(
        self, place: int, rows: Rows, flags: dict[int, np.ndarray], asking: Partials
    ) -> tuple[np.ndarray, pl.Series | None]:
        """Return whether a variable may take each one's next row; why some cannot be computed."""
        flag = flags.get(place)
        answer = np.ones(len(asking), dtype=bool) if flag is None else flag[asking.at]
        other = self._others.get(place)
        if other is None or not answer.any():
            return answer, None
        which = np.flatnonzero(answer)
        some, reasons = other.ask(rows, asking.of(which))
        answer = answer.copy()
        answer[which] = some
        if reasons is None:
            return answer, None
        every = np.full(len(asking), which.size)
        every[which] = np.arange(which.size)
        return answer, reasons.extend_constant(None, 1).gather(every)


class _Other:
    """What a condition says of other rows of the match."""

    def __init__(
        self, node: Match, expr: Expr, place: int, lowering: Lowering, columns: Columns
    ) -> None:
        read = columns_of(expr)
        names = {v.name: i for i, v in enumerate(node.pattern)}
        self._place = place
        self._looks = [LookReader(x, columns, names) for x in node.looks if x.name in read]
        self._folds = [
            FoldReader(x, columns, names, lowering.seed) for x in node.folds if x.name in read
        ]
        lowered = lower(expr, lowering.ctx)
        self._turn = lowering.ctx.turn
        self._value = lowered.value.alias("$value")
        self._reason = reason_of([lowered])

    def ask(self, rows: Rows, asking: Partials) -> tuple[np.ndarray, pl.Series | None]:
        """Return the answers, and the reasons where there is none."""
        sight = Sight(rows, asking.start, asking.taken, self._place)
        looks = [look.read(sight) for look in self._looks]
        frame = pl.DataFrame([*looks, *(fold.read(sight) for fold in self._folds)])
        self._turn.number += 1
        if self._reason is None:
            return _sure(computed(frame, [self._value])[0]).to_numpy(), None
        value, reasons = computed(frame, [self._value, self._reason.alias("$reason")])
        answer = _sure(value) & is_null(reasons)
        return answer.to_numpy(), reasons if reasons.null_count() < len(reasons) else None


def _sure(answers: pl.Series) -> pl.Series:
    """Return the answers, of which NULL is none."""
    return answers.fill_null(value=False) if answers.null_count() else answers


def _here(node: Match, variable: str) -> dict[str, Expr]:
    """Return the looks that mean the row in question when a condition of ``variable`` asks."""
    return {
        look.name: look.expr
        for look in node.looks
        if look.last and look.offset == 0 and look.variable in (None, variable)
    }
