"""Frames as the API shows them: a JSON array of arrays, a whole frame at a time.

in      a frame with the columns of a schema, any more are left out
out     ``[[…],[…]]`` in UTF-8, the values of each row in the schema's order, without blanks
values  whole numbers beyond 2**53 and decimals are texts, so that no reader rounds them; instants
        and times are ISO 8601 (those of TIMESTAMP_LTZ end in ``Z``) with as many digits as they
        need; NaN and the infinities are the texts ``NaN``, ``Infinity``, ``-Infinity``; bytes are
        base64; intervals are whole months or milliseconds; a ROW is an object, an ARRAY an array,
        a MAP or MULTISET an object whose names are its keys as text; NULL is ``null``
cost    many rows are made by Polars without the interpreter's lock, few without Polars' pool
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from millstream import types as t
from millstream.columns.frames import computed
from millstream.columns.text import text_of
from millstream.formats.json_encode import escaped, quoted, real, short_fraction
from millstream.serve.models import ColumnInfo
from millstream.types.logical import BinaryString, CharacterString

if TYPE_CHECKING:
    import numpy as np

ROWS_BY_HAND = 1_024
EXACT_MAX = 2**53
"""Beyond this a reader that knows floating-point numbers alone would round."""


def columns(schema: t.Schema) -> list[ColumnInfo]:
    """Return the columns of a schema as the API names them."""
    return [ColumnInfo(name=f.name, type=str(f.type)) for f in schema]


def json_rows(frame: pl.DataFrame, schema: t.Schema) -> bytes:
    """Return the rows of a frame as a JSON array of arrays."""
    if not frame.height:
        return b"[]"
    cells, row = _written(schema)
    if frame.height <= ROWS_BY_HAND:
        # A loop over very few rows: joining texts takes Polars' pool (columns/frames.py).
        values = [column.to_list() for column in computed(frame, cells)]
        lines = ["[" + ",".join(some) + "]" for some in zip(*values, strict=True)]
        if not values:
            lines = ["[]"] * frame.height
        return ("[" + ",".join(lines) + "]").encode()
    text: str = frame.select(row.str.join(",")).item()
    return f"[{text}]".encode()


def json_numbers(numbers: np.ndarray) -> bytes:
    """Return row numbers as a JSON array."""
    return msgspec.json.encode(numbers.tolist())


@lru_cache(maxsize=256)
def _written(schema: t.Schema) -> tuple[list[pl.Expr], pl.Expr]:
    """Return what writes each column, and what writes a whole row."""
    cells = [_or_null(pl.col(f.name), f.type).alias(f.name) for f in schema]
    if not cells:
        return cells, pl.lit("[]")
    inner = pl.concat_str(cells, separator=",")
    return cells, pl.concat_str([pl.lit("["), inner, pl.lit("]")])


def _or_null(value: pl.Expr, dtype: t.LogicalType) -> pl.Expr:
    return _json(value, dtype).fill_null("null")


def _json(value: pl.Expr, dtype: t.LogicalType) -> pl.Expr:
    match dtype:
        case t.Boolean():
            return pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))
        case t.BigInt():
            text = value.cast(pl.String)
            exact = value.is_between(-EXACT_MAX, EXACT_MAX)
            return pl.when(exact).then(text).otherwise(_quoted(text))
        case t.Float() | t.Double():
            return real(value)
        case t.Decimal():
            return _quoted(value.cast(pl.String))
        case CharacterString():
            return _quoted(value.map_batches(escaped, pl.String, is_elementwise=True))
        case BinaryString():
            return _quoted(value.bin.encode("base64"))
        case t.Date():
            return value.dt.to_string('"%Y-%m-%d"')
        case t.Time():
            return _quoted(short_fraction(value.dt.to_string("%H:%M:%S%.9f")))
        case t.Timestamp(precision=precision) | t.TimestampLtz(precision=precision):
            digits = (3, 3, 6, 9)[-(-precision // 3)]
            text = short_fraction(value.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.{digits}f"))
            return _quoted(text + "Z" if isinstance(dtype, t.TimestampLtz) else text)
        case t.IntervalDay():
            return value.dt.total_milliseconds().cast(pl.String)
        case t.Array(element=element):
            return _joined(value, _or_null(pl.element(), element), "[", "]")
        case t.Map(key=key, value=held):
            return _object(value, key, held)
        case t.Multiset(element=element):
            return _object(value, element, t.Int())
        case t.Row(fields=fields):
            members = [
                pl.lit(f"{quoted(name)}:") + _or_null(value.struct.field(name), kind)
                for name, kind in fields
            ]
            inner = pl.concat_str(members, separator=",")
            return pl.when(value.is_not_null()).then(pl.lit("{") + inner + "}")
        case _:
            return value.cast(pl.String)


def _object(value: pl.Expr, key: t.LogicalType, held: t.LogicalType) -> pl.Expr:
    entry = pl.element().struct
    name = text_of(entry.field("key"), key).fill_null("null")
    name = _quoted(name.map_batches(escaped, pl.String, is_elementwise=True))
    return _joined(value, name + ":" + _or_null(entry.field("value"), held), "{", "}")


def _joined(value: pl.Expr, element: pl.Expr, opening: str, closing: str) -> pl.Expr:
    inner = value.list.eval(element).list.join(",")
    return pl.when(value.is_not_null()).then(pl.lit(opening) + inner + closing)


def _quoted(text: pl.Expr) -> pl.Expr:
    return pl.lit('"') + text + '"'
