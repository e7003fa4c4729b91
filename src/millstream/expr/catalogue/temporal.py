"""Times: their parts, the clock, text to time and back, differences.

A TIMESTAMP_LTZ is looked at in the session's zone. Text that does not fit a pattern gives NULL in
the TO_… functions (as in Flink; CAST is the strict way).
"""

from __future__ import annotations

from millstream import types as t
from millstream.errors import TypeMismatch
from millstream.expr.catalogue.intervals import DAY_MS, unit_of
from millstream.expr.coerce import common_type, nullable_any
from millstream.expr.function import Function, Infer, Nulls, Signature, mismatch
from millstream.expr.infer import as_, bigint, of, takes, text
from millstream.expr.tree import Expr
from millstream.types.logical import CharacterString, Integer, Interval, Numeric, Temporal

PARTS = (
    "MILLENNIUM", "CENTURY", "DECADE", "YEAR", "ISOYEAR", "QUARTER", "MONTH", "WEEK", "DOY",
    "DOW", "ISODOW", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND",
    "NANOSECOND", "EPOCH",
)  # fmt: skip
CLOCK_PARTS = ("HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND")
MONTH_UNITS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
MS_UNITS = {
    "WEEK": 7 * DAY_MS, "DAY": DAY_MS, "HOUR": 3_600_000, "MINUTE": 60_000, "SECOND": 1000,
    "MILLISECOND": 1,
}  # fmt: skip
STEP_UNITS = (*MONTH_UNITS, *MS_UNITS)

_day_or_stamp = of(t.Timestamp(3), t.Date, t.Timestamp, t.TimestampLtz)
_clock_or_stamp = of(t.Timestamp(3), t.Time, t.Timestamp, t.TimestampLtz)


def _function(name: str, says: str, doc: str, infer: Infer, **more: object) -> Function:
    return Function(name=name, family="temporal", says=says, doc=doc, infer=infer, **more)  # type: ignore[arg-type]


# --- parts

PART_FUNCTIONS = {
    "YEAR": "YEAR", "QUARTER": "QUARTER", "MONTH": "MONTH", "WEEK": "WEEK",
    "DAYOFYEAR": "DOY", "DAYOFMONTH": "DAY", "DAYOFWEEK": "DOW",
    "HOUR": "HOUR", "MINUTE": "MINUTE", "SECOND": "SECOND",
}  # fmt: skip
_PART_DOCS = {
    "WEEK": "The ISO week of the year, 1 to 53.",
    "DAYOFWEEK": "The day of the week, 1 is Sunday.",
    "DAYOFYEAR": "The day of the year, 1 to 366.",
}


def _part(name: str) -> Function:
    clock = PART_FUNCTIONS[name] in CLOCK_PARTS
    says = f"{name}({'time or timestamp' if clock else 'date or timestamp'})"
    kind = _clock_or_stamp if clock else _day_or_stamp
    doc = _PART_DOCS.get(name, f"The {name.lower().removeprefix('dayof')} as a number.")
    if name == "DAYOFMONTH":
        doc = "The day of the month, 1 to 31."
    return _function(name, says, doc, takes(name, says, [kind], t.BigInt()))


_EXTRACT = "EXTRACT(unit FROM time)"


def _extract(args: tuple[Expr, ...]) -> Signature:
    if len(args) != 2:
        raise mismatch("EXTRACT", args, _EXTRACT)
    unit, kind = unit_of("EXTRACT", args[0], PARTS), args[1].typed
    fits = True
    match kind:
        case t.Null():
            kind = t.Timestamp(3)
        case t.Time():
            fits = unit in CLOCK_PARTS or unit == "EPOCH"
        case t.IntervalYear():
            fits = unit in ("YEAR", "QUARTER", "MONTH")
        case t.IntervalDay():
            fits = unit in CLOCK_PARTS or unit in ("DAY", "EPOCH")
        case _:
            fits = isinstance(kind, Temporal)
    if not fits:
        raise TypeMismatch(
            f"{args[1].typed.with_nullable(True)} has no {unit}.", where=args[1].place
        )
    return Signature((args[0].typed, kind), t.BigInt(nullable=args[1].typed.nullable))


# --- steps and differences


def _shift(args: tuple[Expr, ...]) -> Signature:
    says = "TIMESTAMPADD(unit, integer, time)"
    if len(args) != 3:
        raise mismatch("TIMESTAMPADD", args, says)
    unit = unit_of("TIMESTAMPADD", args[0], STEP_UNITS)
    amount, base = args[1].typed, args[2].typed
    if not isinstance(amount, Integer | t.Null) or not isinstance(base, Temporal | t.Null):
        raise mismatch("TIMESTAMPADD", args, says)
    base = t.Timestamp(3) if isinstance(base, t.Null) else base
    fine = 3 if unit == "MILLISECOND" else 0
    result: t.LogicalType = base
    match base:
        case t.Date() if unit in MS_UNITS and MS_UNITS[unit] < DAY_MS:
            result = t.Timestamp(fine)
        case t.Time() if unit in MONTH_UNITS:
            raise mismatch("TIMESTAMPADD", args, says)
        case t.Timestamp(precision=p) | t.TimestampLtz(precision=p):
            result = type(base)(max(p, fine))
    null = nullable_any([args[1].typed, args[2].typed])
    wanted = (args[0].typed, t.BigInt(nullable=amount.nullable), base)
    return Signature(wanted, result.with_nullable(null))


def _gap(args: tuple[Expr, ...]) -> Signature:
    says = "TIMESTAMPDIFF(unit, time, time)"
    if len(args) != 3:
        raise mismatch("TIMESTAMPDIFF", args, says)
    unit = unit_of("TIMESTAMPDIFF", args[0], STEP_UNITS)
    a, b = args[1].typed, args[2].typed
    met = common_type([_as_moment(a), _as_moment(b)])
    if met is None or (isinstance(met, t.Time) and unit in MONTH_UNITS):
        raise mismatch("TIMESTAMPDIFF", args, says)
    wanted = (args[0].typed, met.with_nullable(a.nullable), met.with_nullable(b.nullable))
    return Signature(wanted, t.Int(nullable=nullable_any([a, b])))


def _as_moment(dtype: t.LogicalType) -> t.LogicalType:
    """Return the type a point in time is compared as; anything else meets no time."""
    match dtype:
        case t.Null() | t.Date():
            return t.Timestamp(3)
        case t.Time() | t.Timestamp() | t.TimestampLtz():
            return dtype.with_nullable(True)
        case _:
            return t.Boolean()


_OVERLAPS = "(time, time or interval) OVERLAPS (time, time or interval)"


def _overlaps(args: tuple[Expr, ...]) -> Signature:
    if len(args) != 4:
        raise mismatch("OVERLAPS", args, _OVERLAPS)
    points = [a.typed for i, a in enumerate(args) if i % 2 == 0 or not _is_interval(a)]
    met = common_type([_as_moment(p) for p in points])
    if met is None or not isinstance(met, Temporal):
        raise mismatch("OVERLAPS", args, _OVERLAPS)
    wanted = tuple(
        a.typed if i % 2 == 1 and _is_interval(a) else met.with_nullable(a.typed.nullable)
        for i, a in enumerate(args)
    )
    return Signature(wanted, t.Boolean(nullable=nullable_any([a.typed for a in args])))


def _is_interval(arg: Expr) -> bool:
    return isinstance(arg.typed, Interval)


# --- the clock


def _clock(name: str, result: t.LogicalType, doc: str, *aliases: str) -> Function:
    infer = takes(name, name, [], result)
    return _function(name, name, doc, infer, deterministic=False, aliases=aliases)


# --- text

_instant_or_text = of(t.Timestamp(3), t.Date, t.Timestamp, t.TimestampLtz, CharacterString)
_TO_LTZ = "TO_TIMESTAMP_LTZ(number [, 0 or 3]) or TO_TIMESTAMP_LTZ(text [, pattern [, zone]])"
_UNIX = "UNIX_TIMESTAMP() or UNIX_TIMESTAMP(text [, pattern])"


def _to_ltz(args: tuple[Expr, ...]) -> Signature:
    result = t.TimestampLtz(3)
    if args and isinstance(args[0].typed, CharacterString):
        return takes("TO_TIMESTAMP_LTZ", _TO_LTZ, [text, text, text], result, optional=2,
                     nullable=True)(args)  # fmt: skip
    number = of(t.BigInt(), Numeric)
    found = takes("TO_TIMESTAMP_LTZ", _TO_LTZ, [number, as_(t.Int(), Integer)], result,
                  optional=1, nullable=True)(args)  # fmt: skip
    if isinstance(args[0].typed, Integer | t.Null):
        return Signature((t.BigInt(nullable=args[0].typed.nullable), *found.args[1:]), result)
    if isinstance(args[0].typed, t.Float):
        return Signature((t.Double(nullable=args[0].typed.nullable), *found.args[1:]), result)
    return found


def _unix(args: tuple[Expr, ...]) -> Signature:
    if not args:
        return Signature((), t.BigInt(nullable=False))
    return takes("UNIX_TIMESTAMP", _UNIX, [text, text], t.BigInt(), optional=1)(args)


def _reads(name: str, result: t.LogicalType, doc: str) -> Function:
    says = f"{name}(text [, pattern])"
    infer = takes(name, says, [text, text], result, optional=1, nullable=True)
    return _function(name, says, doc, infer)


FUNCTIONS: tuple[Function, ...] = (
    *(_part(name) for name in PART_FUNCTIONS),
    _function("EXTRACT", _EXTRACT, "One part of a time or an interval.", _extract),
    _function(
        "TIMESTAMPADD", "TIMESTAMPADD(unit, integer, time)", "The time some units later.", _shift
    ),
    _function(
        "TIMESTAMPDIFF", "TIMESTAMPDIFF(unit, time, time)",
        "The whole units from the first to the second.", _gap,
    ),
    _function(
        "OVERLAPS", _OVERLAPS, "TRUE where two spans of time have a moment in common.", _overlaps
    ),
    _clock("CURRENT_DATE", t.Date(nullable=False), "Today in the session's zone."),
    _clock("CURRENT_TIME", t.Time(0, nullable=False), "The time of the day in the session's zone."),
    _clock("LOCALTIME", t.Time(0, nullable=False), "The time of the day in the session's zone."),
    _clock(
        "CURRENT_TIMESTAMP", t.TimestampLtz(3, nullable=False),
        "The instant at which the row's chunk was read.", "NOW", "CURRENT_ROW_TIMESTAMP",
    ),
    _clock(
        "LOCALTIMESTAMP", t.Timestamp(3, nullable=False),
        "CURRENT_TIMESTAMP as the session's wall clock shows it.",
    ),
    _clock("PROCTIME", t.TimestampLtz(3, nullable=False), "The processing time of the row."),
    _function(
        "DATE_FORMAT", "DATE_FORMAT(time or text, pattern)",
        "The time in a pattern of java.time (yyyy-MM-dd HH:mm:ss.SSS, EEE, MMM, a …).",
        takes("DATE_FORMAT", "DATE_FORMAT(time or text, pattern)", [_instant_or_text, text],
              t.STRING, nullable=True),
    ),
    _reads("TO_TIMESTAMP", t.Timestamp(3), "The timestamp a text spells, NULL where it does not."),
    _reads("TO_DATE", t.Date(), "The date a text spells, NULL where it does not."),
    _function(
        "TO_TIMESTAMP_LTZ", _TO_LTZ,
        "The instant of epoch seconds (0) or milliseconds (3), or that a text spells in UTC.",
        _to_ltz,
    ),
    _function(
        "UNIX_TIMESTAMP", _UNIX,
        "Seconds since 1970 in the session's zone; -2^63 where the text does not fit.", _unix,
        nulls=Nulls.STRICT,
    ),
    _function(
        "FROM_UNIXTIME", "FROM_UNIXTIME(seconds [, pattern])",
        "The text of an instant in the session's zone.",
        takes("FROM_UNIXTIME", "FROM_UNIXTIME(seconds [, pattern])", [bigint, text], t.STRING,
              optional=1),
    ),
    _function(
        "CONVERT_TZ", "CONVERT_TZ(text, from zone, to zone)",
        "A wall clock's text of one zone as that of another; NULL where it is none.",
        takes("CONVERT_TZ", "CONVERT_TZ(text, from zone, to zone)", [text, text, text], t.STRING,
              nullable=True),
    ),
)  # fmt: skip
