"""Runs a pipeline for the sake of its figures: per step the time, the rows, the state.

in      a finished plan, settings; for endless sources a length of time
out     an :class:`Analysis`. Nothing is written: sinks encode their rows where they travel as
        payloads, and forget them; no checkpoint, savepoint or dead letter is touched, and no
        source is told to forget anything
state   none is taken over: the pipeline begins as a new one
bad     what a run raises; a failure is not waited for and not tried again
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Timer
from typing import TYPE_CHECKING

import polars as pl

from millstream.engine.assemble import Systems, assemble
from millstream.engine.batch import OP, Op
from millstream.engine.graph import Graph
from millstream.engine.progress import Progress, StepProgress
from millstream.engine.supervise import Supervisor
from millstream.ports.connector import Delivered, Delivery, Sink
from millstream.ports.registry import config_of, encoder_for, format_of
from millstream.settings import RestartStrategy, Settings

if TYPE_CHECKING:
    from millstream.engine.driver import Driver
    from millstream.engine.world import World
    from millstream.plan.derive import Derived
    from millstream.plan.table import Table
    from millstream.ports.format import Encoder


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One step of the graph; ``uids`` are the steps of the plan that run as it."""

    uids: tuple[str, ...]
    did: StepProgress


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """One source, in a thread of its own.

    busy_s  time of the polls that gave rows: reading, decoding and, where the source is live, the
            wait for the first of them; ``cpu_s`` is the processor's part of it in that thread
    """

    uid: str
    busy_s: float
    cpu_s: float
    bytes: int


@dataclass(frozen=True, slots=True)
class SinkFigures:
    """One sink, in a thread of its own; ``bytes`` None: its rows have no encoding of their own."""

    uid: str
    busy_s: float
    rows: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a run has shown.

    ended      as in a Summary
    waited_s   the compute thread had nothing to do; ``blocked_s`` it waited for sinks
    cpu_s      of the process: all threads
    """

    ended: str
    elapsed_s: float
    waited_s: float
    blocked_s: float
    cpu_s: float
    progress: Progress
    steps: tuple[StepFigures, ...]
    sources: tuple[SourceFigures, ...]
    sinks: tuple[SinkFigures, ...]

    @property
    def busy_s(self) -> float:
        """The compute thread was inside a step."""
        return sum(step.did.busy_s for step in self.steps)

    @property
    def slowest(self) -> StepFigures | None:
        """The step that took most of the compute thread's time."""
        return max(self.steps, key=lambda s: s.did.busy_s, default=None)


class Forgetting(Sink):
    """Stands in for a sink: encodes rows as it would, counts them, and keeps none."""

    delivery = Delivery.AT_LEAST_ONCE

    def __init__(self, table: Table) -> None:
        self.bytes: int | None = None
        self.rows = 0
        self._columns = list(table.physical.names)
        self._encoder, self._is_changelog = _encoder_of(table)

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Nothing is kept, so no epoch is."""
        return None

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """Not called: it delivers at least once."""
        return Delivered(sum(self.write(frame).accepted for frame in frames))

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Encode rows and forget them."""
        self.rows += frame.height
        if self._encoder is not None:
            has_kinds = OP in frame.columns
            if has_kinds and not self._is_changelog:
                frame = frame.filter(pl.col(OP) != int(Op.UPDATE_BEFORE))
            kinds = [OP] if has_kinds and self._is_changelog else []
            payloads = self._encoder.encode(frame.select([*self._columns, *kinds]))
            self.bytes = (self.bytes or 0) + int(payloads.bin.size().sum() or 0)
        return Delivered(frame.height)


def _encoder_of(table: Table) -> tuple[Encoder | None, bool]:
    """Return what makes payloads of a table's rows, and whether it writes kinds of changes."""
    found, _, formats = config_of(table)
    option = "value.format" if "value.format" in formats else "format"
    if not found.payload or option not in formats:
        return None, False
    owner = f"table '{table.name}'"
    chosen, _ = format_of(formats, owner, option)
    if chosen.encoder is None:
        return None, False  # a format of whole files
    return encoder_for(table.physical, formats, owner=owner, option=option), chosen.changelog


def without_traces(settings: Settings) -> Settings:
    """Return settings under which a run leaves nothing behind and takes nothing over."""
    return replace(
        settings,
        checkpoint_dir=None,
        restore_from=None,
        restore_as_new=False,
        dead_letters_dir=None,
        dead_letters_fallback_dir=None,
        dead_letters_only=False,
        restart_strategy=RestartStrategy.NONE,
    )


class Analyzed:
    """One run for its figures, from the same seams as any other run."""

    def __init__(
        self, derived: Derived, settings: Settings, systems: Systems | None = None
    ) -> None:
        """``systems`` bring sources and sinks of their own; else the sinks alone are stood in for.

        The sinks that stand in are counted by the order of the plan.
        """
        forgetting = Systems(sink=lambda table, _updating, _exactly_once: Forgetting(table))
        # No checkpoint is kept, so exactly once cannot be had, whoever asks: no row goes out.
        self._systems = replace(systems or forgetting, by_epoch=lambda *_: False)

        def assembled(world: World) -> Driver:
            return assemble(derived, without_traces(settings), world, self._systems)

        self.supervisor = Supervisor(assembled, without_traces(settings))
        self.supervisor.open()

    def run(self, for_s: float | None = None) -> Analysis:
        """Run to the end of the input, or for so long."""
        timer = None
        if for_s is not None:
            timer = Timer(for_s, self.supervisor.stop)
            timer.daemon = True
            timer.start()
        began_s, cpu_s = time.perf_counter(), time.process_time()
        try:
            summary = self.supervisor.run()
        finally:
            if timer is not None:
                timer.cancel()
        elapsed_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        return _figures(self.supervisor.driver, summary.progress, summary.ended, elapsed_s, cpu_s)


def _figures(
    driver: Driver, progress: Progress, ended: str, elapsed_s: float, cpu_s: float
) -> Analysis:
    parts = driver.parts
    graph: Graph = parts.graph
    return Analysis(
        ended=ended,
        elapsed_s=elapsed_s,
        waited_s=parts.inbox.waited_s,
        blocked_s=sum(worker.waited_for_s for worker in parts.workers),
        cpu_s=cpu_s,
        progress=progress,
        steps=tuple(
            StepFigures(step.uids or (step.uid,), did)
            for step, did in zip(graph.steps, progress.steps, strict=True)
        ),
        sources=tuple(
            SourceFigures(stage.uid, r.busy_s, r.busy_cpu_s, r.bytes_read)
            for stage, r in zip(graph.stages, parts.readings, strict=True)
        ),
        sinks=tuple(
            SinkFigures(
                graph.steps[index].uid,
                worker.busy_s,
                worker.count.accepted,
                worker.sink.bytes if isinstance(worker.sink, Forgetting) else None,
            )
            for index, worker in zip(graph.sinks, parts.workers, strict=True)
        ),
    )
