"""A user's table function: each row once per row the function gives for it.

in      any batches; hidden columns ride along with every copy of their row
state   none
out     the input's columns, then the function's; what is made of one row stands together, in the
        order given. A row for which nothing comes is gone, or stays with NULLs where outer
reject  a row for which an argument cannot be computed, for which the function raises, or gives
        something else than it promised: all that it gave for that row is dropped. A vectorised
        function is called with halves until the rows that fail are found
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from millstream.engine.batch import HIDDEN, Batch
from millstream.engine.calls import Call
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, lowers
from millstream.engine.program import Program
from millstream.engine.rejects import rejected_rows
from millstream.engine.rows_of_python import Shape, reason_of
from millstream.engine.stages import Compute
from millstream.expr.tree import Column, Named
from millstream.plan.table_function import CallTable

if TYPE_CHECKING:
    from collections.abc import Iterable

ARGUMENT = "$given"
"""Before the number of an argument beside its row."""
ROW = "row"
"""The column of a vectorised function's frame that says which row each row was made of."""


class TableFunction(Operator):
    """Calls the function and copies rows."""

    def __init__(self, node: CallTable, lowering: Lowering) -> None:
        given = node.input.schema
        self._udf = node.call.udf
        self._outer = node.outer
        self._names = given.names
        self._columns = node.columns
        self._shape = Shape(node.call.udf.result)
        self._args = [f"{ARGUMENT}{i}" for i in range(len(node.call.args))]
        kept = (Named(f.name, Column(f.name, type=f.type)) for f in given)
        made = (Named(name, arg) for name, arg in zip(self._args, node.call.args, strict=True))
        stage = Compute((*kept, *made))
        self._program = Program((stage,), lowering.ctx, seed=lowering.seed, uid=node.uid, port=0)

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a table function has one input"
        if not batch.frame.height:
            return NOTHING
        done = self._program.on_batch(batch)
        if not done.out:
            return done
        frame = done.out[0]
        owners, columns, failed = self._called([frame[a] for a in self._args], frame.height)
        rows = frame.drop(self._args)
        rejected = done.rejected
        if failed:
            bad = np.array(sorted(failed))
            reasons = pl.Series([f"{self._udf.name}: {failed[at]}" for at in bad])
            rejected = (*rejected, rejected_rows(rows[bad], reasons, self.uid, port=0))
            keep = pl.Series(~np.isin(owners, bad))
            owners, columns = owners[keep.to_numpy()], [c.filter(keep) for c in columns]
        out = self._beside(rows, owners, columns, failed)
        return Outputs(out=(out,) if out.height else (), rejected=rejected)

    def snapshot(self) -> Any:
        return self._program.snapshot()

    def restore(self, snapshot: Any) -> None:
        self._program.restore(snapshot)

    def _beside(
        self,
        rows: pl.DataFrame,
        owners: np.ndarray,
        columns: list[pl.Series],
        failed: dict[int, str],
    ) -> pl.DataFrame:
        """Put what was given beside the rows it was given for."""
        if self._outer:
            alone = np.ones(rows.height, dtype=np.bool_)
            alone[owners] = False
            alone[list(failed)] = False
            lonely = np.flatnonzero(alone)
            order = np.argsort(np.concatenate([owners, lonely]), kind="stable")
            take = np.concatenate([np.arange(owners.size), np.full(lonely.size, -1)])[order]
            places = pl.Series(np.where(take < 0, 0, take)).cast(pl.UInt32)
            places = places.zip_with(pl.Series(take >= 0), pl.Series([None], dtype=pl.UInt32))
            columns = [c.gather(places) for c in columns]
            owners = np.concatenate([owners, lonely])[order]
        wide = rows[owners]
        named = [c.alias(n) for c, n in zip(columns, self._columns, strict=True)]
        hidden = [wide[h] for h in HIDDEN if h in wide.columns]
        return pl.DataFrame([*(wide[n] for n in self._names), *named, *hidden])

    def _called(
        self, args: list[pl.Series], height: int
    ) -> tuple[np.ndarray, list[pl.Series], dict[int, str]]:
        """Return what was given: the row each belongs to, its columns; and why rows failed."""
        where = None
        if not self._udf.nulls_call and any(a.null_count() for a in args):
            able = np.ones(height, dtype=np.bool_)
            for arg in args:
                able &= arg.is_not_null().to_numpy()
            where = np.flatnonzero(able)
            args, height = [a.gather(where) for a in args], where.size
        failed: dict[int, str] = {}
        if self._udf.vectorised:
            owners, columns = self._whole(args, height, failed)
        else:
            owners, columns = self._by_row(args, height, failed)
        if where is not None:
            owners = where[owners]
            failed = {int(where[at]): why for at, why in failed.items()}
        return owners, columns, failed

    def _by_row(
        self, args: list[pl.Series], height: int, failed: dict[int, str]
    ) -> tuple[np.ndarray, list[pl.Series]]:
        owners: list[int] = []
        rows: list[tuple[Any, ...]] = []
        lists = [a.to_list() for a in args]
        given: Iterable[tuple[Any, ...]] = zip(*lists, strict=True) if lists else ((),) * height
        # Row by row because the user's function takes one row; `vectorised` avoids it.
        for at, values in enumerate(given):
            try:
                with Call(self._udf.fn):
                    made = [self._shape.row(value) for value in self._udf.fn(*values) or ()]
            except Exception as error:  # noqa: BLE001 (whatever the user's code raises)
                failed[at] = reason_of(error)
            else:
                owners.extend([at] * len(made))
                rows.extend(made)
        columns, wrong = self._shape.columns(rows)
        for at, why in wrong.items():
            failed.setdefault(owners[at], why)
        return np.array(owners, dtype=np.int64), columns

    def _whole(
        self, args: list[pl.Series], height: int, failed: dict[int, str]
    ) -> tuple[np.ndarray, list[pl.Series]]:
        """Call a vectorised function; halves of what fails are called again, in order."""
        found: list[tuple[np.ndarray, list[pl.Series]]] = []
        todo = [(0, height)]
        while todo:
            start, stop = todo.pop()
            if start == stop:
                continue
            try:
                given = [a[start:stop] for a in args]
                with Call(self._udf.fn):
                    answer = self._udf.fn(*given)
                made = self._checked(answer, stop - start)
            except Exception as error:  # noqa: BLE001 (whatever the user's code raises)
                if stop - start == 1:
                    failed[start] = reason_of(error)
                else:
                    middle = (start + stop) // 2
                    todo += [(middle, stop), (start, middle)]
                continue
            found.append((made[ROW].to_numpy() + start, [made[n] for n in self._shape.names]))
        if not found:
            return np.zeros(0, dtype=np.int64), self._shape.columns(())[0]
        columns = [pl.concat(parts) for parts in zip(*(c for _, c in found), strict=True)]
        return np.concatenate([o for o, _ in found]), columns

    def _checked(self, made: Any, height: int) -> pl.DataFrame:
        """Return a frame's columns with the promised types, by row; raises where it has others."""
        if not isinstance(made, pl.DataFrame):
            raise TypeError(f"gave a {type(made).__name__}, not a polars.DataFrame")
        wanted = {ROW, *self._shape.names}
        if set(made.columns) != wanted:
            raise ValueError(
                f"gave the columns ({', '.join(made.columns)}), wanted are "
                f"({', '.join((ROW, *self._shape.names))})"
            )
        made = made.with_columns(
            pl.col(ROW).cast(pl.Int64, strict=True),
            *(
                pl.col(n).cast(d, strict=True)
                for n, d in zip(self._shape.names, self._shape.dtypes, strict=True)
            ),
        ).sort(ROW, maintain_order=True)
        rows = made[ROW]
        if rows.null_count() or (made.height and (rows[0] < 0 or rows[-1] >= height)):
            raise ValueError(f"gave a '{ROW}' that is none of 0 … {height - 1}")
        return made


@lowers(CallTable)
def _(node: CallTable, lowering: Lowering) -> Operator:
    operator = TableFunction(node, lowering)
    operator.uid = node.uid
    return operator
