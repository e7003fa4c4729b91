"""Columns of kept rows: what goes in comes out, in any order, whatever was given back before."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.state.arena import Arena
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.kept_rows import KeptRows
from millstream.engine.state.slots import SlotRows
from millstream.engine.state.texts import compare_texts

# Around twelve bytes a text moves out of its words; one above a kilobyte has a block of its own.
TEXTS = st.one_of(
    st.none(),
    st.text(max_size=14),
    st.text(alphabet="aé", min_size=10, max_size=40),
    st.just("x" * 1500),
)
Kept = tuple[str | None, int | None, bytes | None]
ROWS = st.lists(st.tuples(TEXTS, st.none() | st.integers(-5, 5), st.none() | st.binary()))
SCHEMA = {"t": pl.String(), "n": pl.Int64(), "b": pl.Binary()}


def frame_of(rows: list[Kept]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@settings(max_examples=60, deadline=None)
@given(first=ROWS, second=ROWS, cut=st.integers(0, 5), order=st.randoms(use_true_random=False))
def test_rows_come_back_as_they_went_in(
    first: list[Kept], second: list[Kept], cut: int, order: random.Random
) -> None:
    """Texts lie in words or in the heap, and slices and filters of a frame share its buffers."""
    arena = Arena()
    heap = ByteHeap(arena)
    kept = KeptRows(SCHEMA, heap)
    rows = SlotRows(arena, 1 + kept.words)
    kept.settle(rows, 1)
    one = frame_of(first)
    slots = rows.take(one.height)
    kept.put(slots, one)
    kept.free(slots[:cut])
    rows.free(slots[:cut])
    two = frame_of([*first, *second])[len(first) :].filter(pl.lit(value=True))
    more = rows.take(two.height)
    kept.put(more, two)
    whole = pl.concat([one[cut:], two])
    held = np.concatenate([slots[cut:], more])
    places = list(range(held.size))
    order.shuffle(places)
    found = kept.get(held[places])
    assert found.rows() == whole[places].rows()


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS.filter(lambda text: text is not None), min_size=2, max_size=12))
def test_texts_compare_as_bytes_do(texts: list[str]) -> None:
    """Changing rows that tie are put in order by their texts, of which some are in their words."""
    arena = Arena()
    heap = ByteHeap(arena)
    kept = KeptRows({"t": pl.String()}, heap)
    rows = SlotRows(arena, 1 + kept.words)
    kept.settle(rows, 1)
    slots = rows.take(len(texts))
    kept.put(slots, pl.DataFrame({"t": texts}, schema={"t": pl.String()}))
    at = int(kept.ties()[0, 1])
    words = rows.view.words
    for a, own in zip(slots, texts, strict=True):
        for b, other in zip(slots, texts, strict=True):
            said = compare_texts(heap.view, words, a * rows.width + at, b * rows.width + at)
            mine, theirs = own.encode(), other.encode()
            assert said == (mine > theirs) - (mine < theirs)
