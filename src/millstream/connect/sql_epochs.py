# ruff: noqa: S608 (the one name put into a statement is a constant)
"""The epoch row of a sink inside the database it writes to.

in      ``run``: executes one statement inside the transaction that is open, returns its rows; the
        caller sees to it that only one such transaction is open at a time
state   ``_millstream_epoch(pipeline, sink, epoch, incarnation)``: one row per pipeline and sink
out     the last epoch at a start; per epoch whether it must be applied
bad     an incarnation that was taken over, an epoch older than the last one: ConnectorError
source  the epoch row is moved in the rows' own transaction, so both are there or neither is
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from millstream.connect.epochs import fenced, skipped

EPOCH_TABLE = "_millstream_epoch"
Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One incarnation's hold on its row."""

    pipeline: str
    sink: str
    incarnation: int

    def take_over(self, run: Run) -> int | None:
        """Make the row ours and return the last epoch delivered."""
        run(
            f"CREATE TABLE IF NOT EXISTS {EPOCH_TABLE} (pipeline VARCHAR NOT NULL, "
            "sink VARCHAR NOT NULL, epoch BIGINT, incarnation BIGINT NOT NULL, "
            "PRIMARY KEY (pipeline, sink))",
            (),
        )
        last, newest = self._noted(run)
        if newest is None:
            run(
                f"INSERT INTO {EPOCH_TABLE} VALUES (?, ?, NULL, ?)",
                (self.pipeline, self.sink, self.incarnation),
            )
            return None
        if newest > self.incarnation:
            raise fenced(self.pipeline, self.sink, self.incarnation, newest)
        run(
            f"UPDATE {EPOCH_TABLE} SET incarnation = ? WHERE pipeline = ? AND sink = ?",
            (self.incarnation, self.pipeline, self.sink),
        )
        return last

    def claim(self, run: Run, epoch: int) -> bool:
        """Move the row to this epoch; False = it is there already."""
        last, newest = self._noted(run)
        if newest != self.incarnation:
            raise fenced(
                self.pipeline, self.sink, self.incarnation, -1 if newest is None else newest
            )
        if last == epoch:
            return False
        if last is not None and last > epoch:
            raise skipped(self.pipeline, self.sink, epoch, last)
        run(
            f"UPDATE {EPOCH_TABLE} SET epoch = ? WHERE pipeline = ? AND sink = ?",
            (epoch, self.pipeline, self.sink),
        )
        return True

    def _noted(self, run: Run) -> tuple[int | None, int | None]:
        found = run(
            f"SELECT epoch, incarnation FROM {EPOCH_TABLE} WHERE pipeline = ? AND sink = ?",
            (self.pipeline, self.sink),
        )
        return (found[0][0], int(found[0][1])) if found else (None, None)
