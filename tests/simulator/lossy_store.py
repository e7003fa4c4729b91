"""Two stores that fail as real ones do: a disk that loses what was not synced, an object store.

:class:`ModelDisk` is what is left after a power loss. ``put`` writes a file, syncs it, renames it
and syncs its folder, in steps a crash can come between; on a power loss each change that was not
synced is lost, torn at sectors of 512 bytes, or kept, whichever chance says. What has returned is
durable. :class:`LossyObjects` is durable at once, but a reply may be lost, a request may arrive
after the death of who sent it, and nobody is kept out by a lock.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from millstream.engine.care import NOTE
from millstream.errors import Domain, Retry
from millstream.ports.store import Bytes, NotThere, Store, StoreError
from tests.simulator.clockwork import Process

SECTOR = 512
TEMPORARY = "$tmp-"


@dataclass
class File:
    """One inode: what a reader sees, and what is on the platter."""

    data: bytes = b""
    synced: bytes = b""

    def after_power_loss(self, chance: random.Random) -> bytes:
        """Return what is left: every unsynced sector is old, new or missing."""
        if self.data == self.synced:
            return self.data
        end = chance.choice((len(self.data), int(len(self.data) * chance.random())))
        left = bytearray(self.data[:end])
        for start in range(0, len(left), SECTOR):
            if chance.random() < 0.3:
                old = self.synced[start : start + SECTOR]
                sector = old.ljust(min(SECTOR, len(left) - start), b"\0")
                left[start : start + SECTOR] = sector[: len(left) - start]
        return bytes(left)


@dataclass
class ModelDisk:
    """A folder: its names as processes see them, and as they are on the platter."""

    names: dict[str, File] = field(default_factory=dict)
    synced: dict[str, File] = field(default_factory=dict)
    owner: Process | None = None
    full_until_s: float = 0.0

    def sync_folder(self) -> None:
        """Make the names durable."""
        self.synced = dict(self.names)

    def lose_power(self, chance: random.Random) -> None:
        """Forget, at random, what was never synced."""
        left: dict[str, File] = {}
        for name in sorted({*self.names, *self.synced}):
            new, old = self.names.get(name), self.synced.get(name)
            file = new if new is old or chance.random() < 0.5 else old
            if file is not None:
                data = file.after_power_loss(chance)
                left[name] = File(data, data)
        self.names = left
        self.sync_folder()


class _Faulty(Store):
    """What both stores share: reading, and errors."""

    def __init__(self, process: Process, place: str) -> None:
        self.place = place
        self._process = process

    def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        self._reads(f"get {name}")
        data = self._data(name)
        return data[start:] if length is None else data[start : start + length]

    def size(self, name: str) -> int:
        self._reads(f"size {name}")
        return len(self._data(name))

    def _data(self, name: str) -> bytes:
        raise AssertionError("each store says where its data are")

    def _reads(self, what: str) -> None:
        self._process.world.interrupted(what)
        self._may_fail(what)

    def _may_fail(self, what: str) -> None:
        simulation = self._process.simulation
        blamed = NOTE in what and simulation.is_blaming()
        if simulation.happens(simulation.faults.store_error) and not blamed:
            raise self._error(what, "input/output error", Domain.SYSTEM)

    def _error(self, what: str, fact: str, domain: Domain) -> StoreError:
        self._process.disturbed += 1
        self._process.simulation.tell(self._process.name, f"store: {what}: {fact}")
        return StoreError(f"The store fails: {fact}.", where=what, retry=Retry.LATER, domain=domain)


class LossyStore(_Faulty):
    """A folder of a disk that can lose power."""

    _numbers = itertools.count()

    def __init__(self, process: Process, disk: ModelDisk) -> None:
        super().__init__(process, "lossy disk")
        self._disk = disk

    def put(self, name: str, data: Bytes) -> None:
        file = self._written(name, bytes(data))
        self._step(f"rename {name}")
        self._disk.names[name] = file
        self._step(f"sync the folder of {name}")
        self._disk.sync_folder()

    def put_new(self, name: str, data: Bytes) -> bool:
        file = self._written(name, bytes(data))
        self._step(f"link {name}")
        if name in self._disk.names:
            return False
        self._disk.names[name] = file
        self._step(f"sync the folder of {name}")
        self._disk.sync_folder()
        return True

    def names(self, prefix: str = "") -> list[str]:
        self._reads(f"list {prefix}")
        return sorted(n for n in self._disk.names if n.startswith(prefix) and TEMPORARY not in n)

    def delete(self, name: str) -> None:
        self._step(f"delete {name}")
        self._disk.names.pop(name, None)

    def own(self) -> Callable[[], None] | None:
        owner = self._disk.owner
        if owner is not None and not owner.dead and not owner.over:
            return None
        self._disk.owner = self._process
        return self._free

    def _free(self) -> None:
        if self._disk.owner is self._process:
            self._disk.owner = None

    def _written(self, name: str, data: bytes) -> File:
        """Write a temporary file and sync it."""
        self._step(f"write {name}")
        temporary = TEMPORARY + name
        simulation, disk = self._process.simulation, self._disk
        file = disk.names[temporary] = File()
        if simulation.happens(simulation.faults.disk_full):
            disk.full_until_s = simulation.clock.s + simulation.chance.random() * 2
        if simulation.clock.s < disk.full_until_s and simulation.faults.disk_full:
            file.data = data[: len(data) // 2]
            raise self._error(f"write {name}", "no space left", Domain.LIMIT)
        file.data = data
        self._step(f"sync {name}")
        file.synced = data
        del disk.names[temporary]
        return file

    def _step(self, what: str) -> None:
        self._process.world.interrupted(f"store: {what}", in_commit=True)
        self._may_fail(what)

    def _data(self, name: str) -> bytes:
        if name not in self._disk.names:
            raise NotThere(f"There is no '{name}'.", where=self.place)
        return self._disk.names[name].data


@dataclass
class Bucket:
    """Objects, and requests on their way from processes that are dead."""

    objects: dict[str, bytes] = field(default_factory=dict)
    late: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def arrive(self) -> None:
        """Let a request arrive whose sender is dead."""
        name, data, only_new = self.late.pop(0)
        if not only_new or name not in self.objects:
            self.objects[name] = data


class LossyObjects(_Faulty):
    """An object store: durable at once, without a lock, and far away."""

    def __init__(self, process: Process, bucket: Bucket) -> None:
        super().__init__(process, "lossy bucket")
        self._bucket = bucket

    def put(self, name: str, data: Bytes) -> None:
        self._sent(name, bytes(data), only_new=False)
        self._bucket.objects[name] = bytes(data)
        self._replies(f"put {name}")

    def put_new(self, name: str, data: Bytes) -> bool:
        self._sent(name, bytes(data), only_new=True)
        if name in self._bucket.objects:
            return False
        self._bucket.objects[name] = bytes(data)
        self._replies(f"put new {name}")
        return True

    def names(self, prefix: str = "") -> list[str]:
        self._reads(f"list {prefix}")
        return sorted(n for n in self._bucket.objects if n.startswith(prefix))

    def delete(self, name: str) -> None:
        self._reads(f"delete {name}")
        self._bucket.objects.pop(name, None)

    def _data(self, name: str) -> bytes:
        if name not in self._bucket.objects:
            raise NotThere(f"There is no '{name}'.", where=self.place)
        return self._bucket.objects[name]

    def _sent(self, name: str, data: bytes, *, only_new: bool) -> None:
        """Send a request; one whose sender dies may be lost, or arrive much later."""
        process = self._process
        if process.simulation.happens(0.1) and self._bucket.late:
            self._bucket.arrive()
        was_dead = process.dead
        try:
            process.world.interrupted(f"store: send {name}", in_commit=True)
        finally:
            if process.dead and not was_dead and process.simulation.happens(0.3):
                process.simulation.tell(process.name, f"store: {name} is still on its way")
                process.simulation.had_others = True
                self._bucket.late.append((name, data, only_new))
        self._may_fail(f"send {name}")

    def _replies(self, what: str) -> None:
        process = self._process
        process.world.interrupted(f"store: reply to {what}", in_commit=True)
        if process.simulation.happens(process.simulation.faults.reply_lost):
            raise self._error(what, "the reply is lost", Domain.NETWORK)
