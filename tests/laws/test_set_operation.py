"""INTERSECT and EXCEPT against a naive twin, under any cut of the input and any crash."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.set_operation import RowCounts
from millstream.plan.nodes import Values
from millstream.plan.ranks import SetKind, SetOperation

SIDES = (t.Schema.of({"a": "STRING", "b": "BIGINT"}), t.Schema.of({"x": "STRING", "y": "BIGINT"}))
Row = tuple[str | None, int | None]
Change = tuple[int, Row, int]


def operator(kind: SetKind, every: bool, changes: tuple[bool, bool], ttl_ms: int = 0) -> RowCounts:
    left, right = (Values(columns=schema, rows=()) for schema in SIDES)
    node = SetOperation(left=left, right=right, kind=kind, every=every)
    return RowCounts(node, Lowering(Context(), changes, False, 7, False, ttl_ms=ttl_ms))


def batch(part: list[Change], *, ops: bool, read_at_ms: int = 0) -> Batch:
    schema = polars_schema(SIDES[part[0][0]])
    frame = pl.DataFrame([row for _, row, _ in part], schema=schema, orient="row")
    if ops:
        kinds = [int(Op.INSERT if weight > 0 else Op.DELETE) for _, _, weight in part]
        frame = frame.with_columns(pl.Series(OP, kinds, dtype=pl.Int8))
    return Batch(frame, read_at_ms=read_at_ms)


@st.composite
def inputs(draw: st.DrawFn, changing: tuple[bool, bool]) -> list[Change]:
    out: list[Change] = []
    standing: list[tuple[int, Row]] = []
    row = st.tuples(st.sampled_from(["a", "", None]), st.sampled_from([1, None]))
    for _ in range(draw(st.integers(0, 30))):
        gone = [s for s in standing if changing[s[0]]]
        if gone and draw(st.booleans()):
            old = draw(st.sampled_from(gone))
            standing.remove(old)
            out.append((*old, -1))
        else:
            new = (draw(st.integers(0, 1)), draw(row))
            standing.append(new)
            out.append((*new, 1))
    return out


def twin(kind: SetKind, every: bool, changes: list[Change]) -> Counter[Row]:
    """Counters know it: & is INTERSECT ALL, - is EXCEPT ALL."""
    sides: tuple[Counter[Row], Counter[Row]] = (Counter(), Counter())
    for side, row, weight in changes:
        sides[side][row] += weight
    left, right = (+side for side in sides)
    if every:
        return left & right if kind is SetKind.INTERSECT else left - right
    wanted = kind is SetKind.INTERSECT
    return Counter(row for row in left if (row in right) == wanted)


def folded(frames: list[pl.DataFrame]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for frame in frames:
        ops = frame[OP].to_list() if OP in frame.columns else [Op.INSERT] * frame.height
        for op, row in zip(ops, frame.select("a", "b").rows(), strict=True):
            found[row] += 1 if op == Op.INSERT else -1
            assert found[row] >= 0, f"{row} is taken back before it was given"
    return +found


@pytest.mark.parametrize("kind", SetKind)
@pytest.mark.parametrize("every", [False, True])
@settings(max_examples=60)
@given(data=st.data())
def test_any_cut_and_crash_gives_the_set_of_what_stands(kind, every, data):
    """A batch boundary, a crash and the order of changes are accidents; results never show them."""
    changing = (data.draw(st.booleans()), data.draw(st.booleans()))
    changes = data.draw(inputs(changing))
    cuts = data.draw(st.sets(st.integers(0, 30)))
    crashes = data.draw(st.sets(st.integers(0, 30), max_size=3))
    running, out = operator(kind, every, changing), []
    parts: list[list[Change]] = []
    for at, change in enumerate(changes):
        if not parts or at in cuts or parts[-1][0][0] != change[0]:
            parts.append([])
        parts[-1].append(change)
    for number, part in enumerate(parts):
        if number in crashes:
            saved = running.snapshot()
            running = operator(kind, every, changing)
            running.restore(saved)
        out += running.on_batch(batch(part, ops=changing[part[0][0]]), part[0][0]).out
    assert folded(out) == twin(kind, every, changes)
    last = Counter()
    for side, row, weight in changes:
        last[side, row] += weight
    assert running.state_rows == len({row for (_, row), n in last.items() if n})


def test_rows_that_only_come_and_stay_carry_no_change_kinds():
    """INTERSECT of two inputs that only grow only grows: an append-only sink takes it."""
    running = operator(SetKind.INTERSECT, False, (False, False))
    running.on_batch(batch([(0, ("a", 1), 1)], ops=False), 0)
    (out,) = running.on_batch(batch([(1, ("a", 1), 1)], ops=False), 1).out
    assert out.columns == ["a", "b"]


def test_a_row_not_written_for_long_is_forgotten():
    """State that the query does not bound is bounded by its time to live, without any output."""
    running = operator(SetKind.INTERSECT, False, (False, False), ttl_ms=100)
    running.on_batch(batch([(0, ("a", 1), 1)], ops=False, read_at_ms=1000), 0)
    assert not running.on_batch(batch([(1, ("a", 1), 1)], ops=False, read_at_ms=1100), 1).out
    again = running.on_batch(batch([(0, ("a", 1), 1)], ops=False, read_at_ms=1199), 0)
    assert again.out
    running.on_batch(batch([(0, ("b", 1), 1)], ops=False, read_at_ms=1400), 0)
    assert running.state_rows == 1
