"""An alert: a condition watched per key, whose changes of state are rows.

The input has a BOOLEAN column :data:`WHEN` beside the user's own; :func:`alert` puts it there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import TYPE_CHECKING, Any

from millstream import types as t
from millstream.errors import PlanError, TypeMismatch, UnknownName
from millstream.expr.tree import Column, Named
from millstream.plan.derive import Upwards
from millstream.plan.facts import Facts, StateBound, Tables, same_key
from millstream.plan.nodes import Project, Unary, Write
from millstream.plan.table import Physical, Table
from millstream.types import Field, Schema

if TYPE_CHECKING:
    from millstream.errors import Place
    from millstream.expr.tree import Expr
    from millstream.plan.nodes import Node

CONNECTOR = "alerts"
"""What the tables of alerts are reached by."""
WHEN = "$when"
SEVERITIES = ("info", "warning", "critical")
"""From the least to the gravest."""
STATES = ("pending", "firing", "resolved", "gone")
"""What a transition leads to. ``gone``: pending ended before it was held for long enough."""
PENDING, FIRING, RESOLVED, GONE = STATES
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NESTED = (t.Array, t.Map, t.Multiset, t.Row)


@dataclass(frozen=True, kw_only=True, eq=False)
class Alert(Unary):
    """Gives a row whenever the alert of a key changes its state.

    ``time`` is the event or processing time it goes by, None = the clock. ``condition`` is the
    text of what :data:`WHEN` holds. ``for_ms``: so long it must hold. ``summary`` is a template
    whose ``{column}`` stand for values of the row.
    """

    alert: str
    condition: str
    key: tuple[str, ...]
    time: str | None = None
    for_ms: int = 0
    severity: str = "warning"
    summary: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.alert):
            raise PlanError(
                f"An alert cannot be called '{self.alert}'.",
                hint="Use letters, digits, '_', '-' and '.', a letter first.",
            )
        if self.severity not in SEVERITIES:
            raise UnknownName("severity", self.severity, available=SEVERITIES)
        if self.for_ms < 0:
            raise PlanError("A condition cannot be held for less than no time.")
        given = self.input.schema
        for name in self.key:
            if name not in given:
                raise UnknownName("key column", name, available=self.values_and_key)
            kind = given.type_of(name)
            if isinstance(kind, _NESTED):
                raise TypeMismatch(
                    f"The key '{name}' of the alert is {kind}.",
                    hint="A key is made of numbers, texts, times and the like.",
                )
        if self.time is not None:
            kind = given.type_of(self.time)
            if not isinstance(kind, t.Timestamp | t.TimestampLtz):
                raise TypeMismatch(
                    f"The alert goes by '{self.time}', which is {kind}.",
                    hint="Name the event time, or a column AS PROCTIME().",
                )
        for name in self.summary_columns:
            if name not in given or name == WHEN:
                raise UnknownName("column of the summary", name, available=self.values_and_key)

    @property
    def values_and_key(self) -> tuple[str, ...]:
        """The columns of the user's row."""
        return tuple(name for name in self.input.schema.names if name != WHEN)

    @property
    def values(self) -> tuple[str, ...]:
        """The columns told as details: all but the key."""
        return tuple(name for name in self.values_and_key if name not in self.key)

    @cached_property
    def summary_parts(self) -> tuple[tuple[str, str | None], ...]:
        """The template as (text, column behind it)."""
        if self.summary is None:
            return ((self.alert, None),)
        try:
            found = list(Formatter().parse(self.summary))
        except ValueError as error:
            raise PlanError(
                f"The summary is no template: {error}.",
                hint="Write {column} for a value, {{ and }} for braces.",
            ) from None
        if any(form or conversion for _, _, form, conversion in found):
            raise PlanError(
                "The summary shows values as they are: a format in {…} is not known.",
                hint="Round or format it in a column of the query, and write {column}.",
            )
        return tuple((text, name) for text, name, *_ in found)

    @property
    def summary_columns(self) -> tuple[str, ...]:
        """The columns the summary shows."""
        return tuple(name for _, name in self.summary_parts if name is not None)

    @cached_property
    def _schema(self) -> Schema:
        instant: t.LogicalType = t.TimestampLtz(3)
        if self.time is not None:
            instant = self.input.schema.type_of(self.time)
        instant = instant.with_nullable(False)
        text = t.VarChar().with_nullable(False)
        return Schema(
            (
                *(Field(n, text) for n in ("alert", "state", "severity", "labels", "summary")),
                Field("since", instant),
                Field("changed_at", instant),
                Field("details", text),
                Field("number", t.BigInt().with_nullable(False)),
                Field("fingerprint", text),
            )
        )

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        by = f" by [{', '.join(self.key)}]" if self.key else ""
        held = f" for {self.for_ms} ms" if self.for_ms else ""
        return f"Alert {self.alert}{by} when {self.condition}{held}"

    @property
    def id_keys(self) -> tuple[str, ...]:
        return (self.alert, *self.key)

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return () if self.time is None else ((0, self.time),)

    @property
    def by_clock_alone(self) -> bool:
        return self.time is None

    @property
    def wants_marks(self) -> bool:
        return self.time is not None

    @property
    def drops_late(self) -> bool:
        return self.time is not None

    @property
    def late_schema(self) -> Schema:
        return self.input.schema.select(self.values_and_key)

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        below = inputs[0]
        timed = self.time is not None and self.time in below.times
        return Facts(
            bounded=below.bounded, times=("changed_at",) if timed else (), marks=below.marks
        )

    def wants_old_rows(
        self, port: int, below: Facts, own: Facts, above: bool, tables: Tables
    ) -> bool:
        # What a change replaces has the same key, or it is told as deleted.
        return not same_key(self.key, below.keys[:1])

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a user says of an alert, beside its condition; ``condition`` is its text.

    Without ``by`` an updating input is watched by its key, another one as a whole. Without
    ``time`` it goes by the event time where rows only come and have one, else by the clock.
    """

    name: str
    condition: str
    by: Sequence[str] | None = None
    for_ms: int = 0
    severity: str = "warning"
    summary: str | None = None
    time: str | None = None


def alert(node: Node, when: Expr, wanted: Wanted, tables: Tables) -> Alert:
    """Return the step that watches ``when``, resolved against ``node``."""
    if not isinstance(when.typed, t.Boolean):
        raise TypeMismatch(
            f"The condition of the alert '{wanted.name}' is {when.typed}, not BOOLEAN: {when}.",
            where=when.place,
            hint="Compare something: amount > 100.",
        )
    facts = Upwards(tables).of(node)
    key, time = _key(wanted.name, facts, wanted.by), wanted.time
    if facts.updates and time is not None:
        raise PlanError(
            f"The rows that the alert '{wanted.name}' watches change, so it goes by the clock.",
            hint="Leave the time out; or watch rows that only come, such as those of windows.",
        )
    if time is None and not facts.updates:
        time = facts.time
    kept = (Named(f.name, Column(f.name, type=f.type)) for f in node.schema)
    with_condition = Project(input=node, columns=(*kept, Named(WHEN, when)))
    return Alert(
        input=with_condition,
        alert=wanted.name,
        condition=wanted.condition,
        key=key,
        time=time,
        for_ms=wanted.for_ms,
        severity=wanted.severity,
        summary=wanted.summary,
    )


@dataclass(slots=True, eq=False)
class Declared:
    """One declared alert, as its table's option ``target``: what is watched, whom it is told to.

    ``to`` are addresses, or channels of a program's own. ``desk`` is put in where its job starts.
    """

    alert: Alert
    to: tuple[Any, ...]
    repeat_ms: int | None = None
    desk: Any = None

    def __repr__(self) -> str:
        return f"Declared({self.alert.alert})"  # an address may be a secret


def written(
    node: Alert, to: Sequence[Any], *, repeat_ms: int | None = None, place: Place | None = None
) -> Write:
    """Return the sink that tells of an alert; ``place``: where a text says it."""
    if repeat_ms is not None and repeat_ms <= 0:
        raise PlanError("An alert is repeated after some time, not at once.")
    table = Table(
        name=f"alert_{node.alert}",
        columns=tuple(Physical(f.name, f.type) for f in node.schema),
        connector=CONNECTOR,
        options={"target": Declared(node, tuple(to), repeat_ms)},
        places={} if place is None else {"": place},
    )
    return Write(input=node, table=table)


def fingerprint(alert: str, labels: str) -> str:
    """Return what an alert of a key is known by, for ever; ``labels`` are its key as JSON."""
    return hashlib.blake2b(f"{alert}\0{labels}".encode(), digest_size=8).hexdigest()


def _key(name: str, facts: Facts, by: Sequence[str] | None) -> tuple[str, ...]:
    if not facts.updates:
        return tuple(by or ())
    if not facts.keys:
        raise PlanError(
            f"The rows that the alert '{name}' watches change, and nothing says that there is one "
            "per key.",
            hint="Group them by a key first, or watch rows that only come.",
        )
    told = facts.keys[0]
    if by is not None and not same_key(tuple(by), (told,)):
        raise PlanError(
            f"The rows that the alert '{name}' watches change by ({', '.join(told)}), so that is "
            f"its key, not ({', '.join(by)}).",
            hint="Leave BY out, or group the rows by the other columns first.",
        )
    return told if by is None else tuple(by)
