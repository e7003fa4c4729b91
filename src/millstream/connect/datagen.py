"""Rows that are made up: random ones and sequences, the same ones again for the same seed.

delivery   exactly once: a row is a function of seed, column and row number, and the row number is
           in the checkpoint. Without ``start-time`` times are those of the clock, as in Flink
split      one, ``rows``
pace       ``rows-per-second``: a chunk is what is due; 0 = as fast as it can be made
bad row    none
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from millstream.connect.datagen_values import Clock, Generator, generator_for
from millstream.errors import OptionError, UnknownName
from millstream.ports.connector import Chunk, Connector, End, Reader, Source, SourceSpec
from millstream.settings import option

SPLIT = "rows"
ENDLESS_ROWS_PER_SECOND = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DatagenConfig:
    """How many rows, how fast, and what is in them."""

    rows_per_second: int | None = option(
        "rows-per-second",
        "Rows made in a second; 0 = as fast as they can be made. 10000 where the rows have no "
        "end, 0 where they have one.",
        default=None,
        kind="int",
    )
    number_of_rows: int | None = option(
        "number-of-rows", "Rows made in all; endless without.", default=None, kind="int"
    )
    seed: int | None = option(
        "seed",
        "Start of the random numbers; the same seed makes the same rows. Random without.",
        default=None,
        kind="int",
    )
    start_time: str | None = option(
        "start-time",
        "Times are this instant plus row number / rows-per-second (a millisecond a row where that "
        "is 0), instead of the clock's.",
        default=None,
    )
    fields: Mapping[str, Any] = option(
        "fields.*",
        "fields.<column>.<kind|min|max|max-past|length|var-len|null-rate|start|end>; for elements "
        "of an ARRAY fields.<column>.element.…, for fields of a ROW fields.<column>.<field>.…",
        default={},
    )

    @property
    def bounded(self) -> bool:
        """Whether the rows end."""
        sequences = (str(v) for k, v in self.fields.items() if k.endswith(".kind"))
        return self.number_of_rows is not None or any(v.lower() == "sequence" for v in sequences)

    @property
    def rate(self) -> int:
        """Rows made in a second; 0 = as fast as they can be made."""
        if self.rows_per_second is not None:
            return self.rows_per_second
        return 0 if self.bounded else ENDLESS_ROWS_PER_SECOND


class DatagenSource(Source):
    """Rows of one table."""

    def __init__(
        self, generators: Mapping[str, Generator], config: DatagenConfig, rows_total: int | None
    ) -> None:
        self._generators = generators
        self._config = config
        self._rows_total = rows_total
        self._seed = secrets.randbits(63) if config.seed is None else config.seed
        self.bounded = rows_total is not None

    def splits(self) -> Sequence[str]:
        """There is one."""
        return (SPLIT,)

    def open(self, split: str, *, resume: Any | None) -> Reader:
        """Make rows from the row number ``resume`` on, with the seed that was drawn first."""
        assert split == SPLIT, f"made-up rows have no split '{split}'"
        row, seed = (0, self._seed) if resume is None else (int(resume["row"]), int(resume["seed"]))
        return _DatagenReader(self._generators, self._config, self._rows_total, row, seed)


class _DatagenReader(Reader):
    def __init__(
        self,
        generators: Mapping[str, Generator],
        config: DatagenConfig,
        rows_total: int | None,
        row: int,
        seed: int,
    ) -> None:
        self._generators = generators
        self._rows_total = rows_total
        self._rate = config.rate
        self._row = row
        self._seed = seed
        self._start_ms = None if config.start_time is None else _instant_ms(config.start_time)
        self._first_row = row
        self._first_s = time.monotonic()
        self._closed = threading.Event()

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return the rows that are due, waiting for one at most so long."""
        left = max_rows
        if self._rows_total is not None:
            left = min(left, self._rows_total - self._row)
        if left <= 0 or self._closed.is_set():
            raise End
        if self._rate > 0:
            left = self._due(left, timeout_s)
            if left <= 0:
                return None
        first, self._row = self._row, self._row + left
        frame = self._frame(first, self._row)
        return Chunk(
            frame=frame,
            resume={"row": self._row, "seed": self._seed},
            offsets=pl.int_range(first, self._row, eager=True),
            bytes=int(frame.estimated_size()),
            pending=None if self._rows_total is None else self._rows_total - self._row,
        )

    def close(self) -> None:
        """End a wait."""
        self._closed.set()

    def _due(self, most: int, timeout_s: float) -> int:
        """Return how many rows the pace allows now."""
        made = self._row - self._first_row
        next_s = self._first_s + (made + 1) / self._rate
        wait_s = min(next_s - time.monotonic(), timeout_s)
        if wait_s > 0:
            self._closed.wait(wait_s)
        allowed = int((time.monotonic() - self._first_s) * self._rate) - made
        return max(0, min(most, allowed))

    def _frame(self, first: int, last: int) -> pl.DataFrame:
        clock = Clock(start_ms=self._start_ms, rows_per_second=self._rate)
        rows = pl.int_range(first, last, eager=True).to_numpy()
        columns = [
            generator.column(rows, self._seed, clock).alias(name)
            for name, generator in self._generators.items()
        ]
        return pl.DataFrame(columns) if columns else pl.DataFrame(height=last - first)


def _instant_ms(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise OptionError(
            f"The option 'start-time' cannot be '{text}'.",
            hint="Write it as 2026-01-31T12:30:59.",
        ) from None
    zoned = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return round(zoned.timestamp() * 1000)


def _source(spec: SourceSpec) -> DatagenSource:
    config: DatagenConfig = spec.config
    where = f"table '{spec.table.name}'"
    if (config.rows_per_second or 0) < 0:
        raise OptionError("The option 'rows-per-second' cannot be negative.", where=where)
    if (config.number_of_rows or 0) < 0:
        raise OptionError("The option 'number-of-rows' cannot be negative.", where=where)
    if config.start_time is not None:
        _instant_ms(config.start_time)
    given: dict[str, dict[str, Any]] = {f.name: {} for f in spec.table.physical}
    for key, value in config.fields.items():
        column = max((n for n in given if key.startswith(f"{n}.")), key=len, default=None)
        if column is None:
            raise UnknownName(
                "column", key.rpartition(".")[0] or key, available=given, where=f"{where}, fields.*"
            )
        given[column][key.removeprefix(f"{column}.")] = value
    # All columns have a say in where the rows end, also those that are not wanted.
    generators = {
        f.name: generator_for(f.type, f.name, given[f.name], where) for f in spec.table.physical
    }
    ends = [g.rows_max for g in generators.values() if g.rows_max is not None]
    if config.number_of_rows is not None:
        ends.append(config.number_of_rows)
    wanted = {f.name: generators[f.name] for f in spec.physical}
    return DatagenSource(wanted, config, min(ends) if ends else None)


def _bounded(config: DatagenConfig) -> bool:
    return config.bounded


CONNECTOR = Connector(
    name="datagen",
    doc="Made-up rows: random ones and sequences.",
    config=DatagenConfig,
    source=_source,
    bounded=_bounded,
    guarantee="exactly once: row number and seed are in the checkpoint",
)
