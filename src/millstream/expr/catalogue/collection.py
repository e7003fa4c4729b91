"""Arrays and maps: looking inside, changing, setting against each other.

Two NULL elements are equal here, as in Flink (ARRAY_DISTINCT keeps one of them). An element that
is handed over is converted to the array's element type; where that needs a CAST it is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from millstream import types as t
from millstream.errors import TypeMismatch
from millstream.expr.coerce import common_type, implicit, nullable_any
from millstream.expr.function import Function, Infer, Nulls, Signature, mismatch
from millstream.expr.infer import boolean, int_, text
from millstream.expr.tree import Expr
from millstream.types.logical import CharacterString

_UNORDERED = t.Array | t.Map | t.Multiset | t.Row
_ANY_ARRAY = t.Array(t.Null())


def _array(name: str, args: tuple[Expr, ...], says: str, at: int = 0) -> t.Array:
    found = args[at].typed
    if not isinstance(found, t.Array):
        raise mismatch(name, args, says)
    return found


def _map(name: str, args: tuple[Expr, ...], says: str) -> t.Map:
    found = args[0].typed
    if not isinstance(found, t.Map):
        raise mismatch(name, args, says)
    return found


def _counted(name: str, args: tuple[Expr, ...], says: str, low: int, high: int) -> None:
    if not low <= len(args) <= high:
        raise mismatch(name, args, says)


def _one_array(name: str, says: str, gives: Callable[[t.Array], t.LogicalType]) -> Infer:
    def infer(args: tuple[Expr, ...]) -> Signature:
        _counted(name, args, says, 1, 1)
        found = _array(name, args, says)
        return Signature((found,), gives(found))

    return infer


def _needle(name: str, args: tuple[Expr, ...], says: str, array: t.Array) -> t.LogicalType:
    """Return the type the element is converted to; its length is not cut."""
    have, want = args[1].typed, array.element
    if not implicit(have, want):
        error = mismatch(name, args, says)
        error.hint = f"CAST the element to {want.with_nullable(True)}, the array's element type."
        raise error
    if isinstance(have, CharacterString) and isinstance(want, CharacterString):
        return t.VarChar(nullable=have.nullable)
    return want.with_nullable(have.nullable or isinstance(have, t.Null))


def _searches(name: str, says: str, result: Callable[[t.Array, bool], t.LogicalType]) -> Infer:
    """Type (array, element); ``result`` gets the array and whether the element may be NULL."""

    def infer(args: tuple[Expr, ...]) -> Signature:
        _counted(name, args, says, 2, 2)
        array = _array(name, args, says)
        needle = _needle(name, args, says, array)
        return Signature((array, needle), result(array, needle.nullable))

    return infer


def _adds(name: str, says: str) -> Infer:
    """Type (array, element) of an array that grows; a NULL element makes the elements nullable."""

    def infer(args: tuple[Expr, ...]) -> Signature:
        _counted(name, args, says, 2, 2)
        array = _array(name, args, says)
        needle = _needle(name, args, says, array)
        element = common_type([array.element, needle])
        if element is None or (isinstance(needle, t.VarChar) and isinstance(args[1].typed, t.Null)):
            element = array.element.with_nullable(True)
        elif isinstance(needle, t.VarChar) and not isinstance(array.element, t.VarChar):
            length = max(getattr(array.element, "length", 1), getattr(args[1].typed, "length", 1))
            element = t.VarChar(length, nullable=element.nullable)
        if array.element.with_nullable(True) == args[1].typed.with_nullable(True):
            element = array.element.with_nullable(element.nullable)
        null = nullable_any([a.typed for a in args])
        result = t.Array(element, nullable=null)
        wanted = t.Array(element, nullable=array.nullable)
        return Signature((wanted, element.with_nullable(needle.nullable)), result)

    return infer


def _together(name: str, says: str, least: int, most: int | None) -> Infer:
    """Type several arrays, or several maps, of one common type."""

    def infer(args: tuple[Expr, ...]) -> Signature:
        if len(args) < least or (most is not None and len(args) > most):
            raise mismatch(name, args, says)
        found = common_type([a.typed for a in args])
        if not isinstance(found, t.Map if name == "MAP_UNION" else t.Array):
            raise mismatch(name, args, says)
        return Signature(tuple(found.with_nullable(a.typed.nullable) for a in args), found)

    return infer


def _extreme(name: str) -> Infer:
    says = f"{name}(array)"

    def infer(args: tuple[Expr, ...]) -> Signature:
        _counted(name, args, says, 1, 1)
        array = _array(name, args, says)
        if isinstance(array.element, _UNORDERED):
            raise TypeMismatch(
                f"The elements of {array.with_nullable(True)} have no order.",
                where=args[0].place,
                hint="Numbers, texts, times and booleans do.",
            )
        return Signature((array,), array.element.with_nullable(True))

    return infer


_SORT = "ARRAY_SORT(array [, ascending [, nulls first]])"


def _sort(args: tuple[Expr, ...]) -> Signature:
    _counted("ARRAY_SORT", args, _SORT, 1, 3)
    _extreme("ARRAY_SORT")(args[:1])
    array = _array("ARRAY_SORT", args, _SORT)
    flags = [boolean(a.typed) for a in args[1:]]
    if None in flags:
        raise mismatch("ARRAY_SORT", args, _SORT)
    kinds = tuple(t.Boolean(nullable=a.typed.nullable) for a in args[1:])
    return Signature((array, *kinds), array.with_nullable(nullable_any([a.typed for a in args])))


_SLICE = "ARRAY_SLICE(array, first [, last])"


def _slice(args: tuple[Expr, ...]) -> Signature:
    _counted("ARRAY_SLICE", args, _SLICE, 2, 3)
    array = _array("ARRAY_SLICE", args, _SLICE)
    kinds = [int_(a.typed) for a in args[1:]]
    if None in kinds:
        raise mismatch("ARRAY_SLICE", args, _SLICE)
    whole = tuple(t.Int(nullable=a.typed.nullable) for a in args[1:])
    return Signature((array, *whole), array.with_nullable(nullable_any([a.typed for a in args])))


_JOIN = "ARRAY_JOIN(array of strings, delimiter [, instead of NULL])"


def _join(args: tuple[Expr, ...]) -> Signature:
    _counted("ARRAY_JOIN", args, _JOIN, 2, 3)
    array = _array("ARRAY_JOIN", args, _JOIN)
    if not isinstance(array.element, CharacterString):
        raise mismatch("ARRAY_JOIN", args, _JOIN)
    kinds = [text(a.typed) for a in args[1:]]
    wanted = [k for k in kinds if k is not None]
    if len(wanted) < len(kinds):
        raise mismatch("ARRAY_JOIN", args, _JOIN)
    return Signature((array, *wanted), t.VarChar(nullable=nullable_any([a.typed for a in args])))


def _cardinality(args: tuple[Expr, ...]) -> Signature:
    says = "CARDINALITY(array) or CARDINALITY(map)"
    _counted("CARDINALITY", args, says, 1, 1)
    if not isinstance(args[0].typed, t.Array | t.Map | t.Multiset):
        raise mismatch("CARDINALITY", args, says)
    return Signature((args[0].typed,), t.Int(nullable=args[0].typed.nullable))


def _one_map(name: str, gives: Callable[[t.Map], t.LogicalType]) -> Infer:
    says = f"{name}(map)"

    def infer(args: tuple[Expr, ...]) -> Signature:
        _counted(name, args, says, 1, 1)
        found = _map(name, args, says)
        return Signature((found,), t.Array(gives(found), nullable=found.nullable))

    return infer


def _from_arrays(args: tuple[Expr, ...]) -> Signature:
    says = "MAP_FROM_ARRAYS(array of keys, array of values)"
    _counted("MAP_FROM_ARRAYS", args, says, 2, 2)
    keys = _array("MAP_FROM_ARRAYS", args, says)
    values = _array("MAP_FROM_ARRAYS", args, says, 1)
    null = keys.nullable or values.nullable
    return Signature((keys, values), t.Map(keys.element, values.element, nullable=null))


def _function(name: str, says: str, doc: str, infer: Infer, *, custom: bool = False) -> Function:
    nulls = Nulls.CUSTOM if custom else Nulls.STRICT
    return Function(name=name, family="collection", says=says, doc=doc, infer=infer, nulls=nulls)


def _same(array: t.Array) -> t.LogicalType:
    return array


_CONTAINS = "ARRAY_CONTAINS(array, element)"
_POSITION = "ARRAY_POSITION(array, element)"
_REMOVE = "ARRAY_REMOVE(array, element)"

FUNCTIONS: tuple[Function, ...] = (
    _function("CARDINALITY", "CARDINALITY(array) or CARDINALITY(map)",
              "The number of elements or entries.", _cardinality),
    _function("ELEMENT", "ELEMENT(array)",
              "The only element; NULL of an empty array; several reject the row.",
              _one_array("ELEMENT", "ELEMENT(array)", lambda a: a.element.with_nullable(True))),
    _function("ARRAY_CONTAINS", _CONTAINS,
              "Whether an element is equal; a NULL element is looked for like any other.",
              _searches("ARRAY_CONTAINS", _CONTAINS,
                        lambda array, _: t.Boolean(nullable=array.nullable)), custom=True),
    _function("ARRAY_POSITION", _POSITION,
              "Where the element first stands, 0 where it does not.",
              _searches("ARRAY_POSITION", _POSITION,
                        lambda array, null: t.Int(nullable=array.nullable or null))),
    _function("ARRAY_APPEND", "ARRAY_APPEND(array, element)",
              "With the element at the end; it may be NULL.",
              _adds("ARRAY_APPEND", "ARRAY_APPEND(array, element)"), custom=True),
    _function("ARRAY_PREPEND", "ARRAY_PREPEND(array, element)",
              "With the element at the start; it may be NULL.",
              _adds("ARRAY_PREPEND", "ARRAY_PREPEND(array, element)"), custom=True),
    _function("ARRAY_REMOVE", _REMOVE,
              "Without the elements that are equal; NULL removes the NULLs.",
              _searches("ARRAY_REMOVE", _REMOVE, lambda array, _: array), custom=True),
    _function("ARRAY_DISTINCT", "ARRAY_DISTINCT(array)",
              "Each element once, where it first stood.",
              _one_array("ARRAY_DISTINCT", "ARRAY_DISTINCT(array)", _same)),
    _function("ARRAY_REVERSE", "ARRAY_REVERSE(array)", "Backwards.",
              _one_array("ARRAY_REVERSE", "ARRAY_REVERSE(array)", _same)),
    _function("ARRAY_SORT", _SORT,
              "Sorted; ascending and with NULLs at the smaller end if not said.", _sort),
    _function("ARRAY_SLICE", _SLICE,
              "The elements from the first to the last position; negative ones count from the "
              "end, 0 is 1.", _slice),
    _function("ARRAY_MAX", "ARRAY_MAX(array)", "The greatest element that is not NULL.",
              _extreme("ARRAY_MAX")),
    _function("ARRAY_MIN", "ARRAY_MIN(array)", "The least element that is not NULL.",
              _extreme("ARRAY_MIN")),
    _function("ARRAY_JOIN", _JOIN,
              "The elements with the delimiter between them; NULLs are left out or replaced.",
              _join),
    _function("ARRAY_CONCAT", "ARRAY_CONCAT(array, …)", "All elements, one array after the other.",
              _together("ARRAY_CONCAT", "ARRAY_CONCAT(array, …), of one type", 1, None)),
    _function("ARRAY_UNION", "ARRAY_UNION(array, array)", "The elements of either, each once.",
              _together("ARRAY_UNION", "ARRAY_UNION(array, array), of one type", 2, 2)),
    _function("ARRAY_INTERSECT", "ARRAY_INTERSECT(array, array)",
              "The elements of the first that are in the second, each once.",
              _together("ARRAY_INTERSECT", "ARRAY_INTERSECT(array, array), of one type", 2, 2)),
    _function("ARRAY_EXCEPT", "ARRAY_EXCEPT(array, array)",
              "The elements of the first that are not in the second, each once.",
              _together("ARRAY_EXCEPT", "ARRAY_EXCEPT(array, array), of one type", 2, 2)),
    _function("MAP_KEYS", "MAP_KEYS(map)", "Its keys.", _one_map("MAP_KEYS", lambda m: m.key)),
    _function("MAP_VALUES", "MAP_VALUES(map)", "Its values.",
              _one_map("MAP_VALUES", lambda m: m.value)),
    _function("MAP_ENTRIES", "MAP_ENTRIES(map)", "Its entries, as rows of key and value.",
              _one_map("MAP_ENTRIES", lambda m: t.Row((("key", m.key), ("value", m.value))))),
    _function("MAP_FROM_ARRAYS", "MAP_FROM_ARRAYS(array of keys, array of values)",
              "A map; arrays of different lengths reject the row; the last of equal keys stays.",
              _from_arrays),
    _function("MAP_UNION", "MAP_UNION(map, …)",
              "The entries of all maps; the last of equal keys stays.",
              _together("MAP_UNION", "MAP_UNION(map, …), of one type", 1, None)),
)  # fmt: skip
