"""Messages of one partition as columns, whichever client they came through.

in      columns copied out of librdkafka, or the Python client's message objects
out     values, keys and what else is wanted of them, row by row in offset order
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADERS: Final = pl.List(pl.Struct([pl.Field("key", pl.String()), pl.Field("value", pl.Binary())]))
TIME_TYPES: Final = ("NoTimestampType", "CreateTime", "LogAppendTime")
OPTIONAL: Final = frozenset({"key", "headers", "timestamp", "timestamp-type", "leader-epoch"})
"""What of a message is only fetched where somebody wants it."""

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Block:
    """Some messages of one partition; ``more`` holds the wanted ones of :data:`OPTIONAL`."""

    place: Place
    values: pl.Series
    offsets: np.ndarray
    bytes: int
    more: Mapping[str, pl.Series]

    def __len__(self) -> int:
        return len(self.offsets)

    def column(self, name: str) -> pl.Series:
        """Return a metadata column; a message without it has NULL (no headers: an empty list)."""
        match name:
            case "offset":
                return pl.Series(self.offsets)
            case "topic":
                return pl.repeat(self.place[0], len(self), dtype=pl.String, eager=True)
            case "partition":
                return pl.repeat(self.place[1], len(self), dtype=pl.Int32, eager=True)
            case _:
                assert name in self.more, f"nobody asked for '{name}'"
                return self.more[name]

    def cut(self, begin: int, end: int) -> Block:
        """Return some of the rows; the bytes of the others stay as long as these do."""
        if begin == 0 and end == len(self):
            return self
        values = self.values[begin:end]
        return replace(
            self,
            values=values,
            offsets=self.offsets[begin:end],
            bytes=int(values.bin.size().sum() or 0),
            more={name: column[begin:end] for name, column in self.more.items()},
        )

    def rows_within(self, bytes_max: int) -> int | None:
        """Return how many rows there are up to the one that reaches ``bytes_max``; None: all."""
        sizes = self.values.bin.size().fill_null(0).cum_sum().to_numpy()
        found = int(np.searchsorted(sizes, bytes_max))
        return None if found == len(sizes) else found + 1


def one_block(blocks: Sequence[Block]) -> Block:
    """Return blocks of one partition as one."""
    first = blocks[0]
    if len(blocks) == 1:
        return first
    return Block(
        first.place,
        pl.concat([b.values for b in blocks]),
        np.concatenate([b.offsets for b in blocks]),
        sum(b.bytes for b in blocks),
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
    return Block(
        place,
        pl.Series([m.value() for m in messages], dtype=pl.Binary),
        np.fromiter((m.offset() for m in messages), np.int64, len(messages)),
        sum(map(len, messages)),
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
    size = int(values.bin.size().sum() or 0)
    return Block(("", -1), values, np.arange(count, dtype=np.int64), size, nothing)


def headers_column(headers: Sequence[Sequence[tuple[str, bytes | None]] | None]) -> pl.Series:
    """Return the headers of messages; the order of a message's headers is kept."""
    rows = [[{"key": k, "value": v} for k, v in found or ()] for found in headers]
    return pl.Series(rows, dtype=HEADERS)


def times_columns(times: np.ndarray, kinds: np.ndarray) -> dict[str, pl.Series]:
    """Return the times of messages, and what kind of time each is (an index of TIME_TYPES)."""
    known = pl.Series(times).set(pl.Series(kinds == 0), None)
    said = pl.Series(TIME_TYPES, dtype=pl.String)
    return {
        "timestamp": known.cast(pl.Datetime("ms", "UTC")),
        "timestamp-type": said.gather(kinds.astype(np.uint32)),
    }
