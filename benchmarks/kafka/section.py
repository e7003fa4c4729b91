"""Kafka to Kafka: JSON in, a windowed count, a filter or nothing between, JSON out.

case     ``window``, ``filter``, ``pass``; every contender has both cores, and so has the broker
events   ours, Flink and Spark read all of them; slower peers a topic with fewer of the same kind,
         and rates are compared. Each answer is compared with the one computed while loading
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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
from benchmarks.harness.measure import measure
from benchmarks.kafka import broker, peers
from benchmarks.kafka.environments import Missing
from benchmarks.kafka.workload import CASES, DOCUMENT_BYTES, PARTITIONS

from tests.servers import kafka
from tests.servers.shared import NoServer

NAME = "kafka"
EVENTS, EVENTS_QUICK, EVENTS_UNCOUNTED = 5_000_000, 300_000, 20_000
LIMIT_S = 400.0
RATE_WANTED = 500_000
TIMES_WANTED = {"flink": 2, "quix": 10, "bytewax": 10}
JUDGED = ("window", "filter")
_PART = {"pathway": 10, "quix": 10, "bytewax": 10}
"""A slower peer reads one in so many of the events."""
_PART_OF_PASS = 2
_PATHS = {"PYTHONPATH": os.pathsep.join((str(CHECKOUT / "src"), str(CHECKOUT)))}

METHOD = """\
A broker started by our own scripts (Apache Kafka {kafka}, one node on the loopback, the same two
cores as everybody) holds topics of {bytes}-byte JSON documents in {partitions} partitions, loaded
once before anything is measured. Each contender reads a topic from its beginning and writes JSON to
a new topic: `window` counts per user (1 000) in windows of 10 s of event time, the watermark 1 s
behind; `filter` keeps about 10 %; `pass` writes everything again and has no bar.

One watcher measures all alike. The clock begins when the broker gives out the first documents (its
own count of bytes written jumps) and stops when the last result row lies below the last stable
offset, which is what a `read_committed` consumer sees; it is asked every 20 ms. Starting a JVM,
importing and planning are not part of it; `start s` tells the time from the start of the process to
the first read. Whatever a contender does after its first read is part of it, compiling plans or
classes included; ours has run once before on this machine, which keeps its compiled kernels. Rows
are read, decoded, hashed and compared with the right answer after the clock has stopped. Processor
seconds and memory in the table above hold the whole child, that check included, but not the broker,
whose processor seconds within the clock are told here.

Checkpoints, transactions and commits come once a second where they come by time. Slower peers read
fewer of the same documents (column `events`), which leaves start-up costs after the first read a
larger part of their time; the rates are compared."""


def contenders(options: Options) -> list[Contender]:
    """Bring the peers, start the broker, load the topics, and return who runs."""
    whole = options.events or (EVENTS_QUICK if options.quick else EVENTS)
    wanted = [p for p in peers.PEERS.values() if options.wants(_peer_of(p.name))]
    missing = {peer.name: _missing(peer) for peer in wanted}
    sizes = {(case, peer.name): events(whole, case, peer.name) for case in CASES for peer in wanted}
    passed = {n for (case, _), n in sizes.items() if case == "pass"}
    counts = {n: n in passed for n in sorted(set(sizes.values()))} | {EVENTS_UNCOUNTED: True}
    try:
        run, _ = broker.prepare(counts, _cores())
        _compile(run)
    except (NoServer, subprocess.TimeoutExpired) as reason:
        run, missing = Path(), {peer.name: str(reason) for peer in wanted}
    return [
        _contender(case, peer, sizes[case, peer.name], run, missing[peer.name], whole)
        for case in CASES
        for peer in wanted
    ]


def _compile(run: Path) -> None:
    """Let ours run each case once over few events: its kernels are compiled once a machine."""
    for case in CASES:
        first = _contender(case, peers.PEERS[OURS], EVENTS_UNCOUNTED, run, "", EVENTS_UNCOUNTED)
        measure(first)  # a failure of it comes again, and is told, in the runs that count


def events(whole: int, case: str, name: str) -> int:
    """Return how many events a contender reads."""
    return whole // max(_PART.get(name, 1), _PART_OF_PASS if case == "pass" else 1)


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """Return the aims of issue 5, section 3; ours is the one that is exactly once."""
    found = []
    for case in JUDGED:
        ours = of(outcomes, case, OURS)
        rate = None if ours is None else ours.rate
        found.append(
            Target(
                name=f"{case}, exactly once",
                wanted=f">= {RATE_WANTED / 1e3:.0f} k events/s",
                found="not measured" if rate is None else f"{rate / 1e3:.0f} k events/s",
                met=None if rate is None else rate >= RATE_WANTED,
            )
        )
        for peer, times in TIMES_WANTED.items():
            times_found = ratio(outcomes, case, OURS, peer)
            found.append(
                Target(
                    name=f"{case}, beside {peer}",
                    wanted=f">= {times} times",
                    found="not measured" if times_found is None else f"{times_found:.1f} times",
                    met=None if times_found is None else times_found >= times,
                )
            )
    return found


def text(outcomes: Sequence[Outcome]) -> str:
    """Say what was measured; rates and ratios per case, and whose answer is not the right one."""
    method = METHOD.format(kafka=kafka.VERSION, bytes=DOCUMENT_BYTES, partitions=PARTITIONS)
    parts = [method, _who(outcomes), _table(outcomes), _wrong(outcomes)]
    return "\n\n".join(part for part in parts if part)


def _who(outcomes: Sequence[Outcome]) -> str:
    names = dict.fromkeys(o.contender.name for o in outcomes)
    known = [peers.PEERS[n] for n in names if n in peers.PEERS]
    return "\n".join(f"* {peer.name}: {peer.says}" for peer in known)


def _table(outcomes: Sequence[Outcome]) -> str:
    head = "| case | contender | events | k events/s | ours : it | start s | broker cpu s |"
    lines = [head, "|---|---|--:|--:|--:|--:|--:|"]
    for outcome in outcomes:
        if not outcome.runs or outcome.rate is None:
            continue
        case, name = outcome.contender.key
        run = outcome.runs[-1]
        times = ratio(outcomes, case, OURS, name)
        cells = (
            case,
            name,
            f"{run.events:,}",
            f"{outcome.rate / 1e3:.0f}",
            "" if times is None or name == OURS else f"{times:.1f}",
            f"{run.notes['start_s']:.1f}",
            f"{run.notes['broker_cpu_s']:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _wrong(outcomes: Sequence[Outcome]) -> str:
    """Say whose answer is not the one computed from the documents."""
    lines = []
    for outcome in outcomes:
        bad = [run for run in outcome.runs if not run.notes["right"]]
        if bad:
            expected = bad[0].notes["rows_expected"]
            lines.append(
                f"* {outcome.contender.case}: {outcome.contender.name} gave a wrong answer in "
                f"{len(bad)} of {len(outcome.runs)} rounds: {bad[0].rows:,} rows, right are "
                f"{expected:,}" + ("; the values differ" if bad[0].rows == expected else "")
            )
    if lines:
        return "\n".join(lines)
    return "Every answer was the right one." if any(o.runs for o in outcomes) else ""


def _contender(
    case: str, peer: peers.Peer, count: int, run: Path, missing: str, whole: int
) -> Contender:
    said = ("--run", str(run), "--peer", peer.name, "--case", case, "--events", str(count))
    return Contender(
        section=NAME,
        case=case,
        name=peer.name,
        argv=(sys.executable, "-m", "benchmarks.kafka.child", *said),
        env=_PATHS,
        cores=_cores(),
        version=peer.version(),
        missing=missing,
        limit_s=LIMIT_S,
        compares=("rows", "checksum") if count == events(whole, case, OURS) else (),
    )


def _missing(peer: peers.Peer) -> str:
    try:
        peer.prepare()
    except Missing as reason:
        return str(reason)
    return ""


def _peer_of(name: str) -> str:
    """Return the name a peer is asked for by: ours has a second one."""
    return OURS if name == peers.AT_LEAST_ONCE else name


def _cores() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0))[-2:])
