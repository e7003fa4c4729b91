"""Rows as the recordings spell them, rows as case files do: both become comparable values.

in      JSON cells from Flink, or the text cells of a case, with the types our plan gives them
out     tuples that are equal where the rows are: numbers exactly, floats to nine digits, a time
        with what precision it has
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from millstream import types as t
from millstream.testing.cells import comparable, parse_cell
from millstream.types import Schema
from millstream.types.logical import BinaryString, CharacterString, Integer

Row = tuple[Any, ...]
_NANOS = re.compile(r"(\.\d{6})\d+$")


def of_flink(cells: Iterable[Any], schema: Schema) -> Row:
    """Return a recorded row as comparable values."""
    return tuple(
        comparable(_value(cell, f.type), f.type) for cell, f in zip(cells, schema, strict=True)
    )


def of_case(cells: Iterable[str], schema: Schema) -> Row:
    """Return a row of a case file as comparable values."""
    return tuple(
        comparable(parse_cell(cell, f.type), f.type) for cell, f in zip(cells, schema, strict=True)
    )


def _value(cell: Any, kind: t.LogicalType) -> Any:
    """Return what Polars gives for the type, from what the runner wrote."""
    if cell is None or isinstance(cell, bool):
        return cell
    match kind:
        case CharacterString():
            return cell
        case Integer() | t.IntervalYear():
            return int(cell)
        case t.Decimal():
            return Decimal(cell)
        case t.Float() | t.Double():
            return float(cell)
        case BinaryString():
            return bytes.fromhex(cell)
        case t.Date():
            return dt.date.fromisoformat(cell)
        case t.Time():
            return dt.time.fromisoformat(cell)
        case t.Timestamp():
            return dt.datetime.fromisoformat(_NANOS.sub(r"\1", cell))
        case t.TimestampLtz():
            return dt.datetime.fromisoformat(_NANOS.sub(r"\1", cell)).replace(tzinfo=dt.UTC)
        case t.IntervalDay():
            return dt.timedelta(milliseconds=int(cell))
        case t.Array(element=element):
            return [_value(v, element) for v in cell]
        case t.Map(key=key, value=inner):
            return [{"key": _value(k, key), "value": _value(v, inner)} for k, v in cell]
        case t.Multiset(element=element):
            return [{"key": _value(k, element), "value": int(v)} for k, v in cell]
        case t.Row(fields=fields):
            return {name: _value(v, inner) for v, (name, inner) in zip(cell, fields, strict=True)}
        case _:
            return cell
