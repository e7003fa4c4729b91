"""Whole frames without a query: the same of few rows, column by column, as of many."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from millstream.columns.frames import (
    FEW_ROWS,
    PADS_MAX,
    computed,
    filtered,
    framed,
    gathered,
    is_null,
    is_there,
    picked,
    stacked,
    without,
)

HEIGHTS = (0, 1, 3, FEW_ROWS, FEW_ROWS + 1)


def frame_of(height: int) -> pl.DataFrame:
    """Return a frame with NULLs, a nested column and texts."""
    numbers = pl.Series("n", range(height), dtype=pl.Int64)
    kept = pl.select(pl.when(numbers % 3 > 0).then(numbers).alias("n")).to_series()
    texts = ("text " + numbers.cast(pl.String)).alias("t")
    return pl.DataFrame([kept, texts, pl.DataFrame([kept, texts]).to_struct("row")])


@pytest.mark.parametrize("height", HEIGHTS)
def test_a_filter_keeps_the_rows_where_its_mask_is_true(height: int) -> None:
    """A mask that is NULL drops its row, of few rows as of many."""
    frame = frame_of(height)
    assert_frame_equal(filtered(frame, frame["n"] > 1), frame.filter(pl.col("n") > 1))


@pytest.mark.parametrize("height", HEIGHTS)
def test_computed_columns_are_as_long_as_the_frame(height: int) -> None:
    """A constant alone has one row, in Polars; here it has the frame's."""
    frame = frame_of(height)
    columns = [(pl.col("n") + 1).alias("more"), pl.lit("x").alias("same"), pl.col("row")]
    assert_frame_equal(pl.DataFrame(computed(frame, columns)), frame.with_columns(columns).select(
        "more", "same", "row"
    ))  # fmt: skip


@pytest.mark.parametrize("height", HEIGHTS)
def test_rows_are_gathered_in_the_order_asked_for(height: int) -> None:
    """Twice, where a place is asked for twice; none where none is."""
    frame = frame_of(FEW_ROWS + 1)
    places = np.arange(height)[::-1] // 2
    assert_frame_equal(gathered(frame, places), frame[places])


@pytest.mark.parametrize("height", HEIGHTS)
def test_stacked_frames_are_one_below_the_other(height: int) -> None:
    """In the order given, whatever each one's height is."""
    frames = [frame_of(height), frame_of(2), frame_of(0)]
    assert_frame_equal(stacked(frames), pl.concat(frames))
    assert_frame_equal(stacked(frames[:1]), frames[0])


def test_columns_are_picked_in_the_order_asked_for() -> None:
    """``without`` takes names that the frame does not have."""
    frame = frame_of(3)
    assert picked(frame, ("row", "n")).columns == ["row", "n"]
    assert without(frame, ("t", "nowhere")).columns == ["n", "row"]
    assert picked(frame, ()).width == 0


@pytest.mark.parametrize("height", HEIGHTS)
def test_a_filter_that_takes_all_or_none(height: int) -> None:
    """Both are given without looking at the columns; NULL is not true."""
    frame = frame_of(height)
    assert_frame_equal(filtered(frame, pl.Series([True] * height, dtype=pl.Boolean)), frame)
    for no in (False, None):
        assert_frame_equal(filtered(frame, pl.Series([no] * height, dtype=pl.Boolean)), frame[:0])
    either = pl.Series([None if n % 2 else True for n in range(height)], dtype=pl.Boolean)
    assert_frame_equal(filtered(frame, either), frame[::2])


@pytest.mark.parametrize("height", HEIGHTS)
def test_nulls_are_found_as_polars_finds_them(height: int) -> None:
    """With and without any, nested columns and texts too."""
    for column in frame_of(height):
        assert_series_equal(is_null(column), column.is_null())
        assert_series_equal(is_there(column), column.is_not_null())


@pytest.mark.skipif(pl.thread_pool_size() > PADS_MAX, reason="more threads than it is worth")
def test_few_rows_are_computed_in_the_calling_thread() -> None:
    """An expression with several inputs, alone in its query, would be handed to Polars' pool."""
    seen: list[int] = []

    def noted(columns: Sequence[pl.Series]) -> pl.Series:
        seen.append(threading.get_ident())
        return columns[0]

    one = pl.map_batches(["n"], noted, return_dtype=pl.Int64, is_elementwise=True)
    computed(frame_of(3), [(one + pl.col("n")).alias("x")])
    computed(frame_of(3), [(one + pl.col("n")).alias("x"), pl.col("t")])
    assert set(seen) == {threading.get_ident()}


@pytest.mark.parametrize("height", HEIGHTS)
def test_columns_become_a_frame(height: int) -> None:
    """As Polars' own constructor makes it, none of them included; two of a name are refused."""
    frame = frame_of(height)
    assert_frame_equal(framed(frame.get_columns()), frame)
    assert_frame_equal(framed([]), pl.DataFrame())
    with pytest.raises(pl.exceptions.DuplicateError):
        framed([frame["n"], frame["n"]])
