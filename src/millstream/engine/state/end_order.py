"""Rows that wait for a time: added in any order, taken once the time is reached.

in      frames of equal columns, with the time (int64) each row waits for
state   chunks sorted by that time, of one moment in arrival order. Neighbours of like size are
        merged, but none beyond MERGED_ROWS_MAX, so that no batch pays for all that is kept
out     the rows whose time is reached, by time, then in arrival order
cost    follows the rows added and taken, and the number of chunks, never the rows kept
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

MERGED_ROWS_MAX = 262_144


@dataclass(slots=True)
class _Chunk:
    times: np.ndarray
    rows: pl.DataFrame


class EndOrder:
    """The waiting rows of one input."""

    def __init__(self, empty: pl.DataFrame) -> None:
        self._empty = empty
        self._chunks: list[_Chunk] = []

    def add(self, times: np.ndarray, rows: pl.DataFrame) -> None:
        """Keep rows, each until its time."""
        if not rows.height:
            return
        if times.size > 1 and bool((times[1:] < times[:-1]).any()):
            order = np.argsort(times, kind="stable")
            times, rows = times[order], rows[order]
        self._chunks.append(_Chunk(times, rows))
        while len(self._chunks) > 1:
            older, newer = self._chunks[-2:]
            together = older.times.size + newer.times.size
            if older.times.size > 2 * newer.times.size or together > MERGED_ROWS_MAX:
                break
            self._chunks[-2:] = [_merged(older, newer)]

    def take(self, until: int) -> tuple[np.ndarray, pl.DataFrame]:
        """Return and forget the rows whose time is at most ``until``."""
        taken: list[_Chunk] = []
        left: list[_Chunk] = []
        for chunk in self._chunks:
            count = int(np.searchsorted(chunk.times, until, side="right"))
            if count:
                taken.append(_Chunk(chunk.times[:count], chunk.rows[:count]))
            if count < chunk.times.size:
                left.append(_Chunk(chunk.times[count:], chunk.rows[count:]))
        self._chunks = left
        return self._ordered(taken)

    def first(self) -> int | None:
        """Return the earliest time, None where nothing waits."""
        return min((int(chunk.times[0]) for chunk in self._chunks), default=None)

    def all(self) -> tuple[np.ndarray, pl.DataFrame]:
        """Return everything that is kept, in order."""
        return self._ordered(self._chunks)

    def __len__(self) -> int:
        return sum(chunk.times.size for chunk in self._chunks)

    @property
    def bytes_used(self) -> int:
        """Bytes of the rows and their times."""
        return sum(c.times.nbytes + int(c.rows.estimated_size()) for c in self._chunks)

    def _ordered(self, chunks: list[_Chunk]) -> tuple[np.ndarray, pl.DataFrame]:
        if not chunks:
            return np.zeros(0, dtype=np.int64), self._empty
        if len(chunks) == 1:
            return chunks[0].times, chunks[0].rows
        times = np.concatenate([chunk.times for chunk in chunks])
        rows = pl.concat([chunk.rows for chunk in chunks], rechunk=True)
        order = np.argsort(times, kind="stable")
        return times[order], rows[order]


def _merged(older: _Chunk, newer: _Chunk) -> _Chunk:
    times = np.concatenate([older.times, newer.times])
    rows = pl.concat([older.rows, newer.rows], rechunk=True)
    if times[older.times.size - 1] <= times[older.times.size]:
        return _Chunk(times, rows)
    order = np.argsort(times, kind="stable")
    return _Chunk(times[order], rows[order])
