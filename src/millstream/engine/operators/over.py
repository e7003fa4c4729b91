"""OVER windows in the order of time: each row once, with values over the rows before it.

in      rows that only come
state   the rows that the watermark has not passed yet; per partition what later rows need: partial
        results, the rank of the last row, the values that LAG looks back at
out     by event time the rows whose time the watermark reaches, by time, then arrival; by
        processing time each row at once, in order of arrival
late    a row whose time the watermark has reached already (event time only)
reject  a row whose argument cannot be computed
ttl     a partition without a row for so long begins anew
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import filtered, picked
from millstream.columns.physical import polars_schema
from millstream.engine.aggregates.frames import Frames
from millstream.engine.batch import MARK, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.operators.over_calls import OverCalls
from millstream.engine.operators.over_changes import OverOfChanges
from millstream.engine.operators.rank_first import milliseconds
from millstream.engine.state import running
from millstream.engine.state.arena import Arena
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex, keys_of
from millstream.engine.state.past import Past
from millstream.engine.state.slots import Rows
from millstream.engine.state.waiting import Waiting
from millstream.plan.ranks import Over

# The operator's own words of a partition: when it was last written, rows so far, the last row's
# rank and dense rank, its time.
WRITTEN, SEEN, RANK, GROUPS, LATEST = range(5)
OWN_WORDS = 5


class OverInTime(Operator):
    """One running OVER by event or processing time."""

    def __init__(self, node: Over, lowering: Lowering) -> None:
        given = node.input.schema
        schema = polars_schema(given)
        self.uid = node.uid
        self._names = given.names
        self._partition = node.partition
        self._time = node.by[0].column
        self._waits = self._time in lowering.facts_in[0].times
        self._calls = OverCalls.of(node, lowering)
        self._ttl_ms = lowering.ttl_ms
        self._arena = Arena()
        heap = ByteHeap(self._arena)
        lags = self._calls.lags_back
        words = OWN_WORDS + running.RUNNING_WORDS + Past.words_for(lags)
        self._index = KeyIndex(
            {name: schema[name] for name in node.partition},
            lowering.seed,
            arena=self._arena,
            heap=heap,
            extra_words=words,
        )
        rows, at = self._index.rows, self._index.extra
        self._own = at
        self._frames = Frames(
            self._calls.aggs,
            node.frame,
            arena=self._arena,
            heap=heap,
            owners=rows,
            at=at + OWN_WORDS,
            seed=lowering.seed,
        )
        self._past = Past(
            self._calls.lag_schema,
            lags,
            arena=self._arena,
            heap=heap,
            owners=rows,
            at=at + OWN_WORDS + running.RUNNING_WORDS,
        )
        # Processing time has no rows that stand side by side: each is given as it comes.
        self._peers = not node.frame.rows and self._waits
        self._expiry = Expiry(rows, at + WRITTEN, lowering.ttl_ms)
        self._waiting = Waiting(self._time, self._calls.empty)

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        assert port == 0, "an OVER has one input"
        frame = batch.frame
        if not frame.height:
            return NOTHING
        self._expiry.at_time(batch.read_at_ms)
        self._forget(self._expiry.due(frame.height), free=True)
        late: tuple[pl.DataFrame, ...] = ()
        if self._waits and MARK in frame.columns:
            behind = milliseconds(frame[self._time]) <= frame[MARK].to_numpy()
            if behind.any():
                mask = pl.Series(behind)
                late = (filtered(frame, mask),)
                frame = filtered(frame, ~mask)
        frame, rejected = self._calls.prepare(batch.with_frame(frame))
        out: tuple[pl.DataFrame, ...] = ()
        if frame.height:
            frame = picked(frame, self._calls.empty.columns)
            if self._waits:
                self._waiting.add(frame)
            else:
                out = (self._values(frame),)
        if not (out or late or rejected):
            return NOTHING
        return Outputs(out=out, late=late, rejected=rejected)

    def on_mark(self, mark_ms: int) -> Outputs:
        if not self._waits or not len(self._waiting):
            return NOTHING
        rows = self._waiting.take(mark_ms)
        return Outputs(out=(self._values(rows),)) if rows.height else NOTHING

    def _values(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows, in order, with the value of every call."""
        keys = [rows[name] for name in self._partition]
        slots, _ = self._index.upsert_columns(keys, rows.height)
        self._renew(slots)
        times = milliseconds(rows[self._time])
        ranks = count_rows(self._index.rows.view, self._own, slots, times)
        frames = {c.name: c for c in self._frames.run(slots, times, rows, peers=self._peers)}
        shifted = self._past.run(slots, rows)
        made = self._calls.in_time(rows, frames, ranks, shifted)
        return pl.DataFrame([*(rows[name] for name in self._names), *made])

    # ------------------------------------------------------------------ age

    def _renew(self, slots: np.ndarray) -> None:
        if not self._ttl_ms:
            return
        matrix = self._index.rows.matrix()
        mine = np.unique(slots)
        had = matrix[mine, self._own + SEEN] > 0
        old = matrix[mine, self._own + WRITTEN] <= self._expiry.cutoff_ms
        self._forget(mine[had & old], free=False)
        matrix[mine, self._own + WRITTEN] = self._expiry.now_ms

    def _forget(self, slots: np.ndarray, *, free: bool) -> None:
        if not slots.size:
            return
        self._frames.release(slots)
        self._past.release(slots)
        self._index.rows.matrix()[slots, self._own :] = 0
        if free:
            self._index.free(slots)

    # ------------------------------------------------------------------ state

    def snapshot(self) -> Snapshot:
        slots = self._index.rows.live()
        own = self._index.rows.matrix()[slots, self._own : self._own + OWN_WORDS]
        words = [pl.Series(f"$own{j}", own[:, j]) for j in range(OWN_WORDS)]
        tables, facts = self._frames.save(slots)
        tables["keys"] = self._index.keys(slots).with_columns(words)
        tables["past"] = self._past.save(slots)
        tables["rows"], arrived = self._waiting.save()
        return Snapshot(tables, {**facts, "arrived": arrived})

    def restore(self, snapshot: Snapshot) -> None:
        keys = snapshot.tables["keys"]
        slots = self._index.restore(keys_of(keys, self._partition))
        matrix = self._index.rows.matrix()
        for j in range(OWN_WORDS):
            matrix[slots, self._own + j] = keys[f"$own{j}"].to_numpy()
        self._frames.load(slots, snapshot.tables, snapshot.facts)
        self._past.load(slots, snapshot.tables["past"])
        self._waiting.load(snapshot.tables["rows"], int(snapshot.facts["arrived"]))

    @property
    def state_bytes(self) -> int:
        return self._arena.bytes_used + self._waiting.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._index) + self._frames.cells + len(self._waiting)


@lowers(Over)
def _(node: Over, lowering: Lowering) -> Operator:
    if node.in_time(lowering.facts_in[0]):
        return OverInTime(node, lowering)
    return OverOfChanges(node, lowering)


@kernel
def count_rows(rows: Rows, at: int, slots: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the number, rank and dense rank of each row, which come in order."""
    out = np.empty((3, slots.size), dtype=np.int64)
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        if rows.words[p + SEEN] == 0 or rows.words[p + LATEST] != times[i]:
            rows.words[p + RANK] = rows.words[p + SEEN] + 1
            rows.words[p + GROUPS] += 1
            rows.words[p + LATEST] = times[i]
        rows.words[p + SEEN] += 1
        out[0, i] = rows.words[p + SEEN]
        out[1, i] = rows.words[p + RANK]
        out[2, i] = rows.words[p + GROUPS]
    return out
