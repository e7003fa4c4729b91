"""Flink's SQL types as frozen values.

Two types are equal when their shape and nullability are equal. ``str(type)`` is Flink's own
spelling and is read back by :func:`millstream.types.parse_type`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

MAX_LENGTH = 2_147_483_647
MAX_PRECISION = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalType:
    """A SQL type; ``nullable`` is True unless NOT NULL was said."""

    nullable: bool = True

    def with_nullable(self, nullable: bool) -> Self:
        """Return the same type with the given nullability."""
        return self if nullable == self.nullable else replace(self, nullable=nullable)

    def name(self) -> str:
        """Return Flink's spelling without nullability."""
        raise AssertionError(f"{type(self).__name__} has no spelling")

    def __str__(self) -> str:
        return self.name() if self.nullable else f"{self.name()} NOT NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Null(LogicalType):
    """The type of a bare NULL before it meets another type."""

    def name(self) -> str:
        return "NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(LogicalType):
    """TRUE, FALSE or UNKNOWN."""

    def name(self) -> str:
        return "BOOLEAN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric(LogicalType):
    """Any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Numeric):
    """A two's complement integer; ``bits`` wide, wraps around as Flink's does."""

    bits: ClassVar[int] = 0
    digits: ClassVar[int] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyInt(Integer):
    """8 bits."""

    bits: ClassVar[int] = 8
    digits: ClassVar[int] = 3

    def name(self) -> str:
        return "TINYINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallInt(Integer):
    """16 bits."""

    bits: ClassVar[int] = 16
    digits: ClassVar[int] = 5

    def name(self) -> str:
        return "SMALLINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Int(Integer):
    """32 bits."""

    bits: ClassVar[int] = 32
    digits: ClassVar[int] = 10

    def name(self) -> str:
        return "INT"


@dataclass(frozen=True, slots=True, kw_only=True)
class BigInt(Integer):
    """64 bits."""

    bits: ClassVar[int] = 64
    digits: ClassVar[int] = 19

    def name(self) -> str:
        return "BIGINT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Float(Numeric):
    """IEEE 754, 32 bits."""

    def name(self) -> str:
        return "FLOAT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Double(Numeric):
    """IEEE 754, 64 bits."""

    def name(self) -> str:
        return "DOUBLE"


@dataclass(frozen=True, slots=True)
class Decimal(Numeric):
    """An exact number of ``precision`` digits, ``scale`` of them behind the point."""

    precision: int = 10
    scale: int = 0

    def __post_init__(self) -> None:
        assert 1 <= self.precision <= MAX_PRECISION, f"DECIMAL precision {self.precision}"
        assert 0 <= self.scale <= self.precision, f"DECIMAL scale {self.scale}"

    def name(self) -> str:
        return f"DECIMAL({self.precision}, {self.scale})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterString(LogicalType):
    """Any text."""


@dataclass(frozen=True, slots=True)
class Char(CharacterString):
    """Text of exactly ``length`` characters."""

    length: int = 1

    def name(self) -> str:
        return f"CHAR({self.length})"


@dataclass(frozen=True, slots=True)
class VarChar(CharacterString):
    """Text of at most ``length`` characters; STRING is the longest."""

    length: int = MAX_LENGTH

    def name(self) -> str:
        return "STRING" if self.length == MAX_LENGTH else f"VARCHAR({self.length})"


STRING = VarChar()


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryString(LogicalType):
    """Any bytes."""


@dataclass(frozen=True, slots=True)
class Binary(BinaryString):
    """Exactly ``length`` bytes."""

    length: int = 1

    def name(self) -> str:
        return f"BINARY({self.length})"


@dataclass(frozen=True, slots=True)
class VarBinary(BinaryString):
    """At most ``length`` bytes; BYTES is the longest."""

    length: int = MAX_LENGTH

    def name(self) -> str:
        return "BYTES" if self.length == MAX_LENGTH else f"VARBINARY({self.length})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Temporal(LogicalType):
    """A point in time or of the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Date(Temporal):
    """A day."""

    def name(self) -> str:
        return "DATE"


@dataclass(frozen=True, slots=True)
class Time(Temporal):
    """A time of the day, ``precision`` digits behind the second."""

    precision: int = 0

    def name(self) -> str:
        return f"TIME({self.precision})"


@dataclass(frozen=True, slots=True)
class Timestamp(Temporal):
    """A date and time without a zone; 0–3 digits are kept in ms, 4–6 in µs, 7–9 in ns."""

    precision: int = 6

    def name(self) -> str:
        return f"TIMESTAMP({self.precision})"


@dataclass(frozen=True, slots=True)
class TimestampLtz(Temporal):
    """An instant, shown in ``table.local-time-zone``."""

    precision: int = 6

    def name(self) -> str:
        return f"TIMESTAMP_LTZ({self.precision})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(LogicalType):
    """A length of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalYear(Interval):
    """Whole months (INTERVAL YEAR TO MONTH)."""

    def name(self) -> str:
        return "INTERVAL YEAR TO MONTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalDay(Interval):
    """Milliseconds (INTERVAL DAY TO SECOND(3))."""

    def name(self) -> str:
        return "INTERVAL DAY TO SECOND(3)"


@dataclass(frozen=True, slots=True)
class Array(LogicalType):
    """A list of one element type."""

    element: LogicalType = STRING

    def name(self) -> str:
        return f"ARRAY<{self.element}>"


@dataclass(frozen=True, slots=True)
class Map(LogicalType):
    """Keys to values; kept as a list of (key, value)."""

    key: LogicalType = STRING
    value: LogicalType = STRING

    def name(self) -> str:
        return f"MAP<{self.key}, {self.value}>"


@dataclass(frozen=True, slots=True)
class Multiset(LogicalType):
    """Elements with their count; kept as a list of (key, value) like MAP<element, INT>."""

    element: LogicalType = STRING

    def name(self) -> str:
        return f"MULTISET<{self.element}>"


@dataclass(frozen=True, slots=True)
class Row(LogicalType):
    """Named fields in order."""

    fields: tuple[tuple[str, LogicalType], ...] = ()

    def name(self) -> str:
        inner = ", ".join(f"`{name}` {dtype}" for name, dtype in self.fields)
        return f"ROW<{inner}>"

    def field(self, name: str) -> LogicalType | None:
        """Return the type of a field, or None where there is no such field."""
        return dict(self.fields).get(name)
