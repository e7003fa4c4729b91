"""Copies of words for snapshots, in buffers that are used again.

in      words of slots
state   the buffers of the copies made so far
out     arrays that frames can share without copying. A buffer is used again once nobody refers to
        its last copy any more: whoever writes the checkpoint lets go of it by dropping the frames
why     fresh memory costs more than the copy: the system zeroes each page at the first touch
limits  no more buffers than copies are alive at once; what has become too small is let go
"""

from __future__ import annotations

import sys

import numpy as np

from millstream.engine.state.jit import kernel
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import Rows

HEADROOM = 8
"""A new buffer is larger than asked for by one part in so many."""
LEAST_ITEMS = 4_096
"""Smaller copies are made anew: they cost nothing."""
# What refers to a buffer nobody uses: the list, the name in the loop, the call that counts.
_IDLE = 3


class Copies:
    """The buffers of one kind of copy of one operator."""

    def __init__(self) -> None:
        self._buffers: list[np.ndarray] = []

    def gather(self, rows: Rows, at: int, count: int, slots: np.ndarray) -> np.ndarray:
        """Return some words of slots, one contiguous row per word."""
        out = self._room(count * slots.size).reshape(count, slots.size)
        gather_into(rows, at, slots, out)
        return out

    def _room(self, items: int) -> np.ndarray:
        """Return memory for so many words; what is in it is of no meaning."""
        if items < LEAST_ITEMS:
            return np.empty(items, dtype=np.int64)
        kept: list[np.ndarray] = []
        found: np.ndarray | None = None
        for buffer in self._buffers:
            idle = sys.getrefcount(buffer) <= _IDLE
            if idle and found is None and items <= buffer.size <= 4 * items:
                found = buffer
            if not idle or buffer is found:
                kept.append(buffer)
        if found is None:
            found = np.empty(items + items // HEADROOM, dtype=np.int64)
            kept.append(found)
        self._buffers = kept
        return found[:items]


@kernel
def gather_into(rows: Rows, at: int, slots: np.ndarray, out: np.ndarray) -> None:
    """Copy words of slots, one contiguous row per word."""
    for i in range(slots.size):
        if i + AHEAD < slots.size:
            prefetch(rows.words, slots[i + AHEAD] * rows.width + at)
        p = slots[i] * rows.width + at
        for j in range(out.shape[0]):
            out[j, i] = rows.words[p + j]
