"""Copies of state in memory that is used again."""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.state.arena import Arena
from millstream.engine.state.copies import Copies
from millstream.engine.state.slots import SlotRows

ROWS = 50_000


def _slots() -> tuple[SlotRows, np.ndarray]:
    rows = SlotRows(Arena(), 3)
    slots = rows.take(ROWS)
    rows.matrix()[slots, 1] = slots
    rows.matrix()[slots, 2] = -slots
    return rows, slots


def test_a_copy_that_is_still_read_is_never_written_over() -> None:
    """A checkpoint is encoded in another thread while the next one is copied."""
    rows, slots = _slots()
    copies = Copies()
    frames: list[pl.DataFrame] = []
    for turn in range(5):
        rows.matrix()[slots, 2] = turn
        words = copies.gather(rows.view, 1, 2, slots)
        frames.append(pl.DataFrame([pl.Series("a", words[0]), pl.Series("b", words[1])]))
        del words
        if turn % 2:
            frames[-1] = frames[-1].slice(7, 100).with_columns(c=pl.lit(1))
    for turn, frame in enumerate(frames):
        assert frame["b"].unique().to_list() == [turn]
    assert frames[0]["a"].to_list() == slots.tolist()


def test_memory_is_used_again_once_its_copy_is_dropped() -> None:
    """Fresh memory costs several times the copy."""
    rows, slots = _slots()
    copies = Copies()
    places: list[int] = []
    for _ in range(6):
        frame = pl.DataFrame({"a": copies.gather(rows.view, 1, 1, slots)[0]})
        places.append(frame["a"].to_numpy().ctypes.data)
        del frame
    assert len(set(places)) == 1
    rows.free(slots[5_000:])
    few = copies.gather(rows.view, 1, 1, slots[:5_000])
    assert few.ctypes.data not in places, "what is far too large is let go"
    assert (few[0] == slots[:5_000]).all()
