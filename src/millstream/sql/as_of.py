"""Binds ``JOIN t FOR SYSTEM_TIME AS OF a.time ON …``: temporal joins and lookup joins.

in      the left scope, and the join as written
out     the scope with the columns of the right side: a TemporalJoin where the time is an event
        time (the right side is a versioned table), a LookupJoin where it is a processing time
        (the right side is a table that is asked)
bad     SqlError: a time that is none, a table without key, version time or equation
"""

from __future__ import annotations

from dataclasses import dataclass

from millstream.errors import Place, SqlError
from millstream.expr.coerce import implicit
from millstream.expr.resolve import cast_to
from millstream.expr.tree import Call, Column, Expr, columns_of
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.facts import covers_key, is_clock
from millstream.plan.joining import Split, all_of, filtered, with_keys
from millstream.plan.joins import JoinKind, LookupJoin, TemporalJoin
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
    if is_clock(time) or (isinstance(time, Column) and time.name in facts.clocks):
        looked_up = _Lookup(left.node, right.node, names, said.kind, said.right.place)
        return both.over(looked_up.joined(parts))
    if isinstance(time, Column) and time.name in facts.times:
        return both.over(_temporal(both, names, said.kind, parts, time.name, said.right.place))
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


def _temporal(
    both: Scope, names: dict[str, str], kind: JoinKind, parts: list[Expr], time: str, place: Place
) -> n.Node:
    left, right = both.parts
    split = Split.of(all_of(parts), left, right)
    facts = Upwards(Tables()).of(right)
    if not facts.times:
        raise SqlError(
            "The table FOR SYSTEM_TIME AS OF has no event time that says since when a row holds.",
            where=place,
            hint="Declare WATERMARK FOR … and PRIMARY KEY on it, or use a view that keeps the last "
            "row per key by ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) = 1.",
        )
    if not facts.keys:
        raise SqlError(
            "The table FOR SYSTEM_TIME AS OF has no key that its rows are versions of.",
            where=place,
            hint="Declare PRIMARY KEY (…) NOT ENFORCED on it, or use a view that keeps the last "
            "row per key by ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) = 1.",
        )
    plain = tuple(b.name for _, b in split.equal if isinstance(b, Column))
    if not covers_key(plain, facts.keys):
        key = [old for k in facts.keys[0] for old, new in names.items() if new == k]
        raise SqlError(
            f"The condition does not say which key ({', '.join(key)}) is meant.",
            where=place,
            hint="Compare each column of the key with the left side: "
            + " AND ".join(f"a.{k} = t.{k}" for k in key)
            + ".",
        )
    # A version that a condition drops would bring the one before it back: conditions on the right
    # side are asked of the version that was found.
    rest = [*split.right, *split.rest]
    if kind is JoinKind.INNER:
        left = filtered(left, split.left)
    else:
        rest = [*split.left, *rest]

    def make(a: n.Node, b: n.Node, keys: tuple[tuple[str, str], ...]) -> n.Node:
        return TemporalJoin(
            left=a, right=b, kind=kind, keys=keys, residual=all_of(rest),
            left_time=time, right_time=facts.times[0],
        )  # fmt: skip

    return with_keys(left, right, split.equal, make)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A join with a table that is asked; ``names`` are what its columns are called here."""

    left: n.Node
    right: n.Node
    names: dict[str, str]
    kind: JoinKind
    place: Place

    def joined(self, parts: list[Expr]) -> n.Node:
        """Return the join by the conjuncts of its condition."""
        if not isinstance(self.right, n.Scan):
            raise SqlError(
                "Only a table can be looked up, this is a query.",
                where=self.place,
                hint="Name a table of a database, file or service; join a query without "
                "FOR SYSTEM_TIME.",
            )
        ours, back = set(self.left.schema.names), {new: old for old, new in self.names.items()}
        on: list[tuple[Expr, str]] = []
        rest: list[Expr] = []
        before: list[Expr] = []
        for part in parts:
            pair = self._pair(part, ours, back)
            if pair is not None:
                on.append(pair)
            elif columns_of(part) <= ours and self.kind is JoinKind.INNER:
                before.append(part)
            else:
                rest.append(part)
        if not on:
            raise SqlError(
                "A lookup needs an equation with a column of the table.",
                where=self.place,
                hint=f"Write ON a.x = {self.right.table.name}."
                f"{(self.right.table.primary_key or self.right.schema.names)[0]}.",
            )
        return LookupJoin(
            input=filtered(self.left, before), table=self.right.table, kind=self.kind,
            on=tuple(on), names=tuple(self.names.items()), residual=all_of(rest),
        )  # fmt: skip

    def _pair(self, part: Expr, ours: set[str], back: dict[str, str]) -> tuple[Expr, str] | None:
        """Return (what is asked, the table's column) of an equation; constants are asked too."""
        if not isinstance(part, Call) or part.function != "=":
            return None
        for asked, column in (part.args, part.args[::-1]):
            # The table's own column, not one that the comparison casts: it is what is asked for.
            if not isinstance(column, Column) or column.name not in back:
                continue
            name = back[column.name]
            kind = self.right.schema.type_of(name)
            if columns_of(asked) <= ours and implicit(asked.typed, kind):
                return cast_to(asked, kind), name
        return None
