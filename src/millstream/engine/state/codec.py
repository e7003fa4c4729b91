"""Column values as 64-bit words, and back.

in      a Polars series of any SQL type
out     :class:`Cells`: per row one word (numbers, dates, times, booleans), two words (decimals:
        low and high half; text: start and length in a byte buffer), and which rows are not NULL
floats  one word of float64 bits; -0.0 and the NaNs are made one value where asked
nested  arrays, maps and rows are kept as one small Arrow message each: a Python loop over them,
        because neither Polars nor Arrow can cut a nested column into bytes per row
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.engine.state.heap import ByteHeap, gather_bytes, put_bytes
from millstream.engine.state.jit import kernel

NO_WORDS = np.zeros(0, dtype=np.int64)
NO_BYTES = np.zeros(0, dtype=np.uint8)
COPIED_BYTES = 1 << 14
"""So little is copied sooner than a second face of it is made."""


class Kind(IntEnum):
    """How a value lies in words."""

    WORD = 0
    FLOAT = 1
    DECIMAL = 2
    BYTES = 3
    NESTED = 4

    @property
    def words(self) -> int:
        """Words per value."""
        return 1 if self <= Kind.FLOAT else 2


class Cells(NamedTuple):
    """Values of one column; ``second`` is empty for one-word kinds, ``data`` but for bytes."""

    first: np.ndarray
    second: np.ndarray
    data: np.ndarray

    def take(self, rows: np.ndarray) -> Cells:
        """Return some rows."""
        second = self.second[rows] if self.second.size else self.second
        return Cells(self.first[rows], second, self.data)


_KINDS: dict[object, Kind] = {}
"""What was found: asked for each column of each batch, and dtypes compare slowly."""


def kind_of(dtype: pl.DataType) -> Kind:
    """Return how values of a dtype are kept."""
    base = dtype.base_type()
    found = _KINDS.get(base)
    if found is None:
        found = _KINDS[base] = _kind_of(dtype)
    return found


def _kind_of(dtype: pl.DataType) -> Kind:
    if dtype.is_float():
        return Kind.FLOAT
    if dtype.is_decimal() or dtype == pl.Int128:
        return Kind.DECIMAL
    if dtype in (pl.String, pl.Binary):
        return Kind.BYTES
    return Kind.NESTED if dtype.is_nested() else Kind.WORD


def validity(series: pl.Series) -> np.ndarray | None:
    """Return which rows are not NULL, or None where all are."""
    return series.is_not_null().to_numpy() if series.null_count() else None


def encode(series: pl.Series) -> Cells:
    """Return a column's values; what stands at NULL rows is of no meaning."""
    kind = kind_of(series.dtype)
    if kind is Kind.WORD:
        return Cells(_ints(series), NO_WORDS, NO_BYTES)
    if kind is Kind.FLOAT:
        return Cells(floats(series).view(np.int64), NO_WORDS, NO_BYTES)
    if kind is Kind.DECIMAL:
        limbs = _limbs(series)
        return Cells(np.ascontiguousarray(limbs[:, 0]), np.ascontiguousarray(limbs[:, 1]), NO_BYTES)
    return _text(packed(series) if kind is Kind.NESTED else series)


def floats(series: pl.Series) -> np.ndarray:
    """Return a numeric column as doubles."""
    return _plain(series.cast(pl.Float64), 0.0)


def canonical(values: np.ndarray) -> np.ndarray:
    """Return float bits with one zero and one NaN."""
    numbers = values.view(np.float64) + 0.0
    numbers[np.isnan(numbers)] = np.nan
    return numbers.view(np.int64)


def decode(cells: Cells, valid: np.ndarray | None, dtype: pl.DataType) -> pl.Series:
    """Return words as a column of ``dtype``; ``cells.data`` holds the bytes of text."""
    kind, own = kind_of(dtype), dtype.base_type()
    if own is pl.Null:
        return nulls(dtype, cells.first.size)
    if kind is Kind.WORD:
        out = pl.Series(cells.first)
        if own is pl.Boolean:
            out = out == 1
        elif own is not pl.Int64:
            out = (out.cast(pl.Int32) if own is pl.Date else out).cast(dtype)
    elif kind is Kind.FLOAT:
        out = pl.Series(cells.first.view(np.float64))
        out = out if own is pl.Float64 else out.cast(dtype)
    elif kind is Kind.DECIMAL:
        out = from_limbs(cells.first, cells.second, dtype)
    else:
        out = _untext(cells, valid, dtype, kind)
    if valid is None or kind is Kind.NESTED:
        return out
    return out.zip_with(pl.Series(valid), nulls(out.dtype, len(out)))


def nulls(dtype: pl.DataType, rows: int) -> pl.Series:
    """Return a column of nothing but NULLs."""
    return pl.Series([None], dtype=dtype).new_from_index(0, rows)


def from_limbs(low: np.ndarray, high: np.ndarray, dtype: pl.DataType) -> pl.Series:
    """Return 128-bit numbers as decimals; none may have more digits than ``dtype``."""
    assert isinstance(dtype, pl.Decimal), f"two halves are no {dtype}"
    both = np.empty((low.size, 2), dtype=np.int64)
    both[:, 0], both[:, 1] = low, high
    kind = pa.decimal128(dtype.precision or 38, dtype.scale)
    made = pa.Array.from_buffers(kind, low.size, [None, pa.py_buffer(both)])
    out = pl.from_arrow(made)
    assert isinstance(out, pl.Series), "an Arrow array gives a series"
    return out.cast(dtype)


class Store:
    """Where the values of one column live: words in slot rows, bytes in a heap."""

    def __init__(self, dtype: pl.DataType, heap: ByteHeap) -> None:
        self.dtype = dtype
        self.kind = kind_of(dtype)
        self.heap = heap

    def put(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Keep values; returns the words to write into rows."""
        if self.kind < Kind.BYTES:
            return cells.first, cells.second
        heap = self.heap.ensure(int(cells.second.sum()), cells.second.size)
        return put_all(heap, cells.data, cells.first, cells.second), cells.second

    def get(self, first: np.ndarray, second: np.ndarray, valid: np.ndarray | None) -> pl.Series:
        """Return kept values as a column."""
        if self.kind < Kind.BYTES:
            return decode(Cells(first, second, NO_BYTES), valid, self.dtype)
        if valid is not None:
            second = np.where(valid, second, 0)
        ends = np.zeros(first.size + 1, dtype=np.int64)
        np.cumsum(second, out=ends[1:])
        data = gather_bytes(self.heap.view, first, ends)
        return decode(Cells(ends[:-1], second, data), valid, self.dtype)


@kernel
def put_all(heap: Any, data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Copy many values into a heap; returns where they are."""
    out = np.empty(starts.size, dtype=np.int64)
    for i in range(starts.size):
        out[i] = put_bytes(heap, data, starts[i], lengths[i])
    return out


class _Alias:
    """A writable face of read-only memory, so that kernels are compiled for one kind of array."""

    def __init__(self, array: np.ndarray) -> None:
        self.__array_interface__ = {
            **array.__array_interface__,
            "data": (array.__array_interface__["data"][0], False),
        }
        self.keep = array


def face(array: np.ndarray) -> np.ndarray:
    """Return the array as kernels take it: contiguous and not marked read-only. Never written."""
    if array.nbytes <= COPIED_BYTES:
        return array.copy()
    array = np.ascontiguousarray(array)
    return array if array.flags.writeable else np.asarray(_Alias(array))


def _ints(series: pl.Series) -> np.ndarray:
    return _plain(series.cast(pl.Int64), 0)


def _plain(series: pl.Series, filler: float) -> np.ndarray:
    return face((series.fill_null(filler) if series.null_count() else series).to_numpy())


def _limbs(series: pl.Series) -> np.ndarray:
    array = series.to_arrow()
    buffer = array.buffers()[1]
    words = np.frombuffer(buffer, dtype=np.int64) if buffer is not None else NO_WORDS
    return words.reshape(-1, 2)[array.offset : array.offset + len(array)]


def _text(series: pl.Series) -> Cells:
    if series.null_count():
        empty = "" if series.dtype == pl.String else b""
        series = series.fill_null(pl.lit(empty, dtype=series.dtype))
    array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    ends = np.frombuffer(array.buffers()[1], dtype=np.int64)
    ends = ends[array.offset : array.offset + len(array) + 1]
    data = array.buffers()[2]
    found = NO_BYTES if data is None else face(np.frombuffer(data, dtype=np.uint8))
    return Cells(face(ends[:-1]), np.diff(ends), found)


def _untext(cells: Cells, valid: np.ndarray | None, dtype: pl.DataType, kind: Kind) -> pl.Series:
    ends = np.empty(cells.first.size + 1, dtype=np.int64)
    ends[0] = 0
    np.cumsum(cells.second, out=ends[1:])
    arrow = pa.large_string() if dtype == pl.String else pa.large_binary()
    parts = [None, pa.py_buffer(ends), pa.py_buffer(cells.data)]
    out = pl.from_arrow(pa.Array.from_buffers(arrow, cells.first.size, parts))
    assert isinstance(out, pl.Series), "an Arrow array gives a series"
    return unpacked(out, valid, dtype) if kind is Kind.NESTED else out.cast(dtype)


def packed(series: pl.Series) -> pl.Series:
    """Return nested values as one small message each; a NULL is a message, too."""
    array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    out = [
        pa.record_batch([array.slice(i, 1)], names=["v"]).serialize().to_pybytes()
        for i in range(len(array))
    ]
    return pl.Series(out, dtype=pl.Binary)


def unpacked(messages: pl.Series, valid: np.ndarray | None, dtype: pl.DataType) -> pl.Series:
    """Return messages as nested values; those that are not ``valid`` are not looked at."""
    empty = pl.Series([None], dtype=dtype).to_arrow(compat_level=pl.CompatLevel.oldest())
    schema = pa.schema([("v", empty.type)])
    parts = [
        pa.ipc.read_record_batch(pa.py_buffer(message), schema).column(0)
        if valid is None or valid[i]
        else empty
        for i, message in enumerate(messages)
    ]
    out = pl.from_arrow(pa.chunked_array(parts, type=empty.type))
    assert isinstance(out, pl.Series), "an Arrow array gives a series"
    return out.rechunk().cast(dtype)
