"""Stable ids of steps: what state in a checkpoint belongs to.

in      a plan as it was written, before any rewriting
out     the same plan with ``uid`` set on every node; sharing kept
bad     PlanError where two steps were given the same name

A named step's id is its name, a sink's that of its table. Any other id is made of its owner, the
kind of step, and its key columns: ``revenue/aggregate[country]``; a second such step of the same
owner is ``revenue/aggregate[country]#2``. The owner is the nearest named step, view or sink above
it; the last step of a view is the view's too, so that a view with its steps keeps its ids whoever
reads it. So neither an unrelated sink nor a step of another kind, or by other keys, moves an id. A
step that several owners share belongs to the one written first. Where an id moves all the same,
:mod:`millstream.plan.compare` finds the state under the old one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from millstream.errors import PlanError
from millstream.plan import nodes as n

if TYPE_CHECKING:
    from collections.abc import Callable

_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


def assign(plan: n.Plan) -> n.Plan:
    """Return the plan with an id on every step that has none yet."""
    taken: dict[str, n.Node] = {}
    ids: dict[int, str] = {}

    def give(node: n.Node, uid: str) -> str:
        unique, ordinal = uid, 1
        while unique in taken:
            ordinal += 1
            unique = f"{uid}#{ordinal}"
        taken[unique] = node
        ids[id(node)] = unique
        return unique

    for node in plan.walk():
        own = node.uid or node.name
        if not own:
            continue
        if own in taken:
            raise PlanError(
                f"Two steps have the name '{own}': '{taken[own].label()}' and '{node.label()}'.",
                hint="A name is the id of a step's state; give each its own.",
            )
        give(node, own)
    for sink in plan.sinks:
        if id(sink) not in ids:
            give(sink, sink.table.name)
    visited: set[int] = set()
    for sink in plan.sinks:
        _visit(sink, ids, visited, give)
    return plan.rewrite_from(lambda node, was: _with_uid(node, ids[id(was)]))


def owned(node: n.Node, view: str) -> n.Node:
    """Return the last step of a view with the view as its owner.

    A scan, and a step that is another view's already, stay what they are: every reader shares them.
    """
    if isinstance(node, n.Scan) or node.owner or node.name:
        return node
    return replace(node, owner=view)


def kind_of(node: n.Node) -> str:
    """Return the kind of a step as ids spell it: ``window-aggregate``."""
    return _HUMP.sub("-", type(node).__name__).lower()


def _visit(
    top: n.Node, ids: dict[int, str], visited: set[int], give: Callable[[n.Node, str], str]
) -> None:
    """Name everything below ``top``, readers before what they read, first input first."""
    stack = [(top, ids[id(top)])]
    while stack:
        node, owner = stack.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        owner = node.owner or owner
        if id(node) in ids:
            owner = node.owner or ids[id(node)]
        else:
            keys = node.id_keys
            give(node, f"{owner}/{kind_of(node)}" + (f"[{','.join(keys)}]" if keys else ""))
        stack.extend((child, owner) for child in reversed(node.inputs))


def _with_uid(node: n.Node, uid: str) -> n.Node:
    return node if node.uid == uid else replace(node, uid=uid)
