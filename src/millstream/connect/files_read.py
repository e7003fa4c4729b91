"""Reads the files of a path, one after the other, from any place on.

in      the files in sorted order, read once; or followed: new files are found, grown ones read on
state   read once: the file and the place in it; followed: the place in every file
out     exactly as many documents a chunk as asked for while there are any (read once)
place   the byte after the last line (of what is decompressed), or the row (Parquet)
bad     a document that cannot be decoded is rejected with its bytes and its place; a file that
        vanished or shrank while it was read is a ConnectorError. In a followed file the last line
        waits for its line end, because it may be half written; a compressed file is read once
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from millstream.columns.physical import polars_type
from millstream.connect.chunks import Part, decoded_again, one_chunk, part_of_lines
from millstream.connect.files_header import by_names
from millstream.connect.files_list import (
    files_at,
    is_compressed,
    metadata_value,
    open_file,
    read_errors,
)
from millstream.connect.files_partitions import Partitions
from millstream.connect.os_errors import kind_of
from millstream.errors import ConnectorError, Domain
from millstream.formats.lines import LineBuffer, line_rules
from millstream.formats.parquet import ParquetRows
from millstream.formats.side_by_side import side_by_side, usable_cores
from millstream.ports.connector import Chunk, End, Reader, SourceSpec
from millstream.ports.format import Decoder
from millstream.ports.registry import connector, decoder_for, format_of, metadata_type
from millstream.types import Schema

_BLOCK_BYTES = 1 << 20
_BLOCK_BYTES_MAX = 8 << 20
_LINE_BYTES_FIRST = 128.0
_CORE_LINES = 16_384
_FINISHED = -1


@dataclass(frozen=True, slots=True)
class Files:
    """What is read, and how.

    ``stored`` are the wanted columns that are in the files, ``whole`` all that are there; the
    wanted columns of ``partitions`` come from the path.
    """

    spec: SourceSpec
    stored: Schema
    whole: Schema
    partitions: Partitions | None
    path: str
    pattern: Any
    header: bool
    monitor_s: float | None

    @property
    def followed(self) -> bool:
        """Whether new files, and what is added to known ones, are read as they come."""
        return self.monitor_s is not None

    @property
    def where(self) -> str:
        """The table, for messages."""
        return f"table '{self.spec.table.name}'"

    def open(self, path: str, start: int) -> _OpenFile:
        """Open one file at a place."""
        found, _ = format_of(self.spec.formats, self.where)
        if found.name == "parquet":
            return _ParquetFile(self, path, start)
        return _LinesFile(self, path, start)

    def decoded_again(self, documents: pl.DataFrame) -> Chunk | None:
        """Decode lines that were kept apart from their file; None where the path says more."""
        if self.partitions is not None:
            return None
        if self.header:
            found = self.paths()
            if not found:
                return None
            first = _LinesFile(self, found[0], 0)
            decoder = first.decoder()
            first.close()
        else:
            decoder = decoder_for(
                self.stored, self.spec.formats, owner=self.where, whole=self.whole
            )
        own = connector(self.spec.table.connector)
        columns = {m.name: polars_type(metadata_type(own, m.key)) for m in self.spec.metadata}
        return decoded_again(decoder, documents, columns)

    def paths(self) -> list[str]:
        """Return the files there are now, without folders that hold nothing that is asked for."""
        found, parts = files_at(self.path, self.pattern), self.partitions
        if parts is None or not self.spec.conditions:
            return found
        return [path for path in found if parts.meets(path, self.spec.conditions)]


class _OpenFile:
    """One file while it is read."""

    path: str
    place: int

    def take(self, rows_max: int, *, final: bool) -> Part | None:
        """Return the next documents, None where there are none (now)."""
        raise AssertionError("each kind of file takes its own way")

    def waiting_bytes(self) -> int:
        """Return about how many bytes are still to be read."""
        raise AssertionError("each kind of file counts its own way")

    def close(self) -> None:
        """Free the file."""


class _LinesFile(_OpenFile):
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
        self._stream = self._opened_at(start)

    def take(self, rows_max: int, *, final: bool) -> Part | None:
        if self._files.header and self._decoder is None:
            return None  # the header itself is not complete yet
        self._read_ahead(rows_max)
        lines = self._buffer.take(rows_max)
        while not len(lines):
            if not self._fill(_BLOCK_BYTES):
                if final:
                    self._buffer.finish()
                    lines = self._buffer.take(rows_max)
                break
            lines = self._buffer.take(rows_max)
        if not len(lines):
            self.place = lines.after
            return None
        self._line_bytes = (lines.after - self.place) / len(lines)
        self.place = lines.after
        return part_of_lines(self.decoder(), lines, self._buffer.bytes_max)

    def _read_ahead(self, rows_max: int) -> None:
        """Read about as many bytes as a part of these rows has, and a little more.

        Measured: more lines for each core fall out of its cache, fewer cost as much for each call
        as for the rows.
        """
        lines_max = _CORE_LINES * usable_cores()
        lines = rows_max // -(-rows_max // lines_max) + 1
        wanted = min(int(lines * self._line_bytes * 1.02), _BLOCK_BYTES_MAX)
        missing = wanted - self._buffer.held_bytes
        if missing > 0:
            self._fill(max(missing, _BLOCK_BYTES))

    def _fill(self, count: int) -> int:
        """Read once into the buffer; returns how many bytes there were, 0 at the end (for now)."""
        room = self._buffer.room(count)
        try:
            found = int(self._stream.readinto(room))
        except read_errors() as error:
            raise _unreadable(self.path, self._files.where, error) from None
        self._buffer.filled(found)
        return found

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
            self._decoder = side_by_side(
                decoder_for(
                    self._files.stored,
                    spec.formats,
                    owner=self._files.where,
                    whole=self._files.whole,
                )
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
        return side_by_side(decoder), lines.after


class _ParquetFile(_OpenFile):
    def __init__(self, files: Files, path: str, start: int) -> None:
        self.path = path
        self.place = start
        self._rows = ParquetRows(path, files.stored, start=start, conditions=files.spec.conditions)

    def take(self, rows_max: int, *, final: bool) -> Part | None:
        found = self._rows.take(rows_max)
        if found is None:
            return None
        first, frame = found
        places = np.arange(first, first + frame.height)
        self.place = first + frame.height
        size = int(frame.estimated_size())
        return Part(frame=frame, places=places, bytes=size, documents=frame.height)

    def waiting_bytes(self) -> int:
        return (self._rows.rows_total - self.place) * 100

    def close(self) -> None:
        self._rows.close()


class FilesReader(Reader):
    """The one split of a path."""

    def __init__(self, files: Files, resume: Mapping[str, Any] | None) -> None:
        self._files = files
        self._followed = files.followed
        self._closed = threading.Event()
        self._file: _OpenFile | None = None
        self._done: dict[str, int] = {}
        self._queue: list[str] = []
        self._next_look_s = 0.0
        if resume is not None and ("files" in resume) is not self._followed:
            raise ConnectorError(
                "The checkpoint's place in the files was noted "
                f"{'without' if self._followed else 'with'} 'source.monitor-interval'.",
                where=files.where,
                hint="Undo that change of the table, or start in a new checkpoint folder.",
                domain=Domain.CONFIG,
            )
        if resume is not None and self._followed:
            self._done = {str(k): int(v) for k, v in resume["files"].items()}
        elif resume is not None:
            self._resume_once(str(resume["file"]), int(resume["place"]))
        elif not self._followed:
            self._queue = files.paths()
            if not Path(files.path).is_dir() and not files_at(files.path, files.pattern):
                raise ConnectorError(
                    f"No file matches '{files.path}'.",
                    where=files.where,
                    hint="Check the path, the pattern, and that names do not begin with . or _",
                    domain=Domain.CONFIG,
                )

    def poll(self, *, max_rows: int, timeout_s: float) -> Chunk | None:
        """Return the next documents; across files only where the path is read once."""
        parts: list[Part] = []
        left = max_rows
        deadline_s = time.monotonic() + timeout_s
        while left > 0 and not self._closed.is_set():
            part = self._next(left)
            if part is None:
                if parts or not self._wait(deadline_s):
                    break
                continue
            parts.append(part)
            left -= part.documents
        if not parts:
            if self._followed:
                return None
            raise End
        return one_chunk(parts, resume=self._place(), pending=self._pending())

    def close(self) -> None:
        """Free the open file."""
        self._closed.set()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next(self, rows_max: int) -> Part | None:
        while self._file is not None or self._open_next():
            file = self._file
            assert file is not None, "a file is open"
            final = not self._followed or self._is_whole(file.path)
            part = file.take(rows_max, final=final)
            self._done[file.path] = file.place
            if part is not None:
                return self._completed(part, file.path)
            if self._followed and self._is_whole(file.path):
                self._done[file.path] = _FINISHED
            file.close()
            self._file = None
        return None

    def _open_next(self) -> bool:
        if self._followed and not self._queue:
            self._look()
        if not self._queue:
            return False
        path = self._queue.pop(0)
        self._file = self._files.open(path, self._done.get(path, 0))
        if not self._followed:
            self._done = {path: self._file.place}
        return True

    def _look(self) -> None:
        """See which files are new or have grown, not more often than asked."""
        if time.monotonic() < self._next_look_s:
            return
        self._next_look_s = time.monotonic() + (self._files.monitor_s or 0.0)
        paths = self._files.paths()
        present = set(paths)
        self._done = {p: n for p, n in self._done.items() if p in present}
        self._queue = [p for p in paths if self._has_more(p)]

    def _has_more(self, path: str) -> bool:
        done = self._done.get(path)
        if done is None:
            return True
        if self._is_whole(path):
            return done != _FINISHED
        try:
            size = Path(path).stat().st_size
        except OSError:
            return False  # gone since the listing
        return size != done

    def _is_whole(self, path: str) -> bool:
        """Tell whether a file is never added to."""
        return is_compressed(path) or self._files.spec.formats["format"] == "parquet"

    def _wait(self, deadline_s: float) -> bool:
        """Wait for the next look; False where the time of this poll ends before."""
        if not self._followed:
            return False
        wait_s = min(self._next_look_s, deadline_s) - time.monotonic()
        if wait_s > 0:
            self._closed.wait(wait_s)
        return self._next_look_s <= deadline_s and time.monotonic() < deadline_s

    def _resume_once(self, path: str, place: int) -> None:
        paths = self._files.paths()
        if path not in paths:
            raise ConnectorError(
                f"The file '{path}', which was being read, is gone.",
                where=self._files.where,
                hint="Put it back, or start without the checkpoint.",
                domain=Domain.CONFIG,
            )
        self._done = {path: place}
        self._queue = paths[paths.index(path) :]

    def _place(self) -> dict[str, Any]:
        if self._followed:
            return {"files": dict(self._done)}
        ((path, place),) = self._done.items()
        return {"file": path, "place": place}

    def _pending(self) -> int | None:
        try:
            waiting = self._file.waiting_bytes() if self._file is not None else 0
            waiting += sum(Path(p).stat().st_size for p in self._queue[:1000])
        except OSError:
            return None
        return waiting // 100

    def _completed(self, part: Part, path: str) -> Part:
        """Add what the path says, in the table's order, and the metadata behind it."""
        spec, parts = self._files.spec, self._files.partitions
        if not spec.metadata and (parts is None or len(spec.physical) == len(self._files.stored)):
            return part
        frame, height = part.frame, part.frame.height
        columns = [
            parts.value_of(path, f.name).new_from_index(0, height)
            if parts is not None and f.name in parts.schema
            else frame[f.name]
            for f in spec.physical
        ]
        columns += [
            metadata_value(path, m).new_from_index(0, height).alias(m.name) for m in spec.metadata
        ]
        return part.with_frame(pl.DataFrame(columns))


def _unreadable(path: str, where: str, error: Exception) -> ConnectorError:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ConnectorError(
        f"The file cannot be read: {text}.",
        where=f"{where}, {path}",
        hint="Check that it is complete and that this user may read it.",
        **kind_of(error),
    )
