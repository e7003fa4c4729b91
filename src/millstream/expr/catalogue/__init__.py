"""Every scalar function Millstream knows, one file per family.

Adding a function: one row in its family's ``FUNCTIONS`` here, one lowering in
``engine/functions/<family>.py``, one case.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from millstream.errors import Place, UnknownName
from millstream.expr.function import Function

FAMILIES = (
    "comparison",
    "logical",
    "arithmetic",
    "conditional",
    "temporal",
    "string",
    "regex",
    "collection",
    "json",
    "hash",
    "value",
)


@cache
def functions() -> dict[str, Function]:
    """Return every function by canonical name."""
    found: dict[str, Function] = {}
    for family in FAMILIES:
        for function in import_module(f"millstream.expr.catalogue.{family}").FUNCTIONS:
            assert function.name not in found, f"{function.name} stands in the catalogue twice"
            found[function.name] = function
    return found


@cache
def _by_any_name() -> dict[str, Function]:
    names = dict(functions())
    for function in functions().values():
        for alias in function.aliases:
            assert alias not in names, f"the alias {alias} stands in the catalogue twice"
            names[alias] = function
    return names


def knows(name: str) -> bool:
    """Tell whether there is a function of this name or alias."""
    return name.upper() in _by_any_name()


def find(name: str, *, more: tuple[str, ...] = (), place: Place | None = None) -> Function:
    """Return a function by name or alias; ``more`` are further names to suggest (UDFs)."""
    found = _by_any_name().get(name.upper())
    if found is None:
        words = [known for known in _by_any_name() if known[0].isalpha()]
        raise UnknownName("function", name, available=[*words, *more], where=place)
    return found
