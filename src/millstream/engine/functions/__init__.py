"""How each catalogue function runs on Polars columns, one file per family.

A lowering gets its arguments as Polars expressions, already coerced to the types the catalogue
decided, and returns a Polars expression of exactly the physical type of ``call.type``.

NULL      a STRICT function gives NULL where any argument is NULL; the lowering keeps that promise
failure   a value that cannot be computed (1/0, bad CAST) is not NULL: the lowering returns
          ``Lowered`` with a :class:`Fail`, and the row goes to ``rejected`` with the reason
scalars   an argument may be a literal: an expression of length 1 when it is evaluated alone
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module

import polars as pl

from millstream.expr import catalogue
from millstream.expr.tree import Call

NOW = "$now"
"""Column of the batch's ``read_at`` (Datetime ms, UTC), present where an expression reads it."""
DRAW = "$draw"
"""Column of seeded random bits (UInt64), one per row, present where an expression reads it."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Rows where ``when`` is true cannot be computed; ``reason`` is shown to the user."""

    when: pl.Expr
    reason: str
    detail: pl.Expr | None = None
    """What is told of the single row, after the reason (String, NULL where there is nothing)."""

    @property
    def text(self) -> pl.Expr:
        """Return the reason of each row."""
        if self.detail is None:
            return pl.lit(self.reason)
        return pl.concat_str(pl.lit(self.reason + ": "), self.detail.fill_null("?"))

    def only_where(self, condition: pl.Expr) -> Fail:
        """Return the same failure, counted only where ``condition`` is true."""
        return replace(self, when=self.when & condition)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A Polars expression, and the rows it cannot compute."""

    value: pl.Expr
    fails: tuple[Fail, ...] = ()

    def only_where(self, condition: pl.Expr) -> Lowered:
        """Return the same value whose failures count only where ``condition`` is true."""
        return Lowered(self.value, tuple(f.only_where(condition) for f in self.fails))


@dataclass(slots=True)
class Turn:
    """Counts the computations of a pipeline: what belongs to one of them has one number."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """What a lowering may know of the pipeline."""

    time_zone: str = "UTC"
    turn: Turn = field(default_factory=Turn, compare=False, repr=False)


Lowering = Callable[[Call, tuple[Lowered, ...], Context], Lowered]
Simple = Callable[..., pl.Expr | Lowered]


@dataclass
class _Registry:
    found: dict[str, Lowering] = field(default_factory=dict)


_LOWERINGS = _Registry()


def lowers(*names: str) -> Callable[[Simple], Simple]:
    """Register ``fn(call, ctx, *args)`` for functions whose arguments are always evaluated."""

    def register(fn: Simple) -> Simple:
        def lowering(call: Call, args: tuple[Lowered, ...], ctx: Context) -> Lowered:
            result = fn(call, ctx, *(a.value for a in args))
            below = tuple(f for a in args for f in a.fails)
            if isinstance(result, Lowered):
                return Lowered(result.value, below + result.fails)
            return Lowered(result, below)

        _register(names, lowering)
        return fn

    return register


def lowers_lazily(*names: str) -> Callable[[Lowering], Lowering]:
    """Register ``fn(call, args, ctx)`` for functions that decide which argument counts (CASE)."""

    def register(fn: Lowering) -> Lowering:
        _register(names, fn)
        return fn

    return register


def lowering_of(name: str) -> Lowering:
    """Return the lowering of a catalogue function, loading its family."""
    if name not in _LOWERINGS.found:
        import_module(f"millstream.engine.functions.{catalogue.find(name).family}")
    found = _LOWERINGS.found.get(name)
    assert found is not None, f"the catalogue has {name}, the engine has no lowering for it"
    return found


def _register(names: tuple[str, ...], lowering: Lowering) -> None:
    for name in names:
        assert name not in _LOWERINGS.found, f"two lowerings for {name}"
        _LOWERINGS.found[name] = lowering
