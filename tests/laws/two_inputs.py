"""Two inputs of one operator: rows in one order of arrival, with marks as the engine gives them.

A run feeds an operator with stretches of rows of one side; the mark at the operator is the lower
one of both sides. Where a batch ends is an accident that no result may show.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import strategies as st

from millstream.columns.physical import polars_schema
from millstream.engine.batch import FINAL_MARK_MS, MARK, Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from millstream.engine.operator import Operator, Outputs
    from millstream.types import Schema

LOWEST = -(2**63)


@dataclass(frozen=True)
class Arrival:
    """One row of one side; ``mark`` is the one it arrives under."""

    port: int
    time: int
    row: tuple[Any, ...]
    mark: int = LOWEST


def with_marks(rows: list[Arrival], delay: int) -> list[Arrival]:
    """Give each row the lower mark of both sides, from the rows before it."""
    marks, out = [LOWEST, LOWEST], []
    for row in rows:
        out.append(Arrival(row.port, row.time, row.row, min(marks)))
        marks[row.port] = max(marks[row.port], row.time - delay)
    return out


@dataclass
class Found:
    """What a run gave."""

    out: list[pl.DataFrame] = field(default_factory=list)
    late: list[pl.DataFrame] = field(default_factory=list)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    left: int = 0
    under: list[int] = field(default_factory=list)
    """For each frame of ``out`` the mark that was in force when it was given."""

    def take(self, outputs: Outputs, mark: int = LOWEST) -> None:
        self.out += outputs.out
        self.under += [mark] * len(outputs.out)
        self.late += outputs.late
        self.rejected += outputs.rejected


def run(
    make: Callable[[], Operator],
    schemas: tuple[Schema, Schema],
    rows: list[Arrival],
    cuts: set[int],
    *,
    delay: int,
    crash: bool = False,
) -> Found:
    """Feed rows in stretches of one side, cut at ``cuts`` too, then end the input."""
    operator, found, marks = make(), Found(), [LOWEST, LOWEST]
    start, mark = 0, LOWEST
    for end in range(1, len(rows) + 1):
        if end < len(rows) and rows[end].port == rows[start].port and end not in cuts:
            continue
        piece, port = rows[start:end], rows[start].port
        marks[port] = max(marks[port], *(row.time - delay for row in piece))
        frame = frame_of(schemas[port], piece)
        before, mark = mark, min(marks)
        seen = None if mark == LOWEST else mark
        found.take(operator.on_batch(Batch(frame, seen), port), before)
        if mark > LOWEST:
            found.take(operator.on_mark(mark), before)
        if crash:
            snapshot = operator.snapshot()
            operator = make()
            operator.restore(snapshot)
        start = end
    found.take(operator.on_mark(FINAL_MARK_MS), mark)
    found.left = operator.state_rows
    return found


def frame_of(schema: Schema, rows: list[Arrival]) -> pl.DataFrame:
    """Return rows as a batch has them: marks only where some row is behind its own."""
    frame = pl.DataFrame([r.row for r in rows], schema=physical(schema), orient="row")
    frame = frame.select(pl.col(n).cast(d) for n, d in polars_schema(schema).items())
    if any(r.time <= r.mark for r in rows):
        frame = frame.with_columns(pl.Series(MARK, [r.mark for r in rows], dtype=pl.Int64))
    return frame


def physical(schema: Schema) -> dict[str, Any]:
    """Return the columns with times as plain numbers of milliseconds."""
    types = polars_schema(schema)
    return {n: pl.Int64() if isinstance(d, pl.Datetime) else d for n, d in types.items()}


def counted(frames: list[pl.DataFrame], *, marks: bool = False) -> Counter[Any]:
    """Return rows as a multiset, times as milliseconds."""
    out: Counter[Any] = Counter()
    for frame in frames:
        times = [n for n, d in frame.schema.items() if isinstance(d, pl.Datetime)]
        plain = frame.with_columns(pl.col(times).to_physical())
        out.update((plain if marks else plain.drop(MARK, strict=False)).rows())
    return out


CUTS = st.sets(st.integers(0, 40), max_size=8)
