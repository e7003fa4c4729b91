"""Sessions against a naive twin, under any cut of the input and any crash and restore."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, MARK, Batch
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.session_rows import SessionRows
from millstream.engine.operators.session_window import SessionWindow
from millstream.expr import aggregates
from millstream.expr.tree import AggCall, Column, Expr, Named
from millstream.plan.nodes import Values, WindowAggregate, WindowTable
from millstream.plan.windows import Session

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = t.Schema.of(
    {"k": "STRING", "v": "BIGINT", "f": "DOUBLE", "s": "STRING", "ts": "TIMESTAMP(3)"}
)
NO_MARK = -(2**62)
GAP = 5


def agg(name: str, function: str, column: str | None = None, **options: Any) -> Named:
    args: tuple[Expr, ...] = ()
    if column is not None:
        args = (Column(column, type=SCHEMA.type_of(column)),)
    return Named(name, aggregates.resolve(AggCall(function, args, **options)))


AGGS = (
    agg("n", "COUNT"),
    agg("v_sum", "SUM", "v"),
    agg("v_max", "MAX", "v"),
    agg("s_min", "MIN", "s"),
    agg("s_first", "FIRST_VALUE", "s"),
    agg("s_last", "LAST_VALUE", "s"),
    agg("s_all", "LISTAGG", "s"),
    agg("s_n", "COUNT", "s", distinct=True),
    agg("v_dsum", "SUM", "v", distinct=True),
)


@dataclass(frozen=True)
class Row:
    k: str | None
    v: int | None
    f: float | None
    s: str | None
    ts: int
    mark: int = NO_MARK

    @property
    def plain(self) -> tuple[Any, ...]:
        return (self.k, self.v, self.f, self.s, self.ts)


def with_marks(rows: list[Row], delay: int) -> list[Row]:
    """Return the rows with the mark each arrives under: the maximum of the earlier times."""
    mark, out = NO_MARK, []
    for row in rows:
        out.append(replace(row, mark=mark))
        mark = max(mark, row.ts - delay)
    return out


@dataclass
class Held:
    """An open session of the twin."""

    start: int
    end: int
    rows: list[Row]


def twin(rows: list[Row]) -> tuple[list[tuple[str | None, Held]], Counter[Any]]:
    """Return the sessions and the late rows, one row at a time."""
    open_ones: dict[str | None, list[Held]] = {}
    closed: list[tuple[str | None, Held]] = []
    late: Counter[Any] = Counter()
    for row in rows:
        for key, held in open_ones.items():
            closed += [(key, s) for s in held if s.end <= row.mark]
            open_ones[key] = [s for s in held if s.end > row.mark]
        mine = open_ones.setdefault(row.k, [])
        start, end = row.ts, row.ts + GAP
        touched = [s for s in mine if s.start <= end and s.end >= start]
        if not touched and end <= row.mark:
            late[row.plain] += 1
            continue
        made = Held(
            min([start, *(s.start for s in touched)]),
            max([end, *(s.end for s in touched)]),
            [r for s in touched for r in s.rows] + [row],
        )
        open_ones[row.k] = [s for s in mine if s not in touched] + [made]
    closed += [(key, s) for key, held in open_ones.items() for s in held]
    order = {id(row): i for i, row in enumerate(rows)}
    for _, session in closed:
        session.rows.sort(key=lambda r: order[id(r)])
    return closed, late


def results(rows: list[Row]) -> tuple[Any, ...]:
    ints = [r.v for r in rows if r.v is not None]
    texts = [r.s for r in rows if r.s is not None]
    return (
        len(rows),
        sum(ints) if ints else None,
        max(ints, default=None),
        min(texts, default=None),
        texts[0] if texts else None,
        texts[-1] if texts else None,
        ",".join(texts) if texts else None,
        len(set(texts)),
        sum(set(ints)) if ints else None,
    )


def window(aggs: tuple[Named, ...] = AGGS) -> SessionWindow:
    node = WindowAggregate(
        input=Values(columns=SCHEMA, rows=()),
        window=Session(GAP),
        time="ts",
        keys=("k",),
        aggs=aggs,
    )
    return SessionWindow(node, Lowering(Context(), (False,), False, 0x1234_5678_9ABC, True))


def table() -> SessionRows:
    node = WindowTable(
        input=Values(columns=SCHEMA, rows=()), window=Session(GAP), time="ts", partition=("k",)
    )
    return SessionRows(node, Lowering(Context(), (False,), False, 0x1234_5678_9ABC, True))


def frame_of(rows: list[Row]) -> pl.DataFrame:
    data = {name: [getattr(r, name) for r in rows] for name in SCHEMA.names}
    schema = {**polars_schema(SCHEMA), "ts": pl.Int64()}
    frame = pl.DataFrame(data, schema=schema).with_columns(pl.col("ts").cast(pl.Datetime("ms")))
    if any(r.ts <= r.mark for r in rows):
        frame = frame.with_columns(pl.Series(MARK, [r.mark for r in rows], dtype=pl.Int64))
    return frame


def run(
    make: Callable[[], SessionWindow | SessionRows],
    rows: list[Row],
    cuts: list[int],
    *,
    delay: int,
    crash: bool = False,
    span_ms: int = 1,
) -> tuple[Counter[Any], Counter[Any]]:
    """Return what came out and the late rows of the real operator over the rows in pieces."""
    made = make()
    made._sessions.lists.span_ms = span_ms
    outs: list[pl.DataFrame] = []
    late: list[pl.DataFrame] = []
    mark = NO_MARK
    for start, end in pairwise([0, *sorted({c for c in cuts if c < len(rows)}), len(rows)]):
        piece = rows[start:end]
        for row in piece:
            mark = max(mark, row.ts - delay)
        given = made.on_batch(Batch(frame_of(piece), mark))
        outs += given.out
        late += given.late
        if mark > NO_MARK:
            outs += made.on_mark(mark).out
        if crash:
            snapshot = made.snapshot()
            made = make()
            made._sessions.lists.span_ms = span_ms
            made.restore(snapshot)
    outs += made.on_mark(FINAL_MARK_MS).out
    assert made.state_rows == 0, "all sessions are closed, so nothing may be kept"
    assert len(made._sessions.keys) == 0, "all sessions are closed, so no key may be kept"
    assert not len(made._sessions.lists), "nothing ends any more, so nothing is listed"
    return counted(outs), counted([f.drop(MARK) for f in late])


def counted(frames: list[pl.DataFrame]) -> Counter[Any]:
    out: Counter[Any] = Counter()
    for frame in frames:
        times = [n for n, d in frame.schema.items() if isinstance(d, pl.Datetime)]
        out.update(frame.with_columns(pl.col(times).to_physical()).rows())
    return out


ROW = st.builds(
    Row,
    k=st.sampled_from(["a", "a", "b", None]),
    v=st.one_of(st.none(), st.integers(-5, 5)),
    f=st.none(),
    s=st.one_of(st.none(), st.sampled_from(["", "x", "yy", "é" * 20])),
    ts=st.integers(-40, 40),
)
ROWS = st.lists(ROW, max_size=40)
CUTS = st.lists(st.integers(0, 40), max_size=6)
DELAYS = st.sampled_from([0, 1, 6, 20, 100])


@given(
    rows=ROWS, cuts=CUTS, delay=DELAYS, crash=st.booleans(), span_ms=st.sampled_from([1, 7, 250])
)
@settings(max_examples=200, deadline=None)
def test_sessions_equal_a_naive_twin_under_any_cut_and_crash(
    rows: list[Row], cuts: list[int], delay: int, crash: bool, span_ms: int
) -> None:
    """A batch boundary or a crash is an accident; sessions and late rows never show it."""
    rows = with_marks(rows, delay)
    sessions, late = twin(rows)
    wanted = Counter((k, *results(s.rows), s.start, s.end) for k, s in sessions)
    assert run(window, rows, cuts, delay=delay, crash=crash, span_ms=span_ms) == (wanted, late)


@given(rows=ROWS, cuts=CUTS, delay=DELAYS, crash=st.booleans())
@settings(max_examples=100, deadline=None)
def test_waiting_rows_get_the_bounds_of_the_twin(
    rows: list[Row], cuts: list[int], delay: int, crash: bool
) -> None:
    """Rows that wait must come out whole, once, with the session they belong to at its end."""
    rows = with_marks(rows, delay)
    sessions, late = twin(rows)
    wanted = Counter((*r.plain, s.start, s.end, s.end - 1) for _, s in sessions for r in s.rows)
    assert run(table, rows, cuts, delay=delay, crash=crash) == (wanted, late)


FLOAT_AGGS = (
    agg("total", "SUM", "f"),
    agg("mean", "AVG", "f"),
    agg("low", "MIN", "f"),
    agg("high", "MAX", "f"),
    agg("spread", "VAR_POP", "f"),
    agg("total_d", "SUM", "f", distinct=True),
)
REAL = st.floats(allow_nan=True, allow_infinity=True)


@given(
    rows=st.lists(
        st.builds(Row, st.just("a"), st.just(1), REAL, st.none(), st.integers(0, 60)), max_size=40
    ),
    cuts=CUTS,
    delay=DELAYS,
    crash=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_floats_are_equal_bit_for_bit_under_any_cut(
    rows: list[Row], cuts: list[int], delay: int, crash: bool
) -> None:
    """Addition of floats is not associative: folds and merges must come in the rows' order."""
    rows = with_marks(rows, delay)

    def bits(inner: list[int], crash: bool) -> Counter[str]:
        found, _ = run(lambda: window(FLOAT_AGGS), rows, inner, delay=delay, crash=crash)
        return Counter({repr(row): n for row, n in found.items()})

    assert bits(cuts, crash) == bits(list(range(len(rows))), crash=False)


@pytest.mark.parametrize("make", [window, table])
def test_open_sessions_survive_a_mark_far_before_their_end(make: Any) -> None:
    """A session that grows is listed anew when its first end comes, not forgotten."""
    made = make()
    for ts in range(0, 50, 3):
        made.on_batch(Batch(frame_of([Row("a", 1, None, None, ts)]), ts - 1))
        assert made.on_mark(ts - 1).out == ()
    (out,) = made.on_mark(100).out
    assert out.select(pl.col("window_start", "window_end").to_physical()).rows()[0] == (0, 53)
