"""OVER windows: how they are written, and what they mean.

in      ``f(…) OVER (PARTITION BY … ORDER BY … ROWS …)``, ``OVER w`` with ``WINDOW w AS (…)``
out     :class:`~millstream.expr.tree.OverCall`; bound, the columns of Over nodes
bad     SqlError, Unsupported (frames that look ahead), UnknownName for a window
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from millstream.errors import Place, SqlError, UnknownName
from millstream.expr.tree import AggCall, Column, Expr, Literal, OverCall
from millstream.plan import ranking
from millstream.sql.meaning import placed, resolved
from millstream.sql.phrases import direction
from millstream.types import IntervalDay
from millstream.types.logical import Integer

if TYPE_CHECKING:
    from millstream.plan import nodes as n
    from millstream.sql.expressions import ExpressionReader
    from millstream.sql.tokens import Token

_AHEAD_HINT = "A frame ends with the row itself: ROWS BETWEEN 10 PRECEDING AND CURRENT ROW."


@dataclass(frozen=True, slots=True)
class Spec:
    """What stands between the parentheses of OVER (…)."""

    partition: tuple[Expr, ...] = ()
    order: tuple[tuple[Expr, bool, bool | None], ...] = ()
    rows: bool = False
    preceding: int | None = None

    def over(self, call: OverCall) -> OverCall:
        """Return the call over this window."""
        return replace(
            call,
            partition=self.partition,
            order=self.order,
            rows=self.rows,
            preceding=self.preceding,
        )


@dataclass(frozen=True, slots=True)
class OverNamed(Expr):
    """A call over a window that the WINDOW clause, which comes later, defines."""

    call: OverCall = field(default_factory=OverCall)
    window: str = ""

    def children(self) -> tuple[Expr, ...]:
        return (self.call,)

    def with_children(self, children: tuple[Expr, ...]) -> OverNamed:
        call = children[0]
        assert isinstance(call, OverCall), "a call stays a call"
        return replace(self, call=call)


# ---------------------------------------------------------------- reading


def read_over(reader: ExpressionReader, said: AggCall) -> Expr:
    """Read what follows a call: OVER (…) or OVER name."""
    cursor, place = reader.cursor, said.place
    if not cursor.accept("OVER"):
        raise SqlError(
            f"{said.function} stands before OVER (…).",
            where=place,
            hint=f"Write {said.function}(…) OVER (PARTITION BY … ORDER BY …).",
        )
    call = OverCall(said.function, said.args, said.distinct, said.filter, place=place)
    if cursor.sees("("):
        return _spec(reader).over(call)
    return OverNamed(call, cursor.name("a window").text, place=place)


def read_windows(reader: ExpressionReader) -> dict[str, Spec]:
    """Read ``WINDOW w AS (…), …`` where it comes next."""
    cursor = reader.cursor
    found: dict[str, Spec] = {}
    if not cursor.accept("WINDOW"):
        return found
    while True:
        name = cursor.name("the name of a window")
        cursor.expect("AS", after="in WINDOW name AS (…)")
        if name.text in found:
            raise cursor.error(f"The window '{name.text}' is defined twice.", first=name)
        found[name.text] = _spec(reader)
        if not cursor.accept(","):
            return found


def _spec(reader: ExpressionReader) -> Spec:
    cursor = reader.cursor
    cursor.expect("(")
    if not cursor.sees_any("PARTITION", "ORDER", "ROWS", "RANGE", ")"):
        raise cursor.unsupported(
            "A window that refines another one", hint="Write it out: PARTITION BY … ORDER BY …."
        )
    partition = reader.expressions() if cursor.accept("PARTITION", "BY") else ()
    order: list[tuple[Expr, bool, bool | None]] = []
    if cursor.accept("ORDER", "BY"):
        while True:
            order.append(_order(reader))
            if not cursor.accept(","):
                break
    rows, preceding = _frame(reader)
    cursor.expect(")", after="to close OVER (")
    return Spec(partition, tuple(order), rows, preceding)


def _order(reader: ExpressionReader) -> tuple[Expr, bool, bool | None]:
    cursor = reader.cursor
    expr = reader.expression()
    return expr, *direction(cursor)


def _frame(reader: ExpressionReader) -> tuple[bool, int | None]:
    cursor = reader.cursor
    rows = cursor.accept("ROWS")
    if not rows and not cursor.accept("RANGE"):
        return False, None
    between = cursor.accept("BETWEEN")
    preceding = _start(reader, rows=rows)
    if between:
        cursor.expect("AND", after="between the ends of a frame")
        _end(reader)
    if cursor.sees("EXCLUDE"):
        raise cursor.unsupported("EXCLUDE in a frame", hint=_AHEAD_HINT)
    return rows, preceding


def _start(reader: ExpressionReader, *, rows: bool) -> int | None:
    cursor, start = reader.cursor, reader.cursor.here
    if cursor.accept("UNBOUNDED"):
        if cursor.sees("FOLLOWING"):
            raise _ahead(reader, start)
        cursor.expect("PRECEDING", after="after UNBOUNDED")
        return None
    if cursor.accept("CURRENT", "ROW"):
        return 0
    length = reader.operand()
    if cursor.sees("FOLLOWING"):
        raise _ahead(reader, start)
    cursor.expect("PRECEDING", after="in a frame")
    kind = Integer if rows else IntervalDay
    value = placed(lambda: resolved(length, ranking.NO_COLUMNS), length.place)
    fits = isinstance(value, Literal) and isinstance(value.typed, kind)
    if not fits or not isinstance(value, Literal) or value.value < 0:
        raise SqlError(
            "ROWS counts rows with a whole number." if rows else "RANGE wants an interval.",
            where=length.place,
            hint="ROWS BETWEEN 10 PRECEDING AND CURRENT ROW, or RANGE BETWEEN INTERVAL '1' HOUR "
            "PRECEDING AND CURRENT ROW.",
        )
    return int(value.value)


def _end(reader: ExpressionReader) -> None:
    cursor, start = reader.cursor, reader.cursor.here
    if cursor.accept("CURRENT", "ROW"):
        return
    if not cursor.accept("UNBOUNDED"):
        reader.operand()
    raise _ahead(reader, start)


def _ahead(reader: ExpressionReader, start: Token) -> SqlError:
    cursor = reader.cursor
    word = cursor.here.upper
    what = "begins" if word == "FOLLOWING" else "ends"
    if word == "FOLLOWING":
        return cursor.unsupported(
            "A frame that looks at FOLLOWING rows", first=start, last=cursor.here, hint=_AHEAD_HINT
        )
    return cursor.unsupported(
        f"A frame that {what} before the row itself", first=start, last=cursor.here,
        hint=_AHEAD_HINT,
    )  # fmt: skip


# ---------------------------------------------------------------- meaning


def with_windows(expr: Expr, windows: Mapping[str, Spec]) -> Expr:
    """Return ``expr`` with calls over named windows as calls over what those are."""

    def change(x: Expr) -> Expr:
        if not isinstance(x, OverNamed):
            return x
        spec = windows.get(x.window)
        if spec is None:
            raise UnknownName("window", x.window, available=windows, where=x.place)
        return spec.over(x.call)

    return expr.rewrite(change)


def has_over(expr: Expr) -> bool:
    """Tell whether an OVER window stands anywhere in ``expr``."""
    return any(isinstance(x, OverCall) for x in expr.walk())


def with_overs(node: n.Node, exprs: Sequence[Expr]) -> tuple[n.Node, list[Expr]]:
    """Compute the OVER windows of ``exprs``; returns the node, and ``exprs`` over its columns."""
    calls: list[tuple[Expr, OverCall]] = []
    for expr in exprs:
        for x in expr.walk():
            if isinstance(x, OverCall) and all(x != said for said, _ in calls):
                calls.append((x, _call(x, node)))
    if not calls:
        return node, list(exprs)
    place: Place | None = calls[0][0].place
    made, names = placed(lambda: ranking.over(node, [call for _, call in calls]), place)
    known = dict(zip((said for said, _ in calls), names, strict=True))

    def change(x: Expr) -> Expr:
        name = known.get(x) if isinstance(x, OverCall) else None
        return x if name is None else Column(name=name, place=x.place)

    return made, [expr.rewrite(change) for expr in exprs]


def _call(said: OverCall, node: n.Node) -> OverCall:
    inner = next((x for child in said.children() for x in child.walk()
                  if isinstance(x, OverCall)), None)  # fmt: skip
    if inner is not None:
        raise SqlError(
            "An OVER window inside another one.",
            where=inner.place,
            hint="Compute the inner one in a sub-query.",
        )
    call = resolved(said, node.schema)
    assert isinstance(call, OverCall), "a call stays a call"
    return call
