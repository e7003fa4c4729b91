"""Runs the sections of the benchmarks and writes RESULTS.md.

run     python -m benchmarks [engine files kafka …] [--queries 0,5] [--events N] [--peers duckdb]
        [--rounds 3] [--cores 1,2] [--quick] [--profile] [--write] [--report]
out     a line per run while it goes; then each section's tables. A full run (no --quick, --events,
        --peers, --profile) or one with --write is kept in results/<section>.json and RESULTS.md
"""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from benchmarks.harness import machine, report, rounds
from benchmarks.harness.contract import CHECKOUT, KEPT, Options, Outcome, Section

ORDER = ("engine", "files", "kafka", "latency", "growth", "serve")
"""The order of the report; a section that is not named here comes after these."""
RESULTS_FILE = CHECKOUT / "benchmarks" / "RESULTS.md"


def names() -> list[str]:
    """Return the sections there are."""
    found = {file.parent.name for file in Path(__file__).parent.glob("*/section.py")}
    return [n for n in ORDER if n in found] + sorted(found.difference(ORDER))


def section(name: str) -> Section:
    """Return a section's module."""
    return cast("Section", importlib.import_module(f"benchmarks.{name}.section"))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    asked.formatter_class = argparse.RawDescriptionHelpFormatter
    asked.add_argument("sections", nargs="*", metavar="section", help=", ".join(names()))
    asked.add_argument("--queries", type=_numbers, metavar="0,5", help="some queries only")
    asked.add_argument("--events", type=_number, metavar="N", help="events of the input")
    asked.add_argument("--peers", type=_words, metavar="a,b", help="beside ours only these")
    asked.add_argument("--rounds", type=int, metavar="N", help="of each contender (3)")
    asked.add_argument("--cores", type=_numbers, default=(), metavar="1,2", help="1, 2 or both")
    asked.add_argument("--quick", action="store_true", help="small inputs, one round")
    asked.add_argument("--profile", action="store_true", help="where our own time goes")
    asked.add_argument("--write", action="store_true", help="keep the figures of a trial as well")
    asked.add_argument("--report", action="store_true", help="only make RESULTS.md anew")
    parsed = asked.parse_args(given)
    unknown = set(parsed.sections).difference(names())
    if unknown:
        asked.error(f"no section '{min(unknown)}'; there are: {', '.join(names())}")
    return parsed


def options(given: argparse.Namespace) -> Options:
    """Return the options a section reads."""
    return Options(
        queries=given.queries,
        events=given.events,
        peers=given.peers,
        rounds=given.rounds or (1 if given.quick or given.profile else 3),
        quick=given.quick,
        profile=given.profile,
        cores=given.cores,
    )


def is_trial(asked: Options) -> bool:
    """Whether the figures are not those of the real thing."""
    return asked.quick or asked.profile or asked.events is not None or asked.peers is not None


def run(name: str, asked: Options, *, kept: bool) -> None:
    """Run one section and print what it gave; each case is kept as soon as it is done."""
    found = section(name)
    host = machine.describe()
    print(f"== {name}: {machine.line(host)}", flush=True)
    contenders = [replace(c, section=name) for c in found.contenders(asked)]
    commit, date = rounds.commit_now(), rounds.date_now()
    outcomes: list[Outcome] = []
    for case in dict.fromkeys(c.case for c in contenders):
        rivals = [c for c in contenders if c.case == case]
        given = rounds.run(rivals, asked.rounds, lambda line: print(line, flush=True))
        outcomes += [replace(o, commit=commit, date=date) for o in given]
        if kept:
            report.keep(name, outcomes, host)
    print("\n" + report.part(found, outcomes, host), flush=True)


def main() -> int:
    """Run what is asked for; a section that breaks does not keep the others from running."""
    given = arguments()
    asked = options(given)
    KEPT.mkdir(exist_ok=True)
    kept = given.write or not is_trial(asked)
    broken = 0
    for name in [] if given.report else given.sections or names():
        try:
            run(name, asked, kept=kept)
        except Exception:  # noqa: BLE001 (hours of other sections may be behind it or before it)
            traceback.print_exc()
            broken += 1
    if kept or given.report:
        RESULTS_FILE.write_text(report.whole([section(n) for n in names()]))
    return 1 if broken else 0


def _number(text: str) -> int:
    return int(text.replace("_", "").replace(",", ""))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


if __name__ == "__main__":
    sys.exit(main())
