"""JSON read by path and written: laws over any document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.functions.json_text import INVALID, decoded, encoded, quoted, unquoted
from millstream.expr.json_path import BadPath, NoSuchPath, json_path
from millstream.expr.tree import Column
from tests.unit.functions_a.evaluating import call, values

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SCALAR = st.none() | st.booleans() | st.integers() | TEXT
VALUE = st.recursive(
    SCALAR, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=8
)


@settings(max_examples=200, deadline=None)
@given(value=VALUE)
def test_what_is_written_reads_back(value: Any) -> None:
    """Order of members, wide integers and every character survive."""
    text = json.dumps(value)
    assert json.loads(encoded(decoded(text))) == value
    assert list(json.loads(encoded(decoded(text)))) == list(value) if isinstance(value, dict) else 1


@settings(max_examples=200, deadline=None)
@given(text=TEXT)
def test_quote_and_unquote_are_inverse(text: str) -> None:
    """JSON_QUOTE gives ASCII, and JSON_UNQUOTE takes it back."""
    assert quoted(text).isascii() or "\x7f" in text
    assert unquoted(quoted(text)) == text
    assert json.loads(quoted(text)) == text


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.none() | TEXT, min_size=3, max_size=5))
def test_strings_are_written_as_json(texts: list[str | None]) -> None:
    """The vectorised escaping of a column must be what a JSON reader expects."""
    found = values(call("JSON_STRING", Column("x")), {"x": "STRING"}, {"x": texts})
    assert [None if f is None else json.loads(f) for f in found] == texts


@settings(max_examples=200, deadline=None)
@given(value=VALUE, steps=st.lists(TEXT.filter(bool) | st.integers(-3, 3), max_size=3))
def test_a_path_walks_like_indexing(value: Any, steps: list[str | int]) -> None:
    """A definite path is Python's indexing; where that fails, strict raises and lax gives None."""
    spelled = "".join(f"[{s}]" if isinstance(s, int) else _member(s) for s in steps)
    wanted: Any = value
    try:
        for step in steps:
            kind = list if isinstance(step, int) else dict
            if not isinstance(wanted, kind):
                raise KeyError(step)
            wanted = wanted[step]  # type: ignore[index]
    except (KeyError, IndexError):
        with pytest.raises(NoSuchPath):
            json_path("strict $" + spelled).read(value)
        assert json_path("lax $" + spelled).read(value) is None
        return
    assert json_path("strict $" + spelled).read(value) == wanted
    assert json_path("lax $" + spelled).read(value) == wanted


def _member(name: str) -> str:
    return "['" + name.replace("\\", "\\\\").replace("'", "\\'") + "']"


@pytest.mark.parametrize("path", ["", "$.", "$[", "$['a", "$[?(@.a)", "$.a b", "$[1,]", "$.f()"])
def test_what_is_no_path_is_told(path: str) -> None:
    """A mistake in a path must not look like a document without the value."""
    with pytest.raises(BadPath):
        json_path(path)


@pytest.mark.parametrize("text", ["", " ", "{", "1 2", "{} {}", "01", "nan", "'a'", "[1,]"])
def test_what_is_no_document_is_told(text: str) -> None:
    """Exactly one document, by the standard's grammar."""
    assert decoded(text) is INVALID


def test_deep_documents_do_not_overflow() -> None:
    """A hostile document must be an answer, not a crash of the pipeline."""
    deep = "[" * 100_000 + "]" * 100_000
    assert values(call("JSON_VALUE", Column("x"), "$[0]"), {"x": "STRING"}, {"x": [deep]}) == [None]
    nested = '{"a":' * 400 + "1" + "}" * 400
    found = values(call("JSON_QUERY", Column("x"), "$..zz"), {"x": "STRING"}, {"x": [nested]})
    assert found == ["[]"]


KEY = st.sampled_from(["a", "b", "a b"])
OBJECT = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["x", "1.50"]),
    lambda v: st.dictionaries(KEY, v, max_size=3) | st.lists(v, max_size=2),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    documents=st.lists(OBJECT.map(json.dumps) | st.sampled_from(["{", "{}}", "null", "[]"])),
    keys=st.lists(KEY, min_size=1, max_size=3),
    mode=st.sampled_from(["strict", "lax"]),
)
def test_the_quick_reader_equals_the_whole_one(
    documents: list[str], keys: list[str], mode: str
) -> None:
    """A path of members only never builds the document; the answer must be the same."""
    path = f"{mode} $" + "".join(_member(key) for key in keys)
    for clauses in ((), ("STRING", "DEFAULT", "empty", "DEFAULT", "error")):
        found = values(
            call("JSON_VALUE", Column("x"), path, *clauses), {"x": "STRING"}, {"x": documents}
        )
        assert found == [_expected(d, keys, mode, bool(clauses)) for d in documents]


def _expected(document: str, keys: list[str], mode: str, told: bool) -> str | None:
    nothing, wrong = ("empty", "error") if told else (None, None)
    missing = wrong if mode == "strict" else nothing
    value = decoded(document)
    if value is INVALID:
        return missing
    if value is None:
        return wrong
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return missing
        value = value[key]
    if value is None or isinstance(value, dict | list):
        return missing
    return str(value)
