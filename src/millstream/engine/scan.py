"""The head of a pipeline: chunks of splits become batches with computed columns and marks.

in      :class:`Block`: a chunk of one split, physical and metadata columns
state   the marks of the splits
out     one batch over all blocks of a turn; ``$mark`` only where some row is behind its mark
reject  undecodable documents (raw bytes); rows whose event time is NULL or whose computed columns
        fail, as the reader gave them
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from millstream.columns.frames import picked, stacked
from millstream.engine.batch import FINAL_MARK_MS, HIDDEN, MARK, OFFSET, SPLIT, Batch
from millstream.engine.deduplicate import Seen
from millstream.engine.evaluate import lower
from millstream.engine.functions import Context
from millstream.engine.marks import LOWEST_MS, SplitMarks, Under
from millstream.engine.operators.window_spec import milliseconds
from millstream.engine.program import AT, Program
from millstream.engine.rejects import rejected_rows, undecodable
from millstream.engine.stages import Compute
from millstream.expr.resolve import cast_to
from millstream.expr.tree import Call, Column, Expr, Literal, Named
from millstream.plan.nodes import Scan
from millstream.plan.table import ColumnDef, Computed, Metadata, Table, Watermark
from millstream.ports.registry import connector, metadata_type
from millstream.types.logical import IntervalDay

CONTRIBUTION = "$contribution"
SEEN = "/seen"
"""Behind a scan's id: the messages it has seen."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one split in their order, as a reader gave them."""

    split: str
    frame: pl.DataFrame
    rejected: pl.DataFrame | None = None
    offsets: pl.Series | None = None


@dataclass(frozen=True, slots=True)
class Scanned:
    """One turn of a scan."""

    batch: Batch
    rejected: tuple[pl.DataFrame, ...]


class ScanStage:
    """Turns blocks into batches; one per Scan of the plan.

    ``marks``: rows always say under which mark they came. ``places``: they say their split and
    offset, because a step above may drop some of them.
    """

    def __init__(self, node: Scan, ctx: Context, *, seed: int, marks: bool = False) -> None:
        self.uid = node.uid
        self.table = node.table
        self.marks = SplitMarks()
        self.final = False
        self.seen: Seen | None = None
        """The messages read, where the source may send one again."""
        self.places = False
        self._gives_marks = marks
        wanted = node.schema.names
        self._compute = _computed(node, ctx, seed)
        self._numbered = self._compute is not None and self._compute.can_fail
        """Whether rows are numbered, to find again what the reader gave."""
        watermark = node.table.watermark
        self._time = None if watermark is None else watermark.column
        self._behind_ms = None if watermark is None else _constant_delay_ms(watermark)
        """How far each row's contribution is behind its time, where that is always the same."""
        self._contribution = None
        if watermark is not None and self._behind_ms is None:
            lowered = lower(watermark.expr, ctx)
            self._contribution = lowered.value.dt.epoch("ms").cast(pl.Int64).alias(CONTRIBUTION)
        self._gives = wanted

    @property
    def mark_ms(self) -> int:
        """The mark given out so far."""
        return FINAL_MARK_MS if self.final else self.marks.given_ms

    def finish(self) -> None:
        """Say that bounded input has ended: the next batch carries the final mark."""
        self.final = True

    def turn(self, blocks: Iterable[Block], read_at_ms: int) -> Scanned:
        """Take the blocks of a turn, in reading order.

        Each block is taken up before the next one is asked for, so that ``blocks`` may choose the
        next split by the marks as they stand.
        """
        frames: list[pl.DataFrame] = []
        rejected: list[pl.DataFrame] = []
        came: list[Under] = []
        gives_marks = self._gives_marks
        for block in blocks:
            frame = self._taken(block, read_at_ms, rejected)
            if self._time is not None:
                under, behind = self._under(frame, block.split)
                came.append(under)
                gives_marks = gives_marks or behind
            frames.append(frame)
        if not frames:
            return Scanned(self._batch(pl.DataFrame(), read_at_ms), ())
        whole = stacked(frames)
        if came and gives_marks:
            marks = [under.marks() for under in came]
            whole = whole.hstack([pl.Series(MARK, np.concatenate(marks), dtype=pl.Int64)])
        return Scanned(self._batch(whole, read_at_ms), tuple(rejected))

    def again(self, block: Block, read_at_ms: int) -> Scanned:
        """Take rows that were rejected once: they come under the mark of now, and move none."""
        rejected: list[pl.DataFrame] = []
        frame = self._taken(block, read_at_ms, rejected)
        if self._time is not None and (self._gives_marks or self.mark_ms != LOWEST_MS):
            frame = frame.with_columns(pl.lit(self.mark_ms, dtype=pl.Int64).alias(MARK))
        return Scanned(self._batch(frame, read_at_ms), tuple(rejected))

    def _batch(self, frame: pl.DataFrame, read_at_ms: int) -> Batch:
        mark = self.mark_ms
        return Batch(frame, None if mark == LOWEST_MS else mark, read_at_ms)

    def _taken(self, block: Block, read_at_ms: int, rejected: list[pl.DataFrame]) -> pl.DataFrame:
        """Return the rows of a block that can be used, with computed and hidden columns."""
        if block.rejected is not None and block.rejected.height:
            rejected.append(undecodable(block.rejected, self.uid, block.split))
        placed = self.places or self._numbered
        frame = _placed(block, block.frame) if placed else block.frame
        if self._compute is not None:
            given = frame.with_row_index(AT) if self._numbered else frame
            made = self._compute.on_batch(Batch(given, None, read_at_ms))
            rejected.extend(made.rejected)
            frame = made.out[0] if made.out else self._compute.empty(given)
        if self._time is not None and frame[self._time].null_count():
            frame = self._timed(frame, block, rejected)
        hidden = HIDDEN if self.places else HIDDEN[:2]
        names = (*self._gives, *(c for c in hidden if c in frame.columns))
        return frame if list(names) == frame.columns else picked(frame, names)

    def _timed(
        self, frame: pl.DataFrame, block: Block, rejected: list[pl.DataFrame]
    ) -> pl.DataFrame:
        """Return the rows that have an event time; the others go aside as the reader gave them."""
        assert self._time is not None, "only tables with a watermark have marks"
        nothing = frame[self._time].is_null()
        timeless = frame.filter(nothing)[AT] if self._numbered else nothing.arg_true()
        reason = f"the event time '{self._time}' is NULL"
        came = _placed(block, block.frame)[timeless]
        rejected.append(rejected_rows(came, reason, self.uid, port=0))
        return frame.filter(~nothing)

    def _under(self, frame: pl.DataFrame, split: str) -> tuple[Under, bool]:
        """Return the marks of rows, and whether some row is behind its own."""
        assert self._time is not None, "only tables with a watermark have marks"
        times = milliseconds(frame[self._time])
        if self._behind_ms is not None:
            contributions = times - self._behind_ms
        else:
            assert self._contribution is not None, "a watermark has an expression"
            computed = frame.select(self._contribution).to_series()
            # A NULL contribution says nothing about time, as in Flink.
            contributions = computed.fill_null(LOWEST_MS).to_numpy()
        under = self.marks.advance(split, contributions)
        return under, under.is_behind(times)


class _Compute(Program):
    """The computed columns of a table."""

    def empty(self, like: pl.DataFrame) -> pl.DataFrame:
        """Return the output for no rows at all."""
        hidden = tuple(c for c in HIDDEN if c in like.columns)
        frame = self._with_ambient(like.head(0), 0) if self._wants else like.head(0)
        for stage in self.stages:
            frame, _ = stage.run(frame, hidden)
        return frame


def _placed(block: Block, frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows of a block with their split and offset."""
    offsets = block.offsets
    if offsets is None:
        offsets = pl.Series([None], dtype=pl.Int64).new_from_index(0, frame.height)
    elif offsets.dtype != pl.Int64:
        offsets = offsets.cast(pl.Int64)
    split = pl.Series(SPLIT, [block.split]).new_from_index(0, frame.height)
    # Beside the others without an expression: this is done for every block.
    return frame.hstack([split, offsets.alias(OFFSET)])


def _constant_delay_ms(watermark: Watermark) -> int | None:
    """Return how far the mark stays behind the event time, where that is always the same."""
    match watermark.expr:
        case Column(name=name) if name == watermark.column:
            return 0
        case Call(
            function="-",
            args=(Column(name=name), Literal(value=int(delay_ms), type=IntervalDay())),
        ) if name == watermark.column:
            return delay_ms
        case _:
            return None


def _computed(node: Scan, ctx: Context, seed: int) -> _Compute | None:
    wanted = node.schema.names
    named = {c.name: c for c in node.table.columns}
    columns = tuple(Named(name, column_expr(node.table, named[name])) for name in wanted)
    if all(isinstance(c.expr, Column) for c in columns):
        return None
    return _Compute((Compute(columns),), ctx, seed=seed, uid=node.uid, port=0)


def column_expr(table: Table, column: ColumnDef) -> Expr:
    """Return how a column comes out of what the reader gives."""
    if isinstance(column, Computed):
        return column.expr
    if isinstance(column, Metadata):
        given = metadata_type(connector(table.connector), column.key)
        return cast_to(Column(column.name, type=given), column.type)
    return Column(column.name, type=column.type)
