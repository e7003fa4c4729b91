"""Comparison: = <> < <= > >=, NULL tests, BETWEEN, IN, LIKE, SIMILAR TO.

Both sides meet in their common type; text meets a time or a boolean as that type, never a number.
"""

from __future__ import annotations

from millstream import types as t
from millstream.errors import TypeMismatch
from millstream.expr.coerce import common_type, comparable, nullable_any
from millstream.expr.function import Function, Infer, Nulls, Signature, mismatch
from millstream.expr.infer import any_type, takes, text
from millstream.expr.tree import Expr
from millstream.types.logical import CharacterString, Numeric

_UNORDERED = t.Array | t.Map | t.Multiset | t.Row


def _meet(name: str, args: tuple[Expr, ...], says: str, *, ordered: bool) -> t.LogicalType:
    """Return the type all arguments are compared as."""
    found = args[0].typed
    for arg in args[1:]:
        both = comparable(found, arg.typed)
        if both is None:
            raise _no_meeting(name, args, says, found, arg.typed)
        found = both
    if ordered and isinstance(found, _UNORDERED):
        raise mismatch(name, args, says)
    return found


def _no_meeting(
    name: str, args: tuple[Expr, ...], says: str, a: t.LogicalType, b: t.LogicalType
) -> TypeMismatch:
    error = mismatch(name, args, says)
    for x, y in ((a, b), (b, a)):
        if isinstance(x, CharacterString) and isinstance(y, Numeric):
            error.hint = (
                f"Text and numbers are not compared; write CAST(… AS {y.with_nullable(True)}) "
                "around the text, or CAST(… AS STRING) around the number."
            )
    return error


def _together(name: str, args: tuple[Expr, ...], says: str, *, ordered: bool) -> Signature:
    met = _meet(name, args, says, ordered=ordered)
    if all(isinstance(a.typed, CharacterString) for a in args):
        wanted = tuple(a.typed for a in args)  # lengths do not matter to a comparison
    else:
        wanted = tuple(met.with_nullable(a.typed.nullable) for a in args)
    return Signature(wanted, t.Boolean(nullable=nullable_any([a.typed for a in args])))


def _compares(name: str, *, ordered: bool, total: bool = False) -> Infer:
    says = f"any {name} any, of one type"

    def infer(args: tuple[Expr, ...]) -> Signature:
        if len(args) != 2:
            raise mismatch(name, args, says)
        found = _together(name, args, says, ordered=ordered)
        return Signature(found.args, t.Boolean(nullable=False)) if total else found

    return infer


def _several(name: str, says: str, *, count: int | None, ordered: bool) -> Infer:
    def infer(args: tuple[Expr, ...]) -> Signature:
        if len(args) < 2 or (count is not None and len(args) != count):
            raise mismatch(name, args, says)
        return _together(name, args, says, ordered=ordered)

    return infer


def _in(args: tuple[Expr, ...]) -> Signature:
    says = "any IN (any, …), of one type"
    if len(args) < 2:
        raise mismatch("IN", args, says)
    # Constants of many lengths must not make the column another type: try the list as one first.
    among = common_type([a.typed for a in args[1:]])
    if among is None or comparable(args[0].typed, among) is None:
        _meet("IN", args, says, ordered=False)
    return _together("IN", args, says, ordered=False)


def _function(name: str, says: str, doc: str, infer: Infer, **more: object) -> Function:
    return Function(name=name, family="comparison", says=says, doc=doc, infer=infer, **more)  # type: ignore[arg-type]


def _is_null(name: str) -> Infer:
    return takes(name, f"any {name}", [any_type], t.Boolean(), nullable=False)


_LIKE = "text LIKE pattern [ESCAPE character]"
_SIMILAR = "text SIMILAR TO pattern [ESCAPE character]"

FUNCTIONS: tuple[Function, ...] = (
    _function("=", "any = any", "Equal; NaN equals nothing.", _compares("=", ordered=False)),
    _function("<>", "any <> any", "Not equal.", _compares("<>", ordered=False), aliases=("!=",)),
    _function("<", "any < any", "Less.", _compares("<", ordered=True)),
    _function("<=", "any <= any", "Less or equal.", _compares("<=", ordered=True)),
    _function(">", "any > any", "Greater.", _compares(">", ordered=True)),
    _function(">=", "any >= any", "Greater or equal.", _compares(">=", ordered=True)),
    _function(
        "IS NULL",
        "any IS NULL",
        "TRUE where the value is NULL.",
        _is_null("IS NULL"),
        nulls=Nulls.CUSTOM,
    ),
    _function(
        "IS NOT NULL",
        "any IS NOT NULL",
        "TRUE where the value is not NULL.",
        _is_null("IS NOT NULL"),
        nulls=Nulls.CUSTOM,
    ),
    _function(
        "IS DISTINCT FROM",
        "any IS DISTINCT FROM any",
        "Not equal, where NULL is a value like others; never NULL.",
        _compares("IS DISTINCT FROM", ordered=False, total=True),
        nulls=Nulls.CUSTOM,
    ),
    _function(
        "IS NOT DISTINCT FROM",
        "any IS NOT DISTINCT FROM any",
        "Equal, where NULL is a value like others; never NULL.",
        _compares("IS NOT DISTINCT FROM", ordered=False, total=True),
        nulls=Nulls.CUSTOM,
    ),
    _function(
        "BETWEEN",
        "any BETWEEN low AND high",
        "low <= any AND any <= high, with the three-valued AND.",
        _several("BETWEEN", "any BETWEEN any AND any", count=3, ordered=True),
        nulls=Nulls.CUSTOM,
    ),
    _function(
        "BETWEEN SYMMETRIC",
        "any BETWEEN SYMMETRIC a AND b",
        "BETWEEN, whichever bound is the lower one.",
        _several("BETWEEN SYMMETRIC", "any BETWEEN SYMMETRIC any AND any", count=3, ordered=True),
        nulls=Nulls.CUSTOM,
    ),
    _function(
        "IN",
        "any IN (any, …)",
        "TRUE where an element is equal, else NULL where one is NULL, else FALSE.",
        _in,
        nulls=Nulls.CUSTOM,
    ),
    _function(
        "LIKE",
        _LIKE,
        "% is any text, _ any character; no escape character unless one is said.",
        takes("LIKE", _LIKE, [text, text, text], t.Boolean(), optional=1),
    ),
    _function(
        "SIMILAR TO",
        _SIMILAR,
        "SQL's regular expressions: % _ | * + ? {m,n} ( ) [ ] over the whole text.",
        takes("SIMILAR TO", _SIMILAR, [text, text, text], t.Boolean(), optional=1),
    ),
)
