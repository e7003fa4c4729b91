"""Several streams: joins by key, by time and by window, versions, lookups, INTERSECT and EXCEPT.

in      two nodes; keys as names or expressions; conditions over the joined columns
out     the nodes that SQL builds for the same, under the names that Polars gives the columns
bad     PlanError, UnknownName, TypeMismatch with the place in the user's program

A column of the right side whose name the left side has gets the suffix. A key of plain columns is
given once: inner and left joins keep the left column, right joins the right one; full joins keep
both, since either may be NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from millstream.errors import MillstreamError, PlanError, TypeMismatch, UnknownName
from millstream.expr import tree
from millstream.expr.resolve import resolve
from millstream.frame.bind import bind_row
from millstream.frame.expression import Expr, to_tree
from millstream.frame.tables import placed
from millstream.frame.where import here
from millstream.plan import build, joining
from millstream.plan import nodes as n
from millstream.plan.as_of import Advice, AsOfJoin
from millstream.plan.derive import Tables, Upwards
from millstream.plan.joins import JoinKind, check_residual
from millstream.plan.ranks import SetKind, SetOperation
from millstream.types import Field, IntervalDay, Schema
from millstream.types.time import duration_ms

Key = str | Expr
Keys = Key | Sequence[Key] | None
Length = str | timedelta | float
Within = Length | tuple[Length, Length] | None

HOW = {
    "inner": JoinKind.INNER,
    "left": JoinKind.LEFT,
    "right": JoinKind.RIGHT,
    "full": JoinKind.FULL,
    "semi": JoinKind.SEMI,
    "anti": JoinKind.ANTI,
    "cross": JoinKind.INNER,
}
_ASKED = {"inner": JoinKind.INNER, "left": JoinKind.LEFT}
"""What can be asked of a side that is looked at for each row of the other."""


@dataclass(frozen=True, slots=True)
class On:
    """What both sides are joined by, as trees that are not resolved yet."""

    left: tuple[tree.Expr, ...]
    right: tuple[tree.Expr, ...]


def keys_of(on: Keys, left_on: Keys, right_on: Keys) -> On:
    """Return the keys of both sides; none at all is an answer too."""
    if on is not None and (left_on is not None or right_on is not None):
        raise PlanError(
            "The keys are given twice.",
            where=here(),
            hint="Give on= where both sides call them the same, else left_on= and right_on=.",
        )
    left, right = _trees(on if left_on is None else left_on), _trees(right_on)
    if on is not None:
        return On(left, left)
    if len(left) != len(right):
        raise PlanError(
            f"{len(left)} keys of the left side and {len(right)} of the right side.",
            where=here(),
            hint="Give as many of each: left_on=('a', 'b'), right_on=('x', 'y').",
        )
    return On(left, right)


def _trees(keys: Keys) -> tuple[tree.Expr, ...]:
    if keys is None:
        return ()
    several = isinstance(keys, Sequence) and not isinstance(keys, str)
    return tuple(map(_tree, keys if several else (keys,)))


def _tree(key: object) -> tree.Expr:
    if isinstance(key, str):
        return tree.Column(key, place=here())
    if isinstance(key, Expr):
        return to_tree(key)
    raise PlanError(f"{key!r} is no key.", where=here(), hint="Name a column: on='id'.")


@dataclass(frozen=True, slots=True)
class _Sides:
    """Two sides of a join under names that are all different.

    ``names`` tells what the columns of ``right`` are called in the join; ``given`` pairs the
    columns of the result with what they are called in the join.
    """

    left: n.Node
    right: n.Node
    names: dict[str, str]
    equal: tuple[tree.Expr, ...]
    given: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, left: n.Node, right: n.Node, kind: JoinKind, on: On, suffix: str) -> _Sides:
        """Name the columns and resolve the equations of the keys."""
        ours = [bind_row(key, left.schema, "a key") for key in on.left]
        theirs = [bind_row(key, right.schema, "a key") for key in on.right]
        once = [
            (a.name, b.name)
            for a, b in zip(ours, theirs, strict=True)
            if isinstance(a, tree.Column) and isinstance(b, tree.Column)
        ]
        no_left = {a for a, _ in once} if kind is JoinKind.RIGHT else set[str]()
        no_right = {b for _, b in once} if kind in (JoinKind.INNER, JoinKind.LEFT) else set[str]()
        kept = [name for name in left.schema.names if name not in no_left]
        shown = {
            name: name + suffix if name in kept else name
            for name in right.schema.names
            if name not in no_right
        }
        _check_names([*kept, *shown.values()], suffix)
        names = joining.fresh_names(right.schema.names, set(left.schema.names))
        both = Schema((*left.schema, *(Field(names[f.name], f.type) for f in right.schema)))
        equal = tuple(
            resolve(tree.Call("=", (a, joining.renamed_in(b, names)), place=here()), both)
            for a, b in zip(ours, theirs, strict=True)
        )
        columns = [(name, name) for name in kept]
        columns += [(new, names[old]) for old, new in shown.items()]
        return cls(left, right, names, equal, tuple(columns))

    @property
    def schema(self) -> Schema:
        """The columns of the join."""
        theirs = (Field(self.names[f.name], f.type) for f in self.right.schema)
        return Schema((*self.left.schema, *theirs))

    def asked(self, where: Expr | None) -> list[tree.Expr]:
        """Return the parts of a condition that is said by the names of the result."""
        if where is None:
            return []
        schema = self.schema
        seen = Schema(tuple(Field(new, schema.type_of(name)) for new, name in self.given))
        bound = bind_row(to_tree(where), seen, "the condition of a join")
        check_residual(bound)
        return joining.conjuncts(joining.renamed_in(bound, dict(self.given)))

    def near(self, within: Within) -> list[tree.Expr]:
        """Return what bounds the event time of the right side by that of the left side."""
        if within is None:
            return []
        lower, upper = _bounds(within)
        ours, theirs = _event_time(self.left, "left"), _event_time(self.right, "right")
        kinds = self.left.schema.type_of(ours), self.right.schema.type_of(theirs)
        if type(kinds[0]) is not type(kinds[1]):
            raise TypeMismatch(
                f"The event times of the sides are {kinds[0]} and {kinds[1]}.",
                where=here(),
                hint="Read both with event times of one type.",
            )
        left, right = tree.Column(ours), tree.Column(self.names[theirs])

        def moved(ms: int) -> tree.Expr:
            return tree.Call("+", (left, tree.Literal(ms, type=IntervalDay(nullable=False))))

        said = (tree.Call(">=", (right, moved(lower))), tree.Call("<=", (right, moved(upper))))
        return [resolve(part, self.schema) for part in said]

    def shown(self, node: n.Node) -> n.Node:
        """Return the join under the names of the result."""
        if all(new == old for new, old in self.given) and len(self.given) == len(node.schema):
            return node
        columns = (
            tree.Named(new, tree.Column(old, type=node.schema.type_of(old)))
            for new, old in self.given
        )
        return n.Project(input=node, columns=tuple(columns))


def joined(
    left: n.Node, right: n.Node, how: str, on: On, where: Expr | None, within: Within, suffix: str
) -> n.Node:
    """Join two nodes; their facts choose between a regular, an interval and a window join."""
    kind = _kind(how, HOW, "join")
    cross = how == "cross"
    if cross and on.left:
        raise PlanError(
            "A cross join has no keys: every row meets every other.",
            where=here(),
            hint="Leave the keys out, or join with how='inner'.",
        )
    if not (cross or on.left or where is not None or within is not None):
        raise PlanError(
            "This join does not say which rows belong together.",
            where=here(),
            hint="Name the key: on='id'. For all pairs of rows: how='cross'.",
        )
    sides = _Sides.of(left, right, kind, on, suffix)
    parts = [*sides.equal, *sides.near(within), *sides.asked(where)]
    other = joining.under_names(right, sides.names)
    made = build.join(left, other, kind, joining.all_of(parts))
    return sides.shown(made) if kind.gives_right else made


def joined_asof(left: n.Node, versions: n.Node, how: str, on: On, suffix: str) -> n.Node:
    """Join each row with the version that held at its event time."""
    kind = _kind(how, _ASKED, "join as of a time")
    sides = _Sides.of(left, versions, kind, _some(on), suffix)
    time = _event_time(left, "left")
    asked = AsOfJoin(left, versions, sides.names, kind, _advice())
    return sides.shown(asked.temporal(sides.equal, time))


def looked_up(left: n.Node, table: n.Node, how: str, on: On, suffix: str) -> n.Node:
    """Join each row with what a table says when it is asked."""
    kind = _kind(how, _ASKED, "lookup")
    sides = _Sides.of(left, table, kind, _some(on), suffix)
    asked = AsOfJoin(left, table, sides.names, kind, _advice())
    return sides.shown(asked.lookup(sides.equal))


def set_operation(left: n.Node, right: n.Node, kind: SetKind, *, every: bool) -> n.Node:
    """Return INTERSECT or EXCEPT; columns belong together by their names."""
    a, b = build.met(by_name([left, right]), kind.value, here())
    return SetOperation(left=a, right=b, kind=kind, every=every)


def by_name(parts: Sequence[n.Node]) -> list[n.Node]:
    """Return the nodes with their columns in the order of the first one's."""
    wanted = parts[0].schema.names
    for part in parts:
        have = part.schema.names
        for some, all_ in ((have, wanted), (wanted, have)):
            unknown = next((name for name in some if name not in all_), None)
            if unknown is not None:
                raise UnknownName("column", unknown, available=all_, where=here())
    return [part if part.schema.names == wanted else _ordered(part, wanted) for part in parts]


def _ordered(node: n.Node, names: Sequence[str]) -> n.Node:
    columns = (tree.Named(x, tree.Column(x, type=node.schema.type_of(x))) for x in names)
    return n.Project(input=node, columns=tuple(columns))


def _kind(how: str, known: dict[str, JoinKind], what: str) -> JoinKind:
    if how not in known:
        raise UnknownName(f"kind of {what}", how, available=known, where=here())
    return known[how]


def _some(on: On) -> On:
    if not on.left:
        raise PlanError(
            "This join does not say which rows belong together.",
            where=here(),
            hint="Name the key: on='id'.",
        )
    return on


def _check_names(names: Sequence[str], suffix: str) -> None:
    double = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if double is not None:
        raise PlanError(
            f"Two columns of this join are named '{double}'.",
            where=here(),
            hint=f"Columns of the right side get the suffix {suffix!r} where the left side has "
            "their name; give another one: suffix='_2'.",
        )


def _event_time(node: n.Node, side: str) -> str:
    time = Upwards(Tables()).of(node).time
    if time is None:
        raise PlanError(
            f"The {side} side of this join has no event time.",
            where=here(),
            hint="Read it with event_time='ts', and keep that column as it is.",
        )
    return time


def _bounds(within: Length | tuple[Length, Length]) -> tuple[int, int]:
    """Return how far the right time may be from the left one, in milliseconds."""
    try:
        if isinstance(within, tuple):
            lower, upper = (_signed_ms(bound) for bound in within)
        else:
            upper = duration_ms(within)
            lower = -upper
    except MillstreamError as error:
        raise placed(error) from None
    except ValueError:
        raise PlanError(
            f"within has a lower and an upper bound, not {within!r}.",
            where=here(),
            hint="within='10m' for both directions, or within=('-5m', '10m').",
        ) from None
    if lower > upper:
        raise PlanError(
            f"The bounds {within!r} leave no time between them.",
            where=here(),
            hint="Give the lower bound first: within=('-5m', '10m').",
        )
    return lower, upper


def _signed_ms(bound: Length) -> int:
    if isinstance(bound, str):
        said = bound.strip()
        return -duration_ms(said[1:]) if said.startswith("-") else duration_ms(said)
    below = bound < timedelta(0) if isinstance(bound, timedelta) else bound < 0
    return -duration_ms(-bound) if below else duration_ms(bound)


def _advice() -> Advice:
    return Advice(
        here(),
        versions="Read it with event_time=… and primary_key=…, or keep the last row of each key: "
        "versions.deduplicate('id', keep='last').",
        key=lambda names: f"Name the columns of its key: on={_said(names)}.",
        table="Give what ms.read_… returned, as it is; for other streams there is join(…).",
    )


def _said(names: Sequence[str]) -> str:
    return repr(names[0]) if len(names) == 1 else repr(tuple(names))
