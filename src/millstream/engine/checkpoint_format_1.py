"""Checkpoints of format 1, which is read and never written: a file per table, ``epochs/N/…``.

Its manifest lists every file with size and hash, and is not sealed itself.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import polars as pl

from millstream.engine import sealed
from millstream.engine.checkpoint import Epoch, State
from millstream.engine.operator import Snapshot
from millstream.errors import CheckpointError
from millstream.ports.store import NotThere, Store

if TYPE_CHECKING:
    from millstream.engine.checkpoint_folder import Manifest

FORMAT = 1
INCARNATION = "incarnation.json"
EPOCHS = "epochs/"


def manifest(store: Store, number: int, found: dict[str, Any]) -> Manifest:
    """Return a manifest of this format as one of today; its body stays as it is."""
    from millstream.engine.checkpoint_folder import Manifest, manifest_name

    try:
        size = sum(size for size, _ in found["files"].values())
        return Manifest(
            number, FORMAT, found["pipeline"], found["incarnation"], "", None, size, {}, {}, found
        )
    except (KeyError, TypeError, ValueError):
        raise sealed.damaged(store, manifest_name(number), "is damaged") from None


def read(store: Store, number: int, body: dict[str, Any]) -> Epoch:
    """Read an epoch back, every file checked."""
    files = {name: _checked(store, number, name, *said) for name, said in body["files"].items()}
    operators = {
        uid: Snapshot(
            {table: pl.read_ipc(io.BytesIO(files[file])) for table, file in said["tables"].items()},
            said["facts"],
            said["version"],
        )
        for uid, said in body["state"]["operators"].items()
    }
    outputs = {
        sink: [pl.read_ipc(io.BytesIO(files[name])) for name in names]
        for sink, names in body["outputs"].items()
    }
    state = State(operators, body["state"]["marks"], body["state"]["scans"])
    return Epoch(number, state, body["positions"], outputs, body["facts"])


def verify(store: Store, number: int, body: dict[str, Any]) -> list[CheckpointError]:
    """Return everything that is wrong with an epoch."""
    wrong = []
    for name, said in body["files"].items():
        try:
            _checked(store, number, name, *said)
        except CheckpointError as error:
            wrong.append(error)
    return wrong


def incarnation(store: Store) -> int:
    """Return how often versions of this format had started the pipeline."""
    if not store.names(INCARNATION):
        return 0
    return int(sealed.read(store, INCARNATION, plain=True)["incarnation"])


def folder(number: int) -> str:
    """Return where an epoch's files are."""
    return f"{EPOCHS}{number:09d}/"


def _checked(store: Store, number: int, file: str, size: int, digest: str) -> bytes:
    name = folder(number) + file
    try:
        data = store.get(name)
    except NotThere:
        raise sealed.damaged(store, name, "is missing") from None
    if len(data) != size or hashlib.blake2b(data, digest_size=16).hexdigest() != digest:
        raise sealed.damaged(store, name, "is damaged: its size or hash is another")
    return data
