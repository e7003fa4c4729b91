"""Whole numbers, floats, booleans and times of many fields, read in one call.

in      where a scan has found the values of every field, and the fields' types
out     a column per field; None where the caller reads it with ``coerce``: another type, or a field
        with a value that is bad or written in a rare form
why     of few documents the calls cost more than the values: a call per column took 20 us, this
        one takes 3, and one series is cut into the columns
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.jit import kernel
from millstream.columns.physical import polars_type
from millstream.formats.coerce import TimeTexts, exact_reals, integer_bounds, packed, time_form
from millstream.formats.json_scan import NULL, TEXT, TRUE
from millstream.formats.value_scan import (
    BAD,
    GOOD,
    NONE,
    SLOW,
    read_integers,
    read_reals,
    read_times,
)
from millstream.types.logical import Integer

if TYPE_CHECKING:
    from millstream.formats.json_rows import Found

OTHER, WHOLE, REAL, TRUTH, TIME = range(5)
_WORDS: Final = 6
_INT64: Final = pl.Int64()
_FLOAT64: Final = pl.Float64()


@dataclass(frozen=True, slots=True)
class Recipes:
    """How each field is read: a row of numbers for the kernel, and what its column is cast to."""

    steps: np.ndarray
    casts: list[pl.DataType | None]
    is_real: list[bool]

    @classmethod
    def of(cls, types: Iterable[t.LogicalType], times: TimeTexts) -> Recipes:
        """Say how fields of these types are read."""
        found = [_recipe(dtype, times) for dtype in types]
        steps = np.zeros((len(found), _WORDS), np.int64)
        for row, step in zip(steps, found, strict=True):
            row[: len(step)] = step
        read_as = {OTHER: None, REAL: _FLOAT64}
        casts = [
            None if polars_type(kind) == read_as.get(step[0], _INT64) else polars_type(kind)
            for kind, step in zip(types, found, strict=True)
        ]
        return cls(steps, casts, [step[0] == REAL for step in found])


def _recipe(dtype: t.LogicalType, times: TimeTexts) -> tuple[int, ...]:
    match dtype:
        case Integer() | t.IntervalYear() | t.IntervalDay():
            return (WHOLE, *integer_bounds(dtype)[1:])
        case t.Float() | t.Double():
            return (REAL, *exact_reals(dtype))
        case t.Boolean():
            return (TRUTH,)
        case t.Date() | t.Time() | t.Timestamp() | t.TimestampLtz():
            return (TIME, *map(int, time_form(dtype, times)))
        case _:
            return (OTHER,)


def read_plain(recipes: Recipes, found: Found, data: np.ndarray) -> list[pl.Series | None]:
    """Return the columns of all fields, without names; None: the caller reads it."""
    fields, count = found.starts.shape
    out, state = np.empty((fields, count), np.int64), np.empty((fields, count), np.uint8)
    worst = np.empty(fields, np.int64)
    where = (found.starts, found.ends, found.kinds)
    read_fields(int(data.ctypes.data), len(data), *where, recipes.steps, out, state, worst)
    columns: list[pl.Series | None] = []
    wholes: pl.Series | None = None
    for i, (told, cast) in enumerate(zip(worst.tolist(), recipes.casts, strict=True)):
        if told > NONE:
            columns.append(None)
            continue
        if told == NONE or recipes.is_real[i]:
            good = None if told == GOOD else state[i] == GOOD
            bits = out[i].view(np.float64) if recipes.is_real[i] else out[i]
            column = packed(bits, good, _FLOAT64 if recipes.is_real[i] else _INT64)
        else:
            wholes = packed(out.reshape(-1), None, _INT64) if wholes is None else wholes
            column = wholes.slice(i * count, count)
        columns.append(column if cast is None else column.cast(cast))
    return columns


@kernel
def read_fields(
    buf: int,
    limit: int,
    starts: np.ndarray,
    ends: np.ndarray,
    kinds: np.ndarray,
    steps: np.ndarray,
    out: np.ndarray,
    state: np.ndarray,
    worst: np.ndarray,
) -> None:
    """Read every field by its recipe; floats are written as their bits.

    ``state`` is that of ``value_scan``, and ``worst`` the highest one of a field.
    """
    for f in range(len(steps)):
        how, said, at = steps[f, 0], state[f], (starts[f], ends[f], kinds[f])
        one, two = steps[f, 1], steps[f, 2]
        if how == WHOLE:
            read_integers(buf, at[0], at[1], at[2], limit, one, two, out[f], said)
        elif how == REAL:
            read_reals(buf, at[0], at[1], at[2], one, two, out[f].view(np.float64), said)
        elif how == TRUTH:
            _read_truths(at[2], out[f], said)
        elif how == TIME:
            needed, zulu = steps[f, 3] != 0, steps[f, 4] != 0
            unit = steps[f, 5]
            read_times(buf, at[0], at[1], at[2], one, two, needed, zulu, unit, out[f], said)
        highest = GOOD if how != OTHER else SLOW
        if how != OTHER:
            for i in range(len(said)):
                highest = max(highest, said[i])
        worst[f] = highest


@kernel
def _read_truths(kinds: np.ndarray, out: np.ndarray, state: np.ndarray) -> None:
    for i in range(len(kinds)):
        kind = kinds[i]
        out[i] = kind == TRUE
        if kind <= NULL:
            state[i] = NONE
        elif kind < TEXT:  # true, false, a number
            state[i] = GOOD
        else:  # what a text says is the caller's to find out
            state[i] = BAD
