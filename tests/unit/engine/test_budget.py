"""The rules of the memory budget, with looks in and decisions out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from millstream.engine import budget as b
from millstream.engine import spill
from millstream.engine.batch import Batch
from millstream.engine.graph import Graph, Step
from millstream.engine.operator import NOTHING, Operator, Outputs
from millstream.engine.state.arena import Arena
from millstream.errors import MemoryLimit
from millstream.plan.nodes import Values
from millstream.settings import Settings
from millstream.types import Schema

MIB = 1 << 20


def usage(
    queued: int = 0, state: int = 0, spilled: int = 0, resident: int | None = None
) -> b.Usage:
    return b.Usage(b.Held(queued=queued), state, spilled, resident)


@pytest.mark.parametrize(
    ("used", "level"),
    [(0, "FREE"), (80, "FREE"), (81, "SHORT"), (90, "SHORT"), (91, "TIGHT"), (101, "FULL")],
)
def test_levels(used: int, level: str) -> None:
    """The order of measures is the promise: pause, spill, wait."""
    decided = b.Budget(100).decide(0.0, usage(queued=used), can_spill=False)
    assert decided == b.Decision(b.Level[level])


def test_sources_do_not_stutter() -> None:
    """A level that flips at one mark would stop and start every source each turn."""
    budget = b.Budget(100)
    seen = [
        budget.decide(n, usage(queued=q), can_spill=False).level
        for n, q in enumerate((81, 79, 76, 75, 79, 81))
    ]
    assert [level.name for level in seen] == ["SHORT"] * 3 + ["FREE"] * 2 + ["SHORT"]


def test_spills_from_ninety_per_cent_while_there_is_something() -> None:
    """State goes to the disk before the limit is met, and never where there is none to put."""
    budget = b.Budget(100)
    assert not budget.decide(0.0, usage(state=85), can_spill=True).spill
    assert budget.decide(0.1, usage(state=95), can_spill=True).spill
    assert not budget.decide(0.2, usage(state=95), can_spill=False).spill
    assert budget.decide(0.3, usage(state=120), can_spill=True) == b.Decision(
        b.Level.FULL, spill=True
    )
    assert budget.decide(0.4, usage(state=120, spilled=100), can_spill=False).level is b.Level.FREE


def test_stops_only_after_patience_with_nothing_left_to_spill() -> None:
    """Sinks may be about to take what is queued; and nobody is stopped before the last resort."""
    budget = b.Budget(100, patience_s=5.0)
    over = usage(queued=150)
    assert not budget.decide(0.0, over, can_spill=False).stop
    assert not budget.decide(4.9, over, can_spill=False).stop
    assert not budget.decide(5.1, over, can_spill=True).stop, "something can be spilled again"
    assert not budget.decide(6.0, over, can_spill=False).stop, "the wait begins anew"
    assert not budget.decide(7.0, usage(queued=50), can_spill=False).stop
    assert not budget.decide(8.0, over, can_spill=False).stop
    assert budget.decide(13.0, over, can_spill=False).stop


def test_what_the_process_holds_beyond_the_count_is_added_for_a_second() -> None:
    """A batch's own memory is seen between turns only by chance: the peak of a second counts."""
    budget = b.Budget(1_000)
    budget.decide(0.0, usage(queued=100, resident=500), can_spill=False)
    assert budget.used == 500
    budget.decide(0.5, usage(queued=200, resident=300), can_spill=False)
    assert budget.used == 200 + 400
    budget.decide(1.2, usage(queued=200, resident=300), can_spill=False)
    assert budget.used == 300
    budget.decide(9.0, usage(queued=200), can_spill=False)
    assert budget.used == 200, "a system that does not tell: what is counted"


def test_no_limit_never_acts() -> None:
    """0 means none."""
    assert b.Budget(0).decide(0.0, usage(queued=1 << 60), can_spill=True) == b.Decision(
        b.Level.FREE
    )


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"proc/self/cgroup": "0::/app/x\n", "sys/fs/cgroup/app/memory.max": "4194304\n"}, 4 * MIB),
        ({"proc/self/cgroup": "0::/app\n", "sys/fs/cgroup/app/memory.max": "max\n"}, None),
        ({"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/memory.max": "8388608\n"}, 8 * MIB),
        (
            {
                "proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/1\n0::/\n",
                "sys/fs/cgroup/memory/docker/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "2097152\n",
            },
            2 * MIB,
        ),
        ({}, None),
    ],
)
def test_limits_of_control_groups(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    """In a container the machine's memory is not ours; both versions, with groups above."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    of_machine = b.Machine().memory_max()
    assert b.Machine(tmp_path).memory_max() == (limit or of_machine)


def test_a_setting_wins_over_the_machine(tmp_path: Path) -> None:
    """The default is a share of what there is; a user's number is the user's."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("1000\n")
    machine = b.Machine(tmp_path)
    assert b.limit_of(Settings(), machine) == 750
    assert b.limit_of(Settings(memory_limit=5), machine) == 5
    assert b.limit_of(Settings(memory_limit=0), machine) == 0


class Keeps(Operator):
    """A step with so many bytes in two regions."""

    def __init__(self, mib: int) -> None:
        arena = Arena()
        items = mib * MIB // 16
        for _ in range(2):
            arena.region(np.int64, lambda: items).ensure(items)[:items] = 1
        self.arenas = (arena,)

    def on_batch(self, batch: Batch, port: int = 0) -> Outputs:
        return NOTHING

    @property
    def state_bytes(self) -> int:
        return self.arenas[0].bytes_used


class Told(b.Machine):
    """A process that holds what is counted and 10 MiB more."""

    memory: b.Memory

    def resident(self) -> int | None:
        if not hasattr(self, "memory"):
            return None
        held = sum(
            o.state_bytes - sum(a.bytes_spilled for a in o.arenas)
            for _, o in self.memory._operators()
        )
        return held + self.memory._held().total + 10 * MIB

    def lazily_freed(self) -> int:
        return 0


def memory_of(limit_mib: int, folder: Path, held: b.Held, *mib: int) -> b.Memory:
    settings = Settings(memory_limit=limit_mib * MIB, memory_spill_dir=str(folder))
    node = Values(columns=Schema.of({"k": "BIGINT"}), rows=())
    steps = [Step(f"s{n}", node, f"step {n}", Keeps(n)) for n in mib]
    machine = Told()
    machine.memory = b.Memory(settings, Graph(steps, [], [], []), lambda: held, machine)
    return machine.memory


@pytest.mark.skipif(not spill.can_spill(), reason="only Linux maps over memory")
def test_the_largest_state_goes_first_and_no_more_than_needed(tmp_path: Path) -> None:
    """Small state is looked up as often as large, and costs as much to bring back."""
    memory = memory_of(62, tmp_path, b.Held(), 40, 8)
    assert memory.look(0.0) is None
    assert [h.bytes_spilled // MIB for h in memory.holders()] == [20, 0]
    assert memory.look(1.0) is None
    assert [h.bytes_spilled // MIB for h in memory.holders()] == [20, 0]
    assert memory.decision.level is b.Level.FREE


@pytest.mark.skipif(not spill.can_spill(), reason="only Linux maps over memory")
def test_the_message_names_who_holds_what(tmp_path: Path) -> None:
    """The last word of a pipeline must tell where to look: steps, queues, and what can be done."""
    memory = memory_of(30, tmp_path / "none", b.Held(queued=5 * MIB, outputs=7 * MIB), 40, 8)
    with pytest.warns(RuntimeWarning, match="State stays in memory"):
        assert memory.look(0.0) is None, "sinks may still take something"
    assert memory.is_full
    error = memory.look(b.PATIENCE_S + 1)
    assert isinstance(error, MemoryLimit)
    for words in (
        "needs 70 MiB of memory, its limit is 30 MiB",
        "step 40: 40 MiB; step 8: 8 MiB",
        "read ahead: 5 MiB",
        "not delivered yet: 7 MiB",
        "everything else: 10 MiB",
        "memory.limit",
        "table.exec.state.ttl",
    ):
        assert words in str(error)
    assert "State stays in memory" in str(error)
