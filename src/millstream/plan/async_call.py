"""Calls of the user's async functions, in steps of their own.

in      a plan whose projections and filters call async functions
out     the same plan in which an :class:`AsyncCall` below computes them as columns
bad     PlanError where one stands elsewhere: in a join, an aggregate, an ORDER BY
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from millstream.errors import PlanError
from millstream.expr.tree import Column, Expr, Named, UdfCall, columns_of
from millstream.plan.facts import StateBound
from millstream.plan.nodes import Filter, Node, Project, Unary
from millstream.types import Field, Schema

if TYPE_CHECKING:
    from millstream.plan.facts import Facts
    from millstream.plan.nodes import Plan

PREFIX = "$async"


@dataclass(frozen=True, kw_only=True, eq=False)
class AsyncCall(Unary):
    """Each row with what async functions answer for it; its expressions are calls of them."""

    columns: tuple[Named, ...]

    @cached_property
    def _schema(self) -> Schema:
        made = (Field(c.name, c.expr.typed) for c in self.columns)
        return Schema((*self.input.schema.fields, *made))

    def __post_init__(self) -> None:
        assert all(waits(c.expr) for c in self.columns), "only async functions are asked"

    @property
    def schema(self) -> Schema:
        return self._schema

    def label(self) -> str:
        return "AsyncCall " + ", ".join(str(c.expr) for c in self.columns)

    @property
    def expressions(self) -> tuple[Expr, ...]:
        return tuple(c.expr for c in self.columns)

    @property
    def append_only(self) -> str | None:
        return "An async function"

    def state(self, inputs: tuple[Facts, ...]) -> StateBound:
        return StateBound.COUNT

    def reads(self, port: int, kept: set[str]) -> set[str]:
        read = {name for c in self.columns for name in columns_of(c.expr)}
        return (kept & set(self.input.schema.names)) | read


def waits(expr: Expr) -> bool:
    """Tell whether an expression is a call of an async function."""
    return isinstance(expr, UdfCall) and expr.udf.waits is not None


def separated(plan: Plan) -> Plan:
    """Return the plan with every async call in a step of its own."""
    asks = any(waits(part) for node in plan.walk() for e in node.expressions for part in e.walk())
    return plan.rewrite(_separated) if asks else plan


def _separated(node: Node) -> Node:
    if isinstance(node, AsyncCall):
        return node
    calls = [part for e in node.expressions for part in e.walk() if waits(part)]
    if not calls:
        return node
    if isinstance(node, Project):
        below, exprs = _below(node.input, node.expressions, node.uid)
        columns = zip(node.columns, exprs, strict=True)
        return replace(node, input=below, columns=tuple(Named(c.name, e) for c, e in columns))
    if isinstance(node, Filter):
        below, exprs = _below(node.input, node.expressions, node.uid)
        kept = replace(node, input=below, predicate=exprs[0])
        own = (Named(f.name, Column(f.name, type=f.type)) for f in node.schema)
        uid = f"{node.uid}/columns" if node.uid else ""
        return Project(input=kept, columns=tuple(own), uid=uid)
    raise PlanError(
        f"{calls[0]} waits for an answer, and cannot stand in '{node.label()}'.",
        where=calls[0].place,
        hint="Compute it before: in the SELECT of a sub-query or view, or by with_columns.",
    )


def _below(node: Node, exprs: tuple[Expr, ...], uid: str) -> tuple[Node, tuple[Expr, ...]]:
    """Return a node that has what the calls answer, and the expressions over it."""
    count = sum(1 for name in node.schema.names if name.startswith(PREFIX))
    while True:
        # Innermost first: the arguments of a call may wait themselves.
        ready: dict[Expr, str] = {}
        for expr in exprs:
            for part in expr.walk():
                inside = (x for arg in part.children() for x in arg.walk())
                if waits(part) and not any(map(waits, inside)) and part not in ready:
                    ready[part] = f"{PREFIX}{count + len(ready)}"
        if not ready:
            return node, exprs
        made = tuple(Named(name, call) for call, name in ready.items())
        own = f"{uid}/{PREFIX}{count}" if uid else ""
        node, count = AsyncCall(input=node, columns=made, uid=own), count + len(ready)

        def answered(part: Expr, names: dict[Expr, str] = ready) -> Expr:
            name = names.get(part) if waits(part) else None
            return part if name is None else Column(name, type=part.typed, place=part.place)

        exprs = tuple(expr.rewrite(answered) for expr in exprs)
