"""Makes the pack of an epoch: the chunks that are not in an older one already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from millstream.engine import chunks, sealed
from millstream.engine.checkpoint import Epoch, body_of, kept
from millstream.engine.checkpoint_folder import CODEC, FORMAT, MAGIC, Place


class Packing:
    """The pack and the table of chunks of one epoch.

    ``known`` are chunks that older packs have; those in a pack among ``stale`` are packed again.
    """

    def __init__(
        self,
        epoch: Epoch,
        name: str,
        known: Mapping[str, Place] | None = None,
        stale: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.data = bytearray(MAGIC)
        self.table: dict[str, Place] = {}
        self._known, self._stale = known or {}, stale
        self.body = body_of(epoch, lambda frame: kept(frame, self._take))

    @property
    def bytes_new(self) -> int:
        """Bytes of the chunks in the pack; 0 = it need not be written."""
        return len(self.data) - len(MAGIC)

    def packs(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return all packs that the epoch refers to, with their sizes; ``sizes`` of older ones."""
        names = sorted({place.pack for place in self.table.values()})
        return {n: len(self.data) if n == self.name else sizes[n] for n in names}

    def manifest(self, packs: Mapping[str, int], **said: Any) -> bytes:
        """Return the manifest, as it is written."""
        table = {n: [p.pack, p.offset, p.length, p.raw] for n, p in self.table.items()}
        return sealed.seal(
            {
                "format": FORMAT,
                "epoch": self.body["epoch"],
                **said,
                "bytes_new": self.bytes_new,
                "chunks": table,
                "packs": dict(packs),
                "body": self.body,
            }
        )

    def _take(self, chunk: chunks.Chunk) -> None:
        if chunk.name in self.table:
            return
        known = self._known.get(chunk.name)
        if known is not None and known.pack not in self._stale:
            self.table[chunk.name] = known
            return
        data = pa.compress(chunk.data, codec=CODEC, asbytes=True)
        self.table[chunk.name] = Place(self.name, len(self.data), len(data), len(chunk.data))
        self.data.extend(data)
