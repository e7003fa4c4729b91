"""Equal steps over the same input become one step that several read.

before    Write a ─ Aggregate by k ─ Scan t    Write b ─ Aggregate by k ─ Scan t
after     Write a and Write b ─ one Aggregate by k ─ Scan t

Steps are equal when they are of one class and say the same, over inputs that are the same steps
already. A step the user named, a sink, a step that draws random values and a user's function over
batches stay apart. The step met first keeps its id, so the others' state is not kept twice.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from millstream.plan import nodes as n
from millstream.plan.legality import is_deterministic

_OWN = frozenset({"uid", "name", "owner"})


def share_subplans(plan: n.Plan) -> n.Plan:
    """Merge equal steps, inputs first."""
    known: dict[Any, n.Node] = {}

    def shared(node: n.Node) -> n.Node:
        if node.name or isinstance(node, n.Write | n.MapBatches):
            return node
        if not all(map(is_deterministic, node.expressions)):
            return node
        return known.setdefault(_identity(node), node)

    return plan.rewrite(shared)


def _identity(node: n.Node) -> Any:
    """Return what makes a step that step: its class, its inputs, and all it says."""
    inputs = {id(child) for child in node.inputs}
    said = [
        _said(getattr(node, f.name), inputs) for f in fields(node) if f.init and f.name not in _OWN
    ]
    return (type(node), tuple(map(id, node.inputs)), *said)


def _said(value: Any, inputs: set[int]) -> Any:
    if id(value) in inputs:
        return None
    if isinstance(value, tuple):
        return tuple(_said(part, inputs) for part in value)
    try:
        hash(value)
    except TypeError:
        # A table's options are a mapping: the same table is the same object.
        return id(value)
    # -0.0 and 0.0 are equal, but are not the same constant.
    return (type(value), value, repr(value))
