"""Lookup joins against a naive twin: cuts, crashes, and answers that come whenever they like."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.columns.physical import polars_schema
from millstream.engine.harness import Harness
from millstream.expr import aggregates
from millstream.expr.resolve import resolve
from millstream.expr.tree import AggCall, Call, Column, Literal, Named
from millstream.plan import derive, ids
from millstream.plan import nodes as n
from millstream.plan.joins import JoinKind, LookupJoin
from millstream.plan.table import Physical, Table, Watermark
from millstream.plan.windows import Tumble
from millstream.types import Schema

if TYPE_CHECKING:
    from collections.abc import Iterable

SIZE = 10
EVENTS = Schema.of({"k": "INT", "v": "INT", "ts": "TIMESTAMP(3)"})
NAMES = Schema.of({"id": "INT", "name": "STRING", "low": "INT"})
KNOWN: list[tuple[int | None, str, int | None]] = [
    (1, "one", 0),
    (2, "two", 5),
    (1, "uno", -3),
    (None, "nobody", 0),
    (3, "three", None),
]


def table(name: str, schema: Schema, **more: Any) -> Table:
    return Table(name, tuple(Physical(f.name, f.type) for f in schema), "memory", **more)


def plan_of(kind: JoinKind, *, residual: bool) -> derive.Derived:
    """Return: events looked up in names, as they are and counted by window and name."""
    source = table("events", EVENTS, watermark=Watermark("ts", resolve(Column("ts"), EVENTS)))
    frame = pl.DataFrame(KNOWN, schema=polars_schema(NAMES), orient="row")
    names = table("names", NAMES, options={"frame": frame})
    asked = resolve(Call("+", (Column("k"), Literal(1))), EVENTS)
    both = Schema((*EVENTS.fields, *NAMES.fields))
    join = LookupJoin(
        input=n.Scan(table=source),
        table=names,
        kind=kind,
        on=((asked, "id"),),
        names=(("name", "name"), ("low", "low")),
        residual=resolve(Call("<=", (Column("low"), Column("v"))), both) if residual else None,
    )
    count = Named("n", aggregates.resolve(AggCall("COUNT")))
    counted = n.WindowAggregate(
        input=join, window=Tumble(SIZE), time="ts", keys=("name",), aggs=(count,)
    )
    sinks = (
        n.Write(input=join, table=table("joined", join.schema)),
        n.Write(input=counted, table=table("windows", counted.schema)),
        n.Write(
            input=n.LateRows(input=counted), table=table("late", n.LateRows(input=counted).schema)
        ),
    )
    tables = derive.Tables()
    return derive.derive(derive.complete(ids.assign(n.Plan(sinks)), tables), tables)


def twin(kind: JoinKind, rows: list[Any], *, residual: bool) -> tuple[Counter[Any], ...]:
    """Return the pairs, the counts by window and name, and the late rows."""
    pairs: list[tuple[int, Any]] = []
    mark = -(2**63)
    for k, v, ts in rows:
        found: list[tuple[str | None, int | None]] = [
            (name, low)
            for i, name, low in KNOWN
            if k is not None and i == k + 1
            if not residual or (low is not None and v is not None and low <= v)
        ]
        if not found and kind is JoinKind.LEFT:
            found = [(None, None)]
        pairs += [(mark, (k, v, ts, *partner)) for partner in found]
        mark = max(mark, ts)
    windows: Counter[Any] = Counter()
    late: Counter[Any] = Counter()
    for mark, row in pairs:
        start = row[2] // SIZE * SIZE
        if start + SIZE - 1 <= mark:
            late[row] += 1
        else:
            windows[row[3], start] += 1
    counts = Counter({(name, n, start): 1 for (name, start), n in windows.items()})
    return Counter(row for _, row in pairs), counts, late


def plain(frames: Iterable[pl.DataFrame]) -> Counter[Any]:
    out: Counter[Any] = Counter()
    for frame in frames:
        times = [c for c, d in frame.schema.items() if isinstance(d, pl.Datetime)]
        out.update(frame.with_columns(pl.col(times).to_physical()).rows())
    return out


ROW = st.tuples(
    st.one_of(st.none(), st.integers(0, 3)),
    st.one_of(st.none(), st.integers(-5, 5)),
    st.integers(0, 40),
)
STEP = st.sampled_from(["rows", "answer", "answer one", "crash"])


@pytest.mark.parametrize("kind", [JoinKind.INNER, JoinKind.LEFT], ids=lambda k: k.value)
@given(
    rows=st.lists(ROW, max_size=30),
    steps=st.lists(st.tuples(STEP, st.integers(1, 5)), max_size=25),
    residual=st.booleans(),
)
def test_answers_may_come_at_any_time(
    kind: JoinKind, rows: list[Any], steps: list[tuple[str, int]], residual: bool
) -> None:
    """Windows behind a lookup must neither lose a row nor call it late because an answer took long.

    "answer one" answers the newest ask only, so that marks wait for the ones before it.
    """
    harness = Harness(plan_of(kind, residual=residual), answers=False)
    at = 0
    for step, size in steps:
        if step == "rows" and at < len(rows):
            feed(harness, rows[at : at + size])
            at += size
        elif step == "answer":
            harness.answer()
        elif step == "answer one":
            harness.answer_one(-1)
        elif step == "crash":
            harness = harness.restarted()
    feed(harness, rows[at:])
    harness.finish()
    harness.answer()
    expected = twin(kind, rows, residual=residual)
    found = [plain(harness.out[name]) for name in ("joined", "windows", "late")]
    counts = Counter({row[:3]: c for row, c in found[1].items()})
    assert (found[0], counts, found[2]) == expected
    assert not harness.graph.is_waiting
    assert sum(s.operator.state_rows for s in harness.graph.steps if s.operator) == 0


def feed(harness: Harness, rows: list[Any], name: str = "events") -> None:
    if rows:
        kinds = dict(polars_schema(EVENTS if name == "events" else OTHERS)) | {"ts": pl.Int64()}
        frame = pl.DataFrame(rows, schema=kinds, orient="row")
        harness.feed(name, frame.with_columns(pl.col("ts").cast(pl.Datetime("ms"))))


OTHERS = Schema.of({"name": "STRING", "ts": "TIMESTAMP(3)"})
MORE = Schema.of({"key": "STRING", "word": "STRING"})
WORDS = [("one", "1"), ("two", "2"), ("two", "zwei")]


def plan_of_two() -> derive.Derived:
    """Return: events looked up twice, united with rows of another table, counted by window."""
    events = table("events", EVENTS, watermark=Watermark("ts", resolve(Column("ts"), EVENTS)))
    others = table("others", OTHERS, watermark=Watermark("ts", resolve(Column("ts"), OTHERS)))
    known = pl.DataFrame(KNOWN, schema=polars_schema(NAMES), orient="row")
    words = pl.DataFrame(WORDS, schema=polars_schema(MORE), orient="row")
    once = LookupJoin(
        input=n.Scan(table=events),
        table=table("names", NAMES, options={"frame": known}),
        kind=JoinKind.LEFT,
        on=((Column("k", type=EVENTS.type_of("k")), "id"),),
        names=(("name", "name"),),
    )
    twice = LookupJoin(
        input=once,
        table=table("words", MORE, options={"frame": words}),
        kind=JoinKind.LEFT,
        on=((Column("name", type=once.schema.type_of("name")), "key"),),
        names=(("word", "word"),),
    )
    columns = (("word", "name"), ("ts", "ts"))
    part = n.Project(
        input=twice,
        columns=tuple(
            Named(new, Column(old, type=twice.schema.type_of(old))) for old, new in columns
        ),
    )
    both = n.Union(parts=(part, n.Scan(table=others)))
    count = Named("n", aggregates.resolve(AggCall("COUNT")))
    counted = n.WindowAggregate(
        input=both, window=Tumble(SIZE), time="ts", keys=("name",), aggs=(count,)
    )
    plan = n.Plan((n.Write(input=counted, table=table("windows", counted.schema)),))
    tables = derive.Tables()
    return derive.derive(derive.complete(ids.assign(plan), tables), tables)


@given(
    events=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=20),
    others=st.lists(st.integers(1, 9), max_size=20),
    steps=st.lists(st.tuples(st.sampled_from(["events", "others"]) | STEP, st.integers(1, 4))),
)
def test_marks_of_steps_that_ask_are_those_of_their_readers(
    events: list[tuple[int, int]], others: list[int], steps: list[tuple[str, int]]
) -> None:
    """Rows in order can never be late, however long one question after the other takes."""
    times = [sum(gap for _, gap in events[: i + 1]) for i in range(len(events))]
    left: dict[str, list[Any]] = {
        "events": [(k, 0, ts) for (k, _), ts in zip(events, times, strict=True)],
        "others": [("x", sum(others[: i + 1])) for i in range(len(others))],
    }
    wanted: Counter[Any] = Counter(
        (word, ts // SIZE * SIZE)
        for k, _, ts in left["events"]
        for name in tuple(name for i, name, _ in KNOWN if i == k) or (None,)
        for word in tuple(word for key, word in WORDS if key == name) or (None,)
    )
    wanted.update((name, ts // SIZE * SIZE) for name, ts in left["others"])
    harness = Harness(plan_of_two(), answers=False)
    for step, size in [*steps, ("events", 99), ("others", 99)]:
        if step in left:
            feed(harness, left[step][:size], step)
            del left[step][:size]
        elif step == "answer one":
            harness.answer_one(-1)
        elif step == "answer":
            harness.answer()
        elif step == "crash":
            harness = harness.restarted()
    harness.finish()
    harness.answer()
    found: Counter[Any] = Counter()
    for name, count, start, *_ in plain(harness.out["windows"]).elements():
        assert (name, start) not in found, "a window was given twice"
        found[name, start] = count
    assert found == wanted
    assert sum(s.count.rows_late for s in harness.graph.steps) == 0
