"""Keys by a hash of their words: equal for equal rows, whatever batch they stand in."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from millstream.engine.state.key_hashes import key_hashes

SEED = 7 | 11 << 32
ROWS = [
    {"a": a, "t": t, "f": f}
    for a in (None, 0, 1)
    for t in (None, "", "x", "0", "twelve bytes", "thirteen bytes", "some more than thirteen")
    for f in (None, 0.0, 1.5, float("nan"))
]
TYPES = {"a": pl.Int64, "t": pl.String, "f": pl.Float64}


def hashes(frame: pl.DataFrame) -> np.ndarray:
    return np.stack(key_hashes(frame.get_columns(), SEED))


def test_equal_rows_have_equal_hashes_and_others_do_not() -> None:
    """Alone, in chunks, beside NULLs or not; a value in another column makes another row."""
    frame = pl.DataFrame(ROWS, schema=TYPES)
    whole = hashes(frame)
    alone = [hashes(frame[i]) for i in range(frame.height)]
    assert (np.concatenate(alone, axis=1) == whole).all()
    assert (hashes(pl.concat([frame, frame])) == np.tile(whole, 2)).all()
    assert (hashes(frame[3:9]) == whole[:, 3:9]).all()
    assert all(len(set(half.tolist())) == frame.height for half in whole)
    pairs = pl.DataFrame({"a": [1, 2, None, 1], "b": [2, 1, 1, None]})
    assert len(set(hashes(pairs)[0].tolist())) == 4


def test_zeros_and_what_is_no_number_are_one_value() -> None:
    """-0.0 = 0.0 as in comparisons, and a NaN is the same whatever its bits are."""
    odd = np.array([0x7FF8000000000000, -0x7FFFFFFFFFFFF], dtype=np.int64).view(np.float64)
    for values in ([0.0, -0.0], odd):
        one, two = key_hashes([pl.Series(values)], SEED)
        assert one[0] == one[1]
        assert two[0] == two[1]


def test_both_hashes_are_independent() -> None:
    """Keys are told apart by 128 bits, not by 64 twice."""
    one, two = hashes(pl.DataFrame({"a": range(1000), "b": range(1000)}))
    assert abs(np.corrcoef(one.astype(float), two.astype(float))[0, 1]) < 0.2


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([[1], [2], None, []], dtype=pl.List(pl.Int32)),
        pl.Series([b"a", b"", None, b"x" * 40], dtype=pl.Binary),
        pl.Series([1, -1, None, 10**15]).cast(pl.Decimal(38, 0)) * 10**9,
        pl.Series(["some long text, its end: a", "some long text, its end: b", None, ""]),
    ],
    ids=["nested", "bytes", "decimals", "texts"],
)
def test_every_kind_of_column(column: pl.Series) -> None:
    """Different values are told apart, the same ones are not, in a slice or not."""
    found = hashes(column.to_frame())
    assert all(len(set(half.tolist())) == len(column) for half in found)
    assert (hashes(column[1:].to_frame()) == found[:, 1:]).all()


def test_words_that_differ_in_their_top_bit_differ_by_secret_bits() -> None:
    """Else a second word could be chosen, whatever the seed, that makes two keys one.

    After one round of multiplying the sign of a number moves bits 63 and 31 of both hashes.
    """
    numbers = np.arange(1, 2_000, dtype=np.int64)
    found = []
    for seed in (SEED, SEED + 1):
        plus = np.stack(key_hashes([pl.Series(numbers)], seed))
        minus = np.stack(key_hashes([pl.Series(numbers ^ np.int64(-(2**63)))], seed))
        moved = plus ^ minus
        assert len(set(moved[0].tolist()) & set(moved[1].tolist())) == 0
        found.append(set(moved.ravel().tolist()))
    assert not found[0] & found[1]


@pytest.mark.parametrize("width", [2, 49, 130])
def test_where_a_null_is_counts_in_wide_rows(width: int) -> None:
    """No NULLs of two columns hide each other: a zero would be equal to them."""
    for place in range(1, width):
        row: list[int | None] = [0] * width
        rows = [list(row)]
        row[0] = None
        rows.append(list(row))
        row[place] = None
        rows.append(list(row))
        frame = pl.DataFrame(rows, schema={f"c{n}": pl.Int64 for n in range(width)}, orient="row")
        assert all(len(set(half.tolist())) == 3 for half in hashes(frame))
