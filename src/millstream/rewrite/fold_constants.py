"""What is known before the first row is computed once: constants, and conditions they decide.

before    Filter (1 + 1 = 2) AND v > 60 * 60 ─ input
after     Filter v > 3600 ─ input

Folded are integer arithmetic that does not overflow, comparisons of numbers, texts and BOOLEANs,
AND, OR, NOT, IS [NOT] NULL and CASE. A filter that is always TRUE goes away. What may
fail (a division by zero) is left to the rows, so that it fails where SQL says.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from millstream.expr.tree import Call, Expr, Literal, Named
from millstream.plan import nodes as n
from millstream.types import Boolean, Char, VarChar
from millstream.types.logical import Integer

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COUNT: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


def fold_constants(plan: n.Plan) -> n.Plan:
    """Fold the expressions of filters and projections, and drop filters that pass everything."""

    def folded(node: n.Node) -> n.Node:
        if isinstance(node, n.Project):
            columns = tuple(Named(c.name, fold(c.expr)) for c in node.columns)
            same = all(a.expr is b.expr for a, b in zip(columns, node.columns, strict=True))
            return node if same else replace(node, columns=columns)
        if not isinstance(node, n.Filter):
            return node
        predicate = fold(node.predicate)
        if isinstance(predicate, Literal) and predicate.value is True and not node.name:
            return node.input
        return node if predicate is node.predicate else replace(node, predicate=predicate)

    return plan.rewrite(folded)


def fold(expr: Expr) -> Expr:
    """Return an expression that gives the same with its constant parts computed."""
    return expr.rewrite(_one)


def _one(expr: Expr) -> Expr:
    if not isinstance(expr, Call):
        return expr
    match expr.function:
        case "AND" | "OR":
            return _logic(expr, stops=expr.function == "OR")
        case "NOT":
            return _known(expr, lambda value: None if value is None else not value)
        case "IS NULL":
            return _known(expr, lambda value: value is None)
        case "IS NOT NULL":
            return _known(expr, lambda value: value is not None)
        case "CASE":
            return _case(expr)
        case name if name in _COMPARE or name in _COUNT:
            return _pair(expr)
        case _:
            return expr


def _logic(expr: Call, *, stops: bool) -> Expr:
    """AND stops at FALSE, OR at TRUE; the other constant says nothing."""
    left, right = expr.args
    for this, other in ((left, right), (right, left)):
        if not isinstance(this, Literal) or this.value is None:
            continue
        if this.value is stops:
            # The left side may fail first, and then its row is rejected.
            return _literal(expr, stops) if this is left or isinstance(other, Literal) else expr
        return _typed_like(other, expr)
    return expr


def _known(expr: Call, of: Callable[[Any], bool | None]) -> Expr:
    (arg,) = expr.args
    return _literal(expr, of(arg.value)) if isinstance(arg, Literal) else expr


def _case(expr: Call) -> Expr:
    branches = list(expr.args)
    kept: list[Expr] = []
    while len(branches) > 1:
        condition, value = branches[0], branches[1]
        branches = branches[2:]
        if not isinstance(condition, Literal):
            kept.extend((condition, value))
        elif condition.value is True:
            branches = [value]
            break
    if not kept:
        return _typed_like(branches[0], expr) if branches else expr
    args = (*kept, *branches)
    return expr if len(args) == len(expr.args) else replace(expr, args=args)


def _pair(expr: Call) -> Expr:
    if len(expr.args) != 2:
        return expr
    left, right = expr.args
    if not isinstance(left, Literal) or not isinstance(right, Literal):
        return expr
    a, b = left.value, right.value
    if a is None or b is None:
        return _literal(expr, None)
    if not _alike(left, right):
        return expr
    if expr.function in _COMPARE:
        return _literal(expr, _COMPARE[expr.function](a, b))
    kind = expr.typed
    if not isinstance(kind, Integer):
        return expr
    found = _COUNT[expr.function](a, b)
    fits = -(1 << (kind.bits - 1)) <= found < 1 << (kind.bits - 1)
    return _literal(expr, found) if fits else expr


def _alike(left: Literal, right: Literal) -> bool:
    """Tell whether Python compares two constants as SQL does."""
    for kind in (Integer, Boolean, VarChar | Char):
        if isinstance(left.typed, kind) and isinstance(right.typed, kind):
            return True
    return False


def _literal(expr: Expr, value: Any) -> Literal:
    return Literal(value=value, type=expr.typed, place=expr.place)


def _typed_like(found: Expr, expr: Expr) -> Expr:
    """Return a branch in place of the whole, or the whole where that would change the type."""
    same = found.typed.with_nullable(True) == expr.typed.with_nullable(True)
    return found if same else expr
