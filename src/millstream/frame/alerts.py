"""Alerts of a stream: what ``Stream.alert`` declares.

in      a stream, a condition, whom to tell
out     an :class:`Alert`: a sink that tells, and the stream of its transitions for other sinks
bad     PlanError and its kin with the place of the call
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from millstream.errors import MillstreamError, PlanError
from millstream.frame.bind import bind_row
from millstream.frame.expression import to_tree
from millstream.frame.facts import known_tables
from millstream.frame.sink import Sink
from millstream.frame.tables import placed
from millstream.plan import alert as alerts
from millstream.plan import nodes as n
from millstream.ports import registry
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from datetime import timedelta

    from millstream.connect.alert_book import AlertBook
    from millstream.connect.alert_channels import Channel
    from millstream.frame.expression import Expr
    from millstream.frame.stream import Stream

    To = str | Channel | Callable[[Stream], Any]


class Alert(Sink):
    """A declared alert; it runs like any sink.

    >>> import millstream as ms
    >>> loads = ms.read_memory([{"host": "a", "load": 9}])
    >>> loads.alert("busy", when=ms.col("load") > 8, by="host", to=[])
    Alert(busy)
    """

    __slots__ = ("_transitions",)

    def __init__(self, node: n.Write, transitions: Stream):
        super().__init__(node)
        self._transitions = transitions

    @property
    def transitions(self) -> Stream:
        """Its changes of state as a stream of rows, for any other sink.

        >>> import millstream as ms
        >>> loads = ms.read_memory([{"host": "a", "load": 9}])
        >>> busy = loads.alert("busy", when=ms.col("load") > 8, by="host", to=[])
        >>> busy.transitions.select("state", "labels", "number").collect().rows()
        [('firing', '{"host":"a"}', 1)]
        """
        return self._transitions

    @property
    def book(self) -> AlertBook:
        """Its job's alerts: ``active()``, ``history()``, ``silence(…)``, once it was started.

        Raises:
            PlanError: if no job with it was started.
        """
        desk = self.node.table.options["target"].desk
        if desk is None:
            raise PlanError(
                f"The alert '{self.name}' was not started yet.",
                hint="job = ms.start(alert), then job.alert_books.",
            )
        book: AlertBook = desk.book
        return book

    def __repr__(self) -> str:
        return f"Alert({self.node.table.options['target'].alert.alert})"


class Alerts:
    """The verb of a stream that watches it."""

    __slots__ = ()

    @property
    def node(self) -> n.Node:
        """The plan so far."""
        raise AssertionError("a stream knows its node")

    def alert(
        self,
        name: str,
        *,
        when: Expr,
        for_: str | timedelta | float = 0,
        severity: str = "warning",
        by: str | Sequence[str] | None = None,
        to: str | Channel | Callable[[Stream], Any] | Sequence[To] = ("log",),
        summary: str | None = None,
        repeat: str | timedelta | None = None,
        time: str | None = None,
    ) -> Alert:
        """Tell people when a condition holds, and when it does no longer.

        The newest row of a key says whether its condition holds; a deleted row ends it. True →
        *pending*, held for ``for_`` → *firing*, false → *resolved*. Rows that only come and have
        an event time are taken in its order, as the watermark passes; others go by the clock.
        Each firing and each end is told once, also through restarts where checkpoints are kept.

        Args:
            name: the alert's name, one of its kind in a job.
            when: a BOOLEAN expression; NULL does not hold.
            for_: so long the condition must hold: ``"30s"``.
            severity: ``info``, ``warning`` or ``critical``; one that fires keeps less severe ones
                with the same labels quiet (setting ``alerts.inhibit-by``).
            by: the key columns, which are its labels. Without: the key of a stream that changes,
                one alert for all rows of another.
            to: whom to tell: ``"webhook:https://…"``, ``"slack:https://…"``,
                ``"email:ops@example.com?smtp=host:587"``, ``"log"``; or a function that writes
                the stream of transitions somewhere: ``lambda rows: rows.write_postgres(…)``.
            summary: one line with ``{column}`` for values of the row.
            repeat: tell again so often while it fires.
            time: the event or processing time it goes by.

        Raises:
            UnknownName: for an unknown column, channel or severity.
            TypeMismatch: if ``when`` is not BOOLEAN.
            PlanError: if the stream changes by another key than ``by``.

        >>> import millstream as ms
        >>> loads = ms.read_memory([{"host": "a", "load": 9}])
        >>> loads.alert("busy", when=ms.col("load") > 8, by="host", summary="{host}: {load}")
        Alert(busy)
        """
        from millstream.frame.stream import Stream

        said: Sequence[Any] = [to] if isinstance(to, str) or callable(to) else _listed(to)
        keys = (by,) if isinstance(by, str) else by
        tree = bind_row(to_tree(when), self.node.schema, "an alert")
        try:
            wanted = alerts.Wanted(
                name=name,
                condition=str(to_tree(when)),
                by=keys,
                for_ms=duration_ms(for_),
                severity=severity,
                summary=summary,
                time=time,
            )
            made = alerts.alert(self.node, tree, wanted, known_tables())
            told = [one for one in said if not callable(one)]
            repeat_ms = None if repeat is None else duration_ms(repeat)
            written = alerts.written(made, told, repeat_ms=repeat_ms)
            registry.config_of(written.table)
        except MillstreamError as error:
            raise placed(error) from None
        rows = Stream(made)
        for one in said:
            if callable(one):
                one(rows)
        return Alert(written, rows)


def _listed(to: Any) -> list[Any]:
    return list(to) if isinstance(to, list | tuple | set) else [to]
