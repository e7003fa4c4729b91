"""The newest result of a query, kept where a screen or a program can read it.

in      the frames of a memory sink: rows, or changes of rows
state   append-only results: the last ``rows_max`` rows, and how many came in all
        updating results: the standing rows, plus changes not yet folded in
out     a frame, whenever asked; rows of a key stay where the key was first seen
limit   folding is put off until the changes outnumber the rows, so its cost follows the changes
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream.columns.changes import OP, Op
from millstream.connect.memory import Collected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROWS_MAX = 100_000
FOLD_AFTER_ROWS = 65_536
_GONE = (int(Op.UPDATE_BEFORE), int(Op.DELETE))
_WEIGHT = "$weight"


class View(Collected):
    """A table that follows a query.

    >>> import polars as pl
    >>> view = View(key=("k",))
    >>> _ = view.add([pl.DataFrame({"k": ["a"], "n": [1]})])
    >>> view.frame().rows()
    [('a', 1)]
    """

    def __init__(
        self,
        columns: Sequence[str] = (),
        *,
        key: Sequence[str] | None = None,
        updating: bool = False,
        rows_max: int | None = ROWS_MAX,
        on_rows: Callable[[pl.DataFrame], None] | None = None,
        folded: bool = True,
    ) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.updating = updating
        self.rows_total = 0
        self.version = 0
        self._key = None if key is None else list(key)
        self._rows_max = rows_max
        self._on_rows = on_rows
        self._keeps = folded
        self._folded: pl.DataFrame | None = None
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._changed = threading.Condition()

    def add(self, frames: Sequence[pl.DataFrame]) -> int:
        """Take the rows of a sink in."""
        count = sum(f.height for f in frames)
        if self._on_rows is not None:
            for frame in frames:
                self._on_rows(frame)
        with self._changed:
            if self._keeps:
                self._waiting.extend(f for f in frames if f.height)
                self._waiting_rows += count
                self.bytes += sum(int(f.estimated_size()) for f in frames)
            self.rows_total += count
            self.version += 1
            standing = 0 if self._folded is None else self._folded.height
            if self._waiting_rows > max(FOLD_AFTER_ROWS, standing):
                self._fold()
            self._changed.notify_all()
        return count

    def frame(self) -> pl.DataFrame:
        """Return the result as it stands."""
        with self._changed:
            self._fold()
            if self._folded is None:
                return pl.DataFrame(schema=dict.fromkeys(self.columns, pl.Null))
            return self._folded

    def frame_with(self, waiting: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Return the result as it would stand with changes that have not been given yet."""
        ahead = View(self.columns, key=self._key, updating=self.updating, rows_max=self._rows_max)
        with self._changed:
            self._fold()
            ahead._folded = self._folded
        ahead.add(waiting)
        return ahead.frame()

    def tail(self, count: int) -> list[tuple[Any, ...]]:
        """Return rows for a screen: the first ones of an updating result, else the last ones."""
        frame = self.frame()
        return (frame.head(count) if self.updating else frame.tail(count)).rows()

    def wait(self, version: int, timeout_s: float) -> int:
        """Wait until there is a newer version than this, or the time is over; return the newest."""
        with self._changed:
            self._changed.wait_for(lambda: self.version > version, timeout_s)
            return self.version

    def clear(self) -> None:
        """Forget all rows."""
        with self._changed:
            self._folded, self._waiting, self._waiting_rows = None, [], 0
            self.bytes = 0
            self.version += 1

    def _fold(self) -> None:
        if not self._waiting:
            return
        frames, self._waiting, self._waiting_rows = self._waiting, [], 0
        if any(OP in f.columns for f in frames):
            self.updating = True
        self._folded = self._with(frames)
        self.bytes = int(self._folded.estimated_size())

    def _with(self, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Return what stands when these are folded in."""
        if not self.updating:
            rows = pl.concat([*self._standing(), *frames])
            return rows if self._rows_max is None else rows.tail(self._rows_max)
        insert = pl.lit(int(Op.INSERT), dtype=pl.Int8).alias(OP)
        changes = pl.concat(
            [f if OP in f.columns else f.with_columns(insert) for f in (*self._standing(), *frames)]
        )
        return self._by_row(changes) if self._key is None else self._by_key(changes)

    def _standing(self) -> tuple[pl.DataFrame, ...]:
        return () if self._folded is None else (self._folded,)

    def _by_key(self, changes: pl.DataFrame) -> pl.DataFrame:
        columns = [c for c in changes.columns if c != OP]
        if self._key:
            newest = changes.group_by(self._key, maintain_order=True).last()
        else:
            newest = changes.tail(1)
        return newest.filter(~pl.col(OP).is_in(_GONE)).select(columns)

    def _by_row(self, changes: pl.DataFrame) -> pl.DataFrame:
        columns = [c for c in changes.columns if c != OP]
        weight = pl.when(pl.col(OP).is_in(_GONE)).then(-1).otherwise(1).cast(pl.Int64)
        counted = (
            changes.with_columns(weight.alias(_WEIGHT))
            .group_by(columns, maintain_order=True)
            .agg(pl.col(_WEIGHT).sum())
            .filter(pl.col(_WEIGHT) > 0)
        )
        if counted[_WEIGHT].max() == 1 or not counted.height:
            return counted.select(columns)
        return counted.select(pl.col(columns).repeat_by(_WEIGHT).explode())
