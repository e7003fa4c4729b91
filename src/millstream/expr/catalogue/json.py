"""JSON: tests, extraction by path, construction. JSON is text (STRING), as in Flink.

How a front end hands over the clauses (all of them literals, upper case, one blank between words):

* ``x IS JSON [VALUE|OBJECT|ARRAY|SCALAR]`` is ``Call("IS JSON VALUE", (x,))``, and so on for
  ``IS JSON OBJECT``, ``IS JSON ARRAY``, ``IS JSON SCALAR``; ``IS NOT JSON …`` is NOT around it.
* ``JSON_EXISTS(x, path [b ON ERROR])`` is ``(x, path)`` or ``(x, path, b)``,
  b one of TRUE FALSE UNKNOWN ERROR; left out it is FALSE.
* ``JSON_VALUE(x, path …)`` is ``(x, path)`` or all seven of
  ``(x, path, returning, on_empty, empty_default, on_error, error_default)``: ``returning`` is a
  type's text, ``on_empty`` and ``on_error`` are NULL ERROR DEFAULT, a default that was not
  written is ``Literal(None)`` (it may be any expression where it was written).
  Left out: STRING, NULL, NULL.
* ``JSON_QUERY(x, path …)`` is ``(x, path)`` or all six of
  ``(x, path, returning, wrapper, on_empty, on_error)``: ``returning`` is STRING or ARRAY<STRING>,
  ``wrapper`` is WITHOUT CONDITIONAL UNCONDITIONAL (``WITH WRAPPER`` alone means UNCONDITIONAL),
  the last two are NULL, EMPTY ARRAY, EMPTY OBJECT, ERROR. Left out: STRING, WITHOUT, NULL, NULL.
* ``JSON_OBJECT(KEY k VALUE v, … [n ON NULL])`` is ``(n, k, v, …)``, n one of NULL ABSENT;
  the front end writes NULL where the clause is left out.
* ``JSON_ARRAY(v, … [n ON NULL])`` is ``(n, v, …)``; ABSENT where the clause is left out.

A path without a mode is strict (as Flink reads it, not as the standard has it): what is missing is
an error, so that ON ERROR applies and ON EMPTY does not. Where Flink differs and is wrong: a text
with something behind the document is no JSON here; objects keep the order of their members;
JSON_VALUE … RETURNING converts '12' to 12 and gives what cannot be converted to ON ERROR, where
Flink's job fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from millstream import types as t
from millstream.errors import PlanError, TypeMismatch
from millstream.expr.casts import castable
from millstream.expr.function import Function, Infer, Nulls, Signature, mismatch
from millstream.expr.infer import any_type, takes, text
from millstream.expr.json_path import BadPath, json_path
from millstream.expr.tree import Call, Cast, Expr, Literal
from millstream.types import parse_type
from millstream.types.logical import CharacterString, Integer

ON_NULL = ("NULL", "ABSENT")
ON_EXISTS = ("TRUE", "FALSE", "UNKNOWN", "ERROR")
ON_VALUE = ("NULL", "ERROR", "DEFAULT")
ON_QUERY = ("NULL", "EMPTY ARRAY", "EMPTY OBJECT", "ERROR")
WRAPPERS = ("WITHOUT", "CONDITIONAL", "UNCONDITIONAL")
RAW = ("JSON_OBJECT", "JSON_ARRAY", "JSON")
"""Calls whose result goes into an object or array as it is, not as a text."""

_SCALARS = t.Boolean | Integer | t.Float | t.Double | t.Decimal | CharacterString | t.Null
_IN_JSON = "BOOLEAN, numbers, strings, BYTES, TIMESTAMP, and ARRAY, MAP<STRING, …>, ROW of them"


def said(arg: Expr, words: Sequence[str], what: str) -> str:
    """Return the word of a clause."""
    if not (isinstance(arg, Literal) and arg.value in words):
        raise PlanError(
            f"'{arg}' is not {what}.", where=arg.place, hint=f"It is one of {', '.join(words)}."
        )
    return str(arg.value)


def _check_path(name: str, arg: Expr) -> None:
    if not (isinstance(arg, Literal) and isinstance(arg.value, str)):
        return
    try:
        json_path(arg.value)
    except BadPath as error:
        raise PlanError(
            f"'{arg.value}' is not a JSON path: {error}.",
            where=arg.place,
            hint=f"{name} takes paths such as '$.a[0].b' or 'lax $.a[*]'.",
        ) from error


def _document(name: str, args: tuple[Expr, ...], says: str, counts: Sequence[int]) -> Signature:
    """Type and check the document and the path in front of the clauses."""
    if len(args) not in counts:
        raise mismatch(name, args[:2], says)
    found = takes(name, says, [text, text], t.STRING)(args[:2])
    _check_path(name, args[1])
    return found


_EXISTS = "JSON_EXISTS(json, path [TRUE | FALSE | UNKNOWN | ERROR ON ERROR])"
_VALUE = (
    "JSON_VALUE(json, path [RETURNING type] [NULL | ERROR | DEFAULT any ON EMPTY] "
    "[NULL | ERROR | DEFAULT any ON ERROR])"
)
_QUERY = (
    "JSON_QUERY(json, path [RETURNING type] [WITHOUT | WITH [CONDITIONAL | UNCONDITIONAL] WRAPPER] "
    "[NULL | EMPTY ARRAY | EMPTY OBJECT | ERROR ON EMPTY] [… ON ERROR])"
)


def _exists(args: tuple[Expr, ...]) -> Signature:
    found = _document("JSON_EXISTS", args, _EXISTS, (2, 3))
    for word in args[2:]:
        said(word, ON_EXISTS, "an answer of JSON_EXISTS … ON ERROR")
    return Signature((*found.args, *(a.typed for a in args[2:])), t.Boolean())


def returning(args: Sequence[Expr]) -> t.LogicalType:
    """Return the type of the RETURNING clause, STRING where it is left out."""
    if len(args) < 3:
        return t.STRING
    clause = args[2]
    assert isinstance(clause, Literal), "the front end writes a type's text"
    return parse_type(str(clause.value)).with_nullable(True)


def _value(args: tuple[Expr, ...]) -> Signature:
    found = _document("JSON_VALUE", args, _VALUE, (2, 7))
    gives = returning(args)
    if not isinstance(gives, t.VarChar | t.Char | t.Boolean | t.Int | t.Double):
        raise TypeMismatch(
            f"JSON_VALUE does not return {gives}.",
            where=args[2].place,
            hint="It returns STRING, BOOLEAN, INTEGER or DOUBLE; put a CAST around it.",
        )
    rest: list[t.LogicalType] = []
    for i, arg in enumerate(args[2:], 2):
        if i in (3, 5):
            said(arg, ON_VALUE, "an answer of JSON_VALUE")
        default = i in (4, 6)
        if default and not castable(arg.typed, gives):
            raise TypeMismatch(
                f"The default is {arg.typed.with_nullable(True)}, JSON_VALUE returns {gives}.",
                where=arg.place,
            )
        # A boolean becomes true, not TRUE as a CAST writes it.
        as_json = isinstance(arg.typed, t.Boolean) and isinstance(gives, CharacterString)
        rest.append(gives if default and not as_json else arg.typed)
    return Signature((*found.args, *rest), gives)


def _query(args: tuple[Expr, ...]) -> Signature:
    found = _document("JSON_QUERY", args, _QUERY, (2, 6))
    gives = returning(args)
    listed = gives == t.Array(t.STRING)
    if not listed and not isinstance(gives, CharacterString):
        raise TypeMismatch(
            f"JSON_QUERY does not return {gives}.",
            where=args[2].place,
            hint="It returns STRING or ARRAY<STRING>.",
        )
    if len(args) > 2:
        said(args[3], WRAPPERS, "a wrapper of JSON_QUERY")
        for arg in args[4:]:
            word = said(arg, ON_QUERY, "an answer of JSON_QUERY")
            if listed and word == "EMPTY OBJECT":
                raise TypeMismatch(
                    "An empty object is no ARRAY<STRING>.",
                    where=arg.place,
                    hint="Write EMPTY ARRAY, NULL or ERROR.",
                )
    return Signature((*found.args, *(a.typed for a in args[2:])), gives)


# --- construction


def _writable(dtype: t.LogicalType) -> bool:
    match dtype:
        case t.Array(element=element):
            return _writable(element)
        case t.Map(key=key, value=value):
            return isinstance(key, CharacterString) and _writable(value)
        case t.Row(fields=fields):
            return all(_writable(kind) for _, kind in fields)
        case t.Binary() | t.VarBinary() | t.Timestamp() | t.TimestampLtz():
            return True
        case _:
            return isinstance(dtype, _SCALARS)


def _check_writable(name: str, arg: Expr) -> None:
    if not _writable(arg.typed):
        raise TypeMismatch(
            f"{name} cannot write {arg.typed.with_nullable(True)} as JSON.",
            where=arg.place,
            hint=f"It writes {_IN_JSON}; CAST other values to STRING.",
        )


def is_raw(arg: Expr) -> bool:
    """Tell whether a value is already JSON, made by a call around it."""
    while isinstance(arg, Cast):
        arg = arg.arg
    return isinstance(arg, Call) and arg.function in RAW


def _string(args: tuple[Expr, ...]) -> Signature:
    says = "JSON_STRING(any)"
    found = takes("JSON_STRING", says, [any_type], t.STRING)(args)
    _check_writable("JSON_STRING", args[0])
    return found


def _object(args: tuple[Expr, ...]) -> Signature:
    says = "JSON_OBJECT([KEY key VALUE any, …] [NULL | ABSENT ON NULL])"
    if len(args) % 2 == 0:
        raise mismatch("JSON_OBJECT", args[1:], says)
    said(args[0], ON_NULL, "an answer of JSON_OBJECT … ON NULL")
    for key, value in zip(args[1::2], args[2::2], strict=True):
        if not isinstance(key.typed, CharacterString):
            raise TypeMismatch(
                f"A key is a string, this is {key.typed.with_nullable(True)}.", where=key.place
            )
        _check_writable("JSON_OBJECT", value)
    return Signature(tuple(a.typed for a in args), t.VarChar(nullable=False))


def _array(args: tuple[Expr, ...]) -> Signature:
    if not args:
        raise mismatch("JSON_ARRAY", args, "JSON_ARRAY(any, … [NULL | ABSENT ON NULL])")
    said(args[0], ON_NULL, "an answer of JSON_ARRAY … ON NULL")
    for value in args[1:]:
        _check_writable("JSON_ARRAY", value)
    return Signature(tuple(a.typed for a in args), t.VarChar(nullable=False))


def _function(name: str, says: str, doc: str, infer: Infer, *, custom: bool = False) -> Function:
    nulls = Nulls.CUSTOM if custom else Nulls.STRICT
    return Function(name=name, family="json", says=says, doc=doc, infer=infer, nulls=nulls)


def _tests(kind: str, doc: str) -> Function:
    name = f"IS JSON {kind}"
    infer = takes(name, f"string {name}", [text], t.Boolean(), nullable=False)
    return _function(name, f"string {name}", doc, infer, custom=True)


FUNCTIONS: tuple[Function, ...] = (
    _tests("VALUE", "Whether the text is JSON; FALSE for NULL. IS JSON alone is the same."),
    _tests("OBJECT", "Whether the text is a JSON object; FALSE for NULL."),
    _tests("ARRAY", "Whether the text is a JSON array; FALSE for NULL."),
    _tests("SCALAR", "Whether the text is a JSON string, number, true, false or null; FALSE for "
           "NULL."),
    _function("JSON_EXISTS", _EXISTS,
              "Whether the path leads to a value that is not null; FALSE on error if not said.",
              _exists, custom=True),
    _function("JSON_VALUE", _VALUE,
              "The scalar the path leads to; NULL if empty and on error if not said.",
              _value, custom=True),
    _function("JSON_QUERY", _QUERY,
              "The object or array the path leads to; NULL if empty and on error if not said.",
              _query, custom=True),
    _function("JSON_STRING", "JSON_STRING(any)",
              f"The value as JSON: {_IN_JSON}.", _string),
    _function("JSON_OBJECT", "JSON_OBJECT([KEY key VALUE any, …] [NULL | ABSENT ON NULL])",
              "An object; members that are NULL stay (NULL ON NULL, if not said) or go; a NULL key "
              "rejects the row.", _object, custom=True),
    _function("JSON_ARRAY", "JSON_ARRAY(any, … [NULL | ABSENT ON NULL])",
              "An array; elements that are NULL go (ABSENT ON NULL, if not said) or stay.",
              _array, custom=True),
    _function("JSON", "JSON(string)",
              "A text that is JSON, put into JSON_OBJECT or JSON_ARRAY as it is; another text "
              "rejects the row.", takes("JSON", "JSON(string)", [text], t.STRING)),
    _function("JSON_QUOTE", "JSON_QUOTE(string)",
              "The text as a JSON string in ASCII, with its quotes.",
              takes("JSON_QUOTE", "JSON_QUOTE(string)", [text], t.STRING)),
    _function("JSON_UNQUOTE", "JSON_UNQUOTE(string)",
              "The text of a JSON string; any other text unchanged.",
              takes("JSON_UNQUOTE", "JSON_UNQUOTE(string)", [text], t.STRING)),
)  # fmt: skip
