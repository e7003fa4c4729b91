"""Writes files into a folder; what has a visible name is complete and never changes.

delivery  exactly once: one file an epoch, named after pipeline, table and epoch, so that a repeated
          epoch writes the same name again; the last epoch and the owner are kept in ``.millstream``
          at least once: a hidden file grows and becomes visible when it is large or old enough, or
          at the end; after a crash the next start makes it visible as far as its lines are whole
steps     hidden file → fsync → rename → fsync of the folder → epoch noted, likewise
state     ``.millstream/<pipeline>.<table>.json``; a lock beside it keeps two processes apart
bad       what the system refuses is a ConnectorError; the hidden file is removed
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote

import polars as pl

from millstream.connect.epochs import fenced, skipped
from millstream.errors import ConnectorError
from millstream.formats.csv import CsvEncoder
from millstream.formats.lines import joined_lines
from millstream.formats.parquet import ParquetConfig, write_parquet
from millstream.ports.connector import Delivered, Sink
from millstream.ports.format import Encoder

Result = TypeVar("Result")

STATE_FOLDER = ".millstream"
_IN_PROGRESS = ".inprogress"


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


class FilesSink(Sink):
    """The files of one table."""

    def __init__(self, rules: FileRules) -> None:
        self._rules = rules
        self._where = f"table '{rules.table}', {rules.folder}"
        self._pipeline = ""
        self._incarnation = 0
        self._run = ""
        self._live: _LiveFile | None = None
        self._sequence = 0

    def open(self, pipeline: str, incarnation: int) -> int | None:
        """Take the folder over, and finish what a crashed start left."""
        self._pipeline, self._incarnation = pipeline, incarnation
        # Without checkpoints every start is incarnation 0; its files must not replace older ones.
        self._run = f"{incarnation:06d}" if incarnation else secrets.token_hex(6)

        def take_over() -> int | None:
            (self._rules.folder / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
            with self._locked():
                state = self._state()
                if state is not None and state["incarnation"] > incarnation:
                    raise fenced(pipeline, self._rules.table, incarnation, state["incarnation"])
                last: int | None = None if state is None else state["epoch"]
                self._note(last)
                self._clean_up()
            return last

        return self._guarded(take_over)

    def deliver(self, epoch: int, frames: Sequence[pl.DataFrame]) -> Delivered:
        """Make one file of the epoch visible, once."""

        def once() -> Delivered:
            with self._locked():
                state = self._state()
                assert state is not None, "deliver comes after open"
                last, owner = state["epoch"], state["incarnation"]
                if owner != self._incarnation:
                    raise fenced(self._pipeline, self._rules.table, self._incarnation, owner)
                if last == epoch:
                    return Delivered(0)
                if last is not None and epoch < last:
                    raise skipped(self._pipeline, self._rules.table, epoch, last)
                full = [f for f in frames if f.height]
                if full:
                    self._put(self._name(f"{epoch:012d}"), lambda file: self._write_all(full, file))
                self._note(epoch)
            return Delivered(sum(f.height for f in full))

        return self._guarded(once)

    def write(self, frame: pl.DataFrame) -> Delivered:
        """Add rows to the hidden file."""
        if not frame.height:
            return Delivered(0)

        def add() -> Delivered:
            if self._live is None:
                self._sequence += 1
                name = self._name(f"live-{self._run}-{self._sequence:06d}")
                self._live = _LiveFile(self._hidden(name), name)
                if self._rules.header:
                    self._live.file.write(self._header())
            if self._rules.encoder is None:
                self._live.frames.append(frame)
            else:
                self._live.file.write(joined_lines(self._rules.encoder.encode(frame)))
            return Delivered(frame.height)

        return self._guarded(add)

    def flush(self) -> Delivered:
        """Bring everything written to the disk; make the file visible if it is due."""

        def sync() -> Delivered:
            live = self._live
            if live is not None:
                live.file.flush()
                os.fsync(live.file.fileno())
                aged_ms = (time.monotonic() - live.since_s) * 1000
                large = live.file.tell() >= self._rules.file_bytes_max
                # Parquet cannot be continued after a crash, so it never waits.
                if large or aged_ms >= self._rules.file_age_ms_max or live.frames:
                    self._show()
            return Delivered(0)

        return self._guarded(sync)

    def close(self) -> None:
        """Make the file visible."""
        self._guarded(self._show)

    def test(self) -> None:
        """Try to create the folder and write to it."""

        def attempt() -> None:
            self._rules.folder.mkdir(parents=True, exist_ok=True)
            path = self._rules.folder / f".test-{os.getpid()}"
            path.write_bytes(b"")
            path.unlink()

        self._guarded(attempt)

    # ------------------------------------------------------------------ the steps

    def _put(self, name: str, fill: Callable[[IO[bytes]], None]) -> None:
        """Write a file under its hidden name, bring it to the disk and show it."""
        hidden = self._hidden(name)
        try:
            with hidden.open("wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            hidden.rename(hidden.parent / name)
        except BaseException:
            with contextlib.suppress(OSError):
                hidden.unlink(missing_ok=True)
            raise
        _sync_folder(hidden.parent)

    def _show(self) -> None:
        live, self._live = self._live, None
        if live is None:
            return
        with live.file as file:
            if live.frames:
                self._write_all(live.frames, file)
            file.flush()
            os.fsync(file.fileno())
        live.path.rename(self._rules.folder / live.name)
        _sync_folder(self._rules.folder)

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

    def _hidden(self, name: str) -> Path:
        return self._rules.folder / f".{name}{_IN_PROGRESS}"

    def _clean_up(self) -> None:
        """Finish the hidden files of older starts of this pipeline: lines are shown, others go."""
        mine = "." + self._name("").removesuffix(self._rules.suffix)
        for path in sorted(self._rules.folder.iterdir()):
            if not (path.name.startswith(mine) and path.name.endswith(_IN_PROGRESS)):
                continue
            name = path.name[1 : -len(_IN_PROGRESS)]
            whole = _whole_lines(path) if "+live-" in name and self._rules.encoder else 0
            if whole:
                os.truncate(path, whole)
                path.rename(self._rules.folder / name)
            else:
                path.unlink(missing_ok=True)
        _sync_folder(self._rules.folder)

    # ------------------------------------------------------------------ whose it is

    def _state_path(self) -> Path:
        name = f"{quote(self._pipeline, safe='')}.{quote(self._rules.table, safe='')}.json"
        return self._rules.folder / STATE_FOLDER / name

    def _state(self) -> dict[str, Any] | None:
        path = self._state_path()
        try:
            found = json.loads(path.read_bytes())
            return {"epoch": found["epoch"], "incarnation": int(found["incarnation"])}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise ConnectorError(
                f"The state of the sink is damaged: {path}.",
                where=self._where,
                hint="It says which epoch is there already. Look at the newest part file, then "
                "write the state anew, or use a new folder.",
            ) from None

    def _note(self, epoch: int | None) -> None:
        text = json.dumps({"epoch": epoch, "incarnation": self._incarnation})
        path = self._state_path()
        draft = path.with_suffix(".draft")
        with draft.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_folder(path.parent)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._state_path().with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _guarded(self, step: Callable[[], Result]) -> Result:
        try:
            return step()
        except OSError as error:
            raise ConnectorError(
                f"The files cannot be written: {error.strerror or error}.",
                where=self._where,
                hint="Check that the folder can be written and has room.",
            ) from None


class _LiveFile:
    """The hidden file that rows are added to."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.since_s = time.monotonic()
        self.frames: list[pl.DataFrame] = []
        self.file = path.open("wb")


def _whole_lines(path: Path) -> int:
    """Return how many bytes of a file are whole lines."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while size > 0:
            begin = max(0, size - (1 << 16))
            file.seek(begin)
            last = file.read(size - begin).rfind(b"\n")
            if last >= 0:
                return begin + last + 1
            size = begin
    return 0


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
