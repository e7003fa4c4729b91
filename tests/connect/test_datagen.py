"""Made-up rows: the same again for the same seed, wherever the chunks are cut."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from millstream.errors import OptionError, TypeMismatch, UnknownName
from millstream.plan.table import Table
from millstream.ports.registry import config_of, connector, source_for
from millstream.types import Schema
from tests.connect.contract import Expected, SourceContract, read, table_of

WIDE = Schema.of(
    {
        "id": "BIGINT",
        "b": "BOOLEAN",
        "i": "TINYINT",
        "n": "INT",
        "f": "FLOAT",
        "g": "DOUBLE",
        "c": "DECIMAL(8, 2)",
        "big": "DECIMAL(30, 0)",
        "s": "STRING",
        "v": "VARCHAR(5)",
        "h": "CHAR(3)",
        "y": "BYTES",
        "d": "DATE",
        "t": "TIME(3)",
        "ts": "TIMESTAMP(3)",
        "z": "TIMESTAMP_LTZ(6)",
        "iv": "INTERVAL DAY TO SECOND(3)",
        "a": "ARRAY<INT>",
        "r": "ROW<x INT, y STRING>",
    }
)
OPTIONS = {
    "rows-per-second": "0",
    "number-of-rows": "11",
    "seed": "7",
    "start-time": "2026-01-01T00:00:00",
    "fields.id.kind": "sequence",
    "fields.id.start": "5",
    "fields.id.end": "100",
    "fields.n.min": "-3",
    "fields.n.max": "3",
    "fields.n.null-rate": "0.5",
    "fields.g.min": "1.5",
    "fields.g.max": "2.5",
    "fields.c.min": "-1.25",
    "fields.c.max": "10",
    "fields.s.length": "4",
    "fields.y.length": "9",
    "fields.y.var-len": "true",
    "fields.ts.max-past": "1 min",
    "fields.a.length": "2",
    "fields.a.element.max": "9",
    "fields.a.element.min": "0",
    "fields.r.x.kind": "random",
    "fields.r.y.length": "1",
}


def made(schema: Schema = WIDE, rows: int = 1000, **options: str) -> pl.DataFrame:
    given = {"rows-per-second": "0", "seed": "7", "number-of-rows": str(rows), **options}
    reader = source_for(table_of("datagen", given, schema)).open("rows", resume=None)
    return read(reader, max_rows=100_000).frame


class TestDatagen(SourceContract):
    @pytest.fixture
    def table(self) -> Table:
        return table_of("datagen", OPTIONS, WIDE)

    @pytest.fixture
    def expected(self, table: Table) -> Mapping[str, Expected]:
        reader = source_for(table).open("rows", resume=None)
        return {"rows": Expected(frame=read(reader, max_rows=1000).frame)}


def test_values_obey_their_options() -> None:
    """Bounds, lengths, sequences and NULLs, over enough rows to see both ends."""
    frame = made(**{**OPTIONS, "number-of-rows": "2000", "fields.id.end": "100000"})
    assert frame["id"].to_list() == list(range(5, 2005))
    assert set(frame["n"].drop_nulls()) == set(range(-3, 4))
    assert 0.4 < frame["n"].null_count() / 2000 < 0.6
    assert 1.5 <= frame["g"].min() < 1.6  # type: ignore[operator]
    assert 2.4 < frame["g"].max() <= 2.5  # type: ignore[operator]
    assert frame["c"].min() >= Decimal("-1.25")  # type: ignore[operator]
    assert frame["c"].max() <= Decimal(10)  # type: ignore[operator]
    assert set(frame["s"].str.len_chars()) == {4}
    assert set(frame["v"].str.len_chars()) == {5}
    assert set(frame["h"].str.len_chars()) == {3}
    assert set(frame["y"].bin.size()) == set(range(1, 10))
    assert set(frame["a"].list.len()) == {2}
    assert set(frame["a"].explode()) == set(range(10))
    assert set(frame["i"]) == set(range(-128, 128))
    assert frame["b"].n_unique() == 2
    assert frame["s"].n_unique() > 1900
    clock = [datetime(2026, 1, 1) + timedelta(milliseconds=i) for i in range(2000)]  # noqa: DTZ001
    past = (pl.Series(clock) - frame["ts"]).dt.total_milliseconds()
    assert past.min() >= 0  # type: ignore[operator]
    assert 50_000 < past.max() <= 60_000  # type: ignore[operator]


def test_the_seed_decides() -> None:
    """The same seed again, another seed, and none: equal, different, different."""
    small = Schema.of({"n": "BIGINT", "s": "STRING"})
    assert made(small).equals(made(small))
    assert not made(small).equals(made(small, seed="8"))
    twins = made(Schema.of({"a": "BIGINT", "b": "BIGINT"}))
    assert not (twins["a"] == twins["b"]).any()
    given = {"rows-per-second": "0", "number-of-rows": "9"}
    table = table_of("datagen", given, small)
    first = read(source_for(table).open("rows", resume=None), max_rows=4)
    again = read(source_for(table).open("rows", resume=None), max_rows=4)
    assert not first.frame.equals(again.frame)
    resumed = read(source_for(table).open("rows", resume=first.resumes[0]), max_rows=9)
    assert resumed.frame.equals(first.frame.slice(4))


def test_random_numbers_are_spread_evenly() -> None:
    """A generator that repeats or clumps would make every benchmark on it lie."""
    frame = made(Schema.of({"n": "BIGINT", "f": "DOUBLE"}), rows=100_000, **{"fields.f.max": "1"})
    assert frame["n"].n_unique() == 100_000
    counts = (frame["f"] * 100).cast(pl.Int64).value_counts()["count"]
    assert counts.min() > 850  # type: ignore[operator]
    assert counts.max() < 1150  # type: ignore[operator]
    bits = [(frame["n"].to_numpy() >> k & 1).mean() for k in range(64)]
    assert all(0.49 < mean < 0.51 for mean in bits)


def test_the_pace_is_kept_and_the_end_comes_first() -> None:
    """As many rows as are due, never more; the shortest sequence ends the source."""
    schema = Schema.of({"n": "INT"})
    source = source_for(table_of("datagen", {"rows-per-second": "1000"}, schema))
    assert not source.bounded
    reader = source.open("rows", resume=None)
    began = time.monotonic()
    rows = read(reader, max_rows=1000, documents=20).frame.height
    assert 20 <= rows <= (time.monotonic() - began) * 1000 + 1
    reader.close()
    ends = {"fields.n.kind": "sequence", "fields.n.start": "1", "fields.n.end": "3"}
    assert made(schema, **ends)["n"].to_list() == [1, 2, 3]


def test_bounded_is_known_from_the_options() -> None:
    """The plan asks before anything is read."""
    found = connector("datagen")

    def bounded(options: dict[str, str]) -> bool:
        return found.bounded(config_of(table_of("datagen", options, WIDE))[1])

    assert bounded({"number-of-rows": "1"})
    assert bounded({"fields.id.kind": "sequence"})
    assert not bounded({"fields.id.kind": "random"})


SEQUENCE_OF_FLAGS = {"fields.b.kind": "sequence", "fields.b.start": "0", "fields.b.end": "1"}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"fields.q.min": "1"}, UnknownName, "'q'"),
        ({"fields.n.mni": "1"}, UnknownName, "'mni'"),
        ({"fields.n.kind": "odd"}, OptionError, "sequence"),
        ({"fields.n.min": "x"}, OptionError, "min"),
        ({"fields.n.min": "5", "fields.n.max": "4"}, OptionError, "larger"),
        ({"fields.i.max": "128"}, OptionError, "TINYINT"),
        ({"fields.c.max": "0.001"}, OptionError, "2 digits"),
        ({"fields.h.length": "4"}, OptionError, "CHAR"),
        ({"fields.id.kind": "sequence"}, OptionError, "start"),
        (
            {"fields.b.kind": "sequence", "fields.b.start": "0", "fields.b.end": "1"},
            TypeMismatch,
            "no sequence",
        ),
        ({"start-time": "noon"}, OptionError, "start-time"),
        ({"fields.n.null-rate": "2"}, OptionError, "null-rate"),
        ({"fields.g.max": "nan"}, OptionError, "beyond DOUBLE"),
        ({"fields.s.length": "2000000"}, OptionError, "length"),
        ({"fields.a.length": "-1"}, OptionError, "length"),
        ({"number-of-rows": "-1"}, OptionError, "number-of-rows"),
        (
            {"fields.i.kind": "sequence", "fields.i.start": "0", "fields.i.end": "128"},
            OptionError,
            "beyond TINYINT",
        ),
        (
            {"fields.id.kind": "sequence", "fields.id.start": "2", "fields.id.end": "1"},
            OptionError,
            "smaller",
        ),
    ],
)
def test_mistakes_are_named(options: dict[str, str], error: type[Exception], words: str) -> None:
    """Each option that cannot be, with the column it belongs to."""
    with pytest.raises(error, match=words):
        made(**options)


def test_a_column_that_is_not_null_has_no_nulls() -> None:
    """The declaration is a promise that operators rely on."""
    with pytest.raises(OptionError, match="NOT NULL"):
        made(Schema.of({"a": "INT NOT NULL"}), **{"fields.a.null-rate": "0.5"})


def test_times_have_no_more_digits_than_declared() -> None:
    """TIMESTAMP(0) with milliseconds would group and join differently than its text says."""
    schema = Schema.of({"s": "TIMESTAMP(0)", "t": "TIME(0)", "m": "TIMESTAMP(3)", "d": "TIME(1)"})
    frame = made(schema, rows=1, **{"start-time": "2026-01-01T00:00:01.234"})
    assert [str(v) for v in frame.row(0)] == [
        "2026-01-01 00:00:01", "00:00:01", "2026-01-01 00:00:01.234000", "00:00:01.200000",
    ]  # fmt: skip


def test_intervals_have_flinks_ranges() -> None:
    """Up to ten thousand years, and up to ten years, never negative."""
    frame = made(Schema.of({"y": "INTERVAL YEAR TO MONTH", "d": "INTERVAL DAY TO SECOND(3)"}))
    assert frame["y"].is_between(0, 120_000).all()
    assert frame["d"].is_between(timedelta(0), timedelta(days=3650)).all()


def test_endless_rows_have_flinks_pace_and_counted_ones_none() -> None:
    """An endless generator without a pace would fill any sink before anyone looks."""
    for options, rate in (
        ({}, 10_000), ({"number-of-rows": "5"}, 0), ({"fields.n.kind": "sequence"}, 0),
        ({"number-of-rows": "5", "rows-per-second": "2"}, 2), ({"rows-per-second": "0"}, 0),
    ):  # fmt: skip
        assert config_of(table_of("datagen", options, WIDE))[1].rate == rate


def test_types_that_cannot_be_made_are_refused() -> None:
    """A MAP has distinct keys, which random ones are not."""
    with pytest.raises(TypeMismatch, match="MAP"):
        made(Schema.of({"m": "MAP<STRING, INT>"}))


def test_only_the_wanted_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pruned column still decides where the rows end, and the others do not change."""
    table = table_of("datagen", OPTIONS, WIDE)
    some = read(source_for(table, ("n",)).open("rows", resume=None), max_rows=100).frame
    whole: Any = read(source_for(table).open("rows", resume=None), max_rows=100).frame
    assert some.equals(whole.select("n"))
    nothing = read(source_for(table, ()).open("rows", resume=None), max_rows=100).frame
    assert nothing.height == 11
