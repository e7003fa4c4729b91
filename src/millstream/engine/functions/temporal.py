"""Times as Polars expressions: parts, the clock, text to time and back, differences.

Patterns and zones that are constants become expressions once; where they are columns the work is
done per different value.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type, time_unit
from millstream.engine.functions import NOW, Context, Lowered, java_time, lowers, moments
from millstream.engine.functions.cast_time import instant, local, read_time, to_digits
from millstream.engine.functions.comparison import compared
from millstream.engine.functions.series import constant_of, on_series, picked
from millstream.errors import PlanError
from millstream.expr.catalogue.intervals import unit_of
from millstream.expr.catalogue.temporal import (
    MONTH_UNITS,
    MS_UNITS,
    PART_FUNCTIONS,
    PARTS,
    STEP_UNITS,
)
from millstream.expr.tree import Call
from millstream.types.logical import CharacterString, Interval

_NS = {"ms": 10**6, "us": 10**3, "ns": 1}
_PATTERN = "yyyy-MM-dd HH:mm:ss"
_NO_TIME = -(2**63)

# --- parts

_DAY_PARTS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "MILLENNIUM": lambda x: (x.dt.year().cast(pl.Int64) + 999) // 1000,
    "CENTURY": lambda x: (x.dt.year().cast(pl.Int64) + 99) // 100,
    "DECADE": lambda x: x.dt.year().cast(pl.Int64) // 10,
    "YEAR": lambda x: x.dt.year(),
    "ISOYEAR": lambda x: x.dt.iso_year(),
    "QUARTER": lambda x: x.dt.quarter(),
    "MONTH": lambda x: x.dt.month(),
    "WEEK": lambda x: x.dt.week(),
    "DOY": lambda x: x.dt.ordinal_day(),
    "DOW": lambda x: x.dt.weekday().cast(pl.Int64) % 7 + 1,
    "ISODOW": lambda x: x.dt.weekday(),
    "DAY": lambda x: x.dt.day(),
}
_CLOCK_PARTS = {
    "HOUR": (3600 * 10**9, 24 * 3600 * 10**9),
    "MINUTE": (60 * 10**9, 3600 * 10**9),
    "SECOND": (10**9, 60 * 10**9),
    "MILLISECOND": (10**6, 10**9),
    "MICROSECOND": (10**3, 10**9),
    "NANOSECOND": (1, 10**9),
}
"""Unit and modulus in nanoseconds."""


@lowers(*PART_FUNCTIONS)
def _part_function(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return _part(PART_FUNCTIONS[call.function], call.args[0].typed, x, ctx)


@lowers("EXTRACT")
def _extract(call: Call, ctx: Context, _of: pl.Expr, x: pl.Expr) -> pl.Expr:
    unit = unit_of("EXTRACT", call.args[0], PARTS)
    kind = call.args[1].typed
    if isinstance(kind, Interval):
        return _interval_part(unit, kind, x)
    return _part(unit, kind, x, ctx)


def _part(unit: str, kind: t.LogicalType, x: pl.Expr, ctx: Context) -> pl.Expr:
    if unit == "EPOCH":
        return _epoch_s(kind, x)
    if isinstance(kind, t.TimestampLtz):
        x = local(x, ctx.time_zone)
    if unit in _DAY_PARTS:
        return _DAY_PARTS[unit](x).cast(pl.Int64)
    if isinstance(kind, t.Date):
        return x.cast(pl.Int64) * 0
    step, modulus = _CLOCK_PARTS[unit]
    grain = 1 if isinstance(kind, t.Time) else _NS[_unit(kind)]
    ticks = x.cast(pl.Int64)
    # Floored division: a moment before 1970 has its own hour and second, not their mirror.
    inside = ticks % (modulus // grain)
    return inside // (step // grain) if step >= grain else inside * (grain // step)


def _unit(kind: t.LogicalType) -> str:
    assert isinstance(kind, t.Timestamp | t.TimestampLtz), f"{kind} has no physical unit"
    return time_unit(kind.precision)


def _epoch_s(kind: t.LogicalType, x: pl.Expr) -> pl.Expr:
    match kind:
        case t.Date():
            return x.cast(pl.Int32).cast(pl.Int64) * 86_400
        case t.Time():
            return x.cast(pl.Int64) // 10**9
        case _:
            return x.cast(pl.Int64) // (10**9 // _NS[_unit(kind)])


def _interval_part(unit: str, kind: t.LogicalType, x: pl.Expr) -> pl.Expr:
    amount = x.cast(pl.Int64)
    size = amount.abs()
    if isinstance(kind, t.IntervalYear):
        months = size % 12
        found = {"YEAR": size // 12, "MONTH": months, "QUARTER": months // 3 + 1}[unit]
    elif unit == "EPOCH":
        found = size // 1000
    elif unit == "DAY":
        found = size // moments.DAY_MS
    else:
        step, modulus = _CLOCK_PARTS[unit]
        inside = size % (modulus // 10**6)
        found = inside // (step // 10**6) if step >= 10**6 else inside * (10**6 // step)
    return pl.when(amount < 0).then(-found).otherwise(found)


# --- steps and differences


@lowers("TIMESTAMPADD")
def _shift(call: Call, _ctx: Context, _of: pl.Expr, n: pl.Expr, x: pl.Expr) -> pl.Expr:
    unit, base = unit_of("TIMESTAMPADD", call.args[0], STEP_UNITS), call.args[2].typed
    if unit in MONTH_UNITS:
        months = (n * MONTH_UNITS[unit]).cast(pl.Int32)
        return moments.moved(x, base, months, t.IntervalYear(), call.typed, 1)
    step = (n * MS_UNITS[unit]).cast(pl.Duration("ms"))
    return moments.moved(x, base, step, t.IntervalDay(), call.typed, 1)


@lowers("TIMESTAMPDIFF")
def _gap(call: Call, _ctx: Context, _of: pl.Expr, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    unit, kind = unit_of("TIMESTAMPDIFF", call.args[0], STEP_UNITS), call.args[1].typed
    if unit in MONTH_UNITS:
        months = _months_between(a, b)
        return _towards_zero(months, MONTH_UNITS[unit]).cast(pl.Int32)
    grain = 1 if isinstance(kind, t.Time) else _NS[_unit(kind)]
    gap = b.cast(pl.Int64) - a.cast(pl.Int64)
    whole = _towards_zero(gap, MS_UNITS[unit] * 10**6 // grain)
    return whole.cast(pl.Int32, strict=False, wrap_numerical=True)


def _towards_zero(value: pl.Expr, by: int) -> pl.Expr:
    value = value.cast(pl.Int64)
    size = value.abs() // by
    return pl.when(value < 0).then(-size).otherwise(size)


def _months_between(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Return the whole months from a to b; a month is full on its day, or on the last one."""
    swap = b < a
    low, high = pl.when(swap).then(b).otherwise(a), pl.when(swap).then(a).otherwise(b)
    years = high.dt.year().cast(pl.Int64) - low.dt.year().cast(pl.Int64)
    months = years * 12 + high.dt.month().cast(pl.Int64) - low.dt.month().cast(pl.Int64)
    months = months - (moments.add_months(low, months) > high).cast(pl.Int64)
    return pl.when(swap).then(-months).otherwise(months)


@lowers("OVERLAPS")
def _overlaps(call: Call, _ctx: Context, *args: pl.Expr) -> pl.Expr:
    kinds = [arg.typed for arg in call.args]
    spans: list[tuple[pl.Expr, pl.Expr]] = []
    for i in (0, 2):
        start, end, kind = args[i], args[i + 1], kinds[i]
        if isinstance(kinds[i + 1], Interval):
            end = moments.moved(start, kind, end, kinds[i + 1], kind, 1)
        turned = compared(">", kind, start, end)
        low = pl.when(turned).then(end).otherwise(start)
        high = pl.when(turned).then(start).otherwise(end)
        spans.append((low, high))
    (a, b), (c, d) = spans
    complete = pl.all_horizontal([x.is_not_null() for x in args])
    met = (b >= c) & (d >= a)
    return pl.when(complete).then(met).otherwise(pl.lit(None, dtype=pl.Boolean))


# --- the clock


@lowers("CURRENT_TIMESTAMP", "PROCTIME")
def _now(_call: Call, _ctx: Context) -> pl.Expr:
    return pl.col(NOW)


@lowers("LOCALTIMESTAMP")
def _local_now(_call: Call, ctx: Context) -> pl.Expr:
    return local(pl.col(NOW), ctx.time_zone)


@lowers("CURRENT_DATE")
def _today(_call: Call, ctx: Context) -> pl.Expr:
    return local(pl.col(NOW), ctx.time_zone).dt.date()


@lowers("CURRENT_TIME", "LOCALTIME")
def _clock_now(_call: Call, ctx: Context) -> pl.Expr:
    return local(pl.col(NOW), ctx.time_zone).dt.truncate("1s").dt.time()


# --- text


def _per_value(
    x: pl.Expr, setting: pl.Expr, dtype: pl.DataType, fn: Callable[[pl.Expr, str], pl.Expr]
) -> pl.Expr:
    """Return ``fn(x, setting)``, once where the setting is a constant, else once per value."""
    constant = constant_of(setting)
    if constant is not None:
        value = constant[0]
        return pl.lit(None, dtype=dtype) if value is None else fn(x, value)

    def each(column: pl.Series, settings: pl.Series) -> pl.Series:
        result = pl.Series([None], dtype=dtype).new_from_index(0, len(column))
        frame = pl.DataFrame([column.alias("x")])
        for value in settings.unique().drop_nulls().to_list():
            try:
                part = frame.select(fn(pl.col("x"), value).alias("r"))["r"]
            except (PlanError, pl.exceptions.PolarsError):
                continue  # a pattern or zone that is none: NULL, as for a text that is no time
            if len(part) != len(column):
                part = part.new_from_index(0, len(column))
            result = part.zip_with((settings == value).fill_null(False), result)
        return result.alias(column.name)

    return on_series(each, [x, setting], dtype)


def _zone(name: str) -> str:
    """Return Polars' name of a Java zone: a region, UTC, GMT+08:00 with whole hours."""
    for prefix in ("GMT", "UTC", "UT"):
        rest = name.removeprefix(prefix)
        if rest != name and rest[:1] in ("+", "-"):
            hours, _, minutes = rest[1:].partition(":")
            if hours.isdigit() and int(minutes or 0) == 0 and int(hours) <= 14:
                # POSIX zones count the other way round.
                return f"Etc/GMT{'-' if rest[0] == '+' else '+'}{int(hours)}"
    name = {"Z": "UTC", "PST": "America/Los_Angeles", "CST": "America/Chicago"}.get(name, name)
    try:
        pl.select(pl.lit(0).cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(name))
    except pl.exceptions.PolarsError:
        raise PlanError(
            f"'{name}' is no time zone.", hint="Write a region such as 'Europe/Berlin', or 'UTC'."
        ) from None
    return name


def _stamp_of(x: pl.Expr, kind: t.LogicalType, ctx: Context) -> pl.Expr:
    """Return a date, timestamp or text as a wall clock's time."""
    match kind:
        case CharacterString():
            return read_time(x, t.Timestamp(3), ctx)
        case t.TimestampLtz():
            return local(x, ctx.time_zone)
        case t.Date():
            return x.cast(pl.Datetime("ms"))
        case _:
            return x


@lowers("DATE_FORMAT")
def _date_format(call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr) -> pl.Expr:
    wall = _stamp_of(x, call.args[0].typed, ctx)
    return _per_value(wall, pattern, pl.String(), java_time.written)


@lowers("FROM_UNIXTIME")
def _from_unix(
    _call: Call, ctx: Context, seconds: pl.Expr, pattern: pl.Expr | None = None
) -> pl.Expr:
    stamp = (seconds * 1000).cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(ctx.time_zone)

    def write(zoned: pl.Expr, pattern: str) -> pl.Expr:
        return java_time.written(zoned.dt.replace_time_zone(None), pattern, zoned)

    return _per_value(stamp, _or(pattern), pl.String(), write)


def _or(pattern: pl.Expr | None) -> pl.Expr:
    return pl.lit(_PATTERN) if pattern is None else pattern


@lowers("TO_TIMESTAMP")
def _to_timestamp(call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr | None = None) -> pl.Expr:
    return _read_wall(x, pattern, ctx, polars_type(call.typed))


def _read_wall(x: pl.Expr, pattern: pl.Expr | None, ctx: Context, dtype: pl.DataType) -> pl.Expr:
    if pattern is None:
        return read_time(x, t.Timestamp(3), ctx)

    def read(text: pl.Expr, pattern: str) -> pl.Expr:
        return on_series(
            lambda s: java_time.read(s, pattern, lenient=False)["wall"].dt.cast_time_unit("ms"),
            [text],
            pl.Datetime("ms"),
        )

    return _per_value(x, pattern, dtype, read)


@lowers("TO_DATE")
def _to_date(_call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr | None = None) -> pl.Expr:
    if pattern is None:
        return read_time(x, t.Date(), ctx)

    def read(text: pl.Expr, pattern: str) -> pl.Expr:
        return on_series(
            lambda s: java_time.read(s, pattern, lenient=True)["wall"].dt.date(), [text], pl.Date()
        )

    return _per_value(x, pattern, pl.Date(), read)


@lowers("TO_TIMESTAMP_LTZ")
def _to_ltz(
    call: Call, ctx: Context, x: pl.Expr, second: pl.Expr | None = None,
    zone: pl.Expr | None = None,
) -> pl.Expr:  # fmt: skip
    dtype = polars_type(call.typed)
    kind = call.args[0].typed
    if isinstance(kind, CharacterString):
        wall = _read_wall(x, second, ctx, pl.Datetime("ms"))
        zone = pl.lit("UTC") if zone is None else zone
        return _per_value(wall, zone, dtype, lambda w, name: instant(w, _zone(name)))
    digits = pl.lit(3) if second is None else second
    factor = digits.replace_strict({0: 1000, 3: 1}, default=None, return_dtype=pl.Int64)
    if isinstance(kind, t.BigInt):
        return (x * factor).cast(dtype)
    real = x.cast(pl.Float64) * factor.cast(pl.Float64)
    return real.floor().cast(pl.Int64, strict=False).cast(dtype)


@lowers("UNIX_TIMESTAMP")
def _unix(
    _call: Call, ctx: Context, x: pl.Expr | None = None, pattern: pl.Expr | None = None
) -> pl.Expr | Lowered:
    if x is None:
        return pl.col(NOW).cast(pl.Int64) // 1000

    def read(text: pl.Expr, pattern: str) -> pl.Expr:
        return on_series(lambda s: _unix_of(s, pattern, ctx.time_zone), [text], pl.Int64())

    return _per_value(x, _or(pattern), pl.Int64(), read)


def _unix_of(texts: pl.Series, pattern: str, zone: str) -> pl.Series:
    wall = pl.col("wall").dt.cast_time_unit("ms")
    own = wall.cast(pl.Int64) // 1000 - pl.col("offset_s")
    ours = instant(wall, zone).cast(pl.Int64) // 1000
    found = java_time.read(texts, pattern, lenient=True).select(
        r=pl.coalesce(own, ours, pl.lit(_NO_TIME, dtype=pl.Int64))
    )["r"]
    nothing = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(texts))
    return picked(texts.is_not_null(), found, nothing)


@lowers("CONVERT_TZ")
def _convert(_call: Call, ctx: Context, x: pl.Expr, source: pl.Expr, target: pl.Expr) -> pl.Expr:
    wall = to_digits(read_time(x, t.Timestamp(3), ctx), 0)
    utc = pl.Datetime("ms", "UTC")
    at = _per_value(wall, source, utc, lambda w, zone: instant(w, _zone(zone)))

    def write(stamp: pl.Expr, zone: str) -> pl.Expr:
        return local(stamp, _zone(zone)).dt.to_string("%Y-%m-%d %H:%M:%S")

    return _per_value(at, target, pl.String(), write)
