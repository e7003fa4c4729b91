"""Polars frames of this process: as a table to read, and as a place that collects results.

delivery   exactly once (source: row index in the checkpoint; sink: the last epoch per pipeline is
           kept with the rows, for as long as the process lives)
split      one, ``frames``
bad row    none: a frame that does not fit the table's columns is refused when the source is built
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema
from millstream.connect.epochs import Epochs
from millstream.errors import OptionError
from millstream.ports.connector import (
    Changes,
    Chunk,
    Connector,
    Delivered,
    End,
    Reader,
    Sink,
    SinkSpec,
    Source,
    SourceSpec,
    Viewable,
)
from millstream.settings import option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.types import Schema

SPLIT = "frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    """The Python values a memory table stands for."""

    frame: Any = option(
        "frame", "A Polars DataFrame, or a list of them, to read.", default=None, kind="any"
    )
    target: Any = option(
        "target",
        "A Collected, or the name of one, to write to; the table's name without.",
        default=None,
        kind="any",
    )


class Collected:
    """What a memory sink has been given: frames in order, visible epoch by epoch.

    >>> Collected().changes()
    []
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: list[pl.DataFrame] = []
        self.bytes = 0
        """What the rows take."""
        self.epochs = Epochs()

    @property
    def frames(self) -> list[pl.DataFrame]:
        """The frames as they came, with ``$op`` where the rows carry changes."""
        with self._lock:
            return list(self._frames)

    def frame(self) -> pl.DataFrame:
        """Return all rows as one frame; a frame without columns where none came."""
        frames = self.frames
        if any(OP in f.columns for f in frames):
            insert = pl.lit(int(Op.INSERT), dtype=pl.Int8).alias(OP)
            frames = [f if OP in f.columns else f.with_columns(insert) for f in frames]
        return pl.concat(frames) if frames else pl.DataFrame()

    def changes(self) -> list[tuple[str, *tuple[Any, ...]]]:
        """Return one tuple per row: its change kind (``+I``), then its values."""
        # A loop over rows: the caller asked for Python values.
        frame = self.frame()
        if OP not in frame.columns:
            return [(Op.INSERT.short, *row) for row in frame.rows()]
        ops = frame[OP].to_list()
        rows = frame.drop(OP).rows()
        return [(Op(op).short, *row) for op, row in zip(ops, rows, strict=True)]

    def frame_with(self, waiting: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Return all rows, and behind them those that have not been given yet."""
        shown = Collected()
        shown.add([*self.frames, *waiting])
        return shown.frame()

    def add(self, frames: Sequence[pl.DataFrame]) -> int:
        """Keep frames; returns their rows."""
        with self._lock:
            self._frames.extend(f for f in frames if f.height)
            self.bytes += sum(int(f.estimated_size()) for f in frames)
        return sum(f.height for f in frames)

    def clear(self) -> None:
        """Forget the rows, not the epochs."""
        with self._lock:
            self._frames.clear()
            self.bytes = 0


_NAMED: dict[str, Collected] = {}
_NAMED_LOCK = threading.Lock()


def collected(name: str) -> Collected:
    """Return the named place of this process, new where nothing has used it yet."""
    with _NAMED_LOCK:
        return _NAMED.setdefault(name, Collected())


class MemorySource(Source):
    """Frames of the table's columns, read once."""

    bounded = True

    def __init__(self, frames: Sequence[pl.DataFrame]) -> None:
        assert frames, "a memory source has one frame at least, if only an empty one"
        self._frames = frames
        if OP in frames[0].columns:
            self.changes = Changes.RETRACT

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Read on from the row index ``resume``."""
        assert split == SPLIT, f"a memory table has no split '{split}'"
        return _MemoryReader(self._frames, 0 if resume is None else int(resume))


class _MemoryReader(Reader):
    def __init__(self, frames: Sequence[pl.DataFrame], start: int) -> None:
        self._frames = frames
        self._ends = np.cumsum([f.height for f in frames])
        self._next = start

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk:
        """Return the next rows, across the frames' borders."""
        start, total = self._next, int(self._ends[-1])
        stop = min(start + max_rows, total)
        if start >= total:
            raise End
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        before = int(self._ends[first - 1]) if first else 0
        touched = self._frames[first : last + 1]
        rows = touched[0] if len(touched) == 1 else pl.concat(touched)
        frame = rows.slice(start - before, stop - start)
        self._next = stop
        return Chunk(
            frame=frame,
            resume=stop,
            offsets=pl.int_range(start, stop, eager=True),
            bytes=int(frame.estimated_size()),
            pending=total - stop,
        )


class MemorySink(Sink, Viewable):
    """Collects rows in a :class:`Collected`."""

    def __init__(self, table: str, target: Collected) -> None:
        self._table = table
        self._target = target

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Take the target over for this incarnation."""
        self._owner = self._target.epochs.take_over(pipeline, self._table, incarnation)
        return self._owner.last

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """Make the epoch's rows visible together, once."""
        return Delivered(self._owner.once(epoch, lambda: self._target.add(frames)) or 0)

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Make rows visible."""
        return Delivered(self._target.add([frame]))

    @property
    def bytes_kept(self) -> int:
        return self._target.bytes

    def view(self, waiting: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Return everything collected, then what waits for its epoch."""
        return self._target.frame_with(waiting)


def _source(spec: SourceSpec) -> MemorySource:
    where = f"table '{spec.table.name}'"
    given = spec.config.frame
    if given is None:
        raise OptionError("The option 'frame' is missing.", where=where, hint="Give a DataFrame.")
    frames = [given] if isinstance(given, pl.DataFrame) else list(given)
    if not all(isinstance(f, pl.DataFrame) for f in frames):
        raise OptionError(
            "The option 'frame' holds something that is no Polars DataFrame.",
            where=where,
            hint="Give a polars.DataFrame or a list of them.",
        )
    return MemorySource([_fit(f, spec.physical, where) for f in frames] or [_none(spec.physical)])


def _none(schema: Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=polars_schema(schema))


def _fit(frame: pl.DataFrame, schema: Schema, where: str) -> pl.DataFrame:
    """Return the table's columns of a frame in the table's types."""
    missing = [name for name in schema.names if name not in frame.columns]
    if missing:
        raise OptionError(
            f"The frame has no column '{missing[0]}'.",
            where=where,
            hint=f"It has: {', '.join(frame.columns)}.",
        )
    wanted = dict(polars_schema(schema))
    if OP in frame.columns:
        wanted[OP] = pl.Int8()
    if frame.columns == list(wanted) and frame.dtypes == list(wanted.values()):
        return frame
    try:
        return frame.select(pl.col(name).cast(dtype) for name, dtype in wanted.items())
    except pl.exceptions.PolarsError as error:
        raise OptionError(
            "The frame does not fit the table's columns.",
            where=where,
            hint=str(error).splitlines()[0],
        ) from None


def _sink(spec: SinkSpec) -> MemorySink:
    target = spec.config.target
    if target is None or isinstance(target, str):
        target = collected(target or spec.table.name)
    if not isinstance(target, Collected):
        raise OptionError(
            "The option 'target' is neither a Collected nor a name.",
            where=f"table '{spec.table.name}'",
            hint="Give millstream.connect.memory.Collected().",
        )
    return MemorySink(spec.table.name, target)


CONNECTOR = Connector(
    name="memory",
    doc="Polars frames of this process, to read from and to collect in.",
    config=MemoryConfig,
    source=_source,
    sink=_sink,
    gives=Changes.APPEND,
    takes=Changes.RETRACT,
    bounded=lambda _: True,
    guarantee="exactly once, as long as the process lives",
)
