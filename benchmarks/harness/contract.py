"""What a section of the benchmarks is made of: who runs, what was measured, what was aimed at.

in      a section (a package ``benchmarks/<name>`` with a ``section.py``) names its contenders; the
        harness runs each as a child process, several rounds interleaved
out     outcomes: per contender one :class:`Measured` a round, or the reason why there is none
child   prints one JSON object as its last line of stdout:
        ``{"seconds": s, "events": n, "rows": n, "checksum": "hex" or null, "notes": {...}}``;
        ``seconds`` is from the first row to the last result, starting up is not part of it
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

CHECKOUT = Path(__file__).resolve().parents[2]
KEPT = CHECKOUT / ".bench"
"""Git-ignored: generated events, the peers' environments, what a run leaves behind."""
RESULTS = CHECKOUT / "benchmarks" / "results"
PEERS = CHECKOUT / "benchmarks" / "peers"
"""``<name>.txt``: the pinned packages of a peer, one a line, as pip reads them."""
OURS = "millstream"
LIMIT_S = 1_800.0
"""Longest life of one child, if its contender says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for; a section's own default stands where a field is None."""

    queries: tuple[int, ...] | None = None
    events: int | None = None
    peers: tuple[str, ...] | None = None
    rounds: int = 3
    quick: bool = False
    """A look in a minute or so: small inputs, one round; never kept as a result."""
    profile: bool = False
    cores: tuple[int, ...] = ()
    """Numbers of cores to run with, such as ``(1, 2)``; empty: the section's own choice."""

    def wants(self, peer: str) -> bool:
        """Whether a peer takes part; ours always does."""
        return peer == OURS or self.peers is None or peer in self.peers


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One program that answers one case, and how it is started."""

    section: str
    case: str
    """Such as ``q5``; contenders of one case get the same input and are compared."""
    name: str
    """Such as ``millstream`` or ``flink``; in one case no two have the same name."""
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """On top of the harness' own environment."""
    cores: tuple[int, ...] = (0,)
    """The cores the child is pinned to."""
    version: str = ""
    missing: str = ""
    """Why it cannot run here (could not be installed, cannot say the query); it is told as such."""
    limit_s: float = LIMIT_S
    compares: tuple[str, ...] = ("rows", "checksum")
    """Which of ``rows`` and ``checksum`` must agree within the case."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart in its section."""
        return (self.case, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of one contender."""

    seconds: float
    events: int
    rows: int
    checksum: str | None
    notes: Mapping[str, Any]
    wall_s: float
    """Of the whole child: starting, importing, warming up and ``seconds``."""
    cpu_s: float
    """Of the whole process tree, starting included."""
    memory_bytes_peak: int
    """Highest sum over the process tree, shared pages counted once."""
    load: float
    """Load average of the machine when the child began."""

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A contender with what its rounds gave."""

    contender: Contender
    runs: tuple[Measured, ...] = ()
    failure: str = ""
    """Why there are no more runs: exit code and last lines of stderr, time limit, missing."""
    commit: str = ""
    date: str = ""

    @property
    def rate(self) -> float | None:
        """Median events per second; None where nothing ran."""
        return statistics.median(r.rate for r in self.runs) if self.runs else None

    @property
    def rate_per_core(self) -> float | None:
        """Median events per second and pinned core."""
        return None if self.rate is None else self.rate / len(self.contender.cores)

    @property
    def spread(self) -> float | None:
        """(slowest - fastest) / median of the seconds; None below two runs."""
        if len(self.runs) < 2:
            return None
        seconds = [r.seconds for r in self.runs]
        return (max(seconds) - min(seconds)) / statistics.median(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One line of the issue: what was aimed at, and what came out."""

    name: str
    """Such as ``q5 on one core``."""
    wanted: str
    """Such as ``>= 1.0 M events/s``."""
    found: str
    """The figure with its unit, or ``not measured``."""
    met: bool | None
    """None: not measured."""


class Section(Protocol):
    """What ``benchmarks/<name>/section.py`` holds as module globals."""

    NAME: str

    def contenders(self, options: Options) -> Sequence[Contender]:
        """Prepare inputs and peers; return who runs."""

    def targets(self, outcomes: Sequence[Outcome]) -> Sequence[Target]:
        """Return one line per aim of the section."""

    def text(self, outcomes: Sequence[Outcome]) -> str:
        """Return the section's part of RESULTS.md: method, tables, what it says."""


@runtime_checkable
class Drawn(Protocol):
    """A section with plots as well."""

    def draw(self, outcomes: Sequence[Outcome]) -> None:
        """Draw its plots into results/; only of figures that are kept."""


def of(outcomes: Sequence[Outcome], case: str, name: str) -> Outcome | None:
    """Return the outcome of one contender."""
    return next((o for o in outcomes if o.contender.key == (case, name)), None)


def ratio(outcomes: Sequence[Outcome], case: str, name: str, other: str) -> float | None:
    """Return how many times ``other``'s rate ``name`` has: formed per round, their median."""
    mine, theirs = of(outcomes, case, name), of(outcomes, case, other)
    if mine is None or theirs is None or not (mine.runs and theirs.runs):
        return None
    pairs = zip(mine.runs, theirs.runs, strict=False)
    return statistics.median(a.rate / b.rate for a, b in pairs)
