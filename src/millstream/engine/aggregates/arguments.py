"""Aggregate arguments and filters as columns.

in      aggregates over any expressions
out     the same aggregates over columns, and the program that computes those columns beside the
        ones to keep; a row that fails there is rejected
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from millstream.engine.batch import Batch
from millstream.engine.functions import Context
from millstream.engine.program import Program
from millstream.engine.stages import Compute
from millstream.expr.tree import AggCall, Column, Expr, Literal, Named
from millstream.types import Schema

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Arguments:
    """How to prepare a batch; ``program`` is None where all arguments are columns already."""

    aggs: tuple[Named, ...]
    program: Program | None

    @classmethod
    def of(
        cls,
        aggs: tuple[Named, ...],
        keep: tuple[str, ...],
        schema: Schema,
        ctx: Context,
        *,
        seed: int,
        uid: str,
    ) -> Arguments:
        """Name the expressions of aggregates."""
        made: dict[Expr, str] = {}
        read: list[str] = list(keep)

        def column(expr: Expr) -> Column:
            if isinstance(expr, Column):
                read.append(expr.name)
                return expr
            name = made.setdefault(expr, f"$arg{len(made)}")
            return Column(name, type=expr.typed)

        new: list[Named] = []
        for agg in aggs:
            call = agg.expr
            assert isinstance(call, AggCall), "only AggCall below an aggregate"
            # A second argument (LISTAGG's separator) is a constant and stays one.
            args = tuple(
                a if i and isinstance(a, Literal) and call.udf is None else column(a)
                for i, a in enumerate(call.args)
            )
            where = None if call.filter is None else column(call.filter)
            new.append(Named(agg.name, replace(call, args=args, filter=where)))
        if not made:
            return cls(tuple(new), None)
        kept = [Named(n, Column(n, type=schema.type_of(n))) for n in dict.fromkeys(read)]
        computed = [Named(name, expr) for expr, name in made.items()]
        program = Program((Compute((*kept, *computed)),), ctx, seed=seed, uid=uid, port=0)
        return cls(tuple(new), program)

    @property
    def may_reject(self) -> bool:
        """Whether an argument, or a user's function of one, may fail."""
        calls = (named.expr for named in self.aggs)
        users = any(isinstance(call, AggCall) and call.udf is not None for call in calls)
        return users or (self.program is not None and self.program.can_fail)

    def prepare(self, batch: Batch) -> tuple[pl.DataFrame, tuple[pl.DataFrame, ...]]:
        """Return the rows with their argument columns, and those rejected."""
        if self.program is None or not batch.frame.height:
            return batch.frame, ()
        outputs = self.program.on_batch(batch)
        if outputs.out:
            return outputs.out[0], outputs.rejected
        return batch.frame.clear(), outputs.rejected
