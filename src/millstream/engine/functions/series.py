"""Functions that work on whole Series and have no Polars expression.

in      Polars expressions as arguments, a function of Series of equal length
out     an expression; constants alone stay constants (length 1 in any frame)

The function may be called on any part of the column and from several threads: it keeps no state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

OnSeries = Callable[..., pl.Series]


def on_series(fn: OnSeries, args: Sequence[pl.Expr], dtype: pl.DataType) -> pl.Expr:
    """Return ``fn(*args)`` with every argument a Series of the same length."""
    constant = all(is_constant(arg) for arg in args)

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        result = fn(*equally_long(columns))
        assert result.dtype == dtype, f"{fn.__name__} gave {result.dtype}, {dtype} was promised"
        return result

    result = pl.map_batches(list(args), run, return_dtype=dtype, is_elementwise=not constant)
    return result.first() if constant else result


def equally_long(columns: Sequence[pl.Series]) -> list[pl.Series]:
    """Return the columns with the constants (length 1) repeated to the length of the others."""
    rows = next((len(c) for c in columns if len(c) != 1), 1)
    return [c if len(c) == rows else c.new_from_index(0, rows) for c in columns]


def constant_of(expr: pl.Expr) -> pl.Series | None:
    """Return the value of an expression that reads no column, or None."""
    return pl.select(expr.alias("c"))["c"] if is_constant(expr) else None


def is_constant(expr: pl.Expr) -> bool:
    """Tell whether an expression reads no column and no element of a list around it."""
    if expr.meta.root_names():
        return False
    if all(leaf.meta.is_literal() for leaf in _leaves(expr)):
        return True
    try:
        # ``element()`` is no root name; only inside a list it has a value.
        pl.select(expr)
    except pl.exceptions.PolarsError:
        return False
    return True


def _leaves(expr: pl.Expr) -> list[pl.Expr]:
    below = expr.meta.pop()
    return [leaf for part in below for leaf in _leaves(part)] if below else [expr]


def picked(when: pl.Series, yes: pl.Series, no: pl.Series) -> pl.Series:
    """Return ``yes`` where ``when`` is true, else ``no``."""
    return yes.zip_with(when.fill_null(False) if when.null_count() else when, no)


def divided(a: pl.Series, b: pl.Series) -> pl.Series:
    """Return a / b of floats, each quotient rounded correctly.

    Polars multiplies by the reciprocal where the divisor is one value: 3.0 / 10.0 is then
    0.30000000000000004, and a batch of one row differs from a batch of two.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = pl.Series(a.name, np.divide(a.to_numpy(), b.to_numpy()), dtype=a.dtype)
    if not a.null_count() and not b.null_count():
        return found
    nothing = pl.Series([None], dtype=a.dtype).new_from_index(0, len(a))
    return picked(a.is_not_null() & b.is_not_null(), found, nothing)


def quotient(a: pl.Expr, b: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a / b of two floats of one dtype, exactly rounded also by a constant."""
    return a / b if constant_of(b) is None else on_series(divided, [a, b], dtype)
