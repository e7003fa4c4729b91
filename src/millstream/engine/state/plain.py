"""Plain Python values as bytes, and back: the state of the user's own code.

in      None, bool, int, float, str, bytes, Decimal, date, time, datetime, timedelta, and lists,
        tuples, dicts and sets of them; exactly these types, so that what comes back is what went in
out     MessagePack; what it does not know is an extension of ours. Never a pickle
bad     DataError for any other type, with its name
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from millstream.errors import DataError

_AS_THEY_ARE = frozenset({type(None), bool, float, str, bytes})
_KEYS = frozenset({type(None), bool, float, str, bytes})
_FOLD = "~"
"""Behind a time that comes twice when clocks go back: the second one."""
_SMALLEST, _BIGGEST = -(2**63), 2**63 - 1
HINT = (
    "Keep plain values: numbers, texts, bytes, Decimal, date, time, datetime, timedelta, and "
    "lists, tuples, dicts and sets of them. A value of NumPy becomes one by .item()."
)


def packed(value: Any, owner: str) -> bytes:
    """Return a plain value as bytes; ``owner`` names whose value it is."""
    return msgspec.msgpack.encode(_tagged(value, owner))


def unpacked(data: bytes) -> Any:
    """Return the value that was packed."""
    return _DECODER.decode(data)


def _tagged(value: Any, owner: str) -> Any:
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is int:
        return value if _SMALLEST <= value <= _BIGGEST else _extension(_INT, str(value))
    if kind is list:
        return [_tagged(v, owner) for v in value]
    if kind is dict:
        if all(type(k) in _KEYS or _is_small(k) for k in value):
            return {k: _tagged(v, owner) for k, v in value.items()}
        pairs = [[_tagged(k, owner), _tagged(v, owner)] for k, v in value.items()]
        return _extension(_DICT, pairs)
    made = _SAVED.get(kind)
    if made is None:
        raise DataError(f"{owner} keeps a {kind.__name__}, which is no plain value.", hint=HINT)
    code, plain = made
    given = plain(value)
    if isinstance(given, list):
        given = [_tagged(v, owner) for v in given]
    return _extension(code, given)


def _is_small(key: Any) -> bool:
    return type(key) is int and _SMALLEST <= key <= _BIGGEST


def _extension(code: int, value: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, msgspec.msgpack.encode(value))


def _instant(value: dt.datetime) -> str:
    zone = value.tzinfo
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        return f"{value.astimezone(dt.UTC).isoformat()} {zone.key}"
    return value.isoformat() + _FOLD * value.fold


def _instant_of(text: str) -> dt.datetime:
    said, _, zone = text.partition(" ")
    found = dt.datetime.fromisoformat(said.removesuffix(_FOLD))
    if zone:
        return found.astimezone(ZoneInfo(zone))
    return found.replace(fold=int(said.endswith(_FOLD)))


def _clock(value: dt.time) -> str:
    return value.isoformat() + _FOLD * value.fold


def _clock_of(text: str) -> dt.time:
    found = dt.time.fromisoformat(text.removesuffix(_FOLD))
    return found.replace(fold=int(text.endswith(_FOLD)))


def _span(value: dt.timedelta) -> tuple[int, int, int]:
    return value.days, value.seconds, value.microseconds


_INT, _DICT, _TUPLE, _SET, _FROZEN, _DECIMAL, _DATE, _TIME, _INSTANT, _SPAN = range(1, 11)

_SAVED: dict[type, tuple[int, Callable[[Any], Any]]] = {
    tuple: (_TUPLE, list),
    set: (_SET, list),
    frozenset: (_FROZEN, list),
    Decimal: (_DECIMAL, str),
    dt.date: (_DATE, dt.date.isoformat),
    dt.time: (_TIME, _clock),
    dt.datetime: (_INSTANT, _instant),
    dt.timedelta: (_SPAN, _span),
}
_LOADED: dict[int, Callable[[Any], Any]] = {
    _INT: int,
    _DICT: dict,
    _TUPLE: tuple,
    _SET: set,
    _FROZEN: frozenset,
    _DECIMAL: Decimal,
    _DATE: dt.date.fromisoformat,
    _TIME: _clock_of,
    _INSTANT: _instant_of,
    _SPAN: lambda parts: dt.timedelta(parts[0], parts[1], parts[2]),
}


def _extended(code: int, data: memoryview) -> Any:
    return _LOADED[code](_DECODER.decode(bytes(data)))


_DECODER = msgspec.msgpack.Decoder(ext_hook=_extended)
