"""Frames cut into chunks that are named by what is in them.

in      a frame: a table of an operator's state, or output
out     chunks of ``CHUNK_ROWS`` rows, each an Arrow IPC stream, named by the hash of its bytes
why     a chunk that has not changed has the same name as before and need not be written again;
        one that was damaged no longer has its name
form    text lies contiguously (``CompatLevel.oldest``): Polars' own views would make the bytes of
        a chunk depend on the rows beside it
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

CHUNK_ROWS = 65_536
HASH_BYTES = 16
_FORM = pl.CompatLevel.oldest()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a frame as bytes."""

    name: str
    data: memoryview


def cut(frame: pl.DataFrame) -> Iterator[Chunk]:
    """Yield the chunks of a frame, one at least: it keeps the columns of a frame without rows."""
    for start in range(0, max(1, frame.height), CHUNK_ROWS):
        buffer = io.BytesIO()
        rows = frame.slice(start, CHUNK_ROWS).rechunk()
        rows.write_ipc_stream(buffer, compression="uncompressed", compat_level=_FORM)
        data = buffer.getbuffer()
        yield Chunk(name_of(data), data)


def joined(chunks: Sequence[bytes]) -> pl.DataFrame:
    """Return the frame that was cut into these."""
    return pl.concat([pl.read_ipc_stream(data) for data in chunks], rechunk=True)


def name_of(data: bytes | memoryview) -> str:
    """Return what bytes are called."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).hexdigest()


def rows_name(frames: Sequence[pl.DataFrame]) -> str:
    """Return a name for the rows of frames with the same columns, however they are cut."""
    if not frames:
        return name_of(b"")
    names = [chunk.name for chunk in cut(pl.concat(frames, rechunk=True))]
    return name_of("\n".join(names).encode())
