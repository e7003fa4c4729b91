"""Deduplication that keeps the first row by time: each key is given once and never changed.

in      rows that only come
state   the keys given; by event time also the rows that the watermark has not passed yet
out     by event time a key's row of the least time, when the watermark reaches it, by time; by
        processing time the first row that comes, at once
late    a row whose time the watermark has reached already (event time only)
ttl     a key not given for so long is forgotten: its next row is a first one again
source  Flink gives these rows once since 2.0 (FLINK-37005)
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import filtered, gathered, picked
from millstream.columns.physical import empty_frame, polars_schema
from millstream.engine.batch import MARK, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot
from millstream.engine.state.arena import Arena
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.key_index import KeyIndex, keys_of
from millstream.engine.state.waiting import Waiting
from millstream.plan.ranks import Rank


class FirstInTime(Operator):
    """One running deduplication, keep first."""

    def __init__(self, node: Rank, lowering: Lowering) -> None:
        schema = polars_schema(node.input.schema)
        self._names = node.input.schema.names
        self._partition = node.partition
        self._number = node.number
        self._time = node.by[0].column
        self._waits = self._time in lowering.facts_in[0].times
        self._ttl_ms = lowering.ttl_ms
        self._arena = Arena()
        self._index = KeyIndex(
            {name: schema[name] for name in node.partition},
            lowering.seed,
            arena=self._arena,
            heap=ByteHeap(self._arena),
            extra_words=1,
        )
        self._waiting = Waiting(self._time, empty_frame(node.input.schema))
        self._expiry = Expiry(self._index.rows, self._index.extra, lowering.ttl_ms)

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "a deduplication has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        self._expiry.at_time(batch.read_at_ms)
        if self._ttl_ms:
            self._index.free(self._expiry.due(frame.height))
        if not self._waits:
            return Outputs(out=self._first(picked(frame, self._names)))
        late: tuple[pl.DataFrame, ...] = ()
        if MARK in frame.columns:
            behind = milliseconds(frame[self._time]) <= frame[MARK].to_numpy()
            if behind.any():
                mask = pl.Series(behind)
                late = (filtered(frame, mask),)
                frame = filtered(frame, ~mask)
        frame = picked(frame, self._names)
        if not self._ttl_ms and len(self._index):
            # Rows of a key that has its row need not wait.
            given = self._index.lookup(keys_of(frame, self._partition)) >= 0
            frame = filtered(frame, pl.Series(~given)) if given.any() else frame
        self._waiting.add(frame)
        return Outputs(late=late) if late else NOTHING

    def on_mark(self, mark_ms: int) -> Outputs:
        if not self._waits or not len(self._waiting):
            return NOTHING
        rows = self._waiting.take(mark_ms)
        return Outputs(out=self._first(picked(rows, self._names))) if rows.height else NOTHING

    def _first(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, ...]:
        """Return the rows whose key was not given before."""
        keys = [rows[name] for name in self._partition]
        slots, made = self._index.upsert_columns(keys, rows.height)
        if self._ttl_ms:
            made = self._renewed(slots, made)
        if not made.size:
            return ()
        out = rows if made.size == rows.height else gathered(rows, made)
        if self._number is not None:
            out = out.hstack([pl.Series(self._number, np.ones(out.height, dtype=np.int64))])
        return (out,)

    def _renewed(self, slots: np.ndarray, made: np.ndarray) -> np.ndarray:
        """Return the rows to give where keys age: the new ones and those of forgotten keys."""
        matrix = self._index.rows.matrix()
        keys, firsts = np.unique(slots, return_index=True)
        known = np.setdiff1d(keys, slots[made])
        old = known[matrix[known, self._index.extra] <= self._expiry.cutoff_ms]
        matrix[np.concatenate([old, slots[made]]), self._index.extra] = self._expiry.now_ms
        return np.union1d(made, firsts[np.searchsorted(keys, old)])

    def snapshot(self) -> Snapshot:
        slots = self._index.rows.live()
        written = pl.Series("$written", self._index.rows.matrix()[slots, self._index.extra])
        rows, arrived = self._waiting.save()
        keys = self._index.keys(slots).with_columns(written)
        return Snapshot({"keys": keys, "rows": rows}, {"arrived": arrived})

    def restore(self, snapshot: Snapshot) -> None:
        keys = snapshot.tables["keys"]
        slots = self._index.restore(keys.drop("$written"))
        self._index.rows.matrix()[slots, self._index.extra] = keys["$written"].to_numpy()
        self._waiting.load(snapshot.tables["rows"], int(snapshot.facts["arrived"]))

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used + self._waiting.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._index) + len(self._waiting)


def milliseconds(times: pl.Series) -> np.ndarray:
    """Return event times, which are of at most three digits, as numbers."""
    return times.cast(pl.Int64).to_numpy()
