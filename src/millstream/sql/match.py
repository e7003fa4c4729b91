"""Reads MATCH_RECOGNIZE: row pattern recognition behind a relation in FROM.

in      a cursor in front of the word MATCH_RECOGNIZE, and the relation it stands behind
out     :class:`MatchOf`: what was written; :func:`matched` makes the plan of it
bad     SqlError, Unsupported with the place; what is wrong in the meaning is told by
        :mod:`millstream.plan.matching`
source  the grammar of Calcite, with which Flink reads it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.errors import Place, SqlError, UnknownName
from millstream.expr.tree import Column, Literal, Named
from millstream.plan import matching
from millstream.plan import nodes as n
from millstream.plan.match import Skip, SkipTo, Variable
from millstream.sql.phrases import direction
from millstream.sql.tokens import Cursor, Kind
from millstream.types import IntervalDay

if TYPE_CHECKING:
    from millstream.sql.expressions import ExpressionReader
    from millstream.sql.query import Relation

_EXAMPLE = "PATTERN (A B+ C) DEFINE B AS B.price < A.price"
_BOUNDS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


@dataclass(frozen=True, slots=True)
class MatchOf:
    """``data MATCH_RECOGNIZE (…) AS alias``; ``order`` holds (column, descending, nulls first)."""

    data: Relation
    partition: tuple[Column, ...]
    order: tuple[tuple[Column, bool, bool | None], ...]
    measures: tuple[Named, ...]
    skip: Skip
    pattern: tuple[Variable, ...]
    within_ms: int | None
    defines: tuple[Named, ...]
    alias: str | None
    columns: tuple[str, ...]
    place: Place
    skip_place: Place


def read_match(
    scalar: ExpressionReader,
    data: Relation,
    naming: Callable[[], tuple[str | None, tuple[str, ...]]],
) -> MatchOf:
    """Read from MATCH_RECOGNIZE to the alias behind it."""
    cursor = scalar.cursor
    word = cursor.expect("MATCH_RECOGNIZE")
    cursor.expect("(", after="behind MATCH_RECOGNIZE")
    partition = _columns(cursor) if cursor.accept("PARTITION", "BY") else ()
    order = _order(cursor)
    measures = _measures(scalar) if cursor.accept("MEASURES") else ()
    _rows_per_match(cursor)
    start = cursor.here
    skip = _skip(cursor)
    skip_place = cursor.place(start)
    cursor.expect("PATTERN", after="( … )")
    pattern = _pattern(cursor)
    within = _within(scalar) if cursor.accept("WITHIN") else None
    if cursor.sees("SUBSET"):
        raise cursor.unsupported("SUBSET", hint="Name each variable where its rows are meant.")
    cursor.expect("DEFINE", after=f"with a condition: {_EXAMPLE}")
    defines = [_define(scalar)]
    while cursor.accept(","):
        defines.append(_define(scalar))
    cursor.expect(")", after="to close MATCH_RECOGNIZE (")
    alias, columns = naming()
    return MatchOf(
        data, partition, order, measures, skip, pattern, within, tuple(defines), alias, columns,
        cursor.place(word, word), skip_place,
    )  # fmt: skip


def matched(said: MatchOf, node: n.Node) -> n.Node:
    """Return the plan of a MATCH_RECOGNIZE over the rows of ``node``."""
    for column in (*said.partition, *(column for column, _, _ in said.order)):
        if column.name not in node.schema.names:
            raise UnknownName(
                "column", column.name, available=node.schema.names, where=column.place
            )
    return matching.match(
        node,
        matching.Said(
            pattern=said.pattern,
            partition=tuple(dict.fromkeys(c.name for c in said.partition)),
            order=tuple(n.SortKey(c.name, down, nulls) for c, down, nulls in said.order),
            defines=said.defines,
            measures=said.measures,
            skip=said.skip,
            within_ms=said.within_ms,
            place=said.place,
            order_place=said.order[0][0].place if said.order else None,
            skip_place=said.skip_place,
        ),
    )


# ---------------------------------------------------------------- clauses


def _column(cursor: Cursor) -> Column:
    token = cursor.name("a column")
    return Column(name=token.text, place=cursor.place(token))


def _columns(cursor: Cursor) -> tuple[Column, ...]:
    found = [_column(cursor)]
    while cursor.accept(","):
        found.append(_column(cursor))
    return tuple(found)


def _order(cursor: Cursor) -> tuple[tuple[Column, bool, bool | None], ...]:
    if not cursor.accept("ORDER", "BY"):
        return ()
    found: list[tuple[Column, bool, bool | None]] = []
    while True:
        column = _column(cursor)
        found.append((column, *direction(cursor)))
        if not cursor.accept(","):
            return tuple(found)


def _measures(scalar: ExpressionReader) -> tuple[Named, ...]:
    found: list[Named] = []
    cursor = scalar.cursor
    _without_final(cursor)
    while True:
        start = cursor.here
        expr = scalar.expression()
        if not cursor.accept("AS") and cursor.here.kind is not Kind.NAME:
            raise cursor.error(
                "A measure needs a name.",
                first=start,
                last=cursor.tokens[cursor.at - 1],
                hint="Write LAST(A.price) AS price.",
            )
        name = cursor.name("the name of a measure")
        found.append(Named(name.text, expr))
        if not cursor.accept(","):
            return tuple(found)


def _without_final(cursor: Cursor) -> None:
    """Step over FINAL, which is what every measure of one row per match is."""
    at, depth = cursor.at, 0
    while at < len(cursor.tokens) and depth >= 0:
        token = cursor.tokens[at]
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        following = cursor.tokens[min(at + 1, len(cursor.tokens) - 1)]
        if token.upper in ("FINAL", "RUNNING") and following.kind is Kind.WORD:
            if token.upper == "RUNNING":
                raise cursor.unsupported(
                    "RUNNING", first=token, hint="A measure is FINAL: it sees the whole match."
                )
            if following.upper not in ("AS", "FROM"):
                del cursor.tokens[at]
                continue
        at += 1


def _rows_per_match(cursor: Cursor) -> None:
    if cursor.accept("ONE", "ROW", "PER", "MATCH"):
        return
    if cursor.sees("ALL", "ROWS", "PER", "MATCH"):
        raise cursor.unsupported(
            "ALL ROWS PER MATCH",
            last=cursor.ahead(3),
            hint="Write ONE ROW PER MATCH; ARRAY_AGG(A.price) as a measure keeps all values.",
        )


def _skip(cursor: Cursor) -> Skip:
    if not cursor.accept("AFTER"):
        return Skip()
    cursor.expect("MATCH", "SKIP")
    if cursor.accept("PAST"):
        cursor.expect("LAST", "ROW", after="in SKIP PAST LAST ROW")
        return Skip(SkipTo.PAST_LAST_ROW)
    cursor.expect("TO", after="or PAST LAST ROW")
    if cursor.accept("NEXT", "ROW"):
        return Skip(SkipTo.NEXT_ROW)
    first = cursor.sees("FIRST") and cursor.ahead(1).kind in (Kind.WORD, Kind.NAME)
    to_first = first and cursor.ahead(1).upper != "PATTERN"
    if to_first or (cursor.sees("LAST") and cursor.ahead(1).upper != "PATTERN"):
        cursor.take()
    return Skip(SkipTo.FIRST if to_first else SkipTo.LAST, cursor.name("a variable").text)


def _within(scalar: ExpressionReader) -> int:
    start = scalar.cursor.here
    length = scalar.operand()
    if not isinstance(length, Literal) or not isinstance(length.type, IntervalDay):
        raise scalar.cursor.error(
            "WITHIN needs a constant interval of days, hours, minutes or seconds.",
            first=start,
            last=scalar.cursor.tokens[scalar.cursor.at - 1],
            hint="Write WITHIN INTERVAL '10' MINUTE.",
        )
    return int(length.value)


def _define(scalar: ExpressionReader) -> Named:
    cursor = scalar.cursor
    name = cursor.name("a variable of the pattern")
    cursor.expect("AS", after=f"and the condition of {name.text}")
    return Named(name.text, scalar.expression())


# ---------------------------------------------------------------- the pattern


def _pattern(cursor: Cursor) -> tuple[Variable, ...]:
    cursor.expect("(", after="behind PATTERN")
    found: list[Variable] = []
    while not cursor.accept(")"):
        found.append(pattern_variable(cursor))
        if cursor.sees_any("|", "||"):
            raise cursor.unsupported(
                "An alternative in a pattern",
                hint="Write one variable whose condition is the OR of both, or two queries "
                "with UNION ALL.",
            )
    if not found:
        raise cursor.error("The pattern is empty.", hint=f"Write {_EXAMPLE}.")
    return tuple(found)


def pattern_variable(cursor: Cursor) -> Variable:
    """Read one variable and its quantifier."""
    start = cursor.here
    if cursor.sees("("):
        raise cursor.unsupported(
            "A group in a pattern", hint="Quantifiers belong to single variables: A B+ C."
        )
    if cursor.sees_any("{", "[") and cursor.ahead(1).upper == "-":
        raise cursor.unsupported(
            "An exclusion in a pattern", hint="Leave the variable out of MEASURES instead."
        )
    if cursor.sees("^") or start.text == "$":
        raise cursor.unsupported(
            f"'{start.text}' in a pattern", hint="A stream has no beginning and no end."
        )
    if cursor.sees("PERMUTE") and cursor.ahead(1).upper == "(":
        raise cursor.unsupported("PERMUTE", hint="Write one query per order, with UNION ALL.")
    name = cursor.name("a variable of the pattern").text
    least, most = _quantifier(cursor)
    greedy = not _reluctant(cursor)
    return Variable(name, least, most, greedy, place=cursor.place(start))


def _quantifier(cursor: Cursor) -> tuple[int, int | None]:
    if cursor.sees("??"):
        return 0, 1  # the second mark says that it is reluctant
    if cursor.sees_any(*_BOUNDS):
        return _BOUNDS[cursor.take().upper]
    if not cursor.accept("{"):
        return 1, 1
    least = 0 if cursor.sees(",") else cursor.integer("a number of rows")
    if not cursor.accept(","):
        cursor.expect("}", after="to close {")
        return least, least
    most = None if cursor.sees("}") else cursor.integer("a number of rows")
    cursor.expect("}", after="to close {")
    return least, most


def _reluctant(cursor: Cursor) -> bool:
    return cursor.accept("??") or cursor.accept("?")


def parsed(cursor: Cursor) -> tuple[Variable, ...]:
    """Read a pattern that is a text of its own."""
    found: list[Variable] = []
    while not cursor.ended:
        found.append(pattern_variable(cursor))
    if not found:
        raise SqlError("The pattern is empty.", hint="Write for instance 'A B+ C'.")
    return tuple(found)
