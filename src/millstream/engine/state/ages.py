"""Which slots were written longest ago: a list through the slots, oldest first.

in      slots of some owner, each when it is written; a time that never goes back
state   per slot the one written before it, the one written behind it, and when (three words from
        ``at`` on); both ends of the list and its length
out     the slots in the order of their last writing, or those not written since some time
cost    of a write the same however many slots there are
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows, SlotRows

# Words of a slot; links are slot + 1, 0 = none.
OLDER, NEWER, WRITTEN = range(3)
AGE_WORDS = 3
# Of the list.
OLDEST, NEWEST, COUNT = range(3)


class Age(NamedTuple):
    """What a kernel knows of the list: where its words lie in a slot, and its ends."""

    at: int
    ends: np.ndarray


class Ages:
    """The list of one owner's slots."""

    def __init__(self, rows: SlotRows, at: int) -> None:
        self._rows = rows
        self.age = Age(at, np.zeros(3, dtype=np.int64))

    def __len__(self) -> int:
        return int(self.age.ends[COUNT])

    def add(self, slots: np.ndarray, written: np.ndarray) -> None:
        """Put slots that are not in the list at its end; times in order."""
        put_all(self._rows.view, self.age, slots, written)

    def oldest(self, count: int) -> np.ndarray:
        """Return so many slots, those written longest ago first."""
        return first(self._rows.view, self.age, min(count, len(self)))

    def until(self, cutoff_ms: int) -> np.ndarray:
        """Return the slots last written at this time or before."""
        return first(self._rows.view, self.age, old(self._rows.view, self.age, cutoff_ms))

    def take_out(self, slots: np.ndarray) -> None:
        """Take slots out of the list."""
        out_all(self._rows.view, self.age, slots)

    def written(self, slots: np.ndarray) -> np.ndarray:
        """Return when slots were last written."""
        return self._rows.matrix()[slots, self.age.at + WRITTEN]


@kernel
def put_last(rows: Rows, age: Age, slot: int, now_ms: int) -> None:
    """Put a slot that is not in the list at its end."""
    words, ends = rows.words, age.ends
    p = slot * rows.width + age.at
    last = ends[NEWEST]
    words[p + OLDER] = last
    words[p + NEWER] = 0
    words[p + WRITTEN] = now_ms
    if last > 0:
        words[(last - 1) * rows.width + age.at + NEWER] = slot + 1
    else:
        ends[OLDEST] = slot + 1
    ends[NEWEST] = slot + 1
    ends[COUNT] += 1


@kernel
def take_out(rows: Rows, age: Age, slot: int) -> None:
    """Take a slot out of the list."""
    words, ends = rows.words, age.ends
    p = slot * rows.width + age.at
    older, newer = words[p + OLDER], words[p + NEWER]
    if older > 0:
        words[(older - 1) * rows.width + age.at + NEWER] = newer
    else:
        ends[OLDEST] = newer
    if newer > 0:
        words[(newer - 1) * rows.width + age.at + OLDER] = older
    else:
        ends[NEWEST] = older
    ends[COUNT] -= 1


@kernel
def put_all(rows: Rows, age: Age, slots: np.ndarray, written: np.ndarray) -> None:
    """Put many slots at the end."""
    for i in range(slots.size):
        put_last(rows, age, slots[i], written[i])


@kernel
def out_all(rows: Rows, age: Age, slots: np.ndarray) -> None:
    """Take many slots out."""
    for slot in slots:
        take_out(rows, age, slot)


@kernel
def first(rows: Rows, age: Age, count: int) -> np.ndarray:
    """Return the first slots of the list."""
    found = np.empty(count, dtype=np.int64)
    link = age.ends[OLDEST]
    for i in range(count):
        found[i] = link - 1
        link = rows.words[(link - 1) * rows.width + age.at + NEWER]
    return found


@kernel
def old(rows: Rows, age: Age, cutoff_ms: int) -> int:
    """Return how many slots were last written at a time or before."""
    count = 0
    link = age.ends[OLDEST]
    while link > 0:
        p = (link - 1) * rows.width + age.at
        if rows.words[p + WRITTEN] > cutoff_ms:
            break
        count += 1
        link = rows.words[p + NEWER]
    return count
