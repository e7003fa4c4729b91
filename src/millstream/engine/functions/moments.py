"""Times moved by intervals, differences of times, times cut to a unit: helpers of two families.

Months keep the day of the month where it exists, else take the month's last day. A week begins on
Sunday for FLOOR and CEIL (Flink). A TIMESTAMP_LTZ is cut in the session's zone.
"""

from __future__ import annotations

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Fail, Lowered
from millstream.engine.functions.cast_time import instant, local
from millstream.engine.functions.series import quotient
from millstream.expr.catalogue.intervals import ROUND_UNITS, unit_of
from millstream.expr.tree import Call
from millstream.types.logical import Interval, Temporal

DAY_MS = 86_400_000
_DAY_NS = DAY_MS * 10**6
_STEPS = {
    "DAY": "1d", "HOUR": "1h", "MINUTE": "1m", "SECOND": "1s", "MILLISECOND": "1ms",
    "YEAR": "1y", "QUARTER": "1q", "MONTH": "1mo",
}  # fmt: skip
_YEARS = {"DECADE": 10, "CENTURY": 100, "MILLENNIUM": 1000}


def arithmetic(call: Call, ctx: Context, a: pl.Expr, b: pl.Expr) -> pl.Expr | Lowered:
    """Return ``a op b`` where one of them is a time or an interval."""
    x, y = (arg.typed for arg in call.args)
    dtype = polars_type(call.typed)
    match x, y:
        case Temporal(), Temporal():
            return _difference(x, a, b)
        case Temporal(), Interval():
            return moved(a, x, b, y, call.typed, -1 if call.function == "-" else 1)
        case Interval(), Temporal():
            return moved(b, y, a, x, call.typed, 1)
        case Interval(), Interval():
            total = (
                a.to_physical() - b.to_physical()
                if call.function == "-"
                else (a.to_physical() + b.to_physical())
            )
            return total.cast(dtype)
        case Interval(), _:
            return _times(call, a.to_physical(), b)
        case _:
            return _times(call, b.to_physical(), a)


def _difference(kind: t.LogicalType, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    gap = a.to_physical() - b.to_physical()
    if isinstance(kind, t.Time):
        gap = gap // 10**6
    return gap.cast(pl.Int64).cast(pl.Duration("ms"))


def _times(call: Call, amount: pl.Expr, factor: pl.Expr) -> pl.Expr | Lowered:
    """Return an interval times or divided by a number, cut to whole units."""
    dtype = polars_type(call.typed)
    wide = amount.cast(pl.Int64)
    whole = not any(isinstance(arg.typed, t.Double) for arg in call.args)
    if call.function == "*":
        return (wide * factor).cast(pl.Int64).cast(dtype)
    if not whole:
        return (
            quotient(wide.cast(pl.Float64), factor, pl.Float64())
            .cast(pl.Int64, strict=False)
            .cast(dtype)
        )
    down = wide // factor
    uneven = (down * factor != wide) & ((wide < 0) != (factor < 0))
    value = pl.when(uneven).then(down + 1).otherwise(down).cast(dtype)
    return Lowered(value, (Fail((factor == 0) & amount.is_not_null(), "division by zero"),))


def moved(
    x: pl.Expr,
    base: t.LogicalType,
    by: pl.Expr,
    kind: t.LogicalType,
    want: t.LogicalType,
    sign: int,
) -> pl.Expr:
    """Return a time plus ``sign`` times an interval, as the type ``want``."""
    dtype = polars_type(want)
    if isinstance(kind, t.IntervalYear):
        return add_months(x, by * sign)
    if isinstance(base, t.Time):
        nanos = x.cast(pl.Int64) + by.to_physical() * (sign * 10**6)
        return (nanos % _DAY_NS).cast(pl.Time)
    if isinstance(want, t.Date):
        days = by.to_physical() // DAY_MS * sign
        return (x.cast(pl.Int32).cast(pl.Int64) + days).cast(pl.Int32, strict=False).cast(pl.Date)
    instant_ = x.cast(dtype) if isinstance(base, t.Date) else x
    assert isinstance(dtype, pl.Datetime), "a time moved by an interval is a timestamp"
    unit = dtype.time_unit
    factor = {"ms": 1, "us": 10**3, "ns": 10**6}[unit]
    start = instant_.dt.cast_time_unit(unit) if not isinstance(base, t.Date) else instant_
    moved_ = start.to_physical() + by.to_physical() * (sign * factor)
    return (
        moved_.cast(pl.Datetime(unit))
        if not isinstance(want, t.TimestampLtz)
        else (moved_.cast(pl.Datetime(unit, "UTC")))
    )


def add_months(x: pl.Expr, months: pl.Expr) -> pl.Expr:
    """Return a date or timestamp some months later."""
    return x.dt.offset_by(pl.concat_str(months.cast(pl.String), pl.lit("mo")))


# --- cutting to a unit


def rounded(call: Call, ctx: Context, x: pl.Expr, *, up: bool) -> pl.Expr:
    """Return FLOOR or CEIL of a time to a unit."""
    unit = unit_of(call.function, call.args[1], ROUND_UNITS)
    kind = call.typed
    if isinstance(kind, t.TimestampLtz):
        wall = local(x, ctx.time_zone)
        return instant(_rounded(wall, unit, up=up), ctx.time_zone)
    if isinstance(kind, t.Time):
        return _rounded_clock(x, unit, up=up)
    return _rounded(x, unit, up=up)


def _rounded(x: pl.Expr, unit: str, *, up: bool) -> pl.Expr:
    low = _floor(x, unit)
    if not up:
        return low
    return pl.when(low == x).then(x).otherwise(_next(low, unit))


def _floor(x: pl.Expr, unit: str) -> pl.Expr:
    if unit == "WEEK":
        # Polars' weeks begin on Monday: a day later, floored, is a week that begins on Sunday.
        return x.dt.offset_by("1d").dt.truncate("1w").dt.offset_by("-1d")
    if unit in _YEARS:
        start = x.dt.truncate("1y")
        size = _YEARS[unit]
        # Decades begin in years ending in 0; centuries and millennia in years ending in 1.
        first = 0 if unit == "DECADE" else 1
        back = (x.dt.year() - first) % size
        return add_months(start, back * -12)
    return x.dt.truncate(_STEPS[unit])


def _next(low: pl.Expr, unit: str) -> pl.Expr:
    if unit == "WEEK":
        return low.dt.offset_by("1w")
    if unit in _YEARS:
        return low.dt.offset_by(f"{_YEARS[unit]}y")
    return low.dt.offset_by(_STEPS[unit])


def _rounded_clock(x: pl.Expr, unit: str, *, up: bool) -> pl.Expr:
    steps = {"HOUR": 3600 * 10**9, "MINUTE": 60 * 10**9, "SECOND": 10**9, "MILLISECOND": 10**6}
    step = steps.get(unit, _DAY_NS)
    nanos = x.cast(pl.Int64)
    low = nanos // step * step
    if up:
        low = pl.when(low == nanos).then(low).otherwise(low + step) % _DAY_NS
    return low.cast(pl.Time)
