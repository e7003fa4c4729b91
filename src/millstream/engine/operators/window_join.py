"""Window joins: rows of equal windows meet once, when the watermark passes the window's end.

in      append-only batches of two inputs, each with the start and end of its rows' windows
state   the rows of windows that are still open, by end
out     closed windows only, append-only: by window end, then left rows in arrival order with
        their partners in arrival order; right rows without partner follow. NULL keys meet nothing
late    a row whose window is closed by its own mark; it comes with NULLs for the other side
reject  a pair whose condition cannot be computed; it is no match
cost    a row is kept once and given once; windows are joined in pieces of PAIRS_MAX pairs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.frames import filtered, picked
from millstream.engine.batch import MARK, Batch
from millstream.engine.operator import NOTHING, Lowering, Operator, Outputs, Snapshot, lowers
from millstream.engine.operators.join_rows import LEFT, RIGHT, JoinRows, pairs_of
from millstream.engine.state.end_order import EndOrder
from millstream.engine.wall_clock import WallClock
from millstream.plan.joins import JoinKind, WindowJoin
from millstream.plan.nodes import Node, WindowAggregate, WindowTable

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIRS_MAX = 500_000
"""Pairs that are looked at together, about: what a condition leaves of them may be little."""
START, END = "$start", "$end"
ROW = "$row"


class WindowPairs(Operator):
    """One running window join."""

    def __init__(self, node: WindowJoin, lowering: Lowering) -> None:
        self.uid = node.uid
        self._kind = node.kind
        self._bounds = (node.left_bounds, node.right_bounds)
        self._keys = tuple(zip(*node.keys, strict=True)) or ((), ())
        sides = (node.left.schema, node.right.schema)
        self._rows = JoinRows(sides, node.kind, node.residual, lowering, node.uid)
        self._clock = wall_clock_of(node, lowering.ctx.time_zone)
        self._waiting = tuple(
            EndOrder(pl.DataFrame(schema=schema)) for schema in (self._rows.left, self._rows.right)
        )

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        frame = batch.frame
        if not frame.height:
            return NOTHING
        # A window is done with the mark one millisecond before its end.
        done = self._clock.instants_of(_milliseconds(frame[self._bounds[port][1]])) - 1
        late: tuple[pl.DataFrame, ...] = ()
        if batch.has_marks:
            too_late = done <= frame[MARK].to_numpy()
            if too_late.any():
                late = (self._rows.late(filtered(frame, pl.Series(too_late)), port),)
                frame, done = filtered(frame, pl.Series(~too_late)), done[~too_late]
        self._waiting[port].add(done, picked(frame, self._rows.names[port]))
        return Outputs(late=late) if late else NOTHING

    def on_mark(self, mark_ms: int) -> Outputs:
        (_, left), (_, right) = (side.take(mark_ms) for side in self._waiting)
        if not left.height and not right.height:
            return NOTHING
        return self._joined(left, right)

    def snapshot(self) -> Snapshot:
        tables = {name: side.all()[1] for name, side in zip("lr", self._waiting, strict=True)}
        return Snapshot({"left": tables["l"], "right": tables["r"]})

    def restore(self, snapshot: Snapshot) -> None:
        for port, name in enumerate(("left", "right")):
            rows = snapshot.tables[name]
            ends = _milliseconds(rows[self._bounds[port][1]])
            self._waiting[port].add(self._clock.instants_of(ends) - 1, rows)

    @property
    def state_bytes(self) -> int:
        return sum(side.bytes_used for side in self._waiting)

    @property
    def state_rows(self) -> int:
        return sum(map(len, self._waiting))

    def _joined(self, left: pl.DataFrame, right: pl.DataFrame) -> Outputs:
        """Join the rows of closed windows."""
        out: list[pl.DataFrame] = []
        rejected: list[pl.DataFrame] = []
        right_met = np.zeros(right.height, dtype=np.bool_)
        left_keys, right_keys = self._key_rows(left, 0), self._key_rows(right, 1)
        on = [name for name in left_keys.columns if name != ROW]
        for start, stop in _pieces(left_keys, right_keys, on):
            met = left_keys[start:stop].join(
                right_keys, on=on, nulls_equal=False, maintain_order="left_right"
            )
            places = (met[ROW].to_numpy(), met[ROW + "_right"].to_numpy())
            pairs, bad = self._rows.passed(pairs_of(left, right, *places))
            rejected.extend(bad)
            right_met[pairs[RIGHT].to_numpy()] = True
            given = self._given(left[start:stop], start, pairs)
            if given.height:
                out.append(given)
        if self._kind.fills_left and not right_met.all():
            out.append(self._rows.right_alone(right.filter(pl.Series(~right_met))))
        return Outputs(out=tuple(out), rejected=tuple(rejected))

    def _given(self, left: pl.DataFrame, start: int, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return what left rows, the first of which is row ``start``, became."""
        met = np.zeros(left.height, dtype=np.bool_)
        met[pairs[LEFT].to_numpy() - start] = True
        if not self._kind.gives_right:
            return left.filter(pl.Series(met if self._kind is JoinKind.SEMI else ~met))
        if not self._kind.fills_right or met.all():
            return self._rows.given(pairs)
        alone = pl.Series(LEFT, np.flatnonzero(~met) + start)
        lonely = left.filter(pl.Series(~met)).with_columns(alone)
        both = [self._rows.given(pairs, LEFT), self._rows.left_alone(lonely, LEFT)]
        return pl.concat(both).sort(LEFT, maintain_order=True).drop(LEFT)

    def _key_rows(self, rows: pl.DataFrame, port: int) -> pl.DataFrame:
        """Return what must be equal, under the same names on both sides, and the row's place."""
        start, end = self._bounds[port]
        keys = (pl.col(key).alias(f"k{i}") for i, key in enumerate(self._keys[port]))
        return rows.select(
            pl.col(end).alias(END),
            pl.col(start).alias(START),
            *keys,
            pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW),
        )


@lowers(WindowJoin)
def _(node: WindowJoin, lowering: Lowering) -> Operator:
    return WindowPairs(node, lowering)


def wall_clock_of(node: WindowJoin, zone: str) -> WallClock:
    """Return the clock the window bounds are read from: a zone's where the time is an instant."""
    at: Node | None = node.left
    while at is not None:
        if isinstance(at, WindowTable | WindowAggregate):
            local = isinstance(at.input.schema.type_of(at.time), t.TimestampLtz)
            return WallClock(zone if local and zone != "UTC" else None)
        at = at.inputs[0] if at.inputs else None
    return WallClock(None)


def _milliseconds(times: pl.Series) -> np.ndarray:
    return times.cast(pl.Int64).to_numpy()


def _pieces(left: pl.DataFrame, right: pl.DataFrame, on: list[str]) -> Iterator[tuple[int, int]]:
    """Cut the left rows into stretches with about PAIRS_MAX partners each."""
    if left.height * right.height <= PAIRS_MAX:
        yield 0, left.height
        return
    counts = right.group_by(on).len("$partners")
    counted = left.join(counts, on=on, how="left", nulls_equal=False, maintain_order="left")
    pairs = counted["$partners"].fill_null(0).cast(pl.Int64).to_numpy()
    piece = np.cumsum(np.maximum(pairs, 1)) // PAIRS_MAX
    starts = np.flatnonzero(np.diff(piece, prepend=-1))
    yield from zip(starts.tolist(), [*starts[1:].tolist(), left.height], strict=True)
