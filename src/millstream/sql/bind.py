"""Gives queries their meaning: names are looked up, groups are cut, plan nodes come out.

in      a query as written, and a :class:`Names` that knows tables, views and functions
out     a plan node whose columns are the query's, in order
bad     UnknownName with near names, TypeMismatch, SqlError, each with its place
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal as PyDecimal
from itertools import count
from typing import Protocol, TypeVar

from millstream import types as t
from millstream.errors import MillstreamError, Place, PlanError, SqlError, TypeMismatch, UnknownName
from millstream.expr.coerce import common_type
from millstream.expr.resolve import cast_to, resolve
from millstream.expr.tree import AggCall, Call, Cast, Column, Expr, Literal, Named, has_aggregate
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.sql import query as q
from millstream.sql.legacy_windows import with_legacy_window
from millstream.sql.windows import WindowFn, window_of
from millstream.types import Schema
from millstream.types.logical import Integer

_Made = TypeVar("_Made")
_DUMMY = Schema((t.Field("_nothing", t.Boolean()),))


class Names(Protocol):
    """What a binder may ask for."""

    def relation(self, name: str) -> n.Node | None:
        """Return the node of a table or view, the same object each time; None = no such name."""

    def relation_names(self) -> Iterable[str]:
        """Return every table and view there is."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """The relation a SELECT reads and the name its columns may be qualified with."""

    node: n.Node
    alias: str | None


@dataclass
class _Group:
    """A grouped SELECT while it is cut: keys and aggregate calls found so far."""

    keys: list[tuple[Expr, Named]]
    taken: set[str]
    calls: list[Named] = field(default_factory=list)

    def fresh(self, prefix: str) -> str:
        """Return a name no column has yet."""
        return _fresh(prefix, self.taken)


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
            by = tuple(_output_key(order, node.schema) for order in query.order)
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
                return self._values(body)
            case q.UnionOf():
                return self._union(body)

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
            left, right = parts[0].schema, parts[-1].schema
            if len(left) != len(right):
                raise SqlError(
                    f"UNION of {len(left)} and {len(right)} columns.",
                    where=step.place,
                    hint=f"Left: ({left}). Right: ({right}).",
                )
            if not step.all:
                parts = [build.distinct(_united(parts, step.place))]
        return parts[0] if len(parts) == 1 else _united(parts, body.place)

    def _values(self, body: q.Rows) -> n.Node:
        width = len(body.rows[0])
        for row in body.rows:
            if len(row) != width:
                raise SqlError(
                    f"A row of VALUES has {len(row)} columns, the first one {width}.",
                    where=row[0].place or body.place,
                )
        rows = [[resolve(cell, Schema(())) for cell in row] for row in body.rows]
        kinds: list[t.LogicalType] = []
        for index in range(width):
            kind = common_type([row[index].typed for row in rows])
            if kind is None:
                raise TypeMismatch(
                    f"Column {index + 1} of VALUES has values of different types.",
                    where=body.rows[0][index].place or body.place,
                    hint="CAST them to one type.",
                )
            kinds.append(kind)
        names = [f"EXPR${i}" for i in range(width)]
        cells = [[_as_literal(c, k) for c, k in zip(row, kinds, strict=True)] for row in rows]
        if all(isinstance(cell, Literal) for row in cells for cell in row):
            literals = tuple(tuple(c for c in row if isinstance(c, Literal)) for row in cells)
            fields = tuple(map(t.Field, names, kinds))
            return n.Values(columns=Schema(fields), rows=literals)
        parts: list[n.Node] = [
            n.Project(
                input=_one_row(),
                columns=tuple(
                    Named(name, cast_to(c, k)) for name, c, k in zip(names, row, kinds, strict=True)
                ),
            )
            for row in rows
        ]
        return parts[0] if len(parts) == 1 else n.Union(parts=tuple(parts))

    # ---- FROM

    def _relation(self, relation: q.Relation | None) -> _Scope:
        match relation:
            case None:
                return _Scope(_one_row(), None)
            case q.TableName():
                node = self._table(relation)
                return _Scope(_with_columns(node, relation.columns), relation.alias)
            case q.SubQuery(query=query, alias=alias, columns=columns):
                return _Scope(_with_columns(self.query(query), columns), alias)
            case WindowFn():
                data = self._relation(relation.data)
                node = _placed(
                    lambda: n.WindowTable(
                        input=data.node, window=window_of(relation), time=relation.time
                    ),
                    relation.place,
                )
                return _Scope(node, relation.alias or data.alias)

    def _table(self, table: q.TableName) -> n.Node:
        found = self._ctes.get(table.name) or self._names.relation(table.name)
        if found is None:
            near = [*self._ctes, *self._names.relation_names()]
            raise UnknownName("table", table.name, available=near, where=table.place)
        return found

    # ---- SELECT

    def _select(
        self, select: q.Select, order: tuple[q.Order, ...]
    ) -> tuple[n.Node, tuple[n.SortKey, ...], int]:
        """Return the node, what it is sorted by, and how many of its columns were selected."""
        scope = self._relation(select.source)
        if select.where is not None:
            scope = replace(scope, node=_filtered(scope, select.where, "WHERE"))
        items = _named_items(select, scope)
        exprs = [item.expr for item in items]
        ordered = [_order_expr(o.expr, items, scope) for o in order]
        having = None if select.having is None else _named(select.having, scope)
        groups = [_named(g, scope) for g in select.group or ()]
        everything = [*exprs, *ordered, *([] if having is None else [having])]
        if having is not None or groups or any(map(has_aggregate, everything)):
            node, cut = _grouped(scope, groups, everything, select.place)
            exprs, ordered = cut[: len(items)], cut[len(items) : len(items) + len(ordered)]
            if having is not None:
                node = _keep(node, cut[-1], "HAVING")
        else:
            node = scope.node
        columns = [
            Named(item.name, _resolved(e, node.schema))
            for item, e in zip(items, exprs, strict=True)
        ]
        keys, extra = _sort_keys(order, ordered, columns, node.schema)
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


def _united(parts: list[n.Node], place: Place) -> n.Node:
    """Return UNION ALL of nodes with equally many columns, each cast to what they meet in."""
    wanted: list[t.Field] = []
    for same in zip(*(part.schema for part in parts), strict=True):
        met = common_type([f.type for f in same])
        if met is None:
            raise TypeMismatch(
                f"UNION of {' and '.join(map(str, same))}.", where=place, hint="CAST one of them."
            )
        wanted.append(t.Field(same[0].name, met))
    schema = Schema(tuple(wanted))
    return n.Union(parts=tuple(build.retyped(part, schema) for part in parts))


# ---- names


def _named(expr: Expr, scope: _Scope) -> Expr:
    """Return ``expr`` with ``t.column`` as a column where ``t`` is the relation's name."""
    schema = scope.node.schema

    def change(node: Expr) -> Expr:
        if not (isinstance(node, Call) and node.function == "FIELD"):
            return node
        left, key = node.args
        if not (isinstance(left, Column) and isinstance(key, Literal)):
            return node
        if left.name == scope.alias and (left.name not in schema or key.value in schema):
            return Column(name=str(key.value), place=node.place)
        if left.name not in schema:
            known = [] if scope.alias is None else [scope.alias]
            raise UnknownName(
                "table or column", left.name, available=[*known, *schema.names], where=left.place
            )
        return node

    return expr.rewrite(change)


def _named_items(select: q.Select, scope: _Scope) -> list[Named]:
    found: list[Named] = []
    for index, said in enumerate(select.items):
        if isinstance(said.expr, q.Star):
            found.extend(_star(said.expr, select, scope))
            continue
        expr = _named(said.expr, scope)
        found.append(Named(said.alias or _own_name(expr, index), expr))
    taken: set[str] = set()
    unique: list[Named] = []
    for item in found:
        # A second column of the same name is renamed as Flink does: a, a0, a1.
        name, tail = item.name, 0
        while name in taken:
            name, tail = f"{item.name}{tail}", tail + 1
        taken.add(name)
        unique.append(Named(name, item.expr))
    return unique


def _star(star: q.Star, select: q.Select, scope: _Scope) -> list[Named]:
    if select.source is None:
        raise SqlError("There is nothing to select * from.", where=star.place, hint="Add FROM.")
    if star.table is not None and star.table != scope.alias:
        known = [] if scope.alias is None else [scope.alias]
        raise UnknownName("table", star.table, available=known, where=star.place)
    return [Named(name, Column(name=name, place=star.place)) for name in scope.node.schema.names]


def _own_name(expr: Expr, index: int) -> str:
    if isinstance(expr, Column):
        return expr.name
    if isinstance(expr, Call) and expr.function == "FIELD" and isinstance(expr.args[1], Literal):
        return str(expr.args[1].value)
    return f"EXPR${index}"


# ---- groups


def _grouped(
    scope: _Scope, groups: list[Expr], exprs: list[Expr], place: Place
) -> tuple[n.Node, list[Expr]]:
    """Return the grouped node, and ``exprs`` over its columns."""
    node, groups, exprs = with_legacy_window(scope.node, groups, exprs)
    schema = node.schema
    state = _Group([], set(schema.names))
    for group in groups:
        bad = next((x for x in group.walk() if isinstance(x, AggCall)), None)
        if bad is not None:
            raise SqlError(
                "GROUP BY of an aggregate.", where=bad.place, hint="Aggregate in a sub-query first."
            )
        if all(group != known for known, _ in state.keys):
            name = group.name if isinstance(group, Column) else state.fresh("_key_")
            state.keys.append((group, Named(name, _resolved(group, schema))))
    cut = [_cut(expr, state, schema) for expr in exprs]
    if not state.keys and not state.calls:
        raise SqlError(
            "HAVING without GROUP BY and without an aggregate.", where=place, hint="Use WHERE."
        )
    made = _placed(
        lambda: build.group(node, [key for _, key in state.keys], state.calls),
        exprs[0].place if exprs else None,
    )
    return made, cut


def _cut(expr: Expr, state: _Group, schema: Schema) -> Expr:
    """Replace group keys and aggregate calls by the columns they become."""
    for group, key in state.keys:
        if expr == group:
            return Column(name=key.name, place=expr.place)
    if isinstance(expr, AggCall):
        for child in expr.children():
            if has_aggregate(child):
                raise SqlError(
                    "An aggregate inside an aggregate.",
                    where=expr.place,
                    hint="Aggregate in a sub-query first.",
                )
        call = _resolved(expr, schema)
        known = next((c.name for c in state.calls if c.expr == call), None)
        if known is None:
            known = state.fresh("_agg_")
            state.calls.append(Named(known, call))
        return Column(name=known, place=expr.place)
    if isinstance(expr, Column):
        schema_type = schema.get(expr.name)
        if schema_type is None:
            raise UnknownName("column", expr.name, available=schema.names, where=expr.place)
        raise SqlError(
            f"The column '{expr.name}' is neither grouped nor aggregated.",
            where=expr.place,
            hint=f"Add it to GROUP BY, or aggregate it: MAX({expr.name}), FIRST_VALUE(…).",
        )
    children = tuple(_cut(child, state, schema) for child in expr.children())
    return expr.with_children(children) if children else expr


# ---- ORDER BY


def _order_expr(expr: Expr, items: list[Named], scope: _Scope) -> Expr:
    """Return what an ORDER BY entry sorts by: a selected column, a position, or an expression."""
    at = q.position(expr)
    if at is not None:
        return items[_checked(at, len(items), expr)].expr
    if isinstance(expr, Column):
        selected = next((item for item in items if item.name == expr.name), None)
        if selected is not None:
            return selected.expr
    return _named(expr, scope)


def _checked(position: int, width: int, expr: Expr) -> int:
    """Return the index of a position."""
    if not 1 <= position <= width:
        raise SqlError(f"ORDER BY {position}: the query has {width} columns.", where=expr.place)
    return position - 1


def _sort_keys(
    order: tuple[q.Order, ...], exprs: list[Expr], columns: list[Named], schema: Schema
) -> tuple[tuple[n.SortKey, ...], list[Named]]:
    keys: list[n.SortKey] = []
    taken = {c.name for c in columns}
    extra: list[Named] = []
    for said, expr in zip(order, exprs, strict=True):
        resolved = _resolved(expr, schema)
        name = next((c.name for c in columns if c.expr == resolved), None)
        if name is None:
            name = _fresh("_order_", taken)
            extra.append(Named(name, resolved))
        keys.append(n.SortKey(name, said.descending, said.nulls_first))
    return tuple(keys), extra


def _output_key(order: q.Order, schema: Schema) -> n.SortKey:
    expr = order.expr
    at = q.position(expr)
    if at is not None:
        name = schema.names[_checked(at, len(schema), expr)]
        return n.SortKey(name, order.descending, order.nulls_first)
    if not isinstance(expr, Column):
        raise SqlError(
            "ORDER BY over UNION or VALUES names columns of the result.",
            where=expr.place,
            hint="Put the union in a sub-query and sort that.",
        )
    if expr.name not in schema:
        raise UnknownName("column", expr.name, available=schema.names, where=expr.place)
    return n.SortKey(expr.name, order.descending, order.nulls_first)


# ---- small things


def _fresh(prefix: str, taken: set[str]) -> str:
    """Return the first of ``prefix0``, ``prefix1``, … that is not taken, and take it."""
    name = next(f"{prefix}{i}" for i in count() if f"{prefix}{i}" not in taken)
    taken.add(name)
    return name


def _filtered(scope: _Scope, predicate: Expr, what: str) -> n.Node:
    return _keep(scope.node, _named(predicate, scope), what)


def _keep(node: n.Node, predicate: Expr, what: str) -> n.Node:
    found = next((x for x in predicate.walk() if isinstance(x, AggCall)), None)
    if found is not None:
        raise SqlError(
            f"{found} looks at many rows and cannot stand in {what}.",
            where=found.place,
            hint="Use HAVING, after GROUP BY.",
        )
    resolved = _resolved(predicate, node.schema)
    if isinstance(resolved.typed, t.Null):
        resolved = cast_to(resolved, t.Boolean())
    return n.Filter(input=node, predicate=resolved)


def _resolved(expr: Expr, schema: Schema) -> Expr:
    return _placed(lambda: resolve(expr, schema), expr.place)


def _placed(make: Callable[[], _Made], place: Place | None) -> _Made:
    """Run ``make``; an error without a place gets this one."""
    try:
        return make()
    except MillstreamError as error:
        if isinstance(error, PlanError) and error.where is None:
            error.where = place
        raise


def _with_columns(node: n.Node, columns: tuple[str, ...]) -> n.Node:
    if not columns:
        return node
    if len(columns) != len(node.schema):
        raise PlanError(
            f"{len(columns)} names for {len(node.schema)} columns.",
            hint=f"The columns are: {node.schema}.",
        )
    return build.renamed(node, columns)


def _one_row() -> n.Node:
    nothing = Literal(value=None, type=t.Boolean())
    return n.Values(columns=_DUMMY, rows=((nothing,),))


def _column(schema: Schema, name: str) -> Named:
    return Named(name, Column(name=name, type=schema.type_of(name)))


def _same(schema: Schema, columns: list[Named]) -> bool:
    return schema.names == tuple(c.name for c in columns) and all(
        isinstance(c.expr, Column) and c.expr.name == c.name for c in columns
    )


def _as_literal(expr: Expr, to: t.LogicalType) -> Expr:
    """Return a constant as one of type ``to`` where that needs no computing."""
    if isinstance(expr, Cast) and isinstance(expr.arg, Literal) and expr.arg.value is None:
        expr = expr.arg
    if not isinstance(expr, Literal):
        return expr
    have = expr.typed
    same = type(have) is type(to) and not isinstance(to, t.Decimal | t.Char | t.Binary)
    if expr.value is None or same or (isinstance(to, t.VarChar) and isinstance(have, t.Char)):
        return replace(expr, type=to)
    if isinstance(have, Integer) and isinstance(to, Integer):
        return replace(expr, type=to)
    if isinstance(have, Integer | t.Decimal) and isinstance(to, t.Decimal):
        return replace(expr, value=PyDecimal(expr.value), type=to)
    if isinstance(have, Integer | t.Decimal) and isinstance(to, t.Double):
        return replace(expr, value=float(expr.value), type=to)
    if have.with_nullable(True) == to.with_nullable(True):
        return replace(expr, type=to)
    return expr
