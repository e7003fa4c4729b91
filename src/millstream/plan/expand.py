"""Steps that make several rows of one: UNNEST of a collection.

A row's new rows stand together, in the order of the collection, and have the row's other columns
and its time. ``outer``: a row of which nothing comes is given once, with NULLs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from millstream import types as t
from millstream.errors import Place, TypeMismatch
from millstream.plan.facts import Facts, Tables
from millstream.plan.nodes import Node, Unary
from millstream.types import Field, Schema


@dataclass(frozen=True, slots=True)
class Unnest:
    """The elements of a column that is an ARRAY, MAP or MULTISET, perhaps with their number."""

    column: str
    ordinality: bool = False

    def __str__(self) -> str:
        return f"UNNEST({self.column}){' WITH ORDINALITY' if self.ordinality else ''}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Expand(Unary):
    """Each row once per element, beside the element's columns."""

    call: Unnest
    columns: Schema
    outer: bool = False

    @cached_property
    def _schema(self) -> Schema:
        made = self.columns.fields
        if self.outer:
            made = tuple(Field(f.name, f.type.with_nullable(True)) for f in made)
        return Schema((*self.input.schema.fields, *made))

    def __post_init__(self) -> None:
        kind = self.input.schema.type_of(self.call.column)
        width = len(element_columns(kind, ordinality=self.call.ordinality))
        assert width == len(self.columns), "as many columns as an element has"
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def id_keys(self) -> tuple[str, ...]:
        return (self.call.column,)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return replace(inputs[0], keys=())

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return (kept & set(self.input.schema.names)) | {self.call.column}

    def narrowed(self, kept: set[str]) -> Node:
        return self

    def label(self) -> str:
        return f"Expand {'OUTER ' if self.outer else ''}{self.call}"


def element_columns(
    kind: t.LogicalType, *, ordinality: bool = False, place: Place | None = None
) -> tuple[Field, ...]:
    """Return the columns UNNEST of a value of this type gives, under their default names."""
    match kind:
        case t.Array(element=t.Row() as row) | t.Multiset(element=t.Row() as row):
            made = [
                Field(name, field.with_nullable(field.nullable or row.nullable))
                for name, field in row.fields
            ]
        case t.Array(element=element) | t.Multiset(element=element):
            made = [Field("EXPR$0", element)]
        case t.Map(key=key, value=value):
            made = [Field("KEY", key), Field("VALUE", value)]
        case _:
            raise TypeMismatch(
                f"UNNEST of {kind}.", where=place, hint="It takes an ARRAY, a MAP or a MULTISET."
            )
    if ordinality:
        made.append(Field("ORDINALITY", t.Int(nullable=False)))
    return tuple(made)
