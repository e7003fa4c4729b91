"""Live views: tables of this process that follow a stream, for queries, screens and subscribers.

in      a stream's node, a name, what was said of key, size, age and drawing
out     a sink that fills a :class:`~millstream.connect.live_view.LiveView`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.errors import PlanError
from millstream.frame.facts import facts_of
from millstream.frame.sink import Sink
from millstream.frame.tables import sink_table
from millstream.plan.materialize import ROW, Materialize
from millstream.plan.nodes import Write
from millstream.ports.views import ViewOptions, view_options
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    import polars as pl

    from millstream.connect.live_view import At, LiveView
    from millstream.plan.nodes import Node


class Viewed(Sink):
    """What ``stream.view`` and ``stream.chart`` give: a sink whose rows are looked at here.

    >>> import millstream as ms
    >>> orders = ms.read_memory([{"country": "de", "v": 1}, {"country": "de", "v": 2}])
    >>> sales = orders.group_by("country").agg(v=ms.col("v").sum()).view("sales")
    >>> sales.run().ended
    'completed'
    >>> sales.frame().rows()
    [('de', 3)]
    """

    __slots__ = ("_live",)

    def __init__(self, node: Write, live: LiveView) -> None:
        self._live = live
        super().__init__(node)

    @property
    def live(self) -> LiveView:
        """The rows, with their versions."""
        return self._live

    def frame(self, *, at: At = "newest") -> pl.DataFrame:
        """Return the rows as they stand; ``at="committed"``: as the last checkpoint has them.

        Raises:
            CheckpointError: for committed rows where no checkpoints are kept.
        """
        return self._live.at(at).frame()

    def _repr_html_(self) -> str:
        """Show the view in a notebook, as the dashboard would draw it."""
        from millstream.frame.notebook import view_html

        return view_html(self._live)

    def _followed(self) -> LiveView:
        return self._live


def viewed(node: Node, name: str, options: ViewOptions) -> Viewed:
    """Return the sink of a view."""
    from millstream.connect.live_view import LiveView

    if "/" in name:
        raise PlanError(
            f"A view cannot be called '{name}': its name is a part of addresses.",
            hint="Leave the '/' out.",
        )
    facts, key = facts_of(node), options.key_columns
    if key is None and facts.updates and facts.keys:
        key = facts.keys[0]
    rows = Materialize(input=node, key=key, rows_max=options.rows_max, ttl_ms=options.ttl_ms)
    live = LiveView(
        name,
        node.schema,
        key=key,
        rows_max=options.rows_max,
        ttl_ms=options.ttl_ms,
        chart=options.chart,
    )
    table = sink_table("view", name, rows.schema, {"target": live}, primary_key=(ROW,))
    return Viewed(Write(input=rows, table=table), live)


def said_of_view(
    node: Node,
    name: str,
    *,
    key: Any = None,
    rows_max: int | None = None,
    ttl: Any = None,
    chart: dict[str, Any] | None = None,
) -> ViewOptions:
    """Return what Python's arguments say."""
    given: dict[str, Any] = {"key": key, "rows-max": rows_max}
    given["ttl"] = None if ttl is None else duration_ms(ttl)
    for what, value in (chart or {}).items():
        many = isinstance(value, list | tuple)
        given[f"chart.{what}"] = ",".join(value) if many else value
    said = {what: value for what, value in given.items() if value is not None}
    return view_options(said, node.schema, owner=f"view '{name}'")
