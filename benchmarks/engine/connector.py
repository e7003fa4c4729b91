"""Two connectors of the benchmark: events in memory as a source, and the checksum as a sink.

delivery   exactly once (source: row index) and at least once (sink: nothing is kept)
split      one, ``events``
found      as any installed connector is: by the entry points of a package that :func:`install`
           writes into ``.bench/plugins``; the pipeline that is measured is that of every user
state      ``RUNS``: per run, named in the options, its columns, its clock and its fold
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from benchmarks.engine.fold import Fold
from benchmarks.harness.contract import KEPT

from millstream.columns.physical import polars_schema
from millstream.connect.live import LiveSink
from millstream.ports.connector import (
    Changes,
    Chunk,
    Connector,
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
from millstream.types import Row, Schema

SPLIT = "events"
_ENTRY_POINTS = """[millstream.connectors]
bench-events = benchmarks.engine.connector:EVENTS
bench-fold = benchmarks.engine.connector:FOLD
"""


@dataclass
class Run:
    """One run of a query: what it reads, when its first row was asked for, what it gave."""

    table: pa.Table
    only: str | None = None
    first_poll_s: float | None = None
    first_poll_cpu_s: float = 0.0
    last_write_s: float = 0.0
    fold: Fold | None = None


RUNS: dict[str, Run] = {}


def install() -> None:
    """Make both connectors known to this process, as pip would."""
    folder = KEPT / "plugins" / "millstream_bench-0.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        "METADATA": "Metadata-Version: 2.1\nName: millstream-bench\nVersion: 0\n",
        "entry_points.txt": _ENTRY_POINTS,
    }
    for name, text in wanted.items():
        file = folder / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
    if str(folder.parent) not in sys.path:
        sys.path.append(str(folder.parent))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Which run a table belongs to."""

    run: str = option("run", "Name of the run in RUNS.")


class EventsSource(Source):
    """The events of one run, in their order."""

    bounded = True

    def __init__(self, run: Run, wanted: Schema) -> None:
        self._run = run
        self._wanted = wanted

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Read on from the row index ``resume``."""
        assert split == SPLIT, f"there is no split '{split}'"
        batches = [_narrowed(b, self._wanted) for b in self._run.table.to_batches()]
        return _EventsReader(self._run, batches, 0 if resume is None else int(resume))


class _EventsReader(Reader):
    def __init__(self, run: Run, frames: Sequence[pl.DataFrame], start: int) -> None:
        self._run = run
        self._frames = frames
        self._ends = np.cumsum([f.height for f in frames])
        self._bytes = _row_bytes(frames)
        self._next = start

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk:
        """Return the next rows; the first call starts the clock."""
        if self._run.first_poll_s is None:
            self._run.first_poll_s = time.perf_counter()
            self._run.first_poll_cpu_s = time.process_time()
        start, total = self._next, int(self._ends[-1])
        stop = min(start + max_rows, total)
        if start >= total:
            raise End
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        before = int(self._ends[first - 1]) if first else 0
        touched = self._frames[first : last + 1]
        rows = touched[0] if len(touched) == 1 else pl.concat(touched)
        self._next = stop
        return Chunk(
            frame=rows.slice(start - before, stop - start),
            resume=stop,
            offsets=pl.int_range(start, stop, eager=True),
            bytes=self._bytes * (stop - start),
            pending=total - stop,
        )


class FoldSink(LiveSink):
    """Takes every value of the result into the checksum of its run."""

    def __init__(self, run: Run, schema: Schema) -> None:
        self._run = run
        run.fold = self._fold = Fold(polars_schema(schema), run.only)

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Fold the rows in."""
        rows = self._fold.add(frame)
        self._run.last_write_s = time.perf_counter()
        return Delivered(rows)


def _narrowed(batch: pa.RecordBatch, wanted: Schema) -> pl.DataFrame:
    """Return the wanted columns, and of rows the wanted fields; nothing is copied."""
    columns = {f.name: _fields(batch.column(f.name), f.type) for f in wanted}
    frame = pl.from_arrow(pa.table(columns))
    assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
    return frame


def _fields(column: pa.Array, wanted: Any) -> pa.Array:
    if not isinstance(wanted, Row):
        return column
    names = [name for name, _ in wanted.fields]
    if names == [column.type.field(i).name for i in range(column.type.num_fields)]:
        return column
    assert column.offset == 0 or column.null_count == 0, "a part of the events begins a batch"
    parts = [column.field(name) for name in names]
    kind = pa.struct([column.type.field(name) for name in names])
    return pa.Array.from_buffers(kind, len(column), [column.buffers()[0]], children=parts)


def _row_bytes(frames: Sequence[pl.DataFrame]) -> int:
    """Return about how large a row is; counting each chunk anew would cost more than reading it."""
    rows = sum(f.height for f in frames)
    return max(1, int(sum(f.estimated_size() for f in frames)) // max(1, rows))


def _source(spec: SourceSpec) -> Source:
    return EventsSource(RUNS[spec.config.run], spec.physical)


def _sink(spec: SinkSpec) -> Sink:
    return FoldSink(RUNS[spec.config.run], spec.writable)


EVENTS = Connector(
    name="bench-events",
    doc="Events of the benchmark that are in memory.",
    config=RunConfig,
    source=_source,
    bounded=lambda _: True,
    narrows=True,
    guarantee="exactly once",
)
FOLD = Connector(
    name="bench-fold",
    doc="A checksum over everything it is given.",
    config=RunConfig,
    sink=_sink,
    takes=Changes.RETRACT,
    writes=Delivery.AT_LEAST_ONCE,
    guarantee="at least once: nothing is kept",
)
