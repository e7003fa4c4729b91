"""A query's result kept in this process: the sink of ``collect``, ``show``, ``test`` and the shell.

in      a node
out     a Write to memory and the View it fills
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.frame.facts import facts_of
from millstream.frame.tables import sink_table
from millstream.frame.view import View
from millstream.plan.nodes import Node, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl


def view_of(
    node: Node,
    *,
    rows_max: int | None,
    on_rows: Callable[[pl.DataFrame], None] | None = None,
    folded: bool = True,
) -> View:
    """Return an empty view that fits a node's result; ``folded=False`` keeps no rows at all."""
    facts = facts_of(node)
    key = facts.keys[0] if facts.updates and facts.keys else None
    return View(
        node.schema.names,
        key=key,
        updating=facts.updates,
        rows_max=rows_max,
        on_rows=on_rows,
        folded=folded,
    )


def kept(node: Node, view: View, name: str = "result") -> Write:
    """Return the plan that fills a view."""
    return Write(input=node, table=sink_table("memory", name, node.schema, {"target": view}))
