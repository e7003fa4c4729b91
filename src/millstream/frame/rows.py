"""Python rows as Polars frames of a schema.

in      a Polars frame, a list of dicts, a dict of lists; texts stand for times and decimals
out     a frame with the schema's columns and types, or with inferred ones
bad     PlanError naming the column whose values do not fit
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from millstream.columns.physical import logical_schema, polars_schema
from millstream.errors import PlanError
from millstream.frame.where import here
from millstream.types import Schema, Timestamp, TimestampLtz


def frame_of(rows: Any, schema: Schema | None) -> pl.DataFrame:
    """Return the rows as a frame; with a schema, of exactly its columns and types."""
    frame = _raw(rows, schema)
    if schema is None:
        return frame
    missing = [n for n in schema.names if n not in frame.columns]
    if missing and frame.width:
        raise PlanError(
            f"The rows have no column '{missing[0]}'.",
            where=here(),
            hint=f"They have: {', '.join(frame.columns)}.",
        )
    wanted = polars_schema(schema)
    if not frame.width:
        return pl.DataFrame(schema=wanted)
    return pl.DataFrame([_column(frame[name], dtype) for name, dtype in wanted.items()])


def schema_of_frame(frame: pl.DataFrame, event_time: str | None) -> Schema:
    """Return the SQL schema of a frame; its event time counts in milliseconds."""
    schema = logical_schema(frame.schema)
    return millisecond_time(schema, event_time)


def millisecond_time(schema: Schema, event_time: str | None) -> Schema:
    """Return the schema with at most three digits behind the second in its event time."""
    return Schema(
        tuple(
            replace(f, type=replace(f.type, precision=3))
            if f.name == event_time
            and isinstance(f.type, Timestamp | TimestampLtz)
            and f.type.precision > 3
            else f
            for f in schema
        )
    )


def _raw(rows: Any, schema: Schema | None) -> pl.DataFrame:
    if isinstance(rows, pl.DataFrame):
        return rows
    if isinstance(rows, pl.LazyFrame):
        return rows.collect()
    try:
        given: Any = rows if isinstance(rows, dict) else list(rows)
        if given and isinstance(given, list) and isinstance(given[0], tuple) and schema is not None:
            return pl.DataFrame(
                given, schema=list(schema.names), orient="row", infer_schema_length=None
            )
        return pl.DataFrame(given, infer_schema_length=None)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise PlanError(
            f"The rows are no table: {str(error).splitlines()[0]}",
            where=here(),
            hint="Give a Polars frame, a list of dicts, or tuples and a schema.",
        ) from None


def _column(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    if column.dtype == dtype:
        return column
    try:
        if column.dtype == pl.String and isinstance(dtype, pl.Datetime):
            text = column.str.replace("T", " ").str.strip_suffix("Z")
            read = text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit=dtype.time_unit)
            return read if dtype.time_zone is None else read.dt.replace_time_zone("UTC")
        if column.dtype == pl.String and dtype == pl.Date():
            return column.str.to_date("%Y-%m-%d")
        return column.cast(dtype)
    except pl.exceptions.PolarsError as error:
        raise PlanError(
            f"The values of '{column.name}' do not fit {dtype}: {str(error).splitlines()[0]}",
            where=here(),
        ) from None
