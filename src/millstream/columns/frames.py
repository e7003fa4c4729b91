"""What is done to whole frames, without a query where none is needed.

in      frames of any height
out     as Polars' own ``select``, ``filter`` and ``concat`` would give it
few     few rows stay in the calling thread. Polars hands work to its pool, whose workers yield
        their turn again and again before they sleep: beside other busy processes a call of 30 us
        waits a millisecond for one. And they stay out of queries where a Series has a method that
        is none: 20 to 40 us each, and several times that where the processor's caches are cold
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

FEW_ROWS = 2_048
PADS_MAX = 16
_THREADS = pl.thread_pool_size()
_PADS = [pl.lit(None).alias(f"$pad{n}") for n in range(_THREADS if _THREADS <= PADS_MAX else 0)]
"""A query in sequence computes its expressions inline when it has as many as the pool has threads;
with fewer, functions of several arguments (CASE, COALESCE) still go through the pool. A constant
costs a microsecond (docs/decisions/0703)."""
_NO = pl.Series("", [False])
_YES = pl.Series("", [True])


def picked(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return columns of a frame in this order; ``select`` would plan a query for it each time."""
    return frame[:, list(names)] if names else frame.select()


def without(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """Return a frame without these columns, which it need not have; no query is planned either."""
    left = [c for c in frame.columns if c not in names]
    return frame if len(left) == frame.width else picked(frame, left)


def framed(columns: Sequence[pl.Series]) -> pl.DataFrame:
    """Return columns of one length as a frame; ``pl.DataFrame`` looks at each of them first."""
    return columns[0].to_frame().hstack(list(columns[1:])) if columns else pl.DataFrame()


def filtered(frame: pl.DataFrame, mask: pl.Series) -> pl.DataFrame:
    """Return the rows for which a mask, as long as the frame, is true."""
    if not mask.any():
        return frame.clear()
    if not mask.null_count() and mask.all():
        return frame
    if frame.height > FEW_ROWS or not frame.width:
        return frame.filter(mask)
    return framed([column.filter(mask) for column in frame])


def gathered(frame: pl.DataFrame, places: np.ndarray) -> pl.DataFrame:
    """Return the rows at these places, in this order."""
    if len(places) > FEW_ROWS or not frame.width:
        return frame[places]
    return framed(gathered_columns(frame.get_columns(), places))


def gathered_columns(columns: Sequence[pl.Series], places: np.ndarray) -> list[pl.Series]:
    """Return the values at these places of each column, in this order."""
    at = pl.Series(places.astype(np.uint32))  # ``gather`` is a query
    return [column[at] for column in columns]


def is_null(column: pl.Series) -> pl.Series:
    """Return which values are NULL, as ``Series.is_null`` does with a query."""
    if not column.null_count():
        return _NO.new_from_index(0, len(column)).alias(column.name)
    return column.is_null()


def is_there(column: pl.Series) -> pl.Series:
    """Return which values are not NULL."""
    if not column.null_count():
        return _YES.new_from_index(0, len(column)).alias(column.name)
    return column.is_not_null()


def computed(frame: pl.DataFrame, columns: Sequence[pl.Expr]) -> list[pl.Series]:
    """Return columns computed row by row; a constant is as long as the frame."""
    wanted, height = len(columns), frame.height
    if not wanted:
        return []
    if height > FEW_ROWS:
        found = frame.select(columns).get_columns()
    else:
        found = frame.select_seq([*columns, *_PADS[wanted:]]).get_columns()[:wanted]
    return [f if len(f) == height else f.new_from_index(0, height) for f in found]


def stacked(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return frames of one schema one below the other."""
    if len(frames) > 1 and sum(frame.height for frame in frames) > FEW_ROWS:
        return pl.concat(frames)
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.vstack(frame)
    return whole
