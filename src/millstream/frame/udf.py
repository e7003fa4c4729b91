"""Functions of your own, for expressions and for SQL.

in      a Python function, its types from annotations or given
out     something to call in expressions; its ``udf`` is what SQL's CREATE FUNCTION loads
bad     PlanError where a type is neither annotated nor given
"""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable, Sequence
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, overload

from millstream import types as t
from millstream.errors import PlanError
from millstream.expr import tree
from millstream.frame.expression import Expr, Value, to_tree
from millstream.frame.where import here
from millstream.types import LogicalType, parse_type

_TYPES: dict[Any, LogicalType] = {
    bool: t.Boolean(),
    int: t.BigInt(),
    float: t.Double(),
    str: t.VarChar(),
    bytes: t.VarBinary(),
    Decimal: t.Decimal(38, 18),
    dt.date: t.Date(),
    dt.time: t.Time(6),
    dt.datetime: t.Timestamp(6),
    dt.timedelta: t.IntervalDay(),
}


class Function:
    """A Python function that expressions can call; made by :func:`udf`."""

    def __init__(self, of: tree.Udf):
        self.udf = of
        functools.update_wrapper(self, of.fn)

    def __call__(self, *args: Value) -> Any:
        """Build an expression; without any expression among the arguments, just call."""
        if not any(isinstance(a, Expr) for a in args):
            return self.udf.fn(*args)
        return Expr(tree.UdfCall(self.udf, tuple(map(to_tree, args)), place=here()))

    def __repr__(self) -> str:
        args = "…" if self.udf.args is None else ", ".join(map(str, self.udf.args))
        return f"Function({self.udf.name}({args}) -> {self.udf.result})"


@overload
def udf(function: Callable[..., Any]) -> Function: ...
@overload
def udf(
    function: None = None,
    *,
    args: Sequence[LogicalType | str] | None = None,
    result: LogicalType | str | None = None,
    vectorised: bool = False,
    deterministic: bool = True,
    nulls_call: bool = True,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Function]: ...


def udf(
    function: Callable[..., Any] | None = None,
    *,
    args: Sequence[LogicalType | str] | None = None,
    result: LogicalType | str | None = None,
    vectorised: bool = False,
    deterministic: bool = True,
    nulls_call: bool = True,
    name: str | None = None,
) -> Function | Callable[[Callable[..., Any]], Function]:
    """Make a Python function callable in expressions and in SQL.

    Args:
        function: called with one row's values; ``vectorised``: with Polars Series.
        args: SQL types of the arguments; from the annotations without.
        result: SQL type of the result; from the annotation without.
        vectorised: takes and gives whole columns, which is much faster.
        deterministic: the same arguments always give the same result.
        nulls_call: False: a NULL argument gives NULL without a call.
        name: its name in plans and messages.

    Raises:
        PlanError: where a type is neither annotated nor given.

    >>> import millstream as ms
    >>> @ms.udf
    ... def initials(first: str, last: str) -> str:
    ...     return first[0] + last[0]
    >>> people = ms.read_memory([{"first": "Ada", "last": "Lovelace"}])
    >>> people.select(who=initials(ms.col("first"), ms.col("last"))).collect().rows()
    [('AL',)]
    """

    def make(fn: Callable[..., Any]) -> Function:
        taken, given = _types(fn, args, result, vectorised=vectorised)
        made = tree.Udf(
            name=name or str(getattr(fn, "__name__", "function")),
            fn=fn,
            args=taken,
            result=given,
            vectorised=vectorised,
            deterministic=deterministic,
            nulls_call=nulls_call,
        )
        return Function(made)

    return make if function is None else make(function)


def _types(
    fn: Callable[..., Any],
    args: Sequence[LogicalType | str] | None,
    result: LogicalType | str | None,
    *,
    vectorised: bool,
) -> tuple[tuple[LogicalType, ...] | None, LogicalType]:
    name = getattr(fn, "__name__", "function")
    hints = {} if vectorised else _hints(fn)
    given = _parsed(result) if result is not None else _from_hint(hints.get("return"))
    if given is None:
        raise PlanError(
            f"What {name} gives is not known.",
            where=here(),
            hint=f"Annotate it: def {name}(…) -> str; or say it: @ms.udf(result='STRING').",
        )
    if args is not None:
        return tuple(_parsed(a) for a in args), given
    positional = [
        p
        for p in inspect.signature(fn).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    known = [_from_hint(hints.get(p.name)) for p in positional]
    if any(k is None for k in known):
        return None, given  # called with whatever type the expressions have
    return tuple(k for k in known if k is not None), given


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(fn)
    except (NameError, TypeError):
        return {}  # annotations that cannot be read are no annotations


def _from_hint(hint: Any) -> LogicalType | None:
    if get_origin(hint) in (Union, UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        return _from_hint(rest[0]) if len(rest) == 1 else None
    if get_origin(hint) is list:
        inner = _from_hint(get_args(hint)[0])
        return None if inner is None else t.Array(inner)
    return _TYPES.get(hint)


def _parsed(kind: LogicalType | str) -> LogicalType:
    return parse_type(kind) if isinstance(kind, str) else kind
