"""Top-N and deduplication against naive twins, under any cut of the input and any restart."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import astuple, dataclass, replace
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, MARK, OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering, Operator, operator_for
from millstream.engine.operators import rank as _rank  # registers the operator
from millstream.engine.operators import window_rank as _window_rank
from millstream.plan.facts import Facts
from millstream.plan.nodes import SortKey, Values
from millstream.plan.ranks import Rank, RankKind, WindowRank

assert _rank
assert _window_rank
WINDOWED = (t.Field("ws", t.Timestamp(3)), t.Field("we", t.Timestamp(3)))
SCHEMA = t.Schema.of(
    {"k": "STRING", "v": "BIGINT", "f": "DOUBLE", "s": "STRING", "ts": "TIMESTAMP(3)"}
)


@dataclass(frozen=True)
class Row:
    k: str | None
    v: int | None
    f: float | None
    s: str | None
    ts: int = 0


ROW = st.builds(
    Row,
    k=st.sampled_from(["a", "b", None]),
    v=st.one_of(st.none(), st.integers(-2, 2), st.sampled_from([2**62, -(2**62)])),
    f=st.one_of(st.none(), st.sampled_from([-1.5, -0.0, 0.0, 2.25, math.inf, math.nan])),
    s=st.one_of(st.none(), st.sampled_from(["", "x", "xy", "é" * 20, "longer than 8", "longer t"])),
    ts=st.integers(0, 20),
)
CHANGE = st.tuples(ROW, st.booleans())
BY = st.sampled_from(
    [
        (SortKey("v"),),
        (SortKey("v", descending=True), SortKey("f")),
        (SortKey("s", descending=True), SortKey("v")),
        (SortKey("s"), SortKey("f", descending=True, nulls_first=True)),
        (SortKey("f", nulls_first=False),),
    ]
)


def frame_of(rows: list[Row], ops: list[int] | None = None) -> pl.DataFrame:
    frame = pl.DataFrame([astuple(r) for r in rows], schema=[*SCHEMA.names], orient="row",
                         schema_overrides={**polars_schema(SCHEMA), "ts": pl.Int64})  # fmt: skip
    frame = frame.with_columns(pl.col("ts").cast(pl.Datetime("ms")))
    return frame if ops is None else frame.with_columns(pl.Series(OP, ops, dtype=pl.Int8))


def rank_node(**options: Any) -> Rank:
    return Rank(input=Values(columns=SCHEMA, rows=()), **options)


def running(
    node: Rank | WindowRank, *, changes: bool = False, upsert: bool = False, facts: Facts
) -> Operator:
    lowering = Lowering(Context(), (changes,), upsert, 7, bounded=False, facts_in=(facts,))
    return operator_for(node, lowering)


def restarted(operator: Operator, node: Rank | WindowRank, **options: Any) -> Operator:
    fresh = running(node, **options)
    fresh.restore(operator.snapshot())
    return fresh


# ---------------------------------------------------------------- the naive twins


def cell(key: SortKey, value: Any) -> tuple[int, Any]:
    first = not key.descending if key.nulls_first is None else key.nulls_first
    if value is None:
        return (-1 if first else 1, 0)
    return (0, value)


def below(a: Any, b: Any) -> int:
    if isinstance(a, str):
        a, b = a.encode(), b.encode()
    if isinstance(a, float) and (math.isnan(a) or math.isnan(b)):
        return int(math.isnan(a)) - int(math.isnan(b))
    return (a > b) - (a < b)


def compare(by: tuple[SortKey, ...], x: Row, y: Row) -> int:
    for key in by:
        (m, a), (n, b) = cell(key, getattr(x, key.column)), cell(key, getattr(y, key.column))
        if m != n:
            return -1 if m < n else 1
        order = below(a, b) if m == 0 else 0
        if order:
            return -order if key.descending else order
    return 0


def sorted_rows(rows: list[Row], by: tuple[SortKey, ...], ties: bool) -> list[Row]:
    rest = tuple(SortKey(c) for c in SCHEMA.names) if ties else ()
    out: list[Row] = []
    for row in rows:  # stable insertion, as plain as can be
        at = len(out)
        while at and compare((*by, *rest), out[at - 1], row) > 0:
            at -= 1
        out.insert(at, row)
    return out


def twin(rows: list[Row], node: Rank, ties: bool) -> Counter[Any]:
    out: Counter[Any] = Counter()
    for k in {r.k for r in rows}:
        mine = sorted_rows([r for r in rows if r.k == k], node.by, ties)
        for i, row in enumerate(mine):
            before = [r for r in mine if compare(node.by, r, row) < 0]
            rank = {
                RankKind.ROW_NUMBER: i + 1,
                RankKind.RANK: 1 + len(before),
                RankKind.DENSE_RANK: 1
                + sum(
                    compare(node.by, a, b) != 0
                    for a, b in zip(before, [*before[1:], row], strict=False)
                ),
            }[node.kind]
            if node.first <= rank <= node.last:
                out[shown(row, rank if node.number else None)] += 1
    return out


def shown(row: Row, rank: int | None) -> str:
    f = None if row.f is None else row.f + 0.0
    return repr((row.k, row.v, f, row.s, row.ts, *([] if rank is None else [rank])))


def folded(out: list[pl.DataFrame], key: tuple[str, ...] | None = None) -> Counter[Any]:
    """Fold changes; with a key the newest row or a tombstone per key counts."""
    table: Counter[Any] = Counter()
    newest: dict[Any, str] = {}
    for frame in out:
        ops = frame[OP].to_list() if OP in frame.columns else [0] * frame.height
        data = frame.drop(OP, strict=False).with_columns(pl.col("ts").to_physical())
        for op, cells in zip(ops, data.iter_rows(named=True), strict=True):
            row = Row(**{name: cells[name] for name in SCHEMA.names})
            text = shown(row, cells.get("rn"))
            gone = op in (Op.DELETE, Op.UPDATE_BEFORE)
            if key is None:
                table[text] += -1 if gone else 1
                assert table[text] >= 0, "a row was taken back that was not given"
            elif gone:
                newest.pop(tuple(cells[c] for c in key), None)
            else:
                newest[tuple(cells[c] for c in key)] = text
    return +table if key is None else Counter(newest.values())


def cut(items: list[Any], sizes: list[int]) -> list[list[Any]]:
    out, at = [], 0
    for size in sizes:
        out.append(items[at : at + size])
        at += size
    return [part for part in [*out, items[at:]] if part]


# ---------------------------------------------------------------- the laws

KINDS = st.sampled_from(list(RankKind))
CUTS = st.lists(st.integers(1, 9), max_size=8)
UNTIMED = Facts(bounded=False)
CHANGING = Facts(bounded=False, updates=True)


@given(
    rows=st.lists(ROW, min_size=1, max_size=40), cuts=CUTS, by=BY, kind=KINDS,
    first=st.integers(1, 3), more=st.integers(0, 3), number=st.booleans(), data=st.data(),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_appended_rows(rows, cuts, by, kind, first, more, number, data):
    """Only the first rows are kept of appended ones, and that must never show."""
    node = rank_node(kind=kind, partition=("k",), by=by, first=first, last=first + more,
                     number="rn" if number else None)  # fmt: skip
    operator, out, seen = running(node, facts=UNTIMED), [], []
    for part in cut(rows, cuts):
        seen += part
        out += operator.on_batch(Batch(frame_of(part))).out
        assert folded(out) == twin(seen, node, ties=False)
        if data.draw(st.booleans()):
            operator = restarted(operator, node, facts=UNTIMED)


@given(
    changes=st.lists(CHANGE, min_size=1, max_size=40), cuts=CUTS, by=BY, kind=KINDS,
    first=st.integers(1, 3), more=st.integers(0, 3), number=st.booleans(), data=st.data(),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_changing_rows(changes, cuts, by, kind, first, more, number, data):
    """A row taken back makes room for the next one; what never came changes nothing."""
    node = rank_node(kind=kind, partition=("k",), by=by, first=first, last=first + more,
                     number="rn" if number else None)  # fmt: skip
    options = {"changes": True, "facts": CHANGING}
    operator, out, seen = running(node, **options), [], []
    for part in cut(changes, cuts):
        for row, gone in part:
            same = [r for r in seen if shown(r, None) == shown(row, None)]
            if gone and same:
                seen.remove(same[0])
            elif not gone:
                seen.append(row)
        ops = [int(Op.DELETE if gone else Op.INSERT) for _, gone in part]
        out += operator.on_batch(Batch(frame_of([r for r, _ in part], ops))).out
        assert folded(out) == twin(seen, node, ties=True)
        if data.draw(st.booleans()):
            operator = restarted(operator, node, **options)


@given(changes=st.lists(CHANGE, min_size=1, max_size=40), cuts=CUTS, by=BY, last=st.integers(1, 3))
@settings(deadline=None, max_examples=80)
def test_upserts_by_rank(changes, cuts, by, last):
    """Readers by (key, rank) get the same table without the old rows of updates."""
    node = rank_node(kind=RankKind.ROW_NUMBER, partition=("k",), by=by, first=1, last=last,
                     number="rn")  # fmt: skip
    operator = running(node, changes=True, upsert=True, facts=CHANGING)
    out: list[pl.DataFrame] = []
    seen: list[Row] = []
    for part in cut(changes, cuts):
        for row, gone in part:
            same = [r for r in seen if shown(r, None) == shown(row, None)]
            if gone and same:
                seen.remove(same[0])
            elif not gone:
                seen.append(row)
        ops = [int(Op.DELETE if gone else Op.INSERT) for _, gone in part]
        out += operator.on_batch(Batch(frame_of([r for r, _ in part], ops))).out
    assert not any((f[OP] == Op.UPDATE_BEFORE).any() for f in out)
    assert folded(out, ("k", "rn")) == twin(seen, node, ties=True)


@given(rows=st.lists(ROW, min_size=1, max_size=40), cuts=CUTS, data=st.data())
@settings(deadline=None, max_examples=80)
def test_keep_last(rows, cuts, data):
    """The newest row by time stays; of two of one time the one that came later, as in Flink."""
    facts = Facts(bounded=False, times=("ts",), marks=True)
    node = rank_node(kind=RankKind.ROW_NUMBER, partition=("k",), first=1, last=1,
                     by=(SortKey("ts", descending=True),))  # fmt: skip
    operator, out = running(node, facts=facts), []
    for part in cut(rows, cuts):
        out += operator.on_batch(Batch(frame_of(part))).out
        if data.draw(st.booleans()):
            operator = restarted(operator, node, facts=facts)
    want: dict[Any, Row] = {}
    for row in rows:
        if row.k not in want or row.ts >= want[row.k].ts:
            want[row.k] = row
    assert folded(out) == Counter(shown(r, None) for r in want.values())


@given(rows=st.lists(ROW, min_size=1, max_size=40), cuts=CUTS, data=st.data())
@settings(deadline=None, max_examples=80)
def test_keep_first(rows, cuts, data):
    """Each key is given once, when the mark has passed its first row; late rows are told."""
    facts = Facts(bounded=False, times=("ts",), marks=True)
    node = rank_node(kind=RankKind.ROW_NUMBER, partition=("k",), first=1, last=1,
                     by=(SortKey("ts"),))  # fmt: skip
    operator, out, late = running(node, facts=facts), [], []
    marks, mark = [], -1
    for row in rows:
        marks.append(mark)
        mark = max(mark, row.ts - 5)
    for part in cut(list(zip(rows, marks, strict=True)), cuts):
        frame = frame_of([r for r, _ in part]).with_columns(
            pl.Series(MARK, [m for _, m in part], dtype=pl.Int64)
        )
        given = operator.on_batch(Batch(frame))
        late += given.late
        last = part[-1]
        out += operator.on_mark(max(last[1], last[0].ts - 5)).out
        if data.draw(st.booleans()):
            operator = restarted(operator, node, facts=facts)
    out += operator.on_mark(FINAL_MARK_MS).out
    want: dict[Any, Row] = {}
    on_time = [r for r, m in zip(rows, marks, strict=True) if r.ts > m]
    for row in on_time:
        if row.k not in want or row.ts < want[row.k].ts:
            want[row.k] = row
    assert folded(out) == Counter(shown(r, None) for r in want.values())
    assert sum(f.height for f in late) == len(rows) - len(on_time)


def test_a_partition_not_written_for_long_is_forgotten() -> None:
    """State that nobody writes may be given up, without any output."""
    node = rank_node(kind=RankKind.ROW_NUMBER, partition=("k",), by=(SortKey("v"),), first=1,
                     last=2)  # fmt: skip
    lowering = Lowering(Context(), (False,), False, 7, False, (UNTIMED,), False, 1_000)
    operator = operator_for(node, lowering)
    row = Row("a", 1, None, None)
    for at, want in ((1, 1), (500, 1), (1_400, 0), (2_500, 1)):
        given = operator.on_batch(Batch(frame_of([row]), read_at_ms=at)).out
        assert sum(f.height for f in given) == want, at


@given(
    rows=st.lists(ROW, min_size=1, max_size=40), cuts=CUTS, by=BY, kind=KINDS,
    first=st.integers(1, 2), more=st.integers(0, 2), data=st.data(),
)  # fmt: skip
@settings(deadline=None, max_examples=100)
def test_per_window(rows, cuts, by, kind, first, more, data):
    """A window's ranks are told once, when it closes; a row of a closed window is late."""
    given_ = replace(SCHEMA, fields=(*SCHEMA.fields, *WINDOWED))
    node = WindowRank(
        input=Values(columns=given_, rows=()), kind=kind, partition=("k",), by=by,
        first=first, last=first + more, number="rn", bounds=("ws", "we"),
    )  # fmt: skip
    facts = Facts(bounded=False, times=("ts",), bounds=("ws", "we"), marks=True)
    operator, out, late = running(node, facts=facts), [], []
    marks, mark = [], -1
    for row in rows:
        marks.append(mark)
        mark = max(mark, row.ts - 3)
    for part in cut(list(zip(rows, marks, strict=True)), cuts):
        start = pl.col("ts").dt.timestamp("ms") // 10 * 10
        frame = frame_of([r for r, _ in part]).with_columns(
            start.cast(pl.Datetime("ms")).alias("ws"),
            (start + 10).cast(pl.Datetime("ms")).alias("we"),
            pl.Series(MARK, [m for _, m in part], dtype=pl.Int64),
        )
        late += operator.on_batch(Batch(frame)).late
        out += operator.on_mark(max(part[-1][1], part[-1][0].ts - 3)).out
        if data.draw(st.booleans()):
            operator = restarted(operator, node, facts=facts)
    out += operator.on_mark(FINAL_MARK_MS).out
    on_time = [r for r, m in zip(rows, marks, strict=True) if r.ts // 10 * 10 + 9 > m]
    want: Counter[Any] = Counter()
    for start in {r.ts // 10 for r in on_time}:
        mine = [r for r in on_time if r.ts // 10 == start]
        want += twin(mine, rank_node(kind=kind, partition=("k",), by=by, first=first,
                                     last=first + more, number="rn"), ties=False)  # fmt: skip
    assert folded([f.drop("ws", "we") for f in out]) == want
    assert sum(f.height for f in late) == len(rows) - len(on_time)
    assert operator.state_rows == 0
