"""Parts of texts, given out as views of the texts: nothing is copied or put into lists.

in      a String column, a delimiter and the number of a part, both the same for all rows
out     the part of each row; NULL where the text is NULL or empty, or has fewer parts
notes   a part shares the bytes of its text, as Polars' own slices of texts do. A delimiter is
        sought by its bytes: in UTF-8 no character begins inside another one.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.columns.address import WIDE, byte_at, first_of, put_byte, put_word, word_at
from millstream.columns.jit import kernel

_INLINE_MAX = 12
"""A view of 16 bytes holds a text of so many; of a longer one the length, the first four bytes,
and where it lies."""


def nth_part(column: pl.Series, delimiter: str, nth: int) -> pl.Series:
    """Return the ``nth`` part (0 the first) of texts cut at a delimiter that is not empty."""
    assert delimiter, "an empty delimiter cuts nothing"
    assert nth >= 0, "there is no part before the first one"
    arrow = column.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    assert pa.types.is_string_view(arrow.type), f"texts are {arrow.type}"
    _, views, *blocks = arrow.buffers()
    there = column.is_not_null().to_numpy()
    sought = np.frombuffer(delimiter.encode(), np.uint8)
    out = np.zeros((len(column), 2), np.uint64)
    good = np.zeros(len(column), np.bool_)
    find_parts(
        0 if views is None else views.address + 16 * arrow.offset,
        np.array([b.address for b in blocks] or [0], np.int64),
        there,
        int(sought.ctypes.data),
        len(sought),
        nth,
        int(out.ctypes.data),
        good,
    )
    valid = None if good.all() else pa.py_buffer(np.packbits(good, bitorder="little"))
    parts = pa.Array.from_buffers(
        pa.string_view(), len(column), [valid, pa.py_buffer(out), *blocks]
    )
    return pl.Series(column.name, parts)


@kernel
def _find(pos: int, end: int, sought: int, size: int) -> int:
    """Return where the sought bytes are next, or -1."""
    first = byte_at(sought, 0)
    while pos + size <= end:
        if pos + WIDE <= end:
            step = first_of(pos, 0, first, first)
            pos += step
            if step == WIDE:
                continue
            if pos + size > end:
                break
        k = 0
        while k < size and byte_at(pos, k) == byte_at(sought, k):
            k += 1
        if k == size:
            return pos
        pos += 1
    return -1


@kernel
def find_parts(
    views: int,
    blocks: np.ndarray,
    there: np.ndarray,
    sought: int,
    sought_size: int,
    nth: int,
    out: int,
    good: np.ndarray,
) -> None:
    """Write a view of the wanted part of each text to ``out``, which comes as zeros."""
    low = np.uint64(0xFFFF_FFFF)
    for i in range(len(there)):
        if not there[i]:
            continue
        view = views + 16 * i
        head, tail = word_at(view, 0), word_at(view, 8)
        size = np.int64(head & low)
        if size == 0:
            continue
        begin = view + 4
        if size > _INLINE_MAX:
            begin = blocks[np.int64(tail & low)] + np.int64(tail >> np.uint64(32))
        end = int(begin + size)
        pos = begin
        left = nth
        while left > 0 and pos >= 0:
            pos = _find(pos, end, sought, sought_size)
            if pos >= 0:
                pos += sought_size
            left -= 1
        if pos < 0:
            continue
        stop = _find(pos, end, sought, sought_size)
        part = (end if stop < 0 else stop) - pos
        good[i] = True
        to = out + 16 * i
        if part <= _INLINE_MAX:
            put_byte(to, 0, part)
            for k in range(part):
                put_byte(to, 4 + k, byte_at(pos, k))
            continue
        # A part of so many bytes has a text that lies in a block, at most four gigabytes long.
        for k in range(4):
            put_byte(to, k, part >> (8 * k))
            put_byte(to, 4 + k, byte_at(pos, k))
        put_word(to, 8, np.int64(tail + (np.uint64(pos - begin) << np.uint64(32))))
