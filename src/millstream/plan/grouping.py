"""Groups and windows: GROUP BY with and without a window, and window table functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from millstream.errors import TypeMismatch
from millstream.expr.tree import AggCall, Expr, Named
from millstream.plan.facts import Facts, Key, StateBound, Tables
from millstream.plan.node import Node, Unary, read_by
from millstream.plan.windows import Attached, Emit, Hop, Session, Tumble, Window
from millstream.types import Field, Schema, Timestamp, TimestampLtz

WINDOW_COLUMNS = ("window_start", "window_end", "window_time")
_ROWS_ALWAYS = frozenset({"LISTAGG", "COLLECT", "ARRAY_AGG", "JSON_ARRAYAGG", "JSON_OBJECTAGG"})
_ROWS_UNDER_CHANGE = frozenset({"MIN", "MAX", "FIRST_VALUE", "LAST_VALUE"})


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
    sessions are those of the rows that agree on ``keys``. With ``emit`` a result may come before
    the end and change after it.
    """

    window: Window | Attached
    time: str
    keys: tuple[str, ...]
    aggs: tuple[Named, ...]
    window_start: str | None = "window_start"
    window_end: str | None = "window_end"
    window_time: str | None = None
    emit: Emit | None = None

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
        emit = "" if self.emit is None else f" {self.emit}"
        by = ", ".join(self.keys)
        return f"WindowAggregate {self.window}{emit} on {self.time} by [{by}]: {aggs}"

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
        if self.emit is not None:
            # A result that may change has no time of its own.
            return Facts(
                bounded=inputs[0].bounded,
                marks=inputs[0].marks,
                bounds=bounds,
                by_clock=by_clock,
                updates=True,
                keys=self._keys(),
            )
        return Facts(
            bounded=inputs[0].bounded,
            marks=inputs[0].marks,
            times=() if by_clock else time,
            clocks=time if by_clock else (),
            bounds=bounds,
            by_clock=by_clock,
        )

    def _keys(self) -> tuple[Key, ...]:
        """Return the upsert keys of results that change."""
        start, end = self.window_start, self.window_end
        found: list[Key] = []
        if start is not None and end is not None:
            found.append((*self.keys, start, end))
        if end is not None and not isinstance(self.window, Attached | Session):
            found.append((*self.keys, end))
        if start is not None and isinstance(self.window, Tumble | Hop | Session):
            found.append((*self.keys, start))
        return tuple(found)

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
        if self.emit is not None:
            start, end = self.window_start, self.window_end  # what the changes go by
        if (few, start, end, time) == (self.aggs, *was):
            return self
        return replace(self, aggs=few, window_start=start, window_end=end, window_time=time)


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
