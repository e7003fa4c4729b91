"""The checkpoint folder of one pipeline, owned by this process until ``close``.

write    new chunks → a pack → the manifest, by ``put_new``: from then on the epoch exists. Chunks
         that the epoch before has are referred to. Then what nobody refers to any more is removed
bounded  a pack of which less than half is still referred to is not referred to any longer: its
         chunks are written again with the next epoch
owner    on a disk a lock; in an object store the newest incarnation: an older one finds the
         manifest it would write taken, or sees the newer incarnation, and stops (FENCED). It looks
         before it writes and after: one that slept for long may write where the others have pruned
epochs   never begin again: each start records how far they had come, and a folder whose newest
         manifest is older than that is refused
threads  the checkpoint actor's; ``pipeline`` and ``incarnation`` never change
"""

from __future__ import annotations

import json
import os
import uuid
from typing import Any

from millstream.engine import checkpoint_format_1 as format_1
from millstream.engine import sealed
from millstream.engine.checkpoint import Damaged, Epoch
from millstream.engine.checkpoint_folder import (
    ASIDE,
    FORMAT,
    IDENTITY,
    INCARNATIONS,
    PACKS,
    CheckpointFolder,
    Manifest,
    Place,
    manifest_name,
)
from millstream.engine.packing import Packing
from millstream.engine.prune import superfluous
from millstream.engine.world import RealWorld, World
from millstream.errors import CheckpointError, Domain, Retry
from millstream.ports.store import NotThere, Store, StoreError
from millstream.settings import Settings
from millstream.stores.open import open_store

RETAINED_LEAST = 2
"""The epoch before the newest is needed where the newest may turn out not to have happened."""
INCARNATIONS_KEPT = 4


class CheckpointStore(CheckpointFolder):
    """The epochs of one pipeline, written by the one process that runs it."""

    def __init__(
        self,
        place: Store | str | os.PathLike[str],
        *,
        retained: int,
        settings: Settings | None = None,
        world: World | None = None,
    ) -> None:
        super().__init__(place if isinstance(place, Store) else open_store(place, settings))
        self.folder = self.store.place
        self._world = world or RealWorld()
        self._retained = max(RETAINED_LEAST, retained)
        self._free = self._owned()
        self.bytes_written = 0
        """Of packs and manifests, since the start."""
        try:
            self._known: dict[str, Place] = {}
            self._packs: dict[str, int] = {}
            """Packs that the newest manifest refers to, with their sizes."""
            self._referred: dict[int, frozenset[str]] = {}
            """Packs that each manifest of ours refers to; others are read when they are pruned."""
            self._stale: frozenset[str] = frozenset()
            self._swept = False
            self._old: frozenset[int] = frozenset()
            """Epochs of format 1, which have files beside their manifest."""
            self._token = f"{self._world.random.getrandbits(64):016x}"
            self.pipeline = self._identity()
            self._newest, found = self._newest_manifest()
            self.incarnation = self._next_incarnation(found)
            # Until then the one before us may have written another, which is ours to go on from.
            self._newest, _ = self._newest_manifest()
        except BaseException:
            self.close()
            raise

    def write(self, epoch: Epoch) -> None:
        """Make an epoch durable; when this returns it survives a crash.

        Raises StoreError: nothing of it is there then, or nobody will ever refer to it, and the
        same number may be tried again; unless it is FENCED.
        """
        try:
            self._write(epoch)
        except StoreError as error:
            if error.domain is Domain.FENCED:
                raise
            raise StoreError(
                f"Checkpoint {epoch.number} could not be written: {error.fact}",
                where=error.where if isinstance(error.where, str) else self.folder,
                hint=error.hint,
                retry=error.retry,
                domain=error.domain,
            ) from error

    def drop(self, number: int) -> None:
        """Remove the newest epoch, which was prepared and never happened.

        Whoever was here before may have done so, but cannot decide on it: the sink fences it.
        """
        self._remove_newest(number)

    def set_aside(self, number: int) -> None:
        """Put the newest epoch, which is damaged and was given to nobody, out of the way."""
        try:
            data = self.store.get(manifest_name(number))
        except NotThere:
            data = b""
        self.store.put(f"{ASIDE}{number:09d}-{self.incarnation}.json", data)
        self._remove_newest(number)

    def close(self) -> None:
        """Give the folder free; may be called twice."""
        self._free()
        self.store.close()

    def prune(self) -> None:
        """Remove what no epoch that is kept refers to; done after every epoch as well."""
        for name in superfluous(self, self._retained):
            self.store.delete(name)
        manifests = [self.manifest(number) for number in self.epochs()]
        self._referred = {m.number: frozenset(m.packs) for m in manifests}
        self._old = frozenset(m.number for m in manifests if m.format == format_1.FORMAT)

    # -- writing -------------------------------------------------------------------------------

    def _write(self, epoch: Epoch) -> None:
        newest = 0 if self._newest is None else self._newest
        assert epoch.number > newest, "epochs only grow"
        name = f"{epoch.number:09d}-{self.incarnation}"
        packing = Packing(epoch, name, self._known, self._stale)
        packs = packing.packs(self._packs)
        for pack, data in packing.made.items():
            self.store.put(PACKS + pack, data)
            self.bytes_written += len(data)
        self._decide(epoch.number, packing, packs)
        self._newest = epoch.number
        self._remember(packing.table, packs, epoch.number)
        self._tidy()

    def _decide(self, number: int, packing: Packing, packs: dict[str, int]) -> None:
        self._check_fence()
        manifest = packing.manifest(
            packs,
            pipeline=self.pipeline,
            incarnation=self.incarnation,
            token=self._token,
            parent=self._newest,
            written_at_ms=self._world.now_ms(),
        )
        self.bytes_written += len(manifest)
        if self.store.put_new(manifest_name(number), manifest):
            # Retention may have removed the others' manifest of this number while we slept. Where
            # ours is the newest after all, who took over goes on from it, and delivers it.
            self._check_fence()
            return
        found = self.manifest(number)
        if found.token != self._token:
            raise self._fenced(f"has written checkpoint {number}")
        # An earlier try of ours, whose failure we were told, has come through after all.
        if found.body == json.loads(json.dumps(packing.body)):
            return
        raise StoreError(
            "an earlier try has written it, with other contents.",
            where=self.folder,
            hint="A restart goes on from what is there.",
            retry=Retry.LATER,
        )

    def _check_fence(self) -> None:
        """Raise where a newer incarnation is there, or has been: ours is removed before it is."""
        if self._has(self.incarnation + 1) or not self._has(self.incarnation):
            raise self._fenced("has taken over")

    def _has(self, incarnation: int) -> bool:
        try:
            self.store.size(_incarnation_name(incarnation))
        except NotThere:
            return False
        return True

    def _fenced(self, what: str) -> StoreError:
        return StoreError(
            f"Another start of this pipeline {what}: this one (incarnation {self.incarnation}) "
            "must not go on.",
            where=self.folder,
            hint="Let one process run a pipeline, or give this one a checkpoint folder of its own.",
            domain=Domain.FENCED,
        )

    def _remember(self, table: dict[str, Place], packs: dict[str, int], number: int) -> None:
        live = dict.fromkeys(packs, 0)
        for place in table.values():
            live[place.pack] += place.length
        self._known, self._packs = table, packs
        self._referred[number] = frozenset(packs)
        self._stale = frozenset(p for p, size in packs.items() if 2 * live[p] < size)

    # -- what is no longer needed --------------------------------------------------------------

    def _tidy(self) -> None:
        """Remove what the new epoch makes superfluous; what fails now is done the next time.

        Everything at the first epoch of this start, then only what is known to go.
        """
        try:
            if not self._swept:
                self.prune()
                self._swept = True
                return
            numbers = sorted(self._referred)
            kept_packs = frozenset[str]().union(
                *(self._referred[n] for n in numbers[-self._retained :])
            )
            for number in numbers[: -self._retained]:
                packs = self._referred[number]
                self._forget(number)
                for pack in packs - kept_packs:
                    self.store.delete(PACKS + pack)
        except (StoreError, Damaged):
            self._swept = False

    def _forget(self, number: int) -> None:
        self.store.delete(manifest_name(number))
        if number in self._old:
            for name in self.store.names(format_1.folder(number)):
                self.store.delete(name)
        self._referred.pop(number, None)

    def _remove_newest(self, number: int) -> None:
        assert number >= (self._newest or 0), "only the newest epoch may not have happened"
        self._check_fence()
        self.store.delete(manifest_name(number))
        self._referred.pop(number, None)
        self._swept = False
        self._newest, _ = self._newest_manifest()

    # -- the start -----------------------------------------------------------------------------

    def _owned(self) -> Any:
        free = self.store.own()
        if free is None:
            raise CheckpointError(
                "Another process runs this pipeline.",
                where=self.folder,
                hint="Stop it first, or give this one a checkpoint folder of its own.",
            )
        return free

    def _identity(self) -> str:
        if self.is_empty:
            pipeline = str(uuid.UUID(int=self._world.random.getrandbits(128), version=4))
            identity = sealed.seal({"pipeline": pipeline, "format": FORMAT})
            if self.store.put_new(IDENTITY, identity):
                return pipeline
        found = self.identity()
        if not isinstance(found.get("pipeline"), str) or found.get("format", 0) > FORMAT:
            raise sealed.damaged(
                self.store, IDENTITY, "is of another version, or damaged",
                "Run the version that wrote the folder, or start in a new one.",
            )  # fmt: skip
        if found["format"] != FORMAT:  # what it says beside, it goes on saying
            self.store.put(IDENTITY, sealed.seal({**found, "format": FORMAT}))
        return str(found["pipeline"])

    def _newest_manifest(self) -> tuple[int | None, Manifest | None]:
        """Take the chunks of the newest epoch as known; one that is damaged knows nothing.

        Returns the number of that epoch, and its manifest where it can be read.
        """
        self._known, self._packs, self._stale = {}, {}, frozenset()
        numbers = self.epochs()
        if not numbers:
            return None, None
        try:
            found: Manifest = self.manifest(numbers[-1])
        except CheckpointError:  # said where it is read; perhaps the one before will do
            return numbers[-1], None
        if found.format == FORMAT:
            self._remember(found.chunks, found.packs, found.number)
        return numbers[-1], found

    def _next_incarnation(self, manifest: Manifest | None) -> int:
        names = self.store.names(INCARNATIONS)
        last = format_1.incarnation(self.store)
        highest = 0
        if names:
            found = sealed.read(self.store, names[-1])
            last, highest = int(found["incarnation"]), int(found["highest"])
            if names[-1] != _incarnation_name(last):
                raise sealed.damaged(self.store, names[-1], "is damaged: it has another number")
        newest, sure = self._newest or 0, self._newest or 0
        if manifest is not None:
            last = max(last, manifest.incarnation)
        if self._newest is not None and (manifest is None or manifest.prepared_by is not None):
            sure -= 1
        self._check_not_behind(newest, highest)
        number = last + 1
        while not self.store.put_new(
            _incarnation_name(number),
            sealed.seal(
                {
                    "format": FORMAT,
                    "incarnation": number,
                    "token": self._token,
                    "highest": max(sure, self._floor(highest)),
                    "started_at_ms": self._world.now_ms(),
                }
            ),
        ):
            number += 1
        for name in names[: 1 - INCARNATIONS_KEPT]:
            self.store.delete(name)
        return number

    def _check_not_behind(self, newest: int, highest: int) -> None:
        highest = self._floor(highest)
        if newest >= highest:
            return
        raise CheckpointError(
            f"Checkpoint {highest} of this pipeline is gone: "
            + (f"the newest here is {newest}." if newest else "there is none left."),
            where=self.folder,
            hint="Restore the folder from a backup. To begin anew, start in a new folder: epochs "
            "that are counted again would be taken for delivered.",
        )

    def _floor(self, highest: int) -> int:
        """Return how far the epochs had come, without those that were set aside."""
        aside = {int(n.removeprefix(ASIDE)[:9]) for n in self.store.names(ASIDE)}
        while highest in aside:
            highest -= 1
        return highest


def _incarnation_name(number: int) -> str:
    return f"{INCARNATIONS}{number:09d}.json"
