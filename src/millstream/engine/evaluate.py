"""Resolved expressions as Polars expressions.

in      an expression tree whose nodes all have types
out     :class:`Lowered`: the value, and the rows it cannot compute with the reason
source  functions in ``engine/functions/<family>.py``; casts in ``engine/functions/cast.py``
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Lowered, lowering_of
from millstream.engine.functions.cast import lower_cast
from millstream.engine.udf import lower_udf
from millstream.expr import catalogue
from millstream.expr.function import Nulls
from millstream.expr.tree import Call, Cast, Column, Expr, Literal, UdfCall


def lower(expr: Expr, ctx: Context) -> Lowered:
    """Return the Polars form of a resolved expression."""
    if is_null(expr):
        return Lowered(pl.lit(None, dtype=polars_type(expr.typed)))
    match expr:
        case Column(name=name):
            return Lowered(pl.col(name))
        case Literal():
            return Lowered(literal(expr))
        case Call(function=name, args=args):
            lowered = lowering_of(name)(expr, tuple(lower(a, ctx) for a in args), ctx)
            return _folded(expr, lowered)
        case Cast(arg=arg):
            return _folded(expr, lower_cast(expr, lower(arg, ctx), ctx))
        case UdfCall(args=args):
            return lower_udf(expr, tuple(lower(a, ctx) for a in args), ctx)
        case _:
            raise AssertionError(f"{type(expr).__name__} is no scalar expression")


def is_null(expr: Expr) -> bool:
    """Tell whether an expression is NULL whatever the row.

    Polars folds ``NULL > column`` to a single value, which a kernel behind it would then take for
    a column of one row; such expressions are made constants here.
    """
    match expr:
        case Literal(value=value):
            return value is None
        case Cast(arg=arg):
            return is_null(arg)
        case Call(function="IN", args=args):
            return is_null(args[0])
        case Call(function=name, args=args):
            return catalogue.find(name).nulls is Nulls.STRICT and any(map(is_null, args))
        case _:
            return False


def _folded(expr: Call | Cast, lowered: Lowered) -> Lowered:
    """Compute a constant once: ``v > 0.5`` with a DOUBLE casts its DECIMAL for every batch else.

    What fails, or is NULL, stays as it is: the one for the rows it concerns (a branch of CASE may
    never be reached), the other for the reason that :func:`is_null` tells.
    """
    dtype = polars_type(expr.typed)
    reads = lowered.value.meta.root_names()  # UNIX_TIMESTAMP() has no argument and reads the clock
    if reads or not is_fixed(expr) or dtype.is_nested() or dtype == pl.Binary:
        return lowered
    if lowered.fails and any(pl.select(f.when).to_series().any() for f in lowered.fails):
        return lowered
    found = pl.select(lowered.value).to_series()
    if found.dtype != dtype or len(found) != 1 or found.null_count():
        return lowered
    return Lowered(_one(found))


def is_fixed(expr: Expr) -> bool:
    """Tell whether an expression has the same value for every row of every run."""
    match expr:
        case Literal():
            return True
        case Cast(arg=arg):
            return is_fixed(arg)
        case Call(function=name, args=args):
            return catalogue.find(name).deterministic and all(map(is_fixed, args))
        case _:
            return False


def literal(expr: Literal) -> pl.Expr:
    """Return a constant of exactly the physical type of its SQL type."""
    dtype, value = polars_type(expr.typed), expr.value
    if value is None:
        return pl.lit(None, dtype=dtype)
    if isinstance(expr.typed, t.IntervalDay) and isinstance(value, int):
        value = dt.timedelta(milliseconds=value)
    if isinstance(value, Decimal):
        return _one(pl.Series([value], dtype=dtype))
    return pl.lit(value, dtype=dtype)


def _one(value: pl.Series) -> pl.Expr:
    """Return a constant of exactly this value and dtype."""
    plain = value.dtype.is_integer() or value.dtype in (pl.Float64, pl.Boolean, pl.String)
    return pl.lit(value.item(), dtype=value.dtype) if plain else pl.lit(value).first()
