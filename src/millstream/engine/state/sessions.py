"""Open sessions per key: the state of session windows.

in      key rows, times, and the mark each row came under where some are behind theirs
state   keys with a chain of their open sessions, newest first; a cell per session with its bounds
        and the owner's words; the cells listed by when they may end
out     the cell of each row (-1 = too late), the cells that rows brought together, ended cells
order   work on one cell happens in the order of the rows: rows of stage 0, then the merges of
        stage 1, then its rows, and so on; a stage is a longest chain of merges, most often 0
cost    a row looks through the sessions of its key that are newer than its own, most often none;
        what has ended is found through :class:`.end_lists.EndLists`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from millstream.engine.state.arena import Arena
from millstream.engine.state.end_lists import NO_MARK, EndLists
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import Rows, SlotRows, gather_words, take_slot

if TYPE_CHECKING:
    import polars as pl

# A word of a key behind its columns; links are slot + 1, 0 = none.
NEWEST = 0
KEY_WORDS = 1
# Words of a cell.
START, END, KEY, NEWER, OLDER, LISTED, TURN, STAGE = range(1, 9)
CELL_WORDS = 9


@dataclass(frozen=True, slots=True)
class Assigned:
    """Where the rows of a batch went; ``merges`` are (into, given, stage)."""

    cells: np.ndarray
    stages: np.ndarray
    merges: tuple[np.ndarray, np.ndarray, np.ndarray]
    made: np.ndarray

    @property
    def last_stage(self) -> int:
        """The highest stage there is."""
        return int(self.merges[2].max()) if self.merges[2].size else 0


class Sessions:
    """Cells by key and time."""

    def __init__(
        self, schema: dict[str, pl.DataType], seed: int, arena: Arena, words: int, gap_ms: int
    ) -> None:
        self.heap = ByteHeap(arena)
        self.keys = KeyIndex(schema, seed, arena=arena, heap=self.heap, extra_words=KEY_WORDS)
        self.cells = SlotRows(arena, CELL_WORDS + words)
        self._gap_ms = gap_ms
        self.lists = EndLists(self.cells, END, LISTED, gap_ms)
        self._turn = 0

    def assign(self, keys: np.ndarray, times: np.ndarray, marks: np.ndarray) -> Assigned:
        """Put rows into sessions; merged-away cells are given back by :meth:`settle`."""
        self._turn += 1
        cells = self.cells.ensure(keys.size)
        out = assign(
            (self.keys.rows.view, self.keys.extra, cells),
            (keys, times, marks),
            self._gap_ms,
            self._turn,
        )
        found, stages, into, given, merged_at, made = out
        late = keys[found < 0]
        if late.size:
            idle = np.unique(late)
            words = gather_words(self.keys.rows.view, self.keys.extra + NEWEST, 1, idle)[0]
            self.keys.free(idle[words == 0])
        return Assigned(found, stages, (into, given, merged_at), made)

    def settle(self, assigned: Assigned, mark_ms: int) -> None:
        """Give merged-away cells back and list the new ones; ``mark_ms`` follows the batch."""
        given = assigned.merges[1]
        made = assigned.made
        if given.size:
            self.cells.free(given)
            made = made[gather_words(self.cells.view, 0, 1, made)[0] > 0]
        self.lists.add(made, mark_ms)

    def bounds(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the starts and ends of cells."""
        words = gather_words(self.cells.view, START, 2, cells)
        return words[0], words[1]

    def keys_of(self, cells: np.ndarray) -> np.ndarray:
        """Return the key slots of cells."""
        return gather_words(self.cells.view, KEY, 1, cells)[0] - 1

    def close(self, cells: np.ndarray) -> None:
        """Forget cells, and the keys that have no session left."""
        gone = unlink(self.keys.rows.view, self.keys.extra, self.cells.view, cells)
        self.cells.free(cells)
        self.keys.free(gone)

    def live(self) -> np.ndarray:
        """Return the open sessions, key by key as they were made."""
        return self.cells.live()

    def restore(self, keys: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Take saved sessions into an empty store; returns their cells, in order."""
        view = self.cells.ensure(keys.size)
        # A key's sessions were saved in any order; its chain is made from the oldest on.
        order = np.argsort(ends, kind="stable")
        made = chain(
            (self.keys.rows.view, self.keys.extra, view), keys[order], starts[order], ends[order]
        )
        cells = np.empty_like(made)
        cells[order] = made
        self.lists.add(cells)
        return cells

    @property
    def bytes_listed(self) -> int:
        """Bytes of the lists of cells."""
        return 8 * len(self.cells)


@kernel
def new_cell(
    keys: Rows, k: int, cells: Rows, key: int, newer: int, older: int, start: int, end: int
) -> int:
    """Make a session between two neighbours in the chain of its key."""
    cell = take_slot(cells)
    words, width = cells.words, cells.width
    c = cell * width
    words[c + START] = start
    words[c + END] = end
    words[c + KEY] = key + 1
    words[c + NEWER] = newer
    words[c + OLDER] = older
    if newer > 0:
        words[(newer - 1) * width + OLDER] = cell + 1
    else:
        keys.words[k + NEWEST] = cell + 1
    if older > 0:
        words[(older - 1) * width + NEWER] = cell + 1
    return cell


@kernel
def take_out(keys: Rows, k: int, cells: Rows, cell: int) -> None:
    """Take a session out of the chain of its key."""
    words, width = cells.words, cells.width
    newer, older = words[cell * width + NEWER], words[cell * width + OLDER]
    if newer > 0:
        words[(newer - 1) * width + OLDER] = older
    else:
        keys.words[k + NEWEST] = older
    if older > 0:
        words[(older - 1) * width + NEWER] = newer


@kernel
def stage_of(words: np.ndarray, c: int, turn: int) -> int:
    """Return the stage of a cell in this batch."""
    return words[c + STAGE] if words[c + TURN] == turn else 0


@kernel
def assign(
    state: tuple[Rows, int, Rows],
    batch: tuple[np.ndarray, np.ndarray, np.ndarray],
    gap: int,
    turn: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find or make the session of each row, bringing together those it touches.

    A session whose end the row's mark has reached counts as gone, though it is still in the
    chain: such ones are the oldest there, because a chain is ordered by its ends.
    """
    keys, x, cells = state
    rows, times, marks = batch
    size = rows.size
    out = np.empty(size, dtype=np.int64)
    stages = np.zeros(size, dtype=np.int64)
    made = np.empty(size, dtype=np.int64)
    into = np.empty(size, dtype=np.int64)
    given = np.empty(size, dtype=np.int64)
    merged_at = np.empty(size, dtype=np.int64)
    count = 0
    merges = 0
    words, width = cells.words, cells.width
    for i in range(size):
        k = rows[i] * keys.width + x
        start = times[i]
        end = start + gap
        mark = marks[i] if marks.size else NO_MARK
        newer = 0
        link = keys.words[k + NEWEST]
        while link > 0 and words[(link - 1) * width + START] > end:
            newer = link
            link = words[(link - 1) * width + OLDER]
        c = (link - 1) * width
        if link == 0 or words[c + END] < start or words[c + END] <= mark:
            if end <= mark:
                out[i] = -1
                continue
            out[i] = new_cell(keys, k, cells, rows[i], newer, link, start, end)
            made[count] = out[i]
            count += 1
            continue
        words[c + START] = min(words[c + START], start)
        words[c + END] = max(words[c + END], end)
        stage = stage_of(words, c, turn)
        older = words[c + OLDER]
        d = (older - 1) * width
        if older > 0 and words[d + END] >= start and words[d + END] > mark:
            take_out(keys, k, cells, link - 1)
            words[d + END] = words[c + END]
            stage = max(stage, stage_of(words, d, turn)) + 1
            words[d + TURN] = turn
            words[d + STAGE] = stage
            into[merges] = older - 1
            given[merges] = link - 1
            merged_at[merges] = stage
            merges += 1
            link = older
        out[i] = link - 1
        stages[i] = stage
    return (
        out,
        stages,
        into[:merges].copy(),
        given[:merges].copy(),
        merged_at[:merges].copy(),
        made[:count].copy(),
    )


@kernel
def unlink(keys: Rows, x: int, cells: Rows, rows: np.ndarray) -> np.ndarray:
    """Take cells out of their chains; returns the keys without sessions."""
    gone = np.empty(rows.size, dtype=np.int64)
    count = 0
    for cell in rows:
        key = cells.words[cell * cells.width + KEY] - 1
        k = key * keys.width + x
        take_out(keys, k, cells, cell)
        if keys.words[k + NEWEST] == 0:
            gone[count] = key
            count += 1
    return gone[:count].copy()


@kernel
def chain(
    state: tuple[Rows, int, Rows], rows: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Make sessions in order of their ends, each the newest of its key."""
    keys, x, cells = state
    out = np.empty(rows.size, dtype=np.int64)
    for i in range(rows.size):
        k = rows[i] * keys.width + x
        older = keys.words[k + NEWEST]
        out[i] = new_cell(keys, k, cells, rows[i], 0, older, starts[i], ends[i])
    return out
