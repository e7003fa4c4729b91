"""From an aggregate call of the plan to its accumulator.

in      a resolved call, whether rows may be deleted, whether results are merged from panes
out     the accumulator that fits
"""

from __future__ import annotations

import polars as pl

from millstream.columns.physical import polars_type
from millstream.engine.aggregates.bags import Collect, Distinct, Ranked
from millstream.engine.aggregates.base import Accumulator
from millstream.engine.aggregates.count import Count
from millstream.engine.aggregates.moments import FloatSpread, IntSpread
from millstream.engine.aggregates.ordered import ArrayAgg, End, ListAgg
from millstream.engine.aggregates.picks import Pick, Wanted
from millstream.engine.aggregates.sums import FloatSum, IntSum
from millstream.engine.aggregates.user import UserFold
from millstream.engine.aggregates.wide import WideSum
from millstream.expr.tree import AggCall, AggUdf, Literal

SPREADS = {
    "VAR_POP": (False, False),
    "VAR_SAMP": (True, False),
    "STDDEV_POP": (False, True),
    "STDDEV_SAMP": (True, True),
}


def accumulator_for(call: AggCall, *, changes: bool, panes: bool) -> Accumulator:
    """Return the accumulator of a call; ``changes``: rows may be deleted again."""
    name = call.function
    if call.udf is not None:
        return _user(call, call.udf, shrinks=changes or panes)
    if name == "COUNT" and not call.args:
        return Count()
    arg, out = polars_type(call.args[0].typed), polars_type(call.typed)
    if name == "APPROX_COUNT_DISTINCT":
        return Distinct(arg, Count(), afresh=False)
    if name == "COLLECT":
        return Collect(arg, distinct=call.distinct)
    # The smallest of the different values is the smallest of all: DISTINCT says nothing there.
    distinct = call.distinct and name not in {"MIN", "MAX"}
    if not distinct:
        return _plain(call, arg, out, changes=changes)
    # Values come and go even where rows only come: a pane leaves the window.
    shrinks = changes or panes
    inner = _plain(call, arg, out, changes=shrinks)
    afresh = shrinks and isinstance(inner, FloatSum | FloatSpread)
    return Distinct(arg, inner, afresh=afresh)


def _user(call: AggCall, udf: AggUdf, *, shrinks: bool) -> Accumulator:
    """Return a user's function; of different values it is folded anew where some may go."""
    inner = UserFold(udf, len(call.args), strict=call.distinct and shrinks)
    if not call.distinct:
        return inner
    dtypes = [polars_type(arg.typed) for arg in call.args]
    arg = pl.Struct({f"{i}": d for i, d in enumerate(dtypes)}) if len(dtypes) > 1 else dtypes[0]
    return Distinct(arg, inner, afresh=shrinks)


def _plain(call: AggCall, arg: pl.DataType, out: pl.DataType, *, changes: bool) -> Accumulator:
    name = call.function
    if name == "COUNT":
        return Count()
    if name in {"SUM", "$SUM0", "AVG"}:
        return _sum(arg, out, average=name == "AVG", changes=changes)
    if name in SPREADS:
        sample, root = SPREADS[name]
        kind = IntSpread if out.is_integer() else FloatSpread
        return kind(out, sample=sample, root=root)
    if name in {"MIN", "MAX"}:
        if changes:
            return Ranked(arg, 1 if name == "MIN" else -1)
        return Pick(arg, Wanted[name])
    if name in {"FIRST_VALUE", "LAST_VALUE"}:
        if changes:
            return End(arg, last=name == "LAST_VALUE")
        return Pick(arg, Wanted[name.removesuffix("_VALUE")])
    if name == "ARRAY_AGG":
        return ArrayAgg(arg)
    assert name == "LISTAGG", f"the engine has no aggregate function {name}"
    return ListAgg(_separator(call))


def _sum(arg: pl.DataType, out: pl.DataType, *, average: bool, changes: bool) -> Accumulator:
    if arg.is_float():
        return FloatSum(out, average=average, changes=changes)
    if arg.is_decimal() or average:
        return WideSum(arg, out, average=average)
    return IntSum(out)


def _separator(call: AggCall) -> str:
    if len(call.args) == 1:
        return ","
    separator = call.args[1]
    assert isinstance(separator, Literal), "the separator of LISTAGG is a constant"
    return "" if separator.value is None else str(separator.value)
