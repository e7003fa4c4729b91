"""Binds GROUP BY: group keys and aggregates become columns of a grouped node.

in      the node that is grouped, the group expressions, and those that read the groups
out     the grouped node, and the reading expressions over its columns
bad     SqlError: a column that is neither grouped nor aggregated, aggregates inside aggregates
"""

from __future__ import annotations

from dataclasses import dataclass, field

from millstream.errors import Place, SqlError, UnknownName, Unsupported
from millstream.expr.tree import AggCall, Call, Column, Expr, Literal, Named, has_aggregate
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.sql.grouping_sets import GROUPING, Sets, Spread, not_a_key, spread
from millstream.sql.legacy_windows import with_legacy_window
from millstream.sql.meaning import fresh, placed, resolved
from millstream.types import BigInt, Schema


@dataclass
class _Group:
    """A grouped SELECT while it is cut: keys and aggregate calls found so far."""

    keys: list[tuple[Expr, Named]]
    taken: set[str]
    calls: list[Named] = field(default_factory=list)
    spread: Spread | None = None

    def fresh(self, prefix: str) -> str:
        """Return a name no column has yet."""
        return fresh(prefix, self.taken)


def grouped(
    node: n.Node, groups: list[Expr], exprs: list[Expr], place: Place, sets: Sets = ()
) -> tuple[n.Node, list[Expr]]:
    """Return the grouped node, and ``exprs`` over its columns; ``sets`` are GROUPING SETS."""
    said = groups
    node, groups, exprs = with_legacy_window(node, groups, exprs)
    _check_keys(groups)
    if sets:
        found = spread(node, groups, _with_window(sets, said, groups))
        node = found.node
        state = _Group([], set(node.schema.names), spread=found)
        hidden = [found.left_out] if found.number is None else [found.left_out, found.number]
        for group, name in (*found.keys, *((Column(name=h), h) for h in hidden)):
            key = Column(name, type=node.schema.type_of(name), place=group.place)
            state.keys.append((group, Named(name, key)))
    else:
        state = _Group([], set(node.schema.names))
        _add_keys(state, groups, node.schema)
    schema = node.schema
    cut = [_cut(expr, state, schema) for expr in exprs]
    if not state.keys and not state.calls:
        raise SqlError(
            "HAVING without GROUP BY and without an aggregate.", where=place, hint="Use WHERE."
        )
    made = placed(
        lambda: build.group(node, [key for _, key in state.keys], state.calls),
        exprs[0].place if exprs else None,
    )
    return made, cut


def _check_keys(groups: list[Expr]) -> None:
    for group in groups:
        bad = next((x for x in group.walk() if isinstance(x, AggCall)), None)
        if bad is not None:
            raise SqlError(
                "GROUP BY of an aggregate.", where=bad.place, hint="Aggregate in a sub-query first."
            )


def _add_keys(state: _Group, groups: list[Expr], schema: Schema) -> None:
    for group in groups:
        if all(group != known for known, _ in state.keys):
            name = group.name if isinstance(group, Column) else state.fresh("_key_")
            state.keys.append((group, Named(name, resolved(group, schema))))


def _with_window(sets: Sets, said: list[Expr], groups: list[Expr]) -> Sets:
    """Put the bounds of a window in the older syntax into every set instead of its call."""
    if said == groups:
        return sets
    bounds = tuple(g for g in groups if g not in said)
    kept = [g for g in said if g in groups]
    if len(bounds) + len(kept) != len(groups) or len(kept) + 1 != len(said):
        raise Unsupported(
            "GROUPING SETS with a SESSION in GROUP BY.",
            where=said[0].place,
            hint="Use FROM SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), …) and group by its "
            "window_start and window_end.",
        )
    return tuple((*bounds, *(g for g in one if g in kept)) for one in sets)


def _cut(expr: Expr, state: _Group, schema: Schema) -> Expr:
    """Replace group keys and aggregate calls by the columns they become."""
    for group, key in state.keys:
        if expr == group:
            return Column(name=key.name, place=expr.place)
    if isinstance(expr, Call) and expr.function in GROUPING:
        return _grouping(expr, state)
    if isinstance(expr, AggCall):
        for child in expr.children():
            if has_aggregate(child):
                raise SqlError(
                    "An aggregate inside an aggregate.",
                    where=expr.place,
                    hint="Aggregate in a sub-query first.",
                )
        call = resolved(expr, schema)
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


def _grouping(call: Call, state: _Group) -> Expr:
    """Return GROUPING (…): 0 where there is one set only."""
    if state.spread is not None:
        return state.spread.grouping(call)
    for arg in call.args:
        if all(arg != key for key, _ in state.keys):
            raise not_a_key(call, arg)
    return Literal(0, type=BigInt(nullable=False), place=call.place)
