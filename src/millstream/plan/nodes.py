"""The logical plan: what a pipeline means, as frozen plain data.

Every node checks itself where it is built and knows its ``schema``. Expressions inside a node are
resolved against its input. A plan is a DAG: two nodes that hold the *same object* share it.
A node class says everything that is particular to it: its schema, what its output is like
(:mod:`millstream.plan.facts`), what it needs of its inputs, which columns it reads, what limits
its state. What follows for a whole plan is derived in :mod:`millstream.plan.derive`; ids are given
in :mod:`millstream.plan.ids`. Nodes of one family live beside this file: ``joins``, ``ranks`` ….
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from millstream.errors import PlanError, TypeMismatch
from millstream.expr.tree import AggCall, Expr, Literal, Named, columns_of
from millstream.plan.facts import (
    Append,
    Facts,
    Key,
    StateBound,
    Tables,
    Takes,
    Upsert,
    is_clock,
    projected,
    same_key,
)
from millstream.plan.table import Condition, Table
from millstream.plan.windows import Attached, Session, Window
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

    # ---- what follows from the inputs; :mod:`millstream.plan.derive` asks

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        """Return what the output is like."""
        return inputs[0]

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        """Tell whether the old row of a change of an updating input ``port`` is needed.

        ``above``: some reader of this node needs the old rows of its changes.
        """
        return True

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        """Return what limits the state."""
        return StateBound.STATELESS

    # ---- what is particular to the class

    @property
    def expressions(self) -> tuple[Expr, ...]:
        """The expressions, in the order they were written."""
        return ()

    @property
    def id_keys(self) -> tuple[str, ...]:
        """What tells the step from others of its kind below one owner: its key columns."""
        return ()

    @property
    def append_only(self) -> str | None:
        """What to call the step where it refuses input that changes; None = it takes changes."""
        return None

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        """(port, column) of the event or processing time the step runs by."""
        return ()

    @property
    def drops_late(self) -> bool:
        """Whether rows can come too late for the step."""
        return False

    @property
    def late_schema(self) -> Schema:
        """The columns of the rows that came too late: those of the first input."""
        return self.inputs[0].schema

    @property
    def delay_ms(self) -> int:
        """How far the output's watermark stays behind the input's."""
        return 0

    def reads(self, port: int, kept: set[str]) -> set[str]:
        """Return the columns of input ``port`` that are read to give the columns ``kept``."""
        return set(self.inputs[port].schema.names)

    def narrowed(self, kept: set[str]) -> Node:
        """Return the step without the columns that nobody reads; it may keep any."""
        return self


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
        read = columns_of(self.predicate)
        return above or not any(read <= set(key) for key in below.keys)

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
        return above or not own.keys

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return read_by(c for c in self.columns if c.name in kept)

    def narrowed(self, kept: set[str]) -> Node:
        left = tuple(c for c in self.columns if c.name in kept)
        return self if len(left) == len(self.columns) else replace(self, columns=left)


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowTable(Unary):
    """A window table function: each row once per window it falls in, plus three columns.

    Adds ``window_start``, ``window_end`` (TIMESTAMP(3)) and ``window_time`` (end − 1 ms, the time
    attribute of what follows). The rows of a :class:`Session` wait until it is closed; sessions
    are those of the rows that agree on ``partition``.
    """

    window: Window
    time: str
    partition: tuple[str, ...] = ()

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
        assert isinstance(self.window, Session) or not self.partition, "only sessions have parts"
        for name in self.partition:
            self.input.schema.type_of(name)
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        by = f" by [{', '.join(self.partition)}]" if isinstance(self.window, Session) else ""
        return f"WindowTable {self.window} on {self.time}{by}"

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.partition

    @property
    def drops_late(self) -> bool:
        return isinstance(self.window, Session)

    @property
    def delay_ms(self) -> int:
        return session_delay_ms(self.window)

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        if not isinstance(self.window, Session):
            return StateBound.STATELESS
        timed = inputs[0].marks or self.time in inputs[0].clocks
        return StateBound.TIME if timed else StateBound.ROWS

    @property
    def append_only(self) -> str | None:
        return "A window"

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return ((0, self.time),)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return windowed(inputs[0], self.time, WINDOW_COLUMNS)

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return (kept & set(self.input.schema.names)) | {self.time, *self.partition}


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

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return tuple(a.expr for a in self.aggs)

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.keys

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        # Without functions each key is given once, when first seen, unless rows can go away.
        updates = bool(self.aggs) or inputs[0].updates
        return Facts(
            bounded=inputs[0].bounded, marks=inputs[0].marks, updates=updates, keys=(self.keys,)
        )

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        keeps_rows = any(_keeps_rows(a, inputs[0].updates) for a in self.aggs)
        return StateBound.ROWS if keeps_rows else StateBound.KEYS

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return set(self.keys) | read_by(a for a in self.aggs if a.name in kept)

    def narrowed(self, kept: set[str]) -> Node:
        few = tuple(a for a in self.aggs if a.name in kept)
        few = few if few or self.keys else self.aggs[:1]
        return self if len(few) == len(self.aggs) else replace(self, aggs=few)


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowAggregate(Unary):
    """Windowed GROUP BY: gives each (window, keys) once, when the mark passes its end.

    Columns: ``keys``, then ``aggs``, then those of ``window_start``, ``window_end`` and
    ``window_time`` that are named here (None = not wanted). ``time`` is the event-time column of
    the input; with an :class:`Attached` window the bounds are columns of the input already, and
    sessions are those of the rows that agree on ``keys``.
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

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return tuple(a.expr for a in self.aggs)

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.keys

    @property
    def append_only(self) -> str | None:
        return "A window"

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return ((0, self.time),)

    @property
    def drops_late(self) -> bool:
        return True

    @property
    def delay_ms(self) -> int:
        return session_delay_ms(self.window)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        names = (self.window_start, self.window_end, self.window_time)
        if isinstance(self.window, Attached):
            by_clock = inputs[0].by_clock
        else:
            by_clock = self.time in inputs[0].clocks
        time = () if self.window_time is None else (self.window_time,)
        bounds = None if None in names[:2] else (str(names[0]), str(names[1]))
        return Facts(
            bounded=inputs[0].bounded,
            marks=inputs[0].marks,
            times=() if by_clock else time,
            clocks=time if by_clock else (),
            bounds=bounds,
            by_clock=by_clock,
        )

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        timed = inputs[0].marks or inputs[0].by_clock or self.time in inputs[0].clocks
        return StateBound.TIME if timed else StateBound.KEYS

    def reads(self, port: int, kept: set[str]) -> set[str]:
        window = self.window
        bounds = {window.start, window.end} if isinstance(window, Attached) else set[str]()
        return {*self.keys, self.time, *bounds} | read_by(a for a in self.aggs if a.name in kept)

    def narrowed(self, kept: set[str]) -> Node:
        few = tuple(a for a in self.aggs if a.name in kept)
        was = (self.window_start, self.window_end, self.window_time)
        start, end, time = (name if name in kept else None for name in was)
        if (few, start, end, time) == (self.aggs, *was):
            return self
        return replace(self, aggs=few, window_start=start, window_end=end, window_time=time)


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

    @property
    def id_keys(self) -> tuple[str, ...]:
        return tuple(k.column for k in self.by)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return untimed(inputs[0])

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
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
        return not same_key(self.key, below.keys)

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
        return not same_key(self.key, below.keys)


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


WINDOW_COLUMNS = ("window_start", "window_end", "window_time")
_ROWS_ALWAYS = frozenset({"LISTAGG", "COLLECT", "ARRAY_AGG", "JSON_ARRAYAGG", "JSON_OBJECTAGG"})
_ROWS_UNDER_CHANGE = frozenset({"MIN", "MAX", "FIRST_VALUE", "LAST_VALUE"})


def read_by(named: Iterable[Named]) -> set[str]:
    """Return the columns that expressions read."""
    return {name for n_ in named for name in columns_of(n_.expr)}


def untimed(below: Facts) -> Facts:
    """Return the facts of rows that come at the end, or late: they have no time of their own."""
    return Facts(bounded=below.bounded, marks=below.marks)


def session_delay_ms(window: Window | Attached) -> int:
    """Return how far the watermark stays behind: a session waits for rows that touch its end."""
    return 1 if isinstance(window, Session) else 0


def windowed(below: Facts, time: str, names: tuple[str, str, str]) -> Facts:
    """Return the facts of rows that were given a window by ``time``: its bounds and its time."""
    by_clock = time in below.clocks
    start, end, of_window = names
    return replace(
        below,
        times=() if by_clock else (of_window,),
        clocks=(of_window,) if by_clock else below.clocks,
        bounds=(start, end),
        by_clock=by_clock,
        keys=(),
    )


def _keeps_rows(agg: Named, updates: bool) -> bool:
    call = agg.expr
    assert isinstance(call, AggCall), "only AggCall below Aggregate"
    if call.distinct or call.function in _ROWS_ALWAYS:
        return True
    return updates and call.function in _ROWS_UNDER_CHANGE
