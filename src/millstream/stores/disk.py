"""Blobs as files below a folder of this machine.

put      a temporary file in the same folder: write, fsync, rename, fsync of the folder
put_new  the same, but with a hard link to the name, which fails where there is one
own      flock on the file ``lock``; a process that dies gives it free
errors   a full disk or quota is LIMIT and may be tried again LATER; after a failed fsync the file
         is given up: the next try writes another one, as the kernel may have dropped its pages
rest     temporary files of processes that died are removed by the next owner
source   Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from millstream.errors import Domain, Retry
from millstream.ports.store import Bytes, NotThere, Store, StoreError
from millstream.stores.names import checked

LOCK = "lock"
_TEMPORARY = ".new-"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ABSENT = {errno.ENOENT, errno.ENOTDIR}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_COUNT = itertools.count(1)
_BEING_WRITTEN: set[str] = set()
"""Temporary files of this process: the others with our number are of one that died."""


class DiskStore(Store):
    """The files below one folder, which is made at the first write."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.place = str(self.folder)

    def put(self, name: str, data: Bytes) -> None:
        with self._told(f"'{name}' cannot be written"):
            path = self._path(name)
            with self._temporary(path, data) as temporary:
                temporary.replace(path)
            sync_folder(path.parent)

    def put_new(self, name: str, data: Bytes) -> bool:
        with self._told(f"'{name}' cannot be written"):
            path = self._path(name)
            if path.exists():
                return False
            with self._temporary(path, data) as temporary:
                try:
                    os.link(temporary, path)
                except FileExistsError:
                    return False
                try:
                    sync_folder(path.parent)
                except OSError:
                    # Not known to last: whoever asks again must not find it and take it for safe.
                    with contextlib.suppress(OSError):
                        path.unlink()
                    raise
            return True

    def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        with (
            self._told(f"'{name}' cannot be read", absent=True),
            self._path(name).open("rb") as file,
        ):
            file.seek(start)
            return file.read() if length is None else file.read(length)

    def names(self, prefix: str = "") -> list[str]:
        top = self.folder / prefix.rpartition("/")[0]
        with self._told("The folder cannot be listed"):
            found = (p.relative_to(self.folder).as_posix() for p in _files(top))
            return sorted(name for name in found if name.startswith(prefix) and name != LOCK)

    def size(self, name: str) -> int:
        with self._told(f"'{name}' cannot be read", absent=True):
            return self._path(name).stat().st_size

    def delete(self, name: str) -> None:
        with self._told(f"'{name}' cannot be removed"):
            self._path(name).unlink(missing_ok=True)

    def own(self) -> Callable[[], None] | None:
        with self._told("The folder cannot be used"):
            _make(self.folder)
            lock = (self.folder / LOCK).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                return None
            for path in _temporaries(self.folder):
                path.unlink(missing_ok=True)
        return lock.close

    def _path(self, name: str) -> Path:
        return self.folder / checked(name)

    @contextlib.contextmanager
    def _temporary(self, path: Path, data: Bytes) -> Iterator[Path]:
        """Give a file of its own that holds the data for good, and take it away afterwards."""
        _make(path.parent)
        temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{next(_COUNT)}-{path.name}")
        _BEING_WRITTEN.add(temporary.name)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            _BEING_WRITTEN.discard(temporary.name)

    @contextlib.contextmanager
    def _told(self, fact: str, *, absent: bool = False) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = f"{fact}: {error.strerror or error}."
            if absent and error.errno in _ABSENT:
                raise NotThere(f"{fact}: it is not there.", where=self.place) from error
            if error.errno in _ABSENT:
                raise StoreError(
                    said, where=self.place, hint="Give a folder.", domain=Domain.CONFIG
                ) from error
            if error.errno in _FULL:
                raise StoreError(
                    said, where=self.place, hint="Free space, or give another folder.",
                    retry=Retry.LATER, domain=Domain.LIMIT,
                ) from error  # fmt: skip
            if error.errno in _FORBIDDEN:
                raise StoreError(
                    said, where=self.place, hint="Give a folder this user can write.",
                    domain=Domain.AUTH,
                ) from error  # fmt: skip
            raise StoreError(
                said, where=self.place, hint="Look at the disk and the system's log.",
                retry=Retry.LATER,
            ) from error  # fmt: skip


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder; one that is being removed by another is left out."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def _temporaries(folder: Path) -> Iterator[Path]:
    for path in folder.rglob(f"{_TEMPORARY}*"):
        process = path.name.removeprefix(_TEMPORARY).partition("-")[0]
        if not process.isdigit() or path.name in _BEING_WRITTEN:
            continue
        if int(process) == os.getpid() or not _is_alive(int(process)):
            yield path


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _make(folder: Path) -> None:
    """Make a folder that is still there after a crash, with all that lead to it."""
    if folder.is_dir():
        return
    _make(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder be there after a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
