"""Which type several types meet in, and the type arithmetic gives.

in      SQL types
out     the common type (NOT NULL only where every part is), or None where there is none
source  Flink's LogicalTypeMerging and LogicalTypeCasts; its decimal rules are SQL Server's, with
        the scale cut first where 38 digits are not enough
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from millstream import types as t
from millstream.types.logical import (
    MAX_LENGTH,
    MAX_PRECISION,
    BinaryString,
    CharacterString,
    Integer,
    Numeric,
    Temporal,
)

MIN_SCALE = 6
"""Digits behind the point that stay when a decimal result is too wide."""


def nullable_any(types: Iterable[t.LogicalType]) -> bool:
    """Tell whether a strict function of these types may give NULL."""
    return any(each.nullable for each in types)


def common_type(types: Sequence[t.LogicalType]) -> t.LogicalType | None:
    """Return the narrowest type that holds all of ``types``; NULLs alone stay NULL.

    >>> str(common_type([t.Int(), t.Decimal(5, 2)]))
    'DECIMAL(12, 2)'
    """
    assert types, "a common type of nothing"
    found: t.LogicalType | None = None
    for each in types:
        if isinstance(each, t.Null):
            continue
        plain = each.with_nullable(True)
        found = plain if found is None else _merge(found, plain)
        if found is None:
            return None
    if found is None:
        return t.Null()
    return found.with_nullable(nullable_any(types))


def _merge(a: t.LogicalType, b: t.LogicalType) -> t.LogicalType | None:
    if a == b:
        return a
    match a, b:
        case Numeric(), Numeric():
            return _merge_numbers(a, b)
        case (CharacterString(), CharacterString()) | (BinaryString(), BinaryString()):
            return _merge_texts(a, b)
        case t.Time(precision=p), t.Time(precision=q):
            return t.Time(max(p, q))
        case Temporal(), Temporal():
            return _merge_times(a, b)
        case t.Array(element=x), t.Array(element=y):
            element = common_type([x, y])
            return None if element is None else t.Array(element)
        case t.Multiset(element=x), t.Multiset(element=y):
            element = common_type([x, y])
            return None if element is None else t.Multiset(element)
        case t.Map(), t.Map():
            key, value = common_type([a.key, b.key]), common_type([a.value, b.value])
            return None if key is None or value is None else t.Map(key, value)
        case t.Row(), t.Row():
            return _merge_rows(a, b)
        case _:
            return None


def _merge_numbers(a: Numeric, b: Numeric) -> t.LogicalType:
    if isinstance(a, Integer) and isinstance(b, Integer):
        return a if a.bits >= b.bits else b
    approximate = (t.Float, t.Double)
    if isinstance(a, approximate) or isinstance(b, approximate):
        if isinstance(a, t.Float | Integer) and isinstance(b, t.Float | Integer):
            return t.Float()
        return t.Double()
    x, y = as_decimal(a), as_decimal(b)
    assert x is not None, "exact numbers are decimals"
    assert y is not None, "exact numbers are decimals"
    whole = max(x.precision - x.scale, y.precision - y.scale)
    scale = min(max(x.scale, y.scale), MAX_PRECISION - whole)
    return t.Decimal(whole + scale, scale)


def _merge_texts(a: t.LogicalType, b: t.LogicalType) -> t.LogicalType:
    """Return the longer one; two fixed lengths give a varying one, so nothing is padded."""
    texts = (t.Char, t.VarChar, t.Binary, t.VarBinary)
    assert isinstance(a, texts), "texts have a length"
    assert isinstance(b, texts), "texts have a length"
    length = max(a.length, b.length)
    return t.VarChar(length) if isinstance(a, CharacterString) else t.VarBinary(length)


def _merge_times(a: Temporal, b: Temporal) -> t.LogicalType | None:
    if isinstance(a, t.Time) or isinstance(b, t.Time):
        return None
    precision = max(getattr(a, "precision", 0), getattr(b, "precision", 0))
    if isinstance(a, t.TimestampLtz) or isinstance(b, t.TimestampLtz):
        return t.TimestampLtz(precision)
    return t.Timestamp(precision)


def _merge_rows(a: t.Row, b: t.Row) -> t.Row | None:
    if len(a.fields) != len(b.fields):
        return None
    fields: list[tuple[str, t.LogicalType]] = []
    for (name, x), (_, y) in zip(a.fields, b.fields, strict=True):
        kind = common_type([x, y])
        if kind is None:
            return None
        fields.append((name, kind))
    return t.Row(tuple(fields))


def comparable(a: t.LogicalType, b: t.LogicalType) -> t.LogicalType | None:
    """Return the type two sides of a comparison meet in, or None.

    Text meets a time or a boolean as that type (Flink converts the text); text and number do not
    meet, as in Flink: the user says with a CAST which one is meant.
    """
    merged = common_type([a, b])
    if merged is not None:
        return merged
    for text, other in ((a, b), (b, a)):
        if isinstance(text, CharacterString) and isinstance(other, Temporal | t.Boolean):
            return other.with_nullable(a.nullable or b.nullable)
    return None


def implicit(have: t.LogicalType, want: t.LogicalType) -> bool:
    """Tell whether Flink converts ``have`` to ``want`` without a CAST."""
    have, want = have.with_nullable(True), want.with_nullable(True)
    if have == want or isinstance(have, t.Null):
        return True
    match have, want:
        case Integer(), Integer():
            return have.bits <= want.bits
        case (Numeric(), t.Decimal() | t.Double()) | (Integer() | t.Decimal(), t.Float()):
            return True
        case CharacterString(), t.VarChar():
            return True
        case BinaryString(), t.VarBinary():
            return True
        case (t.Char(), t.Char()) | (t.Binary(), t.Binary()) | (t.Time(), t.Time()):
            return True
        case t.Timestamp(), t.Date() | t.Time() | t.Timestamp() | t.TimestampLtz():
            return True
        case t.TimestampLtz(), t.Timestamp() | t.TimestampLtz():
            return True
        case t.Array(element=x), t.Array(element=y):
            return implicit(x, y)
        case t.Multiset(element=x), t.Multiset(element=y):
            return implicit(x, y)
        case t.Map(), t.Map():
            return implicit(have.key, want.key) and implicit(have.value, want.value)
        case t.Row(), t.Row():
            pairs = zip(have.fields, want.fields, strict=False)
            return len(have.fields) == len(want.fields) and all(
                implicit(x, y) for (_, x), (_, y) in pairs
            )
        case _:
            return False


def is_number(dtype: t.LogicalType) -> bool:
    """Tell whether a type is a number, or the NULL that can become one."""
    return isinstance(dtype, Numeric | t.Null)


def is_text(dtype: t.LogicalType) -> bool:
    """Tell whether a type is text, or the NULL that can become it."""
    return isinstance(dtype, CharacterString | t.Null)


def as_decimal(dtype: t.LogicalType) -> t.Decimal | None:
    """Return the decimal that holds an exact number exactly, or None for other types."""
    match dtype:
        case t.Decimal():
            return dtype
        case Integer(digits=digits):
            return t.Decimal(digits, 0, nullable=dtype.nullable)
        case _:
            return None


# --- decimal results


def adjusted(precision: int, scale: int) -> t.Decimal:
    """Return DECIMAL(precision, scale), its scale cut first where 38 digits are not enough."""
    if precision <= MAX_PRECISION:
        return t.Decimal(precision, scale)
    whole = precision - scale
    return t.Decimal(MAX_PRECISION, max(MAX_PRECISION - whole, min(scale, MIN_SCALE)))


def decimal_result(operator: str, a: t.Decimal, b: t.Decimal) -> t.Decimal:
    """Return the type of ``a operator b``.

    >>> str(decimal_result("*", t.Decimal(3, 2), t.Decimal(4, 3)))
    'DECIMAL(8, 5)'
    """
    p1, s1, p2, s2 = a.precision, a.scale, b.precision, b.scale
    match operator:
        case "+" | "-":
            scale = max(s1, s2)
            return adjusted(max(p1 - s1, p2 - s2) + scale + 1, scale)
        case "*":
            return adjusted(p1 + p2 + 1, s1 + s2)
        case "/":
            scale = max(MIN_SCALE, s1 + p2 + 1)
            return adjusted(p1 - s1 + s2 + scale, scale)
        case "%":
            scale = max(s1, s2)
            if scale == 0:
                return b.with_nullable(True)
            return adjusted(max(1, min(p1 - s1, p2 - s2) + scale), scale)
        case _:
            raise AssertionError(f"no decimal rule for {operator}")


def round_result(arg: t.Decimal, digits: int) -> t.Decimal:
    """Return the type of ROUND or TRUNCATE of a decimal to ``digits`` behind the point."""
    if digits >= arg.scale:
        return t.Decimal(arg.precision, arg.scale)
    if digits < 0:
        return t.Decimal(min(MAX_PRECISION, 1 + arg.precision - arg.scale), 0)
    return t.Decimal(min(MAX_PRECISION, 1 + arg.precision - arg.scale + digits), digits)


def whole_result(arg: t.Decimal) -> t.Decimal:
    """Return the type of FLOOR or CEIL of a decimal."""
    return t.Decimal(arg.precision, 0)


def sum_result(arg: t.LogicalType) -> t.LogicalType:
    """Return the type of SUM: the argument's own, a decimal at its widest."""
    return t.Decimal(MAX_PRECISION, arg.scale) if isinstance(arg, t.Decimal) else arg


def avg_result(arg: t.LogicalType) -> t.LogicalType:
    """Return the type of AVG: the argument's own (integers truncate), a decimal at its widest."""
    if isinstance(arg, t.Decimal):
        return t.Decimal(MAX_PRECISION, max(MIN_SCALE, arg.scale))
    return arg


def longest(dtype: t.LogicalType) -> int:
    """Return the most characters a text type holds."""
    return dtype.length if isinstance(dtype, t.Char | t.VarChar) else MAX_LENGTH
