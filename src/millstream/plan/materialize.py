"""A live view's rows, each with a number that stays with it for as long as the row stands.

What reads them keeps no state of its own: numbers and rows are the state of this step, which a
checkpoint keeps, so that a view is whole again after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from millstream.errors import PlanError, UnknownName
from millstream.plan.facts import StateBound, same_key
from millstream.plan.node import Unary
from millstream.types import BigInt, Field, Schema
from millstream.types.time import duration_text

if TYPE_CHECKING:
    from millstream.plan.facts import Facts, Tables

ROW = "$row"
"""The column with a row's number."""
ROWS_MAX = 1_000_000
"""So many rows a view keeps where nothing else is said."""
COLUMNS_MAX = 60
"""A row that is known by all of its columns may have so many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Materialize(Unary):
    """Keeps the rows of a view and numbers them: ``$row``, then the columns of the input.

    ``key``: the newest row per key stands. None: of rows that only come each stands for itself;
    of rows that change each is known by all of its columns.
    ``rows_max``: beyond it the rows written longest ago go. ``ttl_ms``: a row that was not
    written for so long goes; 0 = it stays.
    """

    key: tuple[str, ...] | None = None
    rows_max: int = ROWS_MAX
    ttl_ms: int = 0

    @cached_property
    def _schema(self) -> Schema:
        return Schema((Field(ROW, BigInt(nullable=False)), *self.input.schema.fields))

    def __post_init__(self) -> None:
        if self.rows_max < 1:
            raise PlanError(f"A view keeps at least one row, not {self.rows_max}.")
        if self.ttl_ms < 0:
            raise PlanError("The time to live of a row is not negative.")
        for name in self.key or ():
            if name not in self.input.schema:
                raise UnknownName("key column", name, available=self.input.schema.names)
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        if self.key == ():
            return "Materialize one row"
        by = "" if self.key is None else f" by [{', '.join(self.key)}]"
        age = f", none older than {duration_text(self.ttl_ms)}" if self.ttl_ms else ""
        return f"Materialize{by}: at most {self.rows_max} rows{age}"

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.key or ()

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        from millstream.plan.facts import Facts

        below = inputs[0]
        return Facts(
            bounded=below.bounded, marks=below.marks, updates=True, before=False, keys=((ROW,),)
        )

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        return self.key is None or not same_key(self.key, below.keys[:1])

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.COUNT

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return (kept - {ROW}) | set(self.key or ())
