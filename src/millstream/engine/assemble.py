"""Builds everything a run needs from a finished plan, and puts it where it stopped.

Order: checkpoint (lock, read; where a sink decides, that sink says whether it happened) → plan →
graph → sinks (fence, last epoch) → the epoch that was durable but perhaps not delivered → sources
(open at their positions). A failure on the way closes what was opened.
source  recovery as in reliability.md §2.2: e_s = M done, e_s = M − 1 deliver, anything else stops
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from millstream.engine import fallback, savepoint, staging
from millstream.engine.adopting import Said, going_on, said_by, steps_json
from millstream.engine.care import Notes
from millstream.engine.checkpoint import Epoch, restored
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.engine.deduplicate import Seen
from millstream.engine.delivering import SinkWorker
from millstream.engine.driver import Driver, Parts
from millstream.engine.functions import Context
from millstream.engine.graph import Graph
from millstream.engine.journal import Journal
from millstream.engine.letters import Letters, letter_store
from millstream.engine.lower import lower
from millstream.engine.marks import LOWEST_MS
from millstream.engine.poison import Tally
from millstream.engine.reading import Reading
from millstream.engine.reject_policy import RejectPolicy
from millstream.engine.replaying import Replaying
from millstream.engine.reporting import Complaints
from millstream.engine.scan import SEEN, ScanStage
from millstream.engine.world import Inbox, RealWorld, World
from millstream.errors import CheckpointError, Retry
from millstream.plan.compare import label_hash
from millstream.plan.derive import Derived
from millstream.plan.nodes import Scan, Write
from millstream.plan.table import Table
from millstream.ports.connector import Delivery, Sink, Source
from millstream.ports.guarantee import exactly_once
from millstream.ports.registry import home_of, sink_for, source_for
from millstream.ports.store import StoreError
from millstream.settings import Settings


@dataclass(frozen=True, slots=True)
class Systems:
    """Where sources and sinks come from; measurements put others in their place."""

    source: Callable[[Scan], Source] = lambda node: source_for(
        node.table, node.wanted, node.conditions
    )
    sink: Callable[[Table, bool, bool], Sink] = lambda table, updating, exactly_once: sink_for(
        table, updating=updating, exactly_once=exactly_once
    )
    by_epoch: Callable[[Table, Settings], bool] = exactly_once
    """Whether a sink's rows are delivered by epoch; raises where that is asked for in vain."""


def assemble(
    derived: Derived,
    settings: Settings,
    world: World | None = None,
    systems: Systems | None = None,
) -> Driver:
    """Return a driver ready to run in the real world, or another; raises what a user must mend."""
    store = None
    savepoint.restore(settings, world or RealWorld())
    if settings.checkpoint_dir is not None:
        store = CheckpointStore(
            settings.checkpoint_dir,
            retained=settings.checkpoints_retained,
            settings=settings,
            world=world,
        )
    opened: list[Callable[[], None]] = [] if store is None else [store.close]
    try:
        return _assemble(
            derived, settings, store, world or RealWorld(), opened, systems or _own(settings)
        )
    except BaseException:
        for close in reversed(opened):
            close()
        raise


def _own(settings: Settings) -> Systems:
    """Return the systems of a pipeline's tables; sources may keep something beside its epochs."""
    home = home_of(settings)
    return Systems(source=lambda node: source_for(node.table, node.wanted, node.conditions, home))


def _assemble(
    derived: Derived,
    settings: Settings,
    store: CheckpointStore | None,
    world: World,
    opened: list[Callable[[], None]],
    systems: Systems,
) -> Driver:
    epoch, unread = (None, None) if store is None else fallback.newest(store)
    inbox, complaints = Inbox(world), Complaints(settings)
    workers = _workers(derived, settings, inbox, complaints, opened, systems)
    last = _Opened(derived.plan.sinks, workers, settings, store)
    if store is not None and epoch is not None:
        epoch = staging.settled(epoch, store, [w.sink_name for w in workers], last.of)
    seed = _seed(settings, epoch, world)

    def fresh_graph() -> Graph:
        ctx = Context(time_zone=settings.time_zone)
        return lower(derived, ctx, seed=seed, ttl_ms=settings.state_ttl_ms)

    graph = fresh_graph()
    # Only epochs tell of the program, and asking each step for its state loads kernels.
    said: Said = {} if store is None else said_by(derived, graph)
    if epoch is not None:
        epoch = going_on(epoch, derived, said, allow_loss=settings.allow_lost_state)
        graph = restored(graph, epoch.state)
    complaints.policy = RejectPolicy.of(settings, graph)
    letters = Letters(
        graph, letter_store(settings), now_ms=world.now_ms, bytes_max=settings.epoch_bytes_max
    )
    for write, worker in zip(derived.plan.sinks, workers, strict=True):
        worker.sink.keep_refused = letters.keeper(write, complaints.refused)
        last.of(worker.sink_name)
    if store is not None and unread is not None:
        once = {w.sink_name: last.of(w.sink_name) for w in workers if w.exactly_once}
        fallback.give_up(unread, epoch, store, once)
    _come_back(store, epoch, workers, last, letters)
    positions = {} if epoch is None else epoch.positions
    readings = _readings(graph, settings, inbox, positions, systems.source)
    opened.extend(reading.stop for reading in readings)
    _know_again(graph, readings, settings, seed, epoch)
    replaying = _replaying(graph, readings, letters, positions, settings)
    replaying.look(world.now_ms())
    complete = epoch is not None and bool(epoch.facts["ended"])
    letters_only = settings.dead_letters_only or (complete and replaying.busy)
    if not letters_only:
        for reading in readings:
            reading.discover()
    tally = Tally(None if epoch is None else epoch.facts.get("rows_taken"))
    parts = Parts(
        graph=graph,
        readings=readings,
        workers=workers,
        store=store,
        inbox=inbox,
        complaints=complaints,
        letters=letters,
        replaying=replaying,
        letters_only=letters_only,
        journal=None if store is None else Journal.of(graph, epoch),
        positions=positions,
        fresh_graph=fresh_graph,
        tally=tally,
        notes=None if store is None else Notes(store.store, tally),
        last_epoch=0 if epoch is None else epoch.number,
        facts=_facts(graph, said, seed, workers),
        fresh=epoch is None,
        complete=complete,
    )
    return Driver(parts, settings)


def _come_back(
    store: CheckpointStore | None,
    epoch: Epoch | None,
    workers: list[SinkWorker],
    last: _Opened,
    letters: Letters,
) -> None:
    """Deliver what is durable and the sinks have not seen."""
    try:
        if epoch is None:
            fallback.check_fresh(last.epochs, {w.sink_name for w in workers if w.exactly_once})
        else:
            letters.deliver(epoch)
            _catch_up(epoch, workers, last.epochs)
    except CheckpointError:
        _check_not_overtaken(epoch, store)
        raise


def _replaying(
    graph: Graph,
    readings: list[Reading],
    letters: Letters,
    positions: dict[str, dict[str, Any]],
    settings: Settings,
) -> Replaying:
    stages = zip(graph.stages, readings, strict=True)
    sources = {stage.uid: reading.source for stage, reading in stages}
    every_ms = settings.discovery_interval_ms
    return Replaying(graph, sources, letters, positions, look_every_ms=every_ms)


def _facts(graph: Graph, said: Said, seed: int, workers: Sequence[SinkWorker]) -> dict[str, Any]:
    """Return what every epoch keeps of the program that writes it."""
    return {
        "fingerprint": {s.uid: label_hash(s.label) for s in graph.steps if s.operator},
        "steps": steps_json(said),
        "seed": seed,
        "sinks": [w.sink_name for w in workers],
    }


def _readings(
    graph: Graph,
    settings: Settings,
    inbox: Inbox,
    positions: dict[str, dict[str, Any]],
    source_of: Callable[[Scan], Source],
) -> list[Reading]:
    return [
        _reading(node, source_of(node), settings, inbox, positions.get(node.uid, {}))
        for node in _scan_nodes(graph)
    ]


def _know_again(
    graph: Graph, readings: list[Reading], settings: Settings, seed: int, epoch: Epoch | None
) -> None:
    """Let the scans of sources that may send a message again know those they have seen."""
    for stage, reading in zip(graph.stages, readings, strict=True):
        if reading.source.acknowledging:
            stage.seen = _seen(stage, settings, seed, epoch)


def _seen(stage: ScanStage, settings: Settings, seed: int, epoch: Epoch | None) -> Seen | None:
    """Return what a scan knows of the messages of a source that may send them again."""
    if settings.deduplication_window_ms <= 0:
        return None
    window_ms, ids_max = settings.deduplication_window_ms, settings.deduplication_ids_max
    seen = Seen(window_ms=window_ms, ids_max=ids_max, seed=seed)
    saved = None if epoch is None else epoch.state.operators.get(stage.uid + SEEN)
    if saved is not None:
        seen.restore(saved)
    return seen


class _Opened:
    """Opens each sink once, and knows the last epoch it has."""

    def __init__(
        self,
        writes: Sequence[Write],
        workers: Sequence[SinkWorker],
        settings: Settings,
        store: CheckpointStore | None,
    ) -> None:
        self.epochs: dict[str, int | None] = {}
        self._pipeline = settings.pipeline_name if store is None else store.pipeline
        self._incarnation = 0 if store is None else store.incarnation
        self._pairs = {w.sink_name: (n, w) for n, w in zip(writes, workers, strict=True)}

    def of(self, sink: str) -> int | None:
        """Return the last epoch of a sink, which is open then."""
        if sink not in self.epochs:
            write, worker = self._pairs[sink]
            self.epochs[sink] = worker.sink.open(self._owner(write, sink), self._incarnation)
        return self.epochs[sink]

    def _owner(self, write: Write, sink: str) -> str:
        """Return the id a sink knows us by; two writers of a table must not shut each other out."""
        return self._pipeline if sink == write.table.name else f"{self._pipeline}/{sink}"


def _seed(settings: Settings, epoch: Epoch | None, world: World) -> int:
    if epoch is not None:
        return int(epoch.facts["seed"])
    return world.random.getrandbits(63) if settings.seed is None else settings.seed


def _scan_nodes(graph: Graph) -> list[Scan]:
    nodes: list[Scan] = []
    for index in graph.scans:
        node = graph.steps[index].node
        assert isinstance(node, Scan), "the head of a graph is a scan"
        nodes.append(node)
    return nodes


def _workers(
    derived: Derived,
    settings: Settings,
    inbox: Inbox,
    complaints: Complaints,
    opened: list[Callable[[], None]],
    systems: Systems,
) -> list[SinkWorker]:
    """Return one per sink; whatever it opens is closed by what is added to ``opened``."""
    workers = [
        _worker(write, derived, settings, inbox, complaints, systems)
        for write in derived.plan.sinks
    ]
    opened.extend(worker.sink.close for worker in workers)
    staging.choose(workers, derived.plan, settings)
    return workers


def _worker(
    write: Write,
    derived: Derived,
    settings: Settings,
    inbox: Inbox,
    complaints: Complaints,
    systems: Systems,
) -> SinkWorker:
    exactly = systems.by_epoch(write.table, settings)
    updating = derived.facts(write.input).updates
    sink = systems.sink(write.table, updating, exactly)
    exactly = exactly and sink.delivery is Delivery.EXACTLY_ONCE
    return SinkWorker(write.uid, sink, inbox, exactly_once=exactly, on_refused=complaints.refused)


def _reading(
    node: Scan, source: Source, settings: Settings, inbox: Inbox, positions: dict[str, Any]
) -> Reading:
    return Reading(
        source,
        positions,
        inbox,
        bytes_max=settings.buffer_bytes_max,
        quantum_rows=settings.split_quantum_rows,
        discovery_interval_s=settings.discovery_interval_ms / 1000,
        name=node.table.name,
        uid=node.uid,
    )


def _catch_up(epoch: Epoch, workers: list[SinkWorker], last: dict[str, int | None]) -> None:
    """Deliver the newest durable epoch to the sinks that have not seen it."""
    number = epoch.number
    for worker in workers:
        if not worker.exactly_once:
            continue
        have = last[worker.sink_name]
        late = have == number - 1 or (have is None and (number == 1 or _is_new(epoch, worker)))
        if late:
            worker.sink.deliver(number, epoch.outputs.get(worker.sink_name, []))
        if late or have == number:
            worker.resume(epoch.state.marks.get(worker.sink_name, LOWEST_MS))
            continue
        raise CheckpointError(
            f"The sink '{worker.sink_name}' is at epoch {have}, the checkpoint at {number}.",
            hint="The folder or the sink's epoch record was put back to another state. Restore "
            "the one that fits, or start in a new checkpoint folder; --from a savepoint with "
            "--as-new begins a new pipeline, and rows delivered since may come twice.",
        )


def _check_not_overtaken(epoch: Epoch | None, store: CheckpointStore | None) -> None:
    """Where sinks are ahead of what was read, the start before may have gone on until now."""
    newest = 0 if store is None else max(store.epochs(), default=0)
    if newest > (0 if epoch is None else epoch.number):
        raise StoreError(
            f"Checkpoint {newest} was written by another start while this one began.",
            where=None if store is None else store.folder,
            hint="Start again: that one is shut out of the sinks now.",
            retry=Retry.LATER,
        )


def _is_new(epoch: Epoch, worker: SinkWorker) -> bool:
    return worker.sink_name not in epoch.facts.get("sinks", [worker.sink_name])
