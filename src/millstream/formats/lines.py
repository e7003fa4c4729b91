r"""A stream of bytes cut into lines, the documents of files, sockets and pipes.

in      blocks of bytes in order, and rules: which byte ends a line, which quotes hide it
out     lines without their line ends, as spans of a buffer that is never written to again; the
        place where each begins in the stream, and the place after the last one
state   the bytes that are not given out yet; of a line longer than ``bytes_max`` only the first
        ones are kept, it is given out as ``long`` when its end has come
notes   blank lines, and comments where CSV allows them, are no documents. A CSV line end inside
        quotes is data. ``\\r`` before ``\\n`` belongs to the line end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.columns.address import MANY, all_of, byte_at, copy_bytes, high_of, lowest_of
from millstream.columns.jit import kernel
from millstream.ports.registry import format_of

NONE = -1
LINE_BYTES_MAX = 64 << 20
KEPT_OF_LONG_LINE = 1 << 10
_NEWLINE, _RETURN = 0x0A, 0x0D
_NOTHING = np.empty(0, np.int64)
_LOOK_BYTES = 1 << 12


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
    """Some lines: where each lies in ``data`` and where it began in the stream.

    ``long`` tells which are too long, ``after`` is the place after the last one.
    """

    data: np.ndarray
    begins: np.ndarray
    stops: np.ndarray
    places: np.ndarray
    long: np.ndarray
    after: int

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def size_bytes(self) -> int:
        """How many bytes the lines have together."""
        return int((self.stops - self.begins).sum())

    @property
    def payloads(self) -> pl.Series:
        """The lines as a Binary series, copied anew at each call."""
        return copied(self.data, self.begins, self.stops)

    def some(self, index: np.ndarray) -> pl.Series:
        """Return some of the lines as a Binary series."""
        return copied(self.data, self.begins[index], self.stops[index])


def copied(data: np.ndarray, begins: np.ndarray, stops: np.ndarray) -> pl.Series:
    """Return spans of a buffer as a Binary series of its own."""
    offsets = np.zeros(len(begins) + 1, np.int64)
    np.cumsum(stops - begins, out=offsets[1:])
    out = np.empty(int(offsets[-1]), np.uint8)
    copy_spans(int(data.ctypes.data), begins, offsets, int(out.ctypes.data))
    arrow = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(begins), [None, pa.py_buffer(offsets), pa.py_buffer(out)]
    )
    return pl.Series(arrow, dtype=pl.Binary)


class LineBuffer:
    """Takes blocks in and gives lines out."""

    def __init__(
        self, rules: LineRules, *, place: int = 0, bytes_max: int = LINE_BYTES_MAX
    ) -> None:
        self._rules = rules
        self._bytes_max = bytes_max
        self._block = np.empty(0, np.uint8)
        self._at = 0
        self._end = 0
        self._place = place
        self._after = place
        self._ended = False
        self._long: tuple[int, np.ndarray] | None = None

    @property
    def bytes_max(self) -> int:
        """How long a line may be."""
        return self._bytes_max

    @property
    def held_bytes(self) -> int:
        """How many bytes wait here."""
        return self._end - self._at

    def room(self, size: int) -> memoryview:
        """Return room for the next bytes of the stream: say how many of them are ``filled``.

        It lies behind what is held, where no line that was given out is.
        """
        if len(self._block) - self._end < size:
            held = self.held_bytes
            block = np.empty(held + size, np.uint8)
            block[:held] = self._block[self._at : self._end]
            self._block, self._at, self._end = block, 0, held
        return self._block[self._end : self._end + size].data

    def filled(self, count: int) -> None:
        """Take the first ``count`` bytes of the room as the next ones of the stream."""
        self._end += count

    def feed(self, block: bytes) -> None:
        """Add the next bytes of the stream."""
        if block:
            self.room(len(block))[:] = block
            self.filled(len(block))

    def finish(self) -> None:
        """The stream has ended: what is left is the last line."""
        self._ended = True

    def take(self, lines_max: int) -> Lines:
        """Return at most ``lines_max`` complete lines."""
        if self._long is not None:
            return self._end_of_long()
        found = _Found(min(lines_max, self.held_bytes))
        self._find(found)
        if not found.count and not self._ended and self.held_bytes > self._bytes_max:
            start = self._block[self._at : self._at + KEPT_OF_LONG_LINE].copy()
            self._long = (self._place, start)
            return self._end_of_long()
        return self._lines(*found.spans(), self._place)

    def take_reading(
        self, lines_max: int, bytes_max: int, read: Callable[[memoryview, int], tuple[int, bool]]
    ) -> Lines:
        """Return at most ``lines_max`` complete lines, reading on until there are so many.

        At most ``bytes_max`` are held for it. ``read`` gets the room there is and how many lines
        are missing; it fills a part, so that what was read is looked at while it is in the cache,
        and says how many bytes that were and whether more are at hand. No line: ask ``take``.
        """
        found, more = _Found(lines_max), self._long is None
        if more and self.held_bytes < bytes_max:
            self.room(bytes_max - self.held_bytes)
        limit = min(self._at + bytes_max, len(self._block))
        if more:
            self._find(found)
        while more and found.count < lines_max and self._end < limit:
            size, more = read(self._block[self._end : limit].data, lines_max - found.count)
            self._end += size
            self._find(found)
        return self._lines(*found.spans(), self._after if self._long else self._place)

    def _end_of_long(self) -> Lines:
        """Drop bytes up to the end of a line that is too long, then give its first ones out."""
        assert self._long is not None, "there is a line that is too long"
        ends = np.flatnonzero(self._block[self._at : self._end] == self._rules.newline)
        dropped = int(ends[0]) + 1 if len(ends) else self.held_bytes
        self._place += dropped
        self._at += dropped
        if not len(ends) and not self._ended:
            # The place stays before the line: a restart must not begin in the middle of it.
            return self._lines(_NOTHING, _NOTHING, self._after)
        (place, start), self._long = self._long, None
        self._after = self._place
        first, stop = np.zeros(1, np.int64), np.array([len(start)])
        return Lines(start, first, stop, np.array([place]), np.ones(1, np.bool_), self._after)

    def _find(self, found: _Found) -> None:
        """Find the lines that are complete now, behind those that were found before."""
        rules, count = self._rules, found.count
        more, after = find_lines(
            int(self._block.ctypes.data),
            self._at,
            self._end,
            self._ended,
            (rules.newline, rules.delimiter, rules.quote, rules.escape, rules.comment),
            rules.keep_blank,
            found.begins[count:],
            found.stops[count:],
        )
        found.count += more
        self._place += after - self._at
        self._at = after

    def _lines(self, begins: np.ndarray, stops: np.ndarray, after: int) -> Lines:
        self._after = after
        places = begins + (self._place - self._at)
        long = stops - begins > self._bytes_max
        return Lines(self._block[: self._end], begins, stops, places, long, after)


class _Found:
    """Where lines lie in a block, as far as they were found."""

    def __init__(self, lines_max: int) -> None:
        self.begins = np.empty(lines_max, np.int64)
        self.stops = np.empty(lines_max, np.int64)
        self.count = 0

    def spans(self) -> tuple[np.ndarray, np.ndarray]:
        """Return begins and stops."""
        return self.begins[: self.count], self.stops[: self.count]


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
def is_ascii(buf: int, pos: int, end: int) -> bool:
    """Tell whether all bytes of a span are ASCII: most texts are, and this is a fast look."""
    while pos + MANY <= end:
        found = 0
        stop = min(end, pos + _LOOK_BYTES) - MANY
        while pos <= stop:
            found |= high_of(buf, pos)
            pos += MANY
        if found != 0:
            return False
    while pos < end:
        if byte_at(buf, pos) >= 0x80:
            return False
        pos += 1
    return True


@kernel
def copy_spans(buf: int, begins: np.ndarray, offsets: np.ndarray, out: int) -> None:
    """Copy the spans that begin at ``begins`` to ``out``, each to its offset."""
    for i in range(len(begins)):
        copy_bytes(out + offsets[i], buf + begins[i], offsets[i + 1] - offsets[i])


@kernel
def find_lines(
    buf: int,
    pos: int,
    end: int,
    ended: bool,
    marks: tuple[int, int, int, int, int],
    keep_blank: bool,
    begins: np.ndarray,
    stops: np.ndarray,
) -> tuple[int, int]:
    """Find complete lines, as many as there is room for.

    Returns their number and the place after the last one.
    """
    if marks[2] < 0:
        return _plain_lines(buf, pos, end, ended, marks[0], marks[4], keep_blank, begins, stops)
    newline, delimiter, quote, escape, comment = marks
    count = 0
    while count < len(begins) and pos < end:
        stop = _quoted_end(buf, pos, end, newline, delimiter, quote, escape)
        if stop >= end and not ended:
            break
        stops[count] = _without_return(buf, pos, stop, newline)
        begins[count] = pos
        count += _is_document(buf, pos, stops[count], comment, keep_blank)
        pos = min(stop + 1, end)
    return count, pos


@kernel
def _plain_lines(
    buf: int,
    pos: int,
    end: int,
    ended: bool,
    newline: int,
    comment: int,
    keep_blank: bool,
    begins: np.ndarray,
    stops: np.ndarray,
) -> tuple[int, int]:
    """Find lines whose ends nothing hides: many bytes are compared at once."""
    count, most, at = 0, len(begins), pos
    while at < end and count < most:
        if at + MANY <= end:
            found, step = all_of(buf, at, newline), MANY
        else:
            found, step = int(byte_at(buf, at) == newline), 1
        while found != 0 and count < most:
            stop = at + lowest_of(found)
            found &= found - 1
            stops[count] = _without_return(buf, pos, stop, newline)
            begins[count] = pos
            count += _is_document(buf, pos, stops[count], comment, keep_blank)
            pos = stop + 1
        at += step
    if ended and pos < end and count < most:
        stops[count] = _without_return(buf, pos, end, newline)
        begins[count] = pos
        count += _is_document(buf, pos, stops[count], comment, keep_blank)
        pos = end
    return count, pos


@kernel
def _without_return(buf: int, begin: int, stop: int, newline: int) -> int:
    if newline == _NEWLINE and stop > begin and byte_at(buf, stop - 1) == _RETURN:
        return stop - 1
    return stop


@kernel
def _is_document(buf: int, begin: int, stop: int, comment: int, keep_blank: bool) -> int:
    """Return 1 where a line is a document, 0 where it has no meaning."""
    if stop == begin:
        return int(keep_blank)
    return int(comment < 0 or byte_at(buf, begin) != comment)
