"""Kernels of OVER: which partial results must be merged to give every row the one of its frame.

in      rows by owner in order, each with a cell that holds its own partial result
state   per owner, for frames without an end the cell that holds all rows so far; for others two
        stacks: the older rows, each cell merged with all behind it, and the newer rows, each as it
        came, with one more cell that holds all of them
out     pairs (into, given) to merge one after the other, and for each row the cell that holds its
        frame's result afterwards
cost    O(1) merges per row: a row moves from the newer to the older stack once
source  the queue of two stacks; Tangwongsan, Hirzel, Schneider, "Low-latency sliding-window
        aggregation in worst-case constant time", DEBS 2017, section 2
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows, take_slot

# Words of a cell: the next newer cell of its stack + 1, the row's time.
NEXT, TIME = 1, 2
CELL_WORDS = 3
# Words of an owner: the cell of all (newer) rows + 1, first and last of the older stack + 1, of
# the newer one, and how many rows both hold.
ALL, OLD, NEW, LAST, HELD = range(5)
RUNNING_WORDS = 5

UNBOUNDED, ROWS, RANGE = range(3)


class Given(NamedTuple):
    """Rows to run over: their owners, times (or places among equals), and own cells."""

    slots: np.ndarray
    times: np.ndarray
    cells: np.ndarray


@kernel
def last_equal(slots: np.ndarray, times: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return for each row the last one of its owner with the same time.

    Rows are by time within an owner; ``last`` is scratch, one word per slot, all -1.
    """
    out = np.empty(slots.size, dtype=np.int64)
    for i in range(slots.size - 1, -1, -1):
        held = last[slots[i]]
        if held >= 0 and times[held] == times[i]:
            out[i] = held
        else:
            out[i] = i
            last[slots[i]] = i
    for slot in slots:
        last[slot] = -1
    return out


@kernel
def chain_all(owners: Rows, at: int, given: Given) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give each row's cell all rows before it; returns the pairs, and the cells done with."""
    n = given.slots.size
    into = np.empty(n, dtype=np.int64)
    source = np.empty(n, dtype=np.int64)
    done = np.empty(n, dtype=np.int64)
    k = 0
    for i in range(n):
        q = given.slots[i] * owners.width + at + ALL
        if owners.words[q] > 0:
            into[k] = given.cells[i]
            source[k] = owners.words[q] - 1
            done[k] = source[k]
            k += 1
        owners.words[q] = given.cells[i] + 1
    return into[:k].copy(), source[:k].copy(), done[:k].copy()


class Pairs(NamedTuple):
    """What a kernel writes: pairs to merge, cells done with, and how many of both."""

    into: np.ndarray
    source: np.ndarray
    done: np.ndarray
    sizes: np.ndarray


@kernel
def merge_later(pairs: Pairs, into: int, source: int) -> None:
    """Add a pair."""
    k = pairs.sizes[0]
    pairs.into[k] = into
    pairs.source[k] = source
    pairs.sizes[0] = k + 1


@kernel
def free_later(pairs: Pairs, cell: int) -> None:
    """Note a cell that nobody needs once all is merged."""
    pairs.done[pairs.sizes[1]] = cell
    pairs.sizes[1] += 1


@kernel
def turn_over(cells: Rows, owners: Rows, q: int, pairs: Pairs) -> None:
    """Make the newer stack the older one: each cell takes in those behind it, the last first."""
    words, w = cells.words, cells.width
    if owners.words[q + ALL] > 0:
        free_later(pairs, owners.words[q + ALL] - 1)
    # The list is turned round on the way to its end and back again on the way to its head.
    behind = 0
    at = owners.words[q + NEW]
    while at > 0:
        following = words[(at - 1) * w + NEXT]
        words[(at - 1) * w + NEXT] = behind
        behind = at
        at = following
    at, ahead = behind, 0
    while at > 0:
        following = words[(at - 1) * w + NEXT]
        words[(at - 1) * w + NEXT] = ahead
        if ahead > 0:
            merge_later(pairs, at - 1, ahead - 1)
        ahead = at
        at = following
    owners.words[q + OLD] = ahead
    owners.words[q + NEW] = 0
    owners.words[q + LAST] = 0
    owners.words[q + ALL] = 0


@kernel
def arrive(cells: Rows, owners: Rows, q: int, own: int, pairs: Pairs) -> None:
    """Put a row on the newer stack."""
    words = owners.words
    # The cell of all newer rows is a new one each time: the old one may be a result.
    every = take_slot(cells)
    merge_later(pairs, every, own)
    if words[q + ALL] > 0:
        merge_later(pairs, every, words[q + ALL] - 1)
        free_later(pairs, words[q + ALL] - 1)
    words[q + ALL] = every + 1
    if words[q + LAST] > 0:
        cells.words[(words[q + LAST] - 1) * cells.width + NEXT] = own + 1
    else:
        words[q + NEW] = own + 1
    words[q + LAST] = own + 1
    words[q + HELD] += 1


@kernel
def leave(
    cells: Rows, owners: Rows, q: int, time: int, kind: int, reach: int, pairs: Pairs
) -> None:
    """Take the rows away that are no longer in the frame of a row of this time."""
    words = owners.words
    while True:
        head = words[q + OLD] if words[q + OLD] > 0 else words[q + NEW]
        if kind == ROWS:
            gone = words[q + HELD] > reach + 1
        else:
            gone = cells.words[(head - 1) * cells.width + TIME] < time - reach
        if not gone:
            return
        if words[q + OLD] == 0:
            turn_over(cells, owners, q, pairs)
            head = words[q + OLD]
        words[q + OLD] = cells.words[(head - 1) * cells.width + NEXT]
        words[q + HELD] -= 1
        free_later(pairs, head - 1)


@kernel
def slide(
    cells: Rows,
    owners: Rows,
    at: int,
    given: Given,
    tells: np.ndarray,
    kind: int,
    reach: int,
    room: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Move the frames of owners over new rows.

    ``tells`` names, for each row, the row whose frame is its own (the last of its equals);
    ``reach`` is how many rows, or how much time, before a row count; ``room``: how many cells
    there are before. Returns the pairs, the cell of each row's result, the cells done with.
    """
    n = given.slots.size
    size = 4 * n + room
    pairs = Pairs(
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=np.int64),
        np.zeros(2, dtype=np.int64),
    )
    result = np.empty(n, dtype=np.int64)
    for i in range(n):
        q = given.slots[i] * owners.width + at
        cells.words[given.cells[i] * cells.width + TIME] = given.times[i]
        arrive(cells, owners, q, given.cells[i], pairs)
        if tells[i] != i:
            continue
        leave(cells, owners, q, given.times[i], kind, reach, pairs)
        result[i] = owners.words[q + ALL] - 1
        if owners.words[q + OLD] > 0:
            both = take_slot(cells)
            merge_later(pairs, both, owners.words[q + OLD] - 1)
            if owners.words[q + ALL] > 0:
                merge_later(pairs, both, owners.words[q + ALL] - 1)
            free_later(pairs, both)
            result[i] = both
    for i in range(n):
        result[i] = result[tells[i]]
    k, d = pairs.sizes
    return pairs.into[:k].copy(), pairs.source[:k].copy(), result, pairs.done[:d].copy()


@kernel
def levels(into: np.ndarray, source: np.ndarray, cells: int) -> np.ndarray:
    """Return for each pair after how many rounds it can be merged, all of a round at once."""
    written = np.zeros(cells, dtype=np.int64)
    read = np.zeros(cells, dtype=np.int64)
    out = np.empty(into.size, dtype=np.int64)
    for k in range(into.size):
        level = max(written[into[k]], read[into[k]], written[source[k]]) + 1
        out[k] = level
        written[into[k]] = level
        read[source[k]] = max(read[source[k]], level)
    return out


@kernel
def walk_frames(cells: Rows, owners: Rows, at: int, slots: np.ndarray) -> np.ndarray:
    """Return (place in ``slots``, which stack, cell) of all cells, oldest first; stack 2 = all."""
    total = 0
    for slot in slots:
        q = slot * owners.width + at
        total += owners.words[q + HELD] + 1
    out = np.empty((total, 3), dtype=np.int64)
    k = 0
    for i in range(slots.size):
        q = slots[i] * owners.width + at
        for stack in range(2):
            link = owners.words[q + (OLD if stack == 0 else NEW)]
            while link > 0:
                out[k, 0] = i
                out[k, 1] = stack
                out[k, 2] = link - 1
                k += 1
                link = cells.words[(link - 1) * cells.width + NEXT]
        if owners.words[q + ALL] > 0:
            out[k, 0] = i
            out[k, 1] = 2
            out[k, 2] = owners.words[q + ALL] - 1
            k += 1
    return out[:k].copy()


@kernel
def take_frames(
    cells: Rows, owners: Rows, at: int, slots: np.ndarray, stacks: np.ndarray, made: np.ndarray
) -> None:
    """Link saved cells again, in the order of :func:`walk_frames`."""
    last = 0
    for i in range(slots.size):
        q = slots[i] * owners.width + at
        link = made[i] + 1
        if stacks[i] == 2:
            owners.words[q + ALL] = link
            continue
        owners.words[q + HELD] += 1
        follows = i > 0 and slots[i - 1] == slots[i] and stacks[i - 1] == stacks[i]
        if follows:
            cells.words[(last - 1) * cells.width + NEXT] = link
        elif stacks[i] == 0:
            owners.words[q + OLD] = link
        else:
            owners.words[q + NEW] = link
        if stacks[i] == 1:
            owners.words[q + LAST] = link
        last = link
