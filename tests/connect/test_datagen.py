"""Made-up rows: Flink's options, and the promise that a row is a function of its number."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from millstream.columns.physical import polars_schema
from millstream.connect.datagen import DatagenSource
from millstream.connect.datagen_values import _high
from millstream.errors import OptionError, UnknownName
from millstream.ports.registry import config_of, connector, source_for
from millstream.types import Schema
from tests.connect.contract import Expected, SourceContract, read, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream.plan.table import Table

ALL = Schema.of(
    {
        "yes": "BOOLEAN",
        "tiny": "TINYINT",
        "small": "SMALLINT",
        "int": "INT",
        "big": "BIGINT",
        "float": "FLOAT",
        "double": "DOUBLE",
        "money": "DECIMAL(10, 2)",
        "wide": "DECIMAL(38, 10)",
        "char": "CHAR(5)",
        "short": "VARCHAR(20)",
        "text": "STRING",
        "fixed": "BINARY(3)",
        "bytes": "BYTES",
        "day": "DATE",
        "clock": "TIME(3)",
        "seconds": "TIMESTAMP(0)",
        "millis": "TIMESTAMP(3)",
        "micros": "TIMESTAMP(6)",
        "nanos": "TIMESTAMP_LTZ(9)",
        "months": "INTERVAL YEAR TO MONTH",
        "span": "INTERVAL DAY TO SECOND(3)",
        "list": "ARRAY<INT>",
        "row": "ROW<a INT, b STRING>",
    }
)
FIXED = {"start-time": "2026-01-01T12:00:00"}


def rows_of(schema: Mapping[str, str] | Schema, rows: int = 1000, **options: Any) -> pl.DataFrame:
    """All rows of a table with these ``fields.*`` options (and others, with underscores)."""
    own = {k: v for k, v in options.items() if "." not in k and k != "fields"}
    given = {f"fields.{k}": v for k, v in options.items() if "." in k}
    named = {k.replace("_", "-"): v for k, v in own.items()}
    columns = schema if isinstance(schema, Schema) else Schema.of(schema)
    table = table_of("datagen", {"number-of-rows": rows, **FIXED, **named, **given}, columns)
    return read(source_for(table).open("rows", resume=None), max_rows=777).frame


class TestSource(SourceContract):
    @pytest.fixture
    def table(self) -> Table:
        nulls = {f"fields.{name}.null-rate": "0.3" for name in ALL.names}
        options = {"number-of-rows": "11", "seed": "7", **FIXED, **nulls}
        return table_of("datagen", {**options, "fields.millis.max-past": "5s"}, ALL)

    @pytest.fixture
    def expected(self, table: Table) -> Mapping[str, Expected]:
        whole = source_for(table).open("rows", resume=None).poll(max_rows=100, timeout_s=0)
        assert whole is not None
        return {"rows": Expected(frame=whole.frame)}


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.integers(0, 2**64 - 1))
def test_the_upper_half_of_a_product(numbers: list[int], other: int) -> None:
    """Every range relies on this multiplication; Python's integers are the oracle."""
    found = _high(np.array(numbers, dtype=np.uint64), other)
    assert found.tolist() == [n * other >> 64 for n in numbers]


def test_a_column_does_not_depend_on_its_neighbours() -> None:
    """The planner reads only the columns a query needs; their values must stay the same."""
    table = table_of("datagen", {"number-of-rows": "50", **FIXED}, ALL)
    whole = read(source_for(table).open("rows", resume=None), max_rows=50).frame
    some = read(source_for(table, ("text", "int")).open("rows", resume=None), max_rows=9).frame
    assert_frame_equal(some, whole.select("int", "text"))


def test_another_seed_makes_other_rows() -> None:
    """Two tables that are joined must not be copies of each other unless asked to."""
    one, same, other = (rows_of({"a": "BIGINT"}, seed=s)["a"].to_list() for s in (1, 1, 2))
    assert one == same
    assert not set(one) & set(other)


def test_ranges_are_met_and_kept() -> None:
    """The bounds are inclusive, as in Flink, for every kind of number."""
    frame = rows_of(
        {"i": "INT", "b": "BIGINT", "t": "TINYINT", "d": "DOUBLE", "m": "DECIMAL(5, 2)"},
        **{"i.min": "-2", "i.max": "2", "b.min": str(-(2**63)), "b.max": str(-(2**63) + 1)},
        **{"t.min": 127, "d.min": "-1.5", "d.max": "1.5", "m.min": "-0.01", "m.max": "0.01"},
    )
    assert set(frame["i"]) == {-2, -1, 0, 1, 2}
    assert set(frame["b"]) == {-(2**63), -(2**63) + 1}
    assert set(frame["t"]) == {127}
    assert frame["d"].is_between(-1.5, 1.5).all()
    assert frame["d"].min() < -1.4 < 1.4 < frame["d"].max()  # type: ignore[operator]
    assert set(frame["m"]) == {Decimal("-0.01"), Decimal("0.00"), Decimal("0.01")}


def test_whole_ranges_are_spread_evenly() -> None:
    """A biased default would make every key distribution in an experiment wrong."""
    frame = rows_of({"i": "INT", "b": "BIGINT", "w": "DECIMAL(38, 0)", "y": "BOOLEAN"}, rows=20_000)
    for name, half in (("i", 0), ("b", 0), ("w", 5 * 10**37)):
        below = sum(v < half for v in frame[name])
        assert 9_700 < below < 10_300, name
    assert 9_700 < frame["y"].sum() < 10_300
    assert frame["b"].n_unique() == 20_000
    assert max(frame["w"]) < 10**38


def test_a_sequence_ends_the_rows() -> None:
    """Flink's way to a bounded table: the shortest sequence decides."""
    options = {
        "fields.a.kind": "sequence", "fields.a.start": "-1", "fields.a.end": "3",
        "fields.b.kind": "sequence", "fields.b.start": "10", "fields.b.end": "12",
        "fields.s.kind": "sequence", "fields.s.start": "8", "fields.s.end": "11",
        "fields.m.kind": "sequence", "fields.m.start": "1", "fields.m.end": "9",
    }  # fmt: skip
    schema = Schema.of({"a": "INT", "b": "BIGINT", "s": "STRING", "m": "DECIMAL(3, 1)"})
    table = table_of("datagen", options, schema)
    assert connector("datagen").bounded(config_of(table)[1])
    frame = read(source_for(table).open("rows", resume=None), max_rows=2).frame
    assert frame.rows() == [
        (-1, 10, "8", Decimal("1.0")), (0, 11, "9", Decimal("2.0")), (1, 12, "10", Decimal("3.0")),
    ]  # fmt: skip
    # the end is known even where the counted column is not read
    assert read(source_for(table, ("a",)).open("rows", resume=None), max_rows=9).frame.height == 3


def test_texts_have_their_length() -> None:
    """Hexadecimal text as Flink makes it; CHAR fills its length, var-len varies below it."""
    frame = rows_of(
        {"c": "CHAR(5)", "v": "VARCHAR(20)", "s": "STRING", "n": "STRING", "b": "VARBINARY(4)"},
        **{"n.length": "7", "n.var-len": "true", "b.var-len": "true"},
    )
    for name, length in (("c", 5), ("v", 20), ("s", 100)):
        assert set(frame[name].str.len_chars()) == {length}
        assert frame[name].str.contains("^[0-9a-f]+$").all()
    assert set(frame["n"].str.len_chars()) == set(range(1, 8))
    assert set(frame["b"].bin.size()) == {1, 2, 3, 4}
    assert frame["s"].n_unique() == 1000


def test_times_step_evenly_from_the_start() -> None:
    """With start-time the event time is reproducible, which windows over made-up rows need."""
    frame = rows_of(
        {"m": "TIMESTAMP(3)", "s": "TIMESTAMP(0)", "n": "TIMESTAMP_LTZ(9)", "d": "DATE",
         "t": "TIME(3)"},
        rows=3,
        start_time="2026-01-01T23:59:59.999Z",
    )  # fmt: skip
    midnight = datetime(2026, 1, 2)  # noqa: DTZ001
    step = timedelta(milliseconds=1)
    assert frame["m"].to_list() == [midnight - step, midnight, midnight + step]
    assert frame["s"][0] == midnight - timedelta(seconds=1)
    assert frame["n"][2] == (midnight + step).replace(tzinfo=UTC)
    assert frame["d"].to_list() == [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 2)]
    assert frame["t"].to_list() == [time(23, 59, 59, 999_000), time(0), time(0, 0, 0, 1000)]


def test_max_past_goes_back_from_now() -> None:
    """Rows out of order are what watermarks are tried with."""
    table = table_of(
        "datagen",
        {"number-of-rows": "500", "fields.ts.max-past": "1 h"},
        Schema.of({"ts": "TIMESTAMP_LTZ(3)", "now": "TIMESTAMP_LTZ(3)"}),
    )
    frame = read(source_for(table).open("rows", resume=None), max_rows=500).frame
    past = frame.select(pl.col("now") - pl.col("ts")).to_series()
    assert past.is_between(timedelta(0), timedelta(hours=1)).all()
    assert past.max() - past.min() > timedelta(minutes=50)  # type: ignore[operator]


def test_nulls_come_at_their_rate() -> None:
    """Also inside, and for whole rows and lists."""
    frame = rows_of(
        {"a": "INT", "l": "ARRAY<INT>", "r": "ROW<x INT>"},
        **{"a.null-rate": "0.25", "l.null-rate": 0.5, "l.length": 2, "l.element.null-rate": "1"},
        **{"r.null-rate": "1", "r.x.max": "5"},
    )
    assert 200 < frame["a"].null_count() < 300
    assert 450 < frame["l"].null_count() < 550
    assert frame["l"].drop_nulls()[0].to_list() == [None, None]
    assert frame["r"].null_count() == 1000
    assert frame.schema == polars_schema(
        Schema.of({"a": "INT", "l": "ARRAY<INT>", "r": "ROW<x INT>"})
    )


@pytest.mark.parametrize(
    ("column", "options", "says"),
    [
        ("INT", {"fields.a.kind": "serial"}, "'random' or 'sequence'"),
        ("INT", {"fields.a.kind": "sequence", "fields.a.start": "1"}, "'start' and 'end'"),
        ("INT", {"fields.a.kind": "sequence", "fields.a.start": "2", "fields.a.end": "1"}, "end"),
        ("TINYINT", {"fields.a.kind": "sequence", "fields.a.start": 0, "fields.a.end": 128},
         "-128 to 127"),
        ("BOOLEAN", {"fields.a.kind": "sequence"}, "not BOOLEAN"),
        ("INT", {"fields.a.min": "x"}, "INT can hold"),
        ("INT", {"fields.a.min": "5", "fields.a.max": "4"}, "below 'min'"),
        ("DOUBLE", {"fields.a.max": "nan"}, "max"),
        ("DECIMAL(3, 1)", {"fields.a.max": "100"}, "can hold"),
        ("CHAR(3)", {"fields.a.length": "2"}, "its own length"),
        ("STRING", {"fields.a.length": "0"}, "length"),
        ("INT NOT NULL", {"fields.a.null-rate": "0.1"}, "NOT NULL"),
        ("INT", {"fields.a.null-rate": "2"}, "0 to 1"),
        ("TIMESTAMP(3)", {"fields.a.max-past": "soon"}, "duration"),
        ("MAP<STRING, INT>", {}, "No values of MAP"),
        ("INT", {"number-of-rows": "-1"}, "number-of-rows"),
        ("INT", {"start-time": "noon"}, "start-time"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(column: str, options: dict[str, Any], says: str) -> None:
    """A mistake shows before the job starts, with the option's name and what is accepted."""
    with pytest.raises(OptionError) as caught:
        source_for(table_of("datagen", options, Schema.of({"a": column})))
    assert says in str(caught.value)
    assert caught.value.where is not None


@pytest.mark.parametrize("option", ["fields.b.min", "fields.a.mim", "fields.a.x.min"])
def test_unknown_columns_and_options_are_named(option: str) -> None:
    """`fields.*` takes any name, so the source itself must look at each."""
    with pytest.raises(UnknownName):
        source_for(table_of("datagen", {option: "1"}, Schema.of({"a": "INT"})))


def test_rows_come_at_their_pace() -> None:
    """The clock decides how many rows are due; chunks are bounded by max_rows too."""
    now = [100.0]
    source = source_for(
        table_of("datagen", {"rows-per-second": "10", **FIXED}, Schema.of({"ts": "TIMESTAMP(3)"}))
    )
    assert isinstance(source, DatagenSource)
    assert not source.bounded
    source._clock = lambda: now[0]
    reader = source.open("rows", resume=40)

    def poll(max_rows: int = 100) -> list[int]:
        chunk = reader.poll(max_rows=max_rows, timeout_s=0.0)
        return [] if chunk is None else [v.second * 10 + v.microsecond // 100_000
                                         for v in chunk.frame["ts"]]  # fmt: skip

    assert poll() == [40]
    assert poll() == []
    now[0] += 0.55
    assert poll(3) == [41, 42, 43]
    assert poll() == [44, 45]
    assert poll() == []


def test_endless_rows_have_flinks_pace_and_counted_ones_none() -> None:
    """An endless generator without a pace would fill any sink before anyone looks."""
    schema = Schema.of({"a": "INT"})
    for options, pace in (
        ({}, 10_000), ({"number-of-rows": "5"}, 0),
        ({"number-of-rows": "5", "rows-per-second": "2"}, 2), ({"rows-per-second": "0"}, 0),
    ):  # fmt: skip
        assert config_of(table_of("datagen", options, schema))[1].pace == pace
