"""Arrays and maps on Polars columns; see ``lists`` for what Polars' expressions cannot say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Fail, Lowered, lowers
from millstream.engine.functions.lists import flat, last_of_each_key, single, together
from millstream.engine.functions.series import constant_of, on_series
from millstream.expr.tree import Call

_FLOATS = t.Float | t.Double


def _element_type(call: Call, at: int = 0) -> t.LogicalType:
    found = call.args[at].typed
    assert isinstance(found, t.Array), "the catalogue has checked it"
    return found.element


@lowers("CARDINALITY")
def _cardinality(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.list.len().cast(pl.Int32)


@lowers("ELEMENT")
def _element(call: Call, ctx: Context, x: pl.Expr) -> Lowered:
    several = (x.list.len() > 1).fill_null(False)
    return Lowered(x.list.first(), (Fail(several, "ELEMENT of an array with several elements"),))


# --- one element


@lowers("ARRAY_CONTAINS")
def _contains(call: Call, ctx: Context, x: pl.Expr, needle: pl.Expr) -> pl.Expr:
    kind = _element_type(call)
    if isinstance(kind, t.Row | t.Map | t.Array | t.Multiset):
        return pl.when(x.is_not_null()).then(_first_equal(x, needle, nulls=True) > 0)
    found = x.list.contains(needle, nulls_equal=True)
    if isinstance(kind, _FLOATS):
        # To Polars NaN equals NaN, to SQL it equals nothing.
        found = found & ~needle.is_nan().fill_null(False)
    return found


@lowers("ARRAY_POSITION")
def _position(call: Call, ctx: Context, x: pl.Expr, needle: pl.Expr) -> pl.Expr:
    found = _first_equal(x, needle, nulls=False)
    return pl.when(x.is_not_null() & needle.is_not_null()).then(found)


def _first_equal(x: pl.Expr, needle: pl.Expr, *, nulls: bool) -> pl.Expr:
    """Return the first position of an equal element, 0 where there is none."""

    def run(column: pl.Series, needles: pl.Series) -> pl.Series:
        rows, values = flat(column)
        equal = _equal(values, needles.gather(rows), nulls=nulls).to_numpy()
        sizes = np.bincount(rows, minlength=len(column))
        starts = np.cumsum(sizes) - sizes
        found = np.zeros(len(column), dtype=np.int32)
        hits = np.flatnonzero(equal)[::-1]  # backwards, so that the first one is written last
        found[rows[hits]] = hits - starts[rows[hits]] + 1
        return pl.Series(column.name, found)

    return on_series(run, [x, needle], pl.Int32())


def _equal(a: pl.Series, b: pl.Series, *, nulls: bool) -> pl.Series:
    return a.eq_missing(b.cast(a.dtype)) if nulls else (a == b.cast(a.dtype)).fill_null(False)


@lowers("ARRAY_REMOVE")
def _remove(call: Call, ctx: Context, x: pl.Expr, needle: pl.Expr) -> pl.Expr:
    def run(column: pl.Series, needles: pl.Series) -> pl.Series:
        rows, values = flat(column)
        keep = ~_equal(values, needles.gather(rows), nulls=True)
        return together(rows[keep.to_numpy()], values.filter(keep), column)

    return on_series(run, [x, needle], polars_type(call.typed))


@lowers("ARRAY_APPEND")
def _append(call: Call, ctx: Context, x: pl.Expr, last: pl.Expr) -> pl.Expr:
    return pl.when(x.is_not_null()).then(pl.concat_list([x, single(last)]))


@lowers("ARRAY_PREPEND")
def _prepend(call: Call, ctx: Context, x: pl.Expr, first: pl.Expr) -> pl.Expr:
    return pl.when(x.is_not_null()).then(pl.concat_list([single(first), x]))


# --- one array


@lowers("ARRAY_DISTINCT")
def _distinct(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return _unique(x)


def _unique(x: pl.Expr) -> pl.Expr:
    return x.list.unique(maintain_order=True)


@lowers("ARRAY_REVERSE")
def _reverse(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.list.reverse()


@lowers("ARRAY_SORT")
def _sort(call: Call, ctx: Context, x: pl.Expr, *flags: pl.Expr) -> pl.Expr:
    ascending = flags[0] if flags else pl.lit(True)
    first = flags[1] if len(flags) > 1 else ascending
    found: pl.Expr = pl.lit(None, dtype=polars_type(call.typed))
    for up in (True, False):
        for nulls_first in (True, False):
            ordered = x.list.sort(descending=not up, nulls_last=not nulls_first)
            asked = (ascending == up) & (first == nulls_first)
            found = pl.when(asked).then(ordered).otherwise(found)
    return found


@lowers("ARRAY_MAX")
def _max(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    # Sorting counts NaN as the greatest, as SQL does; Polars' own max leaves it out.
    return x.list.sort(descending=True, nulls_last=True).list.first()


@lowers("ARRAY_MIN")
def _min(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.list.sort(nulls_last=True).list.first()


@lowers("ARRAY_SLICE")
def _slice(
    call: Call, ctx: Context, x: pl.Expr, first: pl.Expr, last: pl.Expr | None = None
) -> pl.Expr:
    size = x.list.len().cast(pl.Int64)
    start = pl.when(first < 0).then(size + first + 1).otherwise(first.cast(pl.Int64))
    start = pl.max_horizontal(start, pl.lit(1)) - 1
    known = x.is_not_null() & first.is_not_null()
    stop = size
    if last is not None:
        stop = pl.when(last < 0).then(size + last + 1).otherwise(last.cast(pl.Int64))
        stop = pl.when(last == 0).then(1).otherwise(stop)
        known = known & last.is_not_null()
    count = pl.max_horizontal(stop - start, pl.lit(0))
    return pl.when(known).then(x.list.slice(start, count))


@lowers("ARRAY_JOIN")
def _join(
    call: Call, ctx: Context, x: pl.Expr, by: pl.Expr, instead: pl.Expr | None = None
) -> pl.Expr:
    # Polars does not repeat a constant list for a column of delimiters, so when/then does.
    x = pl.when(by.is_not_null()).then(x)
    if instead is None:
        return x.list.join(by, ignore_nulls=True)
    fixed = constant_of(instead)
    if fixed is not None:
        filled = x.list.eval(pl.element().fill_null(fixed[0] or ""))
    else:
        filled = on_series(_filled, [x, instead], pl.List(pl.String))
    known = x.is_not_null() & instead.is_not_null()
    return pl.when(known).then(filled.list.join(by, ignore_nulls=True))


def _filled(column: pl.Series, instead: pl.Series) -> pl.Series:
    rows, values = flat(column)
    return together(rows, instead.gather(rows).zip_with(values.is_null(), values), column)


# --- several arrays


@lowers("ARRAY_CONCAT")
def _concat(call: Call, ctx: Context, *args: pl.Expr) -> pl.Expr:
    return _all_of(args)


def _all_of(args: tuple[pl.Expr, ...]) -> pl.Expr:
    known = pl.all_horizontal([a.is_not_null() for a in args])
    return pl.when(known).then(pl.concat_list(args))


@lowers("ARRAY_UNION")
def _union(call: Call, ctx: Context, *args: pl.Expr) -> pl.Expr:
    return _unique(_all_of(args))


def _against(how: str) -> Callable[[pl.Series, pl.Series], pl.Series]:
    """Return the elements of the first list that are (not) in the second."""

    def run(a: pl.Series, b: pl.Series) -> pl.Series:
        rows, values = flat(a)
        other_rows, others = flat(b)
        left = pl.DataFrame({"r": rows, "v": values}).with_row_index("i")
        right = pl.DataFrame({"r": other_rows, "v": others.cast(values.dtype)})
        kept = left.join(right, on=["r", "v"], how=how, nulls_equal=True).sort("i")  # type: ignore[arg-type]
        return together(kept["r"].to_numpy(), kept["v"], a)

    return run


@lowers("ARRAY_INTERSECT", "ARRAY_EXCEPT")
def _set_against(call: Call, ctx: Context, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    run = _against("semi" if call.function == "ARRAY_INTERSECT" else "anti")
    found = _unique(on_series(run, [a, b], polars_type(call.typed)))
    return pl.when(a.is_not_null() & b.is_not_null()).then(found)


# --- maps


@lowers("MAP_KEYS")
def _keys(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.list.eval(pl.element().struct.field("key"))


@lowers("MAP_VALUES")
def _values(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.list.eval(pl.element().struct.field("value"))


@lowers("MAP_ENTRIES")
def _entries(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x


@lowers("MAP_UNION")
def _map_union(call: Call, ctx: Context, *args: pl.Expr) -> pl.Expr:
    return last_of_each_key(_all_of(args))


@lowers("MAP_FROM_ARRAYS")
def _from_arrays(call: Call, ctx: Context, keys: pl.Expr, values: pl.Expr) -> Lowered:
    differ = (keys.list.len() != values.list.len()).fill_null(False)
    fits = keys.is_not_null() & values.is_not_null() & ~differ
    dtype = polars_type(call.typed)

    def run(a: pl.Series, b: pl.Series) -> pl.Series:
        rows, left = flat(a)
        _, right = flat(b)
        entries = pl.DataFrame({"key": left, "value": right}).to_struct("v")
        like = pl.Series(a.name, [None], dtype=dtype).new_from_index(0, len(a))
        empty = pl.Series([[]], dtype=dtype).new_from_index(0, len(a))
        return together(rows, entries, empty.zip_with(a.is_not_null(), like))

    pairs = on_series(run, [pl.when(fits).then(keys), pl.when(fits).then(values)], dtype)
    reason = "MAP_FROM_ARRAYS of arrays of different lengths"
    return Lowered(last_of_each_key(pairs), (Fail(differ, reason),))
