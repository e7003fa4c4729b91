"""Builds joins with the right side as it is at a moment: temporal joins and lookup joins.

in      two sides whose columns have different names, and the conjuncts of a condition over both
out     a TemporalJoin: the version of a row that held at an event time; a LookupJoin: what a table
        outside says when it is asked
bad     PlanError: a side without versions, a table that cannot be asked, no equation with its key
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from millstream.errors import Place, PlanError
from millstream.expr.coerce import implicit
from millstream.expr.resolve import cast_to
from millstream.expr.tree import Call, Column, Expr, columns_of
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.facts import covers_key
from millstream.plan.joining import Split, all_of, filtered, under_names, with_keys
from millstream.plan.joins import JoinKind, LookupJoin, TemporalJoin


@dataclass(frozen=True, slots=True)
class Advice:
    """What errors say, in the words of the language a join is written in.

    versions  how the right side gets an event time and a key
    key       how to say which row of a table is meant, given the columns of its key
    table     what can be looked up
    """

    place: Place | None
    versions: str
    key: Callable[[Sequence[str]], str]
    table: str


@dataclass(frozen=True, slots=True)
class AsOfJoin:
    """A join of ``left`` with ``right`` as it is at a moment.

    ``names`` tells what each column of ``right`` is called in the condition and in the result.
    """

    left: n.Node
    right: n.Node
    names: Mapping[str, str]
    kind: JoinKind
    advice: Advice

    def temporal(self, parts: Sequence[Expr], time: str) -> n.Node:
        """Return the join with the versions that held at the left side's ``time``."""
        right = under_names(self.right, self.names)
        split = Split.of(all_of(parts), self.left, right)
        since = self._since(right, split)
        # A version that a condition drops would bring the one before it back: conditions on the
        # right side are asked of the version that was found.
        left, rest = self.left, [*split.right, *split.rest]
        if self.kind is JoinKind.INNER:
            left = filtered(left, split.left)
        else:
            rest = [*split.left, *rest]

        def make(a: n.Node, b: n.Node, keys: tuple[tuple[str, str], ...]) -> n.Node:
            return TemporalJoin(
                left=a, right=b, kind=self.kind, keys=keys, residual=all_of(rest),
                left_time=time, right_time=since,
            )  # fmt: skip

        return with_keys(left, right, split.equal, make)

    def _since(self, right: n.Node, split: Split) -> str:
        """Return the column that says since when a version holds."""
        facts = Upwards(Tables()).of(right)
        lacks = "event time that says since when a row holds" if not facts.times else ""
        lacks = lacks or ("key that its rows are versions of" if not facts.keys else "")
        if lacks:
            raise PlanError(
                f"The right side has no {lacks}.",
                where=self.advice.place,
                hint=self.advice.versions,
            )
        plain = tuple(b.name for _, b in split.equal if isinstance(b, Column))
        if not covers_key(plain, facts.keys):
            key = [old for k in facts.keys[0] for old, new in self.names.items() if new == k]
            raise PlanError(
                f"The condition does not say which key ({', '.join(key)}) is meant.",
                where=self.advice.place,
                hint=self.advice.key(key),
            )
        return facts.times[0]

    def lookup(self, parts: Sequence[Expr]) -> n.Node:
        """Return the join with what the table says when it is asked."""
        if not isinstance(self.right, n.Scan):
            raise PlanError(
                "Only a table can be looked up, this is a query.",
                where=self.advice.place,
                hint=self.advice.table,
            )
        table = self.right.table
        ours = set(self.left.schema.names)
        on: list[tuple[Expr, str]] = []
        rest: list[Expr] = []
        before: list[Expr] = []
        for part in parts:
            pair = self._pair(part, ours)
            if pair is not None:
                on.append(pair)
            elif columns_of(part) <= ours and self.kind is JoinKind.INNER:
                before.append(part)
            else:
                rest.append(part)
        if not on:
            raise PlanError(
                "A lookup needs an equation with a column of the table.",
                where=self.advice.place,
                hint=self.advice.key(table.primary_key or self.right.schema.names[:1]),
            )
        return LookupJoin(
            input=filtered(self.left, before), table=table, kind=self.kind,
            on=tuple(on), names=tuple(self.names.items()), residual=all_of(rest),
        )  # fmt: skip

    def _pair(self, part: Expr, ours: set[str]) -> tuple[Expr, str] | None:
        """Return (what is asked, the table's column) of an equation; constants are asked too."""
        if not isinstance(part, Call) or part.function != "=":
            return None
        back = {new: old for old, new in self.names.items()}
        for asked, column in (part.args, part.args[::-1]):
            # The table's own column, not one that the comparison casts: it is what is asked for.
            if not isinstance(column, Column) or column.name not in back:
                continue
            name = back[column.name]
            kind = self.right.schema.type_of(name)
            if columns_of(asked) <= ours and implicit(asked.typed, kind):
                return cast_to(asked, kind), name
        return None
