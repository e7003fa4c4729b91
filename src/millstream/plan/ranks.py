"""Ranks, OVER windows and set operations: steps that look at a row among others.

Rank         the first rows of each partition in some order (top-N, deduplication)
WindowRank   the same per window, once, when the window closes
Over         a value computed for each row over the rows before it (``… OVER (…)``)
SetOperation INTERSECT and EXCEPT, with multiplicities where ALL is said
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from millstream.errors import TypeMismatch
from millstream.expr.tree import Expr, Named, OverCall
from millstream.plan.facts import Facts, StateBound, Tables
from millstream.plan.joins import Binary
from millstream.plan.nodes import Node, SortKey, Unary, read_by
from millstream.types import BigInt, Field, Schema


class RankKind(Enum):
    """How equal rows are counted."""

    ROW_NUMBER = "ROW_NUMBER"
    RANK = "RANK"
    DENSE_RANK = "DENSE_RANK"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ranked(Unary):
    """Keeps the rows with ranks ``first`` to ``last`` of each partition.

    ``number`` is the name of the column that gives the rank, None where nobody asked for it.
    Rows that are equal in ``by`` rank in the order they came.
    """

    kind: RankKind
    partition: tuple[str, ...]
    by: tuple[SortKey, ...]
    first: int
    last: int
    number: str | None = None

    @cached_property
    def _schema(self) -> Schema:
        more = () if self.number is None else (Field(self.number, BigInt(nullable=False)),)
        return Schema((*self.input.schema.fields, *more))

    def __post_init__(self) -> None:
        assert 1 <= self.first <= self.last, f"ranks {self.first} to {self.last}"
        for name in (*self.partition, *(k.column for k in self.by)):
            self.input.schema.type_of(name)
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.partition

    def reads(self, port: int, kept: set[str]) -> set[str]:
        own = set(self.input.schema.names)
        return (kept & own) | set(self.partition) | {k.column for k in self.by}

    def narrowed(self, kept: set[str]) -> Node:
        # Without the rank in the result a row that only moves up or down changes nothing.
        return self if self.number is None or self.number in kept else replace(self, number=None)

    def label(self) -> str:
        ranks = f"{self.first} to {self.last}" if self.first > 1 else f"up to {self.last}"
        return (
            f"{type(self).__name__} {self.kind.value} {ranks} by [{', '.join(self.partition)}] "
            f"order {', '.join(map(str, self.by))}"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Rank(_Ranked):
    """The first rows of each partition, kept up to date.

    The single first row by ascending time (deduplication, keep first) is given once: by event
    time when the watermark reaches it, by processing time at once. The single last row by
    descending event time (keep last) is replaced by newer ones and keeps its time, so that a
    temporal join can read it as versions.
    """

    @property
    def single(self) -> SortKey | None:
        """What one row per partition is chosen by, where that is one column and no ties count."""
        once = self.last == 1 and self.kind is RankKind.ROW_NUMBER and len(self.by) == 1
        return self.by[0] if once else None

    def gives_once(self, below: Facts) -> bool:
        """Tell whether rows are given once and for all: the first one by time."""
        key = self.single
        if key is None or key.descending or below.updates:
            return False
        return key.column in below.times or key.column in below.clocks

    def keeps_last(self, below: Facts) -> bool:
        """Tell whether the newest row by time is kept, of equal times the one that came last."""
        key = self.single
        if key is None or not key.descending or below.updates:
            return False
        return key.column in below.times or key.column in below.clocks

    @property
    def drops_late(self) -> bool:
        return self.single is not None and not self.by[0].descending

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        below = inputs[0]
        keys = [(*self.partition, self.number)] if self.number is not None else []
        if self.kind is not RankKind.ROW_NUMBER:
            keys = []  # several rows share a rank
        own = (self.partition,) if self.last == 1 and self.kind is RankKind.ROW_NUMBER else ()
        made = replace(below, bounds=None, keys=(*own, *keys, *below.keys))
        if self.gives_once(below):
            return made
        times = tuple(t for t in below.times if self.keeps_last(below) and t == self.by[0].column)
        return replace(made, updates=True, before=True, times=times, clocks=())

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        # Rows that may be taken back make room for others, which must have been kept.
        return StateBound.ROWS if inputs[0].updates else StateBound.KEYS


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowRank(_Ranked):
    """The first rows of each window and partition, given once, when the window closes.

    ``bounds`` are the columns (start, end) of each row's window, which are not repeated in
    ``partition``.
    """

    bounds: tuple[str, str]

    @property
    def append_only(self) -> str | None:
        return "A rank per window"

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return ((0, self.bounds[1]),)

    @property
    def drops_late(self) -> bool:
        return True

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return replace(inputs[0], keys=())

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.TIME

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return super().reads(port, kept) | set(self.bounds)


@dataclass(frozen=True, slots=True)
class Frame:
    """Which rows before a row count: ROWS or RANGE … PRECEDING AND CURRENT ROW.

    ``preceding`` is a number of rows, or milliseconds for RANGE; None = UNBOUNDED.
    """

    rows: bool
    preceding: int | None

    def __str__(self) -> str:
        unit = "ROWS" if self.rows else "RANGE"
        reach = "UNBOUNDED" if self.preceding is None else str(self.preceding)
        return f"{unit} {reach} PRECEDING"


@dataclass(frozen=True, kw_only=True, eq=False)
class Over(Unary):
    """Each row with values computed over the rows before it in its partition.

    ``calls`` hold resolved :class:`OverCall` expressions over the input's columns. Ordered by
    event time each row is given once, when the watermark passes it; a late row is dropped. Ordered
    by processing time each row is given at once. Ordered by anything else, or over rows that
    change, results are updated when a row comes in between.
    """

    partition: tuple[str, ...]
    by: tuple[SortKey, ...]
    frame: Frame
    calls: tuple[Named, ...]

    @cached_property
    def _schema(self) -> Schema:
        made = (Field(c.name, c.expr.typed) for c in self.calls)
        return Schema((*self.input.schema.fields, *made))

    def __post_init__(self) -> None:
        for call in self.calls:
            if not isinstance(call.expr, OverCall):
                raise TypeMismatch(f"{call.expr} cannot stand before OVER.", where=call.expr.place)
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return tuple(c.expr for c in self.calls)

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.partition

    def in_time(self, below: Facts) -> bool:
        """Tell whether rows are ordered by the time they come by, so that each is given once."""
        timed = (*below.times, *below.clocks)
        single = len(self.by) == 1 and not self.by[0].descending
        return single and self.by[0].column in timed and not below.updates

    @property
    def drops_late(self) -> bool:
        return True

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        below = inputs[0]
        if self.in_time(below):
            return below
        return replace(below, updates=True, before=True, times=(), clocks=(), bounds=None)

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        if not self.in_time(inputs[0]):
            return StateBound.ROWS
        return StateBound.TIME if not self.frame.rows and self.frame.preceding else StateBound.KEYS

    def reads(self, port: int, kept: set[str]) -> set[str]:
        own = set(self.input.schema.names)
        # Where no call is read, ``narrowed`` keeps the first.
        used = read_by([c for c in self.calls if c.name in kept] or self.calls[:1])
        return (kept & own) | set(self.partition) | {k.column for k in self.by} | used

    def narrowed(self, kept: set[str]) -> Node:
        few = tuple(c for c in self.calls if c.name in kept)
        if not few:
            few = self.calls[:1]
        return self if len(few) == len(self.calls) else replace(self, calls=few)

    def label(self) -> str:
        by = ", ".join(map(str, self.by))
        calls = ", ".join(map(str, self.calls))
        return f"Over by [{', '.join(self.partition)}] order {by} {self.frame}: {calls}"


class SetKind(Enum):
    """Which rows of the left side stay."""

    INTERSECT = "INTERSECT"
    EXCEPT = "EXCEPT"


@dataclass(frozen=True, kw_only=True, eq=False)
class SetOperation(Binary):
    """INTERSECT or EXCEPT; rows are equal where all columns are, NULL = NULL.

    With ``every`` (ALL) a row stays min(left, right) or max(left - right, 0) times.
    """

    kind: SetKind
    every: bool

    def __post_init__(self) -> None:
        have = [f.type.with_nullable(True) for f in self.left.schema]
        want = [f.type.with_nullable(True) for f in self.right.schema]
        assert have == want, f"{self.kind.value} of different columns"

    @property
    def schema(self) -> Schema:
        return self.left.schema

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.left.schema.names

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        left, right = inputs
        grows = self.kind is SetKind.INTERSECT and not left.updates and not right.updates
        return Facts(
            bounded=left.bounded and right.bounded,
            marks=left.marks or right.marks,
            updates=not grows,
            keys=() if self.every else (self.schema.names,),
        )

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.KEYS

    def label(self) -> str:
        return f"{self.kind.value}{' ALL' if self.every else ''}"
