"""Latency at fixed rates, inside one process.

case     ``inside-window``; every case has one contender, ours
figures  in the ``notes`` of each run; several rounds: the median of each percentile
plots    results/latency-inside, PNG and SVG, where matplotlib is installed;
         made anew whenever the report of the section is, from the same figures
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

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

NAME = "latency"
INSIDE = ("stateless", "window", "join")
SHOWN = ("p50", "p99", "p999", "p9999", "max")
LIMIT_S = 400.0
_PATHS = {"PYTHONPATH": os.pathsep.join((str(CHECKOUT / "src"), str(CHECKOUT)))}

METHOD = """\
Every event has a planned time, and its latency counts from there, whether the generator was late
or the pipeline busy (no coordinated omission). Inside one process the clock stops when everything
that follows from the event within its turn is with the sinks, which count and forget; rates go
from 1 k/s to 80 % of the most that the case takes. `machine` is a process beside it
that sleeps a millisecond again and again: how much longer a sleep took. Medians of the rounds, ms.
"""


def contenders(options: Options) -> Sequence[Contender]:
    """Return the cases."""
    seconds = "2" if options.quick else "4"
    return [_contender(f"inside-{case}", ("inside", case, "--seconds", seconds)) for case in INSIDE]


def targets(outcomes: Sequence[Outcome]) -> Sequence[Target]:
    """Return a line per aim."""
    return [_target(outcomes, "inside-window", 200_000, "p9999", 16.0)]


def text(outcomes: Sequence[Outcome]) -> str:
    """Return method, plots and a table per case and rate."""
    lines = [
        "| case | events/s | p50 | p99 | p99.9 | p99.99 | max | generator p99 | machine p99.99 |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [row for outcome in outcomes for row in _rows(outcome)]
    return "\n\n".join([METHOD, *_plots(outcomes), "\n".join(lines)])


def _contender(case: str, argv: tuple[str, ...]) -> Contender:
    module, *rest = argv
    return Contender(
        section=NAME,
        case=case,
        name=OURS,
        argv=(sys.executable, "-m", f"benchmarks.latency.{module}", *rest),
        env=_PATHS,
        cores=(0, 1),
        limit_s=LIMIT_S,
        compares=(),
    )


def _rates(outcome: Outcome) -> list[float]:
    """Return the rates of all rounds: fixed ones by value, shares of the most by their order."""
    return [at["events_per_s"] for at in outcome.runs[0].notes["rates"]]


def _at(outcome: Outcome, index: int) -> list[Mapping[str, Any]]:
    """Return what the rounds found at one rate; a round with other rates is left out."""
    count = len(_rates(outcome))
    runs = [run.notes["rates"] for run in outcome.runs]
    return [rates[index] for rates in runs if len(rates) == count]


def _median(found: Sequence[Mapping[str, Any]], part: str, key: str) -> float:
    return statistics.median(at[part][key] for at in found)


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
        name = outcome.contender.case
        rows.append(f"| {name} | {rate:,.0f}{behind} | " + " | ".join(cells) + " |")
    return rows


def _found_ms(outcomes: Sequence[Outcome], case: str, rate: float, key: str) -> float | None:
    outcome = of(outcomes, case, OURS)
    if outcome is None or not outcome.runs or rate not in _rates(outcome):
        return None
    return _median(_at(outcome, _rates(outcome).index(rate)), "latency", key)


def _target(
    outcomes: Sequence[Outcome], case: str, rate: float, key: str, most_ms: float
) -> Target:
    found = _found_ms(outcomes, case, rate, key)
    said = "p99.99" if key == "p9999" else key
    return Target(
        name=f"{case} at {rate:,.0f} events/s, {said}",
        wanted=f"<= {most_ms:.0f} ms",
        found="not measured" if found is None else f"{found:.2f} ms",
        met=None if found is None else found <= most_ms,
    )


def _plots(outcomes: Sequence[Outcome]) -> list[str]:
    """Draw what there is; return the lines that show it."""
    from millstream.errors import MissingExtra
    from millstream.frame.measured_plot import Line, plot

    shown = []
    for start, title in (("inside", "inside one process"),):
        panels = []
        for outcome in outcomes:
            if outcome.runs and outcome.contender.case.startswith(start):
                points = {
                    name: tuple(
                        (rate, _median(_at(outcome, index), part, key))
                        for index, rate in enumerate(_rates(outcome))
                    )
                    for name, part, key in (
                        ("p50", "latency", "p50"),
                        ("p99", "latency", "p99"),
                        ("p99.9", "latency", "p999"),
                        ("p99.99", "latency", "p9999"),
                        ("machine, p99.99", "stalls", "p9999"),
                    )
                }
                lines = [Line(n, p, faint=n.startswith("machine")) for n, p in points.items()]
                panels.append((outcome.contender.case.partition("-")[2], lines))
        try:
            files = plot(panels, f"Latency {title}", RESULTS / f"latency-{start}") if panels else []
        except MissingExtra:
            files = []
        shown += [f"![Latency {title}](results/{files[0].name})"] if files else []
    return shown
