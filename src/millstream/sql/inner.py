"""Sub-queries inside expressions: ``x IN (SELECT …)``, ``EXISTS (…)``, ``(SELECT MAX(v) …)``.

in      a reader in front of the parenthesis
out     :class:`InnerQuery`: what was written; the binder turns it into a join
bad     SqlError with the place
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from millstream.expr.tree import Call, Expr
from millstream.sql.tokens import Cursor, Token

if TYPE_CHECKING:
    from millstream.sql.query import Query


class Asks(Enum):
    """What is asked of a sub-query's rows."""

    EXISTS = "EXISTS"
    ANY = "ANY"
    """Whether a comparison holds with some row; IN is ``= ANY``."""
    ALL = "ALL"
    VALUE = "its value"


@dataclass(frozen=True, slots=True)
class InnerQuery(Expr):
    """A sub-query in an expression; ``args`` are what ANY and ALL compare, one per column."""

    asks: Asks = Asks.VALUE
    args: tuple[Expr, ...] = ()
    sign: str = "="
    query: Query = field(default=None, repr=False)  # type: ignore[assignment]

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def with_children(self, children: tuple[Expr, ...]) -> InnerQuery:
        return replace(self, args=children)

    def __str__(self) -> str:
        left = f"{', '.join(map(str, self.args))} {self.sign} " if self.args else ""
        return f"{left}{self.asks.value} (SELECT …)"


ReadQuery = Callable[[], "Query"]
_STARTS = ("SELECT", "WITH", "VALUES")


def starts_query(cursor: Cursor, after: int = 0) -> bool:
    """Tell whether a query begins ``after`` tokens from here, perhaps in more parentheses."""
    while cursor.ahead(after).upper == "(":
        after += 1
    return cursor.ahead(after).upper in _STARTS


def read_inner(
    cursor: Cursor, query: ReadQuery, start: Token, asks: Asks, args: tuple[Expr, ...], sign: str
) -> InnerQuery:
    """Read a sub-query up to its closing parenthesis; the opening one is taken."""
    found = query()
    cursor.expect(")", after="to close the sub-query")
    return InnerQuery(asks=asks, args=args, sign=sign, query=found, place=cursor.place(start))


def parts_of(left: Expr) -> tuple[Expr, ...]:
    """Return what is compared with the columns of a sub-query: the cells of a row, or one value."""
    if isinstance(left, Call) and left.function == "ROW":
        return left.args
    return (left,)
