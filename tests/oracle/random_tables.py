"""Random tables for random queries: few values, NULLs, duplicates, rows out of order and late.

in      a random generator, the number of tables
out     :class:`RandomTable`: rows with the mark each one meets, and the order of reading them all
marks   the running maximum of the earlier rows' times less the delay, as SEMANTICS says; a tidy
        table's delay covers its disorder, so that no row of it is late anywhere
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from millstream.testing.cases import Fed, Input
from millstream.types import Schema, parse_type

COLUMNS = {
    "k": "STRING",
    "s": "STRING",
    "a": "INT",
    "b": "BIGINT",
    "x": "DOUBLE",
    "d": "DECIMAL(8, 2)",
    "f": "BOOLEAN",
    "ts": "TIMESTAMP(3)",
}
SCHEMA = Schema.of({name: parse_type(text) for name, text in COLUMNS.items()})
START = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - SQL's TIMESTAMP has no zone
NULL_SHARE = 0.12
DUPLICATE_SHARE = 0.15
ROWS_MAX = 14
STEP_MS_MAX = 9_000
DISORDER_MS_MAX = 20_000
CHUNK_ROWS_MAX = 4
WORDS = ("ab", "cd", "ef", "Gh", "")

Cells = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class RandomTable:
    """One table; ``marks_ms`` is what each row meets, None before the first."""

    name: str
    rows: tuple[Cells, ...]
    delay_ms: int
    marks_ms: tuple[int | None, ...]
    tidy: bool

    @property
    def input(self) -> Input:
        """What a case says of the table."""
        return Input(self.name, SCHEMA, ("ts", f"{self.delay_ms}ms"))


def epoch_ms(value: dt.datetime) -> int:
    """Return a time as milliseconds."""
    return (value - dt.datetime(1970, 1, 1)) // dt.timedelta(milliseconds=1)  # noqa: DTZ001


def random_table(chance: random.Random, name: str) -> RandomTable:
    """Draw one table."""
    tidy = chance.random() < 0.6
    rows: list[Cells] = []
    now = chance.randrange(0, 30_000)
    for _ in range(chance.randint(0 if chance.random() < 0.1 else 4, ROWS_MAX)):
        if rows and chance.random() < DUPLICATE_SHARE:
            rows.append(chance.choice(rows))
            continue
        now += chance.randrange(0, STEP_MS_MAX)
        back = chance.randrange(0, DISORDER_MS_MAX) if chance.random() < 0.4 else 0
        at_ms = max(0, now - back) // 250 * 250
        rows.append((*_values(chance), START + dt.timedelta(milliseconds=at_ms)))
    times = [epoch_ms(row[-1]) for row in rows]
    disorder = max((max(times[:i]) - at for i, at in enumerate(times) if i), default=0)
    # A mark equal to a row's time may already be too late for it, hence the millisecond.
    delay = max(disorder, 0) + 1 if tidy else chance.choice((0, 1_000, 5_000))
    marks = tuple(max(times[:i]) - delay if i else None for i in range(len(times)))
    return RandomTable(name, tuple(rows), delay, marks, tidy)


def _values(chance: random.Random) -> Cells:
    drawn = (
        chance.choice("abcd"),
        chance.choice(WORDS),
        chance.randint(-5, 9),
        chance.choice((0, 1, 7, 40, 3_000_000_000)),
        chance.randint(-8, 12) / 4,
        Decimal(chance.randint(-300, 900)) / 100,
        chance.random() < 0.5,
    )
    return tuple(None if chance.random() < NULL_SHARE else value for value in drawn)


def reading_order(chance: random.Random, tables: list[RandomTable]) -> list[Fed]:
    """Interleave the tables in small chunks."""
    left = {table.name: list(table.rows) for table in tables if table.rows}
    feed: list[Fed] = []
    while left:
        name = chance.choice(sorted(left))
        size = chance.randint(1, CHUNK_ROWS_MAX)
        feed.append(Fed(name, "0", tuple(left[name][:size]), ()))
        left[name] = left[name][size:]
        if not left[name]:
            del left[name]
    return feed
