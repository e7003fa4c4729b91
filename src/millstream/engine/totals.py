"""What a run has counted, as it stood at each epoch: a restart goes on counting from there.

in      the counters of a run, at every epoch it closes
out     the counters at one epoch; rows that are read again after a restart count once
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from millstream.engine.delivering import SinkCount, SinkWorker
from millstream.engine.graph import Counters, Graph
from millstream.engine.reading import Reading
from millstream.engine.reporting import Complaints, Counts

EPOCHS_KNOWN_MAX = 8


@dataclass(frozen=True, slots=True)
class Counted:
    """Copies of all counters. Those of sinks are of now: what a system took, it has."""

    counts: Counts
    steps: dict[str, Counters]
    reasons: Counter[str]
    sinks: dict[str, SinkCount]
    splits: dict[tuple[str, str], tuple[int, int]]
    """Scan and split → rows and bytes taken."""


class Totals:
    """The counters of one run."""

    def __init__(
        self,
        graph: Graph,
        workers: list[SinkWorker],
        counts: Counts,
        complaints: Complaints,
        readings: list[Reading],
        *,
        epoch: int,
    ) -> None:
        self._graph = graph
        self._workers = workers
        self._counts = counts
        self._complaints = complaints
        self._readings = readings
        self._first = epoch
        self._at = {epoch: self._now()}

    def close(self, epoch: int) -> None:
        """An epoch ends here."""
        self._at[epoch] = self._now()
        for old in sorted(self._at)[:-EPOCHS_KNOWN_MAX]:
            del self._at[old]

    def at(self, epoch: int) -> Counted:
        """Return what was counted up to an epoch; of one not known, the start's."""
        found = self._at.get(epoch) or self._at[min(self._at)]
        return replace(found, sinks=self._now().sinks)

    def go_on_from(self, before: Counted) -> None:
        """Take over what earlier runs of this process have counted."""
        epoch = self._counts.epoch
        for name, value in before.counts.__dict__.items():
            setattr(self._counts, name, value)
        self._counts.epoch = epoch
        for step in self._graph.steps:
            step.count = replace(before.steps.get(step.uid, step.count))
        for worker in self._workers:
            was = before.sinks.get(worker.sink_name, SinkCount())
            worker.count.accepted += was.accepted
            worker.count.refused += was.refused
            worker.count.busy_s += was.busy_s
        for stage, reading in zip(self._graph.stages, self._readings, strict=True):
            for name, split in reading.splits.items():
                split.documents, split.bytes = before.splits.get((stage.uid, name), (0, 0))
        self._complaints.go_on_from(before.reasons)
        self._at = {self._first: self._now()}

    def _now(self) -> Counted:
        return Counted(
            replace(self._counts),
            {step.uid: replace(step.count) for step in self._graph.steps},
            self._complaints.reasons(),
            {worker.sink_name: replace(worker.count) for worker in self._workers},
            {
                (stage.uid, split.name): (split.documents, split.bytes)
                for stage, reading in zip(self._graph.stages, self._readings, strict=True)
                for split in list(reading.splits.values())
            },
        )
