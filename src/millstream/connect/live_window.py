"""Which rows of a live view somebody sees: all of them, or the first few by a column.

in      a view; how many rows, and by which column (``-n``: the largest first)
state   of a window with a limit: the value of each row in that column, the rows that are shown.
        Without a limit there is none but a version
out     what is different since the window moved last: rows that came into it or changed, numbers
        that left it; and all of it, for who is new
order   NULL and NaN come last; of equal values the lowest number stays, so that nothing flickers.
        Without a column: the keys that came first; of rows that only come, the newest
cost    moving costs what has changed; where rows that are shown fall behind, a pass over one
        number per row of the view
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream.columns.physical import empty_frame
from millstream.errors import PlanError, UnknownName

if TYPE_CHECKING:
    from millstream.connect.live_rows import Changed, LiveRows
    from millstream.types import Schema

TRIES = 3
"""So often the rows of a window are read again because one of them changed meanwhile."""
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Shown:
    """Rows of a window at a version of its view.

    since  the version from which these changes lead here; None: these are all its rows
    total  rows of the view, shown or not
    gone   numbers that are no longer shown; who does not know one need not mind
    """

    version: int
    since: int | None
    at_ms: int
    total: int
    rows: np.ndarray
    frame: pl.DataFrame
    gone: np.ndarray


class LiveWindow:
    """Rows of a view that are followed together; not for several threads at a time.

    >>> import polars as pl
    >>> from millstream.connect.live_view import LiveView
    >>> from millstream.types import Schema
    >>> view = LiveView("counts", Schema.of({"k": "STRING", "n": "BIGINT"}), key=("k",))
    >>> window = LiveWindow(view, order="-n", limit=1)
    >>> view.put(pl.DataFrame({"$row": [0, 1], "k": ["a", "b"], "n": [1, 2]}))
    >>> window.move().frame.rows()
    [('b', 2)]
    >>> view.put(pl.DataFrame({"$row": [0], "k": ["a"], "n": [3]}))
    >>> moved = window.move()
    >>> moved.frame.rows(), moved.gone.tolist()
    ([('a', 3)], [1])
    """

    def __init__(self, view: LiveRows, *, order: str | None = None, limit: int | None = None):
        self.view = view
        self.limit = limit
        self.version = 0
        self.at_ms = 0
        self._order = ordered_by(view.schema, order) if limit is not None else None
        self._order_is_number = True
        self._standing = np.zeros(1_024, bool)
        self._values: np.ndarray = np.zeros(1_024, np.int64)
        self._arrived = 0
        self._rows = np.empty(0, np.int64)
        self._is_shown = np.zeros(1_024, bool)
        self._last: tuple[float, int] | None = None
        """Value and number of the last row that is shown, where there are as many as may be."""
        self._frame = empty_frame(view.schema)

    def move(self) -> Shown:
        """Go on to the newest version; return what is different."""
        if self.limit is None:
            changed = self.view.changes_since(self.version)
            return self._moved(changed, changed.rows, changed.frame, changed.gone)
        for left in reversed(range(TRIES)):
            changed = self.view.changes_since(self.version)
            self._take(changed)
            moved = self._choose(changed, at_any_rate=not left)
            if moved is not None:
                return moved
        raise AssertionError("the last try takes the rows as they are")

    def skip(self) -> None:
        """Go on to the newest version, of a window without limit; nobody asks what is different."""
        assert self.limit is None, "what is shown must be known"
        self.version = self.view.version

    def everything(self) -> Shown:
        """Return all rows that are shown, at the version of the last move or a newer one."""
        if self.limit is None:
            seen = self.view.snapshot()
            return Shown(
                seen.version, None, seen.at_ms, len(seen.rows), seen.rows, seen.frame, _none()
            )
        return Shown(
            self.version, None, self.at_ms, len(self.view), self._rows, self._frame, _none()
        )

    def since(self, version: int) -> Shown:
        """Return what has changed after an older version, of a window without limit."""
        assert self.limit is None, "which rows were shown then is not known"
        changed = self.view.changes_since(version)
        return Shown(
            changed.version, version, changed.at_ms, len(self.view),
            changed.rows, changed.frame, changed.gone,
        )  # fmt: skip

    def _moved(
        self, changed: Changed, rows: np.ndarray, frame: pl.DataFrame, gone: np.ndarray
    ) -> Shown:
        since, self.version, self.at_ms = self.version, changed.version, changed.at_ms
        return Shown(self.version, since, self.at_ms, len(self.view), rows, frame, gone)

    def _take(self, changed: Changed) -> None:
        """Note the values of what has changed."""
        moved, gone = changed.rows, changed.gone
        most = max(moved.max(initial=-1), gone.max(initial=-1)) + 1
        if most > len(self._standing):
            more = max(int(most), 2 * len(self._standing)) - len(self._standing)
            self._standing = np.concatenate([self._standing, np.zeros(more, bool)])
            self._is_shown = np.concatenate([self._is_shown, np.zeros(more, bool)])
            self._values = np.concatenate([self._values, np.zeros(more, self._values.dtype)])
        self._standing[gone] = False
        self._standing[moved] = True
        if not moved.size:
            return
        if self._order is None:
            self._values[moved] = self._by_coming(moved)
            return
        name, falling = self._order
        values = oriented(changed.frame[name], falling=falling)
        if values is None:
            self._order_is_number = False
        elif values.dtype != self._values.dtype:  # the first rows tell what the column is
            self._values = self._values.astype(values.dtype)
        if values is not None:
            self._values[moved] = values

    def _by_coming(self, moved: np.ndarray) -> np.ndarray:
        if self.view.key is not None:
            return moved
        first = self._arrived + 1
        self._arrived += len(moved)
        return -np.arange(first, first + len(moved))

    def _choose(self, changed: Changed, *, at_any_rate: bool) -> Shown | None:
        """Return the difference to what was shown; None if a row changed while it was read."""
        chosen = self._first(changed.rows)
        is_chosen = np.zeros(len(self._standing), bool)
        is_chosen[chosen] = True
        places = np.flatnonzero(is_chosen[changed.rows])
        fresh, fresh_frame = changed.rows[places], changed.frame[places]
        is_missing = is_chosen & ~self._is_shown
        is_missing[fresh] = False
        missing = np.flatnonzero(is_missing)
        if missing.size:
            found = self.view.rows_at(missing, _NEVER if at_any_rate else changed.version)
            if found is None:
                return None
            fresh = np.concatenate([fresh, found.rows])
            fresh_frame = pl.concat([fresh_frame, found.frame])
        gone = self._rows[~is_chosen[self._rows]]
        self._keep(chosen, fresh, fresh_frame)
        return self._moved(changed, fresh, fresh_frame, gone)

    def _keep(self, chosen: np.ndarray, fresh: np.ndarray, fresh_frame: pl.DataFrame) -> None:
        """Make the frame of what is shown anew: the fresh rows, and the others as they were."""
        numbers = np.concatenate([fresh, self._rows])
        rows = pl.concat([fresh_frame, self._frame])
        numbers, first = np.unique(numbers, return_index=True)  # a fresh one is the first of two
        at = np.searchsorted(numbers, chosen[np.isin(chosen, numbers, assume_unique=True)])
        self._is_shown[self._rows] = False
        self._rows, self._frame = numbers[at], rows[first[at]]
        self._is_shown[self._rows] = True
        self._last = None
        if len(self._rows) == self.limit and self._order_is_number:
            self._last = (self._values[self._rows[-1]], int(self._rows[-1]))

    def _first(self, moved: np.ndarray) -> np.ndarray:
        """Return the numbers of the first rows, in their order."""
        assert self.limit is not None, "there is something to choose"
        if not self._order_is_number:
            return self._first_of_texts()
        near = self._near(moved)
        if len(near) >= self.limit:
            return near[: self.limit]
        numbers = np.flatnonzero(self._standing)
        values = self._values[numbers]
        if len(numbers) > self.limit:
            bound = np.partition(values, self.limit - 1)[self.limit - 1]
            below = np.flatnonzero(values < bound)
            ties = np.flatnonzero(values == bound)[: self.limit - len(below)]
            kept = np.sort(np.concatenate([below, ties]))
            numbers, values = numbers[kept], values[kept]
        return numbers[np.argsort(values, kind="stable")]

    def _near(self, moved: np.ndarray) -> np.ndarray:
        """Return the rows that are not behind what was the last one, in their order.

        Of rows that were not shown only those that changed can have come there.
        """
        if self._last is None:
            return self._rows[:0]
        value, number = self._last
        came = moved[~self._is_shown[moved] & (self._values[moved] <= value)]
        near: np.ndarray = np.concatenate([self._rows[self._standing[self._rows]], came])
        values = self._values[near]
        near = near[(values < value) | ((values == value) & (near <= number))]
        return near[np.lexsort((near, self._values[near]))]

    def _first_of_texts(self) -> np.ndarray:
        """Order by what is no number: by Polars, all rows anew."""
        assert self._order is not None, "there is a column"
        name, falling = self._order
        seen = self.view.snapshot()
        at = np.argsort(seen.rows, kind="stable")
        ranks = seen.frame[name].rank("dense").to_numpy()[at].astype(np.float64)
        keys = np.where(np.isnan(ranks), np.inf, -ranks if falling else ranks)
        first = seen.rows[at][np.argsort(keys, kind="stable")[: self.limit]]
        found: np.ndarray = first[self._standing[first]]
        return found  # one that came since is for the next move


def ordered_by(schema: Schema, order: str | None) -> tuple[str, bool] | None:
    """Return the column of an order and whether it falls; raises what is wrong with it.

    >>> from millstream.types import Schema
    >>> ordered_by(Schema.of({"n": "BIGINT"}), "-n")
    ('n', True)
    """
    if not order:
        return None
    names = schema.names
    name, falling = (order, False) if order in names else (order.removeprefix("-"), order[0] == "-")
    if name not in names:
        raise UnknownName("column", name, available=names)
    if str(next(f.type for f in schema if f.name == name)).startswith(_WITHOUT_ORDER):
        raise PlanError(f"Rows have no order by '{name}'.", hint="Name a column of single values.")
    return name, falling


_WITHOUT_ORDER = ("ARRAY", "MAP", "MULTISET", "ROW")


def oriented(values: pl.Series, *, falling: bool) -> np.ndarray | None:
    """Return numbers of which the lowest are first, NULL and NaN last; None for other types."""
    dtype = values.dtype
    if dtype.is_integer() or dtype.is_temporal() or dtype == pl.Boolean:
        whole = values.to_physical().cast(pl.Int64)
        found = whole.fill_null(0).to_numpy().copy()
        found = ~found if falling else found  # reverses the order of all of them
        found[whole.is_null().to_numpy()] = _NEVER
        return found
    if dtype.is_float() or dtype.is_decimal():
        real = values.cast(pl.Float64).to_numpy().copy()  # NULL becomes NaN
        real = -real if falling else real
        real[np.isnan(real)] = np.inf
        return real
    return None


def _none() -> np.ndarray:
    return np.empty(0, np.int64)
