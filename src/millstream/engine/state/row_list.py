"""Rows kept per cell, in lists that are joined as cells are.

in      rows of (cell, frame row, arrival number)
state   one slot per row with its values; two words of a cell: the first and the last row
merge   the list of one cell is hung behind that of another, which costs the same for any length
out     the rows of cells, each cell's in arrival order
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from millstream.engine.state.arena import Arena
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import KeptRows
from millstream.engine.state.slots import Rows, SlotRows

if TYPE_CHECKING:
    import polars as pl

# Words of a cell; links are slot + 1, 0 = none.
FIRST, LAST = 0, 1
CELL_WORDS = 2
# Words of a row.
NEXT, ARRIVED = 1, 2
ROW_WORDS = 3


class RowList:
    """The rows of all cells of one owner; ``at`` is where its CELL_WORDS lie there."""

    def __init__(self, schema: dict[str, pl.DataType], arena: Arena, cells: SlotRows, at: int):
        heap = ByteHeap(arena)
        self._values = KeptRows(schema, heap)
        self._rows = SlotRows(arena, ROW_WORDS + self._values.words)
        self._values.settle(self._rows, ROW_WORDS)
        self._cells = cells
        self._at = at

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, cells: np.ndarray, rows: pl.DataFrame, arrived: np.ndarray) -> None:
        """Keep rows, in arrival order."""
        slots = self._rows.take(cells.size)
        self._values.put(slots, rows)
        hang(self._rows.view, self._cells.view, self._at, cells, slots, arrived)

    def merge(self, into: np.ndarray, given: np.ndarray) -> None:
        """Move the rows of ``given`` to ``into``, pair by pair."""
        join_lists(self._rows.view, self._cells.view, self._at, into, given)

    def of(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
        """Return (place in ``cells``, arrival number, row), by place and arrival."""
        where, slots = walk(self._rows.view, self._cells.view, self._at, cells)
        arrived = self._rows.matrix()[slots, ARRIVED] if slots.size else slots
        order = np.lexsort((arrived, where))
        slots = slots[order]
        return where[order], arrived[order], self._values.get(slots)

    def release(self, cells: np.ndarray) -> None:
        """Forget the rows of cells."""
        _, slots = walk(self._rows.view, self._cells.view, self._at, cells)
        self._values.free(slots)
        self._rows.free(slots)
        self._cells.matrix()[cells, self._at : self._at + CELL_WORDS] = 0


@kernel
def hang(
    rows: Rows, cells: Rows, at: int, found: np.ndarray, slots: np.ndarray, arrived: np.ndarray
) -> None:
    """Hang each row behind the last one of its cell."""
    for i in range(slots.size):
        p = found[i] * cells.width + at
        link = slots[i] + 1
        rows.words[slots[i] * rows.width + ARRIVED] = arrived[i]
        last = cells.words[p + LAST]
        if last > 0:
            rows.words[(last - 1) * rows.width + NEXT] = link
        else:
            cells.words[p + FIRST] = link
        cells.words[p + LAST] = link


@kernel
def join_lists(rows: Rows, cells: Rows, at: int, into: np.ndarray, given: np.ndarray) -> None:
    """Hang the list of each given cell behind that of the other."""
    for i in range(into.size):
        p = into[i] * cells.width + at
        q = given[i] * cells.width + at
        if cells.words[q + FIRST] == 0:
            continue
        last = cells.words[p + LAST]
        if last > 0:
            rows.words[(last - 1) * rows.width + NEXT] = cells.words[q + FIRST]
        else:
            cells.words[p + FIRST] = cells.words[q + FIRST]
        cells.words[p + LAST] = cells.words[q + LAST]
        cells.words[q + FIRST] = 0
        cells.words[q + LAST] = 0


@kernel
def walk(rows: Rows, cells: Rows, at: int, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of cells as they hang, and for each the cell's place."""
    total = 0
    for cell in found:
        link = cells.words[cell * cells.width + at + FIRST]
        while link > 0:
            total += 1
            link = rows.words[(link - 1) * rows.width + NEXT]
    where = np.empty(total, dtype=np.int64)
    out = np.empty(total, dtype=np.int64)
    n = 0
    for i in range(found.size):
        link = cells.words[found[i] * cells.width + at + FIRST]
        while link > 0:
            where[n] = i
            out[n] = link - 1
            n += 1
            link = rows.words[(link - 1) * rows.width + NEXT]
    return where, out
