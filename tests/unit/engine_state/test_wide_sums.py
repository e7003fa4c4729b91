"""192-bit sums against Python's integers."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.aggregates.base import Fold, Home
from millstream.engine.aggregates.wide import WideSum
from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.slots import SlotRows

WIDE = Context(prec=200)


def folded(
    values: list[Decimal | int], arg: pl.DataType, out: pl.DataType, average: bool
) -> object:
    made = WideSum(arg, out, average=average)
    arena = Arena()
    rows = SlotRows(arena, 1 + made.words)
    made.settle(Home(arena, ByteHeap(arena), rows, 1, 7))
    slot = rows.take(1)
    column = pl.Series(values, dtype=arg)
    slots = np.zeros(len(values), dtype=np.int64)
    made.fold(Fold(slots, column, NO_WORDS, slots))
    return made.result(slot)[0]


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_decimal_sums_and_means_are_exact(units: list[int]) -> None:
    """A sum beyond 38 digits is NULL, any other is exact; a mean rounds half up."""
    values = [WIDE.scaleb(Decimal(u), -2) for u in units]
    arg = pl.Decimal(38, 2)
    total = sum(units)
    fits = abs(total) < 10**38
    assert folded(values, arg, arg, average=False) == (
        WIDE.scaleb(Decimal(total), -2) if fits else None
    )
    mean = WIDE.divide(Decimal(total), Decimal(100 * len(units)))
    mean = mean.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP, context=WIDE)
    wanted = mean if abs(mean) < 10**32 else None
    assert folded(values, arg, pl.Decimal(38, 6), average=True) == wanted


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_integer_means_do_not_overflow(values: list[int]) -> None:
    """Flink's AVG(BIGINT) overflows in its sum; ours gives the mean, toward zero."""
    total = sum(values)
    mean = abs(total) // len(values) * (1 if total >= 0 else -1)
    assert folded(values, pl.Int64(), pl.Int64(), average=True) == mean
