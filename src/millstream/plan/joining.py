"""Builds joins: a condition is taken apart, and the facts of both sides choose the kind of join.

in      two nodes whose columns have different names (:func:`apart`), and a condition over both
out     a join whose columns are those of the left, then those of the right side
bad     TypeMismatch for a condition that is no BOOLEAN

A condition is a list of conjuncts. What only one side says is asked of that side before the join,
where the kind of join allows it; equations between the sides become keys, computed on their side
where they are no columns; what is left is the residual. Conditions that bound the time of one side
by the other's make it an interval join; equal windows make it a window join.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from millstream.expr.coerce import common_type
from millstream.expr.resolve import cast_to
from millstream.expr.tree import Call, Column, Expr, Literal, Named, columns_of
from millstream.plan import nodes as n
from millstream.plan import ranking
from millstream.plan.derive import Tables, Upwards
from millstream.plan.facts import Facts
from millstream.plan.intervals import Reach, reach_of
from millstream.plan.joins import IntervalJoin, Join, JoinKind, WindowJoin, check_residual
from millstream.plan.legality import is_deterministic
from millstream.types import Boolean

_KEEPS_ONE = {
    JoinKind.INNER: (True, True),
    JoinKind.SEMI: (True, True),
    JoinKind.LEFT: (False, True),
    JoinKind.ANTI: (False, True),
    JoinKind.RIGHT: (True, False),
    JoinKind.FULL: (False, False),
}
"""Whether a condition on the (left, right) side alone may drop that side's rows beforehand."""


def join(left: n.Node, right: n.Node, kind: JoinKind, condition: Expr | None) -> n.Node:
    """Join two nodes; ``condition`` is resolved over the columns of both, None is TRUE."""
    check_residual(condition)
    taken = {*left.schema.names, *right.schema.names}
    assert len(taken) == len(left.schema) + len(right.schema), "both sides have a column"
    split = Split.of(condition, left, right)
    may_left, may_right = _KEEPS_ONE[kind]
    if may_left:
        left = filtered(left, split.left)
    if may_right:
        right = filtered(right, split.right)
    rest = [] if may_left else list(split.left)
    rest += [] if may_right else split.right
    both = _Sides(left, right, taken)
    keys = tuple(both.key(a, b) for a, b in split.equal)
    made = _joined(both, kind, keys, [*rest, *split.rest])
    return _without(made, both.hidden)


def join_all(parts: Sequence[n.Node], conditions: Sequence[Expr]) -> n.Node:
    """Join nodes with INNER JOIN by the conjuncts of one condition over all their columns.

    In the order given, but a node is joined early that equations link to those before it, so that
    a comma list makes no cross join it does not mean.
    """
    left_over = [part for c in conditions for part in factored(c)]
    made, rest = parts[0], list(parts[1:])
    while rest:
        nexts = _next(made, rest, left_over)
        rest.remove(nexts)
        known = {*made.schema.names, *nexts.schema.names}
        now = [c for c in left_over if columns_of(c) <= known]
        left_over = [c for c in left_over if not columns_of(c) <= known]
        made = join(made, nexts, JoinKind.INNER, all_of(now))
    return filtered(made, left_over)


def apart(right: n.Node, taken: set[str]) -> tuple[n.Node, dict[str, str]]:
    """Rename the columns that are taken as Flink does: id, id0; returns old name → new name."""
    names = fresh_names(right.schema.names, taken)
    return under_names(right, names), names


def fresh_names(names: Sequence[str], taken: set[str]) -> dict[str, str]:
    """Return a name for each of ``names``: another one where it is taken."""
    made: dict[str, str] = {}
    used = taken | set(names)
    for name in names:
        made[name] = name
        if name in taken:
            made[name] = next(f"{name}{i}" for i in count() if f"{name}{i}" not in used)
            used.add(made[name])
    return made


def under_names(node: n.Node, names: Mapping[str, str]) -> n.Node:
    """Return the node with its columns under their new names."""
    if all(names[name] == name for name in node.schema.names):
        return node
    columns = (Named(names[f.name], Column(f.name, type=f.type)) for f in node.schema)
    return n.Project(input=node, columns=tuple(columns))


def with_keys(
    left: n.Node,
    right: n.Node,
    equal: Sequence[tuple[Expr, Expr]],
    make: Callable[[n.Node, n.Node, tuple[tuple[str, str], ...]], n.Node],
) -> n.Node:
    """Return the join that ``make`` builds, its keys computed where they are no columns."""
    both = _Sides(left, right, {*left.schema.names, *right.schema.names})
    keys = tuple(both.key(a, b) for a, b in equal)
    return _without(make(both.left, both.right, keys), both.hidden)


def conjuncts(expr: Expr) -> list[Expr]:
    """Return the parts of an AND, in order; TRUE has none."""
    if isinstance(expr, Literal) and expr.value is True:
        return []
    if isinstance(expr, Call) and expr.function == "AND":
        return [part for arg in expr.args for part in conjuncts(arg)]
    return [expr]


def factored(expr: Expr) -> list[Expr]:
    """Return the parts of an AND; what all branches of an OR say is a part of its own."""
    found: list[Expr] = []
    for part in conjuncts(expr):
        branches = [conjuncts(branch) for branch in _disjuncts(part)]
        common = [x for x in branches[0] if all(x in other for other in branches[1:])]
        if len(branches) < 2 or not common:
            found.append(part)
            continue
        found += common
        rest = [all_of([x for x in branch if x not in common]) for branch in branches]
        kept = [x for x in rest if x is not None]
        if len(kept) == len(rest):
            found.append(_any_of(kept))
    return found


def _disjuncts(expr: Expr) -> list[Expr]:
    if isinstance(expr, Call) and expr.function == "OR":
        return [part for arg in expr.args for part in _disjuncts(arg)]
    return [expr]


def _any_of(parts: Sequence[Expr]) -> Expr:
    found = parts[0]
    for part in parts[1:]:
        null = found.typed.nullable or part.typed.nullable
        found = Call("OR", (found, part), type=Boolean(nullable=null), place=found.place)
    return found


def all_of(parts: Sequence[Expr]) -> Expr | None:
    """Return the AND of resolved conditions; None where there are none."""
    if not parts:
        return None
    found = parts[0]
    for part in parts[1:]:
        null = found.typed.nullable or part.typed.nullable
        found = Call("AND", (found, part), type=Boolean(nullable=null), place=found.place)
    return found


def filtered(node: n.Node, parts: Sequence[Expr]) -> n.Node:
    """Return the rows for which all of ``parts`` are TRUE; a bounded rank becomes a top-N."""
    node, rest = ranking.filtered(node, parts)
    predicate = all_of(rest)
    return node if predicate is None else n.Filter(input=node, predicate=predicate)


@dataclass
class Split:
    """A condition taken apart: what one side says alone, equations between them, the rest."""

    left: list[Expr] = field(default_factory=list)
    right: list[Expr] = field(default_factory=list)
    equal: list[tuple[Expr, Expr]] = field(default_factory=list)
    rest: list[Expr] = field(default_factory=list)

    @classmethod
    def of(cls, condition: Expr | None, left: n.Node, right: n.Node) -> Split:
        """Take ``condition`` apart."""
        ours, theirs = set(left.schema.names), set(right.schema.names)
        made = cls()
        for part in [] if condition is None else factored(condition):
            read = columns_of(part)
            if not is_deterministic(part):
                made.rest.append(part)
            elif read <= ours:
                made.left.append(part)
            elif read <= theirs:
                made.right.append(part)
            elif (pair := _equation(part, ours, theirs)) is not None:
                made.equal.append(pair)
            else:
                made.rest.append(part)
        return made


@dataclass
class _Sides:
    """Both inputs of a join; keys that are no columns are computed beside the columns there are."""

    left: n.Node
    right: n.Node
    taken: set[str]
    hidden: set[str] = field(default_factory=set)

    def key(self, a: Expr, b: Expr) -> tuple[str, str]:
        met = common_type([a.typed, b.typed])
        assert met is not None, "both sides of an equation meet in a type"
        self.left, left = self._column(self.left, cast_to(a, met))
        self.right, right = self._column(self.right, cast_to(b, met))
        return left, right

    def _column(self, node: n.Node, expr: Expr) -> tuple[n.Node, str]:
        if isinstance(expr, Column):
            return node, expr.name
        known = node.columns if isinstance(node, n.Project) else ()
        same = next((c.name for c in known if c.name in self.hidden and c.expr == expr), None)
        if same is not None:
            return node, same
        name = next(f"_key_{i}" for i in count() if f"_key_{i}" not in self.taken)
        self.taken.add(name)
        if isinstance(node, n.Project) and any(c.name in self.hidden for c in node.columns):
            columns = node.columns
            node = node.input
        else:
            columns = tuple(Named(f.name, Column(f.name, type=f.type)) for f in node.schema)
        self.hidden.add(name)
        return n.Project(input=node, columns=(*columns, Named(name, expr))), name


def _joined(
    both: _Sides, kind: JoinKind, keys: tuple[tuple[str, str], ...], rest: list[Expr]
) -> n.Node:
    up = Upwards(Tables())
    left, right = up.of(both.left), up.of(both.right)
    windows = _windows(left, right, keys)
    if windows is not None:
        a, b = windows
        own = tuple(k for k in keys if k not in ((a[0], b[0]), (a[1], b[1])))
        return WindowJoin(
            left=both.left, right=both.right, kind=kind, keys=own, residual=all_of(rest),
            left_bounds=a, right_bounds=b,
        )  # fmt: skip
    near = _reach(left, right, keys, rest)
    if near is not None and kind.gives_right:
        reach, rest = near
        own = tuple(k for k in keys if k != (reach.left, reach.right)) or keys
        return IntervalJoin(
            left=both.left, right=both.right, kind=kind, keys=own, residual=all_of(rest),
            left_time=reach.left, right_time=reach.right,
            lower_ms=reach.lower_ms, upper_ms=reach.upper_ms,
        )  # fmt: skip
    return Join(left=both.left, right=both.right, kind=kind, keys=keys, residual=all_of(rest))


def _windows(
    left: Facts, right: Facts, keys: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """Return the bounds of both sides where the keys say that both are equal."""
    a, b = left.bounds, right.bounds
    if a is None or b is None or left.updates or right.updates or left.by_clock != right.by_clock:
        return None
    return (a, b) if {(a[0], b[0]), (a[1], b[1])} <= set(keys) else None


def _reach(
    left: Facts, right: Facts, keys: tuple[tuple[str, str], ...], rest: list[Expr]
) -> tuple[Reach, list[Expr]] | None:
    """Return how far apart the times of partners may be, and the conditions that are left."""
    if left.updates or right.updates:
        return None
    for ours, theirs in ((left.times, right.times), (left.clocks, right.clocks)):
        found = reach_of(rest, keys, ours, theirs)
        if found is not None:
            return found
    return None


def _equation(part: Expr, ours: set[str], theirs: set[str]) -> tuple[Expr, Expr] | None:
    """Return the (left, right) sides of an equation between one side and the other."""
    if not isinstance(part, Call) or part.function != "=":
        return None
    for a, b in (part.args, part.args[::-1]):
        read = columns_of(a), columns_of(b)
        if read[0] and read[1] and read[0] <= ours and read[1] <= theirs:
            return (a, b) if common_type([a.typed, b.typed]) is not None else None
    return None


def _next(made: n.Node, rest: list[n.Node], conditions: list[Expr]) -> n.Node:
    ours = set(made.schema.names)
    for node in rest:
        theirs = set(node.schema.names)
        if any(_equation(c, ours, theirs) is not None for c in conditions):
            return node
    return rest[0]


def _without(node: n.Node, hidden: set[str]) -> n.Node:
    if not hidden & set(node.schema.names):
        return node
    kept = (Named(f.name, Column(f.name, type=f.type)) for f in node.schema)
    return n.Project(input=node, columns=tuple(c for c in kept if c.name not in hidden))


def renamed_in(expr: Expr, names: Mapping[str, str]) -> Expr:
    """Return ``expr`` with columns under their new names."""
    return expr.rewrite(
        lambda x: replace(x, name=names.get(x.name, x.name)) if isinstance(x, Column) else x
    )
