"""A checkpoint folder as anybody may read it: which epochs there are, and what is in them.

The blobs of a folder, in any store::

    identity.json                pipeline id (never changes) and format
    incarnations/000000007.json  one per start, newest few: made by ``put_new``, so numbers are
                                 given once; each says how far the epochs had come
    manifests/000000012.json     the decision point: an epoch exists when its manifest does
    packs/000000012-7            all new chunks of an epoch, by the incarnation that wrote it
    lock                         on a disk: held by the one process that runs the pipeline
    requests/, replies/          what others ask of the running pipeline
    damaged/                     manifests that were set aside

A manifest says for every chunk in which pack it lies and where. Chunks are named by their hash and
manifests are sealed with one, so that what was altered is found; it is refused, never repaired.
Folders of format 1 are read as well (:mod:`.checkpoint_format_1`).
source  reliability.md §2.2 A, steps 2 and 3
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from millstream.engine import checkpoint_format_1 as format_1
from millstream.engine import chunks, sealed
from millstream.engine.checkpoint import Damaged, Epoch, epoch_of
from millstream.errors import CheckpointError
from millstream.ports.store import NotThere, Store

if TYPE_CHECKING:
    import polars as pl

FORMAT = 2
IDENTITY = "identity.json"
PACKS, MANIFESTS, INCARNATIONS, ASIDE = "packs/", "manifests/", "incarnations/", "damaged/"
MAGIC = b"MSPACK2\n"
"""The first bytes of a pack."""
CODEC = "lz4"
_MANIFEST = re.compile(r"manifests/(\d{9,})\.json")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk lies: ``length`` bytes of a pack, ``raw`` bytes when unpacked."""

    pack: str
    offset: int
    length: int
    raw: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """An epoch's manifest; ``packs`` are those it refers to, with their whole sizes."""

    number: int
    format: int
    pipeline: str
    incarnation: int
    token: str
    written_at_ms: int | None
    bytes_new: int
    chunks: dict[str, Place]
    packs: dict[str, int]
    body: dict[str, Any]

    @property
    def prepared_by(self) -> str | None:
        """The sink whose commit decides on this epoch; None = it is decided."""
        found: str | None = self.body.get("prepared_by")
        return found

    @property
    def state_rows(self) -> int | None:
        """Rows of all tables of all operators; None where the manifest does not say."""
        if self.format == format_1.FORMAT:
            return None
        operators = self.body["state"]["operators"].values()
        return sum(table["rows"] for said in operators for table in said["tables"].values())


def manifest_name(number: int) -> str:
    """Return the name of an epoch's manifest."""
    return f"{MANIFESTS}{number:09d}.json"


class CheckpointFolder:
    """The epochs in a store, for reading only: nothing is locked, nothing is written."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def is_empty(self) -> bool:
        """Whether nobody has used this place."""
        return not self.store.names(IDENTITY) and not self._used()

    def identity(self) -> dict[str, Any]:
        """Return the identity blob; raises CheckpointError where there is none."""
        if self.store.names(IDENTITY):
            return sealed.read(self.store, IDENTITY, plain=True)
        if self._used():
            raise CheckpointError(
                "The folder has checkpoints but no identity.json.",
                where=self.store.place,
                hint="Restore identity.json: without it a sink could take rows twice.",
            )
        raise CheckpointError(
            "There is no checkpoint here.",
            where=self.store.place,
            hint="Give the folder that --checkpoint was given.",
        )

    def epochs(self) -> list[int]:
        """Return the numbers of all epochs, ascending."""
        found = (_MANIFEST.fullmatch(name) for name in self.store.names(MANIFESTS))
        return sorted(int(name[1]) for name in found if name)

    def newest(self) -> Epoch | None:
        """Return the newest epoch, or None for a fresh pipeline."""
        while numbers := self.epochs():
            try:
                return self.read(numbers[-1])
            except Damaged:
                # One that was prepared only is dropped, by whoever was here before, at any time.
                if numbers[-1] in self.epochs():
                    raise
        return None

    def before(self, number: int) -> Epoch | None:
        """Return the newest epoch before another."""
        numbers = [n for n in self.epochs() if n < number]
        return self.read(numbers[-1]) if numbers else None

    def manifest(self, number: int) -> Manifest:
        """Read an epoch's manifest."""
        name = manifest_name(number)
        found = sealed.read(self.store, name, plain=True)
        if found.get("format") == format_1.FORMAT and found.get("epoch") == number:
            return format_1.manifest(self.store, number, found)
        if found.get("format") != FORMAT:
            raise CheckpointError(
                f"The checkpoint has format {found.get('format')}, this version reads 1 to "
                f"{FORMAT}.",
                where=f"{self.store.place}, {name}",
                hint="Run the version that wrote it, or start in a new folder.",
            )
        if found["body"]["epoch"] != number:
            raise sealed.damaged(
                self.store, name, f"is damaged: it is that of epoch {found['body']['epoch']}"
            )
        return Manifest(
            number, FORMAT, found["pipeline"], found["incarnation"], found["token"],
            found["written_at_ms"], found["bytes_new"],
            {chunk: Place(*place) for chunk, place in found["chunks"].items()},
            found["packs"], found["body"],
        )  # fmt: skip

    def read(self, number: int) -> Epoch:
        """Read an epoch back, every byte checked; raises Damaged."""
        manifest = self.manifest(number)
        self.check_owner(manifest)
        if manifest.format == format_1.FORMAT:
            return format_1.read(self.store, manifest.number, manifest.body)
        found = self.chunks(manifest)

        def find(said: dict[str, Any]) -> pl.DataFrame:
            return chunks.joined([found[name] for name in said["chunks"]])

        return epoch_of(manifest.body, find)

    def check_owner(self, manifest: Manifest) -> None:
        """Refuse a manifest of another pipeline."""
        if manifest.pipeline != self.identity()["pipeline"]:
            raise CheckpointError(
                "The checkpoint belongs to another pipeline.",
                where=f"{self.store.place}, {manifest_name(manifest.number)}",
                hint="Keep every pipeline in a folder of its own.",
            )

    def verify(self, number: int) -> list[CheckpointError]:
        """Return everything that is wrong with an epoch: one error per blob."""
        try:
            manifest = self.manifest(number)
            self.check_owner(manifest)
        except CheckpointError as error:
            return [error]
        if manifest.format == format_1.FORMAT:
            return format_1.verify(self.store, number, manifest.body)
        wrong: list[CheckpointError] = []
        for pack in manifest.packs:
            try:
                for _ in self._unpacked(manifest, pack):
                    pass
            except CheckpointError as error:
                wrong.append(error)
        return wrong

    def chunks(self, manifest: Manifest) -> dict[str, bytes]:
        """Return all chunks of an epoch by name, each checked."""
        found: dict[str, bytes] = {}
        for pack in manifest.packs:
            found.update(self._unpacked(manifest, pack))
        return found

    def _unpacked(self, manifest: Manifest, pack: str) -> Iterable[tuple[str, bytes]]:
        wanted = {n: p for n, p in manifest.chunks.items() if p.pack == pack}
        size, live = manifest.packs[pack], sum(p.length for p in wanted.values())
        name = PACKS + pack
        try:
            whole = self.store.get(name) if 2 * live >= size else None
            for chunk, place in wanted.items():
                if whole is None:
                    data = self.store.get(name, start=place.offset, length=place.length)
                else:
                    data = whole[place.offset : place.offset + place.length]
                yield chunk, self._checked(name, chunk, place, data)
        except NotThere:
            raise sealed.damaged(self.store, name, "is missing") from None

    def _checked(self, pack: str, chunk: str, place: Place, data: bytes) -> bytes:
        if len(data) == place.length:
            try:
                raw: bytes = pa.decompress(
                    data, decompressed_size=place.raw, codec=CODEC, asbytes=True
                )
            except (OSError, ValueError):
                raw = b""
            if chunks.name_of(raw) == chunk:
                return raw
        raise sealed.damaged(
            self.store, pack, f"is damaged: the hash of its bytes from {place.offset} on is another"
        )

    def _used(self) -> bool:
        return any(self.store.names(top) for top in (MANIFESTS, INCARNATIONS, PACKS))
