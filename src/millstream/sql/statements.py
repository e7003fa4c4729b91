"""What a statement says, as plain values; nothing is looked up or executed yet."""

from __future__ import annotations

from dataclasses import dataclass

from millstream.errors import Place
from millstream.expr.tree import Expr
from millstream.sql.query import Query
from millstream.types import LogicalType


@dataclass(frozen=True, slots=True)
class PhysicalColumn:
    """``name TYPE``."""

    name: str
    type: LogicalType


@dataclass(frozen=True, slots=True)
class ComputedColumn:
    """``name AS expression``; ``text`` is the expression as written."""

    name: str
    expr: Expr
    text: str


@dataclass(frozen=True, slots=True)
class MetadataColumn:
    """``name TYPE METADATA [FROM 'key'] [VIRTUAL]``."""

    name: str
    type: LogicalType
    key: str
    virtual: bool


ColumnSpec = PhysicalColumn | ComputedColumn | MetadataColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Any statement; ``place`` marks its first words."""

    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable(Statement):
    """CREATE TABLE."""

    name: str
    if_not_exists: bool
    columns: tuple[ColumnSpec, ...]
    watermark: ComputedColumn | None
    primary_key: tuple[str, ...]
    options: dict[str, str]
    option_places: dict[str, Place]
    comment: str | None
    like: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView(Statement):
    """CREATE VIEW; ``text`` is the query as written."""

    name: str
    if_not_exists: bool
    columns: tuple[str, ...]
    query: Query
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunction(Statement):
    """CREATE FUNCTION name AS 'package.module.function' LANGUAGE PYTHON."""

    name: str
    if_not_exists: bool
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Statement):
    """DROP TABLE, VIEW or FUNCTION."""

    kind: str
    name: str
    if_exists: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert(Statement):
    """INSERT INTO table [(columns)] query."""

    table: str
    columns: tuple[str, ...] | None
    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSet(Statement):
    """EXECUTE STATEMENT SET BEGIN … END."""

    inserts: tuple[Insert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectStatement(Statement):
    """A bare query."""

    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Set(Statement):
    """SET 'key' = 'value'; ``key`` None lists what is set."""

    key: str | None
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Statement):
    """RESET ['key']."""

    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain(Statement):
    """EXPLAIN of a query, an INSERT or a statement set."""

    of: SelectStatement | Insert | StatementSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(Statement):
    """DESCRIBE table."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Show(Statement):
    """SHOW TABLES, VIEWS, FUNCTIONS, CREATE TABLE name, CREATE VIEW name, COLUMNS FROM name."""

    what: str
    name: str | None = None
