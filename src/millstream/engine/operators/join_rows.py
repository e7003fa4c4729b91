"""Rows of two sides put together: the condition on pairs, and NULLs where a partner is missing.

in      frames of left and right rows of equal height, or of one side alone
out     frames with the columns of the join; pairs whose condition is not TRUE are gone
reject  a pair whose condition cannot be computed is rejected, and is no match
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from millstream.columns.frames import gathered_columns, picked
from millstream.columns.physical import polars_schema
from millstream.engine.batch import Batch
from millstream.engine.operator import Lowering
from millstream.engine.program import Program
from millstream.engine.stages import Keep
from millstream.engine.state.codec import nulls

if TYPE_CHECKING:
    import numpy as np

    from millstream.expr.tree import Expr
    from millstream.plan.joins import JoinKind
    from millstream.types import Schema

LEFT, RIGHT = "$left", "$right"
"""Which row of each side a pair is made of, while pairs are checked."""


class JoinRows:
    """Makes the result rows of one join."""

    def __init__(
        self,
        sides: tuple[Schema, Schema],
        kind: JoinKind,
        residual: Expr | None,
        lowering: Lowering,
        uid: str,
    ) -> None:
        self.left, self.right = (polars_schema(side) for side in sides)
        self.names = (tuple(self.left), tuple(self.right))
        self.kind = kind
        self.check: Program | None = None
        if residual is not None:
            self.check = Program((Keep(residual),), lowering.ctx, seed=lowering.seed, uid=uid)

    def passed(
        self, pairs: pl.DataFrame, read_at_ms: int = 0
    ) -> tuple[pl.DataFrame, tuple[pl.DataFrame, ...]]:
        """Return the pairs that meet the condition, and those rejected; other columns stay."""
        if self.check is None or not pairs.height:
            return pairs, ()
        outputs = self.check.on_batch(Batch(pairs, None, read_at_ms))
        return outputs.out[0] if outputs.out else pairs.clear(), outputs.rejected

    def given(self, pairs: pl.DataFrame, *more: str) -> pl.DataFrame:
        """Return pairs with the columns of the join and ``more``."""
        return picked(pairs, (*self.left, *self.right, *more))

    def left_alone(self, rows: pl.DataFrame, *more: str) -> pl.DataFrame:
        """Return left rows with NULLs for their partner's columns."""
        own = (rows[name] for name in self.left)
        return pl.DataFrame([*own, *_nulls(self.right, rows.height), *(rows[m] for m in more)])

    def right_alone(self, rows: pl.DataFrame, *more: str) -> pl.DataFrame:
        """Return right rows with NULLs for their partner's columns."""
        own = (rows[name] for name in self.right)
        return pl.DataFrame([*_nulls(self.left, rows.height), *own, *(rows[m] for m in more)])

    def late(self, rows: pl.DataFrame, port: int) -> pl.DataFrame:
        """Return late rows of one side, as the plan's LateRows shows them."""
        return self.right_alone(rows) if port else self.left_alone(rows)


def pairs_of(
    left: pl.DataFrame, right: pl.DataFrame, at_left: np.ndarray, at_right: np.ndarray
) -> pl.DataFrame:
    """Return pairs of rows side by side, with the places they came from."""
    sides = gathered_columns(left.get_columns(), at_left)
    sides += gathered_columns(right.get_columns(), at_right)
    return pl.DataFrame([*sides, pl.Series(LEFT, at_left), pl.Series(RIGHT, at_right)])


def _nulls(schema: pl.Schema, rows: int) -> list[pl.Series]:
    return [nulls(d, rows).alias(n) for n, d in schema.items()]
