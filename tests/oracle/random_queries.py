"""Random valid queries: relation upon relation, in Flink's SQL and in DuckDB's.

in      a seed
out     :class:`RandomQuery`: tables, the order of reading them, one query in two dialects
facts   a relation knows its columns, whether its rows ever change, and its event time, if it has
        one; what an operator needs decides what it is put upon. DuckDB's side carries each row's
        mark in a hidden column, so that a window drops the same late rows
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from millstream.testing.cases import Case, Fed
from tests.oracle.dialects import (
    Both,
    fixed_windows,
    listed,
    put,
    same,
    session_windows,
)
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
from tests.oracle.random_tables import COLUMNS, RandomTable, random_table, reading_order

DEPTH_MAX = 3
KEY_TYPES = (STRING, INT, BOOLEAN)
SET_WORDS = ("UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL")
JOIN_WORDS = ("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
NUMBERS = (INT, BIGINT, DOUBLE, DECIMAL)
WINDOW_MS = ((10_000, 5_000), (20_000, 10_000), (30_000, 10_000), (60_000, 20_000))


@dataclass(frozen=True, slots=True)
class Relation:
    """A SELECT with what may be put upon it."""

    text: Both
    columns: tuple[Column, ...]
    time: str | None = None
    tidy: bool = True
    append: bool = True

    def of(self, *types: str) -> list[Column]:
        """Return the columns of some types."""
        return [c for c in self.columns if c.type in types]


@dataclass(slots=True)
class RandomQuery:
    """What a seed stands for; ``flink`` is False where Flink is known to answer otherwise."""

    seed: int
    tables: list[RandomTable]
    feed: list[Fed]
    text: Both
    flink: bool
    kinds: tuple[str, ...]

    @property
    def case(self) -> Case:
        """The query as a case; what it expects is DuckDB's to say."""
        case = Case(f"random {self.seed}", self.text.flink, why="a random query")
        case.inputs = {table.name: table.input for table in self.tables}
        case.feed = self.feed
        return case


def random_query(seed: int) -> RandomQuery:
    """Draw everything from one seed."""
    chance = random.Random(f"query {seed}")
    tables = [random_table(chance, f"t{i}") for i in range(chance.choice((2, 2, 3)))]
    writer = Writer(chance, tables)
    top = writer.relation(chance.choice((1, 2, 2, DEPTH_MAX)))
    last = writer.final(top)
    text = last.text
    if writer.shared:
        views = listed([put(f"{name} AS ({{}})", body) for name, body in writer.shared])
        text = put("WITH {} {}", views, text)
    feed = reading_order(chance, tables)
    return RandomQuery(seed, tables, feed, text, writer.flink, tuple(writer.kinds))


@dataclass(slots=True)
class Writer:
    """Writes one query; ``shared`` are its WITH parts, ``kinds`` what it is made of."""

    chance: random.Random
    tables: list[RandomTable]
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

    # ---- choosing

    def relation(self, depth: int) -> Relation:
        """Return a relation with about ``depth`` operators below it."""
        if depth <= 0:
            return self.projected(self.table())
        makers: list[tuple[Callable[[int], Relation], int]] = [
            (self.filtered, 2),
            (self.distinct, 1),
            (self.grouped, 4),
            (self.windowed, 3),
            (self.sessions, 2),
            (self.united, 3),
            (self.joined, 5),
            (self.near, 2),
            (self.same_window, 2),
        ]
        made = self.chance.choices([m for m, _ in makers], [w for _, w in makers])[0]
        self.kinds.append(made.__name__)
        return made(depth - 1)

    def table(self, *, tidy: bool = False) -> Relation:
        """Return a table as it stands."""
        known = [t for t in self.tables if t.tidy or not tidy]
        if not known:
            table = random_table(self.chance, f"t{len(self.tables)}")
            while not table.tidy:
                table = random_table(self.chance, f"t{len(self.tables)}")
            self.tables.append(table)
            known = [table]
        table = self.chance.choice(known)
        columns = tuple(Column(name, kind) for name, kind in COLUMNS.items())
        return Relation(same(f"SELECT * FROM {table.name}"), columns, "ts", table.tidy)

    def timed(self, *, tidy: bool) -> Relation:
        """Return a relation that still has its event time."""
        below = self.table(tidy=tidy)
        if self.chance.random() < 0.25:
            below = self.windows_again() if self.chance.random() < 0.4 else below
        if self.chance.random() < 0.5:
            return below
        draw = self.draw(below, "r.")
        items = [self._item(draw, kind) for kind in self._types(below, 2)]
        keep = Column(below.time or "", TIMESTAMP)
        columns = [*(c for _, c in items), keep]
        shown = listed([*(text for text, _ in items), same(f"r.{keep.name} AS {keep.name}")])
        where = put(" WHERE {}", draw.condition()) if self.chance.random() < 0.5 else same("")
        text = put(
            "SELECT {} FROM ({}) AS r{}",
            shown, below.text, where,
            duck="SELECT {}, r.mark_ AS mark_ FROM ({}) AS r{}",
        )  # fmt: skip
        return Relation(text, tuple(columns), below.time, below.tidy)

    # ---- operators

    def projected(self, below: Relation) -> Relation:
        """Columns and expressions; a time is an ordinary column afterwards."""
        draw = self.draw(below, "r.")
        items = [self._item(draw, kind) for kind in self._types(below, self.chance.randint(2, 4))]
        shown = listed([text for text, _ in items])
        text = put("SELECT {} FROM ({}) AS r", shown, below.text)
        return Relation(text, tuple(c for _, c in items), append=below.append)

    def filtered(self, depth: int) -> Relation:
        """A condition over anything."""
        below = self.relation(depth)
        where = self.draw(below, "r.").condition(2)
        text = put("SELECT * FROM ({}) AS r WHERE {}", below.text, where)
        return Relation(text, below.columns, append=below.append)

    def distinct(self, depth: int) -> Relation:
        """Different rows, of few columns so that some are equal."""
        below = self.relation(depth)
        kept = self.chance.sample(below.columns, min(2, len(below.columns)))
        shown = ", ".join(f"r.{c.name} AS {c.name}" for c in kept)
        text = put(f"SELECT DISTINCT {shown} FROM ({{}}) AS r", below.text)
        return Relation(text, tuple(kept), append=below.append)

    def grouped(self, depth: int) -> Relation:
        """GROUP BY with aggregates and, at times, HAVING; or one group of everything."""
        below = self.relation(depth)
        draw = self.draw(below, "r.")
        kinds = self._key_types(below)
        keys = [draw.of(kind, self.chance.choice((0, 0, 1))) for kind in kinds]
        if not keys:
            self.flink = False  # it tells nothing of no rows
        columns = [Column(self.fresh(), kind) for kind in kinds]
        shown = [put(f"{{}} AS {c.name}", key) for key, c in zip(keys, columns, strict=True)]
        for _ in range(self.chance.randint(1, 3)):
            call, kind = self._aggregate(draw, below)
            columns.append(Column(self.fresh(), kind, small=False))
            shown.append(put(f"{{}} AS {columns[-1].name}", call))
        text = put("SELECT {} FROM ({}) AS r", listed(shown), below.text)
        if keys:
            text = put("{} GROUP BY {}", text, listed(keys))
        if self.chance.random() < 0.3:
            least = self.chance.randint(1, 3)
            text = put(f"{{}} HAVING COUNT(*) >= {least}", text)
        return Relation(text, tuple(columns), append=False)

    def windowed(self, depth: int) -> Relation:
        """Aggregates over windows of time."""
        del depth  # windows stand near their table: what is above has no time
        relation, _ = self._windows(self._fixed(tidy=False))
        return relation

    def windows_again(self) -> Relation:
        """A window's result that carries its time on."""
        relation, time = self._windows(self._fixed(tidy=False), time=True)
        columns = tuple(c for c in relation.columns if c.type != TIMESTAMP or c.name == time)
        text = put("SELECT * FROM ({}) AS r", relation.text,
                   duck="SELECT *, NULL AS mark_ FROM ({}) AS r")  # fmt: skip
        self.kinds.append("windows_again")
        return Relation(text, columns, time)

    def sessions(self, depth: int) -> Relation:
        """Aggregates over sessions."""
        del depth
        below = self.timed(tidy=True)
        known = below.of(STRING, INT, BOOLEAN)
        keys = self.chance.sample(known, min(len(known), self.chance.choice((0, 1, 1, 2))))
        gap = self.chance.choice((2_000, 5_000, 10_000))
        windows = session_windows(
            self._share(below), below.time or "", gap, [key.name for key in keys]
        )
        relation, _ = self._windows((below, windows), keys)
        return relation

    def united(self, depth: int) -> Relation:
        """A set operation of two parts with columns of the same types."""
        left, right = self.relation(depth), self.relation(depth)
        types = [c.type for c in left.columns if right.of(c.type)][:3] or [INT]
        parts = [self._as(each, types) for each in (left, right)]
        text = put(f"({{}}) {self.chance.choice(SET_WORDS)} ({{}})", parts[0].text, parts[1].text)
        return Relation(put("SELECT * FROM ({}) AS r", text), parts[0].columns)

    def joined(self, depth: int) -> Relation:
        """A regular join on equal columns, at times with one more condition."""
        left, right = self.relation(depth), self.relation(0 if depth > 1 else depth)
        pairs = [(a, b) for a in left.columns for b in right.of(a.type) if a.type != DOUBLE]
        pairs = self.chance.sample(pairs, min(len(pairs), self.chance.choice((1, 1, 1, 2))))
        equal = [same(f"l.{a.name} = r.{b.name}") for a, b in pairs]
        if not equal:
            equal = [self.draw(_beside(left, right)).condition()]
            return self._join("JOIN", left, right, equal)
        if self.chance.random() < 0.3:
            equal.append(self.draw(_beside(left, right)).condition())
        return self._join(self.chance.choice(JOIN_WORDS), left, right, equal)

    def near(self, depth: int) -> Relation:
        """An interval join: rows whose times are near each other."""
        del depth
        left, right = self.timed(tidy=True), self.timed(tidy=True)
        low, high = self.chance.choice(((0, 10), (5, 5), (20, 0), (30, -5)))
        bounds = f"r.{right.time} - INTERVAL '{low}' SECOND AND r.{right.time} + "
        bounds += f"INTERVAL '{high}' SECOND"
        if high < 0:
            bounds = f"r.{right.time} - INTERVAL '{low}' SECOND AND r.{right.time} - "
            bounds += f"INTERVAL '{-high}' SECOND"
        equal = self._equal(left, right)
        if not equal:
            return self.joined(0)
        between = same(f"l.{left.time} BETWEEN {bounds}")
        return self._join(self.chance.choice(JOIN_WORDS), left, right, [*equal, between])

    def same_window(self, depth: int) -> Relation:
        """A window join: rows of the same window."""
        del depth
        kind = self.chance.choice(("TUMBLE", "HOP", "CUMULATE"))
        size, step = self.chance.choice(WINDOW_MS)
        parts: list[Relation] = []
        for _ in range(2):
            below = self.timed(tidy=True)
            name = self._share(below)
            windows = fixed_windows(kind, name, below.time or "", size, step)
            text = put("SELECT * FROM {}", windows)
            bounds = (Column("window_start", TIMESTAMP), Column("window_end", TIMESTAMP))
            plain = tuple(c for c in below.columns if c.name != below.time)
            parts.append(Relation(text, (*plain, *bounds), below.time))
        left, right = parts
        equal = [same(f"l.{bound} = r.{bound}") for bound in ("window_start", "window_end")]
        more = self._equal(left, right)
        return self._join(self.chance.choice(JOIN_WORDS), left, right, [*equal, *more])

    def _equal(self, left: Relation, right: Relation) -> list[Both]:
        """Return one equality of columns that are no times."""
        pairs = [(a, b) for a in left.of(*KEY_TYPES) for b in right.of(a.type)]
        return [
            same(f"l.{a.name} = r.{b.name}")
            for a, b in self.chance.sample(pairs, 1 if pairs else 0)
        ]

    def _join(self, word: str, left: Relation, right: Relation, on: list[Both]) -> Relation:
        shown, columns = [], []
        for letter, side in (("l", left), ("r", right)):
            for column in self.chance.sample(side.columns, min(3, len(side.columns))):
                columns.append(Column(self.fresh(), column.type, column.small))
                text = same(f"{letter}.{column.name}")
                if column.type == TIMESTAMP:
                    text = put("CAST({} AS TIMESTAMP(3))", text, duck="{}")
                shown.append(put(f"{{}} AS {columns[-1].name}", text))
        text = put(
            f"SELECT {{}} FROM ({{}}) AS l {word} ({{}}) AS r ON {{}}",
            listed(shown), left.text, right.text, listed(on, " AND "),
        )  # fmt: skip
        append = left.append and right.append and word == "JOIN"
        return Relation(text, tuple(columns), append=append)

    def final(self, below: Relation) -> Relation:
        """Give out every column under a name of its own, no time attribute among them."""
        shown = ", ".join(f"r.{c.name} AS o{i}" for i, c in enumerate(below.columns))
        return Relation(put(f"SELECT {shown} FROM ({{}}) AS r", below.text), below.columns)

    # ---- parts

    def _fixed(self, *, tidy: bool) -> tuple[Relation, Both]:
        below = self.timed(tidy=tidy)
        name = self._share(below)
        kind = self.chance.choice(("TUMBLE", "HOP", "CUMULATE"))
        size, step = self.chance.choice(WINDOW_MS)
        return below, fixed_windows(kind, name, below.time or "", size, step)

    def _share(self, below: Relation) -> str:
        name = self.fresh("v")
        self.shared.append((name, below.text))
        return name

    def _windows(
        self, source: tuple[Relation, Both], keys: list[Column] | None = None, *, time: bool = False
    ) -> tuple[Relation, str]:
        below, windows = source
        draw = self.draw(below)
        if keys is None:
            known = below.of(STRING, INT, BOOLEAN)
            keys = self.chance.sample(known, min(len(known), self.chance.choice((0, 1, 1, 2))))
        bounds = ["window_start", "window_end", *(["window_time"] if time else [])]
        names = [self.fresh() for _ in bounds]
        shown = [same(f"{bound} AS {name}") for bound, name in zip(bounds, names, strict=True)]
        columns = [Column(name, TIMESTAMP) for name in names]
        for key in keys:
            columns.append(Column(self.fresh(), key.type))
            shown.append(same(f"{key.name} AS {columns[-1].name}"))
        for _ in range(self.chance.randint(1, 3)):
            call, kind = self._aggregate(draw, below)
            columns.append(Column(self.fresh(), kind, small=False))
            shown.append(put(f"{{}} AS {columns[-1].name}", call))
        groups = ", ".join([*bounds, *(key.name for key in keys)])
        sums = any(f"{call}(DISTINCT" in each.flink for each in shown for call in ("SUM", "AVG"))
        if sums and "HOP(" in windows.flink:
            self.flink = False  # it has no plan for distinct sums of sliding windows
        where = put(" WHERE {}", draw.condition()) if self.chance.random() < 0.2 else same("")
        having = " HAVING COUNT(*) > 1" if self.chance.random() < 0.15 else ""
        text = put(
            f"SELECT {{}} FROM {{}}{{}} GROUP BY {groups}{having}", listed(shown), windows, where
        )
        return Relation(text, tuple(columns)), names[-1]

    def _key_types(self, below: Relation) -> list[str]:
        known = [c.type for c in below.of(*KEY_TYPES)]
        return self.chance.choices(known, k=self.chance.choice((0, 1, 1, 1, 2))) if known else []

    def _types(self, below: Relation, count: int) -> list[str]:
        return [self.chance.choice(below.columns).type for _ in range(count)]

    def _item(self, draw: Draw, kind: str) -> tuple[Both, Column]:
        depth = self.chance.choice((0, 0, 1, 2))
        text = draw.of(kind, depth)
        if kind == TIMESTAMP:
            text = put("CAST({} AS TIMESTAMP(3))", text, duck="{}")
        plain = depth == 0 and all(c.small for c in draw.columns)
        column = Column(self.fresh(), kind, small=plain)
        return put(f"{{}} AS {column.name}", text), column

    def _as(self, below: Relation, types: list[str]) -> Relation:
        draw = self.draw(below, "r.")
        columns = [Column(self.fresh(), kind, small=False) for kind in types]
        shown = listed([put(f"{{}} AS {c.name}", draw.of(c.type, 0)) for c in columns])
        text = put("SELECT {} FROM ({}) AS r", shown, below.text)
        return Relation(text, tuple(columns), append=below.append)

    def _aggregate(self, draw: Draw, below: Relation) -> tuple[Both, str]:
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


def _beside(left: Relation, right: Relation) -> Relation:
    """Return the columns of both sides under their qualified names."""
    sides = (("l", left), ("r", right))
    columns = (Column(f"{at}.{c.name}", c.type, c.small) for at, r in sides for c in r.columns)
    return Relation(same(""), tuple(columns))
