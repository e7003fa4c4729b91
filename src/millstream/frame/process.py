"""Process functions over a stream: what ``process`` builds.

in      a node, a class or what ``process_function`` made, keys, times
out     the node that calls it
bad     PlanError for a class without on_row, unknown columns, columns of unknown types
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from millstream.errors import PlanError
from millstream.expr import tree
from millstream.expr.udf import process_udf_of
from millstream.frame.udf import Placed, RowType
from millstream.plan.process import Process, process
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from datetime import timedelta

    from millstream.plan.nodes import Node


class ProcessFunction:
    """A Python class that is called per key, row by row; made by :func:`process_function`."""

    def __init__(self, of: tree.ProcessUdf):
        self.udf = of
        functools.update_wrapper(self, of.make, updated=())

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Make the object itself."""
        return self.udf.make(*args, **named)

    def __repr__(self) -> str:
        return f"ProcessFunction({self.udf.name} -> {self.udf.gives})"


@overload
def process_function(kind: Callable[..., Any]) -> ProcessFunction: ...
@overload
def process_function(
    kind: None = None, *, gives: RowType | None = None, name: str | None = None
) -> Callable[[Callable[..., Any]], ProcessFunction]: ...


def process_function(
    kind: Callable[..., Any] | None = None,
    *,
    gives: RowType | None = None,
    name: str | None = None,
) -> ProcessFunction | Callable[[Callable[..., Any]], ProcessFunction]:
    """Make a Python class a process function, for ``stream.process`` and for SQL's FROM.

    The class has ``on_row(self, row, state, ctx)`` and perhaps ``on_timer(self, t, state, ctx)``
    and ``open(self, ctx)``; see ``Stream.process``.

    Args:
        kind: the class.
        gives: the columns it gives behind those of the key: ``"ROW<n INT>"`` or ``{"n": "INT"}``.
        name: its name in messages and plans; that of the class without.

    Returns:
        a ProcessFunction.

    Raises:
        PlanError: if ``on_row`` is missing, or the columns it gives are unknown.

    >>> import millstream as ms
    >>> @ms.process_function(gives={"nth": "INT"})
    ... class Count:
    ...     def on_row(self, row, state, ctx):
    ...         state["n"] = state.get("n", 0) + 1
    ...         yield state["n"]
    >>> clicks = ms.read_memory([{"user": "ada"}, {"user": "ada"}])
    >>> clicks.process(Count, key="user").collect().rows()
    [('ada', 1), ('ada', 2)]
    """

    def make(cls: Callable[..., Any]) -> ProcessFunction:
        with Placed():
            return ProcessFunction(process_udf_of(cls, gives=gives, name=name))

    return make if kind is None else make(kind)


def processed(
    node: Node,
    fn: Any,
    key: str | Sequence[str],
    *,
    gives: RowType | None,
    time: str | None,
    keep_time: str | None,
    ttl: str | timedelta | None,
    args: Mapping[str, Any],
) -> Process:
    """Return the node that calls a process function per key."""
    with Placed():
        if isinstance(fn, ProcessFunction) and gives is None:
            udf = fn.udf
        else:
            kind = fn.udf.make if isinstance(fn, ProcessFunction) else fn
            udf = process_udf_of(kind, gives=gives)
        keys = (key,) if isinstance(key, str) else tuple(key)
        made = process(
            node,
            udf,
            keys,
            args=args,
            time=time,
            time_name=keep_time,
            ttl_ms=0 if ttl is None else duration_ms(ttl),
        )
        if keep_time is not None and made.time is None:
            raise PlanError(
                f"There is no time to keep as '{keep_time}'.",
                hint="Say which one: time='ts', a column of the event or processing time.",
            )
        return made
