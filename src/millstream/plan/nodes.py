"""The logical plan: what a pipeline means, as frozen plain data.

Every node checks itself where it is built and knows its ``schema``. Expressions inside a node are
resolved against its input. A plan is a DAG: two nodes that hold the *same object* share it.
Derived properties (time attribute, changelog mode, upsert key, boundedness) live in
:mod:`millstream.plan.derive`; ids in :mod:`millstream.plan.ids`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from millstream.errors import PlanError, TypeMismatch
from millstream.expr.tree import AggCall, Expr, Literal, Named
from millstream.plan.table import Table
from millstream.plan.windows import Attached, Window
from millstream.types import (
    BigInt,
    Boolean,
    Field,
    Schema,
    Timestamp,
    TimestampLtz,
    VarBinary,
    VarChar,
)

REJECTED_SCHEMA = Schema(
    (
        Field("reason", VarChar()),
        Field("operator", VarChar()),
        Field("split", VarChar()),
        Field("offset", BigInt()),
        Field("raw", VarBinary()),
        Field("row", VarChar()),
    )
)
"""Rejected rows: why, where, and the bytes (undecodable) or the columns as JSON (failed)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """A step of the plan. ``uid`` is the stable state id, ``name`` the one the user gave."""

    uid: str = ""
    name: str | None = None

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes this one reads."""
        return ()

    @property
    def schema(self) -> Schema:
        """The columns this node gives."""
        raise AssertionError(f"{type(self).__name__} has no schema")

    def with_inputs(self, inputs: tuple[Node, ...]) -> Self:
        """Return the same node over other inputs."""
        assert not inputs, f"{type(self).__name__} has no inputs"
        return self

    def label(self) -> str:
        """Return one line for ``explain``."""
        return type(self).__name__


@dataclass(frozen=True, kw_only=True, eq=False)
class Unary(Node):
    """A step with one input."""

    input: Node

    @property
    def inputs(self) -> tuple[Node, ...]:
        return (self.input,)

    @property
    def schema(self) -> Schema:
        return self.input.schema

    def with_inputs(self, inputs: tuple[Node, ...]) -> Self:
        return replace(self, input=inputs[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan(Node):
    """Reads a table: decode, computed columns, watermark.

    ``wanted`` names the physical and metadata columns that are decoded, None = all; computed
    columns are always there.
    """

    table: Table
    wanted: tuple[str, ...] | None = None

    @cached_property
    def _schema(self) -> Schema:
        if self.wanted is None:
            return self.table.schema
        computed = {c.name for c in self.table.computed}
        return Schema(
            tuple(f for f in self.table.schema if f.name in computed or f.name in self.wanted)
        )

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        return f"Scan {self.table.name} [{self.table.connector}]"


@dataclass(frozen=True, kw_only=True, eq=False)
class Values(Node):
    """Constant rows; each row holds one Literal per column."""

    columns: Schema
    rows: tuple[tuple[Literal, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row) == len(self.columns), "a row of VALUES has another number of columns"

    @property
    def schema(self) -> Schema:
        return self.columns

    def label(self) -> str:
        return f"Values {len(self.rows)} rows"


@dataclass(frozen=True, kw_only=True, eq=False)
class Filter(Unary):
    """Keeps the rows whose predicate is TRUE."""

    predicate: Expr

    def __post_init__(self) -> None:
        if not isinstance(self.predicate.typed, Boolean):
            raise TypeMismatch(
                f"A filter needs a BOOLEAN, this is {self.predicate.typed}: {self.predicate}",
                where=self.predicate.place,
                hint="Compare the value with something, for instance … > 0.",
            )

    def label(self) -> str:
        return f"Filter {self.predicate}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Project(Unary):
    """Computes columns; what is not named is gone."""

    columns: tuple[Named, ...]

    @cached_property
    def _schema(self) -> Schema:
        return Schema(tuple(Field(c.name, c.expr.typed) for c in self.columns))

    def __post_init__(self) -> None:
        if not self.columns:
            raise PlanError("A projection needs at least one column.")
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        return "Project " + ", ".join(map(str, self.columns))


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowTable(Unary):
    """A window table function: each row once per window it falls in, plus three columns.

    Adds ``window_start``, ``window_end`` (TIMESTAMP(3)) and ``window_time`` (end − 1 ms, the time
    attribute of what follows).
    """

    window: Window
    time: str

    @cached_property
    def _schema(self) -> Schema:
        kind = self.input.schema.type_of(self.time)
        if not isinstance(kind, Timestamp | TimestampLtz) or kind.precision > 3:
            raise TypeMismatch(
                f"The window needs a TIMESTAMP(3) or TIMESTAMP_LTZ(3), '{self.time}' is {kind}.",
                hint=f"Cast it: CAST({self.time} AS TIMESTAMP(3)).",
            )
        time_type = kind.with_nullable(False)
        plain = Timestamp(3, nullable=False)
        return Schema(
            (
                *self.input.schema.fields,
                Field("window_start", plain),
                Field("window_end", plain),
                Field("window_time", replace(time_type, precision=3)),
            )
        )

    def __post_init__(self) -> None:
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        return f"WindowTable {self.window} on {self.time}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Aggregate(Unary):
    """Unwindowed GROUP BY: keys, then aggregates; updating. No aggregates = DISTINCT keys."""

    keys: tuple[str, ...]
    aggs: tuple[Named, ...]

    @cached_property
    def _schema(self) -> Schema:
        kept = [Field(k, self.input.schema.type_of(k)) for k in self.keys]
        made = [Field(a.name, a.expr.typed) for a in self.aggs]
        return Schema((*kept, *made))

    def __post_init__(self) -> None:
        assert self.keys or self.aggs, "an aggregate without keys and without functions"
        assert all(isinstance(a.expr, AggCall) for a in self.aggs), "only AggCall below Aggregate"
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        return f"Aggregate by [{', '.join(self.keys)}]: {', '.join(map(str, self.aggs))}"


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowAggregate(Unary):
    """Windowed GROUP BY: gives each (window, keys) once, when the mark passes its end.

    Columns: ``keys``, then ``aggs``, then those of ``window_start``, ``window_end`` and
    ``window_time`` that are named here (None = not wanted). ``time`` is the event-time column of
    the input; with an :class:`Attached` window the bounds are columns of the input already.
    """

    window: Window | Attached
    time: str
    keys: tuple[str, ...]
    aggs: tuple[Named, ...]
    window_start: str | None = "window_start"
    window_end: str | None = "window_end"
    window_time: str | None = None

    @cached_property
    def _schema(self) -> Schema:
        kept = [Field(k, self.input.schema.type_of(k)) for k in self.keys]
        made = [Field(a.name, a.expr.typed) for a in self.aggs]
        time_type = self.input.schema.type_of(self.time).with_nullable(False)
        plain = Timestamp(3, nullable=False)
        bounds = [Field(n, plain) for n in (self.window_start, self.window_end) if n is not None]
        times = [] if self.window_time is None else [Field(self.window_time, time_type)]
        return Schema((*kept, *made, *bounds, *times))

    def __post_init__(self) -> None:
        assert all(isinstance(a.expr, AggCall) for a in self.aggs), "only AggCall below Aggregate"
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        aggs = ", ".join(map(str, self.aggs))
        return f"WindowAggregate {self.window} on {self.time} by [{', '.join(self.keys)}]: {aggs}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Union(Node):
    """UNION ALL of inputs with the same columns; names are those of the first."""

    parts: tuple[Node, ...]

    def __post_init__(self) -> None:
        assert len(self.parts) >= 2, "a union of fewer than two inputs"
        first = self.parts[0].schema
        for part in self.parts[1:]:
            have = [f.type.with_nullable(True) for f in part.schema]
            want = [f.type.with_nullable(True) for f in first]
            if have != want:
                raise TypeMismatch(
                    f"UNION of different columns: ({first}) and ({part.schema}).",
                    hint="Give both sides the same columns, with CAST where a type differs.",
                )

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.parts

    @cached_property
    def _schema(self) -> Schema:
        columns = zip(*(part.schema.fields for part in self.parts), strict=True)
        return Schema(
            tuple(
                Field(same[0].name, same[0].type.with_nullable(any(f.type.nullable for f in same)))
                for same in columns
            )
        )

    @property
    def schema(self) -> Schema:
        return self._schema

    def with_inputs(self, inputs: tuple[Node, ...]) -> Self:
        return replace(self, parts=inputs)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One ORDER BY column; NULLs are lowest unless said otherwise, as in Flink."""

    column: str
    descending: bool = False
    nulls_first: bool | None = None

    def __str__(self) -> str:
        return f"{self.column} {'DESC' if self.descending else 'ASC'}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sort(Unary):
    """ORDER BY … [LIMIT] on bounded input: gives everything at the end, in order."""

    by: tuple[SortKey, ...]
    limit: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        for key in self.by:
            self.input.schema.type_of(key.column)

    def label(self) -> str:
        tail = "" if self.limit is None else f" limit {self.limit}"
        return f"Sort {', '.join(map(str, self.by))}{tail}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Limit(Unary):
    """The first ``count`` rows after ``offset``, in arrival order."""

    count: int
    offset: int = 0

    def label(self) -> str:
        return f"Limit {self.count}" + (f" offset {self.offset}" if self.offset else "")


@dataclass(frozen=True, kw_only=True, eq=False)
class MapBatches(Unary):
    """A user's function from Polars frame to Polars frame; must be row-wise."""

    fn: Callable[[Any], Any]
    gives: Schema
    accepts_changes: bool = False

    @property
    def schema(self) -> Schema:
        return self.gives

    def label(self) -> str:
        return f"MapBatches {getattr(self.fn, '__name__', 'function')}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalize(Unary):
    """Keeps the newest row per key, to turn an upsert stream into one with retractions."""

    key: tuple[str, ...]

    def label(self) -> str:
        return f"Normalize by [{', '.join(self.key)}]"


@dataclass(frozen=True, kw_only=True, eq=False)
class LateRows(Unary):
    """The rows that came too late for the node below, with that node's input columns."""

    @property
    def schema(self) -> Schema:
        return self.input.inputs[0].schema

    def label(self) -> str:
        return "LateRows"


@dataclass(frozen=True, kw_only=True, eq=False)
class RejectedRows(Unary):
    """The rows rejected by the node below or by any node it reads, as REJECTED_SCHEMA."""

    @property
    def schema(self) -> Schema:
        return REJECTED_SCHEMA

    def label(self) -> str:
        return "RejectedRows"


@dataclass(frozen=True, kw_only=True, eq=False)
class Write(Unary):
    """Writes to a table; the columns of the input fit those of the table by position."""

    table: Table

    def __post_init__(self) -> None:
        have, want = self.input.schema, self.table.writable
        fits = len(have) == len(want) and all(
            h.type.with_nullable(True) == w.type.with_nullable(True)
            for h, w in zip(have, want, strict=True)
        )
        if not fits:
            raise TypeMismatch(
                f"The query gives ({have}), the table '{self.table.name}' takes ({want}).",
                hint="Make both lists alike: add, drop or CAST columns.",
            )

    def label(self) -> str:
        return f"Write {self.table.name} [{self.table.connector}]"


@dataclass(frozen=True, slots=True)
class Plan:
    """One job: everything it writes, in one plan."""

    sinks: tuple[Write, ...]

    def walk(self) -> list[Node]:
        """Return every node once, inputs before their readers."""
        order: list[Node] = []
        seen: set[int] = set()

        def visit(node: Node) -> None:
            if id(node) in seen:
                return
            seen.add(id(node))
            for child in node.inputs:
                visit(child)
            order.append(node)

        for sink in self.sinks:
            visit(sink)
        return order

    def rewrite(self, change: Callable[[Node], Node]) -> Plan:
        """Return the plan with ``change`` applied to every node, inputs first, sharing kept."""
        return self.rewrite_from(lambda node, _: change(node))

    def rewrite_from(self, change: Callable[[Node, Node], Node]) -> Plan:
        """Like :meth:`rewrite`; ``change(node, was)`` also sees the node before any change."""
        done: dict[int, Node] = {}
        for node in self.walk():
            inputs = tuple(done[id(child)] for child in node.inputs)
            same = all(a is b for a, b in zip(node.inputs, inputs, strict=True))
            done[id(node)] = change(node if same else node.with_inputs(inputs), node)
        sinks: list[Write] = []
        for sink in self.sinks:
            new = done[id(sink)]
            assert isinstance(new, Write), "a rewrite turned a sink into something else"
            sinks.append(new)
        return Plan(tuple(sinks))
