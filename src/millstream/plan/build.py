"""Builds nodes whose shape needs a decision: groups over windows, rows for a sink.

in      nodes, and expressions resolved against them
out     nodes; every user-visible choice (append or updating, which cast) is made here once
bad     TypeMismatch, PlanError
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from millstream.errors import Place, PlanError, TypeMismatch
from millstream.expr.coerce import common_type, implicit
from millstream.expr.resolve import cast_to
from millstream.expr.tree import Column, Expr, Literal, Named, columns_of
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.joining import apart, join
from millstream.plan.table import Table
from millstream.plan.windows import Attached, Session
from millstream.types import Field, Schema

WINDOW_COLUMNS = n.WINDOW_COLUMNS


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The group keys that are the bounds (and perhaps the time) of the rows' windows."""

    start: str
    end: str
    time: str | None


def group(input: n.Node, keys: Sequence[Named], aggs: Sequence[Named]) -> n.Node:  # noqa: A002
    """Group by ``keys`` and compute ``aggs``, whose expressions are aggregate calls.

    Grouping by both bounds of the rows' windows is a window aggregate: append-only, closed by the
    mark. Any other grouping is updating. The columns of the result are found by name.
    """
    node, names = _with_keys(input, keys)
    bounds = _bounds(node, names)
    if bounds is None:
        return n.Aggregate(input=node, keys=names, aggs=tuple(aggs))
    rest = tuple(k for k in names if k not in (bounds.start, bounds.end, bounds.time))
    pulled = _pulled(node, bounds, rest, aggs)
    if pulled is not None:
        return pulled
    times = _window_times(node)
    return n.WindowAggregate(
        input=node,
        window=Attached(bounds.start, bounds.end),
        time=times[0] if times else bounds.end,
        keys=rest,
        aggs=tuple(aggs),
        window_start=bounds.start,
        window_end=bounds.end,
        window_time=bounds.time,
    )


def distinct(input: n.Node) -> n.Node:  # noqa: A002
    """Keep each row once."""
    return group(input, [_column(input.schema, name) for name in input.schema.names], ())


def write(input: n.Node, table: Table, columns: Sequence[str] | None = None) -> n.Write:  # noqa: A002
    """Write rows to a table, by position; ``columns`` names the ones given, the others are NULL."""
    want = table.writable
    given = want.names if columns is None else tuple(columns)
    for name in given:
        want.type_of(name)
    if len(given) != len(input.schema):
        raise PlanError(
            f"The query gives {len(input.schema)} columns, '{table.name}' takes {len(given)}.",
            hint=f"The query: ({input.schema}). The table: ({want.select(given)}).",
        )
    source = dict(zip(given, input.schema.fields, strict=True))
    made: list[Named] = []
    for field in want:
        if field.name not in source:
            if not field.type.nullable:
                raise PlanError(
                    f"The column '{field.name}' of '{table.name}' is NOT NULL and not given.",
                    hint="Name it in INSERT INTO and give it a value.",
                )
            made.append(Named(field.name, Literal(None, type=field.type)))
            continue
        have = source[field.name]
        if not implicit(have.type, field.type):
            raise TypeMismatch(
                f"The column '{field.name}' of '{table.name}' is {field.type}, "
                f"the query gives {have.type}.",
                hint=f"Cast it: CAST({have.name} AS {field.type.name()}).",
            )
        made.append(Named(field.name, cast_to(Column(have.name, type=have.type), field.type)))
    return n.Write(input=_projected(input, made), table=table)


def _projected(node: n.Node, columns: Sequence[Named]) -> n.Node:
    same = node.schema.names == tuple(c.name for c in columns)
    if same and all(isinstance(c.expr, Column) for c in columns):
        return node
    return n.Project(input=node, columns=tuple(columns))


def _column(schema: Schema, name: str) -> Named:
    return Named(name, Column(name, type=schema.type_of(name)))


def _is_column(named: Named) -> bool:
    return isinstance(named.expr, Column) and named.expr.name == named.name


def _with_keys(node: n.Node, keys: Sequence[Named]) -> tuple[n.Node, tuple[str, ...]]:
    """Compute the keys that are not columns yet, beside all the columns there are."""
    names = tuple(k.name for k in keys)
    new = [k for k in keys if not _is_column(k)]
    if not new:
        return node, names
    made = {k.name for k in new}
    kept = [_column(node.schema, name) for name in node.schema.names if name not in made]
    return n.Project(input=node, columns=(*kept, *new)), names


def _bounds(node: n.Node, keys: tuple[str, ...]) -> _Bounds | None:
    facts = Upwards(Tables()).of(node)
    if facts.bounds is None or not set(facts.bounds) <= set(keys):
        return None
    time = next((t for t in _window_times(node) if t in keys), None)
    return _Bounds(*facts.bounds, time)


def _window_times(node: n.Node) -> tuple[str, ...]:
    """Return the columns that hold the time of the rows' windows."""
    facts = Upwards(Tables()).of(node)
    return facts.clocks if facts.by_clock else facts.times


def _pulled(
    node: n.Node, bounds: _Bounds, keys: tuple[str, ...], aggs: Sequence[Named]
) -> n.WindowAggregate | None:
    """Move the window table function below into the aggregate, if nothing between reads it.

    The aggregate then works on panes of the original rows instead of one copy per window.
    """
    read = set(keys).union(*(columns_of(a.expr) for a in aggs))
    chain: list[n.Filter | n.Project] = []
    at = node
    while isinstance(at, n.Filter | n.Project):
        chain.append(at)
        at = at.input
    if not isinstance(at, n.WindowTable):
        return None
    if isinstance(at.window, Session) and _partition_above(at, chain) != set(keys):
        return None
    lowest = _without_window(at, chain, read)
    if lowest is None:
        return None
    below, time = lowest
    return n.WindowAggregate(
        input=below,
        window=at.window,
        time=time,
        keys=keys,
        aggs=tuple(aggs),
        window_start=bounds.start,
        window_end=bounds.end,
        window_time=bounds.time,
    )


def _partition_above(table: n.WindowTable, chain: list[n.Filter | n.Project]) -> set[str] | None:
    """Return a session's partition by its names above the steps; None if a step changes it.

    A filter takes rows out of sessions that are there already; only below them, and only if it
    looks at the partition alone, would it leave the others as they are.
    """
    names = {name: name for name in table.partition}
    for step in reversed(chain):
        if isinstance(step, n.Filter):
            if not columns_of(step.predicate) <= set(names.values()):
                return None
            continue
        passed = {c.expr.name: c.name for c in step.columns if isinstance(c.expr, Column)}
        if not set(names.values()) <= set(passed):
            return None
        names = {name: passed[now] for name, now in names.items()}
    return set(names.values())


def _without_window(
    table: n.WindowTable, chain: list[n.Filter | n.Project], read: set[str]
) -> tuple[n.Node, str] | None:
    """Rebuild the steps above a window table without it; None if one of them reads its columns."""
    node, time = table.input, table.time
    gone = set(WINDOW_COLUMNS)
    for step in reversed(chain):
        if isinstance(step, n.Filter):
            if columns_of(step.predicate) & gone:
                return None
            node = n.Filter(input=node, predicate=step.predicate, name=step.name)
            continue
        kept = [c for c in step.columns if not columns_of(c.expr) & gone]
        lost = [c for c in step.columns if columns_of(c.expr) & gone]
        if not all(isinstance(c.expr, Column) for c in lost):
            return None
        passed = next((c for c in kept if isinstance(c.expr, Column) and c.expr.name == time), None)
        if passed is None:
            if any(c.name == time for c in step.columns):
                return None
            passed = _column(node.schema, time)
            kept.append(passed)
        node = n.Project(input=node, columns=tuple(kept), name=step.name)
        time, gone = passed.name, {c.name for c in lost}
    return None if read & gone else (node, time)


def renamed(node: n.Node, names: Sequence[str]) -> n.Node:
    """Give the columns other names, by position."""
    pairs = zip(names, node.schema.fields, strict=True)
    return _projected(node, [Named(new, Column(f.name, type=f.type)) for new, f in pairs])


def retyped(node: n.Node, wanted: Schema) -> n.Node:
    """Cast columns, by position, to other types; names stay."""
    columns: list[Named] = []
    for have, want in zip(node.schema, wanted, strict=True):
        source: Expr = Column(have.name, type=have.type)
        columns.append(Named(have.name, cast_to(source, want.type)))
    return _projected(node, columns)


def met(parts: Sequence[n.Node], what: str, place: Place | None) -> list[n.Node]:
    """Return nodes of equally many columns with each column, by position, in the common type.

    Raises:
        TypeMismatch: if types have none; ``what`` says what was to be done with the nodes.
    """
    wanted: list[Field] = []
    for same in zip(*(part.schema for part in parts), strict=True):
        kind = common_type([f.type for f in same])
        if kind is None:
            raise TypeMismatch(
                f"{what} of {' and '.join(map(str, same))}.", where=place, hint="CAST one of them."
            )
        wanted.append(Field(same[0].name, kind))
    schema = Schema(tuple(wanted))
    return [retyped(part, schema) for part in parts]


__all__ = ["apart", "distinct", "group", "join", "met", "renamed", "retyped", "write"]
