"""Reads a type's text, in Flink's spelling: ``DECIMAL(10, 2) NOT NULL``, ``ROW<a INT>``.

in      one type, any case, backticks around field names allowed
bad     PlanError naming the text and the place in it
"""

from __future__ import annotations

import re
from collections.abc import Callable

from millstream.errors import Place, PlanError, UnknownName
from millstream.types import logical as lt

_TOKEN = re.compile(r"\s*(?:(`[^`]+`)|([A-Za-z_][A-Za-z0-9_]*)|(\d+)|([<>(),]))")

_PLAIN: dict[str, Callable[[], lt.LogicalType]] = {
    "BOOLEAN": lt.Boolean,
    "TINYINT": lt.TinyInt,
    "SMALLINT": lt.SmallInt,
    "INT": lt.Int,
    "INTEGER": lt.Int,
    "BIGINT": lt.BigInt,
    "FLOAT": lt.Float,
    "REAL": lt.Float,
    "DOUBLE": lt.Double,
    "STRING": lt.VarChar,
    "BYTES": lt.VarBinary,
    "DATE": lt.Date,
    "NULL": lt.Null,
}
_LENGTHS: dict[str, tuple[Callable[[int], lt.LogicalType], int, int, int]] = {
    "CHAR": (lt.Char, 1, 1, lt.MAX_LENGTH),
    "VARCHAR": (lt.VarChar, lt.MAX_LENGTH, 1, lt.MAX_LENGTH),
    "BINARY": (lt.Binary, 1, 1, lt.MAX_LENGTH),
    "VARBINARY": (lt.VarBinary, lt.MAX_LENGTH, 1, lt.MAX_LENGTH),
    "TIME": (lt.Time, 0, 0, 9),
    "TIMESTAMP": (lt.Timestamp, 6, 0, 9),
    "TIMESTAMP_LTZ": (lt.TimestampLtz, 6, 0, 9),
}
_DECIMALS = ("DECIMAL", "DEC", "NUMERIC")
_NESTED = ("ARRAY", "MAP", "MULTISET", "ROW")
_YEAR_UNITS = ("YEAR", "MONTH")
_DAY_UNITS = ("DAY", "HOUR", "MINUTE", "SECOND")


def parse_type(text: str) -> lt.LogicalType:
    """Return the type that ``text`` spells.

    >>> str(parse_type("decimal(10,2) not null"))
    'DECIMAL(10, 2) NOT NULL'
    """
    reader = _Reader(text)
    result = reader.type()
    reader.end()
    return result


class _Reader:
    """A recursive descent over the tokens of one type."""

    def __init__(self, text: str):
        self.text = text
        self.tokens: list[tuple[str, int]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.error("This is not a type", at)
            self.tokens.append((match.group().strip(), match.start() + _indent(match.group())))
            at = match.end()
        self.at = 0

    def error(self, fact: str, offset: int | None = None) -> PlanError:
        if offset is None:
            offset = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)
        return PlanError(
            f"{fact}: '{self.text}'.",
            where=Place.of_offset(self.text, offset),
            hint="A type is written as in Flink: BIGINT, DECIMAL(10, 2), TIMESTAMP(3), "
            "ARRAY<STRING>, ROW<a INT, b STRING>.",
        )

    def peek(self) -> str:
        return self.tokens[self.at][0].upper() if self.at < len(self.tokens) else ""

    def take(self) -> str:
        if self.at >= len(self.tokens):
            raise self.error("The type ends too early")
        self.at += 1
        return self.tokens[self.at - 1][0]

    def accept(self, *words: str) -> bool:
        ahead = [t.upper() for t, _ in self.tokens[self.at : self.at + len(words)]]
        if ahead != list(words):
            return False
        self.at += len(words)
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.error(f"Expected '{word}' in this type")

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise self.error("Something follows this type")

    def type(self) -> lt.LogicalType:
        base = self.base()
        if self.accept("NOT", "NULL"):
            return base.with_nullable(False)
        if base != lt.Null():
            self.accept("NULL")
        return base

    def base(self) -> lt.LogicalType:
        start = self.tokens[self.at][1] if self.at < len(self.tokens) else len(self.text)
        word = self.take().upper()
        if word == "DOUBLE":
            self.accept("PRECISION")
        if word in _PLAIN:
            return _PLAIN[word]()
        if word in _DECIMALS:
            return self.decimal()
        if word in _LENGTHS:
            return self.with_length(word)
        if word == "INTERVAL":
            return self.interval()
        if word in _NESTED:
            return self.nested(word)
        known = [*_PLAIN, *_DECIMALS, *_LENGTHS, *_NESTED, "INTERVAL"]
        raise UnknownName("type", word, available=known, where=Place.of_offset(self.text, start))

    def number(self, low: int, high: int) -> int:
        token = self.take()
        if not token.isdigit() or not low <= int(token) <= high:
            self.at -= 1
            raise self.error(f"Expected a number from {low} to {high} in this type")
        return int(token)

    def decimal(self) -> lt.LogicalType:
        if not self.accept("("):
            return lt.Decimal(10, 0)
        precision, scale = self.number(1, lt.MAX_PRECISION), 0
        if self.accept(","):
            scale = self.number(0, precision)
        self.expect(")")
        return lt.Decimal(precision, scale)

    def with_length(self, word: str) -> lt.LogicalType:
        make, default, low, high = _LENGTHS[word]
        length = default
        if self.accept("("):
            length = self.number(low, high)
            self.expect(")")
        if word in ("TIME", "TIMESTAMP"):
            local = self.accept("WITH", "LOCAL", "TIME", "ZONE")
            if local and word == "TIMESTAMP":
                return lt.TimestampLtz(length)
            self.accept("WITHOUT", "TIME", "ZONE")
        return make(length)

    def interval(self) -> lt.LogicalType:
        unit = self.take().upper()
        if unit not in _YEAR_UNITS + _DAY_UNITS:
            self.at -= 1
            raise self.error("Expected a unit such as DAY or MONTH in this type")
        self.precision()
        if self.accept("TO"):
            self.take()
            self.precision()
        return lt.IntervalYear() if unit in _YEAR_UNITS else lt.IntervalDay()

    def precision(self) -> None:
        if self.accept("("):
            self.number(0, 9)
            self.expect(")")

    def nested(self, word: str) -> lt.LogicalType:
        close = ")" if word == "ROW" and self.peek() == "(" else ">"
        self.expect("(" if close == ")" else "<")
        if word == "ARRAY":
            result: lt.LogicalType = lt.Array(self.type())
        elif word == "MULTISET":
            result = lt.Multiset(self.type())
        elif word == "MAP":
            key = self.type()
            self.expect(",")
            result = lt.Map(key, self.type())
        else:
            result = lt.Row(tuple(self.row_fields()))
        self.expect(close)
        return result

    def row_fields(self) -> list[tuple[str, lt.LogicalType]]:
        fields: list[tuple[str, lt.LogicalType]] = []
        while True:
            name = self.take().strip("`")
            fields.append((name, self.type()))
            if not self.accept(","):
                return fields


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
