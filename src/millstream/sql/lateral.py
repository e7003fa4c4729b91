"""Binds what stands behind JOIN and reads the left side: UNNEST, LATERAL (SELECT …).

in      the left scope, and the join as written
out     the scope with the columns of the right side
bad     SqlError: other joins than CROSS and LEFT … ON TRUE, other numbers of column names
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from millstream.errors import SqlError, Unsupported
from millstream.expr.resolve import resolve
from millstream.expr.tree import Column, Expr, Literal, Named, columns_of
from millstream.plan import nodes as n
from millstream.plan.expand import Expand, Unnest, element_columns
from millstream.plan.joining import all_of, fresh_names, join, renamed_in
from millstream.plan.joins import JoinKind
from millstream.sql.from_ import Bind, check_aliases, on_parts
from millstream.sql.joined import JoinOf, Lateral, UnnestOf
from millstream.sql.meaning import fresh, resolved
from millstream.sql.outer import as_columns, no_outside
from millstream.sql.query import Query
from millstream.sql.scope import Scope, Seen, named
from millstream.sql.subquery import Sub
from millstream.types import Field, Schema


def bind_unnest(said: JoinOf, bind: Bind) -> Scope:
    """Return the scope of a join with the elements of a collection of the left side."""
    unnest = said.right
    assert isinstance(unnest, UnnestOf), "the caller looked"
    left = bind(said.left)
    expr = resolved(named(unnest.expr, left), left.schema)
    no_outside((expr,), "UNNEST")
    outer, more = _lateral_kind(said)
    if outer and more is not None:
        raise Unsupported(
            "LEFT JOIN UNNEST with a condition.",
            where=more.place,
            hint="Write LEFT JOIN UNNEST(…) ON TRUE and ask in WHERE.",
        )
    # It is a matter of one part where it reads one: the others are joined with the result.
    owners = [i for i, p in enumerate(left.parts) if columns_of(expr) & set(p.schema.names)]
    if len(owners) != 1:
        left = left.joined()
        owners = [0]
    part, seen = _unnested(left.parts[owners[0]], expr, unnest, outer, set(left.schema.names))
    parts = (*left.parts[: owners[0]], part, *left.parts[owners[0] + 1 :])
    made = replace(left, parts=parts, seen=(*left.seen, seen))
    check_aliases(left, replace(left, seen=(seen,)), said.place)
    if more is None:
        return made
    return replace(made, conditions=(*made.conditions, *on_parts(more, made)))


def unnest_alone(unnest: UnnestOf, one_row: n.Node) -> Scope:
    """Return the scope of UNNEST of constants, which stands in FROM by itself."""
    expr = resolved(unnest.expr, Schema(()))
    node, seen = _unnested(one_row, expr, unnest, False, set())
    return Scope((node,), (seen,))


def _unnested(
    node: n.Node, expr: Expr, unnest: UnnestOf, outer: bool, taken: set[str]
) -> tuple[n.Node, Seen]:
    fields = element_columns(expr.typed, ordinality=unnest.ordinality, place=unnest.expr.place)
    said = unnest.columns or tuple(f.name for f in fields)
    if len(said) == 1 and not unnest.columns and unnest.alias is not None:
        said = (unnest.alias,)
    if len(said) != len(fields):
        raise SqlError(
            f"{len(said)} names for the {len(fields)} columns of UNNEST.",
            where=unnest.place,
            hint=f"It gives: {Schema(fields)}.",
        )
    own = set(node.schema.names)
    names = fresh_names(said, taken | own)
    at, hidden = node, ""
    if isinstance(expr, Column):
        column = expr.name
    else:
        column = hidden = fresh("_unnest_", taken | own | set(names.values()))
        kept = (Named(f.name, Column(f.name, type=f.type)) for f in node.schema)
        at = n.Project(input=node, columns=(*kept, Named(column, expr)))
    columns = Schema(tuple(Field(names[s], f.type) for s, f in zip(said, fields, strict=True)))
    made: n.Node = Expand(
        input=at, call=Unnest(column, unnest.ordinality), columns=columns, outer=outer
    )
    if hidden:
        rest = (Named(f.name, Column(f.name, type=f.type)) for f in made.schema)
        made = n.Project(input=made, columns=tuple(c for c in rest if c.name != hidden))
    return made, Seen(unnest.alias, names)


def _lateral_kind(said: JoinOf) -> tuple[bool, Expr | None]:
    """Return whether the join is outer, and its condition unless it is TRUE."""
    on = None if isinstance(said.on, Literal) and said.on.value is True else said.on
    if said.kind not in (JoinKind.INNER, JoinKind.LEFT) or said.using or said.natural:
        raise SqlError(
            f"{said.kind.value} JOIN with what reads the left side.",
            where=said.place,
            hint="Write CROSS JOIN …, or LEFT JOIN … ON TRUE.",
        )
    return said.kind is JoinKind.LEFT, on


def bind_lateral(said: JoinOf, bind: Bind, sub: Callable[[Query, Scope], Sub]) -> Scope:
    """Return the scope of a join with a sub-query that reads the left side."""
    lateral = said.right
    assert isinstance(lateral, Lateral), "the caller looked"
    left = bind(said.left).joined()
    query = lateral.data
    outer, more = _lateral_kind(said)
    inner = sub(query.query, left)
    names = inner.node.schema.names
    shown = query.columns or names[: inner.width]
    if len(shown) != inner.width:
        raise SqlError(
            f"{len(shown)} names for {inner.width} columns.", where=query.place,
            hint=f"The columns are: {Schema(inner.node.schema.fields[: inner.width])}.",
        )  # fmt: skip
    if any(e is not None for e in inner.empty):
        raise Unsupported(
            "LATERAL with COUNT of the rows that meet a row of the left side.",
            where=query.place,
            hint="Write it as a column: SELECT …, (SELECT COUNT(*) FROM … WHERE …) AS n.",
        )
    right = Scope(
        (inner.node,),
        (Seen(query.alias, dict(zip(shown, names[: inner.width], strict=True))),),
    )
    check_aliases(left, right, said.place)
    both, renamed = left.beside(right)
    conditions = [
        resolve(as_columns(renamed_in(part, renamed)), both.schema) for part in inner.lifted
    ]
    if more is not None:
        conditions += on_parts(more, both)
    # An aggregate of no rows is a row of NULLs: its columns are there for every left row.
    kind = JoinKind.LEFT if outer or inner.empty else JoinKind.INNER
    a, b = both.parts
    return both.over(join(a, b, kind, all_of(conditions)))
