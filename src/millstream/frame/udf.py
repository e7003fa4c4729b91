"""Functions of your own, for expressions and for SQL.

in      a Python function, its types from annotations or given
out     something to call in expressions; its ``udf`` is what SQL's CREATE FUNCTION loads
bad     PlanError where a type is neither annotated nor given
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, overload

from millstream.errors import PlanError
from millstream.expr import tree
from millstream.expr.udf import udf_of
from millstream.frame.expression import Expr, Value, to_tree
from millstream.frame.where import here
from millstream.types import LogicalType


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
        try:
            made = udf_of(fn, args=args, result=result, vectorised=vectorised, name=name)
        except PlanError as error:
            error.where = here()
            raise
        return Function(replace(made, deterministic=deterministic, nulls_call=nulls_call))

    return make if function is None else make(function)
