"""Updating GROUP BY against a naive twin, under any cut of the input and any crash and restore."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.group_aggregate import GroupAggregate
from millstream.expr import aggregates
from millstream.expr.tree import AggCall, Column, Expr, Named
from millstream.plan.nodes import Aggregate, Values

SCHEMA = t.Schema.of(
    {"k": "STRING", "v": "BIGINT", "f": "DOUBLE", "s": "STRING", "d": "DECIMAL(10, 2)"}
)


def agg(name: str, function: str, column: str | None = None, **options: Any) -> Named:
    args: tuple[Expr, ...] = ()
    if column is not None:
        args = (Column(column, type=SCHEMA.type_of(column)),)
    return Named(name, aggregates.resolve(AggCall(function, args, **options)))


AGGS = (
    agg("n", "COUNT"),
    agg("v_n", "COUNT", "v"),
    agg("v_sum", "SUM", "v"),
    agg("v_avg", "AVG", "v"),
    agg("f_sum", "SUM", "f"),
    agg("d_sum", "SUM", "d"),
    agg("d_avg", "AVG", "d"),
    agg("v_min", "MIN", "v"),
    agg("f_max", "MAX", "f"),
    agg("s_min", "MIN", "s"),
    agg("d_max", "MAX", "d"),
    agg("s_first", "FIRST_VALUE", "s"),
    agg("s_last", "LAST_VALUE", "s"),
    agg("s_all", "LISTAGG", "s"),
    agg("v_all", "ARRAY_AGG", "v"),
    agg("s_bag", "COLLECT", "s"),
    agg("s_n", "COUNT", "s", distinct=True),
    agg("v_dsum", "SUM", "v", distinct=True),
    agg("f_davg", "AVG", "f", distinct=True),
    agg("f_var", "VAR_POP", "f"),
)


@dataclass(frozen=True)
class Row:
    k: str | None
    v: int | None
    f: float | None
    s: str | None
    d: Decimal | None


ROW = st.builds(
    Row,
    k=st.sampled_from(["a", "b", None]),
    v=st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([2**62, -(2**62)])),
    f=st.one_of(st.none(), st.integers(-8, 8).map(lambda i: i / 4)),
    s=st.one_of(st.none(), st.sampled_from(["", "x", "yy", "é" * 20])),
    d=st.one_of(st.none(), st.integers(-500, 500).map(lambda i: Decimal(i).scaleb(-2))),
)


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[int, Row]]:
    """Return (weight, row) where a row goes only after it came."""
    out: list[tuple[int, Row]] = []
    held: list[Row] = []
    for _ in range(draw(st.integers(0, 40))):
        if held and draw(st.booleans()):
            row = held.pop(draw(st.integers(0, len(held) - 1)))
            out.append((-1, row))
        else:
            row = draw(ROW)
            held.append(row)
            out.append((1, row))
    return out


@dataclass
class Held:
    """What a key holds: its rows, and values in order, of which a delete takes the oldest equal."""

    rows: list[Row] = field(default_factory=list)
    ints: list[int | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def change(self, weight: int, row: Row) -> None:
        for values, value in ((self.rows, row), (self.ints, row.v), (self.texts, row.s)):
            if value is None and values is self.texts:
                continue
            if weight > 0:
                values.append(value)
            else:
                values.remove(value)


def twin(rows: list[tuple[int, Row]], keys: bool) -> dict[Any, tuple[Any, ...]]:
    """Return the results per key from plain lists of what stands."""
    held: dict[Any, Held] = {}
    for weight, row in rows:
        held.setdefault(row.k if keys else "all", Held()).change(weight, row)
    return {key: results(some) for key, some in held.items() if some.rows}


def results(held: Held) -> tuple[Any, ...]:
    rows, texts = held.rows, held.texts
    ints = [r.v for r in rows if r.v is not None]
    floats = [r.f for r in rows if r.f is not None]
    decimals = [r.d for r in rows if r.d is not None]
    d_avg = None
    if decimals:
        mean = sum(decimals) / len(decimals)
        d_avg = mean.quantize(Decimal("0.000001"), rounding="ROUND_HALF_UP")
    different = sorted(set(floats))
    return (
        len(rows),
        len(ints),
        wrapped(sum(ints)) if ints else None,
        toward_zero(sum(ints), len(ints)) if ints else None,
        sum(floats) if floats else None,
        sum(decimals) if decimals else None,
        d_avg,
        min(ints, default=None),
        max(floats, default=None),
        min(texts, default=None),
        max(decimals, default=None),
        texts[0] if texts else None,
        texts[-1] if texts else None,
        ",".join(texts) if texts else None,
        held.ints,
        Counter(texts),
        len(set(texts)),
        wrapped(sum(set(ints))) if ints else None,
        sum(different) / len(different) if different else None,
        statistics.pvariance(floats) if floats else None,
    )


def wrapped(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def toward_zero(a: int, b: int) -> int:
    return a // b if a >= 0 else -(-a // b)


def operator(keys: bool, retracts: bool, upsert: bool, aggs: tuple[Named, ...]) -> GroupAggregate:
    node = Aggregate(input=Values(columns=SCHEMA, rows=()), keys=("k",) if keys else (), aggs=aggs)
    return GroupAggregate(node, Lowering(Context(), (retracts,), upsert, 0x1234_5678_9ABC, True))


def frame_of(rows: list[tuple[int, Row]], retracts: bool) -> pl.DataFrame:
    data = {name: [getattr(r, name) for _, r in rows] for name in SCHEMA.names}
    frame = pl.DataFrame(data, schema=polars_schema(SCHEMA))
    if retracts:
        ops = [Op.INSERT if w > 0 else Op.DELETE for w, _ in rows]
        frame = frame.with_columns(pl.Series(OP, ops, dtype=pl.Int8))
    return frame


def run(
    rows: list[tuple[int, Row]],
    cuts: list[int],
    *,
    keys: bool = True,
    retracts: bool = False,
    upsert: bool = False,
    crash: bool = False,
    aggs: tuple[Named, ...] = AGGS,
) -> list[dict[Any, tuple[Any, ...]]]:
    """Return the folded table after each piece; checks every change against the one before."""
    made = operator(keys, retracts, upsert, aggs)
    table: dict[Any, tuple[Any, ...]] = {}
    tables: list[dict[Any, tuple[Any, ...]]] = []
    bounds = [0, *sorted(set(cuts)), len(rows)]
    for start, end in pairwise(bounds):
        for frame in made.on_batch(Batch(frame_of(rows[start:end], retracts))).out:
            fold(table, frame, keys=keys, upsert=upsert)
        tables.append(dict(table))
        if crash:
            snapshot = made.snapshot()
            made = operator(keys, retracts, upsert, aggs)
            made.restore(snapshot)
    for frame in made.on_mark(FINAL_MARK_MS).out:
        fold(table, frame, keys=keys, upsert=upsert)
    tables.append(table)
    assert made.state_rows == len(table) or not keys, "a key without rows may not be kept"
    return tables


def fold(table: dict[Any, Any], frame: pl.DataFrame, *, keys: bool, upsert: bool) -> None:
    for row in frame.rows(named=True):
        op = row.pop(OP)
        key = row.pop("k") if keys else "all"
        values = tuple(map(plain, row.values()))
        if op in (Op.UPDATE_BEFORE, Op.DELETE):
            assert not (upsert and op == Op.UPDATE_BEFORE), "old rows of updates are not wanted"
            assert table.pop(key) == values, "an old row must be the one given before"
        else:
            assert op == Op.INSERT or upsert or key not in table, "no update without an old row"
            assert (op == Op.INSERT) == (key not in table) or not upsert, "the kind is wrong"
            table[key] = values


def plain(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return Counter({pair["key"]: pair["value"] for pair in value})
    return value


def same(found: dict[Any, tuple[Any, ...]], want: dict[Any, tuple[Any, ...]]) -> bool:
    def equal(a: Any, b: Any) -> bool:
        if isinstance(a, float) and isinstance(b, float):
            return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
        return (a or None) == (b or None) if isinstance(b, Counter) else a == b

    return found.keys() == want.keys() and all(
        all(map(equal, found[key], want[key])) for key in want
    )


CUTS = st.lists(st.integers(0, 40), max_size=6)


@pytest.mark.parametrize("upsert", [False, True])
@given(rows=changes(), cuts=CUTS, crash=st.booleans(), keys=st.booleans())
@settings(max_examples=60, deadline=None)
def test_deletes_leave_what_the_remaining_rows_give(
    upsert: bool, rows: list[tuple[int, Row]], cuts: list[int], crash: bool, keys: bool
) -> None:
    """Taking a row back must undo it in every aggregate, whatever the cuts and crashes."""
    cuts = [cut for cut in cuts if cut < len(rows)]
    last = run(rows, cuts, keys=keys, retracts=True, upsert=upsert, crash=crash)[-2]
    want = twin(rows, keys)
    assert same(last, want), (last, want)


@pytest.mark.parametrize("upsert", [False, True])
@given(rows=st.lists(ROW, max_size=40), cuts=CUTS, crash=st.booleans())
@settings(max_examples=40, deadline=None)
def test_appended_rows_equal_a_naive_twin(
    upsert: bool, rows: list[Row], cuts: list[int], crash: bool
) -> None:
    """Rows that only arrive take shorter paths, which must give the same answers."""
    weighted = [(1, row) for row in rows]
    cuts = [cut for cut in cuts if cut < len(rows)]
    last = run(weighted, cuts, upsert=upsert, crash=crash)[-1]
    want = twin(weighted, keys=True)
    assert same(last, want), (last, want)


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30),
    cuts=CUTS,
    crash=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_float_sums_are_equal_bit_for_bit_under_any_cut(
    values: list[float], cuts: list[int], crash: bool
) -> None:
    """Addition of floats is not associative: it must follow arrival, never the batch."""
    aggs = (agg("total", "SUM", "f"), agg("mean", "AVG", "f"), agg("low", "MIN", "f"))
    rows = [(1, Row("a", None, value, None, None)) for value in values]
    inner = [cut for cut in cuts if cut < len(rows)]

    def bits(pieces: list[int], crash: bool) -> str:
        return repr(sorted(run_last(rows, pieces, crash, aggs).items()))

    assert bits(inner, crash) == bits(list(range(len(rows))), crash=False)


def run_last(
    rows: list[tuple[int, Row]], cuts: list[int], crash: bool, aggs: tuple[Named, ...]
) -> dict[Any, tuple[Any, ...]]:
    made = operator(keys=True, retracts=False, upsert=True, aggs=aggs)
    table: dict[Any, tuple[Any, ...]] = {}
    bounds = [0, *sorted(set(cuts)), len(rows)]
    for start, end in pairwise(bounds):
        for frame in made.on_batch(Batch(frame_of(rows[start:end], retracts=False))).out:
            for row in frame.drop(OP).rows():
                table[row[0]] = row[1:]
        if crash:
            snapshot = made.snapshot()
            made = operator(keys=True, retracts=False, upsert=True, aggs=aggs)
            made.restore(snapshot)
    return table


def test_a_deleted_infinity_leaves_the_finite_sum() -> None:
    """Inf - inf is NaN: special values are counted apart so that a delete undoes them."""
    aggs = (agg("total", "SUM", "f"),)
    inf = Row("a", None, math.inf, None, None)
    one = Row("a", None, 1.5, None, None)
    tables = run([(1, one), (1, inf), (-1, inf)], [1, 2], retracts=True, aggs=aggs)
    assert [table["a"] for table in tables] == [(1.5,), (math.inf,), (1.5,), (1.5,)]


def test_no_rows_give_one_row_without_keys() -> None:
    """SELECT COUNT(*) of nothing is 0, at the end of bounded input and not before."""
    aggs = (agg("n", "COUNT"), agg("v", "SUM", "v"))
    assert run([], [], keys=False, aggs=aggs)[-1] == {"all": (0, None)}
    made = operator(keys=False, retracts=False, upsert=False, aggs=aggs)
    assert made.on_mark(5).out == ()
    assert len(made.on_mark(FINAL_MARK_MS).out) == 1
    assert made.on_mark(FINAL_MARK_MS).out == ()


def test_distinct_gives_each_row_once_and_takes_it_back() -> None:
    """SELECT DISTINCT is a GROUP BY without functions: no updates, only rows and deletes."""
    made = operator(keys=True, retracts=True, upsert=False, aggs=())
    a, b = Row("a", 1, None, None, None), Row("b", 1, None, None, None)
    (first,) = made.on_batch(Batch(frame_of([(1, a), (1, b), (1, a)], retracts=True))).out
    assert first.rows() == [("a", Op.INSERT), ("b", Op.INSERT)]
    assert made.on_batch(Batch(frame_of([(-1, a)], retracts=True))).out == ()
    (last,) = made.on_batch(Batch(frame_of([(-1, a), (1, b)], retracts=True))).out
    assert last.rows() == [("a", Op.DELETE)]


def test_an_unchanged_result_gives_nothing() -> None:
    """A reader must not be woken for an update that changes nothing, as in Flink."""
    made = operator(keys=True, retracts=False, upsert=False, aggs=(agg("top", "MAX", "v"),))
    rows = [(1, Row("a", 3, None, None, None))]
    assert len(made.on_batch(Batch(frame_of(rows, retracts=False))).out) == 1
    assert made.on_batch(Batch(frame_of(rows, retracts=False))).out == ()


def test_a_decimal_sum_beyond_38_digits_is_null_and_comes_back() -> None:
    """Flink's SUM overflows to NULL; a delete must bring the exact sum back."""
    schema = t.Schema.of({"d": "DECIMAL(38, 0)"})
    call = AggCall("SUM", (Column("d", type=schema.type_of("d")),))
    node = Aggregate(
        input=Values(columns=schema, rows=()),
        keys=(),
        aggs=(Named("total", aggregates.resolve(call)),),
    )
    made = GroupAggregate(node, Lowering(Context(), (True,), False, 7, True))
    big = Decimal(10**38 - 1)

    def totals(*values: Decimal, op: Op) -> list[Any]:
        frame = pl.DataFrame({"d": values}, schema=polars_schema(schema))
        frame = frame.with_columns(pl.lit(int(op), dtype=pl.Int8).alias(OP))
        return [v for out in made.on_batch(Batch(frame)).out for v in out["total"]]

    assert totals(big, op=Op.INSERT) == [big]
    assert totals(*[big] * 5, op=Op.INSERT) == [big, None]
    assert totals(*[big] * 4, op=Op.DELETE) == [], "NULL before and after"
    assert totals(big, op=Op.DELETE) == [None, big]
