"""Joins: two inputs, or an input and a table that is looked up.

The columns of both sides have different names (the builders see to it), so that a residual
predicate and the readers above name them without doubt. ``keys`` are pairs of columns (left,
right) of equal types that must be equal; NULL equals nothing. ``residual`` is what else must be
TRUE, over the columns of both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Self

from millstream.errors import TypeMismatch
from millstream.expr.tree import Expr, columns_of
from millstream.plan.facts import Facts, Key, StateBound, Tables, covers_key
from millstream.plan.nodes import Node, Unary
from millstream.plan.table import Table
from millstream.types import Boolean, Field, Schema


class JoinKind(Enum):
    """Which rows a join gives; the value is how SQL says it."""

    INNER = "INNER"
    LEFT = "LEFT"
    RIGHT = "RIGHT"
    FULL = "FULL"
    SEMI = "SEMI"
    """The left rows that have a partner, once."""
    ANTI = "ANTI"
    """The left rows that have none."""

    @property
    def fills_left(self) -> bool:
        """Whether left columns are NULL where a right row has no partner."""
        return self in (JoinKind.RIGHT, JoinKind.FULL)

    @property
    def fills_right(self) -> bool:
        """Whether right columns are NULL where a left row has no partner."""
        return self in (JoinKind.LEFT, JoinKind.FULL)

    @property
    def gives_right(self) -> bool:
        """Whether the right columns are given at all."""
        return self not in (JoinKind.SEMI, JoinKind.ANTI)

    @property
    def changes(self) -> bool:
        """Whether later rows can take a result back although both inputs only grow."""
        return self not in (JoinKind.INNER, JoinKind.SEMI)


@dataclass(frozen=True, kw_only=True, eq=False)
class Binary(Node):
    """A step with two inputs."""

    left: Node
    right: Node

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    def with_inputs(self, inputs: tuple[Node, ...]) -> Self:
        return replace(self, left=inputs[0], right=inputs[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Joined(Binary):
    """What all joins of two inputs share."""

    kind: JoinKind
    keys: tuple[tuple[str, str], ...]
    residual: Expr | None = None

    @cached_property
    def _schema(self) -> Schema:
        return joined_schema(self.left.schema, self.right.schema, self.kind)

    def __post_init__(self) -> None:
        for left, right in self.keys:
            have = self.left.schema.type_of(left).with_nullable(True)
            want = self.right.schema.type_of(right).with_nullable(True)
            assert have == want, f"join keys of different types: {left} {have}, {right} {want}"
        check_residual(self.residual)
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return () if self.residual is None else (self.residual,)

    @property
    def id_keys(self) -> tuple[str, ...]:
        return tuple(left for left, _ in self.keys)

    def reads(self, port: int, kept: set[str]) -> set[str]:
        own = set(self.inputs[port].schema.names)
        residual = set() if self.residual is None else set(columns_of(self.residual))
        return (kept & own) | {pair[port] for pair in self.keys} | (residual & own)

    def label(self) -> str:
        on = " AND ".join(f"{a} = {b}" for a, b in self.keys) or "TRUE"
        rest = "" if self.residual is None else f" AND {self.residual}"
        return f"{type(self).__name__} {self.kind.value} on {on}{rest}"

    def unique(self, left: Facts, right: Facts) -> tuple[Key, ...]:
        """Return the keys of the result, from those of the inputs."""
        if not self.kind.gives_right:
            return left.keys
        own = tuple(a for a, _ in self.keys), tuple(b for _, b in self.keys)
        found: list[Key] = []
        # One partner at most on the other side: a row stays one row. A side that is filled with
        # NULLs has rows without its key, so that its keys alone name nothing then.
        if covers_key(own[1], right.keys) and not self.kind.fills_left:
            found.extend(left.keys)
        if covers_key(own[0], left.keys) and not self.kind.fills_right:
            found.extend(right.keys)
        # Where both sides are filled, a row of one and a row of the other, both alone, may agree
        # on a key whose columns are all NULL.
        full = self.kind is JoinKind.FULL
        sure = {f.name for side in self.inputs for f in side.schema if not f.type.nullable}
        pairs = ((*a, *b) for a in left.keys for b in right.keys)
        found.extend(pair for pair in pairs if not full or not sure.isdisjoint(pair))
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True, eq=False)
class Join(_Joined):
    """A regular join: every row of one side meets every row of the other, whenever it comes.

    Both sides are kept for good (or for ``table.exec.state.ttl``); results are taken back where
    an input takes rows back, and where an outer row finds its first partner or loses its last.
    """

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        left, right = inputs
        return Facts(
            bounded=left.bounded and right.bounded,
            marks=left.marks or right.marks,
            updates=left.updates or right.updates or self.kind.changes,
            keys=self.unique(left, right),
        )

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.ROWS


@dataclass(frozen=True, kw_only=True, eq=False)
class IntervalJoin(_Joined):
    """Joins rows whose times are close: right BETWEEN left + lower_ms AND left + upper_ms.

    Both times are event times, or both processing times. A row is forgotten when no partner can
    come any more; an outer row without partner is given then. Kinds: INNER, LEFT, RIGHT, FULL.
    """

    left_time: str
    right_time: str
    lower_ms: int
    upper_ms: int

    @property
    def append_only(self) -> str | None:
        return "An interval join"

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return ((0, self.left_time), (1, self.right_time))

    @property
    def delay_ms(self) -> int:
        # A result carries the time of either side; the older one is at most this much behind
        # what the newer one's arrival showed. A row without partner is given when the mark has
        # passed its last partner's time, hence by one more.
        outer = self.kind.fills_left or self.kind.fills_right
        return max(self.upper_ms, -self.lower_ms, 0) + int(outer)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        left, right = inputs
        # A filled side has no time: only a side that is always there can carry it.
        times = (() if self.kind.fills_left else left.times) + (
            () if self.kind.fills_right else right.times
        )
        clocks = (() if self.kind.fills_left else left.clocks) + (
            () if self.kind.fills_right else right.clocks
        )
        return Facts(
            bounded=left.bounded and right.bounded,
            times=times,
            clocks=clocks,
            marks=left.marks or right.marks,
            keys=self.unique(left, right),
        )

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.TIME

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return super().reads(port, kept) | {(self.left_time, self.right_time)[port]}

    def label(self) -> str:
        bounds = f"{self.right_time} - {self.left_time} in [{self.lower_ms}, {self.upper_ms}] ms"
        return f"{super().label()}, {bounds}"


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowJoin(_Joined):
    """Joins rows of equal windows, once, when the watermark passes the window's end.

    ``left_bounds`` and ``right_bounds`` are the columns (start, end) of each side's windows,
    which are not repeated in ``keys``. A late row of either side comes with NULLs for the other.
    """

    left_bounds: tuple[str, str]
    right_bounds: tuple[str, str]

    @property
    def append_only(self) -> str | None:
        return "A window join"

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return ((0, self.left_bounds[1]), (1, self.right_bounds[1]))

    @property
    def drops_late(self) -> bool:
        return True

    @cached_property
    def late_schema(self) -> Schema:
        return joined_schema(self.left.schema, self.right.schema, JoinKind.FULL)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        left, right = inputs
        side = (
            (right, self.right_bounds) if self.kind is JoinKind.RIGHT else (left, self.left_bounds)
        )
        full = self.kind is JoinKind.FULL
        return Facts(
            bounded=left.bounded and right.bounded,
            times=() if full else side[0].times,
            clocks=() if full else side[0].clocks,
            bounds=None if full else side[1],
            by_clock=left.by_clock,
            marks=left.marks or right.marks,
        )

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.TIME

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return super().reads(port, kept) | set((self.left_bounds, self.right_bounds)[port])


@dataclass(frozen=True, kw_only=True, eq=False)
class TemporalJoin(_Joined):
    """Each left row meets the version of its right row that was valid at the left row's time.

    The right side is a versioned table: it changes by its upsert key, which the join keys cover,
    and ``right_time`` says since when a version holds. Kinds: INNER, LEFT. Left rows wait for the
    watermark of both sides; of the versions those that no left row can ask for are forgotten.
    """

    left_time: str
    right_time: str

    @property
    def append_only(self) -> str | None:
        return "The left side of a join FOR SYSTEM_TIME AS OF"

    @property
    def append_only_ports(self) -> tuple[int, ...]:
        # The version a row met is forgotten by the time the row could be taken back.
        return (0,)

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return ((0, self.left_time), (1, self.right_time))

    @property
    def drops_late(self) -> bool:
        return True

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        left, right = inputs
        return replace(
            left, bounded=left.bounded and right.bounded, marks=left.marks or right.marks
        )

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        # A version is replaced by the next one of its key: what it replaced is of no interest.
        key = tuple(b for _, b in self.keys)
        return port == 0 or not covers_key(key, below.keys[:1])

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.KEYS

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return super().reads(port, kept) | {(self.left_time, self.right_time)[port]}


@dataclass(frozen=True, kw_only=True, eq=False)
class LookupJoin(Unary):
    """Each row asks a table outside (database, file, HTTP) for its partners, as they are then.

    ``on`` pairs an expression over the input with the table's column it must equal; ``names``
    gives the table's columns (table name → name here) that are asked for. Kinds: INNER, LEFT.
    """

    table: Table
    kind: JoinKind
    on: tuple[tuple[Expr, str], ...]
    names: tuple[tuple[str, str], ...]
    residual: Expr | None = None

    @cached_property
    def _schema(self) -> Schema:
        found = self.table.schema
        given = Schema(tuple(Field(new, found.type_of(name)) for name, new in self.names))
        return joined_schema(self.input.schema, given, self.kind)

    def __post_init__(self) -> None:
        assert self.kind in (JoinKind.INNER, JoinKind.LEFT), "a lookup join is INNER or LEFT"
        assert self.on, "a lookup join needs a key"
        check_residual(self.residual)
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def expressions(self) -> tuple[Expr, ...]:
        rest = () if self.residual is None else (self.residual,)
        return (*(expr for expr, _ in self.on), *rest)

    @property
    def id_keys(self) -> tuple[str, ...]:
        return (self.table.name,)

    @property
    def append_only(self) -> str | None:
        return "A lookup join"

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        key = self.table.primary_key
        single = bool(key) and set(key) <= {column for _, column in self.on}
        return replace(inputs[0], keys=inputs[0].keys if single else ())

    def reads(self, port: int, kept: set[str]) -> set[str]:
        own = set(self.input.schema.names)
        return (kept & own) | {c for e in self.expressions for c in columns_of(e) if c in own}

    def narrowed(self, kept: set[str]) -> Node:
        wanted = kept if self.residual is None else kept | columns_of(self.residual)
        few = tuple((name, new) for name, new in self.names if new in wanted)
        return self if len(few) == len(self.names) else replace(self, names=few)

    def label(self) -> str:
        on = " AND ".join(f"{column} = {expr}" for expr, column in self.on)
        return f"LookupJoin {self.kind.value} {self.table.name} [{self.table.connector}] on {on}"


def joined_schema(left: Schema, right: Schema, kind: JoinKind) -> Schema:
    """Return the columns of a join."""
    if not kind.gives_right:
        return left
    return Schema((*_filled(left, nulls=kind.fills_left), *_filled(right, nulls=kind.fills_right)))


def check_residual(residual: Expr | None) -> None:
    """Raise TypeMismatch where a join's condition is no BOOLEAN."""
    if residual is not None and not isinstance(residual.typed, Boolean):
        raise TypeMismatch(
            f"A join condition needs a BOOLEAN, this is {residual.typed}: {residual}",
            where=residual.place,
            hint="Compare the value with something, for instance a.id = b.id.",
        )


def _filled(schema: Schema, *, nulls: bool) -> tuple[Field, ...]:
    if not nulls:
        return schema.fields
    return tuple(Field(f.name, f.type.with_nullable(True)) for f in schema.fields)
