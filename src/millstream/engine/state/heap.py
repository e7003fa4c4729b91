"""Text and bytes of any length, in one growable block of memory.

in      value bytes as Arrow gives them (offsets and data)
state   blocks of 16-byte multiples with a free list per size class; nothing is ever moved
out     a reference: the byte offset of the block (the length is kept by whoever holds it)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.state.arena import Arena
from millstream.engine.state.jit import kernel

# Classes 0..63 are multiples of 16 bytes up to 1 KiB, the others powers of two above it.
SMALL_CLASSES = 64
CLASSES = SMALL_CLASSES + 48
USED = CLASSES  # meta: first block of each class + 1, then the bytes ever handed out


class Heap(NamedTuple):
    """What a kernel sees of a heap."""

    data: np.ndarray
    links: np.ndarray
    meta: np.ndarray


class ByteHeap:
    """Blocks of bytes with free lists."""

    def __init__(self, arena: Arena) -> None:
        self.meta = np.zeros(CLASSES + 1, dtype=np.int64)
        self._region = arena.region(np.int64, lambda: int(self.meta[USED]) // 8)

    @property
    def view(self) -> Heap:
        """The heap as kernels take it; fetch anew after ``ensure``."""
        words = self._region.array
        return Heap(words.view(np.uint8), words, self.meta)

    def ensure(self, more_bytes: int, more_blocks: int) -> Heap:
        """Make room for ``more_blocks`` values of ``more_bytes`` together."""
        # Twice the bytes: a block above 1 KiB is rounded to a power of two.
        room = int(self.meta[USED]) + 2 * more_bytes + 16 * more_blocks
        self._region.ensure(room // 8 + 2)
        return self.view


@kernel
def size_class(length: int) -> int:
    """Return the class of a block that holds ``length`` bytes (more than 0)."""
    if length <= 16 * SMALL_CLASSES:
        return (length + 15) // 16 - 1
    k = 0
    size = 16 * SMALL_CLASSES * 2
    while size < length:
        size *= 2
        k += 1
    return SMALL_CLASSES + k


@kernel
def class_bytes(k: int) -> int:
    """Return the size of the blocks of a class."""
    if k < SMALL_CLASSES:
        return 16 * (k + 1)
    return 2048 << (k - SMALL_CLASSES)


@kernel
def take_block(heap: Heap, length: int) -> int:
    """Return the offset of a block for ``length`` bytes; the caller has ensured room."""
    if length == 0:
        return 0
    k = size_class(length)
    if heap.meta[k] > 0:
        at = heap.meta[k] - 1
        heap.meta[k] = heap.links[at // 8]
        return at
    at = heap.meta[USED]
    heap.meta[USED] += class_bytes(k)
    return at


@kernel
def free_block(heap: Heap, at: int, length: int) -> None:
    """Take a block back."""
    if length > 0:
        k = size_class(length)
        heap.links[at // 8] = heap.meta[k]
        heap.meta[k] = at + 1


@kernel
def put_bytes(heap: Heap, data: np.ndarray, start: int, length: int) -> int:
    """Copy bytes into a new block and return its offset."""
    at = take_block(heap, length)
    heap.data[at : at + length] = data[start : start + length]
    return at


@kernel
def compare_bytes(a: np.ndarray, a0: int, an: int, b: np.ndarray, b0: int, bn: int) -> int:
    """Return -1, 0 or 1, as unsigned bytes in order (Flink's order of text, too)."""
    for i in range(min(an, bn)):
        if a[a0 + i] != b[b0 + i]:
            return -1 if a[a0 + i] < b[b0 + i] else 1
    if an == bn:
        return 0
    return -1 if an < bn else 1


@kernel
def gather_bytes(heap: Heap, at: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the blocks one after the other; ``ends`` are Arrow offsets (one more than blocks)."""
    out = np.empty(ends[-1], dtype=np.uint8)
    for i in range(at.size):
        n = ends[i + 1] - ends[i]
        out[ends[i] : ends[i + 1]] = heap.data[at[i] : at[i] + n]
    return out
