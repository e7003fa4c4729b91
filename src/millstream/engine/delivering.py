"""Hands rows to sinks and epochs to disk, in threads of their own, in order.

A :class:`SinkWorker` owns one sink. At-least-once rows go to ``write`` as they come and are
flushed before the epoch that read their input is written; exactly-once rows wait for their epoch.
Behind the rows comes the mark that has passed them; while nothing comes it is said again.
The :class:`EpochWriter` does, per epoch: flush at-least-once sinks → write and sync the checkpoint
(the decision point) → deliver to exactly-once sinks → tell the sources what they may forget.
source  reliability.md §2.2 A
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.engine.checkpoint import CheckpointStore, Epoch
from millstream.engine.marks import LOWEST_MS
from millstream.engine.reading import Inbox, Reading
from millstream.ports.connector import Delivered, Sink

COMMANDS_WAITING_MAX = 8
QUIET_S = 1.0
"""After so long without rows a sink is told the mark again: some of its work goes by the clock."""


@dataclass(frozen=True, slots=True)
class _Write:
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Flush:
    done: threading.Event


@dataclass(frozen=True, slots=True)
class _Deliver:
    epoch: int
    frames: list[pl.DataFrame]
    done: threading.Event


@dataclass(frozen=True, slots=True)
class _Passed:
    mark_ms: int


class _Stop: ...


_Command = _Write | _Flush | _Deliver | _Passed | _Stop


@dataclass
class SinkCount:
    """What a sink's system accepted and refused so far."""

    accepted: int = 0
    refused: int = 0


class SinkWorker(threading.Thread):
    """The thread of one sink."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        inbox: Inbox,
        *,
        exactly_once: bool,
        on_refused: Callable[[str, pl.DataFrame], None],
    ) -> None:
        super().__init__(name=f"write {name}", daemon=True)
        self.sink_name = name
        self.sink = sink
        self.exactly_once = exactly_once
        self.count = SinkCount()
        self.mark_ms = LOWEST_MS
        """The mark its rows have passed, as far as it was queued."""
        self._told_ms = LOWEST_MS
        self._inbox = inbox
        self._commands: queue.Queue[_Command] = queue.Queue(COMMANDS_WAITING_MAX)
        self._on_refused = on_refused

    def write(self, frame: pl.DataFrame) -> None:
        """Queue rows; waits while the sink is behind (back-pressure)."""
        self._put(_Write(frame))

    def flush(self) -> threading.Event:
        """Queue a flush; the event is set when everything before it is acknowledged."""
        done = threading.Event()
        self._put(_Flush(done))
        return done

    def deliver(self, epoch: int, frames: list[pl.DataFrame]) -> threading.Event:
        """Queue an epoch's delivery; the event is set when it is done."""
        done = threading.Event()
        self._put(_Deliver(epoch, frames, done))
        return done

    def resume(self, mark_ms: int) -> None:
        """Say before the start which mark the rows of earlier runs have passed."""
        self.mark_ms = self._told_ms = mark_ms

    def passed(self, mark_ms: int) -> None:
        """Queue a mark behind the rows that are queued."""
        if mark_ms > self.mark_ms:
            self.mark_ms = mark_ms
            self._put(_Passed(mark_ms))

    def run(self) -> None:
        try:
            self._do(_Passed(self._told_ms))
            while not isinstance(command := self._next(), _Stop):
                self._do(command)
        except BaseException as error:  # noqa: BLE001 (raised again in the compute thread)
            self._inbox.fail(error)
        finally:
            self.sink.close()

    def stop(self) -> None:
        """End the thread after what is queued; waits for it."""
        if self.is_alive():
            self._put(_Stop())
            self.join(timeout=60)
        else:
            self.sink.close()

    def _put(self, command: _Command) -> None:
        while self.is_alive():
            try:
                return self._commands.put(command, timeout=0.5)
            except queue.Full:
                continue
        if isinstance(command, _Flush | _Deliver):
            command.done.set()  # the failure that ended the thread is in the inbox
        return None

    def _next(self) -> _Command:
        try:
            return self._commands.get(timeout=QUIET_S)
        except queue.Empty:
            return _Passed(self._told_ms)

    def _do(self, command: _Command) -> None:
        match command:
            case _Passed(mark_ms=mark_ms):
                self._told_ms = mark_ms
                self.sink.passed(mark_ms)
            case _Write(frame=frame):
                self._took(self.sink.write(frame))
            case _Flush(done=done):
                self._took(self.sink.flush())
                done.set()
            case _Deliver(epoch=epoch, frames=frames, done=done):
                self._took(self.sink.deliver(epoch, frames))
                done.set()
            case _Stop():
                raise AssertionError("a stop ends the loop before")

    def _took(self, delivered: Delivered) -> None:
        self.count.accepted += delivered.accepted
        refused = delivered.refused
        if refused is not None and refused.height:
            self.count.refused += refused.height
            self._on_refused(self.sink_name, refused)


@dataclass(frozen=True, slots=True)
class EpochJob:
    """One closed epoch on its way to disk and to the sinks."""

    epoch: Epoch
    flushed: list[threading.Event] = field(default_factory=list)


class EpochWriter(threading.Thread):
    """Makes epochs durable, then delivers them; one at a time, in order."""

    def __init__(
        self,
        store: CheckpointStore,
        workers: list[SinkWorker],
        readings: dict[str, Reading],
        inbox: Inbox,
        on_delivered: Callable[[int], Any],
    ) -> None:
        super().__init__(name="checkpoint", daemon=True)
        self._store = store
        self._workers = workers
        self._readings = readings
        self._inbox = inbox
        self._on_delivered = on_delivered
        self._jobs: queue.Queue[EpochJob | None] = queue.Queue()

    def close_epoch(self, epoch: Epoch) -> None:
        """Queue an epoch; the number waiting is bounded by the coordinator."""
        flushed = [w.flush() for w in self._workers if not w.exactly_once]
        self._jobs.put(EpochJob(epoch, flushed))

    def run(self) -> None:
        try:
            while (job := self._jobs.get()) is not None:
                self._do(job)
        except BaseException as error:  # noqa: BLE001 (raised again in the compute thread)
            self._inbox.fail(error)

    def stop(self) -> None:
        """Wait for the epochs on their way, then end the thread."""
        if self.is_alive():
            self._jobs.put(None)
            self.join()

    def _do(self, job: EpochJob) -> None:
        for event in job.flushed:
            self._wait(event)
        self._store.write(job.epoch)
        self.deliver(job.epoch)
        for scan, positions in job.epoch.positions.items():
            if scan in self._readings:
                self._readings[scan].commit(positions)
        self._on_delivered(job.epoch.number)
        self._inbox.notify()

    def deliver(self, epoch: Epoch, only: set[str] | None = None) -> None:
        """Give an epoch's output to the exactly-once sinks and wait until they have it."""
        workers = [
            worker
            for worker in self._workers
            if worker.exactly_once and (only is None or worker.sink_name in only)
        ]
        pending = [w.deliver(epoch.number, epoch.outputs.get(w.sink_name, [])) for w in workers]
        for event in pending:
            self._wait(event)
        for worker in workers:
            worker.passed(epoch.state.marks.get(worker.sink_name, LOWEST_MS))

    def _wait(self, event: threading.Event) -> None:
        while not event.wait(0.5):
            if self._inbox.failure is not None:
                raise RuntimeError("another thread failed") from self._inbox.failure
        if self._inbox.failure is not None:
            raise RuntimeError("another thread failed") from self._inbox.failure
