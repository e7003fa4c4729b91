"""Rows as lines of text, for standard output: JSON, CSV, or columns apart.

in      frames with the result's columns, and ``$op`` where they carry changes
out     lines; every value as SQL writes it, in JSON numbers and truth values as JSON has them
bad     nothing: every SQL value has a text
"""

from __future__ import annotations

import csv
import io
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from millstream import types as t
from millstream.columns.changes import OP
from millstream.columns.text import op_text, text_frame
from millstream.types.logical import CharacterString, Numeric

if TYPE_CHECKING:
    from millstream.types import Schema

OP_COLUMN = "op"
_AS_IS = (t.Boolean, Numeric, CharacterString)
_NESTED = (t.Array, t.Map, t.Multiset, t.Row)


class Shape(Enum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class RowWriter:
    """Turns frames into lines of one shape; ``head`` comes before the first."""

    def __init__(self, schema: Schema, shape: Shape, *, changes: bool) -> None:
        self._schema = schema
        self._shape = shape
        self._changes = changes
        self._json = msgspec.json.Encoder(decimal_format="number")

    def head(self) -> list[str]:
        """Return the line of column names, where the shape has one."""
        names = [*((OP_COLUMN,) if self._changes else ()), *self._schema.names]
        if self._shape is Shape.JSON:
            return []
        return [_csv_line(names) if self._shape is Shape.CSV else " | ".join(names)]

    def lines(self, frame: pl.DataFrame) -> list[str]:
        """Return one line per row."""
        ops = op_text(frame) if self._changes else None
        data = frame.drop(OP) if OP in frame.columns else frame
        if self._shape is Shape.JSON:
            shaped = _for_json(data, self._schema)
            named = shaped if ops is None else shaped.insert_column(0, ops.alias(OP_COLUMN))
            # A loop over rows: each is one JSON document.
            return [self._json.encode(row).decode() for row in named.iter_rows(named=True)]
        texts = text_frame(data, self._schema)
        named = texts if ops is None else texts.insert_column(0, ops.alias(OP_COLUMN))
        if self._shape is Shape.CSV:
            return named.write_csv(include_header=False).splitlines()
        filled = named.select(pl.all().fill_null("NULL"))
        return filled.select(pl.concat_str(pl.all(), separator=" | "))[:, 0].to_list()


def _for_json(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return values JSON can hold: times and bytes as SQL's text, the rest as it is."""
    texts = [f.name for f in schema if not isinstance(f.type, (*_AS_IS, *_NESTED))]
    if not texts:
        return frame
    written = text_frame(frame.select(texts), schema.select(texts))
    return frame.with_columns(written[name] for name in texts)


def _csv_line(values: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()
