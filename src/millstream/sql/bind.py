"""Gives queries their meaning: names are looked up, groups are cut, plan nodes come out.

in      a query as written, and a :class:`Names` that knows tables, views and functions
out     a plan node whose columns are the query's, in order
bad     UnknownName with near names, TypeMismatch, SqlError, each with its place
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from millstream.errors import PlanError, SqlError, UnknownName
from millstream.expr.tree import Column, Expr, Named, has_aggregate
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.joining import conjuncts
from millstream.sql import query as q
from millstream.sql import sets
from millstream.sql.as_of import bind_as_of
from millstream.sql.changelog_calls import ChangelogFn, changelog_node
from millstream.sql.from_ import bind_join
from millstream.sql.grouped import grouped
from millstream.sql.joined import AsOf, FunctionOf, JoinOf, Lateral, UnnestOf
from millstream.sql.meaning import condition, keep, placed, resolved
from millstream.sql.ordering import order_expr, output_key, sort_keys
from millstream.sql.scope import Scope, named, own_name, star, unique
from millstream.sql.windows import WindowFn, window_of
from millstream.types import Schema


class Names(Protocol):
    """What a binder may ask for."""

    def relation(self, name: str) -> n.Node | None:
        """Return the node of a table or view, the same object each time; None = no such name."""

    def relation_names(self) -> Iterable[str]:
        """Return every table and view there is."""


class Binder:
    """Binds queries against the names of a catalog and of enclosing WITH clauses."""

    def __init__(self, names: Names, ctes: dict[str, n.Node] | None = None) -> None:
        self._names = names
        self._ctes = ctes or {}

    def query(self, query: q.Query) -> n.Node:
        """Return the node of a query."""
        inner = Binder(self._names, dict(self._ctes))
        for name, columns, body in query.ctes:
            inner._ctes[name] = _with_columns(inner.query(body), columns)
        return inner._ordered(query)

    # ---- bodies

    def _ordered(self, query: q.Query) -> n.Node:
        if isinstance(query.body, q.Select):
            node, by, width = self._select(query.body, query.order)
        else:
            node = self._body(query.body)
            by = tuple(output_key(order, node.schema) for order in query.order)
            width = len(node.schema)
        if by:
            node = n.Sort(input=node, by=by, limit=query.limit, offset=query.offset)
            kept = node.schema.names[:width]
            return (
                node
                if width == len(node.schema)
                else n.Project(
                    input=node, columns=tuple(_column(node.schema, name) for name in kept)
                )
            )
        if query.limit is None and not query.offset:
            return node
        if query.limit is None or Upwards(Tables()).of(node).updates:
            # The first rows of a result that changes are those that stand at its end.
            return n.Sort(input=node, by=(), limit=query.limit, offset=query.offset)
        return n.Limit(input=node, count=query.limit, offset=query.offset)

    def _body(self, body: q.Body) -> n.Node:
        match body:
            case q.Select():
                return self._select(body, ())[0]
            case q.SubQuery(query=query):
                return self.query(query)
            case q.Rows():
                return sets.values(body)
            case q.UnionOf():
                return self._union(body)
            case q.SetOf():
                left, right = self._body(body.left), self._body(body.right)
                return sets.set_operation(left, right, body)

    def _union(self, body: q.UnionOf) -> n.Node:
        # A long chain is a deep tree on its left; it is walked in a loop.
        steps: list[q.UnionOf] = []
        first: q.Body = body
        while isinstance(first, q.UnionOf):
            steps.append(first)
            first = first.left
        parts = [self._body(first)]
        for step in reversed(steps):
            parts.append(self._body(step.right))
            sets.check_width(parts[0], parts[-1], "UNION", step.place)
            if not step.all:
                parts = [build.distinct(sets.united(parts, step.place))]
        return parts[0] if len(parts) == 1 else sets.united(parts, body.place)

    # ---- FROM

    def _relation(self, relation: q.Relation | None) -> Scope:
        match relation:
            case None:
                return Scope((sets.one_row(),), ())
            case q.TableName():
                node = self._table(relation)
                return Scope.of(_with_columns(node, relation.columns), relation.alias)
            case q.SubQuery(query=query, alias=alias, columns=columns):
                return Scope.of(_with_columns(self.query(query), columns), alias)
            case WindowFn():
                data = self._relation(relation.data).joined()
                node = placed(
                    lambda: n.WindowTable(
                        input=data.node,
                        window=window_of(relation),
                        time=relation.time,
                        partition=relation.partition,
                    ),
                    relation.place,
                )
                return Scope.of(node, relation.alias or data.alias)
            case ChangelogFn():
                data = self._relation(relation.data).joined()
                node = placed(lambda: changelog_node(relation, data.node), relation.place)
                return Scope.of(node, relation.alias or data.alias)

            case JoinOf():
                return self._join(relation)
            case AsOf() | UnnestOf() | FunctionOf() | Lateral():
                raise SqlError(
                    "FOR SYSTEM_TIME, UNNEST and LATERAL stand behind JOIN.",
                    where=relation.place,
                    hint="Write a JOIN t FOR SYSTEM_TIME AS OF a.ts ON a.k = t.k.",
                )

    def _join(self, said: JoinOf) -> Scope:
        if isinstance(said.right, AsOf):
            return bind_as_of(said, self._relation)
        return bind_join(said, self._relation)

    def _table(self, table: q.TableName) -> n.Node:
        found = self._ctes.get(table.name) or self._names.relation(table.name)
        if found is None:
            near = [*self._ctes, *self._names.relation_names()]
            raise UnknownName("table", table.name, available=near, where=table.place)
        return found

    # ---- SELECT

    def _where(self, where: Expr, scope: Scope) -> Scope:
        predicate = named(where, scope)
        if len(scope.parts) == 1 and not scope.conditions:
            return scope.over(keep(scope.node, predicate, "WHERE"))
        return scope.joined(conjuncts(condition(predicate, scope.schema, "WHERE")))

    def _select(
        self, select: q.Select, order: tuple[q.Order, ...]
    ) -> tuple[n.Node, tuple[n.SortKey, ...], int]:
        """Return the node, what it is sorted by, and how many of its columns were selected."""
        scope = self._relation(select.source)
        if select.where is not None:
            scope = self._where(select.where, scope)
        scope = scope.joined()
        items = _items(select, scope)
        exprs = [item.expr for item in items]
        ordered = [order_expr(o.expr, items, scope) for o in order]
        having = None if select.having is None else named(select.having, scope)
        groups = [named(g, scope) for g in select.group or ()]
        everything = [*exprs, *ordered, *([] if having is None else [having])]
        if having is not None or groups or any(map(has_aggregate, everything)):
            node, cut = grouped(scope.node, groups, everything, select.place)
            exprs, ordered = cut[: len(items)], cut[len(items) : len(items) + len(ordered)]
            if having is not None:
                node = keep(node, cut[-1], "HAVING")
        else:
            node = scope.node
        columns = [
            Named(item.name, resolved(e, node.schema)) for item, e in zip(items, exprs, strict=True)
        ]
        keys, extra = sort_keys(order, ordered, columns, node.schema)
        if select.distinct and extra:
            raise SqlError(
                "ORDER BY of SELECT DISTINCT names something that is not selected.",
                where=order[0].expr.place or select.place,
                hint="Select it too.",
            )
        made: n.Node = node
        if not _same(node.schema, [*columns, *extra]):
            made = n.Project(input=node, columns=(*columns, *extra))
        return (build.distinct(made) if select.distinct else made), keys, len(columns)


def _items(select: q.Select, scope: Scope) -> list[Named]:
    found: list[Named] = []
    for index, said in enumerate(select.items):
        if not isinstance(said.expr, q.Star):
            name = said.alias or own_name(said.expr, index)
            found.append(Named(name, named(said.expr, scope)))
            continue
        if select.source is None:
            raise SqlError(
                "There is nothing to select * from.", where=said.expr.place, hint="Add FROM."
            )
        found.extend(star(scope, said.expr.table, said.expr.place))
    return unique(found)


def _with_columns(node: n.Node, columns: tuple[str, ...]) -> n.Node:
    if not columns:
        return node
    if len(columns) != len(node.schema):
        raise PlanError(
            f"{len(columns)} names for {len(node.schema)} columns.",
            hint=f"The columns are: {node.schema}.",
        )
    return build.renamed(node, columns)


def _column(schema: Schema, name: str) -> Named:
    return Named(name, Column(name=name, type=schema.type_of(name)))


def _same(schema: Schema, columns: list[Named]) -> bool:
    return schema.names == tuple(c.name for c in columns) and all(
        isinstance(c.expr, Column) and c.expr.name == c.name for c in columns
    )
