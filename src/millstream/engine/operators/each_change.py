"""Feeds a step below TO_CHANGELOG so that it merges no changes: they are told one by one there.

in      any batches
state   that of the step inside
out     what the step gives when no batch holds two rows that may change the same row of its result:
        batches are cut where a key comes again, and behind every row where there is no key. So the
        told changes are those of row by row, whatever the cuts, and equal Flink's
notes   this costs the speed of whole batches; only plans with TO_CHANGELOG pay for it
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.frames import picked, stacked
from millstream.engine.batch import Batch
from millstream.engine.operator import Operator, Outputs, Snapshot
from millstream.engine.state.key_hashes import key_hashes


class EachChange(Operator):
    """A step that sees at most one row per key at a time; ``keys`` None = one row at a time."""

    def __init__(self, inner: Operator, keys: tuple[str, ...] | None) -> None:
        self.uid = inner.uid
        self.arenas = inner.arenas
        self._inner = inner
        self._keys = keys

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        if len(batch) < 2:
            return self._inner.on_batch(batch, port)
        made = [self._inner.on_batch(batch.with_frame(f), port) for f in self._parts(batch.frame)]
        return Outputs(
            out=_joined([f for each in made for f in each.out]),
            late=tuple(f for each in made for f in each.late),
            rejected=tuple(f for each in made for f in each.rejected),
        )

    def on_mark(self, mark_ms: int) -> Outputs:
        return self._inner.on_mark(mark_ms)

    def snapshot(self) -> Snapshot:
        return self._inner.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        self._inner.restore(snapshot)

    @property
    def state_bytes(self) -> int:
        return self._inner.state_bytes

    @property
    def state_rows(self) -> int:
        return self._inner.state_rows

    def _parts(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Cut a frame where a row has the key of another one since the last cut."""
        if not self._keys:
            yield from frame.iter_slices(1)
            return
        # Two keys of one hash are cut as if they were one, which is harmless.
        codes, _ = key_hashes([frame[name] for name in self._keys], 0)
        order = np.argsort(codes, kind="stable")
        again = codes[order[1:]] == codes[order[:-1]]
        before = np.full(frame.height, -1)
        before[order[1:][again]] = order[:-1][again]
        start = 0
        # A loop over cuts, not over rows: most batches have many keys.
        while start < frame.height:
            found = np.flatnonzero(before[start:] >= start)
            stop = start + int(found[0]) if found.size else frame.height
            yield frame[start:stop]
            start = stop


def _joined(frames: list[pl.DataFrame]) -> tuple[pl.DataFrame, ...]:
    """Put small frames together; one without change kinds holds inserts."""
    frames = [f for f in frames if f.height]
    if len(frames) < 2:
        return tuple(frames)
    if any(OP in f.columns for f in frames):
        op = pl.Series(OP, [int(Op.INSERT)], dtype=pl.Int8)
        frames = [
            f if OP in f.columns else f.hstack([op.new_from_index(0, f.height)]) for f in frames
        ]
    if len({frozenset(f.columns) for f in frames}) > 1:
        return tuple(frames)
    return (stacked([picked(f, frames[0].columns) for f in frames]),)
