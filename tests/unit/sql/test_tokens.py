"""Tokens: what the library underneath swallows, renames or joins must not show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.errors import Place, SqlError
from millstream.sql.read import tokens
from millstream.sql.tokens import Kind, Source, Token

SWALLOWERS = ("SHOW", "EXPLAIN", "EXECUTE", "FETCH", "SET", "RENAME", "COMMENT", "DESCRIBE", "USE")
PIECES = st.sampled_from(
    [
        *SWALLOWERS,
        *("SELECT", "GROUP BY", "ORDER BY", "BEGIN", "END", "a", "_b1", "`c d`", "`e``f`", "'g'"),
        *("'it''s'", "''", "1", "2.5", "1e3", "(", ")", "[", "]", ",", ";", "+", "-", "*", "/"),
        *("<", "<=", "<>", ">=", "=", "||", ".", "=>", "-- x\n", "/* y\n */", "\n", "\t"),
    ]
)


def _tokens(text: str) -> list[Token]:
    return tokens(Source(text))


@given(st.lists(PIECES, max_size=30))
def test_every_token_stands_where_it_says(pieces: list[str]) -> None:
    """Places in error messages are made of these spans."""
    text = " ".join(pieces)
    at = 0
    for token in _tokens(text)[:-1]:
        assert at <= token.start < token.end <= len(text)
        assert not text[at : token.start].strip(" \n\t") or "--" in text or "/*" in text
        at = token.end
        written = text[token.start : token.end]
        match token.kind:
            case Kind.NAME:
                assert written == "`" + token.text.replace("`", "``") + "`"
            case Kind.STRING:
                assert written == "'" + token.text.replace("'", "''") + "'"
            case _:
                assert written == token.text


@given(st.lists(PIECES.filter(lambda p: p.strip() and p[0] not in "-/"), max_size=20))
def test_no_token_is_lost_or_made_up(pieces: list[str]) -> None:
    """A statement that begins with SHOW or EXPLAIN has tokens like any other."""
    words = " ".join(p for p in pieces if p[0] not in "`'").split()
    found = [
        t.text for t in _tokens(" ".join(pieces))[:-1] if t.kind not in (Kind.NAME, Kind.STRING)
    ]
    assert found == words


@pytest.mark.parametrize("word", SWALLOWERS)
@pytest.mark.parametrize("before", ["", "SELECT 1; ", "BEGIN ", "-- x\n"])
def test_a_statement_is_not_swallowed(word: str, before: str) -> None:
    """sqlglot gives the rest of some statements as one string."""
    texts = [t.text for t in _tokens(f"{before}{word} a 'b;c' + 1; SELECT 2")]
    assert texts[-9:] == [word, "a", "b;c", "+", "1", ";", "SELECT", "2", ""]


def test_comments_are_nothing_but_hints_are_seen() -> None:
    """A hint has a meaning, so it is refused later instead of being dropped here."""
    assert [t.text for t in _tokens("a -- b\n/* c */ d --")] == ["a", "d", ""]
    assert "/*+" in [t.text for t in _tokens("SELECT /*+ OPTIONS('a'='b') */ x")]


@pytest.mark.parametrize(
    ("text", "line", "column", "fact"),
    [
        ("SELECT 'abc", 1, 8, "no end"),
        ("SELECT\n  `abc", 2, 3, "no end"),
        ('SELECT\n\t"a"', 2, 2, "double quote"),
        ("SELECT ``", 1, 8, "empty"),
        ("SELECT 1 /* 2", 1, 10, ""),
        ("SELECT N'x'", 1, 8, "N'"),
        ("SELECT a # b", 1, 10, "#"),
    ],
)
def test_what_is_no_token_is_marked(text: str, line: int, column: int, fact: str) -> None:
    """The first character that means nothing is the place to look at."""
    with pytest.raises(SqlError) as caught:
        _tokens(text)
    where = caught.value.where
    assert isinstance(where, Place)
    assert (where.line, where.column) == (line, column)
    assert fact in str(caught.value)
