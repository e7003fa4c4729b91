"""Fused filters and projections: what a row costs, and where it goes."""

from __future__ import annotations

import polars as pl
import pytest

from millstream.engine.batch import Batch
from millstream.engine.functions import Context
from millstream.engine.program import Compute, Keep, Program, Stage
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call, Column, Expr, Literal, Named, Udf, UdfCall
from millstream.types import Int, Schema

SCHEMA = Schema.of({"a": "INT"})


def _program(*stages: Stage) -> Program:
    return Program(stages, Context(), seed=0, uid="p")


def _rows(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"a": values}, schema={"a": pl.Int32})


def _counted(seen: list[int], *, deterministic: bool) -> Expr:
    """Return a user's function of a + 1 that gives another value at each call."""

    def fn(value: int) -> int:
        seen.append(value)
        if value == 0:
            raise ValueError("nothing")
        return value if deterministic else len(seen)

    udf = Udf("f", fn, None, Int(), deterministic=deterministic)
    return resolve(UdfCall(udf, (Call("+", (Column("a"), Literal(1))),)), SCHEMA)


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_row_is_given_to_a_user_function_once(deterministic: bool) -> None:
    """Value and failure are two expressions; a function that counts must not count twice."""
    seen: list[int] = []
    program = _program(Compute((Named("n", _counted(seen, deterministic=deterministic)),)))
    outputs = program.on_batch(Batch(_rows(4, -1, 5), None, 0))
    assert seen == [5, 0, 6]
    assert outputs.out[0]["n"].to_list() == ([5, 6] if deterministic else [1, 3])
    assert outputs.rejected[0]["row"].to_list() == [{"a": -1}]


def test_equal_batches_are_given_to_a_changing_function_again() -> None:
    """An answer is kept for its own batch only, however much the next one looks like it."""
    seen: list[int] = []
    program = _program(Compute((Named("n", _counted(seen, deterministic=False)),)))
    frame = _rows(4, 5)
    answers = [program.on_batch(Batch(frame, None, 0)).out[0]["n"].to_list() for _ in range(2)]
    assert answers == [[1, 2], [3, 4]]


def test_a_filter_that_fails_rejects_and_keeps_the_columns() -> None:
    """A failing predicate is neither true nor false; nothing of the work stays in the rows."""
    inverse = Call(">", (Call("/", (Literal(10), Column("a"))), Literal(2)))
    outputs = _program(Keep(resolve(inverse, SCHEMA))).on_batch(Batch(_rows(0, 2, 9), None, 0))
    assert outputs.out[0].to_dict(as_series=False) == {"a": [2]}
    assert outputs.rejected[0]["reason"].to_list() == ["division by zero"]


def test_a_constant_that_fails_rejects_every_row() -> None:
    """A constant has one row of its own, its input may have many."""
    broken = resolve(Call("/", (Literal(1), Literal(0))), SCHEMA)
    outputs = _program(Compute((Named("n", broken),))).on_batch(Batch(_rows(1, 2), None, 0))
    assert not outputs.out
    assert outputs.rejected[0].height == 2
