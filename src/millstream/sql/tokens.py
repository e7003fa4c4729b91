"""Tokens of a SQL text, and the cursor every reader of this room walks them with.

in      tokens from :mod:`millstream.sql.read`, each with its span in the user's whole text
out     words, symbols, names and literals, and errors that mark the text they speak of
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum

from millstream.errors import Place, SqlError, Unsupported


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


RESERVED = words(
    "ALL AND AS BETWEEN BY CASE CAST CROSS DISTINCT ELSE END EXCEPT EXISTS FETCH FOR FROM FULL "
    "GROUP HAVING IN INNER INSERT INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LIKE LIMIT "
    "MATCH_RECOGNIZE MINUS NATURAL NOT NULL OFFSET ON OR ORDER OUTER OVER QUALIFY RIGHT SELECT "
    "TABLESAMPLE THEN TRY_CAST UNION USING VALUES WHEN WHERE WINDOW WITH"
)
"""Words that never stand for a name unless back-quoted (fewer than Flink reserves)."""


HOME_NAMES = frozenset({"default_catalog", "default_database"})
_HOMES = ((), ("default_database",), ("default_catalog", "default_database"))
"""What may stand in front of a table: Flink's names of the one catalog and database."""


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    NAME = "back-quoted name"
    STRING = "string"
    NUMBER = "number"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token; ``text`` is the value (quotes removed), ``start``/``end`` its span."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The keyword or symbol this token may be; empty for names, strings and numbers."""
        return self.text.upper() if self.kind in (Kind.WORD, Kind.SYMBOL) else ""


@dataclass(frozen=True)
class Source:
    """The user's whole text and the file it came from."""

    text: str
    file: str | None = None
    _starts: list[int] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        self._starts.append(0)
        self._starts.extend(i + 1 for i, c in enumerate(self.text) if c == "\n")

    def place(self, start: int, end: int) -> Place:
        """Return the place of a span."""
        row = bisect_right(self._starts, start) - 1
        return Place(
            self.text, row + 1, start - self._starts[row] + 1, max(1, end - start), self.file
        )


class Cursor:
    """A position in a list of tokens that ends with an END token."""

    def __init__(self, source: Source, tokens: list[Token]):
        assert [t.kind for t in tokens[-1:]] == [Kind.END], "tokens end with an END token"
        self.source = source
        self.tokens = tokens
        self.at = 0

    # ---- looking

    @property
    def here(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    def ahead(self, count: int) -> Token:
        """Return the token ``count`` further on (END at the end)."""
        return self.tokens[min(self.at + count, len(self.tokens) - 1)]

    def sees(self, *words: str) -> bool:
        """Tell whether the next tokens are these keywords or symbols."""
        return all(self.ahead(i).upper == word for i, word in enumerate(words))

    def sees_any(self, *words: str) -> bool:
        """Tell whether the next token is one of these keywords or symbols."""
        return self.here.upper in words and self.here.upper != ""

    @property
    def ended(self) -> bool:
        """Tell whether every token is used."""
        return self.here.kind is Kind.END

    # ---- taking

    def take(self) -> Token:
        """Return the next token and step over it."""
        token = self.here
        if token.kind is not Kind.END:
            self.at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Step over these keywords or symbols if they come next."""
        if not self.sees(*words):
            return False
        self.at += len(words)
        return True

    def expect(self, *words: str, after: str = "") -> Token:
        """Step over these keywords or symbols, or raise; returns the first of them."""
        first = self.here
        for word in words:
            if not self.accept(word):
                raise self.expected(f"{word}{' ' + after if after else ''}")
        return first

    def name(self, what: str) -> Token:
        """Take an identifier; ``what`` says what it names."""
        token = self.here
        if token.kind is Kind.NAME:
            return self.take()
        if token.kind is not Kind.WORD:
            raise self.expected(what)
        if token.upper in RESERVED:
            raise self.error(
                f"Expected {what}, '{token.text}' is a reserved word.",
                hint=f"Put a name that is a reserved word in backticks: `{token.text}`.",
            )
        return self.take()

    def path(self, what: str) -> tuple[str, Token, Token]:
        """Take ``name[.name…]``; returns the last part, the first token and the last."""
        first = last = self.name(what)
        parts = [first.text]
        while self.accept("."):
            last = self.name(what)
            parts.append(last.text)
        if tuple(parts[:-1]) not in _HOMES:
            raise self.unsupported(
                "There is one catalog and one database; a name has one part",
                hint=f"Write {last.text} alone.",
                first=first,
                last=last,
            )
        return last.text, first, last

    def string(self, what: str) -> Token:
        """Take a string literal."""
        if self.here.kind is not Kind.STRING:
            raise self.expected(f"{what} in single quotes")
        return self.take()

    def integer(self, what: str) -> int:
        """Take a whole number."""
        text = self.here.text
        if self.here.kind is not Kind.NUMBER or not (text.isascii() and text.isdigit()):
            raise self.expected(f"{what}, a whole number")
        if len(text) > 18:
            raise self.error("This number is too large.", hint="It has 18 digits at most.")
        return int(self.take().text)

    # ---- saying where and what

    def place(self, first: Token, last: Token | None = None) -> Place:
        """Return the place from ``first`` to ``last`` (default: the last token taken)."""
        if last is None:
            last = self.tokens[self.at - 1] if self.at else first
        end = max(last.end, first.end)
        return self.source.place(first.start, end)

    def text_between(self, first: Token, last: Token) -> str:
        """Return what the user wrote from one token to another."""
        return self.source.text[first.start : last.end]

    def error(
        self,
        fact: str,
        *,
        hint: str | None = None,
        first: Token | None = None,
        last: Token | None = None,
    ) -> SqlError:
        """Return a SqlError that marks ``first`` … ``last`` (default: the next token)."""
        first = first or self.here
        return SqlError(fact, where=self.place(first, last or first), hint=hint)

    def expected(self, what: str) -> SqlError:
        """Return the error for a next token that is not ``what``."""
        token = self.here
        found = "the text ends" if token.kind is Kind.END else f"found '{self._shown(token)}'"
        return self.error(f"Expected {what}, {found}.", hint=self._hint(token))

    def unsupported(
        self,
        construct: str,
        *,
        hint: str,
        first: Token | None = None,
        last: Token | None = None,
    ) -> Unsupported:
        """Return the error for valid SQL this version cannot run."""
        first = first or self.here
        return Unsupported(f"{construct}.", where=self.place(first, last or first), hint=hint)

    def _shown(self, token: Token) -> str:
        text = self.source.text[token.start : token.end]
        return text if len(text) <= 40 else text[:37] + "…"

    def _hint(self, token: Token) -> str | None:
        if token.upper in RESERVED:
            return f"If '{token.text}' is a name, put it in backticks: `{token.text}`."
        if token.kind is Kind.END:
            return "Something is missing at the end; is a bracket or a quote left open?"
        return None
