"""Payloads cut out of a stream of bytes, for connectors that read one (stdin, sockets).

in      pieces of bytes as they come, and a delimiter of one byte
out     :class:`Chunk` values with decoded rows; a document counts whether it decodes or not
limits  a line longer than ``bytes_max`` is rejected with its first bytes, and skipped to its end
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream.ports.connector import Chunk, End, Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millstream.ports.format import Decoder

READ_BYTES = 1 << 18
KEPT_OF_LONG_LINE = 1 << 10
LINE_BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class TooLong:
    """The first bytes of a line that is longer than allowed."""

    start: bytes


class LineCutter:
    """Cuts pieces of bytes into lines; a CR before an LF belongs to neither."""

    def __init__(self, delimiter: bytes = b"\n", *, bytes_max: int = LINE_BYTES_MAX) -> None:
        assert len(delimiter) == 1, "a delimiter is one byte"
        self._delimiter = delimiter
        self._bytes_max = bytes_max
        self._rest = bytearray()
        self._skipping = False

    def cut(self, piece: bytes) -> list[bytes | TooLong]:
        """Return the lines that end in ``piece``."""
        self._rest += piece
        *whole, rest = bytes(self._rest).split(self._delimiter)
        found: list[bytes | TooLong] = []
        for line in whole:
            if self._skipping:
                self._skipping = False
                continue
            found.append(self._line(line))
        self._rest = bytearray() if self._skipping else bytearray(rest)
        if len(self._rest) > self._bytes_max:
            found.append(TooLong(bytes(self._rest[:KEPT_OF_LONG_LINE])))
            self._rest, self._skipping = bytearray(), True
        return found

    def end(self) -> list[bytes | TooLong]:
        """Return the last line, where the stream does not end with a delimiter."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [self._line(rest)] if rest and not self._skipping else []

    def _line(self, line: bytes) -> bytes | TooLong:
        if len(line) > self._bytes_max:
            return TooLong(line[:KEPT_OF_LONG_LINE])
        return line.removesuffix(b"\r") if self._delimiter == b"\n" else line


class LineReader(Reader):
    """Reads lines and decodes them by the chunk; where the bytes come from is a subclass's."""

    def __init__(self, decoder: Decoder, cutter: LineCutter) -> None:
        self._decoder = decoder
        self._cutter = cutter
        self._waiting: deque[bytes | TooLong] = deque()
        self._ended = False
        self._documents = 0

    @abstractmethod
    def read(self, timeout_s: float) -> bytes | None:
        """Return bytes, None if none came in time, ``b""`` at the end of the stream."""

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return what has come, as soon as there is something and the stream pauses."""
        deadline = time.monotonic() + timeout_s
        while len(self._waiting) < max_rows and not self._ended:
            left = 0.0 if self._waiting else max(0.0, deadline - time.monotonic())
            piece = self.read(left)
            if piece is None:
                break
            self._ended = not piece
            self._waiting.extend(self._cutter.cut(piece) if piece else self._cutter.end())
        if self._waiting:
            count = min(max_rows, len(self._waiting))
            return self._chunk([self._waiting.popleft() for _ in range(count)])
        if self._ended:
            raise End
        return None

    def _chunk(self, lines: Sequence[bytes | TooLong]) -> Chunk:
        first = self._documents
        self._documents += len(lines)
        good = [(i, line) for i, line in enumerate(lines) if isinstance(line, bytes)]
        decoded = self._decoder.decode(pl.Series([line for _, line in good], dtype=pl.Binary))
        places = pl.Series([first + i for i, _ in good], dtype=pl.Int64)
        bad: list[tuple[str, int, bytes]] = [
            ("the line is too long", first + i, line.start)
            for i, line in enumerate(lines)
            if isinstance(line, TooLong)
        ]
        for index, reason in zip(decoded.bad.tolist(), decoded.reasons, strict=True):
            bad.append((reason, first + good[index][0], good[index][1]))
        rejected = pl.DataFrame(
            sorted(bad, key=lambda b: b[1]),
            schema={"reason": pl.String, "offset": pl.Int64, "raw": pl.Binary},
            orient="row",
        )
        return Chunk(
            frame=decoded.frame,
            resume=self._documents,
            rejected=rejected if bad else None,
            offsets=places if decoded.good is None else places.gather(decoded.good),
            bytes=sum(len(line) for _, line in good),
        )


def no_way_back(resume: Any | None) -> None:
    """Accept a resume place and do nothing with it: what was sent before is gone."""
    assert resume is None or isinstance(resume, int), "a place in a stream is a count"
