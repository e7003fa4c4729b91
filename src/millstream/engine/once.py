"""Answers a bounded plan over frames of this process: no sources, no threads, no checkpoints.

in      a finished plan whose one sink is the answer, a frame for each table it scans
out     the rows of the answer, in order where it has one; no more than asked for
limit   rows and time; looked at between pieces of the input, which grow while they are quick. The
        first piece of a table is not counted: kernels may be compiled for it
bad     a row that cannot be computed ends it: an answer without it would be a wrong one
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from millstream.columns.physical import empty_frame
from millstream.engine.lower import lower
from millstream.engine.rejects import shown
from millstream.engine.scan import Block
from millstream.errors import DataError, JobError
from millstream.plan.materialize import ROW

if TYPE_CHECKING:
    from millstream.engine.functions import Context
    from millstream.engine.graph import Delivery, Graph
    from millstream.plan.derive import Derived

SEED = secrets.randbits(64)
ROWS_FIRST, ROWS_LEAST, ROWS_MOST = 16, 1, 65_536
"""How large a piece of the input is: the first one where rows of tables meet, and at all."""
QUICK_S, SLOW_S = 0.02, 0.2


@dataclass
class Once:
    """One run of one plan."""

    derived: Derived
    tables: Mapping[str, pl.DataFrame]
    ctx: Context
    rows_max: int | None
    timeout_s: float
    clock_s: Callable[[], float] = time.monotonic
    _out: list[pl.DataFrame] = field(default_factory=list)
    _rows: int = 0
    _spent_s: float = 0.0

    def run(self) -> tuple[pl.DataFrame, bool]:
        """Return the rows, and whether there are more."""
        graph = lower(self.derived, self.ctx, seed=SEED)
        graph.on_rejected = _failed
        (sink,) = self.derived.plan.sinks
        recalls = any(s.operator is not None and s.operator.recalls for s in graph.steps)
        self._keeps = not recalls
        self._meets = any(len(node.inputs) > 1 for node in self.derived.plan.walk())
        self._take(graph.start())
        for scan in range(len(graph.scans)):
            self._feed(graph, scan)
        if recalls:
            self._out = [d.frame.sort(ROW).drop(ROW) for d in graph.recall()]
        names = [name for name in sink.table.writable.names if name != ROW]
        frames = [frame.select(names) for frame in self._out]
        whole = pl.concat(frames) if frames else empty_frame(sink.table.writable).select(names)
        if self.rows_max is None or whole.height <= self.rows_max:
            return whole, False
        return whole.head(self.rows_max), True

    def _feed(self, graph: Graph, scan: int) -> None:
        stage = graph.stages[scan]
        frame = self.tables[stage.table.name]
        now_ms = graph.stamp(time.time_ns() // 1_000_000)
        size = ROWS_FIRST if self._meets else ROWS_MOST
        start = 0
        while start < frame.height and not self._is_full:
            began_s = self.clock_s()
            found = stage.turn([Block("0", frame[start : start + size])], now_ms)
            for rejected in found.rejected:
                _failed(rejected)
            self._take(graph.turn(scan, found.batch))
            start += size
            took_s = self.clock_s() - began_s
            if start > size:
                self._spend(took_s)
            if took_s < QUICK_S:
                size = min(ROWS_MOST, 4 * size)
            elif took_s > SLOW_S:
                size = max(ROWS_LEAST, size // 4)
        stage.finish()
        self._take(graph.turn(scan, stage.turn([], now_ms).batch))

    def _take(self, delivered: list[Delivery]) -> None:
        """Keep what is given; of rows that change only those that stand at the end."""
        if not self._keeps:
            return
        for item in delivered:
            self._out.append(item.frame)
            self._rows += item.frame.height

    @property
    def _is_full(self) -> bool:
        return self.rows_max is not None and self._rows > self.rows_max

    def _spend(self, time_s: float) -> None:
        self._spent_s += time_s
        if self._spent_s > self.timeout_s:
            raise JobError(
                f"The query took longer than {self.timeout_s:g} s and was ended.",
                hint="Ask for less: filter, or keep what you ask for as a view of its own.",
            )


def _failed(aside: pl.DataFrame) -> None:
    rows = shown(aside)
    more = f" (and {rows.height - 1} more rows)" if rows.height > 1 else ""
    raise DataError(
        f"A row cannot be computed: {rows['reason'][0]}{more}.",
        hint=f"The row: {rows['row'][0]}. Leave it out with WHERE, or write TRY_CAST or CASE.",
    )
