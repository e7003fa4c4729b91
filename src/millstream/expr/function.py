"""What the catalogue says of one function: its name, its types and its rule for NULL.

Engines and targets key their own translation on ``Function.name``; nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from millstream.errors import TypeMismatch
from millstream.expr.tree import Expr
from millstream.types import LogicalType


class Nulls(Enum):
    """The null rule of a function."""

    STRICT = "NULL if any argument is NULL"
    CUSTOM = "its own rule, said in the doc"


@dataclass(frozen=True, slots=True)
class Signature:
    """One resolved call: the types its arguments are coerced to, and the type it gives."""

    args: tuple[LogicalType, ...]
    result: LogicalType


Infer = Callable[[tuple[Expr, ...]], Signature]
"""Typed arguments to a signature; raises TypeMismatch where they do not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One scalar function.

    ``says`` is the signature as the docs show it, ``infer`` checks and types a call,
    ``deterministic`` is False for what depends on the clock or on chance.
    """

    name: str
    family: str
    says: str
    doc: str
    infer: Infer
    nulls: Nulls = Nulls.STRICT
    aliases: tuple[str, ...] = ()
    deterministic: bool = True


def mismatch(function: str, args: tuple[Expr, ...], says: str) -> TypeMismatch:
    """Return the error for a call whose arguments do not fit; who resolves it knows the place."""
    given = ", ".join(str(a.typed.with_nullable(True)) for a in args)
    return TypeMismatch(f"{function} does not take ({given}).", hint=f"It is {says}.")
