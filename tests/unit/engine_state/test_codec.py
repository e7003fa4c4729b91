"""Values of every SQL type survive the way into words and back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest

from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import Store, encode, validity
from millstream.engine.state.heap import ByteHeap

LONG_AGO = dt.datetime(1960, 1, 2, 1, tzinfo=dt.UTC)
COLUMNS = [
    pl.Series("bigint", [1, None, -(2**63)]),
    pl.Series("tinyint", [1, None, -3], dtype=pl.Int8),
    pl.Series("boolean", [True, None, False]),
    pl.Series("date", [dt.date(1960, 1, 2), None, dt.date(2020, 1, 1)]),
    pl.Series(
        "ts",
        [LONG_AGO, None, dt.datetime(2020, 1, 1, tzinfo=dt.UTC)],
    ).cast(pl.Datetime("ms", "UTC")),
    pl.Series("time", [dt.time(3, 2, 1), None, dt.time(0)]),
    pl.Series("interval", [dt.timedelta(1), None, dt.timedelta(-1)], dtype=pl.Duration("ms")),
    pl.Series("float", [1.5, None, -0.0], dtype=pl.Float32),
    pl.Series("decimal", [Decimal("1.50"), None, Decimal(-(10**35))], dtype=pl.Decimal(38, 2)),
    pl.Series("string", ["ab", None, "é" * 5_000]),
    pl.Series("bytes", [b"", None, b"x" * 3_000]),
    pl.Series("map", [[{"key": "x", "value": 1}], None, []]),
    pl.Series("row", [{"z": 1.5, "y": ["q"]}, None, {"z": None, "y": None}]),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: c.name)
@pytest.mark.parametrize("part", ["all", "values", "none", "slice"])
def test_a_column_comes_back_as_it_went(column: pl.Series, part: str) -> None:
    """State that changes a value is wrong for good: a slice, NULLs and emptiness included."""
    given = {
        "all": column,
        "values": column.drop_nulls(),
        "none": column.clear(),
        "slice": column.slice(1, 2),
    }[part]
    store = Store(given.dtype, ByteHeap(Arena()))
    first, second = store.put(encode(given))
    back = store.get(first, second, validity(given))
    assert back.dtype == given.dtype
    assert back.to_list() == given.to_list()
