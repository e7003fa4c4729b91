"""Binds ``JOIN t FOR SYSTEM_TIME AS OF a.time ON …``: temporal joins and lookup joins.

in      the left scope, and the join as written
out     the scope with the columns of the right side: a TemporalJoin where the time is an event
        time (the right side is a versioned table), a LookupJoin where it is a processing time
        (the right side is a table that is asked)
bad     SqlError: a time that is none; PlanError: a table without key, version time or equation
"""

from __future__ import annotations

from millstream.errors import Place, SqlError
from millstream.expr.tree import Column
from millstream.plan.as_of import Advice, AsOfJoin
from millstream.plan.derive import Tables, Upwards
from millstream.plan.facts import is_clock
from millstream.plan.joins import JoinKind
from millstream.sql.from_ import Bind, check_aliases, on_parts
from millstream.sql.joined import AsOf, JoinOf
from millstream.sql.meaning import resolved
from millstream.sql.outer import no_outside
from millstream.sql.scope import Scope, named

_EXAMPLE = "Write … JOIN t FOR SYSTEM_TIME AS OF a.ts ON a.k = t.k."


def bind_as_of(said: JoinOf, bind: Bind) -> Scope:
    """Return the scope of a join with the right side as it was at the left side's time."""
    assert isinstance(said.right, AsOf), "the caller looked"
    if said.kind not in (JoinKind.INNER, JoinKind.LEFT):
        raise SqlError(
            f"{said.kind.value} JOIN … FOR SYSTEM_TIME AS OF.",
            where=said.place,
            hint="Only the left side has a time to ask for: write JOIN or LEFT JOIN.",
        )
    if said.on is None:
        raise SqlError(
            "A join FOR SYSTEM_TIME AS OF needs ON.", where=said.right.place, hint=_EXAMPLE
        )
    left, right = bind(said.left).joined(), bind(said.right.data).joined()
    check_aliases(left, right, said.place)
    time = resolved(named(said.right.time, left), left.schema)
    both, names = left.beside(right)
    parts = on_parts(said.on, both)
    no_outside(tuple(parts), "a join FOR SYSTEM_TIME AS OF")
    facts = Upwards(Tables()).of(left.node)
    asked = AsOfJoin(left.node, right.node, names, said.kind, _advice(said.right.place))
    if is_clock(time) or (isinstance(time, Column) and time.name in facts.clocks):
        return both.over(asked.lookup(parts))
    if isinstance(time, Column) and time.name in facts.times:
        return both.over(asked.temporal(parts, time.name))
    raise SqlError(
        f"FOR SYSTEM_TIME AS OF {time}, which is neither the event time of the left side nor a "
        "processing time.",
        where=said.right.place,
        hint=_time_hint(facts.times),
    )


def _time_hint(times: tuple[str, ...]) -> str:
    if times:
        return f"The event time here is '{times[0]}'; a processing time is a column AS PROCTIME()."
    return (
        "Declare WATERMARK FOR ts AS … where the left table is created, or a column "
        "pt AS PROCTIME() to look rows up as they are now."
    )


def _advice(place: Place) -> Advice:
    return Advice(
        place,
        versions="Declare WATERMARK FOR … and PRIMARY KEY (…) NOT ENFORCED on it, or use a view "
        "that keeps the last row per key by ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) "
        "= 1.",
        key=lambda names: (
            "Compare each column of the key with the left side: "
            + " AND ".join(f"a.{k} = t.{k}" for k in names)
            + "."
        ),
        table="Name a table of a database, file or service; join a query without FOR SYSTEM_TIME.",
    )
