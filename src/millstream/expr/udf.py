"""Python functions as SQL functions: types from annotations, or as given.

in      a function, and what the user said of its types
out     :class:`millstream.expr.tree.Udf`
bad     PlanError where the result's type is neither annotated nor given, or nothing can be loaded
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib import import_module
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from millstream import types as t
from millstream.errors import PlanError, UnknownName
from millstream.expr.tree import Udf
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


def udf_of(
    fn: Callable[..., Any],
    *,
    args: Sequence[LogicalType | str] | None = None,
    result: LogicalType | str | None = None,
    vectorised: bool = False,
    name: str | None = None,
) -> Udf:
    """Return the SQL function that ``fn`` is; arguments without a type are taken as they come."""
    taken, given = _types(fn, args, result, vectorised=vectorised)
    own = name or str(getattr(fn, "__name__", "function"))
    return Udf(name=own, fn=fn, args=taken, result=given, vectorised=vectorised)


def load_udf(path: str) -> Udf:
    """Load ``package.module.function``: what ``ms.udf`` made, or a plain annotated function."""
    module, dot, attribute = path.rpartition(".")
    if not dot:
        raise PlanError(
            f"'{path}' names no module.", hint="Write 'package.module.function', importable here."
        )
    try:
        loaded = import_module(module)
    except ImportError as error:
        raise PlanError(
            f"The module '{module}' cannot be imported: {error}.",
            hint="Put it on PYTHONPATH, or beside the script you run.",
        ) from error
    if not hasattr(loaded, attribute):
        names = [n for n in dir(loaded) if not n.startswith("_")]
        raise UnknownName("function", attribute, available=names, where=f"module '{module}'")
    found = getattr(loaded, attribute)
    made = getattr(found, "udf", None)
    if isinstance(made, Udf):
        return made
    if not callable(found):
        raise PlanError(f"'{path}' is a {type(found).__name__}, not a function.")
    return udf_of(found)


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
