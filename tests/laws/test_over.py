"""OVER windows against a naive twin, under any cut of the input and any restart."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import astuple, dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, MARK, OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering, Operator, operator_for
from millstream.engine.operators import over as _over  # registers the operator
from millstream.expr import overs
from millstream.expr.tree import Call, Column, Expr, Literal, Named, OverCall
from millstream.plan.facts import Facts
from millstream.plan.nodes import SortKey, Values
from millstream.plan.ranks import Frame, Over

assert _over
SCHEMA = t.Schema.of(
    {
        "k": "STRING",
        "v": "BIGINT",
        "f": "DOUBLE",
        "s": "STRING",
        "d": "DECIMAL(10, 2)",
        "ts": "TIMESTAMP(3)",
    }
)


@dataclass(frozen=True)
class Row:
    k: str | None
    v: int | None
    f: float | None
    s: str | None
    d: Decimal | None
    ts: int


ROW = st.builds(
    Row,
    k=st.sampled_from(["a", "b", None]),
    v=st.one_of(st.none(), st.integers(-3, 3)),
    f=st.one_of(st.none(), st.integers(-8, 8).map(lambda i: i / 4)),
    s=st.one_of(st.none(), st.sampled_from(["", "x", "yy", "é" * 20])),
    d=st.one_of(st.none(), st.integers(-500, 500).map(lambda i: Decimal(i).scaleb(-2))),
    ts=st.integers(0, 15),
)


def column(name: str) -> Column:
    return Column(name, type=SCHEMA.type_of(name))


def call(name: str, function: str, *args: Expr, **options: Any) -> Named:
    said = OverCall(function, args, order=((column("ts"), False, None),), **options)
    made = overs.resolve(said)
    assert isinstance(made, OverCall)
    return Named(name, replace(made, order=()))


def number(value: int) -> Literal:
    return Literal(value, type=t.Int(nullable=False))


POSITIVE = Call(">", (column("v"), number(0)), type=t.Boolean())
BACK = (
    call("n", "COUNT"),
    call("v_sum", "SUM", column("v")),
    call("v_some", "SUM", column("v"), filter=POSITIVE),
    call("v_avg", "AVG", column("v")),
    call("f_sum", "SUM", column("f")),
    call("d_sum", "SUM", column("d")),
    call("v_min", "MIN", column("v")),
    call("s_max", "MAX", column("s")),
    call("d_min", "MIN", column("d")),
    call("s_first", "FIRST_VALUE", column("s")),
    call("s_last", "LAST_VALUE", column("s")),
    call("s_all", "LISTAGG", column("s")),
    call("v_n", "COUNT", column("v"), distinct=True),
    call("rn", "ROW_NUMBER"),
    call("r", "RANK"),
    call("dr", "DENSE_RANK"),
    call("s_1", "LAG", column("s")),
    call("v_2", "LAG", column("v"), number(2), number(-1)),
    call("v_0", "LAG", column("v"), number(0)),
)
AHEAD = (
    call("s_next", "LEAD", column("s")),
    call("v_next", "LEAD", column("v"), number(2), number(-1)),
    call("q", "NTILE", number(3)),
    call("pr", "PERCENT_RANK"),
    call("cd", "CUME_DIST"),
)
FRAMES = st.sampled_from(
    [
        Frame(rows=False, preceding=None),
        Frame(rows=True, preceding=None),
        Frame(rows=True, preceding=0),
        Frame(rows=True, preceding=1),
        Frame(rows=True, preceding=4),
        Frame(rows=False, preceding=0),
        Frame(rows=False, preceding=3),
    ]
)


def frame_of(rows: list[Row]) -> pl.DataFrame:
    frame = pl.DataFrame([astuple(r) for r in rows], schema=[*SCHEMA.names], orient="row",
                         schema_overrides={**polars_schema(SCHEMA), "ts": pl.Int64})  # fmt: skip
    return frame.with_columns(pl.col("ts").cast(pl.Datetime("ms")))


def node_of(calls: tuple[Named, ...], frame: Frame, by: SortKey) -> Over:
    return Over(
        input=Values(columns=SCHEMA, rows=()), partition=("k",), by=(by,), frame=frame, calls=calls
    )


def running(node: Over, facts: Facts, *, changes: bool = False) -> Operator:
    return operator_for(node, Lowering(Context(), (changes,), False, 7, False, (facts,)))


# ---------------------------------------------------------------- the naive twin


def twin(row: Row, mine: list[Row], at: int, node: Over) -> list[Any]:
    """The values of ``mine[at]`` among the sorted rows of its partition."""
    order = [key_of(r, node) for r in mine]
    end = at if node.frame.rows else max(i for i, o in enumerate(order) if o == order[at])
    inside = list(range(end + 1))
    if node.frame.preceding is not None:
        if node.frame.rows:
            inside = [i for i in inside if i >= at - node.frame.preceding]
        else:
            inside = [i for i in inside if abs(mine[i].ts - row.ts) <= node.frame.preceding]
    rows = [mine[i] for i in inside]
    return [value(named, row, mine, at, rows, order) for named in node.calls]


def key_of(row: Row, node: Over) -> Any:
    return getattr(row, node.by[0].column)


def value(
    named: Named, row: Row, mine: list[Row], at: int, rows: list[Row], order: list[Any]
) -> Any:
    said = named.expr
    assert isinstance(said, OverCall)
    arg = said.args[0] if said.args else None
    name = arg.name if isinstance(arg, Column) else getattr(getattr(arg, "arg", None), "name", "v")
    some = [r for r in rows if said.filter is None or (r.v is not None and r.v > 0)]
    values = [getattr(r, name) for r in some if getattr(r, name) is not None]
    first = order.index(order[at])
    last = len(order) - order[::-1].index(order[at])
    match said.function:
        case "COUNT":
            return len(some) if arg is None else len(set(values) if said.distinct else values)
        case "SUM":
            return sum(values) if values else None
        case "AVG":
            return math.trunc(sum(values) / len(values)) if values else None
        case "MIN":
            return min(values, default=None)
        case "MAX":
            return max(values, key=lambda x: x.encode(), default=None)
        case "FIRST_VALUE":
            return values[0] if values else None
        case "LAST_VALUE":
            return values[-1] if values else None
        case "LISTAGG":
            return ",".join(values) if values else None
        case "ROW_NUMBER":
            return at + 1
        case "RANK":
            return first + 1
        case "DENSE_RANK":
            return 1 + sum(a != b for a, b in pairwise(order[: at + 1]))
        case "PERCENT_RANK":
            return first / (len(mine) - 1) if len(mine) > 1 else 0.0
        case "CUME_DIST":
            return last / len(mine)
        case "NTILE":
            sizes = [len(mine) // 3 + (i < len(mine) % 3) for i in range(3)]
            return next(i + 1 for i in range(3) if at < sum(sizes[: i + 1]))
        case _:
            step = said.args[1]
            assert isinstance(step, Literal)
            source = at + (step.value if said.function == "LEAD" else -step.value)
            if 0 <= source < len(mine):
                return getattr(mine[source], name)
            return -1 if len(said.args) > 2 else None


def folded(out: list[pl.DataFrame]) -> Counter[str]:
    table: Counter[str] = Counter()
    for frame in out:
        ops = frame[OP].to_list() if OP in frame.columns else [0] * frame.height
        data = frame.drop(OP, strict=False).with_columns(pl.col("ts").to_physical())
        for op, cells in zip(ops, data.iter_rows(), strict=True):
            table[repr(cells)] += -1 if op in (Op.DELETE, Op.UPDATE_BEFORE) else 1
            assert table[repr(cells)] >= 0, "a row was taken back that was not given"
    return +table


def cut(items: list[Any], sizes: list[int]) -> list[list[Any]]:
    out, at = [], 0
    for size in sizes:
        out.append(items[at : at + size])
        at += size
    return [part for part in [*out, items[at:]] if part]


CUTS = st.lists(st.integers(1, 9), max_size=8)
TIMED = Facts(bounded=False, times=("ts",), marks=True)


@given(rows=st.lists(ROW, min_size=1, max_size=40), cuts=CUTS, frame=FRAMES, data=st.data())
@settings(deadline=None, max_examples=150)
def test_in_time(rows, cuts, frame, data):
    """Each row is given once, over the rows before it in time, whatever the cuts."""
    node = node_of(BACK, frame, SortKey("ts"))
    operator, out, late = running(node, TIMED), [], []
    marks, mark = [], -1
    for row in rows:
        marks.append(mark)
        mark = max(mark, row.ts - 5)
    for part in cut(list(zip(rows, marks, strict=True)), cuts):
        batch = frame_of([r for r, _ in part]).with_columns(
            pl.Series(MARK, [m for _, m in part], dtype=pl.Int64)
        )
        late += operator.on_batch(Batch(batch)).late
        out += operator.on_mark(max(part[-1][1], part[-1][0].ts - 5)).out
        if data.draw(st.booleans()):
            fresh = running(node, TIMED)
            fresh.restore(operator.snapshot())
            operator = fresh
    out += operator.on_mark(FINAL_MARK_MS).out
    on_time = [r for r, m in zip(rows, marks, strict=True) if r.ts > m]
    assert sum(f.height for f in late) == len(rows) - len(on_time)
    want: Counter[str] = Counter()
    for k in {r.k for r in on_time}:
        mine = sorted((r for r in on_time if r.k == k), key=lambda r: r.ts)
        for at, row in enumerate(mine):
            want[repr((*astuple(row), *twin(row, mine, at, node)))] += 1
    assert folded(out) == want
    times = [ts for f in out for ts in f["ts"].to_physical()]
    assert times == sorted(times)


@given(
    changes=st.lists(st.tuples(ROW, st.booleans()), min_size=1, max_size=30), cuts=CUTS,
    frame=FRAMES, by=st.sampled_from(["ts", "v"]), data=st.data(),
)  # fmt: skip
@settings(deadline=None, max_examples=100)
def test_changing_rows(changes, cuts, frame, by, data):
    """A row that comes in between, or goes, changes the values of those behind it."""
    timed = not frame.rows and frame.preceding is not None
    node = node_of((*BACK, *AHEAD), frame, SortKey("ts" if timed else by))
    facts = Facts(bounded=False, updates=True)
    operator, out, seen = running(node, facts, changes=True), [], []
    for part in cut(changes, cuts):
        for row, gone in part:
            if gone and row in seen:
                seen.remove(row)
            elif not gone:
                seen.append(row)
        ops = [int(Op.DELETE if gone else Op.INSERT) for _, gone in part]
        batch = frame_of([r for r, _ in part]).with_columns(pl.Series(OP, ops, dtype=pl.Int8))
        out += operator.on_batch(Batch(batch)).out
        if data.draw(st.booleans()):
            fresh = running(node, facts, changes=True)
            fresh.restore(operator.snapshot())
            operator = fresh
        want: Counter[str] = Counter()
        for k in {r.k for r in seen}:
            mine = sorted((r for r in seen if r.k == k), key=lambda r: order_of(r, node))
            for at, row in enumerate(mine):
                want[repr((*astuple(row), *twin(row, mine, at, node)))] += 1
        assert folded(out) == want


def order_of(row: Row, node: Over) -> list[Any]:
    """By the order, then by the other columns; NULLs are lowest."""
    cells = [key_of(row, node), row.v, row.f, row.s, row.d, row.ts]
    cells = [c.encode() if isinstance(c, str) else c for c in cells]
    return [(c is not None, c if c is not None else 0) for c in cells]


@given(rows=st.lists(ROW, min_size=1, max_size=30), cuts=CUTS, frame=FRAMES)
@settings(deadline=None, max_examples=50)
def test_appended_rows_in_any_order(rows, cuts, frame):
    """Ordered by what is no time, rows that only come change the values of others all the same."""
    timed = not frame.rows and frame.preceding is not None
    node = node_of((*BACK, *AHEAD), frame, SortKey("ts" if timed else "v"))
    operator, out = running(node, Facts(bounded=False)), []
    for part in cut(rows, cuts):
        out += operator.on_batch(Batch(frame_of(part))).out
    want: Counter[str] = Counter()
    for k in {r.k for r in rows}:
        mine = sorted((r for r in rows if r.k == k), key=lambda r: order_of(r, node)[0])
        for at, row in enumerate(mine):
            want[repr((*astuple(row), *twin(row, mine, at, node)))] += 1
    assert folded(out) == want


def test_a_partition_not_written_for_long_begins_anew() -> None:
    """State that nobody writes may be given up; what comes later does not know of it."""
    calls = tuple(c for c in BACK if c.name in ("n", "rn", "s_1", "s_max"))
    row = Row("a", 1, None, "x", None, 0)
    for facts, by in ((TIMED, "ts"), (Facts(bounded=False), "v")):
        node = node_of(calls, Frame(rows=True, preceding=3), SortKey(by))
        lowering = Lowering(Context(), (False,), False, 7, False, (facts,), False, 1_000)
        operator = operator_for(node, lowering)
        counts = []
        for at in (1, 500, 1_400, 2_500):
            rows = [replace(row, ts=at, v=at), replace(row, k="b", ts=at, v=at)]
            given_ = operator.on_batch(Batch(frame_of(rows[: 2 if at == 1 else 1]), read_at_ms=at))
            found = [*given_.out, *operator.on_mark(at).out]
            counts.append(found[-1].filter(pl.col("k") == "a")[-1].select("n", "rn").row(0))
        assert counts == [(1, 1), (2, 2), (3, 3), (1, 1)]
        assert operator.state_rows <= 3  # nothing of the other key, which nobody asked about
