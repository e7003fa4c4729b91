"""Comparisons as Polars expressions.

NaN as in Java and Flink: it equals nothing (not itself) and is neither less nor greater; Polars
says otherwise, so float columns carry the extra test. Patterns become regular expressions once,
where they are constants.
"""

from __future__ import annotations

from functools import reduce

import polars as pl

from millstream import types as t
from millstream.engine.functions import Context, Fail, Lowered, lowers
from millstream.engine.functions.patterns import BadPatternError, like_regex, similar_regex
from millstream.engine.functions.series import constant_of, on_series
from millstream.errors import PlanError
from millstream.expr.tree import Call

_OPS = {
    "=": pl.Expr.eq,
    "<>": pl.Expr.ne,
    "<": pl.Expr.lt,
    "<=": pl.Expr.le,
    ">": pl.Expr.gt,
    ">=": pl.Expr.ge,
}
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@lowers("=", "<>", "<", "<=", ">", ">=")
def _compare(call: Call, _ctx: Context, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return compared(call.function, call.args[0].typed, a, b)


def compared(op: str, dtype: t.LogicalType, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Return ``a op b`` for two values of one SQL type, as Java compares them."""
    if not a.meta.root_names() and b.meta.root_names():
        # Polars 2.1 gives one row for ``1 == c`` where c came from a constant; c == 1 is right.
        plain = _OPS[_MIRRORED[op]](b, a)
    else:
        plain = _OPS[op](a, b)
    if not isinstance(dtype, t.Float | t.Double):
        return plain
    odd = [x.is_nan() for x in (a, b) if not _never_nan(x)]
    if not odd:
        return plain
    nan = reduce(pl.Expr.or_, odd)
    # ``nan`` is NULL or TRUE where the other side is NULL: the plain answer (NULL) must stay.
    return pl.when(nan & plain.is_not_null()).then(pl.lit(op == "<>")).otherwise(plain)


def _never_nan(x: pl.Expr) -> bool:
    constant = constant_of(x)
    return constant is not None and not constant.is_nan().any()


@lowers("IS NULL")
def _is_null(_call: Call, _ctx: Context, a: pl.Expr) -> pl.Expr:
    return a.is_null()


@lowers("IS NOT NULL")
def _is_not_null(_call: Call, _ctx: Context, a: pl.Expr) -> pl.Expr:
    return a.is_not_null()


@lowers("IS DISTINCT FROM")
def _distinct(call: Call, _ctx: Context, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return ~_same(call.args[0].typed, a, b)


@lowers("IS NOT DISTINCT FROM")
def _not_distinct(call: Call, _ctx: Context, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return _same(call.args[0].typed, a, b)


def _same(dtype: t.LogicalType, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    equal = compared("=", dtype, a, b).fill_null(False)
    return equal | (a.is_null() & b.is_null())


@lowers("BETWEEN")
def _between(call: Call, _ctx: Context, x: pl.Expr, low: pl.Expr, high: pl.Expr) -> pl.Expr:
    dtype = call.args[0].typed
    return compared(">=", dtype, x, low) & compared("<=", dtype, x, high)


@lowers("BETWEEN SYMMETRIC")
def _symmetric(call: Call, ctx: Context, x: pl.Expr, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    return _between(call, ctx, x, a, b) | _between(call, ctx, x, b, a)  # type: ignore[operator]


_HASHED = (t.Char, t.VarChar, t.TinyInt, t.SmallInt, t.Int, t.BigInt, t.Date)


@lowers("IN")
def _in(call: Call, _ctx: Context, x: pl.Expr, *among: pl.Expr) -> pl.Expr:
    dtype = call.args[0].typed
    constants = [constant_of(each) for each in among]
    known = [c for c in constants if c is not None]
    if len(known) == len(among) and len(known) > 2 and isinstance(dtype, _HASHED):
        values = pl.concat(known)
        found = x.is_in(values.drop_nulls().implode())
        if not x.meta.root_names():
            found = found.first()  # a constant among constants: one value for any frame
        return found | pl.lit(None, dtype=pl.Boolean) if values.null_count() else found
    return reduce(pl.Expr.or_, (compared("=", dtype, x, each) for each in among))


# --- patterns


@lowers("LIKE")
def _like(
    call: Call, _ctx: Context, x: pl.Expr, pattern: pl.Expr, escape: pl.Expr | None = None
) -> pl.Expr | Lowered:
    if escape is None:
        quick = _without_regex(x, pattern)
        if quick is not None:
            return quick
    return _matches(call, x, pattern, escape, like_regex)


@lowers("SIMILAR TO")
def _similar(
    call: Call, _ctx: Context, x: pl.Expr, pattern: pl.Expr, escape: pl.Expr | None = None
) -> pl.Expr | Lowered:
    return _matches(call, x, pattern, escape, similar_regex)


def _without_regex(x: pl.Expr, pattern: pl.Expr) -> pl.Expr | None:
    """Return the plain string search of a constant pattern that is only text and outer %."""
    constant = constant_of(pattern)
    text = None if constant is None else constant[0]
    if text is None or "_" in text:
        return None
    inner = text.strip("%")
    if "%" in inner or not inner:
        return None
    if not text.startswith("%") and not text.endswith("%"):
        return x == pl.lit(inner)
    if not text.startswith("%"):
        return x.str.starts_with(inner)
    return x.str.contains(inner, literal=True) if text.endswith("%") else x.str.ends_with(inner)


def _matches(
    call: Call, x: pl.Expr, pattern: pl.Expr, escape: pl.Expr | None, regex_of: object
) -> pl.Expr | Lowered:
    assert callable(regex_of), "a translation from a pattern to a regular expression"
    constants = constant_of(pattern), None if escape is None else constant_of(escape)
    if constants[0] is not None and (escape is None or constants[1] is not None):
        text = constants[0][0]
        mark = None if constants[1] is None else constants[1][0]
        if text is None or (escape is not None and mark is None):
            return pl.lit(None, dtype=pl.Boolean)
        try:
            return x.str.contains(regex_of(text, mark or None))
        except BadPatternError as error:
            raise PlanError(str(error), where=call.args[1].place) from None
    return _matches_each(x, pattern, pl.lit("") if escape is None else escape, regex_of)


def _matches_each(x: pl.Expr, pattern: pl.Expr, escape: pl.Expr, regex_of: object) -> Lowered:
    """Match against a pattern of each row; each different pattern is translated once."""
    assert callable(regex_of), "a translation from a pattern to a regular expression"

    def to_regex(patterns: pl.Series, escapes: pl.Series) -> pl.Series:
        pairs = list(zip(patterns.to_list(), escapes.to_list(), strict=True))
        known: dict[tuple[str, str], str | None] = {}
        for text, mark in {pair for pair in pairs if None not in pair}:
            try:
                known[text, mark] = regex_of(text, mark or None)
            except BadPatternError:
                known[text, mark] = None
        return pl.Series(patterns.name, [known.get(pair) for pair in pairs], dtype=pl.String)

    regex = on_series(to_regex, [pattern, escape], pl.String())
    wrong = regex.is_null() & pattern.is_not_null() & escape.is_not_null()
    return Lowered(
        x.str.contains(regex, strict=False),
        (Fail(wrong, "the pattern cannot be read"),),
    )
