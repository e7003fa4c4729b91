"""UNION ALL: rows of every input, in the order they come, under the names of the first.

in      any batches on any port; change kinds and marks ride along
state   none
out     the same rows; marks were lowered to the minimum of all inputs by the graph
"""

from __future__ import annotations

from millstream.columns.physical import polars_schema
from millstream.engine.batch import HIDDEN, Batch
from millstream.engine.operator import Lowering, Operator, Outputs, lowers
from millstream.plan.nodes import Union


class UnionAll(Operator):
    """Renames by position and passes on."""

    def __init__(self, node: Union) -> None:
        self._names = tuple(polars_schema(node.schema))

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        frame = batch.frame
        data = [c for c in frame.columns if c not in HIDDEN]
        if port:
            frame = frame.rename(dict(zip(data, self._names, strict=True)))
        return Outputs(out=(frame,))


@lowers(Union)
def _(node: Union, _: Lowering) -> Operator:
    return UnionAll(node)
