"""The types of aggregate calls."""

from __future__ import annotations

import pytest

from millstream.errors import TypeMismatch, UnknownName
from millstream.expr.aggregates import AGGREGATES, is_aggregate
from millstream.expr.resolve import resolve
from millstream.expr.tree import AggCall, Cast, Column, Literal
from millstream.types import Schema

SCHEMA = Schema.of(
    {"i": "INT NOT NULL", "n": "DECIMAL(10, 2)", "d": "DOUBLE", "s": "STRING", "b": "BOOLEAN"}
)


@pytest.mark.parametrize(
    ("function", "column", "result"),
    [
        ("COUNT", "i", "BIGINT NOT NULL"),
        ("SUM", "i", "INT"),
        ("SUM", "n", "DECIMAL(38, 2)"),
        ("$SUM0", "i", "INT NOT NULL"),
        ("AVG", "i", "INT"),
        ("AVG", "n", "DECIMAL(38, 6)"),
        ("AVG", "d", "DOUBLE"),
        ("MIN", "s", "STRING"),
        ("max", "i", "INT"),
        ("STDDEV", "d", "DOUBLE"),
        ("VARIANCE", "n", "DECIMAL(38, 6)"),
        ("FIRST_VALUE", "b", "BOOLEAN"),
        ("LISTAGG", "s", "STRING"),
        ("COLLECT", "i", "MULTISET<INT NOT NULL> NOT NULL"),
        ("ARRAY_AGG", "i", "ARRAY<INT>"),
    ],
)
def test_result_types_are_flinks(function: str, column: str, result: str) -> None:
    """SUM and AVG keep an integer's type in Flink, unlike in most databases."""
    assert str(resolve(AggCall(function, (Column(column),)), SCHEMA).typed) == result


def test_count_star_and_aliases_get_the_canonical_name() -> None:
    """Engines key their folds on the name."""
    assert resolve(AggCall("count"), SCHEMA).typed == resolve(AggCall("COUNT"), SCHEMA).typed
    resolved = resolve(AggCall("variance", (Column("d"),)), SCHEMA)
    assert isinstance(resolved, AggCall)
    assert resolved.function == "VAR_SAMP"


def test_listagg_takes_numbers_as_text_and_a_constant_separator() -> None:
    """A column as separator would change from row to row."""
    resolved = resolve(AggCall("LISTAGG", (Column("i"), Literal("; "))), SCHEMA)
    assert isinstance(resolved, AggCall)
    assert isinstance(resolved.args[0], Cast)
    with pytest.raises(TypeMismatch, match="text constant"):
        resolve(AggCall("LISTAGG", (Column("s"), Column("s"))), SCHEMA)


@pytest.mark.parametrize(
    "wrong",
    [
        AggCall("SUM", (Column("s"),)),
        AggCall("SUM"),
        AggCall("COUNT", (), True),
        AggCall("COUNT", (), False, Column("i")),
    ],
)
def test_a_wrong_call_is_refused(wrong: AggCall) -> None:
    """The user hears of it before anything runs."""
    with pytest.raises(TypeMismatch):
        resolve(wrong, SCHEMA)


def test_an_unknown_aggregate_names_near_ones() -> None:
    """A slip of the pen is answered with the right name."""
    with pytest.raises(UnknownName, match="SUMM") as error:
        resolve(AggCall("SUMM", (Column("i"),)), SCHEMA)
    assert "SUM" in (error.value.hint or "")


def test_names_are_known_in_any_case() -> None:
    """SQL names have no case."""
    assert all(is_aggregate(each.name.lower()) for each in AGGREGATES)
    assert not is_aggregate("ABS")
