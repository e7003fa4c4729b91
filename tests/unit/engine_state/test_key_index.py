"""The key index against a dictionary: slots, reuse, NULLs, float keys, growth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.state.arena import Arena
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.key_index import KeyIndex

SEED = 0x1234_5678_9ABC_DEF0
INT = {"a": pl.Int64()}
TEXT = {"a": pl.String()}
PAIR = {"a": pl.Int32(), "b": pl.Float64()}


def make(schema: dict[str, pl.DataType], **options: Any) -> KeyIndex:
    arena = Arena()
    return KeyIndex(schema, SEED, arena=arena, heap=ByteHeap(arena), **options)


def frame(schema: dict[str, pl.DataType], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def canonical(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the key a row belongs to: one NaN, one zero."""
    return tuple("nan" if isinstance(v, float) and math.isnan(v) else v for v in row)


NULLABLE_INT = st.one_of(st.none(), st.integers(-20, 20))
ROWS: dict[str, Any] = {
    "int": (INT, st.tuples(NULLABLE_INT)),
    "text": (
        TEXT,
        st.tuples(st.one_of(st.none(), st.sampled_from(["", "x", "é" * 9, "z" * 2000]))),
    ),
    "pair": (
        PAIR,
        st.tuples(
            NULLABLE_INT,
            st.one_of(st.none(), st.sampled_from([0.0, -0.0, math.nan, -math.nan, 1.5])),
        ),
    ),
}


@pytest.mark.parametrize("kind", ROWS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_slots_are_those_of_a_dictionary(kind: str, data: st.DataObject) -> None:
    """Equal keys share a slot, others never do, and a freed slot is empty for its next key."""
    schema, row = ROWS[kind]
    index, twin = make(schema), dict[tuple[Any, ...], int]()
    for _ in range(data.draw(st.integers(1, 6))):
        rows = data.draw(st.lists(row, max_size=40))
        slots, made = index.upsert(frame(schema, rows))
        new = []
        for i, (key, slot) in enumerate(zip(map(canonical, rows), slots.tolist(), strict=True)):
            if key not in twin:
                assert slot not in twin.values(), "two keys in one slot"
                twin[key] = slot
                new.append(i)
            assert twin[key] == slot
        assert sorted(made.tolist()) == new, "the rows that made a slot"
        assert len(index) == len(twin)
        back = [canonical(r) for r in index.keys(slots).rows()]
        assert back == [canonical(r) for r in rows]
        gone = [key for key in twin if data.draw(st.booleans())]
        index.free(np.array([twin.pop(key) for key in gone], dtype=np.int64))
        asked = [tuple(math.nan if v == "nan" else v for v in key) for key in gone]
        assert (index.lookup(frame(schema, asked)) == -1).all(), "a freed key is absent"


def test_new_slots_follow_first_appearance() -> None:
    """Results come in the order of first appearance, which slots must therefore keep."""
    index = make(INT)
    slots, made = index.upsert(frame(INT, [(7,), (None,), (3,), (7,), (9,)]))
    assert slots.tolist() == [0, 1, 2, 0, 3] or sorted(slots.tolist()) == [0, 0, 1, 2, 3]
    assert sorted(made.tolist()) == [0, 1, 2, 4]


def test_growth_moves_a_few_entries_at_a_time() -> None:
    """A table that grew in one go would stop the pipeline for hundreds of milliseconds."""
    index = make(INT)
    table = index._table
    seen_two = 0
    for start in range(0, 200_000, 1_000):
        index.upsert(pl.DataFrame({"a": np.arange(start, start + 1_000)}))
        seen_two += table._old is not None
    assert seen_two > 10, "the old table must live on while its entries move"
    slots = index.lookup(pl.DataFrame({"a": np.arange(200_000)}))
    assert slots.tolist() == list(range(200_000))


def test_keys_are_freed_while_the_table_grows() -> None:
    """An entry may be in either table when its key goes; neither may keep a ghost."""
    index = make(INT)
    for start in range(0, 60_000, 1_500):
        slots, _ = index.upsert(pl.DataFrame({"a": np.arange(start, start + 1_500)}))
        index.free(slots[::2].copy())
    left = index.lookup(pl.DataFrame({"a": np.arange(60_000)}))
    assert (left[::2] == -1).all()
    assert (left[1::2] >= 0).all()
    assert len(index) == 30_000


def test_text_memory_is_used_again() -> None:
    """Keys that come and go must not grow the heap without end."""
    arena = Arena()
    index = KeyIndex(TEXT, SEED, arena=arena, heap=ByteHeap(arena))
    sizes = []
    for turn in range(12):
        slots, _ = index.upsert(pl.DataFrame({"a": [f"{turn:02}-{i}" * 9 for i in range(2_000)]}))
        index.free(slots)
        sizes.append(arena.bytes_used)
    assert sizes[-1] == sizes[4], sizes


def test_without_key_columns_there_is_one_slot() -> None:
    """A global aggregate is a group, too."""
    index = make({})
    assert index.upsert(pl.DataFrame(height=3))[0].tolist() == [0, 0, 0]
    assert len(index) == 1
    assert index.keys(np.zeros(2, dtype=np.int64)).shape == (2, 0)
