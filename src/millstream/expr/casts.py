"""Which explicit casts there are.

in      the type of the value and the type wanted
out     nothing; TypeMismatch with the place and a way out where Flink has no such cast
source  Flink's LogicalTypeCasts (CAST) and its cast rules (which pairs it can really run)
"""

from __future__ import annotations

from millstream import types as t
from millstream.errors import Place, TypeMismatch
from millstream.types.logical import (
    BinaryString,
    CharacterString,
    Integer,
    Interval,
    Numeric,
    Temporal,
)


def check_cast(have: t.LogicalType, want: t.LogicalType, place: Place | None = None) -> None:
    """Raise TypeMismatch where a value of type ``have`` cannot be cast to ``want``."""
    if castable(have, want):
        return
    raise TypeMismatch(
        f"A {have.with_nullable(True)} cannot be cast to {want.with_nullable(True)}.",
        where=place,
        hint=_way_out(have, want),
    )


def castable(have: t.LogicalType, want: t.LogicalType) -> bool:
    """Tell whether ``CAST(have AS want)`` exists; nullability takes no part."""
    if isinstance(have, t.Null) or have.with_nullable(True) == want.with_nullable(True):
        return True
    match want:
        case CharacterString():
            return True
        case BinaryString():
            return isinstance(have, BinaryString | CharacterString)
        case t.Boolean():
            return isinstance(have, CharacterString | Numeric)
        case Numeric():
            return _to_number(have, want)
        case Temporal():
            return _to_time(have, want)
        case Interval():
            return isinstance(have, CharacterString | Integer)
        case _:
            return _to_nested(have, want)


def _to_number(have: t.LogicalType, want: Numeric) -> bool:
    if isinstance(have, Interval):
        return isinstance(want, Integer | t.Decimal)
    return isinstance(have, Numeric | CharacterString | t.Boolean)


def _to_time(have: t.LogicalType, want: Temporal) -> bool:
    match have, want:
        case CharacterString(), _:
            return True
        case ((t.Timestamp() | t.TimestampLtz()), _):
            return True
        case t.Date(), t.Timestamp() | t.TimestampLtz():
            return True
        case t.Time(), t.Time() | t.Timestamp() | t.TimestampLtz():
            return True
        case _:
            return False


def _to_nested(have: t.LogicalType, want: t.LogicalType) -> bool:
    match have, want:
        case t.Array(element=x), t.Array(element=y):
            return castable(x, y)
        case t.Multiset(element=x), t.Multiset(element=y):
            return castable(x, y)
        case t.Map(), t.Map():
            return castable(have.key, want.key) and castable(have.value, want.value)
        case t.Row(), t.Row():
            return len(have.fields) == len(want.fields) and all(
                castable(x, y) for (_, x), (_, y) in zip(have.fields, want.fields, strict=True)
            )
        case _:
            return False


def _way_out(have: t.LogicalType, want: t.LogicalType) -> str | None:
    number, instant = isinstance(have, Numeric), isinstance(want, t.Timestamp | t.TimestampLtz)
    if number and instant:
        return "Write TO_TIMESTAMP_LTZ(x, 0) for seconds or TO_TIMESTAMP_LTZ(x, 3) for ms."
    if isinstance(have, Temporal) and isinstance(want, Numeric):
        return "Write UNIX_TIMESTAMP(CAST(x AS STRING)) for seconds, or EXTRACT(… FROM x)."
    if isinstance(have, t.Array | t.Map | t.Multiset | t.Row):
        return "A nested value casts to STRING, or to the same shape with castable parts."
    return None
