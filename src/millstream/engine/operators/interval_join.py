"""Interval joins: rows of equal keys whose times are close, each pair given once.

in      append-only batches of two inputs
pairs   those where right_time BETWEEN left_time + lower AND left_time + upper
state   the rows of both sides, by key and time, each until no partner can come any more
ends    a left row ends when the mark is beyond left_time + max(upper, 0), a right row when it is
        beyond right_time - min(lower, 0): before that a row that is not late may still meet it
out     a pair when its second row comes; an outer row without partner when it ends. ``$mark`` is
        that of the later row, less the node's delay. NULL keys meet nothing
late    no row is dropped: a late row meets the partners that have not ended by its own mark, and
        is kept for others while that mark stands. An outer row that is late is thus given soon
reject  a pair whose condition cannot be computed; it is no match
cost    follows the rows of a batch and their partners (:mod:`millstream.engine.state.timed_rows`)
source  the marks decide who came first (:func:`~millstream.engine.state.timed_rows.fits`), so that
        batch boundaries never show; Flink's own answer for late rows depends on clean-up timers
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import filtered, gathered_columns, is_there, picked
from millstream.engine.batch import FINAL_MARK_MS, MARK, Batch
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.operators.join_rows import JoinRows
from millstream.engine.state import timed_rows as tr
from millstream.engine.state.codec import encode
from millstream.plan.joins import IntervalJoin, JoinKind

PAIRS_MAX = 500_000
"""Pairs that are looked at together, about: what a condition leaves of them may be little."""
MET, ROW_MARK = "$met", "$row_mark"
WHICH, SLOT = "$which", "$slot"
KINDS = (JoinKind.INNER, JoinKind.LEFT, JoinKind.RIGHT, JoinKind.FULL)


class IntervalPairs(Operator):
    """One running interval join."""

    def __init__(self, node: IntervalJoin, lowering: Lowering) -> None:
        assert node.kind in KINDS, f"no interval join is {node.kind.value}"
        self.uid = node.uid
        sides = (node.left.schema, node.right.schema)
        self._rows = JoinRows(sides, node.kind, node.residual, lowering, node.uid)
        self._names = (self._rows.left, self._rows.right)
        self._fills = (node.kind.fills_right, node.kind.fills_left)
        self._keys = tuple(zip(*node.keys, strict=True)) or ((), ())
        self._times = (node.left_time, node.right_time)
        # From a row of each side: how far away its partners may be, and how long it is kept.
        self._reach = ((node.lower_ms, node.upper_ms), (-node.upper_ms, -node.lower_ms))
        self._lasts = (max(node.upper_ms, 0), max(-node.lower_ms, 0))
        self._delay_ms = node.delay_ms
        width_ms = max(node.upper_ms - node.lower_ms, 0) + 1
        self._state = tr.TimedRows(self._names, width_ms, lowering.seed)
        self._added = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        frame = batch.frame
        if not frame.height:
            return NOTHING
        out: list[pl.DataFrame] = []
        rejected: list[pl.DataFrame] = []
        timed = self._timed(frame, port)
        frame = picked(frame, self._rows.names[port])
        able = self._able(frame, port)
        if able is not None:
            if self._fills[port]:
                lonely = filtered(frame, ~able)
                out.append(self._alone(lonely, timed.take(~able.to_numpy()), port))
            frame, timed = filtered(frame, able), timed.take(able.to_numpy())
        if frame.height:
            keys = self._hashed(frame, port)
            met = self._meet(frame, keys, timed, port, out, rejected, batch.read_at_ms)
            self._state.add(port, keys, timed, met, frame)
            self._added += frame.height
        return Outputs(out=tuple(out), rejected=tuple(rejected))

    def on_mark(self, mark_ms: int) -> Outputs:
        out: list[pl.DataFrame] = []
        for port, fills in enumerate(self._fills):
            ended = self._state.end(port, mark_ms)
            if not (fills and ended.size):
                continue
            lonely = ended[self._state.words(port, ended, tr.MET) == 0]
            if lonely.size:
                marks = self._state.words(port, lonely, tr.MARK)
                out.append(self._padded(self._state.get(port, lonely), marks, port))
        final = mark_ms == FINAL_MARK_MS
        self._state.give_back(None if final else max(tr.FREED_ROWS_MIN, 2 * self._added))
        self._added = 0
        return Outputs(out=tuple(out)) if out else NOTHING

    def snapshot(self) -> Snapshot:
        tables: dict[str, pl.DataFrame] = {}
        for port, name in enumerate(("left", "right")):
            slots = self._state.kept(port)
            tables[name] = self._state.get(port, slots).with_columns(
                pl.Series(MET, self._state.words(port, slots, tr.MET), dtype=pl.Int64),
                pl.Series(ROW_MARK, self._state.words(port, slots, tr.MARK), dtype=pl.Int64),
            )
        return Snapshot(tables)

    def restore(self, snapshot: Snapshot) -> None:
        for port, name in enumerate(("left", "right")):
            rows = snapshot.tables[name]
            if rows.height:
                timed = self._timed(rows.rename({ROW_MARK: MARK}), port)
                met = rows[MET].to_numpy()
                self._state.add(port, self._hashed(rows, port), timed, met, rows)

    @property
    def state_bytes(self) -> int:
        return self._state.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._state)

    def _meet(
        self,
        frame: pl.DataFrame,
        keys: tr.Keys,
        timed: tr.Timed,
        port: int,
        out: list[pl.DataFrame],
        rejected: list[pl.DataFrame],
        read_at_ms: int,
    ) -> np.ndarray:
        """Give the pairs of new rows; returns which of these have some."""
        other = 1 - port
        met = np.zeros(frame.height, dtype=np.int64)
        for which, slots in self._state.find(other, keys, timed, self._reach[port], PAIRS_MAX):
            pairs, given, partners = self._paired(frame, which, slots, port), which, slots
            if self._rows.check is not None:
                places = [pl.Series(WHICH, which), pl.Series(SLOT, slots)]
                pairs, bad = self._rows.passed(pairs.hstack(places), read_at_ms)
                rejected.extend(bad)
                if not pairs.height:
                    continue
                given, partners = (pairs[place].to_numpy() for place in (WHICH, SLOT))
                pairs = self._rows.given(pairs)
            met[given] = 1
            if self._fills[other]:
                self._state.met(other, partners)
            marks = np.maximum(timed.marks[given], self._state.words(other, partners, tr.MARK))
            out.append(self._marked(pairs, marks))
        return met

    def _paired(
        self, frame: pl.DataFrame, which: np.ndarray, slots: np.ndarray, port: int
    ) -> pl.DataFrame:
        """Return rows beside kept ones of the other side."""
        own = gathered_columns(frame.get_columns(), which)
        theirs = self._state.columns(1 - port, slots)
        return pl.DataFrame([*theirs, *own] if port else [*own, *theirs])

    def _timed(self, frame: pl.DataFrame, port: int) -> tr.Timed:
        times = encode(frame[self._times[port]]).first
        if MARK in frame.columns:
            marks = frame[MARK].to_numpy()
            marks = np.where(marks >= times, marks, LOWEST_MS)
        else:
            marks = np.full(times.size, LOWEST_MS)
        return tr.Timed(times, marks, times + self._lasts[port])

    def _able(self, frame: pl.DataFrame, port: int) -> pl.Series | None:
        """Tell which rows can have partners at all; None = all of them."""
        able: pl.Series | None = None
        for name in (*self._keys[port], self._times[port]):
            if frame[name].null_count():
                some = is_there(frame[name])
                able = some if able is None else able & some
        return able

    def _hashed(self, frame: pl.DataFrame, port: int) -> tr.Keys:
        return self._state.hashed([frame[k] for k in self._keys[port]], frame.height)

    def _alone(self, rows: pl.DataFrame, timed: tr.Timed, port: int) -> pl.DataFrame:
        return self._padded(rows, timed.marks, port)

    def _padded(self, rows: pl.DataFrame, marks: np.ndarray, port: int) -> pl.DataFrame:
        made = self._rows.right_alone(rows) if port else self._rows.left_alone(rows)
        return self._marked(made, marks)

    def _marked(self, rows: pl.DataFrame, marks: np.ndarray) -> pl.DataFrame:
        """Return rows with the mark they leave under, where some row is behind it."""
        if (marks == LOWEST_MS).all():
            return rows
        left = np.where(marks == LOWEST_MS, LOWEST_MS, marks - self._delay_ms)
        return rows.hstack([pl.Series(MARK, left)])


@lowers(IntervalJoin)
def _(node: IntervalJoin, lowering: Lowering) -> Operator:
    return IntervalPairs(node, lowering)
