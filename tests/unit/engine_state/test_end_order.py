"""Rows by the time they wait for: as a sorted list gives them, whatever is merged when."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from millstream.engine.state.end_order import EndOrder

TIMES = st.integers(min_value=-20, max_value=20)
STEPS = st.lists(st.one_of(st.lists(TIMES, max_size=6), TIMES), max_size=60)


def frame_of(rows: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {"n": rows, "t": [f"row {n}" for n in rows]}, {"n": pl.Int64, "t": pl.String}
    )


@given(steps=STEPS)
def test_rows_come_by_time_then_in_the_order_they_came(steps: list[list[int] | int]) -> None:
    """A list of times is added, a number takes what waits no longer; arrays and frames alike."""
    slots, frames = EndOrder(np.zeros(0, dtype=np.int64)), EndOrder(frame_of([]))
    waiting: list[tuple[int, int]] = []
    number = 0
    for step in steps:
        if isinstance(step, list):
            rows = list(range(number, number + len(step)))
            number += len(step)
            waiting += zip(step, rows, strict=True)
            slots.add(np.array(step, dtype=np.int64), np.array(rows, dtype=np.int64))
            frames.add(np.array(step, dtype=np.int64), frame_of(rows))
        else:
            due = sorted(row for row in waiting if row[0] <= step)
            waiting = [row for row in waiting if row[0] > step]
            for times, found in (slots.take(step), _numbers(*frames.take(step))):
                assert times.tolist() == [time for time, _ in due]
                assert found.tolist() == [row for _, row in due]
        assert len(slots) == len(frames) == len(waiting)
        assert slots.first() == min((time for time, _ in waiting), default=None)
    left = [row for _, row in sorted(waiting)]
    assert slots.all()[1].tolist() == left
    assert frames.all()[1].equals(frame_of(left))


def _numbers(times: np.ndarray, rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return times, rows["n"].to_numpy()
