"""The links of a chain of filters and projections (program.py)."""

from __future__ import annotations

from dataclasses import dataclass

from millstream.expr.tree import Expr, Named


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the rows whose predicate is TRUE."""

    predicate: Expr


@dataclass(frozen=True, slots=True)
class Compute:
    """Replace the columns."""

    columns: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Add:
    """Put a value beside the columns; it never fails, and nobody sees it outside of the chain."""

    column: Named


Stage = Keep | Compute | Add
"""A link of the chain."""
