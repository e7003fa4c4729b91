"""Interval joins against a naive twin, under any cut of both inputs and any crash and restore."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.engine.batch import MARK
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.interval_join import KINDS, IntervalPairs
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call, Column
from millstream.plan.joins import IntervalJoin, JoinKind
from millstream.plan.nodes import Values
from millstream.types import Schema
from tests.laws.two_inputs import CUTS, LOWEST, Arrival, Found, run, with_marks

LEFT = Schema.of({"a": "STRING", "x": "INT", "lt": "TIMESTAMP(3)"})
RIGHT = Schema.of({"b": "STRING", "y": "INT", "rt": "TIMESTAMP(3)"})
SCHEMAS = (LEFT, RIGHT)
BOUNDS = [(0, 0), (-5, 5), (0, 12), (-12, 0), (4, 9), (-9, -4), (-30, 2), (3, 1)]


def arrival(port: int, key: str | None, value: int | None, time: int) -> Arrival:
    return Arrival(port, time, (key, value, time))


ROW = st.builds(
    arrival,
    st.integers(0, 1),
    st.sampled_from(["p", "q", "a longer text than any word", None]),
    st.one_of(st.none(), st.integers(-2, 2)),
    st.integers(-20, 20),
)
ROWS = st.lists(ROW, max_size=40)


def node_of(kind: JoinKind, bounds: tuple[int, int], *, residual: bool, keys: bool) -> IntervalJoin:
    both = Schema((*LEFT.fields, *RIGHT.fields))
    return IntervalJoin(
        left=Values(columns=LEFT, rows=()),
        right=Values(columns=RIGHT, rows=()),
        kind=kind,
        keys=(("a", "b"),) if keys else (),
        residual=resolve(Call("<=", (Column("x"), Column("y"))), both) if residual else None,
        left_time="lt",
        right_time="rt",
        lower_ms=bounds[0],
        upper_ms=bounds[1],
    )


def operator(node: IntervalJoin) -> IntervalPairs:
    return IntervalPairs(node, Lowering(Context(), (False, False), False, 7, True))


def late_times(times: tuple[int | None, int | None], mark: int) -> tuple[bool, bool]:
    """Tell which times of a result are behind the mark it is given under."""
    return tuple(t is not None and t <= mark for t in times)  # type: ignore[return-value]


def twin(node: IntervalJoin, rows: list[Arrival]) -> Counter[Any]:
    """Return the results, row by row in the order of arrival, and which of their times are late."""
    lower, upper = node.lower_ms, node.upper_ms
    lasts = (max(upper, 0), max(-lower, 0))
    met: set[int] = set()
    out: Counter[Any] = Counter()
    for i, later in enumerate(rows):
        for j, earlier in enumerate(rows[:i]):
            if later.port == earlier.port:
                continue
            a, b = (earlier, later) if later.port else (later, earlier)
            if node.keys and (a.row[0] is None or a.row[0] != b.row[0]):
                continue
            if not a.time + lower <= b.time <= a.time + upper:
                continue
            if node.residual and (None in (a.row[1], b.row[1]) or a.row[1] > b.row[1]):
                continue
            over = earlier.time + lasts[earlier.port] < later.mark
            own_over = later.time + lasts[later.port] < later.mark
            if over and not (later.mark == earlier.mark and not own_over):
                continue
            met |= {i, j}
            out[a.row + b.row, late_times((a.time, b.time), later.mark - node.delay_ms)] += 1
    nothing = (None, None, None)
    for i, r in enumerate(rows):
        if i in met:
            continue
        mark = r.mark - node.delay_ms
        if r.port == 0 and node.kind.fills_right:
            out[r.row + nothing, late_times((r.time, None), mark)] += 1
        if r.port == 1 and node.kind.fills_left:
            out[nothing + r.row, late_times((None, r.time), mark)] += 1
    return out


def judged(node: IntervalJoin, found: Found) -> Counter[Any]:
    """Return the results and what a reader behind would call late, by their marks alone."""
    out: Counter[Any] = Counter()
    for frame, before in zip(found.out, found.under, strict=True):
        marks = frame[MARK] if MARK in frame.columns else [LOWEST] * frame.height
        plain = frame.drop(MARK, strict=False).with_columns(pl.col("lt", "rt").to_physical())
        for row, mark in zip(plain.rows(), marks, strict=True):
            late = late_times((row[2], row[5]), mark)
            out[row, late] += 1
            in_force = before - node.delay_ms
            assert any(late) or not any(late_times((row[2], row[5]), in_force)), (
                "a row that is not late must come before the mark it would be late under"
            )
    return out


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.value)
@given(
    rows=ROWS,
    bounds=st.sampled_from(BOUNDS),
    cuts=CUTS,
    delay=st.sampled_from([0, 4, 15, 60]),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_interval_joins_equal_a_naive_twin_under_any_cut_and_crash(
    kind: JoinKind,
    rows: list[Arrival],
    bounds: tuple[int, int],
    cuts: set[int],
    delay: int,
    flags: tuple[bool, bool, bool],
) -> None:
    """A batch boundary or a crash is an accident; the pairs found never show it."""
    residual, keys, crash = flags
    node = node_of(kind, bounds, residual=residual, keys=keys)
    rows = with_marks(rows, delay)
    found = run(lambda: operator(node), SCHEMAS, rows, cuts, delay=delay, crash=crash)
    assert judged(node, found) == twin(node, rows)
    assert found.left == 0, "the input has ended, so nothing may be kept"
