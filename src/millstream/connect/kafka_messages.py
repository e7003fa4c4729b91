"""Messages of one partition as columns, whichever client they came through.

in      columns copied out of librdkafka, or the Python client's message objects
out     values, keys and what else is wanted of them, row by row in offset order
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from millstream.columns.frames import gathered_columns
from millstream.formats.json_decode import buffer_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADERS: Final = pl.List(pl.Struct([pl.Field("key", pl.String()), pl.Field("value", pl.Binary())]))
TIME_TYPES: Final = ("NoTimestampType", "CreateTime", "LogAppendTime")
OPTIONAL: Final = frozenset({"key", "headers", "timestamp", "timestamp-type", "leader-epoch"})
"""What of a message is only fetched where somebody wants it."""

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Block:
    """Some messages of one partition; ``more`` holds the wanted ones of :data:`OPTIONAL`.

    The value of each lies in ``data`` from its place to the next one; ``there`` tells which have
    one (None = all). Formats read it where it lies.
    """

    place: Place
    data: np.ndarray
    places: np.ndarray
    there: np.ndarray | None
    offsets: np.ndarray
    more: Mapping[str, pl.Series]

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def bytes(self) -> int:
        """How many bytes the values have together."""
        return int(self.places[-1] - self.places[0])

    @property
    def values(self) -> pl.Series:
        """The values as a column, made anew at each call."""
        return binary_column(self.data, self.places, self.there)

    def column(self, name: str) -> pl.Series:
        """Return a metadata column; a message without it has NULL (no headers: an empty list)."""
        match name:
            case "offset":
                return pl.Series(self.offsets)
            case "topic":
                return pl.Series([self.place[0]], dtype=pl.String).new_from_index(0, len(self))
            case "partition":
                return pl.Series([self.place[1]], dtype=pl.Int32).new_from_index(0, len(self))
            case _:
                assert name in self.more, f"nobody asked for '{name}'"
                return self.more[name]

    def cut(self, begin: int, end: int) -> Block:
        """Return some of the rows; the bytes of the others stay as long as these do."""
        if begin == 0 and end == len(self):
            return self
        return replace(
            self,
            places=self.places[begin : end + 1],
            there=None if self.there is None else self.there[begin:end],
            offsets=self.offsets[begin:end],
            more={name: column[begin:end] for name, column in self.more.items()},
        )

    def rows_within(self, bytes_max: int) -> int | None:
        """Return how many rows there are up to the one that reaches ``bytes_max``; None: all."""
        sizes = self.places[1:] - self.places[0]
        found = int(np.searchsorted(sizes, bytes_max))
        return None if found == len(sizes) else found + 1


def value_at(block: Block, index: int) -> bytes | None:
    """Return a copy of one value."""
    if block.there is not None and not block.there[index]:
        return None
    return bytes(block.data[block.places[index] : block.places[index + 1]])


def room_of(size: int) -> np.ndarray:
    """Return room for bytes, from an allocator that keeps its pages.

    NumPy's gives large ones back to the system at once: to get their pages anew is dearer than
    to copy what comes into them.
    """
    return np.frombuffer(pa.allocate_buffer(size), np.uint8)


def binary_column(data: np.ndarray, places: np.ndarray, there: np.ndarray | None) -> pl.Series:
    """Return pieces of a buffer as a column that shares it; what is not there is NULL."""
    valid = None if there is None else pa.py_buffer(np.packbits(there, bitorder="little"))
    buffers = [valid, pa.py_buffer(places), pa.py_buffer(data)]  # they keep the arrays alive
    return pl.Series(pa.Array.from_buffers(pa.large_binary(), len(places) - 1, buffers))


def one_block(blocks: Sequence[Block]) -> Block:
    """Return blocks of one partition as one."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    places = np.zeros(sum(map(len, blocks)) + 1, np.int64)
    np.cumsum(np.concatenate([np.diff(b.places) for b in blocks]), out=places[1:])
    there = None
    if any(b.there is not None for b in blocks):
        there = np.concatenate(
            [np.ones(len(b), np.bool_) if b.there is None else b.there for b in blocks]
        )
    data = room_of(int(places[-1]))
    np.concatenate([b.data[b.places[0] : b.places[-1]] for b in blocks], out=data)
    return Block(
        first.place,
        data,
        places,
        there,
        np.concatenate([b.offsets for b in blocks]),
        {name: pl.concat([b.more[name] for b in blocks]) for name in first.more},
    )


def no_messages(place: Place, wanted: frozenset[str]) -> Block:
    """Return a block without rows."""
    return of_objects(place, [], wanted)


def of_objects(place: Place, messages: Sequence[Any], wanted: frozenset[str]) -> Block:
    """Return the Python client's messages as columns.

    Python loops over messages, because this client hands each over as an object.
    """
    more: dict[str, pl.Series] = {}
    if "key" in wanted:
        more["key"] = pl.Series([m.key() for m in messages], dtype=pl.Binary)
    if "headers" in wanted:
        more["headers"] = headers_column([m.headers() for m in messages])
    if wanted & {"timestamp", "timestamp-type"}:
        times = [m.timestamp() for m in messages]
        more |= times_columns(
            np.array([t for _, t in times], np.int64), np.array([k for k, _ in times], np.int32)
        )
    if "leader-epoch" in wanted:
        more["leader-epoch"] = pl.Series([m.leader_epoch() for m in messages], dtype=pl.Int32)
    values = [m.value() for m in messages]
    missing = any(value is None for value in values)
    return Block(
        place,
        np.frombuffer(bytearray().join(value or b"" for value in values), np.uint8),
        np.cumsum([0, *(len(value or b"") for value in values)], dtype=np.int64),
        np.array([value is not None for value in values]) if missing else None,
        np.fromiter((m.offset() for m in messages), np.int64, len(messages)),
        more,
    )


def of_kept(values: pl.Series) -> Block:
    """Return values that were kept without their messages; offsets count them from 0."""
    count = len(values)
    nothing = {
        "key": pl.Series([None] * count, dtype=pl.Binary),
        "headers": headers_column([None] * count),
        "leader-epoch": pl.Series([None] * count, dtype=pl.Int32),
        **times_columns(np.zeros(count, np.int64), np.zeros(count, np.int32)),
    }
    there = values.is_not_null().to_numpy() if values.null_count() else None
    sizes = values.bin.size().fill_null(0).to_numpy()
    data, begins, _ = buffer_of(values)
    places = np.append(begins[:1], begins[:1] + np.cumsum(sizes, dtype=np.int64))
    places = places if count else np.zeros(1, np.int64)
    return Block(("", -1), data, places, there, np.arange(count, dtype=np.int64), nothing)


def headers_column(headers: Sequence[Sequence[tuple[str, bytes | None]] | None]) -> pl.Series:
    """Return the headers of messages; the order of a message's headers is kept."""
    rows = [[{"key": k, "value": v} for k, v in found or ()] for found in headers]
    return pl.Series(rows, dtype=HEADERS)


def times_columns(times: np.ndarray, kinds: np.ndarray) -> dict[str, pl.Series]:
    """Return the times of messages, and what kind of time each is (an index of TIME_TYPES)."""
    known, unknown = pl.Series(times), kinds == 0
    if unknown.any():
        known = known.set(pl.Series(unknown), None)
    said = pl.Series(TIME_TYPES, dtype=pl.String)
    return {
        "timestamp": known.cast(pl.Datetime("ms", "UTC")),
        "timestamp-type": gathered_columns([said], kinds)[0],
    }
