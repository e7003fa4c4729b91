"""Partial results per (pane, key): the state of fixed windows.

in      key rows and pane numbers
state   keys with a chain of their panes, newest first; cells, one per (pane, key), holding the
        pane's partial results; open panes with lists of their cells. A key may also have a
        total: a cell of its own for what its window holds
out     cells of rows; cells and keys of a pane; everything is given back when a pane closes
cost    a row looks through the panes of its key that are newer than its own, most often none
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from millstream.engine.state.arena import Arena
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import (
    Rows,
    SlotRows,
    free_slot,
    gather_words,
    take_slot,
)

if TYPE_CHECKING:
    import polars as pl

# Words of a key behind its columns; links are slot + 1, 0 = none.
NEWEST, OLDEST, TOTAL, ENTERED = range(4)
KEY_WORDS = 4
# Words of a cell.
PANE, KEY, NEWER, OLDER = range(1, 5)  # the key as a link, too: totals have none
CELL_WORDS = 5


class Panes:
    """Cells by (pane, key)."""

    def __init__(self, schema: dict[str, pl.DataType], seed: int, arena: Arena, words: int) -> None:
        self.heap = ByteHeap(arena)
        self.keys = KeyIndex(schema, seed, arena=arena, heap=self.heap, extra_words=KEY_WORDS)
        self.cells = SlotRows(arena, CELL_WORDS + words)
        # Lists of arrays, not chains of links: following a link costs a cache miss per cell.
        self._open: dict[int, list[np.ndarray]] = {}

    @property
    def x(self) -> int:
        """Where the words of a key begin."""
        return self.keys.extra

    def locate(self, keys: np.ndarray, panes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the cell of each row, and the cells made for it."""
        rows = self.cells.ensure(keys.size)
        cells, made = locate(self.keys.rows.view, self.x, rows, keys, panes)
        if made.size:
            self._list(made)
        return cells, made

    def _list(self, made: np.ndarray) -> None:
        """Note new cells under their panes."""
        panes = self.panes_of(made)
        if panes[0] == panes[-1] and (panes == panes[0]).all():
            self._open.setdefault(int(panes[0]), []).append(made)
            return
        order = np.argsort(panes, kind="stable")
        panes, made = panes[order], made[order]
        starts = np.flatnonzero(np.diff(panes, prepend=panes[0] - 1))
        # A Python loop over the panes that got new cells, not over rows.
        for pane, cells in zip(panes[starts].tolist(), np.split(made, starts[1:]), strict=True):
            self._open.setdefault(pane, []).append(cells)

    def open_panes(self) -> np.ndarray:
        """Return the numbers of the open panes, ascending."""
        return np.array(sorted(self._open), dtype=np.int64)

    def cells_of(self, panes: np.ndarray) -> np.ndarray:
        """Return the cells of open panes, pane by pane, in the order they were made."""
        found = [cells for pane in panes.tolist() for cells in self._open.get(pane, ())]
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else NO_WORDS

    def keys_of(self, cells: np.ndarray) -> np.ndarray:
        """Return the key slots of cells."""
        return gather_words(self.cells.view, KEY, 1, cells)[0] - 1

    def panes_of(self, cells: np.ndarray) -> np.ndarray:
        """Return the pane numbers of cells."""
        return gather_words(self.cells.view, PANE, 1, cells)[0]

    def key_words(self, keys: np.ndarray, word: int) -> np.ndarray:
        """Return one word of keys."""
        return gather_words(self.keys.rows.view, self.x + word, 1, keys)[0]

    def enter(self, keys: np.ndarray) -> np.ndarray:
        """Count one more pane in the window of each key; returns keys that had none."""
        self.cells.ensure(keys.size)
        return enter(self.keys.rows.view, self.x, self.cells.view, keys)

    def totals(self, keys: np.ndarray) -> np.ndarray:
        """Return the total cells of keys that are in the window."""
        return self.key_words(keys, TOTAL) - 1

    def leave(self, keys: np.ndarray) -> np.ndarray:
        """Count one pane less for each key; returns the totals that are not needed any more."""
        return leave(self.keys.rows.view, self.x, keys)

    def close(self, panes: np.ndarray, cells: np.ndarray) -> None:
        """Forget panes with all their cells, and the keys that have nothing left."""
        gone = unlink(self.keys.rows.view, self.x, self.cells.view, cells)
        self.keys.free(gone)
        for pane in panes.tolist():
            self._open.pop(pane, None)

    @property
    def bytes_listed(self) -> int:
        """Bytes of the lists of cells."""
        return 8 * len(self.cells)

    def forget_idle(self, keys: np.ndarray) -> None:
        """Forget those of the keys that have neither cells nor a total."""
        words = self.keys.rows.matrix()[keys, self.x : self.x + KEY_WORDS]
        self.keys.free(np.unique(keys[(words[:, NEWEST] == 0) & (words[:, TOTAL] == 0)]))


@kernel
def locate(
    keys: Rows, x: int, cells: Rows, rows: np.ndarray, panes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find or make the cell of each row, keeping every key's chain sorted by pane."""
    out = np.empty(rows.size, dtype=np.int64)
    made = np.empty(rows.size, dtype=np.int64)
    count = 0
    words = cells.words
    width = cells.width
    for i in range(rows.size):
        if i + 2 * AHEAD < rows.size:
            prefetch(keys.words, rows[i + 2 * AHEAD] * keys.width + x + NEWEST)
        if i + AHEAD < rows.size:
            then = keys.words[rows[i + AHEAD] * keys.width + x + NEWEST]
            if then > 0:
                prefetch(words, (then - 1) * width + PANE)
        k = rows[i] * keys.width + x
        pane = panes[i]
        newer = 0
        link = keys.words[k + NEWEST]
        while link > 0 and words[(link - 1) * width + PANE] > pane:
            newer = link
            link = words[(link - 1) * width + OLDER]
        if link > 0 and words[(link - 1) * width + PANE] == pane:
            out[i] = link - 1
            continue
        cell = take_slot(cells)
        c = cell * width
        words[c + PANE] = pane
        words[c + KEY] = rows[i] + 1
        words[c + NEWER] = newer
        words[c + OLDER] = link
        if newer > 0:
            words[(newer - 1) * width + OLDER] = cell + 1
        else:
            keys.words[k + NEWEST] = cell + 1
        if link > 0:
            words[(link - 1) * width + NEWER] = cell + 1
        else:
            keys.words[k + OLDEST] = cell + 1
        out[i] = cell
        made[count] = cell
        count += 1
    return out, made[:count].copy()


@kernel
def enter(keys: Rows, x: int, cells: Rows, rows: np.ndarray) -> np.ndarray:
    """Count panes; a key's first one gives it a total."""
    new = np.empty(rows.size, dtype=np.int64)
    count = 0
    for row in rows:
        k = row * keys.width + x
        if keys.words[k + TOTAL] == 0:
            keys.words[k + TOTAL] = take_slot(cells) + 1
            new[count] = row
            count += 1
        keys.words[k + ENTERED] += 1
    return new[:count].copy()


@kernel
def leave(keys: Rows, x: int, rows: np.ndarray) -> np.ndarray:
    """Count panes down; a key's last one takes its total away."""
    gone = np.empty(rows.size, dtype=np.int64)
    count = 0
    for row in rows:
        k = row * keys.width + x
        keys.words[k + ENTERED] -= 1
        if keys.words[k + ENTERED] == 0:
            gone[count] = keys.words[k + TOTAL] - 1
            keys.words[k + TOTAL] = 0
            count += 1
    return gone[:count].copy()


@kernel
def unlink(keys: Rows, x: int, cells: Rows, rows: np.ndarray) -> np.ndarray:
    """Free cells; returns the keys without cells and without a total."""
    gone = np.empty(rows.size, dtype=np.int64)
    count = 0
    words = cells.words
    for i in range(rows.size):
        if i + 2 * AHEAD < rows.size:
            prefetch(words, rows[i + 2 * AHEAD] * cells.width + KEY)
        if i + AHEAD < rows.size:
            then = words[rows[i + AHEAD] * cells.width + KEY] - 1
            prefetch(keys.words, then * keys.width + x + NEWEST)
        cell = rows[i]
        c = cell * cells.width
        key = words[c + KEY] - 1
        k = key * keys.width + x
        newer, older = words[c + NEWER], words[c + OLDER]
        if newer > 0:
            words[(newer - 1) * cells.width + OLDER] = older
        else:
            keys.words[k + NEWEST] = older
        if older > 0:
            words[(older - 1) * cells.width + NEWER] = newer
        else:
            keys.words[k + OLDEST] = newer
        free_slot(cells, cell)
        if keys.words[k + NEWEST] == 0 and keys.words[k + TOTAL] == 0:
            gone[count] = key
            count += 1
    return gone[:count].copy()


@kernel
def older_in_block(
    cells: Rows, rows: np.ndarray, first_pane: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (row, cell) for each row's cell and the older ones of its key and block."""
    total = 0
    for i in range(rows.size):
        link = rows[i] + 1
        while link > 0 and cells.words[(link - 1) * cells.width + PANE] >= first_pane[i]:
            total += 1
            link = cells.words[(link - 1) * cells.width + OLDER]
    which = np.empty(total, dtype=np.int64)
    found = np.empty(total, dtype=np.int64)
    n = 0
    for i in range(rows.size):
        link = rows[i] + 1
        while link > 0 and cells.words[(link - 1) * cells.width + PANE] >= first_pane[i]:
            which[n] = i
            found[n] = link - 1
            n += 1
            link = cells.words[(link - 1) * cells.width + OLDER]
    return which, found
