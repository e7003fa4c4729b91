"""Notes of processes that died, and the rows they lead to."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.engine.care import NOTE, Note, Notes, Span
from millstream.engine.poison import Suspicion, Tally
from millstream.engine.scan import Block
from millstream.ports.store import NotThere, StoreError
from millstream.stores.memory import MemoryStore

SPLIT = ("scan", "0")


def block(rows: int) -> Block:
    return Block("0", pl.DataFrame({"x": range(rows)}), None, pl.Series(range(rows)))


class Death(Exception):
    """The process is gone."""


def run(store: MemoryStore, rows: int, chunk: int, deadly: set[int], done: int) -> list[int]:
    """Push rows from ``done`` on as the driver does; returns those set aside."""
    tally = Tally({"scan": {"0": done}})
    notes, aside = Notes(store, tally), list[int]()
    for first in range(done, rows, chunk):
        tally.take(SPLIT, min(chunk, rows - first))
        whole = block(rows).frame[first : first + chunk]
        pieces = [(first, Block("0", whole, None, whole["x"]))]
        if notes.is_wary:
            pieces = list(notes.pieces(SPLIT, first, pieces[0][1]))
        assert pl.concat([p.frame for _, p in pieces]).equals(whole), "pieces make up the block"
        for at, piece in pieces:
            span = Span(*SPLIT, at, at + piece.frame.height)
            if notes.is_wary:
                if notes.is_aside(span):
                    aside.append(at)
                    continue
                notes.about_to_push(span)
            if deadly & set(piece.frame["x"].to_list()):
                raise Death
    notes.close()
    return aside


@given(
    rows=st.integers(1, 3_000),
    chunks=st.lists(st.integers(1, 900), min_size=1, max_size=4),
    at=st.sets(st.integers(0, 2_999), max_size=3),
)
def test_every_deadly_row_is_found_and_no_other(rows: int, chunks: list[int], at: set[int]) -> None:
    """However the rows are cut from start to start, in few starts for each."""
    store, deadly = MemoryStore(), {a % rows for a in at}
    for start in range(30):
        try:
            aside = run(store, rows, chunks[start % len(chunks)], deadly, 0)
        except Death:
            continue
        assert sorted(aside) == sorted(deadly)
        assert start <= 6 * len(deadly)
        return
    raise AssertionError("30 starts led nowhere")


def test_who_ends_by_itself_leaves_no_suspicion() -> None:
    """A stop or an error that was told is no death."""
    store = MemoryStore()
    Notes(store, Tally()).close()
    assert not Notes(store, Tally()).is_wary
    assert Notes(store, Tally()).is_wary, "this time nobody closed it"


def test_who_ends_for_want_of_room_did_not_die_over_a_row() -> None:
    """The note of the row it was about to push stays open else, and two such blame the row."""

    class Full(MemoryStore):
        is_full = False

        def put(self, name: str, data: bytes) -> None:
            if self.is_full:
                raise StoreError("no room")
            super().put(name, data)

    store = Full()
    for _ in range(2):
        with pytest.raises(Death):
            run(store, 9, 1, {4}, 0)
    notes = Notes(store, Tally(None))
    assert notes.is_wary
    assert not notes.is_aside(Span(*SPLIT, 4, 5))
    notes.about_to_push(Span(*SPLIT, 4, 5))
    store.is_full = True
    notes.close()
    store.is_full = False
    assert not Notes(store, Tally(None)).is_aside(Span(*SPLIT, 4, 5))


def test_a_damaged_note_holds_nothing_up() -> None:
    """It is a hint; a pipeline starts without it."""
    store = MemoryStore()
    store.put(NOTE, b'{"deaths": ')
    assert not Notes(store, Tally()).is_wary


def test_what_is_behind_a_checkpoint_is_forgotten() -> None:
    """Rows that a durable epoch holds were harmless, or are set aside in it."""
    store = MemoryStore()
    notes = Notes(store, Tally())
    notes.about_to_push(Span(*SPLIT, 10, 11))
    assert Notes(store, Tally({"scan": {"0": 11}})).died is None


def test_once_it_got_on_nothing_is_written_any_more() -> None:
    """Care costs a write per piece; it must not last for ever."""
    store = MemoryStore()
    Notes(store, Tally())
    notes = Notes(store, Tally())
    assert notes.is_wary
    notes.relax()
    assert Note.of_json(store.get(NOTE)).deaths == 0
    notes.close()
    with pytest.raises(NotThere):
        store.get(NOTE)


def test_a_suspicion_ends_with_its_rows() -> None:
    """Isolation copies the state; it ends as soon as the rows are behind."""
    tally = Tally()
    tally.begin()
    tally.take(SPLIT, 10)
    tally.done()
    tally.begin()
    tally.take(SPLIT, 10)
    suspicion = tally.suspicion(3, everywhere=False)
    assert suspicion == Suspicion(3, {SPLIT: (10, 20)})
    again = Tally()
    again.take(SPLIT, 10)
    assert not suspicion.concerns(SPLIT, 0, 10)
    assert suspicion.concerns(SPLIT, 5, 15)
    assert not suspicion.is_over(again, 4)
    again.take(SPLIT, 10)
    assert suspicion.is_over(again, 4)
