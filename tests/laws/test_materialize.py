"""The rows of a live view against a naive twin, under any cut of the input and any crash."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.connect.live_view import LiveView
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering, operator_for
from millstream.engine.operators import materialize  # noqa: F401 (registers the lowering)
from millstream.plan.materialize import ROW, Materialize
from millstream.plan.nodes import Values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millstream.engine.operators.materialize import Numbered

SCHEMA = t.Schema.of({"k": "STRING", "v": "STRING"})
Row = tuple[str | None, str | None]
Change = tuple[int, Row, int]
"""Time, row, weight."""


def operator(key: tuple[str, ...] | None, *, rows_max: int, ttl_ms: int, changes: bool) -> Any:
    node = Materialize(
        input=Values(columns=SCHEMA, rows=()), key=key, rows_max=rows_max, ttl_ms=ttl_ms
    )
    return operator_for(node, Lowering(Context(), (changes,), False, 7, False))


def batches(changes: list[Change], cuts: set[int], *, ops: bool) -> Iterator[Batch]:
    """Cut the input anywhere, and wherever the time moves."""
    start = 0
    for at in range(1, len(changes) + 1):
        if at < len(changes) and at not in cuts and changes[at][0] == changes[start][0]:
            continue
        part = changes[start:at]
        rows = [row for _, row, _ in part]
        frame = pl.DataFrame(rows, schema={"k": pl.String, "v": pl.String}, orient="row")
        if ops:
            kinds = [int(Op.INSERT if weight > 0 else Op.DELETE) for *_, weight in part]
            frame = frame.with_columns(pl.Series(OP, kinds, dtype=pl.Int8))
        yield Batch(frame, read_at_ms=part[0][0])
        start = at


@st.composite
def inputs(draw: st.DrawFn, *, changing: bool, matched: bool = True) -> list[Change]:
    found: list[Change] = []
    standing: list[Row] = []
    row = st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["", "x" * 40, None]))
    now = 100
    for _ in range(draw(st.integers(0, 30))):
        now += draw(st.sampled_from([0, 0, 3]))
        if changing and (standing or not matched) and draw(st.booleans()):
            old = draw(st.sampled_from(standing) if matched else row)
            if old in standing:
                standing.remove(old)
            found.append((now, old, -1))
        else:
            standing.append(draw(row))
            found.append((now, standing[-1], 1))
    return found


def twin(changes: list[Change], key: int | None, rows_max: int, ttl_ms: int) -> list[Row]:
    """Return what stands, oldest first: one list, looked through for every row."""
    standing: list[tuple[int, Row]] = []
    for now, row, weight in changes:
        if ttl_ms:
            standing = [(at, r) for at, r in standing if at > now - ttl_ms]
        if key is not None:
            standing = [(at, r) for at, r in standing if r[key] != row[key]]
        elif weight < 0:
            found = next((i for i, (_, r) in enumerate(standing) if r == row), None)
            if found is not None:
                del standing[found]
        if weight > 0:
            standing = [*standing, (now, row)][-rows_max:]
    return [row for _, row in standing]


def shown(
    running: Numbered, view: LiveView, changes: list[Batch], crashes: set[int], make: Any
) -> Any:
    for number, batch in enumerate(changes):
        if number in crashes:
            saved = running.snapshot()
            running = make()
            running.restore(saved)
            view.replace(pl.concat(running.recall().out))
        for frame in running.on_batch(batch).out:
            if OP in frame.columns:
                numbers = frame.filter(pl.col(OP) != Op.DELETE)[ROW]
                assert numbers.n_unique() == len(numbers), "one number names two rows"
            view.put(frame)
    return running


@pytest.mark.parametrize("changing", [False, True])
@pytest.mark.parametrize("key", [None, 0])
@settings(max_examples=80)
@given(data=st.data())
def test_any_cut_and_crash_leaves_the_same_rows(key, changing, data):
    """A batch boundary and a crash are accidents; a view never shows them."""
    changes = data.draw(inputs(changing=changing, matched=key is None))
    rows_max = data.draw(st.sampled_from([1, 2, 3, 100]))
    ttl_ms = data.draw(st.sampled_from([0, 4]))
    cuts = data.draw(st.sets(st.integers(0, 30)))
    crashes = data.draw(st.sets(st.integers(0, 30), max_size=3))
    by = None if key is None else (SCHEMA.names[key],)

    def make() -> Any:
        return operator(by, rows_max=rows_max, ttl_ms=ttl_ms, changes=changing)

    view = LiveView("v", SCHEMA, key=by)
    running = shown(make(), view, list(batches(changes, cuts, ops=changing)), crashes, make)
    wanted = twin(changes, key, rows_max, ttl_ms)
    assert Counter(view.frame().rows()) == Counter(wanted)
    assert len(view) == running.state_rows == len(wanted)
    again = running.recall().out[0]
    assert again.drop(ROW, OP).rows() == wanted, "what is given out again is in order of age"
    if key is None and not changing:
        assert view.frame().rows() == wanted


@pytest.mark.parametrize("changing", [False, True])
@pytest.mark.parametrize("key", [None, ("k",)])
def test_the_clock_alone_ends_the_life_of_rows(key, changing):
    """A stream that has fallen silent must not leave old rows in a view for ever."""
    running = operator(key, rows_max=10, ttl_ms=5, changes=changing)
    assert running.timed
    rows = [(100, ("a", "1"), 1), (103, ("b", "2"), 1)]
    for batch in batches(rows, set(), ops=changing):
        running.on_batch(batch)
    assert running.on_clock(104).out == ()
    (gone,) = running.on_clock(105).out
    assert gone.drop(ROW).rows() == [("a", "1", Op.DELETE)]
    assert running.state_rows == 1


def test_rows_beyond_the_limit_are_counted(caplog):
    """Somebody must be able to learn that a view does not hold all keys."""
    running = operator(("k",), rows_max=2, ttl_ms=0, changes=False)
    rows = [(1, (name, "x"), 1) for name in "abcda"]
    for batch in batches(rows, {2}, ops=False):
        running.on_batch(batch)
    assert running.rows_dropped == 3
    assert sum("is full" in r.message for r in caplog.records) == 1
