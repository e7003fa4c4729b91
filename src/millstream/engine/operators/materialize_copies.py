"""A live view of rows that change and have no key: each row is known by all of its columns.

in      rows that come and are taken back; equal ones may stand several times
state   per distinct row its copies, oldest first; each copy has a number of its own
out     as :mod:`.materialize` says; a row taken back takes its oldest copy with it
bad     a row taken back that does not stand changes nothing and is counted in ``rows_unmatched``
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from millstream.columns.physical import polars_schema
from millstream.engine.batch import Batch, Op
from millstream.engine.operator import Lowering
from millstream.engine.operators.materialize import NO_WEIGHTS, Numbered
from millstream.engine.state.ages import AGE_WORDS, OLDEST, Age, Ages, put_last, take_out
from millstream.engine.state.ages import COUNT as ROWS
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex, keys_of
from millstream.engine.state.slots import Rows, SlotRows, take_slot
from millstream.plan.materialize import Materialize

if TYPE_CHECKING:
    import polars as pl

# Words of a distinct row behind its columns; links are copy + 1, 0 = none.
FIRST, LAST = 0, 1
ROW_WORDS = 2
# Words of a copy behind its age: whose it is, the next one of the same row, when it was made.
OWNER, NEXT, MADE = AGE_WORDS, AGE_WORDS + 1, AGE_WORDS + 2
COPY_WORDS = 1 + AGE_WORDS + 3


class CountedRows(Numbered):
    """Every row that stands, as often as it stands."""

    def __init__(self, node: Materialize, lowering: Lowering) -> None:
        super().__init__(node, node.ttl_ms or lowering.ttl_ms)
        self._index = KeyIndex(
            dict(polars_schema(node.input.schema)),
            lowering.seed,
            arena=self._arena,
            heap=ByteHeap(self._arena),
            extra_words=ROW_WORDS,
        )
        self._copies = SlotRows(self._arena, COPY_WORDS)
        self._ages = Ages(self._copies, 1)

    def _write(self, batch: Batch) -> list[pl.DataFrame]:
        written = np.full(len(batch), batch.read_at_ms)
        made, lost, missed = self._fold(batch.frame, batch.weights(), written)
        words = self._copies.matrix()[:, 1:]
        gone = lost[words[lost, MADE] != self._turn]
        stays = made[words[made, OWNER] >= 0]
        owners = ~words[gone, OWNER]
        found = [self._out(gone, self._index.keys(owners), Op.DELETE)] if gone.size else []
        if stays.size:
            found.append(self._out(stays, self._rows_of(stays), Op.INSERT))
        self._free(lost, missed)
        return found

    def _fold(
        self, rows: pl.DataFrame, weights: np.ndarray | None, written: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the copies made, those that went, and the rows missed; these are to be freed."""
        slots, _ = self._index.upsert(keys_of(rows, self._names))
        made, lost, missed, dropped = write_copies(
            self._index.rows.view,
            self._index.extra,
            self._copies.ensure(slots.size),
            self._ages.age,
            (slots, NO_WEIGHTS if weights is None else weights, written),
            (self._turn, self._rows_max),
        )
        self.rows_unmatched += missed.size
        self._drop(dropped)
        return made, lost, missed

    def _rows_of(self, numbers: np.ndarray) -> pl.DataFrame:
        return self._index.keys(self._copies.matrix()[numbers, 1 + OWNER])

    def _forget(self, numbers: np.ndarray) -> None:
        drop_copies(
            self._index.rows.view,
            self._index.extra,
            self._copies.view,
            self._ages.age,
            numbers,
        )
        self._free(numbers, NO_WORDS)

    def _free(self, lost: np.ndarray, missed: np.ndarray) -> None:
        """Free copies that went, and the distinct rows that have none left."""
        owners = ~self._copies.matrix()[lost, 1 + OWNER]
        touched = np.unique(np.concatenate([owners, missed]))
        first = self._index.rows.matrix()[touched, self._index.extra + FIRST]
        self._index.free(touched[first == 0])
        self._copies.free(lost)

    def _take_back(self, rows: pl.DataFrame, written: np.ndarray) -> None:
        self._fold(rows, None, written)


@kernel
def drop_first(rows: Rows, x: int, copies: Rows, age: Age, slot: int) -> int:
    """Take the oldest copy from a row that has one; its owner is told inverted from now on."""
    q = slot * rows.width + x
    copy = rows.words[q + FIRST] - 1
    p = copy * copies.width + age.at
    rows.words[q + FIRST] = copies.words[p + NEXT]
    if copies.words[p + NEXT] == 0:
        rows.words[q + LAST] = 0
    copies.words[p + OWNER] = ~slot
    take_out(copies, age, copy)
    return copy


@kernel
def drop_copies(rows: Rows, x: int, copies: Rows, age: Age, numbers: np.ndarray) -> None:
    """Take copies from their rows, the oldest of each row first."""
    for number in numbers:
        drop_first(rows, x, copies, age, copies.words[number * copies.width + age.at + OWNER])


@kernel
def write_copies(
    rows: Rows,
    x: int,
    copies: Rows,
    age: Age,
    given: tuple[np.ndarray, np.ndarray, np.ndarray],
    told: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Fold rows in order; ``given``: slot, weight (none: all +1), time; ``told``: turn, most rows.

    Returns the copies made, those that went (which may be the same), the slots of rows taken back
    in vain, and how many rows were dropped because there were too many.
    """
    slots, weights, written = given
    turn, rows_max = told
    made = np.empty(slots.size, dtype=np.int64)
    lost = np.empty(2 * slots.size, dtype=np.int64)
    unmatched = np.empty(slots.size, dtype=np.int64)
    new, gone, missed, dropped = 0, 0, 0, 0
    for i in range(slots.size):
        q = slots[i] * rows.width + x
        if weights.size > 0 and weights[i] < 0:
            if rows.words[q + FIRST] > 0:
                lost[gone] = drop_first(rows, x, copies, age, slots[i])
                gone += 1
            else:
                unmatched[missed] = slots[i]
                missed += 1
            continue
        copy = take_slot(copies)
        p = copy * copies.width + age.at
        copies.words[p + OWNER], copies.words[p + MADE] = slots[i], turn
        last = rows.words[q + LAST]
        if last > 0:
            copies.words[(last - 1) * copies.width + age.at + NEXT] = copy + 1
        else:
            rows.words[q + FIRST] = copy + 1
        rows.words[q + LAST] = copy + 1
        put_last(copies, age, copy, written[i])
        made[new] = copy
        new += 1
        if age.ends[ROWS] > rows_max:
            oldest = age.ends[OLDEST] - 1
            owner = copies.words[oldest * copies.width + age.at + OWNER]
            lost[gone] = drop_first(rows, x, copies, age, owner)
            gone += 1
            dropped += 1
    return made[:new].copy(), lost[:gone].copy(), unmatched[:missed].copy(), dropped
