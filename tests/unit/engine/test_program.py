"""Fused filters and projections: what a row costs, and where it goes."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from millstream.columns.frames import FEW_ROWS
from millstream.engine.batch import OP, Batch
from millstream.engine.evaluate import lower
from millstream.engine.functions import Context
from millstream.engine.functions.cast import lower_cast
from millstream.engine.functions.series import is_constant
from millstream.engine.program import Program
from millstream.engine.sharing import sharing
from millstream.engine.stages import Add, Compute, Keep, Stage
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call, Cast, Column, Expr, Literal, Named, Udf, UdfCall
from millstream.types import Date, Double, Int, Schema, Timestamp, VarChar
from millstream.types import Decimal as DecimalType
from millstream.types.logical import LogicalType

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


WIDE = Schema.of({"a": "INT", "b": "INT", "r": "ROW<x INT, y STRING>"})


def _wide() -> pl.DataFrame:
    rows = [{"x": 1, "y": "one"}, None, {"x": 3, "y": "three"}, {"x": 4, "y": None}]
    return pl.DataFrame(
        {"a": [1, 2, 3, None], "b": [10, 20, 30, 40], "r": rows},
        schema={"a": pl.Int32, "b": pl.Int32, "r": pl.Struct({"x": pl.Int32, "y": pl.String})},
    )


def _over(expr: Expr) -> Expr:
    return resolve(expr, WIDE)


@pytest.mark.parametrize("times", [1, FEW_ROWS])
@pytest.mark.parametrize("after", ["fields", "sum", "constant", "nothing", "filter"])
def test_what_a_filter_leaves_out_changes_nothing(after: str, times: int) -> None:
    """Columns that nobody reads behind it are not gathered; fields are taken out before it.

    Few rows take another way, where the columns behind a filter are computed with it.
    """
    keep = Keep(_over(Call(">=", (Column("a"), Literal(2)))))
    field = _over(Call("FIELD", (Column("r"), Literal("y"))))
    total = _over(Call("+", (Column("b"), Literal(1))))
    stages: dict[str, tuple[Stage, ...]] = {
        "fields": (keep, Compute((Named("y", field), Named("b", _over(Column("b")))))),
        "sum": (keep, Compute((Named("s", total),))),
        "constant": (keep, Compute((Named("c", _over(Literal(7))),))),
        "nothing": (keep,),
        "filter": (
            keep,
            Keep(_over(Call("<", (Column("b"), Literal(30))))),
            Compute((Named("s", total),)),
        ),
    }
    wanted = {
        "fields": {"y": [None, "three"], "b": [20, 30]},
        "sum": {"s": [21, 31]},
        "constant": {"c": [7, 7]},
        "nothing": {"a": [2, 3], "b": [20, 30], "r": [None, {"x": 3, "y": "three"}]},
        "filter": {"s": [21]},
    }
    ops = pl.Series(OP, [0, 1, 2, 3], dtype=pl.Int8)
    for frame in (_wide(), _wide().with_columns(ops)):
        program = _program(*stages[after])
        (out,) = program.on_batch(Batch(pl.concat([frame] * times), None, 0)).out
        passed = [1] if after == "filter" else [1, 2]
        hidden = {OP: passed} if OP in frame.columns else {}
        once = wanted[after] | hidden
        assert out.to_dict(as_series=False) == {name: v * times for name, v in once.items()}


def test_a_function_is_not_asked_for_rows_that_a_filter_takes_away() -> None:
    """Few rows are filtered and computed in one go; a user's function may cost more than that."""
    seen: list[int] = []
    keep = Keep(resolve(Call(">", (Column("a"), Literal(1))), SCHEMA))
    program = _program(keep, Compute((Named("f", _counted(seen, deterministic=True)),)))
    (out,) = program.on_batch(Batch(_rows(1, 2, 3), None, 0)).out
    assert out["f"].to_list() == [3, 4]
    assert seen == [3, 4]


@pytest.mark.parametrize(
    ("value", "to"),
    [
        (Decimal("0.5"), Double()),
        (Decimal("0.5"), DecimalType(10, 3)),
        ("2026-11-22", Date()),
        ("2026-11-22 10:00:00.123", Timestamp(3)),
        (7, VarChar()),
    ],
)
def test_a_constant_is_computed_once(value: object, to: LogicalType) -> None:
    """What has the same value for every row is no work of a batch, and cannot fail there."""
    expr = resolve(Cast(Literal(value), to), SCHEMA)
    folded = lower(expr, Context())
    assert is_constant(folded.value)
    assert not folded.fails
    assert "cast" not in str(folded.value).lower()
    assert isinstance(expr, Cast)
    plain = lower_cast(expr, lower(expr.arg, Context()), Context())
    assert_frame_equal(pl.select(c=folded.value), pl.select(c=plain.value))


def test_a_constant_that_fails_does_so_where_it_is_reached() -> None:
    """CASE WHEN a > 1 THEN CAST('x' AS INT) END is no mistake of the rows with a = 1."""
    bad = Cast(Literal("x"), Int())
    case = resolve(Call("CASE", (Call(">", (Column("a"), Literal(1))), bad, Literal(0))), SCHEMA)
    outputs = _program(Compute((Named("c", case),))).on_batch(Batch(_rows(1, 2), None, 0))
    assert outputs.out[0]["c"].to_list() == [0]
    assert outputs.rejected[0].height == 1


def test_rows_that_fail_behind_a_filter_are_rejected_whole() -> None:
    """A reader of rejected rows wants the row as it came, also columns that nobody else reads."""
    keep = Keep(_over(Call(">=", (Column("a"), Literal(2)))))
    inverse = _over(Call("/", (Literal(1), Call("-", (Column("b"), Literal(20))))))
    program = _program(keep, Compute((Named("i", inverse),)))
    outputs = program.on_batch(Batch(_wide(), None, 0))
    assert outputs.rejected[0]["row"].to_list() == [{"a": 2, "b": 20, "r": None}]
    assert outputs.out[0].height == 1


TEXTS = Schema.of({"s": "STRING", "n": "INT"})


def test_a_value_asked_for_twice_is_computed_once() -> None:
    """Between a filter and the projection behind it Polars would compute it twice."""
    lowered = Call("LOWER", (Column("s"),))
    keep = Keep(resolve(Call("<>", (lowered, Literal("b"))), TEXTS))
    twice = resolve(Call("||", (lowered, lowered)), TEXTS)
    stages = (keep, Compute((Named("t", twice), Named("n", Column("n", type=Int())))))
    added, kept, computed = sharing(stages, lambda _: False)
    assert isinstance(added, Add)
    assert str(added.column.expr) == "LOWER(s)"
    assert all("LOWER" not in str(stage) for stage in (kept, computed))
    frame = pl.DataFrame({"s": ["A", "B", None], "n": pl.Series([1, 2, 3], dtype=pl.Int32)})
    (out,) = _program(*stages).on_batch(Batch(frame, None, 0)).out
    assert out.to_dict(as_series=False) == {"t": ["aa"], "n": [1]}


def test_what_fails_or_stays_in_the_rows_is_not_shared() -> None:
    """A row is rejected by the stage that needs the value; a filter alone adds no column."""
    lowered = Call("LOWER", (Column("s"),))
    either = Call("OR", (Call("=", (lowered, Literal("a"))), Call("=", (lowered, Literal("b")))))
    alone = (Keep(resolve(either, TEXTS)),)
    assert sharing(alone, lambda _: False) == alone
    followed = (*alone, Compute((Named("n", Column("n", type=Int())),)))
    assert len(sharing(followed, lambda _: False)) == 3
    assert sharing(followed, lambda _: True) == followed
