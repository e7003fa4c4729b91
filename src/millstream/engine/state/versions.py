"""The versions of each key: which row held since when.

in      rows with the time since which they hold, or hold no more, and the mark they came under
state   per key a chain of versions by time; one of the same time takes another's place. One that
        came late, behind its mark, counts from right after that mark on: what was asked for
        before it came has its answer, wherever batches are cut. It counts for nothing where a
        newer one was there
out     the version that held at a time, for rows asked in the order of their times
forgets versions that no time after the mark can ask for: all before the newest one at or before
        it. Keys that are put or asked for are looked at at once, the others a few at a time
cost    follows the rows put and asked for; a version that comes behind others of its key, in
        time, is put by walking back over these
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import polars as pl

from millstream.engine.state.arena import Arena
from millstream.engine.state.arrangement_kernels import put_words
from millstream.engine.state.codec import face
from millstream.engine.state.expiry import Expiry
from millstream.engine.state.heap import ByteHeap
from millstream.engine.state.jit import kernel
from millstream.engine.state.kept_rows import KeptRows
from millstream.engine.state.key_index import KeyIndex, key_frame
from millstream.engine.state.slots import USED, Rows, SlotRows, gather_words

# Words of a key behind its columns; links are slot + 1, 0 = none.
OLDEST, NEWEST, AT, WRITTEN = range(4)
KEY_WORDS = 4
# Words of a version.
# FROM is when a version begins to count, SAID the time it came with.
FROM, SAID, KIND, OLDER, NEWER = range(1, 6)
VERSION_WORDS = 6
SAVED = ("$from", "$said", "$kind", "$written")
LOOKED_AT_MIN, LOOKED_AT_PER_ROW = 1024, 4


class Version(IntEnum):
    """What a row says of its key."""

    HOLDS = 1
    GONE = 2
    REPLACED = 3
    """The old row of a change: of no meaning where it comes with its own time, for it holds until
    the new row's; with a time of its own it is gone from then on."""


HOLDS, GONE, REPLACED = int(Version.HOLDS), int(Version.GONE), int(Version.REPLACED)


class Versions:
    """All versions that can still be asked for."""

    def __init__(
        self, schema: dict[str, pl.DataType], key: tuple[str, ...], seed: int, ttl_ms: int
    ) -> None:
        self.key = key
        self._arena = Arena()
        heap = ByteHeap(self._arena)
        self._keys = KeyIndex(
            {name: schema[name] for name in key},
            seed,
            arena=self._arena,
            heap=heap,
            extra_words=KEY_WORDS,
        )
        self._values = KeptRows(schema, heap)
        self._rows = SlotRows(self._arena, VERSION_WORDS + self._values.words)
        self._values.settle(self._rows, VERSION_WORDS)
        self._x = self._keys.extra
        self._ttl_ms = ttl_ms
        self.expiry = Expiry(self._keys.rows, self._x + WRITTEN, ttl_ms)
        self._next = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def bytes_used(self) -> int:
        """Bytes of everything."""
        return self._arena.bytes_used

    def put(
        self, rows: pl.DataFrame, times: np.ndarray, marks: np.ndarray, kinds: np.ndarray
    ) -> None:
        """Take versions in, in the order they came; their keys have no NULL."""
        if not rows.height:
            return
        owners, _ = self._keys.upsert(self._key_rows(rows))
        self._renew(owners)
        slots = self._rows.take(rows.height)
        self._values.put(slots, rows)
        # A mark of 2^63 - 1 is the end: nothing comes behind it.
        since = np.maximum(times, np.minimum(marks, 2**63 - 2) + 1)
        put_words(self._rows.view, slots, FROM, since)
        put_words(self._rows.view, slots, SAID, times)
        put_words(self._rows.view, slots, KIND, kinds)
        self._free(chain(self._rows.view, self._keys.rows.view, self._x, slots, owners, False))

    def at(self, keys: pl.DataFrame, times: np.ndarray) -> np.ndarray:
        """Return the version that held at each time, -1 where none did.

        Times ascend, within a call and from call to call.
        """
        owners = self._keys.lookup(keys)
        self._renew(owners)
        return look_up(self._rows.view, self._keys.rows.view, self._x, owners, times)

    def get(self, slots: np.ndarray) -> pl.DataFrame:
        """Return versions as rows."""
        return self._values.get(slots)

    def forget(self, rows: int, mark_ms: int) -> None:
        """Look at some keys, for a batch of ``rows``, for what none after ``mark_ms`` asks for."""
        used = int(self._keys.rows.meta[USED])
        start, end = self._next, self._next + LOOKED_AT_MIN + LOOKED_AT_PER_ROW * rows
        self._next = 0 if end >= used else end
        known = self._keys.rows.view
        self._free(trim(self._rows.view, known, self._x, (start, min(used, end)), mark_ms))
        gone = self.expiry.due(rows)
        self._drop(gone)
        self._keys.free(gone)

    def save(self) -> pl.DataFrame:
        """Return all versions as rows, by the time they count from."""
        owners = self._keys.rows.live()
        slots, which = walk(self._rows.view, self._keys.rows.view, self._x, owners)
        words = gather_words(self._rows.view, FROM, 3, slots)
        written = gather_words(self._keys.rows.view, self._x + WRITTEN, 1, owners)[0][which]
        known = zip(SAVED, (*words, written), strict=True)
        rows = self._values.get(slots).with_columns(pl.Series(n, v) for n, v in known)
        return rows[np.argsort(words[0], kind="stable")]

    def load(self, saved: pl.DataFrame) -> None:
        """Take saved versions into an empty state."""
        assert not len(self), "a restore needs an empty state"
        owners, _ = self._keys.upsert(self._key_rows(saved))
        slots = self._rows.take(saved.height)
        self._values.put(slots, saved)
        for at, name in zip((FROM, SAID, KIND), SAVED, strict=False):
            put_words(self._rows.view, slots, at, face(saved[name].to_numpy()))
        put_words(
            self._keys.rows.view, owners, self._x + WRITTEN, face(saved["$written"].to_numpy())
        )
        chain(self._rows.view, self._keys.rows.view, self._x, slots, owners, True)

    def _key_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        return key_frame([rows[name] for name in self.key], rows.height)

    def _renew(self, owners: np.ndarray) -> None:
        """Note that keys are in use; those not used for too long are as if they were new."""
        if self._ttl_ms:
            now, cutoff = self.expiry.now_ms, self.expiry.cutoff_ms
            self._drop(renew(self._keys.rows.view, self._x, owners, now, cutoff))

    def _drop(self, owners: np.ndarray) -> None:
        """Forget all versions of keys."""
        if owners.size:
            slots, _ = walk(self._rows.view, self._keys.rows.view, self._x, owners)
            self._keys.rows.matrix()[owners, self._x + OLDEST : self._x + AT + 1] = 0
            self._free(slots)

    def _free(self, slots: np.ndarray) -> None:
        self._values.free(slots)
        self._rows.free(slots)


@kernel
def chain(
    rows: Rows, keys: Rows, x: int, slots: np.ndarray, owners: np.ndarray, saved: bool
) -> np.ndarray:
    """Put versions into their keys' chains; returns the slots that are not needed.

    Versions that were ``saved`` are put as they are.
    """
    free = np.empty(slots.size, dtype=np.int64)
    n = 0
    words = rows.words
    for i in range(slots.size):
        q = owners[i] * keys.width + x
        p = slots[i] * rows.width
        before, after = keys.words[q + NEWEST], 0
        while before > 0 and words[(before - 1) * rows.width + FROM] > words[p + FROM]:
            after = before
            before = words[(before - 1) * rows.width + OLDER]
        if not saved and not settle(words, p, (before - 1) * rows.width, before > 0):
            free[n] = slots[i]
            n += 1
            continue
        link = slots[i] + 1
        if before > 0 and words[(before - 1) * rows.width + FROM] == words[p + FROM]:
            free[n] = before - 1
            n += 1
            if keys.words[q + AT] == before:
                keys.words[q + AT] = link
            before = words[(before - 1) * rows.width + OLDER]
        words[p + OLDER] = before
        words[p + NEWER] = after
        if before > 0:
            words[(before - 1) * rows.width + NEWER] = link
        else:
            keys.words[q + OLDEST] = link
        if after > 0:
            words[(after - 1) * rows.width + OLDER] = link
        else:
            keys.words[q + NEWEST] = link
    return free[:n].copy()


@kernel
def settle(words: np.ndarray, p: int, b: int, follows: bool) -> bool:
    """Say what version ``p`` is, behind version ``b``; False where it is of no use."""
    if follows and words[p + SAID] < words[b + SAID]:
        return False
    if words[p + KIND] == REPLACED:
        if follows and words[p + SAID] == words[b + SAID]:
            return False
        words[p + KIND] = GONE
    return True


@kernel
def look_up(rows: Rows, keys: Rows, x: int, owners: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the version that held at each time, walking on from where each key was left."""
    out = np.full(owners.size, -1, dtype=np.int64)
    words = rows.words
    for i in range(owners.size):
        if owners[i] < 0:
            continue
        q = owners[i] * keys.width + x
        at = keys.words[q + AT]
        if at == 0:
            at = keys.words[q + OLDEST]
        if at == 0 or words[(at - 1) * rows.width + FROM] > times[i]:
            continue
        newer = words[(at - 1) * rows.width + NEWER]
        while newer > 0 and words[(newer - 1) * rows.width + FROM] <= times[i]:
            at = newer
            newer = words[(at - 1) * rows.width + NEWER]
        keys.words[q + AT] = at
        if words[(at - 1) * rows.width + KIND] == HOLDS:
            out[i] = at - 1
    return out


@kernel
def trim(rows: Rows, keys: Rows, x: int, part: tuple[int, int], mark: int) -> np.ndarray:
    """Take versions of some key slots out of their chains; returns them."""
    out = np.empty(max(part[1] - part[0], 16), dtype=np.int64)
    n = 0
    words = rows.words
    for owner in range(part[0], part[1]):
        q = owner * keys.width + x
        if keys.words[owner * keys.width] <= 0:
            continue
        link = keys.words[q + OLDEST]
        while link > 0:
            newer = words[(link - 1) * rows.width + NEWER]
            if newer == 0 or words[(newer - 1) * rows.width + FROM] > mark:
                break
            if n == out.size:
                grown = np.empty(2 * n, dtype=np.int64)
                grown[:n] = out
                out = grown
            out[n] = link - 1
            n += 1
            words[(newer - 1) * rows.width + OLDER] = 0
            keys.words[q + OLDEST] = newer
            if keys.words[q + AT] == link:
                keys.words[q + AT] = newer
            link = newer
    return out[:n].copy()


@kernel
def walk(rows: Rows, keys: Rows, x: int, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all versions of keys, oldest first, and the place of each one's key."""
    total = 0
    for owner in owners:
        link = keys.words[owner * keys.width + x + OLDEST]
        while link > 0:
            total += 1
            link = rows.words[(link - 1) * rows.width + NEWER]
    out = np.empty(total, dtype=np.int64)
    which = np.empty(total, dtype=np.int64)
    n = 0
    for i in range(owners.size):
        link = keys.words[owners[i] * keys.width + x + OLDEST]
        while link > 0:
            out[n], which[n] = link - 1, i
            n += 1
            link = rows.words[(link - 1) * rows.width + NEWER]
    return out, which


@kernel
def renew(keys: Rows, x: int, owners: np.ndarray, now: int, cutoff: int) -> np.ndarray:
    """Note when keys were used; returns each key once that was not used after ``cutoff``."""
    out = np.empty(owners.size, dtype=np.int64)
    n = 0
    for owner in owners:
        if owner < 0:
            continue
        q = owner * keys.width + x
        if keys.words[q + WRITTEN] <= cutoff and keys.words[q + OLDEST] > 0:
            out[n] = owner
            n += 1
        keys.words[q + WRITTEN] = now
    return out[:n].copy()
