"""Early and late results: whenever they come, they fold to what a naive twin says."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, MARK, OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.emit_session import EmitSession
from millstream.engine.operators.emit_window import EmitWindow
from millstream.expr import aggregates
from millstream.expr.tree import AggCall, Column, Named
from millstream.plan.nodes import Values, WindowAggregate
from millstream.plan.windows import Cumulate, Emit, Hop, Session, Tumble

SCHEMA = t.Schema.of({"k": "STRING", "s": "STRING", "ts": "TIMESTAMP(3)"})
NO_MARK = -(2**62)
WINDOWS = [Tumble(10), Hop(12, 4), Cumulate(12, 3, 1), Session(5)]
Row = tuple[str, str, int]


def operator(window: Any, emit: Emit, *, upserts: bool) -> EmitWindow | EmitSession:
    text = Column("s", type=t.STRING)
    node = WindowAggregate(
        input=Values(columns=SCHEMA, rows=()),
        window=window,
        time="ts",
        keys=("k",),
        aggs=(
            Named("n", aggregates.resolve(AggCall("COUNT"))),
            Named("last", aggregates.resolve(AggCall("MAX", (text,)))),
            Named("texts", aggregates.resolve(AggCall("LISTAGG", (text,)))),
        ),
        emit=emit,
    )
    kind = EmitSession if isinstance(window, Session) else EmitWindow
    return kind(node, Lowering(Context(), (False,), upserts, 0x1234_5678_9ABC, True))


def windows_of(window: Any, ts: int) -> list[tuple[int, int]]:
    """Return (start, end) of every window that holds a time."""
    if isinstance(window, Tumble):
        start = ts // window.size_ms * window.size_ms
        return [(start, start + window.size_ms)]
    if isinstance(window, Hop):
        last = ts // window.slide_ms * window.slide_ms
        starts = range(last, ts - window.size_ms, -window.slide_ms)
        return [(start, start + window.size_ms) for start in starts]
    start = (ts - window.offset_ms) // window.size_ms * window.size_ms + window.offset_ms
    ends = range(start + window.step_ms, start + window.size_ms + 1, window.step_ms)
    return [(start, end) for end in ends if ts < end]


def twin(window: Any, rows: list[Row], lateness: int) -> tuple[Counter[Any], int]:
    """Return the table of results at the end, and how many rows were late."""
    if isinstance(window, Session):
        return twin_of_sessions(window.gap_ms, rows, lateness)
    held: dict[Any, list[str]] = {}
    late, mark = 0, NO_MARK
    for k, s, ts in rows:
        kept = [w for w in windows_of(window, ts) if w[1] - 1 + lateness > mark]
        late += not kept
        for bounds in kept:
            held.setdefault((k, *bounds), []).append(s)
        mark = max(mark, ts)
    out = ((k, len(x), max(x), ",".join(x), start, end) for (k, start, end), x in held.items())
    return Counter(out), late


def twin_of_sessions(gap: int, rows: list[Row], lateness: int) -> tuple[Counter[Any], int]:
    """The same for sessions, which are open until the mark is ``lateness`` past their end."""
    held: list[tuple[str, int, int, list[int]]] = []
    late, mark = 0, NO_MARK
    for at, (k, _, ts) in enumerate(rows):
        start, end, mine = ts, ts + gap, [at]
        for one in list(held):
            kept = one[2] + lateness > mark
            if one[0] == k and kept and one[1] <= ts + gap and one[2] >= ts:
                held.remove(one)
                start, end, mine = min(start, one[1]), max(end, one[2]), [*mine, *one[3]]
        if len(mine) == 1 and end + lateness <= mark:
            late += 1
        else:
            held.append((k, start, end, mine))
        mark = max(mark, ts)
    out: Counter[Any] = Counter()
    for k, start, end, mine in held:
        texts = [rows[at][1] for at in sorted(mine)]
        out[(k, len(texts), max(texts), ",".join(texts), start, end)] += 1
    return out, late


def frame_of(rows: list[Row], mark: int) -> pl.DataFrame:
    schema = {**polars_schema(SCHEMA), "ts": pl.Int64()}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    marks = []
    for _, _, ts in rows:
        marks.append(mark)
        mark = max(mark, ts)
    frame = frame.with_columns(pl.col("ts").cast(pl.Datetime("ms")))
    return frame.with_columns(pl.Series(MARK, marks, dtype=pl.Int64))


def folded(frames: list[pl.DataFrame], *, upserts: bool) -> Counter[Any]:
    """Return the table that changes stand for; no row may be taken back that does not stand."""
    table: dict[Any, Any] = {}
    for frame in frames:
        bounds = pl.col("window_start", "window_end").to_physical()
        for *row, op in frame.with_columns(bounds).rows():
            key = (row[0], *row[-2:])
            if op in (Op.UPDATE_BEFORE, Op.DELETE):
                assert op == Op.DELETE or not upserts, "a reader of upserts is not sent old rows"
                assert table.pop(key) == row, "another row is taken back than the one given"
            else:
                assert upserts or key not in table, "a second row without taking the first back"
                table[key] = row
    return Counter(map(tuple, table.values()))


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", "z" * 30]), st.integers(-30, 60)),
    max_size=30,
)
EMITS = st.builds(
    Emit,
    early_ms=st.sampled_from([None, 0, 3]),
    late_ms=st.just(0),
    lateness_ms=st.sampled_from([0, 7, 1000]),
) | st.builds(Emit, early_ms=st.sampled_from([None, 5]), late_ms=st.just(4), lateness_ms=st.just(9))


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@given(
    rows=ROWS,
    emit=EMITS,
    cuts=st.lists(st.integers(0, 30), max_size=6),
    ticks=st.booleans(),
    upserts=st.booleans(),
    crash=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_results_fold_to_the_twin_whenever_they_come(
    window: Any,
    rows: list[Row],
    emit: Emit,
    cuts: list[int],
    ticks: bool,
    upserts: bool,
    crash: bool,
) -> None:
    """Early and late results are previews and corrections: the table at the end is the same."""
    made = operator(window, emit, upserts=upserts)
    outs: list[pl.DataFrame] = []
    late, mark, now = 0, NO_MARK, 0
    for start, end in pairwise([0, *sorted({c for c in cuts if c < len(rows)}), len(rows)]):
        piece = rows[start:end]
        if piece:
            given_ = made.on_batch(Batch(frame_of(piece, mark), None, now))
            outs += given_.out
            late += sum(f.height for f in given_.late)
            mark = max([mark, *(ts for _, _, ts in piece)])
            outs += made.on_mark(mark).out
        now += 2
        if ticks:
            outs += made.on_clock(now).out
        if crash:
            snapshot = made.snapshot()
            made = operator(window, emit, upserts=upserts)
            made.restore(snapshot)
    outs += made.on_mark(FINAL_MARK_MS).out
    assert (folded(outs, upserts=upserts), late) == twin(window, rows, emit.lateness_ms)
    assert made.state_rows == 0, "all windows are forgotten at the end"


def test_a_delay_holds_early_results_back() -> None:
    """Without a bound on how often, every batch of a fast stream would give every window."""
    made = operator(Tumble(1000), Emit(early_ms=10), upserts=True)
    given_ = [
        made.on_batch(Batch(frame_of([("a", "x", now)], NO_MARK), None, now)).out
        for now in range(100)
    ]
    times = [now for now, out in enumerate(given_) if out]
    assert times[0] == 10
    assert all(b - a >= 10 for a, b in pairwise(times))
    assert OP in given_[10][0].columns


def test_rows_of_an_earlier_stamp_are_told_by_their_time() -> None:
    """A result that a window of the clock fires must reach a window over it before that fires."""
    made = operator(Tumble(10), Emit(early_ms=0), upserts=True)
    rows = frame_of([("a", "x", 9), ("a", "y", 12)], NO_MARK)
    assert made.clock_times(rows, 0).tolist() == [9, 12]
