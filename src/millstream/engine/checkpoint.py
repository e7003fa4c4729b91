"""The state of a running plan as files, and a folder of epochs that survives a crash.

A checkpoint folder::

    identity.json            pipeline id (never changes) and format version
    incarnation.json         how often the pipeline was started
    lock                     held by the one process that runs it
    manifests/000000012.json the decision point: an epoch exists when its manifest does
    epochs/000000012/        state and undelivered output as Arrow IPC files

An epoch is written file by file (each fsynced, then the folder), and exists once its manifest has
been renamed into place and the folder synced. A manifest lists every file with size and hash; a
file that does not match is refused, never repaired.
source  reliability.md §2.2 A, steps 2 and 3
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from millstream.engine.graph import Graph
from millstream.engine.marks import SplitMarks
from millstream.engine.operator import Snapshot
from millstream.errors import CheckpointError

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class State:
    """All that moves in a running plan."""

    operators: dict[str, Snapshot]
    marks: dict[str, int]
    scans: dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One checkpoint: state, where each source stands, and output not yet delivered.

    positions  scan id → split → resume value
    outputs    sink name → frames of this epoch
    facts      what else the driver must find again (ended, counters, plan fingerprint)
    """

    number: int
    state: State
    positions: dict[str, dict[str, Any]]
    outputs: dict[str, list[pl.DataFrame]]
    facts: dict[str, Any] = field(default_factory=dict)


def state_of(graph: Graph) -> State:
    """Return the state of a graph between two turns."""
    scans = {stage.uid: stage.marks.to_json() for stage in graph.stages}
    return State(graph.snapshots(), graph.marks(), scans)


def restored(graph: Graph, state: State) -> Graph:
    """Take a state back into a fresh graph, and return it."""
    graph.restore(state.operators, state.marks)
    for stage in graph.stages:
        if stage.uid in state.scans:
            stage.marks = SplitMarks.from_json(state.scans[stage.uid])
    return graph


def encode_state(state: State) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the state as JSON facts and named Arrow IPC files."""
    files: dict[str, bytes] = {}
    operators: dict[str, Any] = {}
    for number, (uid, snapshot) in enumerate(state.operators.items()):
        tables: dict[str, str] = {}
        for table, frame in snapshot.tables.items():
            tables[table] = f"state-{number}-{table}.arrow"
            files[tables[table]] = encode_frame(frame)
        operators[uid] = {"version": snapshot.version, "facts": snapshot.facts, "tables": tables}
    return {"operators": operators, "marks": state.marks, "scans": state.scans}, files


def decode_state(facts: dict[str, Any], files: dict[str, bytes]) -> State:
    """Return the state that :func:`encode_state` wrote."""
    operators = {
        uid: Snapshot(
            {table: decode_frame(files[name]) for table, name in said["tables"].items()},
            said["facts"],
            said["version"],
        )
        for uid, said in facts["operators"].items()
    }
    return State(operators, facts["marks"], facts["scans"])


def encode_frame(frame: pl.DataFrame) -> bytes:
    """Return a frame as an Arrow IPC file."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="lz4")
    return buffer.getvalue()


def decode_frame(data: bytes) -> pl.DataFrame:
    """Return the frame of an Arrow IPC file."""
    return pl.read_ipc(io.BytesIO(data))


class CheckpointStore:
    """The checkpoint folder of one pipeline, owned by this process until ``close``."""

    def __init__(self, folder: str | os.PathLike[str], *, retained: int) -> None:
        self.folder = Path(folder)
        self._retained = max(1, retained)
        try:
            for sub in ("manifests", "epochs"):
                (self.folder / sub).mkdir(parents=True, exist_ok=True)
            self._lock = self._owned()
            self.pipeline = self._identity()
            self.incarnation = self._next_incarnation()
        except OSError as error:
            raise CheckpointError(
                f"The checkpoint folder cannot be used: {error.strerror}.",
                where=str(self.folder),
                hint="Give a folder this user can write, with --checkpoint DIR.",
            ) from error

    def write(self, epoch: Epoch) -> None:
        """Make an epoch durable; when this returns it survives a crash."""
        state, files = encode_state(epoch.state)
        outputs: dict[str, list[str]] = {}
        for number, (sink, frames) in enumerate(epoch.outputs.items()):
            outputs[sink] = []
            for part, frame in enumerate(frames):
                name = f"output-{number}-{part}.arrow"
                files[name] = encode_frame(frame)
                outputs[sink].append(name)
        folder = self._epoch_folder(epoch.number)
        try:
            if folder.exists():  # left by a crash before its manifest: it never existed
                shutil.rmtree(folder)
            folder.mkdir()
            for name, data in files.items():
                _write_synced(folder / name, data)
            _sync_folder(folder)
            _sync_folder(folder.parent)
            manifest = {
                "format": FORMAT_VERSION,
                "pipeline": self.pipeline,
                "incarnation": self.incarnation,
                "epoch": epoch.number,
                "state": state,
                "positions": epoch.positions,
                "outputs": outputs,
                "facts": epoch.facts,
                "files": {name: [len(data), _hash(data)] for name, data in files.items()},
            }
            self._decide(epoch.number, manifest)
        except OSError as error:
            raise CheckpointError(
                f"Checkpoint {epoch.number} could not be written: {error.strerror}.",
                where=str(folder),
                hint="Free space or repair the disk; the pipeline goes on from the one before.",
            ) from error
        self._forget_old(epoch.number)

    def newest(self) -> Epoch | None:
        """Return the newest epoch, or None for a fresh pipeline."""
        numbers = self.epochs()
        if not numbers:
            return None
        return self.read(numbers[-1])

    def epochs(self) -> list[int]:
        """Return the numbers of all epochs, ascending."""
        return sorted(int(p.stem) for p in (self.folder / "manifests").glob("*.json"))

    def read(self, number: int) -> Epoch:
        """Read an epoch back, every file checked against its manifest."""
        path = self._manifest(number)
        manifest = _json(path)
        if manifest["format"] != FORMAT_VERSION:
            raise CheckpointError(
                f"The checkpoint has format {manifest['format']}, this version reads "
                f"{FORMAT_VERSION}.",
                where=str(path),
                hint="Run the version that wrote it, or start in a new folder.",
            )
        if manifest["pipeline"] != self.pipeline:
            raise CheckpointError(
                "The checkpoint belongs to another pipeline.",
                where=str(path),
                hint="Keep every pipeline in a folder of its own.",
            )
        files: dict[str, bytes] = {}
        for name, (size, digest) in manifest["files"].items():
            file = self._epoch_folder(number) / name
            data = file.read_bytes() if file.exists() else b""
            if len(data) != size or _hash(data) != digest:
                raise CheckpointError(
                    "A checkpoint file is damaged or missing.",
                    where=str(file),
                    hint="Restore the folder from a backup, or start in a new one.",
                )
            files[name] = data
        outputs = {
            sink: [decode_frame(files[name]) for name in names]
            for sink, names in manifest["outputs"].items()
        }
        state = decode_state(manifest["state"], files)
        return Epoch(number, state, manifest["positions"], outputs, manifest["facts"])

    def close(self) -> None:
        """Give the folder free; may be called twice."""
        self._lock.close()

    def _decide(self, number: int, manifest: dict[str, Any]) -> None:
        path = self._manifest(number)
        _replace_synced(path, json.dumps(manifest).encode())

    def _forget_old(self, newest: int) -> None:
        for number in self.epochs()[: -self._retained]:
            assert number < newest, "only epochs before the newest are forgotten"
            self._manifest(number).unlink(missing_ok=True)
            shutil.rmtree(self._epoch_folder(number), ignore_errors=True)

    def _owned(self) -> io.TextIOWrapper:
        lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise CheckpointError(
                "Another process runs this pipeline.",
                where=str(self.folder),
                hint="Stop it first, or give this one a checkpoint folder of its own.",
            ) from None
        return lock

    def _identity(self) -> str:
        path = self.folder / "identity.json"
        if path.exists():
            return str(_json(path)["pipeline"])
        if self.epochs():
            raise CheckpointError(
                "The folder has checkpoints but no identity.json.",
                where=str(self.folder),
                hint="Restore identity.json: without it a sink could take rows twice.",
            )
        pipeline = str(uuid.uuid4())
        _replace_synced(path, json.dumps({"pipeline": pipeline, "format": FORMAT_VERSION}).encode())
        return pipeline

    def _next_incarnation(self) -> int:
        path = self.folder / "incarnation.json"
        number = int(_json(path)["incarnation"]) + 1 if path.exists() else 1
        _replace_synced(path, json.dumps({"incarnation": number}).encode())
        return number

    def _manifest(self, number: int) -> Path:
        return self.folder / "manifests" / f"{number:09d}.json"

    def _epoch_folder(self, number: int) -> Path:
        return self.folder / "epochs" / f"{number:09d}"


def check_fits(epoch: Epoch, fingerprint: dict[str, str]) -> None:
    """Refuse a checkpoint whose state does not belong to the plan that is to go on from it.

    ``fingerprint`` says by operator id what it computes; steps without state may change freely.
    """
    kept = [uid for uid, snapshot in epoch.state.operators.items() if _has_state(snapshot)]
    lost = [uid for uid in kept if uid not in fingerprint]
    was = epoch.facts["fingerprint"]
    changed = [uid for uid in kept if uid in fingerprint and was[uid] != fingerprint[uid]]
    if lost or changed:
        which = ", ".join(f"'{u}'" for u in (*lost, *changed))
        raise CheckpointError(
            f"The program changed: the checkpoint's state of {which} does not fit any more.",
            hint="Undo the change, or start in a new checkpoint folder.",
        )


def _has_state(snapshot: Snapshot) -> bool:
    return any(frame.height for frame in snapshot.tables.values())


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"The file cannot be read: {error}.",
            where=str(path),
            hint="Restore it from a backup, or start in a new folder.",
        ) from error
    if not isinstance(found, dict):
        raise CheckpointError("The file holds no JSON object.", where=str(path))
    return found


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace_synced(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    _write_synced(temporary, data)
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
