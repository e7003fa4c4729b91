"""Where streams meet: union, joins, versions, lookups, INTERSECT and EXCEPT.

in      a stream and others
out     each verb gives a new stream; nothing runs before a sink is run
bad     every verb checks itself at once: UnknownName, TypeMismatch, PlanError mark the call
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from millstream.errors import PlanError
from millstream.frame import joins
from millstream.frame.where import here
from millstream.plan import nodes as n
from millstream.plan.ranks import SetKind

if TYPE_CHECKING:
    from millstream.frame.expression import Expr
    from millstream.frame.joins import Keys, Within

How = Literal["inner", "left", "right", "full", "semi", "anti", "cross"]
"""Which rows a join gives; semi and anti: the left rows with and without a partner."""


class Meets:
    """The verbs of a stream that take others."""

    __slots__ = ()

    @property
    def node(self) -> n.Node:
        """The plan so far."""
        raise AssertionError("a stream knows its node")

    def _over(self, node: n.Node) -> Self:
        raise AssertionError("a stream knows how to make another")

    def union(self, *others: Self) -> Self:
        """Put streams with the same columns together; all rows stay (UNION ALL).

        Args:
            others: streams with the same column names (in any order) and types.

        Raises:
            UnknownName: if a column is missing on one side.
            TypeMismatch: if types differ.

        >>> import millstream as ms
        >>> a, b = ms.read_memory([{"x": 1}]), ms.read_memory([{"x": 2}])
        >>> sorted(a.union(b).collect().rows())
        [(1,), (2,)]
        """
        if not others:
            return self
        parts = [self.node, *(_node(other, "union") for other in others)]
        return self._over(n.Union(parts=tuple(joins.by_name(parts))))

    def join(
        self,
        other: Self,
        on: Keys = None,
        *,
        left_on: Keys = None,
        right_on: Keys = None,
        how: How = "inner",
        where: Expr | None = None,
        within: Within = None,
        suffix: str = "_right",
    ) -> Self:
        """Put the rows of two streams together that belong together.

        Every row meets every other, whenever it comes, so that both sides are kept. Bounds that
        time sets let rows be forgotten: ``within``, or the keys ``window_start`` and
        ``window_end`` of both sides, whose windows are then joined when they close. Semi and
        anti joins keep their rows in spite of ``within``.

        Args:
            other: the right side.
            on: the key, where both sides call it the same: names or expressions.
            left_on: the key of the left side, with ``right_on``.
            right_on: the key of the right side, with ``left_on``.
            how: which rows without a partner stay; ``semi`` and ``anti`` give the left rows with
                and without one; ``cross`` has no key.
            where: what else partners must fulfil, by the names of the result.
            within: how far the right event time may be from the left one: ``"10m"`` before or
                after it, ``("-5m", "10m")`` from 5 minutes before to 10 minutes after it.
            suffix: for columns of the right side whose name the left side has.

        Returns:
            the columns of both sides. A key is given once, except by full joins.

        Raises:
            UnknownName: if a column does not exist.
            TypeMismatch: if keys cannot be compared, or ``where`` is not BOOLEAN.
            PlanError: if no key is given, two columns have one name, or ``within`` is said and a
                side has no event time.

        >>> import millstream as ms
        >>> orders = ms.read_memory([{"id": 1, "user": 7}, {"id": 2, "user": 8}])
        >>> users = ms.read_memory([{"id": 7, "name": "Ada"}])
        >>> named = orders.join(users, left_on="user", right_on="id")
        >>> named.collect().rows()
        [(1, 7, 'Ada')]
        >>> orders.join(users, left_on="user", right_on="id", how="anti").collect().rows()
        [(2, 8)]
        """
        keys = joins.keys_of(on, left_on, right_on)
        right = _node(other, "join")
        return self._over(joins.joined(self.node, right, how, keys, where, within, suffix))

    def join_asof(
        self,
        versions: Self,
        on: Keys = None,
        *,
        left_on: Keys = None,
        right_on: Keys = None,
        how: Literal["inner", "left"] = "inner",
        suffix: str = "_right",
    ) -> Self:
        """Join each row with the version of its partner that held at the row's event time.

        A row waits until the watermarks of both sides have passed it.

        Args:
            versions: a table whose rows are versions of their key, each since its event time:
                read with ``primary_key`` and ``event_time``, or
                ``deduplicate(key, keep="last")``.
            on: the key, where both sides call it the same; all of the key of ``versions``.
            left_on: the key of the left side, with ``right_on``.
            right_on: the key of ``versions``, with ``left_on``.
            how: ``left`` keeps the rows for which there was no version yet.
            suffix: for columns of ``versions`` whose name the left side has.

        Raises:
            PlanError: if a side has no event time, or ``versions`` no key or another one.

        >>> import millstream as ms
        >>> trades = ms.read_memory(
        ...     [{"cur": "USD", "ts": "2026-01-01 10:00:00"}],
        ...     schema={"cur": "STRING", "ts": "TIMESTAMP(3)"},
        ...     event_time="ts",
        ... )
        >>> rates = ms.read_memory(
        ...     [("USD", 0.9, "2026-01-01 09:00:00"), ("USD", 0.8, "2026-01-01 11:00:00")],
        ...     schema={"cur": "STRING", "rate": "DOUBLE", "since": "TIMESTAMP(3)"},
        ...     event_time="since",
        ... )
        >>> known = rates.deduplicate("cur", keep="last")
        >>> trades.join_asof(known, on="cur").select("cur", "rate").collect().rows()
        [('USD', 0.9)]
        """
        keys = joins.keys_of(on, left_on, right_on)
        right = _node(versions, "join_asof")
        return self._over(joins.joined_asof(self.node, right, how, keys, suffix))

    def lookup(
        self,
        table: Self,
        on: Keys = None,
        *,
        left_on: Keys = None,
        right_on: Keys = None,
        how: Literal["inner", "left"] = "inner",
        suffix: str = "_right",
    ) -> Self:
        """Join each row with what a table outside says when it is asked for the row's key.

        Later changes of the table change nothing that was given.

        Args:
            table: what ``ms.read_…`` returned for a database, file or service, as it is.
            on: the columns it is asked by, where both sides call them the same.
            left_on: names or expressions of the left side, with ``right_on``.
            right_on: the columns of ``table``, with ``left_on``.
            how: ``left`` keeps the rows for which nothing is found.
            suffix: for columns of ``table`` whose name the left side has.

        Raises:
            PlanError: if ``table`` is more than a table, or is not asked by a column.

        >>> import millstream as ms
        >>> orders = ms.read_memory([{"id": 1, "user": 7}, {"id": 2, "user": 8}])
        >>> users = ms.read_memory([{"user": 7, "name": "Ada"}], name="users")
        >>> orders.lookup(users, on="user", how="left").collect().rows()
        [(1, 7, 'Ada'), (2, 8, None)]
        """
        keys = joins.keys_of(on, left_on, right_on)
        right = _node(table, "lookup")
        return self._over(joins.looked_up(self.node, right, how, keys, suffix))

    def intersect(self, other: Self, *, all: bool = False) -> Self:  # noqa: A002 (SQL's word)
        """Keep the rows that the other stream has too, each once.

        Args:
            other: a stream with the same column names (in any order) and types that meet.
            all: keep a row as often as both sides have it.

        Raises:
            UnknownName: if a column is missing on one side.
            TypeMismatch: if types do not meet.

        >>> import millstream as ms
        >>> a, b = ms.read_memory([{"x": 1}, {"x": 2}]), ms.read_memory([{"x": 2}, {"x": 3}])
        >>> a.intersect(b).collect().rows()
        [(2,)]
        """
        right = _node(other, "intersect")
        kind = SetKind.INTERSECT
        return self._over(joins.set_operation(self.node, right, kind, every=all))

    def except_(self, other: Self, *, all: bool = False) -> Self:  # noqa: A002 (SQL's word)
        """Keep the rows that the other stream does not have, each once; later ones take them back.

        Args:
            other: a stream with the same column names (in any order) and types that meet.
            all: each row of the other side takes away one row only.

        Raises:
            UnknownName: if a column is missing on one side.
            TypeMismatch: if types do not meet.

        >>> import millstream as ms
        >>> a, b = ms.read_memory([{"x": 1}, {"x": 2}]), ms.read_memory([{"x": 2}, {"x": 3}])
        >>> a.except_(b).collect().rows()
        [(1,)]
        """
        right = _node(other, "except_")
        return self._over(joins.set_operation(self.node, right, SetKind.EXCEPT, every=all))


def _node(other: Any, verb: str) -> n.Node:
    if not isinstance(other, Meets):
        raise PlanError(
            f"{verb} needs another stream, not {type(other).__name__}.",
            where=here(),
            hint="Make one: ms.read_memory(…), ms.from_polars(…).",
        )
    return other.node
