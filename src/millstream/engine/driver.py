"""Runs a lowered plan: takes chunks, pushes batches, obeys the coordinator.

One compute thread (the caller of :meth:`Driver.run`) pushes batches through the graph; reader
threads fill queues, sink threads empty them, one thread writes checkpoints. All decisions of
*when* are the coordinator's; all I/O is the sources', the sinks' and the store's.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.engine.asking import Asker
from millstream.engine.batch import OP, Op
from millstream.engine.checkpoint import CheckpointStore, Epoch, state_of
from millstream.engine.coordinator import (
    CloseEpoch,
    Coordinator,
    EpochDelivered,
    Event,
    FinalMark,
    Finish,
    InputEnded,
    StopAsked,
    TurnDone,
)
from millstream.engine.delivering import EpochWriter, SinkWorker
from millstream.engine.graph import Delivery, Graph
from millstream.engine.marks import LOWEST_MS
from millstream.engine.progress import Progress, SinkProgress, StepProgress, Summary
from millstream.engine.reading import Inbox, Reading, Split
from millstream.engine.scan import Block, ScanStage
from millstream.errors import DataError, JobError, MillstreamError, PlanError, UnknownName
from millstream.ports.connector import Chunk, Viewable
from millstream.settings import OnReject, Settings

IDLE_WAIT_S = 0.05
ROWS_FIRST = 8_192
ROWS_LEAST = 256
REASONS_MAX = 10


@dataclass
class Parts:
    """What the driver runs; built by :mod:`millstream.engine.assemble`."""

    graph: Graph
    readings: list[Reading]
    """One per scan, in the graph's order."""
    workers: list[SinkWorker]
    """One per sink, in the plan's order."""
    store: CheckpointStore | None
    inbox: Inbox
    positions: dict[str, dict[str, Any]]
    last_epoch: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    fresh: bool = True
    complete: bool = False
    """The checkpoint is that of a run whose input ended: there is nothing left to do."""


def clock_ms() -> int:
    """Return the wall clock in ms since the epoch."""
    return time.time_ns() // 1_000_000


class Driver:
    """One run of one pipeline."""

    def __init__(
        self, parts: Parts, settings: Settings, *, clock: Callable[[], int] = clock_ms
    ) -> None:
        self.parts = parts
        self.settings = settings
        self._clock = clock
        self._inbox = parts.inbox
        self._graph = parts.graph
        self._bounded = all(r.source.bounded for r in parts.readings)
        self._coordinator = Coordinator(
            interval_ms=max(50, settings.checkpoint_interval_ms),
            epoch_bytes_max=settings.epoch_bytes_max,
            checkpoints=parts.store is not None,
            last_epoch=parts.last_epoch,
        )
        self._epochs: EpochWriter | None = None
        self._delivered: list[int] = []
        self._pending: dict[str, list[pl.DataFrame]] = {}
        self._pending_bytes = 0
        self._chunk_rows = min(ROWS_FIRST, settings.chunk_rows_max)
        self._ask: StopAsked | None = None
        self._ended = "completed" if parts.complete else "stopped"
        self._started_s = time.perf_counter()
        self._batches = 0
        self._rows_in = 0
        self._documents_skipped = 0
        self._rate = (0.0, 0, 0.0)
        self._reasons: Counter[str] = Counter()
        self._reasons_lock = threading.Lock()
        self._graph.on_rejected = self._rejected
        self._asker = Asker(self._graph, self._inbox, settings)
        self._answers = 0

    def stop(self, *, drain: bool = False) -> None:
        """Ask the pipeline to end; may be called from any thread or a signal handler."""
        self._ask = StopAsked(drain)

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Run until the input ends or a stop is asked for; raises the first failure."""
        every_s = self.settings.progress_interval_ms / 1000
        shown_s = time.perf_counter()
        try:
            self._start()
            while not self.parts.complete and not self._turn():
                if on_progress is not None and time.perf_counter() - shown_s >= every_s:
                    shown_s = time.perf_counter()
                    on_progress(self.progress())
            self._finish()
        finally:
            self._close()
        self._check()
        return self._summary()

    def progress(self) -> Progress:
        """Return how things stand; may be called from any thread."""
        elapsed_s = time.perf_counter() - self._started_s
        steps = tuple(self._step_progress())
        at_s, rows, rate = self._rate
        if elapsed_s - at_s >= 0.2:
            rate = (self._rows_in - rows) / (elapsed_s - at_s)
            self._rate = (elapsed_s, self._rows_in, rate)
        marks = [s.mark_ms for s in self._graph.stages if not s.final]
        known = [m for m in marks if m != LOWEST_MS]
        watermark = min(known) if known and len(known) == len(marks) else None
        return Progress(
            elapsed_s=elapsed_s,
            rows_in=self._rows_in,
            rows_out=sum(self._graph.steps[i].count.rows_in for i in self._graph.sinks),
            rows_late=sum(s.rows_late for s in steps),
            rows_rejected=sum(s.rows_rejected for s in steps)
            + sum(w.count.refused for w in self.parts.workers),
            rows_per_s=rate,
            watermark_ms=watermark,
            lag_ms=None if watermark is None else self._clock() - watermark,
            rows_waiting=self._waiting(),
            state_bytes=sum(s.state_bytes for s in steps),
            state_rows=sum(s.state_rows for s in steps),
            epoch=self._coordinator.delivered,
            batches=self._batches,
            steps=steps,
            sinks=tuple(
                SinkProgress(w.sink_name, w.count.accepted, w.count.refused, w.exactly_once)
                for w in self.parts.workers
            ),
            documents_skipped=self._documents_skipped,
        )

    def view(self, sink: str) -> pl.DataFrame:
        """Return what a sink of this process holds now, uncommitted rows included."""
        found = {w.sink_name: w for w in self.parts.workers}
        if sink not in found:
            raise UnknownName("sink", sink, available=found)
        place = found[sink].sink
        if not isinstance(place, Viewable):
            raise PlanError(
                f"The sink '{sink}' keeps nothing here to look at.",
                hint="Query a memory sink or a view made by show().",
            )
        waiting = list(self._pending.get(sink, ()))
        return place.view(waiting)

    # -- the life of a run ---------------------------------------------------------------------

    def _start(self) -> None:
        for worker in self.parts.workers:
            worker.start()
        if self.parts.store is not None:
            self._epochs = EpochWriter(
                self.parts.store,
                self.parts.workers,
                {s.uid: r for s, r in self._scans()},
                self._inbox,
                self._delivered.append,
            )
            self._epochs.start()
        if self.parts.fresh:
            self._hand_out(self._graph.start())
        for stage, reading in self._scans():
            for split in reading.splits:
                stage.marks.add(split)
            reading.rows_wanted = self._chunk_rows
            reading.start()

    def _turn(self) -> bool:
        """Do one turn; returns True when the pipeline is to finish."""
        self._check()
        while self._delivered:
            self._obey(EpochDelivered(self._delivered.pop(0)))
        self._end_scans()
        self._answered()
        rows = 0
        if not self._coordinator.paused and not self._asker.is_full:
            rows = self._push()
        rows, self._answers = rows + self._answers, 0
        if self._ask is not None:
            return self._obey(self._ask)
        if self._all_ended() and not self._graph.is_waiting:
            self._ended = "completed"
            return self._obey(InputEnded(self._clock()))
        done = self._obey(TurnDone(self._clock(), rows, self._pending_bytes))
        if not rows:
            self._quiet_time()
            self._inbox.wait(IDLE_WAIT_S)
        return done

    def _obey(self, event: Event) -> bool:
        finished = False
        for instruction in self._coordinator.on_event(event):
            match instruction:
                case FinalMark():
                    self._ended = "completed" if self._ended == "completed" else "drained"
                    for index, stage in enumerate(self._graph.stages):
                        if not stage.final:
                            stage.finish()
                            self._run_batch(index, stage, ())
                    while self._graph.is_waiting:
                        self._check()
                        self._answered()
                        self._inbox.wait(IDLE_WAIT_S)
                case CloseEpoch(epoch=epoch):
                    self._close_epoch(epoch)
                case Finish():
                    finished = True
        return finished

    def _finish(self) -> None:
        if self._epochs is not None:
            self._epochs.stop()
            while self._delivered:
                self._coordinator.on_event(EpochDelivered(self._delivered.pop(0)))
        for done in [w.flush() for w in self.parts.workers if not w.exactly_once]:
            while not done.wait(0.5):
                self._check()
        for worker in self.parts.workers:
            worker.stop()

    def _close(self) -> None:
        self._asker.close()
        for reading in self.parts.readings:
            reading.stop()
        if self._epochs is not None:
            self._epochs.stop()
        for worker in self.parts.workers:
            worker.stop()
        if self.parts.store is not None:
            self.parts.store.close()

    def _check(self) -> None:
        failure = self._inbox.failure
        if isinstance(failure, MillstreamError):
            raise failure
        if failure is not None:
            raise JobError(
                f"The pipeline failed: {type(failure).__name__}: {failure}",
                hint="This is a bug of Millstream or of a plugin; the traceback shows where.",
            ) from failure

    # -- rows ----------------------------------------------------------------------------------

    def _scans(self) -> Iterator[tuple[ScanStage, Reading]]:
        return zip(self._graph.stages, self.parts.readings, strict=True)

    def _push(self) -> int:
        """Push one batch of each scan that has rows; returns the documents read."""
        if self._bounded:
            found = self._next_in_order()
            return 0 if found is None else self._push_scan(found)
        order = sorted(
            range(len(self._graph.stages)),
            key=lambda i: (self._graph.stages[i].mark_ms, self._graph.stages[i].uid),
        )
        return sum(self._push_scan(i) for i in order if self._has_rows(self.parts.readings[i]))

    def _push_scan(self, index: int) -> int:
        stage, reading = self._graph.stages[index], self.parts.readings[index]
        started_s = time.perf_counter()
        taken = _Taken()
        self._run_batch(index, stage, self._blocks(index, reading, taken))
        self._adapt(reading, taken, time.perf_counter() - started_s)
        self._rows_in += taken.rows
        self._documents_skipped += taken.skipped
        return taken.rows

    def _run_batch(self, index: int, stage: ScanStage, blocks: Iterator[Block] | tuple[()]) -> None:
        scanned = stage.turn(blocks, self._graph.stamp(self._clock()))
        self._batches += 1
        self._hand_out(self._graph.turn(index, scanned.batch, scanned.rejected))
        self._answered()

    def _answered(self) -> None:
        """Go on with the rows whose answers have come; an answer counts as news, as a row does."""
        for reply in self._asker.replies(self._clock()):
            self._answers += 1
            now_ms = self._graph.stamp(self._clock())
            self._hand_out(self._graph.reply(reply.step, reply.number, reply.frame, now_ms))

    def _blocks(self, index: int, reading: Reading, taken: _Taken) -> Iterator[Block]:
        """Yield chunks of one scan until the batch is full or the next row is another's."""
        stage = self._graph.stages[index]
        limit = self.settings.chunk_bytes_max
        while taken.rows < self._chunk_rows and taken.bytes < limit:
            split = self._next_split(stage, reading)
            if split is None or (self._bounded and self._next_in_order() != index):
                return
            chunk = reading.take(split)
            if chunk is None:
                return
            taken.add(chunk)
            split.arrived_at_ms = self._clock()
            self.parts.positions.setdefault(stage.uid, {})[split.name] = chunk.resume
            yield Block(split.name, chunk.frame, chunk.rejected, chunk.offsets)

    def _live(self, stage: ScanStage, reading: Reading) -> list[Split]:
        """Return the splits that may have more rows; those that ended hold no mark back."""
        splits = list(reading.splits.values())
        for split in splits:
            if split.done and split.name not in stage.marks.ended:
                stage.marks.end(split.name)
        return [s for s in splits if not s.done]

    def _next_split(self, stage: ScanStage, reading: Reading) -> Split | None:
        """Return the split to read next: lowest mark, ties by id; None where none has rows."""
        ready = [s for s in self._live(stage, reading) if s.queue]
        return min(ready, key=lambda s: (stage.marks.of(s.name), s.name), default=None)

    def _next_in_order(self) -> int | None:
        """Return the scan whose turn it is in a bounded run.

        None until of every split it is known what comes next, a row or its end: only then is the
        order, and with it every row's mark, a function of the data.
        """
        first: tuple[int, str, str, int] | None = None
        for index, (stage, reading) in enumerate(self._scans()):
            for split in self._live(stage, reading):
                if not split.queue:
                    return None
                key = (stage.marks.of(split.name), stage.uid, split.name, index)
                first = key if first is None or key < first else first
        return None if first is None else first[-1]

    def _end_scans(self) -> None:
        """Give the final mark to the scans whose bounded input has ended."""
        for index, (stage, reading) in enumerate(self._scans()):
            if not stage.final and not self._live(stage, reading) and self._over(reading):
                stage.finish()
                self._run_batch(index, stage, ())

    def _has_rows(self, reading: Reading) -> bool:
        return any(s.queue for s in list(reading.splits.values()))

    def _adapt(self, reading: Reading, taken: _Taken, took_s: float) -> None:
        """Grow batches under backlog, shrink them when one takes longer than the target."""
        target_s = self.settings.latency_target_ms / 1000
        if took_s > target_s and taken.rows >= self._chunk_rows:
            self._chunk_rows = max(ROWS_LEAST, self._chunk_rows // 2)
        elif took_s < target_s / 2 and taken.rows >= self._chunk_rows:
            self._chunk_rows = min(self.settings.chunk_rows_max, self._chunk_rows * 2)
        reading.rows_wanted = self._chunk_rows

    def _quiet_time(self) -> None:
        """Let the clock run, idle splits go, and time run on for silent sources."""
        if self._graph.has_clocks:
            self._hand_out(self._graph.tick(self._graph.stamp(self._clock())))
        idle_ms, silence_ms = self.settings.idle_timeout_ms, self.settings.silence_timeout_ms
        if not idle_ms and not silence_ms:
            return
        now = self._clock()
        for index, (stage, reading) in enumerate(self._scans()):
            before = stage.mark_ms
            splits = [s for s in list(reading.splits.values()) if not s.done]
            for split in splits:
                split.arrived_at_ms = split.arrived_at_ms or now
                if idle_ms and not split.queue and now - split.arrived_at_ms >= idle_ms:
                    stage.marks.set_idle(split.name)
            latest = max((s.arrived_at_ms for s in splits), default=now)
            highest = stage.marks.highest()
            if silence_ms and now - latest >= silence_ms and highest != LOWEST_MS:
                stage.marks.raise_to(highest + now - latest)
            if stage.mark_ms > before:
                self._run_batch(index, stage, ())

    # -- results -------------------------------------------------------------------------------

    def _hand_out(self, delivered: list[Delivery]) -> None:
        for item in delivered:
            worker = self.parts.workers[item.sink]
            if worker.exactly_once:
                self._pending.setdefault(worker.sink_name, []).append(item.frame)
                self._pending_bytes += int(item.frame.estimated_size())
            else:
                worker.write(item.frame)
        for index, worker in zip(self._graph.sinks, self.parts.workers, strict=True):
            if not worker.exactly_once:
                worker.passed(self._graph.steps[index].mark_ms)

    def _close_epoch(self, number: int) -> None:
        assert self._epochs is not None, "epochs are closed only where checkpoints are kept"
        outputs = {name: [pl.concat(frames)] for name, frames in self._joinable().items()}
        epoch = Epoch(
            number,
            state_of(self._graph),
            {scan: dict(splits) for scan, splits in self.parts.positions.items()},
            outputs,
            {**self.parts.facts, "ended": self._ended in ("completed", "drained")},
        )
        self._pending, self._pending_bytes = {}, 0
        self._epochs.close_epoch(epoch)

    def _joinable(self) -> dict[str, list[pl.DataFrame]]:
        """Give every frame of a sink the same columns: ``$op`` on all or on none."""
        joined: dict[str, list[pl.DataFrame]] = {}
        for name, frames in self._pending.items():
            if len({tuple(f.columns) for f in frames}) == 1:
                joined[name] = frames
                continue
            op = pl.lit(int(Op.INSERT), dtype=pl.Int8).alias(OP)
            joined[name] = [f if OP in f.columns else f.with_columns(op) for f in frames]
        return joined

    def _rejected(self, frame: pl.DataFrame) -> None:
        if not frame.height:
            return
        with self._reasons_lock:
            for reason in frame["reason"].head(1_000):
                if reason in self._reasons or len(self._reasons) < REASONS_MAX:
                    self._reasons[reason] += 1
        if self.settings.on_reject is OnReject.FAIL:
            first = frame.row(0, named=True)
            where = f"{first['operator']}, split {first['split']}, offset {first['offset']}"
            raise DataError(
                f"A row cannot be used: {first['reason']}.",
                where=where,
                hint="Mend the row, or set 'pipeline.on-reject' = 'reject' to keep it aside.",
            )

    def refused(self, sink: str, frame: pl.DataFrame) -> None:
        """Count rows a sink's system refused; called by sink threads."""
        with self._reasons_lock:
            self._reasons[f"{sink} refused: {frame['reason'][0]}"] += frame.height
        if self.settings.on_reject is OnReject.FAIL:
            raise DataError(
                f"The sink refused a row: {frame['reason'][0]}.",
                where=sink,
                hint="Set 'pipeline.on-reject' = 'reject' to keep such rows aside.",
            )

    def _all_ended(self) -> bool:
        return all(map(self._over, self.parts.readings))

    def _over(self, reading: Reading) -> bool:
        """Tell whether a source has ended: all its splits did, and it had or may have no others."""
        splits = list(reading.splits.values())
        return (reading.source.bounded or bool(splits)) and all(s.done for s in splits)

    def _waiting(self) -> int | None:
        known = [
            s.pending + sum(c.frame.height for c in list(s.queue))
            for r in self.parts.readings
            for s in list(r.splits.values())
            if s.pending is not None
        ]
        return sum(known) if known else None

    def _step_progress(self) -> Iterator[StepProgress]:
        for step in self._graph.steps:
            count, operator = step.count, step.operator
            yield StepProgress(
                step.uid,
                step.label,
                count.rows_in,
                count.rows_out,
                count.rows_late,
                count.rows_rejected,
                count.busy_s,
                0 if operator is None else operator.state_bytes,
                0 if operator is None else operator.state_rows,
            )

    def _summary(self) -> Summary:
        progress = self.progress()
        store = self.parts.store
        return Summary(
            ended=self._ended,
            progress=progress,
            state_left=progress.state_rows,
            checkpoint=None if store is None else str(store.folder),
            reasons=tuple(self._reasons.most_common(REASONS_MAX)),
            rows_lost_sight_of=sum(
                step.count.rows_rejected for step in self._graph.steps if not step.rejected
            )
            + sum(worker.count.refused for worker in self.parts.workers),
        )


@dataclass
class _Taken:
    """What a batch has taken so far."""

    rows: int = 0
    bytes: int = 0
    skipped: int = 0

    def add(self, chunk: Chunk) -> None:
        bad = 0 if chunk.rejected is None else chunk.rejected.height
        self.rows += chunk.frame.height + bad
        self.skipped += chunk.skipped
        self.bytes += max(chunk.bytes, int(chunk.frame.estimated_size()))
