"""Keeps outcomes as JSON, one file a section, and makes RESULTS.md anew from all of them.

in      outcomes of a run; the files of ``benchmarks/results``
out     ``results/<section>.json`` and ``RESULTS.md``: per section its machine, text, a table of
        every contender, disagreements, failures, each target with its figure, and the section's
        file in ``benchmarks/misses``
state   a run of some cases replaces these cases in the file; each outcome has its own commit and
        date, so that nothing passes as measured together that was not
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harness import machine
from benchmarks.harness.answers import disagreements
from benchmarks.harness.contract import (
    CHECKOUT,
    OURS,
    RESULTS,
    Contender,
    Drawn,
    Measured,
    Outcome,
    Section,
    Target,
    ratio,
)

MISSES = CHECKOUT / "benchmarks" / "misses"
"""What is written by hand about the aims a section misses: profiles, and what was tried."""
INTRODUCTION = """# Results

Made by `make bench` from the files in [results](results), and from [misses](misses), where people
say why an aim is missed; do not edit. What is measured and how is
in [README.md](README.md). Every figure is the median of its rounds; the spread is (slowest -
fastest) / median; ratios are formed round by round, and their median is given. Compare only within
a section.
"""


def keep(
    section: str, outcomes: Sequence[Outcome], host: Mapping[str, Any], folder: Path = RESULTS
) -> None:
    """Put outcomes into the file of their section, in place of those of the same cases."""
    file = folder / f"{section}.json"
    before = load(file)[0] if file.exists() else []
    cases = {o.contender.case for o in outcomes}
    all_of_them = [o for o in before if o.contender.case not in cases] + list(outcomes)
    all_of_them.sort(key=lambda o: _natural(o.contender.case))
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "section": section,
        "machine": dict(host),
        "outcomes": [_plain(o) for o in all_of_them],
    }
    file.write_text(json.dumps(document, indent=1) + "\n")


def load(file: Path) -> tuple[list[Outcome], dict[str, Any]]:
    """Return the outcomes of a file, and the machine."""
    document = json.loads(file.read_text())
    return [_outcome(o) for o in document["outcomes"]], document["machine"]


def whole(sections: Sequence[Section], folder: Path = RESULTS) -> str:
    """Return RESULTS.md, from the files of the sections that have one."""
    parts = [INTRODUCTION]
    for section in sections:
        file = folder / f"{section.NAME}.json"
        if file.exists():
            outcomes, host = load(file)
            parts.append(part(section, outcomes, host))
            if isinstance(section, Drawn):
                section.draw(outcomes)
    return "\n".join(parts)


def part(section: Section, outcomes: Sequence[Outcome], host: Mapping[str, Any]) -> str:
    """Return what a section says: its own text, and what every section has."""
    blocks = [
        f"## {section.NAME.capitalize()}",
        machine.line(dict(host)) + ".",
        _when(outcomes) + _load(outcomes),
        section.text(outcomes).strip(),
        "### Every contender",
        table(outcomes),
        "### Answers",
        "\n".join(f"* **{text}**" for text in disagreements(outcomes))
        or "All answers that can be compared agree (rows and checksum of the final result).",
    ]
    failures = [o for o in outcomes if o.failure]
    if failures:
        blocks += ["### What did not run", "\n".join(map(_failure, failures))]
    targets = section.targets(outcomes)
    if targets:
        blocks += ["### Aims", aims(targets)]
    said = MISSES / f"{section.NAME}.md"
    if said.exists():
        blocks += ["### Where the time goes that is missed", said.read_text().strip()]
    return "\n\n".join(block for block in blocks if block) + "\n"


def table(outcomes: Sequence[Outcome]) -> str:
    """Return one line per contender that ran; ``start s`` is its life less what it counted."""
    head = (
        "case | contender | cores | M events/s | per core | spread | ours : it | CPU s | peak MiB"
    )
    lines = [
        f"| {head} | start s | rows |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [_row(o, outcomes) for o in outcomes if o.runs]
    return "\n".join(lines)


def aims(targets: Sequence[Target]) -> str:
    """Return one line per target."""
    words = {True: "met", False: "**missed**", None: "not measured"}
    lines = ["| aim | wanted | found | |", "|---|---|---|---|"]
    lines += [f"| {t.name} | {t.wanted} | {t.found} | {words[t.met]} |" for t in targets]
    return "\n".join(lines)


def _row(outcome: Outcome, outcomes: Sequence[Outcome]) -> str:
    contender, runs = outcome.contender, outcome.runs
    assert outcome.rate is not None, "an outcome with runs has a rate"
    assert outcome.rate_per_core is not None, "an outcome with runs has a rate"
    ours = None if contender.name == OURS else ratio(outcomes, contender.case, OURS, contender.name)
    cells = (
        contender.case,
        f"{contender.name} {contender.version}".strip(),
        len(contender.cores),
        f"{outcome.rate / 1e6:.3f}",
        f"{outcome.rate_per_core / 1e6:.3f}",
        "" if outcome.spread is None else f"{outcome.spread:.0%}",
        "" if ours is None else f"{ours:.2f}",
        f"{statistics.median(r.cpu_s for r in runs):.1f}",
        f"{max(r.memory_bytes_peak for r in runs) / 2**20:.0f}",
        f"{statistics.median(r.wall_s - r.seconds for r in runs):.1f}",
        f"{runs[-1].rows:,}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _failure(outcome: Outcome) -> str:
    contender = outcome.contender
    first, *more = outcome.failure.splitlines()
    told = f"* {contender.case}, {contender.name}: {first}"
    return told + (f"\n  ```text\n{_indented(more)}\n  ```" if more else "")


def _indented(lines: Sequence[str]) -> str:
    return "\n".join("  " + line for line in lines)


def _when(outcomes: Sequence[Outcome]) -> str:
    """Say when each case was measured, in one sentence where it was one run."""
    runs: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        cases = runs.setdefault((outcome.date, outcome.commit), [])
        if outcome.contender.case not in cases:
            cases.append(outcome.contender.case)
    if len(runs) == 1:
        (date, commit) = next(iter(runs))
        return f"Measured on {date} at commit {commit}, in one run."
    said = [f"{', '.join(cases)}: {date} at {commit}" for (date, commit), cases in runs.items()]
    return "Measured in several runs: " + "; ".join(said) + "."


def _load(outcomes: Sequence[Outcome]) -> str:
    """Say how busy the machine was with other things: figures of a loaded one are too low."""
    loads = [run.load for outcome in outcomes for run in outcome.runs]
    if not loads:
        return ""
    return (
        f" Load of the machine (1 minute) when a run began: median {statistics.median(loads):.1f},"
        f" highest {max(loads):.1f}; about 1 per core in use comes from the runs themselves."
    )


def _natural(case: str) -> tuple[str, int, str]:
    """Sort q2 before q10."""
    lead = case.rstrip("0123456789")
    first = next((i for i, c in enumerate(case) if c.isdigit()), len(case))
    digits = ""
    for c in case[first:]:
        if not c.isdigit():
            break
        digits += c
    return (case[:first], int(digits) if digits else -1, lead + case[first:])


def _plain(outcome: Outcome) -> dict[str, Any]:
    """Return what is kept: not how it was started, which holds paths of the machine."""
    plain = asdict(outcome)
    for name in ("argv", "env"):
        del plain["contender"][name]
    return plain


def _outcome(plain: dict[str, Any]) -> Outcome:
    contender = dict(plain["contender"])
    contender["cores"] = tuple(contender["cores"])
    contender["compares"] = tuple(contender["compares"])
    return Outcome(
        contender=Contender(argv=(), **contender),
        runs=tuple(Measured(**run) for run in plain["runs"]),
        failure=plain["failure"],
        commit=plain["commit"],
        date=plain["date"],
    )
