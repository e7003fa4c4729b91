"""What it costs to be watched: a pipeline alone, served, and with fifty browsers' worth of readers.

case     ``paced``: 200 000 events a second; ``full``: as many as go through
who      ``alone``, ``served`` (nobody there), ``watched``, ``stalled`` (one more who reads nothing)
figures  in the ``notes`` of each run; medians of the rounds, ratios formed round by round
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.harness.contract import (
    CHECKOUT,
    Contender,
    Options,
    Outcome,
    Target,
    of,
    ratio,
)
from benchmarks.harness.machine import version_of

NAME = "serve"
WHO = {"full": ("alone", "served", "watched"), "paced": ("alone", "served", "watched", "stalled")}
SECONDS, SECONDS_QUICK = 40, 10
BROWSERS = 50
PACED_PER_S = 200_000
RATIO_MIN, KEPT_UP_MIN = 0.9, 0.99
GROWTH_MIB_MAX, STALLED_MIB_MAX = 10.0, 32.0
LIMIT_S = 400.0
_PATHS = {"PYTHONPATH": os.pathsep.join((str(CHECKOUT / "src"), str(CHECKOUT)))}

METHOD = f"""\
One process makes events of {PACED_PER_S:,} a second, or as many as go through, and keeps four live
views of them: one row for each of 100 000 keys (every event changes one), one row, twenty rows, and
rows that only come. `served` is the same with the server, `watched` with {BROWSERS} browsers' worth
of readers in another process on the same two cores: each follows six tiles with the limits the
dashboard uses, over WebSockets, and asks for the job's history once a second. `stalled` has one
more, which asks for all rows of the widest view and never reads. Readers look at the head of a
frame and parse no more, because browsers would be other machines; their processor time is told.
p50 and p99 are those of an event from read to sink. `compute` is the part of
the compute thread, `server` the processor time of all threads
of the server and the feed, in parts of a
core, `readers` that of the readers' process."""


def contenders(options: Options) -> list[Contender]:
    """Return one child per case and onlooker."""
    seconds = SECONDS_QUICK if options.quick else SECONDS
    return [_contender(case, who, seconds) for case, some in WHO.items() for who in some]


def _contender(case: str, who: str, seconds: int) -> Contender:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0, 1]
    words = (case, who, "--seconds", str(seconds), "--browsers", str(BROWSERS))
    return Contender(
        section=NAME,
        case=case,
        name=who,
        argv=(sys.executable, "-m", "benchmarks.serve.child", *words),
        env=_PATHS,
        cores=tuple(cores[-2:]),
        version=version_of("millstream") or "",
        limit_s=LIMIT_S,
        compares=(),
    )


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """Return the aims of issue 6."""
    slowed = ratio(outcomes, "full", "watched", "alone")
    paced = of(outcomes, "paced", "watched")
    rate = None if paced is None else paced.rate
    growth = _between(outcomes, "memory_mib_per_min", "watched", "alone")
    stalled = _between(outcomes, "memory_mib_peak", "stalled", "watched")
    return [
        Target(
            name=f"events at full speed, {BROWSERS} browsers' worth of readers : alone",
            wanted=f"at least {RATIO_MIN:g}",
            found="not measured" if slowed is None else f"{slowed:.3f}",
            met=None if slowed is None else slowed >= RATIO_MIN,
        ),
        Target(
            name="events a second that go through while it is watched",
            wanted=f"{PACED_PER_S:,}",
            found="not measured" if rate is None else f"{rate:,.0f}",
            met=None if rate is None else rate >= KEPT_UP_MIN * PACED_PER_S,
        ),
        Target(
            name="memory, growth while it is watched less that alone",
            wanted=f"at most {GROWTH_MIB_MAX:g} MiB a minute",
            found="not measured" if growth is None else f"{growth:+.1f} MiB a minute",
            met=None if growth is None else growth <= GROWTH_MIB_MAX,
        ),
        Target(
            name="memory for a reader that takes nothing (highest with it less without)",
            wanted=f"at most {STALLED_MIB_MAX:g} MiB",
            found="not measured" if stalled is None else f"{stalled:+.1f} MiB",
            met=None if stalled is None else stalled <= STALLED_MIB_MAX,
        ),
    ]


def text(outcomes: Sequence[Outcome]) -> str:
    """Return method and tables: what it costs, what readers see."""
    ran = [o for o in outcomes if o.runs]
    parts = [METHOD, _costs(ran, outcomes), _memory(ran)]
    parts += [_readers(o) for o in ran if o.contender.name in ("watched", "stalled")]
    return "\n\n".join(part for part in parts if part)


def _costs(ran: Sequence[Outcome], outcomes: Sequence[Outcome]) -> str:
    lines = [
        "| case | who | per s | : alone | CPU s/M | compute | p50 ms | p99 ms | server | readers |",
        "|---|---|" + "--:|" * 8,
    ]
    for outcome in ran:
        case, who = outcome.contender.key
        beside = ratio(outcomes, case, who, "alone")
        cells = [
            case,
            who,
            f"{outcome.rate or 0:,.0f}",
            "" if beside is None or who == "alone" else f"{beside:.3f}",
            _cell(outcome, "cpu_s_per_million", "{:.3f}"),
            _cell(outcome, "compute_s_per_million", "{:.3f}"),
            _cell(outcome, "latency_ms_p50", "{:.1f}"),
            _cell(outcome, "latency_ms_p99", "{:.1f}"),
            _cell(outcome, "server_share", "{:.1%}"),
            _cell(outcome, "readers.cpu_share", "{:.1%}"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _memory(ran: Sequence[Outcome]) -> str:
    lines = [
        "| memory, MiB | who | first | last | highest | a minute, over the later half |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for outcome in ran:
        case, who = outcome.contender.key
        names = ("memory_mib_first", "memory_mib_last", "memory_mib_peak")
        cells = [case, who, *(_cell(outcome, name, "{:.0f}") for name in names)]
        cells.append(_cell(outcome, "memory_mib_per_min", "{:+.1f}"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _readers(outcome: Outcome) -> str:
    """Return what the readers of one contender saw."""
    case, who = outcome.contender.key
    lines = [
        f"| {case}, {who}: tile | frames/s | kB/s each | age until the next, p50 ms | worst |",
        "|---|--:|--:|--:|--:|",
    ]
    for tile in outcome.runs[-1].notes["readers"]["tiles"]:
        at = f"readers.tiles.{tile}"
        cells = [
            tile,
            _cell(outcome, f"{at}.frames_per_s", "{:.1f}"),
            _cell(outcome, f"{at}.bytes_per_s", "{:.1f}", lambda v: v / 1e3),
            _cell(outcome, f"{at}.stale_ms_p50", "{:.0f}"),
            _cell(outcome, f"{at}.stale_ms_worst", "{:.0f}"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    asked = [_cell(outcome, f"readers.history_ms_{part}", "{:.1f}") for part in ("p50", "p99")]
    said = f"The history was answered in {asked[0]} ms (p50), {asked[1]} ms (p99)."
    if who == "stalled":
        let_go_s = _cell(outcome, "readers.stalled_let_go_s", "{:.0f}")
        said += (
            f" Who read nothing was let go after {let_go_s} s."
            if let_go_s
            else " Who read nothing was still there at the end."
        )
    return "\n".join(lines) + "\n\n" + said


def _values(outcome: Outcome, path: str) -> list[float]:
    found = []
    for run in outcome.runs:
        value: Any = run.notes
        for name in path.split("."):
            value = value.get(name) if value is not None else None
        if value is not None:
            found.append(float(value))
    return found


def _cell(outcome: Outcome, path: str, shape: str, turned: Callable[[float], float] = float) -> str:
    values = _values(outcome, path)
    return shape.format(turned(statistics.median(values))) if values else ""


def _between(outcomes: Sequence[Outcome], name: str, who: str, other: str) -> float | None:
    """Return the median difference of the rounds."""
    mine, theirs = of(outcomes, "paced", who), of(outcomes, "paced", other)
    if mine is None or theirs is None or not (mine.runs and theirs.runs):
        return None
    pairs = zip(_values(mine, name), _values(theirs, name), strict=False)
    return statistics.median(a - b for a, b in pairs)
