"""What is done to whole frames, without a query where none is needed.

in      frames of any height
out     as Polars' own ``select``, ``filter`` and ``concat`` would give it
few     of a frame of few rows each column is done by itself, in the calling thread. Polars hands
        several columns to its pool, whose workers yield their turn again and again before they
        sleep: beside other busy processes a call of 30 us waits a millisecond for one
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import numpy as np

FEW_ROWS = 2_048


def picked(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return columns of a frame in this order; ``select`` would plan a query for it each time."""
    return frame[:, list(names)] if names else frame.select()


def without(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """Return a frame without these columns, which it need not have; no query is planned either."""
    left = [c for c in frame.columns if c not in names]
    return frame if len(left) == frame.width else picked(frame, left)


def filtered(frame: pl.DataFrame, mask: pl.Series) -> pl.DataFrame:
    """Return the rows for which a mask, as long as the frame, is true."""
    if frame.height > FEW_ROWS or not frame.width:
        return frame.filter(mask)
    return pl.DataFrame([column.filter(mask) for column in frame])


def gathered(frame: pl.DataFrame, places: np.ndarray) -> pl.DataFrame:
    """Return the rows at these places, in this order."""
    if len(places) > FEW_ROWS or not frame.width:
        return frame[places]
    return pl.DataFrame([column.gather(places) for column in frame])


def computed(frame: pl.DataFrame, columns: Sequence[pl.Expr]) -> list[pl.Series]:
    """Return columns computed row by row; a constant is as long as the frame."""
    if frame.height > FEW_ROWS:
        found = frame.select(columns).get_columns()
    else:
        found = [frame.select(column).to_series() for column in columns]
    height = frame.height
    return [f if len(f) == height else f.new_from_index(0, height) for f in found]


def stacked(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return frames of one schema one below the other."""
    if len(frames) > 1 and sum(frame.height for frame in frames) > FEW_ROWS:
        return pl.concat(frames)
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.vstack(frame)
    return whole
