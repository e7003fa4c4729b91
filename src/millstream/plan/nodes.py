"""The logical plan: what a pipeline means, as frozen plain data.

Every node checks itself where it is built and knows its ``schema``. Expressions inside a node are
resolved against its input. A plan is a DAG: two nodes that hold the *same object* share it.
A node class says everything that is particular to it: its schema, what its output is like
(:mod:`millstream.plan.facts`), what it needs of its inputs, which columns it reads, what limits
its state. What follows for a whole plan is derived in :mod:`millstream.plan.derive`; ids are given
in :mod:`millstream.plan.ids`. Here are the steps that remember nothing of single rows; beside this
file ``grouping`` (whose classes are also found here), ``joins``, ``ranks`` ….
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from millstream.errors import PlanError, TypeMismatch
from millstream.expr.tree import Expr, Literal, Named, columns_of
from millstream.plan.facts import (
    Append,
    Facts,
    Key,
    StateBound,
    Tables,
    Takes,
    Upsert,
    is_clock,
    passes_key,
    projected,
    same_key,
)
from millstream.plan.grouping import WINDOW_COLUMNS, Aggregate, WindowAggregate, WindowTable
from millstream.plan.node import Node, Unary, read_by
from millstream.plan.table import Condition, Table
from millstream.types import (
    BigInt,
    Boolean,
    Field,
    Schema,
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
class Scan(Node):
    """Reads a table: decode, computed columns, watermark.

    ``wanted`` names the physical and metadata columns that are decoded, None = all; computed
    columns are always there. ``conditions`` tell the source which rows it may leave out.
    """

    table: Table
    wanted: tuple[str, ...] | None = None
    conditions: tuple[Condition, ...] = ()

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
        where = " AND ".join(map(str, self.conditions))
        told = f" where {where}" if where else ""
        return f"Scan {self.table.name} [{self.table.connector}]{told}"

    @property
    def id_keys(self) -> tuple[str, ...]:
        return (self.table.name,)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        table = self.table
        gives = tables.gives(table)
        own_key = (table.primary_key,) if table.primary_key else ()
        stamps = tuple(c.name for c in table.computed if is_clock(c.expr))
        return Facts(
            bounded=tables.bounded(table),
            times=() if table.watermark is None else (table.watermark.column,),
            marks=table.watermark is not None,
            clocks=stamps,
            updates=not isinstance(gives, Append),
            before=not isinstance(gives, Upsert),
            keys=(gives.key,) if isinstance(gives, Upsert) else own_key,
        )

    def narrowed(self, kept: set[str]) -> Node:
        table = self.table
        wanted = kept | set(table.primary_key)
        for column in table.computed:
            wanted |= columns_of(column.expr)
        if table.watermark is not None:
            wanted |= {table.watermark.column} | columns_of(table.watermark.expr)
        computed = {c.name for c in table.computed}
        stored = [name for name in table.schema.names if name not in computed]
        left = tuple(name for name in stored if name in wanted) or tuple(stored[:1])
        # A reader keeps what the last rewriting kept: pruning twice must not widen a scan again.
        if self.wanted is not None:
            left = tuple(name for name in left if name in self.wanted)
        return self if left == (self.wanted or tuple(stored)) else replace(self, wanted=left)


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

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return Facts(bounded=True)


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

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return (self.predicate,)

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        from millstream.plan.legality import is_deterministic

        # Only what is told of changes by key counts: the old values of another key are lost. And
        # a condition of chance would let the end of a row through or not, whatever it let before.
        of_key = any(columns_of(self.predicate) <= set(key) for key in below.keys[:1])
        return above or not of_key or not is_deterministic(self.predicate)

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return kept | columns_of(self.predicate)


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

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return tuple(c.expr for c in self.columns)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return projected(self.columns, inputs[0])

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        return above or not passes_key(self.columns, below)

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return read_by(c for c in self.columns if c.name in kept)

    def narrowed(self, kept: set[str]) -> Node:
        left = tuple(c for c in self.columns if c.name in kept)
        return self if len(left) == len(self.columns) else replace(self, columns=left)


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

    def reads(self, port: int, kept: set[str]) -> set[str]:
        names, given = self.schema.names, self.parts[port].schema.names
        return {given[names.index(name)] for name in kept}

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        def at(part: Node, columns: tuple[str, ...]) -> tuple[int, ...]:
            return tuple(part.schema.names.index(c) for c in columns)

        def common(columns: list[tuple[str, ...]]) -> tuple[str, ...]:
            places = [at(part, c) for part, c in zip(self.parts, columns, strict=True)]
            kept = [i for i in places[0] if all(i in other for other in places[1:])]
            return tuple(self.schema.names[i] for i in kept)

        bounds = {
            None if f.bounds is None else at(part, f.bounds)
            for part, f in zip(self.parts, inputs, strict=True)
        }
        shared = next(iter(bounds)) if len(bounds) == 1 else None
        names = self.schema.names
        clocks = {f.by_clock for f in inputs}
        return Facts(
            bounded=all(f.bounded for f in inputs),
            times=common([f.times for f in inputs]),
            clocks=common([f.clocks for f in inputs]),
            marks=any(f.marks for f in inputs),
            bounds=None if shared is None else (names[shared[0]], names[shared[1]]),
            by_clock=clocks == {True},
            updates=any(f.updates for f in inputs),
            before=all(f.before for f in inputs),
        )


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
    """ORDER BY … [LIMIT]: gives everything at the end of bounded input, in order.

    Endless rows can be put in the order of their event time (and then by other columns): each is
    given when the watermark passes it.
    """

    by: tuple[SortKey, ...]
    limit: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        for key in self.by:
            self.input.schema.type_of(key.column)

    def label(self) -> str:
        tail = "" if self.limit is None else f" limit {self.limit}"
        return f"Sort {', '.join(map(str, self.by))}{tail}"

    @property
    def id_keys(self) -> tuple[str, ...]:
        return tuple(k.column for k in self.by)

    def in_time(self, below: Facts) -> bool:
        """Tell whether rows are given as the watermark passes them, instead of at the end."""
        if below.bounded or below.updates or self.limit is not None or self.offset or not self.by:
            return False
        first = self.by[0]
        return first.column in below.times and not first.descending

    @property
    def drops_late(self) -> bool:
        return True

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return inputs[0] if self.in_time(inputs[0]) else untimed(inputs[0])

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        if self.in_time(inputs[0]):
            return StateBound.TIME
        few = self.limit is not None and not inputs[0].updates
        return StateBound.COUNT if few else StateBound.ROWS

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return kept | {k.column for k in self.by}


@dataclass(frozen=True, kw_only=True, eq=False)
class Limit(Unary):
    """The first ``count`` rows after ``offset``, in arrival order."""

    count: int
    offset: int = 0

    def label(self) -> str:
        return f"Limit {self.count}" + (f" offset {self.offset}" if self.offset else "")

    @property
    def append_only(self) -> str | None:
        return "LIMIT without ORDER BY"

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return kept


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

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        # A row-wise function that leaves the column there leaves the time there; a type it
        # changed is a column it made.
        def kept(columns: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(c for c in columns if self.gives.get(c) == self.input.schema.get(c))

        below = inputs[0]
        return replace(
            below, times=kept(below.times), clocks=kept(below.clocks), bounds=None, keys=()
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalize(Unary):
    """Keeps the newest row per key, to turn an upsert stream into one with retractions."""

    key: tuple[str, ...]

    def label(self) -> str:
        return f"Normalize by [{', '.join(self.key)}]"

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.key

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return replace(inputs[0], before=True, keys=(self.key,))

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        return not same_key(self.key, below.keys[:1])

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.KEYS

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return kept | set(self.key)


@dataclass(frozen=True, kw_only=True, eq=False)
class LateRows(Unary):
    """The rows that came too late for the node below, with that node's ``late_schema``."""

    @property
    def schema(self) -> Schema:
        return self.input.late_schema

    def label(self) -> str:
        return "LateRows"

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return untimed(inputs[0])

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        return False  # it reads what the step below drops, not what it gives

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return set()


@dataclass(frozen=True, kw_only=True, eq=False)
class RejectedRows(Unary):
    """The rows rejected by the node below or by any node it reads, as REJECTED_SCHEMA."""

    @property
    def schema(self) -> Schema:
        return REJECTED_SCHEMA

    def label(self) -> str:
        return "RejectedRows"

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return untimed(inputs[0])

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        return False  # it reads what the step below drops, not what it gives

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return set()


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

    @property
    def key(self) -> Key:
        """The sink's primary key as columns of the input, which fits by position."""
        given = dict(zip(self.table.writable.names, self.input.schema.names, strict=True))
        return tuple(given[column] for column in self.table.primary_key if column in given)

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        if tables.sink_takes(self.table) is not Takes.UPSERT:
            return True
        return not same_key(self.key, below.keys[:1])


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


def untimed(below: Facts) -> Facts:
    """Return the facts of rows that come at the end, or late: they have no time of their own."""
    return Facts(bounded=below.bounded, marks=below.marks)


__all__ = [
    "REJECTED_SCHEMA",
    "WINDOW_COLUMNS",
    "Aggregate",
    "Filter",
    "LateRows",
    "Limit",
    "MapBatches",
    "Node",
    "Normalize",
    "Plan",
    "Project",
    "RejectedRows",
    "Scan",
    "Sort",
    "SortKey",
    "Unary",
    "Union",
    "Values",
    "WindowAggregate",
    "WindowTable",
    "Write",
    "read_by",
    "untimed",
]
