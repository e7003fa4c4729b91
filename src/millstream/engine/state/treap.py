"""Rows of an owner in order: a treap for finding places, a list for walking along.

state   per row: its owner, the tree's and the list's links (slot + 1, 0 = none); a row's priority
        is a hash of its slot, so that no input can make the tree deep
order   by sort words; rows that are equal there by the values of further columns, where ``ties``
        names some, else in the order they came
source  Seidel and Aragon, "Randomized search trees", Algorithmica 1996
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.state.codec import Kind
from millstream.engine.state.heap import Heap
from millstream.engine.state.jit import kernel
from millstream.engine.state.order import compare_rows
from millstream.engine.state.slots import Rows
from millstream.engine.state.texts import compare_texts

# Words of a row; word 0 belongs to the slots.
OWNER, LEFT, RIGHT, UP, NEXT, PREV = range(1, 7)
LINK_WORDS = 7
# Words of an owner.
ROOT, HEAD, TAIL = range(3)
OWNER_WORDS = 3

WORD, FLOAT, DECIMAL = int(Kind.WORD), int(Kind.FLOAT), int(Kind.DECIMAL)


class Order(NamedTuple):
    """How rows compare: where their sort words lie and what they are; then the ties.

    ``ties`` holds (kind, word of the value, word of the null bits, bit) per further column.
    """

    at: int
    marks: np.ndarray
    ties: np.ndarray


@kernel
def compare_values(rows: Rows, a: int, b: int, ties: np.ndarray, heap: Heap) -> int:
    """Compare further columns of two rows; NULLs are lowest, NaN is largest."""
    words = rows.words
    u, v = a * rows.width, b * rows.width
    for t in range(ties.shape[0]):
        kind, at, nulls, bit = ties[t, 0], ties[t, 1], ties[t, 2], ties[t, 3]
        first = (words[u + nulls] >> bit) & 1
        second = (words[v + nulls] >> bit) & 1
        if first != second:
            return -1 if first else 1
        if first:
            continue
        p, q = u + at, v + at
        order = 0
        if kind == WORD:
            order = -1 if words[p] < words[q] else int(words[p] > words[q])
        elif kind == FLOAT:
            x, y = rows.floats[p], rows.floats[q]
            if np.isnan(x) or np.isnan(y):
                order = int(np.isnan(x)) - int(np.isnan(y))
            else:
                order = -1 if x < y else int(x > y)
        elif kind == DECIMAL:
            if words[p + 1] != words[q + 1]:
                order = -1 if words[p + 1] < words[q + 1] else 1
            else:
                low, other = np.uint64(words[p]), np.uint64(words[q])
                order = -1 if low < other else int(low > other)
        else:
            order = compare_texts(heap, words, p, q)
        if order != 0:
            return order
    return 0


@kernel
def is_before(rows: Rows, a: int, b: int, order: Order, heap: Heap) -> bool:
    """Tell whether row ``a`` stands before row ``b``; of equal ones the older."""
    found = compare_rows(rows, order.at, a, b, order.marks, heap)
    if found == 0 and order.ties.shape[0]:
        found = compare_values(rows, a, b, order.ties, heap)
    return found < 0


@kernel
def priority(slot: int) -> int:
    """Return a row's place in the heap order of the tree."""
    h = np.uint64(slot + 1) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return int(h >> np.uint64(1))


@kernel
def rotate_up(rows: Rows, owners: Rows, q: int, link: int) -> None:
    """Put a row in the place of the one above it."""
    words, w = rows.words, rows.width
    p = (link - 1) * w
    above = words[p + UP]
    a = (above - 1) * w
    top = words[a + UP]
    if words[a + LEFT] == link:
        inner = words[p + RIGHT]
        words[a + LEFT] = inner
        words[p + RIGHT] = above
    else:
        inner = words[p + LEFT]
        words[a + RIGHT] = inner
        words[p + LEFT] = above
    if inner > 0:
        words[(inner - 1) * w + UP] = above
    words[a + UP] = link
    words[p + UP] = top
    if top == 0:
        owners.words[q + ROOT] = link
    elif words[(top - 1) * w + LEFT] == above:
        words[(top - 1) * w + LEFT] = link
    else:
        words[(top - 1) * w + RIGHT] = link


@kernel
def insert(rows: Rows, owners: Rows, q: int, node: int, order: Order, heap: Heap) -> None:
    """Put a row in its place; its sort words (and ties) are written."""
    words, w = rows.words, rows.width
    link = node + 1
    p = node * w
    at = owners.words[q + ROOT]
    words[p + LEFT] = 0
    words[p + RIGHT] = 0
    words[p + UP] = 0
    words[p + NEXT] = 0
    words[p + PREV] = 0
    if at == 0:
        owners.words[q + ROOT] = link
        owners.words[q + HEAD] = link
        owners.words[q + TAIL] = link
        return
    while True:
        a = (at - 1) * w
        side = LEFT if is_before(rows, node, at - 1, order, heap) else RIGHT
        if words[a + side] == 0:
            break
        at = words[a + side]
    words[a + side] = link
    words[p + UP] = at
    before, after = (words[a + PREV], at) if side == LEFT else (at, words[a + NEXT])
    words[p + PREV] = before
    words[p + NEXT] = after
    if before > 0:
        words[(before - 1) * w + NEXT] = link
    else:
        owners.words[q + HEAD] = link
    if after > 0:
        words[(after - 1) * w + PREV] = link
    else:
        owners.words[q + TAIL] = link
    own = priority(node)
    while words[p + UP] > 0 and priority(words[p + UP] - 1) < own:
        rotate_up(rows, owners, q, link)


@kernel
def remove(rows: Rows, owners: Rows, q: int, node: int) -> None:
    """Take a row out; the slot stays the caller's."""
    words, w = rows.words, rows.width
    link = node + 1
    p = node * w
    while words[p + LEFT] > 0 and words[p + RIGHT] > 0:
        left, right = words[p + LEFT], words[p + RIGHT]
        higher = left if priority(left - 1) > priority(right - 1) else right
        rotate_up(rows, owners, q, higher)
    child = words[p + LEFT] + words[p + RIGHT]
    above = words[p + UP]
    if child > 0:
        words[(child - 1) * w + UP] = above
    if above == 0:
        owners.words[q + ROOT] = child
    elif words[(above - 1) * w + LEFT] == link:
        words[(above - 1) * w + LEFT] = child
    else:
        words[(above - 1) * w + RIGHT] = child
    before, after = words[p + PREV], words[p + NEXT]
    if before > 0:
        words[(before - 1) * w + NEXT] = after
    else:
        owners.words[q + HEAD] = after
    if after > 0:
        words[(after - 1) * w + PREV] = before
    else:
        owners.words[q + TAIL] = before


@kernel
def in_order(rows: Rows, owners: Rows, at: int, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of owners in order, and for each the owner's position."""
    total = 0
    for slot in slots:
        link = owners.words[slot * owners.width + at + HEAD]
        while link > 0:
            total += 1
            link = rows.words[(link - 1) * rows.width + NEXT]
    where = np.empty(total, dtype=np.int64)
    found = np.empty(total, dtype=np.int64)
    n = 0
    for i in range(slots.size):
        link = owners.words[slots[i] * owners.width + at + HEAD]
        while link > 0:
            where[n] = i
            found[n] = link - 1
            n += 1
            link = rows.words[(link - 1) * rows.width + NEXT]
    return where, found
