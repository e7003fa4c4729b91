"""Kernels of top-N: rows come and go in their owners' order, then the changes at the top are told.

in      rows with their owner and sort words; or counted rows whose presence changed
state   behind a row's links: how many equal ones it stands for, the first rank it was given under
        and how many ranks in a row it was given; behind an owner's: how many rows it has
out     (row, rank, owner) of what was given and no longer stands, and of what stands now
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.state.heap import Heap
from millstream.engine.state.jit import kernel
from millstream.engine.state.order import compare_rows, compare_words
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import Rows, take_slot
from millstream.engine.state.treap import (
    HEAD,
    LINK_WORDS,
    NEXT,
    OWNER,
    OWNER_WORDS,
    TAIL,
    Order,
    insert,
    remove,
)

# Words of a row behind its links: equal rows, first rank and number of ranks given, the batch's
# row + 1 its values are still in, the turn it was last touched in, equal rows before the turn.
COUNT, GIVEN, COPIES, SOURCE, TURN, BEFORE = range(LINK_WORDS, LINK_WORDS + 6)
ROW_WORDS = LINK_WORDS + 6
# Words of an owner behind its links: the turn, rows, different sort keys (of DENSE_RANK, after
# the last turn), the last rank there is, how many rows are given, when it was last written (ms).
O_TURN, SIZE, GROUPS, TOP, HELD, WRITTEN = range(OWNER_WORDS, OWNER_WORDS + 6)
TOP_WORDS = OWNER_WORDS + 6

ROW_NUMBER, RANK, DENSE_RANK = range(3)
LOST = -1
"""The source of a row that came and lost its place in one batch: its values were never kept."""


class Wanted(NamedTuple):
    """Which ranks of which kind; ``numbered``: a row that changes its rank is changed."""

    kind: int
    first: int
    last: int
    numbered: bool


@kernel
def push(array: np.ndarray, size: int, value: int) -> np.ndarray:
    """Append to a growing array; returns the array to go on with."""
    if size == array.size:
        grown = np.empty(2 * array.size + 16, dtype=np.int64)
        grown[:size] = array
        array = grown
    array[size] = value
    return array


@kernel
def with_room(array: np.ndarray, size: int, more: int) -> np.ndarray:
    """Return the array, or a larger one with the same words, for ``more`` words behind ``size``."""
    if size + more <= array.size:
        return array
    grown = np.empty(2 * array.size + more, dtype=np.int64)
    grown[:size] = array[:size]
    return grown


@kernel
def ask_ahead(
    rows: Rows, owners: Rows, at: int, slots: np.ndarray, i: int, link: int, word: int
) -> None:
    """Ask for the words of owners that are met soon, then for the row they name by ``link``."""
    if i + 2 * AHEAD < slots.size:
        prefetch(owners.words, slots[i + 2 * AHEAD] * owners.width + at)
    if i + AHEAD < slots.size:
        row = owners.words[slots[i + AHEAD] * owners.width + at + link]
        prefetch(rows.words, (row - 1) * rows.width + word)


@kernel
def add_appended(
    rows: Rows,
    owners: Rows,
    at: int,
    given: tuple[np.ndarray, np.ndarray],
    order: Order,
    heap: Heap,
    wanted: Wanted,
    turn: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Take rows in that can still be among the first; room for them has been made.

    ``given``: the owner of each row, and its sort words (row, word). Returns the touched owners,
    the rows of the batch that were not taken, those made of the others, and older rows that lost
    their place. A row of this batch that lost it again has a negative source.
    """
    slots, sort = given
    width = sort.shape[1]
    flat = sort.reshape(sort.size)
    n = slots.size
    touched = np.empty(n, dtype=np.int64)
    refused = np.empty(n, dtype=np.int64)
    lost = np.empty(n, dtype=np.int64)
    made = np.empty(n, dtype=np.int64)
    t, r, g, m = 0, 0, 0, 0
    ow = owners.words
    for i in range(n):
        ask_ahead(rows, owners, at, slots, i, TAIL, order.at)
        q = slots[i] * owners.width + at
        held = ow[q + SIZE]
        full = ow[q + GROUPS] if wanted.kind == DENSE_RANK else held
        if full >= wanted.last:
            tail = ow[q + TAIL] - 1
            against = compare_words(
                flat, i * width, rows.words, tail * rows.width + order.at, order.marks, heap
            )
            # A row with an equal sort key shares the rank of RANK and DENSE_RANK.
            if against > 0 or (against == 0 and wanted.kind == ROW_NUMBER):
                refused[r] = i
                r += 1
                continue
        if ow[q + O_TURN] != turn:
            ow[q + O_TURN] = turn
            touched[t] = slots[i]
            t += 1
        node = take_slot(rows)
        made[m] = node
        m += 1
        p = node * rows.width
        for j in range(1, ROW_WORDS):
            rows.words[p + j] = 0
        rows.words[p + OWNER] = slots[i]
        rows.words[p + COUNT] = 1
        rows.words[p + SOURCE] = i + 1
        for j in range(width):
            rows.words[p + order.at + j] = flat[i * width + j]
        insert(rows, owners, q, node, order, heap)
        ow[q + SIZE] = held + 1
        if wanted.kind == ROW_NUMBER and held + 1 > wanted.last:
            tail = ow[q + TAIL] - 1
            remove(rows, owners, q, tail)
            ow[q + SIZE] = held
            if rows.words[tail * rows.width + SOURCE] > 0:
                rows.words[tail * rows.width + SOURCE] = LOST
            else:
                lost[g] = tail
                g += 1
    return touched[:t].copy(), refused[:r].copy(), made[:m].copy(), lost[:g].copy()


@kernel
def count_changes(
    rows: Rows, nodes: np.ndarray, weights: np.ndarray, turn: int
) -> tuple[np.ndarray, int]:
    """Count equal rows; returns the rows touched, and how many deletions found nothing."""
    touched = np.empty(nodes.size, dtype=np.int64)
    n, unmatched = 0, 0
    for i in range(nodes.size):
        p = nodes[i] * rows.width
        if rows.words[p + TURN] != turn:
            rows.words[p + TURN] = turn
            rows.words[p + BEFORE] = rows.words[p + COUNT]
            touched[n] = nodes[i]
            n += 1
        w = weights[i] if weights.size else 1
        if rows.words[p + COUNT] + w < 0:
            unmatched += 1
        else:
            rows.words[p + COUNT] += w
    return touched[:n].copy(), unmatched


@kernel
def place_changes(
    rows: Rows,
    owners: Rows,
    at: int,
    nodes: np.ndarray,
    order: Order,
    heap: Heap,
    turn: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Bring rows whose count changed into their owners' order, or out of it.

    Returns the touched owners and the rows that are gone.
    """
    touched = np.empty(nodes.size, dtype=np.int64)
    gone = np.empty(nodes.size, dtype=np.int64)
    t, g = 0, 0
    for node in nodes:
        p = node * rows.width
        before, now = rows.words[p + BEFORE], rows.words[p + COUNT]
        owner = rows.words[p + OWNER]
        q = owner * owners.width + at
        if now == 0:
            gone[g] = node
            g += 1
        if owners.words[q + O_TURN] != turn:
            owners.words[q + O_TURN] = turn
            touched[t] = owner
            t += 1
        if before == now:
            continue
        owners.words[q + SIZE] += now - before
        if before == 0:
            insert(rows, owners, q, node, order, heap)
        elif now == 0:
            remove(rows, owners, q, node)
    return touched[:t].copy(), gone[:g].copy()


@kernel
def tell_row(
    rows: Rows,
    node: int,
    top: tuple[int, int],
    ranks: tuple[int, int],
    wanted: Wanted,
    old: np.ndarray,
    o: int,
    new: np.ndarray,
    n: int,
) -> tuple[np.ndarray, int, np.ndarray, int]:
    """Compare the ranks a row was given with those it has, and note the difference.

    ``top``: the last rank of its owner, before and now; ``ranks``: its first rank now and how many.
    """
    p = node * rows.width
    was, had = rows.words[p + GIVEN], rows.words[p + COPIES]
    low, copies = ranks
    old = with_room(old, o, 3 * had)
    new = with_room(new, n, 3 * copies)
    if wanted.kind == ROW_NUMBER and wanted.numbered:
        for rank in range(was, was + had):
            if not low <= rank < low + copies:
                old[o], old[o + 1], old[o + 2] = node, rank, int(rank <= top[1])
                o += 3
        for rank in range(low, low + copies):
            if not was <= rank < was + had:
                new[n], new[n + 1], new[n + 2] = node, rank, int(rank <= top[0])
                n += 3
    else:
        same = 0 if wanted.numbered and was != low else min(had, copies)
        paired = wanted.kind == ROW_NUMBER and wanted.last == 1
        for _ in range(had - same):
            old[o], old[o + 1], old[o + 2] = node, was, int(paired and top[1] > 0)
            o += 3
        for _ in range(copies - same):
            new[n], new[n + 1], new[n + 2] = node, low, int(paired and top[0] > 0)
            n += 3
    rows.words[p + GIVEN] = low
    rows.words[p + COPIES] = copies
    return old, o, new, n


@kernel
def tell(
    rows: Rows,
    owners: Rows,
    at: int,
    touched: np.ndarray,
    gone: np.ndarray,
    order: Order,
    heap: Heap,
    wanted: Wanted,
    prune: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what changed at the top of owners since it was last told.

    Three words (row, rank, whether the owner has that rank before and after) for each row given
    that no longer stands there, then for each that stands there now; then the rows that ``prune``
    took out. The walk ends behind the last row that was or is given.
    """
    words = rows.words
    old = np.empty(48, dtype=np.int64)
    new = np.empty(48, dtype=np.int64)
    pruned = np.empty(16, dtype=np.int64)
    o, n, d = 0, 0, 0
    for node in gone:
        q = words[node * rows.width + OWNER] * owners.width + at
        top = (owners.words[q + TOP], min(owners.words[q + SIZE], wanted.last))
        if words[node * rows.width + COPIES] > 0:
            owners.words[q + HELD] -= 1
        old, o, new, n = tell_row(rows, node, top, (0, 0), wanted, old, o, new, n)
    for i in range(touched.size):
        ask_ahead(rows, owners, at, touched, i, HEAD, 0)
        q = touched[i] * owners.width + at
        top = (owners.words[q + TOP], min(owners.words[q + SIZE], wanted.last))
        link = owners.words[q + HEAD]
        left, held, seen, rank, groups, last = owners.words[q + HELD], 0, 0, 0, 0, -1
        while link > 0:
            node = link - 1
            p = node * rows.width
            link = words[p + NEXT]
            count = words[p + COUNT]
            if wanted.kind == ROW_NUMBER:
                rank = seen + 1
                low = max(rank, wanted.first)
                copies = max(min(seen + count, wanted.last) - low + 1, 0)
            else:
                if last < 0 or compare_rows(rows, order.at, last, node, order.marks, heap) != 0:
                    groups += 1
                    rank = seen + 1 if wanted.kind == RANK else groups
                low = rank
                copies = count if wanted.first <= rank <= wanted.last else 0
            if rank > wanted.last and left == 0 and not prune:
                break
            seen += count
            last = node
            had = words[p + COPIES]
            left -= 1 if had > 0 else 0
            held += 1 if copies > 0 else 0
            if had != copies or (had > 0 and words[p + GIVEN] != low):
                old, o, new, n = tell_row(rows, node, top, (low, copies), wanted, old, o, new, n)
            if rank > wanted.last and prune:
                remove(rows, owners, q, node)
                owners.words[q + SIZE] -= count
                if words[p + SOURCE] > 0:
                    words[p + SOURCE] = LOST
                pruned = push(pruned, d, node)
                d += 1
        owners.words[q + HELD] = held
        owners.words[q + TOP] = top[1]
        owners.words[q + GROUPS] = min(groups, wanted.last)
    return old[:o].copy(), new[:n].copy(), pruned[:d].copy()


@kernel
def take_back(
    rows: Rows,
    owners: Rows,
    at: int,
    nodes: np.ndarray,
    order: Order,
    heap: Heap,
    wanted: Wanted,
) -> None:
    """Bring saved rows back into their owners' order; they come in that order."""
    for node in nodes:
        p = node * rows.width
        q = rows.words[p + OWNER] * owners.width + at
        last = owners.words[q + TAIL] - 1
        if last < 0 or compare_rows(rows, order.at, last, node, order.marks, heap) != 0:
            owners.words[q + GROUPS] = min(owners.words[q + GROUPS] + 1, wanted.last)
        insert(rows, owners, q, node, order, heap)
        owners.words[q + SIZE] += rows.words[p + COUNT]
        owners.words[q + TOP] = min(owners.words[q + SIZE], wanted.last)
        owners.words[q + HELD] += 1 if rows.words[p + COPIES] > 0 else 0
