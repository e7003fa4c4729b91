"""Watermarks of one scan."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from millstream.engine.marks import LOWEST_MS, SplitMarks

BLOCKS = st.lists(
    st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, 50), min_size=1, max_size=6)),
    max_size=8,
)


def _naive(blocks: list[tuple[str, list[int]]]) -> list[int]:
    """Row by row, straight from SEMANTICS §1."""
    high = {"a": LOWEST_MS, "b": LOWEST_MS}
    given_ms, marks = LOWEST_MS, []
    for split, values in blocks:
        for value in values:
            marks.append(given_ms)
            high[split] = max(high[split], value)
            given_ms = max(given_ms, min(high.values()))
    return marks


@given(BLOCKS)
def test_every_row_gets_the_mark_it_arrived_under(blocks: list[tuple[str, list[int]]]) -> None:
    """A block is an accident; a row's mark is that of the rows before it."""
    marks = SplitMarks()
    marks.add("a")
    marks.add("b")
    got: list[int] = []
    for split, values in blocks:
        times = np.array(values, dtype=np.int64)
        under = marks.advance(split, times)
        assert under.is_behind(times) == bool((times <= under.marks()).any())
        # Each just ahead of its own mark, some perhaps not ahead of the last one.
        assert not under.is_behind(under.marks() + 1)
        got.extend(under.marks().tolist())
    assert got == _naive(blocks)


def test_an_idle_split_lets_go_and_takes_hold_again() -> None:
    """Its next row makes it active, and the mark never goes back."""
    marks = SplitMarks()
    marks.add("a")
    marks.advance("b", np.array([10]))
    assert marks.given_ms == LOWEST_MS
    marks.set_idle("a")
    assert marks.given_ms == 10
    marks.advance("a", np.array([5]))
    marks.advance("b", np.array([20]))
    assert marks.given_ms == 10


def test_marks_survive_a_checkpoint() -> None:
    """A restart must not make rows late or on time that were not."""
    marks = SplitMarks()
    marks.advance("a", np.array([10, 30]))
    marks.end("a")
    marks.advance("b", np.array([7]))
    back = SplitMarks.from_json(marks.to_json())
    later = np.array([50])
    assert back.advance("b", later).marks().tolist() == marks.advance("b", later).marks().tolist()
