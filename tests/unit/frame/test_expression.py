"""Expressions: what operators mean, how they print, what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import millstream as ms
from millstream import col

NUMBERS = ms.read_memory([{"a": 7, "b": 2, "x": 7.5, "t": "ab"}], name="numbers")


def first(*columns, **named):
    return NUMBERS.select(*columns, **named).collect().rows()[0]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-9, 9).filter(bool)), min_size=1))
def test_division_is_pythons_own(pairs):
    """Readers of Python read / // % as Python means them; Python itself is the oracle."""
    rows = ms.read_memory([{"a": a, "b": b} for a, b in pairs])
    given = rows.select(
        true=col("a") / col("b"), floor=col("a") // col("b"), rest=col("a") % col("b")
    )
    assert given.collect().rows() == [(a / b, a // b, a % b) for a, b in pairs]


def test_operators_work_from_both_sides():
    """A constant may stand first: Python then asks the right operand."""
    assert first(p=1 + col("a"), m=10 - col("a"), t=3 * col("a"), d=1 / col("b")) == (
        8,
        3,
        21,
        0.5,
    )


def test_comparisons_and_logic():
    """& | ~ are SQL's AND, OR, NOT; a comparison with NULL is neither true nor false."""
    assert first(y=(col("a") > 5) & ~(col("b") == 3) | (col("x") < 0)) == (True,)
    rows = ms.read_memory([{"a": 1}, {"a": None}, {"a": 3}])
    assert rows.filter(col("a") != 1).collect().rows() == [(3,)]
    assert rows.filter(~(col("a") != 1)).collect().rows() == [(1,)]


def test_null_helpers_and_membership():
    """The three ways to deal with NULL, and IN, are spelled as in Polars."""
    rows = ms.read_memory([{"a": 1}, {"a": None}])
    found = rows.select(
        null=col("a").is_null(), there=col("a").is_not_null(), filled=col("a").fill_null(9)
    )
    assert found.collect().rows() == [(False, True, 1), (True, False, 9)]
    assert first(i=col("a").is_in([1, 7]), n=col("a").is_in([]), w=col("a").is_between(7, 8)) == (
        True,
        False,
        True,
    )


def test_when_picks_the_first_true_condition():
    """CASE asks its conditions in order; without otherwise the rest is NULL."""
    size = ms.when(col("a") > 9).then("big").when(col("a") > 5).then("mid").otherwise("small")
    assert first(size=size, none=ms.when(col("a") > 9).then(1)) == ("mid", None)


def test_an_expression_has_no_truth_value():
    """`and`, `or`, `if` on an expression is the most common slip: it must not pass in silence."""
    with pytest.raises(ms.PlanError, match="no truth value") as caught:
        bool(col("a") > 1 and col("b") > 1)
    assert "Write & for and" in str(caught.value)


def test_an_unknown_column_is_marked_in_the_users_own_line():
    """The error shows the expression in the program, not a line of ours."""
    with pytest.raises(ms.UnknownName) as caught:
        NUMBERS.filter(col("a") + col("bb") > 1)
    text = str(caught.value)
    assert "Unknown column 'bb'" in text
    assert 'col("bb")' in text
    marked = text.splitlines()[3]
    line = text.splitlines()[2]
    start = marked.index("^")
    assert line[start : start + marked.count("^")] == 'col("bb")'


def test_names_come_from_alias_or_first_column():
    """A projection without names must still name its columns as a reader expects."""
    assert (col("a") + col("b")).name == "a"
    assert (col("a") + 1).alias("next").name == "next"
    assert ms.lit(1).name == "literal"
    assert repr((-col("a")).alias("minus")) == "-a AS minus"
    assert repr((col("a") / 2 > 1) & (col("b") == "x")) == "(((a / 2) > 1) AND (b = 'x'))"


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        (col("t").str.upper(), "AB"),
        (col("t").str.length(), 2),
        (col("t").str.slice(0, 1), "a"),
        (col("t").str.slice(-1), "b"),
        (col("t").str.contains("b"), True),
        (col("t").str.starts_with("b"), False),
        (col("t").str.replace("a", "c"), "cb"),
        (col("t").str.pad_start(4, "-"), "--ab"),
        (col("t").str.like("a%"), True),
        (col("t").str.matches("^a.$"), True),
        (col("t").str.extract("a(.)"), "b"),
        (col("t") + "c", "abc"),
        (col("x").round(), 8.0),
        (col("x").floor(), 7.0),
        (col("x").cast("INT"), 7),
        (col("t").try_cast("INT"), None),
        (-col("a"), -7),
        (col("a") ** 2, 49.0),
        (ms.call("GREATEST", col("a"), col("b")), 7),
        (ms.coalesce(ms.lit(None), col("a")), 7),
    ],
    ids=str,
)
def test_methods_give_what_their_name_says(expression, want):
    """Every method is a thin name for a catalogue function; a wrong argument order shows here."""
    assert first(expression.alias("it")) == (want,)


def test_parts_of_a_time():
    """Parts of a time are thin names too; 2026-01-31 is a Saturday."""
    rows = ms.read_memory([{"ts": "2026-01-31 13:14:15"}], schema={"ts": "TIMESTAMP(3)"})
    at = col("ts").dt
    parts = rows.select(
        year=at.year(), month=at.month(), day=at.day(), hour=at.hour(), minute=at.minute(),
        second=at.second(), weekday=at.weekday(), text=at.format("dd.MM.yyyy"),
    )  # fmt: skip
    assert parts.collect().rows() == [(2026, 1, 31, 13, 14, 15, 7, "31.01.2026")]
