"""Reads numbers, days and times from the text between two places of a buffer.

in      the address of a buffer and, per value, a span and a kind (of ``json_scan``)
out     ``out`` filled, and ``state``: GOOD, NONE (NULL or missing), BAD, or SLOW: a form that is
        rare and left to the caller
limits  a span may be read over its end, up to WIDE bytes from its beginning, where the buffer goes
        on: ``limit`` is the place after its last byte
source  Lemire, "Quickly parsing eight digits", 2018 (digits of a word, by three multiplications);
        Clinger, "How to Read Floating Point Numbers Accurately", 1990 (the exact cases);
        Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.columns.address import WIDE, byte_at, word_at
from millstream.columns.jit import kernel
from millstream.formats.json_scan import INTEGER, NULL, REAL, TEXT

GOOD, NONE, BAD, SLOW = range(4)
DAY, CLOCK, INSTANT = range(3)

_POWERS = np.array([10.0**k for k in range(23)])
_NINE_DIGITS = 9
_EXPONENT = 0x65, 0x45
_SHORT_MONTHS = 4, 6, 9, 11
_TENS = np.array([10**k for k in range(9)], np.uint64)
_ZEROS = np.uint64(0x3030303030303030)
_HIGH_BITS = np.uint64(0x8080808080808080)
_TO_HIGH_BIT = np.uint64(0x7676767676767676)  # sets the high bit of what is above nine
_LANES = np.uint64(0x000000FF000000FF)
_HUNDREDS = np.uint64(100 + (1_000_000 << 32))
_UNITS = np.uint64(1 + (10_000 << 32))
# A clock as a word, and what sets a high bit where it is none: HH:MM:SS, and .mmm
_CLOCK_ZEROS = np.uint64(0x30303A30303A3030)
_CLOCK_TO_HIGH_BIT = np.uint64(0x76767F76767F7676)
_MILLIS_ZEROS = np.uint64(0x3030302E)
_MILLIS_TO_HIGH_BIT = np.uint64(0x7676767F)
_SECONDS, _MILLIS = 8, 12  # so many bytes has a clock without and with milliseconds
_BYTE = np.uint64(0xFF)
_THREE_BYTES = np.uint64(0xFFFFFF)
_YEAR_NS_FIRST, _YEAR_NS_LAST = 1678, 2261  # what 64 bits of nanoseconds hold in full years


@kernel
def _trim(buf: int, pos: int, end: int) -> tuple[Any, int]:
    while pos < end and byte_at(buf, pos) <= 32:
        pos += 1
    while end > pos and byte_at(buf, end - 1) <= 32:
        end -= 1
    return pos, end


@kernel
def _is_digit(c: int) -> bool:
    return 48 <= c <= 57


@kernel
def _eight(word: Any, size: int) -> tuple[Any, bool]:
    """Return the number of the first one to eight bytes of a word, and whether all are digits."""
    # Leading zeros are put before them; the first byte is the lowest one.
    x = (word ^ _ZEROS) << np.uint64(64 - 8 * size)
    good = (((x + _TO_HIGH_BIT) | x) & _HIGH_BITS) == np.uint64(0)
    x = x * np.uint64(10) + (x >> np.uint64(8))
    high = (x & _LANES) * _HUNDREDS
    low = ((x >> np.uint64(16)) & _LANES) * _UNITS
    return (high + low) >> np.uint64(32), good


@kernel
def _plain(buf: int, pos: int, end: int, limit: int) -> Any:
    """Return a whole number without sign of at most 16 digits, -1 where it is none."""
    size = end - pos
    if size <= 0 or size > WIDE or pos + WIDE > limit:
        return -1
    if size <= 8:
        value, good = _eight(word_at(buf, pos), size)
    else:
        value, good = _eight(word_at(buf, pos), 8)
        rest, also = _eight(word_at(buf, pos + 8), size - 8)
        value = value * _TENS[size - 8] + rest
        good = good and also
    return np.int64(value) if good else -1


@kernel
def _integer(buf: int, pos: int, end: int, low: int, high: int) -> tuple[Any, int]:
    """Return a whole number and GOOD or BAD."""
    pos, end = _trim(buf, pos, end)
    if pos >= end:
        return 0, BAD
    negative = byte_at(buf, pos) == 45
    if negative or byte_at(buf, pos) == 43:
        pos += 1
    if pos >= end:
        return 0, BAD
    while pos < end - 1 and byte_at(buf, pos) == 48:
        pos += 1
    if end - pos > 19:
        return 0, BAD
    value = np.uint64(0)
    while pos < end:
        c = byte_at(buf, pos)
        if not _is_digit(c):
            return 0, BAD
        value = value * np.uint64(10) + np.uint64(c - 48)
        pos += 1
    if negative:
        if value > np.uint64(-(low + 1)) + np.uint64(1):
            return 0, BAD
        return -np.int64(value), GOOD
    if value > np.uint64(high):
        return 0, BAD
    return np.int64(value), GOOD


@kernel
def read_integers(
    buf: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    limit: int,
    low: int,
    high: int,
    out: np.ndarray,
    state: np.ndarray,
) -> None:
    """Read whole numbers of ``low`` to ``high``; a number with a fraction is SLOW."""
    for i in range(len(starts)):
        kind = kinds[i]
        if kind in (INTEGER, TEXT):
            value = _plain(buf, starts[i], ends[i], limit)
            if 0 <= value <= high:
                out[i] = value
                state[i] = GOOD
            else:
                out[i], state[i] = _integer(buf, starts[i], ends[i], low, high)
        else:
            out[i] = 0
            state[i] = NONE if kind <= NULL else SLOW if kind == REAL else BAD


@kernel
def _real(buf: int, pos: int, end: int, mantissa_max: int, power_max: int) -> tuple[float, int]:
    """Return a float and GOOD where it is exact by one operation, else SLOW."""
    negative = byte_at(buf, pos) == 45
    if negative or byte_at(buf, pos) == 43:
        pos += 1
    mantissa = 0
    digits = 0  # significant ones
    seen = 0
    power = 0
    behind = False
    while pos < end:
        c = byte_at(buf, pos)
        if _is_digit(c):
            seen += 1
            if digits > 0 or c != 48:
                digits += 1
            if digits > 18:
                return 0.0, SLOW
            mantissa = mantissa * 10 + (c - 48)
            power -= behind
        elif c == 46 and not behind:
            behind = True
        else:
            break
        pos += 1
    if seen == 0:
        return 0.0, SLOW
    if pos < end:
        c = byte_at(buf, pos)
        if c not in _EXPONENT or pos + 1 >= end:
            return 0.0, SLOW
        pos += 1
        down = byte_at(buf, pos) == 45
        if down or byte_at(buf, pos) == 43:
            pos += 1
        if pos >= end or end - pos > 4:
            return 0.0, SLOW
        exponent = 0
        while pos < end:
            c = byte_at(buf, pos)
            if not _is_digit(c):
                return 0.0, SLOW
            exponent = exponent * 10 + (c - 48)
            pos += 1
        power += -exponent if down else exponent
    if mantissa > mantissa_max or power > power_max or power < -power_max:
        return 0.0, SLOW
    value = np.float64(mantissa)
    value = value * _POWERS[power] if power >= 0 else value / _POWERS[-power]
    return (-value if negative else value), GOOD


@kernel
def read_reals(
    buf: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    mantissa_max: int,
    power_max: int,
    out: np.ndarray,
    state: np.ndarray,
) -> None:
    """Read floats; whatever one exact operation cannot give is SLOW."""
    for i in range(len(starts)):
        kind = kinds[i]
        out[i] = 0.0
        if kind in (INTEGER, REAL, TEXT):
            pos, end = _trim(buf, starts[i], ends[i])
            if pos >= end:
                state[i] = BAD
            else:
                out[i], state[i] = _real(buf, pos, end, mantissa_max, power_max)
        else:
            state[i] = NONE if kind <= NULL else BAD


@kernel
def _decimal(buf: int, pos: int, end: int, scale: int, limit: int) -> tuple[Any, int]:
    """Return the unscaled number, rounded half up, and GOOD, BAD or SLOW."""
    negative = byte_at(buf, pos) == 45
    if negative or byte_at(buf, pos) == 43:
        pos += 1
    value = 0
    seen = 0
    digits = 0
    left = scale
    behind = False
    up = False
    while pos < end:
        c = byte_at(buf, pos)
        if _is_digit(c):
            seen += 1
            if not behind or left > 0:
                if digits > 0 or c != 48:
                    digits += 1
                if digits > 18:
                    return value, SLOW
                value = value * 10 + (c - 48)
                left -= behind
            elif left == 0:
                up = c >= 53
                left = -1  # only the first digit dropped decides
        elif c == 46 and not behind:
            behind = True
        else:
            return value, SLOW
        pos += 1
    if seen == 0:
        return value, BAD
    while left > 0:
        if value > 0:
            digits += 1
        if digits > 18:
            return value, SLOW
        value *= 10
        left -= 1
    if up:
        value += 1
    if value >= limit:
        return value, BAD
    return (-value if negative else value), GOOD


@kernel
def read_decimals(
    buf: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    scale: int,
    limit: int,
    out: np.ndarray,
    state: np.ndarray,
) -> None:
    """Read decimals of at most 18 digits as unscaled numbers below ``limit``; others are SLOW."""
    for i in range(len(starts)):
        kind = kinds[i]
        out[i] = 0
        if kind in (INTEGER, REAL, TEXT):
            pos, end = _trim(buf, starts[i], ends[i])
            if pos >= end:
                state[i] = BAD
            else:
                out[i], state[i] = _decimal(buf, pos, end, scale, limit)
        else:
            state[i] = NONE if kind <= NULL else BAD


@kernel
def _two(buf: int, pos: int) -> int:
    """Return a number of two digits, -1 where there are none."""
    a, b = byte_at(buf, pos), byte_at(buf, pos + 1)
    if not (_is_digit(a) and _is_digit(b)):
        return -1
    return (a - 48) * 10 + (b - 48)


@kernel
def _month_days(year: int, month: int) -> int:
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month in _SHORT_MONTHS else 31


@kernel
def _day(buf: int, pos: int, end: int) -> tuple[int, int, int]:
    """Read YYYY-MM-DD; returns days since 1970, the year, and GOOD or BAD."""
    if end - pos < 10 or byte_at(buf, pos + 4) != 45 or byte_at(buf, pos + 7) != 45:
        return 0, 0, BAD
    high, low = _two(buf, pos), _two(buf, pos + 2)
    month, day = _two(buf, pos + 5), _two(buf, pos + 8)
    if high < 0 or low < 0 or month < 1 or month > 12 or day < 1:
        return 0, 0, BAD
    year = high * 100 + low
    if day > _month_days(year, month):
        return 0, year, BAD
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468, year, GOOD


@kernel
def _clock(buf: int, pos: int, end: int, seconds_needed: bool) -> tuple[int, int, int, int]:
    """Read HH:MM:SS[.f]; returns seconds, nanoseconds, the place after it, and GOOD or BAD."""
    zero = 0
    if end - pos < 5 or byte_at(buf, pos + 2) != 58:
        return zero, zero, pos, BAD
    hour, minute, second = _two(buf, pos), _two(buf, pos + 3), zero
    pos += 5
    nanos = zero
    if pos < end and byte_at(buf, pos) == 58:
        if end - pos < 3:
            return zero, zero, pos, BAD
        second = _two(buf, pos + 1)
        pos += 3
        if pos < end and byte_at(buf, pos) == 46:
            first = pos + 1
            pos = first
            while pos < end and pos - first < _NINE_DIGITS and _is_digit(byte_at(buf, pos)):
                nanos = nanos * 10 + (byte_at(buf, pos) - 48)
                pos += 1
            if pos == first:
                return zero, zero, pos, BAD
            for _ in range(_NINE_DIGITS - (pos - first)):
                nanos *= 10
    elif seconds_needed:
        return zero, zero, pos, BAD
    good = 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60
    return hour * 3600 + minute * 60 + second, nanos, pos, (GOOD if good else BAD)


@kernel
def _usual_clock(buf: int, pos: int, end: int) -> Any:
    """Return the milliseconds of HH:MM:SS or HH:MM:SS.mmm, -1 where it is written otherwise."""
    size = end - pos
    if size not in (_SECONDS, _MILLIS):
        return -1
    x = word_at(buf, pos) ^ _CLOCK_ZEROS
    if ((x + _CLOCK_TO_HIGH_BIT) | x) & _HIGH_BITS != np.uint64(0):
        return -1
    x = x * np.uint64(10) + (x >> np.uint64(8))  # two digits are one number
    hour = np.int64(x & _BYTE)
    minute = np.int64((x >> np.uint64(24)) & _BYTE)
    second = np.int64((x >> np.uint64(48)) & _BYTE)
    if hour > 23 or minute > 59 or second > 59:
        return -1
    millis = np.int64(0)
    if size == _MILLIS:
        x = (word_at(buf, pos + 4) >> np.uint64(32)) ^ _MILLIS_ZEROS
        if ((x + _MILLIS_TO_HIGH_BIT) | x) & _HIGH_BITS != np.uint64(0):
            return -1
        tens = np.int64((x >> np.uint64(8)) & _BYTE) * 10 + np.int64((x >> np.uint64(16)) & _BYTE)
        millis = tens * 10 + np.int64(x >> np.uint64(24))
    return ((hour * 60 + minute) * 60 + second) * 1000 + millis


@kernel
def _on_same_day(buf: int, pos: int, end: int, zulu: bool, day: Any, tail: Any) -> Any:
    """Return the milliseconds of a time on a day written in 11 bytes, -1 where it is another."""
    stop = end - zulu
    if stop - pos < 19 or word_at(buf, pos) != day:
        return -1
    if (word_at(buf, pos + 8) & _THREE_BYTES) != tail or (zulu and byte_at(buf, stop) != 90):
        return -1
    return _usual_clock(buf, pos + 11, stop)


@kernel
def read_times(  # noqa: C901, PLR0913, PLR0917 (a kernel takes its arrays one by one)
    buf: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    form: int,
    between: int,
    seconds_needed: bool,
    zulu: bool,
    per_second: int,
    out: np.ndarray,
    state: np.ndarray,
) -> None:
    """Read days, times of the day or both, as ``form`` says.

    ``between`` is the character between day and time, ``zulu`` asks for a Z at the end, and
    ``per_second`` is the unit of the result; finer digits are cut off.
    """
    finer = 1_000_000_000 // per_second
    per_milli = per_second // 1_000
    # The day before, as it was written up to the clock: the next one is mostly the same.
    kept, kept_tail, kept_days = np.uint64(0), _HIGH_BITS, 0
    for i in range(len(starts)):
        kind = kinds[i]
        out[i] = 0
        state[i] = NONE if kind <= NULL else BAD
        if kind != TEXT:
            continue
        pos, end = starts[i], ends[i]
        days, seconds, nanos = 0, 0, 0
        if form == INSTANT:
            millis = _on_same_day(buf, pos, end, zulu, kept, kept_tail)
            if millis >= 0:
                out[i] = kept_days * 86_400 * per_second + millis * per_milli
                state[i] = GOOD
                continue
        if form != CLOCK:
            days, year, found = _day(buf, pos, end)
            if found == BAD:
                continue
            if per_second > 1_000_000 and not _YEAR_NS_FIRST <= year <= _YEAR_NS_LAST:
                continue
            pos += 10
            if form == INSTANT:
                if pos >= end or byte_at(buf, pos) != between:
                    continue
                pos += 1
                if end - pos >= 5:
                    kept, kept_days = word_at(buf, pos - 11), days
                    kept_tail = word_at(buf, pos - 3) & _THREE_BYTES
        if form != DAY:
            seconds, nanos, pos, found = _clock(buf, pos, end, seconds_needed)
            if found == BAD:
                continue
            if zulu:
                if pos >= end or byte_at(buf, pos) != 90:
                    continue
                pos += 1
        if pos != end:
            continue
        state[i] = GOOD
        if form == DAY:
            out[i] = days
        else:
            out[i] = (days * 86_400 + seconds) * per_second + nanos // finer
