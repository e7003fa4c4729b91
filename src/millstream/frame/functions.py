"""The functions an expression starts with: columns, constants, conditions, aggregates of rows."""

from __future__ import annotations

from typing import Any

from millstream.expr import tree
from millstream.frame.expression import Expr, Value, to_tree
from millstream.frame.where import here


def col(name: str) -> Expr:
    """Name a column of the stream.

    Args:
        name: the column; a field of a ROW column is ``col("row").field("x")``.

    Returns:
        an expression with the type of the column.

    Raises:
        UnknownName: when a stream that has no such column uses it, with the near names.

    >>> from millstream import col
    >>> col("amount") > 0
    (amount > 0)
    """
    return Expr(tree.Column(name, place=here()))


def lit(value: Any) -> Expr:
    """Make a constant column.

    Args:
        value: None, bool, int, float, str, bytes, Decimal, date, time, datetime or timedelta.

    >>> import millstream as ms
    >>> ms.lit("eu").alias("region")
    'eu' AS region
    """
    return Expr(tree.Literal(value, place=here()))


def count() -> Expr:
    """Count rows, for ``agg``: SQL's COUNT(*).

    Returns:
        a BIGINT that is never NULL.

    >>> import millstream as ms
    >>> ms.count().alias("orders")
    COUNT(*) AS orders
    """
    return Expr(tree.AggCall("COUNT", place=here()))


def coalesce(*values: Value) -> Expr:
    """Return the first value that is not NULL.

    >>> import millstream as ms
    >>> ms.coalesce(ms.col("nick"), ms.col("name"), "?")
    COALESCE(nick, name, '?')
    """
    return Expr(tree.Call("COALESCE", tuple(map(to_tree, values)), place=here()))


class When:
    """A condition that waits for its value; made by :func:`when`."""

    __slots__ = ("_condition", "_done")

    def __init__(self, done: tuple[tree.Expr, ...], condition: tree.Expr):
        self._done = done
        self._condition = condition

    def then(self, value: Value) -> Then:
        """Give the value for rows where the condition is TRUE."""
        return Then((*self._done, self._condition, to_tree(value)))


class Then(Expr):
    """Conditions and their values so far; NULL for all other rows unless ``otherwise`` follows."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: tuple[tree.Expr, ...]):
        super().__init__(tree.Call("CASE", (*pairs, tree.Literal(None)), place=here()))
        self._pairs = pairs

    def when(self, condition: Expr) -> When:
        """Add another condition, asked where those before are not TRUE."""
        return When(self._pairs, to_tree(condition))

    def otherwise(self, value: Value) -> Expr:
        """Give the value for all other rows."""
        return Expr(tree.Call("CASE", (*self._pairs, to_tree(value)), place=here()))


def when(condition: Expr) -> When:
    """Choose a value by conditions: SQL's CASE.

    Args:
        condition: a BOOLEAN expression; unknown (NULL) counts as not TRUE.

    Returns:
        something with ``.then(value)``, which may go on with ``.when(…)`` or end with
        ``.otherwise(value)``.

    >>> import millstream as ms
    >>> size = ms.when(ms.col("qty") > 99).then("bulk").otherwise("piece")
    >>> size.alias("size")
    CASE((qty > 99), 'bulk', 'piece') AS size
    """
    return When((), to_tree(condition))
