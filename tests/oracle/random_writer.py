"""What every random query is written with: names, tables, columns, aggregates.

in      a random generator, tables
out     :class:`Writer`, :class:`Relation`: a SELECT in both dialects with its columns
facts   a relation knows its event time, if it has one. DuckDB's side of such a one carries each
        row's mark in a hidden column, ``mark_``, so that windows drop the same late rows
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.oracle.dialects import Both, listed, put, same
from tests.oracle.random_expressions import (
    BIGINT,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    INT,
    STRING,
    TIMESTAMP,
    Column,
    Draw,
)
from tests.oracle.random_tables import COLUMNS, RandomTable, random_table

KEY_TYPES = (STRING, INT, BOOLEAN)
NUMBERS = (INT, BIGINT, DOUBLE, DECIMAL)


@dataclass(frozen=True, slots=True)
class Relation:
    """A SELECT with what may be put upon it."""

    text: Both
    columns: tuple[Column, ...]
    time: str = ""

    def of(self, *types: str) -> list[Column]:
        """Return the columns of some types."""
        return [c for c in self.columns if c.type in types]


@dataclass(slots=True)
class Writer:
    """Writes one query; ``shared`` are its WITH parts, ``kinds`` what it is made of."""

    chance: random.Random
    tables: list[RandomTable]
    maker: Callable[[Writer, int], Relation]
    timer: Callable[[Writer], Relation]
    shared: list[tuple[str, Both]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    flink: bool = True
    names: int = 0

    def fresh(self, letter: str = "c") -> str:
        """Return a name nobody has."""
        self.names += 1
        return f"{letter}{self.names}"

    def draw(self, relation: Relation, qualifier: str = "") -> Draw:
        """Return expressions over a relation's columns."""
        return Draw(self.chance, relation.columns, qualifier)

    def relation(self, depth: int) -> Relation:
        """Return a relation with about ``depth`` operators below it, whose times are values."""
        return self.projected(self.table()) if depth <= 0 else self.maker(self, depth - 1)

    def table(self, *, tidy: bool = False) -> Relation:
        """Return a table as it stands; no row of a tidy one is late."""
        known = [t for t in self.tables if t.tidy or not tidy]
        if not known:
            table = random_table(self.chance, f"t{len(self.tables)}")
            while not table.tidy:
                table = random_table(self.chance, f"t{len(self.tables)}")
            self.tables.append(table)
            known = [table]
        table = self.chance.choice(known)
        columns = tuple(Column(name, kind) for name, kind in COLUMNS.items())
        return Relation(same(f"SELECT * FROM {table.name}"), columns, "ts")

    def timed(self, *, tidy: bool) -> Relation:
        """Return a relation that still has its event time."""
        below = self.table(tidy=tidy)
        if self.chance.random() < 0.1:
            below = self.timer(self)
        if self.chance.random() < 0.5:
            return below
        draw = self.draw(below, "r.")
        items = [self.item(draw, kind) for kind in self.types(below, 2)]
        keep = Column(below.time, TIMESTAMP)
        columns = [*(c for _, c in items), keep]
        shown = listed([*(text for text, _ in items), same(f"r.{keep.name} AS {keep.name}")])
        where = put(" WHERE {}", draw.condition()) if self.chance.random() < 0.5 else same("")
        text = put(
            "SELECT {} FROM ({}) AS r{}",
            shown, below.text, where,
            duck="SELECT {}, r.mark_ AS mark_ FROM ({}) AS r{}",
        )  # fmt: skip
        return Relation(text, tuple(columns), below.time)

    def projected(self, below: Relation) -> Relation:
        """Columns and expressions; a time is an ordinary column afterwards."""
        draw = self.draw(below, "r.")
        items = [self.item(draw, kind) for kind in self.types(below, self.chance.randint(2, 4))]
        shown = listed([text for text, _ in items])
        text = put("SELECT {} FROM ({}) AS r", shown, below.text)
        return Relation(text, tuple(c for _, c in items))

    def share(self, below: Relation) -> str:
        """Put a relation among the WITH parts; returns its name."""
        name = self.fresh("v")
        self.shared.append((name, below.text))
        return name

    def key_types(self, below: Relation) -> list[str]:
        """Return types of columns to group by, if any."""
        known = [c.type for c in below.of(*KEY_TYPES)]
        return self.chance.choices(known, k=self.chance.choice((0, 1, 1, 1, 2))) if known else []

    def types(self, below: Relation, count: int) -> list[str]:
        """Return types of some columns."""
        return [self.chance.choice(below.columns).type for _ in range(count)]

    def item(self, draw: Draw, kind: str) -> tuple[Both, Column]:
        """Return an expression with its name, and the column it makes."""
        depth = self.chance.choice((0, 0, 1, 2))
        text = draw.of(kind, depth)
        if kind == TIMESTAMP:
            text = put("CAST({} AS TIMESTAMP(3))", text, duck="{}")
        plain = depth == 0 and all(c.small for c in draw.columns)
        column = Column(self.fresh(), kind, small=plain)
        return put(f"{{}} AS {column.name}", text), column

    def as_types(self, below: Relation, types: list[str]) -> Relation:
        """Return columns of these types, under new names."""
        draw = self.draw(below, "r.")
        columns = [Column(self.fresh(), kind, small=False) for kind in types]
        shown = listed([put(f"{{}} AS {c.name}", draw.of(c.type, 0)) for c in columns])
        text = put("SELECT {} FROM ({}) AS r", shown, below.text)
        return Relation(text, tuple(columns))

    def aggregate(self, draw: Draw, below: Relation) -> tuple[Both, str]:
        """Return an aggregate call and its type."""
        number = [c.type for c in below.of(*NUMBERS)] or [INT]
        kind = self.chance.choice(number)
        value = draw.of(kind, self.chance.choice((0, 0, 1)))
        chosen = put("")
        if self.chance.random() < 0.2:
            chosen = put(" FILTER (WHERE {})", draw.condition())
        once = "DISTINCT " if self.chance.random() < 0.2 else ""
        match self.chance.choice(("COUNT(*)", "COUNT", "SUM", "SUM", "AVG", "MIN", "MAX")):
            case "COUNT(*)":
                return put("COUNT(*){}", chosen), BIGINT
            case "COUNT":
                return put(f"COUNT({once}{{}}){{}}", value, chosen), BIGINT
            case "SUM":
                total = "DECIMAL(38, 2)" if kind == DECIMAL else kind
                return put(f"SUM({once}{{}}){{}}", value, chosen), total
            case "AVG" if kind in (INT, BIGINT):
                text = put("AVG({}){}", value, chosen)
                return Both(text.flink, self._cut_mean(value, chosen)), kind
            case "AVG" if kind == DOUBLE:
                return put(f"AVG({once}{{}}){{}}", value, chosen), DOUBLE
            case "MIN":
                return put("MIN({}){}", value, chosen), kind
            case _:
                other = self.chance.choice(below.columns)
                if other.type == BOOLEAN:
                    return put("MAX({}){}", value, chosen), kind
                return put("MAX({}){}", draw.named(other), chosen), other.type

    @staticmethod
    def _cut_mean(value: Both, chosen: Both) -> str:
        return f"SUM({value.duck}){chosen.duck} // COUNT({value.duck}){chosen.duck}"
