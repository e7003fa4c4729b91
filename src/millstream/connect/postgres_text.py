"""Columns between Polars and PostgreSQL: COPY's CSV text out, selected values in.

in      frames whose dtypes are those of ``columns.physical``
out     CSV in which NULL is an empty field and the empty text is quoted, as COPY reads it
gap     ROW, MAP and MULTISET have no column type in PostgreSQL that means the same
"""

from __future__ import annotations

import polars as pl

from millstream import types as t
from millstream.errors import OptionError
from millstream.types import Schema

_SQL_TYPES: dict[type[t.LogicalType], str] = {
    t.Boolean: "boolean",
    t.TinyInt: "smallint",
    t.SmallInt: "smallint",
    t.Int: "integer",
    t.BigInt: "bigint",
    t.Float: "real",
    t.Double: "double precision",
    t.Char: "text",
    t.VarChar: "text",
    t.Binary: "bytea",
    t.VarBinary: "bytea",
    t.Date: "date",
    t.Time: "time",
    t.IntervalDay: "interval",
    t.IntervalYear: "interval",
}


def database_type(dtype: t.LogicalType, *, column: str, where: str) -> str:
    """The PostgreSQL type that holds a SQL type of ours."""
    match dtype:
        case t.Decimal(precision=precision, scale=scale):
            return f"numeric({precision},{scale})"
        case t.Timestamp():
            return "timestamp"
        case t.TimestampLtz():
            return "timestamptz"
        case t.Array(element=element) if not isinstance(element, t.Array):
            return database_type(element, column=column, where=where) + "[]"
    found = _SQL_TYPES.get(type(dtype))
    if found is None:
        raise OptionError(
            f"The column '{column}' is {dtype}, which PostgreSQL has no type for.",
            where=where,
            hint="Make it text first, for example with CAST(… AS STRING).",
        )
    return found


def csv(frame: pl.DataFrame, schema: Schema) -> bytes:
    """The columns of ``schema`` as COPY … WITH (FORMAT csv) reads them."""
    texts = frame.select(_text(pl.col(f.name), f.type).alias(f.name) for f in schema)
    return texts.write_csv(include_header=False).encode()


def _text(value: pl.Expr, dtype: t.LogicalType) -> pl.Expr:
    match dtype:
        case t.Binary() | t.VarBinary():
            return pl.lit("\\x") + value.bin.encode("hex")
        case t.Timestamp():
            return value.dt.to_string("%Y-%m-%d %H:%M:%S%.f")
        case t.TimestampLtz():
            return value.dt.replace_time_zone(None).dt.to_string("%Y-%m-%d %H:%M:%S%.f") + "+00"
        case t.Time():
            return value.dt.to_string("%H:%M:%S%.f")
        case t.IntervalDay():
            return value.dt.total_milliseconds().cast(pl.String) + " milliseconds"
        case t.IntervalYear():
            return value.cast(pl.String) + " months"
        case t.Array(element=element):
            return _array(value, element)
        case _:
            return value


def _array(value: pl.Expr, element: t.LogicalType) -> pl.Expr:
    """An array literal, ``{1,NULL,"a b"}``; quotes and backslashes inside are escaped."""
    text = _text(pl.element(), element).cast(pl.String)
    if isinstance(element, t.Char | t.VarChar | t.Binary | t.VarBinary):
        text = text.str.replace_all("\\", "\\\\", literal=True)
        text = text.str.replace_all('"', '\\"', literal=True)
    quoted = pl.when(text.is_null()).then(pl.lit("NULL")).otherwise('"' + text + '"')
    return "{" + value.list.eval(quoted).list.join(",") + "}"
