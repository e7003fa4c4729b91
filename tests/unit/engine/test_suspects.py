"""Which rows are blamed for the death of a process."""

from __future__ import annotations

import polars as pl

from millstream.engine.care import DEATHS_OF_A_ROW, Notes, Span
from millstream.engine.poison import Tally
from millstream.engine.scan import Block
from millstream.stores.memory import MemoryStore

ROW = Span("scan", "0", 7, 8)


def died_over(blobs: dict[str, bytes], row: Span, *, got_past: bool) -> Notes:
    """Start a process that pushes a row and dies, right then or later; return the next one."""
    for _ in range(DEATHS_OF_A_ROW + 1):
        notes = Notes(MemoryStore(blobs=blobs), Tally())
        notes.about_to_push(row)
        if got_past:
            notes.has_pushed()
    return Notes(MemoryStore(blobs=blobs), Tally())


def test_a_row_over_which_processes_die_is_set_aside() -> None:
    """A row that ends every process must not end the pipeline for good."""
    assert died_over({}, ROW, got_past=False).is_aside(ROW)


def test_a_row_that_was_pushed_is_not_to_blame_for_what_comes_later() -> None:
    """A good row, the last one before a checkpoint that is killed again and again, must stay."""
    assert not died_over({}, ROW, got_past=True).is_aside(ROW)


def test_a_chunk_of_nothing_new_is_one_piece() -> None:
    """A queue that sends only known messages again, after a death, must not end the pipeline."""
    notes = died_over({}, ROW, got_past=True)
    block = Block("0", pl.DataFrame({"v": []}))
    assert list(notes.pieces(("scan", "0"), 7, block)) == [(7, block)]
