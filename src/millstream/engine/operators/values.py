"""VALUES: constant rows, given once when the final mark of its (empty) input comes.

in      nothing
state   whether the rows were given
out     the rows, as inserts
"""

from __future__ import annotations

import polars as pl

from millstream.columns.physical import empty_frame
from millstream.engine.batch import Batch
from millstream.engine.evaluate import literal
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.plan.nodes import Values


class ConstantRows(Operator):
    """Gives its rows once."""

    def __init__(self, node: Values) -> None:
        rows = [
            pl.select(
                [literal(cell).alias(f.name) for cell, f in zip(row, node.schema, strict=True)]
            )
            for row in node.rows
        ]
        empty = empty_frame(node.schema)
        self._frame = pl.concat([empty, *(row.cast(empty.schema) for row in rows)])
        self._given = False

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        raise AssertionError(f"VALUES reads nothing, yet {len(batch)} rows came to port {port}")

    def on_mark(self, mark_ms: int) -> Outputs:
        if self._given:
            return NOTHING
        self._given = True
        return Outputs(out=(self._frame,))

    def snapshot(self) -> Snapshot:
        return Snapshot(facts={"given": self._given})

    def restore(self, snapshot: Snapshot) -> None:
        self._given = bool(snapshot.facts["given"])


@lowers(Values)
def _(node: Values, _: Lowering) -> Operator:
    return ConstantRows(node)
