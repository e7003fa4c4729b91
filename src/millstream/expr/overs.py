"""The functions that stand before OVER: names, argument types, result types.

in      an OverCall whose arguments are typed
out     the same call typed: aggregates as in GROUP BY, ranks, LAG and LEAD
bad     UnknownName, TypeMismatch, with the place the user wrote
"""

from __future__ import annotations

from dataclasses import replace

from millstream import types as t
from millstream.errors import PlanError, TypeMismatch, UnknownName
from millstream.expr import aggregates
from millstream.expr import resolve as resolving
from millstream.expr.coerce import common_type
from millstream.expr.tree import AggCall, Expr, Literal, OverCall
from millstream.types.logical import Integer

RANKS = frozenset({"ROW_NUMBER", "RANK", "DENSE_RANK"})
SHARES = frozenset({"PERCENT_RANK", "CUME_DIST"})
SHIFTS = frozenset({"LAG", "LEAD"})
OVER_ONLY = RANKS | SHARES | SHIFTS | {"NTILE"}
"""Functions that mean nothing without OVER."""
FRAMELESS = OVER_ONLY
"""Functions that look at the whole partition, whatever frame is said."""
LOOKS_AHEAD = SHARES | {"LEAD", "NTILE"}
"""Functions whose value depends on rows that come later in the order."""


def resolve(call: OverCall) -> OverCall:
    """Return the call with its canonical name and type."""
    try:
        return _resolved(call)
    except PlanError as error:
        error.where = error.where or call.place
        raise


def _resolved(call: OverCall) -> OverCall:
    name = call.function.upper()
    if name not in OVER_ONLY:
        if not aggregates.is_aggregate(name):
            known = [*OVER_ONLY, *(a.name for a in aggregates.AGGREGATES)]
            raise UnknownName("function before OVER", call.function, available=known)
        made = aggregates.resolve(AggCall(name, call.args, call.distinct, call.filter))
        return replace(call, function=made.function, args=made.args, type=made.type)
    if call.distinct or call.filter is not None:
        raise TypeMismatch(f"{name} takes neither DISTINCT nor FILTER.")
    if not call.order:
        raise TypeMismatch(
            f"{name} needs an ORDER BY in its OVER (…).",
            hint=f"Say what makes a row the first: {name}() OVER (PARTITION BY k ORDER BY ts).",
        )
    if name in SHIFTS:
        return _shift(replace(call, function=name))
    if name == "NTILE":
        _constant(call, "NTILE(groups)", least=1)
        return replace(call, function=name, type=t.BigInt(nullable=False))
    if call.args:
        raise TypeMismatch(f"{name}() takes no arguments.")
    made_type = t.Double(nullable=False) if name in SHARES else t.BigInt(nullable=False)
    return replace(call, function=name, type=made_type)


def _constant(call: OverCall, says: str, *, least: int) -> None:
    given = call.args[-1] if call.args else None
    fits = isinstance(given, Literal) and isinstance(given.typed, Integer) and given.value >= least
    if not fits:
        raise TypeMismatch(
            f"{says} takes a constant of at least {least}.",
            where=None if given is None else given.place,
        )
    if len(call.args) != 1:
        raise TypeMismatch(f"It is {says}.")


def _shift(call: OverCall) -> OverCall:
    says = f"{call.function}(value [, rows [, default]])"
    if not 1 <= len(call.args) <= 3:
        raise TypeMismatch(f"{call.function} does not take {len(call.args)} arguments.",
                           hint=f"It is {says}.")  # fmt: skip
    value = call.args[0]
    rows: Expr = call.args[1] if len(call.args) > 1 else Literal(1, type=t.Int(nullable=False))
    if not (isinstance(rows, Literal) and isinstance(rows.typed, Integer) and rows.value >= 0):
        raise TypeMismatch(
            f"The second argument of {call.function} is a constant number of rows.",
            where=rows.place,
            hint=f"It is {says}.",
        )
    kind = value.typed.with_nullable(True)
    if len(call.args) < 3:
        return replace(call, args=(value, rows), type=kind)
    default = call.args[2]
    met = common_type([value.typed, default.typed])
    if met is None:
        raise TypeMismatch(
            f"{call.function} of {kind} cannot give {default.typed} where there is no row.",
            where=default.place,
            hint="CAST one of them.",
        )
    nullable = value.typed.nullable or default.typed.nullable
    wide = met.with_nullable(nullable)
    args = (resolving.cast_to(value, wide), rows, resolving.cast_to(default, wide))
    return replace(call, args=args, type=wide)
