"""A schema: the named, typed columns of a stream, in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from millstream.errors import PlanError, UnknownName
from millstream.types.text import parse_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from millstream.types.logical import LogicalType

RESERVED = ("$op", "$mark", "$split", "$offset")


@dataclass(frozen=True, slots=True)
class Field:
    """One column."""

    name: str
    type: LogicalType

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


@dataclass(frozen=True)
class Schema:
    """Columns in order; names are unique and case-sensitive, as in Flink."""

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for field in self.fields:
            if field.name in RESERVED:
                raise PlanError(
                    f"The column name '{field.name}' is reserved.", hint="Choose another name."
                )
            if field.name in seen:
                raise PlanError(
                    f"Two columns are named '{field.name}'.",
                    hint=f"Give one of them another name: … AS {field.name}_2.",
                )
            seen.add(field.name)

    @classmethod
    def of(cls, columns: Mapping[str, LogicalType | str]) -> Schema:
        """Build a schema from ``{name: type}``; a type may be given as text."""
        return cls(
            tuple(
                Field(name, parse_type(t) if isinstance(t, str) else t)
                for name, t in columns.items()
            )
        )

    @cached_property
    def _by_name(self) -> dict[str, LogicalType]:
        return {field.name: field.type for field in self.fields}

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(field.name for field in self.fields)

    def type_of(self, name: str) -> LogicalType:
        """Return a column's type, or raise UnknownName with the near ones."""
        found = self._by_name.get(name)
        if found is None:
            raise UnknownName("column", name, available=self.names)
        return found

    def get(self, name: str) -> LogicalType | None:
        """Return a column's type, or None."""
        return self._by_name.get(name)

    def select(self, names: Iterable[str]) -> Schema:
        """Return the named columns in the order given."""
        return Schema(tuple(Field(n, self.type_of(n)) for n in names))

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __str__(self) -> str:
        return ", ".join(str(field) for field in self.fields)
