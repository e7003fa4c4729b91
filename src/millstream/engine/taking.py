"""Chooses which rows the next batch takes, and keeps what was taken on record.

in      the queues of the readings, the marks of the scans
state   the wanted size of a batch; where each split stands (the positions of the next epoch)
out     blocks of one scan, in reading order; a :class:`Turn` says afterwards what they were
order   a bounded run waits for the split whose turn it is, so that its order is a function of the
        data; a live run takes what is there, lowest mark first (decision 0002)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from millstream.engine.deduplicate import unrepeated
from millstream.engine.graph import Graph
from millstream.engine.latency import Reads
from millstream.engine.marks import LOWEST_MS
from millstream.engine.reading import Reading, Split
from millstream.engine.scan import Block, ScanStage
from millstream.engine.world import World
from millstream.ports.connector import Chunk
from millstream.settings import Settings

ROWS_FIRST = 8_192
ROWS_LEAST = 256
SHORT_SHARE = 8
"""While memory is short batches have this part of their usual largest size."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One chunk of a turn: ``documents`` rows and rejected ones of a split, up to ``resume``."""

    split: str
    documents: int
    resume: Any


@dataclass
class Turn:
    """One push into the graph, as it must be repeated to give the same results.

    ``scan`` is the pushed scan, None = the clock alone; ``now_ms`` the stamp; ``cuts`` what was
    read, in order; ``final`` whether the scan got its final mark, ``mark_ms`` its mark afterwards.
    """

    scan: str | None
    now_ms: int
    cuts: list[Cut] = field(default_factory=list)
    final: bool = False
    mark_ms: int = LOWEST_MS


@dataclass
class Taken:
    """What a batch has taken so far."""

    rows: int = 0
    bytes: int = 0
    skipped: int = 0
    cuts: list[Cut] = field(default_factory=list)
    reads: Reads = field(default_factory=Reads)
    """When these rows were read."""

    def add(self, split: Split, chunk: Chunk) -> None:
        bad = 0 if chunk.rejected is None else chunk.rejected.height
        documents = chunk.frame.height + bad
        self.rows += documents
        self.skipped += chunk.skipped
        self.bytes += max(chunk.bytes, int(chunk.frame.estimated_size()))
        self.cuts.append(Cut(split.name, documents, chunk.resume))
        self.reads.add(split.taken_read_at_s, documents)
        split.documents += documents
        split.bytes += chunk.bytes


class Taking:
    """The choice of rows of one run; called by the compute thread."""

    def __init__(
        self,
        graph: Graph,
        readings: list[Reading],
        positions: dict[str, dict[str, Any]],
        settings: Settings,
        world: World,
    ) -> None:
        self.positions = positions
        """Scan id → split → the place after the last row taken."""
        self._graph = graph
        self._readings = readings
        self._settings = settings
        self._world = world
        self._bounded = all(r.source.bounded for r in readings)
        self._chunk_rows = min(ROWS_FIRST, settings.chunk_rows_max)
        self.is_short = False
        """Memory is short: batches stay small."""

    def scans(self) -> Iterator[tuple[ScanStage, Reading]]:
        """Return each scan with its reading."""
        return zip(self._graph.stages, self._readings, strict=True)

    def start(self) -> None:
        """Make the splits known to the marks."""
        for stage, reading in self.scans():
            for split in reading.splits:
                stage.marks.add(split)
            reading.rows_wanted = self._chunk_rows

    def next_scans(self) -> list[int]:
        """Return the scans that have rows now, in the order in which to push them."""
        if self._bounded:
            found = self._next_in_order()
            return [] if found is None else [found]
        ready = [i for i, r in enumerate(self._readings) if any(s.queue for s in _splits(r))]
        stages = self._graph.stages
        return sorted(ready, key=lambda i: (stages[i].mark_ms, stages[i].uid))

    def has_rows(self) -> bool:
        """Tell whether rows are there."""
        return any(split.queue for reading in self._readings for split in _splits(reading))

    @property
    def waits(self) -> bool:
        """Whether nothing is to be done before something else comes.

        Of a bounded run the end may be all that is left, and was told already.
        """
        return not self._bounded and not self.has_rows()

    def blocks(self, index: int, taken: Taken) -> Iterator[Block]:
        """Yield chunks of one scan until the batch is full or the next row is another's.

        A live run takes the chunks that are there when it begins: where small ones come as fast as
        they are scanned, a batch would else wait until it is full, for as long as that takes.
        """
        stage, reading = self._graph.stages[index], self._readings[index]
        limit = self._settings.chunk_bytes_max
        left = math.inf if self._bounded else sum(len(s.queue) for s in _splits(reading))
        while left > 0 and taken.rows < self._chunk_rows and taken.bytes < limit:
            left -= 1
            split = self._next_split(stage, reading)
            if split is None or (self._bounded and self._next_in_order() != index):
                return
            chunk = reading.take(split)
            if chunk is None:
                return
            taken.add(split, chunk)
            split.arrived_at_ms = self._elapsed_ms()
            self.positions.setdefault(stage.uid, {})[split.name] = chunk.resume
            if stage.seen is not None:
                chunk = unrepeated(chunk, stage.seen, self._elapsed_ms())
            yield Block(split.name, chunk.frame, chunk.rejected, chunk.offsets)

    def adapt(self, index: int, taken: Taken, took_s: float) -> None:
        """Grow batches under backlog, shrink them when one takes longer than the target."""
        target_s = self._settings.latency_target_ms / 1000
        rows_max = self._settings.chunk_rows_max // (SHORT_SHARE if self.is_short else 1)
        if took_s > target_s and taken.rows >= self._chunk_rows:
            self._chunk_rows = min(max(ROWS_LEAST, self._chunk_rows // 2), rows_max)
        elif took_s < target_s / 2 and taken.rows >= self._chunk_rows:
            self._chunk_rows = min(self._chunk_rows * 2, rows_max)
        self._chunk_rows = max(1, min(self._chunk_rows, rows_max))
        reading = self._readings[index]
        reading.rows_wanted = self._chunk_rows
        if taken.rows:
            row_bytes = max(1, taken.bytes // taken.rows)
            reading.rows_fit = max(1, self._settings.chunk_bytes_max // row_bytes)

    def ended(self) -> Iterator[int]:
        """Yield the scans whose bounded input has ended and that have no final mark yet."""
        for index, (stage, reading) in enumerate(self.scans()):
            if not stage.final and not self._live(stage, reading) and _over(reading):
                yield index

    def all_ended(self) -> bool:
        """Tell whether every source has ended."""
        return all(map(_over, self._readings))

    def quiet(self) -> Iterator[int]:
        """Let idle splits go, and time run on for silent sources; yield scans whose mark moved."""
        settings = self._settings
        idle_ms, silence_ms = settings.idle_timeout_ms, settings.silence_timeout_ms
        if not idle_ms and not silence_ms:
            return
        now = self._elapsed_ms()
        for index, (stage, reading) in enumerate(self.scans()):
            before = stage.mark_ms
            splits = [s for s in _splits(reading) if not s.done]
            for split in splits:
                split.arrived_at_ms = split.arrived_at_ms or now
                if idle_ms and not split.queue and now - split.arrived_at_ms >= idle_ms:
                    stage.marks.set_idle(split.name)
            latest = max((s.arrived_at_ms for s in splits), default=now)
            highest = stage.marks.highest()
            if silence_ms and now - latest >= silence_ms and highest != LOWEST_MS:
                stage.marks.raise_to(highest + now - latest)
            if stage.mark_ms > before:
                yield index

    def _elapsed_ms(self) -> int:
        """Return the time that silence is measured by; the machine's clock may jump."""
        return int(self._world.monotonic_s() * 1000)

    def _live(self, stage: ScanStage, reading: Reading) -> list[Split]:
        """Return the splits that may have more rows; those that ended hold no mark back."""
        splits = _splits(reading)
        for split in splits:
            stage.marks.add(split.name)  # one that was found meanwhile holds the mark as others do
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
        for index, (stage, reading) in enumerate(self.scans()):
            for split in self._live(stage, reading):
                if not split.queue:
                    return None
                key = (stage.marks.of(split.name), stage.uid, split.name, index)
                first = key if first is None or key < first else first
        return None if first is None else first[-1]


def _splits(reading: Reading) -> list[Split]:
    return list(reading.splits.values())


def _over(reading: Reading) -> bool:
    """Tell whether a source has ended: all its splits did, and it had or may have no others."""
    splits = _splits(reading)
    return (reading.source.bounded or bool(splits)) and all(s.done for s in splits)
