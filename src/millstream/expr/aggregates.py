"""The aggregate functions: names, argument types, result types.

in      an AggCall whose arguments are typed
out     the same call typed, arguments cast where the function wants another type
bad     UnknownName, TypeMismatch, with the place the user wrote
source  Flink's built-in aggregate functions; SUM and AVG keep an integer's type (Flink), a decimal
        becomes DECIMAL(38, …)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from millstream import types as t
from millstream.errors import PlanError, TypeMismatch, UnknownName
from millstream.expr.casts import castable
from millstream.expr.coerce import avg_result, sum_result
from millstream.expr.tree import AggCall, Cast, Expr, Literal
from millstream.types.logical import BinaryString, CharacterString, Interval, Numeric, Temporal

Takes = Callable[[t.LogicalType], bool]
Gives = Callable[[t.LogicalType], t.LogicalType]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One aggregate function; ``gives`` maps the first argument's type to the result's.

    ``invertible`` tells that a row can be taken back exactly (of exact numbers), so that windows
    may subtract; ``ordered`` that the result depends on the order of the rows.
    """

    name: str
    says: str
    doc: str
    takes: Takes
    gives: Gives
    args_min: int = 1
    args_max: int = 1
    aliases: tuple[str, ...] = ()
    invertible: bool = False
    ordered: bool = False


def _number(dtype: t.LogicalType) -> bool:
    return isinstance(dtype, Numeric)


def _summable(dtype: t.LogicalType) -> bool:
    return isinstance(dtype, Numeric | Interval)


def _sortable(dtype: t.LogicalType) -> bool:
    kinds = Numeric | CharacterString | BinaryString | Temporal | Interval | t.Boolean
    return isinstance(dtype, kinds)


def _text(dtype: t.LogicalType) -> bool:
    return isinstance(dtype, CharacterString)


def _anything(_dtype: t.LogicalType) -> bool:
    return True


def _same(dtype: t.LogicalType) -> t.LogicalType:
    return dtype.with_nullable(True)


def _count(_dtype: t.LogicalType) -> t.LogicalType:
    return t.BigInt(nullable=False)


def _sum(dtype: t.LogicalType) -> t.LogicalType:
    return sum_result(dtype).with_nullable(True)


def _sum0(dtype: t.LogicalType) -> t.LogicalType:
    return sum_result(dtype).with_nullable(False)


def _avg(dtype: t.LogicalType) -> t.LogicalType:
    return avg_result(dtype).with_nullable(True)


def _multiset(dtype: t.LogicalType) -> t.LogicalType:
    return t.Multiset(dtype, nullable=False)


def _array(dtype: t.LogicalType) -> t.LogicalType:
    return t.Array(dtype.with_nullable(True))


def _listed(_dtype: t.LogicalType) -> t.LogicalType:
    return t.VarChar()


AGGREGATES: tuple[Aggregate, ...] = (
    Aggregate(
        name="COUNT",
        says="COUNT(*) or COUNT([DISTINCT] any)",
        args_min=0,
        invertible=True,
        doc="The number of rows, or of rows whose argument is not NULL.",
        takes=_anything,
        gives=_count,
    ),
    Aggregate(
        name="APPROX_COUNT_DISTINCT",
        says="APPROX_COUNT_DISTINCT(any)",
        doc="The number of different values; Millstream counts exactly.",
        takes=_sortable,
        gives=_count,
    ),
    Aggregate(
        name="SUM",
        says="SUM([DISTINCT] number)",
        invertible=True,
        doc="The sum; NULL where there is no value; integers wrap around.",
        takes=_summable,
        gives=_sum,
    ),
    Aggregate(
        name="$SUM0",
        says="$SUM0(number)",
        invertible=True,
        doc="The sum; 0 where there is no value.",
        takes=_number,
        gives=_sum0,
    ),
    Aggregate(
        name="AVG",
        says="AVG([DISTINCT] number)",
        invertible=True,
        doc="The mean; of integers it is the integer towards zero.",
        takes=_number,
        gives=_avg,
    ),
    Aggregate(
        name="MIN",
        says="MIN(sortable)",
        doc="The smallest value.",
        takes=_sortable,
        gives=_same,
    ),
    Aggregate(
        name="MAX",
        says="MAX(sortable)",
        doc="The largest value.",
        takes=_sortable,
        gives=_same,
    ),
    Aggregate(
        name="STDDEV_POP",
        says="STDDEV_POP([DISTINCT] number)",
        doc="The standard deviation of the population.",
        takes=_number,
        gives=_avg,
    ),
    Aggregate(
        name="STDDEV_SAMP",
        says="STDDEV_SAMP([DISTINCT] number)",
        aliases=("STDDEV",),
        doc="The standard deviation of a sample; NULL for one value.",
        takes=_number,
        gives=_avg,
    ),
    Aggregate(
        name="VAR_POP",
        says="VAR_POP([DISTINCT] number)",
        doc="The variance of the population.",
        takes=_number,
        gives=_avg,
    ),
    Aggregate(
        name="VAR_SAMP",
        says="VAR_SAMP([DISTINCT] number)",
        aliases=("VARIANCE",),
        doc="The variance of a sample; NULL for one value.",
        takes=_number,
        gives=_avg,
    ),
    Aggregate(
        name="FIRST_VALUE",
        says="FIRST_VALUE(any)",
        ordered=True,
        doc="The first value that is not NULL, in order of arrival.",
        takes=_anything,
        gives=_same,
    ),
    Aggregate(
        name="LAST_VALUE",
        says="LAST_VALUE(any)",
        ordered=True,
        doc="The last value that is not NULL, in order of arrival.",
        takes=_anything,
        gives=_same,
    ),
    Aggregate(
        name="LISTAGG",
        says="LISTAGG(text [, separator])",
        args_max=2,
        ordered=True,
        doc="The texts one after the other, with a separator (a constant; ',' if not said).",
        takes=_text,
        gives=_listed,
    ),
    Aggregate(
        name="COLLECT",
        says="COLLECT([DISTINCT] any)",
        doc="The values that are not NULL, each with its count.",
        takes=_anything,
        gives=_multiset,
    ),
    Aggregate(
        name="ARRAY_AGG",
        says="ARRAY_AGG([DISTINCT] any)",
        ordered=True,
        doc="The values, NULL too, in order of arrival; NULL where there is no row.",
        takes=_anything,
        gives=_array,
    ),
)
_BY_NAME = {name: each for each in AGGREGATES for name in (each.name, *each.aliases)}


def is_aggregate(name: str) -> bool:
    """Tell whether there is an aggregate function of this name."""
    return name.upper() in _BY_NAME


def find(name: str) -> Aggregate:
    """Return an aggregate function by name or alias, or raise UnknownName."""
    found = _BY_NAME.get(name.upper())
    if found is None:
        raise UnknownName("aggregate function", name, available=_BY_NAME)
    return found


def resolve(agg: AggCall) -> AggCall:
    """Return the call with its canonical name and type, its arguments as the function wants."""
    try:
        return _resolved(agg)
    except PlanError as error:
        error.where = error.where or agg.place
        raise


def _resolved(agg: AggCall) -> AggCall:
    rule = find(agg.function)
    given = len(agg.args)
    if not rule.args_min <= given <= rule.args_max:
        raise TypeMismatch(
            f"{rule.name} does not take {given} arguments.", hint=f"It is {rule.says}."
        )
    checked(agg)
    if not agg.args:
        return replace(agg, function=rule.name, type=rule.gives(t.Null()))
    args = (_first(rule, agg.args[0]), *(_separator(a) for a in agg.args[1:]))
    return replace(agg, function=rule.name, args=args, type=rule.gives(args[0].typed))


def checked(agg: AggCall) -> AggCall:
    """Return the call if its DISTINCT and FILTER mean something."""
    if agg.distinct and not agg.args:
        raise TypeMismatch(
            "DISTINCT needs an argument.", where=agg.place, hint="Write COUNT(DISTINCT column)."
        )
    if agg.filter is not None and not isinstance(agg.filter.typed, t.Boolean | t.Null):
        raise TypeMismatch(
            f"FILTER wants a condition, this is {agg.filter.typed}.", where=agg.filter.place
        )
    return agg


def _first(rule: Aggregate, arg: Expr) -> Expr:
    have = arg.typed
    if rule.name == "LISTAGG" and not _text(have) and castable(have, t.VarChar()):
        return Cast(arg, t.VarChar(), type=t.VarChar(nullable=have.nullable), place=arg.place)
    if not rule.takes(have):
        raise TypeMismatch(
            f"{rule.name} does not take {have.with_nullable(True)}.",
            where=arg.place,
            hint=f"It is {rule.says}.",
        )
    return arg


def _separator(arg: Expr) -> Expr:
    if isinstance(arg, Literal) and isinstance(arg.value, str):
        return arg
    raise TypeMismatch(
        "The separator of LISTAGG is a text constant.",
        where=arg.place,
        hint="Write LISTAGG(x, '; ').",
    )
