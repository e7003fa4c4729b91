"""Kernels of :mod:`.bag`: chains of values per owner, and a pairing heap over them.

Links are entry + 1, so that zeroed words mean "none". The heap is a pairing heap (Fredman,
Sedgewick, Sleator, Tarjan 1986) with a back link: any entry leaves in O(log n) amortised.
"""

from __future__ import annotations

import numpy as np

from millstream.engine.state.codec import Kind
from millstream.engine.state.heap import Heap, compare_bytes
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows

# Words of an entry behind its keys.
COUNT, BORN, NEXT, PREV, CHILD, SIBLING, BACK = range(7)
ENTRY_WORDS = 7
# Words of an owner.
HEAD, SIZE, ROOT = range(3)
OWNER_WORDS = 3

WORD, FLOAT, DECIMAL = int(Kind.WORD), int(Kind.FLOAT), int(Kind.DECIMAL)


@kernel
def chain(rows: Rows, x: int, owners: Rows, at: int, owner: np.ndarray, made: np.ndarray) -> None:
    """Put new entries at the head of their owners' chains."""
    for i in range(made.size):
        e = made[i]
        p = e * rows.width + x
        q = owner[i] * owners.width + at
        head = owners.words[q + HEAD]
        rows.words[p + NEXT] = head
        if head > 0:
            rows.words[(head - 1) * rows.width + x + PREV] = e + 1
        owners.words[q + HEAD] = e + 1


@kernel
def add(
    rows: Rows,
    x: int,
    owners: Rows,
    at: int,
    slots: np.ndarray,
    entries: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Change counts; returns rows where a value came (+1) or went (-1), and emptied entries."""
    n = entries.size
    changed = np.empty(n, dtype=np.int64)
    signs = np.empty(n, dtype=np.int64)
    count = 0
    for i in range(n):
        p = entries[i] * rows.width + x + COUNT
        before = rows.words[p]
        after = before + (weights[i] if weights.size else 1)
        rows.words[p] = after
        if (before > 0) != (after > 0):
            signs[count] = 1 if after > 0 else -1
            owners.words[slots[i] * owners.width + at + SIZE] += signs[count]
            changed[count] = i
            count += 1
    gone = np.empty(n if weights.size else 0, dtype=np.int64)
    empty = 0
    for i in range(gone.size):
        p = entries[i] * rows.width + x + COUNT
        if rows.words[p] == 0:
            rows.words[p] = np.iinfo(np.int64).min  # so that it is named once
            gone[empty] = entries[i]
            empty += 1
    return changed[:count].copy(), signs[:count].copy(), gone[:empty].copy()


@kernel
def unchain(rows: Rows, x: int, owners: Rows, at: int, gone: np.ndarray) -> None:
    """Take entries out of their owners' chains; key word 1 names the owner."""
    for e in gone:
        p = e * rows.width + x
        before, after = rows.words[p + PREV], rows.words[p + NEXT]
        if before > 0:
            rows.words[(before - 1) * rows.width + x + NEXT] = after
        else:
            owner = rows.words[e * rows.width + 1]
            owners.words[owner * owners.width + at + HEAD] = after
        if after > 0:
            rows.words[(after - 1) * rows.width + x + PREV] = before


@kernel
def walk(
    rows: Rows, x: int, owners: Rows, at: int, slots: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the entries of owners, newest first, and for each the owner's position."""
    total = 0
    for slot in slots:
        e = owners.words[slot * owners.width + at + HEAD]
        while e > 0:
            total += 1
            e = rows.words[(e - 1) * rows.width + x + NEXT]
    where = np.empty(total, dtype=np.int64)
    entries = np.empty(total, dtype=np.int64)
    k = 0
    for i in range(slots.size):
        e = owners.words[slots[i] * owners.width + at + HEAD]
        while e > 0:
            where[k] = i
            entries[k] = e - 1
            k += 1
            e = rows.words[(e - 1) * rows.width + x + NEXT]
    return where, entries


@kernel
def is_before(rows: Rows, heap: Heap, kind: int, sign: int, a: int, b: int) -> bool:
    """Tell whether entry ``a`` is smaller (sign 1) or larger (sign -1) than ``b``."""
    p = a * rows.width + 2
    q = b * rows.width + 2
    words = rows.words
    if kind == WORD:
        order = -1 if words[p] < words[q] else int(words[p] > words[q])
    elif kind == FLOAT:
        u, v = rows.floats[p], rows.floats[q]
        # NaN is the largest number, as in Flink's retracting MIN and MAX.
        if np.isnan(u) or np.isnan(v):
            order = int(np.isnan(u)) - int(np.isnan(v))
        else:
            order = -1 if u < v else int(u > v)
    elif kind == DECIMAL:
        if words[p + 1] != words[q + 1]:
            order = -1 if words[p + 1] < words[q + 1] else 1
        else:
            low, other = np.uint64(words[p]), np.uint64(words[q])
            order = -1 if low < other else int(low > other)
    else:
        order = compare_bytes(heap.data, words[p], words[p + 1], heap.data, words[q], words[q + 1])
    return order * sign < 0


@kernel
def meld(rows: Rows, x: int, heap: Heap, kind: int, sign: int, a: int, b: int) -> int:
    """Join two heaps (links, 0 = none); returns the link of the new root."""
    if a == 0 or b == 0:
        return a + b
    if is_before(rows, heap, kind, sign, b - 1, a - 1):
        a, b = b, a
    p = (a - 1) * rows.width + x
    q = (b - 1) * rows.width + x
    child = rows.words[p + CHILD]
    rows.words[q + SIBLING] = child
    if child > 0:
        rows.words[(child - 1) * rows.width + x + BACK] = b
    rows.words[q + BACK] = a
    rows.words[p + CHILD] = b
    return a


@kernel
def pair_up(rows: Rows, x: int, heap: Heap, kind: int, sign: int, first: int) -> int:
    """Join a list of siblings in two passes; returns the link of the root."""
    done = 0
    while first > 0:
        p = (first - 1) * rows.width + x
        second = rows.words[p + SIBLING]
        after = 0
        rows.words[p + SIBLING] = 0
        rows.words[p + BACK] = 0
        if second > 0:
            q = (second - 1) * rows.width + x
            after = rows.words[q + SIBLING]
            rows.words[q + SIBLING] = 0
            rows.words[q + BACK] = 0
        root = meld(rows, x, heap, kind, sign, first, second)
        rows.words[(root - 1) * rows.width + x + SIBLING] = done
        done = root
        first = after
    out = 0
    while done > 0:
        p = (done - 1) * rows.width + x
        after = rows.words[p + SIBLING]
        rows.words[p + SIBLING] = 0
        out = meld(rows, x, heap, kind, sign, out, done)
        done = after
    return out


@kernel
def rank(
    rows: Rows,
    x: int,
    owners: Rows,
    at: int,
    heap: Heap,
    kind: int,
    sign: int,
    entries: np.ndarray,
    signs: np.ndarray,
) -> None:
    """Take entries into their owners' heaps (+1) or out of them (-1), in order."""
    for i in range(entries.size):
        e = entries[i]
        p = e * rows.width + x
        q = rows.words[e * rows.width + 1] * owners.width + at + ROOT
        if signs[i] > 0:
            owners.words[q] = meld(rows, x, heap, kind, sign, owners.words[q], e + 1)
            continue
        below = pair_up(rows, x, heap, kind, sign, rows.words[p + CHILD])
        rows.words[p + CHILD] = 0
        if owners.words[q] == e + 1:
            owners.words[q] = below
            continue
        before, after = rows.words[p + BACK], rows.words[p + SIBLING]
        b = (before - 1) * rows.width + x
        if rows.words[b + CHILD] == e + 1:
            rows.words[b + CHILD] = after
        else:
            rows.words[b + SIBLING] = after
        if after > 0:
            rows.words[(after - 1) * rows.width + x + BACK] = before
        rows.words[p + BACK] = 0
        rows.words[p + SIBLING] = 0
        owners.words[q] = meld(rows, x, heap, kind, sign, owners.words[q], below)
