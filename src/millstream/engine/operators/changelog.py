"""Changes as rows, and rows as changes.

in      any batches
state   none
out     ToChanges: one inserted row per change whose kind has a code; FromChanges: the same rows
        without the column that says the kind, as changes of that kind
reject  FromChanges: rows whose kind is NULL or unknown
notes   changes of one row within a batch may have been merged by the step that made them, so
        ToChanges tells one of the ways that lead to the same table
"""

from __future__ import annotations

import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.frames import filtered, is_there
from millstream.columns.physical import polars_schema
from millstream.engine.batch import HIDDEN, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, lowers
from millstream.engine.rejects import rejected_rows
from millstream.plan.changelog import FromChanges, Kind, ToChanges

assert [(k.name, k.value) for k in Kind] == [(o.name, int(o)) for o in Op], "one numbering of kinds"

_REST = tuple(name for name in HIDDEN if name != OP)


class SayChanges(Operator):
    """Turns change kinds into texts."""

    def __init__(self, node: ToChanges) -> None:
        self._column = node.column
        codes = {kind.value: code for code, kind in node.codes}
        self._codes = pl.Series([codes.get(op.value) for op in Op], dtype=pl.String)
        self._columns = tuple(polars_schema(node.input.schema))

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a changelog has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        if OP in frame.columns:
            said = self._codes[frame[OP].cast(pl.UInt32)]
        else:
            said = self._codes.new_from_index(Op.INSERT, frame.height)
        rest = [name for name in (*self._columns, *_REST) if name in frame.columns]
        out = pl.DataFrame([said.alias(self._column), *(frame[name] for name in rest)])
        if said.null_count():
            out = filtered(out, is_there(said))
        return Outputs(out=(out,)) if out.height else NOTHING


class TakeChanges(Operator):
    """Turns texts into change kinds."""

    def __init__(self, node: FromChanges) -> None:
        self._column = node.column
        self._kinds = {code: kind.value for code, kind in node.kinds}
        self._gives = tuple(polars_schema(node.schema))
        self._known = ", ".join(f"'{code}'" for code in self._kinds)

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a changelog has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        assert OP not in frame.columns, "rows that tell of changes do not change themselves"
        ops = frame[self._column].replace_strict(self._kinds, default=None, return_dtype=pl.Int8)
        rejected: tuple[pl.DataFrame, ...] = ()
        if ops.null_count():
            rejected = (self._rejected(frame.filter(ops.is_null())),)
            frame, ops = frame.filter(ops.is_not_null()), ops.drop_nulls()
        rest = [name for name in (*self._gives, *_REST) if name in frame.columns]
        out = pl.DataFrame([*(frame[name] for name in rest), ops.alias(OP)])
        return Outputs(out=(out,) if out.height else (), rejected=rejected)

    def _rejected(self, frame: pl.DataFrame) -> pl.DataFrame:
        said = frame[self._column]
        shown = pl.format("the kind of change '{}' is none of {}", said, pl.lit(self._known))
        reasons = frame.select(
            pl.when(said.is_null())
            .then(pl.lit(f"the kind of change ('{self._column}') is NULL"))
            .otherwise(shown)
            .alias("reason")
        ).to_series()
        return rejected_rows(frame, reasons, self.uid, port=0)


@lowers(ToChanges)
def _(node: ToChanges, _: Lowering) -> Operator:
    return SayChanges(node)


@lowers(FromChanges)
def _(node: FromChanges, _: Lowering) -> Operator:
    return TakeChanges(node)
