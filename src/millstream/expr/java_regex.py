r"""Java's regular expressions, said again for the engines we have.

in      a pattern of java.util.regex, as Flink's functions take it
out     the same in the dialect of Rust's ``regex`` (Polars), where that can say it, and of
        Python's ``re``; the number of groups
bad     BadPattern: it is no Java pattern, or one of the few that neither engine can run

Where the dialects differ (all handled here):

* ``\d \w \s`` and ``\p{Alpha}`` know only ASCII in Java; ``(?i)`` folds only ASCII letters.
* ``.`` stops at five line ends in Java, at ``\n`` elsewhere; ``$`` also matches before a last line
  end. Rust cannot say that: ``trailing`` is set, and the caller gives Rust only the rows
  that do not end so.
* Look-around, back-references, possessive and atomic groups exist only in Java and Python.
* After a match Java and Python try an empty one at its end, Rust does not: see ``may_be_empty``.
* Classes ``[a-z&&[^aeiou]]`` become plain lists of ranges.

Not said: flags ``d u U``, scripts and blocks (``\p{IsLatin}``), ``\G``, ``\X``, ``\N{…}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from millstream.expr.java_classes import ANY, CharSet, named, of_text, shorthand
from millstream.expr.java_spelling import (
    count_groups,
    escaped,
    hex_python,
    hex_rust,
    without_quoting,
)

_LINE_ENDS = "\n\r\x85\u2028\u2029"
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d+)(,(\d*))?\})([?+]?)")
_GROUP = re.compile(
    r"\?(?:<([A-Za-z][A-Za-z0-9]*)>|(:|=|!|>|<=|<!)|([a-zA-Z]*)(?:-([a-zA-Z]+))?(:|\)))"
)
_NAMED_BACK = re.compile(r"k<([A-Za-z][A-Za-z0-9]*)>")
_SIMPLE = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "a": "\x07", "e": "\x1b"}
_KNOWN_FLAGS = "imsx"
_BEFORE_LAST_END = r"(?=(?:\r\n|(?<!\r)\n|[\r\x85\u2028\u2029])?\Z)"
_LINE_START = r"(?:\A|(?<=[\n\x85\u2028\u2029])|(?<=\r)(?!\n))(?!(?<=[\n\r\x85\u2028\u2029])\Z)"
_LINE_STOP = r"(?:\Z|(?=[\r\x85\u2028\u2029])|(?<!\r)(?=\n))"


class BadPattern(ValueError):
    """The text is no pattern; the message says why."""


@dataclass(frozen=True, slots=True)
class JavaPattern:
    """One pattern in both dialects; ``rust`` is None where only Python can say it."""

    rust: str | None
    python: re.Pattern[str]
    groups: int
    may_be_empty: bool
    trailing: bool
    """It has a ``$`` or ``\\Z``, which Rust reads as the very end."""

    def find_all(self, text: str) -> Iterator[re.Match[str]]:
        """Yield all matches as Java finds them: after an empty one it goes on one further."""
        at = 0
        while at <= len(text):
            match = self.python.search(text, at)
            if match is None:
                return
            assert match.end() >= match.start() >= at, "a match lies ahead and ends where it may"
            yield match
            at = match.end() + (match.end() == match.start())


@lru_cache(maxsize=4096)
def java_pattern(text: str) -> JavaPattern:
    r"""Return the pattern in both dialects, or raise BadPattern.

    >>> java_pattern(r"(\d+)$").rust
    '((?:[0-9])+)\\z'
    """
    reader = _Reader(text)
    rust, python, empty = reader.alternatives()
    if reader.at < len(reader.text):
        raise BadPattern("a ')' without its '('")
    try:
        compiled = re.compile(python)
    except (re.error, OverflowError) as error:
        raise BadPattern(str(error)) from error
    return JavaPattern(
        None if reader.python_only else rust, compiled, reader.groups, empty, reader.trailing
    )


class _Reader:
    """A descent over the pattern that writes both dialects as it goes."""

    def __init__(self, text: str):
        self.text = without_quoting(text)
        self.at = 0
        self.flags: frozenset[str] = frozenset()
        self.groups = 0
        self.all_groups = count_groups(self.text)
        self.names: dict[str, int] = {}
        self.python_only = False
        self.trailing = False

    # Each of these returns (Rust, Python, may match the empty text).

    def alternatives(self) -> tuple[str, str, bool]:
        flags = self.flags
        rust, python, empty = [], [], False
        while True:
            a, b, nothing = self.sequence()
            rust.append(a)
            python.append(b)
            empty = empty or nothing
            if not self.accept("|"):
                break
        self.flags = flags
        return "|".join(rust), "|".join(python), empty

    def sequence(self) -> tuple[str, str, bool]:
        rust: list[str] = []
        python: list[str] = []
        empty = True
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if "x" in self.flags and self.skipped():
                continue
            a, b, nothing = self.quantified()
            rust.append(a)
            python.append(b)
            empty = empty and nothing
        return "".join(rust), "".join(python), empty

    def quantified(self) -> tuple[str, str, bool]:
        rust, python, empty = self.atom()
        found = _QUANTIFIER.match(self.text, self.at)
        if found is None:
            return rust, python, empty
        if not rust and not python:
            raise BadPattern(f"a '{found[0]}' that repeats nothing")
        self.at = found.end()
        low = {"*": 0, "?": 0, "+": 1}.get(found[0][0], int(found[1] or 0))
        if found[3] and int(found[3]) < low:
            raise BadPattern(f"'{found[0]}' counts backwards")
        if empty and found[0][0] != "?":
            # What a repetition does after an empty round differs: Rust tries the next alternative.
            self.python_only = True
        repeated = f"(?:{python}){found[0]}"
        if found[4] == "+":
            self.python_only = True
            # The same, said as an atomic group: Python 3.11.2 (Debian 12) gives matches that end
            # before they begin for a possessive quantifier over something empty.
            repeated = f"(?>{repeated[:-1]})"
        return f"(?:{rust}){found[0]}", repeated, empty or low == 0

    def atom(self) -> tuple[str, str, bool]:
        c = self.text[self.at]
        self.at += 1
        match c:
            case "(":
                return self.group()
            case "[":
                return self.one_of(self.char_class())
            case "\\":
                return self.escape()
            case ".":
                return self.one_of(ANY if "s" in self.flags else of_text(_LINE_ENDS).negated())
            case "^":
                if "m" in self.flags:
                    self.python_only = True
                    return "", _LINE_START, True
                return r"\A", r"\A", True
            case "$":
                return self.end()
            case "*" | "+" | "?":
                raise BadPattern(f"a '{c}' that repeats nothing")
            case "{":
                raise BadPattern("a '{' that repeats nothing")
            case _:
                return self.literal(c)

    def end(self) -> tuple[str, str, bool]:
        if "m" in self.flags:
            self.python_only = True
            return "", _LINE_STOP, True
        self.trailing = True
        return r"\z", _BEFORE_LAST_END, True

    def literal(self, c: str) -> tuple[str, str, bool]:
        if "i" in self.flags and c.isascii() and c.isalpha():
            return self.one_of(of_text(c.lower() + c.upper()))
        return escaped(c), re.escape(c), False

    def one_of(self, chars: CharSet) -> tuple[str, str, bool]:
        return chars.text(hex_rust), chars.text(hex_python), False

    # --- groups

    def group(self) -> tuple[str, str, bool]:
        outer = self.flags
        if not self.text.startswith("?", self.at):
            self.groups += 1
            return self.inside("(", "(", outer)
        found = _GROUP.match(self.text, self.at)
        if found is None:
            raise BadPattern("an unknown group after '(?'")
        self.at = found.end()
        name, look, on, off, stop = found.groups()
        if name is not None:
            self.groups += 1
            if name in self.names:
                raise BadPattern(f"two groups named '{name}'")
            self.names[name] = self.groups
            return self.inside("(", f"(?P<{name}>", outer)
        if look == ":":
            return self.inside("(?:", "(?:", outer)
        if look is not None:
            self.python_only = True
            rust, python, empty = self.inside("(?:", f"(?{look}", outer)
            return rust, python, empty if look == ">" else True
        unknown = set((on or "") + (off or "")) - set(_KNOWN_FLAGS)
        if unknown:
            raise BadPattern(f"the flag '{min(unknown)}', which is not supported")
        self.flags = (outer | set(on or "")) - set(off or "")
        if stop == ")":
            return "", "", True  # holds until the group around it ends
        return self.inside("(?:", "(?:", outer)

    def inside(self, rust: str, python: str, outer: frozenset[str]) -> tuple[str, str, bool]:
        a, b, empty = self.alternatives()
        if not self.accept(")"):
            raise BadPattern("a '(' without its ')'")
        self.flags = outer
        return f"{rust}{a})", f"{python}{b})", empty

    # --- escapes

    def escape(self) -> tuple[str, str, bool]:
        c = self.next("a '\\' at the end")
        chars = shorthand(c)
        if chars is not None:
            return self.one_of(chars)
        match c:
            case "p" | "P":
                return self.one_of(self.property(c))
            case "b":
                return r"\b", r"\b", True
            case "B":
                # Python's own does not match in an empty text.
                return r"\B", r"(?!\b)", True
            case "A":
                return r"\A", r"\A", True
            case "z":
                return r"\z", r"\Z", True
            case "Z":
                self.trailing = True
                return r"\z", _BEFORE_LAST_END, True
            case "R":
                both = r"(?:\r\n|[\n\x0b\x0c\r\x85\u2028\u2029])"
                return both, both, False
            case "k":
                return self.named_back()
            case _ if c in "123456789":
                return self.numbered_back(c)
            case _:
                return self.literal(self.character(c))

    def named_back(self) -> tuple[str, str, bool]:
        found = _NAMED_BACK.match(self.text, self.at - 1)
        if found is None or found[1] not in self.names:
            raise BadPattern("a '\\k' without the name of a group before it")
        self.at = found.end()
        self.python_only = True
        return "", f"(?P={found[1]})", True

    def numbered_back(self, digits: str) -> tuple[str, str, bool]:
        while self.at < len(self.text) and self.text[self.at].isdigit():
            if int(digits + self.text[self.at]) > self.all_groups:
                break
            digits += self.text[self.at]
            self.at += 1
        self.python_only = True
        if int(digits) > self.groups:
            return "", "(?!)", False  # Java: a group that is not there yet never matches
        return "", f"(?:\\{digits})", True

    def character(self, c: str) -> str:
        """Return the character an escape stands for."""
        if c in _SIMPLE:
            return _SIMPLE[c]
        if c == "x":
            if self.accept("{"):
                stop = self.text.find("}", self.at)
                return self.code(self.text[self.at : stop] if stop > 0 else "", 16, eat=1)
            return self.code(self.text[self.at : self.at + 2], 16, exactly=2)
        if c == "u":
            return self.code(self.text[self.at : self.at + 4], 16, exactly=4)
        if c == "0":
            found = re.compile(r"[0-3]?[0-7]{1,2}").match(self.text, self.at)
            return self.code(found[0] if found else "", 8)
        if c == "c":
            return chr(ord(self.next("a '\\c' at the end")) ^ 64)
        if c.isascii() and c.isalnum():
            raise BadPattern(f"the escape '\\{c}', which is not supported")
        return c

    def code(self, digits: str, base: int, *, exactly: int = 0, eat: int = 0) -> str:
        try:
            assert not exactly or len(digits) == exactly
            found = chr(int(digits, base))
        except (AssertionError, ValueError, OverflowError) as error:
            raise BadPattern("an escaped code that is no character") from error
        self.at += len(digits) + eat
        return found

    def property(self, c: str) -> CharSet:
        if self.accept("{"):
            stop = self.text.find("}", self.at)
            name = self.text[self.at : stop] if stop > 0 else ""
            self.at += len(name) + 1
        else:
            name = self.next("a '\\p' without a name")
        chars = named(name)
        if chars is None:
            raise BadPattern(f"the property '{name}', which is not supported")
        return chars.negated() if c == "P" else chars

    # --- classes

    def char_class(self) -> CharSet:
        negated = self.accept("^")
        found: CharSet | None = None
        part = CharSet(())
        first = True
        while True:
            if self.at >= len(self.text):
                raise BadPattern("a '[' without its ']'")
            if "x" in self.flags and self.skipped():
                continue
            if self.text.startswith("&&", self.at):
                self.at += 2
                found = _narrowed(found, part)
                part, first = CharSet(()), True
                continue
            c = self.next("a '[' without its ']'")
            if c == "]" and not (first and found is None):
                break
            first = False
            part = part.with_(self.class_part(c))
        found = _narrowed(found, part) or part
        return found.negated() if negated else found

    def class_part(self, c: str) -> CharSet:
        if c == "[":
            return self.char_class()
        if c == "\\":
            c = self.next("a '\\' at the end")
            chars = shorthand(c)
            if chars is not None:
                return chars
            if c in "pP":
                return self.property(c)
            c = self.character(c)
        last = c
        after = self.text[self.at + 1 : self.at + 2]
        if self.text.startswith("-", self.at) and after not in ("]", "[", ""):
            self.at += 1
            last = self.next("a '[' without its ']'")
            if last == "\\":
                last = self.character(self.next("a '\\' at the end"))
            if last < c:
                raise BadPattern(f"the range {c}-{last} runs backwards")
        return self.folded(CharSet(((ord(c), ord(last)),)))

    def folded(self, chars: CharSet) -> CharSet:
        return chars.folded() if "i" in self.flags else chars

    # --- text

    def skipped(self) -> bool:
        """Skip white space and comments, as flag x wants; tell whether there were any."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in " \t\n\x0b\f\r":
            self.at += 1
        if self.text.startswith("#", self.at):
            while self.at < len(self.text) and self.text[self.at] not in _LINE_ENDS:
                self.at += 1
        return self.at > start

    def accept(self, c: str) -> bool:
        if not self.text.startswith(c, self.at):
            return False
        self.at += len(c)
        return True

    def next(self, otherwise: str) -> str:
        if self.at >= len(self.text):
            raise BadPattern(otherwise)
        self.at += 1
        return self.text[self.at - 1]


def _narrowed(found: CharSet | None, part: CharSet) -> CharSet | None:
    """Return the intersection; an empty side of ``&&`` says nothing."""
    if not part.ranges:
        return found
    return part if found is None else found.both(part)
