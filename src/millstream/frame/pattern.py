"""Patterns of rows, for ``stream.match``: what MATCH_RECOGNIZE is in SQL.

in      a pattern as text (``"A B+ C"``), conditions and measures over its variables
out     an immutable :class:`Pattern`; it gets its types when a stream uses it
bad     PlanError at once for what cannot be read; the rest is told by the stream
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from millstream.errors import PlanError, UnknownName
from millstream.expr import tree
from millstream.frame.bind import bind
from millstream.frame.expression import Expr, Value, to_tree
from millstream.frame.where import here
from millstream.plan import matching
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.match import Skip, SkipTo, Variable
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.errors import Place
    from millstream.frame.windows import Length

_SKIPS = {"past last row": SkipTo.PAST_LAST_ROW, "to next row": SkipTo.NEXT_ROW}


@dataclass(frozen=True, slots=True)
class Var:
    """The rows that a variable of a pattern took. Made by :func:`var`.

    In a condition of the same variable its last row is the row that is asked.

    >>> import millstream as ms
    >>> ms.var("A")["price"]
    FIELD(A, 'price')
    """

    name: str

    def __getitem__(self, column: str) -> Expr:
        """Return a column of the variable's last row; under an aggregate, of all its rows."""
        place = here()
        args = (tree.Column(self.name, place=place), tree.Literal(column, place=place))
        return Expr(tree.Call("FIELD", args, place=place))

    def first(self, value: str | Expr, offset: int = 0) -> Expr:
        """Return a value of the variable's first row, or of the ``offset``-th after it."""
        return self._of("FIRST", value, offset)

    def last(self, value: str | Expr, offset: int = 0) -> Expr:
        """Return a value of the variable's last row, or of the ``offset``-th before it.

        >>> import millstream as ms
        >>> B = ms.var("B")
        >>> B["price"] > B.last("price", 1)
        (FIELD(B, 'price') > LAST(FIELD(B, 'price'), 1))
        """
        return self._of("LAST", value, offset)

    def _of(self, function: str, value: str | Expr, offset: int) -> Expr:
        inner = self[value] if isinstance(value, str) else value
        args = (to_tree(inner), tree.Literal(offset, place=here()))
        return Expr(tree.Call(function, args, place=here()))


def var(name: str) -> Var:
    """Return a variable of a pattern, to speak of its rows.

    Args:
        name: as in the pattern.

    >>> import millstream as ms
    >>> ms.var("A")["price"].sum()
    SUM(FIELD(A, 'price'))
    """
    return Var(name)


def match_time() -> Expr:
    """Return the event time of a match: when its last row, or that no earlier one is, was known.

    As a measure it is the event time of what follows, so that matches can be counted by window.

    >>> import millstream as ms
    >>> ms.pattern("A B").measures(at=ms.match_time())
    Pattern(A B)
    """
    return Expr(tree.Call("MATCH_ROWTIME", (), place=here()))


def pattern(text: str) -> Pattern:
    """Describe a sequence of rows: variables, each with how many rows it takes.

    Args:
        text: variables in order, each with ``*``, ``+``, ``?``, ``{n}``, ``{n,}`` or ``{n,m}``
            behind it; a further ``?`` makes it take as few rows as it may. A variable takes every
            row it accepts, also where the next one would have needed it.

    Raises:
        SqlError: for a text that is no pattern.

    >>> import millstream as ms
    >>> ms.pattern("A B+ C?")
    Pattern(A B+ C?)
    """
    from millstream.sql.match import parsed
    from millstream.sql.read import tokens
    from millstream.sql.tokens import Cursor, Source

    source = Source(text)
    return Pattern(parsed(Cursor(source, tokens(source))), place=here())


@dataclass(frozen=True, slots=True, repr=False)
class Pattern:
    """A sequence of rows to look for. Made by :func:`pattern`; each method gives a new one."""

    variables: tuple[Variable, ...]
    defines: tuple[tree.Named, ...] = ()
    measured: tuple[tree.Named, ...] = ()
    skips: Skip = field(default_factory=Skip)
    within_ms: int | None = None
    place: Place | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"Pattern({' '.join(map(str, self.variables))})"

    def define(self, **conditions: Value) -> Pattern:
        """Say which rows a variable takes; one without a condition takes any.

        Args:
            conditions: by variable. ``col("price")`` is that of the row that is asked,
                ``var("A")["price"]`` that of the last row of A.

        >>> import millstream as ms
        >>> from millstream import col
        >>> ms.pattern("A B+").define(B=col("price") < ms.var("A")["price"])
        Pattern(A B+)
        """
        names = [v.name for v in self.variables]
        for name in conditions:
            if name not in names:
                raise UnknownName("pattern variable", name, available=names, where=here())
        return replace(self, defines=(*self.defines, *_named(conditions)))

    def measures(self, **values: Value) -> Pattern:
        """Say what is given of a match, beside the columns it is looked for ``by``.

        Without measures that is ``match_start`` and ``match_end``, the times of its first and last
        row.

        Args:
            values: expressions by name.

        >>> import millstream as ms
        >>> ms.pattern("A B+?").measures(uses=ms.var("B")["amount"].count())
        Pattern(A B+?)
        """
        return replace(self, measured=(*self.measured, *_named(values)))

    def within(self, length: Length) -> Pattern:
        """Ask that the last row of a match is less than ``length`` after its first.

        Args:
            length: ``"10m"``, a timedelta or seconds. It also bounds what must be remembered.

        >>> import millstream as ms
        >>> ms.pattern("A B").within("10m")
        Pattern(A B)
        """
        return replace(self, within_ms=duration_ms(length))

    def skip(self, to: str) -> Pattern:
        """Say where the search goes on after a match.

        Args:
            to: ``"to next row"`` (if nothing is said), ``"past last row"``, ``"to first B"`` or
                ``"to last B"``: the first or last row of a variable.

        >>> import millstream as ms
        >>> ms.pattern("A B").skip("past last row")
        Pattern(A B)
        """
        words = to.split()
        plain = _SKIPS.get(" ".join(words).lower())
        if plain is not None:
            return replace(self, skips=Skip(plain))
        if len(words) == 3 and words[0].lower() == "to" and words[1].lower() in ("first", "last"):
            end = SkipTo.FIRST if words[1].lower() == "first" else SkipTo.LAST
            return replace(self, skips=Skip(end, words[2]))
        raise PlanError(
            f"'{to}' does not say where to go on.",
            where=here(),
            hint="'past last row', 'to next row', 'to first B' or 'to last B'.",
        )


def matched(
    node: n.Node, said: Pattern, by: tuple[str, ...], order: Sequence[str], place: Place | None
) -> n.Node:
    """Return the matches of a pattern in the rows of ``node``."""
    below = Upwards(Tables()).of(node)
    timed = (*below.times, *below.clocks)
    keys = [n.SortKey(name.removeprefix("-"), name.startswith("-")) for name in order]
    if not keys or keys[0].column not in timed:
        if not timed:
            raise PlanError(
                "A pattern is a sequence in time, and there is no event time here.",
                where=place,
                hint="Say event_time=… where the stream is read.",
            )
        keys.insert(0, n.SortKey(timed[0]))
    time = tree.Column(keys[0].column)
    measures = said.measured or (
        tree.Named("match_start", tree.Call("FIRST", (time,))),
        tree.Named("match_end", tree.Call("LAST", (time,))),
    )
    spoken = matching.Said(
        pattern=said.variables, partition=by, order=tuple(keys), defines=said.defines,
        measures=measures, skip=said.skips, within_ms=said.within_ms, place=place,
        order_place=place, skip_place=place,
    )  # fmt: skip
    return matching.match(node, spoken, typed=bind)


def _named(values: dict[str, Value]) -> tuple[tree.Named, ...]:
    return tuple(tree.Named(name, to_tree(value)) for name, value in values.items())
