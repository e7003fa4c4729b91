"""Calls with a syntax of their own: EXTRACT, TRIM, POSITION, CASE …

in      a reader in front of the name
out     a plain Call; what the words say becomes Literal arguments, as each function's catalogue
        row documents
bad     SqlError with the place
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from millstream.expr.tree import Expr, Literal
from millstream.sql import json_calls
from millstream.sql.tokens import Token, words

if TYPE_CHECKING:
    from millstream.sql.expressions import ExpressionReader

_TIME_UNITS = words(
    "MILLENNIUM CENTURY DECADE YEAR QUARTER MONTH WEEK DAY DOW ISODOW DOY ISOYEAR HOUR MINUTE "
    "SECOND MILLISECOND MICROSECOND NANOSECOND EPOCH"
)
_DIFF_UNITS = {f"SQL_TSI_{unit}": unit for unit in _TIME_UNITS}


def _say(word: str, reader: ExpressionReader, token: Token) -> Literal:
    return Literal(value=word, place=reader.cursor.place(token, token))


def _unit(reader: ExpressionReader) -> Literal:
    token = reader.cursor.here
    word = _DIFF_UNITS.get(token.upper, token.upper)
    if word not in _TIME_UNITS:
        raise reader.cursor.expected("a unit of time such as DAY or MINUTE")
    reader.cursor.take()
    return _say(word, reader, token)


def case(reader: ExpressionReader) -> Expr:
    """Read CASE [x] WHEN … THEN … [ELSE …] END; the first form compares with ``=``."""
    cursor = reader.cursor
    start = cursor.expect("CASE")
    subject = None if cursor.sees("WHEN") else reader.expression()
    args: list[Expr] = []
    while True:
        cursor.expect("WHEN", after="of CASE")
        when = cursor.here
        conditions = [reader.expression()]
        while subject is not None and cursor.accept(","):
            conditions.append(reader.expression())
        if subject is not None:
            conditions = [reader.call(when, "=", subject, c) for c in conditions]
        condition = conditions[0]
        for other in conditions[1:]:
            condition = reader.call(when, "OR", condition, other)
        cursor.expect("THEN", after="of CASE")
        args += [condition, reader.expression()]
        if not cursor.sees("WHEN"):
            break
    if cursor.accept("ELSE"):
        args.append(reader.expression())
    else:
        args.append(Literal(value=None))
    cursor.expect("END", after="of CASE")
    return reader.call(start, "CASE", *args)


def _extract(reader: ExpressionReader) -> Expr:
    start = reader.cursor.take()
    reader.cursor.expect("(")
    unit = _unit(reader)
    reader.cursor.expect("FROM", after="in EXTRACT(unit FROM value)")
    value = reader.expression()
    reader.cursor.expect(")")
    return reader.call(start, "EXTRACT", unit, value)


def _rounding(reader: ExpressionReader) -> Expr:
    cursor = reader.cursor
    start = cursor.take()
    name = "FLOOR" if start.upper == "FLOOR" else "CEIL"
    cursor.expect("(")
    value = reader.expression()
    args = [value]
    if cursor.accept("TO"):
        args.append(_unit(reader))
    cursor.expect(")")
    return reader.call(start, name, *args)


def _with_unit(reader: ExpressionReader) -> Expr:
    cursor = reader.cursor
    start = cursor.take()
    cursor.expect("(")
    unit = _unit(reader)
    cursor.expect(",")
    first = reader.expression()
    cursor.expect(",")
    second = reader.expression()
    cursor.expect(")")
    return reader.call(start, start.upper, unit, first, second)


def _position(reader: ExpressionReader) -> Expr:
    cursor = reader.cursor
    start = cursor.take()
    cursor.expect("(")
    # Above IN, which here is not the operator.
    args = [reader.operand()]
    cursor.expect("IN", after="in POSITION(part IN text)")
    args.append(reader.expression())
    if cursor.accept("FROM"):
        args.append(reader.expression())
    cursor.expect(")")
    return reader.call(start, "POSITION", *args)


def _substring(reader: ExpressionReader) -> Expr:
    cursor = reader.cursor
    start = cursor.take()
    cursor.expect("(")
    args = [reader.expression()]
    if cursor.accept("FROM"):
        args.append(reader.expression())
        if cursor.accept("FOR"):
            args.append(reader.expression())
    else:
        while cursor.accept(","):
            args.append(reader.expression())
    cursor.expect(")")
    return reader.call(start, "SUBSTRING", *args)


def _overlay(reader: ExpressionReader) -> Expr:
    cursor = reader.cursor
    start = cursor.take()
    cursor.expect("(")
    args = [reader.expression()]
    cursor.expect("PLACING", after="in OVERLAY(text PLACING part FROM start [FOR length])")
    args.append(reader.expression())
    cursor.expect("FROM")
    args.append(reader.expression())
    if cursor.accept("FOR"):
        args.append(reader.expression())
    cursor.expect(")")
    return reader.call(start, "OVERLAY", *args)


def _trim(reader: ExpressionReader) -> Expr:
    cursor = reader.cursor
    start = cursor.take()
    cursor.expect("(")
    side, chars = _say("BOTH", reader, start), _say(" ", reader, start)
    if cursor.sees_any("BOTH", "LEADING", "TRAILING"):
        side = _say(cursor.here.upper, reader, cursor.take())
        value = None if cursor.sees("FROM") else reader.expression()
        if value is not None and cursor.accept(")"):
            return reader.call(start, "TRIM", side, chars, value)
    else:
        value = reader.expression()
        if cursor.accept(")"):
            return reader.call(start, "TRIM", side, chars, value)
    cursor.expect("FROM", after="in TRIM([BOTH|LEADING|TRAILING] [chars] FROM text)")
    text = reader.expression()
    cursor.expect(")")
    return reader.call(start, "TRIM", side, chars if value is None else value, text)


def _row(reader: ExpressionReader) -> Expr:
    start = reader.cursor.take()
    return reader.call(start, "ROW", *reader.arguments())


def _cast(reader: ExpressionReader) -> Expr:
    return reader.cast(safe=False)


def _try_cast(reader: ExpressionReader) -> Expr:
    return reader.cast(safe=True)


def _count_json(reader: ExpressionReader) -> Expr:
    token = reader.cursor.here
    raise reader.cursor.unsupported(
        f"{token.text}, an aggregate that builds JSON", first=token,
        hint="Use COLLECT or LISTAGG.",
    )  # fmt: skip


SPECIAL: dict[str, Callable[[ExpressionReader], Expr]] = {
    "CAST": _cast,
    "TRY_CAST": _try_cast,
    "EXTRACT": _extract,
    "FLOOR": _rounding,
    "CEIL": _rounding,
    "CEILING": _rounding,
    "TIMESTAMPADD": _with_unit,
    "TIMESTAMPDIFF": _with_unit,
    "POSITION": _position,
    "SUBSTRING": _substring,
    "OVERLAY": _overlay,
    "TRIM": _trim,
    "ROW": _row,
    "JSON_ARRAY": json_calls.array,
    "JSON_EXISTS": json_calls.exists,
    "JSON_OBJECT": json_calls.object_,
    "JSON_QUERY": json_calls.query,
    "JSON_VALUE": json_calls.value,
    "JSON_OBJECTAGG": _count_json,
    "JSON_ARRAYAGG": _count_json,
}
