"""Typed constants: DATE '…', TIME '…', TIMESTAMP '…', INTERVAL '…', numbers, x'…'.

in      the words of a literal, its text already unquoted
out     a Literal with the type Flink gives it
bad     ValueError with a sentence; the reader adds the place
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from millstream.expr.tree import Literal
from millstream.types import Date, IntervalDay, IntervalYear, Time, Timestamp

_DATE = r"(\d{4,5})-(\d{1,2})-(\d{1,2})"
_CLOCK = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d+))?"
_DATE_ONLY = re.compile(_DATE)
_TIME_ONLY = re.compile(_CLOCK)
_BOTH = re.compile(_DATE + " " + _CLOCK)

_DAY_UNITS = ("DAY", "HOUR", "MINUTE", "SECOND")
_UNIT_MS = {"WEEK": 604_800_000, "DAY": 86_400_000, "HOUR": 3_600_000, "MINUTE": 60_000}
_UNIT_MS |= {"SECOND": 1_000}
_UNIT_MONTHS = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}
UNITS = {**{u: u for u in (*_UNIT_MS, *_UNIT_MONTHS)}, **{f"{u}S": u for u in _UNIT_MS}}
UNITS |= {f"{u}S": u for u in _UNIT_MONTHS}
"""Spellings of the interval units: DAY, DAYS …"""

_MS_MAX = 2**63 - 1
_MONTHS_MAX = 2**31 - 1


def number(text: str) -> Literal:
    """Return an exact number (INT, BIGINT or DECIMAL), or DOUBLE where there is an exponent."""
    if "e" in text.lower():
        value: Any = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"{text} is too large for a DOUBLE.")
        return Literal(value=value)
    if "." not in text:
        return Literal(value=int(_decimal(text)))
    return Literal(value=_decimal(text))


def _decimal(text: str) -> Decimal:
    digits = text.replace(".", "").lstrip("0")
    if len(digits) > 38:
        raise ValueError(f"{text} has more than the 38 digits a DECIMAL holds.")
    return Decimal(text)


def date(text: str) -> Literal:
    """Return DATE 'yyyy-mm-dd'."""
    match = _DATE_ONLY.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a DATE; write DATE '2026-12-31'.")
    return Literal(value=_day(match, text), type=Date(nullable=False))


def time(text: str) -> Literal:
    """Return TIME 'hh:mm:ss[.fff]'."""
    match = _TIME_ONLY.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a TIME; write TIME '23:59:59'.")
    clock, precision = _clock(match, 1, text)
    return Literal(value=clock, type=Time(precision, nullable=False))


def timestamp(text: str) -> Literal:
    """Return TIMESTAMP 'yyyy-mm-dd hh:mm:ss[.fff]'; its precision is the digits written."""
    match = _BOTH.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a TIMESTAMP; write TIMESTAMP '2026-12-31 23:59:59'.")
    clock, precision = _clock(match, 4, text)
    value = dt.datetime.combine(_day(match, text), clock)
    return Literal(value=value, type=Timestamp(precision, nullable=False))


def _day(match: re.Match[str], text: str) -> dt.date:
    try:
        return dt.date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as error:
        raise ValueError(f"There is no such day: '{text}' ({error}).") from None


def _clock(match: re.Match[str], group: int, text: str) -> tuple[dt.time, int]:
    fraction = match[group + 3] or ""
    if len(fraction.rstrip("0")) > 6:
        raise ValueError(f"'{text}' has more than 6 digits behind the second.")
    precision = min(len(fraction), 6)
    micros = int((fraction + "000000")[:6])
    hour, minute, second = (int(match[group + i]) for i in range(3))
    try:
        return dt.time(hour, minute, second, micros), precision
    except ValueError as error:
        raise ValueError(f"There is no such time: '{text}' ({error}).") from None


def hexadecimal(text: str) -> Literal:
    """Return x'…'."""
    if len(text) % 2 or re.fullmatch(r"[0-9A-Fa-f]*", text) is None:
        raise ValueError(f"x'{text}' is not an even number of hexadecimal digits.")
    return Literal(value=bytes.fromhex(text))


def interval(text: str, first: str, last: str | None, negative: bool) -> Literal:
    """Return INTERVAL 'text' first [TO last] in months or milliseconds; units are singular."""
    amount = text.strip()
    if amount[:1] in ("-", "+"):
        negative ^= amount[0] == "-"
        amount = amount[1:].strip()
    sign = -1 if negative else 1
    if first in _UNIT_MONTHS:
        months = _months(amount, first, last)
        if months > _MONTHS_MAX:
            raise ValueError(f"INTERVAL '{text}' is too long.")
        return Literal(value=sign * months, type=IntervalYear(nullable=False))
    ms = _ms(amount, first, last)
    if ms > _MS_MAX:
        raise ValueError(f"INTERVAL '{text}' is too long.")
    return Literal(value=sign * ms, type=IntervalDay(nullable=False))


def _months(amount: str, first: str, last: str | None) -> int:
    if last is None:
        if not _digits(amount):
            raise ValueError(f"'{amount}' is not a whole number of {first}S.")
        return int(amount) * _UNIT_MONTHS[first]
    match = re.fullmatch(r"(\d{1,18})-(\d{1,2})", amount)
    if (first, last) != ("YEAR", "MONTH") or match is None or int(match[2]) > 11:
        raise ValueError(f"'{amount}' is not YEAR TO MONTH; write INTERVAL '1-6' YEAR TO MONTH.")
    return int(match[1]) * 12 + int(match[2])


def _ms(amount: str, first: str, last: str | None) -> int:
    if last is None and first != "SECOND":
        if not _digits(amount):
            raise ValueError(f"'{amount}' is not a whole number of {first}S.")
        return int(amount) * _UNIT_MS[first]
    names = _DAY_UNITS[_DAY_UNITS.index(first) : _DAY_UNITS.index(last or first) + 1]
    seconds = r"(\d{1,18})(?:\.(\d{1,9}))?"
    parts = [seconds if name == "SECOND" else r"(\d{1,18})" for name in names]
    pattern = parts[0]
    for name, part in zip(names[1:], parts[1:], strict=True):
        pattern += (r"\s+" if name == "HOUR" else ":") + part
    match = re.fullmatch(pattern, amount)
    if match is None:
        span = first if last is None else f"{first} TO {last}"
        raise ValueError(f"'{amount}' does not fit INTERVAL … {span}.")
    total = 0
    for i, name in enumerate(names):
        count = int(match[i + 1])
        if i and count > (23 if name == "HOUR" else 59):
            raise ValueError(f"{count} {name}S in '{amount}' are too many.")
        total += count * _UNIT_MS[name]
    fraction = match[len(names) + 1] if names[-1] == "SECOND" else None
    # Flink keeps milliseconds of an interval; further digits are cut.
    return total + int(((fraction or "") + "000")[:3])


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def fits(first: str, last: str | None) -> bool:
    """Tell whether ``first TO last`` is an interval there is."""
    if last is None:
        return True
    if (first, last) == ("YEAR", "MONTH"):
        return True
    units = _DAY_UNITS
    return first in units and last in units and units.index(first) < units.index(last)
