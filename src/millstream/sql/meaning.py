"""Gives expressions their types at their places; predicates become filters.

in      expressions over the columns of a node
out     resolved expressions, filters; fresh column names
bad     every error has a place: the one of the expression where it had none
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TypeVar

from millstream import types as t
from millstream.errors import MillstreamError, Place, PlanError, SqlError
from millstream.expr.resolve import cast_to, resolve
from millstream.expr.tree import AggCall, Expr, OverCall
from millstream.plan import nodes as n
from millstream.plan import ranking
from millstream.plan.joining import conjuncts, filtered
from millstream.types import Schema

_Made = TypeVar("_Made")


def fresh(prefix: str, taken: set[str]) -> str:
    """Return the first of ``prefix0``, ``prefix1``, … that is not taken, and take it."""
    name = next(f"{prefix}{i}" for i in count() if f"{prefix}{i}" not in taken)
    taken.add(name)
    return name


def keep(node: n.Node, predicate: Expr, what: str) -> n.Node:
    """Return the rows for which ``predicate`` is TRUE; ``what`` names the clause."""
    return kept(node, condition(predicate, node.schema, what))


def kept(node: n.Node, meant: Expr) -> n.Node:
    """Return the rows for which a resolved condition is TRUE; a bounded rank becomes a top-N."""
    cut, rest = ranking.filtered(node, conjuncts(meant))
    if cut is node:
        return n.Filter(input=node, predicate=meant)
    return filtered(cut, rest)


def condition(predicate: Expr, schema: Schema, what: str) -> Expr:
    """Return a resolved condition over single rows; a bare NULL is one."""
    refuse_over(predicate, what)
    wrong = next((x for x in predicate.walk() if isinstance(x, AggCall)), None)
    if wrong is not None:
        raise SqlError(
            f"{wrong} looks at many rows and cannot stand in {what}.",
            where=wrong.place,
            hint="Use HAVING, after GROUP BY.",
        )
    meant = resolved(predicate, schema)
    return cast_to(meant, t.Boolean()) if isinstance(meant.typed, t.Null) else meant


def refuse_over(expr: Expr, what: str) -> None:
    """Raise where an OVER window stands in a clause that is asked before it is computed."""
    wrong = next((x for x in expr.walk() if isinstance(x, OverCall)), None)
    if wrong is not None:
        raise SqlError(
            f"{wrong} cannot stand in {what}.",
            where=wrong.place,
            hint="Select it in a sub-query and ask the result, or use QUALIFY.",
        )


def resolved(expr: Expr, schema: Schema) -> Expr:
    """Return ``expr`` typed against ``schema``."""
    return placed(lambda: resolve(expr, schema), expr.place)


def placed(make: Callable[[], _Made], place: Place | None) -> _Made:
    """Run ``make``; an error without a place gets this one."""
    try:
        return make()
    except MillstreamError as error:
        if isinstance(error, PlanError) and error.where is None:
            error.where = place
        raise
