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
from typing import Any

import numpy as np
import polars as pl

from millstream.columns.physical import polars_type
from millstream.connect.chunks import Part, decoded_again, one_chunk
from millstream.connect.files_lines import LinesFile, OpenFile
from millstream.connect.files_list import files_at, is_compressed, metadata_value
from millstream.connect.files_partitions import Partitions
from millstream.errors import ConnectorError, Domain
from millstream.formats.parquet import ParquetRows
from millstream.ports.connector import Chunk, End, Reader, SourceSpec
from millstream.ports.registry import connector, decoder_for, format_of, metadata_type
from millstream.types import Schema

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

    def open(self, path: str, start: int) -> OpenFile:
        """Open one file at a place."""
        found, _ = format_of(self.spec.formats, self.where)
        if found.name == "parquet":
            return _ParquetFile(self, path, start)
        return LinesFile(self, path, start)

    def decoded_again(self, documents: pl.DataFrame) -> Chunk | None:
        """Decode lines that were kept apart from their file; None where the path says more."""
        if self.partitions is not None:
            return None
        if self.header:
            found = self.paths()
            if not found:
                return None
            first = LinesFile(self, found[0], 0)
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


class _ParquetFile(OpenFile):
    def __init__(self, files: Files, path: str, start: int) -> None:
        self.path = path
        self.place = start
        self._rows = ParquetRows(path, files.stored, start=start, conditions=files.spec.conditions)

    def take(self, rows_max: int, *, final: bool) -> list[Part]:
        found = self._rows.take(rows_max)
        if found is None:
            return []
        first, frame = found
        places = np.arange(first, first + frame.height)
        self.place = first + frame.height
        size = int(frame.estimated_size())
        return [Part(frame=frame, places=places, bytes=size, documents=frame.height)]

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
        self._file: OpenFile | None = None
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
            found = self._next(left)
            if not found:
                if parts or not self._wait(deadline_s):
                    break
                continue
            parts += found
            left -= sum(part.documents for part in found)
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

    def _next(self, rows_max: int) -> list[Part]:
        while self._file is not None or self._open_next():
            file = self._file
            assert file is not None, "a file is open"
            final = not self._followed or self._is_whole(file.path)
            parts = file.take(rows_max, final=final)
            self._done[file.path] = file.place
            if parts:
                return [self._completed(part, file.path) for part in parts]
            if self._followed and self._is_whole(file.path):
                self._done[file.path] = _FINISHED
            file.close()
            self._file = None
        return []

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
