"""The older window syntax: ``GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)`` with ``TUMBLE_START(…)``.

in      the node that is grouped, its group expressions, and those that read the groups
out     a window table over the node, and all of them over its columns; a SESSION is one per
        other group key, so those become columns below it
bad     SqlError with the place
"""

from __future__ import annotations

from dataclasses import replace

from millstream import types as t
from millstream.errors import SqlError
from millstream.expr.tree import Call, Column, Expr, Literal, Named
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.facts import is_clock
from millstream.plan.windows import Hop, Session, Tumble, Window
from millstream.sql.meaning import fresh, placed, resolved

_LENGTHS = {"TUMBLE": 1, "HOP": 2, "SESSION": 1}
_PARTS = ("START", "END", "ROWTIME", "PROCTIME")
_CALLS = frozenset(f"{kind}_{part}" for kind in _LENGTHS for part in _PARTS)


def with_legacy_window(
    node: n.Node, groups: list[Expr], exprs: list[Expr]
) -> tuple[n.Node, list[Expr], list[Expr]]:
    """Turn ``GROUP BY TUMBLE(ts, INTERVAL …)`` into a window table and its columns."""
    found = [g for g in groups if isinstance(g, Call) and g.function in _LENGTHS]
    if not found:
        refuse_parts(exprs)
        return node, groups, exprs
    call = found[0]
    if any(other != call for other in found):
        raise SqlError(
            "GROUP BY of two windows.", where=found[-1].place, hint="Write one TUMBLE or HOP."
        )
    window = placed(lambda: _window(call), call.place)
    rest = [g for g in groups if g not in found]
    node, time = _with_time(node, call)
    names: tuple[str, ...] = ()
    if isinstance(window, Session):
        node, names = _with_columns(node, rest)
        keyed = {g: Column(name=name, place=g.place) for g, name in zip(rest, names, strict=True)}
        exprs = [_replaced(e, keyed) for e in exprs]
        rest = [keyed[g] for g in rest]
    by_clock = time in Upwards(Tables()).of(node).clocks
    below = node
    made = placed(
        lambda: n.WindowTable(input=below, window=window, time=time, partition=names), call.place
    )
    changed = [e.rewrite(lambda x: _part(x, call, by_clock=by_clock)) for e in exprs]
    refuse_parts(changed)
    bounds: list[Expr] = [Column(name="window_start"), Column(name="window_end")]
    if any(isinstance(x, Column) and x.name == "window_time" for e in changed for x in e.walk()):
        bounds.append(Column(name="window_time"))
    return made, [*bounds, *rest], changed


def _window(call: Call) -> Window:
    lengths = call.args[1:]
    if len(lengths) != _LENGTHS[call.function] or not all(
        isinstance(x, Literal) and isinstance(x.type, t.IntervalDay) for x in lengths
    ):
        raise SqlError(
            f"This {call.function} window cannot be read.",
            where=call.place,
            hint="Write TUMBLE(ts, INTERVAL '1' MINUTE), "
            "HOP(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) or "
            "SESSION(ts, INTERVAL '5' MINUTE).",
        )
    ms = [int(x.value) for x in lengths if isinstance(x, Literal)]
    if call.function == "TUMBLE":
        return Tumble(ms[0])
    return Session(ms[0]) if call.function == "SESSION" else Hop(size_ms=ms[1], slide_ms=ms[0])


def _with_time(node: n.Node, call: Call) -> tuple[n.Node, str]:
    """Return the time column of a window; PROCTIME() becomes one."""
    time = call.args[0]
    if isinstance(time, Column):
        return node, time.name
    if not is_clock(time):
        raise SqlError(
            f"The time of {call.function} is not a column.",
            where=time.place or call.place,
            hint="Compute it in a sub-query or in CREATE TABLE, and name it here.",
        )
    made, (name,) = _with_columns(node, [time])
    return made, name


def _with_columns(node: n.Node, wanted: list[Expr]) -> tuple[n.Node, tuple[str, ...]]:
    """Compute expressions that are not columns yet, beside all the columns there are."""
    schema, taken = node.schema, set(node.schema.names)
    names: list[str] = []
    new: list[Named] = []
    for expr in wanted:
        if isinstance(expr, Column):
            names.append(expr.name)
            continue
        names.append(fresh("_key_", taken))
        new.append(Named(names[-1], resolved(expr, schema)))
    if not new:
        return node, tuple(names)
    kept = [Named(f.name, Column(name=f.name, type=f.type)) for f in schema]
    return n.Project(input=node, columns=(*kept, *new)), tuple(names)


def _replaced(expr: Expr, by: dict[Expr, Column]) -> Expr:
    return expr.rewrite(lambda x: replace(by[x], place=x.place) if x in by else x)


def _part(x: Expr, call: Call, *, by_clock: bool) -> Expr:
    """Return the column of the window that ``TUMBLE_START(…)`` and its like mean."""
    if not isinstance(x, Call) or x.function not in _CALLS or x.args != call.args:
        return x
    kind, _, part = x.function.partition("_")
    if kind != call.function:
        return x
    if part in ("START", "END"):
        return Column(name=f"window_{part.lower()}", place=x.place)
    if part == "ROWTIME" and by_clock:
        raise SqlError(
            f"{x.function} over processing time: such a window has no event time.",
            where=x.place,
            hint=f"Write {kind}_PROCTIME(…).",
        )
    if part == "PROCTIME" and not by_clock:
        return Call("PROCTIME", (), place=x.place)
    return Column(name="window_time", place=x.place)


def refuse_parts(exprs: list[Expr]) -> None:
    """Raise where the bounds of a window are asked for and no such window is in GROUP BY."""
    for expr in exprs:
        for x in expr.walk():
            if isinstance(x, Call) and x.function in _CALLS:
                kind = x.function.partition("_")[0]
                raise SqlError(
                    f"{x.function} of a window that is not in GROUP BY.",
                    where=x.place,
                    hint=f"Group by {kind}(…) with the same arguments.",
                )
