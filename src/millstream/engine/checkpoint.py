"""What a checkpoint is: the state of a running plan, and how an epoch is written down.

An epoch's frames become chunks (:mod:`.chunks`), everything else one JSON value, the *body* of its
manifest. Where the chunks and the manifest are kept is :mod:`.checkpoint_store`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from millstream.engine import chunks
from millstream.engine.graph import Graph
from millstream.engine.marks import SplitMarks
from millstream.engine.operator import Snapshot
from millstream.errors import CheckpointError

Json = dict[str, Any]
Keep = Callable[[pl.DataFrame], Json]
"""Takes a frame into safe keeping; returns what finds it again."""
Find = Callable[[Json], pl.DataFrame]


class Damaged(CheckpointError):
    """A blob of a checkpoint that is missing, cut off or altered."""


@dataclass(frozen=True, slots=True)
class State:
    """All that moves in a running plan."""

    operators: dict[str, Snapshot]
    marks: dict[str, int]
    scans: dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One checkpoint: state, where each source stands, and output not yet delivered.

    positions    scan id → split → resume value
    outputs      sink name → frames of this epoch
    facts        what else the driver must find again (ended, counters, plan fingerprint)
    journal      what was read and where it was cut, a JSON value; None = not recorded
    prepared_by  the sink whose own commit decides whether the epoch happened; None = it did
    """

    number: int
    state: State
    positions: dict[str, dict[str, Any]]
    outputs: dict[str, list[pl.DataFrame]]
    facts: dict[str, Any] = field(default_factory=dict)
    journal: Any = None
    prepared_by: str | None = None


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


def body_of(epoch: Epoch, keep: Keep) -> Json:
    """Return an epoch as a JSON value, its frames given to ``keep``."""
    outputs = {}
    for sink, frames in epoch.outputs.items():
        kept = [keep(frame) for frame in _one(frames)]
        names = "\n".join(name for k in kept for name in k["chunks"])
        outputs[sink] = {"frames": kept, "hash": chunks.name_of(names.encode())}
    return {
        "epoch": epoch.number,
        "prepared_by": epoch.prepared_by,
        "state": _state_body(epoch.state, keep),
        "positions": epoch.positions,
        "outputs": outputs,
        "facts": epoch.facts,
        "journal": epoch.journal,
    }


def epoch_of(body: Json, find: Find) -> Epoch:
    """Return the epoch that :func:`body_of` wrote."""
    outputs = {
        sink: [find(kept) for kept in said["frames"]] for sink, said in body["outputs"].items()
    }
    return Epoch(
        body["epoch"],
        _state_of_body(body["state"], find),
        body["positions"],
        outputs,
        body["facts"],
        body["journal"],
        body["prepared_by"],
    )


def output_hash(frames: Sequence[pl.DataFrame]) -> str:
    """Return what the manifest says of an output with these rows, however they are cut."""
    return chunks.rows_name(frames)


def encode_state(state: State) -> tuple[Json, dict[str, bytes]]:
    """Return the state as a JSON value and the chunks it names."""
    found: dict[str, bytes] = {}

    def keep(frame: pl.DataFrame) -> Json:
        return kept(frame, lambda chunk: found.update({chunk.name: bytes(chunk.data)}))

    return _state_body(state, keep), found


def decode_state(body: Json, found: dict[str, bytes]) -> State:
    """Return the state that :func:`encode_state` wrote."""
    return _state_of_body(body, lambda said: chunks.joined([found[n] for n in said["chunks"]]))


def kept(frame: pl.DataFrame, take: Callable[[chunks.Chunk], None]) -> Json:
    """Give a frame's chunks to ``take`` one after the other; returns what names them."""
    names = []
    for chunk in chunks.cut(frame):
        take(chunk)
        names.append(chunk.name)
    return {"rows": frame.height, "chunks": names}


def _one(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Return an output as one frame, so that its hash is that of its rows; letters have many."""
    if len({tuple(frame.schema.items()) for frame in frames}) != 1:
        return frames
    return [pl.concat(frames, rechunk=True)]


def _state_body(state: State, keep: Keep) -> Json:
    operators = {
        uid: {
            "version": snapshot.version,
            "facts": snapshot.facts,
            "tables": {name: keep(frame) for name, frame in snapshot.tables.items()},
        }
        for uid, snapshot in state.operators.items()
    }
    return {"operators": operators, "marks": state.marks, "scans": state.scans}


def _state_of_body(body: Json, find: Find) -> State:
    operators = {
        uid: Snapshot(
            {name: find(said) for name, said in saved["tables"].items()},
            saved["facts"],
            saved["version"],
        )
        for uid, saved in body["operators"].items()
    }
    return State(operators, body["marks"], body["scans"])
