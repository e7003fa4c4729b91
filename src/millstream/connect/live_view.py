"""The rows of a view, kept where queries, screens and subscribers of this process read them.

in      frames of rows with a number each (``$row``); what has a number replaces the row that had
        it before, a deletion removes it
state   a log of frames; per number the place of its row in the log and the version that changed
        it last. The log is packed when more than half of it is of the past, so a change costs the
        same however many rows stand
out     whole frames, or what has changed since a version: any reader may be as late as it likes
        and gets each row once, in its newest form; nothing is queued for anybody
cost    of a change that of its rows; of what has changed since that of the log behind it
threads one writes; any may read, and the writer never waits while rows are put together for one
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.physical import empty_frame
from millstream.plan.materialize import ROW, ROWS_MAX

if TYPE_CHECKING:
    from millstream.types import Schema

PACK_AFTER_ROWS = 65_536
"""So much of the past is kept besides as many rows as stand."""
FRAMES_MAX = 4_096
"""So many frames of a few rows are joined to one."""
_NOWHERE = -1

__all__ = ["ROW", "ROWS_MAX", "Changed", "LiveView", "Seen", "snapshots"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A view at one version.

    rows   the number of each row of the frame (Int64); a number belongs to the same key until it
           is among the gone, or another row comes under it
    at_ms  clock time of the version
    """

    version: int
    at_ms: int
    rows: np.ndarray
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Changed:
    """What is different from an older version: rows that came or changed, numbers that went."""

    version: int
    at_ms: int
    rows: np.ndarray
    frame: pl.DataFrame
    gone: np.ndarray


@dataclass(frozen=True, slots=True)
class _Held:
    """Rows, and where they lie in frames of a log one behind the other."""

    rows: np.ndarray
    places: np.ndarray
    log: list[pl.DataFrame]
    empty: pl.DataFrame

    def frame(self) -> pl.DataFrame:
        """Return the rows."""
        if not self.rows.size:
            return self.empty
        whole = self.log[0] if len(self.log) == 1 else pl.concat(self.log, rechunk=True)
        return whole[self.places]


class LiveView:
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
        self.name = name
        self.schema = schema
        self.key = key
        """The columns a row is known by; () = there is one row; None = rows only come."""
        self.rows_max = rows_max
        self.ttl_ms = ttl_ms
        self.chart = dict(chart or {})
        """How it is to be drawn, as far as its writer said: ``kind``, ``x``, ``y``, ``by`` …"""
        self.version = 0
        self.at_ms = 0
        self.rows_total = 0
        """Changes taken in since the start of the process."""
        self._clock_ms = clock_ms
        self._empty = empty_frame(schema)
        self._log: list[pl.DataFrame] = []
        self._starts: list[int] = []
        """Where in the log each frame begins."""
        self._log_rows = 0
        self._place = np.full(1_024, _NOWHERE, np.int64)
        self._changed_at = np.zeros(1_024, np.int64)
        self._numbers = 0
        self._rows = 0
        self._changed = threading.Condition()
        self._listeners: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return self._rows

    def put(self, frame: pl.DataFrame) -> None:
        """Take numbered rows in, together: a reader sees all of a frame or nothing of it."""
        if not frame.height:
            return
        with self._changed:
            self._take(frame)
            self._moved(frame[ROW].to_numpy())
            self._pack_if_due()
            self._changed.notify_all()
        self._tell()

    def replace(self, frame: pl.DataFrame) -> None:
        """Take these rows for all there were: a reader sees those before, or these."""
        with self._changed:
            moved = self._standing()
            self._place[:] = _NOWHERE
            self._log, self._starts, self._log_rows, self._rows = [], [], 0, 0
            if frame.height:
                self._take(frame)
                moved = np.concatenate([moved, frame[ROW].to_numpy()])
            if not moved.size:
                return
            self._moved(moved)
            self._changed.notify_all()
        self._tell()

    def clear(self) -> None:
        """Forget all rows; those who follow are told that they went."""
        self.replace(self._empty)

    def frame(self) -> pl.DataFrame:
        """Return the rows as they stand, those of a key in the order in which keys came."""
        return self.snapshot().frame

    def snapshot(self) -> Seen:
        """Return all rows."""
        return snapshots([self])[0]

    def changes_since(self, version: int) -> Changed:
        """Return what has changed after a version; after 0 that is all there is."""
        with self._changed:
            moved = np.flatnonzero(self._changed_at[: self._numbers] > version)
            places = self._place[moved]
            stands = places != _NOWHERE
            at = (self.version, self.at_ms)
            found = self._held(moved[stands], places[stands])
        return Changed(*at, found.rows, found.frame(), moved[~stands])

    def rows_at(self, numbers: np.ndarray, version: int) -> Seen | None:
        """Return those of some rows that stand; None if one of them changed after a version."""
        with self._changed:
            if (self._changed_at[numbers] > version).any():
                return None
            places = self._place[numbers]
            stands = places != _NOWHERE
            at, order = (self.version, self.at_ms), numbers[stands]
            held = self._held(order, places[stands], in_order=False)
        return Seen(*at, order, held.frame())

    @property
    def is_full(self) -> bool:
        """Whether there are as many rows as it keeps: others may have gone for want of room."""
        return self._rows >= self.rows_max

    def wait(self, version: int, timeout_s: float) -> int:
        """Wait until there is a newer version than this, or the time is over; return the newest."""
        with self._changed:
            self._changed.wait_for(lambda: self.version > version, timeout_s)
            return self.version

    @contextmanager
    def heard(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call a function after each change, in the writer's thread; it must come back at once."""
        with self._changed:
            self._listeners = [*self._listeners, listener]
        try:
            yield
        finally:
            with self._changed:
                self._listeners = [one for one in self._listeners if one is not listener]

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _take(self, frame: pl.DataFrame) -> None:
        numbers = frame[ROW].to_numpy()
        self._grow(int(numbers.max()) + 1)
        stood = self._place[numbers] != _NOWHERE
        places = np.arange(self._log_rows, self._log_rows + frame.height)
        self._place[numbers] = places  # of equal numbers the last one stays
        newest = self._place[numbers] == places
        self._rows -= int((stood & newest).sum())
        if OP in frame.columns:
            ops = frame[OP].to_numpy()
            gone = newest & ((ops == Op.DELETE) | (ops == Op.UPDATE_BEFORE))
            self._place[numbers[gone]] = _NOWHERE
            newest &= ~gone
        self._rows += int(newest.sum())
        self._log.append(frame.select(self._empty.columns))
        self._starts.append(self._log_rows)
        self._log_rows += frame.height
        self.rows_total += frame.height

    def _moved(self, numbers: np.ndarray) -> None:
        self.version += 1
        self.at_ms = self._clock_ms()
        self._changed_at[numbers] = self.version

    def _grow(self, numbers: int) -> None:
        if numbers > len(self._place):
            more = max(numbers, 2 * len(self._place)) - len(self._place)
            self._place = np.concatenate([self._place, np.full(more, _NOWHERE, np.int64)])
            self._changed_at = np.concatenate([self._changed_at, np.zeros(more, np.int64)])
        self._numbers = max(self._numbers, numbers)

    def _standing(self) -> np.ndarray:
        return np.flatnonzero(self._place[: self._numbers] != _NOWHERE)

    def _seen(self) -> tuple[int, int, _Held]:
        """Return what a snapshot is made of; made without the lock, for nothing of it changes."""
        numbers = self._standing()
        return self.version, self.at_ms, self._held(numbers, self._place[numbers])

    def _held(self, numbers: np.ndarray, places: np.ndarray, *, in_order: bool = True) -> _Held:
        if self.key is None and in_order:  # numbers go round: the order is that in which rows came
            order = np.argsort(places)
            numbers, places = numbers[order], places[order]
        # What changed lately lies at the end of the log.
        first = bisect_right(self._starts, int(places.min())) - 1 if places.size else 0
        base = self._starts[first] if places.size else 0
        return _Held(numbers, places - base, self._log[first:], self._empty)

    def _pack_if_due(self) -> None:
        if self._log_rows > 2 * self._rows + PACK_AFTER_ROWS:
            _, _, held = self._seen()
            frame = held.frame()
            self._log, self._starts, self._log_rows = [frame], [0], frame.height
            self._place[held.rows] = np.arange(frame.height)
        elif len(self._log) > FRAMES_MAX:
            self._log, self._starts = [pl.concat(self._log, rechunk=True)], [0]


def snapshots(views: Sequence[LiveView]) -> list[Seen]:
    """Return all rows of several views as they stood at one moment."""
    with ExitStack() as locked:
        for view in sorted(views, key=id):  # everybody takes them in one order
            locked.enter_context(view._changed)
        found = [view._seen() for view in views]
    return [Seen(version, at_ms, held.rows, held.frame()) for version, at_ms, held in found]
