"""How cost and memory grow: state, windows, joins, columns, keys; starting up; checkpoints.

case     a step of benchmarks/growth/steps.py, ``windows``, ``joins``, ``columns``, ``keys``,
         ``start`` or ``checkpoints``; ours alone takes part
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.harness.contract import (
    CHECKOUT,
    OURS,
    Contender,
    Options,
    Outcome,
    Target,
    of,
)
from benchmarks.harness.machine import version_of

NAME = "growth"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SIZES_QUICK = (10_000, 100_000, 1_000_000)
QUICK_STEPS = ("join inner", "count, changing", "tumble", "top 1")
KEYS, KEYS_QUICK = 10_000_000, 1_000_000
RATIO_MAX = 2.0
BYTES_MAX = 100
FIRST_S_MAX, AGAIN_S_MAX = 15.0, 2.5
LIMIT_S = 900.0
SHAPES = ("windows", "joins", "columns")
STEPS = (
    "join inner", "join inner, text key", "join inner, changing", "count, changing",
    "distinct, changing", "tumble", "tumble, one window", "hop", "session", "top 1", "newest row",
    "top 10", "over, rows", "over, all before", "normalize",
)  # fmt: skip
"""Those of steps.py that are run here; ``python -m benchmarks.growth.steps`` has all."""

METHOD = """\
*State*: processor time per batch of {rows:,} rows while a step holds so many rows per input
(median of 21 batches, one thread). A batch has as many different keys and as many results at each
size, X caches: 10 000 rows lie in them, ten million in memory."""


def contenders(options: Options) -> list[Contender]:
    """Return one child per case."""
    sizes = SIZES_QUICK if options.quick else SIZES
    keys = KEYS_QUICK if options.quick else KEYS
    steps = QUICK_STEPS if options.quick else STEPS
    told = ",".join(map(str, sizes))
    cases: dict[str, tuple[str, ...]] = {s: ("step", s, "--sizes", told) for s in steps}
    cases |= {s: ("shape", s) for s in SHAPES}
    cases |= {"keys": ("keys", str(keys)), "start": ("start",)}
    if not options.quick:
        cases["checkpoints"] = ("checkpoints",)
    return [_contender(case, words) for case, words in cases.items()]


def _contender(case: str, words: tuple[str, ...]) -> Contender:
    single = words[0] in ("step", "shape", "keys")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    paths = os.pathsep.join([str(CHECKOUT / "src"), str(CHECKOUT)])
    threads = {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1"} if single else {}
    return Contender(
        section=NAME,
        case=case,
        name=OURS,
        argv=(sys.executable, "-m", "benchmarks.growth.child", *words),
        env={"PYTHONPATH": paths, **threads},
        cores=tuple(cores[-1:] if single else cores[-2:]),
        version=version_of("millstream") or "",
        limit_s=LIMIT_S,
        compares=(),
    )


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """Return the aims of issue 5 about growth."""
    return [*_of_states(outcomes), *_of_keys(outcomes), *_of_starts(outcomes)]


def _of_states(outcomes: Sequence[Outcome]) -> list[Target]:
    wanted = f"at most {RATIO_MAX:g} times the smallest's cost per batch"
    found = []
    for outcome in _steps(outcomes):
        cost = _ms(outcome)
        sizes = sorted(cost)
        ratio = cost[sizes[-1]] / cost[sizes[0]]
        name = f"{outcome.contender.case}: {sizes[-1]:,} rows of state by {sizes[0]:,}"
        full = sizes[-1] == SIZES[-1]
        found.append(
            Target(
                name=name, wanted=wanted, found=f"{ratio:.1f} times",
                met=ratio <= RATIO_MAX if full else None,
            )
        )  # fmt: skip
    return found


def _of_keys(outcomes: Sequence[Outcome]) -> list[Target]:
    each = [_notes(outcomes, "keys", name) for name in ("of_process", "of_operator")]
    known = each[0] is not None and each[1] is not None
    found = f"{each[0]:.0f} of the process, {each[1]:.0f} of the step" if known else "not measured"
    return [
        Target(
            name="bytes a key of COUNT and SUM, beyond the key itself",
            wanted=f"at most {BYTES_MAX}",
            found=found,
            met=each[0] <= BYTES_MAX if each[0] is not None else None,
        )
    ]


def _of_starts(outcomes: Sequence[Outcome]) -> list[Target]:
    first = _notes(outcomes, "start", "first_s")
    again = _notes(outcomes, "start", "again_s")
    middle = None if again is None else statistics.median(again)
    return [
        Target(
            name="first row of the very first start (kernels are compiled)",
            wanted=f"at most {FIRST_S_MAX:g} s",
            found="not measured" if first is None else f"{first:.1f} s",
            met=None if first is None else first <= FIRST_S_MAX,
        ),
        Target(
            name="first row of any later start",
            wanted=f"at most {AGAIN_S_MAX:g} s",
            found="not measured" if middle is None else f"{middle:.2f} s",
            met=None if middle is None else middle <= AGAIN_S_MAX,
        ),
    ]


def text(outcomes: Sequence[Outcome]) -> str:
    """Return the tables: state, shapes, checkpoints."""
    from benchmarks.growth.steps import ROWS

    parts = [METHOD.format(rows=ROWS), _states(outcomes)]
    parts += [_shape(o) for name in SHAPES if (o := of(outcomes, name, OURS)) and o.runs]
    kept = of(outcomes, "checkpoints", OURS)
    if kept is not None and kept.runs:
        lines = kept.runs[-1].notes["lines"]
        parts += ["*Checkpoints* (one a second, 1 M keys in an open window)", *_tables(lines)]
    return "\n\n".join(part for part in parts if part)


def _tables(lines: dict[str, list[str]]) -> list[str]:
    return ["\n".join(lines["cost"]), "\n".join(lines["size"])]


def _states(outcomes: Sequence[Outcome]) -> str:
    found = {o.contender.case: _ms(o) for o in _steps(outcomes)}
    if not found:
        return ""
    sizes = sorted({size for cost in found.values() for size in cost})
    lines = [
        "| ms per batch, by rows of state | " + " | ".join(f"{s:,}" for s in sizes) + " |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for name, cost in found.items():
        cells = [f"{cost[s]:.2f}" if s in cost else "" for s in sizes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shape(outcome: Outcome) -> str:
    notes = outcome.runs[-1].notes
    sizes = notes["sizes"]
    lines = [
        f"| {notes['what']} | processor s per million rows | rows given |",
        "|---|---|---|",
        *(f"| {n} | {v['s']:.2f} | {v['rows_out']:,} |" for n, v in sizes.items()),
    ]
    return "\n".join(lines)


def _steps(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [o for o in outcomes if o.contender.case in STEPS and o.runs]


def _ms(outcome: Outcome) -> dict[int, float]:
    """Return the median of the rounds' ms per batch, by rows of state."""
    rounds = [run.notes["sizes"] for run in outcome.runs]
    return {int(s): statistics.median(r[s]["ms"] for r in rounds) for s in rounds[0]}


def _notes(outcomes: Sequence[Outcome], case: str, name: str) -> Any:
    outcome = of(outcomes, case, OURS)
    return outcome.runs[-1].notes[name] if outcome is not None and outcome.runs else None
