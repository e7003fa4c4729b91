"""How the state of older versions becomes that of this one.

in      a snapshot as a checkpoint has it, and the operator that is to go on from it
out     the snapshot in the layout the operator reads: one pure function per kind and version, one
        after the other
bad     CheckpointError that names both versions where a step of the way is missing, and where a
        snapshot has another layout than its version says

An operator whose snapshots change their layout gives them the next ``version`` and registers what
makes the new layout of the old one::

    @migration("aggregate", 1)
    def _(old: Snapshot) -> Snapshot: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from millstream.engine.operator import Operator, Snapshot
from millstream.errors import CheckpointError

Migration = Callable[[Snapshot], Snapshot]
MIGRATIONS: dict[tuple[str, int], Migration] = {}
"""By kind of step and the version it starts from; each leads to the next version."""


def migration(kind: str, version: int) -> Callable[[Migration], Migration]:
    """Register what makes version ``version + 1`` of a kind's state out of version ``version``."""

    def register(fn: Migration) -> Migration:
        assert (kind, version) not in MIGRATIONS, f"two migrations of {kind} from {version}"
        MIGRATIONS[kind, version] = fn
        return fn

    return register


def migrates(kind: str, old: int, new: int) -> bool:
    """Tell whether there is a way from one version of a kind's state to another."""
    return old <= new and all((kind, version) in MIGRATIONS for version in range(old, new))


def migrated(uid: str, kind: str, snapshot: Snapshot, version: int) -> Snapshot:
    """Return a snapshot in the layout of ``version``."""
    if not migrates(kind, snapshot.version, version):
        raise CheckpointError(
            f"The state of '{uid}' has version {snapshot.version}, this program reads {version}.",
            hint="Run the version of Millstream that wrote it, or start in a new folder.",
        )
    for at in range(snapshot.version, version):
        snapshot = replace(MIGRATIONS[kind, at](snapshot), version=at + 1)
    return snapshot


def restore(operator: Operator, label: str, snapshot: Snapshot) -> None:
    """Give a snapshot back to an operator; raises CheckpointError for one of another layout."""
    try:
        operator.restore(snapshot)
    except (
        KeyError,
        IndexError,
        ValueError,
        TypeError,
        AssertionError,
        pl.exceptions.PolarsError,
    ) as bad:
        have = "; ".join(
            f"{name} ({', '.join(frame.columns)})" for name, frame in snapshot.tables.items()
        )
        raise CheckpointError(
            f"The state of '{operator.uid}' in the checkpoint has another layout than this "
            f"version reads.",
            where=f"{label}; the checkpoint has {have or 'no tables'}; {_told(bad)}",
            hint="Another version of Millstream wrote it: finish with that version, or start in a "
            "new folder.",
        ) from bad


def _told(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
