"""SQL patterns as regular expressions of the engine (Rust's, linear time).

in      the pattern and the escape character (None: there is none, as in Flink)
out     a regular expression for the whole text, in which any character may be a line end
bad     BadPatternError: an escape before something else, a class that does not end
"""

from __future__ import annotations

import re


class BadPatternError(Exception):
    """A pattern that means nothing."""


_CLASSES = (
    "ALPHA",
    "UPPER",
    "LOWER",
    "DIGIT",
    "ALNUM",
    "SPACE",
    "WHITESPACE",
    "PUNCT",
    "XDIGIT",
)


def like_regex(pattern: str, escape: str | None) -> str:
    """Return the regular expression of a LIKE pattern."""
    _check_escape(escape)
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if escape is not None and char == escape:
            at += 1
            if at == len(pattern) or pattern[at] not in (escape, "%", "_"):
                raise BadPatternError(
                    f"In the pattern '{pattern}' the escape stands before nothing special."
                )
            out.append(re.escape(pattern[at]))
        else:
            out.append({"%": ".*", "_": "."}.get(char) or re.escape(char))
        at += 1
    return f"(?s)^(?:{''.join(out)})$"


def similar_regex(pattern: str, escape: str | None) -> str:
    """Return the regular expression of a SIMILAR TO pattern."""
    _check_escape(escape)
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if escape is not None and char == escape:
            at += 1
            if at == len(pattern):
                raise BadPatternError(f"The pattern '{pattern}' ends with its escape.")
            out.append(re.escape(pattern[at]))
            at += 1
        elif char == "[":
            part, at = _class(pattern, at)
            out.append(part)
        else:
            simple = {"%": ".*", "_": "."}.get(char)
            out.append(simple or (char if char in "|*+?{}()" else re.escape(char)))
            at += 1
    result = f"(?s)^(?:{''.join(out)})$"
    try:
        re.compile(result.replace("[:", "").replace(":]", ""))
    except re.error as error:
        raise BadPatternError(f"The pattern '{pattern}' cannot be read: {error}.") from None
    return result


def _class(pattern: str, start: int) -> tuple[str, int]:
    """Return a bracketed class and the place behind it."""
    at, out = start + 1, ["["]
    if pattern.startswith("^", at):
        out.append("^")
        at += 1
    while at < len(pattern) and pattern[at] != "]":
        if pattern.startswith("[:", at):
            end = pattern.find(":]", at)
            name = pattern[at + 2 : end].upper() if end > 0 else ""
            if name not in _CLASSES:
                raise BadPatternError(
                    f"The pattern '{pattern}' names an unknown class; known: {', '.join(_CLASSES)}."
                )
            out.append(f"[:{'space' if name == 'WHITESPACE' else name.lower()}:]")
            at = end + 2
            continue
        out.append("-" if pattern[at] == "-" else re.escape(pattern[at]))
        at += 1
    if at == len(pattern):
        raise BadPatternError(
            f"The pattern '{pattern}' opens a class with '[' and does not close it."
        )
    return "".join([*out, "]"]), at + 1


def _check_escape(escape: str | None) -> None:
    if escape is not None and len(escape) != 1:
        raise BadPatternError(f"ESCAPE '{escape}' is not one character.")
