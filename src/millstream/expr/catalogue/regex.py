"""Regular expressions in Java's dialect, as Flink takes them.

A pattern that is a constant is checked here; a pattern from a column that is none gives FALSE
(REGEXP) or NULL in that row. Flink gives that for constants too, and the mistake goes unseen.
"""

from __future__ import annotations

from millstream import types as t
from millstream.errors import PlanError
from millstream.expr.function import Function, Infer, Nulls, Signature
from millstream.expr.infer import Kind, as_, takes, text
from millstream.expr.java_regex import BadPattern, java_pattern
from millstream.expr.tree import Expr, Literal
from millstream.types.logical import Integer

_TEXTS = t.Array(t.STRING)
_group = as_(t.BigInt(), Integer)


def check_pattern(name: str, arg: Expr) -> None:
    """Raise PlanError where a constant is no Java pattern."""
    if not (isinstance(arg, Literal) and isinstance(arg.value, str)):
        return
    try:
        java_pattern(arg.value)
    except BadPattern as error:
        raise PlanError(
            f"'{arg.value}' is not a pattern: {error}.",
            where=arg.place,
            hint=f"{name} takes Java's regular expressions.",
        ) from error


def _with_pattern(
    name: str, says: str, kinds: list[Kind], gives: t.LogicalType, *, optional: int,
    nullable: bool | None,
) -> Infer:  # fmt: skip
    below = takes(name, says, kinds, gives, optional=optional, nullable=nullable)

    def infer(args: tuple[Expr, ...]) -> Signature:
        found = below(args)
        check_pattern(name, args[1])
        return found

    return infer


def _function(
    name: str, says: str, doc: str, kinds: list[Kind], gives: t.LogicalType, *,
    optional: int = 0, nullable: bool | None = True,
) -> Function:  # fmt: skip
    infer = _with_pattern(name, says, kinds, gives, optional=optional, nullable=nullable)
    return Function(name=name, family="regex", says=says, doc=doc, infer=infer, nulls=Nulls.STRICT)


FUNCTIONS: tuple[Function, ...] = (
    _function("REGEXP", "REGEXP(string, pattern)",
              "Whether any part of the text matches; an empty pattern never does.",
              [text, text], t.Boolean(), nullable=None),
    _function("REGEXP_EXTRACT", "REGEXP_EXTRACT(string, pattern [, group])",
              "A group (0 and left out: all) of the first match; NULL where there is none.",
              [text, text, _group], t.STRING, optional=1),
    _function("REGEXP_EXTRACT_ALL", "REGEXP_EXTRACT_ALL(string, pattern [, group])",
              "A group (1 if left out, 0: all) of every match; NULL where the pattern has no "
              "such group.",
              [text, text, _group], _TEXTS, optional=1),
    _function("REGEXP_REPLACE", "REGEXP_REPLACE(string, pattern, replacement)",
              "With every match replaced; the replacement stands for itself ($1 too).",
              [text, text, text], t.STRING),
    _function("REGEXP_COUNT", "REGEXP_COUNT(string, pattern)", "The number of matches.",
              [text, text], t.Int()),
    _function("REGEXP_INSTR", "REGEXP_INSTR(string, pattern)",
              "Where the first match begins, 0 where there is none.", [text, text], t.Int()),
    _function("REGEXP_SUBSTR", "REGEXP_SUBSTR(string, pattern)",
              "The first match; NULL where there is none.", [text, text], t.STRING),
)  # fmt: skip
