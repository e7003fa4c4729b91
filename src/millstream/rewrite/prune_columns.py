"""Columns nobody reads are neither computed, nor kept in a state, nor decoded.

before    Aggregate by k: COUNT(*) ─ Project k, v * 2 AS d ─ Scan (k, v, w, ts)
after     Aggregate by k: COUNT(*) ─ Project k ─ Scan (k, v, w, ts) wanted (k, ts)

A scan keeps what its watermark and computed columns read, and the primary key, by which an upsert
source says what is gone. Rows that a user looks at as late or rejected keep all their columns.
"""

from __future__ import annotations

from millstream.expr.tree import Column, Named
from millstream.plan import nodes as n
from millstream.rewrite.reading import is_plain


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
            needed[id(child)] |= node.reads(i, kept)

    done: dict[int, n.Node] = {}
    for was in order:
        kept = needed[id(was)]
        inputs = tuple(done[id(child)] for child in was.inputs)
        if isinstance(was, n.Union):
            inputs = _alike(was, inputs, kept)
        same = all(a is b for a, b in zip(was.inputs, inputs, strict=True))
        done[id(was)] = (was if same else was.with_inputs(inputs)).narrowed(kept)
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
            whole.update(id(child) for child in node.input.inputs)
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
