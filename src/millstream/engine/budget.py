"""How much memory a run may take, and what is done as it gets short.

in      the bytes counted in queues, outputs, copies, views and state; what the process really holds
state   when the limit was passed, and what the process held beyond what is counted in the last
        second (libraries, the batch under way, what an allocator keeps)
out     a :class:`Decision` per look: read less ahead, put state on the disk, wait, stop
rules   above 80 % of the limit sources read one chunk ahead and batches stay small; above 90 % the
        largest state goes to the disk, one region a look; above the limit no batch is begun.
        Where that lasts and there is nothing left to put away, the run stops with a message that
        says who holds what, before the system kills it without one
source  DESIGN §2; decision 0606
"""

from __future__ import annotations

import enum
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.engine import spill
from millstream.engine.operator import Operator
from millstream.engine.state.arena import Region
from millstream.errors import MemoryLimit
from millstream.settings import Settings

if TYPE_CHECKING:
    from millstream.engine.checkpoint import Epoch
    from millstream.engine.graph import Graph

SHARE_OF_MACHINE = 0.75
EASE, SHORT, TIGHT = 0.75, 0.80, 0.90
PATIENCE_S = 5.0
"""So long a run waits above its limit for others to take what is queued."""
LOOK_S = 0.02
TRIM_S = 1.0
OVERHEAD_S = 1.0
SPILL_BYTES_MIN = 1 << 20
"""A region smaller than this stays: it would free nothing worth a file."""
NAMED_MAX = 3


class Level(enum.IntEnum):
    """How things stand."""

    FREE = 0
    SHORT = 1
    TIGHT = 2
    FULL = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """A step and the bytes of its state: all of them, and those on the disk."""

    label: str
    bytes: int
    bytes_spilled: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What is counted beside state.

    queued   read ahead
    outputs  not delivered yet
    copies   of state, for a checkpoint
    kept     rows of sinks in this process: views, memory
    """

    queued: int = 0
    outputs: int = 0
    copies: int = 0
    kept: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.queued + self.outputs + self.copies + self.kept


@dataclass(frozen=True, slots=True)
class Usage:
    """One look: what is counted, and what the process holds (None where that is not told)."""

    held: Held
    state: int
    spilled: int
    resident: int | None

    @property
    def counted(self) -> int:
        """Bytes in memory that are counted."""
        return self.held.total + self.state - self.spilled


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now. ``stop`` comes only where there is nothing to spill."""

    level: Level
    spill: bool = False
    stop: bool = False


class Budget:
    """The rules; no clock, no I/O: looks in, decisions out."""

    def __init__(self, limit: int, patience_s: float = PATIENCE_S) -> None:
        self.limit = limit
        self.used = 0
        """Counted bytes and what the process holds beyond them."""
        self._patience_s = patience_s
        self._level = Level.FREE
        self._full_since_s: float | None = None
        self._beyond: list[tuple[float, int]] = []

    def decide(self, now_s: float, usage: Usage, *, can_spill: bool) -> Decision:
        """Return what this look asks for; ``can_spill``: there is state in memory to put away."""
        self.used = usage.counted + self._overhead(now_s, usage)
        if not self.limit:
            return Decision(Level.FREE)
        self._level = self._level_of(self.used / self.limit)
        if self._level is not Level.FULL:
            self._full_since_s = None
            return Decision(self._level, spill=can_spill and self._level is Level.TIGHT)
        if can_spill:
            self._full_since_s = None
            return Decision(Level.FULL, spill=True)
        since_s = now_s if self._full_since_s is None else self._full_since_s
        self._full_since_s = since_s
        return Decision(Level.FULL, stop=now_s - since_s >= self._patience_s)

    @property
    def room(self) -> int:
        """Bytes that state may still take before some of it must go."""
        return max(0, int(self.limit * TIGHT) - self.used)

    def _level_of(self, share: float) -> Level:
        if share > 1:
            return Level.FULL
        if share > TIGHT:
            return Level.TIGHT
        # Between the two marks things stay as they are, so that sources do not stutter.
        return Level.SHORT if share > (SHORT if self._level is Level.FREE else EASE) else Level.FREE

    def _overhead(self, now_s: float, usage: Usage) -> int:
        """Return the most the process held beyond what is counted, over the last second."""
        if usage.resident is None:
            return 0
        beyond = max(0, usage.resident - usage.counted)
        # Only looks that held more than all later ones matter: they stand in descending order.
        recent = [(at, n) for at, n in self._beyond if now_s - at < OVERHEAD_S and n > beyond]
        self._beyond = [*recent, (now_s, beyond)]
        return self._beyond[0][1]


@dataclass
class Machine:
    """What the system tells; tests give another root."""

    root: Path = field(default_factory=lambda: Path("/"))

    def memory_max(self) -> int | None:
        """Return the bytes this process may have: those of the machine or of its cgroup."""
        found = [*self._of_cgroup()]
        with suppress(ValueError, OSError, AttributeError):
            found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        return min(found, default=None)

    def resident(self) -> int | None:
        """Return the bytes of memory that cannot be dropped: pages of files can."""
        status = _lines(self.root / "proc/self/status")
        return _kib(status, "RssAnon:")

    def lazily_freed(self) -> int:
        """Return the part of it that an allocator has given back, and the system not yet taken."""
        return _kib(_lines(self.root / "proc/self/smaps_rollup"), "LazyFree:") or 0

    def _of_cgroup(self) -> list[int]:
        found: list[int] = []
        for line in _lines(self.root / "proc/self/cgroup"):
            _, controllers, path = (*line.split(":", 2), "", "")[:3]
            if controllers == "":
                found += self._up(self.root / "sys/fs/cgroup", path, "memory.max")
            elif "memory" in controllers.split(","):
                top = self.root / "sys/fs/cgroup/memory"
                found += self._up(top, path, "memory.limit_in_bytes")
        return found

    def _up(self, top: Path, path: str, name: str) -> list[int]:
        """Return the limits of a group and of those above it; in a container only the top is."""
        parts = [part for part in path.split("/") if part not in ("", "..")]
        found: list[int] = []
        for depth in range(len(parts), -1, -1):
            said = _lines(top.joinpath(*parts[:depth]) / name)[:1]
            found.extend(int(line) for line in said if line.strip().isdigit())
        return found


class Memory:
    """The budget of one run: looks at it between turns, and puts state away."""

    def __init__(
        self,
        settings: Settings,
        graph: Graph,
        held: Callable[[], Held],
        machine: Machine | None = None,
    ) -> None:
        self._machine = Machine() if machine is None else machine
        self._graph = graph
        self._held = held
        self.budget = Budget(limit_of(settings, self._machine))
        self._folder = spill.SpillFolder(settings.memory_spill_dir)
        self._warned = False
        self._no_spill = "" if spill.can_spill() else "this system cannot map files over memory"
        self._looked_s = self._trimmed_s = -1e9
        self._lazy = 0
        self.decision = Decision(Level.FREE)
        self.usage = Usage(Held(), 0, 0, None)

    @property
    def is_short(self) -> bool:
        """Whether sources should read no further ahead than they must."""
        return self.decision.level >= Level.SHORT

    @property
    def is_full(self) -> bool:
        """Whether no batch should be begun."""
        return self.decision.level is Level.FULL

    def look(self, now_s: float) -> MemoryLimit | None:
        """Look, and put state on the disk where that is needed; returns why the run must stop.

        Called between two turns, where nobody writes into state.
        """
        if now_s - self._looked_s < LOOK_S:
            return None
        self._looked_s = now_s
        self._decide(now_s)
        while self.decision.spill:
            self._spill()
            self._decide(now_s)
            if self.decision.level is not Level.FULL:
                break  # the next region may wait for the next look
        if self.is_short and now_s - self._trimmed_s >= TRIM_S:
            self._trimmed_s = now_s
            spill.trim()
            self._lazy = self._machine.lazily_freed()
        return self._stop() if self.decision.stop else None

    def _operators(self) -> list[tuple[str, Operator]]:
        """Return the steps by label; a failed batch puts others into their places."""
        return [(s.label, s.operator) for s in self._graph.steps if s.operator is not None]

    def _decide(self, now_s: float) -> None:
        operators = [operator for _, operator in self._operators()]
        arenas = [arena for operator in operators for arena in operator.arenas]
        resident = self._machine.resident()
        if resident is not None and self.is_short:
            resident = max(0, resident - self._lazy)
        self.usage = Usage(
            self._held(),
            sum(operator.state_bytes for operator in operators),
            sum(arena.bytes_spilled for arena in arenas),
            resident,
        )
        can_spill = not self._no_spill and self._largest() is not None
        self.decision = self.budget.decide(now_s, self.usage, can_spill=can_spill)
        if self.budget.limit and not self._no_spill:
            # A hash table that doubles takes its room within one batch, too fast for a look.
            for arena in arenas:
                arena.room, arena.folder = self.budget.room, self._folder

    def _largest(self) -> Region | None:
        regions = [
            region
            for _, operator in self._operators()
            for arena in operator.arenas
            if (region := arena.largest_in_memory()) is not None
        ]
        found = max(regions, key=lambda region: region.bytes_used, default=None)
        return None if found is None or found.bytes_used < SPILL_BYTES_MIN else found

    def _spill(self) -> None:
        region = self._largest()
        assert region is not None, "decided to spill where there is nothing"
        try:
            if not self._warned and self._folder.warning is not None:
                self._warned = True
                warnings.warn(self._folder.warning, RuntimeWarning, stacklevel=2)
            region.spill(self._folder)
        except spill.SpillFailed as error:
            self._no_spill = error.fact
            warnings.warn(f"State stays in memory: {error.fact}.", RuntimeWarning, stacklevel=2)

    def holders(self) -> list[Holder]:
        """Return the steps that keep something, the largest first."""
        found = [
            Holder(label, operator.state_bytes, sum(a.bytes_spilled for a in operator.arenas))
            for label, operator in self._operators()
        ]
        return sorted((h for h in found if h.bytes), key=lambda h: -h.bytes)

    def _stop(self) -> MemoryLimit:
        usage, budget = self.usage, self.budget
        largest = [
            f"{h.label}: {_mib(h.bytes)}"
            + (f", {_mib(h.bytes_spilled)} of it on the disk" if h.bytes_spilled else "")
            for h in self.holders()[:NAMED_MAX]
        ]
        parts = [
            *largest,
            f"read ahead: {_mib(usage.held.queued)}",
            f"not delivered yet: {_mib(usage.held.outputs)}",
            f"copies for checkpoints: {_mib(usage.held.copies)}",
            f"rows of views and memory sinks: {_mib(usage.held.kept)}",
            f"everything else: {_mib(max(0, budget.used - usage.counted))}",
        ]
        tried = f" State stays in memory: {self._no_spill}." if self._no_spill else ""
        return MemoryLimit(
            f"The pipeline needs {_mib(budget.used)} of memory, its limit is "
            f"{_mib(budget.limit)}.{tried}",
            where="; ".join(parts),
            hint="Raise 'memory.limit', let state end ('table.exec.state.ttl', smaller windows), "
            "or give 'memory.spill-dir' a folder with room on a disk.",
        )


def bytes_of(epoch: Epoch) -> Held:
    """Return what an epoch keeps in memory until it is with the sinks."""
    tables = [t for s in epoch.state.operators.values() for t in s.tables.values()]
    outputs = [frame for frames in epoch.outputs.values() for frame in frames]
    return Held(
        outputs=int(sum(frame.estimated_size() for frame in outputs)),
        copies=int(sum(table.estimated_size() for table in tables)),
    )


def limit_of(settings: Settings, machine: Machine) -> int:
    """Return the limit in force; 0 = none."""
    if settings.memory_limit is not None:
        return settings.memory_limit
    allowed = machine.memory_max()
    return 0 if allowed is None else int(allowed * SHARE_OF_MACHINE)


def _lines(path: Path) -> list[str]:
    if sys.platform == "win32":
        return []
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _kib(lines: list[str], name: str) -> int | None:
    for line in lines:
        if line.startswith(name):
            return int(line.split()[1]) << 10
    return None


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
