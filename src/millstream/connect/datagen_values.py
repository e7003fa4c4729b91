"""How datagen makes the values of each SQL type, a whole column at a time.

in      row numbers (uint64) and the time of each row (µs since the epoch)
out     a series of the type; NULL with the chance ``null-rate``
random  a value is a hash (SplitMix64) of the seed, the path of the column and the row number, so
        neither the cut into chunks nor the other columns matter
limits  text and bytes of at most ``LENGTH_MAX``; ARRAY of at most ``ELEMENTS_MAX``
gap     MAP and MULTISET: random keys would collide
source  Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from millstream import types as t
from millstream.columns.physical import polars_type, time_unit
from millstream.errors import OptionError, PlanError, UnknownName
from millstream.types.logical import CharacterString, Integer, Numeric
from millstream.types.time import duration_ms

Maker = Callable[[np.ndarray, np.ndarray], pl.Series]
LENGTH_MAX = 1_000_000
ELEMENTS_MAX = 10_000
_DAY_US = 86_400_000_000
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_US = {"ms": (1, 1000), "us": (1, 1), "ns": (1000, 1)}  # times, divided by
_YES, _NO = ("true", "1"), ("false", "0")


class FieldOptions:
    """The options of one column; what nobody has asked for in the end is unknown."""

    def __init__(self, given: Mapping[str, Any], option: str, where: str) -> None:
        self._given = dict(given)
        self._asked: set[str] = set()
        self._option = option
        self.where = where

    def inner(self, name: str) -> FieldOptions:
        """Return the options of a part: an element, a field."""
        lead = name + "."
        own = {k.removeprefix(lead): v for k, v in self._given.items() if k.startswith(lead)}
        self._asked |= {lead + k for k in own}
        return FieldOptions(own, f"{self._option}.{name}", self.where)

    def take(self, name: str, default: Any, read: Callable[[Any], Any], expected: str) -> Any:
        """Return one option, read."""
        self._asked.add(name)
        value = self._given.get(name)
        if value is None:
            return default
        try:
            return read(value)
        except (ValueError, TypeError, ArithmeticError, PlanError):
            raise self.wrong(name, value, expected) from None

    def wrong(self, name: str, value: Any, expected: str) -> OptionError:
        """Return the error of a value that cannot be."""
        return OptionError(
            f"The option '{self._option}.{name}' cannot be {value!r}.",
            where=self.where,
            hint=expected,
        )

    def done(self) -> None:
        """Refuse what nobody has asked for."""
        for name in self._given:
            if name not in self._asked:
                raise UnknownName(
                    "option",
                    f"{self._option}.{name}",
                    available=[f"{self._option}.{a}" for a in self._asked],
                    where=self.where,
                )


def maker_of(
    dtype: t.LogicalType, given: FieldOptions, *, seed: int, path: str
) -> tuple[Maker, int | None]:
    """Return what makes a column's values, and how many a sequence has."""
    kind = given.take("kind", "random", _kind, "Say 'random' or 'sequence'.")
    length: int | None = None
    if kind == "sequence":
        maker, length = _sequence(dtype, given)
    else:
        maker = _random(dtype, given, seed, path)
    rate = given.take("null-rate", 0.0, _rate, "A number from 0 to 1 is expected.")
    if rate and not dtype.nullable:
        raise given.wrong("null-rate", rate, f"The column is {dtype}.")
    return (_with_nulls(maker, rate, _key(seed, path, "null")) if rate else maker), length


# ------------------------------------------------------------------------------------- chance


def _key(seed: int, path: str, purpose: str) -> np.uint64:
    digest = hashlib.blake2b(f"{seed}|{path}|{purpose}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _draw(key: np.uint64, numbers: np.ndarray) -> np.ndarray:
    """64 random bits for each number."""
    x = numbers * _GOLDEN
    x += key
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _high(a: np.ndarray, b: int) -> np.ndarray:
    """The upper 64 bits of the product of two 64-bit numbers."""
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    a0, a1 = a & low, a >> half
    b0, b1 = np.uint64(b & 0xFFFFFFFF), np.uint64(b >> 32)
    middle = a1 * b0 + (a0 * b0 >> half)
    other = a0 * b1 + (middle & low)
    found: np.ndarray = a1 * b1 + (middle >> half) + (other >> half)
    return found


def _below(bits: np.ndarray, count: int) -> np.ndarray:
    """Spread random bits over 0 … count - 1 (Lemire's multiplication)."""
    return bits if count == 1 << 64 else _high(bits, count)


def _share(bits: np.ndarray) -> np.ndarray:
    """Random bits as numbers from 0 up to, not including, 1."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _with_nulls(maker: Maker, rate: float, key: np.uint64) -> Maker:
    def make(numbers: np.ndarray, times_us: np.ndarray) -> pl.Series:
        values = maker(numbers, times_us)
        there = pl.Series(_share(_draw(key, numbers)) >= rate)
        return pl.select(pl.when(there).then(values)).to_series()

    return make


# ------------------------------------------------------------------------------------- sequence


def _sequence(dtype: t.LogicalType, given: FieldOptions) -> tuple[Maker, int]:
    if not isinstance(dtype, Numeric | CharacterString):
        raise given.wrong("kind", "sequence", f"Numbers and texts can be counted, not {dtype}.")
    start = given.take("start", None, int, "A whole number is expected.")
    end = given.take("end", None, int, "A whole number is expected.")
    for name, value in (("start", start), ("end", end)):
        if value is None:
            raise given.wrong(name, None, "A sequence needs 'start' and 'end'.")
    if end < start:
        raise given.wrong("end", end, f"It must be {start} ('start') or more.")
    low, high = -(1 << 63), (1 << 63) - 1
    if isinstance(dtype, Integer):
        low, high = -(1 << dtype.bits - 1), (1 << dtype.bits - 1) - 1
    elif isinstance(dtype, t.Decimal):
        most = 10 ** (dtype.precision - dtype.scale) - 1
        low, high = max(low, -most), min(high, most)
    for name, value in (("start", start), ("end", end)):
        if not low <= value <= high:
            raise given.wrong(name, value, f"{dtype} holds {low} to {high}.")
    if isinstance(dtype, t.Char | t.VarChar):
        longest = max(len(str(start)), len(str(end)))
        if longest > dtype.length:
            raise given.wrong("end", end, f"{dtype} holds {dtype.length} characters.")
    wanted = polars_type(dtype)

    def make(numbers: np.ndarray, _: np.ndarray) -> pl.Series:
        return pl.Series(numbers.astype(np.int64) + start, dtype=pl.Int64).cast(wanted)

    return make, end - start + 1


# --------------------------------------------------------------------------------------- random


def _random(dtype: t.LogicalType, given: FieldOptions, seed: int, path: str) -> Maker:
    key = _key(seed, path, "value")
    match dtype:
        case t.Boolean():
            return lambda numbers, _: pl.Series(_draw(key, numbers) >> np.uint64(63) == 1)
        case Integer():
            most = (1 << dtype.bits - 1) - 1
            return _whole(dtype, given, key, (-most - 1, most), (-most - 1, most))
        case t.IntervalYear():
            return _whole(dtype, given, key, (0, 120_000), (-(1 << 31), (1 << 31) - 1))
        case t.IntervalDay():
            ten_years = 3650 * 86_400_000
            return _whole(dtype, given, key, (0, ten_years), (-(1 << 63), (1 << 63) - 1))
        case t.Float() | t.Double():
            return _floating(dtype, given, key)
        case t.Decimal():
            return _decimal(dtype, given, key)
        case t.Char() | t.VarChar() | t.Binary() | t.VarBinary():
            return _text(dtype, given, key, _key(seed, path, "length"))
        case t.Date() | t.Time() | t.Timestamp() | t.TimestampLtz():
            return _temporal(dtype, given, key)
        case t.Array(element=element):
            return _array(element, given, seed, path)
        case t.Row(fields=fields):
            return _row(fields, given, seed, path)
    raise OptionError(
        f"No values of {dtype} can be made up (column '{path}').",
        where=given.where,
        hint="Make it a computed column, or an ARRAY.",
    )


def _whole(
    dtype: t.LogicalType,
    given: FieldOptions,
    key: np.uint64,
    usual: tuple[int, int],
    limits: tuple[int, int],
) -> Maker:
    least, most = _range(given, dtype, int, usual, limits)
    wanted = polars_type(dtype)

    def make(numbers: np.ndarray, _: np.ndarray) -> pl.Series:
        found = _below(_draw(key, numbers), most - least + 1).view(np.int64)
        found += np.int64(least)
        return pl.Series(found).cast(wanted)

    return make


def _floating(dtype: t.LogicalType, given: FieldOptions, key: np.uint64) -> Maker:
    kind = np.float32 if isinstance(dtype, t.Float) else np.float64
    largest = float(np.finfo(kind).max)
    least, most = _range(given, dtype, float, (0.0, largest), (-largest, largest))

    def make(numbers: np.ndarray, _: np.ndarray) -> pl.Series:
        share = _share(_draw(key, numbers))
        # Two products, because ``most - least`` may be beyond the largest number.
        found = least * (1 - share) + most * share
        return pl.Series(np.clip(found, least, most).astype(kind))

    return make


def _decimal(dtype: t.Decimal, given: FieldOptions, key: np.uint64) -> Maker:
    unit = Decimal(1).scaleb(-dtype.scale)
    largest = Decimal(10**dtype.precision - 1)
    limits = (int(-largest), int(largest))

    def scaled(value: Any) -> int:
        return int((Decimal(str(value)) / unit).to_integral_value())

    least, most = _range(given, dtype, scaled, (0, limits[1]), limits)
    # A range wider than 64 bits is walked in steps: not every value comes, but all of it is met.
    step = (most - least) // (1 << 64) + 1
    count = (most - least) // step + 1
    arrow = pa.decimal128(dtype.precision, dtype.scale)

    def make(numbers: np.ndarray, _: np.ndarray) -> pl.Series:
        steps = _below(_draw(key, numbers), count)
        words = np.empty((len(numbers), 2), dtype=np.uint64)  # 128 bits, the lower word first
        low = np.uint64(least & (1 << 64) - 1)
        words[:, 0] = steps * np.uint64(step) + low
        words[:, 1] = _high(steps, step) + np.uint64(least >> 64 & (1 << 64) - 1)
        words[:, 1] += words[:, 0] < low  # the carry
        buffers = [None, pa.py_buffer(words)]
        found = pl.from_arrow(pa.Array.from_buffers(arrow, len(numbers), buffers))
        assert isinstance(found, pl.Series), "an array becomes a series"
        return found

    return make


def _range(
    given: FieldOptions,
    dtype: t.LogicalType,
    read: Callable[[Any], Any],
    usual: tuple[Any, Any],
    limits: tuple[Any, Any],
) -> tuple[Any, Any]:
    expected = f"A number that {dtype} can hold is expected."
    least = given.take("min", usual[0], read, expected)
    most = given.take("max", max(usual[1], least), read, expected)
    if least > most and given.take("min", None, read, expected) is None:
        least = limits[0]
    if not limits[0] <= least <= limits[1]:
        raise given.wrong("min", least, expected)
    if not least <= most <= limits[1]:
        raise given.wrong("max", most, f"{expected} 'max' must not be below 'min'.")
    return least, most


def _text(
    dtype: t.LogicalType, given: FieldOptions, key: np.uint64, length_key: np.uint64
) -> Maker:
    assert isinstance(dtype, t.Char | t.VarChar | t.Binary | t.VarBinary), "text or bytes"
    fixed = isinstance(dtype, t.Char | t.Binary)
    usual = dtype.length if fixed else min(100, dtype.length)
    expected = f"1 to {min(dtype.length, LENGTH_MAX)} is expected, and {dtype} has its own length."
    length = given.take("length", usual, int, expected)
    if not 1 <= length <= min(dtype.length, LENGTH_MAX) or (fixed and length != dtype.length):
        raise given.wrong("length", length, expected)
    varies = given.take("var-len", False, _bool, "'true' or 'false' is expected.")
    if varies and fixed:
        raise given.wrong("var-len", True, f"{dtype} has its own length.")
    is_text = isinstance(dtype, CharacterString)
    per_word = 16 if is_text else 8
    words = -(-length // per_word)
    arrow = pa.large_string() if is_text else pa.large_binary()

    def make(numbers: np.ndarray, _: np.ndarray) -> pl.Series:
        rows = len(numbers)
        at = numbers[:, None] * np.uint64(words) + np.arange(words, dtype=np.uint64)
        body = _draw(key, at).view(np.uint8).reshape(rows, words * 8)
        if is_text:
            body = _HEX[np.stack([body >> 4, body & 15], axis=2)].reshape(rows, words * 16)
        body = body[:, :length]
        lengths = np.full(rows, length, dtype=np.int64)
        if varies:
            lengths = 1 + _below(_draw(length_key, numbers), length).astype(np.int64)
            body = body[np.arange(length) < lengths[:, None]]
        ends = np.zeros(rows + 1, dtype=np.int64)
        np.cumsum(lengths, out=ends[1:])
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(body))]
        found = pl.from_arrow(pa.Array.from_buffers(arrow, rows, buffers))
        assert isinstance(found, pl.Series), "an array becomes a series"
        return found

    return make


def _temporal(dtype: t.LogicalType, given: FieldOptions, key: np.uint64) -> Maker:
    """The time of the row, up to ``max-past`` earlier; DATE and TIME are its parts."""
    past_ms = 0
    if isinstance(dtype, t.Timestamp | t.TimestampLtz):
        past_ms = given.take("max-past", 0, _past, "A duration is expected, such as '5s'.")
    wanted = polars_type(dtype)
    digits = getattr(dtype, "precision", 0)
    grain_us = 10 ** max(0, 6 - digits)

    def make(numbers: np.ndarray, times_us: np.ndarray) -> pl.Series:
        when = times_us
        if past_ms:
            bits = _draw(key, numbers)
            when = when - _below(bits, past_ms * 1000 + 1).astype(np.int64)
        if isinstance(dtype, t.Date):
            return pl.Series((when // _DAY_US).astype(np.int32)).cast(wanted)
        when = when // grain_us * grain_us
        if isinstance(dtype, t.Time):
            return pl.Series(when % _DAY_US * 1000).cast(wanted)
        times, divided = _US[time_unit(digits)]
        return pl.Series(when * times // divided).cast(wanted)

    return make


def _array(element: t.LogicalType, given: FieldOptions, seed: int, path: str) -> Maker:
    expected = f"0 to {ELEMENTS_MAX} elements are expected."
    length = given.take("length", 3, int, expected)
    if not 0 <= length <= ELEMENTS_MAX:
        raise given.wrong("length", length, expected)
    inner = given.inner("element")
    make_element, ends = maker_of(element, inner, seed=seed, path=f"{path}.element")
    if ends is not None:
        raise inner.wrong("kind", "sequence", "Elements are random.")
    inner.done()

    def make(numbers: np.ndarray, times_us: np.ndarray) -> pl.Series:
        at = numbers[:, None] * np.uint64(length) + np.arange(length, dtype=np.uint64)
        flat = make_element(at.ravel(), np.repeat(times_us, length))
        starts = np.arange(len(numbers) + 1, dtype=np.int64) * length
        values = flat.to_arrow()
        lists = pa.LargeListArray.from_arrays(pa.array(starts), values)
        found = pl.from_arrow(lists)
        assert isinstance(found, pl.Series), "an array becomes a series"
        return found.cast(pl.List(polars_type(element)))

    return make


def _row(
    fields: tuple[tuple[str, t.LogicalType], ...], given: FieldOptions, seed: int, path: str
) -> Maker:
    makers: dict[str, Maker] = {}
    for name, dtype in fields:
        inner = given.inner(name)
        makers[name], ends = maker_of(dtype, inner, seed=seed, path=f"{path}.{name}")
        if ends is not None:
            raise inner.wrong("kind", "sequence", "Fields of a ROW are random.")
        inner.done()

    def make(numbers: np.ndarray, times_us: np.ndarray) -> pl.Series:
        parts = [maker(numbers, times_us).alias(name) for name, maker in makers.items()]
        return pl.DataFrame(parts).to_struct("row")

    return make


# -------------------------------------------------------------------------------------- readers


def _kind(value: Any) -> str:
    text = str(value).strip().lower()
    if text not in ("random", "sequence"):
        raise ValueError
    return text


def _rate(value: Any) -> float:
    rate = float(value)
    if not 0 <= rate <= 1:
        raise ValueError
    return rate


def _bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _YES + _NO:
        raise ValueError
    return text in _YES


def _past(value: Any) -> int:
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    past = value if isinstance(value, int) else duration_ms(value)
    if past < 0:
        raise ValueError
    return past
