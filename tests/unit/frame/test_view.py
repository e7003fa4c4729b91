"""The live view folds changes exactly, whatever the cut; a naive twin says what is right."""

from __future__ import annotations

from collections import Counter

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.columns.changes import OP, Op
from millstream.frame.view import View

CHANGE = st.tuples(st.sampled_from("abc"), st.integers(0, 3))


def frame(rows):
    data = {"k": [r[0] for r in rows], "n": [r[1] for r in rows], OP: [int(r[2]) for r in rows]}
    return pl.DataFrame(data, schema={"k": pl.String, "n": pl.Int64, OP: pl.Int8})


@settings(deadline=None)
@given(st.lists(CHANGE, max_size=30), st.lists(st.integers(1, 5), min_size=1))
def test_a_view_by_key_holds_the_newest_row(changes, cuts):
    """Upserts and their retractions in any cut leave one row per key, where it was first seen."""
    standing: dict[str, int] = {}
    rows = []
    for key, n in changes:
        if key in standing:
            rows += [(key, standing[key], Op.UPDATE_BEFORE), (key, n, Op.UPDATE_AFTER)]
        else:
            rows.append((key, n, Op.INSERT))
        standing[key] = n
    view = View(("k", "n"), key=("k",), updating=True)
    while rows:
        cut = cuts[0]
        cuts = [*cuts[1:], cut]
        view.add([frame(rows[:cut])])
        view.frame()
        rows = rows[cut:]
    assert dict(view.frame().rows()) == standing


@settings(deadline=None)
@given(st.lists(st.tuples(CHANGE, st.booleans()), max_size=30))
def test_a_view_without_key_counts_rows(steps):
    """Equal rows may stand several times; a retraction takes one of them."""
    standing: Counter[tuple[str, int]] = Counter()
    view = View(("k", "n"), updating=True)
    for row, take in steps:
        if take and standing[row]:
            standing[row] -= 1
            view.add([frame([(*row, Op.DELETE)])])
        else:
            standing[row] += 1
            view.add([frame([(*row, Op.INSERT)])])
    assert Counter(view.frame().rows()) == +standing


def test_an_append_only_view_keeps_the_newest_rows():
    """The view of an endless stream is bounded, and still counts everything."""
    view = View(("x",), rows_max=3)
    for n in range(10):
        view.add([pl.DataFrame({"x": [n]})])
    assert view.frame()["x"].to_list() == [7, 8, 9]
    assert view.rows_total == 10
    assert view.tail(2) == [(8,), (9,)]


def test_a_view_of_one_row():
    """A result without keys is one row that is replaced."""
    view = View(("n",), key=(), updating=True)
    schema = {"n": pl.Int64, OP: pl.Int8}
    view.add([pl.DataFrame({"n": [1], OP: [0]}, schema=schema)])
    view.add([pl.DataFrame({"n": [1, 2], OP: [1, 2]}, schema=schema)])
    assert view.frame().rows() == [(2,)]


def test_a_look_ahead_changes_nothing():
    """Rows whose epoch is not delivered yet are shown, and are not kept twice when they come."""
    view = View(("k", "n"), key=("k",), updating=True)
    view.add([pl.DataFrame({"k": ["a", "b"], "n": [1, 1]})])
    waiting = [pl.DataFrame({"k": ["a"], "n": [2]}), pl.DataFrame({"k": ["c"], "n": [3]})]
    assert view.frame_with(waiting).rows() == [("a", 2), ("b", 1), ("c", 3)]
    assert view.frame_with([]).equals(view.frame())
    assert view.frame().rows() == [("a", 1), ("b", 1)]


def test_bytes_are_those_of_what_stands():
    """The memory of a pipeline counts them: what was folded away is not held."""
    view = View(("k", "n"), key=("k",), updating=True)
    for n in range(50):
        view.add([pl.DataFrame({"k": ["a" * 100], "n": [n]})])
    assert view.bytes > 5_000
    view.frame()
    assert 0 < view.bytes < 500
    view.clear()
    assert view.bytes == 0
