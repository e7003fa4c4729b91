"""Table functions over a stream: what ``flat_map`` builds.

in      a node, a table function, its arguments as expressions or names of columns
out     the node that calls it
bad     PlanError for what is no table function, and where a column is there already
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.errors import PlanError
from millstream.expr import tree
from millstream.frame.bind import bind_row
from millstream.frame.expression import Expr, to_tree
from millstream.frame.udf import TableFunction
from millstream.frame.where import here
from millstream.plan.table_function import CallTable, names_given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.plan.nodes import Node


def called(
    node: Node,
    function: Any,
    args: Sequence[Expr | str],
    *,
    outer: bool,
    names: Sequence[str],
) -> Node:
    """Return the node that calls a table function for each row."""
    if not isinstance(function, TableFunction):
        raise PlanError(
            f"{getattr(function, '__name__', repr(function))} is no table function.",
            where=here(),
            hint="Make it one: @ms.udtf(result='ROW<word STRING, n INT>').",
        )
    given = tuple(
        tree.Column(name=a, place=here()) if isinstance(a, str) else to_tree(a) for a in args
    )
    said = tree.TableCall(udf=function.udf, args=given, place=here())
    call = bind_row(said, node.schema, "flat_map")
    assert isinstance(call, tree.TableCall), "binding keeps the call"
    columns = names_given(call, names)
    double = next((c for c in columns if c in node.schema), None)
    if double is not None:
        raise PlanError(
            f"There is a column '{double}' already.",
            where=here(),
            hint="Give what the function gives other names: names=('…',).",
        )
    return CallTable(input=node, call=call, columns=columns, outer=outer)
