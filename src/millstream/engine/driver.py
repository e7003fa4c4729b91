"""Runs a lowered plan: takes chunks, pushes batches, obeys the coordinator.

One compute thread (the caller of :meth:`Driver.run`) pushes batches through the graph; readers
fill queues, sink workers empty them, one actor writes checkpoints. All decisions of *when* are the
coordinator's, of *which rows* taking.py's; all I/O is the sources', the sinks' and the store's;
time, threads and waiting are the world's.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from millstream.engine.asking import Asker
from millstream.engine.batch import OP, Op
from millstream.engine.budget import Held, Memory
from millstream.engine.care import Care, Notes
from millstream.engine.checkpoint import Epoch, state_of
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.engine.coordinator import (
    CloseEpoch,
    Coordinator,
    EpochAsked,
    EpochDelivered,
    Event,
    FinalMark,
    Finish,
    InputEnded,
    StopAsked,
    TurnDone,
)
from millstream.engine.delivering import EpochWriter, SinkWorker
from millstream.engine.desk import Desk, desk_of
from millstream.engine.graph import Delivery, Graph
from millstream.engine.journal import Journal
from millstream.engine.latency import Latency, Reads, Stopwatch
from millstream.engine.letters import Letters
from millstream.engine.poison import Isolation, Tally
from millstream.engine.progress import CheckpointProgress, Progress, Summary
from millstream.engine.reading import Reading
from millstream.engine.replaying import Replaying
from millstream.engine.reporting import Complaints, Counts, Reporter
from millstream.engine.scan import Block
from millstream.engine.taking import Taken, Taking, Turn
from millstream.engine.totals import Totals
from millstream.engine.world import Inbox
from millstream.errors import JobError, MemoryLimit, MillstreamError, PlanError, UnknownName
from millstream.events import about
from millstream.ports.connector import Viewable
from millstream.settings import Settings

LOG = logging.getLogger("millstream")
IDLE_WAIT_S = 0.05
INTERVAL_LEAST_MS = 50
CHECKPOINTS_TOLD_MAX = 50
"""So many of the newest checkpoints are told of."""


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
    complaints: Complaints
    letters: Letters
    replaying: Replaying
    positions: dict[str, dict[str, Any]]
    fresh_graph: Callable[[], Graph]
    """Makes another graph of the same plan, without state."""
    tally: Tally = field(default_factory=Tally)
    notes: Notes | None = None
    journal: Journal | None = None
    """Of a run that keeps checkpoints: what was read and where it was cut."""
    last_epoch: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    fresh: bool = True
    complete: bool = False
    """The checkpoint is that of a run whose input ended: there is nothing left to do."""
    letters_only: bool = False
    """No source is read: what was asked for of the letters is put through, then the run ends."""


@dataclass
class _Wish:
    """An epoch that somebody asked for, and its number once it is closed."""

    epoch: int | None = None


class Driver:
    """One run of one pipeline."""

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self.parts = parts
        self.settings = settings
        self.world = parts.inbox.world
        self.gates: list[Callable[[], bool]] = []
        """While one of these says so, no more rows are taken."""
        self.is_held = False
        """Somebody asked for a pause: no row is taken and no input ends. Epochs close as ever, the
        clock goes on for steps by processing time, a stop is obeyed; silence says nothing now."""
        self.on_turn: Callable[[Turn], None] | None = None
        """Told of every push into the graph, after it; answers of asks are no turns."""
        self._inbox = parts.inbox
        self._graph = parts.graph
        self._taking = Taking(parts.graph, parts.readings, parts.positions, settings, self.world)
        self._coordinator = Coordinator(
            interval_ms=max(INTERVAL_LEAST_MS, settings.checkpoint_interval_ms),
            epoch_bytes_max=settings.epoch_bytes_max,
            checkpoints=parts.store is not None,
            last_epoch=parts.last_epoch,
        )
        self._epochs: EpochWriter | None = None
        self._desk: Desk | None = None
        self.over = False
        """Whether it has run and everything is closed."""
        self._wishes: list[_Wish] = []
        self._delivered: list[int] = []
        self._pending: dict[str, list[pl.DataFrame]] = {}
        self._pending_bytes = 0
        self._ask: StopAsked | None = None
        self._ended = "completed" if parts.complete else "stopped"
        self._counts = Counts(epoch=parts.last_epoch)
        self._reporter = Reporter(
            parts.graph, parts.readings, parts.workers, self._counts, self.world
        )
        self._graph.on_rejected = parts.complaints.rejected
        self._letters = self._reporter.letters = parts.letters
        self.memory = Memory(settings, parts.graph, self._bytes_held)
        self.gates.append(lambda: self.memory.is_full)
        self._reporter.memory = self.memory
        self._too_large: MemoryLimit | None = None
        self._asker = Asker(self._graph, self._inbox, settings)
        self._answers = 0
        self.totals = Totals(
            parts.graph,
            parts.workers,
            self._counts,
            parts.complaints,
            parts.readings,
            epoch=parts.last_epoch,
        )
        self._pressed = Stopwatch()
        """Runs while rows are there that may not be taken."""
        self._pressed_before_s = 0.0
        self._checkpoints: deque[CheckpointProgress] = deque(maxlen=CHECKPOINTS_TOLD_MAX)
        self._latency = Latency([w.exactly_once for w in parts.workers], parts.graph)
        isolation = Isolation(parts.graph, parts.fresh_graph)
        self.care = Care(parts.graph, parts.tally, isolation, notes=parts.notes)

    @property
    def paused(self) -> bool:
        """Whether the sources must wait: for deliveries, for memory, for answers, for somebody."""
        return self.is_held or self._is_pressed()

    def _is_pressed(self) -> bool:
        return (
            self._coordinator.paused
            or self._asker.is_full
            or any(closed() for closed in self.gates)
        )

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._ask is not None

    @property
    def waited_s(self) -> float:
        """So long rows were there that could not be taken, in all runs of this process."""
        for_sinks_s = sum(worker.waited_for_s for worker in self.parts.workers)
        return self._pressed_before_s + self._pressed.total_s + for_sinks_s

    def go_on_from(self, failed: Driver) -> None:
        """Take over what the runs before this one in this process have counted."""
        self.totals.go_on_from(failed.totals.at(self.parts.last_epoch))
        self._latency.go_on_from(failed._latency)
        self._checkpoints.extend(failed._checkpoints)
        self._pressed_before_s = failed.waited_s

    def stop(self, *, drain: bool = False) -> None:
        """Ask the pipeline to end; may be called from any thread or a signal handler."""
        self._ask = StopAsked(drain)

    def checkpoint(self) -> Callable[[], bool]:
        """Ask for an epoch now; returns what tells whether it is delivered. From any thread."""
        wish = _Wish()
        self._wishes.append(wish)
        self._inbox.notify()
        return lambda: wish.epoch is not None and self.epoch >= wish.epoch

    def abort(self) -> None:
        """End the pipeline at once; may be called from any thread or a signal handler."""
        for worker in self.parts.workers:
            worker.give_up()
        self._inbox.fail(JobError("The pipeline was told to end at once."))

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Run until the input ends or a stop is asked for; raises the first failure."""
        every_s = self.settings.progress_interval_ms / 1000
        shown_s = self.world.monotonic_s()
        try:
            self._start()
            is_idle = self.parts.complete and not self.parts.letters_only
            while not is_idle and not self._turn():
                if on_progress is not None and self.world.monotonic_s() - shown_s >= every_s:
                    shown_s = self.world.monotonic_s()
                    on_progress(self.progress())
            self._finish()
        finally:
            self._close()
        self._check()
        return self.summary(self._ended)

    def summary(self, ended: str) -> Summary:
        """Return how the run ended."""
        store = self.parts.store
        summary = self._reporter.summary(
            ended,
            None if store is None else str(store.folder),
            self.parts.complaints.most_common(),
        )
        return replace(summary, progress=self.progress())

    @property
    def epoch(self) -> int:
        """The newest epoch that is with the sinks."""
        return self._counts.epoch

    @property
    def batches(self) -> int:
        """How many batches were pushed; grows while the compute thread gets on."""
        return self._counts.batches

    def progress(self) -> Progress:
        """Return how things stand; may be called from any thread."""
        progress = replace(
            self._reporter.progress(),
            checkpoints=tuple(self._checkpoints),
            latency=self._latency.histogram(),
            waited_s=self.waited_s,
        )
        epochs = self._epochs
        if epochs is None or not epochs.failures:
            return progress
        return replace(
            progress, checkpoint_failures=epochs.failures, last_failure=epochs.last_failure
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
            self._inbox.start(worker)
        if self.parts.store is not None:
            self._epochs = EpochWriter(
                self.parts.store,
                self.parts.workers,
                {s.uid: r for s, r in self._taking.scans()},
                self._inbox,
                self._epoch_arrived,
                self._letters,
            )
            self._inbox.start(self._epochs)
            self._desk = desk_of(self)
            self._inbox.start(self._desk)
        for item in self._graph.recall():  # no output of this run: nothing of it is counted
            size = int(item.frame.estimated_size())
            self.parts.workers[item.sink].write(item.frame, size)
        if self.parts.fresh:
            self._hand_out(self._graph.start())
        self._taking.start()
        if self.parts.letters_only:
            for stage in self._graph.stages if self.parts.complete else ():
                stage.finish()
            return
        for reading in self.parts.readings:
            self._inbox.start(reading)

    def _turn(self) -> bool:
        """Do one turn; returns True when the pipeline is to finish."""
        self._check()
        self._take_note()
        self._mind_memory()
        is_held = self.is_held  # may change meanwhile
        for index in () if self.parts.letters_only or is_held else self._taking.ended():
            self._give_final_mark(index)
        self._answered()
        rows, is_pressed = 0, self._is_pressed()
        self._pressed.run(on=is_pressed and not is_held and self._taking.has_rows())
        if not is_held and not is_pressed:
            rows = self._put_through()
            rows += sum(self._push(index) for index in self._taking.next_scans())
        rows, self._answers = rows + self._answers, 0
        if self._ask is not None:
            LOG.info("stopping", extra=about("stopping", drain=self._ask.drain))
            return self._obey(self._ask)
        self._fulfil()
        is_done = not self._graph.is_waiting and not self.parts.replaying.busy
        if is_done and self.parts.letters_only:
            return self._obey(StopAsked(drain=False))
        if is_done and not is_held and self._taking.all_ended():
            self._ended = "completed"
            return self._obey(InputEnded(self._elapsed_ms()))
        self.parts.complaints.judge(self.world.now_ms(), self._counts.rows_in)
        if self.parts.store is None:
            self._letters.flush()
        bytes_out = self._pending_bytes + self._letters.bytes
        done = self._obey(TurnDone(self._elapsed_ms(), rows, bytes_out))
        if not rows:
            self._quiet_time(is_taking=not is_held and not is_pressed)
        if not rows or (self._taking.waits and not self.parts.replaying.busy):
            self._inbox.wait(IDLE_WAIT_S)
        return done

    def _mind_memory(self) -> None:
        """Read less ahead while memory is short; stop, with a last checkpoint, where there is none.

        Where epochs wait for a sink there will be no other: what was read is read again.
        """
        stop = self.memory.look(self.world.monotonic_s())
        self._taking.is_short = self.memory.is_short
        for reading in self.parts.readings:
            reading.is_short = self.memory.is_short
        if stop is not None and self._ask is None:
            if self.parts.store is None or self._coordinator.paused:
                self._inbox.fail(stop)
                self._check()
            self._too_large, self._ask = stop, StopAsked(drain=False)

    def _bytes_held(self) -> Held:
        epochs = Held() if self._epochs is None else self._epochs.held
        return Held(
            queued=sum(r.bytes_queued for r in self.parts.readings),
            outputs=self._pending_bytes
            + epochs.outputs
            + sum(w.bytes_queued for w in self.parts.workers),
            copies=epochs.copies,
            kept=sum(w.sink.bytes_kept for w in self.parts.workers),
        )

    def _elapsed_ms(self) -> int:
        """Return the time epochs go by: the machine's clock may be set back for hours."""
        return int(self.world.monotonic_s() * 1000)

    def _epoch_arrived(self, checkpoint: CheckpointProgress) -> None:
        """An epoch is with the sinks; called by its writer."""
        self._latency.epoch_arrived(checkpoint.number)
        self._checkpoints.append(checkpoint)
        self._delivered.append(checkpoint.number)

    def _take_note(self) -> None:
        """Tell the coordinator of epochs that were delivered meanwhile."""
        while self._delivered:
            self._counts.epoch = self._delivered.pop(0)
            self.care.delivered(self._counts.epoch, self.world.monotonic_s())
            self._obey(EpochDelivered(self._counts.epoch))

    def _fulfil(self) -> None:
        """Close the epoch that was asked for, once there may be another."""
        if self._wishes and not self._coordinator.paused:
            self._obey(EpochAsked(self._elapsed_ms()))
            while self._wishes:
                self._wishes.pop().epoch = self._coordinator.epoch

    def _obey(self, event: Event) -> bool:
        finished = False
        for instruction in self._coordinator.on_event(event):
            match instruction:
                case FinalMark():
                    self._drain()
                case CloseEpoch(epoch=number):
                    self._close_epoch(number)
                case Finish():
                    finished = True
        return finished

    def _drain(self) -> None:
        """Give the final mark to every scan, and wait for the answers to what is asked."""
        self._ended = "completed" if self._ended == "completed" else "drained"
        for index, stage in enumerate(self._graph.stages):
            if not stage.final:
                self._give_final_mark(index)
        self._settle()

    def _settle(self) -> None:
        """Wait for the answers to all that is asked."""
        while self._graph.is_waiting:
            self._check()
            self._answered()
            self._inbox.wait(IDLE_WAIT_S)

    def _finish(self) -> None:
        if self.parts.store is None:
            self._letters.flush(at_once=True)
        if self._epochs is not None:
            self._epochs.stop()
            self._take_note()
        flushed = [w.flush() for w in self.parts.workers if not w.exactly_once]
        while not self.world.wait(lambda: all(p.done for p in flushed), 0.5):
            self._check()
        if self.parts.store is None:
            self.parts.replaying.note(self._taking.positions)
        for worker in self.parts.workers:
            worker.stop()
        if self._too_large is not None:
            raise self._too_large

    def _close(self) -> None:
        self._pressed.run(on=False)
        self._asker.close()
        for reading in self.parts.readings:
            reading.stop()
        if self._epochs is not None:
            self._epochs.stop()
        for worker in self.parts.workers:
            worker.stop()
        self.care.close()
        if self._desk is not None:
            self._desk.stop(self._inbox.failure or sys.exception())
        if self.parts.store is not None:
            self.parts.store.close()
        self.over = True

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

    def _push(self, index: int) -> int:
        """Push one batch of a scan; returns the documents read."""
        started_s = self.world.monotonic_s()
        taken, reading = Taken(), self.parts.readings[index]
        reading.is_computing = True
        blocks = self.care.watched(index, self._taking.blocks(index, taken))
        if self.care.is_on:
            self._push_with_care(index, blocks, taken)
        else:
            self._run_batch(index, blocks, taken)
        reading.is_computing = False
        self.world.notify()
        self.care.tally.done()
        self._taking.adapt(index, taken, self.world.monotonic_s() - started_s)
        self._counts.rows_in += taken.rows
        self._counts.documents_skipped += taken.skipped
        return taken.rows

    def _push_with_care(self, index: int, blocks: Iterable[Block], taken: Taken) -> None:
        """Push block by block, so that a row which fails does so alone."""
        stage, cuts = self._graph.stages[index], 0
        for block in blocks:
            self._settle()
            now_ms = self._graph.stamp(self.world.now_ms())
            if self.parts.journal is not None:
                self.parts.journal.cannot("a batch was pushed row by row after a failure")
            reads, taken.reads = taken.reads, Reads()
            sinks: set[int] = set()
            for delivered in self.care.push(index, block, now_ms):
                self._counts.batches += 1
                self._hand_out(delivered)
                self._answered()
                self._settle()
                sinks |= {item.sink for item in delivered}
            self._latency.has_left(reads, sinks)
            turn = Turn(stage.uid, now_ms, taken.cuts[cuts:], stage.final, stage.mark_ms)
            self._turned(turn)
            cuts = len(taken.cuts)

    def _put_through(self) -> int:
        """Put letters through again that somebody asked for; returns how many."""
        replaying, now_ms = self.parts.replaying, self.world.now_ms()
        replaying.look(now_ms)
        if not replaying.busy:
            return 0
        now_ms = self._graph.stamp(now_ms)
        pushed = replaying.push(now_ms)
        self._counts.batches += 1
        self._hand_out(pushed.delivered)
        if self.parts.journal is not None:
            self.parts.journal.cannot("letters were put through again")
        self._answered()
        return pushed.rows

    def _give_final_mark(self, index: int) -> None:
        self._graph.stages[index].finish()
        self._run_batch(index)

    def _run_batch(
        self, index: int, blocks: Iterable[Block] = (), taken: Taken | None = None
    ) -> None:
        """Push a batch, or a mark alone; the one place where a scan's turn is known whole."""
        stage, now_ms = self._graph.stages[index], self._graph.stamp(self.world.now_ms())
        scanned = self._graph.scanned(index, blocks, now_ms)
        self._counts.batches += 1
        delivered = self._graph.turn(index, scanned.batch, scanned.rejected)
        self._hand_out(delivered, None if taken is None else self._latency.turned(taken.reads))
        cuts = [] if taken is None else taken.cuts
        self._turned(Turn(stage.uid, now_ms, cuts, stage.final, stage.mark_ms))
        self._answered()

    def _quiet_time(self, *, is_taking: bool) -> None:
        """Let the clock run, idle splits go, and time run on for silent sources.

        A source whose rows are not taken is not silent, however long that lasts.
        """
        if self._graph.has_clocks:
            now_ms = self._graph.stamp(self.world.now_ms())
            self._hand_out(self._graph.tick(now_ms))
            self._turned(Turn(None, now_ms))
        for index in self._taking.quiet() if is_taking else ():
            self._run_batch(index)

    def _turned(self, turn: Turn) -> None:
        if self.parts.journal is not None:
            self.parts.journal.turned(turn)
        if self.on_turn is not None:
            self.on_turn(turn)

    def _answered(self) -> None:
        """Go on with the rows whose answers have come; an answer counts as news, as a row does."""
        for reply in self._asker.replies(self.world.now_ms()):
            self._answers += 1
            now_ms = self._graph.stamp(self.world.now_ms())
            delivered = self._graph.reply(reply.step, reply.number, reply.frame, now_ms)
            self._hand_out(delivered, self._latency.answered())

    # -- results -------------------------------------------------------------------------------

    def _hand_out(self, delivered: list[Delivery], reads: Reads | None = None) -> None:
        """Give results to the sinks; ``reads``: whose results go on their way with them."""
        trip = self._latency.leaves(reads, [item.sink for item in delivered])
        for item in delivered:
            worker, size = self.parts.workers[item.sink], int(item.frame.estimated_size())
            self._graph.steps[self._graph.sinks[item.sink]].count.bytes_out += size
            worker.bytes_given += size
            if self.parts.journal is not None:
                self.parts.journal.gave(worker.sink_name, item.frame)
            if worker.decides:
                worker.write(item.frame, size)
                self._pending_bytes += size
            elif worker.exactly_once:
                self._pending.setdefault(worker.sink_name, []).append(item.frame)
                self._pending_bytes += size
            else:
                worker.write(item.frame, size, trip)
        for index, worker in zip(self._graph.sinks, self.parts.workers, strict=True):
            if not worker.exactly_once:
                worker.passed(self._graph.steps[index].mark_ms)

    def _close_epoch(self, number: int) -> None:
        assert self._epochs is not None, "epochs are closed only where checkpoints are kept"
        epoch = self._epoch(number)
        self.totals.close(number)
        self._latency.close_epoch(number)
        self._pending, self._pending_bytes = {}, 0
        self._epochs.close_epoch(epoch)

    def _epoch(self, number: int) -> Epoch:
        """Build the epoch of what happened since the last one; the one place that does."""
        return Epoch(
            number,
            state_of(self._graph),
            {scan: dict(splits) for scan, splits in self._taking.positions.items()},
            {name: [pl.concat(frames)] for name, frames in self._joinable().items()}
            | self._letters.close_epoch(),
            {
                **self.parts.facts,
                "ended": self._ended in ("completed", "drained"),
                "rows_taken": self.care.tally.to_json(),
            },
            None if self.parts.journal is None else self.parts.journal.close(),
            next((w.sink_name for w in self.parts.workers if w.decides), None),
        )

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
