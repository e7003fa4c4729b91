"""Cells of case files: text to values and rows to comparable values.

in      one cell as text and its SQL type
out     the Python value Polars gives for that type
text    ``NULL``; numbers, ``true``, dates as SQL writes them; a time alone (``00:00:05``) is of
        1970-01-01; bytes in hex; text bare or in single quotes; arrays, maps and rows as JSON
bad     CaseError naming the cell
"""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any

from millstream import types as t
from millstream.errors import MillstreamError, PlanError
from millstream.types.logical import BinaryString, CharacterString, Integer
from millstream.types.time import duration_ms

_OPEN, _CLOSE = "[{", "]}"
FLOAT_DIGITS = 9
"""Floats are equal when so many significant digits are (SEMANTICS §1)."""


class CaseError(MillstreamError):
    """A case file that cannot be read."""


def split_row(line: str) -> list[str]:
    """Split at commas that stand outside of quotes and brackets.

    >>> split_row("1, 'a,b', [1,2]")
    ['1', "'a,b'", '[1,2]']
    """
    cells: list[str] = []
    depth, quote, start = 0, "", 0
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth -= 1
        elif char == "," and depth == 0:
            cells.append(line[start:at].strip())
            start = at + 1
    return [*cells, line[start:].strip()]


def parse_cell(text: str, kind: t.LogicalType) -> Any:
    """Return the value a cell spells.

    >>> parse_cell("00:00:05", t.Timestamp(3))
    datetime.datetime(1970, 1, 1, 0, 0, 5)
    """
    if text == "NULL":
        return None
    try:
        return _parse(text, kind)
    except (ValueError, InvalidOperation, PlanError, json.JSONDecodeError) as error:
        raise CaseError(f"'{text}' is no {kind}: {error}") from None


def _parse(text: str, kind: t.LogicalType) -> Any:
    match kind:
        case CharacterString():
            return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text
        case t.Boolean():
            return {"true": True, "false": False}[text.lower()]
        case Integer():
            return int(text)
        case t.Decimal():
            return Decimal(text)
        case t.Float() | t.Double():
            return float(text)
        case BinaryString():
            return bytes.fromhex(text)
        case t.Date():
            return dt.date.fromisoformat(text)
        case t.Time():
            return dt.time.fromisoformat(text)
        case t.Timestamp():
            return _instant(text)
        case t.TimestampLtz():
            return _instant(text).replace(tzinfo=dt.UTC)
        case t.IntervalDay():
            return dt.timedelta(milliseconds=duration_ms(text))
        case t.IntervalYear():
            return int(text)
        case _:
            return _nested(json.loads(text), kind)


def _instant(text: str) -> dt.datetime:
    full = text if "-" in text else f"1970-01-01 {text}"
    return dt.datetime.fromisoformat(full)


def _nested(value: Any, kind: t.LogicalType) -> Any:
    if value is None:
        return None
    match kind:
        case t.Array(element=element):
            return [_nested(v, element) for v in value]
        case t.Map(key=key, value=inner):
            return [
                {"key": parse_cell(k, key), "value": _nested(v, inner)} for k, v in value.items()
            ]
        case t.Multiset(element=element):
            return [{"key": parse_cell(k, element), "value": v} for k, v in value.items()]
        case t.Row(fields=fields):
            return {name: _nested(value[name], inner) for name, inner in fields}
        case _:
            # A JSON number or text inside is read like a cell of its own.
            return parse_cell(value if isinstance(value, str) else json.dumps(value), kind)


def comparable(value: Any, kind: t.LogicalType) -> Any:
    """Return a value that is equal and hashes equal where the cells are the same."""
    if value is None:
        return None
    match kind:
        case t.Float() | t.Double():
            if math.isnan(value):
                return "NaN"
            return float(f"{value:.{FLOAT_DIGITS}g}") + 0.0
        case t.Array(element=element):
            return tuple(comparable(v, element) for v in value)
        case t.Map(key=key, value=inner):
            return frozenset(
                (comparable(p["key"], key), comparable(p["value"], inner)) for p in value
            )
        case t.Multiset(element=element):
            return frozenset((comparable(p["key"], element), p["value"]) for p in value)
        case t.Row(fields=fields):
            return tuple(comparable(value[name], inner) for name, inner in fields)
        case _:
            return value


def show_cell(value: Any, kind: t.LogicalType) -> str:
    """Return a value as a case file spells it, for messages that can be pasted back."""
    if value is None:
        return "NULL"
    match kind:
        case t.Boolean():
            return "true" if value else "false"
        case BinaryString():
            return str(value.hex())
        case t.Timestamp() | t.TimestampLtz():
            text = value.replace(tzinfo=None).isoformat(sep=" ")
            return str(text).removeprefix("1970-01-01 ")
        case CharacterString():
            plain = value and value == value.strip() and not set(value) & set(",'\"[]{}")
            return str(value) if plain and value != "NULL" else f"'{value}'"
        case t.Array() | t.Row():
            return json.dumps(value, default=str)
        case t.Map() | t.Multiset():
            return json.dumps({str(p["key"]): p["value"] for p in value}, default=str)
        case _:
            return str(value)
