"""The store that loses things: it must keep its promises, and break everything else."""

from __future__ import annotations

import random

from millstream.ports.store import Store
from tests.simulator.clockwork import Crash, Faults, Process, Simulation
from tests.simulator.lossy_store import Bucket, File, LossyObjects, LossyStore, ModelDisk

SEEDS = 300


def _cut_short(seed: int, disk: ModelDisk) -> tuple[bool, int]:
    """Put a blob until a crash, then lose power; returns whether the put had returned."""
    returned: list[int] = []

    def body(process: Process) -> None:
        store = LossyStore(process, disk)
        store.put("kept/1", b"a" * 2_000)
        returned.append(1)
        store.put("kept/1", b"b" * 2_000)
        returned.append(2)

    simulation = Simulation(seed, Faults(crash_in_commit=0.15))
    process = Process(simulation, 1, body)
    process.go_on()
    disk.lose_power(simulation.chance)
    return process.dead, len(returned)


def test_what_has_returned_survives_a_power_loss() -> None:
    """A put that returned is whole; of one that did not, the old blob or the new one is there."""
    one, two = b"a" * 2_000, b"b" * 2_000
    allowed: list[tuple[bytes | None, ...]] = [(None, one), (one, two), (two,)]
    seen: set[tuple[int, bytes | None]] = set()
    for seed in range(SEEDS):
        disk = ModelDisk()
        _, puts = _cut_short(seed, disk)
        file = disk.names.get("kept/1")
        data = None if file is None else file.data
        seen.add((puts, data))
        assert data in allowed[puts]
    assert len(seen) == 5, "some ways to die were never tried"


def test_what_was_not_synced_is_lost_torn_or_kept() -> None:
    """A disk that never loses anything would let every missing fsync pass."""
    left: set[bytes] = set()
    for seed in range(SEEDS):
        disk = ModelDisk()
        disk.names["a"] = disk.synced["a"] = file = File(b"o" * 1_024, b"o" * 1_024)
        file.data = b"n" * 1_024
        disk.lose_power(random.Random(seed))
        left.add(disk.names["a"].data)
    whole, nothing = b"n" * 1_024, b""
    assert whole in left
    assert any(d not in (whole, nothing) for d in left)


def test_a_request_of_the_dead_may_arrive_later_and_loses_against_a_name_taken() -> None:
    """A conditional put decides between two starts even where one of them is dead already."""
    late = 0
    for seed in range(SEEDS):
        bucket = Bucket()

        def body(process: Process, bucket: Bucket = bucket) -> None:
            store: Store = LossyObjects(process, bucket)
            store.put_new("manifests/1", process.name.encode())

        simulation = Simulation(seed, Faults(crash_in_commit=0.5))
        first = Process(simulation, 1, body)
        first.go_on()
        simulation.faults = Faults()
        second = Process(simulation, 2, body)
        second.go_on()
        assert isinstance(first.error, Crash | None)
        late += len(bucket.late)
        winner = bucket.objects["manifests/1"]
        while bucket.late:
            bucket.arrive()
        assert bucket.objects["manifests/1"] == winner
    assert late, "no request was ever late"
