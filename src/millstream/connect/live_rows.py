"""The rows of a view as readers see them: where each stands in the log of the view's frames.

state   per number (``$row``) the place of its row in the log and the version that changed it last
out     whole frames, or what has changed since a version: any reader may be as late as it likes
        and gets each row once, in its newest form; nothing is queued for anybody
cost    of what has changed since a version that of the log behind it, and a look at each number
threads one writes, under the lock; any may read, and the writer never waits while rows are put
        together for one
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream.errors import JobError

if TYPE_CHECKING:
    from millstream.types import Schema

FRAMES_MAX = 4_096
"""So many frames of a few rows are joined to one."""
SAME_EPOCH_S = 5.0
"""So long a reader of several views waits until all of them are of one epoch."""
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Seen:
    """Rows at one version.

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


class RowLog:
    """Frames one behind the other; rows of the past among them until it is packed."""

    def __init__(self, empty: pl.DataFrame) -> None:
        self.empty = empty
        self.clear()

    def clear(self) -> None:
        """Forget all frames."""
        self._frames: list[pl.DataFrame] = []
        self._starts: list[int] = []
        """Where each frame begins."""
        self.rows = 0
        self.bytes = 0

    def add(self, frame: pl.DataFrame) -> int:
        """Take a frame; returns the place of its first row."""
        first = self.rows
        self._frames.append(frame.select(self.empty.columns))
        self._starts.append(first)
        self.rows += frame.height
        self.bytes += int(self._frames[-1].estimated_size())
        if len(self._frames) > FRAMES_MAX:
            self._frames, self._starts = [pl.concat(self._frames, rechunk=True)], [0]
        return first

    def held(self, numbers: np.ndarray, places: np.ndarray) -> _Held:
        """Return what the rows of some places are made of; what changed lately lies at the end."""
        first = bisect_right(self._starts, int(places.min())) - 1 if places.size else 0
        base = self._starts[first] if places.size else 0
        return _Held(numbers, places - base, self._frames[first:], self.empty)

    def pack(self, places: np.ndarray) -> None:
        """Keep the rows of these places (rising) and no others; they stand at 0, 1, … then."""
        frame = self.held(places, places).frame()
        self.clear()
        self.add(frame)


class LiveRows:
    """What one kind of reader sees of a view: its newest rows, or those that are committed."""

    def __init__(
        self,
        name: str,
        schema: Schema,
        key: tuple[str, ...] | None,
        log: RowLog,
        lock: threading.RLock,
        clock_ms: Callable[[], int],
    ) -> None:
        self.name = name
        self.schema = schema
        self.key = key
        """The columns a row is known by; () = there is one row; None = rows only come."""
        self.version = 0
        self.at_ms = 0
        self.pipeline: str | None = None
        """Whose epochs these rows follow; None where they follow none: the newest."""
        self.epoch = 0
        """The one they are of; 0: that from which the run began."""
        self._clock_ms = clock_ms
        self._log = log
        self._place = np.full(1_024, NOWHERE, np.int64)
        self._changed_at = np.zeros(1_024, np.int64)
        self._numbers = 0
        self._rows = 0
        self._changed = threading.Condition(lock)
        self._listeners: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return self._rows

    def frame(self) -> pl.DataFrame:
        """Return the rows as they stand, those of a key in the order in which keys came."""
        return self.snapshot().frame

    def snapshot(self) -> Seen:
        """Return all rows."""
        return snapshots([self])[0]

    def changes_since(self, version: int) -> Changed:
        """Return what has changed after a version; after 0 that is all there is."""
        with self._changed:
            moved = self._moved_since(version)
            places = self._place[moved]
            stands = places != NOWHERE
            at = (self.version, self.at_ms)
            found = self._held(moved[stands], places[stands])
        return Changed(*at, found.rows, found.frame(), moved[~stands])

    def rows_at(self, numbers: np.ndarray, version: int) -> Seen | None:
        """Return those of some rows that stand; None if one of them changed after a version."""
        with self._changed:
            if (self._changed_at[numbers] > version).any():
                return None
            places = self._place[numbers]
            stands = places != NOWHERE
            at, order = (self.version, self.at_ms), numbers[stands]
            held = self._log.held(order, places[stands])
        return Seen(*at, order, held.frame())

    def wait(self, version: int, timeout_s: float) -> int:
        """Wait until there is a newer version than this, or the time is over; return the newest."""
        with self._changed:
            self._changed.wait_for(lambda: self.version > version, timeout_s)
            return self.version

    def _comes_to(self, epoch: int, timeout_s: float) -> bool:
        """Wait until the rows are of this epoch; False where the time is over before."""
        with self._changed:
            return self._changed.wait_for(lambda: self.epoch >= epoch, timeout_s)

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

    def _moved(self, numbers: np.ndarray) -> None:
        """Begin a version in which these numbers are different."""
        self.version += 1
        self.at_ms = self._clock_ms()
        self._changed_at[numbers] = self.version
        self._changed.notify_all()

    def _set(self, numbers: np.ndarray, places: np.ndarray) -> None:
        """Have the rows of these numbers, each once, stand at other places."""
        self._grow(int(numbers.max(initial=-1)) + 1)
        stood, stand = self._place[numbers] != NOWHERE, places != NOWHERE
        self._rows += int(stand.sum()) - int(stood.sum())
        self._place[numbers] = places

    def _moved_since(self, version: int) -> np.ndarray:
        return np.flatnonzero(self._changed_at[: self._numbers] > version)

    def _grow(self, numbers: int) -> None:
        if numbers > len(self._place):
            more = max(numbers, 2 * len(self._place)) - len(self._place)
            self._place = np.concatenate([self._place, np.full(more, NOWHERE, np.int64)])
            self._changed_at = np.concatenate([self._changed_at, np.zeros(more, np.int64)])
        self._numbers = max(self._numbers, numbers)

    def _standing(self) -> np.ndarray:
        return np.flatnonzero(self._place[: self._numbers] != NOWHERE)

    def _seen(self) -> tuple[int, int, _Held]:
        """Return what a snapshot is made of; made without the lock, for nothing of it changes."""
        numbers = self._standing()
        return self.version, self.at_ms, self._held(numbers, self._place[numbers])

    def _held(self, numbers: np.ndarray, places: np.ndarray) -> _Held:
        if self.key is None:  # numbers go round: the order is that in which rows came
            order = np.argsort(places)
            numbers, places = numbers[order], places[order]
        return self._log.held(numbers, places)


@contextmanager
def still(views: Iterable[LiveRows]) -> Iterator[None]:
    """Hold several views as they are; everybody takes their locks in one order."""
    with ExitStack() as locked:
        for view in sorted(views, key=lambda view: id(view._log)):
            locked.enter_context(view._changed)
        yield


def snapshots(views: Sequence[LiveRows]) -> list[Seen]:
    """Return all rows of several views as they stood at one moment.

    Committed rows of one pipeline are all of one epoch; raises JobError where they do not come to
    be, because the pipeline ended in the middle of telling them.
    """
    until_s = time.monotonic() + SAME_EPOCH_S
    while True:
        with still(views):
            seen, behind = [view._seen() for view in views], _behind(views)
        if behind is None:
            return [Seen(version, at_ms, held.rows, held.frame()) for version, at_ms, held in seen]
        view, epoch = behind
        if not view._comes_to(epoch, until_s - time.monotonic()):
            raise JobError(
                f"The view '{view.name}' stands at checkpoint {view.epoch}, others of its "
                f"pipeline at {epoch}.",
                hint="Ask again when the pipeline runs.",
            )


def _behind(views: Sequence[LiveRows]) -> tuple[LiveRows, int] | None:
    """Return a view of an older epoch than another of its pipeline has, and that epoch."""
    newest: dict[str, int] = {}
    for view in views:
        if view.pipeline is not None:
            newest[view.pipeline] = max(newest.get(view.pipeline, 0), view.epoch)
    for view in views:
        if view.pipeline is not None and view.epoch < newest[view.pipeline]:
            return view, newest[view.pipeline]
    return None
