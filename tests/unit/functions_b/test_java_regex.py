"""Java's patterns said in two dialects: the two engines must agree."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.expr.java_regex import BadPattern, java_pattern
from millstream.expr.tree import Column
from tests.unit.functions_a.evaluating import call, values

RECORDED = Path(__file__).parent / "java_matches.jsonl"
ATOMS = st.sampled_from(
    ["a", "b", "B", ".", r"\d", r"\w", r"\W", r"\s", "[ab]", "[^a]", "[a-c&&[^b]]", r"\.", "é",
     r"\p{L}", r"\p{Upper}", r"\x41", r"\Qa.\E", "^", "$", r"\b", "(?i)"]
)  # fmt: skip
QUANTIFIERS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "*?", "+?"])


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> str:
    """Draw patterns that Rust can say too."""
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        if depth and draw(st.booleans()):
            inner = draw(patterns(depth=depth - 1))
            part = draw(st.sampled_from(["({})", "(?:{})"])).replace("{}", inner)
        else:
            part = draw(ATOMS)
        repeated = draw(QUANTIFIERS)
        parts.append(part if part == "(?i)" else part + repeated)
    text = "".join(parts)
    return text + "|" + draw(ATOMS) if draw(st.integers(0, 5)) == 0 else text


TEXTS = st.lists(st.text(alphabet="abcAB1.é \n\r", max_size=8), min_size=4, max_size=4)


@settings(max_examples=300, deadline=None)
@given(pattern=patterns(), texts=TEXTS)
def test_both_dialects_agree(pattern: str, texts: list[str]) -> None:
    """A constant pattern runs in Rust, the same pattern from a column in Python."""
    types = {"x": "STRING", "p": "STRING"}
    rows = {"x": texts, "p": [pattern] * len(texts)}
    for name, more in (
        ("REGEXP", ()), ("REGEXP_COUNT", ()), ("REGEXP_INSTR", ()), ("REGEXP_SUBSTR", ()),
        ("REGEXP_EXTRACT", (0,)), ("REGEXP_EXTRACT_ALL", (0,)), ("REGEXP_REPLACE", ("<$1>",)),
    ):  # fmt: skip
        by_constant = values(call(name, Column("x"), pattern, *more), {"x": "STRING"}, {"x": texts})
        by_column = values(call(name, Column("x"), Column("p"), *more), types, rows)
        assert by_constant == by_column, name


@pytest.mark.parametrize("name", ["a(b", "[z-a]", "a{2,1}", r"\k<n>", "(?<n>a)(?<n>b)", "a\\"])
def test_what_is_no_pattern_is_told(name: str) -> None:
    """A mistake in a pattern must not end as an exception of some engine."""
    with pytest.raises(BadPattern):
        java_pattern(name)


def test_python_takes_over_where_rust_cannot() -> None:
    """Look-around and back-references are valid Java; they must not be refused or sent to Rust."""
    for pattern in ("a(?=b)", "(?<!a)b", r"(.)\1", "a++b", "(?>a|ab)c", r"(?<q>['\"]).\k<q>"):
        assert java_pattern(pattern).rust is None
    assert java_pattern("(a)(b)(?:c)").groups == 2


def test_classes_are_accepted_by_rust() -> None:
    """Every class is spelled as ranges; one that Rust refuses would stop a running pipeline."""
    for pattern in (
        r"[\w&&[^\d_]]",
        r"[^\s\S]",
        r"\P{Lu}",
        r"[\x{10FFFF}-\x{10FFFF}]",
        r"[\p{Sc}$]",
    ):
        rust = java_pattern(pattern).rust
        assert rust is not None
        pl.select(pl.lit("x").str.contains(rust))


@pytest.mark.parametrize("line", RECORDED.read_text(encoding="utf-8").splitlines())
def test_matches_are_those_that_java_finds(line: str) -> None:
    """Recorded from java.util.regex (JDK 17): pattern, text, spans of the groups of each match."""
    pattern, text, wanted = json.loads(line)
    compiled = java_pattern(pattern)
    groups = range(compiled.groups + 1)
    assert [[list(m.span(g)) for g in groups] for m in compiled.find_all(text)] == wanted
