"""Fixed windows against a naive twin, under any cut of the input and any crash and restore."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, MARK, Batch
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.fixed_window import FixedWindow
from millstream.expr import aggregates
from millstream.expr.tree import AggCall, Column, Expr, Named
from millstream.plan.nodes import Values, WindowAggregate
from millstream.plan.windows import Attached, Cumulate, Hop, Tumble

SCHEMA = t.Schema.of(
    {
        "k": "STRING",
        "v": "BIGINT",
        "f": "DOUBLE",
        "s": "STRING",
        "ts": "TIMESTAMP(3)",
        "big": "BOOLEAN",
    }
)
NO_MARK = -(2**62)
WINDOWS = [
    Tumble(10),
    Tumble(10, 3),
    Hop(12, 3),
    Hop(20, 5, 2),
    Hop(10, 10),
    Cumulate(12, 3),
    Cumulate(20, 5, -4),
]


def agg(name: str, function: str, column: str | None = None, **options: Any) -> Named:
    args: tuple[Expr, ...] = ()
    if column is not None:
        args = (Column(column, type=SCHEMA.type_of(column)),)
    return Named(name, aggregates.resolve(AggCall(function, args, **options)))


AGGS = (
    agg("n", "COUNT"),
    agg("v_sum", "SUM", "v"),
    agg("v_avg", "AVG", "v"),
    agg("v_max", "MAX", "v"),
    agg("f_sum", "SUM", "f"),
    agg("s_min", "MIN", "s"),
    agg("s_first", "FIRST_VALUE", "s"),
    agg("s_last", "LAST_VALUE", "s"),
    agg("s_all", "LISTAGG", "s"),
    agg("s_n", "COUNT", "s", distinct=True),
    agg("v_dsum", "SUM", "v", distinct=True),
    agg("f_dsum", "SUM", "f", distinct=True),
    agg("v_pos", "COUNT", filter=Column("big", type=t.Boolean())),
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
    def big(self) -> bool | None:
        return None if self.v is None else self.v > 0


def with_marks(rows: list[Row], delay: int) -> list[Row]:
    """Return the rows with the mark each arrives under: the maximum of the earlier times."""
    mark, out = NO_MARK, []
    for row in rows:
        out.append(Row(row.k, row.v, row.f, row.s, row.ts, mark))
        mark = max(mark, row.ts - delay)
    return out


def windows_of(window: Any, ts: int) -> list[tuple[int, int]]:
    """Return (start, end) of every window that holds a time."""
    if isinstance(window, Tumble):
        start = (ts - window.offset_ms) // window.size_ms * window.size_ms + window.offset_ms
        return [(start, start + window.size_ms)]
    if isinstance(window, Hop):
        last = (ts - window.offset_ms) // window.slide_ms * window.slide_ms + window.offset_ms
        starts = range(last, ts - window.size_ms, -window.slide_ms)
        return [(start, start + window.size_ms) for start in starts]
    start = (ts - window.offset_ms) // window.size_ms * window.size_ms + window.offset_ms
    ends = range(start + window.step_ms, start + window.size_ms + 1, window.step_ms)
    return [(start, end) for end in ends if ts < end]


def twin(window: Any, rows: list[Row]) -> tuple[Counter[Any], Counter[Any]]:
    """Return results and late rows, one row at a time, from lists of all rows."""
    held: dict[Any, list[Row]] = {}
    late: Counter[Any] = Counter()
    for row in rows:
        open_ones = [w for w in windows_of(window, row.ts) if w[1] - 1 > row.mark]
        if not open_ones:
            late[plain(row)] += 1
        for bounds in open_ones:
            held.setdefault((row.k, bounds), []).append(row)
    out: Counter[Any] = Counter()
    for (k, (start, end)), some in held.items():
        out[(k, *results(some), start, end)] += 1
    return out, late


def results(rows: list[Row]) -> tuple[Any, ...]:
    ints = [r.v for r in rows if r.v is not None]
    floats = [r.f for r in rows if r.f is not None]
    texts = [r.s for r in rows if r.s is not None]
    return (
        len(rows),
        sum(ints) if ints else None,
        math.trunc(sum(ints) / len(ints)) if ints else None,
        max(ints, default=None),
        sum(floats) if floats else None,
        min(texts, default=None),
        texts[0] if texts else None,
        texts[-1] if texts else None,
        ",".join(texts) if texts else None,
        len(set(texts)),
        sum(set(ints)) if ints else None,
        sum(set(floats)) if floats else None,
        sum(i > 0 for i in ints),
    )


def plain(row: Row) -> tuple[Any, ...]:
    return (row.k, row.v, row.f, row.s, row.ts, row.big)


def operator(window: Any, aggs: tuple[Named, ...] = AGGS) -> FixedWindow:
    node = WindowAggregate(
        input=Values(columns=SCHEMA, rows=()), window=window, time="ts", keys=("k",), aggs=aggs
    )
    return FixedWindow(node, Lowering(Context(), (False,), False, 0x1234_5678_9ABC, True))


def frame_of(rows: list[Row]) -> pl.DataFrame:
    data = {name: [getattr(r, name) for r in rows] for name in SCHEMA.names}
    schema = {**polars_schema(SCHEMA), "ts": pl.Int64()}
    frame = pl.DataFrame(data, schema=schema).with_columns(pl.col("ts").cast(pl.Datetime("ms")))
    if any(r.ts <= r.mark for r in rows):
        frame = frame.with_columns(pl.Series(MARK, [r.mark for r in rows], dtype=pl.Int64))
    return frame


def run(
    window: Any,
    rows: list[Row],
    cuts: list[int],
    *,
    delay: int,
    crash: bool = False,
    aggs: tuple[Named, ...] = AGGS,
) -> tuple[Counter[Any], Counter[Any]]:
    """Return results and late rows of the real operator over the rows in pieces."""
    made = operator(window, aggs)
    outs: list[pl.DataFrame] = []
    late: list[pl.DataFrame] = []
    mark = NO_MARK
    bounds = [0, *sorted(set(cuts)), len(rows)]
    for start, end in pairwise(bounds):
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
            made = operator(window, aggs)
            made.restore(snapshot)
    outs += made.on_mark(FINAL_MARK_MS).out
    assert made.state_rows == 0, "all windows are closed, so nothing may be kept"
    assert len(made._panes.keys) == 0, "all windows are closed, so no key may be kept"
    return counted(outs), counted([f.drop(MARK) for f in late])


def counted(frames: list[pl.DataFrame]) -> Counter[Any]:
    out: Counter[Any] = Counter()
    for frame in frames:
        times = [n for n, d in frame.schema.items() if isinstance(d, pl.Datetime)]
        out.update(frame.with_columns(pl.col(times).to_physical()).rows())
    return out


ROW = st.builds(
    Row,
    k=st.sampled_from(["a", "b", None]),
    v=st.one_of(st.none(), st.integers(-5, 5)),
    f=st.one_of(st.none(), st.integers(-8, 8).map(lambda i: i / 4)),
    s=st.one_of(st.none(), st.sampled_from(["", "x", "yy", "é" * 20])),
    ts=st.integers(-60, 60),
)
ROWS = st.lists(ROW, max_size=40)
CUTS = st.lists(st.integers(0, 40), max_size=6)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@given(rows=ROWS, cuts=CUTS, delay=st.sampled_from([0, 4, 30]), crash=st.booleans())
@settings(max_examples=40, deadline=None)
def test_windows_equal_a_naive_twin_under_any_cut_and_crash(
    window: Any, rows: list[Row], cuts: list[int], delay: int, crash: bool
) -> None:
    """A batch boundary or a crash is an accident; results and late rows never show it."""
    rows = with_marks(rows, delay)
    inside = [cut for cut in cuts if cut < len(rows)]
    assert run(window, rows, inside, delay=delay, crash=crash) == twin(window, rows)


REAL = st.floats(allow_nan=True, allow_infinity=True)
FLOAT_AGGS = (
    agg("total", "SUM", "f"),
    agg("mean", "AVG", "f"),
    agg("low", "MIN", "f"),
    agg("high", "MAX", "f"),
    agg("spread", "VAR_POP", "f"),
    agg("total_d", "SUM", "f", distinct=True),
)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@given(
    rows=st.lists(st.builds(Row, st.just("a"), st.just(1), REAL, st.none(), st.integers(0, 60))),
    cuts=CUTS,
    crash=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_floats_are_equal_bit_for_bit_under_any_cut(
    window: Any, rows: list[Row], cuts: list[int], crash: bool
) -> None:
    """Addition of floats is not associative: the order must depend on the rows alone."""
    rows = with_marks(rows, 4)
    inside = [cut for cut in cuts if cut < len(rows)]

    def bits(inner: list[int], crash: bool) -> Counter[str]:
        found, _ = run(window, rows, inner, delay=4, crash=crash, aggs=FLOAT_AGGS)
        return Counter({repr(row): n for row, n in found.items()})

    assert bits(inside, crash) == bits(list(range(len(rows))), crash=False)


def test_attached_bounds_close_by_their_end() -> None:
    """A window aggregate over windowed rows must group by the bounds it is given."""
    schema = t.Schema.of(
        {"v": "BIGINT", "ws": "TIMESTAMP(3)", "we": "TIMESTAMP(3)", "wt": "TIMESTAMP(3)"}
    )
    node = WindowAggregate(
        input=Values(columns=schema, rows=()),
        window=Attached("ws", "we"),
        time="wt",
        keys=(),
        aggs=(Named("n", aggregates.resolve(AggCall("COUNT"))),),
        window_time="at",
    )
    made = FixedWindow(node, Lowering(Context(), (False,), False, 7, True))
    rows = [(1, 0, 10, 9), (2, 0, 10, 9), (3, 5, 15, 14), (4, 0, 15, 14)]
    frame = pl.DataFrame(rows, schema=["v", "ws", "we", "wt"], orient="row").with_columns(
        pl.col("ws", "we", "wt").cast(pl.Datetime("ms"))
    )
    assert made.on_batch(Batch(frame, 5)).out == ()
    (first,) = made.on_mark(9).out
    assert first.select("n", pl.col("window_end", "at").to_physical()).rows() == [(2, 10, 9)]
    (rest,) = made.on_mark(FINAL_MARK_MS).out
    assert rest.select(pl.col("window_start").to_physical(), "n").rows() == [(5, 1), (0, 1)]


def test_a_day_of_23_hours_is_one_window() -> None:
    """Windows over instants follow the zone's wall clock, also when clocks go forward."""
    schema = t.Schema.of({"ts": "TIMESTAMP_LTZ(3)"})
    node = WindowAggregate(
        input=Values(columns=schema, rows=()),
        window=Tumble(86_400_000),
        time="ts",
        keys=(),
        aggs=(Named("n", aggregates.resolve(AggCall("COUNT"))),),
    )
    made = FixedWindow(node, Lowering(Context("Europe/Berlin"), (False,), False, 7, True))
    frame = pl.DataFrame(
        {"ts": ["2026-03-28 23:30:00", "2026-03-29 21:30:00", "2026-03-29 22:30:00"]}
    ).with_columns(pl.col("ts").str.to_datetime(time_unit="ms", time_zone="UTC"))
    made.on_batch(Batch(frame, 0))
    midnight = dt.datetime(2026, 3, 29, 22, tzinfo=dt.UTC)  # in Berlin it is the 30th
    mark = int(midnight.timestamp() * 1000) - 1
    assert made.on_mark(mark - 1).out == ()
    (day,) = made.on_mark(mark).out
    assert day["n"].to_list() == [2]
    assert day["window_start"].to_list() == [dt.datetime(2026, 3, 29)]  # noqa: DTZ001
    (rest,) = made.on_mark(FINAL_MARK_MS).out
    assert rest["window_start"].to_list() == [dt.datetime(2026, 3, 30)]  # noqa: DTZ001
