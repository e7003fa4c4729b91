"""UNNEST: each row once per element of its collection.

in      any batches; hidden columns ride along with every copy of their row
state   none
out     the input's columns, then those of the element and its number; the rows of one row stand
        together, in the order of the collection. A row whose collection is empty or NULL gives
        nothing, or itself once with NULLs where the join is outer
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.frames import gathered
from millstream.columns.physical import polars_schema
from millstream.engine.batch import HIDDEN, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, lowers
from millstream.engine.state.codec import nulls
from millstream.plan.expand import Expand


class Unnested(Operator):
    """Copies rows per element."""

    def __init__(self, node: Expand) -> None:
        self._column = node.call.column
        self._names = node.input.schema.names
        self._kind = node.input.schema.type_of(self._column)
        self._gives = polars_schema(node.schema)
        self._made = node.columns.names
        self._ordinality = node.call.ordinality
        self._outer = node.outer

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "UNNEST has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        counts, elements = self._elements(frame[self._column])
        given = np.maximum(counts, 1) if self._outer else counts
        rows = np.repeat(np.arange(frame.height), given)
        if not rows.size:
            return NOTHING
        numbers = np.arange(rows.size) - (np.cumsum(given) - given)[rows] + 1
        if self._outer:
            # A row without elements reads none: its place among them is NULL.
            at = (np.cumsum(counts) - counts)[rows] + numbers - 1
            there = counts[rows] > 0
            take = pl.Series(np.where(there, at, 0)).cast(pl.UInt32)
            take = take.zip_with(pl.Series(there), nulls(pl.UInt32(), take.len()))
            elements = [e[take] for e in elements]
        made = list(elements)
        if self._ordinality:
            number = pl.Series(numbers)
            if self._outer:
                number = number.zip_with(pl.Series(counts[rows] > 0), pl.Series([None]))
            made.append(number)
        wide = gathered(frame, rows)
        columns = [wide[name] for name in self._names]
        columns += [
            values.alias(name).cast(self._gives[name])
            for name, values in zip(self._made, made, strict=True)
        ]
        columns += [wide[h] for h in HIDDEN if h in wide.columns]
        return Outputs(out=(pl.DataFrame(columns),))

    def _elements(self, lists: pl.Series) -> tuple[np.ndarray, list[pl.Series]]:
        """Return how many elements each row has, and the columns of all elements in order."""
        lengths = lists.list.len()
        lengths = lengths.fill_null(0) if lengths.null_count() else lengths
        counts = lengths.to_numpy().astype(np.int64)
        values = (lists if counts.all() else lists.filter(pl.Series(counts > 0))).explode()
        match self._kind:
            case t.Map():
                return counts, [values.struct.field(f.name) for f in _fields(values)]
            case t.Multiset(element=element):
                element_name, times_name = (f.name for f in _fields(values))
                times = values.struct.field(times_name).to_numpy().astype(np.int64)
                owner = np.repeat(np.arange(counts.size), counts)
                counts = np.bincount(owner, weights=times, minlength=counts.size).astype(np.int64)
                values = values.struct.field(element_name)[np.repeat(np.arange(times.size), times)]
            case t.Array(element=element):
                pass
            case _:
                raise AssertionError(f"{self._kind} is no collection")
        if isinstance(element, t.Row):
            return counts, [values.struct.field(f.name) for f in _fields(values)]
        return counts, [values]


def _fields(values: pl.Series) -> list[pl.Field]:
    kind = values.dtype
    assert isinstance(kind, pl.Struct), "pairs and rows are structs"
    return kind.fields


@lowers(Expand)
def _(node: Expand, _: Lowering) -> Operator:
    return Unnested(node)
