"""Savepoints: one epoch copied whole to a place of its own, and going on from one elsewhere.

save     an epoch and the pipeline's identity into an empty place. It is a checkpoint folder of one
         epoch, which nothing prunes. Its outputs are left out where the sinks have them
restore  an epoch of a savepoint or a checkpoint folder into a fresh checkpoint folder, before the
         pipeline starts there. It stays the same pipeline: epochs and incarnations go on, and
         sinks that have seen later epochs refuse it. ``as_new``: another pipeline, known to no sink
again    a start that finds its folder begun from the same place goes on there; a copy that was cut
         off by a crash is made again
bad      CheckpointError for a place that is in use or has no such epoch
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from millstream.engine import sealed
from millstream.engine.checkpoint import Epoch
from millstream.engine.checkpoint_folder import (
    FORMAT,
    IDENTITY,
    PACKS,
    CheckpointFolder,
    manifest_name,
)
from millstream.engine.packing import Packing
from millstream.engine.world import World
from millstream.errors import CheckpointError, PlanError
from millstream.ports.store import Store
from millstream.settings import Settings
from millstream.stores.open import is_same_place, open_store

_AT = re.compile(r"(.+)@(\d+)")


def save(source: CheckpointFolder, number: int, target: Store, *, delivered: bool) -> None:
    """Copy an epoch into an empty place; ``delivered``: the sinks have what is in it."""
    if target.names():
        raise CheckpointError(
            "There is something at the savepoint's place already.",
            where=target.place,
            hint="Give every savepoint a folder of its own.",
        )
    epoch = source.read(number)
    if delivered:
        epoch = replace(epoch, outputs={}, prepared_by=None)
    pipeline = str(source.identity()["pipeline"])
    _copy(source, epoch, target, {"pipeline": pipeline, "savepoint": True})


def restore(settings: Settings, world: World) -> None:
    """Fill a fresh checkpoint folder as the settings say, if they do."""
    if settings.restore_from is None:
        return
    if settings.checkpoint_dir is None:
        raise PlanError(
            "A pipeline that goes on from a savepoint keeps checkpoints.",
            hint="Give a fresh folder, with --checkpoint DIR.",
        )
    place, wanted = _address(settings.restore_from)
    store = open_store(settings.checkpoint_dir, settings)
    target = CheckpointFolder(store)
    if is_same_place(place, settings.checkpoint_dir):
        if wanted not in (None, *target.epochs()[-1:]):
            raise CheckpointError(
                "A folder cannot go back to an older epoch of its own.",
                where=store.place,
                hint="Give --checkpoint a fresh folder, and --from this one.",
            )
        return
    free = store.own()
    if free is None:
        raise CheckpointError(
            "Another process runs this pipeline.", where=store.place, hint="Stop it first."
        )
    try:
        _restore(CheckpointFolder(open_store(place, settings)), wanted, target, settings, world)
    finally:
        free()
        store.close()


def _restore(
    source: CheckpointFolder,
    wanted: int | None,
    target: CheckpointFolder,
    settings: Settings,
    world: World,
) -> None:
    said = {"from": settings.restore_from, "as_new": settings.restore_as_new}
    if not target.is_empty:
        begun = target.identity()
        if {name: begun.get(name) for name in said} != said:
            raise CheckpointError(
                "The checkpoint folder is in use already.",
                where=target.store.place,
                hint="Leave out --from to go on from its own checkpoints, or give a fresh folder.",
            )
        if target.epochs():
            return
    number, identity = _chosen(source, wanted), source.identity()
    epoch = source.read(number)
    pipeline = str(identity["pipeline"])
    if settings.restore_as_new:
        if epoch.prepared_by is not None:
            found = source.before(number)
            if found is None:
                raise CheckpointError(
                    f"Checkpoint {number} is not decided, and there is none before it.",
                    where=source.store.place,
                )
            epoch = found
        pipeline = str(uuid.UUID(int=world.random.getrandbits(128), version=4))
        # No sink knows the new pipeline: each is new to it, and takes the epoch's output.
        epoch = replace(epoch, facts={**epoch.facts, "sinks": []}, prepared_by=None)
    _copy(source, epoch, target.store, {"pipeline": pipeline, **said})


def _copy(source: CheckpointFolder, epoch: Epoch, target: Store, identity: dict[str, Any]) -> None:
    """Write an epoch as the only one of a folder; it is there when its manifest is."""
    was = source.manifest(epoch.number)
    packing = Packing(epoch, f"{epoch.number:09d}-{was.incarnation}")
    target.put(IDENTITY, sealed.seal({"format": FORMAT, **identity}))
    for pack, data in packing.made.items():
        target.put(PACKS + pack, data)
    manifest = packing.manifest(
        packing.packs({}),
        pipeline=identity["pipeline"],
        incarnation=was.incarnation,
        token=was.token,
        parent=None,
        written_at_ms=was.written_at_ms,
    )
    if not target.put_new(manifest_name(epoch.number), manifest):
        raise CheckpointError("Somebody else writes here as well.", where=target.place)


def _chosen(source: CheckpointFolder, wanted: int | None) -> int:
    source.identity()
    numbers = source.epochs()
    if not numbers or (wanted is not None and wanted not in numbers):
        there = ", ".join(map(str, numbers)) or "none"
        raise CheckpointError(
            f"There is no checkpoint {'' if wanted is None else wanted}".rstrip() + " here.",
            where=source.store.place,
            hint=f"There: {there}.",
        )
    return numbers[-1] if wanted is None else wanted


def _address(text: str) -> tuple[str, int | None]:
    found = _AT.fullmatch(text)
    return (text, None) if found is None else (found[1], int(found[2]))


Saver = Callable[[str], int]
"""Saves the newest delivered epoch at an address; returns its number."""


def saver(source: CheckpointFolder, settings: Settings, newest: Callable[[], int]) -> Saver:
    """Return what saves a running pipeline: its newest epoch that the sinks have."""

    def save_at(address: str) -> int:
        number = newest()
        target = open_store(address, settings)
        try:
            save(source, number, target, delivered=True)
        finally:
            target.close()
        return number

    return save_at
