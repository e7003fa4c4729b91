"""What a run tells of itself: how things stand, how it ended, and why rows were not used.

in      the parts of a run; rejected rows from the compute thread, refused ones from sink workers
state   counts of different reasons (at most ``REASONS_MAX``), the rate since the last look
out     :class:`Progress` at any time, from any thread; a :class:`Summary` at the end
bad     where the policy is ``fail``, the first such row raises DataError
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.engine.budget import Memory
from millstream.engine.delivering import SinkWorker
from millstream.engine.graph import Graph, Step
from millstream.engine.marks import LOWEST_MS
from millstream.engine.progress import (
    Progress,
    SinkProgress,
    SplitProgress,
    StepProgress,
    Summary,
)
from millstream.engine.reading import Reading, Split
from millstream.engine.reject_policy import RejectPolicy
from millstream.engine.world import World
from millstream.errors import DataError
from millstream.plan.nodes import Scan, Write
from millstream.ports.connector import FINAL_MARK_MS, REASON
from millstream.settings import OnReject, Settings

if TYPE_CHECKING:
    import polars as pl

    from millstream.engine.letters import Letters
    from millstream.engine.scan import ScanStage

REASONS_MAX = 10
RATE_LEAST_S = 0.2
SPLITS_MAX = 1_000
"""So many splits are told of one by one, those that go on first: a folder has a split per file."""


class Complaints:
    """The one place where rows arrive that could not be used, with their reasons."""

    def __init__(self, settings: Settings) -> None:
        self.policy = RejectPolicy(settings.on_reject is OnReject.FAIL)
        """What follows; completed when the steps are known."""
        self.rows = 0
        self._reasons: Counter[str] = Counter()
        self._lock = threading.Lock()

    def rejected(self, frame: pl.DataFrame) -> None:
        """Take rows that a step could not use; called by the compute thread."""
        if not frame.height:
            return
        with self._lock:
            self.rows += frame.height
            for reason in frame["reason"].head(1_000):
                if reason in self._reasons or len(self._reasons) < REASONS_MAX:
                    self._reasons[reason] += 1
        first = frame.row(0, named=True)
        if self.policy.fails(first["operator"]):
            where = f"{first['operator']}, split {first['split']}, offset {first['offset']}"
            raise DataError(
                f"A row cannot be used: {first['reason']}.",
                where=where,
                hint="Mend the row, or set 'pipeline.on-reject' = 'reject' to keep it aside.",
            )

    def refused(self, sink: str, frame: pl.DataFrame) -> None:
        """Take rows that a sink's system refused; called by sink workers."""
        with self._lock:
            self.rows += frame.height
            self._reasons[f"{sink} refused: {frame[REASON][0]}"] += frame.height
        if self.policy.fails(sink):
            raise DataError(
                f"The sink refused a row: {frame[REASON][0]}.",
                where=sink,
                hint="Set 'pipeline.on-reject' = 'reject' to keep such rows aside.",
            )

    def reasons(self) -> Counter[str]:
        """Return a copy of the counts."""
        with self._lock:
            return Counter(self._reasons)

    def go_on_from(self, before: Counter[str]) -> None:
        """Take over what earlier runs of this process have counted."""
        with self._lock:
            self._reasons = Counter(before)

    def judge(self, now_ms: int, rows_in: int) -> None:
        """Stop where too large a part of the rows was rejected lately; raises DataError."""
        if self.policy.threshold is not None:
            self.policy.threshold.note(now_ms, rows_in, self.rows)

    def most_common(self) -> tuple[tuple[str, int], ...]:
        """Return the reasons there were, the most frequent first."""
        with self._lock:
            return tuple(self._reasons.most_common(REASONS_MAX))


@dataclass
class Counts:
    """What the compute thread has done since the start."""

    batches: int = 0
    rows_in: int = 0
    documents_skipped: int = 0
    epoch: int = 0
    """The newest epoch that is with the sinks."""


class Reporter:
    """Looks at the parts of a run and says how they stand."""

    def __init__(
        self,
        graph: Graph,
        readings: list[Reading],
        workers: list[SinkWorker],
        counts: Counts,
        world: World,
    ) -> None:
        self._graph = graph
        self._readings = readings
        self._workers = workers
        self._counts = counts
        self._world = world
        self.memory: Memory | None = None
        self._started_s = world.monotonic_s()
        self._rate = (0.0, 0, 0.0)
        self._inputs = inputs_of(graph)
        self.letters: Letters | None = None

    def progress(self) -> Progress:
        """Return how things stand; may be called from any thread."""
        counts = self._counts
        elapsed_s = self._world.monotonic_s() - self._started_s
        steps = tuple(self._step_progress())
        marks = [s.mark_ms for s in self._graph.stages if not s.final]
        known = [m for m in marks if m != LOWEST_MS]
        memory = self.memory
        watermark = min(known) if known and len(known) == len(marks) else None
        return Progress(
            elapsed_s=elapsed_s,
            rows_in=counts.rows_in,
            rows_out=sum(self._graph.steps[i].count.rows_in for i in self._graph.sinks),
            rows_late=sum(s.rows_late for s in steps),
            rows_rejected=sum(s.rows_rejected for s in steps) + self._rows_refused(),
            rows_per_s=self._rows_per_s(elapsed_s),
            watermark_ms=watermark,
            lag_ms=None if watermark is None else self._world.now_ms() - watermark,
            rows_waiting=self._waiting(),
            state_bytes=sum(s.state_bytes for s in steps),
            state_rows=sum(s.state_rows for s in steps),
            epoch=counts.epoch,
            batches=counts.batches,
            steps=steps,
            sinks=tuple(
                SinkProgress(
                    name=w.sink_name,
                    rows_accepted=w.count.accepted,
                    rows_refused=w.count.refused,
                    exactly_once=w.exactly_once,
                    bytes_queued=w.bytes_waiting,
                    busy_s=w.busy_s,
                )
                for w in self._workers
            ),
            splits=self._split_progress(),
            documents_skipped=counts.documents_skipped,
            rows_repeated=sum(
                stage.seen.rows_repeated for stage in self._graph.stages if stage.seen is not None
            ),
            memory_bytes=0 if memory is None else memory.budget.used,
            memory_limit=0 if memory is None else memory.budget.limit,
            queued_bytes=0 if memory is None else memory.usage.held.total,
            spilled_bytes=sum(s.spilled_bytes for s in steps),
        )

    def summary(
        self, ended: str, checkpoint: str | None, reasons: tuple[tuple[str, int], ...]
    ) -> Summary:
        """Return how the run ended."""
        progress = self.progress()
        unread = (s.count.rows_rejected for s in self._graph.steps if not s.rejected)
        return Summary(
            ended=ended,
            progress=progress,
            state_left=progress.state_rows,
            checkpoint=checkpoint,
            reasons=reasons,
            rows_lost_sight_of=sum(unread) + self._rows_refused(),
            letters=0 if self.letters is None else self.letters.total,
            letters_place=None if self.letters is None else self.letters.where,
        )

    def _rows_refused(self) -> int:
        return sum(w.count.refused for w in self._workers)

    def _rows_per_s(self, elapsed_s: float) -> float:
        at_s, rows, rate = self._rate
        if elapsed_s - at_s >= RATE_LEAST_S:
            rate = (self._counts.rows_in - rows) / (elapsed_s - at_s)
            self._rate = (elapsed_s, self._counts.rows_in, rate)
        return rate

    def _waiting(self) -> int | None:
        splits = (s for r in self._readings for s in list(r.splits.values()))
        known = [waits for waits in map(_waiting_of, splits) if waits is not None]
        return sum(known) if known else None

    def _step_progress(self) -> Iterator[StepProgress]:
        read = {
            stage.uid: sum(split.bytes for split in list(reading.splits.values()))
            for stage, reading in zip(self._graph.stages, self._readings, strict=True)
        }
        for step in self._graph.steps:
            count, operator = step.count, step.operator
            yield StepProgress(
                uid=step.uid,
                label=step.label,
                rows_in=count.rows_in,
                rows_out=count.rows_out,
                rows_late=count.rows_late,
                rows_rejected=count.rows_rejected,
                busy_s=count.busy_s,
                state_bytes=0 if operator is None else operator.state_bytes,
                state_rows=0 if operator is None else operator.state_rows,
                spilled_bytes=0
                if operator is None
                else sum(a.bytes_spilled for a in operator.arenas),
                batches=count.batches,
                kind=_kind_of(step),
                inputs=self._inputs[step.uid],
                watermark_ms=_mark(step.mark_ms),
                bytes_in=read.get(step.uid, 0),
                bytes_out=count.bytes_out,
                rows_dropped=0 if operator is None else operator.rows_dropped,
            )

    def _split_progress(self) -> tuple[SplitProgress, ...]:
        found: list[tuple[ScanStage, Split]] = [
            (stage, split)
            for stage, reading in zip(self._graph.stages, self._readings, strict=True)
            for split in list(reading.splits.values())
        ]
        if len(found) > SPLITS_MAX:
            ended = [one for one in found if one[1].done]
            found = [*(one for one in found if not one[1].done), *reversed(ended)][:SPLITS_MAX]
        return tuple(
            SplitProgress(
                scan=stage.uid,
                table=stage.table.name,
                split=split.name,
                rows=split.documents,
                bytes=split.bytes,
                rows_waiting=_waiting_of(split),
                watermark_ms=_mark(stage.marks.of(split.name)),
                read_at_ms=split.read_at_ms,
                idle=split.name in stage.marks.idle,
                ended=split.done,
            )
            for stage, split in found
        )


def inputs_of(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return of each step the ids of those whose rows it takes: by port, each once."""
    ports: dict[int, list[tuple[int, str]]] = {index: [] for index in range(len(graph.steps))}
    for step in graph.steps:
        for index, port in (*step.out, *step.late, *step.rejected):
            ports[index].append((port, step.uid))
    return {
        graph.steps[index].uid: tuple(
            dict.fromkeys(uid for _, uid in sorted(found, key=lambda one: one[0]))
        )
        for index, found in ports.items()
    }


def _kind_of(step: Step) -> str:
    if isinstance(step.node, Scan):
        return "source"
    return "sink" if isinstance(step.node, Write) else "step"


def _mark(mark_ms: int) -> int | None:
    """Return a mark that says something: there is one, and it is not the end's."""
    return None if mark_ms in (LOWEST_MS, FINAL_MARK_MS) else mark_ms


def _waiting_of(split: Split) -> int | None:
    if split.pending is None:
        return None
    return split.pending + sum(chunk.frame.height for chunk in list(split.queue))
