"""The only door to sqlglot: a text in, tokens, expressions and queries out.

in      SQL as Flink writes it: names bare or in backticks, strings in single quotes (``''`` is one
        quote, a backslash is a backslash), ``--`` and ``/* */`` comments
out     our tokens; the tree of :mod:`millstream.expr.tree`, not yet resolved
bad     SqlError with line, column and the text marked

sqlglot gives the tokens, its parser is not asked: it reads ``a = b IS NULL`` as ``a = (b IS NULL)``
where Flink means ``(a = b) IS NULL``, renames functions and rejects half of Flink's types (decision
0004). Comments are blanked and back-quoted names masked in place first, so that positions hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token as RawToken
from sqlglot.tokenizer_core import TokenType
from sqlglot.tokens import Tokenizer

from millstream.errors import SqlError
from millstream.expr.tree import Expr, Function
from millstream.sql.expressions import ExpressionReader
from millstream.sql.tokens import Cursor, Kind, Source, Token

_TEXT_MAX = 10_000_000
_QUOTED = re.compile(
    r"'(?:[^']|'')*'"  # a string
    r"|--[^\n]*"
    r"|/\*(?!\+).*?\*/"
    r"|`(?:[^`]|``)*`"
    r"|/\*\+.*?\*/"  # a hint keeps its inside
    r"|'|`|/\*|;|[\"{}#~^&\\@\x00-\x08\x0b\x0c\x0e-\x1f]",
    re.DOTALL,
)
_SPLIT = re.compile(r"\S+")
_TWO = {"!=": "<>"}


def expression(
    text: str, udfs: Mapping[str, Function] | None = None, *, file: str | None = None
) -> Expr:
    """Return the unresolved expression that ``text`` spells.

    >>> str(expression("price * 2 > 10"))
    '((price * 2) > 10)'
    """
    source = Source(text, file)
    cursor = Cursor(source, tokens(source))
    found = ExpressionReader(cursor, udfs or {}).expression()
    if not cursor.ended:
        raise cursor.expected("the end of the expression")
    return found


def tokens(source: Source) -> list[Token]:
    """Return the tokens of a text, END last."""
    text = source.text
    if len(text) > _TEXT_MAX:
        raise SqlError(f"The text is longer than {_TEXT_MAX:,} characters.")
    masked, names = _masked(source)
    found: list[Token] = []
    base = 0
    while base < len(masked):
        # A keyword such as EXPLAIN at the start of a statement makes sqlglot swallow the rest of
        # it as one string. A bracket in front and masked semicolons hide every start but one,
        # after BEGIN; what it swallowed is read again.
        base = _read_from(source, masked, names, base, found)
    found.append(Token(Kind.END, "", len(text), len(text)))
    return found


def _read_from(
    source: Source, masked: str, names: dict[int, str], base: int, found: list[Token]
) -> int:
    try:
        raw = Tokenizer().tokenize("(" + masked[base:])
    except SqlglotError as error:
        raise SqlError(
            "This text has no SQL tokens.", where=source.place(base, base + 1)
        ) from error
    shift, last = base - 1, base
    for token in raw[1:]:
        start, end = token.start + shift, token.end + shift + 1
        if token.token_type is TokenType.STRING and end - start < len(token.text) + 2:
            return last  # not a string: a swallowed statement has no quotes around it
        last = end
        found.extend(_converted(source, token, start, end, names))
    return len(masked)


def _converted(
    source: Source, token: RawToken, start: int, end: int, names: dict[int, str]
) -> list[Token]:
    text = source.text[start:end]
    if start in names:
        return [Token(Kind.NAME, names[start], start, end)]
    if token.token_type is TokenType.STRING:
        return [Token(Kind.STRING, token.text, start, end)]
    if token.token_type is TokenType.NATIONAL_STRING:
        raise SqlError(
            "A national string N'…' is not read.",
            where=source.place(start, end),
            hint="Drop the N: every string is Unicode.",
        )
    if token.token_type is TokenType.NUMBER:
        return [Token(Kind.NUMBER, text, start, end)]
    first = text[:1]
    if first.isalpha() or first in "_$":
        # sqlglot gives GROUP BY as one token.
        return [
            Token(Kind.WORD, part[0], start + part.start(), start + part.end())
            for part in _SPLIT.finditer(text)
        ]
    if token.text == "{":
        return [Token(Kind.SYMBOL, "/*+", start, start + 3)]
    if text == ";":
        return [Token(Kind.SYMBOL, ";", start, end)]
    if token.text == "}":
        return [Token(Kind.SYMBOL, "*/", start - 1, end)]
    return [Token(Kind.SYMBOL, _TWO.get(text, text), start, end)]


def _masked(source: Source) -> tuple[str, dict[int, str]]:
    """Return the text with comments blanked and names masked, and the names by offset."""
    names: dict[int, str] = {}

    def mask(match: re.Match[str]) -> str:
        found, at = match.group(), match.start()
        if found[0] == "'" and len(found) > 1:
            return found
        if found[0] == "`" and len(found) > 1:
            if found == "``":
                raise SqlError("A name in backticks is empty.", where=source.place(at, at + 2))
            names[at] = found[1:-1].replace("``", "`")
            return '"' + "x" * (len(found) - 2) + '"'
        if found == ";":
            return "}"
        if found in "{}":  # the quantifiers of patterns
            return "[" if found == "{" else "]"
        if found.startswith("/*+"):
            return "{  " + found[3:-2] + " }"
        if (found.startswith(("--", "/*")) and len(found) > 2) or found == "--":
            return "".join("\n" if c == "\n" else " " for c in found)
        raise _stray(source, found, at)

    return _QUOTED.sub(mask, source.text), names


def _stray(source: Source, found: str, at: int) -> SqlError:
    where = source.place(at, at + len(found))
    match found:
        case "'":
            return SqlError(
                "This string has no end.",
                where=where,
                hint="Close it with '; a quote inside a string is written twice: 'it''s'.",
            )
        case '"':
            return SqlError(
                "A double quote means nothing in Flink SQL.",
                where=where,
                hint="Put a name in backticks: `name`; put a text in single quotes: 'text'.",
            )
        case "`":
            return SqlError(
                "This name in backticks has no end.", where=where, hint="Close it with `."
            )
        case "/*":
            return SqlError("This comment has no end.", where=where, hint="Close it with */.")
        case _:
            return SqlError(f"The character {found!r} means nothing here.", where=where)
