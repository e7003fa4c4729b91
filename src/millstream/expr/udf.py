"""Python functions as SQL functions: types from annotations, or as given.

in      a function or class, and what the user said of its types
out     a value of :mod:`millstream.expr.tree`: Udf, TableUdf, AggUdf or ProcessUdf
bad     PlanError where the result's type is neither annotated nor given, where a class lacks a
        method
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from millstream import types as t
from millstream.errors import PlanError
from millstream.expr.tree import AggUdf, ProcessUdf, TableUdf, Udf, Waits
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
AGGREGATE_METHODS = ("accumulate", "accumulate_batch", "retract", "merge")
PROCESS_METHODS = ("open", "on_row", "on_timer")
_SEVERAL = (list, tuple, Iterable, Iterator, Generator, Sequence)

Types = Sequence[LogicalType | str]
RowType = LogicalType | str | Mapping[str, LogicalType | str]


def udf_of(
    fn: Callable[..., Any],
    *,
    args: Types | None = None,
    result: LogicalType | str | None = None,
    vectorised: bool = False,
    name: str | None = None,
    waits: Waits | None = None,
) -> Udf:
    """Return the SQL function that ``fn`` is; arguments without a type are taken as they come."""
    own = name or _name_of(fn)
    is_async = inspect.iscoroutinefunction(fn)
    if is_async and vectorised:
        raise PlanError(
            f"{own} is async and vectorised.",
            hint="An async function is called row by row, for many rows at a time.",
        )
    if waits is not None and not is_async:
        raise PlanError(
            f"{own} does not wait: timeout, tries and concurrency are of async functions.",
            hint=f"Write async def {own}(…), or leave them out.",
        )
    hints = {} if vectorised else _hints(fn)
    given = _parsed(result) if result is not None else _from_hint(hints.get("return"))
    if given is None:
        raise _no_result(own, "STRING")
    taken = _args(_parameters(fn), hints, args)
    found = (waits or Waits()) if is_async else None
    return Udf(name=own, fn=fn, args=taken, result=given, vectorised=vectorised, waits=found)


def table_udf_of(
    fn: Callable[..., Any],
    *,
    args: Types | None = None,
    result: RowType | None = None,
    vectorised: bool = False,
    name: str | None = None,
) -> TableUdf:
    """Return the table function that ``fn`` is; a plain type is one column of the same name."""
    own = name or _name_of(fn)
    hints = {} if vectorised else _hints(fn)
    row = _row(result, own) if result is not None else _row_from(hints.get("return"), own)
    if row is None:
        raise _no_result(own, "ROW<word STRING, n INT>")
    if vectorised and "row" in dict(row.fields):
        raise PlanError(
            f"{own} gives a column 'row', which says which row each row was made of.",
            hint="Give the column another name.",
        )
    taken = _args(_parameters(fn), hints, args)
    return TableUdf(name=own, fn=fn, args=taken, result=row, vectorised=vectorised)


def agg_udf_of(
    kind: Callable[[], Any],
    *,
    args: Types | None = None,
    result: LogicalType | str | None = None,
    name: str | None = None,
) -> AggUdf:
    """Return the aggregate function that a class (or a function that makes an object) is."""
    own = name or _name_of(kind)
    for wanted in ("create", "result"):
        if not callable(getattr(kind, wanted, None)):
            raise PlanError(
                f"{own} is no aggregate function: it has no method {wanted}.",
                hint="It has create(self), accumulate(self, acc, *values) and result(self, acc).",
            )
    methods = frozenset(m for m in AGGREGATE_METHODS if callable(getattr(kind, m, None)))
    if not methods & {"accumulate", "accumulate_batch"}:
        raise PlanError(
            f"{own} is no aggregate function: it has no method accumulate.",
            hint="Add accumulate(self, acc, *values), or accumulate_batch(self, acc, *columns).",
        )
    method = getattr(kind, "result", None)
    given = _parsed(result) if result is not None else _from_hint(_hints(method).get("return"))
    if given is None:
        raise _no_result(own, "DOUBLE")
    fold = getattr(kind, "accumulate", None)
    hints = {} if fold is None else _hints(fold)
    taken = _args(
        [] if fold is None else _parameters(fold)[2:], hints, args, known=fold is not None
    )
    return AggUdf(name=own, make=kind, args=taken, result=given, methods=methods)


def process_udf_of(
    kind: Callable[..., Any], *, gives: RowType | None = None, name: str | None = None
) -> ProcessUdf:
    """Return the process function that a class is."""
    own = name or _name_of(kind)
    said = gives if gives is not None else getattr(kind, "gives", None)
    if not callable(getattr(kind, "on_row", None)):
        raise PlanError(
            f"{own} is no process function: it has no method on_row.",
            hint="It has on_row(self, row, state, ctx), and perhaps on_timer(self, t, state, ctx).",
        )
    if said is None:
        raise _no_result(own, "ROW<word STRING, n INT>", word="gives")
    methods = frozenset(m for m in PROCESS_METHODS if callable(getattr(kind, m, None)))
    try:
        takes = tuple(inspect.signature(kind).parameters)
    except (TypeError, ValueError):
        takes = ()
    return ProcessUdf(name=own, make=kind, gives=_row(said, own), methods=methods, takes=takes)


def _name_of(fn: Any) -> str:
    return str(getattr(fn, "__name__", "function"))


def _no_result(name: str, example: str, word: str = "result") -> PlanError:
    said = f"def {name}(…) -> str; or say it: " if word == "result" and example == "STRING" else ""
    return PlanError(
        f"What {name} gives is not known.",
        hint=f"Annotate it: {said}{word}='{example}'." if said else f"Say it: {word}='{example}'.",
    )


def _parameters(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return []


def _args(
    parameters: list[inspect.Parameter],
    hints: dict[str, Any],
    given: Types | None,
    *,
    known: bool = True,
) -> tuple[LogicalType, ...] | None:
    """Return the types of the arguments; None = called with whatever the expressions have."""
    if given is not None:
        return tuple(_parsed(a) for a in given)
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not known or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    found = [_from_hint(hints.get(p.name)) for p in parameters if p.kind in places]
    if any(k is None for k in found):
        return None
    return tuple(k for k in found if k is not None)


def _hints(fn: Any) -> dict[str, Any]:
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


def _row_from(hint: Any, name: str) -> t.Row | None:
    """Return the one column of an annotation such as ``Iterator[str]``."""
    if get_origin(hint) is None or not get_args(hint):
        return None
    origin = get_origin(hint)
    if not any(origin is kind or origin is get_origin(kind) for kind in _SEVERAL):
        return None
    inner = _from_hint(get_args(hint)[0])
    return None if inner is None else t.Row(((name, inner),))


def _row(given: RowType, name: str) -> t.Row:
    if isinstance(given, Mapping):
        return t.Row(tuple((key, _parsed(kind)) for key, kind in given.items()))
    found = _parsed(given)
    return found if isinstance(found, t.Row) else t.Row(((name, found),))


def _parsed(kind: LogicalType | str) -> LogicalType:
    return parse_type(kind) if isinstance(kind, str) else kind
