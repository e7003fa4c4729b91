"""State with a time to live against a naive twin, under any cut and any crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.group_aggregate import GroupAggregate
from millstream.engine.operators.normalize import NewestPerKey
from millstream.expr import aggregates
from millstream.expr.tree import AggCall, Column, Named
from millstream.plan.nodes import Aggregate, Normalize, Values

if TYPE_CHECKING:
    from millstream.engine.operator import Operator

SCHEMA = t.Schema.of({"k": "STRING", "v": "STRING"})
TTL_MS = 10
Turn = tuple[int, list[tuple[str, str]]]


def lowering() -> Lowering:
    return Lowering(Context(), (False,), False, 0x1234_5678_9ABC, False, ttl_ms=TTL_MS)


def group() -> GroupAggregate:
    texts = AggCall("LISTAGG", (Column("v", type=t.STRING),))
    node = Aggregate(
        input=Values(columns=SCHEMA, rows=()),
        keys=("k",),
        aggs=(
            Named("n", aggregates.resolve(AggCall("COUNT"))),
            Named("texts", aggregates.resolve(texts)),
        ),
    )
    return GroupAggregate(node, lowering())


def newest() -> NewestPerKey:
    return NewestPerKey(Normalize(input=Values(columns=SCHEMA, rows=()), key=("k",)), lowering())


def frame_of(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"k": pl.String, "v": pl.String}, orient="row")


def table(frames: list[pl.DataFrame]) -> dict[str, tuple[Any, ...]]:
    """Return the newest row of every key."""
    out: dict[str, tuple[Any, ...]] = {}
    for frame in frames:
        for row in frame.filter(pl.col(OP) != Op.UPDATE_BEFORE).drop(OP).rows():
            out[row[0]] = row[1:]
    return out


def run(make: Any, turns: list[Turn], cuts: list[int], *, crash: bool) -> tuple[Operator, Any]:
    """Feed the turns, some cut after their first row."""
    made = make()
    outs: list[pl.DataFrame] = []
    for index, (now, rows) in enumerate(turns):
        pieces = [rows[:1], rows[1:]] if index in cuts else [rows]
        for piece in pieces:
            if piece:
                outs += made.on_batch(Batch(frame_of(piece), None, now)).out
            if crash:
                snapshot = made.snapshot()
                made = make()
                made.restore(snapshot)
    return made, outs


@st.composite
def turns_of(draw: st.DrawFn) -> list[Turn]:
    """Rows of a few keys, read at times that never go back."""
    row = st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", "z" * 30]))
    now, out = 0, []
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.integers(0, 12))
        out.append((now, draw(st.lists(row, min_size=1, max_size=4))))
    return out


@given(turns=turns_of(), cuts=st.lists(st.integers(0, 11)), crash=st.booleans())
@settings(max_examples=150, deadline=None)
def test_groups_are_what_was_written_since_they_were_last_forgotten(
    turns: list[Turn], cuts: list[int], crash: bool
) -> None:
    """Lazy forgetting and the sweep must look like forgetting at the very instant."""
    _, outs = run(group, turns, cuts, crash=crash)
    kept: dict[str, tuple[int, list[str]]] = {}
    for now, rows in turns:
        for k, v in rows:
            written, texts = kept.get(k, (now, []))
            texts = texts if now - written < TTL_MS else []
            kept[k] = (now, [*texts, v])
    assert table(outs) == {k: (len(some), ",".join(some)) for k, (_, some) in kept.items()}


@given(turns=turns_of(), cuts=st.lists(st.integers(0, 11)), crash=st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_forgotten_row_is_not_taken_back(turns: list[Turn], cuts: list[int], crash: bool) -> None:
    """Every old row that is given was the key's row, and not older than the time to live."""
    _, outs = run(newest, turns, cuts, crash=crash)
    taken = sorted(
        r for f in outs for r in f.filter(pl.col(OP) == Op.UPDATE_BEFORE).drop(OP).rows()
    )
    last: dict[str, tuple[int, str]] = {}
    wanted: list[tuple[str, str]] = []
    for index, (now, rows) in enumerate(turns):
        # Within one batch only the last row of a key counts.
        for piece in [rows[:1], rows[1:]] if index in cuts else [rows]:
            for k, v in dict(piece).items():
                if k in last and now - last[k][0] < TTL_MS:
                    wanted.append((k, last[k][1]))
                last[k] = (now, v)
    assert taken == sorted(wanted)


@pytest.mark.parametrize("make", [group, newest])
def test_a_quiet_key_leaves_without_being_asked_for(make: Any) -> None:
    """State must not wait for a key that never comes back."""
    made = make()
    made.on_batch(Batch(frame_of([(f"k{i}", "x" * 50) for i in range(5000)]), None, 0))
    assert made.state_rows == 5000
    for now in range(TTL_MS, TTL_MS + 6):
        made.on_batch(Batch(frame_of([("one", "x")]), None, now))
    assert made.state_rows == 1
