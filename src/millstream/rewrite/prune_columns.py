"""Columns nobody reads are neither computed, nor kept in a state, nor decoded.

before    Aggregate by k: COUNT(*) ─ Project k, v * 2 AS d ─ Scan (k, v, w, ts)
after     Aggregate by k: COUNT(*) ─ Project k ─ Scan (k, v, w, ts) wanted (k, ts)

A scan keeps what its watermark and computed columns read, and the primary key, by which an upsert
source says what is gone. Rows that a user looks at as late or rejected keep all their columns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from millstream.expr.tree import Column, Named, columns_of
from millstream.plan import nodes as n
from millstream.plan.windows import Attached
from millstream.rewrite.reading import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterable


def prune_columns(plan: n.Plan) -> n.Plan:
    """Drop what is not read, from the sinks down to the scans."""
    order = plan.walk()
    whole = _shown_whole(order)
    needed: dict[int, set[str]] = {id(node): set() for node in order}
    for node in reversed(order):
        every = set(node.schema.names)
        if id(node) in whole:
            needed[id(node)] = every
        needed[id(node)] = kept = _at_least(node, needed[id(node)])
        for i, child in enumerate(node.inputs):
            needed[id(child)] |= _read(node, i, kept)

    done: dict[int, n.Node] = {}
    for was in order:
        kept = needed[id(was)]
        inputs = tuple(done[id(child)] for child in was.inputs)
        if isinstance(was, n.Union):
            inputs = _alike(was, inputs, kept)
        same = all(a is b for a, b in zip(was.inputs, inputs, strict=True))
        done[id(was)] = _narrowed(was if same else was.with_inputs(inputs), kept)
    sinks: list[n.Write] = []
    for sink in plan.sinks:
        new = done[id(sink)]
        assert isinstance(new, n.Write), "pruning turned a sink into something else"
        sinks.append(new)
    return n.Plan(tuple(sinks))


def _shown_whole(order: list[n.Node]) -> set[int]:
    """Return the steps whose rows are shown with all columns when they are late or rejected."""
    whole: set[int] = set()

    def with_all_below(node: n.Node) -> None:
        if id(node) not in whole:
            whole.add(id(node))
            for child in node.inputs:
                with_all_below(child)

    for node in order:
        if isinstance(node, n.LateRows):
            whole.add(id(node.input.inputs[0]))
        if isinstance(node, n.RejectedRows):
            with_all_below(node.input)
    return whole


def _at_least(node: n.Node, needed: set[str]) -> set[str]:
    """Return the columns to keep: those needed, and one where none is, for rows must be counted."""
    if needed:
        return needed
    names = node.schema.names
    if isinstance(node, n.Project):
        plain = (c.name for c in node.columns if is_plain(c.expr))
        return {next(plain, names[0])}
    return {names[0]}


def _read(node: n.Node, place: int, kept: set[str]) -> set[str]:
    """Return the columns of its input number ``place`` that a step reads to give ``kept``."""
    child = node.inputs[place].schema.names
    match node:
        case n.Project(columns=columns):
            return _columns(c for c in columns if c.name in kept)
        case n.Filter(predicate=predicate):
            return kept | columns_of(predicate)
        case n.WindowTable(time=time):
            return (kept & set(child)) | {time}
        case n.Aggregate(keys=keys, aggs=aggs):
            return set(keys) | _columns(a for a in aggs if a.name in kept)
        case n.WindowAggregate(keys=keys, aggs=aggs, time=time, window=window):
            bounds = {window.start, window.end} if isinstance(window, Attached) else set[str]()
            return {*keys, time, *bounds} | _columns(a for a in aggs if a.name in kept)
        case n.Union():
            names = node.schema.names
            return {child[names.index(name)] for name in kept}
        case n.Sort(by=by):
            return kept | {k.column for k in by}
        case n.Normalize(key=key):
            return kept | set(key)
        case n.Limit():
            return kept
        case n.LateRows() | n.RejectedRows():
            return set()
        case _:
            return set(child)


def _columns(named: Iterable[Named]) -> set[str]:
    return {name for n_ in named for name in columns_of(n_.expr)}


def _narrowed(node: n.Node, kept: set[str]) -> n.Node:
    match node:
        case n.Scan():
            return _scan(node, kept)
        case n.Project(columns=columns):
            left = tuple(c for c in columns if c.name in kept)
            return node if len(left) == len(columns) else replace(node, columns=left)
        case n.Aggregate(aggs=aggs, keys=keys):
            few = tuple(a for a in aggs if a.name in kept)
            few = few if few or keys else aggs[:1]
            return node if len(few) == len(aggs) else replace(node, aggs=few)
        case n.WindowAggregate():
            return _window_aggregate(node, kept)
        case _:
            return node


def _scan(node: n.Scan, kept: set[str]) -> n.Scan:
    table = node.table
    wanted = kept | set(table.primary_key)
    for column in table.computed:
        wanted |= columns_of(column.expr)
    if table.watermark is not None:
        wanted |= {table.watermark.column} | columns_of(table.watermark.expr)
    computed = {c.name for c in table.computed}
    stored = [name for name in table.schema.names if name not in computed]
    left = tuple(name for name in stored if name in wanted) or tuple(stored[:1])
    # A reader keeps what the last rewriting kept: pruning twice must not widen a scan again.
    if node.wanted is not None:
        left = tuple(name for name in left if name in node.wanted)
    return node if left == (node.wanted or tuple(stored)) else replace(node, wanted=left)


def _window_aggregate(node: n.WindowAggregate, kept: set[str]) -> n.WindowAggregate:
    few = tuple(a for a in node.aggs if a.name in kept)
    start, end, time = (
        name if name in kept else None
        for name in (node.window_start, node.window_end, node.window_time)
    )
    if (few, start, end, time) == (node.aggs, node.window_start, node.window_end, node.window_time):
        return node
    return replace(node, aggs=few, window_start=start, window_end=end, window_time=time)


def _alike(union: n.Union, parts: tuple[n.Node, ...], kept: set[str]) -> tuple[n.Node, ...]:
    """Give all parts of a union the same columns again: each may have lost others, or none."""
    places = [i for i, name in enumerate(union.schema.names) if name in kept]
    out: list[n.Node] = []
    for i, (part, was) in enumerate(zip(parts, union.parts, strict=True)):
        names = tuple(was.schema.names[place] for place in places)
        if part.schema.names == names:
            out.append(part)
            continue
        columns = tuple(Named(c, Column(c, type=part.schema.type_of(c))) for c in names)
        uid = f"{union.uid}/part[{i}]" if union.uid else ""
        out.append(n.Project(input=part, columns=columns, uid=uid))
    return tuple(out)
