"""Changes as rows, and rows as changes: Flink's TO_CHANGELOG and FROM_CHANGELOG.

``ToChanges`` gives every change of its input as a new row that says in a column what kind it is;
``FromChanges`` takes such rows as the changes they tell of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from millstream.errors import PlanError, TypeMismatch, UnknownName
from millstream.plan.nodes import Unary
from millstream.types import Field, Schema, VarChar
from millstream.types.logical import CharacterString

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from millstream.plan.facts import Facts, Tables

DEFAULT_COLUMN = "op"


class Kind(Enum):
    """The kinds of changes under Flink's names; values are those of the hidden column."""

    INSERT = 0
    UPDATE_BEFORE = 1
    UPDATE_AFTER = 2
    DELETE = 3


SAME_NAMES = tuple((kind.name, kind) for kind in Kind)
"""The mapping where none is given: each kind is called by its name."""


def codes_of_kinds(given: Mapping[str, str]) -> tuple[tuple[str, Kind], ...]:
    """Read a mapping of TO_CHANGELOG: kinds, several with commas between, and their code."""
    found: dict[Kind, str] = {}
    for names, code in given.items():
        for kind in map(_kind, _parts(names)):
            if kind in found:
                raise _twice(kind, "Each kind has one code.")
            found[kind] = code
    if not found:
        raise PlanError("The mapping of change kinds is empty.", hint="Leave it out for all kinds.")
    return tuple((code, kind) for kind, code in found.items())


def kinds_of_codes(given: Mapping[str, str]) -> tuple[tuple[str, Kind], ...]:
    """Read a mapping of FROM_CHANGELOG: codes, several with commas between, and their kind."""
    seen: set[Kind] = set()
    found: dict[str, Kind] = {}
    for codes, name in given.items():
        kind = _kind(name.strip())
        if kind in seen:
            raise _twice(kind, f"Put its codes together: 'c, r' for {kind.name}.")
        seen.add(kind)
        found |= dict.fromkeys(_parts(codes), kind)
    if not found:
        raise PlanError("The mapping of change kinds is empty.", hint="Leave it out for all kinds.")
    return tuple(found.items())


def _parts(text: str) -> Iterable[str]:
    return (part.strip() for part in text.split(","))


def _kind(name: str) -> Kind:
    if name not in Kind.__members__:
        raise UnknownName("kind of change", name, available=Kind.__members__)
    return Kind[name]


def _twice(kind: Kind, hint: str) -> PlanError:
    return PlanError(f"The mapping names {kind.name} twice.", hint=hint)


@dataclass(frozen=True, kw_only=True, eq=False)
class ToChanges(Unary):
    """Each change as a row that stays: ``column`` first, then the columns of the changed row.

    ``codes`` are what the column says of the kinds; changes of other kinds are left out.
    """

    column: str = DEFAULT_COLUMN
    codes: tuple[tuple[str, Kind], ...] = SAME_NAMES

    @cached_property
    def _schema(self) -> Schema:
        return Schema((Field(self.column, VarChar()), *self.input.schema.fields))

    def __post_init__(self) -> None:
        if self.column in self.input.schema:
            raise PlanError(
                f"The column '{self.column}' is there already, the kind of change has no place.",
                hint="Give the kind another name: op => DESCRIPTOR(change), or op='change'.",
            )
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        kinds = ", ".join(f"{kind.name} as '{code}'" for code, kind in self.codes)
        return f"ToChanges {self.column}: {kinds}"

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        # What is taken back later has its old time: behind the mark, so it is no event time.
        below = inputs[0]
        times = () if below.updates else below.times
        return replace(below, times=times, bounds=None, updates=False, before=True, keys=())

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return kept - {self.column}


@dataclass(frozen=True, kw_only=True, eq=False)
class FromChanges(Unary):
    """Rows taken as changes: ``column`` says the kind and is gone.

    ``kinds`` are what its values mean. Without a kind UPDATE_BEFORE an UPDATE_AFTER replaces the
    row of the same ``key``, which must be named then.
    """

    column: str = DEFAULT_COLUMN
    kinds: tuple[tuple[str, Kind], ...] = SAME_NAMES
    key: tuple[str, ...] = ()

    @cached_property
    def _schema(self) -> Schema:
        return Schema(tuple(f for f in self.input.schema if f.name != self.column))

    def __post_init__(self) -> None:
        kind = self.input.schema.type_of(self.column)
        if not isinstance(kind, CharacterString):
            raise TypeMismatch(
                f"The kind of change is said as a text, '{self.column}' is {kind}.",
                hint=f"Cast it: CAST({self.column} AS STRING).",
            )
        if not self._schema.fields:
            raise PlanError(f"There is no column besides '{self.column}'.")
        for name in self.key:
            if name not in self._schema:
                raise UnknownName("key column", name, available=self._schema.names)
        if self.replaces and not self.key:
            raise PlanError(
                "The mapping has UPDATE_AFTER without UPDATE_BEFORE: a new row would never take "
                "the old one back.",
                hint="Map a code to UPDATE_BEFORE, or (Python) name the key by which a new row "
                "replaces the old one: from_changelog(key='id').",
            )

    @property
    def replaces(self) -> bool:
        """Whether a new row replaces the one of the same key without taking it back."""
        said = {kind for _, kind in self.kinds}
        return Kind.UPDATE_AFTER in said and Kind.UPDATE_BEFORE not in said

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        kinds = ", ".join(f"'{code}' is {kind.name}" for code, kind in self.kinds)
        by = f" by [{', '.join(self.key)}]" if self.key else ""
        return f"FromChanges {self.column}{by}: {kinds}"

    @property
    def id_keys(self) -> tuple[str, ...]:
        return self.key

    @property
    def append_only(self) -> str | None:
        return "FROM_CHANGELOG"

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        updates = any(kind is not Kind.INSERT for _, kind in self.kinds)
        keys = (self.key,) if self.key else ()
        return replace(inputs[0], bounds=None, updates=updates, before=not self.replaces, keys=keys)

    def reads(self, port: int, kept: set[str]) -> set[str]:
        return kept | {self.column, *self.key}
