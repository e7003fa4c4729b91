"""UNNEST against a naive twin: every row beside its elements, whatever the cuts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch
from millstream.engine.operators.expand import Unnested
from millstream.plan.expand import Expand, Unnest, element_columns
from millstream.plan.nodes import Scan
from millstream.plan.table import Physical, Table
from millstream.types import Field, Schema, parse_type

NULLABLE_INT = st.none() | st.integers(-3, 3)
ROW = st.none() | st.fixed_dictionaries({"a": NULLABLE_INT, "b": NULLABLE_INT})
PAIR = st.fixed_dictionaries({"key": NULLABLE_INT, "value": st.integers(1, 3)})
KINDS = {
    "ARRAY<INT>": (NULLABLE_INT, lambda e: [(e,)]),
    "ARRAY<ROW<a INT, b INT>>": (ROW, lambda e: [(e["a"], e["b"]) if e else (None, None)]),
    "MAP<INT, INT>": (PAIR, lambda e: [(e["key"], e["value"])]),
    "MULTISET<INT>": (PAIR, lambda e: [(e["key"],)] * e["value"]),
}


def expand(kind: str, *, ordinality: bool, outer: bool) -> Expand:
    """A node that unnests the column c of (id, c)."""
    stored = (Physical("id", parse_type("INT")), Physical("c", parse_type(kind)))
    fields = element_columns(parse_type(kind), ordinality=ordinality)
    columns = Schema(tuple(Field(f"e{i}", f.type) for i, f in enumerate(fields)))
    scan = Scan(table=Table("t", stored, "memory"))
    return Expand(input=scan, call=Unnest("c", ordinality), columns=columns, outer=outer)


def naive(rows: list[Any], kind: str, *, ordinality: bool, outer: bool) -> list[tuple[Any, ...]]:
    """Ten lines that are plainly right."""
    given_by = KINDS[kind][1]
    found: list[tuple[Any, ...]] = []
    width = len(element_columns(parse_type(kind)))
    for i, collection in enumerate(rows):
        made = [cells for e in collection or [] for cells in given_by(e)]
        numbered = [(*cells, n) if ordinality else cells for n, cells in enumerate(made, 1)]
        if not numbered and outer:
            numbered = [(None,) * (width + ordinality)]
        found += [(i, *cells, i % 4) for cells in numbered]
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outer", [False, True])
@pytest.mark.parametrize("ordinality", [False, True])
@given(data=st.data())
def test_elements_stand_beside_their_row(
    kind: str, outer: bool, ordinality: bool, data: st.DataObject
) -> None:
    """Counts, NULLs, order, numbers and hidden columns are those of a plain loop."""
    elements = st.lists(KINDS[kind][0], max_size=3)
    rows = data.draw(st.lists(st.none() | elements, max_size=6))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=2))
    node = expand(kind, ordinality=ordinality, outer=outer)
    frame = pl.DataFrame(
        {"id": range(len(rows)), "c": rows}, schema=polars_schema(node.input.schema)
    ).with_columns(pl.Series(OP, [i % 4 for i in range(len(rows))], dtype=pl.Int8))
    operator, found = Unnested(node), []
    for start, end in pairwise([0, *sorted(cuts), len(rows)]):
        for out in operator.on_batch(Batch(frame[start:end])).out:
            assert out.columns == [*node.schema.names, OP]
            assert out.drop(OP).schema == polars_schema(node.schema)
            found += out.drop("c").rows()
    assert found == naive(rows, kind, ordinality=ordinality, outer=outer)
