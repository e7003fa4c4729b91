"""What may be done where the newest checkpoint is damaged.

rule    the epoch before it is taken only if nothing outside can have seen the damaged one: every
        exactly-once sink says that it has not. They get an epoch before sources are told to forget
        it, so then no source has forgotten anything either. Without such a sink nobody can say,
        and the pipeline stops
out     the damaged manifest is set aside, never repaired; its number is given again
source  reliability.md §1.3, F7
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from millstream.engine.checkpoint import Damaged, Epoch
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Unread:
    """The newest epoch, which cannot be read, and why."""

    number: int
    why: Damaged


def newest(store: CheckpointStore) -> tuple[Epoch | None, Unread | None]:
    """Return the newest epoch that can be read, and the newer one that cannot."""
    try:
        return store.newest(), None
    except Damaged as why:
        unread = Unread(store.epochs()[-1], why)
    try:
        return store.before(unread.number), unread
    except Damaged:
        raise unread.why from None


def give_up(
    unread: Unread, epoch: Epoch | None, store: CheckpointStore, last: Mapping[str, int | None]
) -> None:
    """Set a damaged epoch aside; raises where a sink may have seen it.

    ``last`` are the last epochs of the exactly-once sinks.
    """
    before = 0 if epoch is None else epoch.number
    known = () if epoch is None else epoch.facts.get("sinks", tuple(last))
    seen = [
        sink for sink, have in last.items()
        if not (have == before == unread.number - 1 or (have is None and sink not in known))
    ]  # fmt: skip
    if not last:
        raise CheckpointError(
            unread.why.fact,
            where=unread.why.where,
            hint="Restore it from a backup, or start in a new folder. No sink is exactly once, so "
            "nobody can say whether the rows of this checkpoint are out; the one before it would "
            "give them again.",
        )
    if seen:
        raise CheckpointError(
            unread.why.fact,
            where=unread.why.where,
            hint=f"Restore it from a backup: {', '.join(seen)} may have its rows already, so the "
            "checkpoint before it would give them twice.",
        )
    store.set_aside(unread.number)


def check_fresh(last: Mapping[str, int | None], exactly: Collection[str]) -> None:
    """Refuse to count epochs from 1 where a sink knows this pipeline: it would take them for old.

    So it is where the epochs of a folder were removed and its identity was left.
    """
    for sink, have in last.items():
        if have is not None and sink in exactly:
            raise CheckpointError(
                f"The sink '{sink}' has epoch {have} of this pipeline, and the checkpoint folder "
                "has none.",
                hint="Restore the folder from a backup, or begin a new pipeline in a new folder.",
            )
