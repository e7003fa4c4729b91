"""Builds ranks and OVER windows: calls are sorted into windows, conditions on ranks make top-N.

in      a node, and calls or conditions resolved against its columns
out     nodes: one Over per window; Rank or WindowRank where a condition cuts a rank
bad     Unsupported: functions that look ahead where each row is given once; TypeMismatch
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from millstream.errors import PlanError, TypeMismatch, Unsupported
from millstream.expr.overs import FRAMELESS, LOOKS_AHEAD, RANKS
from millstream.expr.tree import Call, Cast, Column, Expr, Literal, Named, OverCall
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.ranks import Frame, Over, Rank, RankKind, WindowRank
from millstream.types import Array, Map, Multiset, Row, Schema, Timestamp, TimestampLtz
from millstream.types.logical import Integer

NO_COLUMNS = Schema(())
_WHOLE = Frame(rows=False, preceding=None)
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


def over(node: n.Node, calls: Sequence[OverCall]) -> tuple[n.Node, list[str]]:
    """Compute ``calls`` beside the columns of ``node``; returns the columns they are in."""
    taken = set(node.schema.names)
    windows: dict[tuple[object, ...], list[tuple[OverCall, str]]] = {}
    names: list[str] = []
    for call in calls:
        if not call.order:
            raise PlanError(
                f"{call} has no ORDER BY.",
                where=call.place,
                hint="Say which rows come before a row: OVER (PARTITION BY … ORDER BY ts).",
            )
        frame = _frame_of(call)
        name = _fresh("_over_", taken)
        names.append(name)
        windows.setdefault((call.partition, call.order, frame), []).append((call, name))
    for own in windows.values():
        node = _over(node, own, taken)
    return node, names


def _over(node: n.Node, own: list[tuple[OverCall, str]], taken: set[str]) -> n.Node:
    """Compute the calls of one window."""
    first = own[0][0]
    frame = _frame_of(first)
    node, partition = _columns(node, first.partition, "_partition_", taken)
    node, ordered = _columns(node, [expr for expr, _, _ in first.order], "_order_", taken)
    by = tuple(
        n.SortKey(name, down, nulls)
        for name, (_, down, nulls) in zip(ordered, first.order, strict=True)
    )
    for key, (expr, _, _) in zip(by, first.order, strict=True):
        kind = node.schema.type_of(key.column)
        if isinstance(kind, Array | Map | Multiset | Row):
            raise TypeMismatch(f"{kind} has no order.", where=expr.place)
    made = Over(
        input=node,
        partition=tuple(dict.fromkeys(partition)),
        by=by,
        frame=frame,
        calls=tuple(
            Named(name, replace(call, partition=(), order=(), rows=False, preceding=None))
            for call, name in own
        ),
    )
    _check(made, first)
    return made


def _frame_of(call: OverCall) -> Frame:
    return _WHOLE if call.function in FRAMELESS else Frame(call.rows, call.preceding)


def _check(made: Over, first: OverCall) -> None:
    """Refuse what cannot be computed in the order the rows come in."""
    below = Upwards(Tables()).of(made.input)
    if made.in_time(below):
        for named in made.calls:
            call = named.expr
            assert isinstance(call, OverCall), "only OverCall below Over"
            if call.function in LOOKS_AHEAD:
                raise Unsupported(
                    f"{call.function} looks at rows that come later, but each row is given as "
                    "soon as its time is reached.",
                    where=call.place,
                    hint="LAG, ROW_NUMBER, RANK and aggregates look back only.",
                )
        return
    if made.frame.rows or made.frame.preceding is None:
        return
    kinds = [made.input.schema.type_of(key.column) for key in made.by]
    timed = isinstance(kinds[0], Timestamp | TimestampLtz) and kinds[0].precision <= 3
    if len(kinds) != 1 or not timed:
        raise TypeMismatch(
            "RANGE with an interval needs one ORDER BY column, a TIMESTAMP of at most 3 digits.",
            where=first.place,
            hint="Use ROWS BETWEEN n PRECEDING AND CURRENT ROW.",
        )


def _columns(
    node: n.Node, exprs: Sequence[Expr], prefix: str, taken: set[str]
) -> tuple[n.Node, list[str]]:
    """Compute expressions that are no columns yet; returns the node and the columns' names."""
    names: list[str] = []
    new: list[Named] = []
    for expr in exprs:
        if isinstance(expr, Column):
            names.append(expr.name)
            continue
        known = next((c.name for c in new if c.expr == expr), None)
        if known is None:
            known = _fresh(prefix, taken)
            new.append(Named(known, expr))
        names.append(known)
    if new:
        kept = (Named(f.name, Column(f.name, type=f.type)) for f in node.schema)
        node = n.Project(input=node, columns=(*kept, *new))
    return node, names


def _fresh(prefix: str, taken: set[str]) -> str:
    name = next(f"{prefix}{i}" for i in count() if f"{prefix}{i}" not in taken)
    taken.add(name)
    return name


def with_overs(node: n.Node, exprs: Sequence[Expr]) -> tuple[n.Node, list[Expr]]:
    """Compute the calls in resolved expressions; returns these over the columns of the node."""
    calls = list(dict.fromkeys(x for e in exprs for x in e.walk() if isinstance(x, OverCall)))
    if not calls:
        return node, list(exprs)
    node, names = over(node, calls)
    known = dict(zip(calls, names, strict=True))

    def change(x: Expr) -> Expr:
        if not isinstance(x, OverCall) or x not in known:
            return x
        return Column(known[x], type=x.typed, place=x.place)

    return node, [e.rewrite(change) for e in exprs]


# ---------------------------------------------------------------- conditions on ranks


def filtered(node: n.Node, parts: Sequence[Expr]) -> tuple[n.Node, list[Expr]]:
    """Cut a rank that ``parts`` (an AND) bound from above; returns the parts still to be asked.

    The rank is that of an Over below projections and filters, with no other call in its window.
    """
    chain: list[n.Project | n.Filter] = []
    at = node
    while isinstance(at, n.Project | n.Filter):
        chain.append(at)
        at = at.input
    if not isinstance(at, Over) or len(at.calls) != 1:
        return node, list(parts)
    call = at.calls[0]
    if not isinstance(call.expr, OverCall) or call.expr.function not in RANKS:
        return node, list(parts)
    name = _name_above(call.name, chain)
    if name is None:
        return node, list(parts)
    found = _Range()
    rest = [part for part in parts if not found.narrowed_by(part, name)]
    if found.last is None:
        return node, list(parts)
    first, last = max(found.first, 1), found.last
    if last < first:
        return node, list(parts)  # no rank is meant: an ordinary condition says so
    kind = RankKind(call.expr.function)
    made: n.Node = top(
        at.input, kind, at.partition, at.by, first=first, last=last, number=call.name
    )
    for step in reversed(chain):
        made = step.with_inputs((made,))
    return made, rest


def top(
    node: n.Node,
    kind: RankKind,
    partition: tuple[str, ...],
    by: tuple[n.SortKey, ...],
    *,
    first: int,
    last: int,
    number: str | None,
) -> n.Node:
    """Keep some ranks of each partition; per window where ``partition`` names the window's bounds.

    ``number`` names the column of the rank, None where there shall be none.
    """
    bounds = Upwards(Tables()).of(node).bounds
    if bounds is not None and set(bounds) <= set(partition):
        rest = tuple(c for c in partition if c not in bounds)
        return WindowRank(
            input=node, kind=kind, partition=rest, by=by, first=first, last=last,
            number=number, bounds=bounds,
        )  # fmt: skip
    return Rank(
        input=node, kind=kind, partition=partition, by=by, first=first, last=last, number=number
    )


def _name_above(name: str, chain: Sequence[n.Project | n.Filter]) -> str | None:
    """Return what a column is called above some steps; None where it is not passed on as it is."""
    found: str | None = name
    for step in reversed(chain):
        if isinstance(step, n.Project):
            passed = (
                c.name for c in step.columns if isinstance(c.expr, Column) and c.expr.name == found
            )
            found = next(passed, None)
            if found is None:
                return None
    return found


@dataclass
class _Range:
    """The ranks that conditions leave."""

    first: int = 1
    last: int | None = None

    def narrowed_by(self, part: Expr, name: str) -> bool:
        """Take a condition on the rank up; False where it says something else."""
        if not isinstance(part, Call):
            return False
        if part.function == "BETWEEN" and _is_column(part.args[0], name):
            low, high = _integer(part.args[1]), _integer(part.args[2])
            if low is None or high is None:
                return False
            self._cut(low, high)
            return True
        if part.function not in _FLIPPED or len(part.args) != 2:
            return False
        left, right = part.args
        sign = part.function
        if _is_column(right, name):
            left, right, sign = right, left, _FLIPPED[sign]
        value = _integer(right)
        if value is None or not _is_column(left, name):
            return False
        match sign:
            case "=":
                self._cut(value, value)
            case "<":
                self._cut(1, value - 1)
            case "<=":
                self._cut(1, value)
            case ">":
                self._cut(value + 1, None)
            case _:
                self._cut(value, None)
        return True

    def _cut(self, low: int, high: int | None) -> None:
        self.first = max(self.first, low)
        if high is not None:
            self.last = high if self.last is None else min(self.last, high)


def _is_column(expr: Expr, name: str) -> bool:
    return isinstance(expr, Column) and expr.name == name


def _integer(expr: Expr) -> int | None:
    if isinstance(expr, Cast) and isinstance(expr.to, Integer):
        expr = expr.arg
    if isinstance(expr, Literal) and isinstance(expr.typed, Integer) and expr.value is not None:
        return int(expr.value)
    return None
