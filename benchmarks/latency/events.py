"""The events of the Kafka half: what they hold, and when each is planned.

in      a case, a :class:`Phase`: so many events at a rate, or as fast as they go
out     documents as bytes with topic and partition, in the order of their plan; the same facts
        as columns, for whoever judges the results
plan    event ``i`` of a phase belongs ``i / rate`` seconds after its beginning; a join has two
        topics, each with half of the events: number ``i`` of both is planned for the same moment
times   event time is planned time in whole ms, so a window ends when its plan says so. Phases lie
        GAP_MS apart; where there are windows a last document per partition closes the open ones
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATE_JUDGED = 10_000.0
"""The rate of the aims; measured wherever the pipeline can take it."""
CASES = ("stateless", "keyed", "window", "join")
PARTITIONS = 2
KEYS = 1_000
WINDOW_MS = 100
BEGIN_MS = 1_767_225_600_000
"""2026-01-01 00:00:00 UTC."""
GAP_MS = 60_000
CLOSING_AFTER_MS = 1_000
FIRST_ID = 1_000_000_000
CLOSER = KEYS
"""The key of documents that only close windows."""
KINDS = 10
DROPPED = 7
"""The kind that the filter of ``stateless`` drops: one in ten."""
_FILLER = (
    '"page":"https://shop.example/c12/p04711?ref=mail",'
    '"agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"'
)
_DOCUMENT = '{"id":%d,"k":%d,"v":%d,"kind":%d,"ts":%d,"item":"i00471100",' + _FILLER + "}"
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of a run; ``rate`` counts the events of both topics, 0 = as fast as they go."""

    first: int
    """Number of its first event within the run."""
    count: int
    """Events of each topic."""
    rate: float
    begin_ms: int
    topics: int = 1

    @property
    def planned_s(self) -> np.ndarray:
        """When each event belongs, in seconds from the beginning."""
        share = self.rate / self.topics
        return np.arange(self.count) / share if self.rate else np.zeros(self.count)

    @property
    def seconds(self) -> float:
        """How long it is planned to take; 0 = as fast as it can."""
        return self.count * self.topics / self.rate if self.rate else 0.0

    @property
    def end_ms(self) -> int:
        """The event time behind all of its events."""
        return int(self.ts.max()) + 1

    @property
    def ids(self) -> np.ndarray:
        return FIRST_ID + self.first + np.arange(self.count)

    @property
    def drawn(self) -> np.ndarray:
        """A number per event that spreads, and needs no state."""
        numbers = np.arange(self.first, self.first + self.count, dtype=np.uint64)
        return ((numbers * _MIX) >> np.uint64(20)).astype(np.int64)

    @property
    def keys(self) -> np.ndarray:
        return self.drawn % KEYS

    @property
    def values(self) -> np.ndarray:
        return 10_000 + (self.drawn >> 12) % 89_999

    @property
    def kinds(self) -> np.ndarray:
        return (self.drawn >> 22) % KINDS

    @property
    def ts(self) -> np.ndarray:
        """Event time in ms: as planned; of a burst as if it were planned for 100 k/s."""
        planned_s = self.planned_s if self.rate else np.arange(self.count) / 100_000
        return self.begin_ms + np.floor(planned_s * 1000 + 1e-6).astype(np.int64)

    @property
    def partitions(self) -> np.ndarray:
        """Events of one key are in one partition."""
        return self.keys % PARTITIONS


@dataclass(frozen=True, slots=True)
class Ready:
    """The documents of a phase, made before its clock begins."""

    documents: list[bytes]
    partitions: list[int]
    closing: list[bytes]
    """One per partition, sent behind the others where windows are to be closed."""


def ready(phase: Phase, *, closes: bool) -> Ready:
    """Make the documents; one at a time, before anything is measured."""
    columns = (phase.ids, phase.keys, phase.values, phase.kinds, phase.ts)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    documents = [(_DOCUMENT % row).encode() for row in rows]
    end = (0, CLOSER, 0, DROPPED, phase.end_ms + CLOSING_AFTER_MS)
    closing = [(_DOCUMENT % end).encode()] * PARTITIONS
    return Ready(documents, phase.partitions.tolist(), closing if closes else [])


def following(before: Phase | None, count: int, rate: float, topics: int) -> Phase:
    """Return the phase after another: later numbers, later times, from the edge of a window on."""
    if before is None:
        return Phase(0, count, rate, BEGIN_MS, topics)
    edge = -(-(before.end_ms + GAP_MS) // WINDOW_MS) * WINDOW_MS
    return Phase(before.first + before.count, count, rate, edge, topics)
