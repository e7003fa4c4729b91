"""CASE and its relatives as Polars expressions.

Polars computes every branch; what keeps SQL's promise is that a failure counts only on the rows
whose branch was taken.
"""

from __future__ import annotations

from functools import reduce

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Fail, Lowered, lowers, lowers_lazily
from millstream.engine.functions.cast import converted
from millstream.engine.functions.comparison import compared
from millstream.expr.coerce import comparable
from millstream.expr.tree import Call
from millstream.types.logical import CharacterString, Numeric


@lowers_lazily("CASE")
def _case(_call: Call, args: tuple[Lowered, ...], _ctx: Context) -> Lowered:
    fails: list[Fail] = []
    open_still: pl.Expr | None = None  # rows no earlier condition took
    branches = list(zip(args[:-1:2], args[1:-1:2], strict=True))
    for condition, then in branches:
        fails += _within(condition, open_still)
        taken = condition.value.eq_missing(pl.lit(True))
        fails += _within(then, taken if open_still is None else open_still & taken)
        open_still = ~taken if open_still is None else open_still & ~taken
    fails += _within(args[-1], open_still)
    value = args[-1].value
    for condition, then in reversed(branches):
        value = pl.when(condition.value).then(then.value).otherwise(value)
    return Lowered(value, tuple(fails))


def _within(arg: Lowered, rows: pl.Expr | None) -> tuple[Fail, ...]:
    return arg.fails if rows is None or not arg.fails else arg.only_where(rows).fails


@lowers_lazily("IF")
def _if(call: Call, args: tuple[Lowered, ...], ctx: Context) -> Lowered:
    return _case(call, args, ctx)


@lowers_lazily("COALESCE", "IFNULL")
def _coalesce(_call: Call, args: tuple[Lowered, ...], _ctx: Context) -> Lowered:
    fails: list[Fail] = []
    empty: pl.Expr | None = None
    for arg in args:
        fails += _within(arg, empty)
        missing = arg.value.is_null()
        empty = missing if empty is None else empty & missing
    return Lowered(pl.coalesce([a.value for a in args]), tuple(fails))


@lowers("NULLIF")
def _nullif(call: Call, ctx: Context, a: pl.Expr, b: pl.Expr) -> pl.Expr | Lowered:
    x, y = (arg.typed for arg in call.args)
    met = comparable(x, y)
    assert met is not None, "the catalogue compared them"
    left, right = converted(a, x, met, ctx), converted(b, y, met, ctx)
    equal = compared("=", met, left.value, right.value).fill_null(False)
    nothing = pl.lit(None, dtype=polars_type(call.typed))
    return Lowered(
        pl.when(equal).then(nothing).otherwise(a), tuple(left.fails) + tuple(right.fails)
    )


@lowers("GREATEST", "LEAST")
def _extreme(call: Call, _ctx: Context, *args: pl.Expr) -> pl.Expr:
    op = ">=" if call.function == "GREATEST" else "<="
    dtype = call.args[0].typed

    def better(a: pl.Expr, b: pl.Expr) -> pl.Expr:
        return pl.when(compared(op, dtype, a, b)).then(a).otherwise(b)

    complete = reduce(pl.Expr.and_, (a.is_not_null() for a in args))
    nothing = pl.lit(None, dtype=polars_type(call.typed))
    return pl.when(complete).then(reduce(better, args)).otherwise(nothing)


_LOOKS = {
    "IS_ALPHA": r"^\p{L}+$",
    "IS_DIGIT": r"^[0-9]+$",
    "IS_DECIMAL": (r"^\s*[+-]?(NaN|Infinity|((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?))\s*$"),
}


@lowers(*_LOOKS)
def _looks(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    have = call.args[0].typed
    if call.function == "IS_DECIMAL" and isinstance(have, Numeric):
        return x.is_not_null()
    text = x if isinstance(have, CharacterString) else converted(x, have, t.STRING, ctx).value
    return text.str.contains(_LOOKS[call.function]).fill_null(False)


@lowers("TYPEOF")
def _typeof(call: Call, _ctx: Context, _x: pl.Expr, *_full: pl.Expr) -> pl.Expr:
    return pl.lit(str(call.args[0].typed))
