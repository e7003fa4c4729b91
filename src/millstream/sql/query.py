"""Reads queries: SELECT, VALUES, UNION, WITH, window table functions.

in      a cursor in front of a query
out     plain values that say what was written; names are not looked up yet
bad     SqlError, and Unsupported for what comes with a later version, with the place
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from millstream.errors import Place, SqlError, Unsupported
from millstream.expr.tree import Expr, Function, Literal
from millstream.plan.ranks import SetKind
from millstream.sql.changelog_calls import FUNCTIONS, ChangelogFn, ChangelogReader
from millstream.sql.expressions import ExpressionReader
from millstream.sql.grouping_sets import Sets, read_group
from millstream.sql.joined import AsOf, Joined, JoinReader, check_join_hints, read_hints
from millstream.sql.match import MatchOf, read_match
from millstream.sql.over import Spec, read_windows
from millstream.sql.phrases import direction
from millstream.sql.process_calls import ProcessFn, ProcessReader
from millstream.sql.tokens import RESERVED, Cursor, Kind
from millstream.sql.windows import WINDOWS, WindowFn, WindowReader

_NESTING_MAX = 40
"""Deeper queries would exhaust the stack of what walks them."""


@dataclass(frozen=True, slots=True)
class Star:
    """``*`` or ``t.*``."""

    table: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a select list."""

    expr: Expr | Star
    alias: str | None


@dataclass(frozen=True, slots=True)
class TableName:
    """A table, view or WITH name in FROM."""

    name: str
    alias: str
    columns: tuple[str, ...]
    place: Place
    options: Mapping[str, str] = field(default_factory=dict)
    """Table options that this reference says anew, in a hint."""


@dataclass(frozen=True, slots=True)
class SubQuery:
    """A query in FROM."""

    query: Query
    alias: str | None
    columns: tuple[str, ...]
    place: Place


Relation = TableName | SubQuery | WindowFn | ChangelogFn | ProcessFn | MatchOf | Joined


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT … FROM … WHERE … GROUP BY … HAVING."""

    distinct: bool
    items: tuple[Item, ...]
    source: Relation | None
    where: Expr | None
    group: tuple[Expr, ...] | None
    having: Expr | None
    place: Place
    sets: Sets = ()
    """GROUPING SETS, CUBE, ROLLUP: the group keys of each set; ``group`` has all of them."""
    windows: Mapping[str, Spec] = field(default_factory=dict)
    qualify: Expr | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """VALUES (…), (…)."""

    rows: tuple[tuple[Expr, ...], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class UnionOf:
    """``left UNION [ALL] right``."""

    left: Body
    right: Body
    all: bool
    place: Place


@dataclass(frozen=True, slots=True)
class SetOf:
    """``left INTERSECT [ALL] right`` or EXCEPT."""

    kind: SetKind
    left: Body
    right: Body
    all: bool
    place: Place


Body = Select | Rows | UnionOf | SetOf | SubQuery


@dataclass(frozen=True, slots=True)
class Order:
    """One ORDER BY entry."""

    expr: Expr
    descending: bool
    nulls_first: bool | None


@dataclass(frozen=True, slots=True)
class Query:
    """WITH … body ORDER BY … LIMIT … OFFSET."""

    ctes: tuple[tuple[str, tuple[str, ...], Query], ...]
    body: Body
    order: tuple[Order, ...]
    limit: int | None
    offset: int


def position(expr: Expr) -> int | None:
    """Return the whole number an expression is, which ORDER BY reads as a position."""
    if isinstance(expr, Literal) and expr.type is None and type(expr.value) is int:
        return expr.value
    return None


class QueryReader:
    """Reads queries from a cursor; ``udfs`` are the user's functions."""

    def __init__(self, cursor: Cursor, udfs: Mapping[str, Function]) -> None:
        self.cursor = cursor
        self.scalar = ExpressionReader(cursor, udfs)
        self._windows = WindowReader(cursor, self.scalar, self._data)
        self._changelogs = ChangelogReader(cursor, self.scalar, self._data)
        self._processes = ProcessReader(cursor, self.scalar, self._data, self.scalar.udfs)
        self._joins = JoinReader(cursor, self.scalar, self._relation, self._naming)
        self.scalar.queries = self.query
        self._depth = 0

    def query(self) -> Query:
        """Read a whole query."""
        self._depth += 1
        if self._depth > _NESTING_MAX:
            raise self.cursor.error(
                "This query is nested too deeply.", hint="Give its inner queries names: WITH."
            )
        found = self._query()
        self._depth -= 1
        return found

    def _query(self) -> Query:
        cursor = self.cursor
        ctes: list[tuple[str, tuple[str, ...], Query]] = []
        if cursor.accept("WITH"):
            if cursor.sees("RECURSIVE"):
                raise cursor.unsupported("WITH RECURSIVE", hint="Unfold the steps by hand.")
            while True:
                name = cursor.name("the name of a WITH query").text
                columns = self._column_list()
                cursor.expect("AS", after="in WITH name AS ( … )")
                cursor.expect("(")
                ctes.append((name, columns, self.query()))
                cursor.expect(")", after="to close the WITH query")
                if not cursor.accept(","):
                    break
        body = self._body()
        order = self._order()
        limit, offset = self._limit()
        return Query(tuple(ctes), body, order, limit, offset)

    def starts(self) -> bool:
        """Tell whether a query comes next."""
        return self.cursor.sees_any("SELECT", "WITH", "VALUES", "(")

    # ---- bodies

    def _body(self) -> Body:
        cursor, start = self.cursor, self.cursor.here
        left = self._intersection()
        while cursor.sees_any("UNION", "EXCEPT", "MINUS"):
            word = cursor.take()
            every = self._every()
            right, place = self._intersection(), cursor.place(start, word)
            if word.upper == "UNION":
                left = UnionOf(left, right, every, place)
            else:
                left = SetOf(SetKind.EXCEPT, left, right, every, place)
        return left

    def _intersection(self) -> Body:
        cursor, start = self.cursor, self.cursor.here
        left = self._term()
        while cursor.sees("INTERSECT"):
            word = cursor.take()
            every = self._every()
            right = self._term()
            left = SetOf(SetKind.INTERSECT, left, right, every, cursor.place(start, word))
        return left

    def _every(self) -> bool:
        if self.cursor.accept("ALL"):
            return True
        self.cursor.accept("DISTINCT")
        return False

    def _term(self) -> Body:
        cursor, start = self.cursor, self.cursor.here
        if cursor.accept("("):
            inner = self.query()
            cursor.expect(")", after="to close the query")
            return SubQuery(inner, None, (), cursor.place(start))
        if cursor.accept("VALUES"):
            rows = [self._row()]
            while cursor.accept(","):
                rows.append(self._row())
            return Rows(tuple(rows), cursor.place(start))
        if cursor.sees("SELECT"):
            return self._select()
        raise cursor.expected("SELECT, VALUES or WITH")

    def _row(self) -> tuple[Expr, ...]:
        cursor = self.cursor
        cursor.accept("ROW")
        if not cursor.accept("("):
            return (self.scalar.expression(),)
        cells = self.scalar.expressions()
        cursor.expect(")", after="to close the row")
        return cells

    def _select(self) -> Select:
        cursor = self.cursor
        start = cursor.expect("SELECT")
        check_join_hints(cursor, read_hints(cursor))
        distinct = cursor.accept("DISTINCT")
        if not distinct:
            cursor.accept("ALL")
        items = [self._item()]
        while cursor.accept(","):
            items.append(self._item())
        place = cursor.place(start, start)
        source = self._joins.from_() if cursor.accept("FROM") else None
        where = self.scalar.expression() if cursor.accept("WHERE") else None
        group, sets = self._group() if cursor.accept("GROUP", "BY") else (None, ())
        having = self.scalar.expression() if cursor.accept("HAVING") else None
        windows = read_windows(self.scalar)
        qualify = self.scalar.expression() if cursor.accept("QUALIFY") else None
        windows = windows or read_windows(self.scalar)
        return Select(distinct, tuple(items), source, where, group, having, place,
                      sets=sets, windows=windows, qualify=qualify)  # fmt: skip

    def _item(self) -> Item:
        cursor, token = self.cursor, self.cursor.here
        if cursor.accept("*"):
            return Item(Star(None, cursor.place(token)), None)
        named = token.kind is Kind.NAME or (token.kind is Kind.WORD and token.upper not in RESERVED)
        if named and cursor.ahead(1).upper == "." and cursor.ahead(2).upper == "*":
            for _ in range(3):
                cursor.take()
            return Item(Star(token.text, cursor.place(token)), None)
        expr = self.scalar.expression()
        return Item(expr, self._alias("a column alias"))

    def _group(self) -> tuple[tuple[Expr, ...], Sets]:
        cursor, start = self.cursor, self.cursor.here
        found, sets = read_group(self.scalar)
        for expr in found:
            if position(expr) is not None:
                raise SqlError(
                    "GROUP BY does not read positions.",
                    where=expr.place or cursor.place(start),
                    hint="Repeat the expression, or group in a sub-query that names it.",
                )
        return found, sets

    def _order(self) -> tuple[Order, ...]:
        cursor = self.cursor
        if not cursor.accept("ORDER", "BY"):
            return ()
        found: list[Order] = []
        while True:
            expr = self.scalar.expression()
            found.append(Order(expr, *direction(cursor)))
            if not cursor.accept(","):
                return tuple(found)

    def _limit(self) -> tuple[int | None, int]:
        cursor, limit, offset = self.cursor, None, 0
        while True:
            if limit is None and cursor.accept("LIMIT"):
                if not cursor.accept("ALL"):
                    limit = cursor.integer("the LIMIT")
            elif not offset and cursor.accept("OFFSET"):
                offset = cursor.integer("the OFFSET")
                if not cursor.accept("ROWS"):
                    cursor.accept("ROW")
            elif limit is None and cursor.accept("FETCH"):
                if not cursor.accept("FIRST"):
                    cursor.expect("NEXT", after="after FETCH")
                limit = (
                    cursor.integer("the number of rows") if cursor.here.kind is Kind.NUMBER else 1
                )
                if not cursor.accept("ROWS"):
                    cursor.expect("ROW")
                cursor.expect("ONLY")
            else:
                return limit, offset

    # ---- FROM

    def _relation(self) -> Relation:
        cursor, start = self.cursor, self.cursor.here
        if cursor.sees("TABLE", "("):
            cursor.take()
            cursor.take()
            found = self._function() or self._refuse_function()
            cursor.expect(")", after="to close TABLE(")
            return self._with_alias(found)
        if (function := self._function()) is not None:
            return self._with_alias(function)
        if cursor.accept("("):
            inner = self.query()
            cursor.expect(")", after="to close the sub-query")
            place = cursor.place(start)
            if cursor.sees("MATCH_RECOGNIZE"):
                return read_match(self.scalar, SubQuery(inner, None, (), place), self._naming)
            return SubQuery(inner, self._alias("an alias"), self._column_list(), place)
        if cursor.here.kind is Kind.WORD and cursor.ahead(1).upper == "(":
            return self._refuse_function()
        name, first, last = cursor.path("a table")
        place = cursor.place(first, last)
        options = self._table_options()
        taken = self._joins.as_of(TableName(name, name, (), place, options))
        if cursor.sees("MATCH_RECOGNIZE"):
            data = TableName(name, name, (), place, options)
            return read_match(self.scalar, data, self._naming)
        if cursor.sees("TABLESAMPLE"):
            raise cursor.unsupported("TABLESAMPLE", hint="Filter by a hash of a key instead.")
        alias = self._alias("an alias") or name
        if cursor.sees("MATCH_RECOGNIZE"):
            raise cursor.error(
                "The name stands before MATCH_RECOGNIZE.",
                hint=f"Write {name} MATCH_RECOGNIZE ( … ) AS {alias}.",
            )
        table = TableName(name, alias, self._column_list(), place, options)
        if isinstance(taken, AsOf):
            return replace(taken, data=table)
        return self._joins.as_of(table)

    def _table_options(self) -> Mapping[str, str]:
        options: dict[str, str] = {}
        for hint in read_hints(self.cursor):
            if hint.name != "OPTIONS" or hint.words:
                raise Unsupported(
                    f"The hint {hint.name} behind a table.",
                    where=hint.place,
                    hint="Write /*+ OPTIONS('key'='value') */.",
                )
            options |= hint.options
        return options

    def _function(self) -> WindowFn | ChangelogFn | ProcessFn | None:
        if self._processes.starts():
            return self._processes.function(self.cursor.here)
        if self._windows.starts():
            return self._windows.window(self.cursor.here)
        return self._changelogs.function(self.cursor.here) if self._changelogs.starts() else None

    def _refuse_function(self) -> WindowFn | ChangelogFn | ProcessFn:
        token = self.cursor.here
        if token.upper in self.scalar.udfs:
            raise self.cursor.error(
                f"{token.text} does not stand in FROM like this.",
                hint=f"Write LATERAL TABLE({token.text}(…)) for a table function; other functions "
                "stand in SELECT.",
            )
        raise self.cursor.unsupported(
            f"The table function {token.text}",
            hint=f"Functions in FROM are {', '.join((*WINDOWS, *FUNCTIONS))}.",
        )

    def _data(self) -> Relation:
        cursor, start = self.cursor, self.cursor.here
        cursor.accept("TABLE")
        if cursor.accept("("):
            inner = SubQuery(self.query(), None, (), cursor.place(start))
            cursor.expect(")", after="to close (")
            return inner
        name, first, last = cursor.path("a table")
        return TableName(name, name, (), cursor.place(first, last))

    def _with_alias(self, found: Relation) -> Relation:
        alias = self._alias("an alias")
        columns = self._column_list()
        if columns:
            inner = Select(False, (Item(Star(None, found.place), None),), found, None, None, None,
                           found.place)  # fmt: skip
            query = Query((), inner, (), None, 0)
            return SubQuery(query, alias, columns, found.place)
        if alias is None:
            return found
        assert isinstance(found, WindowFn | ChangelogFn | ProcessFn), "only functions come here"
        return replace(found, alias=alias)

    def _naming(self) -> tuple[str | None, tuple[str, ...]]:
        return self._alias("an alias"), self._column_list()

    def _alias(self, what: str) -> str | None:
        cursor = self.cursor
        if cursor.accept("AS"):
            return cursor.name(what).text
        here = cursor.here
        if here.upper in _TURNS and cursor.ahead(1).upper == "(":
            raise cursor.unsupported(
                f"{here.upper} (…)",
                hint="Write one aggregate per column, SUM(v) FILTER (WHERE k = 'a') AS a, or one "
                "SELECT per row with UNION ALL.",
            )
        if here.kind is Kind.NAME or (here.kind is Kind.WORD and here.upper not in _ENDS):
            return cursor.take().text
        return None

    def _column_list(self) -> tuple[str, ...]:
        cursor = self.cursor
        if not cursor.accept("("):
            return ()
        names = [cursor.name("a column").text]
        while cursor.accept(","):
            names.append(cursor.name("a column").text)
        cursor.expect(")", after="to close the column names")
        return tuple(names)


_TURNS = frozenset({"PIVOT", "UNPIVOT"})
_ENDS = RESERVED | {"TABLESAMPLE", "SESSION", "END", "EMIT"}
