"""Filters go down, towards the scans, so that less is computed and kept.

before    Filter k = 'a' AND l.v > r.v ─ Join ─ (left, right)
after     Join residual l.v > r.v ─ (Filter k = 'a' ─ left, right)

A predicate is taken apart at its ANDs; each part goes below a step where it gives the same there:
a projection that only passes its columns on, a window table function whose bounds it does not
read, the keys of a group or rank, the side of a join that is never filled with NULLs. Below a
step that shows fewer or other rows than it reads only parts that cannot fail: they now see rows
they never saw. What is left above an inner join becomes part of its condition.
Never into a scan: a row that is filtered still moves the watermark.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from millstream.expr.tree import Column, columns_of, substitute
from millstream.plan import joins, ranks
from millstream.plan import nodes as n
from millstream.plan.joins import JoinKind
from millstream.plan.legality import is_deterministic
from millstream.plan.windows import Session
from millstream.rewrite.reading import all_of, is_plain, never_fails, parts_of, readers

if TYPE_CHECKING:
    from millstream.expr.tree import Expr

_KEEPS_LEFT = frozenset({JoinKind.INNER, JoinKind.LEFT, JoinKind.SEMI, JoinKind.ANTI})
_KEEPS_RIGHT = frozenset({JoinKind.INNER, JoinKind.RIGHT})
_TWO_SIDED = joins.Join | joins.IntervalJoin | joins.WindowJoin


def push_filters(plan: n.Plan) -> n.Plan:
    """Move every filter as far down as it can go."""
    # Each pass moves filters by one step at least, so a plan's size bounds the passes.
    for _ in range(len(plan.walk())):
        pushed = _one_step(plan)
        if pushed.sinks == plan.sinks:
            return plan
        plan = pushed
    return plan


def _one_step(plan: n.Plan) -> n.Plan:
    count = readers(plan)

    def pushed(node: n.Node, was: n.Node) -> n.Node:
        if not isinstance(node, n.Filter) or count[id(was.inputs[0])] > 1:
            return node
        if isinstance(node.input, n.Project):
            return _below_project(node, node.input)
        if isinstance(node.input, n.WindowTable):
            gone = set(node.input.schema.names) - set(node.input.input.schema.names)
            if isinstance(node.input.window, Session):
                # Rows it takes away would not hold a session together any more.
                gone = set(node.input.schema.names) - set(node.input.partition)
            return node if columns_of(node.predicate) & gone else _swapped(node, node.input)
        return _below_step(node, node.input)

    return plan.rewrite_from(pushed)


def _below_project(node: n.Filter, project: n.Project) -> n.Node:
    by = {c.name: c.expr for c in project.columns}
    if not all(is_plain(by[name]) for name in columns_of(node.predicate)):
        return node
    if not all(is_deterministic(c.expr) for c in project.columns):
        return node  # random values follow the row's position, which the filter would change
    predicate = substitute(node.predicate, by)
    return replace(project, input=replace(node, input=project.input, predicate=predicate))


def _swapped(node: n.Filter, below: n.Unary) -> n.Node:
    return replace(below, input=replace(node, input=below.input))


def _below_step(node: n.Filter, below: n.Node) -> n.Node:
    """Push the parts that may go below a step with rows of its own; keep the others above it."""
    stay: list[Expr] = []
    down: list[list[Expr]] = [[] for _ in below.inputs]
    for part in parts_of(node.predicate):
        ports = _ports(below, part) if never_fails(part) and is_deterministic(part) else ()
        for port in ports:
            down[port].append(_seen_from(below, port, part))
        if not ports:
            stay.append(part)
    inner = isinstance(below, _TWO_SIDED) and below.kind is JoinKind.INNER
    taken = [p for p in stay if never_fails(p) and is_deterministic(p)] if inner else []
    if not taken and not any(down):
        return node
    inputs = tuple(
        child if not parts else n.Filter(input=child, predicate=all_of(parts), uid=_uid(node, port))
        for port, (child, parts) in enumerate(zip(below.inputs, down, strict=True))
    )
    made = below.with_inputs(inputs)
    if taken and isinstance(made, _TWO_SIDED):
        residual = taken if made.residual is None else [made.residual, *taken]
        made = replace(made, residual=all_of(residual))
    left = [part for part in stay if part not in taken]
    return replace(node, input=made, predicate=all_of(left)) if left else made


def _uid(node: n.Filter, port: int) -> str:
    return f"{node.uid}/below[{port}]" if node.uid else ""


def _ports(below: n.Node, part: Expr) -> tuple[int, ...]:
    """Return the inputs below which a part of a predicate gives the same, () for none."""
    read = columns_of(part)
    match below:
        case joins.Join() | joins.IntervalJoin() | joins.WindowJoin():
            if below.kind in _KEEPS_LEFT and read <= set(below.left.schema.names):
                return (0,)
            rest = below.kind in _KEEPS_RIGHT and read <= set(below.right.schema.names)
            return (1,) if rest else ()
        case joins.TemporalJoin(left=left):
            return (0,) if read <= set(left.schema.names) else ()
        case joins.LookupJoin(input=input_):
            return (0,) if read <= set(input_.schema.names) else ()
        case n.Aggregate(keys=keys) | n.WindowAggregate(keys=keys):
            return (0,) if read and read <= set(keys) else ()
        case ranks.Rank() | ranks.WindowRank() | ranks.Over():
            return (0,) if read and read <= set(below.partition) else ()
        case n.Union() | ranks.SetOperation():
            return tuple(range(len(below.inputs)))
        case _:
            return ()


def _seen_from(below: n.Node, port: int, part: Expr) -> Expr:
    """Return a predicate over a step's output as one over its input, whose names may differ."""
    if not isinstance(below, n.Union | ranks.SetOperation):
        return part
    names = zip(below.schema.names, below.inputs[port].schema.fields, strict=True)
    return substitute(part, {name: Column(f.name, type=f.type) for name, f in names})
