"""Leaves out messages that a queue sends again, by their ids.

in      the ids of a chunk's rows (String, NULL = has none), and the clock
state   the hash of every id seen, in generations by the time it was last seen
out     per row whether it is new; a row without an id always is
limits  an id is known for ``window_ms`` after it was last seen, counted in time the pipeline ran:
        what was seen before a stop is as fresh after it. Beyond ``ids_max`` the oldest are
        forgotten before their time, and ``forgotten_early`` counts them: such a message would
        count twice if the queue sent it again
cost    a Python call per id for its hash, which must be the same after an upgrade
source  reliability.md §2.6
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from millstream.engine.operator import Snapshot
from millstream.engine.state.arena import Arena
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.key_index import KeyIndex
from millstream.engine.state.slots import Rows
from millstream.ports.connector import Chunk

ID = "id"
"""A column of a chunk's rejected documents: their message ids, where they have some."""
GENERATIONS = 8
"""A window is forgotten in so many steps; an id may be known for one step longer."""
HASH_BYTES = 16
_SCHEMA: dict[str, pl.DataType] = {"a": pl.Int64(), "b": pl.Int64()}


def unrepeated(chunk: Chunk, seen: Seen, now_ms: int) -> Chunk:
    """Return a chunk without the messages that were read before."""
    frame, offsets, rejected = chunk.frame, chunk.offsets, chunk.rejected
    if chunk.ids is not None:
        new = seen.new(chunk.ids, now_ms)
        if not new.all():
            frame = frame.filter(new)
            offsets = None if offsets is None else offsets.filter(pl.Series(new))
    if rejected is not None and ID in rejected.columns:
        rejected = rejected.filter(seen.new(rejected[ID], now_ms))
    return replace(chunk, frame=frame, offsets=offsets, rejected=rejected)


@dataclass
class _Generation:
    """Ids last seen in one span of time; an id seen again since then stands here in vain."""

    number: int
    began_ms: int
    slots: list[np.ndarray] = field(default_factory=list)
    hashes: list[np.ndarray] = field(default_factory=list)
    size: int = 0


class Seen:
    """The ids of one scan."""

    def __init__(self, *, window_ms: int, ids_max: int, seed: int) -> None:
        assert window_ms > 0, "a window of no time knows no id"
        self._step_ms = max(1, window_ms // GENERATIONS)
        self._size_max = max(1, ids_max // GENERATIONS)
        arena = Arena()
        self._index = KeyIndex(
            _SCHEMA, seed, arena=arena, heap=ByteHeap(arena), extra_words=1, exact_pair=True
        )
        self._arena = arena
        self._generations: deque[_Generation] = deque()
        self._made = 0
        self._now_ms: int | None = None
        self.rows_repeated = 0
        self.forgotten_early = 0

    def __len__(self) -> int:
        return len(self._index)

    @property
    def state_bytes(self) -> int:
        """Bytes of memory held."""
        return self._arena.bytes_used + sum(
            h.nbytes for g in self._generations for h in (*g.hashes, *g.slots)
        )

    def new(self, ids: pl.Series, now_ms: int) -> np.ndarray:
        """Take note of ids; return for each whether it was not seen before."""
        now = self._at(now_ms)
        keep = np.ones(len(ids), dtype=np.bool_)
        known = np.flatnonzero(ids.is_not_null().to_numpy())
        if not known.size:
            return keep
        hashes = _hashes(ids.drop_nulls())
        slots, made = self._index.upsert(_keys(hashes))
        keep[known] = False
        keep[known[made]] = True
        generation = self._current(now)
        fresh = _mark(self._index.rows.view, self._index.extra, slots, generation.number)
        generation.slots.append(slots[fresh])
        generation.hashes.append(hashes[fresh])
        generation.size += int(fresh.size)
        self.rows_repeated += int(known.size - made.size)
        return keep

    def snapshot(self) -> Snapshot:
        """Return the hashes by generation: those that are over never change again."""
        tables: dict[str, pl.DataFrame] = {}
        ages: dict[str, int] = {}
        for generation in self._generations:
            name = f"ids-{generation.number}"
            tables[name] = _keys(_joined(generation.hashes))
            ages[name] = (self._now_ms or 0) - generation.began_ms
        return Snapshot(tables, {"ages": ages, "repeated": self.rows_repeated})

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; the time it was not running for does not count."""
        assert not self._generations, "a restore needs an object that has seen nothing"
        ages: dict[str, int] = snapshot.facts["ages"]
        self.rows_repeated = int(snapshot.facts["repeated"])
        for name in sorted(ages, key=lambda n: int(n.removeprefix("ids-"))):
            table = snapshot.tables[name]
            hashes = np.column_stack([table["a"].to_numpy(), table["b"].to_numpy()])
            slots, _ = self._index.upsert(table)
            number = int(name.removeprefix("ids-"))
            self._made = max(self._made, number)
            _mark(self._index.rows.view, self._index.extra, slots, number)
            # Times are relative until the clock is known.
            kept = _Generation(number, -ages[name], [slots], [hashes], table.height)
            self._generations.append(kept)

    def _at(self, now_ms: int) -> int:
        """Return the time, which never goes back, and let go what is too old."""
        if self._now_ms is None:
            for generation in self._generations:  # of a snapshot
                generation.began_ms += now_ms
        self._now_ms = now = now_ms if self._now_ms is None else max(now_ms, self._now_ms)
        # A generation is let go when its youngest id is older than the window.
        while self._generations and now - self._ended_ms() > GENERATIONS * self._step_ms:
            self._forget()
        while len(self._generations) > GENERATIONS and self._full():
            self.forgotten_early += self._forget()
        return now

    def _full(self) -> bool:
        return sum(g.size for g in self._generations) > GENERATIONS * self._size_max

    def _ended_ms(self) -> int:
        """Return when the oldest generation was over."""
        if len(self._generations) > 1:
            return self._generations[1].began_ms
        return self._generations[0].began_ms + self._step_ms

    def _current(self, now: int) -> _Generation:
        last = self._generations[-1] if self._generations else None
        if last is None or now - last.began_ms >= self._step_ms or last.size >= self._size_max:
            self._made += 1
            last = _Generation(self._made, now)
            self._generations.append(last)
        return last

    def _forget(self) -> int:
        """Let the oldest generation go; returns how many ids were forgotten."""
        oldest = self._generations.popleft()
        slots = np.concatenate([*oldest.slots, np.empty(0, dtype=np.int64)]).astype(np.int64)
        if not slots.size:
            return 0
        gone = slots[_is_marked(self._index.rows.view, self._index.extra, slots, oldest.number)]
        self._index.free(gone)
        return int(gone.size)


def _hashes(ids: pl.Series) -> np.ndarray:
    """Return two words per id."""
    # Id by id: a hash that stays the same over versions of every library we use.
    digests = b"".join(
        hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest() for text in ids
    )
    return np.frombuffer(digests, dtype="<i8").reshape(-1, 2)


def _keys(hashes: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {"a": np.ascontiguousarray(hashes[:, 0]), "b": np.ascontiguousarray(hashes[:, 1])},
        schema=_SCHEMA,
    )


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([*parts, np.empty((0, 2), dtype=np.int64)])


@kernel
def _mark(rows: Rows, at: int, slots: np.ndarray, number: int) -> np.ndarray:
    """Note a generation in slots; return the places of those that were in another one."""
    out = np.empty(slots.size, dtype=np.int64)
    n = 0
    for i in range(slots.size):
        p = slots[i] * rows.width + at
        if rows.words[p] != number:
            rows.words[p] = number
            out[n] = i
            n += 1
    return out[:n]


@kernel
def _is_marked(rows: Rows, at: int, slots: np.ndarray, number: int) -> np.ndarray:
    """Tell which slots are of a generation."""
    out = np.empty(slots.size, dtype=np.bool_)
    for i in range(slots.size):
        out[i] = rows.words[slots[i] * rows.width + at] == number
    return out
