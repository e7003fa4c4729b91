"""Temporal joins by event time: each row meets the version that held at its time.

in      port 0 rows that only come; port 1 the versions of keys, as rows that come, are replaced
        (+U, with or without -U before) or go (-D), each with the time since which it is so
state   left rows until the mark reaches their time; per key the versions that can be asked for:
        the newest one at or before the mark, and those after it
out     by time of the left row, then in arrival order: the row beside its version. LEFT: beside
        NULLs where there was none, where its key is NULL, or where the residual is not TRUE
late    a left row at or behind its mark. A version that comes late counts for rows still waiting
reject  a pair whose residual cannot be computed; it is no pair
ttl     a key neither written nor asked for so long is forgotten, with all its versions
source  the meaning is Flink's: a version holds from its time on until the next one's
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.columns.frames import (
    filtered,
    gathered,
    gathered_columns,
    is_null,
    is_there,
    picked,
    stacked,
)
from millstream.columns.physical import polars_schema
from millstream.engine.batch import MARK, OP, Batch, Op
from millstream.engine.marks import LOWEST_MS
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.operators.join_rows import LEFT, JoinRows
from millstream.engine.rejects import rejected_rows
from millstream.engine.state.codec import face
from millstream.engine.state.end_order import EndOrder
from millstream.engine.state.key_index import key_frame
from millstream.engine.state.versions import Version, Versions
from millstream.plan.joins import JoinKind, TemporalJoin

_SAYS = {
    Op.INSERT: Version.HOLDS,
    Op.UPDATE_BEFORE: Version.REPLACED,
    Op.UPDATE_AFTER: Version.HOLDS,
    Op.DELETE: Version.GONE,
}
KINDS = np.array([_SAYS[op] for op in Op], dtype=np.int64)
"""What a change kind says of its key."""


class VersionAtTime(Operator):
    """One running temporal join."""

    def __init__(self, node: TemporalJoin, lowering: Lowering) -> None:
        assert node.kind in (JoinKind.INNER, JoinKind.LEFT), f"no such join: {node.kind.value}"
        assert not lowering.changes_in[0], "rows that wait for their version never change"
        self.uid = node.uid
        self._left_time, self._right_time = node.left_time, node.right_time
        self._rows = JoinRows(
            (node.left.schema, node.right.schema), node.kind, node.residual, lowering, node.uid
        )
        # Rows are versions of their upsert key, of which the join may ask for more than that.
        key = _version_key(node, lowering)
        asked = {b: a for a, b in node.keys}
        self._left_key = tuple(asked[b] for b in key)
        self._more = tuple((a, b) for a, b in node.keys if asked[b] != a or b not in key)
        self._waiting = EndOrder(pl.DataFrame(schema=polars_schema(node.left.schema)))
        self._versions = Versions(
            dict(polars_schema(node.right.schema)), key, lowering.seed, lowering.ttl_ms
        )
        self._seen = 0
        self._read_at_ms = 0

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        if not len(batch):
            return NOTHING
        self._seen += len(batch)
        self._read_at_ms = batch.read_at_ms
        self._versions.expiry.at_time(batch.read_at_ms)
        if port == 1:
            return self._put(batch.frame)
        frame = batch.frame
        late: tuple[pl.DataFrame, ...] = ()
        if batch.has_marks:
            too_late = _milliseconds(frame[self._left_time]) <= frame[MARK].to_numpy()
            if too_late.any():
                late = (self._rows.late(filtered(frame, pl.Series(too_late)), 0),)
                frame = filtered(frame, pl.Series(~too_late))
        self._wait(picked(frame, self._rows.names[0]))
        return Outputs(late=late) if late else NOTHING

    def on_mark(self, mark_ms: int) -> Outputs:
        times, rows = self._waiting.take(mark_ms)
        given = self._joined(rows, times) if rows.height else NOTHING
        self._versions.forget(self._seen, mark_ms)
        self._seen = 0
        return given

    def snapshot(self) -> Snapshot:
        tables = {"waiting": self._waiting.all()[1], "versions": self._versions.save()}
        return Snapshot(tables)

    def restore(self, snapshot: Snapshot) -> None:
        self._wait(snapshot.tables["waiting"])
        self._versions.load(snapshot.tables["versions"])

    @property
    def state_bytes(self) -> int:
        return self._waiting.bytes_used + self._versions.bytes_used

    @property
    def state_rows(self) -> int:
        return len(self._waiting) + len(self._versions)

    def _wait(self, rows: pl.DataFrame) -> None:
        self._waiting.add(_milliseconds(rows[self._left_time]), rows)

    def _put(self, frame: pl.DataFrame) -> Outputs:
        """Take versions in; a key that is NULL is nobody's."""
        rejected: tuple[pl.DataFrame, ...] = ()
        if frame[self._right_time].null_count():
            timeless = is_null(frame[self._right_time])
            why = f"the time '{self._right_time}' of the version is NULL"
            rejected = (rejected_rows(filtered(frame, timeless), why, self.uid, port=1),)
            frame = filtered(frame, ~timeless)
        for name in self._versions.key:
            if frame[name].null_count():
                frame = filtered(frame, is_there(frame[name]))
        kinds = frame[OP].to_numpy() if OP in frame.columns else np.zeros(frame.height, np.int8)
        if MARK in frame.columns:
            marks = face(frame[MARK].to_numpy())
        else:
            marks = np.full(frame.height, LOWEST_MS)
        times = _milliseconds(frame[self._right_time])
        self._versions.put(picked(frame, self._rows.names[1]), times, marks, KINDS[kinds])
        return Outputs(rejected=rejected) if rejected else NOTHING

    def _joined(self, rows: pl.DataFrame, times: np.ndarray) -> Outputs:
        """Put rows beside the versions that held at their times, which ascend."""
        pairs = zip(self._left_key, self._versions.key, strict=True)
        keys = key_frame([rows[a].alias(b) for a, b in pairs], rows.height)
        if any(column.null_count() for column in keys.iter_columns()):
            able = np.ones(rows.height, dtype=np.bool_)
            for column in keys.iter_columns():
                able &= is_there(column).to_numpy()
            found = np.full(rows.height, -1, dtype=np.int64)
            found[able] = self._versions.at(filtered(keys, pl.Series(able)), times[able])
        else:
            found = self._versions.at(keys, times)
        at = np.flatnonzero(found >= 0)
        own = gathered_columns(rows.get_columns(), at)
        theirs = self._versions.get(found[at]).get_columns()
        met = pl.DataFrame([*own, *theirs, pl.Series(LEFT, at)])
        if self._more:
            met = met.filter(pl.col(a) == pl.col(b) for a, b in self._more)
        met, rejected = self._rows.passed(met, self._read_at_ms)
        if not self._rows.kind.fills_right or met.height == rows.height:
            return Outputs(out=(self._rows.given(met),), rejected=rejected)
        alone = np.ones(rows.height, dtype=np.bool_)
        alone[met[LEFT].to_numpy()] = False
        left = np.flatnonzero(alone)
        both = stacked([self._rows.given(met), self._rows.left_alone(gathered(rows, left))])
        order = np.argsort(np.concatenate([met[LEFT].to_numpy(), left]), kind="stable")
        return Outputs(out=(gathered(both, order),), rejected=rejected)


@lowers(TemporalJoin)
def _(node: TemporalJoin, lowering: Lowering) -> Operator:
    return VersionAtTime(node, lowering)


def _version_key(node: TemporalJoin, lowering: Lowering) -> tuple[str, ...]:
    """Return the columns that tell whose version a row is, which the join asks for."""
    asked = tuple(b for _, b in node.keys)
    known = (key for facts in lowering.facts_in[1:] for key in facts.keys)
    return next((key for key in known if set(key) <= set(asked)), tuple(dict.fromkeys(asked)))


def _milliseconds(times: pl.Series) -> np.ndarray:
    times = times if times.dtype == pl.Datetime("ms") else times.dt.cast_time_unit("ms")
    return face(times.cast(pl.Int64).to_numpy())
