"""Cells listed by when they end, so that asking what has ended looks at few of them.

in      cells whose rows hold their end; the end may move while a cell is listed
state   lists of cells by spans of time, and a word in each cell: the list it stands in
out     ended cells, each once, by their end
cost    a look at one part in LISTS_PER_LENGTH of the cells, or at those of a quarter second
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np

from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows, SlotRows, gather_words

LISTS_PER_LENGTH = 256
SPAN_MS_MIN = 250
"""A list holds the cells of at least so long, or a fast stream would fill too many."""
NO_LIST = -(2**62)
SOON = NO_LIST + 1
"""The list of the cells that end with the batch they were made in."""
NO_MARK = -(2**63) + 1


class EndLists:
    """The lists of one owner; its cells have the words ``end_at`` and ``listed_at``."""

    def __init__(self, cells: SlotRows, end_at: int, listed_at: int, length_ms: int) -> None:
        self._cells = cells
        self._end_at = end_at
        self._listed_at = listed_at
        self.span_ms = max(SPAN_MS_MIN, length_ms // LISTS_PER_LENGTH)
        self._lists: dict[int, list[np.ndarray]] = {}
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._lists)

    def add(self, cells: np.ndarray, mark_ms: int = NO_MARK) -> None:
        """Note by their ends when cells are to be looked at; the next look is at ``mark_ms``."""
        if not cells.size:
            return
        ends = gather_words(self._cells.view, self._end_at, 1, cells)[0]
        lists = np.where(ends <= mark_ms, SOON, ends // self.span_ms)
        put_word(self._cells.view, self._listed_at, cells, lists)
        order = np.argsort(lists, kind="stable")
        lists, cells = lists[order], cells[order]
        starts = np.flatnonzero(lists[1:] != lists[:-1]) + 1
        firsts = lists[np.concatenate([[0], starts])]
        # A Python loop over the lists that got new cells, not over rows.
        for number, some in zip(firsts.tolist(), np.split(cells, starts), strict=True):
            if number not in self._lists:
                self._lists[number] = []
                heappush(self._order, number)
            self._lists[number].append(some)

    def ended(self, until_ms: int) -> np.ndarray:
        """Return the cells that end at or before ``until_ms``, by end; each once."""
        last = until_ms // self.span_ms
        found: list[np.ndarray] = []
        left: list[np.ndarray] = []
        # A Python loop over the lists whose time has come, not over cells.
        while self._order and self._order[0] <= last:
            number = heappop(self._order)
            cells = self._lists.pop(number)
            listed = cells[0] if len(cells) == 1 else np.concatenate(cells)
            words = (self._end_at, self._listed_at)
            fired, again = collect(self._cells.view, words, listed, number, until_ms)
            found.append(fired)
            left.append(again)
        for again in left:
            self.add(again)
        every = np.concatenate(found) if found else NO_WORDS
        ends = gather_words(self._cells.view, self._end_at, 1, every)[0]
        return every[np.argsort(ends, kind="stable")]


@kernel
def collect(
    cells: Rows, at: tuple[int, int], listed: np.ndarray, number: int, until: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the listed cells that have ended, and those that go on.

    A cell that went, or whose place another one took, has another list or none.
    """
    end_at, listed_at = at
    fired = np.empty(listed.size, dtype=np.int64)
    again = np.empty(listed.size, dtype=np.int64)
    ended = 0
    left = 0
    for cell in listed:
        c = cell * cells.width
        if cells.words[c] <= 0 or cells.words[c + listed_at] != number:
            continue
        cells.words[c + listed_at] = NO_LIST
        if cells.words[c + end_at] <= until:
            fired[ended] = cell
            ended += 1
        else:
            again[left] = cell
            left += 1
    return fired[:ended].copy(), again[:left].copy()


@kernel
def put_word(rows: Rows, at: int, slots: np.ndarray, words: np.ndarray) -> None:
    """Write one word of slots."""
    for i in range(slots.size):
        rows.words[slots[i] * rows.width + at] = words[i]
