"""Records of an event log: how requests lie in a segment, and how they are found again.

segment  eight bytes of magic, then records one behind the other; its name is the number of its
         first event
record   crc32 of what follows | bytes of the body | number of its first event | how many | arrival
         (ms) | bytes of the key; the body: key, digest of the request (16 bytes, with a key only),
         the length of each event (uint32), the events
bad      a record that is cut off or does not fit its sum ends what can be read
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

MAGIC = b"MSEVENT1"
HEAD = struct.Struct("<IIqIqH2x")
_SUM_BYTES = 4
DIGEST_BYTES = 16
LENGTHS = np.dtype("<u4")


@dataclass(frozen=True, slots=True)
class Record:
    """One request as it lies in ``data``; ``end`` is the place behind it."""

    first: int
    count: int
    at_ms: int
    key: bytes
    digest: bytes
    lengths: np.ndarray
    data: memoryview
    """The events."""
    end: int


def encoded(
    first: int, events: Sequence[bytes], at_ms: int, key: bytes = b"", digest: bytes = b""
) -> bytes:
    """Return the bytes of a record.

    >>> [r.count for r in records(encoded(5, [b"{}", b"1"], 0))]
    [2]
    """
    assert len(digest) == (DIGEST_BYTES if key else 0), "a digest stands beside a key"
    lengths = np.fromiter(map(len, events), LENGTHS, len(events))
    body = b"".join([key, digest, lengths.tobytes(), *events])
    head = HEAD.pack(0, len(body), first, len(events), at_ms, len(key))[_SUM_BYTES:]
    total = zlib.crc32(body, zlib.crc32(head))
    return total.to_bytes(_SUM_BYTES, "little") + head + body


def records(data: bytes | memoryview, at: int = 0) -> Iterator[Record]:
    """Yield the whole records of a piece of a segment; a damaged one is the end.

    A Python loop over requests, not rows: what a request holds is never touched.
    """
    view = memoryview(data)
    while (size := size_at(view, at)) is not None and at + size <= len(view):
        total, length, first, count, at_ms, key_bytes = HEAD.unpack_from(view, at)
        begin = at + HEAD.size
        if zlib.crc32(view[at + _SUM_BYTES : begin + length]) != total:
            return
        body = view[begin : begin + length]
        keyed = key_bytes + (DIGEST_BYTES if key_bytes else 0)
        events_at = keyed + count * LENGTHS.itemsize
        at += size
        yield Record(
            first,
            count,
            at_ms,
            bytes(body[:key_bytes]),
            bytes(body[key_bytes:keyed]),
            np.frombuffer(body[keyed:events_at], LENGTHS),
            body[events_at:],
            at,
        )


def size_at(data: memoryview, at: int) -> int | None:
    """Return the bytes of the record that begins at a place; None where its head is cut off."""
    if at + HEAD.size > len(data):
        return None
    length: int = HEAD.unpack_from(data, at)[1]
    return HEAD.size + length
