"""The SQL type of a Python constant."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal as PyDecimal
from typing import Any

from millstream import types as t
from millstream.errors import PlanError

_INT_MAX, _BIGINT_MAX = 2**31 - 1, 2**63 - 1


def literal_type(value: Any) -> t.LogicalType:
    """Return the type Flink gives the literal; raises PlanError for what is no SQL value."""
    match value:
        case None:
            return t.Null()
        case bool():
            return t.Boolean(nullable=False)
        case int():
            return _integer_type(value)
        case float():
            return t.Double(nullable=False)
        case PyDecimal():
            return _decimal_type(value)
        case str():
            return t.Char(len(value), nullable=False) if value else t.VarChar(nullable=False)
        case bytes():
            return t.Binary(max(1, len(value)), nullable=False)
        case dt.datetime():
            return _instant_type(value)
        case dt.date():
            return t.Date(nullable=False)
        case dt.time():
            return t.Time(0 if value.microsecond == 0 else 6, nullable=False)
        case dt.timedelta():
            return t.IntervalDay(nullable=False)
        case _:
            raise PlanError(
                f"{value!r} is not a SQL value.",
                hint="Use None, bool, int, float, str, bytes, Decimal, date, time, datetime or "
                "timedelta.",
            )


def _integer_type(value: int) -> t.LogicalType:
    if -_INT_MAX - 1 <= value <= _INT_MAX:
        return t.Int(nullable=False)
    if -_BIGINT_MAX - 1 <= value <= _BIGINT_MAX:
        return t.BigInt(nullable=False)
    return _decimal_type(PyDecimal(value))


def _decimal_type(value: PyDecimal) -> t.LogicalType:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise PlanError(f"{value} is not a DECIMAL.", hint="DECIMAL has no NaN and no infinity.")
    scale = max(0, -exponent)
    precision = max(len(digits) + max(0, exponent), scale, 1)
    if precision > t.logical.MAX_PRECISION:
        raise PlanError(f"{value} has more than 38 digits.", hint="DECIMAL holds 38 digits.")
    return t.Decimal(precision, scale, nullable=False)


def _instant_type(value: dt.datetime) -> t.LogicalType:
    precision = 3 if value.microsecond % 1000 == 0 else 6
    if value.tzinfo is None:
        return t.Timestamp(precision, nullable=False)
    return t.TimestampLtz(precision, nullable=False)
