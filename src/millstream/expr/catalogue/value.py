"""Building rows, arrays and maps, and reaching into them.

``ARRAY[…]`` is ``Call("ARRAY", …)``, ``MAP[…]`` is ``Call("MAP", (k, v, …))``, ``ROW(…)`` and
``(…, …)`` are ``Call("ROW", …)`` whose fields are named ``EXPR$0``, ``EXPR$1``, …;
``x[i]`` is ``Call("ITEM", (x, i))``, ``x.name`` is ``Call("FIELD", (x, Literal("name")))``.
"""

from __future__ import annotations

from collections.abc import Sequence

from millstream import types as t
from millstream.errors import PlanError, TypeMismatch, UnknownName
from millstream.expr.coerce import common_type, comparable
from millstream.expr.function import Function, Infer, Nulls, Signature, mismatch
from millstream.expr.infer import constant_int
from millstream.expr.tree import Expr, Literal
from millstream.types.logical import CharacterString, Integer

_ARRAY = "ARRAY[any, …], of one type"
_MAP = "MAP[key, value, …], keys of one type and values of one type"
_ITEM = "array[integer], map[key] or row['field']"
_FIELD = "row.field"


def _one_type(name: str, args: Sequence[Expr], said: tuple[Expr, ...], says: str) -> t.LogicalType:
    """Return the common type of the parts; a time of the day, a date and a timestamp stay apart."""
    found = common_type([a.typed for a in args])
    kinds = {type(a.typed) for a in args} - {t.Null}
    mixed = len(kinds) > 1 and t.Date in kinds
    if found is None or mixed or isinstance(found, t.Null):
        error = mismatch(name, said, says)
        if isinstance(found, t.Null):
            error.hint = "A NULL alone has no type; write CAST(NULL AS type)."
        raise error
    return found


def _as_each(kind: t.LogicalType, args: Sequence[Expr]) -> list[t.LogicalType]:
    return [kind.with_nullable(a.typed.nullable) for a in args]


def _array(args: tuple[Expr, ...]) -> Signature:
    if not args:
        raise PlanError(
            "An array without elements has no type.",
            hint="Write CAST(NULL AS ARRAY<type>), or at least one element.",
        )
    kind = _one_type("ARRAY", args, args, _ARRAY)
    return Signature(tuple(_as_each(kind, args)), t.Array(kind, nullable=False))


def _map(args: tuple[Expr, ...]) -> Signature:
    if not args or len(args) % 2:
        raise mismatch("MAP", args, _MAP)
    keys, values = args[::2], args[1::2]
    key = _one_type("MAP", keys, args, _MAP)
    value = _one_type("MAP", values, args, _MAP)
    pairs = zip(_as_each(key, keys), _as_each(value, values), strict=True)
    wanted = tuple(kind for pair in pairs for kind in pair)
    return Signature(wanted, t.Map(key, value, nullable=False))


def _row(args: tuple[Expr, ...]) -> Signature:
    if not args:
        raise mismatch("ROW", args, "ROW(any, …)")
    fields = tuple((f"EXPR${i}", a.typed) for i, a in enumerate(args))
    return Signature(tuple(a.typed for a in args), t.Row(fields, nullable=False))


def _item(args: tuple[Expr, ...]) -> Signature:
    if len(args) != 2:
        raise mismatch("ITEM", args, _ITEM)
    x, index = args
    match x.typed:
        case t.Array(element=element):
            return _element(args, x.typed, element)
        case t.Map(key=key, value=value):
            return _entry(args, key, value)
        case t.Row():
            if isinstance(index, Literal) and isinstance(index.value, str):
                return _field(args)
            raise mismatch("ITEM", args, _ITEM)
        case _:
            raise mismatch("ITEM", args, _ITEM)


def _element(args: tuple[Expr, ...], array: t.Array, element: t.LogicalType) -> Signature:
    index = args[1]
    if not isinstance(index.typed, Integer | t.Null):
        raise mismatch("ITEM", args, _ITEM)
    position = constant_int(index)
    if position is not None and position < 1:
        raise PlanError(
            f"An array has no element {position}.", where=index.place, hint="The first one is [1]."
        )
    wanted = t.BigInt(nullable=index.typed.nullable)
    return Signature((array, wanted), element.with_nullable(True))


def _entry(args: tuple[Expr, ...], key: t.LogicalType, value: t.LogicalType) -> Signature:
    given = args[1].typed
    met = comparable(key, given)
    texts = isinstance(key, CharacterString) and isinstance(given, CharacterString | t.Null)
    if met is None or (isinstance(key, CharacterString) and not texts):
        error = mismatch("ITEM", args, _ITEM)
        error.hint = f"The keys of this map are {key.with_nullable(True)}."
        raise error
    met = key if isinstance(met, t.Null) else met
    kinds = args[0].typed, t.STRING if texts else met
    return Signature(_meeting(kinds, args, texts), value.with_nullable(True))


def _meeting(
    kinds: tuple[t.LogicalType, t.LogicalType], args: tuple[Expr, ...], texts: bool
) -> tuple[t.LogicalType, ...]:
    """Return the types under which key and given value are compared."""
    found, met = kinds
    assert isinstance(found, t.Map), "asked of maps only"
    null = args[1].typed.nullable
    if texts:
        return found, t.VarChar(nullable=null)
    wide = t.Map(met.with_nullable(found.key.nullable), found.value, nullable=found.nullable)
    return wide, met.with_nullable(null)


def _field(args: tuple[Expr, ...]) -> Signature:
    if len(args) != 2 or not (isinstance(args[1], Literal) and isinstance(args[1].value, str)):
        raise mismatch("FIELD", args, _FIELD)
    row, name = args[0].typed, args[1].value
    if not isinstance(row, t.Row):
        raise TypeMismatch(
            f"A {row.with_nullable(True)} has no fields.",
            where=args[1].place,
            hint="Only a ROW has fields; a map's value is map['key'].",
        )
    found = row.field(name)
    if found is None:
        names = [field for field, _ in row.fields]
        raise UnknownName("field", name, available=names, where=args[1].place)
    kinds = (row, args[1].typed)
    return Signature(kinds, found.with_nullable(found.nullable or row.nullable))


def _function(name: str, says: str, doc: str, infer: Infer, *, custom: bool = False) -> Function:
    nulls = Nulls.CUSTOM if custom else Nulls.STRICT
    return Function(name=name, family="value", says=says, doc=doc, infer=infer, nulls=nulls)


FUNCTIONS: tuple[Function, ...] = (
    _function("ARRAY", _ARRAY, "An array of the values.", _array, custom=True),
    _function("MAP", _MAP, "A map; the last of equal keys stays.", _map, custom=True),
    _function("ROW", "ROW(any, …) or (any, any, …)", "A row of the values.", _row, custom=True),
    _function("ITEM", _ITEM,
              "The element at a position, which starts at 1, the value of a key, or a field; NULL "
              "where there is none; a position below 1 rejects the row.", _item),
    _function("FIELD", _FIELD, "A field of a row.", _field),
)  # fmt: skip
