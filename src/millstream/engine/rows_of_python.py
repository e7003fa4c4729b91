"""Rows that a user's Python code gives, as columns.

in      what the code yields: a dict by column name, a tuple, or a bare value for a single column
out     tuples; then a frame of the promised types, and which rows are of other types
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from millstream.columns.physical import polars_type
from millstream.types import Row

REASON_CHARS_MAX = 200
WRONG_TYPE = (TypeError, OverflowError, ValueError, pl.exceptions.PolarsError)


class Shape:
    """The columns a user's function promised."""

    def __init__(self, row: Row) -> None:
        self.names = tuple(name for name, _ in row.fields)
        self.kinds = tuple(kind for _, kind in row.fields)
        self.dtypes = [polars_type(kind) for kind in self.kinds]

    def row(self, value: Any) -> tuple[Any, ...]:
        """Return one row as a tuple; raises ValueError where it is none."""
        if isinstance(value, dict) and (len(self.names) > 1 or set(value) == set(self.names)):
            unknown = [name for name in value if name not in self.names]
            if unknown:
                raise ValueError(f"gave {unknown[0]!r}, its columns are {', '.join(self.names)}")
            return tuple(value.get(name) for name in self.names)
        if isinstance(value, tuple):
            if len(value) != len(self.names):
                raise ValueError(f"gave {len(value)} values for {len(self.names)} columns")
            return value
        if len(self.names) > 1:
            raise ValueError(f"gave {value!r}, not {len(self.names)} values")
        return (value,)

    def columns(self, rows: Sequence[tuple[Any, ...]]) -> tuple[list[pl.Series], dict[int, str]]:
        """Return rows as columns; of rows with a value of another type, the reason by place."""
        lists = list(zip(*rows, strict=True)) if rows else [()] * len(self.names)
        wrong: dict[int, str] = {}
        made: list[pl.Series] = []
        for name, kind, dtype, values in zip(
            self.names, self.kinds, self.dtypes, lists, strict=True
        ):
            try:
                made.append(pl.Series(name, values, dtype=dtype, strict=True))
            except WRONG_TYPE:
                column, bad = one_by_one(values, dtype)
                made.append(column.alias(name))
                for at in bad:
                    said = f"gave {values[at]!r} as {name}, not {kind}"
                    wrong.setdefault(at, said[:REASON_CHARS_MAX])
        return made, wrong


def one_by_one(values: Sequence[Any], dtype: pl.DataType) -> tuple[pl.Series, list[int]]:
    """Return the values that have the type, NULL for the others, and which these are."""
    kept: list[pl.Series] = []
    bad: list[int] = []
    for at, value in enumerate(values):  # only where some value has another type
        try:
            kept.append(pl.Series([value], dtype=dtype, strict=True))
        except WRONG_TYPE:
            kept.append(pl.Series([None], dtype=dtype))
            bad.append(at)
    return pl.concat(kept), bad


def reason_of(error: BaseException) -> str:
    """Return an exception of the user's code in a few words."""
    return f"{type(error).__name__}: {error}"[:REASON_CHARS_MAX]
