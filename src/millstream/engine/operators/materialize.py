"""The rows of a live view, numbered: what a checkpoint keeps of it.

in      rows, which may change
state   by key: the newest row of each key. Without key, of rows that only come: each of the last
        ``rows_max``. Without key, of rows that change: each row with how often it stands
        (:mod:`.materialize_copies`). All in the order in which they were last written
out     ``$row``, then the row, as it comes (+I), changes (+U) or goes (-D); a number is used again
        only after its row has gone. Each number at most once per batch and kind of going
limit   beyond ``rows_max`` the rows written longest ago go, which is counted and told once
ttl     a row not written for so long goes, also while nothing comes
bad     a deletion of what is not there changes nothing and is counted in ``rows_unmatched``
restart :meth:`recall` gives all rows out again: whoever reads them keeps none through a restart
"""

from __future__ import annotations

import logging
from abc import abstractmethod

import numpy as np
import polars as pl

from millstream.columns.frames import gathered, picked
from millstream.columns.physical import polars_schema
from millstream.engine.batch import OP, Batch, Op
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.state.ages import AGE_WORDS, OLDEST, Age, Ages, put_last, take_out
from millstream.engine.state.ages import COUNT as ROWS
from millstream.engine.state.arena import Arena
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import KeptRows, keyed_rows
from millstream.engine.state.key_index import keys_of
from millstream.engine.state.prefetch import AHEAD, prefetch
from millstream.engine.state.slots import Rows, SlotRows
from millstream.events import about
from millstream.plan.materialize import ROW, Materialize

LOG = logging.getLogger("millstream")
AT = "$written"
NO_WEIGHTS = np.zeros(0, dtype=np.int8)
# A key's own words behind its age, then null bits, then values.
TURN, STANDS, NEWEST = AGE_WORDS, AGE_WORDS + 1, AGE_WORDS + 2
OWN_WORDS = AGE_WORDS + 3


class Numbered(Operator):
    """What the three ways to know a row have in common."""

    recalls = True
    _ages: Ages

    def __init__(self, node: Materialize, ttl_ms: int) -> None:
        self._names = node.input.schema.names
        self._rows_max = node.rows_max
        self._ttl_ms = ttl_ms
        self.timed = ttl_ms > 0
        self._arena = Arena()
        self._turn = 0
        self.rows_unmatched = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a view has one input"
        if not len(batch):
            return NOTHING
        expired = self._expired(batch.read_at_ms)
        self._turn += 1
        return Outputs(out=(*expired, *self._write(batch)))

    def on_clock(self, now_ms: int) -> Outputs:
        expired = self._expired(now_ms)
        return Outputs(out=tuple(expired)) if expired else NOTHING

    def recall(self) -> Outputs:
        numbers = self._ages.oldest(len(self._ages))
        return Outputs(out=(self._out(numbers, self._rows_of(numbers), Op.INSERT),))

    def snapshot(self) -> Snapshot:
        numbers = self._ages.oldest(len(self._ages))
        written = pl.Series(AT, self._ages.written(numbers))
        return Snapshot({"rows": self._rows_of(numbers).with_columns(written)})

    def restore(self, snapshot: Snapshot) -> None:
        rows = snapshot.tables["rows"].tail(self._rows_max)  # it may have been lowered since
        self._take_back(rows.select(self._names), rows[AT].to_numpy().copy())

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._ages)

    @abstractmethod
    def _write(self, batch: Batch) -> list[pl.DataFrame]:
        """Fold rows; returns what came of it."""

    @abstractmethod
    def _rows_of(self, numbers: np.ndarray) -> pl.DataFrame:
        """Return rows that stand."""

    @abstractmethod
    def _forget(self, numbers: np.ndarray) -> None:
        """Forget rows that stand."""

    @abstractmethod
    def _take_back(self, rows: pl.DataFrame, written: np.ndarray) -> None:
        """Take rows of a snapshot into empty state, oldest first."""

    def _expired(self, now_ms: int) -> list[pl.DataFrame]:
        if not self._ttl_ms:
            return []
        numbers = self._ages.until(now_ms - self._ttl_ms)
        if not numbers.size:
            return []
        gone = self._out(numbers, self._rows_of(numbers), Op.DELETE)
        self._forget(numbers)
        return [gone]

    def _drop(self, rows: int) -> None:
        if rows and not self.rows_dropped:
            LOG.warning(
                "the view of '%s' is full: beyond %d rows those written longest ago go",
                self.uid,
                self._rows_max,
                extra=about("view_full", operator=self.uid),
            )
        self.rows_dropped += rows

    def _out(self, numbers: np.ndarray, rows: pl.DataFrame, ops: np.ndarray | Op) -> pl.DataFrame:
        if isinstance(ops, Op):
            ops = np.full(numbers.size, ops, dtype=np.int8)
        return pl.DataFrame(
            [pl.Series(ROW, numbers), *(rows[name] for name in self._names), pl.Series(OP, ops)]
        )


class NewestRows(Numbered):
    """The newest row per key; its number is the key's slot."""

    def __init__(self, node: Materialize, key: tuple[str, ...], lowering: Lowering) -> None:
        super().__init__(node, node.ttl_ms or lowering.ttl_ms)
        schema = polars_schema(node.input.schema)
        self._key = key
        self._index, self._values = keyed_rows(
            dict(schema), key, OWN_WORDS, lowering.seed, self._arena
        )
        self._own = self._index.extra
        self._ages = Ages(self._index.rows, self._own)

    def _write(self, batch: Batch) -> list[pl.DataFrame]:
        slots, _ = self._index.upsert(keys_of(batch.frame, self._key))
        weights = batch.weights()
        touched, was, newest, unmatched, dropped = write_keys(
            self._index.rows.view,
            self._ages.age,
            slots,
            NO_WEIGHTS if weights is None else weights,
            (self._turn, batch.read_at_ms, self._rows_max),
        )
        self.rows_unmatched += unmatched
        self._drop(dropped)
        stood, stands = was > 0, newest >= 0
        gone, left = touched[stood & ~stands], touched[stands]
        new = gathered(picked(batch.frame, self._names), newest[stands])
        ops = np.where(stood[stands], Op.UPDATE_AFTER, Op.INSERT).astype(np.int8)
        found = [self._out(gone, self._rows_of(gone), Op.DELETE)] if gone.size else []
        self._values.free(touched[stood])
        self._values.put(left, new)
        self._index.free(touched[~stands])
        return [*found, self._out(left, new, ops)]

    def _rows_of(self, numbers: np.ndarray) -> pl.DataFrame:
        parts = [self._index.keys(numbers), self._values.get(numbers)]
        return pl.DataFrame([column for part in parts for column in part])

    def _forget(self, numbers: np.ndarray) -> None:
        self._ages.take_out(numbers)
        self._values.free(numbers)
        self._index.free(numbers)

    def _take_back(self, rows: pl.DataFrame, written: np.ndarray) -> None:
        slots = self._index.restore(keys_of(rows, self._key))
        self._index.rows.matrix()[slots, self._own + STANDS] = 1
        self._values.put(slots, rows)
        self._ages.add(slots, written)


class LastRows(Numbered):
    """Each of the last rows of a stream that only grows; numbers go round."""

    def __init__(self, node: Materialize) -> None:
        super().__init__(node, node.ttl_ms)
        self._values = KeptRows(dict(polars_schema(node.input.schema)), ByteHeap(self._arena))
        self._rows = SlotRows(self._arena, 1 + AGE_WORDS + self._values.words)
        self._values.settle(self._rows, 1 + AGE_WORDS)
        self._ages = Ages(self._rows, 1)

    def _write(self, batch: Batch) -> list[pl.DataFrame]:
        new = picked(batch.frame, self._names).tail(self._rows_max)
        over = len(self._ages) + new.height - self._rows_max
        if over > 0:
            self._forget(self._ages.oldest(over))  # their numbers are the next to be used
        slots = self._add(new, np.full(new.height, batch.read_at_ms))
        return [self._out(slots, new, Op.INSERT)]

    def _add(self, rows: pl.DataFrame, written: np.ndarray) -> np.ndarray:
        slots = self._rows.take(rows.height)
        self._values.put(slots, rows)
        self._ages.add(slots, written)
        return slots

    def _rows_of(self, numbers: np.ndarray) -> pl.DataFrame:
        return self._values.get(numbers)

    def _forget(self, numbers: np.ndarray) -> None:
        self._ages.take_out(numbers)
        self._values.free(numbers)
        self._rows.free(numbers)

    def _take_back(self, rows: pl.DataFrame, written: np.ndarray) -> None:
        self._add(rows, written)


@lowers(Materialize)
def _(node: Materialize, lowering: Lowering) -> Operator:
    if node.key is not None:
        return NewestRows(node, node.key, lowering)
    if not lowering.changes_in[0]:
        return LastRows(node)
    from millstream.engine.operators.materialize_copies import CountedRows

    return CountedRows(node, lowering)


@kernel
def write_keys(
    rows: Rows, age: Age, slots: np.ndarray, weights: np.ndarray, told: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    """Fold rows in order, an empty ``weights`` means all +1; ``told``: turn, time, most rows.

    Returns the slots touched, each once; whether each stood before, the row of the batch that it
    stands with now (-1: none); how many deletions found nothing, and how many rows were dropped.
    """
    turn, now_ms, rows_max = told
    words, at = rows.words, age.at
    touched = np.empty(2 * slots.size, dtype=np.int64)
    was = np.empty(2 * slots.size, dtype=np.int64)
    n, unmatched, dropped = 0, 0, 0
    for i in range(slots.size):
        if i + AHEAD < slots.size:
            prefetch(words, slots[i + AHEAD] * rows.width + at)
        p = slots[i] * rows.width + at
        if words[p + TURN] != turn:
            words[p + TURN] = turn
            touched[n], was[n] = slots[i], words[p + STANDS]
            n += 1
        if words[p + STANDS] > 0:
            take_out(rows, age, slots[i])
        if weights.size > 0 and weights[i] < 0:
            unmatched += 1 - words[p + STANDS]
            words[p + STANDS], words[p + NEWEST] = 0, -1
            continue
        put_last(rows, age, slots[i], now_ms)
        words[p + STANDS], words[p + NEWEST] = 1, i
        if age.ends[ROWS] > rows_max:
            slot = age.ends[OLDEST] - 1
            p = slot * rows.width + at
            take_out(rows, age, slot)
            dropped += 1
            if words[p + TURN] != turn:
                words[p + TURN] = turn
                touched[n], was[n] = slot, 1
                n += 1
            words[p + STANDS], words[p + NEWEST] = 0, -1
    newest = np.empty(n, dtype=np.int64)
    for j in range(n):
        newest[j] = words[touched[j] * rows.width + at + NEWEST]
    return touched[:n].copy(), was[:n].copy(), newest, unmatched, dropped
