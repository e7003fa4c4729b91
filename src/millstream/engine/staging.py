"""The fast path: the commit of the only exactly-once sink decides on the epoch.

rule    rows go into the sink's open transaction as they come; the manifest of an epoch is written
        without them, marked as prepared by the sink; then the sink commits, which is the decision
start   the sink is opened before anything is restored: its last epoch tells whether the newest
        manifest happened. One that did not is dropped, and the epoch before it goes on
source  reliability.md §2.2 B, docs/decisions/0604-kafka-decides.md
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from millstream.engine.checkpoint import Epoch
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.errors import CheckpointError
from millstream.plan.nodes import Plan
from millstream.ports.connector import Deciding
from millstream.ports.guarantee import fast_path
from millstream.settings import Settings

if TYPE_CHECKING:
    from millstream.engine.delivering import SinkWorker


def choose(workers: Sequence[SinkWorker], plan: Plan, settings: Settings) -> None:
    """Tell the one worker, if any, whose sink decides."""
    if not any(worker.exactly_once for worker in workers):
        return
    name = fast_path(plan, settings)
    for worker in workers:
        if worker.sink_name == name and worker.exactly_once:
            assert isinstance(worker.sink, Deciding), "its connector says that it decides"
            worker.sink.epoch_s = settings.checkpoint_interval_ms / 1000
            worker.decides = True


def settled(
    epoch: Epoch,
    store: CheckpointStore,
    sinks: Collection[str],
    last_of: Callable[[str], int | None],
) -> Epoch | None:
    """Return the newest epoch that happened; ``last_of`` opens a sink and tells its last one."""
    sink, number = epoch.prepared_by, epoch.number
    if sink is None:
        return epoch
    if sink not in sinks:
        raise CheckpointError(
            f"Whether epoch {number} happened is known to the sink '{sink}', which the program "
            "does not have any more.",
            where=store.folder,
            hint="Start the program once as it was, and stop it; then change it.",
        )
    have = last_of(sink)
    if have == number:
        return epoch
    before = store.before(number)
    is_new = have is None and (before is None or sink not in before.facts.get("sinks", [sink]))
    if is_new or (before is not None and have == before.number):
        store.drop(number)
        return before
    raise CheckpointError(
        f"The sink '{sink}' is at epoch {have}, the checkpoint at {number}.",
        where=store.folder,
        hint="The folder or the sink's epoch record was put back to another state. Restore "
        "the one that fits, or start in a new checkpoint folder.",
    )
