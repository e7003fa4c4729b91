"""Windows over a live view against the same question asked of the whole view."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.columns.changes import OP, Op
from millstream.connect.live_view import LiveView
from millstream.connect.live_window import LiveWindow, Shown, ordered_by
from millstream.errors import PlanError, UnknownName
from millstream.types import Schema

SCHEMA = Schema.of({"k": "BIGINT", "n": "BIGINT", "x": "DOUBLE", "t": "STRING"})
WHOLE = st.none() | st.integers(-3, 3)
ROW = st.tuples(
    st.integers(0, 12),
    st.booleans(),
    WHOLE,
    st.none() | st.sampled_from([0.5, -1.0, 2.0, float("nan")]),
    st.none() | st.sampled_from(["a", "b", "ä"]),
)


def a_view(**more: object) -> LiveView:
    return LiveView("v", SCHEMA, **({"key": ("k",)} | more))


def put(view: LiveView, rows: list[tuple]) -> None:
    """Take rows in, the last of a number only: an update is one row of a frame."""
    last = {number: row for row in rows for number in [row[0]]}
    frame = pl.DataFrame(
        {
            "$row": pl.Series(list(last), dtype=pl.Int64),
            "k": pl.Series(list(last), dtype=pl.Int64),
            "n": pl.Series([r[2] for r in last.values()], dtype=pl.Int64),
            "x": pl.Series([r[3] for r in last.values()], dtype=pl.Float64),
            "t": pl.Series([r[4] for r in last.values()], dtype=pl.String),
            OP: pl.Series(
                [int(Op.DELETE if r[1] else Op.UPDATE_AFTER) for r in last.values()], dtype=pl.Int8
            ),
        }
    )
    view.put(frame)


def told(known: dict[int, tuple], shown: Shown) -> dict[int, tuple]:
    """Do what a reader does with a frame."""
    rows = {} if shown.since is None else dict(known)
    for number in shown.gone.tolist():
        rows.pop(number, None)
    rows.update(zip(shown.rows.tolist(), shown.frame.rows(), strict=True))
    return rows


def naive(view: LiveView, order: str | None, limit: int | None) -> dict[int, tuple]:
    """Sort everything by hand: the missing last, ties by number."""
    seen = view.snapshot()
    rows = sorted(zip(seen.rows.tolist(), seen.frame.rows(), strict=True))
    if order is not None and limit is not None:
        name = order.removeprefix("-")
        at, sign = SCHEMA.names.index(name), -1 if order.startswith("-") else 1

        def place(row: tuple[int, tuple]) -> tuple:
            value = row[1][at]
            if value is None or value != value:  # noqa: PLR0124 (NaN)
                return (1, 0)
            if isinstance(value, str):
                return (0, [sign * b for b in value.encode()])
            return (0, sign * value)

        rows.sort(key=place)
    return dict(rows if limit is None else rows[:limit])


@settings(max_examples=150, deadline=None)
@given(
    frames=st.lists(st.lists(ROW, min_size=1, max_size=8), min_size=1, max_size=8),
    order=st.sampled_from([None, "n", "-n", "x", "-x", "t", "-t"]),
    limit=st.sampled_from([None, 1, 3, 50]),
    move=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_whoever_follows_has_what_sorting_everything_gives(frames, order, limit, move):
    """Differences are only worth something if they add up to the window itself."""
    view = a_view()
    window = LiveWindow(view, order=order, limit=limit)
    known: dict[int, tuple] = {}
    for frame, moves in zip(frames, move, strict=False):
        put(view, frame)
        if moves:
            known = told(known, window.move())
            assert repr(known_sorted(known)) == repr(known_sorted(naive(view, order, limit)))
            everything = told({}, window.everything())
            assert repr(known_sorted(everything)) == repr(known_sorted(known))
    known = told(known, window.move())
    assert repr(known_sorted(known)) == repr(known_sorted(naive(view, order, limit)))


def known_sorted(known: dict[int, tuple]) -> list:
    return sorted(known.items())


def test_rows_are_sent_once():
    """A frame holds what came or changed, not what stood already."""
    view = a_view()
    window = LiveWindow(view, order="-n", limit=2)
    put(view, [(0, False, 1, None, None), (1, False, 2, None, None), (2, False, 3, None, None)])
    assert sorted(window.move().rows.tolist()) == [1, 2]
    assert window.everything().rows.tolist() == [2, 1]
    put(view, [(0, False, 1, 0.5, None)])
    unseen = window.move()
    assert (unseen.rows.tolist(), unseen.gone.tolist()) == ([], [])
    put(view, [(2, True, None, None, None)])
    moved = window.move()
    assert (moved.rows.tolist(), moved.gone.tolist(), moved.total) == ([0], [2], 2)


def test_a_view_of_rows_that_only_come_shows_the_newest():
    """Numbers go round there, so that the lowest number says nothing."""
    view = a_view(key=None)
    window = LiveWindow(view, limit=3)
    for number in (5, 6, 0, 1, 2):
        put(view, [(number, False, number, None, None)])
    assert sorted(window.move().rows.tolist()) == [0, 1, 2]
    assert window.everything().rows.tolist() == [2, 1, 0]
    put(view, [(6, False, 9, None, None)])
    moved = window.move()
    assert (moved.rows.tolist(), moved.gone.tolist()) == ([6], [0])


def test_a_row_that_changes_meanwhile_is_read_again(monkeypatch):
    """What comes into a window from the view must be of the version the frame tells."""
    view = a_view()
    window = LiveWindow(view, order="-n", limit=1)
    put(view, [(0, False, 1, None, None), (1, False, 2, None, None)])
    window.move()
    inner, turns = view.rows_at, iter([True])

    def meanwhile(numbers: np.ndarray, version: int):
        if next(turns, False):
            put(view, [(0, False, 7, None, None)])
        return inner(numbers, version)

    monkeypatch.setattr(view, "rows_at", meanwhile)
    put(view, [(1, True, None, None, None)])
    moved = window.move()
    assert moved.version == view.version
    assert moved.frame["n"].to_list() == [7]


def test_an_order_that_is_none_is_told():
    """A user's mistake names the column and what there is."""
    with pytest.raises(UnknownName, match="'m'"):
        ordered_by(SCHEMA, "-m")
    with pytest.raises(PlanError, match="no order"):
        ordered_by(Schema.of({"a": "ARRAY<INT>"}), "a")
    assert ordered_by(Schema.of({"-n": "INT"}), "-n") == ("-n", False)


@pytest.mark.parametrize("kind", ["BIGINT", "TIMESTAMP(3)", "DECIMAL(10, 2)", "BOOLEAN"])
def test_numbers_of_all_kinds_are_ordered_by_value(kind):
    """Each type goes its own way into numbers."""
    from millstream.columns.physical import empty_frame

    schema = Schema.of({"v": kind})
    view = LiveView("v", schema, key=("v",))
    dtype = empty_frame(schema).schema["v"]
    values = pl.Series([1, 0, None, 1], dtype=pl.Int64).cast(dtype)
    view.put(pl.DataFrame({"$row": [0, 1, 2, 3], "v": values}))
    for order, limit, expected in (("v", 3, [1, 0, 3]), ("-v", 4, [0, 3, 1, 2])):
        window = LiveWindow(view, order=order, limit=limit)
        window.move()
        assert window.everything().rows.tolist() == expected
