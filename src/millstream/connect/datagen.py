"""Made-up rows with Flink's datagen options: random values or sequences, at a pace or at once.

delivery   exactly once: a value is a function of ``seed``, column and row number, so a restart
           makes the same rows again; only times follow the clock, unless ``start-time`` is said
split      one, ``rows``; the position is the row number
pace       ``rows-per-second``; unset it is 10000 for endless rows and no pace for a counted run
end        after ``number-of-rows``, or with the shortest sequence; endless without either
bad row    none: every option is checked when the source is built
rooms      ``datagen_values`` (how the values of each type are made)
source     Flink's DataGen SQL connector: option names, ranges, hexadecimal text
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from millstream.connect.datagen_values import FieldOptions, Maker, maker_of
from millstream.errors import OptionError, UnknownName
from millstream.ports.connector import Chunk, Connector, End, Reader, Source, SourceSpec
from millstream.settings import option
from millstream.types import Schema

SPLIT = "rows"
DUE_LEAST_S = 0.02
"""Rows are handed out at most this often, so that a batch is worth its fixed cost."""
ENDLESS_ROWS_PER_SECOND = 10_000
NOMINAL_ROWS_PER_SECOND = 1_000
"""Rows with a start-time and no pace are one millisecond apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatagenConfig:
    """How many rows, how fast, and what is in them."""

    rows_per_second: int | None = option(
        "rows-per-second",
        "Rows a second; 0 = as fast as they are taken. Unset: 10000 for endless rows, else 0.",
        default=None,
        kind="int",
    )
    number_of_rows: int | None = option(
        "number-of-rows", "How many rows; endless without.", default=None, kind="int"
    )
    seed: int = option("seed", "Another number makes other rows.", default=0, kind="int")
    start_time: str | None = option(
        "start-time",
        "The time of row 0 (such as 2026-01-01T00:00:00, in UTC); the clock's without.",
        default=None,
    )
    fields: Mapping[str, Any] = option(
        "fields.*",
        "Per column: <col>.kind (random, sequence), .start, .end, .min, .max, .length, .var-len, "
        ".max-past, .null-rate; <col>.element.… inside ARRAY, <col>.<field>.… inside ROW.",
        default={},
        kind="any",
    )

    @property
    def bounded(self) -> bool:
        """Whether the rows end."""
        return self.number_of_rows is not None or any(
            name.endswith(".kind") and str(value).strip().lower() == "sequence"
            for name, value in self.fields.items()
        )

    @property
    def pace(self) -> int:
        """Rows a second; 0 = none."""
        if self.rows_per_second is not None:
            return self.rows_per_second
        return 0 if self.bounded else ENDLESS_ROWS_PER_SECOND


class DatagenSource(Source):
    """Rows from makers, one per column."""

    def __init__(
        self,
        makers: Mapping[str, Maker],
        *,
        rows: int | None,
        pace: int,
        start_us: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bounded = rows is not None
        self._makers = makers
        self._rows = rows
        self._pace = pace
        self._start_us = start_us
        self._clock = clock

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Make rows from number ``resume`` on."""
        assert split == SPLIT, f"made-up rows have no split '{split}'"
        start = 0 if resume is None else int(resume)
        return _DatagenReader(self, start, self._clock)

    def frame(self, start: int, stop: int, times_us: np.ndarray) -> pl.DataFrame:
        """Make the rows of these numbers."""
        numbers = np.arange(start, stop, dtype=np.uint64)
        return pl.DataFrame(
            [make(numbers, times_us).alias(name) for name, make in self._makers.items()]
        )

    @property
    def rows(self) -> int | None:
        """How many rows; None = endless."""
        return self._rows

    @property
    def pace(self) -> int:
        """Rows a second; 0 = none."""
        return self._pace

    def times_us(self, start: int, stop: int, opened_at: int, opened_us: int) -> np.ndarray:
        """Return when rows happen: at even steps where there is a pace or a start, else now."""
        if self._start_us is not None:
            opened_at, opened_us = 0, self._start_us
        elif not self._pace:
            return np.full(stop - start, time.time_ns() // 1000, dtype=np.int64)
        steps = np.arange(start - opened_at, stop - opened_at, dtype=np.int64)
        return opened_us + steps * 1_000_000 // (self._pace or NOMINAL_ROWS_PER_SECOND)


class _DatagenReader(Reader):
    def __init__(self, source: DatagenSource, start: int, clock: Callable[[], float]) -> None:
        self._source = source
        self._opened_at = self._next = start
        self._clock = clock
        self._began_s: float | None = None
        self._opened_us = time.time_ns() // 1000

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return the rows that are due; wait for the next one, at most ``timeout_s``."""
        start, total = self._next, self._source.rows
        if total is not None and start >= total:
            raise End
        stop = start + max_rows
        if self._source.pace:
            due = self._due()
            if due <= start and timeout_s > 0:
                time.sleep(min(timeout_s, max(DUE_LEAST_S, self._until_s(start))))
                due = self._due()
            stop = min(stop, due)
        if total is not None:
            stop = min(stop, total)
        if stop <= start:
            return None
        self._next = stop
        times_us = self._source.times_us(start, stop, self._opened_at, self._opened_us)
        frame = self._source.frame(start, stop, times_us)
        return Chunk(
            frame=frame,
            resume=stop,
            offsets=pl.int_range(start, stop, eager=True),
            bytes=int(frame.estimated_size()),
            pending=None if total is None else total - stop,
        )

    def _due(self) -> int:
        """Return the number of the first row that is not due yet; the first is due at once."""
        return self._opened_at + 1 + int(self._passed_s() * self._source.pace)

    def _until_s(self, row: int) -> float:
        return (row - self._opened_at) / self._source.pace - self._passed_s()

    def _passed_s(self) -> float:
        now_s = self._clock()
        if self._began_s is None:
            self._began_s = now_s
        return now_s - self._began_s


def _source(spec: SourceSpec) -> DatagenSource:
    config: DatagenConfig = spec.config
    where = f"table '{spec.table.name}'"
    for name, number in (
        ("rows-per-second", config.rows_per_second),
        ("number-of-rows", config.number_of_rows),
    ):
        if number is not None and number < 0:
            raise OptionError(
                f"The option '{name}' cannot be {number}.", where=where, hint="Give 0 or more."
            )
    fields = _by_column(config.fields, spec.table.physical, where)
    lengths = [] if config.number_of_rows is None else [config.number_of_rows]
    makers: dict[str, Maker] = {}
    for field in spec.table.physical:
        given = FieldOptions(fields[field.name], f"fields.{field.name}", where)
        maker, length = maker_of(field.type, given, seed=config.seed, path=field.name)
        given.done()
        makers[field.name] = maker
        if length is not None:
            lengths.append(length)
    return DatagenSource(
        {name: makers[name] for name in spec.physical.names},
        rows=min(lengths, default=None),
        pace=config.pace,
        start_us=_start_us(config.start_time, where),
    )


def _by_column(given: Mapping[str, Any], schema: Schema, where: str) -> dict[str, dict[str, Any]]:
    """Tell whose each option is; the longest column name wins, as names may hold dots."""
    found: dict[str, dict[str, Any]] = {name: {} for name in schema.names}
    for name, value in given.items():
        owners = [c for c in found if name.startswith(c + ".")]
        if not owners:
            raise UnknownName(
                "column", name.partition(".")[0], available=found,
                where=f"{where}, option 'fields.{name}'",
            )  # fmt: skip
        owner = max(owners, key=len)
        found[owner][name.removeprefix(owner + ".")] = value
    return found


def _start_us(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise OptionError(
            f"The option 'start-time' cannot be '{text}'.",
            where=where,
            hint="Write a date and time, such as 2026-01-01T00:00:00.",
        ) from None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _bounded(config: DatagenConfig) -> bool:
    return config.bounded


CONNECTOR = Connector(
    name="datagen",
    doc="Made-up rows: random values or sequences, at a pace or at once.",
    config=DatagenConfig,
    source=_source,
    bounded=_bounded,
    guarantee="exactly once: the same rows are made again after a restart",
)
