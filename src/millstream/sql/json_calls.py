"""The JSON functions, whose clauses are words: RETURNING, WRAPPER, ON EMPTY, ON ERROR, ON NULL.

in      a reader in front of the name
out     a Call with the clauses as literals, as :mod:`millstream.expr.catalogue.json` documents
bad     SqlError with the place
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.expr.tree import Expr, Literal
from millstream.sql.type_text import read_type

if TYPE_CHECKING:
    from millstream.sql.expressions import ExpressionReader
    from millstream.sql.tokens import Token

_EXISTS_ON_ERROR = ("TRUE", "FALSE", "UNKNOWN", "ERROR")
_NOTHING = Literal(value=None)


def exists(reader: ExpressionReader) -> Expr:
    """Read JSON_EXISTS(text, path [TRUE|FALSE|UNKNOWN|ERROR ON ERROR])."""
    cursor = reader.cursor
    start, args = _text_and_path(reader)
    if cursor.sees_any(*_EXISTS_ON_ERROR):
        word = cursor.take()
        cursor.expect("ON", "ERROR")
        args.append(Literal(value=word.upper, place=cursor.place(word)))
    cursor.expect(")", after="to close JSON_EXISTS(")
    return reader.call(start, "JSON_EXISTS", *args)


def value(reader: ExpressionReader) -> Expr:
    """Read JSON_VALUE(text, path [RETURNING type] [… ON EMPTY] [… ON ERROR])."""
    cursor = reader.cursor
    start, args = _text_and_path(reader)
    returning = _returning(reader)
    said: dict[str, tuple[str, Expr]] = {}
    while not cursor.sees(")"):
        first, default = cursor.here, _NOTHING
        what = _one_of(reader, "NULL", "ERROR", "DEFAULT")
        fallback: Expr = reader.expression() if what == "DEFAULT" else default
        _remember(reader, first, said, (what, fallback))
    cursor.expect(")")
    if returning is None and not said:
        return reader.call(start, "JSON_VALUE", *args)
    args.append(Literal(value=returning or "STRING"))
    for when in ("EMPTY", "ERROR"):
        what, fallback = said.get(when, ("NULL", _NOTHING))
        args += [Literal(value=what), fallback]
    return reader.call(start, "JSON_VALUE", *args)


def query(reader: ExpressionReader) -> Expr:
    """Read JSON_QUERY(text, path [RETURNING type] [… WRAPPER] [… ON EMPTY] [… ON ERROR])."""
    cursor = reader.cursor
    start, args = _text_and_path(reader)
    returning, wrapper = _returning(reader), _wrapper(reader)
    said: dict[str, tuple[str, Expr]] = {}
    while not cursor.sees(")"):
        first = cursor.here
        what = _one_of(reader, "NULL", "ERROR", "EMPTY")
        if what == "EMPTY":
            what = "EMPTY " + _one_of(reader, "ARRAY", "OBJECT")
        _remember(reader, first, said, (what, _NOTHING))
    cursor.expect(")")
    if returning is None and wrapper is None and not said:
        return reader.call(start, "JSON_QUERY", *args)
    rest = [said.get(when, ("NULL", _NOTHING))[0] for when in ("EMPTY", "ERROR")]
    clauses = (returning or "STRING", wrapper or "WITHOUT", *rest)
    return reader.call(start, "JSON_QUERY", *args, *(Literal(value=c) for c in clauses))


def object_(reader: ExpressionReader) -> Expr:
    """Read JSON_OBJECT([KEY] key VALUE value, … [NULL|ABSENT ON NULL])."""
    cursor = reader.cursor
    start = cursor.take()
    cursor.expect("(")
    pairs: list[Expr] = []
    while not cursor.sees(")") and not _sees_on_null(reader):
        if cursor.sees("KEY") and cursor.ahead(1).upper not in ("VALUE", ".", "["):
            cursor.take()
        pairs.append(reader.expression())
        cursor.expect("VALUE", after="in JSON_OBJECT(key VALUE value)")
        pairs.append(reader.expression())
        if not cursor.accept(","):
            break
    on_null = _on_null(reader, "NULL")
    cursor.expect(")", after="to close JSON_OBJECT(")
    return reader.call(start, "JSON_OBJECT", on_null, *pairs)


def array(reader: ExpressionReader) -> Expr:
    """Read JSON_ARRAY(value, … [NULL|ABSENT ON NULL])."""
    cursor = reader.cursor
    start = cursor.take()
    cursor.expect("(")
    values: list[Expr] = []
    while not cursor.sees(")") and not _sees_on_null(reader):
        values.append(reader.expression())
        if not cursor.accept(","):
            break
    on_null = _on_null(reader, "ABSENT")
    cursor.expect(")", after="to close JSON_ARRAY(")
    return reader.call(start, "JSON_ARRAY", on_null, *values)


def _text_and_path(reader: ExpressionReader) -> tuple[Token, list[Expr]]:
    cursor = reader.cursor
    start = cursor.take()
    cursor.expect("(")
    text = reader.expression()
    cursor.expect(",", after=f"and a path in {start.upper}")
    return start, [text, reader.expression()]


def _returning(reader: ExpressionReader) -> str | None:
    return str(read_type(reader.cursor)) if reader.cursor.accept("RETURNING") else None


def _wrapper(reader: ExpressionReader) -> str | None:
    cursor = reader.cursor
    if cursor.accept("WITHOUT"):
        found = "WITHOUT"
    elif cursor.accept("WITH"):
        found = "CONDITIONAL" if cursor.accept("CONDITIONAL") else "UNCONDITIONAL"
        cursor.accept("UNCONDITIONAL")
    else:
        return None
    cursor.accept("ARRAY")
    cursor.expect("WRAPPER")
    return found


def _one_of(reader: ExpressionReader, *choices: str) -> str:
    if not reader.cursor.sees_any(*choices):
        raise reader.cursor.expected(", ".join(choices) + " or ')'")
    return reader.cursor.take().upper


def _remember(
    reader: ExpressionReader,
    first: Token,
    said: dict[str, tuple[str, Expr]],
    clause: tuple[str, Expr],
) -> None:
    cursor = reader.cursor
    cursor.expect("ON")
    when = _one_of(reader, "EMPTY", "ERROR")
    if when in said or (when == "EMPTY" and "ERROR" in said):
        raise cursor.error(
            "These clauses stand once each, ON EMPTY before ON ERROR.",
            first=first,
            last=cursor.tokens[cursor.at - 1],
        )
    said[when] = clause


def _sees_on_null(reader: ExpressionReader) -> bool:
    cursor = reader.cursor
    return cursor.sees("NULL", "ON", "NULL") or cursor.sees("ABSENT", "ON", "NULL")


def _on_null(reader: ExpressionReader, default: str) -> Literal:
    if not _sees_on_null(reader):
        return Literal(value=default)
    word = reader.cursor.take().upper
    reader.cursor.expect("ON", "NULL")
    return Literal(value=word)
