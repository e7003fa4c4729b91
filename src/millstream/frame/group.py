"""Groups: what ``group_by`` gives, waiting for ``agg``.

in      keys and perhaps a window
out     with a window: columns ``window_start``, ``window_end``, keys, aggregates; each row once
        without: keys, aggregates; a group's row is updated whenever it changes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.errors import PlanError
from millstream.expr import tree
from millstream.frame.bind import Grouped, bind, bind_row, grouped
from millstream.frame.expression import Expr, to_tree
from millstream.frame.where import here
from millstream.plan import build
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.frame.stream import Stream
    from millstream.frame.windows import WindowSpec
    from millstream.plan.windows import Emit

BOUNDS = ("window_start", "window_end")


class GroupBy:
    """Groups of rows; ``agg`` says what is computed of each."""

    __slots__ = ("_emit", "_keys", "_make", "_node", "_window")

    def __init__(
        self,
        node: n.Node,
        keys: tuple[tree.Named, ...],
        window: WindowSpec | None,
        make: Callable[[n.Node], Stream],
        emit: Emit | None = None,
    ):
        if emit is not None and window is None:
            raise PlanError(
                "emit without a window: such a result comes with every batch anyway.",
                where=here(),
                hint="group_by(…, window=ms.tumble('1m'), emit=…)",
            )
        self._emit = emit
        self._node, self._keys = _with_keys(node, keys)
        self._window = window
        self._make = make

    def __repr__(self) -> str:
        window = "" if self._window is None else f", window={self._window}"
        return f"GroupBy({', '.join(self._keys)}{window})"

    def agg(self, *aggregates: Expr, **named: Expr) -> Stream:
        """Compute one row per group.

        Args:
            aggregates: expressions over aggregates, named by ``alias`` or after their column.
            named: the same under a name; they may combine several aggregates.

        Returns:
            the keys (after ``window_start`` and ``window_end`` where there is a window), then
            the aggregates.

        Raises:
            PlanError: if an expression has no aggregate, or two columns have one name.

        >>> import millstream as ms
        >>> sales = ms.read_memory([{"k": "a", "v": 1}, {"k": "a", "v": 3}, {"k": "b", "v": 5}])
        >>> mean = sales.group_by("k").agg(n=ms.count(), mean=ms.col("v").sum() / ms.count())
        >>> sorted(mean.collect().rows())
        [('a', 2, 2.0), ('b', 1, 5.0)]
        """
        items = [a.named() for a in aggregates]
        items += [tree.Named(name, to_tree(value)) for name, value in named.items()]
        if not items and not self._keys:
            raise PlanError("Nothing to compute.", where=here(), hint="agg(n=ms.count())")
        taken = (*BOUNDS, *self._keys) if self._window is not None else self._keys
        parts = grouped(items, self._node.schema, taken)
        if self._window is not None:
            return self._windowed(parts, self._window)
        keys = [tree.Named(k, bind(tree.Column(k), self._node.schema)) for k in self._keys]
        # Grouping by the bounds that rows carry from a window below is a window again.
        return self._finish(build.group(self._node, keys, parts.aggs), self._keys, parts)

    def _windowed(self, parts: Grouped, spec: WindowSpec) -> Stream:
        time = spec.on or Upwards(Tables()).of(self._node).time
        if time is None:
            raise PlanError(
                "This stream has no event time, and a window needs one.",
                where=here(),
                hint="Say it where the stream is read: event_time='ts', watermark='5s'; "
                "or pass the event-time column on.",
            )
        self._node.schema.type_of(time)
        made = n.WindowAggregate(
            input=self._node,
            window=spec.window,
            time=time,
            keys=self._keys,
            aggs=parts.aggs,
            window_start=BOUNDS[0],
            window_end=BOUNDS[1],
            window_time=spec.keep_time,
            emit=self._emit,
        )
        kept = BOUNDS if spec.keep_time is None else (*BOUNDS, spec.keep_time)
        return self._finish(made, (*kept, *self._keys), parts)

    def _finish(self, made: n.Node, keys: tuple[str, ...], parts: Grouped) -> Stream:
        """Compute what stands around the aggregates, and put the columns in order."""
        wanted = [tree.Named(k, tree.Column(k)) for k in keys]
        columns = tuple(
            tree.Named(c.name, bind(c.expr, made.schema)) for c in (*wanted, *parts.after)
        )
        same = made.schema.names == tuple(c.name for c in columns)
        plain = all(isinstance(c.expr, tree.Column) and c.expr.name == c.name for c in columns)
        return self._make(made if same and plain else n.Project(input=made, columns=columns))


def _with_keys(node: n.Node, keys: tuple[tree.Named, ...]) -> tuple[n.Node, tuple[str, ...]]:
    """Compute the keys that are not columns yet, beside all the columns there are."""
    bound = [tree.Named(k.name, bind_row(k.expr, node.schema, "group_by")) for k in keys]
    new = [k for k in bound if not (isinstance(k.expr, tree.Column) and k.expr.name == k.name)]
    if new:
        replaced = {k.name for k in new}
        kept = [
            tree.Named(f.name, tree.Column(f.name, type=f.type))
            for f in node.schema
            if f.name not in replaced
        ]
        node = n.Project(input=node, columns=(*kept, *new))
    return node, tuple(k.name for k in keys)
