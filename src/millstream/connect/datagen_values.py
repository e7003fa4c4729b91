"""Made-up values of one column, as a function of seed, column and row number.

in      row numbers (int64), the seed, the clock
out     a Polars series of the column's type
source  Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014 (SplitMix64)
"""

from __future__ import annotations

import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.errors import OptionError, TypeMismatch
from millstream.ports.options import read_options
from millstream.settings import option
from millstream.types.logical import BinaryString, CharacterString, Integer

_STEP = np.uint64(0x9E3779B97F4A7C15)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_LENGTH, _ITEMS = 100, 3
_FLOAT_MAX, _DOUBLE_MAX = 3.4028234663852886e38, 1.7976931348623157e308
_DIGITS_MAX = 18
_LENGTH_MAX, _ITEMS_MAX = 1_000_000, 10_000
_MONTHS_MAX, _SPAN_MS_MAX = 120_000, 3650 * 86_400_000


class Kind(Enum):
    """How values follow one another."""

    RANDOM = "random"
    SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConfig:
    """Flink's options of one field."""

    kind: Kind = option("kind", "'random' or 'sequence'.", default=Kind.RANDOM, kind="enum")
    low: str | None = option("min", "Smallest random number.", default=None)
    high: str | None = option("max", "Largest random number.", default=None)
    max_past_ms: int = option(
        "max-past", "A random time is at most this long ago.", default=0, kind="duration_ms"
    )
    length: int | None = option(
        "length", "Characters, bytes or elements of a random value.", default=None, kind="int"
    )
    var_len: bool = option(
        "var-len", "Random values have 1 to 'length' characters.", default=False, kind="bool"
    )
    null_rate: float = option(
        "null-rate", "Part of the values that is NULL.", default=0.0, kind="float"
    )
    start: int | None = option("start", "First value of a sequence.", default=None, kind="int")
    end: int | None = option("end", "Last value of a sequence.", default=None, kind="int")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What time a row has."""

    start_ms: int | None
    rows_per_second: int

    def times_ms(self, rows: np.ndarray) -> np.ndarray:
        """Return the instant of each row."""
        if self.start_ms is None:
            return np.full(len(rows), time.time_ns() // 1_000_000, np.int64)
        return self.start_ms + rows * 1000 // (self.rows_per_second or 1000)


class Generator(ABC):
    """Makes one column."""

    rows_max: int | None = None

    def __init__(self, dtype: t.LogicalType, path: str, config: FieldConfig) -> None:
        self._dtype = dtype
        self._physical = polars_type(dtype)
        self._salt = zlib.crc32(path.encode())
        self._config = config
        if not 0 <= config.null_rate <= 1 or (config.null_rate and not dtype.nullable):
            raise OptionError(
                f"'fields.{path}.null-rate' cannot be {config.null_rate}: the column is {dtype}.",
                hint="A number from 0 to 1 is expected, and a column that may be NULL.",
            )

    @abstractmethod
    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        """Return the values without NULLs."""

    def column(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        """Return the values, some of them NULL."""
        series = self.values(rows, seed, clock).cast(self._physical)
        rate = self._config.null_rate
        if rate <= 0:
            return series
        nulls = unit(self.bits(rows, seed, 1)) < rate
        none = pl.Series([None], dtype=self._physical).new_from_index(0, len(rows))
        return none.zip_with(pl.Series(nulls), series)

    def bits(self, rows: np.ndarray, seed: int, stream: int = 0) -> np.ndarray:
        """Return 64 random bits per row; each stream of a column has its own."""
        start = np.uint64((seed * 0x2545F4914F6CDD1D + self._salt * 131 + stream * 7919) % 2**64)
        return mix(rows.astype(np.uint64) * _STEP + mix(np.array([start]))[0])


class _Sequence(Generator):
    def __init__(self, dtype: t.LogicalType, path: str, config: FieldConfig, where: str) -> None:
        super().__init__(dtype, path, config)
        if config.start is None or config.end is None:
            raise OptionError(
                f"The sequence '{path}' needs 'fields.{path}.start' and 'fields.{path}.end'.",
                where=where,
                hint="A sequence ends, and the source with it.",
            )
        if not isinstance(dtype, Integer | t.Float | t.Double | t.Decimal | CharacterString):
            raise TypeMismatch(f"'{path}' is {dtype}, which has no sequence.", where=where)
        if config.end < config.start:
            raise OptionError(f"'fields.{path}.end' is smaller than its start.", where=where)
        if not _holds(dtype, config.start) or not _holds(dtype, config.end):
            raise OptionError(f"The sequence '{path}' goes beyond {dtype}.", where=where)
        self._start = config.start
        self.rows_max = config.end - config.start + 1

    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        del seed, clock
        return pl.Series(rows + self._start)


class _Whole(Generator):
    def __init__(self, dtype: t.LogicalType, path: str, config: FieldConfig, where: str) -> None:
        super().__init__(dtype, path, config)
        bits = dtype.bits if isinstance(dtype, Integer) else 32
        scale = 0
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        least, most = low, high
        if isinstance(dtype, t.IntervalYear):
            least, most = 0, _MONTHS_MAX
        if isinstance(dtype, t.IntervalDay):
            low, high = -(1 << 62), 1 << 62
            least, most = 0, _SPAN_MS_MAX
        if isinstance(dtype, t.Decimal):
            scale = dtype.scale
            low, high = 0, 10 ** min(dtype.precision, _DIGITS_MAX) - 1
            least, most = low, high
        self._scale = scale
        self._low = _scaled(config.low, least, scale, f"fields.{path}.min", where)
        self._high = _scaled(config.high, most, scale, f"fields.{path}.max", where)
        _in_order(self._low, self._high, path, where)
        if self._low < min(low, -high) or self._high > high:
            raise OptionError(f"'fields.{path}' goes beyond {dtype}.", where=where)

    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        del clock
        span = self._high - self._low + 1
        bits = self.bits(rows, seed)
        drawn = bits if span >= 1 << 64 else bits % np.uint64(span)
        low = np.uint64(self._low % (1 << 64))
        whole = (drawn + low).view(np.int64)
        if isinstance(self._dtype, t.Decimal):
            wide = np.empty((len(rows), 2), np.int64)
            wide[:, 0], wide[:, 1] = whole, whole >> 63
            kind = pa.decimal128(self._dtype.precision, self._scale)
            return pl.Series(pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(wide)]))
        return pl.Series(whole)


class _Real(Generator):
    def __init__(self, dtype: t.LogicalType, path: str, config: FieldConfig, where: str) -> None:
        super().__init__(dtype, path, config)
        self._low = _number(config.low, 0.0, f"fields.{path}.min", where)
        largest = _FLOAT_MAX if isinstance(dtype, t.Float) else _DOUBLE_MAX
        self._high = _number(config.high, largest, f"fields.{path}.max", where)
        _in_order(self._low, self._high, path, where)
        if not -largest <= self._low <= self._high <= largest:  # a NaN is in no range
            raise OptionError(f"'fields.{path}' goes beyond {dtype}.", where=where)

    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        del clock
        part = unit(self.bits(rows, seed))
        return pl.Series(self._low * (1 - part) + self._high * part)


class _Flag(Generator):
    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        del clock
        return pl.Series(self.bits(rows, seed) >> np.uint64(63) == 1)


class _Text(Generator):
    """Texts of hexadecimal digits, or bytes."""

    def __init__(self, dtype: t.LogicalType, path: str, config: FieldConfig, where: str) -> None:
        super().__init__(dtype, path, config)
        declared = getattr(dtype, "length", t.logical.MAX_LENGTH)
        usual = _LENGTH if declared == t.logical.MAX_LENGTH else declared
        self._length = usual if config.length is None else config.length
        fixed = isinstance(dtype, t.Char | t.Binary)
        if not 0 < self._length <= min(declared, _LENGTH_MAX) or (
            fixed and self._length != declared
        ):
            raise OptionError(
                f"'fields.{path}.length' cannot be {self._length}: the column is {dtype}.",
                where=where,
                hint=f"The longest that is made up has {_LENGTH_MAX}.",
            )

    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        del clock
        count, size = len(rows), self._length
        words = -(-size // 8)
        places = (rows[:, None] * words + np.arange(words)).reshape(-1)
        drawn = self.bits(places, seed, 2).view(np.uint8).reshape(count, words * 8)[:, :size]
        is_text = isinstance(self._dtype, CharacterString)
        data = np.ascontiguousarray(_HEX[drawn & 15] if is_text else drawn)
        sizes = np.full(count, size, np.int64)
        if self._config.var_len:
            sizes = (self.bits(rows, seed, 3) % np.uint64(size)).astype(np.int64) + 1
            data = data[np.arange(size) < sizes[:, None]]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        kind = pa.large_string() if is_text else pa.large_binary()
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
        return pl.Series(pa.Array.from_buffers(kind, count, buffers))


class _Time(Generator):
    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        times = clock.times_ms(rows)
        past = self._config.max_past_ms
        if past > 0:
            times = times - (self.bits(rows, seed) % np.uint64(past + 1)).astype(np.int64)
        grain = 10 ** max(0, 3 - getattr(self._dtype, "precision", 3))
        instants = pl.Series(times // grain * grain).cast(pl.Datetime("ms"))
        match self._dtype:
            case t.Date():
                return instants.dt.date()
            case t.Time():
                return instants.dt.time()
            case t.TimestampLtz():
                return instants.dt.replace_time_zone("UTC")
            case _:
                return instants


class _List(Generator):
    def __init__(
        self, dtype: t.LogicalType, path: str, config: FieldConfig, element: Generator
    ) -> None:
        super().__init__(dtype, path, config)
        self._element = element
        self._length = _ITEMS if config.length is None else config.length
        if not 0 <= self._length <= _ITEMS_MAX:
            raise OptionError(
                f"'fields.{path}.length' cannot be {self._length}.",
                hint=f"0 to {_ITEMS_MAX} elements are expected.",
            )

    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        size = self._length
        places = (rows[:, None] * size + np.arange(size)).reshape(-1)
        inner = self._element.column(places, seed, clock)
        offsets = np.arange(len(rows) + 1, dtype=np.int64) * size
        return pl.Series(pa.LargeListArray.from_arrays(pa.array(offsets), inner.to_arrow()))


class _Struct(Generator):
    def __init__(
        self, dtype: t.LogicalType, path: str, config: FieldConfig, parts: Mapping[str, Generator]
    ) -> None:
        super().__init__(dtype, path, config)
        self._parts = parts

    def values(self, rows: np.ndarray, seed: int, clock: Clock) -> pl.Series:
        parts = [g.column(rows, seed, clock).alias(name) for name, g in self._parts.items()]
        return pl.DataFrame(parts).to_struct()


def generator_for(
    dtype: t.LogicalType, path: str, given: Mapping[str, Any], where: str
) -> Generator:
    """Return the generator of a column; ``given`` are its options without ``fields.<path>.``."""
    inner: dict[str, t.LogicalType] = {}
    if isinstance(dtype, t.Row):
        inner = dict(dtype.fields)
    elif isinstance(dtype, t.Array):
        inner = {"element": dtype.element}
    below: dict[str, dict[str, Any]] = {name: {} for name in inner}
    own: dict[str, Any] = {}
    for key, value in given.items():
        name = next((n for n in inner if key.startswith(f"{n}.")), None)
        if name is None:
            own[key] = value
        else:
            below[name][key.removeprefix(f"{name}.")] = value
    config = read_options(FieldConfig, own, owner=f"{where}, fields.{path}")
    parts = {n: generator_for(k, f"{path}.{n}", below[n], where) for n, k in inner.items()}
    if config.kind is Kind.SEQUENCE:
        return _Sequence(dtype, path, config, where)
    match dtype:
        case t.Boolean():
            return _Flag(dtype, path, config)
        case Integer() | t.Decimal() | t.IntervalYear() | t.IntervalDay():
            return _Whole(dtype, path, config, where)
        case t.Float() | t.Double():
            return _Real(dtype, path, config, where)
        case CharacterString() | BinaryString():
            return _Text(dtype, path, config, where)
        case t.Date() | t.Time() | t.Timestamp() | t.TimestampLtz():
            return _Time(dtype, path, config)
        case t.Array():
            return _List(dtype, path, config, parts["element"])
        case t.Row():
            return _Struct(dtype, path, config, parts)
        case _:
            raise TypeMismatch(
                f"The column '{path}' is {dtype}, which datagen cannot make.",
                where=where,
                hint="Use ARRAY or ROW, or compute the column from others: c AS MAP[k, v].",
            )


def mix(x: np.ndarray) -> np.ndarray:
    """Return 64 well-mixed bits of each number."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)


def unit(bits: np.ndarray) -> np.ndarray:
    """Return floats from 0 to below 1."""
    return np.asarray((bits >> np.uint64(11)) * 2.0**-53, np.float64)


def _holds(dtype: t.LogicalType, value: int) -> bool:
    match dtype:
        case Integer():
            return -(1 << (dtype.bits - 1)) <= value < 1 << (dtype.bits - 1)
        case t.Decimal():
            return bool(abs(value) < 10 ** (dtype.precision - dtype.scale))
        case t.Char() | t.VarChar():
            return len(str(value)) <= dtype.length
    return abs(value) < 1 << 63


def _scaled(text: str | None, usual: int, scale: int, name: str, where: str) -> int:
    if text is None:
        return usual
    try:
        value = Decimal(text).scaleb(scale)
        if value == int(value):
            return int(value)
    except (InvalidOperation, OverflowError, ValueError):
        pass
    digits = f" with at most {scale} digits behind the point" if scale else " that is whole"
    raise OptionError(
        f"The option '{name}' cannot be '{text}'.",
        where=where,
        hint=f"A number{digits} is expected.",
    )


def _number(text: str | None, usual: float, name: str, where: str) -> float:
    try:
        return usual if text is None else float(text)
    except ValueError:
        raise OptionError(
            f"The option '{name}' cannot be '{text}'.", where=where, hint="A number is expected."
        ) from None


def _in_order(low: float, high: float, path: str, where: str) -> None:
    if low > high:
        raise OptionError(f"'fields.{path}.min' is larger than 'fields.{path}.max'.", where=where)
