"""CASE and its relatives, and tests of what a text looks like."""

from __future__ import annotations

from collections.abc import Sequence

from millstream import types as t
from millstream.errors import TypeMismatch
from millstream.expr.coerce import common_type, comparable, nullable_any
from millstream.expr.function import Function, Infer, Nulls, Signature, mismatch
from millstream.expr.infer import any_type, takes
from millstream.expr.tree import Expr

_UNORDERED = t.Array | t.Map | t.Multiset | t.Row


def _common(name: str, args: Sequence[Expr], says: str) -> t.LogicalType:
    found = common_type([a.typed for a in args])
    if found is None:
        raise mismatch(name, tuple(args), says)
    return found


def _as_each(kind: t.LogicalType, args: Sequence[Expr]) -> tuple[t.LogicalType, ...]:
    return tuple(kind.with_nullable(a.typed.nullable) for a in args)


def _condition(name: str, arg: Expr, says: str) -> t.LogicalType:
    if not isinstance(arg.typed, t.Boolean | t.Null):
        raise TypeMismatch(
            f"{name} wants a condition, this is {arg.typed.with_nullable(True)}.",
            where=arg.place,
            hint=f"It is {says}.",
        )
    return t.Boolean(nullable=arg.typed.nullable)


_CASE = "CASE WHEN boolean THEN any … ELSE any END"


def _case(args: tuple[Expr, ...]) -> Signature:
    if len(args) < 3 or len(args) % 2 == 0:
        raise mismatch("CASE", args, _CASE)
    values = (*args[1:-1:2], args[-1])
    kind = _common("CASE", values, _CASE)
    wanted: list[t.LogicalType] = []
    for i in range(0, len(args) - 1, 2):
        wanted += [
            _condition("CASE", args[i], _CASE),
            kind.with_nullable(args[i + 1].typed.nullable),
        ]
    wanted.append(kind.with_nullable(args[-1].typed.nullable))
    return Signature(tuple(wanted), kind)


_IF = "IF(boolean, any, any)"


def _if(args: tuple[Expr, ...]) -> Signature:
    if len(args) != 3:
        raise mismatch("IF", args, _IF)
    kind = _common("IF", args[1:], _IF)
    return Signature((_condition("IF", args[0], _IF), *_as_each(kind, args[1:])), kind)


def _coalesces(name: str, says: str, count: int | None) -> Infer:
    def infer(args: tuple[Expr, ...]) -> Signature:
        if not args or (count is not None and len(args) != count):
            raise mismatch(name, args, says)
        kind = _common(name, args, says)
        null = all(a.typed.nullable for a in args)
        return Signature(_as_each(kind, args), kind.with_nullable(null))

    return infer


_NULLIF = "NULLIF(any, any)"


def _nullif(args: tuple[Expr, ...]) -> Signature:
    if len(args) != 2 or comparable(args[0].typed, args[1].typed) is None:
        raise mismatch("NULLIF", args, _NULLIF)
    first = args[0].typed.with_nullable(True)
    return Signature((args[0].typed, args[1].typed), first)


def _extreme(name: str) -> Infer:
    says = f"{name}(any, …), of one type"

    def infer(args: tuple[Expr, ...]) -> Signature:
        if not args:
            raise mismatch(name, args, says)
        kind = _common(name, args, says)
        if isinstance(kind, _UNORDERED):
            raise mismatch(name, args, says)
        null = nullable_any([a.typed for a in args])
        return Signature(_as_each(kind, args), kind.with_nullable(null))

    return infer


def _looks(name: str, doc: str) -> Function:
    says = f"{name}(any)"
    return _function(name, says, doc, takes(name, says, [any_type], t.Boolean(), nullable=False))


def _function(name: str, says: str, doc: str, infer: Infer, **more: object) -> Function:
    more.setdefault("nulls", Nulls.CUSTOM)
    return Function(name=name, family="conditional", says=says, doc=doc, infer=infer, **more)  # type: ignore[arg-type]


_COALESCE = "COALESCE(any, …), of one type"
_TYPEOF = "TYPEOF(any [, boolean])"

FUNCTIONS: tuple[Function, ...] = (
    _function(
        "CASE",
        _CASE,
        "The value of the first condition that is TRUE; the others are not computed.",
        _case,
    ),
    _function(
        "COALESCE",
        _COALESCE,
        "The first value that is not NULL.",
        _coalesces("COALESCE", _COALESCE, None),
    ),
    _function(
        "IFNULL",
        "IFNULL(any, any), of one type",
        "The second value where the first is NULL.",
        _coalesces("IFNULL", "IFNULL(any, any)", 2),
        aliases=("NVL",),
    ),
    _function("IF", _IF, "The second value where the condition is TRUE, else the third.", _if),
    _function("NULLIF", _NULLIF, "NULL where both are equal, else the first.", _nullif),
    _function(
        "GREATEST",
        "GREATEST(any, …), of one type",
        "The largest value; NULL where one is NULL.",
        _extreme("GREATEST"),
        nulls=Nulls.STRICT,
    ),
    _function(
        "LEAST",
        "LEAST(any, …), of one type",
        "The smallest value; NULL where one is NULL.",
        _extreme("LEAST"),
        nulls=Nulls.STRICT,
    ),
    _looks("IS_ALPHA", "TRUE where the text has letters only and at least one."),
    _looks("IS_DECIMAL", "TRUE where the text can be read as a number."),
    _looks("IS_DIGIT", "TRUE where the text has digits only and at least one."),
    _function(
        "TYPEOF",
        _TYPEOF,
        "The name of the argument's type; TRUE asks for the full name.",
        takes("TYPEOF", _TYPEOF, [any_type, any_type], t.STRING, optional=1, nullable=False),
    ),
)
