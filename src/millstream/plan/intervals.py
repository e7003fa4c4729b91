"""How far apart two times may be: ``a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts`` and the like.

in      resolved conditions of a join, its keys, the time columns of both sides
out     :class:`Reach`: right - left in [lower_ms, upper_ms], and the conditions that are left
bad     nothing: a condition of another form is left where it is
"""

from __future__ import annotations

from dataclasses import dataclass

from millstream import types as t
from millstream.expr.tree import Call, Cast, Column, Expr, Literal

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


@dataclass(frozen=True, slots=True)
class Reach:
    """``right - left`` lies in [lower_ms, upper_ms]."""

    left: str
    right: str
    lower_ms: int
    upper_ms: int


@dataclass(frozen=True, slots=True)
class _Moved:
    """A time column, moved by a constant."""

    column: str
    by_ms: int


def reach_of(
    conditions: list[Expr],
    keys: tuple[tuple[str, str], ...],
    left: tuple[str, ...],
    right: tuple[str, ...],
) -> tuple[Reach, list[Expr]] | None:
    """Return the bounds the conditions set between a time of each side; None = not both bounds."""
    for ours in left:
        for theirs in right:
            lower: int | None = None
            upper: int | None = None
            if (ours, theirs) in keys:
                lower = upper = 0
            kept: list[Expr] = []
            for condition in conditions:
                found = _bounds(condition, ours, theirs)
                if found is None:
                    kept.append(condition)
                    continue
                low, high = found
                if low is not None:
                    lower = low if lower is None else max(lower, low)
                if high is not None:
                    upper = high if upper is None else min(upper, high)
            if lower is not None and upper is not None and lower <= upper:
                return Reach(ours, theirs, lower, upper), kept
    return None


def _bounds(condition: Expr, left: str, right: str) -> tuple[int | None, int | None] | None:
    """Return the (lower, upper) bound of ``right - left`` a condition sets."""
    if not isinstance(condition, Call):
        return None
    if condition.function == "BETWEEN" and len(condition.args) == 3:
        value, low, high = condition.args
        first, second = (
            _compared(">=", value, low, left, right),
            _compared("<=", value, high, left, right),
        )
        if first is None or second is None:
            return None
        lows = [x for x in (first[0], second[0]) if x is not None]
        highs = [x for x in (first[1], second[1]) if x is not None]
        return max(lows, default=None), min(highs, default=None)
    if condition.function in _TURNED and len(condition.args) == 2:
        return _compared(condition.function, *condition.args, left, right)
    return None


def _compared(
    sign: str, a: Expr, b: Expr, left: str, right: str
) -> tuple[int | None, int | None] | None:
    ours, theirs = _moved(a), _moved(b)
    if ours is None or theirs is None:
        return None
    if (ours.column, theirs.column) == (right, left):
        ours, theirs, sign = theirs, ours, _TURNED[sign]
    if (ours.column, theirs.column) != (left, right):
        return None
    # left + x <sign> right + y: right - left is compared with x - y; times are whole milliseconds.
    apart = ours.by_ms - theirs.by_ms
    match sign:
        case "<=":
            return apart, None
        case "<":
            return apart + 1, None
        case ">=":
            return None, apart
        case ">":
            return None, apart - 1
        case _:
            return apart, apart


def _moved(expr: Expr) -> _Moved | None:
    """Return a time column and the constant it is moved by."""
    match expr:
        case Column(name=name):
            return _Moved(name, 0)
        case Cast(arg=arg, to=to) if _same_time(arg.typed, to):
            return _moved(arg)
        case Call(function="+" | "-" as sign, args=(a, b)):
            by = _length(b)
            if by is not None:
                base = _moved(a)
                by = by if sign == "+" else -by
            elif sign == "+" and (by := _length(a)) is not None:
                base = _moved(b)
            else:
                return None
            return None if base is None or by is None else _Moved(base.column, base.by_ms + by)
        case _:
            return None


def _same_time(have: t.LogicalType, to: t.LogicalType) -> bool:
    """Tell whether a cast of a time keeps it to the millisecond."""
    times = (t.Timestamp, t.TimestampLtz)
    return (
        isinstance(have, times)
        and isinstance(to, times)
        and type(have) is type(to)
        and to.precision >= have.precision
    )


def _length(expr: Expr) -> int | None:
    match expr:
        case Literal(value=int() as value) if isinstance(expr.type, t.IntervalDay):
            return value
        case Call(function="NEGATE", args=(arg,)):
            inner = _length(arg)
            return None if inner is None else -inner
        case Call(function="*", args=(a, b)):
            for x, y in ((a, b), (b, a)):
                length, times = _length(x), _constant(y)
                if length is not None and times is not None:
                    return length * times
            return None
        case _:
            return None


def _constant(expr: Expr) -> int | None:
    if isinstance(expr, Cast):
        expr = expr.arg
    if isinstance(expr, Literal) and type(expr.value) is int:
        return expr.value
    return None
