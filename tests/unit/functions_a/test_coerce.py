"""Common types, implicit conversion and which casts there are."""

from __future__ import annotations

import pytest

from millstream.errors import TypeMismatch
from millstream.expr.casts import castable, check_cast
from millstream.expr.coerce import common_type, comparable, decimal_result, implicit
from millstream.types import Decimal, parse_type


@pytest.mark.parametrize(
    ("types", "common"),
    [
        ("INT; BIGINT", "BIGINT"),
        ("TINYINT; SMALLINT", "SMALLINT"),
        ("INT; BIGINT; DECIMAL(2, 2)", "DECIMAL(21, 2)"),
        ("BIGINT; FLOAT", "FLOAT"),
        ("FLOAT; DECIMAL(5, 2)", "DOUBLE"),
        ("FLOAT; DOUBLE", "DOUBLE"),
        ("DECIMAL(38, 0); DECIMAL(10, 5)", "DECIMAL(38, 0)"),
        ("CHAR(3); CHAR(3)", "CHAR(3)"),
        ("CHAR(1); CHAR(3)", "VARCHAR(3)"),
        ("CHAR(3); STRING", "STRING"),
        ("BINARY(1); BINARY(2)", "VARBINARY(2)"),
        ("DATE; TIMESTAMP(3)", "TIMESTAMP(3)"),
        ("TIMESTAMP(0); TIMESTAMP_LTZ(6)", "TIMESTAMP_LTZ(6)"),
        ("TIME(0); TIME(3)", "TIME(3)"),
        ("INT NOT NULL; INT NOT NULL", "INT NOT NULL"),
        ("INT NOT NULL; INT", "INT"),
        ("NULL; INT NOT NULL", "INT"),
        ("NULL; NULL", "NULL"),
        ("ARRAY<INT>; ARRAY<BIGINT>", "ARRAY<BIGINT>"),
        ("MAP<STRING, INT>; MAP<STRING, DOUBLE>", "MAP<STRING, DOUBLE>"),
        ("ROW<a INT>; ROW<b BIGINT>", "ROW<`a` BIGINT>"),
        ("INT; STRING", None),
        ("DATE; TIME(0)", None),
        ("BOOLEAN; INT", None),
        ("ROW<a INT>; ROW<a INT, b INT>", None),
        ("INTERVAL DAY; INTERVAL MONTH", None),
    ],
)
def test_common_types_are_flinks(types: str, common: str | None) -> None:
    """CASE, UNION and comparison all stand on this table."""
    found = common_type([parse_type(each) for each in types.split("; ")])
    assert (None if found is None else str(found)) == common


def test_text_meets_a_time_but_no_number() -> None:
    """Flink converts text beside a time and refuses it beside a number."""
    text, day, number = parse_type("STRING"), parse_type("DATE"), parse_type("INT")
    assert comparable(text, day) == day
    assert comparable(text, number) is None


@pytest.mark.parametrize(
    ("op", "a", "b", "result"),
    [
        ("+", (38, 8), (32, 8), (38, 7)),
        ("*", (3, 2), (4, 3), (8, 5)),
        ("*", (38, 20), (38, 20), (38, 6)),
        ("/", (19, 0), (10, 0), (30, 11)),
        ("/", (19, 0), (19, 0), (38, 19)),
        ("%", (10, 2), (5, 3), (5, 3)),
    ],
)
def test_decimal_results_are_flinks(
    op: str, a: tuple[int, int], b: tuple[int, int], result: tuple[int, int]
) -> None:
    """A wrong precision shows only far away, in a sink that refuses the column."""
    assert decimal_result(op, Decimal(*a), Decimal(*b)) == Decimal(*result)


@pytest.mark.parametrize(
    ("have", "want", "fits"),
    [
        ("INT", "BIGINT", True),
        ("BIGINT", "INT", False),
        ("BIGINT", "DOUBLE", True),
        ("DOUBLE", "FLOAT", False),
        ("CHAR(3)", "STRING", True),
        ("STRING", "INT", False),
        ("TIMESTAMP(3)", "TIMESTAMP_LTZ(3)", True),
        ("DATE", "TIMESTAMP(3)", False),
        ("NULL", "INT", True),
    ],
)
def test_implicit_conversion_loses_nothing(have: str, want: str, fits: bool) -> None:
    """What is converted without a CAST must never surprise."""
    assert implicit(parse_type(have), parse_type(want)) is fits


@pytest.mark.parametrize(
    ("have", "want", "exists"),
    [
        ("STRING", "INT", True),
        ("BOOLEAN", "INT", True),
        ("BOOLEAN", "DATE", False),
        ("INT", "BOOLEAN", True),
        ("DATE", "INT", False),
        ("TIMESTAMP(3)", "BIGINT", False),
        ("BIGINT", "TIMESTAMP(3)", False),
        ("TIMESTAMP(3)", "TIME", True),
        ("DATE", "TIME", False),
        ("INT", "BYTES", False),
        ("STRING", "BYTES", True),
        ("INTERVAL DAY", "BIGINT", True),
        ("ARRAY<INT>", "ARRAY<STRING>", True),
        ("ARRAY<INT>", "INT", False),
        ("MAP<STRING, INT>", "STRING", True),
        ("ROW<a INT>", "ROW<b STRING>", True),
        ("ROW<a INT>", "ROW<a INT, b INT>", False),
        ("NULL", "ROW<a INT>", True),
    ],
)
def test_casts_that_exist(have: str, want: str, exists: bool) -> None:
    """A cast that cannot work is told before anything runs."""
    assert castable(parse_type(have), parse_type(want)) is exists


def test_a_cast_that_does_not_exist_says_what_to_write() -> None:
    """Numbers to timestamps are asked for often; the error names the function."""
    with pytest.raises(TypeMismatch, match="INT cannot be cast to TIMESTAMP") as error:
        check_cast(parse_type("INT"), parse_type("TIMESTAMP(3)"))
    assert "TO_TIMESTAMP_LTZ" in (error.value.hint or "")
