"""DISTINCT aggregates that share their values, against a counter per slot and call."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.aggregates.bags import Distinct
from millstream.engine.aggregates.group import Aggregates
from millstream.engine.aggregates.shared import SharedDistinct
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.slots import SlotRows
from millstream.expr import aggregates
from millstream.expr.tree import AggCall, Column, Named

SCHEMA = t.Schema.of(
    {"v": "BIGINT", "s": "STRING", "d": "DECIMAL(10, 2)", "p": "BOOLEAN", "q": "BOOLEAN"}
)
FRAME = {"slot": pl.Int64(), "weight": pl.Int64(), **polars_schema(SCHEMA)}
SLOTS = 4


def call(name: str, function: str, argument: str, keep: str | None) -> Named:
    arg = Column(argument, type=SCHEMA.type_of(argument))
    where = None if keep is None else Column(keep, type=SCHEMA.type_of(keep))
    said = AggCall(function, (arg,), distinct=True, filter=where)
    return Named(name, aggregates.resolve(said))


CALLS = (
    call("v_n", "COUNT", "v", None),
    call("s_n_p", "COUNT", "s", "p"),
    call("v_n_p", "COUNT", "v", "p"),
    call("v_sum_q", "SUM", "v", "q"),
    call("s_n_q", "COUNT", "s", "q"),
    call("d_sum_p", "SUM", "d", "p"),
    call("d_n", "COUNT", "d", None),
    call("v_sum", "SUM", "v", None),
)


def made(calls: tuple[Named, ...], *, counted: bool) -> tuple[Aggregates, SlotRows]:
    """Return aggregates with some slots."""
    aggs = Aggregates(calls, changes=counted)
    arena = Arena()
    slots = SlotRows(arena, 1 + aggs.words)
    aggs.settle(arena, ByteHeap(arena), slots, 1, 7)
    slots.take(SLOTS)
    return aggs, slots


class Twin:
    """Per slot and call how often each value was given."""

    def __init__(self) -> None:
        self.counts = [[Counter[Any]() for _ in CALLS] for _ in range(SLOTS)]

    def fold(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for place, named in enumerate(CALLS):
                said = named.expr
                assert isinstance(said, AggCall)
                value = row[said.args[0].name]  # type: ignore[attr-defined]
                passes = said.filter is None or row[said.filter.name]  # type: ignore[attr-defined]
                if value is not None and passes:
                    self.counts[row["slot"]][place][value] += row["weight"]

    def merge(self, into: int, given: int, sign: int) -> None:
        for mine, other in zip(self.counts[into], self.counts[given], strict=True):
            for value, count in other.items():
                mine[value] += sign * count

    def results(self, slot: int) -> list[Any]:
        out: list[Any] = []
        for named, counts in zip(CALLS, self.counts[slot], strict=True):
            there = [value for value, count in counts.items() if count > 0]
            if "_n" in named.name:
                out.append(len(there))
            else:
                out.append(sum(there) if there else None)
        return out


ROW = st.fixed_dictionaries(
    {
        "slot": st.integers(0, SLOTS - 1),
        "weight": st.sampled_from([1, 1, -1]),
        "v": st.none() | st.integers(-2, 3),
        "s": st.none() | st.sampled_from(["", "a", "b", "a long text of many bytes"]),
        "d": st.none() | st.sampled_from(["1.50", "-0.25", "12345678.90"]).map(Decimal),
        "p": st.none() | st.booleans(),
        "q": st.booleans(),
    }
)
STEP = st.one_of(
    st.lists(ROW, min_size=1, max_size=12).map(lambda rows: ("fold", rows)),
    st.permutations(range(SLOTS)).map(lambda order: ("merge", order)),
    st.permutations(range(SLOTS)).map(lambda order: ("unmerge", order)),
    st.integers(0, SLOTS - 1).map(lambda slot: ("drop", slot)),
    st.just(("restart", None)),
)


@pytest.mark.parametrize("counted", [False, True])
@given(steps=st.lists(STEP, max_size=12))
@settings(deadline=None, max_examples=80)
def test_every_call_sees_its_own_rows_alone(*, counted: bool, steps: list[tuple[str, Any]]) -> None:
    """Why: calls share an index of values, and must not see what passed another's filter."""
    aggs, slots = made(CALLS, counted=counted)
    twin = Twin()
    for step, what in steps:
        if step == "fold":
            rows = what if counted else [{**row, "weight": 1} for row in what]
            frame = pl.DataFrame(rows, schema=FRAME)
            weights = frame["weight"].to_numpy().copy()
            some = weights if (weights < 0).any() else NO_WORDS
            aggs.fold(frame, frame["slot"].to_numpy().copy(), some)
            twin.fold(rows)
        elif step in {"merge", "unmerge"}:
            sign = -1 if counted and step == "unmerge" else 1
            pairs = np.array(what).reshape(2, -1)
            for part in aggs.parts:
                part.merge(pairs[0].copy(), pairs[1].copy(), sign)
            for into, source in pairs.T:
                twin.merge(into, source, sign)
        elif step == "drop":
            aggs.drop(np.array([what]))
            twin.counts[what] = [Counter() for _ in CALLS]
        else:
            saved = aggs.save(np.arange(SLOTS))
            aggs, slots = made(CALLS, counted=counted)
            aggs.load(np.arange(SLOTS), *saved)
        got = pl.DataFrame(aggs.results(np.arange(SLOTS))).rows()
        assert got == [tuple(twin.results(slot)) for slot in range(SLOTS)]
    assert len(slots) == SLOTS


def test_calls_of_one_argument_have_one_index() -> None:
    """Why: an index for each of eight calls would be asked eight times for every row."""
    aggs, _ = made(CALLS, counted=False)
    assert [type(part) for part in aggs.parts] == [SharedDistinct] * 3


def test_calls_that_depend_on_the_order_of_values_stay_alone() -> None:
    """Why: a value that another call saw earlier would come too early in LISTAGG's text."""
    aggs, _ = made((call("a", "LISTAGG", "s", "p"), call("b", "LISTAGG", "s", "q")), counted=False)
    assert [type(part) for part in aggs.parts] == [Distinct] * 2


def test_more_calls_than_a_word_has_bits() -> None:
    """Why: a word of bits holds a limited number of calls; the others take another index."""
    calls = tuple(call(f"n{i}", "COUNT", "v", "p" if i % 2 else "q") for i in range(70))
    for counted in (False, True):
        aggs, slots = made(calls, counted=counted)
        frame = pl.DataFrame({"v": [1, 2, 2, 3], "p": [True, True, False, False], "q": [True] * 4})
        aggs.fold(frame, np.zeros(4, dtype=np.int64), NO_WORDS)
        got = [column.to_list() for column in aggs.results(np.zeros(1, dtype=np.int64))]
        assert got == [[2] if i % 2 else [3] for i in range(70)]
        assert len(slots) == SLOTS
