"""Paths into JSON documents: ``[lax | strict] $.a[0]['b'][*]..c[?(@.d > 1)]``.

in      the text of a path
out     its steps, parsed once; :meth:`JsonPath.read` walks one decoded document
bad     BadPath, with what is wrong
source  Flink's SqlJsonUtils over Jayway JsonPath: a path without a mode is strict; a path that
        may have several results (``*``, ``..``, slices, filters, ``[0,1]``) always gives a list

Strict: a step that does not fit is an error. Lax: it is no value. Functions such as ``length()``
are not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

_MODE = re.compile(r"\s*(strict|lax)\s+(.+?)\s*", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r"[^.\[\]()\s'\"*?,:]+")
_NAME_IN_FILTER = re.compile(r"[^.\[\]()\s'\"*?,:<>=!&|]+")
_QUOTED = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")\s*")
_INDEX = re.compile(r"\s*(-?\d+)\s*")
_SLICE = re.compile(r"\s*(-?\d+)?\s*:\s*(-?\d+)?\s*")
_OPERATORS = re.compile(r"\s*(==|!=|<=|>=|<|>)\s*")
_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*")
_WORD = re.compile(r"\s*(true|false|null)\b\s*")
_ATOM = re.compile(r"\s*@")
_WORDS = {"true": True, "false": False, "null": None}
MISSING = object()


class BadPath(ValueError):
    """The text is no path; the message says why."""


class NoSuchPath(LookupError):
    """A strict path leads nowhere in this document."""


@dataclass(frozen=True, slots=True)
class Keys:
    """One or several members of an object; several give an object of those that exist."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Indexes:
    """One or several elements of an array; negative ones count from the end."""

    at: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """The elements from ``start`` up to, not with, ``stop``."""

    start: int | None
    stop: int | None


@dataclass(frozen=True, slots=True)
class Every:
    """All members or elements."""


@dataclass(frozen=True, slots=True)
class Below:
    """The value itself and all values below it."""


@dataclass(frozen=True, slots=True)
class Where:
    """The elements that pass a test; an object is tested itself."""

    test: Callable[[Any], bool]


Step = Keys | Indexes | Slice | Every | Below | Where


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path; ``definite`` means at most one result, which is not put into a list."""

    strict: bool
    steps: tuple[Step, ...]
    definite: bool

    def read(self, document: Any) -> Any:
        """Return the value, None where a lax path finds nothing; strict raises NoSuchPath."""
        try:
            found = list(_walk(self.steps, document, firm=True))
        except NoSuchPath:
            if self.strict:
                raise
            return None if self.definite else []
        if not self.definite:
            return found
        return found[0] if found else None


@lru_cache(maxsize=4096)
def json_path(text: str) -> JsonPath:
    """Return the parsed path, or raise BadPath.

    >>> json_path("lax $.a[1]").read({"a": [1, 2]})
    2
    """
    mode = _MODE.fullmatch(text)
    strict = mode is None or mode[1].lower() == "strict"
    reader = _Reader(text.strip() if mode is None else mode[2])
    steps = reader.path()
    return JsonPath(strict, steps, all(_is_definite(s) for s in steps))


def _is_definite(step: Step) -> bool:
    return isinstance(step, Keys) or (isinstance(step, Indexes) and len(step.at) == 1)


# --- walking


def _walk(steps: tuple[Step, ...], value: Any, *, firm: bool) -> Iterator[Any]:
    """Yield what the steps lead to; a miss counts while no step has fanned out (``firm``)."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Below):
        for each in _below(value):
            yield from _walk(rest, each, firm=False)
        return
    stays = firm and _is_definite(step)
    for each in _step(step, value, firm=firm):
        yield from _walk(rest, each, firm=stays)


def _step(step: Step, value: Any, *, firm: bool) -> Iterator[Any]:
    match step:
        case Keys(names=names):
            yield from _keys(names, value, firm=firm)
        case Indexes(at=at):
            if not isinstance(value, list):
                yield from _miss(firm)
                return
            for i in at:
                if -len(value) <= i < len(value):
                    yield value[i]
                elif len(at) == 1:
                    yield from _miss(firm)
        case Slice(start=start, stop=stop):
            if isinstance(value, list):
                yield from _sliced(value, start, stop)
        case Every():
            yield from _children(value)
        case Where(test=test):
            inside = value if isinstance(value, list) else [value]
            yield from (each for each in inside if test(each))


def _sliced(value: list[Any], start: int | None, stop: int | None) -> list[Any]:
    """Return a slice; one with both ends counts from the front only, as Jayway's does."""
    if start is not None and stop is not None and (start < 0 or stop < 0):
        return []
    return value[start:stop]


def _keys(names: tuple[str, ...], value: Any, *, firm: bool) -> Iterator[Any]:
    if not isinstance(value, dict):
        yield from _miss(firm)
    elif len(names) > 1:
        yield {name: value[name] for name in names if name in value}
    elif names[0] in value:
        yield value[names[0]]
    else:
        yield from _miss(firm)


def _miss(firm: bool) -> Iterator[Any]:
    if firm:
        raise NoSuchPath
    yield from ()


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _below(value: Any) -> Iterator[Any]:
    """Yield a value and all below it, parents first; a stack, because documents may be deep."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += reversed(list(_children(each)))


# --- reading


class _Reader:
    """A descent over the text of a path."""

    def __init__(self, text: str):
        self.text = text
        self.at = 0
        self.name = _NAME

    def path(self) -> tuple[Step, ...]:
        if not self.text:
            raise BadPath("it is empty")
        if not self.accept("$"):
            # Jayway reads a as $.a.
            self.text = "$." + self.text if not self.text.startswith("[") else "$" + self.text
            self.at = 1
        steps = tuple(self.steps())
        if self.at < len(self.text):
            raise BadPath(f"'{self.text[self.at :]}' follows a path")
        return steps

    def steps(self) -> Iterator[Step]:
        while self.at < len(self.text):
            if self.accept(".."):
                yield Below()
                if not self.text.startswith("[", self.at):
                    yield self.member()
            elif self.accept("."):
                # .['a'] is read like ['a'].
                yield self.bracket() if self.accept("[") else self.member()
            elif self.accept("["):
                yield self.bracket()
            else:
                return

    def member(self) -> Step:
        if self.accept("*"):
            return Every()
        name = self.take(self.name)
        if name is None:
            raise BadPath(f"a name is missing at character {self.at + 1}")
        if self.text.startswith("(", self.at):
            raise BadPath(f"the function {name[0]}() is not supported")
        return Keys((name[0],))

    def bracket(self) -> Step:
        found = self.inside()
        if not self.accept("]"):
            raise BadPath(f"a ']' is missing at character {self.at + 1}")
        return found

    def inside(self) -> Step:
        if self.accept("*"):
            return Every()
        if self.accept("?"):
            return self.filter()
        quoted = self.take(_QUOTED)
        if quoted is not None:
            names = [_unquoted(quoted)]
            while self.accept(","):
                more = self.take(_QUOTED)
                if more is None:
                    raise BadPath("a name is missing after ','")
                names.append(_unquoted(more))
            return Keys(tuple(names))
        part = self.take(_SLICE)
        if part is not None:
            start, stop = (None if p is None else int(p) for p in part.groups())
            return Slice(start, stop)
        index = self.take(_INDEX)
        if index is None:
            raise BadPath(f"an index or a name is missing at character {self.at + 1}")
        indexes = [int(index[1])]
        while self.accept(","):
            more = self.take(_INDEX)
            if more is None:
                raise BadPath("an index is missing after ','")
            indexes.append(int(more[1]))
        return Indexes(tuple(indexes))

    # --- filters

    def filter(self) -> Where:
        if not self.accept("("):
            raise BadPath("a filter is written [?(…)]")
        self.name = _NAME_IN_FILTER
        test = self.any_of()
        if not self.accept(")"):
            raise BadPath(f"a ')' is missing at character {self.at + 1}")
        self.name = _NAME
        return Where(test)

    def any_of(self) -> Callable[[Any], bool]:
        tests = [self.all_of()]
        while self.accept("||"):
            tests.append(self.all_of())
        return tests[0] if len(tests) == 1 else lambda v: any(test(v) for test in tests)

    def all_of(self) -> Callable[[Any], bool]:
        tests = [self.one()]
        while self.accept("&&"):
            tests.append(self.one())
        return tests[0] if len(tests) == 1 else lambda v: all(test(v) for test in tests)

    def one(self) -> Callable[[Any], bool]:
        self.blanks()
        if self.accept("!"):
            inner = self.one()
            return lambda v: not inner(v)
        if self.accept("("):
            test = self.any_of()
            if not self.accept(")"):
                raise BadPath(f"a ')' is missing at character {self.at + 1}")
            self.blanks()
            return test
        left = self.operand()
        operator = self.take(_OPERATORS)
        if operator is None:
            self.blanks()
            return lambda v: left(v) is not MISSING
        right, sign = self.operand(), operator[1]
        self.blanks()
        return lambda v: _compare(left(v), sign, right(v))

    def operand(self) -> Callable[[Any], Any]:
        if self.take(_ATOM) is not None:
            steps = tuple(self.steps())
            return lambda v: next(_walk(steps, v, firm=False), MISSING)
        quoted = self.take(_QUOTED)
        if quoted is not None:
            text = _unquoted(quoted)
            return lambda _: text
        number = self.take(_NUMBER)
        if number is not None:
            value = float(number[1])
            return lambda _: value
        word = self.take(_WORD)
        if word is None:
            raise BadPath(f"a value is missing at character {self.at + 1}")
        said = _WORDS[word[1]]
        return lambda _: said

    # --- text

    def blanks(self) -> None:
        while self.text.startswith(" ", self.at):
            self.at += 1

    def accept(self, text: str) -> bool:
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found


def _unquoted(match: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", match[1] if match[1] is not None else match[2])


def _compare(a: Any, sign: str, b: Any) -> bool:
    if a is MISSING or b is MISSING:
        return sign == "!=" and (a is MISSING) != (b is MISSING)
    if sign in ("==", "!="):
        same = bool(a == b) and isinstance(a, bool) == isinstance(b, bool)
        return same if sign == "==" else not same
    if isinstance(a, str) and isinstance(b, str):
        return _ordered(a < b, a == b, sign)
    numbers = (int, float, Decimal)
    if any(isinstance(v, bool) or not isinstance(v, numbers) for v in (a, b)):
        return False
    left, right = float(a), float(b)
    return _ordered(left < right, left == right, sign)


def _ordered(less: bool, same: bool, sign: str) -> bool:
    match sign:
        case "<":
            return less
        case "<=":
            return less or same
        case ">":
            return not less and not same
        case _:
            return not less
