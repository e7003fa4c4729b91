"""Binds GROUP BY: group keys and aggregates become columns of a grouped node.

in      the node that is grouped, the group expressions, and those that read the groups
out     the grouped node, and the reading expressions over its columns
bad     SqlError: a column that is neither grouped nor aggregated, aggregates inside aggregates
"""

from __future__ import annotations

from dataclasses import dataclass, field

from millstream.errors import Place, SqlError, UnknownName
from millstream.expr.tree import AggCall, Column, Expr, Named, has_aggregate
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.sql.legacy_windows import with_legacy_window
from millstream.sql.meaning import fresh, placed, resolved
from millstream.types import Schema


@dataclass
class _Group:
    """A grouped SELECT while it is cut: keys and aggregate calls found so far."""

    keys: list[tuple[Expr, Named]]
    taken: set[str]
    calls: list[Named] = field(default_factory=list)

    def fresh(self, prefix: str) -> str:
        """Return a name no column has yet."""
        return fresh(prefix, self.taken)


def grouped(
    node: n.Node, groups: list[Expr], exprs: list[Expr], place: Place
) -> tuple[n.Node, list[Expr]]:
    """Return the grouped node, and ``exprs`` over its columns."""
    node, groups, exprs = with_legacy_window(node, groups, exprs)
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
            state.keys.append((group, Named(name, resolved(group, schema))))
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
