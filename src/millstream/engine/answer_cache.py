"""Answers that were given before, by key: what a lookup join need not ask again.

in      keys and the rows that answer them, with the clock
state   two generations of keys and rows. New answers go to the young one; when it is half of
        ``rows_max`` large, or half as old as answers may get, the old one is dropped as a whole and
        the young one takes its place. An answer of the old generation that is wanted moves to the
        young one, so that what is wanted stays
out     which keys are known, and their rows
cost    follows the keys asked for, whatever is kept
"""

from __future__ import annotations

import numpy as np
import polars as pl

from millstream.engine.state.arena import Arena
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.kept_rows import KeptRows
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import SlotRows
from millstream.ports.lookup import ASK

# Words of a key: its rows (a stretch of slots), when they were asked for and wanted last.
START, COUNT, WRITTEN, WANTED = range(4)
KEY_WORDS = 4


class _Generation:
    """Keys and rows that are dropped together."""

    def __init__(self, keys: pl.Schema, rows: pl.Schema, seed: int, now_ms: int) -> None:
        arena = Arena()
        heap = ByteHeap(arena)
        self.keys = KeyIndex(dict(keys), seed, arena=arena, heap=heap, extra_words=KEY_WORDS)
        self.values = KeptRows(dict(rows), heap)
        self.rows = SlotRows(arena, 1 + self.values.words)
        self.values.settle(self.rows, 1)
        self.arena = arena
        self.since_ms = now_ms
        self.entries = 0

    def words(self, slots: np.ndarray, word: int) -> np.ndarray:
        return self.keys.rows.matrix()[slots, self.keys.extra + word]

    def put(self, keys: pl.DataFrame, counts: np.ndarray, rows: pl.DataFrame) -> np.ndarray:
        """Keep answers, ``rows`` standing key by key; returns the keys' slots."""
        slots, _ = self.keys.upsert(keys)
        # Nothing is ever freed in a generation: new slots stand side by side.
        made = self.rows.take(rows.height)
        if rows.height:
            self.values.put(made, rows)
        matrix = self.keys.rows.matrix()
        first = int(made[0]) if made.size else 0
        matrix[slots, self.keys.extra + START] = first + np.cumsum(counts) - counts
        matrix[slots, self.keys.extra + COUNT] = counts
        self.entries += max(rows.height, keys.height)
        return slots


class AnswerCache:
    """The answers of one table; calls must not overlap."""

    def __init__(
        self,
        keys: pl.Schema,
        rows: pl.Schema,
        *,
        rows_max: int,
        expire_write_ms: int | None,
        expire_access_ms: int | None,
        seed: int,
    ) -> None:
        self._schemas = (keys, rows)
        self._rows_max = max(2, rows_max)
        self._expire_ms = (expire_write_ms, expire_access_ms)
        lives = [ms for ms in self._expire_ms if ms is not None]
        self._generation_ms = min(lives) // 2 if lives else None
        self._seed = seed
        self._old: _Generation | None = None
        self._young: _Generation | None = None

    def find(self, keys: pl.DataFrame, now_ms: int) -> tuple[np.ndarray, pl.DataFrame]:
        """Return which keys are known, and their rows with the index of the key each answers."""
        young = self._turned(now_ms)
        known = np.zeros(keys.height, dtype=np.bool_)
        parts: list[pl.DataFrame] = []
        for generation in (young, self._old):
            left = np.flatnonzero(~known)
            if generation is None or not left.size or not len(generation.keys):
                continue
            slots = generation.keys.lookup(keys[left])
            there = slots >= 0
            there[there] = self._fresh(generation, slots[there], now_ms)
            places, slots = left[there], slots[there]
            if not places.size:
                continue
            known[places] = True
            answer = self._read(generation, slots, places)
            parts.append(answer)
            if generation is young:
                young.keys.rows.matrix()[slots, young.keys.extra + WANTED] = now_ms
            else:
                written = generation.words(slots, WRITTEN)
                self._keep(keys[places], generation.words(slots, COUNT), answer, written, now_ms)
        return known, pl.concat(parts) if parts else self._nothing()

    def put(self, keys: pl.DataFrame, answer: pl.DataFrame, now_ms: int, *, missing: bool) -> None:
        """Keep the answers to keys; ``missing``: also that a key has none."""
        self._turned(now_ms)
        counts = np.bincount(answer[ASK].to_numpy(), minlength=keys.height)
        if not missing:
            keys, counts = keys.filter(pl.Series(counts > 0)), counts[counts > 0]
        if keys.height:
            written = np.full(keys.height, now_ms, dtype=np.int64)
            self._keep(keys, counts, answer.sort(ASK, maintain_order=True), written, now_ms)

    @property
    def bytes_used(self) -> int:
        """Bytes of both generations."""
        both = (self._young, self._old)
        return sum(generation.arena.bytes_used for generation in both if generation is not None)

    def _keep(
        self,
        keys: pl.DataFrame,
        counts: np.ndarray,
        answer: pl.DataFrame,
        written: np.ndarray,
        now_ms: int,
    ) -> None:
        assert self._young is not None, "there is a young generation once the clock is known"
        slots = self._young.put(keys, counts, answer.drop(ASK))
        matrix = self._young.keys.rows.matrix()
        matrix[slots, self._young.keys.extra + WRITTEN] = written
        matrix[slots, self._young.keys.extra + WANTED] = now_ms

    def _turned(self, now_ms: int) -> _Generation:
        """Let the young generation grow old where it is large or aged; return the young one."""
        young = self._young
        if young is not None:
            aged = (
                self._generation_ms is not None and now_ms - young.since_ms >= self._generation_ms
            )
            if young.entries < self._rows_max // 2 and not (aged and young.entries):
                return young
            self._old = young
        self._young = _Generation(*self._schemas, self._seed, now_ms)
        return self._young

    def _fresh(self, generation: _Generation, slots: np.ndarray, now_ms: int) -> np.ndarray:
        fresh = np.ones(slots.size, dtype=np.bool_)
        for word, expire_ms in zip((WRITTEN, WANTED), self._expire_ms, strict=True):
            if expire_ms is not None:
                fresh &= now_ms - generation.words(slots, word) < expire_ms
        return fresh

    def _read(self, generation: _Generation, slots: np.ndarray, places: np.ndarray) -> pl.DataFrame:
        starts, counts = generation.words(slots, START), generation.words(slots, COUNT)
        which = np.repeat(np.arange(slots.size), counts)
        nth = np.arange(which.size) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = generation.values.get(starts[which] + nth)
        return rows.with_columns(pl.Series(ASK, places[which], dtype=pl.Int64))

    def _nothing(self) -> pl.DataFrame:
        return pl.DataFrame(schema={**self._schemas[1], ASK: pl.Int64()})
