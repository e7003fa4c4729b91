"""Reads what stands between relations in FROM: joins, LATERAL, UNNEST, FOR SYSTEM_TIME, hints.

in      a cursor in front of FROM's first relation; what reads one relation
out     :class:`JoinOf` and its leaves: what was written, names are not looked up yet
bad     SqlError with the place: a join without a condition, CROSS JOIN with one
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.errors import Place
from millstream.expr.tree import Expr
from millstream.plan.joins import JoinKind
from millstream.sql.expressions import ExpressionReader
from millstream.sql.tokens import Cursor, Kind, Token

if TYPE_CHECKING:
    from millstream.sql.query import Relation, SubQuery

_STARTS = ("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL")
_OUTER = {"LEFT": JoinKind.LEFT, "RIGHT": JoinKind.RIGHT, "FULL": JoinKind.FULL}
_NO_MEANING = ("BROADCAST", "SHUFFLE_HASH", "SHUFFLE_MERGE", "NEST_LOOP", "MULTI_JOIN")
"""Hints that choose how Flink runs a join in batch mode; results are the same without them."""
_NEVER_ALIAS = ("SEMI", "ANTI")


@dataclass(frozen=True, slots=True)
class JoinOf:
    """``left [INNER|LEFT|…] JOIN right ON …``; a comma is a join without ``on``."""

    left: Relation
    right: Relation
    kind: JoinKind
    on: Expr | None
    using: tuple[str, ...] | None
    natural: bool
    place: Place


@dataclass(frozen=True, slots=True)
class AsOf:
    """``relation FOR SYSTEM_TIME AS OF time``."""

    data: Relation
    time: Expr
    place: Place


@dataclass(frozen=True, slots=True)
class UnnestOf:
    """``UNNEST(expr) [WITH ORDINALITY] [AS t(a, b)]``."""

    expr: Expr
    ordinality: bool
    alias: str | None
    columns: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class FunctionOf:
    """``LATERAL TABLE(f(x)) [AS t(a, b)]``."""

    name: str
    args: tuple[Expr, ...]
    alias: str | None
    columns: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Lateral:
    """``LATERAL (SELECT …)``: a sub-query that sees the relations before it."""

    data: SubQuery

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.data.place


Joined = JoinOf | AsOf | UnnestOf | FunctionOf | Lateral


class JoinReader:
    """Reads FROM; ``relation`` reads one relation that is not in parentheses of a join."""

    def __init__(
        self,
        cursor: Cursor,
        scalar: ExpressionReader,
        relation: Callable[[], Relation],
        alias: Callable[[], tuple[str | None, tuple[str, ...]]],
    ) -> None:
        self.cursor = cursor
        self.scalar = scalar
        self._relation = relation
        self._alias = alias

    def from_(self) -> Relation:
        """Read the relations of FROM."""
        cursor = self.cursor
        found = self._joins()
        while cursor.sees(","):
            comma = cursor.take()
            right = self._joins()
            found = JoinOf(
                found, right, JoinKind.INNER, None, None, natural=False,
                place=cursor.place(comma, comma),
            )  # fmt: skip
        return found

    def in_parentheses(self) -> bool:
        """Tell whether the parenthesis that comes next holds a join, not a query."""
        depth = 0
        while self.cursor.ahead(depth).upper == "(":
            depth += 1
        return self.cursor.ahead(depth).upper not in ("SELECT", "WITH", "VALUES")

    def _joins(self) -> Relation:
        left = self._leaf()
        while self._sees_join():
            left = self._join(left)
        return left

    def _sees_join(self) -> bool:
        if self.cursor.sees_any(*_NEVER_ALIAS):
            raise self.cursor.unsupported(
                f"{self.cursor.here.upper} JOIN",
                hint="Write WHERE [NOT] EXISTS (SELECT …), or x [NOT] IN (SELECT …).",
            )
        return self.cursor.sees_any(*_STARTS)

    def _join(self, left: Relation) -> Relation:
        cursor, start = self.cursor, self.cursor.here
        natural = cursor.accept("NATURAL")
        cross = cursor.accept("CROSS")
        kind = JoinKind.INNER
        if not cross and cursor.sees_any(*_OUTER):
            kind = _OUTER[cursor.take().upper]
            self._sees_join()
            cursor.accept("OUTER")
        elif not cross:
            cursor.accept("INNER")
        cursor.expect("JOIN", after="here")
        place = cursor.place(start)
        right = self._leaf()
        if cross or natural:
            if cursor.sees_any("ON", "USING"):
                raise cursor.error(
                    f"{'CROSS' if cross else 'NATURAL'} JOIN has no condition.",
                    hint="Write JOIN … ON …, or put the condition in WHERE.",
                )
            return JoinOf(left, right, kind, None, None, natural, place)
        while self._sees_join():
            # a JOIN b JOIN c ON … ON …: the inner condition belongs to the inner join.
            right = self._join(right)
        if cursor.accept("ON"):
            return JoinOf(left, right, kind, self.scalar.expression(), None, natural, place)
        if cursor.accept("USING"):
            return JoinOf(left, right, kind, None, self._using(), natural, place)
        if cursor.sees("FOR"):
            raise cursor.error(
                "FOR SYSTEM_TIME AS OF stands behind the name of a table or view.",
                hint="Make a view of the query: CREATE VIEW … AS SELECT ….",
            )
        raise cursor.error(
            f"{kind.value} JOIN needs a condition.",
            first=start,
            hint="Write JOIN … ON a.id = b.id, or CROSS JOIN for every pair of rows.",
        )

    def _using(self) -> tuple[str, ...]:
        cursor = self.cursor
        cursor.expect("(", after="after USING")
        names = [cursor.name("a column").text]
        while cursor.accept(","):
            names.append(cursor.name("a column").text)
        cursor.expect(")", after="to close USING (")
        return tuple(names)

    # ---- leaves

    def _leaf(self) -> Relation:
        cursor, start = self.cursor, self.cursor.here
        if cursor.sees("("):
            if self.in_parentheses():
                return self._parenthesis()
            if cursor.ahead(1).upper == "(":
                return self._query_or_join()
        if cursor.sees("UNNEST", "("):
            return self._unnest()
        if not cursor.sees("LATERAL"):
            return self._relation()
        cursor.take()
        if cursor.accept("TABLE"):
            cursor.expect("(", after="in LATERAL TABLE(f(x))")
            name = cursor.name("a table function").text
            args = self.scalar.arguments()
            cursor.expect(")", after="to close TABLE(")
            place = cursor.place(start)
            return FunctionOf(name, args, *self._alias(), place)
        if cursor.sees("UNNEST", "("):
            return self._unnest()
        if not cursor.sees("("):
            raise cursor.expected("TABLE( or a sub-query after LATERAL")
        return Lateral(_sub_query(self._relation()))

    def _parenthesis(self) -> Relation:
        cursor = self.cursor
        cursor.expect("(")
        found = self.from_()
        cursor.expect(")", after="to close the join")
        return found

    def _query_or_join(self) -> Relation:
        """Read ``((SELECT …) …``: a query in parentheses, or a join that starts with one."""
        cursor, at = self.cursor, self.cursor.at
        depth = 0
        while True:
            # What follows the innermost query tells: a set operation or its end is a query.
            token = cursor.take()
            if token.kind is Kind.END:
                break
            depth += {"(": 1, ")": -1}.get(token.upper, 0)
            if token.upper == ")" and depth == 1:
                break
        whole = cursor.sees_any(")", "UNION", "INTERSECT", "EXCEPT", "MINUS", "ORDER", "LIMIT")
        cursor.at = at
        return self._relation() if whole else self._parenthesis()

    def _unnest(self) -> Relation:
        cursor = self.cursor
        start = cursor.take()
        cursor.expect("(")
        expr = self.scalar.expression()
        cursor.expect(")", after="to close UNNEST(")
        ordinality = cursor.accept("WITH", "ORDINALITY")
        place = cursor.place(start)
        return UnnestOf(expr, ordinality, *self._alias(), place)

    def as_of(self, data: Relation) -> Relation:
        """Read FOR SYSTEM_TIME AS OF … where it follows."""
        cursor, start = self.cursor, self.cursor.here
        if not cursor.accept("FOR"):
            return data
        cursor.expect("SYSTEM_TIME", after="after FOR")
        cursor.expect("AS", after="in FOR SYSTEM_TIME AS OF time")
        cursor.expect("OF", after="in FOR SYSTEM_TIME AS OF time")
        time = self.scalar.operand()
        return AsOf(data, time, cursor.place(start))


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint of ``/*+ NAME(arguments) */``: texts, or keys with values."""

    name: str
    options: Mapping[str, str]
    words: tuple[str, ...]
    place: Place


def read_hints(cursor: Cursor) -> tuple[Hint, ...]:
    """Read ``/*+ … */`` where it follows."""
    if not cursor.accept("/*+"):
        return ()
    found: list[Hint] = []
    while not cursor.accept("*/"):
        found.append(_hint(cursor))
        cursor.accept(",")
    return tuple(found)


def _hint(cursor: Cursor) -> Hint:
    start = cursor.name("the name of a hint")
    options: dict[str, str] = {}
    said: list[str] = []
    if cursor.accept("("):
        while not cursor.accept(")"):
            key = _hint_word(cursor)
            if cursor.accept("="):
                options[key.text] = _hint_word(cursor).text
            else:
                said.append(key.text)
            if not cursor.sees(")"):
                cursor.expect(",", after="between the arguments of a hint")
    return Hint(start.upper, options, tuple(said), cursor.place(start))


def _hint_word(cursor: Cursor) -> Token:
    if cursor.here.kind is Kind.STRING:
        return cursor.take()
    return cursor.name("a word or a text in single quotes")


def check_join_hints(cursor: Cursor, hints: tuple[Hint, ...]) -> None:
    """Let pass what only chooses an algorithm of batch mode; refuse the rest."""
    for hint in hints:
        if hint.name not in _NO_MEANING:
            raise cursor.unsupported(
                f"The hint {hint.name}",
                hint="Leave it out: state is kept for table.exec.state.ttl; a lookup is set up by "
                "the options of its table.",
            )


def _sub_query(found: Relation) -> SubQuery:
    from millstream.sql.query import SubQuery

    assert isinstance(found, SubQuery), "a parenthesis in front of SELECT is a query"
    return found
