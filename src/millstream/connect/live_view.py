"""The rows of a view, kept where queries, screens and subscribers of this process read them.

in      frames of rows with a number each (``$row``); what has a number replaces the row that had
        it before, a deletion removes it. ``cut`` where an epoch ends, ``commit`` when that epoch
        is in a checkpoint and with all sinks
state   a log of frames, and two tables of places in it (:mod:`.live_rows`): the newest rows, and
        those of the last epoch that is committed. The log is packed when more than half of it is
        of the past, so a change costs the same however many rows stand
out     see :mod:`.live_rows`
cost    of a change that of its rows; of the committed rows 16 bytes a number, and those rows that
        were replaced since the last epoch
threads one writes, another commits; any may read
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from millstream.columns.changes import OP, Op
from millstream.columns.physical import empty_frame
from millstream.connect.live_rows import NOWHERE, Changed, LiveRows, RowLog, Seen, snapshots
from millstream.errors import CheckpointError
from millstream.plan.materialize import ROW, ROWS_MAX

if TYPE_CHECKING:
    import polars as pl

    from millstream.types import Schema

PACK_AFTER_ROWS = 65_536
"""So much of the past is kept besides as many rows as stand."""
At = Literal["newest", "committed"]
"""Which rows are looked at: all as soon as they are there, or those of the last epoch."""

__all__ = ["ROW", "ROWS_MAX", "At", "Changed", "LiveRows", "LiveView", "Seen", "snapshots"]


class LiveView(LiveRows):
    """A table that follows a query.

    >>> import polars as pl
    >>> from millstream.types import Schema
    >>> view = LiveView("counts", Schema.of({"k": "STRING", "n": "BIGINT"}), key=("k",))
    >>> view.put(pl.DataFrame({"$row": [0, 1], "k": ["a", "b"], "n": [1, 1]}))
    >>> view.put(pl.DataFrame({"$row": [0], "k": ["a"], "n": [2]}))
    >>> view.frame().rows()
    [('a', 2), ('b', 1)]
    >>> view.changes_since(1).frame.rows()
    [('a', 2)]
    """

    def __init__(
        self,
        name: str,
        schema: Schema,
        *,
        key: tuple[str, ...] | None = None,
        rows_max: int = ROWS_MAX,
        ttl_ms: int = 0,
        chart: Mapping[str, str] | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        log, lock = RowLog(empty_frame(schema)), threading.RLock()
        super().__init__(name, schema, key, log, lock, clock_ms)
        self.rows_max = rows_max
        self.ttl_ms = ttl_ms
        self.chart = dict(chart or {})
        """How it is to be drawn, as far as its writer said: ``kind``, ``x``, ``y``, ``by`` …"""
        self.rows_total = 0
        """Changes taken in since the start of the process."""
        self._committed = LiveRows(name, schema, key, log, lock, clock_ms)
        self._cuts: deque[tuple[np.ndarray, np.ndarray]] = deque()
        """Of each epoch that is not committed yet: the numbers it changed, their places then."""
        self._cut_at = 0
        """The version at the end of the last epoch."""
        self._packed_rows = 0

    def at(self, at: At) -> LiveRows:
        """Return the newest rows, or those of the last epoch that is committed.

        Raises:
            CheckpointError: for committed rows where no checkpoints are kept.
        """
        if at == "newest":
            return self
        if self._committed.pipeline is None:
            raise CheckpointError(
                f"Nothing of the view '{self.name}' is ever committed: its job keeps no "
                "checkpoints.",
                hint="Give it a folder for them (SET 'execution.checkpointing.dir' = '…'), or look "
                "at the newest rows.",
            )
        return self._committed

    @property
    def is_full(self) -> bool:
        """Whether there are as many rows as it keeps: others may have gone for want of room."""
        return self._rows >= self.rows_max

    @property
    def bytes_kept(self) -> int:
        """Bytes of the rows and of what finds them; those of the past are among them."""
        tables = (self, self._committed)
        return self._log.bytes + sum(t._place.nbytes + t._changed_at.nbytes for t in tables)

    def begin(self, pipeline: str | None) -> None:
        """Begin a run, of this pipeline if it keeps checkpoints; epochs under way never come."""
        with self._changed:
            self._cuts.clear()
            self._committed.pipeline, self._committed.epoch = pipeline, 0

    def put(self, frame: pl.DataFrame) -> None:
        """Take numbered rows in, together: a reader sees all of a frame or nothing of it."""
        if not frame.height:
            return
        with self._changed:
            self._moved(self._take(frame))
            self._pack_if_due()
        self._tell()

    def replace(self, frame: pl.DataFrame) -> None:
        """Take the rows of a checkpoint for all there were: a reader sees those before, or these.

        They are committed.
        """
        with self._changed:
            gone = (self._standing(), self._committed._standing())
            self._log.clear()
            self._place[:] = self._committed._place[:] = NOWHERE
            self._rows = self._committed._rows = 0
            self._packed_rows = 0
            self._cuts.clear()
            came = self._take(frame)
            self._committed._set(came, self._place[came])
            told: list[LiveRows] = []
            for table, numbers in zip((self, self._committed), gone, strict=True):
                moved = np.concatenate([numbers, came])
                if moved.size:
                    table._moved(moved)
                    told.append(table)
            self._cut_at = self.version
        for table in told:
            table._tell()

    def cut(self) -> None:
        """Note what is there now as what an epoch gave."""
        with self._changed:
            if self._committed.pipeline is not None:
                numbers = self._moved_since(self._cut_at)
                self._cuts.append((numbers, self._place[numbers]))
                self._cut_at = self.version

    def commit(self, epoch: int) -> None:
        """Show the oldest epoch that was cut to those who look at committed rows."""
        with self._changed:
            numbers, places = self._cuts.popleft()
            self._committed.epoch = epoch
            self._committed._changed.notify_all()
            if not numbers.size:
                return
            self._committed._set(numbers, places)
            self._committed._moved(numbers)
        self._committed._tell()

    def _take(self, frame: pl.DataFrame) -> np.ndarray:
        """Have the rows of a frame stand, or go; returns their numbers."""
        numbers: np.ndarray = frame[ROW].to_numpy()
        if not numbers.size:
            return numbers
        self._grow(int(numbers.max()) + 1)
        stood = self._place[numbers] != NOWHERE
        first = self._log.add(frame)
        places = np.arange(first, first + frame.height)
        self._place[numbers] = places  # of equal numbers the last one stays
        newest = self._place[numbers] == places
        self._rows -= int((stood & newest).sum())
        if OP in frame.columns:
            ops = frame[OP].to_numpy()
            gone = newest & ((ops == Op.DELETE) | (ops == Op.UPDATE_BEFORE))
            self._place[numbers[gone]] = NOWHERE
            newest &= ~gone
        self._rows += int(newest.sum())
        self.rows_total += frame.height
        return numbers

    def _pack_if_due(self) -> None:
        if self._log.rows <= 2 * max(self._rows, self._packed_rows) + PACK_AFTER_ROWS:
            return
        tables = [self._place, self._committed._place, *(places for _, places in self._cuts)]
        is_kept = np.zeros(self._log.rows + 1, bool)
        for table in tables:
            is_kept[table] = True
        is_kept[NOWHERE] = False  # the last one, which no row has
        self._log.pack(np.flatnonzero(is_kept))
        moved_to = np.cumsum(is_kept) - 1
        moved_to[NOWHERE] = NOWHERE
        for table in tables:
            table[:] = moved_to[table]
        self._packed_rows = self._log.rows
