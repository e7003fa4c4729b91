"""Steps on a disk that hold through a crash: write under a hidden name, sync, show.

in      paths of this machine
out     what has a visible name is complete, and both file and name survive a crash
bad     OSError; the hidden file is removed
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from millstream.stores.disk import sync_folder

if TYPE_CHECKING:
    import polars as pl

IN_PROGRESS = ".inprogress"


class LiveFile:
    """A hidden file that grows; ``frames`` wait where rows cannot be added (Parquet)."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = hidden(folder / name)
        self.name = name
        self.since_s = time.monotonic()
        self.frames: list[pl.DataFrame] = []
        self.frames_bytes = 0
        self.file = self.path.open("wb")

    @property
    def size_bytes(self) -> int:
        """What it holds so far."""
        return self.file.tell() + self.frames_bytes

    @property
    def age_ms(self) -> float:
        """How long ago it was begun."""
        return (time.monotonic() - self.since_s) * 1000

    def add(self, frame: pl.DataFrame) -> None:
        """Let rows wait until the file is shown."""
        self.frames.append(frame)
        self.frames_bytes += int(frame.estimated_size())

    def sync(self) -> None:
        """Bring what was written to the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def show(self) -> None:
        """Close it and give it its name."""
        with self.file:
            self.sync()
        self.path.rename(self.path.parent / self.name)
        sync_folder(self.path.parent)


def hidden(path: Path) -> Path:
    """Return the name of a file while it is written."""
    return path.parent / f".{path.name}{IN_PROGRESS}"


def put(path: Path, fill: Callable[[IO[bytes]], None]) -> None:
    """Write a file under its hidden name, bring it to the disk and show it."""
    draft = hidden(path)
    try:
        with draft.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path, below: Path) -> None:
    """Make a folder and those between, so that a crash does not take them away again."""
    folder.mkdir(parents=True, exist_ok=True)
    # Also where it is there: who made it may have died before its name was on the disk.
    while folder != below:
        folder = folder.parent
        sync_folder(folder)


def whole_lines(path: Path) -> int:
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
