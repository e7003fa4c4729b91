"""Rows by a hash of all their columns: equal for equal rows, whatever frame they stand in."""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.state.row_hashes import row_hash

SEED = 7
ROWS = [
    {"a": a, "t": t, "f": f}
    for a in (None, 0, 1)
    for t in (None, "", "x", "0")
    for f in (None, 0.0, 1.5, float("nan"))
]
TYPES = {"a": pl.Int64, "t": pl.String, "f": pl.Float64}


def test_equal_rows_have_equal_hashes_and_others_do_not() -> None:
    """Alone, in chunks, or among others; a value that moves to another column makes another row."""
    frame = pl.DataFrame(ROWS, schema=TYPES)
    whole = row_hash(frame, SEED)
    alone = [row_hash(frame[i], SEED) for i in range(frame.height)]
    assert (np.concatenate(alone) == whole).all()
    assert (row_hash(pl.concat([frame, frame]), SEED) == np.tile(whole, 2)).all()
    assert len(set(whole.tolist())) == frame.height
    pairs = pl.DataFrame({"a": [1, 2, None, 1], "b": [2, 1, 1, None]})
    assert len(set(row_hash(pairs, SEED).tolist())) == 4


def test_zeros_are_one_value_and_no_columns_are_one_row() -> None:
    """-0.0 = 0.0 as in comparisons; a key of no columns is the same for all rows."""
    found = row_hash(pl.DataFrame({"f": [0.0, -0.0], "g": [-0.0, 0.0]}), SEED)
    assert found[0] == found[1]
    assert row_hash(pl.DataFrame(height=2), SEED).tolist() == [0, 0]
