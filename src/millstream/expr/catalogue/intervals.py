"""The types of times moved by intervals; no functions of its own.

source  Flink: DATE + whole days stays DATE, anything finer makes it a TIMESTAMP. Our day interval
        does not keep which units it was written in, so a constant is asked for its value.
"""

from __future__ import annotations

from millstream import types as t
from millstream.errors import TypeMismatch
from millstream.expr.coerce import nullable_any
from millstream.expr.function import Signature, mismatch
from millstream.expr.infer import constant_int
from millstream.expr.tree import Expr, Literal
from millstream.types.logical import Interval, Numeric, Temporal

DAY_MS = 86_400_000
ROUND_UNITS = (
    "MILLENNIUM",
    "CENTURY",
    "DECADE",
    "YEAR",
    "QUARTER",
    "MONTH",
    "WEEK",
    "DAY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "MILLISECOND",
)


def interval_arithmetic(name: str, args: tuple[Expr, ...]) -> Signature | None:
    """Return the types of ``a name b`` where one is a time or an interval; None: no such thing."""
    a, b = (_known(x.typed, y.typed) for x, y in (args, args[::-1]))
    null = nullable_any([args[0].typed, args[1].typed])
    result: t.LogicalType | None = None
    match a, b:
        case Temporal(), Interval() if name in "+-":
            result = moved(a, args[1])
        case Interval(), Temporal() if name == "+":
            result = moved(b, args[0])
        case Interval(), Interval() if name in "+-" and type(a) is type(b):
            result = a
        case Temporal(), Temporal() if name == "-":
            return _difference(a, b, null)
        case Interval(), Numeric() if name in "*/":
            return Signature((a, _factor(b)), a.with_nullable(null))
        case Numeric(), Interval() if name == "*":
            return Signature((_factor(a), b), b.with_nullable(null))
        case _:
            return None
    return None if result is None else Signature((a, b), result.with_nullable(null))


def _known(dtype: t.LogicalType, other: t.LogicalType) -> t.LogicalType:
    """Return what a bare NULL beside a time or an interval stands for."""
    if not isinstance(dtype, t.Null):
        return dtype
    return t.IntervalDay() if isinstance(other, Temporal) else other.with_nullable(True)


def _factor(dtype: t.LogicalType) -> t.LogicalType:
    return (
        t.Double(nullable=dtype.nullable)
        if not _is_integer(dtype)
        else t.BigInt(nullable=dtype.nullable)
    )


def _is_integer(dtype: t.LogicalType) -> bool:
    return isinstance(dtype, t.TinyInt | t.SmallInt | t.Int | t.BigInt)


def moved(base: t.LogicalType, by: Expr) -> t.LogicalType | None:
    """Return the type of a time plus an interval."""
    months = isinstance(by.typed, t.IntervalYear)
    amount = constant_int(by) if not isinstance(by, Literal) else by.value
    match base:
        case t.Date():
            whole = months or amount is None or amount % DAY_MS == 0
            if whole and (months or amount is not None or isinstance(by, Literal)):
                return base
            return t.Timestamp(3)
        case t.Time():
            return None if months else base
        case t.Timestamp(precision=precision) | t.TimestampLtz(precision=precision):
            fine = not months and (amount is None or amount % 1000 != 0)
            return type(base)(max(precision, 3) if fine else precision)
        case _:
            return None


def _difference(a: Temporal, b: Temporal, null: bool) -> Signature | None:
    if isinstance(a, t.Time) or isinstance(b, t.Time):
        if isinstance(a, t.Time) and isinstance(b, t.Time):
            return Signature((a, b), t.IntervalDay(nullable=null))
        return None
    local = isinstance(a, t.TimestampLtz) or isinstance(b, t.TimestampLtz)
    kind = t.TimestampLtz(3) if local else t.Timestamp(3)
    both = (kind.with_nullable(a.nullable), kind.with_nullable(b.nullable))
    return Signature(both, t.IntervalDay(nullable=null))


def unit_of(name: str, arg: Expr, allowed: tuple[str, ...]) -> str:
    """Return the time unit a constant names, in upper case and singular; or raise TypeMismatch."""
    said = arg.value if isinstance(arg, Literal) else None
    unit = said.upper() if isinstance(said, str) else ""
    unit = unit.removeprefix("SQL_TSI_")
    if unit not in allowed and unit.endswith("S"):
        unit = unit[:-1]
    if unit not in allowed:
        raise TypeMismatch(
            f"{name} does not know the unit {said or arg}.",
            where=arg.place,
            hint=f"Units: {', '.join(allowed)}.",
        )
    return unit


def rounded_time(name: str, args: tuple[Expr, ...]) -> Signature:
    """Return the types of FLOOR or CEIL of a time to a unit."""
    if len(args) != 2:
        raise mismatch(name, args, f"{name}(time TO unit)")
    unit_of(name, args[1], ROUND_UNITS)
    return Signature((args[0].typed, args[1].typed), args[0].typed)
