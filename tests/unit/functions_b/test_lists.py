"""Arrays and maps on batches of mixed rows, against twins in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.functions.lists import flat, together
from millstream.expr.tree import Column
from tests.unit.functions_a.evaluating import call, values

ELEMENT = st.none() | st.integers(0, 3)
ARRAY = st.lists(ELEMENT, max_size=4)
ROWS = 8


def column(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=ROWS, max_size=ROWS)


def unique(x: list[Any]) -> list[Any]:
    return list(dict.fromkeys(x))


def cut(x: list[Any], first: int, last: int) -> list[Any]:
    start = max(1, len(x) + first + 1 if first < 0 else first)
    stop = 1 if last == 0 else len(x) + last + 1 if last < 0 else last
    return x[start - 1 : max(stop, start - 1)]


Twin = Callable[..., Any]
WITH_ELEMENT: dict[str, Twin] = {
    "ARRAY_CONTAINS": lambda x, e: e in x,
    "ARRAY_APPEND": lambda x, e: [*x, e],
    "ARRAY_PREPEND": lambda x, e: [e, *x],
    "ARRAY_REMOVE": lambda x, e: [v for v in x if v != e],
    "ARRAY_POSITION": lambda x, e: None if e is None else x.index(e) + 1 if e in x else 0,
}
WITH_ARRAY: dict[str, Twin] = {
    "ARRAY_UNION": lambda x, y: unique(x + y),
    "ARRAY_INTERSECT": lambda x, y: unique([v for v in x if v in y]),
    "ARRAY_EXCEPT": lambda x, y: unique([v for v in x if v not in y]),
    "ARRAY_CONCAT": lambda x, y: x + y,
}
ALONE: dict[str, Twin] = {
    "ARRAY_DISTINCT": unique,
    "ARRAY_REVERSE": lambda x: x[::-1],
    "CARDINALITY": len,
    "ARRAY_MAX": lambda x: max((v for v in x if v is not None), default=None),
    "ARRAY_MIN": lambda x: min((v for v in x if v is not None), default=None),
    "ARRAY_SORT": lambda x: sorted(x, key=lambda v: -1 if v is None else v),
}
TYPES = {"x": "ARRAY<INT>", "y": "ARRAY<INT>", "e": "INT", "i": "INT", "j": "INT"}


@pytest.mark.parametrize("name", [*WITH_ELEMENT, *WITH_ARRAY, *ALONE])
@settings(max_examples=40, deadline=None)
@given(x=column(st.none() | ARRAY), y=column(st.none() | ARRAY), e=column(ELEMENT))
def test_array_functions_equal_their_twins(
    name: str, x: list[Any], y: list[Any], e: list[Any]
) -> None:
    """A row's elements stay in their row, also beside empty and NULL arrays."""
    rows = {"x": x, "y": y, "e": e}
    types = {n: TYPES[n] for n in rows}
    if name in WITH_ELEMENT:
        found = values(call(name, Column("x"), Column("e")), types, rows)
        twin = WITH_ELEMENT[name]
        wanted = [None if a is None else twin(a, b) for a, b in zip(x, e, strict=True)]
    elif name in WITH_ARRAY:
        found = values(call(name, Column("x"), Column("y")), types, rows)
        twin = WITH_ARRAY[name]
        pairs = zip(x, y, strict=True)
        wanted = [None if a is None or b is None else twin(a, b) for a, b in pairs]
    else:
        found = values(call(name, Column("x")), types, rows)
        wanted = [None if a is None else ALONE[name](a) for a in x]
    assert found == wanted


@settings(max_examples=60, deadline=None)
@given(x=column(st.none() | ARRAY), i=column(st.integers(-6, 6)), j=column(st.integers(-6, 6)))
def test_slices_equal_their_twin(x: list[Any], i: list[int], j: list[int]) -> None:
    """Both ends may lie outside and count from the end."""
    types = {n: TYPES[n] for n in ("x", "i", "j")}
    found = values(
        call("ARRAY_SLICE", Column("x"), Column("i"), Column("j")), types, {"x": x, "i": i, "j": j}
    )
    rows = zip(x, i, j, strict=True)
    assert found == [None if a is None else cut(a, first, last) for a, first, last in rows]


@settings(max_examples=40, deadline=None)
@given(
    maps=column(st.none() | st.dictionaries(st.integers(0, 3), ELEMENT, max_size=3)),
    keys=column(ELEMENT),
)
def test_map_access_equals_a_dictionary(
    maps: list[dict[int, int | None] | None], keys: list[int | None]
) -> None:
    """The vectorised look-up by a column of keys must not mix rows."""
    entries = [None if m is None else [{"key": k, "value": v} for k, v in m.items()] for m in maps]
    types, rows = {"m": "MAP<INT, INT>", "k": "INT"}, {"m": entries, "k": keys}
    found = values(call("ITEM", Column("m"), Column("k")), types, rows)
    pairs = zip(maps, keys, strict=True)
    assert found == [None if m is None or k is None else m.get(k) for m, k in pairs]
    merged = values(call("MAP_UNION", Column("m"), Column("m")), types, rows)
    assert merged == entries


@settings(max_examples=60, deadline=None)
@given(x=column(st.none() | ARRAY))
def test_flat_and_together_are_inverse(x: list[Any]) -> None:
    """Everything in ``lists`` rests on this."""
    series = pl.Series("x", x, dtype=pl.List(pl.Int32))
    rows, elements = flat(series)
    assert together(rows, elements, series).equals(series, null_equal=True)
