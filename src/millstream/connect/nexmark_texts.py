"""What the events of Nexmark are drawn from: random numbers, words, and pools of texts.

in      event ids and a purpose
out     numbers and words that belong to (seed, event id, purpose): no cut and no order of reading
        changes them. Texts are Arrow string views, so that many rows share one piece of memory
source  Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014 (SplitMix64)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from millstream.connect.datagen_values import mix, unit

POOL_CHARS = 1 << 20
HOT_CHANNELS = (b"Google", b"Facebook", b"Baidu", b"Apple")
CHANNELS = 10_000

_URL_START = b"https://www.nexmark.com/"
_INLINE_BYTES = 12
_STEP = np.uint64(0x9E3779B97F4A7C15)
_LOW32 = np.uint64(0xFFFFFFFF)
_B32 = np.uint64(32)

Ints = npt.NDArray[np.int64]


# ------------------------------------------------------------------------------- random numbers


class Draws:
    """Random numbers by event and purpose."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def bits(self, ids: Ints, purpose: str) -> np.ndarray:
        """Return 64 random bits per event."""
        return mix(ids.view(np.uint64) * _STEP + _start(self._seed, purpose))

    def below(self, ids: Ints, purpose: str, limit: Ints | int) -> Ints:
        """Return a whole number from 0 to below ``limit`` (less than 2**31; 0 gives 0)."""
        wide = (self.bits(ids, purpose) >> _B32) * np.asarray(limit).astype(np.uint64)
        return (wide >> _B32).view(np.int64)

    def prices(self, ids: Ints, purpose: str) -> Ints:
        """Return prices from 100 to 100 000 000, each order of magnitude as often."""
        exponents = 6 * unit(self.bits(ids, purpose))
        return np.floor(10.0**exponents * 100 + 0.5).astype(np.int64)

    def letters(self, ids: Ints, purpose: str, most: int, table: np.ndarray) -> Words:
        """Return words of 3 to ``most - 1`` letters."""
        sizes = 3 + self.below(ids, purpose + " size", most - 3)
        places = -(-(most - 1) // 4)  # a draw has bits for four letters
        spots = ids[:, None] * places + np.arange(places)
        lanes = self.bits(spots, purpose).view(np.uint16)[:, : most - 1]
        return Words(table[lanes], np.arange(most - 1) < sizes[:, None])


@lru_cache(maxsize=1024)
def _start(seed: int, purpose: str) -> np.uint64:
    salt = int.from_bytes(purpose.encode()[:24].ljust(24, b"\0"), "little")
    words = np.array([(salt >> 64 * i) % 2**64 for i in range(3)] + [seed % 2**64], np.uint64)
    state = np.zeros(1, np.uint64)
    for word in words:
        state = mix(state * _STEP + word + _STEP)
    return np.uint64(state[0])


def _letter_table(special: str) -> np.ndarray:
    """Return a letter per 16 random bits: the special one in one of 13 cases."""
    drawn = np.arange(1 << 16) * 338 >> 16  # 26 of 338 are special
    return np.where(drawn < 26, ord(special), ord("a") + drawn % 26).astype(np.uint8)


SPACED, LINED = _letter_table(" "), _letter_table("_")


# ---------------------------------------------------------------------------------------- texts


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts as Arrow string views (two words each) over one piece of memory."""

    views: np.ndarray
    data: pa.Buffer

    @property
    def sizes(self) -> Ints:
        """Return the length of each text."""
        return (self.views[:, 0] & _LOW32).view(np.int64)

    def take(self, places: Ints) -> Texts:
        """Return some of the texts."""
        return Texts(self.views[places], self.data)


@dataclass(frozen=True, slots=True)
class Words:
    """Letters in a matrix, a word a line; ``kept`` tells which belong to the word."""

    letters: np.ndarray
    kept: np.ndarray

    def trimmed(self) -> Words:
        """Return the words without spaces at their ends."""
        full = self.kept & (self.letters != ord(" "))
        width = full.shape[1]
        places = np.arange(width)
        first = full.argmax(axis=1)
        last = np.where(full.any(axis=1), width - 1 - full[:, ::-1].argmax(axis=1), -1)
        return Words(self.letters, (places >= first[:, None]) & (places <= last[:, None]))

    def texts(self) -> Texts:
        """Return the words as a column."""
        sizes = self.kept.sum(axis=1)
        data = np.zeros(int(sizes.sum()) + _INLINE_BYTES, np.uint8)
        data[: len(data) - _INLINE_BYTES] = self.letters[self.kept]
        return texts_at(data, np.cumsum(sizes) - sizes, sizes)


def beside(count: int, *parts: Words | bytes) -> Words:
    """Return lines that are put together from words and fixed letters."""
    letters: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    for part in parts:
        if isinstance(part, bytes):
            letters.append(np.broadcast_to(np.frombuffer(part, np.uint8), (count, len(part))))
            kept.append(np.ones((count, len(part)), bool))
        else:
            letters.append(part.letters)
            kept.append(part.kept)
    return Words(np.concatenate(letters, axis=1), np.concatenate(kept, axis=1))


def texts_at(data: np.ndarray, starts: Ints, sizes: Ints) -> Texts:
    """Return the texts that lie in ``data``, which goes on for 12 bytes behind the last one."""
    assert len(data) < 1 << 31, "an Arrow view reaches 2 GiB"
    # Four bytes from any place on: the view of a long text repeats its beginning.
    fours = np.ndarray((len(data) - 3,), "<u4", buffer=data, strides=(1,))
    views = np.empty((len(starts), 2), np.uint64)
    views[:, 0] = fours[starts]
    views[:, 0] <<= _B32
    views[:, 0] |= sizes.view(np.uint64)
    views[:, 1] = starts.view(np.uint64) << _B32
    short = np.flatnonzero(sizes <= _INLINE_BYTES)
    if len(short):
        places = np.arange(_INLINE_BYTES)
        inside = data[starts[short, None] + places]
        inside[places >= sizes[short, None]] = 0
        lines = np.zeros((len(short), 4), np.uint32)
        lines[:, 0] = sizes[short]
        lines[:, 1:] = inside.view(np.uint32)
        views[short] = lines.view(np.uint64)
    return Texts(views, pa.py_buffer(data))


def texts_of(values: list[bytes]) -> Texts:
    """Return a column of the given texts."""
    sizes = np.array([len(v) for v in values], np.int64)
    data = np.frombuffer(b"".join(values) + bytes(_INLINE_BYTES), np.uint8)
    return texts_at(data, np.cumsum(sizes) - sizes, sizes)


@dataclass(frozen=True, slots=True)
class Pools:
    """Texts that many events share; a function of the seed."""

    letters: np.ndarray
    urls: Texts
    channels: Texts


@lru_cache(maxsize=4)
def pools(seed: int) -> Pools:
    """Return the pools of a seed."""
    draws = Draws(seed)
    letters = np.append(_pool_letters(draws), np.zeros(_INLINE_BYTES, np.uint8))
    count = CHANNELS + len(HOT_CHANNELS)
    ids = np.arange(count)
    parts = [draws.letters(ids, f"url {i}", 5, LINED) for i in range(3)]
    base = beside(count, _URL_START, parts[0], b"/", parts[1], b"/", parts[2], b"/item.htm?query=1")
    named = draws.below(ids, "url named", 10) > 0
    urls: list[bytes] = []
    # A loop over the 10 000 channels, once per seed.
    for i in range(count):
        url = base.letters[i][base.kept[i]].tobytes()
        if i < CHANNELS and named[i]:
            url += b"&channel_id=%d" % _channel_id(i)
        urls.append(url)
    channels = [*(b"channel-%d" % i for i in range(CHANNELS)), *HOT_CHANNELS]
    return Pools(letters, texts_of(urls), texts_of(channels))


def _pool_letters(draws: Draws) -> np.ndarray:
    """Return 1 MiB of letters: six per signed 32-bit number, half of them below 'a' as in Java."""
    blocks = -(-POOL_CHARS // 6)
    left = (draws.bits(np.arange(blocks), "pool") >> _B32).astype(np.uint32).view(np.int32)
    letters = np.empty((blocks, 6), np.uint8)
    for place in range(6):
        rest = np.fmod(left, 26)
        letters[:, place] = ord("a") + rest
        left = (left - rest) // 26
    return letters.reshape(-1)[:POOL_CHARS]


def _channel_id(channel: int) -> int:
    """Return the bits of a 32-bit number in reverse, as a signed number without its sign."""
    turned = int(f"{channel:032b}"[::-1], 2)
    # Java's abs of the smallest number is that number; channel 1 has it.
    return turned if turned < 1 << 31 else -turned if turned == 1 << 31 else (1 << 32) - turned
