"""Functions over whole columns: what a single constant does not show."""
# ruff: noqa: DTZ001 (a TIMESTAMP is a wall clock's time, it has no zone)

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.functions import DRAW, NOW, java_time
from millstream.expr.tree import Column
from tests.unit.functions_a.evaluating import call, cast, lowered, reasons, values

A, B = Column("a"), Column("b")
INTS = {"a": "INT", "b": "INT"}
small = st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1), st.sampled_from([-1, 0, 1, 2]))


def wrapped(value: int) -> int:
    """Return an integer as 32 bits hold it."""
    return (value + 2**31) % 2**32 - 2**31


@given(rows=st.lists(st.tuples(small, small), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_integer_division_is_javas(rows: list[tuple[int | None, int | None]]) -> None:
    """Polars floors and turns x / 0 into NULL in silence; SQL truncates and rejects the row."""
    data = {"a": [a for a, _ in rows], "b": [b for _, b in rows]}
    quotients = values(call("/", A, B), INTS, data)
    rests = values(call("%", A, B), INTS, data)
    failed = reasons(call("/", A, B), INTS, data)
    for (a, b), quotient, rest, why in zip(rows, quotients, rests, failed, strict=True):
        if a is None or b is None:
            assert (quotient, rest, why) == (None, None, None)
        elif b == 0:
            assert why == "division by zero"
        else:
            exact = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            assert (quotient, rest, why) == (wrapped(exact), a - exact * b, None)


def test_a_guard_keeps_a_row() -> None:
    """`b <> 0 AND a / b > 1` is how everybody writes it; it must reject no row."""
    guarded = call("AND", call("<>", B, 0), call(">", call("/", A, B), 1))
    rows = {"a": [4, 4, 4, None], "b": [0, 2, None, 0]}
    assert reasons(guarded, INTS, rows) == [None] * 4
    assert values(guarded, INTS, rows) == [False, True, None, False]
    turned = call("AND", call(">", call("/", A, B), 1), call("<>", B, 0))
    assert reasons(turned, INTS, rows)[0] == "division by zero"
    case = call("CASE", call("=", B, 0), -1, call("/", A, B))
    assert reasons(case, INTS, rows) == [None] * 4
    assert values(case, INTS, rows) == [-1, 2, None, -1]


def test_nan_compares_as_in_java() -> None:
    """Polars says NaN = NaN and NaN > 1; Java and Flink say no, and NULL stays NULL."""
    nan = math.nan
    rows = {"a": [nan, nan, 1.0, nan, None], "b": [nan, 1.0, nan, None, nan]}
    types = {"a": "DOUBLE", "b": "DOUBLE"}
    for op, want in {"=": False, "<>": True, "<": False, ">": False, ">=": False}.items():
        assert values(call(op, A, B), types, rows) == [want] * 3 + [None] * 2, op


def test_in_over_columns_is_three_valued() -> None:
    """Polars' is_in says false where SQL does not know."""
    rows = {"a": [1, 4, None, 4], "b": [2, 4, 4, None]}
    assert values(call("IN", A, 1, 2, B), INTS, rows) == [True, True, None, None]
    assert values(call("IN", A, 1, 2, 3, None), INTS, rows) == [True, None, None, None]
    assert values(call("NOT", call("IN", A, 1, 2, 3)), INTS, rows) == [False, True, None, True]


def test_like_with_a_pattern_of_each_row() -> None:
    """A pattern column is translated per different pattern, and NULL stays NULL."""
    types = {"a": "STRING", "b": "STRING"}
    rows = {"a": ["abc", "a\nc", "x", None], "b": ["a%", "a_c", None, "%"]}
    assert values(call("LIKE", A, B), types, rows) == [True, True, None, None]


def test_a_bad_escape_of_one_row_rejects_that_row() -> None:
    """The other rows of the batch go on."""
    types = {"a": "STRING", "b": "STRING"}
    found = reasons(call("LIKE", A, B, "!"), types, {"a": ["abc"] * 2, "b": ["a!bc", "a%"]})
    assert found == ["the pattern cannot be read", None]


def test_a_cast_tells_the_value_it_could_not_read() -> None:
    """The reason of a rejected row must be enough to find the fault."""
    rows = {"a": ["1", "x", None, " 3 "]}
    assert reasons(cast(A, "INT"), {"a": "STRING"}, rows) == [
        None,
        "this is no INT: 'x'",
        None,
        None,
    ]
    assert values(cast(A, "INT", safe=True), {"a": "STRING"}, rows) == [1, None, None, 3]


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    """Polars raises for the whole column where one value is no UTF-8."""
    rows = {"a": [b"ok", b"\xffx", None]}
    assert values(cast(A, "STRING"), {"a": "BYTES"}, rows) == ["ok", "\ufffdx", None]


def test_nested_values_as_text_and_compared() -> None:
    """Lists, rows and maps in columns, with NULL inside and outside."""
    types = {"a": "ARRAY<INT>", "b": "MAP<STRING, BOOLEAN>", "c": "ROW<x INT, y STRING>"}
    rows = {
        "a": [[1, None], [], None],
        "b": [[{"key": "k", "value": True}], [], None],
        "c": [{"x": 1, "y": None}, {"x": None, "y": "z"}, None],
    }
    c = Column("c")
    assert values(cast(A, "STRING"), types, rows) == ["[1, NULL]", "[]", None]
    assert values(cast(B, "STRING"), types, rows) == ["{k=TRUE}", "{}", None]
    assert values(cast(c, "STRING"), types, rows) == ["(1, NULL)", "(NULL, z)", None]
    assert values(call("=", A, A), types, rows) == [True, True, None]
    assert values(cast(A, "ARRAY<STRING>"), types, rows) == [["1", None], [], None]


def test_a_nested_value_that_cannot_be_cast_rejects_its_row() -> None:
    """The failure is inside the list, the row is what goes."""
    found = reasons(cast(A, "ARRAY<INT>"), {"a": "ARRAY<STRING>"}, {"a": [["1"], ["1", "x"], None]})
    assert found == [None, "this is no INT (inside)", None]


def test_decimal_with_a_constant_over_an_empty_and_a_long_column() -> None:
    """Constants have length 1 beside columns of any length."""
    product = call("*", A, Decimal("1.10"))
    for count in (0, 1, 3):
        rows = {"a": [Decimal("2.123")] * count}
        assert values(product, {"a": "DECIMAL(4, 3)"}, rows) == [Decimal("2.33530")] * count


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_a_double_as_text_reads_back(numbers: list[float]) -> None:
    """Java's form differs from Polars' for large and small numbers, its value does not."""
    texts = values(cast(A, "STRING"), {"a": "DOUBLE"}, {"a": numbers})
    for text, number in zip(texts, numbers, strict=True):
        assert float(text) == number
        plain = number == 0 or 1e-3 <= abs(number) < 1e7
        assert ("E" in text) is not plain
    assert values(cast(cast(A, "STRING"), "DOUBLE"), {"a": "DOUBLE"}, {"a": numbers}) == numbers


def test_round_is_half_up_on_the_digits_shown() -> None:
    """The double nearest to 1.005 is smaller than it; Flink rounds the digits, not the bits."""
    numbers = [1.005, 2.675, -2.5, 1e300, 0.49999999999999994, None]
    got = values(call("ROUND", A, 2), {"a": "DOUBLE"}, {"a": numbers})
    assert got == [1.01, 2.68, -2.5, 1e300, 0.5, None]
    assert values(call("ROUND", A), {"a": "DOUBLE"}, {"a": numbers})[4] == 0.0
    digits = values(
        call("ROUND", A, B), {"a": "DOUBLE", "b": "INT"}, {"a": [155.55] * 4, "b": [1, 0, -1, None]}
    )
    assert digits == [155.6, 156.0, 160.0, None]


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5), st.floats(0.1, 1e6))
@settings(max_examples=100, deadline=None)
def test_division_by_a_constant_is_correctly_rounded(numbers: list[float], by: float) -> None:
    """Polars multiplies by 1/10 instead, and only where the batch has more than one row."""
    got = values(call("/", A, by), {"a": "DOUBLE"}, {"a": numbers})
    assert got == [number / by for number in numbers]


# --- times

BERLIN = "Europe/Berlin"


def test_a_local_time_in_a_gap_or_twice_is_javas() -> None:
    """Clocks go forward at 02:00: 02:30 is 03:30; in autumn 02:30 is the earlier one."""
    wall = [dt.datetime(2020, 3, 29, 2, 30), dt.datetime(2020, 10, 25, 2, 30)]
    found = values(cast(A, "TIMESTAMP_LTZ(3)"), {"a": "TIMESTAMP(3)"}, {"a": wall}, BERLIN)
    utc = [each.astimezone(dt.UTC).replace(tzinfo=None) for each in found]
    assert utc == [dt.datetime(2020, 3, 29, 1, 30), dt.datetime(2020, 10, 25, 0, 30)]


def test_a_day_of_an_instant_is_the_sessions_day() -> None:
    """The 23-hour day begins at 23:00 UTC the day before."""
    at = [dt.datetime(2020, 3, 28, 23, 30, tzinfo=dt.UTC)]
    types = {"a": "TIMESTAMP_LTZ(3)"}
    assert values(cast(A, "DATE"), types, {"a": at}, BERLIN) == [dt.date(2020, 3, 29)]
    assert values(call("DAYOFMONTH", A), types, {"a": at}, BERLIN) == [29]
    floor = values(call("FLOOR", A, "DAY"), types, {"a": at}, BERLIN)
    assert floor[0].astimezone(dt.UTC) == dt.datetime(2020, 3, 28, 23, 0, tzinfo=dt.UTC)


def test_the_clock_is_the_chunks_stamp() -> None:
    """NOW is not read from the machine: a replay sees the same."""
    stamp = dt.datetime(2020, 3, 28, 23, 30, 1, 500_000, tzinfo=dt.UTC)
    frame = pl.DataFrame({NOW: [stamp]}, schema={NOW: pl.Datetime("ms", "UTC")})
    expected = {
        "CURRENT_TIMESTAMP": stamp,
        "PROCTIME": stamp,
        "LOCALTIMESTAMP": dt.datetime(2020, 3, 29, 0, 30, 1, 500_000),
        "CURRENT_DATE": dt.date(2020, 3, 29),
        "LOCALTIME": dt.time(0, 30, 1),
        "CURRENT_TIME": dt.time(0, 30, 1),
        "UNIX_TIMESTAMP": 1_585_438_201,
    }
    for name, want in expected.items():
        assert frame.select(lowered(call(name), {}, BERLIN).value).item() == want, name


def test_chance_is_seeded_by_the_row() -> None:
    """A replay draws the same; rows differ; the bound holds."""
    frame = pl.DataFrame({DRAW: pl.Series(range(1000), dtype=pl.UInt64)})

    def drawn(name: str, *args: object) -> pl.Series:
        return frame.select(r=lowered(call(name, *args), {}).value)["r"]

    for name, args in (("RAND", ()), ("RAND", (5,)), ("RAND_INTEGER", (10,)), ("UUID", ())):
        assert drawn(name, *args).equals(drawn(name, *args)), name
    real = drawn("RAND")
    assert real.n_unique() == 1000
    assert real.is_between(0, 1, closed="left").all()
    assert set(drawn("RAND_INTEGER", 10)) == set(range(10))
    assert drawn("UUID").n_unique() == 1000
    assert not real.equals(drawn("RAND", 5))


@given(
    st.lists(
        st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2199, 12, 31)), min_size=1, max_size=5
    )
)
@settings(max_examples=60, deadline=None)
def test_a_pattern_reads_what_it_wrote(stamps: list[dt.datetime]) -> None:
    """Each letter must mean the same in both directions."""
    stamps = [each.replace(microsecond=each.microsecond // 1000 * 1000) for each in stamps]
    frame = pl.DataFrame({"a": stamps}, schema={"a": pl.Datetime("ms")})
    for pattern in (
        "yyyy-MM-dd HH:mm:ss.SSS",
        "EEEE d MMMM yyyy 'at' h:mm:ss.SSS a",
        "yyyyMMddHHmmssSSS",
        "k:m:s.SSS D/yyyy",
    ):
        text = frame.select(t=java_time.written(pl.col("a"), pattern))["t"]
        back = java_time.read(text, pattern, lenient=False)["wall"]
        assert back.to_list() == stamps, pattern


@given(
    st.lists(
        st.tuples(st.datetimes(dt.datetime(1, 1, 1)), st.integers(0, 6), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=100, deadline=None)
def test_timestamps_are_read_from_bytes_and_from_patterns_alike(
    rows: list[tuple[dt.datetime, int, bool]],
) -> None:
    """The fast path knows one layout; what it leaves to the slow one must mean the same."""
    texts: list[str | None] = [
        None,
        "x",
        "2020-13-01",
        "2020-02-30 00:00:00",
        "2020-01-01 24:00:00",
    ]
    want: list[dt.datetime | None] = [None] * len(texts)
    for stamp, digits, short in rows:
        cut = stamp.replace(
            microsecond=stamp.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits)
        )
        part = f".{cut.microsecond:06d}"[: digits + 1] if digits else ""
        day = f"{cut.year:04d}-{cut.month}-{cut.day}" if short else f"{cut:%Y-%m-%d}".zfill(10)
        texts.append(f" {day} {cut:%H:%M:%S}{part}")
        want.append(cut)
    got = values(cast(A, "TIMESTAMP(6)", safe=True), {"a": "STRING"}, {"a": texts})
    assert got == want


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5), st.integers(-3, 6), st.booleans())
@settings(max_examples=200, deadline=None)
def test_rounding_agrees_with_pythons_decimals(
    numbers: list[float], digits: int, cut: bool
) -> None:
    """Most rows are rounded by one multiplication; near a border their digits decide."""
    numbers += [round(n, digits) + 0.5 * 10.0**-digits for n in numbers]
    got = values(call("TRUNCATE" if cut else "ROUND", A, digits), {"a": "DOUBLE"}, {"a": numbers})
    unit = Decimal(1).scaleb(-digits)
    mode = "ROUND_DOWN" if cut else "ROUND_HALF_UP"
    assert got == [float(Decimal(repr(n)).quantize(unit, mode)) for n in numbers]


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Asia/Kolkata"])
def test_unix_time_goes_there_and_back(zone: str) -> None:
    """FROM_UNIXTIME and UNIX_TIMESTAMP are each other's inverse in any zone."""
    seconds = [0, 44, 1_585_443_600, -86_400]
    there = call("FROM_UNIXTIME", A)
    back = call("UNIX_TIMESTAMP", there)
    assert values(back, {"a": "BIGINT"}, {"a": seconds}, zone) == seconds


def test_months_between_dates_match_a_naive_count() -> None:
    """A month is full on its day of the month, or on the last day of a shorter month."""
    days = [dt.date(2019, 12, 30) + dt.timedelta(days=n) for n in range(0, 430, 7)]
    start = dt.date(2020, 1, 31)
    got = values(
        call("TIMESTAMPDIFF", "MONTH", A, B), {"a": "DATE", "b": "DATE"},
        {"a": [start] * len(days), "b": days},
    )  # fmt: skip
    added = {
        n: values(
            call("TIMESTAMPADD", "MONTH", n, A), {"a": "DATE"}, {"a": [start]}
        )[0]
        for n in range(15)
    }  # fmt: skip
    for day, months in zip(days, got, strict=True):
        if day >= start:
            assert months == max(n for n, reached in added.items() if reached <= day)
