"""State that lies in a file: memory given back without moving what looks at it.

in      an address, its length, and the bytes that have been touched there
out     the same bytes at the same address, now those of an unlinked file that is mapped over it:
        every view stays valid, and what is cold is the system's to write out and to drop
state   the file; room on the disk is taken before memory is written, so that a full disk is an
        error where it can be told, never a fault (SIGBUS) in the middle of a batch
limits  Linux only (mmap over a mapping in place); elsewhere nothing spills
bad     no room, no such folder: :class:`SpillFailed`, and the memory is as it was
source  decision 0606; mmap(2) MAP_FIXED, posix_fallocate(3)
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from millstream.errors import JobError

WRITE_BYTES = 8 << 20
"""Bytes copied into the file at a time; a piece that is all zeros is left as a hole."""
STEP_BYTES = 16 << 20
"""Room on the disk is taken in steps of at least this much."""
IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})
_MAP_FIXED = 0x10
_SYNC_FILE_RANGE_WRITE = 2
_MAP_FAILED = ctypes.c_void_p(-1).value


class SpillFailed(JobError):
    """State could not be put on the disk; the fact says why."""

    def __init__(self, why: str) -> None:
        super().__init__(
            why,
            hint="Free space there, or set 'memory.spill-dir' to a folder with room on a disk.",
        )


def can_spill() -> bool:
    """Tell whether this system can map a file over memory in place."""
    return sys.platform == "linux" and _libc() is not None


class SpillFolder:
    """Where the files lie; nothing of them is visible there, and none outlives the process."""

    def __init__(self, path: str | None) -> None:
        self.path = chosen_folder(path)

    @property
    def warning(self) -> str | None:
        """What is wrong with the folder though it can be used."""
        kind = filesystem_of(self.path)
        if kind not in IN_MEMORY:
            return None
        return (
            f"The spill folder {self.path} is memory itself ({kind}): spilling there frees "
            "nothing. Set 'memory.spill-dir' to a folder on a disk."
        )

    def open(self) -> int:
        """Return a new unlinked file."""
        try:
            return os.open(self.path, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise SpillFailed(_why(error, self.path)) from error
        try:  # a file system without nameless files
            handle, name = tempfile.mkstemp(prefix="millstream-spill-", dir=self.path)
            Path(name).unlink()
        except OSError as error:
            raise SpillFailed(_why(error, self.path)) from error
        return handle


def chosen_folder(path: str | None) -> Path:
    """Return the folder asked for; without one the first temporary folder that is on a disk."""
    if path:
        return Path(path)
    usual = Path(tempfile.gettempdir())
    for folder in (usual, Path("/var/tmp")):  # noqa: S108 (files there are nameless)
        if folder.is_dir() and filesystem_of(folder) not in IN_MEMORY:
            return folder
    return usual


def filesystem_of(path: Path, mounts: str = "/proc/self/mountinfo") -> str:
    """Return the kind of file system a folder is on; empty where the system does not tell."""
    best, kind = -1, ""
    with suppress(OSError):
        place = str(path.resolve())
        for line in Path(mounts).read_text().splitlines():
            left, _, right = line.partition(" - ")
            mount = left.split(" ")[4].replace("\\040", " ")
            below = place == mount or place.startswith(mount.rstrip("/") + "/")
            if below and len(mount) >= best:
                best, kind = len(mount), right.split(" ")[0]
    return kind


class SpillFile:
    """The file behind one region."""

    def __init__(self, handle: int, bytes_ready: int, bytes_max: int, folder: Path) -> None:
        self.handle = handle
        self._folder = folder
        self._bytes_max = bytes_max
        self.bytes_ready = bytes_ready
        """So many bytes may be written without asking the disk again."""

    def grow(self, bytes_wanted: int) -> None:
        """Take room for so many bytes in all; some more where there is, to be asked less often."""
        some_more = bytes_wanted + max(STEP_BYTES, bytes_wanted // 8)
        for size in (min(some_more, self._bytes_max), bytes_wanted):
            try:
                os.posix_fallocate(self.handle, self.bytes_ready, size - self.bytes_ready)
            except OSError as error:
                if error.errno != errno.ENOSPC or size == bytes_wanted:
                    raise SpillFailed(_why(error, self._folder)) from error
            else:
                self.bytes_ready = size
                return

    def close(self) -> None:
        """Give the handle back; the bytes live on until the mapping is gone."""
        handle, self.handle = self.handle, -1
        if handle >= 0:
            os.close(handle)

    def __del__(self) -> None:
        self.close()


def spilled(
    array: np.ndarray, bytes_used: int, folder: SpillFolder, *, blank: bool = False
) -> SpillFile:
    """Put the memory of an array into a file mapped over it; call it while nobody writes there.

    ``blank``: it is all zeros, and only the room on the disk is taken.
    """
    length = _whole_pages(array.nbytes)
    used = min(length, _whole_pages(bytes_used))
    libc = _libc()
    assert libc is not None, "asked to spill where that cannot be done"
    file = SpillFile(folder.open(), 0, length, folder.path)
    handle = file.handle
    try:
        os.ftruncate(handle, length)
        file.grow(used)
        if not blank:
            _write(handle, array.view(np.uint8)[: min(used, array.nbytes)])
    except OSError as error:
        file.close()
        raise SpillFailed(_why(error, folder.path)) from error
    except SpillFailed:
        file.close()
        raise
    # The write-out begins now and goes on by itself; only clean pages can be dropped at once.
    libc.sync_file_range(handle, 0, used, _SYNC_FILE_RANGE_WRITE)
    address = array.ctypes.data
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    # In one step: where it fails, the mapping that was there is untouched.
    found = libc.mmap(address, length, protection, mmap.MAP_SHARED | _MAP_FIXED, handle, 0)
    if found != address:
        number = ctypes.get_errno()
        file.close()
        raise SpillFailed(f"the system refuses to map the file: {os.strerror(number)}")
    return file


def _write(handle: int, data: np.ndarray) -> None:
    for start in range(0, data.size, WRITE_BYTES):
        piece = data[start : start + WRITE_BYTES]
        if not piece.any():
            continue
        left, at = memoryview(piece.data), start
        while left:
            written = os.pwrite(handle, left, at)
            left, at = left[written:], at + written


def _whole_pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _why(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"no room is left in {folder}"
    return f"{folder}: {error.strerror}"


@cache
def _libc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_int64,
        ]
        libc.sync_file_range.argtypes = [
            ctypes.c_int,
            ctypes.c_int64,
            ctypes.c_int64,
            ctypes.c_uint,
        ]
    except (OSError, AttributeError):
        return None
    return libc


def trim() -> None:
    """Ask the allocator to give back what it keeps for later; nothing where it cannot."""
    libc = _libc()
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
