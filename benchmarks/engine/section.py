"""Nexmark from columns in memory to a checksum: ours beside DuckDB and Polars with one batch.

case     ``q5`` on one core, ``q5/2`` on two; contenders of a case read the same Arrow file
profile  ours alone; where py-spy is installed, .bench/profiles/qN.svg shows the measured part
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.engine import aims
from benchmarks.harness.contract import (
    CHECKOUT,
    OURS,
    Contender,
    Options,
    Outcome,
    Target,
    of,
    ratio,
)
from benchmarks.harness.machine import version_of

NAME = "engine"
EVENTS = 10_000_000
EVENTS_QUICK = 1_000_000
QUERIES = tuple(range(24))
LIMIT_S = 900.0
NOT_AS_A_WHOLE = {10: "it writes files, which no batch engine is asked to"}
NOT_IN_POLARS = {6: "an average over the rows before, which Polars says a frame at a time"}
COMPARED = {6: ("rows",), 12: ("checksum",)}
_PATHS = {"PYTHONPATH": os.pathsep.join((str(CHECKOUT / "src"), str(CHECKOUT)))}
PEERS = {"duckdb": "in_duckdb", "duckdb-flat": "in_duckdb", "polars": "in_polars"}

METHOD = """\
Nexmark, {events} events at 100 000 a second of event time, made once by our own generator and
mapped as Arrow columns with every page in memory before a clock starts; the watermark is 4 s
behind. Ours reads chunks of at most 20 000 rows and gives out every change of every chunk, old
rows included. DuckDB and Polars run the same query once over everything. All results go into one
sink: a hash over every value, added up so that the order of rows does not matter; a row taken
back is subtracted.

A case is one pinned core (`POLARS_MAX_THREADS=1`, one Numba thread, DuckDB `threads = 1`); `/2`
is two cores. Each process first runs the query over 200 000 events: kernels and plans are not in
the figures (`start s` holds all that). `duckdb-flat` has persons, auctions and bids as three flat
tables made beforehand, which spares it what ours and `duckdb` do within the clock. q0 to q2 are
outside of the geometric mean; q10 writes files and is not compared; q12 goes by the clock: DuckDB
and Polars count one window, and only the sum of counts is compared; q6 orders a seller's auctions
by time alone, and at this rate many of them fall into one millisecond, where SQL leaves the order
open, so only its rows are counted (at 400 events a second the tests compare its values)."""
_BY_PROCESSOR = """\
M events per processor second within the clock (all threads; what other work on the machine takes is
left out), and ours to DuckDB's by the clock on the wall:"""


def contenders(options: Options) -> list[Contender]:
    """Make the events and return everybody who runs."""
    count = options.events or (EVENTS_QUICK if options.quick else EVENTS)
    make_events(count)
    chosen = options.queries if options.queries is not None else QUERIES
    cores = options.cores or ((1,) if options.profile or options.quick else (1, 2))
    return [
        contender
        for query in chosen
        for number in cores
        for contender in _of_query(query, number, count, options)
    ]


def make_events(count: int) -> None:
    """Write the events unless they are there; in a process that gives its memory back."""
    argv = (sys.executable, "-m", "benchmarks.engine.events", str(count))
    subprocess.run(argv, cwd=CHECKOUT, env={**os.environ, **_PATHS}, check=True)


def _of_query(query: int, cores: int, count: int, options: Options) -> list[Contender]:
    made = [_contender(OURS, query, cores, count, profile=options.profile)]
    if options.profile:
        return made
    wanted = [p for p in PEERS if options.wants(p) and query not in NOT_AS_A_WHOLE]
    return made + [_contender(peer, query, cores, count) for peer in wanted]


def _contender(
    name: str, query: int, cores: int, count: int, *, profile: bool = False
) -> Contender:
    module = PEERS.get(name, "ours")
    arguments = ["--query", str(query), "--events", str(count), *(["--profile"] if profile else [])]
    peer = name.split("-", maxsplit=1)[0]
    can = not (name == "polars" and query in NOT_IN_POLARS)
    return Contender(
        section=NAME,
        case=f"q{query}" if cores == 1 else f"q{query}/{cores}",
        name=name,
        argv=(sys.executable, "-m", f"benchmarks.engine.{module}", *arguments),
        env={
            "POLARS_MAX_THREADS": str(cores),
            "NUMBA_NUM_THREADS": str(cores),
            "MS_BENCH_THREADS": str(cores),
            "MS_BENCH_FLAT": "1" if name == "duckdb-flat" else "0",
            **_PATHS,
        },
        cores=_last_cores(cores),
        version=version_of(peer) or "",
        missing="" if can else NOT_IN_POLARS[query],
        limit_s=LIMIT_S,
        compares=COMPARED.get(query, ("rows", "checksum")),
    )


def _last_cores(count: int) -> tuple[int, ...]:
    """Return the last cores there are: the first one serves most interrupts."""
    if not hasattr(os, "sched_getaffinity"):
        return tuple(range(count))
    return tuple(sorted(os.sched_getaffinity(0))[-count:])


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """Return the aims of issue 5: rates per query, and the two about DuckDB."""
    return aims.targets(outcomes)


def text(outcomes: Sequence[Outcome]) -> str:
    """Say what was measured; tell ratios to DuckDB, and where our own time goes."""
    counts = sorted({run.events for o in outcomes for run in o.runs})
    shown = ", ".join(f"{count:,}" for count in counts) or "no"
    parts = [
        METHOD.format(events=shown),
        means(outcomes),
        by_processor(outcomes),
        steps(outcomes),
    ]
    return "\n\n".join(part for part in parts if part)


def means(outcomes: Sequence[Outcome]) -> str:
    """Return the geometric means of our rate to each peer's, one line per number of cores."""
    lines = []
    for end, cores in (("", "one core"), ("/2", "two cores")):
        for peer in PEERS:
            found = aims.ratios(outcomes, peer, end)
            if found:
                mean = math.exp(sum(map(math.log, found.values())) / len(found))
                worst = min(found, key=lambda case: found[case])
                lines.append(
                    f"| {cores} | {peer} | {mean:.2f} | {found[worst]:.2f} ({worst})"
                    f" | {len(found)} |"
                )
    head = "| on | ours : | geometric mean | least | queries |\n|---|---|--:|--:|--:|\n"
    return head + "\n".join(lines) if lines else ""


def by_processor(outcomes: Sequence[Outcome]) -> str:
    """Return M events per second of the processor within the clock: steadier than time passed."""
    cases = list(dict.fromkeys(o.contender.case for o in outcomes))
    names = (OURS, *PEERS)
    lines = [
        _BY_PROCESSOR,
        "",
        f"| | {' | '.join(names)} | ours : duckdb |",
        "|---|" + "--:|" * (len(names) + 1),
    ]
    for case in cases:
        cells = []
        for name in names:
            found = of(outcomes, case, name)
            rates = [r.events / r.notes["cpu_s"] / 1e6 for r in found.runs] if found else []
            cells.append(f"{sorted(rates)[len(rates) // 2]:.2f}" if rates else "")
        to_duckdb = ratio(outcomes, case, OURS, "duckdb")
        cells.append("" if to_duckdb is None else f"{to_duckdb:.2f}")
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def steps(outcomes: Sequence[Outcome]) -> str:
    """Return where our time goes: the steps of each query that have a part worth the name."""
    lines = []
    for outcome in outcomes:
        if outcome.contender.name != OURS or not outcome.runs:
            continue
        run = outcome.runs[-1]
        busy_s = sum(step[3] for step in run.notes["steps"]) or 1.0
        for label, rows_in, rows_out, step_s in run.notes["steps"]:
            if step_s >= busy_s / 50:
                short = label if len(label) <= 90 else label[:87] + "..."
                short = short.replace("|", "\\|")
                lines.append(
                    f"| {outcome.contender.case} | {short} | {rows_in:,} | {rows_out:,} "
                    f"| {step_s:.3f} | {step_s / busy_s:.0%} |"
                )
    if not lines:
        return ""
    head = "### Where our time goes\n\n| | step | rows in | rows out | busy s | part |\n"
    return head + "|---|---|--:|--:|--:|--:|\n" + "\n".join(lines)
