"""Random scalar expressions over the columns at hand, in both dialects.

in      a random generator, columns with their types, the type wanted, a depth
out     a pair of texts; values stay small, so that nothing overflows; no negative zero, no NaN
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.oracle.dialects import Both, listed, put, same

INT, BIGINT, DOUBLE, DECIMAL = "INT", "BIGINT", "DOUBLE", "DECIMAL(8, 2)"
STRING, BOOLEAN, TIMESTAMP = "STRING", "BOOLEAN", "TIMESTAMP(3)"
COMPARED = (INT, BIGINT, DOUBLE, DECIMAL, STRING, TIMESTAMP)
_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_WORDS = ("'ab'", "'cd'", "'Gh'")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that an expression may name; ``small`` where arithmetic cannot overflow."""

    name: str
    type: str
    small: bool = True


@dataclass(frozen=True, slots=True)
class Draw:
    """Draws expressions over ``columns``, each named with ``qualifier`` before it."""

    chance: random.Random
    columns: tuple[Column, ...]
    qualifier: str = ""

    def named(self, column: Column) -> Both:
        """Return a column's name."""
        return same(f"{self.qualifier}{column.name}")

    def of(self, kind: str, depth: int = 1) -> Both:
        """Return an expression of a type."""
        own = [c for c in self.columns if c.type == kind and (c.small or depth < 1)]
        if own and (depth < 1 or self.chance.random() < 0.45):
            return self.named(self.chance.choice(own))
        if depth < 1 or kind not in self._makers():
            return self.literal(kind)
        return self.chance.choice(self._makers()[kind])(depth - 1)

    def any_type(self) -> str:
        """Return the type of one of the columns."""
        return self.chance.choice(self.columns).type

    def literal(self, kind: str) -> Both:
        """Return a constant."""
        match kind:
            case "INT":
                return same(str(self.chance.randint(-4, 9)))
            case "BIGINT":
                return same(f"CAST({self.chance.randint(0, 50)} AS BIGINT)")
            case "DOUBLE":
                return same(f"CAST({self.chance.randint(1, 9) / 4} AS DOUBLE)")
            case "STRING":
                word = self.chance.choice(_WORDS)
                return put(f"CAST({word} AS STRING)", duck=f"CAST({word} AS VARCHAR)")
            case "BOOLEAN":
                return same(self.chance.choice(("TRUE", "FALSE")))
            case "TIMESTAMP(3)":
                return same(f"TIMESTAMP '2026-01-01 00:00:{self.chance.randint(10, 59)}'")
            case _:
                return same(f"CAST({self.chance.randint(-200, 500) / 100} AS {kind})")

    def condition(self, depth: int = 1) -> Both:
        """Return a truth value that is seldom constant."""
        return self.of(BOOLEAN, max(depth, 1))

    def _makers(self) -> dict[str, list[Callable[[int], Both]]]:
        return {
            INT: [self._sum, self._modulo, self._quotient, self._length, self._case(INT),
                  self._filled(INT), self._cut],
            BIGINT: [self._wide, self._case(BIGINT), self._filled(BIGINT)],
            DOUBLE: [self._doubles, self._case(DOUBLE), self._filled(DOUBLE)],
            STRING: [self._joined, self._letters, self._shown, self._case(STRING),
                     self._filled(STRING)],
            BOOLEAN: [self._compared, self._compared, self._compared, self._both, self._not,
                      self._is_null, self._between, self._in_list, self._like, self._distinct],
            TIMESTAMP: [self._minute],
        }  # fmt: skip

    # ---- numbers

    def _sum(self, depth: int) -> Both:
        sign = self.chance.choice("+-*")
        return put(f"({{}} {sign} {{}})", self.of(INT, depth), self.of(INT, depth))

    def _modulo(self, depth: int) -> Both:
        by = self.chance.choice((2, 3, 5))
        return put(f"MOD({{}}, {by})", self.of(INT, depth))

    def _quotient(self, depth: int) -> Both:
        by = self.chance.choice((2, 3, -2))
        return put(f"({{}} / ({by}))", self.of(INT, depth), duck=f"({{}} // ({by}))")

    def _length(self, depth: int) -> Both:
        return put("CHAR_LENGTH({})", self.of(STRING, depth), duck="length({})")

    def _cut(self, depth: int) -> Both:
        return put("CAST({} AS INT)", self.of(DOUBLE, depth), duck="CAST(trunc({}) AS INT)")

    def _wide(self, depth: int) -> Both:
        return put("({} + CAST({} AS BIGINT))", self.of(BIGINT, depth), self.of(INT, depth))

    def _doubles(self, depth: int) -> Both:
        other = self.chance.choice(("CAST({} AS DOUBLE)", "ABS(CAST({} AS DOUBLE))"))
        return put(f"({{}} + {other})", self.of(DOUBLE, depth), self.of(INT, depth))

    # ---- text and time

    def _joined(self, depth: int) -> Both:
        return put("({} || {})", self.of(STRING, depth), self.of(STRING, depth))

    def _letters(self, depth: int) -> Both:
        form = self.chance.choice(("UPPER({})", "LOWER({})", "SUBSTRING({}, 1, 1)", "TRIM({})"))
        return put(form, self.of(STRING, depth))

    def _shown(self, depth: int) -> Both:
        return put("CAST({} AS STRING)", self.of(INT, depth), duck="CAST({} AS VARCHAR)")

    def _minute(self, depth: int) -> Both:
        return put(
            "FLOOR({} TO MINUTE)", self.of(TIMESTAMP, depth), duck="date_trunc('minute', {})"
        )

    # ---- any type

    def _case(self, kind: str) -> Callable[[int], Both]:
        def made(depth: int) -> Both:
            parts = [self.condition(depth), self.of(kind, depth)]
            if self.chance.random() < 0.3:
                return put("CASE WHEN {} THEN {} END", *parts)
            return put("CASE WHEN {} THEN {} ELSE {} END", *parts, self.of(kind, depth))

        return made

    def _filled(self, kind: str) -> Callable[[int], Both]:
        def made(depth: int) -> Both:
            form = self.chance.choice(("COALESCE({}, {})", "NULLIF({}, {})"))
            return put(form, self.of(kind, depth), self.of(kind, depth))

        return made

    # ---- conditions

    def _compared(self, depth: int) -> Both:
        own = [c.type for c in self.columns if c.type in COMPARED] or [INT]
        kind = self.chance.choice(own)
        sign = self.chance.choice(_COMPARISONS)
        return put(f"{{}} {sign} {{}}", self.of(kind, depth), self.of(kind, depth))

    def _both(self, depth: int) -> Both:
        word = self.chance.choice(("AND", "OR"))
        return put(f"({{}} {word} {{}})", self.condition(depth), self.condition(depth))

    def _not(self, depth: int) -> Both:
        return put("NOT ({})", self.condition(depth))

    def _is_null(self, depth: int) -> Both:
        word = self.chance.choice(("IS NULL", "IS NOT NULL"))
        return put(f"{{}} {word}", self.named(self.chance.choice(self.columns)))

    def _between(self, depth: int) -> Both:
        parts = [self.of(INT, depth) for _ in range(3)]
        return put("{} BETWEEN {} AND {}", *parts)

    def _in_list(self, depth: int) -> Both:
        kind = self.chance.choice((INT, STRING))
        values = listed([self.literal(kind) for _ in range(self.chance.randint(1, 3))])
        word = self.chance.choice(("IN", "NOT IN"))
        return put(f"{{}} {word} ({{}})", self.of(kind, depth), values)

    def _like(self, depth: int) -> Both:
        pattern = self.chance.choice(("'%b'", "'a%'", "'_d'"))
        return put(f"{{}} LIKE {pattern}", self.of(STRING, depth))

    def _distinct(self, depth: int) -> Both:
        word = self.chance.choice(("IS DISTINCT FROM", "IS NOT DISTINCT FROM"))
        kind = self.chance.choice((INT, STRING))
        return put(f"({{}} {word} {{}})", self.of(kind, depth), self.of(kind, depth))
