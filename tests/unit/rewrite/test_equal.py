"""The law of rewriting: the plan as it runs gives what the plan as it was written gives."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.columns.changes import OP, Op
from millstream.engine.harness import Harness
from millstream.expr.tree import Expr
from millstream.plan import nodes as n
from millstream.plan.derive import complete, derive
from millstream.plan.ids import assign
from millstream.plan.windows import Hop, Tumble
from millstream.rewrite import rewrite
from millstream.types import Int
from tests.unit.plan import build as b

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (a SQL TIMESTAMP has no zone)
COLUMNS = ("k", "v", "w", "ts")

Fed = list[tuple[str | None, int | None, int, int]]


@st.composite
def expression(draw: st.DrawFn, node: n.Node) -> Expr:
    """An INT made of the node's INT columns."""
    names = [f.name for f in node.schema if isinstance(f.type, Int)]
    left = b.col(node, draw(st.sampled_from(names)))
    if draw(st.booleans()):
        return left
    return b.call(
        draw(st.sampled_from("+-*")), left, b.number(draw(st.integers(-2, 3))), gives=Int()
    )


@st.composite
def step(draw: st.DrawFn, below: n.Node) -> n.Node:
    """A step that keeps the usual four columns, so that any other can follow."""
    kind = draw(st.sampled_from(["filter", "filter", "project", "project", "union"]))
    if kind == "filter":
        return b.above(below, draw(st.sampled_from(["v", "w"])), draw(st.integers(-2, 2)))
    if kind == "union":
        return n.Union(parts=(below, draw(step(below))))
    made = {"v": draw(expression(below)), "w": draw(expression(below)), "ts": b.col(below, "ts")}
    return b.project(below, "k", **made)


def four(node: n.Node) -> n.Node:
    return b.project(node, *COLUMNS)


@st.composite
def top(draw: st.DrawFn, below: n.Node) -> n.Node:
    """Something a sink reads, that does not need every column."""
    keys = draw(st.sets(st.sampled_from(["k", "w"]), max_size=2))
    aggs = (b.count(), b.count("m", draw(expression(below))))
    kind = draw(st.sampled_from(["rows", "group", "window", "table", "distinct"]))
    if kind == "rows":
        return b.project(below, draw(st.sampled_from(COLUMNS)))
    if kind == "distinct":
        return b.group(below, "k", aggs=())
    if kind == "table":
        table = n.WindowTable(input=below, window=Hop(20, 10), time="ts")
        return b.above(b.project(table, "w", "window_end"), "w", 0)
    made: n.Node = (
        b.tumble(below, *keys, aggs=aggs, window=Tumble(10))
        if kind == "window"
        else b.group(below, *keys, aggs=aggs)
    )
    return b.project(made, *draw(st.sets(st.sampled_from(made.schema.names), min_size=1)))


@st.composite
def plans(draw: st.DrawFn) -> n.Plan:
    """One or two sinks over a random chain, sharing some of it."""
    pool: list[n.Node] = [four(b.scan())]
    for _ in range(draw(st.integers(1, 4))):
        pool.append(draw(step(draw(st.sampled_from(pool[-2:])))))
    tops = [draw(top(draw(st.sampled_from(pool[-2:])))) for _ in range(draw(st.integers(1, 2)))]
    return assign(b.plan(*tops))


rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.one_of(st.none(), st.integers(-3, 3)),
        st.integers(-3, 3),
        st.integers(0, 40),
    ),
    max_size=20,
)


def results(plan: n.Plan, fed: Fed) -> dict[str, Counter[Any]]:
    harness = Harness(derive(plan, b.tables(bounded=True)))
    frame = pl.DataFrame(
        {
            "k": [r[0] for r in fed],
            "v": [r[1] for r in fed],
            "w": [r[2] for r in fed],
            "s": [None] * len(fed),
            "ts": [EPOCH + timedelta(milliseconds=r[3]) for r in fed],
            "part": [0] * len(fed),
        },
        schema={
            "k": pl.String,
            "v": pl.Int32,
            "w": pl.Int32,
            "s": pl.String,
            "ts": pl.Datetime("ms"),
            "part": pl.Int32,
        },
    )
    for start in range(0, frame.height, 7):
        harness.feed("orders", frame[start : start + 7])
    harness.finish()
    out: dict[str, Counter[Any]] = {}
    for name, frames in harness.out.items():
        table: Counter[Any] = Counter()
        for f in frames:
            ops = f[OP].to_list() if OP in f.columns else [Op.INSERT] * f.height
            for op, row in zip(ops, f.drop(OP, strict=False).rows(), strict=True):
                table[row] += -1 if op in (Op.UPDATE_BEFORE, Op.DELETE) else 1
        out[name] = +table
    return out


@settings(deadline=None, max_examples=150)
@given(plans(), rows)
def test_rewriting_changes_no_result(plan: n.Plan, fed: Fed) -> None:
    """A rule that saves work and gives another answer has saved nothing."""
    plan = complete(plan, b.tables(bounded=True))
    assert results(rewrite(plan), fed) == results(plan, fed)


@settings(deadline=None)
@given(plans())
def test_rewriting_again_changes_nothing(plan: n.Plan) -> None:
    """Rules that undo each other would never be done."""
    once = rewrite(plan)
    assert [x.label() for x in rewrite(once).walk()] == [x.label() for x in once.walk()]
