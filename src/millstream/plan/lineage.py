"""Which input rows an output row is made of: the row's values pushed down the plan.

in      a step of a finished plan, and what is known of some of its rows (conditions over its
        columns)
out     :class:`Trace`: joins of tables with the conditions under which their rows took part, over
        columns named ``#0.amount`` (of the read number 0); below a group, the trace of its rows
law     the rows a trace selects contain every row that took part; where ``at_most`` says nothing,
        they are exactly those
source  Cui & Widom, "Lineage tracing for general data warehouse transformations", VLDB Journal 12,
        2003: a selection, projection and join is traced by its own condition and the row's values,
        a group by the values of its keys, and what is nested level by level
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from millstream.expr.tree import Call, Column, Expr, Literal, columns_of, substitute
from millstream.plan import async_call, changelog, joins, ranks, table_function
from millstream.plan import nodes as n
from millstream.plan.legality import is_deterministic
from millstream.plan.windows import Attached, Fixed, Session
from millstream.types import Boolean, IntervalDay, LogicalType, Timestamp, TimestampLtz

_PLAIN = Timestamp(3, nullable=False)
ALTERNATIVES_MAX = 64
"""Unions and outer joins multiply the ways a row can come about; beyond, nothing is pushed."""


@dataclass(frozen=True, slots=True)
class Read:
    """One input of a trace: a scan, or a step that is traced by itself (``below``)."""

    number: int
    node: n.Node

    def column(self, name: str) -> Column:
        """Return a column of it as conditions name it."""
        return Column(f"#{self.number}.{name}", type=self.node.schema.type_of(name))


@dataclass(frozen=True, slots=True)
class Windows:
    """Each row once per window it falls in: where the bounds stand, and of which time."""

    window: Fixed
    time: Expr
    start: str
    end: str
    last: str
    drops_late: bool


@dataclass(frozen=True, slots=True)
class Sessions:
    """The rows fall into sessions of rows that agree on ``partition``."""

    gap_ms: int
    time: Expr
    partition: tuple[Expr, ...]
    start: str
    end: str
    where: tuple[Expr, ...]
    """What is known of the session itself."""


@dataclass(frozen=True)
class Trace:
    """Rows of ``reads`` that meet ``where``, every column of which is one of theirs."""

    reads: tuple[Read, ...]
    columns: Mapping[str, Expr]
    where: tuple[Expr, ...] = ()
    windows: tuple[Windows, ...] = ()
    sessions: Sessions | None = None
    below: Mapping[int, tuple[Trace, ...]] = field(default_factory=dict)
    at_most: tuple[str, ...] = ()


@dataclass
class _Numbers:
    reads: int = 0
    windows: int = 0


def trace(node: n.Node, wanted: Mapping[str, Any]) -> tuple[Trace, ...]:
    """Return the ways in which rows of ``node`` with these values came about."""
    known = [_equals(Column(c, type=node.schema.type_of(c)), v) for c, v in wanted.items()]
    return _traced(node, known, _Numbers())


def _traced(node: n.Node, known: list[Expr], numbers: _Numbers) -> tuple[Trace, ...]:
    """Flatten what is below ``node`` to joins of reads, and trace each read that is none itself."""
    found: list[Trace] = []
    for way in _ways(node, numbers):
        of = dict(way.columns.items())
        sure = [k for k in known if columns_of(k) <= set(of)]
        unsure = () if len(sure) == len(known) else ("a value that is made outside the plan",)
        asked = [substitute(k, of) for k in sure]
        if any(_is_never(k) for k in asked):
            continue
        filled = any(isinstance(of[c], Literal) for k in sure for c in columns_of(k))
        if filled:
            unsure = (*unsure, "rows without a partner are not told from those with one")
        where = _consequences([*way.where, *asked])
        known_way = replace(way, where=tuple(where), at_most=(*way.at_most, *unsure))
        found.append(_with_below(known_way, numbers))
    return tuple(found)


def _with_below(way: Trace, numbers: _Numbers) -> Trace:
    below: dict[int, tuple[Trace, ...]] = {}
    reasons = list(way.at_most)
    for read in way.reads:
        if isinstance(read.node, n.Scan):
            continue
        own = {f"#{read.number}.{c}": c for c in read.node.schema.names}
        mine = [w for w in way.where if columns_of(w) and columns_of(w) <= set(own)]
        names: dict[str, Expr] = {
            q: Column(c, type=read.node.schema.type_of(c)) for q, c in own.items()
        }
        parts, told = _inside(read.node, [substitute(w, names) for w in mine], numbers)
        below[read.number] = parts
        reasons.extend(told)
        if len(way.reads) > 1:
            reasons.append(f"the join with the results of {read.node.uid or read.node.label()}")
    return replace(way, below=below, at_most=tuple(dict.fromkeys(reasons)))


# -- selections, projections, joins, unions --------------------------------------------------------


def _ways(node: n.Node, numbers: _Numbers) -> list[Trace]:
    """Return the ways a row of ``node`` comes about, as joins of reads."""
    match node:
        case n.Filter():
            ways = _ways(node.input, numbers)
            if not is_deterministic(node.predicate):
                return [_unsure(w, "a filter of chance") for w in ways]
            return [
                replace(w, where=(*w.where, *_parts(substitute(node.predicate, dict(w.columns)))))
                for w in ways
            ]
        case n.Project():
            return [_projected(node, way) for way in _ways(node.input, numbers)]
        case n.Union():
            found: list[Trace] = []
            for part in node.parts:
                for way in _ways(part, numbers):
                    given = zip(node.schema.names, part.schema.names, strict=True)
                    columns = {name: way.columns[old] for name, old in given if old in way.columns}
                    found.append(replace(way, columns=columns))
            return found
        case n.WindowTable(window=window) if isinstance(window, Fixed):
            return [
                _windowed(way, window, node.time, n.WINDOW_COLUMNS, numbers, late=False)
                for way in _ways(node.input, numbers)
            ]
        case joins.Join() | joins.IntervalJoin() | joins.WindowJoin():
            ways = _joined(node, numbers)
            return ways if len(ways) <= ALTERNATIVES_MAX else [_read(node, numbers)]
        case (
            async_call.AsyncCall()
            | joins.LookupJoin()
            | table_function.CallTable()
            | changelog.ToChanges()
        ):
            return [_unsure_columns(node, way) for way in _ways(node.inputs[0], numbers)]
        case n.Sort(limit=None, offset=0):
            return _ways(node.input, numbers)
    return [_read(node, numbers)]


def _read(node: n.Node, numbers: _Numbers) -> Trace:
    read = Read(numbers.reads, node)
    numbers.reads += 1
    return Trace((read,), {c: read.column(c) for c in node.schema.names})


def _projected(node: n.Project, way: Trace) -> Trace:
    of = dict(way.columns)
    made = {
        c.name: substitute(c.expr, of)
        for c in node.columns
        if columns_of(c.expr) <= set(of) and is_deterministic(c.expr)
    }
    return replace(way, columns=made)


def _unsure(way: Trace, why: str) -> Trace:
    return replace(way, at_most=(*way.at_most, why))


def _unsure_columns(node: n.Node, way: Trace) -> Trace:
    """Keep the columns that a step passes on; what it makes is not known here."""
    kept = {c: e for c, e in way.columns.items() if c in node.schema.names}
    return _unsure(replace(way, columns=kept), f"what {node.uid or node.label()} makes")


def _joined(node: joins.Join | joins.IntervalJoin | joins.WindowJoin, numbers: _Numbers) -> Any:
    found: list[Trace] = []
    pairs = product(_ways(node.left, numbers), _ways(node.right, numbers))
    for left, right in pairs:
        of = {**left.columns, **right.columns}
        where = [_same(of[a], of[b]) for a, b in node.keys if a in of and b in of]
        if node.residual is not None and columns_of(node.residual) <= set(of):
            where.extend(_parts(substitute(node.residual, of)))
        where.extend(_near(node, of))
        inner = Trace(
            (*left.reads, *right.reads),
            of if node.kind.gives_right else left.columns,
            (*left.where, *right.where, *where),
            (*left.windows, *right.windows),
            at_most=(*left.at_most, *right.at_most),
        )
        if node.kind is not joins.JoinKind.ANTI:
            found.append(inner)
        nulls: dict[str, Expr] = {}
        if node.kind.fills_right or node.kind is joins.JoinKind.ANTI:
            nulls = _nulls(node.right) if node.kind.gives_right else {}
            alone = replace(left, columns={**left.columns, **nulls})
            anti = node.kind is joins.JoinKind.ANTI
            found.append(_unsure(alone, "rows with a partner too") if anti else alone)
        if node.kind.fills_left:
            found.append(replace(right, columns={**_nulls(node.left), **right.columns}))
    return found


def _nulls(node: n.Node) -> dict[str, Expr]:
    return {f.name: Literal(None, type=f.type.with_nullable(True)) for f in node.schema}


def _near(node: n.Node, of: Mapping[str, Expr]) -> list[Expr]:
    """Return what an interval or window join asks besides equal keys."""
    if isinstance(node, joins.WindowJoin):
        bounds = zip(node.left_bounds, node.right_bounds, strict=True)
        return [_same(of[a], of[b]) for a, b in bounds if a in of and b in of]
    if isinstance(node, joins.IntervalJoin):
        a, b = of.get(node.left_time), of.get(node.right_time)
        if a is not None and b is not None:
            low, high = _later(a, node.lower_ms), _later(a, node.upper_ms)
            return [_call(">=", b, low), _call("<=", b, high)]
    return []


def _windowed(
    way: Trace,
    window: Fixed,
    time: str,
    names: tuple[str | None, str | None, str | None],
    numbers: _Numbers,
    *,
    late: bool,
) -> Trace:
    at = way.columns.get(time)
    if at is None:
        return _unsure(way, f"the windows of '{time}'")
    number = numbers.windows
    numbers.windows += 1
    start, end, last = (f"${number}.{what}" for what in ("start", "end", "time"))
    kinds = (_PLAIN, _PLAIN, at.typed.with_nullable(False))
    made: dict[str, Expr] = {
        name: Column(column, type=kind)
        for name, column, kind in zip(names, (start, end, last), kinds, strict=True)
        if name is not None
    }
    windows = Windows(window, at, start, end, last, late)
    return replace(way, columns={**way.columns, **made}, windows=(*way.windows, windows))


# -- steps that are traced by themselves -----------------------------------------------------------


def _inside(
    node: n.Node, known: list[Expr], numbers: _Numbers
) -> tuple[tuple[Trace, ...], list[str]]:
    """Trace the rows that a group, a rank … made rows with what is known of."""
    match node:
        case n.Aggregate(keys=keys):
            kept, told = _about(known, set(keys), node)
            return _traced(node.input, kept, numbers), told
        case n.WindowAggregate():
            return _window(node, known, numbers)
        case n.WindowTable(window=window) if isinstance(window, Session):
            kept, told = _about(known, set(node.input.schema.names), node, n.WINDOW_COLUMNS)
            made = dict(zip(("start", "end", "time"), n.WINDOW_COLUMNS, strict=True))
            return _session(node, window, node.partition, known, kept, made, numbers), told
        case ranks.Rank() | ranks.WindowRank() if node.number is None:
            kept, told = _about(known, set(node.input.schema.names), node)
            return _traced(node.input, kept, numbers), told
        case ranks.Rank() | ranks.WindowRank() | ranks.Over():
            kept, told = _about(known, set(node.partition), node)
            why = f"all rows of the partition of {node.uid or node.label()}"
            return _traced(node.input, kept, numbers), [*told, why]
        case n.Normalize(key=keys):
            kept, told = _about(known, set(keys), node)
            return _traced(node.input, kept, numbers), [*told, "older rows of the same key too"]
    why = f"all rows that {node.uid or node.label()} reads"
    found = [t for child in node.inputs for t in _traced(child, [], numbers)]
    return tuple(found), [why]


def _about(
    known: list[Expr], columns: set[str], node: n.Node, other: tuple[str, ...] = ()
) -> tuple[list[Expr], list[str]]:
    """Keep what is said of ``columns`` alone; tell what cannot be gone by."""
    kept = [k for k in known if columns_of(k) <= columns]
    lost = [k for k in known if not columns_of(k) <= columns | set(other)]
    told = f"the results of {node.uid or node.label()} that are not {', '.join(map(str, lost))} too"
    return kept, [told] if lost else []


def _window(
    node: n.WindowAggregate, known: list[Expr], numbers: _Numbers
) -> tuple[tuple[Trace, ...], list[str]]:
    names = (node.window_start, node.window_end, node.window_time)
    bounds = tuple(name for name in names if name is not None)
    window = node.window
    kept, told = _about(known, set(node.keys), node, bounds)
    of_window = [k for k in known if columns_of(k) & set(bounds)]
    if isinstance(window, Attached):
        by = {name: c for name, c in zip(names, (window.start, window.end), strict=False) if name}
        schema = node.input.schema
        again: dict[str, Expr] = {name: Column(c, type=schema.type_of(c)) for name, c in by.items()}
        moved = [substitute(k, again) for k in of_window if columns_of(k) <= set(again)]
        if len(moved) < len(of_window):
            told = [*told, "windows by their last instant"]
        return _traced(node.input, [*kept, *moved], numbers), told
    if isinstance(window, Session):
        made = {w: n_ for w, n_ in zip(("start", "end", "time"), names, strict=True) if n_}
        return _session(node, window, node.keys, known, kept, made, numbers), told
    ways = [
        _windowed(way, window, node.time, names, numbers, late=node.emit is None)
        for way in _ways(node.input, numbers)
    ]
    if node.emit is not None:
        told = [*told, "rows that came after a window's end"]
    found: list[Trace] = []
    for way in ways:
        asked = [
            substitute(k, dict(way.columns))
            for k in (*kept, *of_window)
            if columns_of(k) <= set(way.columns)
        ]
        if any(map(_is_never, asked)):
            continue
        where = _consequences([*way.where, *asked])
        where = [*where, *_ranges(way.windows, where)]
        found.append(_with_below(replace(way, where=tuple(where)), numbers))
    return tuple(found), told


def _session(
    node: n.WindowAggregate | n.WindowTable,
    window: Session,
    partition: tuple[str, ...],
    known: list[Expr],
    kept: list[Expr],
    names: Mapping[str, str],
    numbers: _Numbers,
) -> tuple[Trace, ...]:
    """Trace whole sessions: all rows of the partition, of which those of the session are found."""
    of_keys = [k for k in kept if columns_of(k) <= set(partition)]
    ways = _traced(node.input, of_keys, numbers)
    number = numbers.windows
    numbers.windows += 1
    kind = node.input.schema.type_of(node.time).with_nullable(False)
    made: dict[str, Expr] = {
        name: Column(f"${number}.{what}", type=kind if what == "time" else _PLAIN)
        for what, name in names.items()
    }
    out: list[Trace] = []
    for way in ways:
        of = {**way.columns, **made}
        asked = tuple(substitute(k, of) for k in known if columns_of(k) <= set(of))
        if not {node.time, *partition} <= set(way.columns) or len(ways) > 1:
            out.append(_unsure(way, "other sessions of the same key"))
            continue
        sessions = Sessions(
            window.gap_ms,
            way.columns[node.time],
            tuple(way.columns[p] for p in partition),
            f"${number}.start",
            f"${number}.end",
            asked,
        )
        if way.sessions is not None:
            out.append(_unsure(way, "sessions of sessions"))
        else:
            out.append(replace(way, sessions=sessions))
    return tuple(out)


def _ranges(windows: tuple[Windows, ...], where: list[Expr]) -> list[Expr]:
    """Say a window's known bounds as a range of its time, which a scan can be filtered by."""
    found: list[Expr] = []
    for made in windows:
        if isinstance(made.time.typed, TimestampLtz):
            continue  # bounds are wall clocks, the time is an instant
        size_ms = made.window.size_ms
        for known in where:
            match known:
                case Call(function="=", args=(Column(name=name), Literal() as at)):
                    if name == made.start:
                        found.append(_call(">=", made.time, at))
                        found.append(_call("<", made.time, _later(at, size_ms)))
                    elif name == made.end:
                        found.append(_call("<", made.time, at))
                        found.append(_call(">=", made.time, _later(at, -size_ms)))
    return found


# -- conditions ------------------------------------------------------------------------------------


def _call(function: str, *args: Expr, gives: LogicalType | None = None) -> Call:
    return Call(function, args, type=gives or Boolean())


def _same(a: Expr, b: Expr) -> Expr:
    return _call("=", a, b)


def _equals(column: Expr, value: Any) -> Expr:
    if value is None:
        return _call("IS NULL", column, gives=Boolean(nullable=False))
    return _same(column, Literal(value, type=column.typed.with_nullable(False)))


def _later(time: Expr, by_ms: int) -> Expr:
    step = Literal(abs(by_ms), type=IntervalDay(nullable=False))
    return _call("+" if by_ms >= 0 else "-", time, step, gives=time.typed)


def _parts(predicate: Expr) -> list[Expr]:
    if isinstance(predicate, Call) and predicate.function == "AND":
        return [part for arg in predicate.args for part in _parts(arg)]
    return [predicate]


def _consequences(where: list[Expr]) -> list[Expr]:
    """Add what follows from equalities: of two equal columns both have the one's known value."""
    known: dict[str, Literal] = {}
    pairs: list[tuple[Column, Column]] = []
    for part in where:
        match part:
            case Call(function="=", args=(Column(name=name), Literal() as value)):
                known[name] = value
            case Call(function="=", args=(Column() as a, Column() as b)):
                pairs.append((a, b))
    found = list(dict.fromkeys(where))
    for _ in pairs:
        for a, b in (*pairs, *((b, a) for a, b in pairs)):
            if a.name in known and b.name not in known:
                known[b.name] = known[a.name]
                found.append(_same(b, known[a.name]))
    return found


def _is_never(condition: Expr) -> bool:
    """Tell whether a condition over constants alone cannot hold: a NULL equals nothing."""
    match condition:
        case Call(function="=", args=(Literal(value=a), Literal(value=b))):
            return a is None or b is None or a != b
        case Call(function="IS NULL", args=(Literal(value=a),)):
            return a is not None
    return False


__all__ = ["Read", "Sessions", "Trace", "Windows", "trace"]
