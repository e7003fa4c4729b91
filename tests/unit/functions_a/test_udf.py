"""User functions: one bad row must not cost the others."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from millstream.expr.tree import Column, Udf, UdfCall
from millstream.types import parse_type
from tests.unit.functions_a.evaluating import call, lowered, reasons, values

A = Column("a")
INT = {"a": "INT"}


def udf(fn: Any, result: str = "INT", **more: Any) -> UdfCall:
    """Return a call of ``fn`` on the column a."""
    return UdfCall(Udf("f", fn, None, parse_type(result), **more), (A,))


def test_an_exception_rejects_its_row_alone() -> None:
    """The reason names the function and what it raised."""

    def inverse(value: int) -> int:
        return 10 // value

    rows = {"a": [1, 0, 5]}
    assert values(udf(inverse), INT, rows) == [10, None, 2]
    found = reasons(udf(inverse), INT, rows)
    assert found[0] is None
    assert found[2] is None
    assert "the function f failed: ZeroDivisionError" in (found[1] or "")


def test_a_value_of_another_type_rejects_its_row_alone() -> None:
    """A Python function promises its type only in words."""
    rows = {"a": [1, 2, 3]}
    odd = udf(lambda v: "two" if v == 2 else v)
    assert values(odd, INT, rows) == [1, None, 3]
    assert "gave 'two', not INT" in (reasons(odd, INT, rows)[1] or "")


def test_null_is_given_unless_the_user_says_no() -> None:
    """Some functions want to see NULL, most cannot."""
    rows = {"a": [None, 2]}
    assert values(udf(lambda v: 0 if v is None else v), INT, rows) == [0, 2]
    assert values(udf(lambda v: v + 1, nulls_call=False), INT, rows) == [None, 3]


def test_a_vectorised_function_is_searched_for_its_bad_rows() -> None:
    """One call normally; where it raises, halves are tried until only bad rows are left."""
    calls: list[int] = []

    def doubled(column: pl.Series) -> pl.Series:
        calls.append(len(column))
        if (column == 7).any():
            raise ValueError("seven")
        return column * 2

    rows = {"a": list(range(16))}
    vectorised = udf(doubled, vectorised=True)
    assert values(vectorised, INT, {"a": [1, 2, 3]}) == [2, 4, 6]
    assert calls == [3]
    assert values(vectorised, INT, rows) == [None if n == 7 else n * 2 for n in range(16)]
    found = reasons(vectorised, INT, rows)
    assert [i for i, why in enumerate(found) if why is not None] == [7]
    assert "ValueError: seven" in (found[7] or "")


def test_a_vectorised_function_of_the_wrong_length_fails() -> None:
    """A shorter answer would shift every value behind the gap to another row."""
    found = reasons(udf(lambda column: column.head(1), vectorised=True), INT, {"a": [1, 2]})
    assert found == [None, None], "halves of one row each have the right length"
    found = reasons(udf(lambda column: column.head(0), vectorised=True), INT, {"a": [1, 2]})
    assert all("gave 0 values for 1 rows" in (why or "") for why in found)


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_row_is_given_once(deterministic: bool) -> None:
    """Value and failure are two expressions; the user's function may be slow or count."""
    seen: list[int] = []

    def keep(value: int) -> int:
        seen.append(value)
        return value

    expr = lowered(udf(keep, deterministic=deterministic), INT)
    for rows in ([1, 2], [3, 4], [3, 4]):
        frame = pl.DataFrame({"a": rows}, schema={"a": pl.Int32})
        seen.clear()
        fails = [part for fail in expr.fails for part in (fail.when, fail.text)]
        frame.select([part.alias(str(i)) for i, part in enumerate(fails)])
        assert frame.select(expr.value.alias("a")).equals(frame)
        assert seen in (rows, [] if deterministic else rows)


def test_a_row_that_already_failed_is_not_given_on() -> None:
    """The user's function must not see a value that was never computed."""
    seen: list[int | None] = []

    def keep(value: int | None) -> int | None:
        seen.append(value)
        return value

    inner = call("/", 10, A)
    outer = UdfCall(Udf("f", keep, None, parse_type("INT")), (inner,))
    assert reasons(outer, INT, {"a": [0]}) == ["division by zero"]
    assert seen == []
    assert values(outer, INT, {"a": [5, 0]}) == [2, None]
    assert seen == [2]
