"""Rows, arrays and maps on Polars columns: structs, lists, lists of ``{key, value}``."""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Fail, Lowered, lowers
from millstream.engine.functions.lists import flat, last_of_each_key, listed, one_if_constant
from millstream.engine.functions.series import constant_of, on_series
from millstream.expr.tree import Call, Literal


@lowers("ARRAY")
def _array(call: Call, ctx: Context, *args: pl.Expr) -> pl.Expr:
    return listed(list(args)).cast(polars_type(call.typed))


@lowers("MAP")
def _map(call: Call, ctx: Context, *args: pl.Expr) -> pl.Expr:
    pairs = zip(args[::2], args[1::2], strict=True)
    entries = pl.concat_list([pl.struct(key=key, value=value) for key, value in pairs])
    keys = [a.value if isinstance(a, Literal) else call for a in call.args[::2]]
    if call in keys or len(set(keys)) < len(keys):
        entries = last_of_each_key(entries)
    return one_if_constant(entries, args)


@lowers("ROW")
def _row(call: Call, ctx: Context, *args: pl.Expr) -> pl.Expr:
    return pl.struct([x.alias(f"EXPR${i}") for i, x in enumerate(args)])


@lowers("FIELD")
def _field(call: Call, ctx: Context, row: pl.Expr, name: pl.Expr) -> pl.Expr:
    key = call.args[1]
    assert isinstance(key, Literal), "the catalogue has checked it"
    return row.struct.field(key.value)


@lowers("ITEM")
def _item(call: Call, ctx: Context, x: pl.Expr, index: pl.Expr) -> pl.Expr | Lowered:
    kind = call.args[0].typed
    if isinstance(kind, t.Row):
        return _field(call, ctx, x, index)
    if isinstance(kind, t.Map):
        return _entry(call, x, index)
    before = (index < 1).fill_null(False)
    value = x.list.get(pl.when(index >= 1).then(index - 1), null_on_oob=True)
    return Lowered(value, (Fail(before, "the elements of an array start at [1]"),))


def _entry(call: Call, x: pl.Expr, key: pl.Expr) -> pl.Expr:
    dtype = polars_type(call.typed)
    if constant_of(key) is not None:
        hit = pl.element().struct.field("key") == key
        found = x.list.eval(pl.element().filter(hit).struct.field("value"))
        return found.list.last()

    def look_up(column: pl.Series, keys: pl.Series) -> pl.Series:
        rows, entries = flat(column)
        hit = (entries.struct.field("key") == keys.gather(rows)).fill_null(False)
        values = entries.struct.field("value").filter(hit)
        # Each row's last hit, or the extra slot at the end, which is NULL.
        where = np.full(len(column), len(values), dtype=np.int64)
        where[rows[hit.to_numpy()]] = np.arange(len(values))
        padded = pl.concat([values, pl.Series(values.name, [None], dtype=values.dtype)])
        return padded.gather(where).cast(dtype)

    return on_series(look_up, [x, key], dtype)
