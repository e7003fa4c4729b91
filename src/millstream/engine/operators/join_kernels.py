"""The kernel of :mod:`.join`: pairs become output rows, and partners are counted.

in      the pairs of some rows of a batch, by row, and what the join says of rows without pairs
state   the counts of partners in the rows of the other side
out     output rows as (place in the batch or -1, row of the other side or -1, change kind)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.batch import Op
from millstream.engine.state.arrangement_kernels import Layout
from millstream.engine.state.jit import kernel
from millstream.engine.state.slots import Rows

INSERT, DELETE = int(Op.INSERT), int(Op.DELETE)
UPDATE_BEFORE, UPDATE_AFTER = int(Op.UPDATE_BEFORE), int(Op.UPDATE_AFTER)


class Says(NamedTuple):
    """What the rows of one input give.

    pairs   1: each pair is given
    own     the row alone: -1 where it has no partner, 1 where it has one, 0 never
    theirs  the partner's row alone, in the same way
    """

    pairs: int
    own: int
    theirs: int

    @property
    def reacts(self) -> bool:
        """Whether a row of the other side must know how many partners it has."""
        return self.theirs != 0


@kernel
def react(
    rows: Rows,
    lay: Layout,
    says: Says,
    part: tuple[int, int],
    pairs: tuple[np.ndarray, np.ndarray],
    signs: np.ndarray,
    kinds: np.ndarray,
    partners: np.ndarray,
    now: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the output rows of rows ``part`` of a batch in order; fills their ``partners``.

    ``signs`` is empty where all rows come; ``kinds`` are the rows' own change kinds.
    """
    start, end = part
    at, found = pairs
    words = rows.words
    most = end - start
    for j in range(found.size):
        times = words[found[j] * rows.width + lay.times] if lay.times > 0 else 1
        most += times * (2 if says.theirs != 0 else 1)
    places = np.empty(most, dtype=np.int64)
    others = np.empty(most, dtype=np.int64)
    ops = np.empty(most, dtype=np.int8)
    n, j = 0, 0
    for i in range(start, end):
        sign = signs[i] if signs.size else 1
        while j < found.size and at[j] == i:
            row = found[j]
            p = row * rows.width
            j += 1
            times = words[p + lay.times] if lay.times > 0 else 1
            partners[i] += times
            first, last = False, False
            if says.theirs != 0:
                before = words[p + lay.partners]
                after = max(before + sign, 0)
                first = before == 0 and after > 0
                last = before > 0 and after == 0
                words[p + lay.partners] = after
                if lay.written > 0:
                    words[p + lay.written] = now
            kind = kinds[i]
            if says.theirs == -1 and first:
                kind = UPDATE_AFTER
                alone = UPDATE_BEFORE if says.pairs == 1 else DELETE
                n = put(places, others, ops, n, -1, row, alone, times)
            if says.theirs == -1 and last:
                kind = UPDATE_BEFORE
            if says.pairs == 1:
                n = put(places, others, ops, n, i, row, kind, times)
            if says.theirs == -1 and last:
                alone = UPDATE_AFTER if says.pairs == 1 else INSERT
                n = put(places, others, ops, n, -1, row, alone, times)
            if says.theirs == 1 and (first or last):
                n = put(places, others, ops, n, -1, row, INSERT if first else DELETE, times)
        if (says.own == -1 and partners[i] == 0) or (says.own == 1 and partners[i] > 0):
            n = put(places, others, ops, n, i, -1, kinds[i], 1)
    return places[:n].copy(), others[:n].copy(), ops[:n].copy()


@kernel
def put(
    places: np.ndarray,
    others: np.ndarray,
    ops: np.ndarray,
    n: int,
    place: int,
    other: int,
    kind: int,
    times: int,
) -> int:
    """Write one output row some times; returns where the next one goes."""
    for _ in range(times):
        places[n], others[n], ops[n] = place, other, kind
        n += 1
    return n
