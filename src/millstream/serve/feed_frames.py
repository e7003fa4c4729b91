"""Frames of the feed: rows of a window as JSON, cut so that no frame is large.

in      what a window shows, or what has changed in it
out     frames, encoded once, when the first reader comes to them, for all who read them
shape   one snapshot or changes; where it is large, more frames of the same version behind it
        (``changes``, also behind a snapshot). All but the last have ``"more": true``: with the
        last one a reader has the version, and only it has an ``id:``
id      ``GENERATION.VERSION``: a view of another life of the process has another generation
threads made and encoded by one at a time; frames may be read by any
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.serve.rows import columns, json_numbers, json_rows

if TYPE_CHECKING:
    from millstream.connect.live_window import Shown
    from millstream.types import Schema

FRAME_BYTES = 131_072
"""About so large a frame may be."""
ROW_BYTES_FIRST = 256.0
"""So long a row is taken to be before it is known."""
ROWS_TELLING = 50
"""From so many rows it is seen how long they are."""
RETRY_MS = 2_000
HEARTBEAT = b": \n\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message to a reader.

    event    as a server-sent event
    text     as a WebSocket's
    is_last  whether a reader who has this one has the version
    """

    event: bytes
    text: str
    is_last: bool


class Sheaf:
    """What leads readers to one version: a frame, or several."""

    def __init__(
        self,
        shown: Shown,
        schema: Schema,
        generation: str,
        *,
        row_bytes: float = ROW_BYTES_FIRST,
    ) -> None:
        self.version = shown.version
        self.since = shown.since
        self.rows = len(shown.rows)
        self.made: list[Frame] = []
        self._shown: Shown | None = shown
        self._schema = schema
        self._generation = generation
        self._at = 0
        self._gone_at = 0
        self.row_bytes = row_bytes
        """About what a row takes; for the next sheaf of these rows too."""

    @property
    def is_made(self) -> bool:
        """Whether there are no more frames to be made."""
        return self._shown is None

    @property
    def is_large(self) -> bool:
        """Whether readers keep it for longer than one frame takes."""
        return len(self.made) > 1 or not self.is_made

    def make(self) -> Frame:
        """Make the next frame."""
        shown = self._shown
        assert shown is not None, "there are rows left"
        most = max(1, int(FRAME_BYTES / self.row_bytes))
        begin, end = self._at, min(self.rows, self._at + most)
        rows = json_rows(shown.frame[begin:end], self._schema)
        ids = json_numbers(shown.rows[begin:end])
        gone_end = min(len(shown.gone), self._gone_at + FRAME_BYTES // 8)
        is_last = end == self.rows and gone_end == len(shown.gone)
        head: dict[str, object] = {"type": "changes", "version": self.version}
        head["at_ms"] = shown.at_ms
        if self.since is None and not self.made:
            head["type"] = "snapshot"
            head["columns"] = [column.model_dump() for column in columns(self._schema)]
        head["total"] = shown.total
        if not is_last:
            head["more"] = True
        gone = b""
        if head["type"] == "changes":
            gone = b',"gone":' + json_numbers(shown.gone[self._gone_at : gone_end])
        said = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
        body = said[:-1] + b',"ids":' + ids + b',"rows":' + rows + gone + b"}"
        if end - begin >= ROWS_TELLING:
            self.row_bytes = len(body) / (end - begin)
        self._at, self._gone_at = end, gone_end
        if is_last:
            self._shown = None
        frame = self._framed(body, is_first=not self.made, is_last=is_last)
        self.made.append(frame)
        return frame

    def _framed(self, body: bytes, *, is_first: bool, is_last: bool) -> Frame:
        head = f"retry: {RETRY_MS}\n".encode() if is_first and self.since is None else b""
        if is_last:
            head += f"id: {self._generation}.{self.version}\n".encode()
        return Frame(head + b"data: " + body + b"\n\n", body.decode(), is_last)


def version_of(last_event_id: str | None, generation: str) -> int | None:
    """Return the version a reader says it has; None where it is of another view, or none.

    >>> version_of("ab.12", "ab"), version_of("cd.12", "ab"), version_of("12", "ab")
    (12, None, None)
    """
    said, _, number = (last_event_id or "").rpartition(".")
    return int(number) if said == generation and number.isdecimal() and len(number) < 19 else None
