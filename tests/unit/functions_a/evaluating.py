"""Runs one expression over columns, as the tests of functions need it."""

from __future__ import annotations

from typing import Any

import polars as pl

from millstream.columns.physical import polars_schema, polars_type
from millstream.engine.evaluate import lower
from millstream.engine.functions import Context, Lowered
from millstream.expr.resolve import resolve
from millstream.expr.tree import Call, Cast, Expr, Literal
from millstream.types import Schema, parse_type


def call(function: str, *args: object) -> Call:
    """Return a call; arguments that are no expressions become constants."""
    return Call(function, tuple(a if isinstance(a, Expr) else Literal(a) for a in args))


def cast(arg: object, to: str, *, safe: bool = False) -> Cast:
    """Return CAST or TRY_CAST."""
    return Cast(arg if isinstance(arg, Expr) else Literal(arg), parse_type(to), safe=safe)


def lowered(expr: Expr, types: dict[str, str], zone: str = "UTC") -> Lowered:
    """Return the expression resolved against columns, as Polars runs it."""
    return lower(resolve(expr, Schema.of(types)), Context(zone))


def values(
    expr: Expr, types: dict[str, str], rows: dict[str, list[Any]], zone: str = "UTC"
) -> list[Any]:
    """Return the value of each row; the dtype must be the one the type promises."""
    frame = pl.DataFrame(rows, schema=polars_schema(Schema.of(types)))
    result = frame.select(lowered(expr, types, zone).value.alias("r"))["r"]
    assert result.dtype == polars_type(resolve(expr, Schema.of(types)).typed)
    return result.to_list()


def reasons(expr: Expr, types: dict[str, str], rows: dict[str, list[Any]]) -> list[str | None]:
    """Return why each row cannot be computed, None where it can."""
    frame = pl.DataFrame(rows, schema=polars_schema(Schema.of(types)))
    found: list[str | None] = [None] * frame.height
    for fail in lowered(expr, types).fails:
        shown = frame.with_columns(when=fail.when, text=fail.text)
        for i, (bad, text) in enumerate(zip(shown["when"], shown["text"], strict=True)):
            if bad and found[i] is None:
                found[i] = text
    return found
