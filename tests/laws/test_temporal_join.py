"""Temporal joins against a naive twin, under any cut of the input and any crash and restore."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream import types as t
from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, MARK, OP, Batch, Op
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.temporal_join import VersionAtTime
from millstream.expr import resolve
from millstream.expr.tree import Call, Column
from millstream.plan.facts import Facts
from millstream.plan.joins import JoinKind, TemporalJoin, joined_schema
from millstream.plan.nodes import Values

LEFT = t.Schema.of({"k": "STRING", "region": "BIGINT", "n": "BIGINT", "at": "TIMESTAMP(3)"})
RIGHT = t.Schema.of({"k2": "STRING", "r2": "BIGINT", "rate": "STRING", "since": "TIMESTAMP(3)"})
LOWEST = -(2**63)
LATER_MS = 10


@dataclass(frozen=True)
class Event:
    """A row with the mark it arrives under and the one it leaves behind."""

    port: int
    row: tuple[Any, ...]
    op: Op
    mark: int
    mark_after: int

    @property
    def time(self) -> int:
        return int(self.row[3])


def operator(kind: JoinKind, *, residual: bool, two_keys: bool, ttl_ms: int = 0) -> VersionAtTime:
    both = joined_schema(LEFT, RIGHT, JoinKind.FULL)
    rest = resolve.resolve(Call("<>", (Column("rate"), Column("k"))), both) if residual else None
    node = TemporalJoin(
        left=Values(columns=LEFT, rows=()),
        right=Values(columns=RIGHT, rows=()),
        kind=kind,
        keys=(("k", "k2"), ("region", "r2")) if two_keys else (("k", "k2"),),
        residual=rest,
        left_time="at",
        right_time="since",
    )
    facts = (Facts(bounded=False), Facts(bounded=False, updates=True, keys=(("k2",),)))
    lowering = Lowering(Context(), (False, True), False, 7, False, facts, ttl_ms=ttl_ms)
    return VersionAtTime(node, lowering)


@st.composite
def inputs(draw: st.DrawFn) -> list[Event]:
    """Rows around a mark that rises; versions are put, replaced (two ways) and taken away."""
    out: list[Event] = []
    mark, now = LOWEST, 10
    newest: dict[Any, tuple[Any, ...]] = {}
    key = st.sampled_from(["a", "b", None])
    for number in range(draw(st.integers(0, 30))):
        now += draw(st.integers(0, 2))
        time = now - draw(st.integers(-3, 6))
        port = draw(st.integers(0, 1))
        row = (draw(key), draw(st.sampled_from([1, 1, 2])), number, time)
        events = [(port, row, Op.INSERT)]
        if port == 1:
            row = (row[0], row[1], draw(st.sampled_from(["x", "a", None, "y" * 20])), time)
            old = newest.get(row[0])
            how = draw(st.sampled_from(["insert", "upsert", "update", "delete"]))
            events = [(1, row, Op.INSERT if old is None else Op.UPDATE_AFTER)]
            if old is not None and how == "delete":
                events = [(1, (*old[:3], draw(st.sampled_from([old[3], time]))), Op.DELETE)]
                del newest[row[0]]
            elif old is not None and how == "update":
                before = (*old[:3], draw(st.sampled_from([old[3], time])))
                events = [(1, before, Op.UPDATE_BEFORE), (1, row, Op.UPDATE_AFTER)]
            if how != "delete" or old is None:
                newest[row[0]] = row
        # The two rows of one change arrive together.
        after = max(mark, now - 2) if draw(st.booleans()) else mark
        out += [Event(*event, mark, mark) for event in events[:-1]]
        out.append(Event(*events[-1], mark, after))
        mark = after
    return out


@dataclass
class Twin:
    """Row by row: what waits, and every version there ever was."""

    kind: JoinKind
    residual: bool
    two_keys: bool
    waiting: list[tuple[Any, ...]] = field(default_factory=list)
    versions: dict[Any, dict[int, tuple[str, tuple[Any, ...]]]] = field(default_factory=dict)
    out: list[tuple[Any, ...]] = field(default_factory=list)
    late: list[tuple[Any, ...]] = field(default_factory=list)

    def fire(self, mark: int) -> None:
        due = sorted((row for row in self.waiting if row[3] <= mark), key=lambda row: row[3])
        self.waiting = [row for row in self.waiting if row[3] > mark]
        for row in due:
            found = None if row[0] is None else self.version(row)
            if found is not None:
                self.out.append((*row, *found))
            elif self.kind is JoinKind.LEFT:
                self.out.append((*row, None, None, None, None))

    def version(self, row: tuple[Any, ...]) -> tuple[Any, ...] | None:
        known = self.versions.get(row[0], {})
        times = [time for time in known if time <= row[3]]
        if not times:
            return None
        what, found = known[max(times)]
        if what == "gone":
            return None
        if self.two_keys and found[1] != row[1]:
            return None
        if self.residual and (found[2] is None or found[2] == row[0]):
            return None
        return found

    def take(self, event: Event) -> None:
        row = event.row
        if event.port == 0:
            (self.late if event.time <= event.mark else self.waiting).append(row)
        elif row[0] is not None:
            known = self.versions.setdefault(row[0], {})
            what = "holds" if event.op in (Op.INSERT, Op.UPDATE_AFTER) else "gone"
            if event.op is not Op.UPDATE_BEFORE or event.time not in known:
                known[event.time] = (what, row)
        self.fire(event.mark_after)


def frame(events: list[Event], port: int) -> pl.DataFrame:
    schema = polars_schema((LEFT, RIGHT)[port])
    rows = [(*e.row[:3], stamp(e.time)) for e in events]
    extra = [pl.Series(MARK, [e.mark for e in events], dtype=pl.Int64)]
    if port == 1:
        extra.append(pl.Series(OP, [int(e.op) for e in events], dtype=pl.Int8))
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(extra)


def stamp(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).replace(tzinfo=None)


def rows_of(frames: tuple[pl.DataFrame, ...]) -> list[tuple[Any, ...]]:
    return [
        row for f in frames for row in f.with_columns(pl.col(pl.Datetime).dt.epoch("ms")).rows()
    ]


@pytest.mark.parametrize("kind", [JoinKind.INNER, JoinKind.LEFT])
@settings(max_examples=150)
@given(data=st.data())
def test_any_cut_and_crash_gives_the_version_at_the_time(kind, data):
    """A batch boundary and a crash are accidents; no row, version or mark depends on them."""
    options = {"residual": data.draw(st.booleans()), "two_keys": data.draw(st.booleans())}
    events = data.draw(inputs())
    cuts = data.draw(st.sets(st.integers(0, 30)))
    crashes = data.draw(st.sets(st.integers(0, 30), max_size=3))
    # The two rows of one change are not parted.
    starts = [0, *(i for i in sorted(cuts) if events[i - 1 :] and i < len(events))]
    starts = [i for i in starts if i == 0 or events[i - 1].op is not Op.UPDATE_BEFORE]
    running = operator(kind, **options)
    out: list[tuple[Any, ...]] = []
    late: list[tuple[Any, ...]] = []
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(events)], strict=True)):
        part = events[start:end]
        if number in crashes:
            saved = running.snapshot()
            running = operator(kind, **options)
            running.restore(saved)
        for port in (0, 1):
            own = [e for e in part if e.port == port]
            if own:
                given = running.on_batch(Batch(frame(own, port)), port)
                late += rows_of(given.late)
        if part and part[-1].mark_after > LOWEST:
            out += rows_of(running.on_mark(part[-1].mark_after).out)
    out += rows_of(running.on_mark(FINAL_MARK_MS).out)
    twin = Twin(kind, **options)
    for event in events:
        twin.take(event)
    twin.fire(FINAL_MARK_MS)
    assert out == twin.out
    assert [row[:4] for row in late] == twin.late


def version(key: str, rate: str, since: int, op: Op = Op.UPDATE_AFTER) -> Event:
    return Event(1, (key, 1, rate, since), op, LOWEST, LOWEST)


def order(key: str, at: int) -> Event:
    return Event(0, (key, 1, 0, at), Op.INSERT, LOWEST, LOWEST)


def fed(running: VersionAtTime, port: int, *events: Event, read_at_ms: int = 0) -> None:
    rows = frame(list(events), port).drop(MARK)
    running.on_batch(Batch(rows, read_at_ms=read_at_ms), port)


def test_versions_that_nobody_can_ask_for_are_forgotten():
    """The versions of a key that changes all day must not pile up behind the watermark."""
    running = operator(JoinKind.INNER, residual=False, two_keys=False)
    fed(running, 1, *(version("a", str(i), i) for i in range(100)))
    assert running.state_rows == 100
    running.on_mark(90)
    assert running.state_rows == 10
    fed(running, 0, order("a", 91))
    assert [row[6] for row in rows_of(running.on_mark(95).out)] == ["91"]
    assert running.state_rows == 5


def test_a_key_not_used_for_long_is_forgotten():
    """State that the query does not bound is bounded by its time to live."""
    running = operator(JoinKind.LEFT, residual=False, two_keys=False, ttl_ms=100)
    fed(running, 1, version("a", "x", 1), version("b", "y", 1), read_at_ms=1000)
    fed(running, 0, order("a", 5), read_at_ms=1050)
    assert [row[6] for row in rows_of(running.on_mark(5).out)] == ["x"]
    fed(running, 0, order("a", 6), order("b", 6), read_at_ms=1120)
    assert [row[6] for row in rows_of(running.on_mark(6).out)] == ["x", None]
    assert running.state_rows == 1


def test_a_version_without_a_time_is_rejected():
    """A row that does not say since when it holds cannot be a version, and is not lost silently."""
    running = operator(JoinKind.INNER, residual=False, two_keys=False)
    rows = frame([version("a", "x", 1)], 1).with_columns(
        pl.lit(None, dtype=pl.Datetime("ms")).alias("since")
    )
    (rejected,) = running.on_batch(Batch(rows.drop(MARK)), 1).rejected
    assert rejected["reason"].to_list() == ["the time 'since' of the version is NULL"]
    assert running.state_rows == 0
