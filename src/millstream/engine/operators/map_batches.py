"""A user's function from Polars frame to Polars frame.

in      any batches; the function sees the user's columns alone, never marks or change kinds
state   none
out     its result with exactly the declared columns; hidden columns go on beside their rows, so
        where there are any, the result must have one row per row
reject  rows for which the function raises, found by halving the batch, with the exception as reason
bad     a result of another shape or type than declared is a DataError: the program is wrong
"""

from __future__ import annotations

from typing import Any

import polars as pl

from millstream.columns.physical import polars_schema
from millstream.engine.batch import HIDDEN, OFFSET, SPLIT, Batch
from millstream.engine.calls import Call
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, lowers
from millstream.engine.rejects import rejected_rows
from millstream.errors import DataError
from millstream.plan.nodes import MapBatches


class CallOnFrames(Operator):
    """Calls the function once per batch, and on halves of a batch that fails."""

    def __init__(self, node: MapBatches) -> None:
        self._fn = node.fn
        self._name = getattr(node.fn, "__name__", "the function")
        self._gives = polars_schema(node.gives)

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "map_batches has one input"
        out: list[pl.DataFrame] = []
        rejected: list[pl.DataFrame] = []
        if not len(batch):
            return NOTHING
        # A stack and not a recursion: first halves come first, so that rows keep their order.
        todo = [batch.frame]
        while todo:
            frame = todo.pop()
            try:
                given = frame.drop(HIDDEN, strict=False)
                with Call(self._fn):
                    made = self._fn(given)
            except Exception as error:  # noqa: BLE001 (a user's function may raise anything)
                if frame.height == 1:
                    reason = f"{self._name}: {type(error).__name__}: {error}"
                    rejected.append(rejected_rows(frame, reason, self.uid, port=0))
                else:
                    half = frame.height // 2
                    todo += [frame[half:], frame[:half]]
                continue
            out.append(self._checked(made, frame))
        return Outputs(out=tuple(f for f in out if f.height), rejected=tuple(rejected))

    def _checked(self, made: Any, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the declared columns, the hidden ones beside them."""
        if not isinstance(made, pl.DataFrame):
            raise self._wrong(
                f"gave a {type(made).__name__}, not a polars.DataFrame",
                "Return a DataFrame; collect() a LazyFrame first.",
            )
        if set(made.columns) != set(self._gives):
            raise self._wrong(
                f"gave the columns ({', '.join(made.columns)}), "
                f"declared are ({', '.join(self._gives)})",
                "Return exactly the declared columns, or declare what it returns.",
            )
        hidden = [h for h in HIDDEN if h in frame.columns]
        if made.height != frame.height:  # the places of rows are a courtesy, and end here
            hidden = [h for h in hidden if h not in (SPLIT, OFFSET)]
        if hidden and made.height != frame.height:
            raise self._wrong(
                f"gave {made.height} rows for {frame.height}",
                "It must give one row per row, in order: rows carry their change kind, mark or "
                "position along. Drop rows with filter() instead.",
            )
        columns = [self._typed(made[name], dtype) for name, dtype in self._gives.items()]
        return pl.DataFrame([*columns, *(frame[h] for h in hidden)])

    def _typed(self, column: pl.Series, dtype: pl.DataType) -> pl.Series:
        have = column.dtype
        if have == dtype:
            return column
        alike = (
            have == pl.Null
            or (have.is_integer() and dtype.is_integer())
            or (have.is_float() and dtype.is_float())
            or (isinstance(have, pl.Datetime) and isinstance(dtype, pl.Datetime))
        )
        same_zone = getattr(have, "time_zone", None) == getattr(dtype, "time_zone", None)
        if alike and (same_zone or have == pl.Null):
            try:
                return column.cast(dtype)
            except pl.exceptions.InvalidOperationError as error:
                raise self._wrong(f"gave '{column.name}' out of range: {error}", "") from None
        raise self._wrong(
            f"gave '{column.name}' as {have}, declared is {dtype}",
            f"Cast it in the function: pl.col({column.name!r}).cast(…), or declare another type.",
        )

    def _wrong(self, fact: str, hint: str) -> DataError:
        return DataError(f"{self._name} {fact}.", where=f"step '{self.uid}'", hint=hint or None)


@lowers(MapBatches)
def _(node: MapBatches, _: Lowering) -> Operator:
    return CallOnFrames(node)
