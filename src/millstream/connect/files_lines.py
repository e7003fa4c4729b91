"""One file of lines while it is read: blocks, lines, and rows of them, on all cores there are.

in      a file, plain or compressed, and the place to go on from
out     parts of it in order, together as many documents as asked for while there are any
place   the byte after the last line (of what is decompressed)
pieces  a thread reads some lines, in steps that stay in its cache, then decodes them while the next
        thread reads on. Reading is one at a time and in order, and ends with the last line asked
        for: how many threads there are never shows in rows, places or errors
bad     a document that cannot be decoded is rejected with its bytes and its place; a file that
        shrank, or cannot be read on, is a ConnectorError
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from millstream.connect.chunks import Part, part_of_lines
from millstream.connect.files_header import by_names
from millstream.connect.files_list import is_compressed, open_file, read_errors
from millstream.connect.os_errors import kind_of
from millstream.errors import ConnectorError, Domain
from millstream.formats.lines import LineBuffer, Lines, line_rules
from millstream.formats.side_by_side import (
    PIECE_PAYLOADS_MIN,
    in_order,
    piece_size,
    usable_cores,
)
from millstream.ports.registry import decoder_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.connect.files_read import Files
    from millstream.ports.format import Decoder

_STEP_BYTES = 1 << 19
_BLOCK_BYTES = 1 << 20
_BLOCK_BYTES_MAX = 8 << 20
_LINE_BYTES_FIRST = 128.0
_ROOM_SPARE = 1.2
_UNKNOWN = 1 << 40


class OpenFile:
    """One file while it is read."""

    path: str
    place: int

    def take(self, rows_max: int, *, final: bool) -> list[Part]:
        """Return the next documents, none where there are none (now)."""
        raise AssertionError("each kind of file takes its own way")

    def waiting_bytes(self) -> int:
        """Return about how many bytes are still to be read."""
        raise AssertionError("each kind of file counts its own way")

    def close(self) -> None:
        """Free the file."""


class LinesFile(OpenFile):
    """A file whose documents are lines."""

    def __init__(self, files: Files, path: str, start: int) -> None:
        self.path = path
        self._files = files
        self._rules = line_rules(files.spec.formats, files.where)
        self._decoder: Decoder | None = None
        if files.header:
            self._decoder, after = self._read_header()
            start = max(start, after)
        self.place = start
        self._buffer = LineBuffer(self._rules, place=start)
        self._line_bytes = _LINE_BYTES_FIRST
        self._compressed = is_compressed(path)
        self._stream = self._opened_at(start)
        self._size = _UNKNOWN if self._compressed else os.fstat(self._stream.fileno()).st_size

    def take(self, rows_max: int, *, final: bool) -> list[Part]:
        if self._files.header and self._decoder is None:
            return []  # the header itself is not complete yet
        decoder = self.decoder()
        decode = partial(part_of_lines, decoder, bytes_max=self._buffer.bytes_max)
        left, threads = rows_max, 1
        if decoder.several_threads:
            threads = max(1, min(usable_cores(), self._rows(rows_max) // PIECE_PAYLOADS_MIN))

        def next_piece() -> Callable[[], Part] | None:
            nonlocal left
            if not left:
                return None
            lines = self._next_lines(piece_size(self._rows(left), threads), final=final)
            left -= len(lines)
            return partial(decode, lines) if lines else None

        return in_order(next_piece, threads)

    def _rows(self, rows_max: int) -> int:
        """Return how many rows there are still to be read, at most so many: an estimate."""
        left = int((self._size - self.place) / self._line_bytes)
        return min(rows_max, max(left, PIECE_PAYLOADS_MIN))

    def _next_lines(self, count: int, *, final: bool) -> Lines:
        """Return the next lines of the file, none where there are none (now)."""
        buffer = self._buffer
        wanted = min(
            max(int(count * self._line_bytes * _ROOM_SPARE), _BLOCK_BYTES), _BLOCK_BYTES_MAX
        )
        lines = buffer.take_reading(count, wanted, self._read_step)
        while not lines:
            lines = buffer.take(count)
            if lines:
                break
            if not self._fill(_BLOCK_BYTES):
                if final:
                    buffer.finish()
                    lines = buffer.take(count)
                break
        if lines:
            self._line_bytes = (lines.after - self.place) / len(lines)
        self.place = lines.after
        return lines

    def _read_step(self, room: memoryview, lines_missing: int) -> tuple[int, bool]:
        """Read about as much as is missing, but no more than the cache holds."""
        size = min(int(lines_missing * self._line_bytes * 1.02) + 1, _STEP_BYTES, len(room))
        found = self._read_into(room[:size])
        # Of a compressed file any read may be short; a plain one has ended then (for now).
        return found, found == size or (self._compressed and found > 0)

    def _fill(self, count: int) -> int:
        """Read once into the buffer; returns how many bytes there were, 0 at the end (for now)."""
        found = self._read_into(self._buffer.room(count))
        self._buffer.filled(found)
        return found

    def _read_into(self, room: memoryview) -> int:
        try:
            return int(self._stream.readinto(room))
        except read_errors() as error:
            raise _unreadable(self.path, self._files.where, error) from None

    def waiting_bytes(self) -> int:
        if is_compressed(self.path):
            return self._buffer.held_bytes
        return max(0, Path(self.path).stat().st_size - self.place)

    def close(self) -> None:
        self._stream.close()

    def _opened_at(self, start: int) -> Any:
        try:
            stream = open_file(self.path)
        except OSError as error:
            raise _unreadable(self.path, self._files.where, error) from None
        try:
            if is_compressed(self.path):
                self._read_away(stream, start)
            elif Path(self.path).stat().st_size < start:
                raise self._shorter(start)
            else:
                stream.seek(start)
        except BaseException:
            stream.close()
            raise
        return stream

    def _read_away(self, stream: IO[bytes], count: int) -> None:
        left = count
        while left > 0:
            block = self._read(stream, min(left, _BLOCK_BYTES))
            if not block:
                raise self._shorter(count)
            left -= len(block)

    def _shorter(self, start: int) -> ConnectorError:
        return ConnectorError(
            f"The file is shorter than the {start} bytes already read.",
            where=f"{self._files.where}, {self.path}",
            hint="It was replaced while it was read; give new data a new name.",
            domain=Domain.DATA,
        )

    def _read(self, stream: IO[bytes], count: int) -> bytes:
        try:
            return bytes(stream.read(count))
        except read_errors() as error:
            raise _unreadable(self.path, self._files.where, error) from None

    def decoder(self) -> Decoder:
        """Return what decodes a line of this file."""
        if self._decoder is None:
            spec = self._files.spec
            self._decoder = decoder_for(
                self._files.stored,
                spec.formats,
                owner=self._files.where,
                whole=self._files.whole,
            )
        return self._decoder

    def _read_header(self) -> tuple[Decoder | None, int]:
        """Return the decoder that the first line's names ask for, and the place after that line."""
        buffer = LineBuffer(self._rules)
        lines, block = buffer.take(1), b"x"
        with self._opened_at(0) as stream:
            while not len(lines) and block:
                block = self._read(stream, _BLOCK_BYTES)
                buffer.feed(block)
                if not block and not self._files.followed:
                    buffer.finish()
                lines = buffer.take(1)
        if not len(lines):
            return None, 0
        files = self._files
        decoder = by_names(
            lines.payloads, files.stored, files.whole, files.spec.formats, files.where, self.path
        )
        return decoder, lines.after


def _unreadable(path: str, where: str, error: Exception) -> ConnectorError:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ConnectorError(
        f"The file cannot be read: {text}.",
        where=f"{where}, {path}",
        hint="Check that it is complete and that this user may read it.",
        **kind_of(error),
    )
