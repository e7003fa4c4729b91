"""Window joins against a naive twin, under any cut of both inputs and any crash and restore."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.engine.batch import Batch
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators import window_join
from millstream.engine.operators.window_join import WindowPairs
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call, Column
from millstream.plan.joins import JoinKind, WindowJoin
from millstream.plan.nodes import Values
from millstream.types import Schema
from tests.laws.two_inputs import CUTS, Arrival, counted, frame_of, run, with_marks

SIZE = 10
LEFT = Schema.of({"a": "STRING", "x": "INT", "ls": "TIMESTAMP(3)", "le": "TIMESTAMP(3)"})
RIGHT = Schema.of({"b": "STRING", "y": "INT", "rs": "TIMESTAMP(3)", "re": "TIMESTAMP(3)"})
SCHEMAS = (LEFT, RIGHT)


def arrival(port: int, key: str | None, value: int | None, time: int) -> Arrival:
    start = time // SIZE * SIZE
    return Arrival(port, time, (key, value, start, start + SIZE))


ROW = st.builds(
    arrival,
    st.integers(0, 1),
    st.sampled_from(["p", "q", None]),
    st.one_of(st.none(), st.integers(-2, 2)),
    st.integers(-40, 40),
)
ROWS = st.lists(ROW, max_size=40)


def operator(kind: JoinKind, *, residual: bool) -> WindowPairs:
    both = Schema((*LEFT.fields, *RIGHT.fields))
    rest = resolve(Call("<=", (Column("x"), Column("y"))), both) if residual else None
    node = WindowJoin(
        left=Values(columns=LEFT, rows=()),
        right=Values(columns=RIGHT, rows=()),
        kind=kind,
        keys=(("a", "b"),),
        residual=rest,
        left_bounds=("ls", "le"),
        right_bounds=("rs", "re"),
    )
    return WindowPairs(node, Lowering(Context(), (False, False), False, 7, True))


def twin(
    kind: JoinKind, rows: list[Arrival], *, residual: bool
) -> tuple[Counter[Any], Counter[Any]]:
    """Return results and late rows by looking at every pair."""
    late: Counter[Any] = Counter()
    sides: tuple[list[Any], list[Any]] = ([], [])
    for r in rows:
        if r.row[3] - 1 <= r.mark:
            late[(None,) * 4 * r.port + r.row + (None,) * 4 * (1 - r.port)] += 1
        else:
            sides[r.port].append(r.row)

    def meet(a: Any, b: Any) -> bool:
        fits = not residual or (a[1] is not None and b[1] is not None and a[1] <= b[1])
        return fits and a[0] is not None and a[0] == b[0] and a[2:] == b[2:]

    left, right = sides
    pairs = [a + b for a in left for b in right if meet(a, b)]
    lonely = [a for a in left if not any(meet(a, b) for b in right)]
    others = [b for b in right if not any(meet(a, b) for a in left)]
    if kind is JoinKind.ANTI:
        return Counter(lonely), late
    if kind is JoinKind.SEMI:
        return Counter(a for a in left if any(meet(a, b) for b in right)), late
    out = Counter(pairs)
    if kind.fills_right:
        out.update(a + (None,) * 4 for a in lonely)
    if kind.fills_left:
        out.update((None,) * 4 + b for b in others)
    return out, late


@pytest.mark.parametrize("kind", JoinKind, ids=lambda k: k.value)
@given(
    rows=ROWS,
    cuts=CUTS,
    delay=st.sampled_from([0, 5, 30]),
    crash=st.booleans(),
    residual=st.booleans(),
)
def test_window_joins_equal_a_naive_twin_under_any_cut_and_crash(
    kind: JoinKind, rows: list[Arrival], cuts: set[int], delay: int, crash: bool, residual: bool
) -> None:
    """A batch boundary or a crash is an accident; results and late rows never show it."""
    rows = with_marks(rows, delay)
    found = run(
        lambda: operator(kind, residual=residual), SCHEMAS, rows, cuts, delay=delay, crash=crash
    )
    assert (counted(found.out), counted(found.late)) == twin(kind, rows, residual=residual)
    assert found.left == 0, "all windows are closed, so nothing may be kept"


@pytest.mark.parametrize("kind", JoinKind, ids=lambda k: k.value)
def test_many_pairs_come_in_pieces(kind: JoinKind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window where every row meets every other must not be one frame of all pairs."""
    monkeypatch.setattr(window_join, "PAIRS_MAX", 10)
    rows = [arrival(i % 2, "pq"[i % 3 > 0], i % 5 - 2, i % 25) for i in range(40)]
    found = run(lambda: operator(kind, residual=True), SCHEMAS, rows, set(), delay=99)
    assert counted(found.out) == twin(kind, rows, residual=True)[0]
    assert all(frame.height <= 40 for frame in found.out)


def test_rows_come_in_the_order_of_windows_and_left_rows() -> None:
    """The order of results is a promise; that of a hash table would differ from run to run."""
    made = operator(JoinKind.LEFT, residual=False)
    left = [arrival(0, k, i, t) for i, (k, t) in enumerate([("q", 15), ("p", 3), (None, 2)])]
    right = [arrival(1, "p", i, 4) for i in (8, 7)]
    made.on_batch(Batch(frame_of(LEFT, left)), 0)
    made.on_batch(Batch(frame_of(RIGHT, right)), 1)
    out = pl.concat(made.on_mark(19).out)
    assert out.select("a", "x", "y").rows() == [
        ("p", 1, 8),
        ("p", 1, 7),
        (None, 2, None),
        ("q", 0, None),
    ]
