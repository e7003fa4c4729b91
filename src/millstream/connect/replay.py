"""Recorded rows played back as a live stream: each row comes when its time has come.

delivery   exactly once (the row index is in the checkpoint)
split      one, ``replay``
pace       ``speed`` event seconds pass in one second of the clock; or the whole record takes
           ``seconds``; without either, or with 0, rows come as fast as they are taken
resume     the clock starts at the row it goes on with, so a restart loses no pace
bad row    a NULL time, or one before that of the row above it, refuses the record at the start
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from millstream.columns.physical import polars_schema
from millstream.errors import OptionError
from millstream.ports.connector import (
    Chunk,
    Connector,
    End,
    Reader,
    Source,
    SourceSpec,
)
from millstream.settings import option

SPLIT = "replay"
DUE_LEAST_S = 0.02
"""Rows are handed out at most this often, so that a batch is worth its fixed cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayConfig:
    """What is played, and how fast."""

    frame: Any = option(
        "frame", "The record: a Polars DataFrame in the order of its time.", kind="any"
    )
    time: str = option("time", "The column that says when a row happened.")
    speed: float | None = option(
        "speed", "Event seconds per second of the clock.", default=None, kind="float"
    )
    seconds: float | None = option(
        "seconds", "How long the whole record takes; 0 = as fast as it can.", default=None,
        kind="float",
    )  # fmt: skip


class ReplaySource(Source):
    """One frame, paced by the time of each of its rows."""

    bounded = True

    def __init__(
        self,
        frame: pl.DataFrame,
        times: pl.Series,
        speed: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._frame = frame
        self._times_ms = times.dt.epoch("ms").to_numpy()
        self._speed = speed
        self._clock = clock

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Play on from the row index ``resume``."""
        assert split == SPLIT, f"a record has no split '{split}'"
        start = 0 if resume is None else int(resume)
        return _ReplayReader(self._frame, self._times_ms, self._speed, start, self._clock)


class _ReplayReader(Reader):
    def __init__(
        self,
        frame: pl.DataFrame,
        times_ms: np.ndarray,
        speed: float,
        start: int,
        clock: Callable[[], float],
    ) -> None:
        self._frame = frame
        self._times_ms = times_ms
        self._speed = speed
        self._next = start
        self._clock = clock
        self._began_s: float | None = None
        self._began_ms = int(times_ms[start]) if start < len(times_ms) else 0

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return the rows that are due; wait for the next one, at most ``timeout_s``."""
        start, total = self._next, len(self._times_ms)
        if start >= total:
            raise End
        due = self._due() if self._speed else total
        if due <= start and timeout_s > 0:
            time.sleep(min(timeout_s, max(DUE_LEAST_S, self._until_s(start))))
            due = self._due()
        if due <= start:
            return None
        stop = min(due, start + max_rows)
        self._next = stop
        frame = self._frame.slice(start, stop - start)
        return Chunk(
            frame=frame,
            resume=stop,
            offsets=pl.int_range(start, stop, eager=True),
            bytes=int(frame.estimated_size()),
            pending=due - stop,
        )

    def _due(self) -> int:
        """Return how many rows have happened by now."""
        at_ms = self._began_ms + self._passed_s() * self._speed * 1000
        return int(np.searchsorted(self._times_ms, at_ms, side="right"))

    def _until_s(self, row: int) -> float:
        """Return the seconds until a row is due."""
        event_s = (int(self._times_ms[row]) - self._began_ms) / 1000
        return event_s / self._speed - self._passed_s()

    def _passed_s(self) -> float:
        now_s = self._clock()
        if self._began_s is None:
            self._began_s = now_s
        return now_s - self._began_s


def _source(spec: SourceSpec) -> ReplaySource:
    config, where = spec.config, f"table '{spec.table.name}'"
    if config.speed is not None and config.seconds is not None:
        raise OptionError(
            "Both 'speed' and 'seconds' are given.", where=where, hint="Give one of them."
        )
    for name, value in (("speed", config.speed), ("seconds", config.seconds)):
        if value is not None and not 0 <= value < float("inf"):
            raise OptionError(f"The option '{name}' cannot be {value}.", where=where)
    frame = config.frame
    wanted = polars_schema(spec.table.physical)
    if not isinstance(frame, pl.DataFrame) or config.time not in wanted:
        raise OptionError(
            f"There is no column '{config.time}' in the record, or it is no Polars DataFrame.",
            where=where,
        )
    try:
        typed = frame.select(pl.col(name).cast(dtype) for name, dtype in wanted.items())
    except pl.exceptions.PolarsError as error:
        raise OptionError(
            f"The record does not fit the table's columns: {str(error).splitlines()[0]}",
            where=where,
        ) from None
    times = typed[config.time]
    if not isinstance(times.dtype, pl.Datetime) or times.null_count() or not times.is_sorted():
        raise OptionError(
            f"The times in '{config.time}' are not in order, not TIMESTAMPs, or missing.",
            where=where,
            hint=f"frame.drop_nulls('{config.time}').sort('{config.time}', maintain_order=True)",
        )
    # The times pace the record even where no query reads their column.
    pace = events_per_second(config.speed, config.seconds, times)
    return ReplaySource(typed.select(spec.physical.names), times, pace)


def events_per_second(speed: float | None, seconds: float | None, times: pl.Series) -> float:
    """Return how many event seconds pass in one of the clock; 0 = no pace."""
    if speed is not None:
        return float(speed)
    if not seconds or times.len() < 2:
        return 0.0
    at_ms = times.dt.epoch("ms")
    return float((at_ms[-1] - at_ms[0]) / 1000 / seconds)


CONNECTOR = Connector(
    name="replay",
    doc="Recorded rows of this process, played back as a live stream.",
    config=ReplayConfig,
    source=_source,
    bounded=lambda _: True,
    guarantee="exactly once",
)
