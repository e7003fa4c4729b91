"""A table: its columns, its time, its key and how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from millstream.errors import Place, TypeMismatch, UnknownName
from millstream.expr.tree import Expr
from millstream.types import Field, LogicalType, Schema, Timestamp, TimestampLtz


@dataclass(frozen=True, slots=True)
class Physical:
    """A column the system stores."""

    name: str
    type: LogicalType


@dataclass(frozen=True, slots=True)
class Metadata:
    """A column the connector fills from ``key`` (offset, headers …); virtual = never written."""

    name: str
    type: LogicalType
    key: str
    virtual: bool = False


@dataclass(frozen=True, slots=True)
class Computed:
    """A column computed from the others where the table is scanned; never written."""

    name: str
    expr: Expr

    @property
    def type(self) -> LogicalType:
        """The type of its expression."""
        return self.expr.typed


ColumnDef = Physical | Metadata | Computed


@dataclass(frozen=True, slots=True)
class Condition:
    """``column op value``: a source may leave out the rows for which this is not TRUE.

    ``op`` is one of = <> < <= > >= with a constant that is not NULL, or IS NOT NULL without one.
    """

    column: str
    op: str
    value: Any = None

    def __str__(self) -> str:
        return f"{self.column} {self.op}" + ("" if self.value is None else f" {self.value!r}")


@dataclass(frozen=True, slots=True)
class Watermark:
    """``column`` is the event time; ``expr`` gives each row's contribution to the mark."""

    column: str
    expr: Expr


@dataclass(frozen=True)
class Table:
    """One table of the catalog; ``options`` are those of WITH, without ``connector``."""

    name: str
    columns: tuple[ColumnDef, ...]
    connector: str
    options: Mapping[str, Any] = field(default_factory=dict)
    watermark: Watermark | None = None
    primary_key: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    comment: str | None = None
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)
    """Where a SQL text says each option, and under ``""`` where it declares the table."""

    def __post_init__(self) -> None:
        names = self.schema
        for column in self.partitions:
            if column not in self.physical:
                raise UnknownName(
                    "partition column", column, available=self.physical.names, where=self.name
                )
        for key in self.primary_key:
            if key not in names:
                raise UnknownName("primary key column", key, available=names.names, where=self.name)
        if self.watermark is None:
            return
        time_type = names.type_of(self.watermark.column)
        if not isinstance(time_type, Timestamp | TimestampLtz) or time_type.precision > 3:
            raise TypeMismatch(
                f"The watermark column '{self.watermark.column}' is {time_type}.",
                where=f"table '{self.name}'",
                hint="Event time needs TIMESTAMP(3) or TIMESTAMP_LTZ(3).",
            )

    @property
    def schema(self) -> Schema:
        """All columns, as a query sees them."""
        return Schema(tuple(Field(c.name, c.type) for c in self.columns))

    @property
    def physical(self) -> Schema:
        """The columns the system stores."""
        return Schema(tuple(Field(c.name, c.type) for c in self.columns if isinstance(c, Physical)))

    @property
    def metadata(self) -> tuple[Metadata, ...]:
        """The columns the connector fills."""
        return tuple(c for c in self.columns if isinstance(c, Metadata))

    @property
    def computed(self) -> tuple[Computed, ...]:
        """The columns computed at the scan."""
        return tuple(c for c in self.columns if isinstance(c, Computed))

    @property
    def writable(self) -> Schema:
        """The columns INSERT INTO fills, in order: physical and non-virtual metadata."""
        return Schema(
            tuple(
                Field(c.name, c.type)
                for c in self.columns
                if isinstance(c, Physical) or (isinstance(c, Metadata) and not c.virtual)
            )
        )
