"""Java's regular expressions on Polars columns.

A constant pattern that Rust's engine can say runs there, on the whole column. The rest goes row by
row through Python's ``re``, because Rust's has no look-around, back-reference or possessive group:

* a pattern with those, or one that is a column (compiled once per distinct pattern);
* with ``$``: the rows that end with a line end, which Java's ``$`` may leave out;
* counting and replacing with a pattern that may match nothing: engines differ on empty matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl

from millstream.columns.physical import polars_type
from millstream.engine.functions import Context, lowers
from millstream.engine.functions.rows import on_rows
from millstream.engine.functions.series import constant_of
from millstream.expr.java_regex import BadPattern, JavaPattern, java_pattern
from millstream.expr.tree import Call

_ENDS_A_LINE = r"[\n\r\x85\x{2028}\x{2029}]\z"
_TEXTS = pl.List(pl.String)
Native = Callable[[pl.Expr, str], pl.Expr]
"""Gives the call in Rust, from the text and the pattern as Rust spells it."""


def compiled(pattern: str) -> JavaPattern | None:
    """Return the pattern, or None where the text is none."""
    try:
        return java_pattern(pattern)
    except BadPattern:
        return None


def _run(
    call: Call, x: pl.Expr, pattern: pl.Expr, native: Native | None, by_row: Callable[..., Any],
    *rest: pl.Expr, all_matches: bool = False,
) -> pl.Expr:  # fmt: skip
    """Return the call in Rust where that gives Java's answer, else in Python."""
    dtype = polars_type(call.typed)
    fixed = constant_of(pattern)
    found = None if fixed is None or fixed[0] is None else compiled(fixed[0])
    python = partial(on_rows, by_row, dtype=dtype)
    empty_matters = all_matches and found is not None and found.may_be_empty
    if found is None or found.rust is None or native is None or empty_matters:
        return python([x, pattern, *rest])
    if not found.trailing:
        return native(x, found.rust)
    odd = x.str.contains(_ENDS_A_LINE)
    by_python = python([pl.when(odd).then(x), pattern, *rest])
    return pl.when(odd).then(by_python).otherwise(native(x, found.rust))


def _search(x: str, pattern: str) -> re.Match[str] | None:
    found = compiled(pattern)
    return None if found is None else found.python.search(x)


@lowers("REGEXP")
def _regexp(call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr) -> pl.Expr:
    fixed = constant_of(pattern)
    # Flink: an empty pattern matches nothing here.
    never = fixed is not None and fixed[0] == ""

    def native(x: pl.Expr, rust: str) -> pl.Expr:
        return pl.when(x.is_not_null()).then(pl.lit(False)) if never else x.str.contains(rust)

    return _run(call, x, pattern, native, lambda v, p: p != "" and _search(v, p) is not None)


def _group_of(group: tuple[pl.Expr, ...], otherwise: int) -> tuple[int | None, pl.Expr]:
    """Return the number of the group if it is a constant, and its expression."""
    if not group:
        return otherwise, pl.lit(otherwise)
    fixed = constant_of(group[0])
    return (None if fixed is None else fixed[0]), group[0]


@lowers("REGEXP_EXTRACT")
def _extract(call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr, *group: pl.Expr) -> pl.Expr:
    index, which = _group_of(group, 0)

    def by_row(v: str, p: str, g: int) -> str | None:
        found = _search(v, p)
        return found[g] if found is not None and 0 <= g <= found.re.groups else None

    def native(x: pl.Expr, rust: str) -> pl.Expr:
        return x.str.extract(rust, index or 0)

    fixed = constant_of(pattern)
    found = None if fixed is None or fixed[0] is None else compiled(fixed[0])
    there = index is not None and found is not None and 0 <= index <= found.groups
    return _run(call, x, pattern, native if there else None, by_row, which)


@lowers("REGEXP_EXTRACT_ALL")
def _extract_all(
    call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr, *group: pl.Expr
) -> pl.Expr:
    index, which = _group_of(group, 1)

    def by_row(v: str, p: str, g: int) -> list[str | None] | None:
        found = compiled(p)
        if found is None or not 0 <= g <= found.groups:
            return None
        return [match[g] for match in found.find_all(v)]

    def whole(x: pl.Expr, rust: str) -> pl.Expr:
        return x.str.extract_all(rust)

    native = whole if index == 0 else None
    return _run(call, x, pattern, native, by_row, which, all_matches=True)


@lowers("REGEXP_REPLACE")
def _replace(call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr, by: pl.Expr) -> pl.Expr:
    def native(x: pl.Expr, rust: str) -> pl.Expr:
        # Flink's replacement is plain text, Rust's reads $1. A constant text is repeated for a
        # column of replacements by when/then, not by Polars.
        plain = by.fill_null("").str.replace_all("$", "$$", literal=True)
        return pl.when(by.is_not_null()).then(x).str.replace_all(rust, plain)

    def by_row(v: str, p: str, r: str) -> str | None:
        found = compiled(p)
        return None if found is None else _replaced(found, v, r)

    return _run(call, x, pattern, native, by_row, by, all_matches=True)


def _replaced(pattern: JavaPattern, text: str, by: str) -> str:
    out: list[str] = []
    at = 0
    for match in pattern.find_all(text):
        out += (text[at : match.start()], by)
        at = match.end()
    return "".join(out) + text[at:]


@lowers("REGEXP_COUNT")
def _count(call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr) -> pl.Expr:
    def native(x: pl.Expr, rust: str) -> pl.Expr:
        return x.str.count_matches(rust).cast(pl.Int32)

    def by_row(v: str, p: str) -> int | None:
        found = compiled(p)
        return None if found is None else sum(1 for _ in found.find_all(v))

    return _run(call, x, pattern, native, by_row, all_matches=True)


@lowers("REGEXP_INSTR")
def _instr(call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr) -> pl.Expr:
    def native(x: pl.Expr, rust: str) -> pl.Expr:
        in_front = x.cast(pl.Binary).bin.head(x.str.find(rust)).cast(pl.String)
        where = (in_front.str.len_chars().cast(pl.Int32) + 1).fill_null(0)
        return pl.when(x.is_not_null()).then(where)

    def by_row(v: str, p: str) -> int | None:
        if compiled(p) is None:
            return None
        found = _search(v, p)
        return 0 if found is None else found.start() + 1

    return _run(call, x, pattern, native, by_row)


@lowers("REGEXP_SUBSTR")
def _substr(call: Call, ctx: Context, x: pl.Expr, pattern: pl.Expr) -> pl.Expr:
    def by_row(v: str, p: str) -> str | None:
        found = _search(v, p)
        return None if found is None else found[0]

    return _run(call, x, pattern, lambda x, rust: x.str.extract(rust, 0), by_row)
