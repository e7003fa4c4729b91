"""Rows that come at planned times, for measuring: drawn from a schema, or from a recorded sample.

in      the columns of a scan; optionally a file of recorded rows (JSON lines, Parquet)
out     a source whose row i is due at ``start + i / rate``, whatever the pipeline does meanwhile;
        rate 0 = every row is due at once
state   the next row. Rows are made before the run and given again and again; times of made-up rows
        follow their planned time, those of a sample go on from one round to the next
bad     OptionError for a sample that cannot be read, or lacks a column or its time
source  Gil Tene, "How NOT to measure latency": a late event is late by its plan, not by when the
        one before it was done
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from millstream.columns.physical import polars_type
from millstream.connect.datagen_values import Clock, generator_for
from millstream.errors import OptionError
from millstream.ports.connector import Chunk, End, Reader, Source
from millstream.ports.registry import connector, metadata_type
from millstream.types import logical as t

if TYPE_CHECKING:
    from millstream.plan.nodes import Scan
    from millstream.types import LogicalType

SPLIT = "planned"
SEED = 7
ROWS_USUAL = 200_000
"""So many different rows are made where nobody says how many."""
WHOLE_MAX = 9_999
"""Made-up whole numbers are 0 to this, so that groups and joins find something."""
TEXTS = 1_000
EVENTS_PER_S_UNPACED = 100_000
"""Where rows come as fast as they can, event time runs as if so many came in a second."""
START_AFTER_S = 0.2


@dataclass
class Start:
    """The instant all sources of one run count from: shortly after the first asks."""

    at_s: float | None = None
    wall_ms: int = 0

    def now(self) -> float:
        """Return the instant, fixing it at the first call."""
        if self.at_s is None:
            self.at_s = time.perf_counter() + START_AFTER_S
            self.wall_ms = int((time.time() + START_AFTER_S) * 1000)
        return self.at_s


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows of one scan, and which of their columns are times that go on."""

    frame: pl.DataFrame
    times: tuple[str, ...] = ()
    span_ms: int | None = None
    """Of a sample: so much later is every row in the next round; None = times follow the plan."""

    def rows(self, first: int, last: int, wall_ms: int, per_s: float) -> pl.DataFrame:
        """Return rows ``first`` to ``last`` of the endless sequence."""
        numbers, size = np.arange(first, last), self.frame.height
        if first // size == (last - 1) // size:
            frame = self.frame.slice(first % size, last - first)
        elif self.frame.width:  # not a lap at a time: a sample may have one row
            frame = self.frame[numbers % size]
        else:
            frame = pl.DataFrame(height=last - first)
        if self.span_ms is not None and self.times:
            laps = pl.Series(numbers // size * self.span_ms).cast(pl.Duration("ms"))
            return frame.with_columns(pl.col(c) + laps for c in self.times)
        if not self.times:
            return frame
        instants = pl.Series(wall_ms + (numbers * (1000 / per_s)).astype(np.int64))
        return frame.with_columns(
            instants.cast(pl.Datetime("ms", frame.schema[c].time_zone))  # type: ignore[attr-defined]
            .cast(frame.schema[c])
            .alias(c)
            for c in self.times
        )


def made_up(scan: Scan, rows: int) -> Prepared:
    """Draw rows from a scan's schema; a datagen table's own ``fields.…`` options count."""
    found, columns = _columns(scan)
    options = scan.table.options if found == "datagen" else {}
    own = {k.removeprefix("fields."): v for k, v in options.items() if k.startswith("fields.")}
    numbers, clock = np.arange(rows, dtype=np.int64), Clock(start_ms=0, rows_per_second=1000)
    series, times = [], []
    for name, dtype in columns.items():
        given = {k.removeprefix(f"{name}."): v for k, v in own.items() if k.startswith(f"{name}.")}
        series.append(_made_up(name, dtype, given, numbers, clock))
        if isinstance(dtype, t.Timestamp | t.TimestampLtz):
            times.append(name)
    return Prepared(pl.DataFrame(series) if series else pl.DataFrame(height=rows), tuple(times))


def recorded(scan: Scan, place: Path, rows: int | None) -> Prepared:
    """Take a scan's rows from a file; its times go on where the file begins again."""
    _, columns = _columns(scan)
    physical = {name: polars_type(dtype) for name, dtype in columns.items()}
    frame = _read(place, physical)
    frame = frame if rows is None else frame.head(rows)
    if not frame.height:
        raise OptionError(f"The sample '{place}' has no rows.")
    time_of = scan.table.watermark.column if scan.table.watermark is not None else None
    times = tuple(n for n, d in columns.items() if isinstance(d, t.Timestamp | t.TimestampLtz))
    if time_of not in times:
        return Prepared(frame)
    if frame[time_of].null_count() == frame.height:
        raise OptionError(
            f"The sample '{place}' has no time in '{time_of}', which its watermark follows."
        )
    span = (frame[time_of].max() - frame[time_of].min()).total_seconds() * 1000  # type: ignore[operator, union-attr]
    return Prepared(frame, times, int(span) + 1)


def _read(place: Path, physical: dict[str, pl.DataType]) -> pl.DataFrame:
    if not place.is_file():
        raise OptionError(f"There is no sample '{place}'.", hint="Give a .jsonl or .parquet file.")
    try:
        if place.suffix == ".parquet":
            frame = pl.read_parquet(place)
        else:
            frame = pl.read_ndjson(place, infer_schema_length=10_000)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise OptionError(f"The sample '{place}' cannot be read: {error}.") from None
    missing = [name for name in physical if name not in frame.columns]
    if missing:
        raise OptionError(
            f"The sample '{place}' has no column '{missing[0]}'.",
            hint=f"It has: {', '.join(frame.columns)}.",
        )
    try:
        return frame.select(_typed(frame, name, dtype) for name, dtype in physical.items())
    except pl.exceptions.PolarsError as error:
        text = str(error).splitlines()[0]
        raise OptionError(f"The sample '{place}' does not fit the table: {text}.") from None


def _typed(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if frame.schema[name] == pl.String() and isinstance(dtype, pl.Datetime):
        text = column.str.replace("T", " ").str.strip_suffix("Z")
        naive = text.str.to_datetime(time_unit="ms")
        return (naive if dtype.time_zone is None else naive.dt.replace_time_zone("UTC")).cast(dtype)
    return column.cast(dtype)


def _columns(scan: Scan) -> tuple[str, dict[str, LogicalType]]:
    """Return the connector's name, and the columns its source would give."""
    found = connector(scan.table.connector)
    wanted = scan.wanted
    columns: dict[str, LogicalType] = {
        f.name: f.type for f in scan.table.physical if wanted is None or f.name in wanted
    }
    for meta in scan.table.metadata:
        if wanted is None or meta.name in wanted:
            columns[meta.name] = metadata_type(found, meta.key)
    return found.name, columns


def _made_up(
    name: str, dtype: LogicalType, given: dict[str, Any], rows: np.ndarray, clock: Clock
) -> pl.Series:
    if isinstance(dtype, t.CharacterString) and not given:
        whole = generator_for(t.Int(), name, {"min": "0", "max": str(TEXTS - 1)}, "bench")
        texts = whole.column(rows, SEED, clock).cast(pl.String()).str.zfill(3)
        return texts.str.head(getattr(dtype, "length", 3)).alias(name)
    is_whole = isinstance(dtype, t.Int | t.BigInt | t.SmallInt)
    if is_whole and not given:
        given = {"min": "0", "max": str(WHOLE_MAX)}
    return generator_for(dtype, name, given, "bench").column(rows, SEED, clock).alias(name)


@dataclass
class Handed:
    """What a source has handed over: how late against the plan its rows were."""

    late_s: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class PlannedSource(Source):
    """Rows due by a plan; live, so that no row waits for another source's."""

    def __init__(self, prepared: Prepared, rate: float, total: int | None, start: Start) -> None:
        self.handed = Handed()
        self.rate = rate
        self._prepared = prepared
        self._total = total
        self._start = start

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Begin at the first row: a measurement takes nothing over."""
        assert resume is None, "a measurement begins anew"
        return _PlannedReader(self._prepared, self.rate, self._total, self._start, self.handed)


class _PlannedReader(Reader):
    def __init__(
        self, prepared: Prepared, rate: float, total: int | None, start: Start, handed: Handed
    ) -> None:
        self._prepared = prepared
        self._rate = rate
        self._total = total
        self._start = start
        self._handed = handed
        self._next = 0

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return the rows that are due, waiting for one at most so long."""
        first, stop = self._next, self._next + max_rows
        if self._total is not None:
            stop = min(stop, self._total)
            if first >= self._total:
                raise End
        start_s = self._start.now()
        if self._rate:
            wait_s = start_s + first / self._rate - time.perf_counter()
            if wait_s > 0:
                time.sleep(min(wait_s, timeout_s))
            stop = min(stop, int((time.perf_counter() - start_s) * self._rate) + 1)
            if stop <= first or wait_s > timeout_s:
                return None
        per_s = self._rate or EVENTS_PER_S_UNPACED
        frame = self._prepared.rows(first, stop, self._start.wall_ms, per_s)
        self._next = stop
        if self._rate:
            late_s = time.perf_counter() - (start_s + first / self._rate)
            self._handed.late_s.append(late_s)
            self._handed.rows.append(stop - first)
        return Chunk(
            frame=frame,
            resume=stop,
            offsets=pl.int_range(first, stop, eager=True),
            bytes=int(frame.estimated_size()),
        )
