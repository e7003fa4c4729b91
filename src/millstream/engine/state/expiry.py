"""Forgetting entries that were not written for long, a few slots a batch.

in      slot rows with a word that says when each was last written, and the time now
state   where the next look begins
out     slots whose time to live has passed; the owner forgets them
cost    each call looks at a number of slots that follows the batch, round and round
"""

from __future__ import annotations

import numpy as np

from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import USED, Rows, SlotRows

NEVER = -(2**63)
"""Everything was written after this instant."""
SEEN_MIN, SEEN_PER_ROW = 1024, 4


class Expiry:
    """The time to live of the slots of ``rows``; 0 = for ever. Word ``at`` is the last write."""

    def __init__(self, rows: SlotRows, at: int, ttl_ms: int) -> None:
        self._rows = rows
        self._at = at
        self._ttl_ms = ttl_ms
        self._next = 0
        self.now_ms = 0

    def at_time(self, now_ms: int) -> None:
        """Say what the time is."""
        self.now_ms = now_ms

    @property
    def cutoff_ms(self) -> int:
        """An entry last written at this instant or before is gone, removed already or not."""
        return self.now_ms - self._ttl_ms if self._ttl_ms else NEVER

    def due(self, rows: int) -> np.ndarray:
        """Return what is gone of the next slots, for a batch of ``rows`` rows."""
        used = int(self._rows.meta[USED])
        if not self._ttl_ms or not used:
            return NO_WORDS
        start = self._next
        end = min(used, start + SEEN_MIN + SEEN_PER_ROW * rows)
        self._next = 0 if end == used else end
        return expired(self._rows.view, self._at, start, end, self.cutoff_ms)


@kernel
def expired(rows: Rows, at: int, start: int, end: int, cutoff: int) -> np.ndarray:
    """Return the live slots of a range that were not written after ``cutoff``."""
    out = np.empty(end - start, dtype=np.int64)
    n = 0
    for slot in range(start, end):
        p = slot * rows.width
        if rows.words[p] > 0 and rows.words[p + at] <= cutoff:
            out[n] = slot
            n += 1
    return out[:n].copy()
