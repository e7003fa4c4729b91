"""Row pattern recognition: sequences of rows that fit a pattern, each given as one row.

A pattern is a sequence of variables with quantifiers. The rows of a match follow each other
without a gap within their partition, by event time or processing time. What conditions and
measures read of other rows are :class:`Look` and :class:`Fold`, each under a name; conditions and
measures are ordinary expressions over these names.

source  ISO/IEC 19075-5 (row pattern recognition in SQL); the part of it, and the meaning of greedy
        quantifiers, that Apache Flink 2.3 gives it
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

from millstream.errors import Place
from millstream.expr.tree import AggCall, Column, Expr, Named, columns_of
from millstream.plan.facts import Facts, StateBound, Tables
from millstream.plan.nodes import Node, SortKey, Unary
from millstream.types import Field, LogicalType, Schema

ROWTIME = "MATCH_ROWTIME()"
"""What measures call the time of a match."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a pattern and how many rows it takes: ``least`` to ``most``, None = any.

    A greedy one takes every row it can; a reluctant one leaves rows to what follows it.
    """

    name: str
    least: int = 1
    most: int | None = 1
    greedy: bool = True
    place: Place | None = field(default=None, compare=False, repr=False)

    @property
    def swallows(self) -> bool:
        """Whether a row it could take is kept from the next variable.

        ``A?`` does not: either way is tried, as in Flink.
        """
        return self.greedy and self.least != self.most and (self.least, self.most) != (0, 1)

    def __str__(self) -> str:
        text = _SIGNS.get((self.least, self.most))
        if text is None:
            most = "" if self.most is None else self.most
            text = f"{{{most}}}" if self.least == most else f"{{{self.least},{most}}}"
        return f"{self.name}{text}{'' if self.greedy else '?'}"


_SIGNS = {(1, 1): "", (0, 1): "?", (0, None): "*", (1, None): "+"}


class SkipTo(Enum):
    """Where the search goes on after a match."""

    PAST_LAST_ROW = "PAST LAST ROW"
    NEXT_ROW = "TO NEXT ROW"
    FIRST = "TO FIRST"
    LAST = "TO LAST"


@dataclass(frozen=True, slots=True)
class Skip:
    """AFTER MATCH SKIP …; ``variable`` belongs to FIRST and LAST."""

    to: SkipTo = SkipTo.NEXT_ROW
    variable: str | None = None

    def __str__(self) -> str:
        return self.to.value if self.variable is None else f"{self.to.value} {self.variable}"


@dataclass(frozen=True, slots=True)
class Look:
    """An expression over one row of a match: the ``offset``-th from its first or last row.

    ``variable`` says among which rows, None = all of the match. Where there is no such row it
    is NULL. In a condition the row that is asked counts as its variable's last.
    """

    name: str
    variable: str | None
    last: bool
    offset: int
    expr: Expr

    @property
    def type(self) -> LogicalType:
        """The type of its value."""
        return self.expr.typed.with_nullable(True)


@dataclass(frozen=True, slots=True)
class Fold:
    """An aggregate over the rows of one variable, or of the whole match."""

    name: str
    variable: str | None
    call: AggCall

    @property
    def type(self) -> LogicalType:
        """The type of its value."""
        return self.call.typed.with_nullable(self.call.function != "COUNT")


@dataclass(frozen=True, kw_only=True, eq=False)
class Match(Unary):
    """One row per match: the partition's columns, then the measures.

    ``defines`` are conditions by variable; a variable without one takes any row. ``by`` begins
    with the event time or a processing time, ascending; rows that agree on all of it keep the
    order they came in. ``within_ms``: the last row of a match is less than that after its first.
    """

    partition: tuple[str, ...]
    by: tuple[SortKey, ...]
    pattern: tuple[Variable, ...]
    defines: tuple[Named, ...]
    measures: tuple[Named, ...]
    looks: tuple[Look, ...]
    folds: tuple[Fold, ...]
    skip: Skip = Skip()
    within_ms: int | None = None

    @cached_property
    def _schema(self) -> Schema:
        kept = (Field(k, self.input.schema.type_of(k)) for k in self.partition)
        made = (Field(m.name, m.expr.typed) for m in self.measures)
        return Schema((*kept, *made))

    def __post_init__(self) -> None:
        names = [v.name for v in self.pattern]
        assert len(set(names)) == len(names), "variables are unique"
        assert any(v.least for v in self.pattern), "a match has a row"
        assert not self.pattern[-1].swallows, "the last variable is not greedy"
        assert self.partition or self.measures, "a match has a column"
        for key in self.by:
            self.input.schema.type_of(key.column)
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def time(self) -> str:
        """The column that rows are ordered by first."""
        return self.by[0].column

    @property
    def value_schema(self) -> Schema:
        """What conditions and measures read."""
        time = Field(ROWTIME, self.input.schema.type_of(self.time))
        looks = (Field(x.name, x.type) for x in self.looks)
        folds = (Field(x.name, x.type) for x in self.folds)
        return Schema((*looks, *folds, time))

    @property
    def expressions(self) -> tuple[Expr, ...]:
        over_rows = (*(x.expr for x in self.looks), *(x.call for x in self.folds))
        return (*over_rows, *(x.expr for x in (*self.defines, *self.measures)))

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.partition

    @property
    def append_only(self) -> str | None:
        return "MATCH_RECOGNIZE"

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return ((0, self.time),)

    @property
    def drops_late(self) -> bool:
        return True

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        below = inputs[0]
        times = (m.name for m in self.measures if _is_rowtime(m.expr))
        return Facts(
            bounded=below.bounded,
            times=tuple(times) if self.time in below.times else (),
            marks=below.marks,
        )

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.ROWS if self.within_ms is None else StateBound.TIME

    def reads(self, port: int, kept: set[str]) -> set[str]:
        used = {*self.partition, *(key.column for key in self.by)}
        for expr in (*(x.expr for x in self.looks), *(x.call for x in self.folds)):
            used |= columns_of(expr)
        return used

    def narrowed(self, kept: set[str]) -> Node:
        few = tuple(m for m in self.measures if m.name in kept)
        if not few and not self.partition:
            few = self.measures[:1]
        if len(few) == len(self.measures):
            return self
        read = {name for x in (*self.defines, *few) for name in columns_of(x.expr)}
        return replace(
            self,
            measures=few,
            looks=tuple(x for x in self.looks if x.name in read),
            folds=tuple(x for x in self.folds if x.name in read),
        )

    def label(self) -> str:
        by = ", ".join(map(str, self.by))
        within = "" if self.within_ms is None else f" within {self.within_ms} ms"
        return (
            f"Match ({' '.join(map(str, self.pattern))}){within} by [{', '.join(self.partition)}] "
            f"order {by} skip {self.skip}: {', '.join(map(str, self.measures))}"
        )


def _is_rowtime(expr: Expr) -> bool:
    return isinstance(expr, Column) and expr.name == ROWTIME
