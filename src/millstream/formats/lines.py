r"""A stream of bytes cut into lines, the documents of files, sockets and pipes.

in      blocks of bytes in order, and rules: which byte ends a line, which quotes hide it
out     Binary payloads without their line ends, the place where each begins in the stream, and the
        place after the last one
state   the bytes that are not given out yet; of a line longer than ``bytes_max`` only the first
        ones are kept, it is given out as ``long`` when its end has come
notes   blank lines, and comments where CSV allows them, are no documents. A CSV line end inside
        quotes is data. ``\\r`` before ``\\n`` belongs to the line end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.columns.address import WIDE, byte_at, copy_bytes, first_of
from millstream.columns.jit import kernel
from millstream.ports.registry import format_of

NONE = -1
LINE_BYTES_MAX = 64 << 20
KEPT_OF_LONG_LINE = 1 << 10
_NEWLINE, _RETURN = 0x0A, 0x0D


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRules:
    """Bytes with a meaning; NONE = there is none."""

    newline: int = _NEWLINE
    delimiter: int = NONE
    quote: int = NONE
    escape: int = NONE
    comment: int = NONE
    keep_blank: bool = False


def line_rules(formats: Mapping[str, Any], owner: str, *, newline: int = _NEWLINE) -> LineRules:
    """Return how the lines of a format are cut."""
    found, config = format_of(formats, owner)
    if found.name != "csv":
        return LineRules(newline=newline, keep_blank=found.name == "raw")
    from millstream.formats.csv import rules_of

    rules = rules_of(config)
    return LineRules(
        newline=newline,
        delimiter=rules.delimiter,
        quote=rules.quote,
        escape=rules.escape,
        comment=ord("#") if rules.comments else NONE,
    )


@dataclass(frozen=True, slots=True)
class Lines:
    """Some lines: payloads, where each begins, which are too long, the place after the last one."""

    payloads: pl.Series
    places: np.ndarray
    long: np.ndarray
    after: int


class LineBuffer:
    """Takes blocks in and gives lines out."""

    def __init__(
        self, rules: LineRules, *, place: int = 0, bytes_max: int = LINE_BYTES_MAX
    ) -> None:
        self._rules = rules
        self._bytes_max = bytes_max
        self._data = np.empty(0, np.uint8)
        self._at = 0
        self._place = place
        self._after = place
        self._ended = False
        self._long: tuple[int, bytes] | None = None

    @property
    def bytes_max(self) -> int:
        """How long a line may be."""
        return self._bytes_max

    @property
    def held_bytes(self) -> int:
        """How many bytes wait here."""
        return len(self._data) - self._at

    def feed(self, block: bytes) -> None:
        """Add the next bytes of the stream."""
        if not block:
            return
        new = np.frombuffer(block, np.uint8)
        self._data = np.concatenate([self._data[self._at :], new]) if self.held_bytes else new
        self._at = 0

    def finish(self) -> None:
        """The stream has ended: what is left is the last line."""
        self._ended = True

    def take(self, lines_max: int) -> Lines:
        """Return at most ``lines_max`` complete lines."""
        if self._long is not None:
            return self._end_of_long()
        lines = self._cut(lines_max)
        if not len(lines.payloads) and not self._ended and self.held_bytes > self._bytes_max:
            start = self._data[self._at : self._at + KEPT_OF_LONG_LINE].tobytes()
            self._long = (self._place, start)
            return self._end_of_long()
        return lines

    def _end_of_long(self) -> Lines:
        """Drop bytes up to the end of a line that is too long, then give its first ones out."""
        assert self._long is not None, "there is a line that is too long"
        ends = np.flatnonzero(self._data[self._at :] == self._rules.newline)
        dropped = int(ends[0]) + 1 if len(ends) else self.held_bytes
        self._place += dropped
        self._at += dropped
        if not len(ends) and not self._ended:
            # The place stays before the line: a restart must not begin in the middle of it.
            return self._lines(pl.Series([], dtype=pl.Binary), np.empty(0, np.int64), self._after)
        (place, start), self._long = self._long, None
        return self._lines(pl.Series([start]), np.array([place]), self._place, long=True)

    def _cut(self, lines_max: int) -> Lines:
        rules = self._rules
        room = min(lines_max, self.held_bytes) + 1
        out = np.empty(self.held_bytes, np.uint8)
        offsets, places = np.empty(room, np.int64), np.empty(room, np.int64)
        count, after = cut_lines(
            int(self._data.ctypes.data),
            self._at,
            len(self._data),
            self._ended,
            lines_max,
            (rules.newline, rules.delimiter, rules.quote, rules.escape, rules.comment),
            rules.keep_blank,
            int(out.ctypes.data),
            offsets,
            places,
        )
        places = places[:count] + (self._place - self._at)
        self._place += after - self._at
        self._at = after
        arrow = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(out)]
        )
        return self._lines(pl.Series(arrow, dtype=pl.Binary), places, self._place)

    def _lines(
        self, payloads: pl.Series, places: np.ndarray, after: int, *, long: bool = False
    ) -> Lines:
        self._after = after
        sizes = payloads.bin.size().to_numpy()
        return Lines(payloads, places, (sizes > self._bytes_max) | long, after)


def joined_lines(payloads: pl.Series, newline: bytes = b"\n") -> bytes:
    """Return payloads as one piece, each with a line end behind it."""
    arrow: Any = payloads.rechunk().to_arrow()
    _, offsets, data = arrow.buffers()
    if not len(arrow) or data is None:
        return newline * len(arrow)
    places = np.frombuffer(offsets, np.int64, len(arrow) + 1, arrow.offset * 8)
    out = np.empty(int(places[-1] - places[0]) + len(arrow), np.uint8)
    put_lines(
        int(np.frombuffer(data, np.uint8).ctypes.data),
        places,
        ord(newline),
        out,
        int(out.ctypes.data),
    )
    return out.tobytes()


@kernel
def put_lines(buf: int, places: np.ndarray, newline: int, out: np.ndarray, begin: int) -> None:
    """Copy each piece of a buffer to ``out`` (at ``begin``), with a line end behind it."""
    at = 0
    for i in range(len(places) - 1):
        size = places[i + 1] - places[i]
        copy_bytes(begin + at, buf + places[i], size)
        at += size
        out[at] = newline
        at += 1


@kernel
def _plain_end(buf: int, pos: int, end: int, newline: int) -> int:
    while pos + WIDE <= end:
        step = first_of(buf, pos, newline, newline)
        pos += step
        if step < WIDE:
            return pos
    while pos < end and byte_at(buf, pos) != newline:
        pos += 1
    return pos


@kernel
def _quoted_end(
    buf: int, pos: int, end: int, newline: int, delimiter: int, quote: int, escape: int
) -> int:
    """Return the line's end where quotes may hide line ends."""
    first = True  # of a field
    while pos < end:
        c = byte_at(buf, pos)
        if c == newline:
            return pos
        if c == quote and first:
            pos += 1
            while pos < end:
                c = byte_at(buf, pos)
                if c == escape and c != quote:
                    pos += 1
                elif c == quote:
                    if pos + 1 >= end or byte_at(buf, pos + 1) != quote:
                        break
                    pos += 1
                pos += 1
            first = False
        elif c == escape:
            pos += 1
            first = False
        else:
            first = c == delimiter
        pos += 1
    return end


@kernel
def cut_lines(  # noqa: PLR0913, PLR0917 (a kernel takes its arrays one by one)
    buf: int,
    pos: int,
    end: int,
    ended: bool,
    lines_max: int,
    marks: tuple[int, int, int, int, int],
    keep_blank: bool,
    out: int,
    offsets: np.ndarray,
    places: np.ndarray,
) -> tuple[int, int]:
    """Copy complete lines to ``out``; returns their number and the place after the last one."""
    newline, delimiter, quote, escape, comment = marks
    count = 0
    at = 0
    offsets[0] = 0
    while count < lines_max and pos < end:
        if quote < 0:
            stop = _plain_end(buf, pos, end, newline)
        else:
            stop = _quoted_end(buf, pos, end, newline, delimiter, quote, escape)
        if stop >= end and not ended:
            break
        begin = pos
        pos = min(stop + 1, end)
        if newline == _NEWLINE and stop > begin and byte_at(buf, stop - 1) == _RETURN:
            stop -= 1
        if (stop == begin and not keep_blank) or (
            stop > begin and comment >= 0 and byte_at(buf, begin) == comment
        ):
            continue
        copy_bytes(out + at, buf + begin, stop - begin)
        at += stop - begin
        places[count] = begin
        count += 1
        offsets[count] = at
    return count, pos
