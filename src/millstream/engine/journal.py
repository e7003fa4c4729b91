"""What a run read and where it cut it: enough to run an epoch again, to the last bit.

in      each turn after it was pushed, what happened to the marks between rows (a split that was
        found, fell idle or ended; a mark raised by silence), and what sinks were given
out     per epoch one JSON value: the turns in order, with their clock stamps and cuts; per sink the
        number of rows and a hash that does not depend on their order or on batches
state   since the last epoch; how many documents of each split were read since the very start
bad     what cannot be run again is said as ``why``: answers from outside are not recorded, nor is a
        batch that was pushed row by row after a failure
size    a turn is about 20 bytes; beyond TURNS_MAX an epoch is not recorded

Decision 0607 says what is in it and why. :mod:`millstream.engine.replay` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from millstream.engine.batch import OP
from millstream.engine.checkpoint import Epoch
from millstream.engine.graph import Graph
from millstream.engine.operator import Asking
from millstream.engine.state.row_hashes import row_hash
from millstream.engine.taking import Turn

VERSION = 2
TURNS_MAX = 50_000
HASHED_AT_ONCE = 8_192
BLOCK, SPLIT_NEW, IDLE, ENDED, RAISED = "b", "n", "i", "e", "r"
_SEEDS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)


@dataclass
class RowsHash:
    """Rows as a multiset: how many, and two sums of their hashes; the same for any order."""

    rows: int = 0
    _sums: list[int] = field(default_factory=lambda: [0, 0])
    _waiting: list[pl.DataFrame] = field(default_factory=list)
    """Not hashed yet: a frame of one row costs as much as one of a thousand."""
    _rows_waiting: int = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take rows in; a row without a change kind is an insert."""
        self.rows += frame.height
        if self._waiting and self._waiting[0].columns != frame.columns:
            self._hash()
        self._waiting.append(frame)
        self._rows_waiting += frame.height
        if self._rows_waiting >= HASHED_AT_ONCE:
            self._hash()

    def to_json(self) -> list[Any]:
        """Return it as the journal keeps it."""
        self._hash()
        return [self.rows, "".join(f"{s:016x}" for s in self._sums)]

    def _hash(self) -> None:
        waiting, self._waiting, self._rows_waiting = self._waiting, [], 0
        frame = pl.concat(waiting) if waiting else pl.DataFrame()
        if not frame.height:
            return
        if OP not in frame.columns:
            frame = frame.with_columns(pl.lit(0, dtype=pl.Int8).alias(OP))
        for place, seed in enumerate(_SEEDS):
            total = int(np.sum(row_hash(frame, seed), dtype=np.uint64))
            self._sums[place] = (self._sums[place] + total) & (2**64 - 1)


class Journal:
    """The record of one run, epoch by epoch; written by the compute thread."""

    def __init__(self, graph: Graph, *, fresh: bool, before: Any = None) -> None:
        self._graph = graph
        self._scan_at = {stage.uid: index for index, stage in enumerate(graph.stages)}
        asking = [s.label for s in graph.steps if isinstance(s.operator, Asking)]
        self._never = f"answers from outside are not recorded: {asking[0]}" if asking else None
        self._why: str | None = None
        self._fresh = fresh
        self._read: dict[str, dict[str, int]] | None = {} if fresh else None
        if before is not None and before.get("read") is not None:
            self._read = {scan: dict(splits) for scan, splits in before["read"].items()}
        for index, stage in enumerate(graph.stages):
            stage.marks.told = self._listener(index)
        self._begin()

    @classmethod
    def of(cls, graph: Graph, epoch: Epoch | None) -> Journal:
        """Return the record of a run that goes on from an epoch, or begins."""
        return cls(graph, fresh=epoch is None, before=None if epoch is None else epoch.journal)

    def turned(self, turn: Turn) -> None:
        """Take note of a push into the graph."""
        if turn.scan is None:
            self._add([-1, self._since(turn.now_ms), 0, [], []])
            return
        index = self._scan_at[turn.scan]
        names = self._splits[index]
        cuts: list[int] = []
        for cut in turn.cuts:
            cuts += [names.setdefault(cut.split, len(names)), cut.documents]
            if self._read is not None:
                of_scan = self._read.setdefault(turn.scan, {})
                of_scan[cut.split] = of_scan.get(cut.split, 0) + cut.documents
        self._add([index, self._since(turn.now_ms), int(turn.final), cuts, self._events[index]])
        self._events[index], self._blocks[index] = [], 0
        if self._graph.stages[index].marks.told is None:
            self.cannot("the marks of its splits were put back by a restore")
            self._graph.stages[index].marks.told = self._listener(index)

    def gave(self, sink: str, frame: pl.DataFrame) -> None:
        """Take note of rows a sink was given, or will be with the epoch."""
        self._outputs.setdefault(sink, RowsHash()).add(frame)

    def cannot(self, why: str) -> None:
        """Say that this epoch cannot be run again; the first reason stays."""
        self._why = self._why or why

    def close(self) -> dict[str, Any]:
        """Return the record since the last epoch, and begin the next one."""
        done = {
            "v": VERSION,
            "why": self._why,
            "fresh": self._fresh,
            "scans": list(self._scan_at),
            "splits": [list(names) for names in self._splits],
            "idle": self._idle,
            "final": self._final,
            "turns": [] if self._why else self._turns,
            "outputs": {sink: rows.to_json() for sink, rows in self._outputs.items()},
            "hashed_by": f"polars {pl.__version__}",
            "read": self._read,
        }
        self._fresh = False
        self._begin()
        return done

    def _begin(self) -> None:
        stages = self._graph.stages
        self._why = self._never
        self._turns: list[list[Any]] = []
        self._splits: list[dict[str, int]] = [{} for _ in stages]
        # Marks that moved before this were written with the epoch; that a split is idle was not.
        self._events: list[list[Any]] = [[] for _ in stages]
        self._blocks = [0 for _ in stages]
        self._idle = [sorted(stage.marks.idle) for stage in stages]
        self._final = [stage.final for stage in stages]
        self._outputs: dict[str, RowsHash] = {}
        self._now_ms = 0

    def _add(self, turn: list[Any]) -> None:
        if self._why is not None:
            return
        if len(self._turns) >= TURNS_MAX:
            self.cannot(f"it has more than {TURNS_MAX} turns")
            self._turns = []
            return
        self._turns.append(turn)

    def _since(self, now_ms: int) -> int:
        passed, self._now_ms = now_ms - self._now_ms, now_ms
        return passed

    def _listener(self, index: int) -> Any:
        def told(kind: str, split: str, mark_ms: int) -> None:
            if kind == BLOCK:
                self._blocks[index] += 1
                return
            names = self._splits[index]
            number = names.setdefault(split, len(names)) if split else -1
            self._events[index].append([self._blocks[index], kind, number, mark_ms])

        return told
