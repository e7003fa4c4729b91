"""Rows by a hash of all their columns: equal for equal rows, whatever frame they stand in."""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.state.row_hashes import row_hashes

SEED = 7 | 11 << 32
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
    whole = np.stack(row_hashes(frame, SEED))
    alone = [np.stack(row_hashes(frame[i], SEED)) for i in range(frame.height)]
    assert (np.concatenate(alone, axis=1) == whole).all()
    assert (np.stack(row_hashes(pl.concat([frame, frame]), SEED)) == np.tile(whole, 2)).all()
    assert all(len(set(hashes.tolist())) == frame.height for hashes in whole)
    pairs = pl.DataFrame({"a": [1, 2, None, 1], "b": [2, 1, 1, None]})
    assert len(set(row_hashes(pairs, SEED)[0].tolist())) == 4


def test_zeros_are_one_value_and_no_columns_are_one_row() -> None:
    """-0.0 = 0.0 as in comparisons; a key of no columns is the same for all rows."""
    zeros = pl.DataFrame({"f": [0.0, -0.0], "g": [-0.0, 0.0]})
    one, two = row_hashes(zeros, SEED)
    assert one[0] == one[1]
    assert two[0] == two[1]
    assert row_hashes(pl.DataFrame(height=2), SEED)[0].tolist() == [0, 0]


def test_both_hashes_are_independent() -> None:
    """Keys are told apart by 128 bits, not by 64 twice."""
    one, two = row_hashes(pl.DataFrame({"a": range(1000), "b": range(1000)}), SEED)
    assert abs(np.corrcoef(one.astype(float), two.astype(float))[0, 1]) < 0.2
