"""The outside: a source and sinks as connectors, whose systems live as long as a simulation.

``simulated`` reads and writes rows that are appended, ``simulated-upserts`` takes changes by key,
``simulated-deciding`` is a sink whose own commit decides on an epoch (as Kafka's). A sink's table
says its ``kind``: ``transactional`` or ``deciding`` (epoch and incarnation in the same commit) or
``files`` (an epoch is a name that is there or not). Written at least once, rows become visible when
the system likes, and surely when a flush returns.

A split forgets what it was told is safe: who acknowledges too early loses rows here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.columns.changes import OP, Op
from millstream.connect.epochs import fenced
from millstream.errors import ConnectorError, Domain, Retry
from millstream.ports.connector import (
    Changes,
    Chunk,
    Connector,
    Deciding,
    Delivered,
    Delivery,
    End,
    Reader,
    Sink,
    SinkSpec,
    Source,
    SourceSpec,
)
from millstream.settings import option
from tests.simulator.clockwork import Process

LOCAL = threading.local()
"""``process``: the process this thread plays."""

Change = tuple[str, tuple[Any, ...]]


class Violation(AssertionError):
    """A promise was broken; never a fault that was dealt."""


@dataclass
class Topic:
    """The rows of one source table by split."""

    rows: dict[str, pl.DataFrame]
    hidden: str | None = None
    """A split that appears later; until it is open, the others give no row beyond ``before``."""
    before: dict[str, int] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)

    def until(self, split: str) -> int:
        """Return how many rows of a split there are by now."""
        rows = self.rows[split].height
        return rows if self.hidden is None else min(rows, self.before.get(split, rows))


@dataclass
class Place:
    """What one sink's system holds, and what a reader sees of it."""

    changes: list[Change] = field(default_factory=list)
    by_epoch: dict[int, list[Change]] = field(default_factory=dict)
    epoch: int | None = None
    incarnation: int = -1

    def commit(self, epoch: int, changes: list[Change]) -> None:
        """Make an epoch visible, all of it at once."""
        if self.epoch is not None and epoch != self.epoch + 1:
            raise Violation(f"epoch {epoch} is committed after epoch {self.epoch}")
        self.epoch = epoch
        self.by_epoch[epoch] = changes
        self.changes.extend(changes)


@dataclass
class Outside:
    """All systems of one simulation."""

    topics: dict[str, Topic]
    places: dict[str, Place] = field(default_factory=dict)

    def place(self, name: str) -> Place:
        """Return what a sink's system holds."""
        return self.places.setdefault(name, Place())

    def all_taken(self, positions: dict[str, dict[str, Any]]) -> bool:
        """Tell whether a run has taken every row there is.

        A queue may send old rows last, which leaves an old position; what it has forgotten was
        taken all the same.
        """
        taken: dict[str, dict[str, int]] = {}
        for scan, splits in positions.items():
            taken[scan.partition("[")[2].rstrip("]")] = splits
        return all(
            max(taken.get(name, {}).get(split, 0), topic.forgotten.get(split, 0)) >= rows.height
            for name, topic in self.topics.items()
            for split, rows in topic.rows.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConfig:
    """What a table of the simulator is."""

    name: str = option("name", "The topic or place.")
    bounded: bool = option("bounded", "Whether its splits end.", default=True, kind="bool")
    kind: str = option("kind", "transactional or files.", default="transactional")
    queue: bool = option(
        "queue", "Sends again what was not acknowledged.", default=False, kind="bool"
    )


class _Called:
    """Something of a process that calls an outside system."""

    def __init__(self) -> None:
        self.process: Process = LOCAL.process
        self.outside: Outside = LOCAL.outside

    def call(self, what: str, error: float, *, in_commit: bool = False) -> None:
        """Call the system: the process may die, be frozen, or be told of trouble."""
        self.process.world.interrupted(what, in_commit=in_commit)
        if self.process.simulation.happens(error):
            raise self.trouble(what, "is unreachable")

    def trouble(self, what: str, fact: str) -> ConnectorError:
        """Return a transient error."""
        self.process.disturbed += 1
        self.process.simulation.tell(self.process.name, f"{what}: {fact}")
        return ConnectorError(
            f"The system {fact}.", where=what, retry=Retry.LATER, domain=Domain.NETWORK
        )


class SimulatedSource(Source):
    """Reads a topic."""

    def __init__(self, spec: SourceSpec) -> None:
        self._called = _Called()
        self._columns = spec.physical.names
        self._name = spec.config.name
        self._topic = self._called.outside.topics[self._name]
        self.bounded = spec.config.bounded
        self.acknowledging = spec.config.queue

    def splits(self) -> Sequence[str]:
        self._called.call(f"{self._name}: list splits", self._errors())
        topic, simulation = self._topic, self._called.process.simulation
        if topic.hidden is not None and simulation.happens(0.5):
            return tuple(topic.rows)
        return tuple(s for s in topic.rows if s != topic.hidden)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        self._called.call(f"{self._name}: open {split}", self._errors())
        start = 0 if resume is None else int(resume)
        if self.acknowledging:
            start = self._topic.forgotten.get(split, 0)
        if start < self._topic.forgotten.get(split, 0):
            if self._called.process.simulation.had_others:  # one of them is behind: no harm yet
                raise self._called.trouble(f"{self._name}: open {split}", "has forgotten the row")
            raise Violation(f"{self._name}/{split}: rows were acknowledged before they were safe")
        process = self._called.process
        if split == self._topic.hidden and process is process.simulation.alive[-1]:
            self._topic.hidden = None  # for a zombie it is not: the newest would learn of it late
        return _SimulatedReader(self._called, self, split, start)

    def _errors(self) -> float:
        return self._called.process.simulation.faults.source_error

    def poll(self, split: str, start: int, rows_max: int) -> pl.DataFrame:
        """Return the rows of a split there are, from ``start``."""
        self._called.call(f"{self._name}: poll {split}", self._errors())
        stop = min(start + rows_max, self._topic.until(split))
        return self._topic.rows[split][start:stop].select(self._columns)

    def ends(self, split: str, start: int) -> bool:
        """Tell whether a split has no more rows."""
        return self.bounded and start >= self._topic.rows[split].height

    def forgotten(self, split: str) -> int:
        """Return up to where rows were acknowledged: a queue sends the others again."""
        return self._topic.forgotten.get(split, 0)

    def forget(self, split: str, before: int) -> None:
        """Take note that rows are safe."""
        self._called.process.world.interrupted(f"{self._name}: acknowledge {split}")
        self._topic.forgotten[split] = max(before, self._topic.forgotten.get(split, 0))


class _SimulatedReader(Reader):
    def __init__(self, called: _Called, source: SimulatedSource, split: str, start: int) -> None:
        self._called = called
        self._source = source
        self._split = split
        self._next = start

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        simulation = self._called.process.simulation
        if simulation.happens(simulation.faults.slow):
            return None
        if self._source.ends(self._split, self._next):
            raise End
        rows = max_rows if self._source.bounded else simulation.chance.randint(1, max_rows)
        first = self._next
        if self._source.acknowledging and simulation.happens(0.2):
            first = simulation.chance.randint(
                min(first, self._source.forgotten(self._split)), first
            )
        frame = self._source.poll(self._split, first, rows)
        if not frame.height:
            return None
        self._next = max(self._next, first + frame.height)
        ids = None
        if self._source.acknowledging:
            ids = pl.Series([f"{self._split}/{first + row}" for row in range(frame.height)])
        return Chunk(frame=frame, resume=self._next, bytes=10 * frame.height, ids=ids)

    def commit(self, resume: Any) -> None:
        self._source.forget(self._split, int(resume))


class SimulatedSink(Sink):
    """Writes to a place, by epoch or as it comes."""

    delivery = Delivery.EXACTLY_ONCE

    def __init__(self, spec: SinkSpec) -> None:
        self._called = _Called()
        self._name = spec.config.name
        self._kind = spec.config.kind
        self._columns = spec.writable.names
        self._place = self._called.outside.place(self._name)
        self._incarnation = 0
        self._on_its_way: list[Change] = []

    def open(self, pipeline: str, incarnation: int) -> int | None:
        self._called.call(f"{self._name}: open", self._faults.sink_error)
        if incarnation < self._place.incarnation:
            raise fenced(pipeline, self._name, incarnation, self._place.incarnation)
        self._place.incarnation = self._incarnation = incarnation
        return self._place.epoch

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        changes = [c for frame in frames for c in self._changes(frame)]
        self._commit(epoch, changes)
        return Delivered(len(changes))

    def _commit(self, epoch: int, changes: list[Change]) -> None:
        faults, what = self._faults, f"{self._name}: deliver {epoch}"
        self._called.call(what, faults.sink_error, in_commit=True)
        self._committed(epoch, changes)
        self._called.process.world.interrupted(f"{what}: reply", in_commit=True)
        if self._called.process.simulation.happens(faults.reply_lost):
            raise self._called.trouble(what, "has not replied to a commit")

    def write(self, frame: pl.DataFrame) -> Delivered:
        simulation = self._called.process.simulation
        self._called.call(f"{self._name}: write", self._faults.sink_error)
        self._on_its_way.extend(self._changes(frame))
        seen = simulation.chance.randint(0, len(self._on_its_way))
        self._place.changes.extend(self._on_its_way[:seen])
        del self._on_its_way[:seen]
        return Delivered(seen)

    def flush(self) -> Delivered:
        self._called.call(f"{self._name}: flush", self._faults.sink_error)
        rows, self._on_its_way = self._on_its_way, []
        self._place.changes.extend(rows)
        return Delivered(len(rows))

    def passed(self, mark_ms: int) -> None:
        self._called.process.world.interrupted(f"{self._name}: passed")

    @property
    def _faults(self) -> Any:
        return self._called.process.simulation.faults

    def _committed(self, epoch: int, changes: list[Change]) -> None:
        place = self._place
        simulation = self._called.process.simulation
        if self._kind != "files" and place.incarnation != self._incarnation:
            raise fenced("simulated", self._name, self._incarnation, place.incarnation)
        if epoch in place.by_epoch:
            if sorted(place.by_epoch[epoch]) != sorted(changes):
                raise Violation(f"{self._name}: epoch {epoch} comes again with other rows")
            return
        place.commit(epoch, changes)
        rows = len(changes)
        simulation.tell(self._called.process.name, f"{self._name}: epoch {epoch}, {rows} rows")

    def _changes(self, frame: pl.DataFrame) -> list[Change]:
        ops = frame[OP].to_list() if OP in frame.columns else [int(Op.INSERT)] * frame.height
        rows = frame.select(self._columns).rows()
        # A loop over rows: a test's oracle compares values.
        return [(Op(op).short, row) for op, row in zip(ops, rows, strict=True)]


class DecidingSink(SimulatedSink, Deciding):
    """A sink whose transaction stays open while rows come; its commit decides on the epoch."""

    def __init__(self, spec: SinkSpec) -> None:
        super().__init__(spec)
        self._staged: list[Change] = []

    def stage(self, frame: pl.DataFrame) -> None:
        self._called.call(f"{self._name}: stage", self._faults.sink_error)
        self._staged.extend(self._changes(frame))

    def prepare(self, epoch: int) -> Delivered:
        self._called.call(f"{self._name}: prepare {epoch}", self._faults.sink_error, in_commit=True)
        return Delivered(len(self._staged))

    def commit(self, epoch: int) -> None:
        rows, self._staged = self._staged, []
        self._commit(epoch, rows)


def of(name: str, takes: Changes, sink: type[SimulatedSink] = SimulatedSink) -> Connector:
    """Return one of the two connectors."""
    return Connector(
        name=name,
        doc="Rows of a simulation.",
        config=SimulatedConfig,
        source=SimulatedSource,
        sink=sink,
        decides=issubclass(sink, Deciding),
        bounded=lambda config: config.bounded,
        takes=takes,
        guarantee="exactly once",
    )


CONNECTOR = of("simulated", Changes.APPEND)
