"""Spans of text as typed columns, by Flink's coercions; shared by JSON and CSV.

in      spans (``json_scan``'s kinds) and a SQL type
out     a Polars series of that type, null where a value is NULL, missing or cannot be read
bad     values that cannot be read are told to a :class:`Failures`, with the row they are in

===============  ================================================================================
type             what is read (anything else cannot be)
===============  ================================================================================
BOOLEAN          true, false; a text is TRUE where it says "true" in any case, else FALSE; a
                 number is FALSE
TINYINT          a whole number in range, as number or text ("12", " +12 ")
SMALLINT
INT, BIGINT      likewise; a number with a fraction or exponent is cut towards zero (1.7 is 1)
FLOAT, DOUBLE    a number, also as text; "NaN", "Infinity", "-Infinity"
DECIMAL          a number, also as text; exact, rounded half up to the scale
CHAR, VARCHAR    a text; numbers and booleans as they are written; nested values as JSON text
BINARY …         base64 with its padding
DATE             2026-01-31
TIME             12:30:59 with up to 9 digits behind the second
TIMESTAMP        SQL: 2026-01-31 12:30:59.123, ISO-8601: 2026-01-31T12:30[:59.123]
TIMESTAMP_LTZ    the same with a Z at the end
INTERVAL         whole months, or whole milliseconds
===============  ================================================================================

differs  from Flink: a DECIMAL with too many digits, an object for a number or boolean, and a day
         that does not exist (02-30) cannot be read, where Flink gives NULL, FALSE or the 28th.
         Fractions finer than the column's unit are cut off.
source   Flink's JsonParserToRowDataConverters and TimeFormats, read
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.formats.json_scan import (
    ARRAY,
    ESCAPED,
    NULL,
    OBJECT,
    TEXT,
    TRUE,
    gather_text,
)
from millstream.formats.value_scan import (
    BAD,
    CLOCK,
    DAY,
    GOOD,
    INSTANT,
    SLOW,
    read_decimals,
    read_integers,
    read_reals,
    read_times,
)
from millstream.types.logical import BinaryString, CharacterString, Integer

Ints = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_SHOWN_BYTES_MAX = 60
_FAST_DIGITS = 18
_PER_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_REAL_TEXT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_REAL_WORDS = {"NaN": np.nan, "Infinity": np.inf, "+Infinity": np.inf, "-Infinity": -np.inf}
_NONE_BAD = np.zeros(0, np.bool_)
_EXACT = decimal.Context(prec=2 * t.logical.MAX_PRECISION, rounding=decimal.ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Spans:
    """Values as places in a buffer; ``rows`` are the documents they belong to."""

    data: npt.NDArray[np.uint8]
    starts: Ints
    ends: Ints
    kinds: Kinds
    rows: Ints

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def address(self) -> int:
        """Where the buffer lies; valid while ``data`` is alive."""
        return int(self.data.ctypes.data)

    def take(self, index: Ints | Mask) -> Spans:
        """Return some of the values."""
        return Spans(
            self.data, self.starts[index], self.ends[index], self.kinds[index], self.rows[index]
        )

    def shown(self, i: int) -> str:
        """Return one value for a message."""
        start, end = int(self.starts[i]), int(self.ends[i])
        raw = self.data[start : min(end, start + _SHOWN_BYTES_MAX)].tobytes()
        return raw.decode("utf-8", "replace") + ("…" if end - start > _SHOWN_BYTES_MAX else "")


@dataclass(slots=True)
class Failures:
    """Why rows cannot be used: the first reason of each."""

    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, spans: Spans, bad: Mask, path: str, wanted: str) -> None:
        """Note the bad ones among some values of the field ``path``."""
        # A loop over rows: only those that are rejected.
        for i in np.flatnonzero(bad):
            shown = spans.shown(int(i))
            self.note(int(spans.rows[i]), f"field '{path}': '{shown}' is no {wanted}")

    def note(self, row: int, reason: str) -> None:
        """Note one row."""
        self.reasons.setdefault(row, reason)


@dataclass(frozen=True, slots=True)
class TimeTexts:
    """How times are written: the character between day and time, and what may be left out."""

    between: str = " "
    seconds_needed: bool = True
    example: str = "2026-01-31 12:30:59.123"


SQL_TIMES = TimeTexts()
ISO_TIMES = TimeTexts("T", seconds_needed=False, example="2026-01-31T12:30:59.123")


def column(
    spans: Spans, dtype: t.LogicalType, path: str, failures: Failures, times: TimeTexts
) -> pl.Series:
    """Return the column of a type without parts; ARRAY, MAP and ROW are the format's own."""
    if not isinstance(dtype, CharacterString) and bool((spans.kinds == ESCAPED).any()):
        spans = _unescaped(spans)
    match dtype:
        case CharacterString():
            series, bad = texts(spans)
            wanted = f"{dtype}: it has half a surrogate pair"
        case t.Boolean():
            series, bad = _booleans(spans)
            wanted = str(dtype)
        case Integer() | t.IntervalYear() | t.IntervalDay():
            series, bad = _integers(spans, dtype)
            wanted = str(dtype)
        case t.Float() | t.Double():
            series, bad = _reals(spans, dtype)
            wanted = str(dtype)
        case t.Decimal():
            series, bad = _decimals(spans, dtype)
            wanted = str(dtype)
        case BinaryString():
            series, bad = _bytes(spans)
            wanted = f"{dtype}: base64 is expected"
        case _:
            series, bad, example = _times(spans, dtype, times)
            wanted = f"{dtype}: '{example}' is expected"
    if bad.any():
        failures.add(spans, bad, path, wanted)
    return series


def texts(spans: Spans) -> tuple[pl.Series, Mask]:
    """Return the text of each value; a nested one is JSON text."""
    count = len(spans)
    used = np.where(spans.kinds > NULL, spans.ends - spans.starts, 0)
    out = np.empty(int(used.sum()), np.uint8)
    offsets = np.empty(count + 1, np.int64)
    bad = np.zeros(count, np.bool_)
    gather_text(
        spans.address, spans.starts, spans.ends, spans.kinds, int(out.ctypes.data), offsets, bad
    )
    whole = not bad.any() and bool(spans.kinds.min(initial=TEXT) > NULL)
    good = None if whole else (spans.kinds > NULL) & ~bad
    arrow = pa.LargeStringArray.from_buffers(
        count, pa.py_buffer(offsets), pa.py_buffer(out), _bitmap(good)
    )
    return pl.Series(arrow), bad


def packed(values: npt.NDArray[Any], good: Mask | None, dtype: pl.DataType) -> pl.Series:
    """Return values as a series, null where they are not good (None = all are)."""
    arrow_type = _arrow_type(dtype)
    data = pa.py_buffer(np.ascontiguousarray(values))
    arrow = pa.Array.from_buffers(arrow_type, len(values), [_bitmap(good), data])
    series = pl.Series(arrow)
    return series if series.dtype == dtype else series.cast(dtype)


def _sorted_out(state: Kinds) -> tuple[Mask | None, Mask]:
    """Return which values are good (None = all), and which are bad."""
    if not state.max(initial=GOOD):
        return None, _NONE_BAD
    return state == GOOD, state == BAD


def _slow(state: Kinds) -> Ints:
    """Return the indices of the values a kernel has left to its caller."""
    if state.max(initial=GOOD) < SLOW:
        return np.empty(0, np.int64)
    return np.flatnonzero(state == SLOW)


@cache
def _arrow_type(dtype: pl.DataType) -> Any:
    return pl.Series([], dtype=dtype).to_arrow().type


def _bitmap(good: Mask | None) -> Any:
    if good is None or bool(good.all()):
        return None
    return pa.py_buffer(np.packbits(good, bitorder="little"))


def _unescaped(spans: Spans) -> Spans:
    """Return the same values with the escaped ones written out behind the buffer."""
    index = np.flatnonzero(spans.kinds == ESCAPED)
    written, bad = texts(spans.take(index))
    data = written.fill_null("").cast(pl.Binary)
    sizes = data.bin.size().to_numpy().astype(np.int64)
    joined = np.frombuffer(b"".join(data.to_list()), np.uint8)  # rare: escapes in numbers or times
    starts, ends, kinds = spans.starts.copy(), spans.ends.copy(), spans.kinds.copy()
    ends[index] = len(spans.data) + np.cumsum(sizes)
    starts[index] = ends[index] - sizes
    kinds[index] = np.where(bad, OBJECT, TEXT)  # what is no text fits no type read here
    return replace(
        spans, data=np.concatenate([spans.data, joined]), starts=starts, ends=ends, kinds=kinds
    )


def _booleans(spans: Spans) -> tuple[pl.Series, Mask]:
    values = spans.kinds == TRUE
    index = np.flatnonzero(spans.kinds == TEXT)
    if len(index):
        said, _ = texts(spans.take(index))
        values[index] = (said.str.strip_chars().str.to_lowercase() == "true").to_numpy()
    bad = (spans.kinds == OBJECT) | (spans.kinds == ARRAY)
    good = (spans.kinds > NULL) & ~bad
    series = pl.Series(values)
    return series if good.all() else series.zip_with(pl.Series(good), _nulls(series)), bad


def _nulls(like: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=like.dtype).new_from_index(0, len(like))


def integer_bounds(dtype: t.LogicalType) -> tuple[int, int, int]:
    """Return the bits, the least and the greatest number of a type."""
    bits = dtype.bits if isinstance(dtype, Integer) else 64
    if isinstance(dtype, t.IntervalYear):
        bits = 32
    return bits, -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def exact_reals(dtype: t.LogicalType) -> tuple[int, int]:
    """Return up to which mantissa and power a float is exact before its one rounding."""
    return (1 << 24, 10) if isinstance(dtype, t.Float) else (1 << 53, 22)


def _integers(spans: Spans, dtype: t.LogicalType) -> tuple[pl.Series, Mask]:
    bits, low, high = integer_bounds(dtype)
    out, state = np.empty(len(spans), np.int64), np.empty(len(spans), np.uint8)
    limit = len(spans.data)
    read_integers(
        spans.address, spans.starts, spans.ends, spans.kinds, limit, low, high, out, state
    )
    slow = _slow(state)
    if len(slow):
        if isinstance(dtype, t.TinyInt | t.SmallInt):
            state[slow] = BAD
        else:
            reals, _ = _reals(spans.take(slow), t.Double())
            cut = np.trunc(reals.fill_null(np.inf).to_numpy())
            fits = (cut >= float(low)) & (cut < -float(low))
            out[slow] = np.where(fits, cut, 0.0).astype(np.int64)
            state[slow] = np.where(fits, GOOD, BAD)
    good, bad = _sorted_out(state)
    return packed(out.astype(f"i{bits // 8}", copy=False), good, polars_type(dtype)), bad


def _reals(spans: Spans, dtype: t.LogicalType) -> tuple[pl.Series, Mask]:
    single = isinstance(dtype, t.Float)
    mantissa_max, power_max = exact_reals(dtype)
    out, state = np.empty(len(spans), np.float64), np.empty(len(spans), np.uint8)
    read_reals(
        spans.address, spans.starts, spans.ends, spans.kinds, mantissa_max, power_max, out, state
    )
    values = out.astype(np.float32) if single else out
    slow = _slow(state)
    if len(slow):
        read = _slow_reals(spans.take(slow), polars_type(dtype))
        values[slow] = read.fill_null(0.0).to_numpy()
        state[slow] = np.where(read.is_null().to_numpy(), BAD, GOOD)
    good, bad = _sorted_out(state)
    return packed(values, good, polars_type(dtype)), bad


def _slow_reals(spans: Spans, dtype: pl.DataType) -> pl.Series:
    said = texts(spans)[0].str.strip_chars()
    words = said.replace_strict(_REAL_WORDS, default=None, return_dtype=pl.Float64).cast(dtype)
    numbers = said.set(~said.str.contains(_REAL_TEXT), None).cast(dtype, strict=False)
    return pl.select(pl.coalesce(words, numbers)).to_series()


def _decimals(spans: Spans, dtype: t.Decimal) -> tuple[pl.Series, Mask]:
    limit = 10 ** min(dtype.precision, _FAST_DIGITS)
    if dtype.precision > _FAST_DIGITS:
        limit = (1 << 63) - 1
    out, state = np.empty(len(spans), np.int64), np.empty(len(spans), np.uint8)
    read_decimals(
        spans.address, spans.starts, spans.ends, spans.kinds, dtype.scale, limit, out, state
    )
    wide = np.empty((len(spans), 2), np.int64)
    wide[:, 0], wide[:, 1] = out, out >> 63
    # A loop over values: only those of more than 18 digits, or with an exponent.
    for i in _slow(state):
        start, end = spans.starts[i], spans.ends[i]
        unscaled = _unscaled(spans.data[start:end].tobytes(), dtype)
        state[i] = BAD if unscaled is None else GOOD
        if unscaled is not None:
            both = unscaled.to_bytes(16, "little", signed=True)
            wide[i] = np.frombuffer(both, np.int64)
    good, bad = _sorted_out(state)
    return packed(wide, good, polars_type(dtype)), bad


def _unscaled(text: bytes, dtype: t.Decimal) -> int | None:
    try:
        value = decimal.Decimal(text.decode().strip())
        if not value.is_finite() or value.adjusted() > t.logical.MAX_PRECISION:
            return None
        rounded = value.quantize(decimal.Decimal(1).scaleb(-dtype.scale), context=_EXACT)
    except (decimal.InvalidOperation, UnicodeDecodeError):
        return None
    unscaled = int(rounded.scaleb(dtype.scale, context=_EXACT))
    return unscaled if abs(unscaled) < 10**dtype.precision else None


def _bytes(spans: Spans) -> tuple[pl.Series, Mask]:
    said, _ = texts(spans)
    no_text = (spans.kinds > NULL) & (spans.kinds != TEXT)
    read = said.str.decode("base64", strict=False)
    if no_text.any():
        read = read.zip_with(pl.Series(~no_text), _nulls(read))
    return read, no_text | (read.is_null() & said.is_not_null()).to_numpy()


def time_form(dtype: t.LogicalType, times: TimeTexts) -> tuple[int, int, bool, bool, int]:
    """Return how a type of time is written, as ``read_times`` takes it."""
    match dtype:
        case t.Date():
            form, per_second = DAY, 1
        case t.Time():
            form, per_second = CLOCK, _PER_SECOND["ns"]
        case _:
            physical = polars_type(dtype)
            assert isinstance(physical, pl.Datetime), f"no text is read as {dtype}"
            form, per_second = INSTANT, _PER_SECOND[physical.time_unit]
    needed = times.seconds_needed or form == CLOCK
    return form, ord(times.between), needed, isinstance(dtype, t.TimestampLtz), per_second


def _times(spans: Spans, dtype: t.LogicalType, times: TimeTexts) -> tuple[pl.Series, Mask, str]:
    physical = polars_type(dtype)
    form, between, needed, zulu, per_second = time_form(dtype, times)
    example = times.example + ("Z" if zulu else "")
    example = {DAY: "2026-01-31", CLOCK: "12:30:59.123"}.get(form, example)
    out, state = np.empty(len(spans), np.int64), np.empty(len(spans), np.uint8)
    read_times(
        spans.address,
        spans.starts,
        spans.ends,
        spans.kinds,
        form,
        between,
        needed,
        zulu,
        per_second,
        out,
        state,
    )
    values = out.astype(np.int32) if form == DAY else out
    good, bad = _sorted_out(state)
    return packed(values, good, physical), bad, example
