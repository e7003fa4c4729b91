"""AND, OR, NOT and the truth tests as Polars expressions.

Polars' & and | already are three-valued. What is ours: a condition counts as failed only on rows
that a condition to its left did not decide, so ``b <> 0 AND a / b > 1`` rejects no row.
"""

from __future__ import annotations

from functools import reduce

import polars as pl

from millstream.engine.functions import Context, Fail, Lowered, lowers, lowers_lazily
from millstream.expr.tree import Call


@lowers_lazily("AND")
def _and(_call: Call, args: tuple[Lowered, ...], _ctx: Context) -> Lowered:
    return _decided_by(args, decides=False)


@lowers_lazily("OR")
def _or(_call: Call, args: tuple[Lowered, ...], _ctx: Context) -> Lowered:
    return _decided_by(args, decides=True)


def _decided_by(args: tuple[Lowered, ...], *, decides: bool) -> Lowered:
    fails: list[Fail] = list(args[0].fails)
    value = args[0].value
    for arg in args[1:]:
        if arg.fails:
            open_still = value.ne_missing(pl.lit(decides))
            fails += arg.only_where(open_still).fails
        value = reduce(pl.Expr.__or__ if decides else pl.Expr.__and__, (value, arg.value))
    return Lowered(value, tuple(fails))


@lowers("NOT")
def _not(_call: Call, _ctx: Context, a: pl.Expr) -> pl.Expr:
    return ~a


@lowers("IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE")
def _is(call: Call, _ctx: Context, a: pl.Expr) -> pl.Expr:
    wanted = pl.lit(call.function.endswith("TRUE"))
    return a.ne_missing(wanted) if "NOT" in call.function else a.eq_missing(wanted)


@lowers("IS UNKNOWN")
def _is_unknown(_call: Call, _ctx: Context, a: pl.Expr) -> pl.Expr:
    return a.is_null()


@lowers("IS NOT UNKNOWN")
def _is_not_unknown(_call: Call, _ctx: Context, a: pl.Expr) -> pl.Expr:
    return a.is_not_null()
