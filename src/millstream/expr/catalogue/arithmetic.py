"""Arithmetic: operators, rounding, powers and logarithms, trigonometry, chance.

Two integers give the wider of their types, with a decimal the exact decimal type of Flink, with a
FLOAT or DOUBLE a floating one. ``+`` and ``-`` also move times by intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

from millstream import types as t
from millstream.expr.catalogue.intervals import interval_arithmetic, rounded_time
from millstream.expr.coerce import (
    as_decimal,
    common_type,
    decimal_result,
    nullable_any,
    round_result,
    whole_result,
)
from millstream.expr.function import Function, Infer, Signature, mismatch
from millstream.expr.infer import bigint, constant_int, double, int_, number, of, takes
from millstream.expr.tree import Expr
from millstream.types.logical import CharacterString, Integer, Interval, Numeric, Temporal

# --- the operators


def _operator(name: str) -> Infer:
    says = f"number {name} number" + (
        f", time {name} interval, interval {name} interval" if name in "+-" else ""
    )

    def infer(args: tuple[Expr, ...]) -> Signature:
        if len(args) != 2:
            raise mismatch(name, args, says)
        a, b = args[0].typed, args[1].typed
        if isinstance(a, Temporal | Interval) or isinstance(b, Temporal | Interval):
            found = interval_arithmetic(name, args)
        else:
            found = numeric_signature(name, a, b)
        if found is None:
            raise mismatch(name, args, says)
        return found

    return infer


def numeric_signature(name: str, a: t.LogicalType, b: t.LogicalType) -> Signature | None:
    """Return the types of ``a name b`` for two numbers, or None where one is none."""
    met = common_type([a, b])
    if isinstance(met, t.Null):
        met = t.Int()
    if not isinstance(met, Numeric):
        return None
    null = nullable_any([a, b])
    if isinstance(met, t.Decimal):
        left, right = _or(a, met), _or(b, met)
        x, y = as_decimal(left), as_decimal(right)
        assert x is not None, "a decimal meets only exact numbers"
        assert y is not None, "a decimal meets only exact numbers"
        found: t.LogicalType = decimal_result(name, x, y)
        if name == "%" and x.scale == y.scale == 0:
            found = right  # two whole numbers: the divisor's own type, as for integers
        return Signature((left, right), found.with_nullable(null))
    both = (met.with_nullable(a.nullable), met.with_nullable(b.nullable))
    result = b if name == "%" and isinstance(b, Integer) else met
    return Signature(both, result.with_nullable(null))


def _or(dtype: t.LogicalType, instead: t.LogicalType) -> t.LogicalType:
    return instead.with_nullable(True) if isinstance(dtype, t.Null) else dtype


_signed = of(t.Int(), Numeric, Interval)

# --- rounding


def _rounds(name: str) -> Infer:
    says = f"{name}(number [, digits])"

    def infer(args: tuple[Expr, ...]) -> Signature:
        def gives(wanted: Sequence[t.LogicalType]) -> t.LogicalType:
            first = wanted[0]
            if not isinstance(first, t.Decimal):
                return first
            digits = 0 if len(args) == 1 else constant_int(args[1])
            return first if digits is None else round_result(first, digits)

        return takes(name, says, [number, int_], gives, optional=1)(args)

    return infer


def _whole(name: str) -> Infer:
    says = f"{name}(number) or {name}(time TO unit)"
    numbers = takes(
        name,
        says,
        [number],
        lambda w: whole_result(w[0]) if isinstance(w[0], t.Decimal) else w[0],
    )

    def infer(args: tuple[Expr, ...]) -> Signature:
        if args and isinstance(args[0].typed, Temporal):
            return rounded_time(name, args)
        return numbers(args)

    return infer


# --- the table


def _function(name: str, says: str, doc: str, infer: Infer, **more: object) -> Function:
    return Function(name=name, family="arithmetic", says=says, doc=doc, infer=infer, **more)  # type: ignore[arg-type]


def _doubles(name: str, doc: str, arguments: str = "number") -> Function:
    says = f"{name}({arguments})"
    kinds = [double] * len(arguments.split(","))
    return _function(name, says, doc, takes(name, says, kinds, t.Double()))


def _first(wanted: Sequence[t.LogicalType]) -> t.LogicalType:
    return wanted[0]


_hexable = of(t.STRING, Integer, CharacterString)
_RAND_INTEGER = "RAND_INTEGER([seed,] bound)"

FUNCTIONS: tuple[Function, ...] = (
    _function("+", "number + number, time + interval", "The sum; integers wrap.", _operator("+")),
    _function(
        "-",
        "number - number, time - interval, time - time",
        "The difference; integers wrap.",
        _operator("-"),
    ),
    _function("*", "number * number, interval * number", "The product.", _operator("*")),
    _function(
        "/",
        "number / number, interval / number",
        "The quotient; of integers towards zero. Division by an exact 0 rejects the row.",
        _operator("/"),
    ),
    _function(
        "%",
        "number % number or MOD(number, number)",
        "The remainder, with the sign of the first. An exact 0 rejects the row.",
        _operator("%"),
        aliases=("MOD",),
    ),
    _function(
        "NEGATE",
        "- number, - interval",
        "The value with the other sign.",
        takes("NEGATE", "- number", [_signed], _first),
    ),
    _function(
        "ABS", "ABS(number)", "The absolute value.", takes("ABS", "ABS(number)", [number], _first)
    ),
    _function(
        "CEIL",
        "CEIL(number) or CEIL(time TO unit)",
        "The smallest whole number not smaller.",
        _whole("CEIL"),
        aliases=("CEILING",),
    ),
    _function(
        "FLOOR",
        "FLOOR(number) or FLOOR(time TO unit)",
        "The largest whole number not larger.",
        _whole("FLOOR"),
    ),
    _function(
        "ROUND", "ROUND(number [, digits])", "Rounded half away from zero.", _rounds("ROUND")
    ),
    _function("TRUNCATE", "TRUNCATE(number [, digits])", "Cut towards zero.", _rounds("TRUNCATE")),
    _function(
        "SIGN",
        "SIGN(number)",
        "-1, 0 or 1 in the type of the argument.",
        takes("SIGN", "SIGN(number)", [number], _first),
    ),
    _doubles("POWER", "The first to the power of the second.", "number, number"),
    _doubles("SQRT", "The square root; NaN of a negative number."),
    _doubles("EXP", "e to the power of the number."),
    _doubles("LN", "The natural logarithm."),
    _function(
        "LOG",
        "LOG([base,] number)",
        "The logarithm, natural where no base is said.",
        takes("LOG", "LOG([base,] number)", [double, double], t.Double(), optional=1),
    ),
    _doubles("LOG10", "The logarithm to base 10."),
    _doubles("LOG2", "The logarithm to base 2."),
    _doubles("SIN", "The sine."),
    _doubles("COS", "The cosine."),
    _doubles("TAN", "The tangent."),
    _doubles("COT", "The cotangent."),
    _doubles("ASIN", "The arc sine."),
    _doubles("ACOS", "The arc cosine."),
    _doubles("ATAN", "The arc tangent."),
    _doubles("ATAN2", "The angle of the point (x, y).", "y, x"),
    _doubles("SINH", "The hyperbolic sine."),
    _doubles("COSH", "The hyperbolic cosine."),
    _doubles("TANH", "The hyperbolic tangent."),
    _doubles("DEGREES", "Radians as degrees."),
    _doubles("RADIANS", "Degrees as radians."),
    _function("PI", "PI()", "The number π.", takes("PI", "PI()", [], t.Double())),
    _function("E", "E()", "The number e.", takes("E", "E()", [], t.Double())),
    _function(
        "RAND",
        "RAND([seed])",
        "A random number from 0 to 1 (less than 1); the same for the same row of a replay.",
        takes("RAND", "RAND([seed])", [int_], t.Double(), optional=1, nullable=False),
        deterministic=False,
    ),
    _function(
        "RAND_INTEGER",
        _RAND_INTEGER,
        "A random integer from 0 to bound - 1.",
        takes("RAND_INTEGER", _RAND_INTEGER, [int_, int_], t.Int(), optional=1),
        deterministic=False,
    ),
    _function(
        "UUID",
        "UUID()",
        "A random UUID (version 4); the same for the same row of a replay.",
        takes("UUID", "UUID()", [], t.Char(36)),
        deterministic=False,
    ),
    _function(
        "BIN",
        "BIN(integer)",
        "The digits in base 2; negative numbers as 64-bit complement.",
        takes("BIN", "BIN(integer)", [bigint], t.STRING),
    ),
    _function(
        "HEX",
        "HEX(integer) or HEX(text)",
        "The number, or the UTF-8 bytes, in base 16.",
        takes("HEX", "HEX(integer) or HEX(text)", [_hexable], t.STRING),
    ),
)
