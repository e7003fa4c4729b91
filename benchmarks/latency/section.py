"""Latency at fixed rates, inside one process and from Kafka to Kafka.

case     ``inside-window``, ``kafka-keyed-eo100``; every case has one contender, ours. ``alo`` is at
         least once, ``eo100`` exactly once with a checkpoint every 100 ms
figures  in the ``notes`` of each run; several rounds: the median of each percentile
plots    results/latency-inside and one per delivery, PNG and SVG, where matplotlib is installed;
         made anew whenever RESULTS.md is, from the same figures
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.harness.contract import (
    CHECKOUT,
    OURS,
    RESULTS,
    Contender,
    Options,
    Outcome,
    Target,
    of,
)
from benchmarks.latency import places, relay
from benchmarks.latency.events import RATE_JUDGED
from benchmarks.latency.statements import AT_LEAST_ONCE, EXACTLY_ONCE, Delivery

from tests.servers import kafka
from tests.servers.shared import NoServer

if TYPE_CHECKING:
    from millstream.frame.measured_plot import Line

NAME = "latency"
INSIDE = ("stateless", "window", "join")
ALO = Delivery(AT_LEAST_ONCE, 1_000)
EO_100, EO_1000 = Delivery(EXACTLY_ONCE, 100), Delivery(EXACTLY_ONCE, 1_000)
BETWEEN = (
    ("stateless", ALO),
    ("keyed", ALO),
    ("window", ALO),
    ("join", ALO),
    ("stateless", EO_100),
    ("keyed", EO_100),
    ("window", EO_100),
    ("stateless", EO_1000),
    ("window", EO_1000),
    ("join", EO_1000),
)
SHOWN = ("p50", "p99", "p999", "p9999", "max")
LIMIT_S = 400.0
RELAY = "kafka-relay-alone"
WARM_S = 30.0
"""A broker compiles what it runs for about so long, on the same cores."""
_PATHS = {"PYTHONPATH": os.pathsep.join((str(CHECKOUT / "src"), str(CHECKOUT)))}

METHOD = """\
Every event has a planned time, and its latency counts from there, whether the generator was late
or the pipeline busy (no coordinated omission). Inside one process the clock stops when everything
that follows from the event within its turn is with the sinks, which count and forget; rates go
from 1 k/s to 80 % of the most that the case takes. `machine` is a process beside it
that sleeps a millisecond again and again: how much longer a sleep took. Medians of the rounds, ms.
"""
METHOD_KAFKA = """\
From Kafka to Kafka (Apache Kafka {version}, one node on the loopback; broker, pipeline, generator
and reader share the machine) `millstream run` reads JSON documents of about 240 bytes from a topic
of two partitions and writes JSON to another. The generator, a process of its own, wakes every
millisecond and writes what is due (`acks=all`, idempotent, no linger); the clock stops when the
reader's `consume()` returns with the result. `stateless` is a projection with a filter. `keyed`
is a running count per key (1 000 keys, every change is a row): an event counts until the first row
of its key that holds it. `window` counts per key in windows of 100 ms of event time, which
is planned time: a result counts from the planned time of the event whose watermark closes its
window. `join` is an interval join of two topics on a unique number, both events planned for the
same moment; each topic has half of the rate. The first quarter of a rate is not counted.

`alo` is at least once (with a checkpoint each second), `eo100` and `eo1000` exactly once with a
checkpoint each 100 ms and 1 s, read by a `read_committed` consumer. `commit` is what an epoch
takes from its end until it is with the sinks, as the pipeline's own log tells it: acknowledgements,
the checkpoint on disk, the transaction. What goes through is found with a burst, and the
rates go up to 80 % of it, or to the first one that is not kept up with. Afterwards every result of
the run is compared with what follows from the events sent. The broker has run for half a minute
before anything is measured. `relay-alone` is the same generator and the same reader on one topic,
with no pipeline between them: the events of a pipeline go through the broker once more.
"""


def contenders(options: Options) -> Sequence[Contender]:
    """Start a broker and return the cases; where there is none that half is told as missing."""
    try:
        address = places.start_broker()
        relay.warm(address, WARM_S)
        return cases(options, address)
    except (NoServer, subprocess.TimeoutExpired) as reason:
        return cases(options, "", str(reason))


def cases(options: Options, address: str, missing: str = "") -> Sequence[Contender]:
    """Return the cases of both halves."""
    seconds = ("--seconds", "2" if options.quick else "4")
    burst = ("--burst", "60000") if options.quick else ()
    found = [_contender(f"inside-{case}", ("inside", case, *seconds)) for case in INSIDE]
    found.append(_contender(RELAY, ("relay", "--broker", address, *seconds), missing))
    for case, delivery in BETWEEN:
        said = ("--delivery", delivery.guarantee, "--interval-ms", str(delivery.interval_ms))
        argv = ("kafka", case, "--broker", address, *said, *seconds, *burst)
        found.append(_contender(kafka_case(case, delivery), argv, missing))
    return found


def kafka_case(case: str, delivery: Delivery) -> str:
    """Return the name of a case from Kafka to Kafka."""
    how = f"eo{delivery.interval_ms}" if delivery.exactly_once else "alo"
    return f"kafka-{case}-{how}"


def targets(outcomes: Sequence[Outcome]) -> Sequence[Target]:
    """Return a line per aim."""
    found = [_target(outcomes, "inside-window", 200_000, "p9999", 16.0)]
    for case, aim_ms in (("stateless", 5.0), ("keyed", 15.0)):
        found.append(_target(outcomes, kafka_case(case, ALO), RATE_JUDGED, "p99", aim_ms))
    for case in ("stateless", "keyed"):
        name = kafka_case(case, EO_100)
        commit_ms = _commit_ms(outcomes, name)
        most_ms = None if commit_ms is None else EO_100.interval_ms + 2 * commit_ms
        found.append(_target(outcomes, name, RATE_JUDGED, "p99", most_ms, _EO_AIM))
    return found


_EO_AIM = "100 ms + 2 x the median commit"


def text(outcomes: Sequence[Outcome]) -> str:
    """Return method, plots and a table per case and rate."""
    inside = [o for o in outcomes if o.contender.case.startswith("inside")]
    between = [o for o in outcomes if o.contender.case.startswith("kafka")]
    pictures = {
        name: f"![Latency {title}](results/latency-{name}.png)"
        for name, (title, _) in _plots(outcomes).items()
    }
    parts = [METHOD, pictures.pop("inside", ""), _table(inside)]
    parts.append(METHOD_KAFKA.format(version=kafka.VERSION))
    parts += [*pictures.values(), _table(between), _most(between)]
    return "\n\n".join(part for part in (*parts, _wrong(between)) if part)


def draw(outcomes: Sequence[Outcome]) -> None:
    """Draw the plots of figures that are kept; without matplotlib they stay as they were."""
    from millstream.errors import MissingExtra
    from millstream.frame.measured_plot import plot

    with contextlib.suppress(MissingExtra):
        for name, (title, some) in _plots(outcomes).items():
            plot(_panels(some), f"Latency {title}", RESULTS / f"latency-{name}")


def _plots(outcomes: Sequence[Outcome]) -> dict[str, tuple[str, list[Outcome]]]:
    """Return the title and the cases of each plot, by its name."""
    found: dict[str, tuple[str, list[Outcome]]] = {}
    for outcome in outcomes:
        where, _, rest = outcome.contender.case.partition("-")
        how = rest.rpartition("-")[2]
        name, title = ("inside", "inside one process")
        if where == "kafka":
            name, title = f"kafka-{how}", f"from Kafka to Kafka, {how}"
        if outcome.runs:
            found.setdefault(name, (title, []))[1].append(outcome)
    return found


def _table(outcomes: Sequence[Outcome]) -> str:
    head = "| case | events/s | p50 | p99 | p99.9 | p99.99 | max | generator p99 | machine p99.99 "
    head += "| commit p50 | commit p99 |" if any(map(_commits, outcomes)) else "|"
    rows = [row for outcome in outcomes for row in _rows(outcome)]
    return "\n".join([head, "|---|" + "--:|" * (head.count("|") - 2), *rows]) if rows else ""


def _most(outcomes: Sequence[Outcome]) -> str:
    """Say what went through in the bursts, and where the generator was the limit."""
    said = []
    for outcome in outcomes:
        if outcome.runs:
            most = statistics.median(run.notes["most_per_s"] for run in outcome.runs)
            by = {run.notes["most_limited_by"] for run in outcome.runs}
            limit = " (the generator gave no more)" if "generator" in by else ""
            said.append(f"{outcome.contender.case} {most / 1e3:,.0f} k{limit}")
    return f"Events a second that went through in a burst: {', '.join(said)}." if said else ""


def _wrong(outcomes: Sequence[Outcome]) -> str:
    """Say whose results are not what follows from the events."""
    lines = []
    for outcome in outcomes:
        for number, run in enumerate(outcome.runs, 1):
            case = outcome.contender.case
            if not run.notes["right"]:
                lines.append(f"* {case}, round {number}: WRONG: {run.notes['wrong']}")
            elif run.notes["repeated"]:
                lines.append(f"* {case}, round {number}: {run.notes['repeated']:,} repeated")
    if lines:
        return "\n".join(lines)
    ran = any(o.runs for o in outcomes)
    return "Every result was there, once, with the right values." if ran else ""


def _contender(case: str, argv: tuple[str, ...], missing: str = "") -> Contender:
    module, *rest = argv
    return Contender(
        section=NAME,
        case=case,
        name=OURS,
        argv=(sys.executable, "-m", f"benchmarks.latency.{module}", *rest),
        env=_PATHS,
        cores=(0, 1),
        missing=missing,
        limit_s=LIMIT_S,
        compares=(),
    )


def _rates(outcome: Outcome) -> list[float]:
    """Return the rates of all rounds: fixed ones by value, shares of the most by their order.

    A round that stopped at one it did not keep up with has fewer.
    """
    longest = max((run.notes["rates"] for run in outcome.runs), key=len)
    return [at["events_per_s"] for at in longest]


def _at(outcome: Outcome, index: int) -> list[Mapping[str, Any]]:
    """Return what the rounds found at one rate."""
    runs = [run.notes["rates"] for run in outcome.runs]
    return [rates[index] for rates in runs if len(rates) > index]


def _median(found: Sequence[Mapping[str, Any]], part: str, key: str) -> float:
    return float(statistics.median(at[part][key] for at in found))


def _rows(outcome: Outcome) -> list[str]:
    if not outcome.runs:
        return []
    rows = []
    for index, _ in enumerate(_rates(outcome)):
        found = _at(outcome, index)
        rate = statistics.median(at["events_per_s"] for at in found)
        behind = "" if all(at.get("kept_up", True) for at in found) else " (did not keep up)"
        cells = [f"{_median(found, 'latency', key):.2f}" for key in SHOWN]
        cells.append(f"{_median(found, 'generator_late', 'p99'):.2f}")
        cells.append(f"{_median(found, 'stalls', 'p9999'):.2f}")
        cells += _commit_cells(outcome)
        name = outcome.contender.case
        rows.append(f"| {name} | {rate:,.0f}{behind} | " + " | ".join(cells) + " |")
    return rows


def _found_ms(outcomes: Sequence[Outcome], case: str, rate: float, key: str) -> float | None:
    outcome = of(outcomes, case, OURS)
    rounds = () if outcome is None else outcome.runs
    found = [at for run in rounds for at in run.notes["rates"] if at["events_per_s"] == rate]
    return _median(found, "latency", key) if found else None


def _commits(outcome: Outcome) -> list[Mapping[str, Any]]:
    """Return what each round says of its commits; nothing where there are none."""
    return [run.notes["commit"] for run in outcome.runs if "commit" in run.notes]


def _commit_cells(outcome: Outcome) -> list[str]:
    commits = _commits(outcome)
    if not commits:
        return []
    return [f"{statistics.median(c[key] for c in commits):.2f}" for key in ("p50", "p99")]


def _commit_ms(outcomes: Sequence[Outcome], case: str) -> float | None:
    outcome = of(outcomes, case, OURS)
    commits = [] if outcome is None else _commits(outcome)
    return float(statistics.median(c["p50"] for c in commits)) if commits else None


def _target(
    outcomes: Sequence[Outcome],
    case: str,
    rate: float,
    key: str,
    most_ms: float | None,
    aim: str = "",
) -> Target:
    found = _found_ms(outcomes, case, rate, key)
    said = "p99.99" if key == "p9999" else key
    known = "" if most_ms is None else f"{most_ms:.0f} ms"
    wanted = f"{aim} = {known}" if aim and known else aim or known
    return Target(
        name=f"{case} at {rate:,.0f} events/s, {said}",
        wanted=f"<= {wanted}",
        found="not measured" if found is None else f"{found:.2f} ms",
        met=None if found is None or most_ms is None else found <= most_ms,
    )


_LINES = (
    ("p50", "latency", "p50"),
    ("p99", "latency", "p99"),
    ("p99.9", "latency", "p999"),
    ("p99.99", "latency", "p9999"),
    ("machine, p99.99", "stalls", "p9999"),
)


def _panels(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Line]]]:
    """Return a panel for each case: its percentiles over the rates."""
    from millstream.frame.measured_plot import Line

    panels = []
    for outcome in outcomes:
        lines = []
        for label, part, key in _LINES:
            points = tuple(
                (rate, _median(_at(outcome, index), part, key))
                for index, rate in enumerate(_rates(outcome))
            )
            lines.append(Line(label, points, faint=part == "stalls"))
        panels.append((outcome.contender.case.partition("-")[2], lines))
    return panels
