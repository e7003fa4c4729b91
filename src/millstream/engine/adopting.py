"""Puts a changed program behind a checkpoint: what goes on, under which id, and what is refused.

in      an epoch, and a lowered plan
out     the epoch as the plan's own: state, marks and positions under the ids of today, in the
        layouts of today; and the :class:`~millstream.plan.compare.Comparison` that says so
bad     CheckpointError with a table, where state would be lost and nobody has said that it may be
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from millstream.engine.graph import PASSED
from millstream.engine.migrations import migrated, migrates
from millstream.errors import CheckpointError
from millstream.events import about
from millstream.plan import compare as c

if TYPE_CHECKING:
    from millstream.engine.checkpoint import Epoch
    from millstream.engine.graph import Graph
    from millstream.engine.operator import Snapshot
    from millstream.plan.derive import Derived

_LOG = logging.getLogger("millstream")
Said = Mapping[str, c.StepFacts]


def said_by(derived: Derived, graph: Graph) -> dict[str, c.StepFacts]:
    """Return what every step says of itself, with the version of its operator's state."""
    versions = {uid: snapshot.version for uid, snapshot in graph.snapshots().items()}
    return {
        uid: replace(said, version=versions.get(uid, 1))
        for uid, said in c.facts_of(derived).items()
    }


def steps_json(said: Said) -> dict[str, Any]:
    """Return what an epoch keeps of the steps."""
    return {uid: step.to_json() for uid, step in said.items()}


def before_of(epoch: Epoch) -> c.Before:
    """Return what an epoch knows of the plan that wrote it; also of one of an earlier version."""
    hashes = {u: c.from_hash(u, h) for u, h in epoch.facts.get("fingerprint", {}).items()}
    said = {u: c.from_json(u, value) for u, value in epoch.facts.get("steps", {}).items()}
    return c.Before(
        steps=hashes | said,
        rows={uid: rows_of(snapshot) for uid, snapshot in epoch.state.operators.items()},
        splits={u: 0 for u, s in said.items() if s.kind == "scan"}
        | {s: len(r) for s, r in epoch.positions.items() if not s.startswith("$")},
        sinks=tuple(epoch.facts.get("sinks", epoch.outputs)),
        epoch=epoch.number,
    )


def compared(epoch: Epoch, derived: Derived, said: Said) -> c.Comparison:
    """Tell what becomes of an epoch's state under a plan."""
    sinks = tuple(sink.uid for sink in derived.plan.sinks)
    return c.compare(before_of(epoch), said, sinks, migrates=migrates)


def adopted(epoch: Epoch, found: c.Comparison, said: Said) -> Epoch:
    """Return the epoch as if the plan of today had written it."""
    was = epoch.state
    # Filters and projections say nothing of themselves: their counters go by the id alone.
    known = before_of(epoch).steps
    operators = {
        uid: snapshot
        for uid, snapshot in was.operators.items()
        if uid not in said and (uid not in known or known[uid].kind in ("filter", "project"))
    }
    for uid, old in found.pairs.items():
        if old in was.operators:
            operators[uid] = migrated(uid, said[uid].kind, was.operators[old], said[uid].version)
    ids = {uid: uid for uid in (*was.marks, *was.scans, *epoch.positions)}
    moved = {uid: old for uid, old in found.pairs.items() if uid != old}
    moved |= {uid + PASSED: old + PASSED for uid, old in moved.items()}
    ids = {u: o for u, o in ids.items() if u not in moved.values()} | moved
    unfit = {f.uid for f in found.gone}
    state = replace(
        was,
        operators=operators,
        marks={u: was.marks[o] for u, o in ids.items() if o in was.marks and u not in unfit},
        scans={u: was.scans[o] for u, o in ids.items() if o in was.scans and u in said},
    )
    # What is read no longer is forgotten, or the next start would find it lost again.
    positions = {
        u: epoch.positions[o]
        for u, o in ids.items()
        if o in epoch.positions and (u in said or u.startswith("$"))
    }
    return replace(epoch, state=state, positions=positions)


def going_on(epoch: Epoch, derived: Derived, said: Said, *, allow_loss: bool) -> Epoch:
    """Return the epoch a run goes on from; what starts empty or is given up is logged."""
    found = compared(epoch, derived, said)
    if not allow_loss:
        refuse_loss(found)
    for fate in (*found.gone, *found.new):
        extra = about("state_" + fate.fate.name.lower(), operator=fate.uid)
        _LOG.warning("%s: %s (%s)", fate.uid, fate.fate.value, fate.why, extra=extra)
    return adopted(epoch, found, said)


def rows_of(snapshot: Snapshot) -> int:
    """Return how much state a snapshot holds; what is only counted is one row."""
    rows = sum(frame.height for frame in snapshot.tables.values())
    return rows or int(bool(snapshot.facts.get("seen")))


def refuse_loss(found: c.Comparison) -> None:
    """Raise CheckpointError where state or positions of the checkpoint would be given up."""
    if not found.gone:
        return
    lines = [f"{f.uid}: {f.fate.value} ({f.why}); {_rows(f)}" for f in found.gone]
    raise CheckpointError(
        f"The program changed: {len(found.gone)} parts of checkpoint {found.epoch} do not fit it.",
        where="\n     ".join(lines),
        hint="Undo the change, start in a new folder, or give this state up: --allow-lost-state. "
        "'millstream plan FILE --from DIR' shows all of it.",
    )


def _rows(fate: c.StepFate) -> str:
    return f"{fate.rows} row{'' if fate.rows == 1 else 's'} of state"
