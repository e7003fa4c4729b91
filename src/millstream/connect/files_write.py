"""Writes files into a folder; what has a visible name is complete and never changes.

delivery  exactly once: one file an epoch and folder, named after pipeline, table and epoch, so that
          a repeated epoch writes the same names again; the last epoch and the owner are kept in
          ``.millstream``
          at least once: a hidden file a folder grows and becomes visible when it is large or old
          enough, or at the end; after a crash the next start makes it visible as far as its lines
          are whole
fenced    where checkpoints are kept, every write and every new name happens under the lock of
          ``files_hold`` by the newest start alone: an older one that wakes up adds nothing
steps     hidden file → fsync → rename → fsync of the folder → epoch noted, likewise
bad       what the system refuses is a ConnectorError; the hidden file is removed
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote

import polars as pl

from millstream.connect.epochs import skipped
from millstream.connect.files_commit import Commit
from millstream.connect.files_disk import (
    IN_PROGRESS,
    LiveFile,
    make_folder,
    put,
    whole_lines,
)
from millstream.connect.files_hold import STATE_FOLDER, Hold
from millstream.connect.files_partitions import Partitions
from millstream.connect.os_errors import kind_of
from millstream.errors import ConnectorError, Domain
from millstream.formats.csv import CsvEncoder
from millstream.formats.lines import joined_lines
from millstream.formats.parquet import ParquetConfig, write_parquet
from millstream.ports.connector import Delivered, Sink
from millstream.ports.format import Encoder
from millstream.stores.disk import sync_folder

Result = TypeVar("Result")

LIVE_FILES_MAX = 64
"""At least once: so many folders have an open file; the one not written longest is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRules:
    """Where and how files are written; no encoder means Parquet."""

    table: str
    folder: Path
    suffix: str
    encoder: Encoder | None
    parquet: ParquetConfig | None
    header: bool
    file_bytes_max: int
    file_age_ms_max: int
    look_interval_ms: int
    partitions: Partitions | None = None
    commit: Commit | None = None


class FilesSink(Sink):
    """The files of one table."""

    def __init__(self, rules: FileRules) -> None:
        self._rules = rules
        self._where = f"table '{rules.table}', {rules.folder}"
        self._pipeline = ""
        self._hold = Hold(rules.folder, rules.table, "", 0)
        self._run = ""
        self._live: dict[str, LiveFile] = {}
        """The open file of each folder, in the order of their last rows."""
        self._sequence = 0
        self._looked_s = time.monotonic()
        self._begun: dict[str, int] = {}
        """When each folder that is not complete was begun."""
        self._is_news = False
        """Some of these are not on the disk yet."""

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Take the folder over, and finish what a crashed start left."""
        self._pipeline = pipeline
        self._hold = Hold(self._rules.folder, self._rules.table, pipeline, incarnation)
        # Without checkpoints every start is incarnation 0; its files must not replace older ones.
        self._run = f"{incarnation:06d}" if incarnation else secrets.token_hex(6)

        def take_over() -> int | None:
            (self._rules.folder / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
            with self._hold.locked():
                state = self._hold.take_over()
                last: int | None = None
                if state is not None:
                    last, self._begun = state["epoch"], dict(state["partitions"])
                left = self._left_over()
                self._begin(self._folder_of(path) for path in left)
                self._note(last)
                self._clean_up(left)
            return last

        return self._guarded(take_over)

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """Make one file of the epoch visible in each folder, once."""

        def once() -> Delivered:
            with self._hold.locked():
                last = self._hold.owned()["epoch"]
                if last == epoch:
                    return Delivered(0)
                if last is not None and epoch < last:
                    raise skipped(self._pipeline, self._rules.table, epoch, last)
                parts: dict[str, list[pl.DataFrame]] = {}
                for frame in frames:
                    for folder, part in self._parted(frame):
                        parts.setdefault(folder, []).append(part)
                name = self._name(f"{epoch:012d}")
                for folder, full in parts.items():
                    path = self._made(folder) / name
                    put(path, lambda file, full=full: self._write_all(full, file))  # type: ignore[misc]
                self._begin(parts)
                self._note(epoch)
            return Delivered(sum(f.height for f in frames))

        return self._guarded(once)

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Add rows to the hidden files of their folders."""

        def add() -> Delivered:
            for folder, part in self._parted(frame):
                live = self._live.pop(folder, None) or self._new_live(folder)
                self._live[folder] = live
                self._begin((folder,))
                if self._rules.encoder is None:
                    live.add(part)
                else:
                    live.file.write(joined_lines(self._rules.encoder.encode(part)))
                if live.size_bytes >= self._rules.file_bytes_max:
                    self._show(folder)
            while len(self._live) > LIVE_FILES_MAX:
                self._show(next(iter(self._live)))
            return Delivered(frame.height)

        return self._guarded(add, owning=True)

    def flush(self) -> Delivered:
        """Bring everything written to the disk; make the files visible that are due."""

        def sync() -> Delivered:
            self._remember()
            for folder, live in list(self._live.items()):
                live.sync()
                # Parquet cannot be continued after a crash, so it never waits.
                if live.frames or self._is_due(live):
                    self._show(folder)
            return Delivered(0)

        return self._guarded(sync, owning=True)

    def passed(self, mark_ms: int) -> None:
        """Make old files visible, and mark the folders that are complete."""

        def look() -> None:
            if (time.monotonic() - self._looked_s) * 1000 >= self._rules.look_interval_ms:
                self._looked_s = time.monotonic()
                old = [f for f, live in self._live.items() if self._is_due(live)]
                with self._hold.owning() if old else contextlib.nullcontext():
                    for folder in old:
                        self._show(folder)
            if self._rules.commit is None or not self._begun:
                return
            due = self._rules.commit.due(self._begun, _now_ms(), mark_ms)
            if not due:
                return
            with self._hold.locked():
                last = self._hold.owned()["epoch"]
                for folder in due:
                    self._show(folder)
                    path = self._rules.folder / folder
                    if path.is_dir():  # somebody may have taken it away whole
                        put(path / self._rules.commit.success_name, lambda _: None)
                    del self._begun[folder]
                self._note(last, complete=due)

        self._guarded(look)

    def close(self) -> None:
        """Make the files visible."""

        def show() -> None:
            for folder in list(self._live):
                self._show(folder)

        if not self._live:
            return
        try:
            self._guarded(show, owning=True)
        except ConnectorError as error:
            if error.domain is not Domain.FENCED:
                raise
            # The newer start has shown what was whole of these files; they are its own now.
            for live in self._live.values():
                live.file.close()
            self._live.clear()

    def test(self) -> None:
        """Try to create the folder and write to it."""

        def attempt() -> None:
            self._rules.folder.mkdir(parents=True, exist_ok=True)
            path = self._rules.folder / f".test-{os.getpid()}"
            path.write_bytes(b"")
            path.unlink()

        self._guarded(attempt)

    # ------------------------------------------------------------------ the steps

    def _parted(self, frame: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
        """Return rows by the folder below ours that they belong to."""
        if not frame.height:
            return []
        if self._rules.partitions is None:
            return [("", frame)]
        return self._rules.partitions.parted(frame)

    def _made(self, folder: str) -> Path:
        path = self._rules.folder / folder
        make_folder(path, self._rules.folder)
        return path

    def _new_live(self, folder: str) -> LiveFile:
        self._sequence += 1
        name = self._name(f"live-{self._run}-{self._sequence:06d}")
        live = LiveFile(self._made(folder), name)
        if self._rules.header:
            live.file.write(self._header())
        return live

    def _is_due(self, live: LiveFile) -> bool:
        large = live.size_bytes >= self._rules.file_bytes_max
        return large or live.age_ms >= self._rules.file_age_ms_max

    def _show(self, folder: str) -> None:
        """Show the open file of a folder; that the folder is begun must be on the disk before."""
        self._remember()
        live = self._live.pop(folder, None)
        if live is None:
            return
        if live.frames:
            self._write_all(live.frames, live.file)
        live.show()

    def _write_all(self, frames: Sequence[pl.DataFrame], file: IO[bytes]) -> None:
        if self._rules.encoder is None:
            assert self._rules.parquet is not None, "no encoder means Parquet"
            write_parquet(pl.concat(frames), file, self._rules.parquet)
            return
        if self._rules.header:
            file.write(self._header())
        for frame in frames:
            file.write(joined_lines(self._rules.encoder.encode(frame)))

    def _header(self) -> bytes:
        assert isinstance(self._rules.encoder, CsvEncoder), "only CSV has a header"
        return self._rules.encoder.header() + b"\n"

    def _name(self, middle: str) -> str:
        pipeline, table = quote(self._pipeline, safe=""), quote(self._rules.table, safe="")
        return f"part-{pipeline}+{table}+{middle}{self._rules.suffix}"

    def _left_over(self) -> list[Path]:
        """Return the hidden files of older starts of this pipeline."""
        mine = "." + self._name("").removesuffix(self._rules.suffix)
        found: list[Path] = []
        for base, folders, names in os.walk(self._rules.folder):
            # Without partitions folders below are not ours.
            folders[:] = [f for f in folders if self._rules.partitions and not f.startswith(".")]
            found += [
                Path(base) / n for n in names if n.startswith(mine) and n.endswith(IN_PROGRESS)
            ]
        return sorted(found)

    def _clean_up(self, left: Sequence[Path]) -> None:
        """Finish what older starts left: lines are shown, the rest goes."""
        for path in left:
            name = path.name[1 : -len(IN_PROGRESS)]
            whole = whole_lines(path) if "+live-" in name and self._rules.encoder else 0
            if whole:
                os.truncate(path, whole)
                path.rename(path.parent / name)
            else:
                path.unlink(missing_ok=True)
        for folder in {self._rules.folder, *(path.parent for path in left)}:
            sync_folder(folder)

    def _folder_of(self, path: Path) -> str:
        return path.parent.relative_to(self._rules.folder).as_posix()

    # ------------------------------------------------------------------ what is not complete

    def _begin(self, folders: Iterable[str]) -> None:
        """Take note of folders that got rows; they are complete later, perhaps again."""
        if self._rules.commit is None:
            return
        for folder in folders:
            if folder not in self._begun:
                self._begun[folder] = _now_ms()
                self._is_news = True

    def _remember(self) -> None:
        """Bring to the disk which folders are begun, where this is news."""
        if self._is_news:
            with self._hold.locked():
                self._note(self._hold.owned()["epoch"])

    def _note(self, epoch: int | None, complete: Sequence[str] = ()) -> None:
        begun = None if self._rules.commit is None else self._begun
        self._hold.note(epoch, begun, complete)
        self._is_news = False

    def _guarded(self, step: Callable[[], Result], *, owning: bool = False) -> Result:
        try:
            with self._hold.owning() if owning else contextlib.nullcontext():
                return step()
        except OSError as error:
            raise ConnectorError(
                f"The files cannot be written: {error.strerror or error}.",
                where=self._where,
                hint="Check that the folder can be written and has room.",
                **kind_of(error),
            ) from None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
