"""CREATE ALERT: a condition that is watched, and whom to tell.

    CREATE ALERT name ON {table | view | (query)} WHEN condition
      [FOR INTERVAL '30' SECOND] [BY (column, …)] [TIME column] [SEVERITY 'critical']
      [SUMMARY '… {column} …'] [TO {'address' | TABLE table}, …] [REPEAT INTERVAL '1' HOUR]

in      a cursor in front of ALERT; what was read, with the names there are
out     :class:`CreateAlert`; the sinks that tell of it
bad     SqlError and PlanError with the place; the clauses behind WHEN come in any order, each once
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from millstream.errors import Place, SqlError, UnknownName
from millstream.expr.tree import Expr, Literal
from millstream.plan import build
from millstream.plan.alert import Wanted, alert, written
from millstream.plan.facts import Append, Mode, Tables, Upsert
from millstream.plan.facts import Retract as Changing
from millstream.ports import registry
from millstream.ports.connector import Changes
from millstream.sql import literals
from millstream.sql.meaning import condition, placed
from millstream.sql.phrases import partition_columns
from millstream.sql.query import Query, QueryReader, TableName
from millstream.sql.scope import Scope, named
from millstream.sql.statements import Statement
from millstream.types import IntervalDay

if TYPE_CHECKING:
    from millstream.plan.nodes import Node, Write
    from millstream.plan.table import Table
    from millstream.sql.bind import Binder
    from millstream.sql.tokens import Cursor, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAlert(Statement):
    """CREATE ALERT; ``to`` are addresses, ``tables`` are written as well."""

    data: TableName | Query
    when: Expr
    wanted: Wanted
    to: tuple[str, ...] = ("log",)
    tables: tuple[tuple[str, Place], ...] = ()
    repeat_ms: int | None = None

    def wants(self, **said: Any) -> CreateAlert:
        """Return it with more of what is said of the alert itself."""
        return replace(self, wanted=replace(self.wanted, **said))


def read_alert(cursor: Cursor, queries: QueryReader, start: Token) -> CreateAlert:
    """Read the statement, from ALERT on; ``start`` is its first word."""
    cursor.expect("ALERT")
    name, _, last = cursor.path("the name of the alert")
    cursor.expect("ON", after="and what is watched")
    data: TableName | Query
    if cursor.accept("("):
        data = queries.query()
        cursor.expect(")", after="to close the query")
    else:
        first = cursor.here
        table, _, end = cursor.path("a table, a view or a query in parentheses")
        data = TableName(table, table, (), cursor.place(first, end))
    cursor.expect("WHEN", after="and a condition")
    first = cursor.here
    when = queries.scalar.expression()
    text = cursor.text_between(first, cursor.tokens[cursor.at - 1])
    said = CreateAlert(
        data=data,
        when=when,
        wanted=Wanted(name=name, condition=" ".join(text.split())),
        place=cursor.place(start, last),
    )
    return _with_clauses(said, cursor, queries)


def alert_sinks(
    said: CreateAlert, binder: Binder, tables: Mapping[str, Table]
) -> tuple[Write, ...]:
    """Return what tells of an alert: its own sink, and one per table it is written to."""
    if isinstance(said.data, TableName):
        scope = binder.relation(said.data)
    else:
        scope = Scope.of(binder.query(said.data), None)
    when = condition(named(said.when, scope), scope.schema, "WHEN")
    node = placed(lambda: alert(scope.node, when, said.wanted, Tables(gives=_gives)), said.place)
    sinks = [
        placed(
            lambda: written(node, said.to, repeat_ms=said.repeat_ms, place=said.place), said.place
        )
    ]
    for name, place in said.tables:
        found = tables.get(name)
        if found is None:
            raise UnknownName("table", name, available=tables, where=place)
        sinks.append(_into(node, found, place))
    return tuple(sinks)


def _into(node: Node, table: Table, place: Place) -> Write:
    return placed(lambda: build.write(node, table), place)


def _gives(table: Table) -> Mode:
    match registry.changes_of(table)[0]:
        case Changes.UPSERT:
            return Upsert(table.primary_key)
        case Changes.RETRACT:
            return Changing()
        case _:
            return Append()


def _with_clauses(said: CreateAlert, cursor: Cursor, queries: QueryReader) -> CreateAlert:
    """Read the clauses behind WHEN."""
    readers: dict[str, Callable[[], CreateAlert]] = {
        "FOR": lambda: said.wants(for_ms=_length(cursor, queries, "FOR")),
        "BY": lambda: said.wants(by=partition_columns(cursor)),
        "TIME": lambda: said.wants(time=cursor.name("the time column").text),
        "SEVERITY": lambda: said.wants(severity=cursor.string("the severity").text),
        "SUMMARY": lambda: said.wants(summary=cursor.string("the summary").text),
        "TO": lambda: _told_to(said, cursor),
        "REPEAT": lambda: replace(said, repeat_ms=_length(cursor, queries, "REPEAT")),
    }
    left = dict(readers)
    while not cursor.ended and not cursor.sees(";"):
        word = cursor.here.upper
        if word not in readers:
            raise cursor.expected(f"{', '.join(readers)} or the end of the statement")
        if word not in left:
            raise cursor.error(f"{word} stands here twice.", hint="Leave one of them out.")
        cursor.take()
        said = left.pop(word)()
    return said


def _told_to(said: CreateAlert, cursor: Cursor) -> CreateAlert:
    closes = cursor.accept("(")
    to: list[str] = []
    tables: list[tuple[str, Place]] = []
    while True:
        if cursor.accept("TABLE"):
            first = cursor.here
            name, _, last = cursor.path("the table to write")
            tables.append((name, cursor.place(first, last)))
        else:
            to.append(cursor.string("an address, or TABLE and a name").text)
        if not cursor.accept(","):
            break
    if closes:
        cursor.expect(")", after="to close TO (")
    return replace(said, to=tuple(to), tables=tuple(tables))


def _length(cursor: Cursor, queries: QueryReader, word: str) -> int:
    value = _before_to(cursor, queries) or queries.scalar.expression()
    if not isinstance(value, Literal) or not isinstance(value.type, IntervalDay):
        raise SqlError(
            f"What stands behind {word} is not an interval of days or less.",
            where=value.place,
            hint="Write INTERVAL '30' SECOND.",
        )
    return int(value.value)


def _before_to(cursor: Cursor, queries: QueryReader) -> Literal | None:
    """Read an interval before the clause TO, which INTERVAL '1' DAY TO HOUR would take as its."""
    start, unit = cursor.here, literals.UNITS.get(cursor.ahead(2).upper)
    to, behind = cursor.ahead(3).upper, cursor.ahead(4).upper
    if not cursor.sees("INTERVAL") or unit is None or to != "TO" or behind in literals.UNITS:
        return None
    cursor.take()
    text, last = cursor.string("the length of the interval"), cursor.take()
    return queries.scalar.constant(
        lambda: literals.interval(text.text, unit, None, negative=False), start, last
    )
