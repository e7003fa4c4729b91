"""Values that a chain of filters and projections asks for more than once are computed once.

in      the stages of a chain
out     the same chain, with stages that add such a value before the first one that asks for it
which   calls over texts: they cost far more than the column they fill. What may fail, or gives
        another value each time, stays where it was written; a user's function has its own memory
why     Polars shares equal expressions in lazy queries only, whose planning costs more than a
        small batch, and never between a filter and the projection behind it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from millstream.engine.stages import Add, Compute, Keep, Stage
from millstream.expr.tree import Call, Column, Expr, Named, UdfCall
from millstream.plan.legality import is_deterministic
from millstream.types.logical import CharacterString

SHARED = "$shared "
"""Before the number of a value that was computed for those behind it."""
_CHEAP = frozenset({"FIELD", "ITEM", "AND", "OR", "NOT", "IN"})


def sharing(stages: Sequence[Stage], fails: Callable[[Expr], bool]) -> tuple[Stage, ...]:
    """Return the chain with what is asked for more than once computed once."""
    found: list[Stage] = []
    level: list[Stage] = []
    for stage in stages:
        level.append(stage)
        if isinstance(stage, Compute):  # from here on a column's name means another column
            found += _shared(level, fails)
            level = []
    # Behind the last projection an added value would stay in the rows.
    return (*found, *level)


def _shared(stages: list[Stage], fails: Callable[[Expr], bool]) -> list[Stage]:
    number = 0
    while True:
        asked = Counter(
            part for stage in stages for expr in _exprs(stage) for part in expr.walk()
            if _is_dear(part)
        )  # fmt: skip
        often = [part for part, times in asked.items() if times > 1 and not fails(part)]
        if not often:
            return stages
        # The largest first: what is inside of it is asked for once then.
        part = max(often, key=lambda p: sum(1 for _ in p.walk()))
        column = Column(f"{SHARED}{number}", type=part.typed)
        first = next(i for i, s in enumerate(stages) if part in _parts(s))
        stages = [_with(stage, part, column) for stage in stages]
        stages.insert(first, Add(Named(column.name, part)))
        number += 1


def _is_dear(part: Expr) -> bool:
    if not isinstance(part, Call) or part.function in _CHEAP or not part.function[0].isalpha():
        return False
    of_texts = any(isinstance(e.typed, CharacterString) for e in (part, *part.args))
    own = any(isinstance(inner, UdfCall) for inner in part.walk())
    reads = any(isinstance(inner, Column) for inner in part.walk())
    return of_texts and reads and not own and is_deterministic(part)


def _exprs(stage: Stage) -> Iterable[Expr]:
    match stage:
        case Keep(predicate=predicate):
            return (predicate,)
        case Compute(columns=columns):
            return [c.expr for c in columns]
        case Add(column=column):
            return (column.expr,)


def _parts(stage: Stage) -> set[Expr]:
    return {part for expr in _exprs(stage) for part in expr.walk() if isinstance(part, Call)}


def _with(stage: Stage, part: Expr, column: Column) -> Stage:
    """Return the stage with a column in place of an expression."""

    def changed(expr: Expr) -> Expr:
        return expr.rewrite(lambda node: column if node == part else node)

    match stage:
        case Keep(predicate=predicate):
            return Keep(changed(predicate))
        case Compute(columns=columns):
            return Compute(tuple(replace(c, expr=changed(c.expr)) for c in columns))
        case Add(column=added):
            return Add(replace(added, expr=changed(added.expr)))
