"""Functions of your own, for expressions and for SQL.

in      a Python function or class, its types from annotations or given
out     something to call in expressions; its ``udf`` is what SQL's CREATE FUNCTION loads
bad     PlanError where a type is neither annotated nor given, where a class lacks a method
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from millstream.errors import PlanError
from millstream.expr import tree
from millstream.expr.udf import agg_udf_of, table_udf_of, udf_of
from millstream.frame.expression import Expr, Value, to_tree
from millstream.frame.where import here
from millstream.types import LogicalType
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from types import TracebackType

RowType = LogicalType | str | Mapping[str, LogicalType | str]


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
        return f"Function({_said(self.udf)} -> {self.udf.result})"


class TableFunction:
    """A Python function that gives rows; made by :func:`udtf`."""

    def __init__(self, of: tree.TableUdf):
        self.udf = of
        functools.update_wrapper(self, of.fn)

    def __call__(self, *args: Value) -> Any:
        """Call the function itself; ``stream.flat_map`` calls it for the rows of a stream."""
        return self.udf.fn(*args)

    def __repr__(self) -> str:
        return f"TableFunction({_said(self.udf)} -> {self.udf.result})"


class AggregateFunction:
    """A Python class that folds rows; made by :func:`udaf`."""

    def __init__(self, of: tree.AggUdf):
        self.udf = of
        functools.update_wrapper(self, of.make, updated=())

    def __call__(self, *args: Value, distinct: bool = False) -> Expr:
        """Build an aggregate for ``agg``; ``distinct``: each different value once."""
        given = tuple(map(to_tree, args))
        call = tree.AggCall(self.udf.name, given, distinct, udf=self.udf, place=here())
        return Expr(call)

    def __repr__(self) -> str:
        return f"AggregateFunction({_said(self.udf)} -> {self.udf.result})"


def _said(udf: tree.Udf | tree.TableUdf | tree.AggUdf) -> str:
    args = "…" if udf.args is None else ", ".join(map(str, udf.args))
    return f"{udf.name}({args})"


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
    timeout: str | None = None,
    tries: int | None = None,
    retry_after: str | None = None,
    concurrency: int | None = None,
) -> Callable[[Callable[..., Any]], Function]: ...


def udf(  # noqa: PLR0913 (settings by name, most of them of async functions)
    function: Callable[..., Any] | None = None,
    *,
    args: Sequence[LogicalType | str] | None = None,
    result: LogicalType | str | None = None,
    vectorised: bool = False,
    deterministic: bool = True,
    nulls_call: bool = True,
    name: str | None = None,
    timeout: str | None = None,
    tries: int | None = None,
    retry_after: str | None = None,
    concurrency: int | None = None,
) -> Function | Callable[[Callable[..., Any]], Function]:
    """Make a Python function callable in expressions and in SQL.

    An ``async def`` is called for many rows at a time; rows keep their order, and the watermark
    waits for them. A row whose last try fails is rejected.

    Args:
        function: called with one row's values; ``vectorised``: with Polars Series.
        args: SQL types of the arguments; from the annotations without.
        result: SQL type of the result; from the annotation without.
        vectorised: takes and gives whole columns, which is much faster.
        deterministic: the same arguments always give the same result.
        nulls_call: False = a NULL argument gives NULL without a call.
        name: its name in messages and plans; that of the function without.
        timeout: how long one try of an async function may take; 10 s without.
        tries: how often an async function is tried; 3 without.
        retry_after: the pause before the second try, which doubles; 100 ms without.
        concurrency: how many calls of an async function wait at a time; 100 without.

    Returns:
        a Function; called with expressions it gives an expression.

    Raises:
        PlanError: if the type of the result is unknown.

    >>> import millstream as ms
    >>> @ms.udf
    ... def shout(text: str) -> str:
    ...     return text.upper() + "!"
    >>> words = ms.read_memory([{"word": "ada"}])
    >>> words.select(loud=shout(ms.col("word"))).collect().rows()
    [('ADA!',)]
    """
    waits = _waits(timeout, tries, retry_after, concurrency)

    def make(fn: Callable[..., Any]) -> Function:
        with Placed():
            made = udf_of(
                fn, args=args, result=result, vectorised=vectorised, name=name, waits=waits
            )
        return Function(replace(made, deterministic=deterministic, nulls_call=nulls_call))

    return make if function is None else make(function)


@overload
def udtf(function: Callable[..., Any]) -> TableFunction: ...
@overload
def udtf(
    function: None = None,
    *,
    result: RowType | None = None,
    args: Sequence[LogicalType | str] | None = None,
    vectorised: bool = False,
    deterministic: bool = True,
    nulls_call: bool = True,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], TableFunction]: ...


def udtf(
    function: Callable[..., Any] | None = None,
    *,
    result: RowType | None = None,
    args: Sequence[LogicalType | str] | None = None,
    vectorised: bool = False,
    deterministic: bool = True,
    nulls_call: bool = True,
    name: str | None = None,
) -> TableFunction | Callable[[Callable[..., Any]], TableFunction]:
    """Make a Python function that gives rows callable by ``flat_map`` and in SQL's FROM.

    Args:
        function: a generator; it yields tuples, dicts or, for a single column, values.
            ``vectorised``: takes Polars Series and gives a DataFrame with the columns of the
            result and a column ``row``: the number of the row (from 0) each is made of.
        result: the columns it gives: ``"ROW<word STRING, n INT>"`` or ``{"word": "STRING"}``.
        args: SQL types of the arguments; from the annotations without.
        vectorised: takes and gives whole columns, which is much faster.
        deterministic: the same arguments always give the same rows.
        nulls_call: False = a NULL argument gives no rows without a call.
        name: its name in messages and plans; that of the function without.

    Returns:
        a TableFunction.

    Raises:
        PlanError: if the columns of the result are unknown.

    >>> import millstream as ms
    >>> @ms.udtf(result="ROW<word STRING, letters INT>")
    ... def words(text: str):
    ...     for word in text.split():
    ...         yield word, len(word)
    >>> lines = ms.read_memory([{"line": "to be"}])
    >>> lines.flat_map(words, "line").collect().rows()
    [('to be', 'to', 2), ('to be', 'be', 2)]
    """

    def make(fn: Callable[..., Any]) -> TableFunction:
        with Placed():
            made = table_udf_of(fn, args=args, result=result, vectorised=vectorised, name=name)
        return TableFunction(replace(made, deterministic=deterministic, nulls_call=nulls_call))

    return make if function is None else make(function)


@overload
def udaf(kind: Callable[[], Any]) -> AggregateFunction: ...
@overload
def udaf(
    kind: None = None,
    *,
    args: Sequence[LogicalType | str] | None = None,
    result: LogicalType | str | None = None,
    nulls_call: bool = True,
    name: str | None = None,
) -> Callable[[Callable[[], Any]], AggregateFunction]: ...


def udaf(
    kind: Callable[[], Any] | None = None,
    *,
    args: Sequence[LogicalType | str] | None = None,
    result: LogicalType | str | None = None,
    nulls_call: bool = True,
    name: str | None = None,
) -> AggregateFunction | Callable[[Callable[[], Any]], AggregateFunction]:
    """Make a Python class an aggregate function, for ``agg`` and for SQL.

    The class has ``create(self)``, which gives a new accumulator, ``accumulate(self, acc,
    *values)`` and ``result(self, acc)``. With ``retract(self, acc, *values)`` rows may be taken
    back, with ``merge(self, acc, other)`` it works over windows that overlap. An accumulator is
    a plain value: a list, dict, number, text, Decimal, datetime …; the methods change it, or
    give the new one. ``accumulate_batch(self, acc, *columns)`` takes Polars Series instead.

    Args:
        kind: the class.
        args: SQL types of the arguments; from the annotations of accumulate without.
        result: SQL type of the result; from the annotation of result without.
        nulls_call: False = rows with a NULL argument are passed over.
        name: its name in messages and plans; that of the class without.

    Returns:
        an AggregateFunction; called with expressions it gives one for ``agg``.

    Raises:
        PlanError: if a method is missing, or the type of the result unknown.

    >>> import millstream as ms
    >>> @ms.udaf
    ... class Spread:
    ...     def create(self):
    ...         return []
    ...
    ...     def accumulate(self, acc, value: int):
    ...         acc.append(value)
    ...
    ...     def result(self, acc) -> int:
    ...         return max(acc) - min(acc) if acc else None
    >>> numbers = ms.read_memory([{"x": 3}, {"x": 8}])
    >>> numbers.group_by().agg(spread=Spread(ms.col("x"))).collect().rows()
    [(5,)]
    """

    def make(cls: Callable[[], Any]) -> AggregateFunction:
        with Placed():
            made = agg_udf_of(cls, args=args, result=result, name=name)
        return AggregateFunction(replace(made, nulls_call=nulls_call))

    return make if kind is None else make(kind)


def _waits(
    timeout: str | None, tries: int | None, retry_after: str | None, concurrency: int | None
) -> tree.Waits | None:
    if (timeout, tries, retry_after, concurrency) == (None, None, None, None):
        return None
    usual = tree.Waits()
    made = tree.Waits(
        timeout_ms=usual.timeout_ms if timeout is None else duration_ms(timeout),
        tries_max=usual.tries_max if tries is None else tries,
        retry_ms=usual.retry_ms if retry_after is None else duration_ms(retry_after),
        calls_max=usual.calls_max if concurrency is None else concurrency,
    )
    if made.tries_max < 1 or made.calls_max < 1 or made.timeout_ms < 1:
        raise PlanError(
            "An async function is tried at least once, one call at a time.",
            where=here(),
            hint="tries=3, concurrency=100, timeout='10s'",
        )
    return made


class Placed:
    """Gives an error of the plan the place in the user's program."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, PlanError) and error.where is None:
            error.where = here()
