"""CSV files whose first line names the fields: every file in an order of its own.

in      the first line, the wanted columns and all that are declared
out     a decoder of the lines behind it; fields that are not declared are passed over
bad     a header without a wanted column is a ConnectorError naming the file
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from millstream import types as t
from millstream.errors import ConnectorError, Domain
from millstream.formats.csv import CsvDecoder, rules_of
from millstream.ports.format import Decoder, PartDecoder
from millstream.ports.registry import format_of
from millstream.types import Schema


def by_names(
    header: pl.Series,
    wanted: Schema,
    whole: Schema,
    formats: Mapping[str, Any],
    where: str,
    path: str,
) -> Decoder:
    """Return a decoder for a CSV file whose first line names its fields."""
    _, config = format_of(formats, where)
    rules = rules_of(config)
    cells = header.cast(pl.String)[0].count(chr(rules.delimiter)) + 1
    texts = Schema.of({f"c{i}": "STRING" for i in range(cells)})
    first = CsvDecoder(texts, rules).decode(header)
    names = [str(cell).lstrip("\ufeff").strip() for cell in first.frame.row(0) if cell is not None]
    missing = [f.name for f in wanted if f.name not in names]
    if missing:
        raise ConnectorError(
            f"The header has no column '{missing[0]}'.",
            where=path,
            hint=f"It has: {', '.join(names)}.",
            domain=Domain.DATA,
        )
    known = {f.name: f.type for f in whole}
    fields: dict[str, t.LogicalType] = {}
    for i, name in enumerate(names):
        if name in known and name not in fields:
            fields[name] = known[name]
        else:  # a field that nobody asked for still has its place in the line
            fields[f"\0{i}"] = t.VarChar()
    decoder = CsvDecoder(Schema.of(fields), rules)
    return PartDecoder(decoder, wanted.names)
