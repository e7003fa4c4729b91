"""A user's table function: each row once per row the function gives for it.

A row's new rows stand together, in the order the function gives them, beside the row's other
columns and with its time. ``outer``: a row for which nothing comes is given once, with NULLs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from millstream.errors import PlanError
from millstream.expr.tree import Expr, TableCall, columns_of
from millstream.plan.nodes import Unary
from millstream.types import Field, Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.plan.facts import Facts, Tables


@dataclass(frozen=True, kw_only=True, eq=False)
class CallTable(Unary):
    """Calls ``call`` for each row; ``columns`` names what it gives, none of them the input's."""

    call: TableCall
    columns: tuple[str, ...]
    outer: bool = False

    @cached_property
    def _schema(self) -> Schema:
        made = zip(self.columns, self.call.udf.result.fields, strict=True)
        fields = (Field(n, k.with_nullable(True) if self.outer else k) for n, (_, k) in made)
        return Schema((*self.input.schema.fields, *fields))

    def __post_init__(self) -> None:
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        return f"CallTable {'OUTER ' if self.outer else ''}{self.call}"

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return (self.call,)

    @property
    def id_keys(self) -> tuple[str, ...]:
        return (self.call.udf.name,)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        return replace(inputs[0], keys=())

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return (kept & set(self.input.schema.names)) | columns_of(self.call)


def names_given(call: TableCall, said: Sequence[str]) -> tuple[str, ...]:
    """Return the names of what a table function gives: those said, or its own."""
    own = tuple(name for name, _ in call.udf.result.fields)
    if not said:
        return own
    if len(said) != len(own):
        raise PlanError(
            f"{len(said)} names for the {len(own)} columns of {call.udf.name}.",
            where=call.place,
            hint=f"It gives: {call.udf.result}.",
        )
    return tuple(said)
