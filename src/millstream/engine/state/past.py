"""The values of the last rows of each owner: what LAG looks back at.

in      rows in order, by owner
state   per owner a queue of its last rows, and for each distance a link to the row that the next
        one will see there
out     for each distance the values at it, NULL where there is no row, and which rows have one
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.state.arena import Arena
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import KeptRows
from millstream.engine.state.slots import Rows, SlotRows, take_slot

NEXT = 1
NODE_WORDS = 2
# Words of an owner: oldest and newest row + 1, rows held, then one link per distance.
HEAD, TAIL, HELD = range(3)
OWNER_WORDS = 3


class Past:
    """Queues of rows; ``distances`` are numbers of rows, each at least one."""

    def __init__(
        self,
        schema: dict[str, pl.DataType],
        distances: tuple[int, ...],
        *,
        arena: Arena,
        heap: ByteHeap,
        owners: SlotRows,
        at: int,
    ) -> None:
        self._distances = np.array(distances, dtype=np.int64)
        self._owners = owners
        self._at = at
        self._values = KeptRows(schema, heap)
        self._rows = SlotRows(arena, NODE_WORDS + self._values.words)
        self._values.settle(self._rows, NODE_WORDS)

    @staticmethod
    def words_for(distances: tuple[int, ...]) -> int:
        """Return how many words an owner needs."""
        return OWNER_WORDS + len(distances) if distances else 0

    def run(
        self, slots: np.ndarray, frame: pl.DataFrame
    ) -> dict[int, tuple[pl.DataFrame, np.ndarray]]:
        """Take rows in; returns for each distance the values there, and which rows have some."""
        if not self._distances.size:
            return {}
        rows = self._rows.ensure(slots.size)
        nodes, seen, gone = look_back(rows, self._owners.view, self._at, slots, self._distances)
        self._values.put(nodes, frame)
        out: dict[int, tuple[pl.DataFrame, np.ndarray]] = {}
        for j, distance in enumerate(self._distances):
            has = seen[j] >= 0
            out[int(distance)] = self._values.get(seen[j][has]), has
        self._free(gone)
        return out

    def release(self, slots: np.ndarray) -> None:
        """Forget the rows of some owners."""
        if self._distances.size:
            self._free(queues(self._rows.view, self._owners.view, self._at, slots)[1])
            end = self._at + OWNER_WORDS + self._distances.size
            self._owners.matrix()[slots, self._at : end] = 0

    def save(self, slots: np.ndarray) -> pl.DataFrame:
        """Return the queues by place in ``slots``, oldest row first."""
        if not self._distances.size:
            return pl.DataFrame()
        where, nodes = queues(self._rows.view, self._owners.view, self._at, slots)
        return self._values.get(nodes).with_columns(pl.Series("$place", where))

    def load(self, slots: np.ndarray, saved: pl.DataFrame) -> None:
        """Take saved queues back."""
        if self._distances.size and saved.height:
            self.run(slots[saved["$place"].to_numpy()], saved)

    def _free(self, nodes: np.ndarray) -> None:
        self._values.free(nodes)
        self._rows.free(nodes)


@kernel
def look_back(
    rows: Rows, owners: Rows, at: int, slots: np.ndarray, distances: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queue rows; returns their slots, per distance the row seen there (-1: none), what is gone."""
    words, w = rows.words, rows.width
    n = slots.size
    nodes = np.empty(n, dtype=np.int64)
    seen = np.empty((distances.size, n), dtype=np.int64)
    gone = np.empty(n, dtype=np.int64)
    longest = distances.max()
    g = 0
    for i in range(n):
        q = slots[i] * owners.width + at
        node = take_slot(rows)
        nodes[i] = node
        words[node * w + NEXT] = 0
        if owners.words[q + TAIL] > 0:
            words[(owners.words[q + TAIL] - 1) * w + NEXT] = node + 1
        else:
            owners.words[q + HEAD] = node + 1
        owners.words[q + TAIL] = node + 1
        owners.words[q + HELD] += 1
        held = owners.words[q + HELD]
        for j in range(distances.size):
            c = q + OWNER_WORDS + j
            seen[j, i] = owners.words[c] - 1
            if owners.words[c] > 0:
                owners.words[c] = words[(owners.words[c] - 1) * w + NEXT]
            elif held == distances[j]:
                owners.words[c] = owners.words[q + HEAD]
        if held > longest:
            head = owners.words[q + HEAD] - 1
            owners.words[q + HEAD] = words[head * w + NEXT]
            owners.words[q + HELD] -= 1
            gone[g] = head
            g += 1
    return nodes, seen, gone[:g].copy()


@kernel
def queues(rows: Rows, owners: Rows, at: int, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of owners, oldest first, and for each the owner's position."""
    total = 0
    for slot in slots:
        total += owners.words[slot * owners.width + at + HELD]
    where = np.empty(total, dtype=np.int64)
    found = np.empty(total, dtype=np.int64)
    k = 0
    for i in range(slots.size):
        link = owners.words[slots[i] * owners.width + at + HEAD]
        while link > 0:
            where[k] = i
            found[k] = link - 1
            k += 1
            link = rows.words[(link - 1) * rows.width + NEXT]
    return where, found
