"""A sink: a stream and the table it is written to, ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.frame import context

if TYPE_CHECKING:
    import polars as pl

    from millstream.engine.progress import Summary
    from millstream.frame.notebook import Followed
    from millstream.frame.plots import Figure
    from millstream.frame.view import View
    from millstream.job import Running
    from millstream.plan.nodes import Write


class Sink:
    """What ``write_…`` and ``show`` give; run it alone, or together with others by ``ms.run``.

    >>> import millstream as ms
    >>> sink = ms.read_memory([{"x": 1}]).write_memory("numbers")
    >>> sink.run().ended
    'completed'
    >>> sink.frame().rows()
    [(1,)]
    """

    __slots__ = ("_node", "_shown", "_view")

    def __init__(self, node: Write, view: View | None = None, *, shown: bool = False):
        self._node = node
        self._view = view
        self._shown = shown
        context.declare(self)

    @property
    def node(self) -> Write:
        """The plan that ends in this sink."""
        return self._node

    @property
    def name(self) -> str:
        """The name of the table it writes."""
        return self._node.table.name

    @property
    def view(self) -> View | None:
        """The live result, for sinks that keep one in memory."""
        return self._view

    @property
    def shown(self) -> bool:
        """Whether it is drawn on the screen while it runs."""
        return self._shown

    def __repr__(self) -> str:
        return f"Sink({self.name} [{self._node.table.connector}])"

    def _repr_html_(self) -> str:
        """Show in a notebook what is kept here, or where the rows go."""
        from millstream.frame.notebook import sink_html

        return sink_html(self)

    def _ipython_display_(self) -> None:
        """Show it in IPython, and follow the rows while they change."""
        from millstream.frame.notebook import displayed

        displayed(repr(self), self._repr_html_, self._followed())

    def _followed(self) -> Followed | None:
        return self._view

    def plot(self, kind: str | None = None, **said: Any) -> Figure:
        """Draw the rows as they stand; see ``ms.plot``.

        Raises:
            PlanError: for a sink that keeps nothing in this process, or nothing yet.
        """
        from millstream.frame.plots import plot

        return plot(self, kind, **said)

    def frame(self) -> pl.DataFrame:
        """Return the rows as they stand, for ``show`` and ``write_memory``.

        Raises:
            PlanError: for a sink that keeps nothing in this process.
        """
        from millstream.errors import PlanError

        if self._view is None:
            raise PlanError(
                f"The sink '{self.name}' keeps no rows here: it writes to "
                f"{self._node.table.connector}.",
                hint="Use stream.collect(), or write_memory() beside it.",
            )
        return self._view.frame()

    def run(self, **settings: Any) -> Summary:
        """Run this sink alone; see ``ms.run``."""
        from millstream.frame.run import run

        return run(self, **settings)

    def start(self, **settings: Any) -> Running:
        """Start this sink alone in the background; see ``ms.start``."""
        from millstream.frame.run import start

        return start(self, **settings)

    def explain(self, *, analyze: bool = False, for_s: float | None = None) -> str:
        """Return the plan of this sink as text; see ``ms.explain``."""
        from millstream.frame.run import explain

        return explain(self, analyze=analyze, for_s=for_s)
