"""Timestamps read from text of the common form, on bytes.

in      a String Series
out     seconds since 1970 and nanoseconds of each text of the form ``2026-01-05`` or
        ``2026-01-05 09:05:07[.1 to .123456789]``; the others are left open (the caller reads them)
method  texts of one length lie behind each other in memory as a table of bytes; days by the civil
        calendar algorithm of H. Hinnant ("chrono-compatible low-level date algorithms")
"""

from __future__ import annotations

import numpy as np
import polars as pl

_SIGNS = {4: ord("-"), 7: ord("-"), 10: ord(" "), 13: ord(":"), 16: ord(":"), 19: ord(".")}
_LENGTHS = (10, 19, *range(21, 30))
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def read_fixed(column: pl.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return seconds, nanoseconds, and which rows were read."""
    seconds = np.zeros(len(column), dtype=np.int64)
    nanos = np.zeros(len(column), dtype=np.int64)
    done = np.zeros(len(column), dtype=np.bool_)
    lengths = column.str.len_bytes().fill_null(0).to_numpy()
    for length in _LENGTHS:
        at = np.flatnonzero(lengths == length)
        if len(at):
            texts = column if len(at) == len(column) else column.gather(at)
            seconds[at], nanos[at], done[at] = _one_length(_bytes(texts, length))
    return seconds, nanos, done


def _bytes(texts: pl.Series, length: int) -> np.ndarray:
    """Return texts of one length as a table with a row per text."""
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    first = np.frombuffer(offsets, dtype=np.int64, count=1, offset=8 * array.offset)[0]
    flat = np.frombuffer(data, dtype=np.uint8, count=len(texts) * length, offset=int(first))
    return flat.reshape(len(texts), length)


def _one_length(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, length = table.shape
    digits = table - np.uint8(ord("0"))
    fine = np.ones(rows, dtype=np.bool_)
    for i in range(length):
        fine &= table[:, i] == _SIGNS[i] if i in _SIGNS else digits[:, i] <= 9

    def number(start: int, end: int) -> np.ndarray:
        value = np.zeros(rows, dtype=np.int64)
        for i in range(start, end):
            value = value * 10 + digits[:, i]
        return value

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = _MONTH_DAYS[np.clip(month, 0, 12)] + ((month == 2) & leap)
    fine &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= last)
    seconds = days_of(year, month, day) * 86_400
    nanos = np.zeros(rows, dtype=np.int64)
    if length > 10:
        hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
        fine &= (hour < 24) & (minute < 60) & (second < 60)
        seconds = seconds + (hour * 60 + minute) * 60 + second
    if length > 19:
        nanos = number(20, length) * 10 ** (29 - length)
    return seconds, nanos, fine


def days_of(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Return the days since 1970-01-01 of dates of the Gregorian calendar."""
    year = year - (month <= 2)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
