"""Rows that wait for a time: added in any order, taken once the time is reached.

in      frames of equal columns, or arrays of slots, with the time (int64) each row waits for
state   chunks sorted by that time, of one moment in arrival order. Eight neighbours of like size
        are merged, but none beyond MERGED_ROWS_MAX, so that no batch pays for all that is kept
out     the rows whose time is reached, by time, then in arrival order
cost    follows the rows added and taken, and the number of chunks, never the rows kept; where
        no time is reached it is a comparison
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import polars as pl

from millstream.columns.frames import gathered, stacked
from millstream.engine.state.codec import NO_WORDS

MERGED_ROWS_MAX = 262_144
MERGED_CHUNKS = 8
_NEVER = 2**63
"""Later than every time."""

Kept = TypeVar("Kept", pl.DataFrame, np.ndarray)


@dataclass(slots=True)
class _Chunk(Generic[Kept]):
    """Sorted rows; ``rank`` grows with each merge: chunks of one rank are of like size."""

    first: int
    times: np.ndarray
    rows: Kept
    rank: int = 0


class EndOrder(Generic[Kept]):
    """The waiting rows of one input; ``empty`` are no rows of their kind."""

    def __init__(self, empty: Kept) -> None:
        self._empty: Kept = empty
        self._chunks: list[_Chunk[Kept]] = []
        self._first = _NEVER
        self._count = 0

    def add(self, times: np.ndarray, rows: Kept) -> None:
        """Keep rows, each until its time."""
        if not times.size:
            return
        if times.size > 1 and bool((times[1:] < times[:-1]).any()):
            order = np.argsort(times, kind="stable")
            times, rows = times[order], _at(rows, order)
        first = int(times[0])
        self._chunks.append(_Chunk(first, times, rows))
        self._count += times.size
        self._first = min(self._first, first)
        while self._is_crowded():
            self._chunks[-MERGED_CHUNKS:] = [_merged(self._chunks[-MERGED_CHUNKS:])]

    def take(self, until: int) -> tuple[np.ndarray, Kept]:
        """Return and forget the rows whose time is at most ``until``."""
        if until < self._first:
            return NO_WORDS, self._empty
        taken: list[_Chunk[Kept]] = []
        left: list[_Chunk[Kept]] = []
        for chunk in self._chunks:
            if until < chunk.first:
                left.append(chunk)
                continue
            count = int(chunk.times.searchsorted(until, "right"))
            if count == chunk.times.size:
                taken.append(chunk)
                continue
            taken.append(_Chunk(chunk.first, chunk.times[:count], chunk.rows[:count]))
            times = chunk.times[count:]
            left.append(_Chunk(int(times[0]), times, chunk.rows[count:], chunk.rank))
        self._chunks = left
        self._first = min((chunk.first for chunk in left), default=_NEVER)
        times, rows = _ordered(taken)
        self._count -= times.size
        return times, rows

    def first(self) -> int | None:
        """Return the earliest time, None where nothing waits."""
        return self._first if self._chunks else None

    def all(self) -> tuple[np.ndarray, Kept]:
        """Return everything that is kept, in order."""
        return _ordered(self._chunks) if self._chunks else (NO_WORDS, self._empty)

    def __len__(self) -> int:
        return self._count

    @property
    def bytes_used(self) -> int:
        """Bytes of the rows and their times."""
        return sum(c.times.nbytes + _bytes_of(c.rows) for c in self._chunks)

    def _is_crowded(self) -> bool:
        """Whether the last chunks are of like size, and not too large to be one."""
        last = self._chunks[-MERGED_CHUNKS:]
        if len(last) < MERGED_CHUNKS or last[0].rank > last[-1].rank:
            return False
        return sum(chunk.times.size for chunk in last) <= MERGED_ROWS_MAX


def _merged(chunks: list[_Chunk[Kept]]) -> _Chunk[Kept]:
    rank = max(chunk.rank for chunk in chunks) + 1
    times, rows = _ordered(chunks)
    return _Chunk(int(times[0]), times, rows, rank)


def _ordered(chunks: list[_Chunk[Kept]]) -> tuple[np.ndarray, Kept]:
    """Return the rows of chunks, which stand in arrival order, by time."""
    if len(chunks) == 1:
        return chunks[0].times, chunks[0].rows
    times = np.concatenate([chunk.times for chunk in chunks])
    rows = _joined([chunk.rows for chunk in chunks])
    if bool((times[1:] >= times[:-1]).all()):
        return times, rows
    order = np.argsort(times, kind="stable")
    return times[order], _at(rows, order)


def _at(rows: Any, places: np.ndarray) -> Any:
    return rows[places] if isinstance(rows, np.ndarray) else gathered(rows, places)


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    # Column by column: a whole frame's ``rechunk`` is a call into Polars' pool.
    return pl.DataFrame([column.rechunk() for column in stacked(parts)])


def _bytes_of(rows: pl.DataFrame | np.ndarray) -> int:
    return rows.nbytes if isinstance(rows, np.ndarray) else int(rows.estimated_size())
