"""Functions that have no vectorised form: one Python call per distinct value.

in      a Python function of the values of one row, Polars expressions as its arguments
out     an expression; a row with a NULL argument is NULL without a call, unless ``nulls`` is set

A batch often repeats its values, so that each distinct tuple of arguments is computed once per
batch. The function may be called from several threads: it keeps no state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from millstream.engine.functions.series import on_series

_MISSING = object()


def on_rows(
    fn: Callable[..., Any], args: Sequence[pl.Expr], dtype: pl.DataType, *, nulls: bool = False
) -> pl.Expr:
    """Return ``fn`` of each row's values, as a column of ``dtype``."""

    def run(*columns: pl.Series) -> pl.Series:
        return pl.Series(columns[0].name, each_row(fn, columns, nulls=nulls), dtype=dtype)

    return on_series(run, args, dtype)


def each_row(
    fn: Callable[..., Any], columns: Sequence[pl.Series], *, nulls: bool = False
) -> list[Any]:
    """Return ``fn`` of each row's values; see :func:`on_rows`."""
    if not nulls and any(c.null_count() == len(c) for c in columns):
        return [None] * len(columns[0])
    known: dict[Any, Any] = {}
    found: list[Any] = []
    values = [c.to_list() for c in columns]
    # The loop is why this module exists: fn knows no columns.
    for row in zip(*values, strict=True):
        if not nulls and None in row:
            found.append(None)
            continue
        result = known.get(row, _MISSING)
        if result is _MISSING:
            result = known[row] = fn(*row)
        found.append(result)
    return found
