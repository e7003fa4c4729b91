"""Spelling of patterns: what must be known of the text before and after it is read."""

from __future__ import annotations

import re

_QUOTING = re.compile(r"\\Q(.*?)(?:\\E|\Z)|\\.", re.DOTALL)


def without_quoting(text: str) -> str:
    r"""Return a pattern with its ``\Q…\E`` spelled out, as Java does before it reads."""
    return _QUOTING.sub(_spelled_out, text)


def count_groups(text: str) -> int:
    r"""Return how many capturing groups there are, to tell \11 from \1 and '1'."""
    bare = re.sub(r"\\.|\[(?:\\.|[^\]])*\]", "", text, flags=re.DOTALL)
    return len(re.findall(r"\((?!\?)|\(\?<[A-Za-z]", bare))


def _spelled_out(match: re.Match[str]) -> str:
    r"""Return ``\Qa.b\E`` with its characters escaped, any other escape as it is."""
    if match[1] is None:
        return match[0]
    return "".join(c if c.isalnum() or not c.isascii() else "\\" + c for c in match[1])


def escaped(c: str) -> str:
    """Return a character as Rust's engine takes it literally."""
    return "\\" + c if c in r"\.+*?()|[]{}^$#&-~" else c


def hex_rust(code: int) -> str:
    """Return a code point in Rust's spelling."""
    return f"\\x{{{code:X}}}"


def hex_python(code: int) -> str:
    """Return a code point in Python's spelling."""
    return f"\\U{code:08x}"
