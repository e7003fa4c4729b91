"""The older window syntax: ``GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)`` with ``TUMBLE_START(…)``.

in      the node that is grouped, its group expressions, and those that read the groups
out     a window table over the node, and all of them over its columns
bad     SqlError with the place
"""

from __future__ import annotations

from millstream import types as t
from millstream.errors import PlanError, SqlError
from millstream.expr.tree import Call, Column, Expr, Literal
from millstream.plan import nodes as n
from millstream.plan.windows import Hop, Tumble, Window

_KINDS = ("TUMBLE", "HOP")
_COLUMNS = {"START": "window_start", "END": "window_end", "ROWTIME": "window_time"}


def with_legacy_window(
    node: n.Node, groups: list[Expr], exprs: list[Expr]
) -> tuple[n.Node, list[Expr], list[Expr]]:
    """Turn ``GROUP BY TUMBLE(ts, INTERVAL …)`` into a window table and its columns."""
    found = [g for g in groups if isinstance(g, Call) and g.function in (*_KINDS, "SESSION")]
    if not found:
        return node, groups, exprs
    call = found[0]
    assert isinstance(call, Call), "only calls were kept"
    if len(found) > 1 or call.function == "SESSION":
        raise SqlError(
            "GROUP BY of two windows." if len(found) > 1 else "SESSION windows come later.",
            where=found[-1].place,
            hint="Write one TUMBLE or HOP.",
        )
    time, lengths = call.args[0] if call.args else None, call.args[1:]
    wanted = 1 if call.function == "TUMBLE" else 2
    if (
        not isinstance(time, Column)
        or len(lengths) != wanted
        or not all(isinstance(x, Literal) and isinstance(x.type, t.IntervalDay) for x in lengths)
    ):
        raise SqlError(
            f"This {call.function} window cannot be read.",
            where=call.place,
            hint="Write TUMBLE(ts, INTERVAL '1' MINUTE) or "
            "HOP(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE).",
        )
    ms = [int(x.value) for x in lengths if isinstance(x, Literal)]
    try:
        window: Window = Tumble(ms[0]) if wanted == 1 else Hop(size_ms=ms[1], slide_ms=ms[0])
        made = n.WindowTable(input=node, window=window, time=time.name)
    except PlanError as error:
        error.where = error.where or call.place
        raise

    def change(x: Expr) -> Expr:
        if not isinstance(x, Call) or x.args != call.args:
            return x
        part = x.function.removeprefix(call.function + "_")
        column = _COLUMNS.get(part)
        return x if column is None else Column(name=column, place=x.place)

    rest = [g for g in groups if g is not call]
    bounds: list[Expr] = [Column(name="window_start"), Column(name="window_end")]
    changed = [e.rewrite(change) for e in exprs]
    if any(isinstance(x, Column) and x.name == "window_time" for e in changed for x in e.walk()):
        bounds.append(Column(name="window_time"))
    return made, [*bounds, *rest], changed
