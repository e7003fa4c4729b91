"""Casts between times, and times read from text.

text     DATE '2026-1-5' (a time of day after a space is allowed and left out),
         TIME '9:05[:07[.12]]', TIMESTAMP '2026-01-05[ 09:05:07[.123456789]]';
         a day that does not exist fails
zones    TIMESTAMP_LTZ is an instant; the session's zone shows it. A local time in a gap moves
         forward by the gap, one that happens twice is the earlier (as java.time does)
digits   cut, never rounded, also before 1970
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import TimeUnit, polars_type, time_unit
from millstream.engine.functions import Context, Fail, Lowered
from millstream.engine.functions.cast_text import quoted
from millstream.engine.functions.series import on_series, picked
from millstream.engine.functions.stamps import read_fixed
from millstream.types.logical import CharacterString, Temporal

_DATE = r"^(\d{4})-(\d{1,2})-(\d{1,2})(?: .*)?$"
_TIME = r"^()(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?$"
_STAMP = r"^(\d{4})-(\d{1,2})-(\d{1,2})(?: (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?)?$"
_UNITS_A_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}


def to_time(x: pl.Expr, have: t.LogicalType, want: Temporal, ctx: Context) -> Lowered:
    """Return a text or a time as another kind of time."""
    if isinstance(have, CharacterString):
        value = read_time(x, want, ctx)
        wrong = x.is_not_null() & value.is_null()
        return Lowered(value, (Fail(wrong, f"this is no {want.name()}", quoted(x)),))
    return Lowered(_between(x, have, want, ctx))


def _between(x: pl.Expr, have: t.LogicalType, want: Temporal, ctx: Context) -> pl.Expr:
    match have, want:
        case t.TimestampLtz(), t.TimestampLtz():
            return to_digits(x, want.precision)
        case t.TimestampLtz(), _:
            digits = t.Timestamp(have.precision)
            return _between(local(x, ctx.time_zone), digits, want, ctx)
        case _, t.TimestampLtz(precision=precision):
            plain = t.Timestamp(precision)
            return instant(_between(x, have, plain, ctx), ctx.time_zone)
        case t.Timestamp(), t.Timestamp():
            return to_digits(x, want.precision)
        case t.Timestamp(), t.Date():
            return x.dt.date()
        case t.Timestamp(), t.Time(precision=precision):
            return _cut_clock(x.dt.time(), precision)
        case t.Time(), t.Time(precision=precision):
            return _cut_clock(x, precision)
        case t.Date(), t.Timestamp():
            return x.cast(polars_type(want))
        case t.Time(), t.Timestamp(precision=precision):
            return to_digits(x.cast(pl.Int64).cast(pl.Datetime("ns")), precision)
        case t.Timestamp(), _:
            return x
        case _:
            raise AssertionError(f"the catalogue has no cast from {have} to {want}")


def local(x: pl.Expr, zone: str) -> pl.Expr:
    """Return what the clock on the wall shows at an instant."""
    return x.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def instant(x: pl.Expr, zone: str) -> pl.Expr:
    """Return the instant at which a clock on the wall shows ``x``."""
    if zone == "UTC":
        return x.dt.replace_time_zone("UTC")
    found = x.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    # In a gap the offset before it holds: that of some hours earlier.
    hours = pl.duration(hours=12, time_unit="ms")
    before = (x - hours).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(
        found.dt.convert_time_zone("UTC"), before.dt.convert_time_zone("UTC") + hours
    )


def to_digits(x: pl.Expr, precision: int) -> pl.Expr:
    """Return a timestamp cut to ``precision`` digits behind the second, in its physical unit."""
    unit = time_unit(precision)
    if precision not in (3, 6, 9):
        x = x.dt.truncate(f"{10 ** (9 - precision)}ns" if unit == "ns" else _step(unit, precision))
    elif unit != "ns":
        x = x.dt.truncate("1ms" if unit == "ms" else "1us")
    return x.dt.cast_time_unit(unit)


def _step(unit: str, precision: int) -> str:
    if precision == 0:
        return "1s"
    count = _UNITS_A_SECOND[unit] // 10**precision
    return f"{count}{unit}"


def _cut_clock(x: pl.Expr, precision: int) -> pl.Expr:
    step = int(10 ** (9 - min(precision, 9)))
    return (x.cast(pl.Int64) // step * step).cast(pl.Time)


# --- reading text


def read_time(x: pl.Expr, want: Temporal, ctx: Context) -> pl.Expr:
    """Return the time a text spells, NULL where it spells none."""
    text = x.str.strip_chars()
    match want:
        case t.Date():
            return _day(text.str.extract_groups(_DATE).struct)
        case t.Time(precision=precision):
            parts = text.str.extract_groups(_TIME).struct
            nanos = _clock_ns(parts, 2)
            return _cut_clock(nanos.cast(pl.Time), precision)
        case t.TimestampLtz(precision=precision):
            return instant(_read_stamp(text, precision), ctx.time_zone)
        case t.Timestamp(precision=precision):
            return _read_stamp(text, precision)
        case _:
            raise AssertionError(f"{want} is not read from text")


def _read_stamp(text: pl.Expr, precision: int) -> pl.Expr:
    unit = time_unit(precision)
    stamps = on_series(lambda s: _stamps(s, unit), [text], pl.Datetime(unit))
    return stamps if precision in (3, 6, 9) else to_digits(stamps, precision)


def _stamps(texts: pl.Series, unit: TimeUnit) -> pl.Series:
    """Return the timestamps of texts: the common form on bytes, what is left by a pattern."""
    seconds, nanos, done = read_fixed(texts)
    a_second = _UNITS_A_SECOND[unit]
    ticks = pl.Series(texts.name, seconds * a_second + nanos // (10**9 // a_second))
    if done.all():
        return ticks.cast(pl.Datetime(unit))
    known = pl.Series(done)
    rest = texts.filter(~known).to_frame("t").select(_by_pattern(pl.col("t"), unit).alias("t"))["t"]
    nothing = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(texts))
    ticks = picked(known, ticks, nothing)
    where = np.flatnonzero(~done)
    return ticks.scatter(where, rest).cast(pl.Datetime(unit))


def _by_pattern(text: pl.Expr, unit: TimeUnit) -> pl.Expr:
    parts = text.str.extract_groups(_STAMP).struct
    a_second = _UNITS_A_SECOND[unit]
    clock = _clock_ns(parts, 4) // (10**9 // a_second)
    none = parts.field("4").is_null()
    clock = pl.when(none).then(pl.lit(0, dtype=pl.Int64)).otherwise(clock)
    return _day(parts).cast(pl.Int64) * (86_400 * a_second) + clock


def _day(parts: object) -> pl.Expr:
    """Return the date of the groups 1 to 3; NULL where it does not exist."""
    text = pl.concat_str(
        _group(parts, 1),
        pl.lit("-"),
        _group(parts, 2).str.zfill(2),
        pl.lit("-"),
        _group(parts, 3).str.zfill(2),
    )
    return text.str.to_date("%Y-%m-%d", strict=False)


def _group(parts: object, number: int) -> pl.Expr:
    field = parts.field(str(number))  # type: ignore[attr-defined]
    assert isinstance(field, pl.Expr), "a group of a pattern"
    return field


def _clock_ns(parts: object, first: int) -> pl.Expr:
    """Return the nanoseconds of the day of four groups; NULL where there is no such time."""
    hour, minute = (_group(parts, first + i).cast(pl.Int64) for i in (0, 1))
    second = _group(parts, first + 2).fill_null("0").cast(pl.Int64)
    part = _group(parts, first + 3).fill_null("").str.pad_end(9, "0").cast(pl.Int64)
    fine = (hour < 24) & (minute < 60) & (second < 60)
    total = ((hour * 60 + minute) * 60 + second) * 10**9 + part
    return pl.when(fine).then(total).otherwise(pl.lit(None, dtype=pl.Int64))


def clock_ms(parts: object, first: int) -> pl.Expr:
    """Return the milliseconds of the day of four groups; NULL where there is no such time."""
    return _clock_ns(parts, first) // 10**6
