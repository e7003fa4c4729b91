"""Finds where a type ends among tokens, and has it read.

in      a cursor in front of a type
out     the type, by :func:`millstream.types.parse_type`; the cursor behind it
bad     PlanError with the place in the user's whole text
"""

from __future__ import annotations

from millstream.errors import PlanError
from millstream.sql.tokens import Cursor, Kind, Token
from millstream.types import LogicalType, parse_type

_NESTING_MAX = 30


def read_type(cursor: Cursor) -> LogicalType:
    """Read a type; the text goes to :func:`millstream.types.parse_type`."""
    first = cursor.here
    if first.kind is not Kind.WORD:
        raise cursor.expected("a type")
    last = _type_end(cursor)
    span = [t for t in cursor.tokens if first.start <= t.start and t.end <= last.end]
    text = " " * (last.end - first.start)
    for token in span:
        # Each token at its own offset: comments vanish and positions hold.
        at = token.start - first.start
        piece = cursor.source.text[token.start : token.end]
        text = text[:at] + piece + text[at + len(piece) :]
    try:
        return parse_type(text)
    except PlanError as error:
        where = error.where
        offset = getattr(where, "column", 1) - 1
        token = next((t for t in span if t.end - first.start > offset), last)
        error.where = cursor.place(token, token)
        raise


def _type_end(cursor: Cursor) -> Token:
    word = cursor.take().upper
    if word == "INTERVAL":
        while cursor.sees_any("TO", "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "("):
            if cursor.sees("("):
                _skip_brackets(cursor)
            else:
                cursor.take()
    elif word == "DOUBLE":
        cursor.accept("PRECISION")
    if cursor.sees_any("(", "<", "<>"):
        _skip_brackets(cursor)
    for phrase in (
        ("WITH", "LOCAL", "TIME", "ZONE"),
        ("WITHOUT", "TIME", "ZONE"),
        ("WITH", "TIME", "ZONE"),
    ):
        cursor.accept(*phrase)
    if not cursor.accept("NOT", "NULL") and cursor.ahead(1).upper != "ON":
        # NULL ON EMPTY belongs to JSON_VALUE, not to the type in front of it.
        cursor.accept("NULL")
    return cursor.tokens[cursor.at - 1]


def _skip_brackets(cursor: Cursor) -> None:
    opening = cursor.here
    depth = 0
    while True:
        token = cursor.take()
        if token.kind is Kind.END or token.upper == ";":
            raise cursor.error("This bracket is not closed.", first=opening)
        if token.kind is Kind.SYMBOL:
            depth += sum(c in "(<" for c in token.text) - sum(c in ")>" for c in token.text)
        if depth > _NESTING_MAX:
            raise cursor.error("This type is nested too deeply.", first=token)
        if depth <= 0:
            return
