"""The running steps of a plan and how rows move through them; no I/O, no clock, no threads.

in      one batch of one scan per :meth:`Graph.turn`
state   that of the operators, and the mark in force at each step
out     what reached each sink in this turn, and what was late or rejected

Steps run once per turn, in topological order. The mark at a step is the minimum of the marks of
all scans it reads from, each less what the steps between stay behind (an interval join), so a
diamond over one scan never waits for itself. A step by processing time goes by the clock stamps
of the turns: a batch stamped T comes after the mark T - 1. Behind a step that asks the outside the
mark is what that step has let pass: a mark waits for the answers to all rows before it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from millstream.columns.frames import filtered, picked, stacked, without
from millstream.engine.batch import (
    FINAL_MARK_MS,
    HIDDEN,
    MARK,
    OFFSET,
    OP,
    SPLIT,
    Batch,
)
from millstream.engine.marks import LOWEST_MS
from millstream.engine.migrations import restore
from millstream.engine.operator import Ask, Asking, Operator, Outputs, Snapshot
from millstream.engine.rejects import shown
from millstream.engine.scan import SEEN, Block, Scanned, ScanStage
from millstream.plan.nodes import Node, Write
from millstream.types import Schema

Edge = tuple[int, int]
"""The index of a step and the input port there."""

NOWHERE = ~(1 << 40)
"""Where rows come from that come from no scan."""
PASSED = "/passed"
"""Behind a step's id: the mark it has let pass."""


@dataclass
class Counters:
    """What one step did since the start."""

    rows_in: int = 0
    rows_out: int = 0
    rows_late: int = 0
    rows_rejected: int = 0
    busy_s: float = 0.0
    """Time inside the step; of a scan, of making its batches."""
    batches: int = 0
    bytes_out: int = 0
    """Of a sink: bytes of the columns it was given."""


@dataclass
class Step:
    """One place of the graph: a scan, an operator, a sink, or a tap on side outputs."""

    uid: str
    node: Node
    label: str
    operator: Operator | None = None
    scans: dict[int, int] = field(default_factory=dict)
    """The scans whose marks it goes by, and by how many ms these are delayed on the way; ``~index``
    stands for a step that asks, between it and the scans."""
    reach: frozenset[int] = frozenset()
    """All scans it reads from."""
    delay_ms: int = 0
    """What its own output stays behind its input."""
    by_clock: bool = False
    out: list[Edge] = field(default_factory=list)
    late: list[Edge] = field(default_factory=list)
    rejected: list[Edge] = field(default_factory=list)
    mark_ms: int = LOWEST_MS
    passed_ms: int = LOWEST_MS
    """Of a step that asks: the mark its readers go by."""
    held: deque[tuple[int, int]] = field(default_factory=deque)
    """Of a step that asks: (newest ask before it, mark) of the marks that wait."""
    count: Counters = field(default_factory=Counters)
    uids: tuple[str, ...] = ()
    """The ids of all steps of the plan that run as this one."""
    takes: tuple[Schema, ...] = ()
    """The columns of its inputs."""
    places: bool = False
    """Whether it wants to know where its rows came from."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Rows for one sink, in order."""

    sink: int
    frame: pl.DataFrame


@dataclass
class Graph:
    """The steps in topological order; ``scans`` and ``sinks`` are indexes into it."""

    steps: list[Step]
    stages: list[ScanStage]
    scans: list[int]
    sinks: list[int]
    cut_scans: frozenset[int] = frozenset()
    """Scans whose batches are cut wherever the mark moves: a step above asks for it and reads the
    results of a step between, which do not say under which mark they came."""
    on_rejected: Callable[[pl.DataFrame], None] | None = None
    on_aside: Callable[[Step, Outputs], None] | None = None
    """Told of late and rejected rows as a step gives them."""
    at_work: str = ""
    """The step that runs, or nothing; looked at by other threads."""
    _now_ms: int = 0
    _marks: dict[int, int] = field(default_factory=dict)
    """The mark behind a part of a batch, by scan."""
    _waiting: dict[int, dict[int, list[pl.DataFrame]]] = field(default_factory=dict)
    _delivered: list[Delivery] = field(default_factory=list)

    def start(self) -> list[Delivery]:
        """Run the steps that read no scan (VALUES): once, before the first turn."""
        self._begin()
        for index, step in enumerate(self.steps):
            if not step.reach and step.operator is not None:
                self._run(index, step, NOWHERE, Batch(pl.DataFrame()), self._mark_at(step))
            elif index in self._waiting:
                self._pass(index, step, NOWHERE, Batch(pl.DataFrame()))
        return self._end()

    def recall(self) -> list[Delivery]:
        """Give the sinks that start anew all that stands for them, if it is nothing."""
        return [
            Delivery(self.sinks.index(index), _renamed(frame, write.table.writable.names))
            for step in self.steps
            if step.operator is not None and step.operator.recalls
            for frame in step.operator.recall().out
            for index, _ in step.out
            if isinstance(write := self.steps[index].node, Write)
        ]

    def scanned(self, scan: int, blocks: Iterable[Block], now_ms: int) -> Scanned:
        """Make a batch of what the ``scan``-th scan has read."""
        stage = self.stages[scan]
        self.at_work = stage.uid
        began_s = time.perf_counter()
        found = stage.turn(blocks, now_ms)
        self.steps[self.scans[scan]].count.busy_s += time.perf_counter() - began_s
        self.at_work = ""
        return found

    def turn(
        self, scan: int, batch: Batch, rejected: Iterable[pl.DataFrame] = ()
    ) -> list[Delivery]:
        """Push one batch of the ``scan``-th scan through everything it reaches."""
        if scan not in self.cut_scans or MARK not in batch.frame.columns:
            return self._turn(scan, batch, rejected)
        delivered: list[Delivery] = []
        for part, mark_ms in _parts_by_mark(batch, self.stages[scan].mark_ms):
            self._marks[scan] = mark_ms
            delivered += self._turn(scan, part, rejected)
            rejected = ()
        del self._marks[scan]
        return delivered

    def _turn(self, scan: int, batch: Batch, rejected: Iterable[pl.DataFrame]) -> list[Delivery]:
        self._begin()
        head = self.steps[self.scans[scan]]
        head.count.rows_in += len(batch)
        head.count.batches += 1 if len(batch) else 0
        self.at_work = head.uid
        head.mark_ms = self._given(scan)
        self._emit(head, Outputs(out=(batch.frame,), rejected=tuple(rejected)))
        for index, step in enumerate(self.steps):
            if scan in step.reach and index != self.scans[scan]:
                self._pass(index, step, scan, batch)
        return self._end()

    def tick(self, now_ms: int) -> list[Delivery]:
        """Let the steps by processing time fire what the clock allows, where no rows come."""
        self._begin()
        batch = Batch(pl.DataFrame(), read_at_ms=now_ms)
        for index, step in enumerate(self.steps):
            if step.by_clock:
                self._by_clock(index, step, batch)
                continue
            if index in self._waiting:
                self._pass(index, step, NOWHERE, batch)
            if step.operator is not None and step.operator.timed:
                started = time.perf_counter()
                self._emit(step, step.operator.on_clock(now_ms))
                step.count.busy_s += time.perf_counter() - started
        return self._end()

    def asks(self) -> list[tuple[int, Ask]]:
        """Return the asks made since the last call, with the steps that make them."""
        return [
            (index, ask)
            for index, step in enumerate(self.steps)
            if isinstance(step.operator, Asking)
            for ask in step.operator.asks()
        ]

    def reply(self, index: int, number: int, reply: pl.DataFrame, now_ms: int) -> list[Delivery]:
        """Go on with the rows of an answered ask, and with the marks that waited for it."""
        self._begin()
        step, started = self.steps[index], time.perf_counter()
        assert isinstance(step.operator, Asking), "only a step that asks is answered"
        self._emit(step, step.operator.on_reply(number, reply, now_ms))
        self._let_pass(step, step.operator)
        step.count.busy_s += time.perf_counter() - started
        batch = Batch(pl.DataFrame(), read_at_ms=now_ms)
        for behind in range(index + 1, len(self.steps)):
            if behind not in self.scans:
                self._pass(behind, self.steps[behind], ~index, batch)
        return self._end()

    def inject(self, index: int, port: int, frame: pl.DataFrame, now_ms: int) -> list[Delivery]:
        """Push rows that fell aside earlier into a step again; they come under its mark of now."""
        self._begin()
        step = self.steps[index]
        if isinstance(step.node, Write):
            step.count.rows_in += frame.height
            self._delivered.append(Delivery(self.sinks.index(index), frame))
            return self._end()
        if step.mark_ms != LOWEST_MS:
            frame = frame.with_columns(pl.lit(step.mark_ms, dtype=pl.Int64).alias(MARK))
        self._waiting[index] = {port: [frame]}
        batch = Batch(pl.DataFrame(), read_at_ms=now_ms)
        for behind in range(index, len(self.steps)):
            if behind not in self.scans:
                self._pass(behind, self.steps[behind], NOWHERE, batch)
        return self._end()

    @property
    def is_waiting(self) -> bool:
        """Whether rows wait for answers."""
        return any(isinstance(s.operator, Asking) and s.operator.asks_open for s in self.steps)

    def stamp(self, now_ms: int) -> int:
        """Return the clock stamp of the next turn: it never goes back, not over a restart either.

        A machine's clock may be set back; what was due by the old time has fired already.
        """
        passed = (s.mark_ms for s in self.steps if s.by_clock and s.mark_ms != FINAL_MARK_MS)
        self._now_ms = max(self._now_ms, now_ms, max(passed, default=LOWEST_MS) + 1)
        return self._now_ms

    @property
    def now_ms(self) -> int:
        """The stamp of the newest turn."""
        return self._now_ms

    @property
    def has_clocks(self) -> bool:
        """Whether some step runs by processing time, or gives results by it."""
        return any(s.by_clock or (s.operator is not None and s.operator.timed) for s in self.steps)

    def forget_turn(self) -> None:
        """Drop what a turn that failed has left on its way."""
        self._waiting.clear()
        self._marks.clear()
        self._delivered = []

    def _begin(self) -> None:
        assert not self._waiting, "rows were sent to a step that had its turn already"
        self._delivered = []

    def _end(self) -> list[Delivery]:
        assert not self._waiting, "rows were sent to a step that had its turn already"
        self.at_work = ""
        return self._delivered

    def _pass(self, index: int, step: Step, scan: int, batch: Batch) -> None:
        if step.operator is None:
            self._tap(index, step)
            step.mark_ms = max(step.mark_ms, self._mark_at(step))
            return
        if step.by_clock:
            self._by_clock(index, step, batch)
            return
        mark = self._mark_at(step)
        if index in self._waiting or mark > step.mark_ms:
            self._run(index, step, scan, batch, mark)

    def _by_clock(self, index: int, step: Step, batch: Batch) -> None:
        """Fire what was due before this turn's stamp, then take its rows in."""
        operator, started = step.operator, time.perf_counter()
        assert operator is not None, "only operators run by the clock"
        self.at_work = step.uid
        frames = self._waiting.pop(index, {})
        due = batch.read_at_ms - 1
        # Event-time marks say nothing here.
        rows = {port: without(_one(frames[port]), (MARK,)) for port in sorted(frames)}
        for port, frame in rows.items():
            step.count.rows_in += frame.height
            step.count.batches += 1
            # What a step below fired by this same turn's stamp belongs to the time before it.
            times = operator.clock_times(frame, port)
            was = None if times is None else pl.Series(times <= due)
            if was is not None and was.any():
                before = replace(batch, frame=filtered(frame, was), mark_ms=step.mark_ms)
                self._emit(step, operator.on_batch(before, port))
                rows[port] = filtered(frame, ~was)
        if due > step.mark_ms:
            step.mark_ms = due
            self._emit(step, operator.on_mark(due))
        for port, frame in rows.items():
            if frame.height:
                now = replace(batch, frame=frame, mark_ms=step.mark_ms)
                self._emit(step, operator.on_batch(now, port))
        if step.mark_ms < FINAL_MARK_MS and self._mark_at(step) == FINAL_MARK_MS:
            step.mark_ms = FINAL_MARK_MS
            self._emit(step, operator.on_mark(FINAL_MARK_MS))
        step.count.busy_s += time.perf_counter() - started

    def _mark_at(self, step: Step) -> int:
        """Return the mark that the scans of a step allow there."""
        marks = [later(self._given(s), -delay) for s, delay in step.scans.items()]
        return min(marks, default=FINAL_MARK_MS)

    def _given(self, scan: int) -> int:
        """Return the mark that a scan, or a step that asks, has given out."""
        if scan < 0:
            return self.steps[~scan].passed_ms
        return self._marks.get(scan, self.stages[scan].mark_ms)

    def _let_pass(self, step: Step, operator: Asking) -> None:
        """Give out the marks of a step before which every ask is answered."""
        if step.mark_ms > max(step.passed_ms, step.held[-1][1] if step.held else LOWEST_MS):
            step.held.append((operator.asks_made, step.mark_ms))
        waits = min(operator.asks_open, default=None)
        while step.held and (waits is None or step.held[0][0] < waits):
            step.passed_ms = max(step.passed_ms, step.held.popleft()[1])

    def snapshots(self) -> dict[str, Snapshot]:
        """Return the state of every operator by its id, and the messages that scans have seen."""
        found = {s.uid: s.operator.snapshot() for s in self.steps if s.operator is not None}
        return found | {
            stage.uid + SEEN: stage.seen.snapshot()
            for stage in self.stages
            if stage.seen is not None
        }

    def restore(self, snapshots: dict[str, Snapshot], marks: dict[str, int]) -> None:
        """Take the state and the marks in force back."""
        for step in self.steps:
            if step.operator is not None and step.uid in snapshots:
                restore(step.operator, step.label, snapshots[step.uid])
            step.mark_ms = marks.get(step.uid, LOWEST_MS)
            if isinstance(step.operator, Asking):
                step.passed_ms = marks.get(step.uid + PASSED, LOWEST_MS)
                self._let_pass(step, step.operator)

    def marks(self) -> dict[str, int]:
        """Return the mark in force at every step."""
        passed = {s.uid + PASSED: s.passed_ms for s in self.steps if isinstance(s.operator, Asking)}
        return {s.uid: s.mark_ms for s in self.steps} | passed

    @property
    def state_bytes(self) -> int:
        """Bytes of state of all operators."""
        return sum(s.operator.state_bytes for s in self.steps if s.operator is not None)

    def _run(self, index: int, step: Step, scan: int, batch: Batch, mark: int) -> None:
        operator, started = step.operator, time.perf_counter()
        assert operator is not None, "only operators run"
        self.at_work = step.uid
        frames = self._waiting.pop(index, {})
        seen = None if mark == LOWEST_MS else mark
        for port in sorted(frames):
            frame = self._clamped(step, scan, _one(frames[port]))
            step.count.rows_in += frame.height
            step.count.batches += 1
            self._emit(step, operator.on_batch(Batch(frame, seen, batch.read_at_ms), port))
        if mark > step.mark_ms:
            step.mark_ms = mark
            self._emit(step, operator.on_mark(mark))
        if isinstance(operator, Asking):
            self._let_pass(step, operator)
        step.count.busy_s += time.perf_counter() - started

    def _clamped(self, step: Step, scan: int, frame: pl.DataFrame) -> pl.DataFrame:
        """Lower each row's own mark to what the step's other scans allow."""
        if MARK not in frame.columns or len(step.scans) < 2:
            return frame
        others = min(later(self._given(s), -delay) for s, delay in step.scans.items() if s != scan)
        marks = np.minimum(frame[MARK].to_numpy(), others)
        lowered = frame.clone()
        return lowered.replace_column(frame.columns.index(MARK), pl.Series(MARK, marks))

    def _emit(self, step: Step, outputs: Outputs) -> None:
        step.count.rows_out += self._send(step.out, outputs.out)
        step.count.rows_late += self._send(step.late, outputs.late)
        if not outputs.late and not outputs.rejected:
            return
        rejected = tuple(map(shown, outputs.rejected)) if step.rejected else outputs.rejected
        step.count.rows_rejected += self._send(step.rejected, rejected)
        if self.on_aside is not None:
            self.on_aside(step, outputs)
        if self.on_rejected is not None:
            for frame in outputs.rejected:
                self.on_rejected(frame)

    def _send(self, edges: list[Edge], frames: tuple[pl.DataFrame, ...]) -> int:
        """Put frames before every reader; returns the rows sent, once whatever the readers."""
        filled = [f for f in frames if f.height]
        for index, port in edges:
            if filled:
                self._waiting.setdefault(index, {}).setdefault(port, []).extend(filled)
        return sum(f.height for f in filled)

    def _tap(self, index: int, step: Step) -> None:
        """A sink takes rows out of the graph, a side output passes them on."""
        frames = self._waiting.pop(index, {}).get(0)
        if frames is None:
            return
        frame = without(_one(frames), HIDDEN[1:])
        step.count.rows_in += frame.height
        step.count.batches += 1
        if isinstance(step.node, Write):
            frame = _renamed(frame, step.node.table.writable.names)
            self._delivered.append(Delivery(self.sinks.index(index), frame))
            return
        step.count.rows_out += self._send(step.out, (picked(frame, step.node.schema.names),))


def _parts_by_mark(batch: Batch, last_ms: int) -> Iterable[tuple[Batch, int]]:
    """Cut a batch into runs of rows that came under one mark; yield each with the mark after it."""
    marks = batch.frame[MARK].to_numpy()
    starts = [0, *(np.flatnonzero(marks[1:] != marks[:-1]) + 1).tolist()]
    # A loop over marks: as slow as single rows where each row moves the mark.
    for start, stop in zip(starts, [*starts[1:], len(batch)], strict=True):
        after = last_ms if stop == len(batch) else int(marks[stop])
        yield replace(batch, frame=batch.frame[start:stop], mark_ms=after), after


def later(mark_ms: int, by_ms: int) -> int:
    """Return a mark moved in time; that there is none, and the final one, stay as they are."""
    return mark_ms if mark_ms in (LOWEST_MS, FINAL_MARK_MS) else mark_ms + by_ms


def _renamed(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Give the columns the sink's names; they fit by position, ``$op`` stays."""
    data = [c for c in frame.columns if c != OP]
    if data == list(names):
        return frame
    names_of = dict(zip(data, names, strict=True))
    renamed = frame.clone()
    renamed.columns = [names_of.get(c, c) for c in frame.columns]
    return renamed


def _one(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Join frames of one edge; what one has hidden and another has not is filled in."""
    if len(frames) == 1:
        return frames[0]
    if len({tuple(f.columns) for f in frames}) == 1:
        return stacked(frames)
    hidden = [h for h in HIDDEN if any(h in f.columns for f in frames)]
    data = [c for c in frames[0].columns if c not in HIDDEN]
    return stacked([f.select(*data, *(_hidden(f, h) for h in hidden)) for f in frames])


def _hidden(frame: pl.DataFrame, name: str) -> pl.Expr:
    if name in frame.columns:
        return pl.col(name)
    if name == MARK:
        return pl.lit(LOWEST_MS, dtype=pl.Int64).alias(name)
    kinds = {OP: pl.Int8, SPLIT: pl.String, OFFSET: pl.Int64}
    return pl.lit(0 if name == OP else None, dtype=kinds[name]).alias(name)
