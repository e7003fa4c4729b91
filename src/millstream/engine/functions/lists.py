"""Lists taken apart and put together again, without a Python loop.

A list column *flat* is its elements one below the other, and for each the row it came from; what
Polars' list expressions cannot say (compare with another column, set against another list) is one
operation on the flat form.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

Rows = np.ndarray


def flat(column: pl.Series) -> tuple[Rows, pl.Series]:
    """Return the row of each element, and the elements."""
    sizes = column.list.len().fill_null(0).to_numpy().astype(np.int64)
    rows = np.repeat(np.arange(len(column)), sizes)
    return rows, column.filter(pl.Series(sizes > 0)).explode().rename("v")


def together(rows: Rows, values: pl.Series, like: pl.Series) -> pl.Series:
    """Return the elements as lists again; a row is NULL where ``like`` is, else empty or full."""
    inner = like.dtype.inner if isinstance(like.dtype, pl.List) else values.dtype
    dtype = pl.List(inner)
    grouped = (
        pl.DataFrame({"r": pl.Series(rows, dtype=pl.Int64), "v": values.cast(inner)})
        .group_by("r", maintain_order=True)
        .agg("v")
    )
    every = pl.DataFrame({"r": pl.Series(np.arange(len(like)), dtype=pl.Int64)})
    found = every.join(grouped, on="r", how="left", maintain_order="left")["v"].cast(dtype)
    empty = pl.Series([[]], dtype=dtype).new_from_index(0, len(like))
    nothing = pl.Series([None], dtype=dtype).new_from_index(0, len(like))
    full = empty.zip_with(found.is_null(), found)
    return nothing.zip_with(like.is_null(), full).rename(like.name)


def single(x: pl.Expr) -> pl.Expr:
    """Return lists of one element each; ``concat_list`` alone would take a list apart."""
    return listed([x])


def listed(parts: list[pl.Expr]) -> pl.Expr:
    """Return lists of the parts, whatever their dtype."""
    found = pl.concat_list([pl.struct(e=x) for x in parts]).list.eval(
        pl.element().struct.field("e")
    )
    return one_if_constant(found, parts)


def one_if_constant(found: pl.Expr, parts: Sequence[pl.Expr]) -> pl.Expr:
    """Return an expression of constants as a scalar, which fits frames of any height."""
    return found if any(x.meta.root_names() for x in parts) else found.first()


def last_of_each_key(entries: pl.Expr) -> pl.Expr:
    """Return the entries of a map without those whose key comes again."""
    key = pl.element().struct.field("key")
    return entries.list.eval(pl.element().filter(key.is_last_distinct()))
