"""The user's own functions against naive twins: cuts and crashes change nothing."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.columns.physical import polars_schema
from millstream.engine.harness import Harness
from millstream.engine.state.plain import packed, unpacked
from millstream.errors import DataError
from millstream.expr.resolve import resolve
from millstream.expr.tree import AggCall, Column, Named
from millstream.expr.udf import process_udf_of
from millstream.plan import derive, ids
from millstream.plan import nodes as n
from millstream.plan.process import Process
from millstream.plan.table import Physical, Table, Watermark
from millstream.plan.windows import Cumulate, Hop, Session, Tumble, Window
from millstream.types import Schema
from tests.functions import Middle, Weighed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EVENTS = Schema.of({"k": "INT", "v": "INT", "ts": "TIMESTAMP(3)"})
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (event times have no zone)
ROW = st.tuples(st.integers(0, 2), st.integers(1, 20), st.integers(0, 60))
ROWS = st.lists(ROW, max_size=25)
IN_ORDER = st.lists(ROW, max_size=25, unique_by=lambda row: row[2])
CUTS = st.sets(st.integers(1, 24))


class Reminded:
    """Every row asks for two timers, one of which asks for a third; each tells what it knows."""

    gives = {"what": "STRING", "n": "INT"}  # noqa: RUF012 (read as it is)

    def on_row(self, row: dict[str, Any], state: dict[str, Any], ctx: Any) -> Iterator[Any]:
        if row["v"] == 13:
            state["rows"] = -1
            ctx.timer(ctx.time)
            raise ValueError("unlucky")
        state["rows"] = state.get("rows", 0) + 1
        ctx.timer(dt.timedelta(milliseconds=row["v"]))
        ctx.timer(dt.timedelta(milliseconds=3))
        yield "late" if ctx.is_late else "row", state["rows"]

    def on_timer(self, _: dt.datetime, state: dict[str, Any], ctx: Any) -> Iterator[Any]:
        state["timers"] = state.get("timers", 0) + 1
        if state["timers"] % 2:
            ctx.timer(dt.timedelta(milliseconds=5))
        yield "timer", state["rows"] * 100 + state["timers"]


def reminded(rows: list[tuple[int, int, int]]) -> Counter[Any]:
    """Do the same with a list of timers that is searched from its start each time."""
    out: Counter[Any] = Counter()
    seen: dict[int, list[int]] = {}
    timers: list[tuple[int, int]] = []
    mark = passed = -(2**63)

    def fire(until: int) -> None:
        while due := [timer for timer in timers if timer[0] <= until]:
            first = min(due, key=lambda timer: timer[0])
            timers.remove(first)
            time, key = first
            seen[key][1] += 1
            if seen[key][1] % 2 and (time + 5, key) not in timers:
                timers.append((time + 5, key))
            out[key, "timer", seen[key][0] * 100 + seen[key][1], time] += 1

    for key, value, time in rows:
        if mark > passed:  # a timer set in the past waits for the mark to move, as in Flink
            fire(mark)
        passed = mark
        if value == 13:
            out["rejected"] += 1
        else:
            mine = seen.setdefault(key, [0, 0])
            mine[0] += 1
            for at in (time + value, time + 3):
                if (at, key) not in timers:
                    timers.append((at, key))
            out[key, "late" if time <= mark else "row", mine[0], time] += 1
        mark = max(mark, time)
    fire(2**63)
    return out


def run(node: n.Node, rows: list[Any], cuts: Iterable[int], *, crash: bool) -> Counter[Any]:
    """Return what a node gives for rows fed in pieces, and how many were rejected."""
    sink = Table("out", tuple(Physical(f.name, f.type) for f in node.schema), "memory")
    plan = derive.complete(ids.assign(n.Plan((n.Write(input=node, table=sink),))), derive.Tables())
    harness = Harness(derive.derive(plan, derive.Tables()))
    frame = pl.DataFrame(rows, schema=polars_schema(EVENTS), orient="row")
    edges = sorted({0, frame.height, *(c for c in cuts if c < frame.height)})
    for start, stop in pairwise(edges):
        harness.feed("events", frame[start:stop])
        if crash:
            harness = harness.restarted()
    harness.finish()
    out: Counter[Any] = Counter()
    for made in harness.out["out"]:
        times = [c for c, d in made.schema.items() if isinstance(d, pl.Datetime)]
        out.update(made.with_columns(pl.col(times).to_physical()).rows())
    refused = sum(f.height for f in harness.rejected)
    if refused:
        out["rejected"] = refused
    return out


def scan() -> n.Scan:
    columns = tuple(Physical(f.name, f.type) for f in EVENTS)
    mark = Watermark("ts", resolve(Column("ts"), EVENTS))
    return n.Scan(table=Table("events", columns, "memory", watermark=mark))


@settings(max_examples=60)
@given(rows=ROWS, cuts=CUTS, crash=st.booleans())
def test_timers_fire_as_row_by_row(
    rows: list[tuple[int, int, int]], cuts: set[int], crash: bool
) -> None:
    """Timers between the rows of a batch, chains of timers, rows that fail: all as one by one."""
    node = Process(
        input=scan(), udf=process_udf_of(Reminded), key=("k",), time="ts", time_name="at"
    )
    assert run(node, rows, cuts, crash=crash) == reminded(rows)


MIDDLE: Any = Middle
WEIGHED: Any = Weighed
WINDOWS: dict[str, Window] = {
    "tumble": Tumble(10),
    "hop": Hop(30, 10),
    "cumulate": Cumulate(30, 10),
    "session": Session(7),
}


def bounds(window: Window, times: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the windows of one key's times, which ascend."""
    match window:
        case Session(gap_ms=gap):
            start = times[0]
            for at, time in enumerate(times):
                if at and time > times[at - 1] + gap:
                    yield start, times[at - 1] + gap
                    start = time
            yield start, times[-1] + gap
        case Cumulate(size_ms=size, step_ms=step):
            for start in range(0, times[-1] + 1, size):
                yield from ((start, end) for end in range(start + step, start + size + 1, step))
        case Hop(size_ms=size, slide_ms=slide):
            yield from ((start, start + size) for start in range(-size, times[-1] + 1, slide))
        case Tumble(size_ms=size):
            yield from ((start, start + size) for start in range(0, times[-1] + 1, size))


@pytest.mark.parametrize("kind", WINDOWS)
@settings(max_examples=30)
@given(rows=IN_ORDER, cuts=CUTS, crash=st.booleans())
def test_aggregates_are_those_of_the_rows_of_each_window(
    kind: str, rows: list[tuple[int, int, int]], cuts: set[int], crash: bool
) -> None:
    """Merging panes and sessions shares no accumulator, and a checkpoint loses none."""
    window = WINDOWS[kind]
    rows = sorted(rows, key=lambda row: row[2])  # so that none is late
    columns = tuple(resolve(Column(c), EVENTS) for c in ("v", "v"))
    calls = [AggCall(udf=MIDDLE.udf, args=columns[:1])]
    if kind == "tumble":  # Weighed cannot be merged
        calls.append(AggCall(udf=WEIGHED.udf, args=columns))
    aggs = tuple(Named(f"a{i}", resolve(call, EVENTS)) for i, call in enumerate(calls))
    node = n.WindowAggregate(input=scan(), window=window, time="ts", keys=("k",), aggs=aggs)
    wanted: Counter[Any] = Counter()
    for key in {row[0] for row in rows}:
        own = [row for row in rows if row[0] == key]
        for start, end in set(bounds(window, [row[2] for row in own])):
            inside = sorted(v for _, v, t in own if start <= t < end)
            if inside:
                more = (sum(v * v for v in inside),) if kind == "tumble" else ()
                wanted[key, inside[(len(inside) - 1) // 2], *more, start, end] += 1
    assert run(node, rows, cuts, crash=crash) == wanted


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.decimals(allow_nan=False) | st.datetimes() | st.dates() | st.times()
    | st.timedeltas() | st.datetimes(timezones=st.just(dt.UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner)
    | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=3)
    | st.sets(st.integers() | st.text(), max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(value=PLAIN)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    """A value that changes its type over a restart would change what the user's code does."""
    back = unpacked(packed(value, "a test"))
    assert back == value
    assert repr(back) == repr(value) or isinstance(value, dict | set | list | tuple)
    assert type(back) is type(value)


@pytest.mark.parametrize("value", [object(), {"x": [Decimal]}, Counter("ab"), (1, pl.Series())])
def test_what_is_no_plain_value_is_told_by_its_name(value: Any) -> None:
    """What cannot be saved must be told before it is lost, never pickled."""
    with pytest.raises(DataError, match="which is no plain value"):
        packed(value, "the state")
