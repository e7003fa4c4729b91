"""SQL types as Polars dtypes, and back.

TIMESTAMP(0–3) is kept in ms, (4–6) in µs, (7–9) in ns; TIMESTAMP_LTZ is the same with zone UTC.
INTERVAL DAY is Duration(ms), INTERVAL YEAR whole months as Int32. MAP and MULTISET are lists of
``{key, value}``. CHAR and VARCHAR lengths are not kept by Polars; casts obey them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import polars as pl

from millstream import types as t
from millstream.errors import TypeMismatch

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

TimeUnit = Literal["ms", "us", "ns"]

_PLAIN: dict[type[t.LogicalType], pl.DataType] = {
    t.Null: pl.Null(),
    t.Boolean: pl.Boolean(),
    t.TinyInt: pl.Int8(),
    t.SmallInt: pl.Int16(),
    t.Int: pl.Int32(),
    t.BigInt: pl.Int64(),
    t.Float: pl.Float32(),
    t.Double: pl.Float64(),
    t.Char: pl.String(),
    t.VarChar: pl.String(),
    t.Binary: pl.Binary(),
    t.VarBinary: pl.Binary(),
    t.Date: pl.Date(),
    t.Time: pl.Time(),
    t.IntervalYear: pl.Int32(),
    t.IntervalDay: pl.Duration("ms"),
}


def time_unit(precision: int) -> TimeUnit:
    """Return the unit that keeps ``precision`` digits behind the second."""
    if precision <= 3:
        return "ms"
    return "us" if precision <= 6 else "ns"


@cache
def polars_type(dtype: t.LogicalType) -> pl.DataType:
    """Return the Polars dtype that holds a SQL type."""
    match dtype:
        case t.Decimal(precision=precision, scale=scale):
            return pl.Decimal(precision, scale)
        case t.Timestamp(precision=precision):
            return pl.Datetime(time_unit(precision))
        case t.TimestampLtz(precision=precision):
            return pl.Datetime(time_unit(precision), "UTC")
        case t.Array(element=element):
            return pl.List(polars_type(element))
        case t.Map(key=key, value=value):
            return _pairs(polars_type(key), polars_type(value))
        case t.Multiset(element=element):
            return _pairs(polars_type(element), pl.Int32())
        case t.Row(fields=fields):
            return pl.Struct([pl.Field(name, polars_type(kind)) for name, kind in fields])
        case _:
            return _PLAIN[type(dtype)]


def polars_schema(schema: t.Schema) -> pl.Schema:
    """Return the Polars schema of a SQL schema."""
    return pl.Schema({f.name: polars_type(f.type) for f in schema})


def empty_frame(schema: t.Schema) -> pl.DataFrame:
    """Return a frame without rows."""
    return pl.DataFrame(schema=polars_schema(schema))


_BACK: dict[type[pl.DataType], t.LogicalType] = {
    pl.Null: t.Null(),
    pl.Boolean: t.Boolean(),
    pl.Int8: t.TinyInt(),
    pl.Int16: t.SmallInt(),
    pl.Int32: t.Int(),
    pl.Int64: t.BigInt(),
    pl.UInt8: t.SmallInt(),
    pl.UInt16: t.Int(),
    pl.UInt32: t.BigInt(),
    pl.UInt64: t.Decimal(20, 0),
    pl.Float32: t.Float(),
    pl.Float64: t.Double(),
    pl.String: t.VarChar(),
    pl.Categorical: t.VarChar(),
    pl.Enum: t.VarChar(),
    pl.Binary: t.VarBinary(),
    pl.Date: t.Date(),
    pl.Time: t.Time(6),
    pl.Duration: t.IntervalDay(),
}
_DIGITS = {"ms": 3, "us": 6, "ns": 9}


def logical_type(dtype: pl.DataType) -> t.LogicalType:
    """Return the SQL type that fits a Polars dtype; raises TypeMismatch where none does."""
    match dtype:
        case pl.Decimal():
            return t.Decimal(dtype.precision or t.logical.MAX_PRECISION, dtype.scale)
        case pl.Datetime():
            digits = _DIGITS[dtype.time_unit]
            return t.Timestamp(digits) if dtype.time_zone is None else t.TimestampLtz(digits)
        case pl.List() | pl.Array():
            return t.Array(logical_type(_dtype(dtype.inner)))
        case pl.Struct():
            return t.Row(tuple((f.name, logical_type(_dtype(f.dtype))) for f in dtype.fields))
        case _:
            found = _BACK.get(type(dtype))
            if found is None:
                raise TypeMismatch(
                    f"The Polars type {dtype} has no SQL type.",
                    hint="Cast the column in Polars before handing it over.",
                )
            return found


def logical_schema(schema: pl.Schema) -> t.Schema:
    """Return the SQL schema of a Polars schema."""
    return t.Schema.of({name: logical_type(dtype) for name, dtype in schema.items()})


def _pairs(key: pl.DataType, value: pl.DataType) -> pl.DataType:
    return pl.List(pl.Struct([pl.Field("key", key), pl.Field("value", value)]))


def _dtype(dtype: PolarsDataType) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()
