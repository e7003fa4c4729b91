"""Makes the packs of an epoch: the chunks that are not in an older one already.

What is new goes into one pack. What moves out of a pack that is hardly used goes into another: it
has stayed for a while and will stay longer than what is new, so that its pack stays in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from millstream.engine import chunks, sealed
from millstream.engine.checkpoint import Epoch, body_of, kept
from millstream.engine.checkpoint_folder import CODEC, FORMAT, MAGIC, Place

MOVED = "m"
"""What the name of a pack of moved chunks ends with."""


class Packing:
    """The packs and the table of chunks of one epoch.

    ``known`` are chunks that older packs have; those in a pack among ``stale`` are packed again.
    """

    def __init__(
        self,
        epoch: Epoch,
        name: str,
        known: Mapping[str, Place] | None = None,
        stale: frozenset[str] = frozenset(),
    ) -> None:
        self.table: dict[str, Place] = {}
        self._name = name
        self._made: dict[str, bytearray] = {}
        self._known, self._stale = known or {}, stale
        self.body = body_of(epoch, lambda frame: kept(frame, self._take))

    @property
    def made(self) -> dict[str, bytearray]:
        """The packs to write, by name; none where nothing is new."""
        return self._made

    @property
    def bytes_new(self) -> int:
        """Bytes of the chunks in these packs."""
        return sum(len(data) - len(MAGIC) for data in self._made.values())

    def packs(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return all packs that the epoch refers to, with their sizes; ``sizes`` of older ones."""
        names = sorted({place.pack for place in self.table.values()})
        return {n: len(self._made[n]) if n in self._made else sizes[n] for n in names}

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
        name = self._name if known is None else self._name + MOVED
        pack = self._made.setdefault(name, bytearray(MAGIC))
        data = pa.compress(chunk.data, codec=CODEC, asbytes=True)
        self.table[chunk.name] = Place(name, len(pack), len(data), len(chunk.data))
        pack.extend(data)
