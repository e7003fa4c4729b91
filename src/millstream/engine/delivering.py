"""Hands rows to sinks and epochs to disk, beside the compute thread, in order.

A :class:`SinkWorker` owns one sink. At-least-once rows go to ``write`` as they come and are
flushed before the epoch that read their input is written; exactly-once rows wait for their epoch.
Behind the rows comes the mark that has passed them; while nothing comes it is said again.
The :class:`EpochWriter` does, per epoch: flush at-least-once sinks → write and sync the checkpoint
(the decision point) → deliver to exactly-once sinks → tell the sources what they may forget.
Where the one exactly-once sink decides itself (``staging``), its rows are staged as they come, and
its commit takes the place of the delivery.
source  reliability.md §2.2 A and B
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from millstream.engine.budget import Held, bytes_of
from millstream.engine.checkpoint import Epoch
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.engine.latency import Stopwatch, Trip
from millstream.engine.letters import Letters
from millstream.engine.marks import LOWEST_MS
from millstream.engine.progress import CheckpointProgress
from millstream.engine.reading import Reading
from millstream.engine.world import Actor, Inbox, end_of
from millstream.errors import Domain, Retry
from millstream.events import about, masked
from millstream.ports.connector import Deciding, Delivered, Sink
from millstream.ports.store import StoreError

LOG = logging.getLogger("millstream")

COMMANDS_WAITING_MAX = 8
BYTES_WAITING_MAX = 64 << 20
QUIET_S = 1.0
"""After so long without rows a sink is told the mark again: some of its work goes by the clock."""


TRY_AGAIN_S = 1.0
TRY_AGAIN_MAX_S = 30.0
TRIES_MAX = 4
"""So often a checkpoint store that is not reached is tried again before the run is given up."""
END_S = 60.0
"""So long the end of a run waits for a sink that is busy in its system."""


@dataclass
class Promise:
    """Something a sink is to do; kept or, where its worker is gone, given up."""

    done: bool = False


@dataclass(frozen=True, slots=True)
class _Write:
    frame: pl.DataFrame
    bytes: int
    trip: Trip | None


@dataclass(frozen=True, slots=True)
class _Flush:
    done: Promise


@dataclass(frozen=True, slots=True)
class _Deliver:
    epoch: int
    frames: list[pl.DataFrame]
    done: Promise
    bytes_given: int
    """To this sink up to the end of the epoch."""


@dataclass(frozen=True, slots=True)
class _Prepare:
    epoch: int
    done: Promise


@dataclass(frozen=True, slots=True)
class _Commit:
    epoch: int
    done: Promise


@dataclass(frozen=True, slots=True)
class _Passed:
    mark_ms: int


class _Stop: ...


_Command = _Write | _Flush | _Deliver | _Prepare | _Commit | _Passed | _Stop


@dataclass
class SinkCount:
    """What a sink's system accepted and refused so far."""

    accepted: int = 0
    refused: int = 0
    busy_s: float = 0.0
    """Time spent in the sink: encoding, and waiting for its system."""


class SinkWorker(Actor):
    """What writes into one sink."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        inbox: Inbox,
        *,
        exactly_once: bool,
        on_refused: Callable[[str, pl.DataFrame], None],
    ) -> None:
        super().__init__(f"write {name}")
        self.place = (name, None)
        self.sink_name = name
        self.sink = sink
        self.exactly_once = exactly_once
        self.decides = False
        """Its own commit decides on epochs (``staging``): rows are staged as they come."""
        self._prepared = False
        self._decision: _Commit | None = None
        self.count = SinkCount()
        self.frames_given = 0
        self.bytes_given = 0
        """Bytes of the columns given out for it, counted by the compute thread."""
        self._bytes_taken = 0
        self._room = Stopwatch()
        """Runs while the compute thread waits for room in the queue."""
        self.mark_ms = LOWEST_MS
        """The mark its rows have passed, as far as it was queued."""
        self._told_ms = LOWEST_MS
        self._told_at_s: float | None = None
        self._hears_marks = type(sink).passed is not Sink.passed
        """A mark wakes this worker; most systems know no event time."""
        self._inbox = inbox
        self._world = inbox.world
        self._commands: deque[_Command] = deque()
        sink.keep_refused = lambda _epoch, rows: on_refused(name, rows)

    def write(self, frame: pl.DataFrame, size: int, trip: Trip | None = None) -> None:
        """Queue rows of so many bytes; waits while the sink is behind (back-pressure)."""
        if not self._has_room():
            self._room.run(on=True)
            while not self._world.wait(self._has_room, 0.5):
                pass
            self._room.run(on=False)
        self.frames_given += 1
        self._put(_Write(frame, size, trip))

    @property
    def busy_s(self) -> float:
        """Time spent in the sink: encoding, and waiting for its system."""
        return self.count.busy_s

    @property
    def waited_for_s(self) -> float:
        """So long the compute thread has waited for it, the wait under way included."""
        return self._room.total_s

    @property
    def bytes_queued(self) -> int:
        """Bytes of the rows that wait to be written."""
        return sum(c.bytes for c in tuple(self._commands) if isinstance(c, _Write))

    @property
    def bytes_waiting(self) -> int:
        """Bytes that were given out for it and that its system has not taken yet."""
        return max(0, self.bytes_given - self._bytes_taken)

    def flush(self) -> Promise:
        """Queue a flush; the promise is kept when everything before it is acknowledged."""
        return self._promised(_Flush(Promise()))

    def deliver(self, epoch: int, frames: list[pl.DataFrame], bytes_given: int) -> Promise:
        """Queue an epoch's delivery; there are no more than may wait for delivery."""
        return self._promised(_Deliver(epoch, frames, Promise(), bytes_given))

    def prepare(self, epoch: int) -> Promise:
        """Queue the end of an epoch; rows behind it wait until it is committed."""
        return self._promised(_Prepare(epoch, Promise()))

    def commit(self, epoch: int) -> Promise:
        """Commit the epoch that is prepared, before anything that is queued."""
        decision = self._decision = _Commit(epoch, Promise())
        self._world.notify()  # the worker may have taken it when this returns
        return decision.done

    def resume(self, mark_ms: int) -> None:
        """Say before the start which mark the rows of earlier runs have passed."""
        self.mark_ms = self._told_ms = mark_ms

    def passed(self, mark_ms: int) -> None:
        """Queue a mark behind the rows that are queued."""
        if mark_ms > self.mark_ms:
            self.mark_ms = mark_ms
            if self._hears_marks:
                self._put(_Passed(mark_ms))

    def step(self, wait_s: float) -> bool:
        if self._told_at_s is None or not self._world.wait(self._has_work, wait_s):
            self._say_again()
            return True
        command = self._next()
        self._world.notify()
        if isinstance(command, _Stop):
            return False
        began_s = time.perf_counter()
        self._do(command)
        self._told_at_s = self._world.monotonic_s()
        self.count.busy_s += time.perf_counter() - began_s
        return True

    def _has_work(self) -> bool:
        if not self._prepared:
            return bool(self._commands)
        return self._decision is not None or self._inbox.failure is not None

    def _next(self) -> _Command:
        if not self._prepared:
            return self._commands.popleft()
        decision, self._decision = self._decision, None
        return decision or _Stop()  # another part has failed: nobody will decide

    def close(self) -> None:
        self.sink.close()

    def give_up(self) -> None:
        """Drop what is queued: the run ends at once."""
        self._commands.clear()
        self._prepared = False

    def stop(self) -> None:
        """End the work after what is queued; waits for it."""
        if self.started:
            self._put(_Stop())
        end_of(self, self._world, END_S)

    def _has_room(self) -> bool:
        if self.over or not self._commands:
            return True
        few = len(self._commands) < COMMANDS_WAITING_MAX
        return few and self.bytes_queued < BYTES_WAITING_MAX

    def _put(self, command: _Command) -> None:
        """Queue a command; one that comes too late is dropped, the inbox holds the failure."""
        if not self.over:
            self._commands.append(command)
            self._world.notify()

    def _promised(self, command: _Flush | _Deliver | _Prepare) -> Promise:
        self._put(command)
        return command.done

    def _say_again(self) -> None:
        """At the start, and while nothing comes: some of a sink's work goes by the clock."""
        now_s = self._world.monotonic_s()
        if self._told_at_s is None or now_s - self._told_at_s >= QUIET_S:
            self._do(_Passed(self._told_ms))
            self._told_at_s = now_s

    def _do(self, command: _Command) -> None:
        match command:
            case _Passed(mark_ms=mark_ms):
                self._told_ms = mark_ms
                self.sink.passed(mark_ms)
            case _Write(frame=frame, bytes=size) if self.decides:
                self._deciding.stage(frame)
                self._bytes_taken += size
            case _Write(frame=frame, bytes=size, trip=trip):
                self._took(self.sink.write(frame))
                self._bytes_taken += size
                if trip is not None:
                    trip.arrived()
            case _Prepare(epoch=epoch, done=done):
                self._took(self._deciding.prepare(epoch))
                self._prepared = True
                self._keep(done)
            case _Commit(epoch=epoch, done=done):
                self._deciding.commit(epoch)
                self._prepared = False
                self._keep(done)
            case _Flush(done=done):
                self._took(self.sink.flush())
                self._keep(done)
            case _Deliver(epoch=epoch, frames=frames, done=done, bytes_given=given):
                self._took(self.sink.deliver(epoch, frames))
                self._bytes_taken = given
                self._keep(done)
            case _Stop():
                raise AssertionError("a stop ends the loop before")

    @property
    def _deciding(self) -> Deciding:
        assert isinstance(self.sink, Deciding), "only such a sink is told to decide"
        return self.sink

    def _keep(self, promise: Promise) -> None:
        promise.done = True
        self._world.notify()

    def _took(self, delivered: Delivered) -> None:
        self.count.accepted += delivered.accepted
        self.count.refused += delivered.refused


@dataclass(frozen=True, slots=True)
class Cut:
    """When an epoch ended, by the machine's clocks, and what each sink had been given by then."""

    at_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    at_s: float = field(default_factory=time.perf_counter)
    bytes_given: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EpochJob:
    """One closed epoch on its way to disk and to the sinks."""

    epoch: Epoch
    waits_for: list[Promise] = field(default_factory=list)
    written: bool = False
    held: Held = field(default_factory=Held)
    """What it keeps in memory."""
    cut: Cut = field(default_factory=Cut)
    bytes: int = 0
    """Written for it."""


class EpochWriter(Actor):
    """Makes epochs durable, then delivers them; one at a time, in order."""

    def __init__(
        self,
        store: CheckpointStore,
        workers: list[SinkWorker],
        readings: dict[str, Reading],
        inbox: Inbox,
        on_delivered: Callable[[CheckpointProgress], Any],
        letters: Letters,
    ) -> None:
        super().__init__("checkpoint")
        self._store = store
        self._workers = workers
        self._readings = readings
        self._inbox = inbox
        self._world = inbox.world
        self._on_delivered = on_delivered
        self._letters = letters
        self._jobs: deque[EpochJob] = deque()
        self._job: EpochJob | None = None
        self._closing = False
        self._tries = 0
        self._again_at_s = 0.0
        self.failures = 0
        """Times that an epoch could not be written."""
        self.last_failure: str | None = None

    def close_epoch(self, epoch: Epoch) -> None:
        """Queue an epoch; the number waiting is bounded by the coordinator."""
        flushed = [w.flush() for w in self._workers if not w.exactly_once]
        flushed += [w.prepare(epoch.number) for w in self._workers if w.decides]
        cut = Cut(bytes_given={w.sink_name: w.bytes_given for w in self._workers})
        self._jobs.append(EpochJob(epoch, flushed, held=bytes_of(epoch), cut=cut))
        self._world.notify()

    @property
    def held(self) -> Held:
        """What the epochs on their way keep in memory."""
        jobs = [job.held for job in (*tuple(self._jobs), self._job) if job is not None]
        return Held(outputs=sum(j.outputs for j in jobs), copies=sum(j.copies for j in jobs))

    def step(self, wait_s: float) -> bool:
        """Take a job, write it when the flushes are done, or see that it is delivered."""
        self._world.wait(self._may_go_on, wait_s)
        if self._inbox.failure is not None:
            return False  # the sink that would keep the promise may be gone
        if self._job is None:
            if not self._jobs:
                return not self._closing
            self._job = self._jobs.popleft()
        if not all(p.done for p in self._job.waits_for):
            return True
        if not self._job.written:
            before = self._store.bytes_written
            if not self._wrote(self._job.epoch, wait_s):
                return True
            job = replace(self._job, bytes=self._store.bytes_written - before, written=True)
            self._job = replace(job, waits_for=self._delivering(job))
            return True
        done = self._finish(self._job)
        LOG.debug(
            "epoch %d is with the sinks, %.2f ms after its end",
            done.number,
            done.took_ms,
            extra=about("checkpoint", checkpoint=done.number, bytes=done.bytes),
        )
        self._job = None
        return True

    def stop(self) -> None:
        """Wait for the epochs on their way, then end."""
        self._closing = True
        self._world.notify()
        while self.started and not end_of(self, self._world, 0.5):
            pass

    def _wrote(self, epoch: Epoch, wait_s: float) -> bool:
        """Write an epoch; False where there is no room for it yet: the old one stays meanwhile.

        The sources go on until too many epochs wait, then they pause: nothing is lost.
        """
        left_s = self._again_at_s - self._world.monotonic_s()
        if left_s > 0 and not self._closing:
            self._world.wait(lambda: self._closing, min(left_s, wait_s))
            return False
        try:
            self._store.write(epoch)
        except StoreError as error:
            self._failed_to_write(epoch.number, error)
            return False
        if self._tries:
            LOG.warning(
                "checkpoint %d is written, at try %d",
                epoch.number,
                self._tries + 1,
                extra=about("checkpoint_written", checkpoint=epoch.number, tries=self._tries + 1),
            )
        self._tries = 0
        return True

    def _failed_to_write(self, number: int, error: StoreError) -> None:
        """Note when to try again; raises where that would not help, or nobody has time for it."""
        self.failures += 1
        self.last_failure = masked(" ".join(error.fact.split()).rstrip("."))
        may = error.retry is Retry.LATER and error.domain in (Domain.LIMIT, Domain.NETWORK)
        # A system that is not reached is for the supervisor to wait for, with everything closed.
        if (
            not may
            or self._closing
            or (error.domain is Domain.NETWORK and self._tries >= TRIES_MAX)
        ):
            raise error
        wait_s = min(TRY_AGAIN_S * 2**self._tries, TRY_AGAIN_MAX_S)
        self._tries += 1
        self._again_at_s = self._world.monotonic_s() + wait_s
        LOG.warning(
            "%s; tried again in %.1f s",
            self.last_failure,
            wait_s,
            extra=about("checkpoint_failed", checkpoint=number, wait_s=wait_s, failure=error),
        )
        self._inbox.notify()

    def _may_go_on(self) -> bool:
        if self._inbox.failure is not None:
            return True
        if self._job is None:
            return bool(self._jobs) or self._closing
        return all(p.done for p in self._job.waits_for)

    def _delivering(self, job: EpochJob) -> list[Promise]:
        """Give an epoch's output to the exactly-once sinks."""
        promises, epoch = [], job.epoch
        for worker in self._workers:
            if worker.decides:
                promises.append(worker.commit(epoch.number))
            elif worker.exactly_once:
                frames = epoch.outputs.get(worker.sink_name, [])
                given = job.cut.bytes_given[worker.sink_name]
                promises.append(worker.deliver(epoch.number, frames, given))
        return promises

    def _finish(self, job: EpochJob) -> CheckpointProgress:
        epoch = job.epoch
        self._letters.deliver(epoch)
        for worker in self._workers:
            if worker.exactly_once:
                worker.passed(epoch.state.marks.get(worker.sink_name, LOWEST_MS))
        for scan, positions in epoch.positions.items():
            if scan in self._readings:
                self._readings[scan].commit(positions)
        for worker in self._workers:
            worker.sink.committed(epoch.number)
        took_ms = (time.perf_counter() - job.cut.at_s) * 1000
        done = CheckpointProgress(epoch.number, job.cut.at_ms, took_ms, job.bytes)
        self._on_delivered(done)
        self._inbox.notify()
        return done
