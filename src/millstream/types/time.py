"""Durations as people write them, as whole milliseconds.

in      ``"5s"``, ``"1m 30s"``, ``"250ms"``, ``"1 MINUTE"``; a timedelta; a number of seconds
out     milliseconds (int); parts below a millisecond are an error, not rounded away
"""

from __future__ import annotations

import re
from datetime import timedelta

from millstream.errors import PlanError

UNITS_MS: dict[str, int] = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
}
_SPELLINGS: dict[str, str] = {
    spelling: unit
    for unit, spellings in {
        "ms": ("ms", "milli", "millis", "millisecond", "milliseconds"),
        "s": ("s", "sec", "secs", "second", "seconds"),
        "m": ("m", "min", "mins", "minute", "minutes"),
        "h": ("h", "hour", "hours"),
        "d": ("d", "day", "days"),
        "w": ("w", "week", "weeks"),
    }.items()
    for spelling in spellings
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def duration_ms(value: str | timedelta | float) -> int:
    """Return a duration in milliseconds; a bare number counts seconds.

    >>> duration_ms("1m 30s")
    90000
    """
    if isinstance(value, timedelta):
        return _whole(value / timedelta(milliseconds=1), value)
    if not isinstance(value, str):
        return _whole(value * 1000, value)
    total, at = 0.0, 0
    for match in _PART.finditer(value):
        unit = _SPELLINGS.get(match[2].lower())
        if match.start() != at or unit is None:
            break
        total += float(match[1]) * UNITS_MS[unit]
        at = match.end()
    if at != len(value) or not value.strip():
        raise PlanError(
            f"'{value}' is not a duration.",
            hint="Write a number and a unit: '500ms', '5s', '1m 30s', '2h', '1d'.",
        )
    return _whole(total, value)


def duration_text(ms: int) -> str:
    """Return the shortest spelling that :func:`duration_ms` reads back.

    >>> duration_text(90_000)
    '1m 30s'
    """
    if ms == 0:
        return "0s"
    parts: list[str] = []
    rest = abs(ms)
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if ms < 0 else "") + " ".join(parts)


def _whole(ms: float, said: object) -> int:
    if ms != int(ms) or ms < 0:
        raise PlanError(
            f"'{said}' is not a whole, positive number of milliseconds.",
            hint="Event time counts in milliseconds; write '1ms' or longer.",
        )
    return int(ms)
