"""Memory of keyed state: large reserved mappings that grow in place, counted in bytes.

A :class:`Region` reserves address space once and lets the system hand out pages as they are
touched, so that growth copies nothing and views stay valid. Where a reservation of the usual size
is refused (a limit on address space), it takes a smaller one and copies when that is full.

What is large is asked of the system in huge pages: keys are met in no order, and finding the page
of each costs more than reading it (3 M keys: up to half of a batch's time). Small state stays in
small pages, so that a step with few keys does not take megabytes.

A region can be *spilled*: its bytes go into a file that is mapped over it (:mod:`..spill`). Nothing
moves, and the memory is the system's to take back. :func:`collecting` finds the arenas of a step.

state   zeroed words, untouched pages cost nothing
bad     a write beyond the reservation is our own mistake: ``ensure`` first. A spilled region that
        must grow where the disk is full raises :class:`SpillFailed`
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from millstream.engine.spill import SpillFailed, SpillFile, SpillFolder, spilled

RESERVE_BYTES = 1 << 34
RESERVE_BYTES_MIN = 1 << 20
SMALL_BYTES = 4 << 20
"""So much of each region lies in small pages."""
# Python 3.11 and 3.12 do not export MAP_NORESERVE; the number is the kernel's own.
_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
_COLLECTED: ContextVar[list[Arena] | None] = ContextVar(
    "arenas of the step being made", default=None
)


@contextmanager
def collecting() -> Iterator[list[Arena]]:
    """Give a list in which every arena made inside stands."""
    found: list[Arena] = []
    token = _COLLECTED.set(found)
    try:
        yield found
    finally:
        _COLLECTED.reset(token)


@dataclass(slots=True, eq=False)
class Arena:
    """All regions of one operator; ``bytes_used`` is what they have touched."""

    regions: list[Region] = field(default_factory=list)
    room: int | None = None
    """So much more may be taken in memory; what is larger begins its life in a file."""
    folder: SpillFolder | None = None

    def __post_init__(self) -> None:
        collected = _COLLECTED.get()
        if collected is not None:
            collected.append(self)

    def region(
        self,
        dtype: type[np.generic],
        used: Callable[[], int],
        reserve_bytes: int = RESERVE_BYTES,
    ) -> Region:
        """Return a new region; ``used`` tells how many items its owner has touched."""
        made = Region(dtype, used, reserve_bytes)
        if self.room is not None and self.folder is not None and made.bytes_used > self.room:
            with suppress(SpillFailed):  # whoever watches the limit tells of it
                made.spill(self.folder, blank=True)
        self.regions.append(made)
        return made

    def drop(self, region: Region) -> None:
        """Give a region's memory back."""
        self.regions.remove(region)

    @property
    def bytes_used(self) -> int:
        """Bytes touched in all regions."""
        return sum(region.bytes_used for region in self.regions)

    @property
    def bytes_spilled(self) -> int:
        """Those of them that lie in files."""
        return sum(region.bytes_used for region in self.regions if region.is_spilled)

    def largest_in_memory(self) -> Region | None:
        """Return the largest region that is not spilled yet."""
        left = [region for region in self.regions if not region.is_spilled]
        return max(left, key=lambda region: region.bytes_used, default=None)


class Region:
    """One zeroed array that grows in place."""

    __slots__ = ("_dtype", "_file", "_used", "array")

    def __init__(
        self, dtype: type[np.generic], used: Callable[[], int], reserve_bytes: int
    ) -> None:
        self._dtype = np.dtype(dtype)
        self._used = used
        self.array = _reserve(self._dtype, reserve_bytes)
        self._file: SpillFile | None = None

    def ensure(self, items: int) -> np.ndarray:
        """Return the array with room for ``items``."""
        if items > self.array.size:
            bytes_wanted = max(2 * self.array.nbytes, items * self._dtype.itemsize)
            grown = _reserve(self._dtype, bytes_wanted)
            if items > grown.size:
                raise MemoryError(f"no address space for {bytes_wanted} bytes of state")
            grown[: self.array.size] = self.array
            self.array = grown
            self._file = None
        elif self._file is not None and items * self._dtype.itemsize > self._file.bytes_ready:
            self._file.grow(items * self._dtype.itemsize)
        return self.array

    def spill(self, folder: SpillFolder, *, blank: bool = False) -> int:
        """Put the bytes into a file; returns how many. Only while nobody writes to them.

        ``blank``: none of them has been written yet.
        """
        assert self._file is None, "a region is spilled once"
        self._file = spilled(self.array, self.bytes_used, folder, blank=blank)
        return self.bytes_used

    @property
    def is_spilled(self) -> bool:
        """Whether the bytes lie in a file."""
        return self._file is not None

    @property
    def bytes_used(self) -> int:
        """Bytes that have been touched."""
        return self._used() * self._dtype.itemsize


def _reserve(dtype: np.dtype[Any], reserve_bytes: int) -> np.ndarray:
    """Return zeroed memory of about ``reserve_bytes``, less where the system refuses."""
    size = reserve_bytes
    while True:
        try:
            if sys.platform == "win32":
                memory = mmap.mmap(-1, min(size, 1 << 26))
            else:
                flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
                memory = mmap.mmap(-1, size, flags=flags)
                _ask_for_huge_pages(memory, size)
        except OSError:
            if size <= RESERVE_BYTES_MIN:
                raise MemoryError(f"no {size} bytes of address space left for state") from None
            size //= 2
        else:
            return np.frombuffer(memory, dtype=dtype)


def _ask_for_huge_pages(memory: mmap.mmap, size: int) -> None:
    """Say that huge pages are welcome; a system without them refuses, and nothing is lost."""
    if size > SMALL_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE, SMALL_BYTES, size - SMALL_BYTES)
