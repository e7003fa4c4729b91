"""OVER windows and top-N of the Python API.

in      expressions with aggregates, or names of columns
out     trees with :class:`~millstream.expr.tree.OverCall`; Rank nodes
bad     PlanError, TypeMismatch, UnknownName with the place in the user's program
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from millstream.errors import PlanError
from millstream.expr import tree
from millstream.expr.overs import OVER_ONLY
from millstream.frame.where import here
from millstream.plan import nodes as n
from millstream.plan import ranking
from millstream.plan.derive import Tables, Upwards
from millstream.plan.joining import conjuncts
from millstream.plan.joining import filtered as all_kept
from millstream.plan.ranks import RankKind
from millstream.types.time import duration_ms

Keep = Literal["first", "last"]


def over_tree(
    of: tree.Expr,
    partition: tuple[tree.Expr, ...],
    order: tuple[tuple[tree.Expr, bool, bool | None], ...],
    rows: int | None,
    range_: str | timedelta | None,
) -> tree.Expr:
    """Return ``of`` with its aggregates and window functions computed over a frame."""
    if rows is not None and range_ is not None:
        raise PlanError("A frame has rows or a range, not both.", where=here())
    if rows is not None and rows < 0:
        raise PlanError("A frame counts rows from 0 upwards.", where=here())
    preceding = rows if range_ is None else duration_ms(range_)
    found = False

    def change(x: tree.Expr) -> tree.Expr:
        nonlocal found
        if isinstance(x, tree.AggCall):
            made = tree.OverCall(x.function, x.args, x.distinct, x.filter, place=x.place)
        elif isinstance(x, tree.Call) and x.function in OVER_ONLY:
            made = tree.OverCall(x.function, x.args, place=x.place)
        else:
            return x
        found = True
        return replace(
            made, partition=partition, order=order, rows=rows is not None, preceding=preceding
        )

    out = of.rewrite(change)
    if not found:
        raise PlanError(
            "over stands behind an aggregate or a window function.",
            where=here(),
            hint="col('v').sum().over(…), or ms.call('ROW_NUMBER').over(…).",
        )
    return out


def filtered(node: n.Node, predicate: tree.Expr) -> n.Node:
    """Keep the rows for which a resolved condition is TRUE; a bounded rank becomes a top-N."""
    made, (asked,) = ranking.with_overs(node, [predicate])
    cut, rest = ranking.filtered(made, conjuncts(asked))
    kept = n.Filter(input=made, predicate=asked) if cut is made else all_kept(cut, rest)
    if made is node:
        return kept
    own = (tree.Named(f.name, tree.Column(f.name, type=f.type)) for f in node.schema)
    return n.Project(input=kept, columns=tuple(own))


def top(
    node: n.Node,
    count: int,
    by: Sequence[str],
    per: Sequence[str],
    descending: Sequence[bool],
    number: str | None,
) -> n.Node:
    """Keep the first rows of each partition."""
    if count < 1:
        raise PlanError("A top-N has at least one row.", where=here())
    keys = tuple(n.SortKey(c, down) for c, down in zip(by, descending, strict=True))
    kind = RankKind.ROW_NUMBER
    return ranking.top(node, kind, tuple(per), keys, first=1, last=count, number=number)


def deduplicated(node: n.Node, key: Sequence[str], keep: Keep, by: str | None) -> n.Node:
    """Keep one row per key: the first or the last by time."""
    facts = Upwards(Tables()).of(node)
    time = by or facts.time or next(iter(facts.clocks), None)
    if time is None:
        raise PlanError(
            "This stream has no event time: nothing says which row of a key is the first.",
            where=here(),
            hint="Name a column: deduplicate('id', by='version'); or read with event_time='ts'.",
        )
    if keep not in ("first", "last"):
        raise PlanError(f"keep is 'first' or 'last', not {keep!r}.", where=here())
    keys = (n.SortKey(time, descending=keep == "last"),)
    kind = RankKind.ROW_NUMBER
    return ranking.top(node, kind, tuple(key), keys, first=1, last=1, number=None)
