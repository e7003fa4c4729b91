r"""Sets of characters, as Java's patterns name them: sorted ranges of code points.

A Unicode property (``\p{Lu}``) is computed from Python's own tables once per process.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

_LAST = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ")


@dataclass(frozen=True, slots=True)
class CharSet:
    """Code points as inclusive ranges; in any order, overlaps allowed."""

    ranges: tuple[tuple[int, int], ...]

    def merged(self) -> tuple[tuple[int, int], ...]:
        """Return the same ranges sorted, without overlaps."""
        found: list[tuple[int, int]] = []
        for low, high in sorted(self.ranges):
            if found and low <= found[-1][1] + 1:
                found[-1] = (found[-1][0], max(high, found[-1][1]))
            else:
                found.append((low, high))
        return tuple(found)

    def with_(self, other: CharSet) -> CharSet:
        """Return the union."""
        return CharSet(self.ranges + other.ranges)

    def negated(self) -> CharSet:
        """Return all other characters."""
        found: list[tuple[int, int]] = []
        at = 0
        for low, high in self.merged():
            if low > at:
                found.append((at, low - 1))
            at = high + 1
        if at <= _LAST:
            found.append((at, _LAST))
        return CharSet(tuple(found))

    def both(self, other: CharSet) -> CharSet:
        """Return the intersection."""
        return self.negated().with_(other.negated()).negated()

    def folded(self) -> CharSet:
        """Return the set with the other case of its ASCII letters."""
        more: list[tuple[int, int]] = []
        for low, high in self.ranges:
            for first, last, shift in ((65, 90, 32), (97, 122, -32)):
                a, b = max(low, first), min(high, last)
                if a <= b:
                    more.append((a + shift, b + shift))
        return CharSet((*self.ranges, *more))

    def text(self, code: Callable[[int], str]) -> str:
        """Return the class in brackets; ``code`` spells a code point."""

        def spelled(point: int) -> str:
            return chr(point) if chr(point) in _PLAIN else code(point)

        parts: list[str] = []
        for start, stop in self.merged():
            # A surrogate is no character of a text, and Rust refuses to name one.
            for low, high in _without_surrogates(start, stop):
                parts.append(spelled(low) if low == high else f"{spelled(low)}-{spelled(high)}")
        if not parts:
            return f"[^{code(0)}-{code(_LAST)}]"
        return f"[{''.join(parts)}]"


def _without_surrogates(low: int, high: int) -> list[tuple[int, int]]:
    first, last = _SURROGATES
    if high < first or low > last:
        return [(low, high)]
    sides = [(low, first - 1), (last + 1, high)]
    return [(a, b) for a, b in sides if a <= b]


def of_text(chars: Iterable[str]) -> CharSet:
    """Return the set of the characters of a text."""
    return CharSet(tuple((ord(c), ord(c)) for c in chars))


def _ranges(*texts: str) -> CharSet:
    """Return the set of ranges such as ``a-z`` and of single characters."""
    return CharSet(tuple((ord(text[0]), ord(text[-1])) for text in texts))


ANY = CharSet(((0, _LAST),))
_DIGIT = _ranges("0-9")
_WORD = _ranges("a-z", "A-Z", "0-9", "_")
_SPACE = _ranges("\t-\r", " ")
_BLANKS = CharSet(
    ((9, 9), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A),
     (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000))
)  # fmt: skip
_VERTICAL = CharSet(((10, 13), (0x85, 0x85), (0x2028, 0x2029)))
_SHORT = {"d": _DIGIT, "w": _WORD, "s": _SPACE, "h": _BLANKS, "v": _VERTICAL}
_POSIX = {
    "Lower": _ranges("a-z"),
    "Upper": _ranges("A-Z"),
    "ASCII": _ranges("\x00-\x7f"),
    "Alpha": _ranges("a-z", "A-Z"),
    "Digit": _DIGIT,
    "Alnum": _ranges("a-z", "A-Z", "0-9"),
    "Punct": _ranges("!-/", ":-@", "[-`", "{-~"),
    "Graph": _ranges("!-~"),
    "Print": _ranges(" -~"),
    "Blank": _ranges("\t", " "),
    "Cntrl": _ranges("\x00-\x1f", "\x7f"),
    "XDigit": _ranges("0-9", "a-f", "A-F"),
    "Space": _SPACE,
}
_BINARY: dict[str, Callable[[str], bool]] = {
    "Alphabetic": lambda c: c.isalpha() or unicodedata.category(c) in ("Nl", "Mn", "Mc"),
    "Letter": str.isalpha,
    "Digit": lambda c: unicodedata.category(c) == "Nd",
    "Lowercase": str.islower,
    "Uppercase": str.isupper,
    "Punctuation": lambda c: unicodedata.category(c).startswith("P"),
    "White_Space": lambda c: c.isspace() and c not in "\x1c\x1d\x1e\x1f",
}


def shorthand(letter: str) -> CharSet | None:
    r"""Return the set of ``\d``, ``\D`` and their like, or None."""
    found = _SHORT.get(letter.lower())
    return found if found is None or letter.islower() else found.negated()


@cache
def named(name: str) -> CharSet | None:
    r"""Return the set of ``\p{name}``, or None where it is not known."""
    if name in _POSIX:
        return _POSIX[name]
    if name.startswith("Is") and name[2:] in _BINARY:
        return _every(_BINARY[name[2:]])
    category = name.removeprefix("Is").removeprefix("gc=").removeprefix("general_category=")
    known = {unicodedata.category(chr(c)) for c in range(0x3000)} | {"Co", "Cs", "Cn"}
    if category not in known and category not in {k[0] for k in known}:
        return None
    return _every(lambda c: unicodedata.category(c).startswith(category))


def _every(test: Callable[[str], bool]) -> CharSet:
    """Return all characters that pass; one walk over Unicode, kept by the caller's cache."""
    found: list[tuple[int, int]] = []
    start: int | None = None
    for code in range(_LAST + 2):
        inside = code <= _LAST and test(chr(code))
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            found.append((start, code - 1))
            start = None
    return CharSet(tuple(found))
