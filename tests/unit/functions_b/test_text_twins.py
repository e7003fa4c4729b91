"""Text functions on batches of mixed rows, against ten-line twins in plain Python.

The cases hold one value in every row; only a mixed batch shows a value that leaks to its neighbour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.expr.tree import Column
from tests.unit.functions_a.evaluating import call, values

TEXT = st.text(alphabet="abAB ,.é😀\n", max_size=6)
SMALL = st.integers(-8, 8)
ROWS = 12


def column(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, min_size=ROWS, max_size=ROWS)


def substring(x: str, start: int, length: int) -> str | None:
    if length < 0:
        return None
    begin = start - 1 if start > 0 else 0 if start == 0 else len(x) + start
    return x[begin : begin + length] if 0 <= begin < len(x) else ""


def overlay(x: str, by: str, start: int, length: int) -> str:
    if not 0 < start <= len(x):
        return x
    tail = x[start - 1 + length :] if length > 0 and start + length <= len(x) else ""
    return x[: start - 1] + by + tail


def locate(part: str, x: str, start: int) -> int:
    return 1 if not part else x.find(part, max(0, start - 1)) + 1


def lpad(x: str, length: int, filling: str) -> str | None:
    if length < 0 or not filling:
        return None
    room = max(0, length - len(x))
    return (filling * length)[:room] + x[:length]


def split_index(x: str, by: str, index: int) -> str | None:
    if not x or index < 0:
        return None
    parts = x.split(by) if by else x.replace("\n", " ").split(" ")
    return parts[index] if index < len(parts) else None


TWINS: dict[str, tuple[Callable[..., Any], str]] = {
    "SUBSTRING": (substring, "xii"),
    "OVERLAY": (overlay, "xxii"),
    "LOCATE": (locate, "xxi"),
    "LPAD": (lpad, "xix"),
    "SPLIT_INDEX": (split_index, "xxi"),
    "LEFT": (lambda x, n: x[: max(0, n)], "xi"),
    "RIGHT": (lambda x, n: x[max(0, len(x) - n) :] if n > 0 else "", "xi"),
    "REPEAT": (lambda x, n: x * max(0, n), "xi"),
    "REPLACE": (lambda x, a, b: x.replace(a, b), "xxx"),
    "REVERSE": (lambda x: x[::-1], "x"),
    "CHAR_LENGTH": (len, "x"),
    "POSITION": (lambda part, x: x.find(part) + 1, "xx"),
    "STARTSWITH": (str.startswith, "xx"),
    "ENDSWITH": (str.endswith, "xx"),
    "LTRIM": (lambda x, chars: x.lstrip(chars) if chars else x, "xx"),
    "RTRIM": (lambda x, chars: x.rstrip(chars) if chars else x, "xx"),
    "BTRIM": (lambda x, chars: x.strip(chars) if chars else x, "xx"),
    "SPLIT": (lambda x, by: (x.split(by) if by else list(x)) if x else [], "xx"),
    "CONCAT": (lambda a, b: a + b, "xx"),
}


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_text_functions_equal_their_twins(name: str, data: st.DataObject) -> None:
    """Each row of a batch gets its own answer, whatever stands beside it."""
    twin, kinds = TWINS[name]
    columns = [data.draw(column(TEXT if kind == "x" else SMALL)) for kind in kinds]
    names = [f"c{i}" for i in range(len(kinds))]
    types = {n: "STRING" if kind == "x" else "INT" for n, kind in zip(names, kinds, strict=True)}
    given_rows = dict(zip(names, columns, strict=True))
    found = values(call(name, *(Column(n) for n in names)), types, given_rows)
    wanted = [None if None in row else twin(*row) for row in zip(*columns, strict=True)]
    assert found == wanted


@settings(max_examples=25, deadline=None)
@given(x=column(TEXT), parts=st.tuples(TEXT, TEXT))
def test_constants_among_columns_equal_columns(x: list[str | None], parts: tuple[str, str]) -> None:
    """REPLACE, TRANSLATE and LPAD take another way where an argument is constant."""
    old, new = parts
    types, rows = {"x": "STRING", "a": "STRING", "b": "STRING"}, {"x": x}
    both = {**rows, "a": [old] * ROWS, "b": [new] * ROWS}
    for name in ("REPLACE", "TRANSLATE"):
        constant = values(call(name, Column("x"), old, new), {"x": "STRING"}, rows)
        assert constant == values(call(name, Column("x"), Column("a"), Column("b")), types, both)
    constant = values(call("LPAD", Column("x"), 4, new), {"x": "STRING"}, rows)
    assert constant == values(call("LPAD", Column("x"), 4, Column("b")), types, both)
