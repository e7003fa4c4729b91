"""A stream of bytes that comes once, cut into documents: sockets and pipes.

in      ``receive``: the next bytes, nothing yet, or the end
out     chunks of what is there, as soon as it is there
state   the bytes of the line that is not complete yet; a restart cannot get them again
bad     a document that cannot be decoded, or is longer than ``line_bytes_max``, is rejected
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import TYPE_CHECKING

from millstream.connect.chunks import one_chunk, part_of_lines
from millstream.formats.lines import LineBuffer, LineRules
from millstream.ports.connector import Chunk, End, Reader

if TYPE_CHECKING:
    from millstream.ports.format import Decoder

BLOCK_BYTES = 1 << 18
LINE_BYTES_MAX = 16 << 20


class ByteStreamReader(Reader):
    """Reads documents from bytes that cannot be read again."""

    def __init__(
        self, decoder: Decoder, rules: LineRules, *, line_bytes_max: int = LINE_BYTES_MAX
    ) -> None:
        self._decoder = decoder
        self._buffer = LineBuffer(rules, bytes_max=line_bytes_max)
        self._ended = False

    @abstractmethod
    def receive(self, timeout_s: float) -> bytes | None:
        """Return the next bytes, None if none came in time, nothing at the end."""

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return the documents that are complete."""
        deadline_s = time.monotonic() + timeout_s
        lines = self._buffer.take(max_rows)
        while not len(lines) and not self._ended:
            block = self.receive(max(0.0, deadline_s - time.monotonic()))
            if block is None:
                return None
            if block:
                self._buffer.feed(block)
            else:
                self._ended = True
                self._buffer.finish()
            lines = self._buffer.take(max_rows)
        if not len(lines):
            raise End
        part = part_of_lines(self._decoder, lines, self._buffer.bytes_max)
        return one_chunk([part], resume=lines.after, pending=self._buffer.held_bytes // 100)
