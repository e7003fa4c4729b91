"""What a statement says, as plain values; nothing is looked up or executed yet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

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


class IfTaken(Enum):
    """What CREATE does where the name is taken."""

    REFUSE = "refuse"
    KEEP = "IF NOT EXISTS"
    REPLACE = "OR REPLACE"

    @classmethod
    def of(cls, *, replaces: bool, careful: bool) -> IfTaken:
        """Return what the words say."""
        if replaces:
            return cls.REPLACE
        return cls.KEEP if careful else cls.REFUSE


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a new column goes: FIRST (None) or AFTER a column."""

    after: str | None


@dataclass(frozen=True, slots=True)
class Declared:
    """Columns (each with its spot in ALTER TABLE), watermark and primary key."""

    columns: tuple[ColumnSpec, ...] = ()
    watermark: ComputedColumn | None = None
    primary_key: tuple[str, ...] = ()
    spots: tuple[Spot | None, ...] = ()


@dataclass(frozen=True, slots=True)
class LikeOptions:
    """(INCLUDING | EXCLUDING | OVERWRITING, part) in order; a later one wins."""

    PARTS: ClassVar[tuple[str, ...]] = (
        *("CONSTRAINTS", "DISTRIBUTION", "GENERATED", "METADATA"),
        *("OPTIONS", "PARTITIONS", "WATERMARKS"),
    )
    said: tuple[tuple[str, str], ...] = ()

    def verb(self, part: str) -> str:
        """Return what is said of a part, by name before ALL.

        Where nothing is said a part is included, as in Flink; options, computed columns and the
        watermark may then be overwritten.
        """
        by_name = [verb for verb, named in self.said if named == part]
        of_all = [verb for verb, named in self.said if named == "ALL"]
        usual = "OVERWRITING" if part in ("GENERATED", "OPTIONS", "WATERMARKS") else "INCLUDING"
        return [usual, *of_all, *by_name][-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable(Statement):
    """CREATE TABLE; with a ``query`` it is also filled by it."""

    name: str
    if_taken: IfTaken
    declared: Declared
    partitions: tuple[str, ...]
    options: dict[str, str]
    option_places: dict[str, Place]
    comment: str | None
    like: str | None
    like_options: LikeOptions
    query: Query | None


@dataclass(frozen=True, slots=True)
class RenameTable:
    """RENAME TO."""

    to: str


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """RENAME old TO new."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class SetOptions:
    """SET ('key' = 'value')."""

    options: dict[str, str]
    places: dict[str, Place]


@dataclass(frozen=True, slots=True)
class ResetOptions:
    """RESET ('key')."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Redeclare:
    """ADD or MODIFY columns, watermark, key."""

    declared: Declared
    modifies: bool


@dataclass(frozen=True, slots=True)
class DropParts:
    """DROP columns, WATERMARK, PRIMARY KEY."""

    columns: tuple[str, ...] = ()
    watermark: bool = False
    primary_key: bool = False


TableChange = RenameTable | RenameColumn | SetOptions | ResetOptions | Redeclare | DropParts


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterTable(Statement):
    """ALTER TABLE."""

    name: str
    if_exists: bool
    change: TableChange


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterView(Statement):
    """ALTER VIEW: RENAME TO, or AS another query."""

    name: str
    if_exists: bool
    to: str | None = None
    query: Query | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Statement):
    """USE of the one catalog and database there is."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView(Statement):
    """CREATE VIEW; ``text`` is the query as written."""

    name: str
    if_taken: IfTaken
    columns: tuple[str, ...]
    query: Query
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateMaterializedView(CreateView):
    """CREATE MATERIALIZED VIEW name [WITH (…)] AS query: a view that is kept, and can be read."""

    options: dict[str, str]
    option_places: dict[str, Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunction(Statement):
    """CREATE FUNCTION name AS 'package.module.function' LANGUAGE PYTHON."""

    name: str
    if_taken: IfTaken
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
