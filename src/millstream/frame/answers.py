"""Prints the answer of a query on standard output, in the way its kind asks for.

in      a node, settings, something that conducts jobs, a shape
out     rows on standard output; the signal that ended the query, if one did

=============  =========================  ================================
the query      its rows only come         its rows change
=============  =========================  ================================
ends           each row as it comes       the final rows, at the end
never ends     each row as it comes       only with ``changelog``
on a terminal  table: one that follows    table: one that follows
=============  =========================  ================================

With ``changelog`` each change is printed as it comes, whatever the query.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from millstream.errors import PlanError
from millstream.frame.facts import facts_of
from millstream.frame.results import kept, view_of
from millstream.frame.rowtext import RowWriter, Shape
from millstream.frame.screen import print_frame
from millstream.frame.sink import Sink
from millstream.job import Job
from millstream.plan.nodes import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from millstream.frame.conduct import Conducted
    from millstream.plan.nodes import Node
    from millstream.settings import Settings

FOLLOWED_ROWS_MAX = 10_000


class Conducts(Protocol):
    """Runs a job, showing its progress."""

    def conduct(self, job: Job, sinks: Sequence[Any] = (), *, transient: bool = False) -> Conducted:
        """Run a job to its end; what is drawn meanwhile is wiped where it is ``transient``."""
        ...

    def wipe(self) -> None:
        """Remove what is drawn on the current line, before rows are printed."""
        ...


def answer(
    node: Node, settings: Settings, conductor: Conducts, shape_name: str, *, changelog: bool
) -> int | None:
    """Run a query and print its rows; returns the number of the signal that ended it, or None."""
    shape, facts = Shape(shape_name), facts_of(node)
    if not changelog and not facts.bounded and shape is Shape.TABLE and sys.stdout.isatty():
        return _follow(node, settings, conductor)
    if facts.updates and not changelog:
        if not facts.bounded:
            raise PlanError(
                "The rows of this query change and it never ends, so none of them is final.",
                hint="Add --changelog to see each change, or group by a window.",
            )
        return _final(node, settings, conductor, shape)
    if shape is Shape.TABLE and facts.bounded and not changelog:
        return _final(node, settings, conductor, shape)
    return _as_they_come(
        node, settings, conductor, RowWriter(node.schema, shape, changes=changelog)
    )


def _follow(node: Node, settings: Settings, conductor: Conducts) -> int | None:
    view = view_of(node, rows_max=FOLLOWED_ROWS_MAX)
    sink = Sink(kept(node, view), view, shown=True)
    return conductor.conduct(Job(Plan((sink.node,)), settings), (sink,)).signal


def _final(node: Node, settings: Settings, conductor: Conducts, shape: Shape) -> int | None:
    view = view_of(node, rows_max=None)
    write = kept(node, view)
    job = Job(Plan((write,)), settings)
    if shape is Shape.TABLE and sys.stdout.isatty():
        done = conductor.conduct(job, (Sink(write, view, shown=True),), transient=True)
    else:
        done = conductor.conduct(job)
    frame = view.frame()
    writer = RowWriter(node.schema, shape, changes=False)
    if shape is Shape.TABLE:
        print_frame(frame, node.schema)
    else:
        _print([*writer.head(), *(writer.lines(frame) if frame.height else ())])
    return done.signal


def _as_they_come(
    node: Node, settings: Settings, conductor: Conducts, writer: RowWriter
) -> int | None:
    head = writer.head()  # printed with the first rows: a query that fails prints nothing

    def out(frame: pl.DataFrame) -> None:
        if frame.height:
            conductor.wipe()
            _print([*head, *writer.lines(frame)])
            head.clear()

    # The view only passes rows on: what was printed need not be kept.
    view = view_of(node, rows_max=0, on_rows=out, folded=False)
    done = conductor.conduct(Job(Plan((kept(node, view),)), settings))
    _print(head)
    return done.signal


def _print(lines: list[str]) -> None:
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
