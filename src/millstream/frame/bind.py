"""Gives expressions their types against a schema, with Python's meaning of its operators.

in      trees as the user built them, and the columns they read
out     resolved trees; a GROUP BY is cut into what is computed before, in and after the groups
bad     UnknownName, TypeMismatch, PlanError with the place in the user's program

``a / b`` of two integers divides as DOUBLE, ``//`` and ``%`` round towards minus infinity,
``+`` joins texts, ``mean()`` of integers is a DOUBLE: so Python readers get what they read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from millstream import types as t
from millstream.errors import PlanError
from millstream.expr import tree
from millstream.expr.resolve import resolve
from millstream.frame.expression import FLOOR_DIVIDE, FLOOR_MODULO, MEAN, PLUS, TRUE_DIVIDE
from millstream.types.logical import CharacterString, Integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from millstream.types import Schema

OVER_PLACES = ("select", "with_columns", "filter")
"""Where an expression may look at other rows by OVER."""
_MACROS = (FLOOR_DIVIDE, FLOOR_MODULO, PLUS, TRUE_DIVIDE)


def bind(expr: tree.Expr, schema: Schema) -> tree.Expr:
    """Return the expression resolved against ``schema``; it may hold aggregates."""

    def step(node: tree.Expr) -> tree.Expr:
        if isinstance(node, tree.Call) and node.function in _MACROS:
            node = _meant(node)
        elif isinstance(node, tree.AggCall | tree.OverCall) and node.function == MEAN:
            node = _mean(node)
        return resolve(node, schema)

    return expr.rewrite(step)


def bind_row(expr: tree.Expr, schema: Schema, what: str) -> tree.Expr:
    """Bind an expression over single rows: an aggregate has no place in ``what``."""
    found = next((n for n in expr.walk() if isinstance(n, tree.AggCall)), None)
    if found is not None:
        raise PlanError(
            f"{found} looks at many rows and cannot stand in {what}.",
            where=found.place,
            hint="Group first: stream.group_by(…).agg(…).",
        )
    window = next((n for n in expr.walk() if isinstance(n, tree.OverCall)), None)
    if window is not None and what not in OVER_PLACES:
        raise PlanError(
            f"{window} cannot stand in {what}.",
            where=window.place,
            hint="Compute it first: stream.with_columns(…).",
        )
    return bind(expr, schema)


def _meant(node: tree.Call) -> tree.Call:
    left, right = node.args
    whole = isinstance(left.typed, Integer) and isinstance(right.typed, Integer)
    texts = isinstance(left.typed, CharacterString) or isinstance(right.typed, CharacterString)

    def call(function: str, *args: tree.Expr) -> tree.Call:
        return tree.Call(function, args, place=node.place)

    if node.function == PLUS:
        return call("||" if texts else "+", left, right)
    if node.function == TRUE_DIVIDE:
        return call("/", tree.Cast(left, t.Double(), place=node.place) if whole else left, right)
    modulo = call("%", call("+", call("%", left, right), right), right)
    if node.function == FLOOR_MODULO:
        return modulo
    divided = call("/", call("-", left, modulo), right)
    return divided if whole else call("FLOOR", call("/", left, right))


def _mean(node: tree.AggCall | tree.OverCall) -> tree.Expr:
    arg = node.args[0]
    if isinstance(arg.typed, Integer):
        arg = tree.Cast(arg, t.Double(), place=node.place)
    return replace(node, function="AVG", args=(arg, *node.args[1:]))


@dataclass(frozen=True, slots=True)
class Grouped:
    """A GROUP BY in three steps: aggregates over the input, then what is computed of them."""

    aggs: tuple[tree.Named, ...]
    after: tuple[tree.Named, ...]
    """Over the aggregates' columns, not yet resolved; the same names as ``aggs`` if nothing is."""


def grouped(named: Iterable[tree.Named], schema: Schema, taken: Sequence[str]) -> Grouped:
    """Cut the expressions of ``agg`` at their aggregate calls; equal calls are computed once."""
    made: list[tree.Named] = []
    after: list[tree.Named] = []
    for item in named:
        if not tree.has_aggregate(item.expr):
            raise PlanError(
                f"'{item.name}' is computed of single rows, agg needs one value per group: "
                f"{item.expr}.",
                where=item.expr.place,
                hint=f"Aggregate it: .first(), .sum(), .max() …; or group by {item.name}.",
            )
        _check_nesting(item.expr)
        whole = isinstance(item.expr, tree.AggCall)

        def cut(node: tree.Expr, name: str = item.name, whole: bool = whole) -> tree.Expr:
            if not isinstance(node, tree.AggCall):
                return node
            call = bind(node, schema)
            known = next((m.name for m in made if m.expr == call and not whole), None)
            if known is None:
                known = name if whole else f"_{name}_{len(made)}"
                made.append(tree.Named(known, call))
            return tree.Column(known, place=node.place)

        after.append(tree.Named(item.name, item.expr.rewrite(cut)))
    _check_names((*taken, *(a.name for a in after)))
    return Grouped(tuple(made), tuple(after))


def _check_nesting(expr: tree.Expr) -> None:
    for node in expr.walk():
        if isinstance(node, tree.AggCall) and any(map(tree.has_aggregate, node.children())):
            raise PlanError(
                f"An aggregate inside an aggregate: {node}.",
                where=node.place,
                hint="Aggregate twice: .group_by(…).agg(…).group_by(…).agg(…).",
            )


def _check_names(names: Sequence[str]) -> None:
    double = next((n for i, n in enumerate(names) if n in names[:i]), None)
    if double is not None:
        raise PlanError(
            f"Two columns are named '{double}'.",
            hint=f"Give one of them another name: agg({double}_2=…) or .alias('{double}_2').",
        )
