"""Phrases that several clauses of SQL share, read once.

in      a cursor before the phrase
out     what it says, the cursor behind it
bad     SqlError with the place, from the cursor
"""

from __future__ import annotations

from millstream.sql.tokens import Cursor


def direction(cursor: Cursor) -> tuple[bool, bool | None]:
    """Read ``[ASC | DESC] [NULLS FIRST | LAST]``: whether descending, and nulls first if said."""
    descending = cursor.accept("DESC")
    if not descending:
        cursor.accept("ASC")
    if not cursor.accept("NULLS"):
        return descending, None
    first = cursor.accept("FIRST")
    if not first:
        cursor.expect("LAST", after="after NULLS")
    return descending, first


def descriptor(cursor: Cursor) -> str:
    """Read ``DESCRIPTOR(column)``."""
    cursor.expect("DESCRIPTOR", after="( time column )")
    cursor.expect("(")
    name = cursor.name("the time column").text
    cursor.expect(")", after="to close DESCRIPTOR(")
    return name


def partition_columns(cursor: Cursor) -> tuple[str, ...]:
    """Read ``a`` or ``(a, b)`` behind PARTITION BY; a column said twice counts once."""
    if not cursor.accept("("):
        return (cursor.name("a column").text,)
    names = [cursor.name("a column").text]
    while cursor.accept(","):
        names.append(cursor.name("a column").text)
    cursor.expect(")", after="to close PARTITION BY (")
    return tuple(dict.fromkeys(names))
