"""Loads the Python function that CREATE FUNCTION names.

in      ``package.module.function``: what a decorator of :mod:`millstream.frame.udf` made, a plain
        annotated function, or a class that is an aggregate or process function
out     a value of :mod:`millstream.expr.tree`
bad     PlanError where nothing can be loaded; where the module itself fails, with its line
"""

from __future__ import annotations

import inspect
import traceback
from importlib import import_module
from typing import Any

from millstream.errors import PlanError, UnknownName
from millstream.expr.tree import AggUdf, Function, ProcessUdf, TableUdf, Udf
from millstream.expr.udf import agg_udf_of, process_udf_of, udf_of


def load_function(path: str) -> Function:
    """Return the function at a path such as ``shop.fees.net``."""
    module, dot, attribute = path.rpartition(".")
    if not dot:
        raise PlanError(
            f"'{path}' names no module.", hint="Write 'package.module.function', importable here."
        )
    loaded = _imported(module)
    if not hasattr(loaded, attribute):
        names = [n for n in dir(loaded) if not n.startswith("_")]
        raise UnknownName("function", attribute, available=names, where=f"module '{module}'")
    found = getattr(loaded, attribute)
    made = getattr(found, "udf", None)
    if isinstance(made, Udf | TableUdf | AggUdf | ProcessUdf):
        return made
    if inspect.isclass(found) and hasattr(found, "on_row"):
        return process_udf_of(found)
    if inspect.isclass(found) and hasattr(found, "create"):
        return agg_udf_of(found)
    if not callable(found):
        raise PlanError(f"'{path}' is a {type(found).__name__}, not a function.")
    return udf_of(found)


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(error.name + ".")):
            raise PlanError(
                f"The module '{module}' cannot be imported: {error}.",
                hint="Put it on PYTHONPATH, or beside the script you run.",
            ) from error
        raise _fails(module, error) from error
    except Exception as error:  # (whatever the user's module does when it is imported)
        raise _fails(module, error) from error


def _fails(module: str, error: Exception) -> PlanError:
    if isinstance(error, SyntaxError):
        where, said = f"{error.filename}:{error.lineno}", (error.text or "").strip()
        what = f"SyntaxError: {error.msg}"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where, said = f"{last.filename}:{last.lineno}", (last.line or "").strip()
        what = f"{type(error).__name__}: {error}"
    return PlanError(
        f"The module '{module}' fails when it is imported: {what}.",
        hint=f"It fails at {where}" + (f": {said}" if said else "."),
    )
