"""Records Flink's answers to the cases: ``python -m tests.oracle.record [all | NAME …]``.

in      names, or parts of names, of cases; nothing: those whose recording is missing or stale
out     ``recorded/*.txt``; a line for each case whose answer is not what the case expects
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from millstream.errors import MillstreamError
from millstream.testing.cases import Case, Tick, read_case
from tests.oracle import recordings
from tests.oracle.ask import ask
from tests.oracle.compare import primary_keys, trouble

CASES = Path(__file__).parents[1] / "cases"


def all_cases() -> list[Case]:
    """Return the cases that Flink can be asked.

    Errors have no answer; Flink's processing time is the clock on the wall, so a case that sets
    the clock has none either; and there is no Python beside the runner to call functions in.
    """
    cases = (read_case(path) for path in sorted(CASES.glob("*.sql")))
    return [case for case in cases if not (case.error or _sets_clock(case) or _in_python(case))]


def _in_python(case: Case) -> bool:
    return re.search(r"\bLANGUAGE\s+PYTHON\b", case.sql, re.IGNORECASE) is not None


def _sets_clock(case: Case) -> bool:
    return any(isinstance(fed, Tick) or fed.read_at_ms for fed in case.feed)


def main(names: list[str]) -> int:
    """Record, and tell what differs."""
    every = all_cases()
    known = {case.name for case in every}
    for file in recordings.FOLDER.glob("*.txt"):
        if file.stem not in known and file.stem != "random":
            file.unlink()
            print(f"{file.name}: there is no such case any more")
    cases = [case for case in every if _wanted(case, names)]
    started = time.monotonic()
    answers = ask(cases) if cases else []
    assert len(answers) == len(cases), "Flink answers every case"
    recordings.FOLDER.mkdir(exist_ok=True)
    troubles = 0
    for case, answer in zip(cases, answers, strict=True):
        try:
            text = recordings.text_of(answer, case, primary_keys(case))
            (recordings.FOLDER / f"{case.name}.txt").write_text(text, encoding="utf-8")
            said = trouble(case)
        except MillstreamError as error:
            said = f"it has no plan here: {error}"
        if said:
            troubles += 1
            print(f"{case.name}: {said}")
    print(f"{len(cases)} recorded in {time.monotonic() - started:.0f} s, {troubles} differ")
    return 0


def _wanted(case: Case, names: list[str]) -> bool:
    if names:
        return names == ["all"] or any(name in case.name for name in names)
    known = recordings.read(case.name)
    return known is None or known.hash != recordings.hash_of(case)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
