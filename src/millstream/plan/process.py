"""A user's process function: called per key, row by row, with state and timers of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from millstream import types as t
from millstream.errors import PlanError, TypeMismatch
from millstream.expr.tree import ProcessUdf
from millstream.plan.facts import Facts, StateBound, Tables
from millstream.plan.nodes import Unary
from millstream.types import Field, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

ROWTIME = "rowtime"
_NESTED = (t.Array, t.Map, t.Multiset, t.Row)


@dataclass(frozen=True, kw_only=True, eq=False)
class Process(Unary):
    """Calls ``udf`` for each row of each key; gives the key, then what the function gives.

    ``time`` is the event or processing time its timers run by, None = the processing time.
    ``time_name`` adds the time of each row given, which is the time attribute of what follows.
    """

    udf: ProcessUdf
    key: tuple[str, ...]
    args: tuple[tuple[str, Any], ...] = ()
    time: str | None = None
    time_name: str | None = None
    ttl_ms: int = 0

    @cached_property
    def _schema(self) -> Schema:
        given = self.input.schema
        fields = [
            *(Field(name, given.type_of(name)) for name in self.key),
            *(Field(name, kind) for name, kind in self.udf.gives.fields),
        ]
        if self.time_name is not None:
            assert self.time is not None, "there is a time to give"
            fields.append(Field(self.time_name, given.type_of(self.time).with_nullable(False)))
        names = [f.name for f in fields]
        double = next((n for i, n in enumerate(names) if n in names[:i]), None)
        if double is not None:
            raise PlanError(
                f"{self.udf.name} gives two columns '{double}': the key's columns come first.",
                hint="Give the function's column another name.",
            )
        return Schema(tuple(fields))

    def __post_init__(self) -> None:
        for name in self.key:
            kind = self.input.schema.type_of(name)
            if isinstance(kind, _NESTED):
                raise TypeMismatch(
                    f"The key '{name}' of {self.udf.name} is {kind}.",
                    hint="A key is made of numbers, texts, times and the like.",
                )
        if self.time is not None:
            kind = self.input.schema.type_of(self.time)
            if not isinstance(kind, t.Timestamp | t.TimestampLtz):
                raise TypeMismatch(
                    f"{self.udf.name} runs by '{self.time}', which is {kind}.",
                    hint="Name the event time, or a column AS PROCTIME().",
                )
        unknown = [name for name, _ in self.args if name not in self.udf.takes]
        if unknown and self.udf.takes:
            raise PlanError(
                f"{self.udf.name} takes no argument '{unknown[0]}'.",
                hint=f"It takes {', '.join(self.udf.takes)}.",
            )
        _ = self._schema

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        return f"Process {self.udf.name} by [{', '.join(self.key)}]"

    @property
    def id_keys(self) -> tuple[str, ...]:
        return (self.udf.name, *self.key)

    @property
    def append_only(self) -> str | None:
        return "A process function"

    @property
    def time_columns(self) -> tuple[tuple[int, str], ...]:
        return () if self.time is None else ((0, self.time),)

    @property
    def by_clock_alone(self) -> bool:
        return self.time is None and "on_timer" in self.udf.methods

    @property
    def wants_marks(self) -> bool:
        return self.time is not None

    @property
    def drops_late(self) -> bool:
        return True

    def facts(self, inputs: tuple[Facts, ...], tables: Tables) -> Facts:
        below = inputs[0]
        by_clock = self.time in below.clocks
        times = () if self.time_name is None else (self.time_name,)
        return Facts(
            bounded=below.bounded,
            times=() if by_clock else times,
            clocks=times if by_clock else (),
            marks=below.marks,
        )

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.TIME if self.ttl_ms else StateBound.KEYS


def process(
    node: Any,
    udf: ProcessUdf,
    key: tuple[str, ...],
    *,
    args: Mapping[str, Any],
    time: str | None,
    time_name: str | None = None,
    ttl_ms: int = 0,
    name: str | None = None,
) -> Process:
    """Return the step; without a time the event time of its input is taken, where it has one."""
    from millstream.plan.derive import Upwards

    said = time
    if said is None:
        said = Upwards(Tables()).of(node).time
    return Process(
        input=node,
        udf=udf,
        key=key,
        args=tuple(args.items()),
        time=said,
        time_name=None if said is None else time_name,
        ttl_ms=ttl_ms,
        name=name,
    )
