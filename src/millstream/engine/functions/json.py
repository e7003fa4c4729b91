"""JSON on Polars columns.

Paths are evaluated document by document: Polars' own ``json_path_match`` rewrites numbers (1.50),
knows no modes and cannot tell an empty result from an error. A document that repeats in a batch is
read once.

state   what a path gives: 0 a value, 1 nothing, 2 an error; the clauses ON EMPTY and ON ERROR say
        what becomes of 1 and 2
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, Fail, Lowered, lowers, lowers_lazily
from millstream.engine.functions.json_text import (
    INVALID,
    OTHERWISE,
    decoded,
    encoded,
    json_of,
    member_reader,
    normal,
    quoted,
    scalar_text,
    string_of,
    unquoted,
)
from millstream.engine.functions.rows import on_rows
from millstream.engine.functions.series import constant_of
from millstream.expr.catalogue.json import is_raw, returning
from millstream.expr.json_path import MISSING, BadPath, JsonPath, Keys, NoSuchPath, json_path
from millstream.expr.tree import Call, Expr, Literal

VALUE, EMPTY, ERROR = 0, 1, 2
Outcome = tuple[int, Any]

_STRING = pl.String()
_INT_RANGE = range(-(2**31), 2**31)
_NOTHING: Outcome = (EMPTY, None)
_FAILED: Outcome = (ERROR, None)


# --- tests


def _kind(document: str) -> str | None:
    value = decoded(document)
    if value is INVALID:
        return None
    return "OBJECT" if isinstance(value, dict) else "ARRAY" if isinstance(value, list) else "SCALAR"


@lowers("IS JSON VALUE", "IS JSON OBJECT", "IS JSON ARRAY", "IS JSON SCALAR")
def _is_json(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    kind = on_rows(_kind, [x], _STRING)
    wanted = call.function.removeprefix("IS JSON ")
    return kind.is_not_null() if wanted == "VALUE" else (kind == wanted).fill_null(False)


# --- paths


State = tuple[int, Any, bool]
"""The state, the value, and whether the path is strict."""
_MEMBERS_MAX = 16


@lru_cache(maxsize=4096)
def _reader(path: str) -> Callable[[str], State]:
    """Return what reads a document by this path."""
    try:
        parsed = json_path(path)
    except BadPath:
        return lambda _: (ERROR, None, True)

    def by_path(document: str) -> State:
        return _found(decoded(document), parsed, parsed.read)

    names = tuple(s.names[0] for s in parsed.steps if isinstance(s, Keys) and len(s.names) == 1)
    if not 0 < len(names) <= _MEMBERS_MAX or len(names) < len(parsed.steps):
        return by_path
    read = member_reader(names)

    def by_members(document: str) -> State:
        value = read(document)
        if value is OTHERWISE:
            return by_path(document)
        return _found(value, parsed, _itself)

    return by_members


def _itself(value: Any) -> Any:
    if value is MISSING:
        raise NoSuchPath
    return value


def _found(value: Any, path: JsonPath, read: Callable[[Any], Any]) -> State:
    """Return what a document gives by a path."""
    strict = path.strict
    if value is INVALID:
        # To Flink a text that is no JSON holds nothing, where the path is lax.
        return (ERROR if strict else EMPTY), None, strict
    if value is None and read is not _itself:
        return ERROR, None, strict  # the document is null
    try:
        found = read(value)
    except NoSuchPath:
        found = None
    if found is None:
        return (ERROR if strict else EMPTY), None, strict
    return VALUE, found, strict


def _each(of: Callable[[State], Any], x: pl.Expr, path: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return ``of`` what each document gives."""
    fixed = constant_of(path)
    if fixed is None:
        return on_rows(lambda document, text: of(_reader(text)(document)), [x, path], dtype)
    if fixed[0] is None:
        return pl.lit(None, dtype=dtype)
    read = _reader(fixed[0])
    return on_rows(lambda document: of(read(document)), [x], dtype)


def _word(call: Call, at: int, otherwise: str) -> str:
    if at >= len(call.args):
        return otherwise
    clause = call.args[at]
    assert isinstance(clause, Literal), "the catalogue has checked it"
    return str(clause.value)


def _outcomes(
    outcome: Callable[[State], Outcome], x: pl.Expr, path: pl.Expr, dtype: pl.DataType
) -> pl.Expr:
    """Return a struct of state and value for each row."""

    def told(found: State) -> dict[str, Any]:
        state, value = outcome(found)
        return {"state": state, "value": value}

    return _each(told, x, path, pl.Struct({"state": pl.Int8(), "value": dtype}))


def _answered(call: Call, outcome: pl.Expr, answers: tuple[tuple[str, pl.Expr], ...]) -> Lowered:
    """Return the value, or what the clauses say of an empty result (1) and of an error (2)."""
    state = outcome.struct.field("state")
    value, fails = outcome.struct.field("value"), []
    for which, (word, answer) in enumerate(answers, 1):
        value = pl.when(state == which).then(answer).otherwise(value)
        if word == "ERROR":
            what = "an empty result" if which == EMPTY else "an error"
            when = (state == which).fill_null(False)
            fails.append(Fail(when, f"{call.function} … ERROR ON {_names[which]}: {what}"))
    return Lowered(value, tuple(fails))


_names = {EMPTY: "EMPTY", ERROR: "ERROR"}


@lowers("JSON_EXISTS")
def _exists(call: Call, ctx: Context, x: pl.Expr, path: pl.Expr, *_: pl.Expr) -> Lowered:
    word = _word(call, 2, "FALSE")
    answer = {"TRUE": True, "FALSE": False}.get(word)

    def exists(found: State) -> bool | None:
        return answer if found[0] == ERROR else found[0] == VALUE

    value = _each(exists, x, path, pl.Boolean())
    if word != "ERROR":
        return Lowered(value)
    failed = value.is_null() & x.is_not_null() & path.is_not_null()
    return Lowered(value, (Fail(failed, "JSON_EXISTS … ERROR ON ERROR: an error"),))


@lowers_lazily("JSON_VALUE")
def _value(call: Call, args: tuple[Lowered, ...], ctx: Context) -> Lowered:
    dtype, convert = polars_type(call.typed), _converter(returning(call.args))
    x, path = args[0].value, args[1].value
    below = args[0].fails + args[1].fails

    def value(given: State) -> Outcome:
        state, found, strict = given
        if state != VALUE:
            return state, None
        if isinstance(found, dict | list):
            return _FAILED if strict else _NOTHING
        converted = convert(found)
        return _FAILED if converted is None else (VALUE, converted)

    words = (_word(call, 3, "NULL"), _word(call, 5, "NULL"))
    if words == ("NULL", "NULL"):
        return Lowered(_each(lambda given: value(given)[1], x, path, dtype), below)
    outcome = _outcomes(value, x, path, dtype)
    answers: list[tuple[str, pl.Expr]] = []
    for which, word, at in ((EMPTY, words[0], 4), (ERROR, words[1], 6)):
        answer = pl.lit(None, dtype=dtype)
        if word == "DEFAULT":
            # A default that cannot be computed counts only in the rows that want it.
            wanted = (outcome.struct.field("state") == which).fill_null(False)
            below += args[at].only_where(wanted).fails
            answer = args[at].value.cast(dtype)
        answers.append((word, answer))
    answered = _answered(call, outcome, tuple(answers))
    return Lowered(answered.value, below + answered.fails)


def _converter(kind: t.LogicalType) -> Callable[[Any], Any]:
    match kind:
        case t.Boolean():
            return _boolean
        case t.Int():
            return _integer
        case t.Double():
            return _double
        case _:
            return scalar_text


def _boolean(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(value)
        whole = int(number)
    except (ArithmeticError, ValueError):
        return None
    return whole if whole == number and whole in _INT_RANGE else None


def _double(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (ArithmeticError, ValueError):
        return None


@lowers("JSON_QUERY")
def _query(call: Call, ctx: Context, x: pl.Expr, path: pl.Expr, *_: pl.Expr) -> Lowered:
    wrapper = _word(call, 3, "WITHOUT")
    listed = isinstance(call.typed, t.Array)
    dtype = polars_type(call.typed)

    def query(given: State) -> Outcome:
        state, found, strict = given
        if state != VALUE:
            return state, None
        if wrapper == "UNCONDITIONAL" or (wrapper == "CONDITIONAL" and not isinstance(found, list)):
            found = [found]
        if not isinstance(found, dict | list):
            return _FAILED if strict else _NOTHING
        if not listed:
            return VALUE, encoded(found)
        return _FAILED if isinstance(found, dict) else (VALUE, [_part(each) for each in found])

    words = (_word(call, 4, "NULL"), _word(call, 5, "NULL"))
    if words == ("NULL", "NULL"):
        return Lowered(_each(lambda given: query(given)[1], x, path, dtype))
    answers = tuple((word, _empty(word, dtype, listed=listed)) for word in words)
    return _answered(call, _outcomes(query, x, path, dtype), answers)


def _part(value: Any) -> str | None:
    if isinstance(value, dict | list):
        return encoded(value)
    return None if value is None else scalar_text(value)


def _empty(word: str, dtype: pl.DataType, *, listed: bool) -> pl.Expr:
    if word == "EMPTY ARRAY":
        return pl.lit([], dtype=pl.List(pl.String)) if listed else pl.lit("[]")
    return pl.lit("{}") if word == "EMPTY OBJECT" else pl.lit(None, dtype=dtype)


# --- construction


def _text(value: pl.Expr, arg: Expr) -> pl.Expr:
    return value if is_raw(arg) else json_of(value, arg.typed)


@lowers("JSON_STRING")
def _string(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return _text(x, call.args[0])


@lowers("JSON_OBJECT")
def _object(call: Call, ctx: Context, _: pl.Expr, *args: pl.Expr) -> Lowered:
    keep = _word(call, 0, "NULL") == "NULL"
    members: dict[Any, pl.Expr] = {}
    fails: list[Fail] = []
    for i in range(0, len(args), 2):
        key, value, name = args[i], args[i + 1], call.args[i + 1]
        text = _text(value, call.args[i + 2])
        text = text.fill_null("null") if keep else text
        # The last of equal constant keys counts.
        said = name.value if isinstance(name, Literal) else (i,)
        members[said] = pl.concat_str(string_of(key), pl.lit(":"), text)
        if name.typed.nullable:
            fails.append(Fail(key.is_null(), "JSON_OBJECT with a key that is NULL"))
    return Lowered(_joined("{", list(members.values()), "}"), tuple(fails))


@lowers("JSON_ARRAY")
def _array(call: Call, ctx: Context, _: pl.Expr, *args: pl.Expr) -> pl.Expr:
    texts = [_text(x, arg) for x, arg in zip(args, call.args[1:], strict=True)]
    if _word(call, 0, "ABSENT") == "NULL":
        texts = [text.fill_null("null") for text in texts]
    return _joined("[", texts, "]")


def _joined(start: str, parts: list[pl.Expr], end: str) -> pl.Expr:
    if not parts:
        return pl.lit(start + end)
    inside = pl.concat_str(*parts, separator=",", ignore_nulls=True)
    return pl.concat_str(pl.lit(start), inside, pl.lit(end))


@lowers("JSON")
def _json(call: Call, ctx: Context, x: pl.Expr) -> Lowered:
    text = on_rows(normal, [x], _STRING)
    return Lowered(text, (Fail(x.is_not_null() & text.is_null(), "JSON of a text that is none"),))


@lowers("JSON_QUOTE")
def _quote(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    # Every character outside ASCII becomes its UTF-16 units: no vectorised form.
    return on_rows(quoted, [x], _STRING)


@lowers("JSON_UNQUOTE")
def _unquote(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return on_rows(unquoted, [x], _STRING)
