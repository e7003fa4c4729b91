"""Binds one SELECT: FROM, WHERE, groups, HAVING, the select list, what ORDER BY reads.

in      a SELECT as written; a binder for its relations and sub-queries
out     :class:`Selected`: a node that has the selected columns first, then those only needed to
        sort or, in a sub-query, to compare with the query around it
bad     errors with their places
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from millstream import types as t
from millstream.errors import SqlError, Unsupported
from millstream.expr.tree import (
    AggCall,
    Call,
    Column,
    Expr,
    Literal,
    Named,
    columns_of,
    has_aggregate,
    substitute,
)
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.plan.joining import conjuncts, renamed_in
from millstream.sql import query as q
from millstream.sql.decorrelate import paired, single_part
from millstream.sql.grouped import grouped
from millstream.sql.grouping_sets import Sets
from millstream.sql.legacy_windows import refuse_parts
from millstream.sql.meaning import condition, fresh, keep, resolved
from millstream.sql.ordering import order_expr, sort_keys
from millstream.sql.outer import OuterColumn, no_outside, reads_outside
from millstream.sql.over import has_over, with_overs, with_windows
from millstream.sql.scope import Scope, named, own_name, star, unique
from millstream.sql.subquery import BoundQuery, Sub, bind_inner
from millstream.sql.subquery_joins import keep_where, with_values
from millstream.types import Schema


class Relations(Protocol):
    """What binds a SELECT's relations and the sub-queries in its expressions."""

    def relation(self, relation: q.Relation | None) -> Scope:
        """Return the scope of a relation."""

    def sub(self, query: q.Query, outer: Scope) -> Sub:
        """Return a sub-query that may read the columns of ``outer``."""


@dataclass(frozen=True, slots=True)
class Selected:
    """``width`` columns were selected, ``by`` is what ORDER BY says.

    ``lifted`` are conditions between the node's columns and those of the query around; ``empty``
    is what each selected column is for rows of that query which no row of this one meets, None =
    NULL.
    """

    node: n.Node
    by: tuple[n.SortKey, ...]
    width: int
    lifted: tuple[Expr, ...] = ()
    empty: tuple[Expr | None, ...] = ()


@dataclass
class _Clauses:
    """The expressions of a SELECT over the columns of its scope."""

    items: list[Named]
    ordered: list[Expr]
    having: Expr | None
    qualify: Expr | None
    groups: list[Expr]
    outside: list[Expr]
    """The inner sides of what is compared with the query around a grouped sub-query."""
    of_sets: bool = False

    def everything(self) -> list[Expr]:
        """Return all that reads the groups."""
        more = [e for e in (self.having, self.qualify) if e is not None]
        return [*(i.expr for i in self.items), *self.ordered, *self.outside, *more]

    def replaced(self, exprs: list[Expr]) -> None:
        """Take ``exprs``, in the order of :meth:`everything`, instead."""
        rest = iter(exprs)
        self.items = [Named(i.name, next(rest)) for i in self.items]
        self.ordered = [next(rest) for _ in self.ordered]
        self.outside = [next(rest) for _ in self.outside]
        self.having = None if self.having is None else next(rest)
        self.qualify = None if self.qualify is None else next(rest)

    @property
    def is_grouped(self) -> bool:
        """Whether rows are made of groups."""
        return (
            self.having is not None
            or bool(self.groups)
            or self.of_sets
            or any(has_aggregate(e) for e in self.everything())
        )


def bind_select(
    binder: Relations, select: q.Select, order: tuple[q.Order, ...], *, lifts: bool
) -> Selected:
    """Return the node of a SELECT; ``lifts``: it may compare with the query around it."""

    def meaning(expr: Expr, scope: Scope) -> Expr:
        return bind_inner(named(with_windows(expr, select.windows), scope), scope, binder.sub)

    def ordered_by(expr: Expr) -> Expr:
        said = with_windows(expr, select.windows)
        return bind_inner(order_expr(said, items, scope), scope, binder.sub)

    scope = binder.relation(select.source)
    lifted = list(scope.lifted)
    if select.where is not None:
        predicate = condition(meaning(select.where, scope), scope.schema, "WHERE")
        scope = _where(scope, predicate, lifted)
    scope = scope.joined()
    if not lifts:
        no_outside(tuple(lifted), "a query in FROM or under a set operation")
    items = _items(select, scope, lambda expr: meaning(expr, scope))
    clauses = _Clauses(
        items,
        [ordered_by(o.expr) for o in order],
        None if select.having is None else meaning(select.having, scope),
        _qualify(select, items, scope, meaning),
        [meaning(g, scope) for g in select.group or ()],
        [],
        select.group is not None,
    )
    no_outside(tuple(clauses.everything()), "its select list")
    node = scope.node
    empty: tuple[Expr | None, ...] = ()
    if clauses.is_grouped:
        if scope.outer is not None:
            node, lifted = _paired(node, scope.outer, lifted)
        lifted = _lifted_to_keys(lifted, clauses)
        if lifted and not select.group and select.having is None:
            node, empty = _group(node, clauses, select)
        else:
            node, _ = _group(node, clauses, select)
    else:
        refuse_parts(clauses.everything())
    node, exprs = with_values(node, clauses.everything())
    clauses.replaced(exprs)
    if clauses.having is not None:
        node = keep(node, clauses.having, "HAVING")
        clauses.having = None
    if any(has_over(e) for e in clauses.everything()):
        node, exprs = with_overs(node, clauses.everything())
        clauses.replaced(exprs)
    if clauses.qualify is not None:
        node = keep(node, clauses.qualify, "QUALIFY")
    return _projected(node, select, order, clauses, lifted, empty)


def _where(scope: Scope, predicate: Expr, lifted: list[Expr]) -> Scope:
    """Keep the rows WHERE lets through; what reads the query around goes to ``lifted``."""
    parts = conjuncts(predicate)
    plain = [p for p in parts if not reads_outside(p) and not _has_query(p)]
    for part in parts:
        if reads_outside(part):
            if _has_query(part):
                no_outside((part,), "a condition with another sub-query")
            lifted.append(part)
    if len(plain) == len(parts) and len(scope.parts) == 1 and not scope.conditions:
        return scope.over(keep(scope.node, predicate, "WHERE"))
    scope = scope.joined(plain)
    return scope.over(keep_where(scope.node, [p for p in parts if _has_query(p)]))


def _has_query(expr: Expr) -> bool:
    return any(isinstance(x, BoundQuery) for x in expr.walk())


def _group(
    node: n.Node, clauses: _Clauses, select: q.Select
) -> tuple[n.Node, tuple[Expr | None, ...]]:
    """Group the node; returns what the items are for no rows at all."""
    inside = [x for e in clauses.everything() for x in e.walk() if isinstance(x, AggCall)]
    early = [g for g in (*clauses.groups, *inside) if _has_query(g)]
    if early:
        node, exprs = with_values(node, early)
        by = dict(zip(early, exprs, strict=True))
        clauses.replaced([e.rewrite(lambda x: by.get(x, x)) for e in clauses.everything()])
        clauses.groups = [by.get(g, g) for g in clauses.groups]
    made, cut = grouped(
        node, clauses.groups, clauses.everything(), select.place, _sets(select, clauses)
    )
    clauses.replaced(cut)
    calls = made.aggs if isinstance(made, n.Aggregate) else ()
    none = {c.name: _of_nothing(c.expr) for c in calls}
    return made, tuple(
        _unless_null(resolved(substitute(i.expr, none), made.schema)) for i in clauses.items
    )


def _sets(select: q.Select, clauses: _Clauses) -> Sets:
    """Return the GROUPING SETS over the columns of the scope."""
    said = select.group or ()
    more = tuple(clauses.groups[len(said) :])
    by = dict(zip(said, clauses.groups, strict=False))
    return tuple((*(by[key] for key in one), *more) for one in select.sets)


def _of_nothing(call: Expr) -> Expr:
    """Return what an aggregate is for no rows."""
    assert isinstance(call, AggCall), "only aggregates are computed by groups"
    if call.function in ("COUNT", "APPROX_COUNT_DISTINCT"):
        return Literal(0, type=call.typed)
    return Literal(None, type=call.typed.with_nullable(True))


def _unless_null(expr: Expr) -> Expr | None:
    return None if isinstance(expr, Literal) and expr.value is None else expr


def _paired(node: n.Node, outer: Scope, lifted: list[Expr]) -> tuple[n.Node, list[Expr]]:
    """Make equations of what a grouped sub-query says of the query around by more than =."""
    if all(_sides(part) is not None for part in lifted):
        return node, lifted
    read = {x.name for part in lifted for x in part.walk() if isinstance(x, OuterColumn)}
    around = single_part(outer.parts, read)
    if around is None:
        raise Unsupported(
            "A grouped sub-query that compares with several tables of the query around by more "
            "than =.",
            where=lifted[0].place,
            hint="Join those tables in a query of their own first.",
        )
    met, equal = paired(node, lifted, around, {name: Column(name=name) for name in read})
    return met, list(equal)


def _sides(part: Expr) -> tuple[Expr, Expr] | None:
    """Return the (outer, inner) sides of an equation between the two."""
    if not isinstance(part, Call) or part.function != "=":
        return None
    for a, b in (part.args, part.args[::-1]):
        if reads_outside(a) and not columns_of(a) and not reads_outside(b):
            return a, b
    return None


def _lifted_to_keys(lifted: list[Expr], clauses: _Clauses) -> list[Expr]:
    """Make what a grouped sub-query equates with the query around it keys of its groups."""
    found: list[Expr] = []
    for part in lifted:
        pair = _sides(part)
        assert pair is not None, "other conditions were paired"
        clauses.groups.append(pair[1])
        clauses.outside.append(pair[1])
        found.append(pair[0])
    return found


def _projected(
    node: n.Node,
    select: q.Select,
    order: tuple[q.Order, ...],
    clauses: _Clauses,
    lifted: list[Expr],
    empty: tuple[Expr | None, ...],
) -> Selected:
    columns = [Named(i.name, resolved(i.expr, node.schema)) for i in clauses.items]
    by, extra = sort_keys(order, clauses.ordered, columns, node.schema)
    if select.distinct and extra:
        raise SqlError(
            "ORDER BY of SELECT DISTINCT names something that is not selected.",
            where=order[0].expr.place or select.place,
            hint="Select it too.",
        )
    taken = {c.name for c in (*columns, *extra)}
    hidden: list[Named] = []
    if clauses.outside:
        conditions: list[Expr] = []
        for outside, inside in zip(lifted, clauses.outside, strict=True):
            key = resolved(inside, node.schema)
            hidden.append(Named(fresh("_outer_", taken), key))
            column = Column(hidden[-1].name, type=key.typed, place=key.place)
            kind = t.Boolean(nullable=key.typed.nullable or outside.typed.nullable)
            conditions.append(Call("=", (outside, column), type=kind, place=outside.place))
    else:
        read = sorted({c for part in lifted for c in columns_of(part)})
        # What is selected anyway is compared there: a time or window keeps one name.
        names = {c.expr.name: c.name for c in reversed(columns) if isinstance(c.expr, Column)}
        more = {c: fresh("_outer_", taken) for c in read if c not in names}
        names |= more
        hidden = [Named(new, Column(c, type=node.schema.type_of(c))) for c, new in more.items()]
        conditions = [renamed_in(part, names) for part in lifted]
    every = [*columns, *extra, *hidden]
    made = node if _same(node.schema, every) else n.Project(input=node, columns=tuple(every))
    if select.distinct:
        made = build.distinct(made)
    return Selected(made, by, len(columns), tuple(conditions), empty)


def _qualify(
    select: q.Select, items: list[Named], scope: Scope, meaning: Callable[[Expr, Scope], Expr]
) -> Expr | None:
    """Return the condition of QUALIFY, which may name what is selected."""
    if select.qualify is None:
        return None
    known = {name for s in scope.seen for name in s.columns}
    by = {item.name: item.expr for item in items if item.name not in known}
    said = with_windows(select.qualify, select.windows)

    def selected(expr: Expr) -> Expr:
        if isinstance(expr, Column) and expr.name in by:
            return by[expr.name]
        children = expr.children()
        if not any(isinstance(x, Column) and x.name in by for x in expr.walk()):
            return meaning(expr, scope)
        return expr.with_children(tuple(selected(child) for child in children))

    found = selected(said)
    if not has_over(found):
        raise SqlError(
            "QUALIFY without an OVER window.", where=said.place, hint="Write WHERE, or HAVING."
        )
    return found


def _items(select: q.Select, scope: Scope, meaning: Callable[[Expr], Expr]) -> list[Named]:
    found: list[Named] = []
    for index, said in enumerate(select.items):
        if not isinstance(said.expr, q.Star):
            name = said.alias or own_name(said.expr, index)
            found.append(Named(name, meaning(said.expr)))
            continue
        if select.source is None:
            raise SqlError(
                "There is nothing to select * from.", where=said.expr.place, hint="Add FROM."
            )
        found.extend(star(scope, said.expr.table, said.expr.place))
    return unique(found)


def _same(schema: Schema, columns: list[Named]) -> bool:
    return schema.names == tuple(c.name for c in columns) and all(
        isinstance(c.expr, Column) and c.expr.name == c.name for c in columns
    )
