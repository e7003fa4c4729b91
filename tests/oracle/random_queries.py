"""Random valid queries: relation upon relation, in Flink's SQL and in DuckDB's.

in      a seed
out     :class:`RandomQuery`: tables, the order of reading them, one query in two dialects
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from millstream.testing.cases import Case, Fed
from tests.oracle import random_shapes as shapes
from tests.oracle import random_times as times
from tests.oracle.dialects import Both, listed, put
from tests.oracle.random_tables import RandomTable, random_table, reading_order
from tests.oracle.random_writer import Relation, Writer

DEPTH_MAX = 3
MAKERS: dict[Callable[[Writer, int], Relation], int] = {
    # operator -> how often it is drawn
    shapes.filtered: 2,
    shapes.distinct: 1,
    shapes.grouped: 4,
    shapes.united: 3,
    shapes.joined: 5,
    shapes.chosen_by: 3,
    shapes.best: 3,
    shapes.first_of_all: 1,
    times.windowed: 3,
    times.sessions: 2,
    times.near: 2,
    times.same_window: 2,
    times.newest: 1,
    times.frames: 3,
}


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
        case.feed = list(self.feed)
        return case


def random_query(seed: int) -> RandomQuery:
    """Draw everything from one seed."""
    chance = random.Random(f"query {seed}")
    tables = [random_table(chance, f"t{i}") for i in range(chance.choice((2, 2, 3)))]
    writer = Writer(chance, tables, _made, times.windows_again)
    text = _shown(writer.relation(chance.choice((1, 2, 2, DEPTH_MAX))))
    if writer.shared:
        views = listed([put(f"{name} AS ({{}})", body) for name, body in writer.shared])
        text = put("WITH {} {}", views, text)
    feed = reading_order(chance, tables)
    return RandomQuery(seed, tables, feed, text, writer.flink, tuple(writer.kinds))


def _made(writer: Writer, depth: int) -> Relation:
    maker = writer.chance.choices(list(MAKERS), list(MAKERS.values()))[0]
    writer.kinds.append(maker.__name__)
    return maker(writer, depth)


def _shown(below: Relation) -> Both:
    """Give out every column under a name of its own."""
    shown = ", ".join(f"r.{c.name} AS o{i}" for i, c in enumerate(below.columns))
    return put(f"SELECT {shown} FROM ({{}}) AS r", below.text)
