"""Binds LATERAL TABLE(f(x)): a user's table function over the relations before it.

in      the left scope, the join as written, the functions there are
out     the scope with the columns the function gives
bad     UnknownName for a function that is not there; SqlError for one that is no table function
        and for other joins than CROSS and LEFT … ON TRUE
"""

from __future__ import annotations

from collections.abc import Mapping

from millstream.errors import SqlError, UnknownName, Unsupported
from millstream.expr.tree import Expr, Function, Literal, TableCall, TableUdf
from millstream.plan import nodes as n
from millstream.plan.joining import fresh_names
from millstream.plan.joins import JoinKind
from millstream.plan.table_function import CallTable, names_given
from millstream.sql.from_ import Bind, check_aliases, on_parts
from millstream.sql.joined import FunctionOf, JoinOf
from millstream.sql.meaning import resolved
from millstream.sql.outer import no_outside
from millstream.sql.scope import Scope, Seen, named
from millstream.types import Schema

Functions = Mapping[str, Function]


def bind_table_function(said: JoinOf, bind: Bind, functions: Functions) -> Scope:
    """Return the scope of a join with what a table function gives for each row."""
    function = said.right
    assert isinstance(function, FunctionOf), "the caller looked"
    left = bind(said.left).joined()
    outer, more = _kind(said)
    args = tuple(named(arg, left) for arg in function.args)
    no_outside(args, "the arguments of a table function")
    made, seen = _called(left.node, function, args, functions, outer=outer)
    check_aliases(left, Scope((made,), (seen,)), said.place)
    both = Scope(
        (made,), (*left.seen, seen), merged=left.merged, outer=left.outer, lifted=left.lifted
    )
    if more is None:
        return both
    return Scope(
        both.parts, both.seen, both.merged, tuple(on_parts(more, both)), both.outer, both.lifted
    )


def function_alone(function: FunctionOf, one_row: n.Node, functions: Functions) -> Scope:
    """Return the scope of a table function of constants, which stands in FROM by itself."""
    args = tuple(resolved(arg, Schema(())) for arg in function.args)
    made, seen = _called(one_row, function, args, functions, outer=False)
    return Scope((made,), (seen,))


def _called(
    node: n.Node,
    function: FunctionOf,
    args: tuple[Expr, ...],
    functions: Functions,
    *,
    outer: bool,
) -> tuple[n.Node, Seen]:
    call = resolved(
        TableCall(udf=_table_udf(function, functions), args=args, place=function.place), node.schema
    )
    assert isinstance(call, TableCall), "resolving keeps the call"
    said = names_given(call, function.columns)
    names = fresh_names(said, set(node.schema.names))
    made = CallTable(input=node, call=call, columns=tuple(names[s] for s in said), outer=outer)
    return made, Seen(function.alias, {s: names[s] for s in said})


def _table_udf(function: FunctionOf, functions: Functions) -> TableUdf:
    found = functions.get(function.name.upper())
    if found is None:
        known = [name for name, f in functions.items() if isinstance(f, TableUdf)]
        raise UnknownName("table function", function.name, available=known, where=function.place)
    if not isinstance(found, TableUdf):
        raise SqlError(
            f"{function.name} is no table function: it gives values, not rows.",
            where=function.place,
            hint="Make it one with @ms.udtf, or call it in SELECT.",
        )
    return found


def _kind(said: JoinOf) -> tuple[bool, Expr | None]:
    """Return whether the join is outer, and its condition unless it is TRUE."""
    on = None if isinstance(said.on, Literal) and said.on.value is True else said.on
    if said.kind not in (JoinKind.INNER, JoinKind.LEFT) or said.using or said.natural:
        raise SqlError(
            f"{said.kind.value} JOIN with a table function of the left side.",
            where=said.place,
            hint="Write CROSS JOIN LATERAL TABLE(…), or LEFT JOIN LATERAL TABLE(…) ON TRUE.",
        )
    if said.kind is JoinKind.LEFT and on is not None:
        raise Unsupported(
            "LEFT JOIN LATERAL TABLE(…) with a condition.",
            where=on.place,
            hint="Write ON TRUE and ask in WHERE.",
        )
    return said.kind is JoinKind.LEFT, on
