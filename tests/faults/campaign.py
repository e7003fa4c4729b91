"""The long run: every fault in its long form, into RESULTS.md (``make faults``).

in      the commit that is checked out; numbers from the environment, by the defaults below; the
        names of stages, where not all are to run; ``again``: of these only the tests that failed
out     RESULTS.md beside this file: per stage its commit and date, then a row per fault with its
        figures. What a stage found stays in ``.faults/``: one not run again is told as it was
exit    0 only when every test of the stages that ran passed
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.table import ELSEWHERE, FAULTS, REASONS

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("RESULTS.md")
TOLD_S = 60.0
NUMBER = re.compile(r"::test_f(\d\d)_")
NUMBERS = {"SIMULATOR_SEEDS": "2000", "RANDOM_QUERIES": "5000", "SOAK_S": "1800"}
OF_STAGE = {
    "soak": ("SOAK_S",), "simulator": ("SIMULATOR_SEEDS",), "random queries": ("RANDOM_QUERIES",),
}  # fmt: skip
KEPT = ROOT / ".faults"
Found = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Ran:
    """What one stage came to."""

    stage: str
    commit: str
    ended_at: str
    minutes: float
    code: int
    numbers: dict[str, str]
    tests: Found
    again: dict[str, str] = field(default_factory=dict)
    """Tests that failed and were run again: at which commit, and how they had failed."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of pytest."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    beside: bool = False
    """Runs while the others do."""


def stages() -> list[Stage]:
    seeds, queries, soak_s = (os.environ.get(f"MILLSTREAM_{n}", d) for n, d in NUMBERS.items())
    return [
        Stage("soak", ("tests/faults/test_soak.py",), {"MILLSTREAM_SOAK_S": soak_s}, beside=True),
        Stage(
            "faults",
            ("-n", "2", "--dist", "worksteal", "tests/faults",
             "--ignore=tests/faults/test_soak.py"),
            {},
        ),
        Stage("simulator", ("-n", "2", "tests/simulator"), {"MILLSTREAM_SIMULATOR_SEEDS": seeds}),
        Stage(
            "random queries", ("-n", "2", "tests/oracle/test_random.py"),
            {"MILLSTREAM_RANDOM_QUERIES": queries},
        ),
    ]  # fmt: skip


class Running:
    """A stage at work; its output goes to a file of its own."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.log = folder / f"{stage.name.replace(' ', '-')}.log"
        self.report = self.log.with_suffix(".json")
        self.begun_s = time.monotonic()
        self.begun_at_s = time.time()
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-q", "-p", "tests.faults.report",
                 "-p", "no:cacheprovider", *stage.arguments],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, "MILLSTREAM_FAULTS": "long",
                     "MILLSTREAM_FAULTS_REPORT": str(self.report), **stage.environment},
            )  # fmt: skip

    def wait(self) -> Found:
        told_s = time.monotonic()
        while self.process.poll() is None:
            time.sleep(0.5)
            if time.monotonic() - told_s >= TOLD_S:
                told_s = time.monotonic()
                lines = self.log.read_text(errors="replace").splitlines()
                self.say(lines[-1] if lines else "…")
        found: Found = json.loads(self.report.read_text()) if self.report.exists() else {}
        ended = {0: "passed", 5: "no tests"}.get(self.process.returncode, "FAILED")
        self.say(f"{ended} ({len(found)} tests)")
        if self.process.returncode:
            print(self.log.read_text(errors="replace")[-6000:], flush=True)
        return found

    def say(self, text: str) -> None:
        at_s = time.monotonic() - self.begun_s
        print(f"[{self.stage.name} {at_s / 60:4.1f} min] {text}", flush=True)


def main() -> int:
    """Run the stages and write what came out."""
    folder = Path(tempfile.mkdtemp(prefix="millstream-faults-"))
    commit = _git("rev-parse", "--short", "HEAD")
    page = RESULTS.relative_to(ROOT)
    if _git("status", "--porcelain", "--", "src", "tests", f":!{page}"):
        commit += " with local changes"
    words = [word.replace("-", " ") for word in sys.argv[1:]]
    asked = [word for word in words if word != "again"]
    names = [stage.name for stage in stages()]
    if unknown := sorted(set(asked).difference(names)):
        known = ", ".join(name.replace(" ", "-") for name in (*names, "again"))
        print(f"There is no stage {unknown}: {known}.", file=sys.stderr)
        return 2
    wanted = [stage for stage in stages() if not asked or stage.name in asked]
    # No restart's time is that of a compiler, and no limit is met by one.
    subprocess.run([sys.executable, "-m", "millstream.cli", "warmup"], cwd=ROOT, check=True)
    if "again" in words:
        codes = [_again(stage, folder, commit) for stage in wanted]
    else:
        codes = _all(wanted, folder, commit)
    RESULTS.write_text(text([_ran(name) for name in names]))
    print(f"logs in {folder}; results in {page}", flush=True)
    return 1 if any(codes) else 0


def _all(wanted: list[Stage], folder: Path, commit: str) -> list[int]:
    beside: list[Running] = []
    codes: list[int] = []
    for stage in wanted:
        running = Running(stage, folder)
        print(f"[{stage.name}] begins", flush=True)
        if stage.beside:
            beside.append(running)
        else:
            codes.append(_kept(running, commit))
    return codes + [_kept(running, commit) for running in beside]


def _again(stage: Stage, folder: Path, commit: str) -> int:
    """Run what failed in a stage once more; what it had said is kept beside what it says now."""
    ran = _ran(stage.name)
    if ran is None:
        return 0
    failed = {name: said for name, said in ran.tests.items() if said["outcome"] == "failed"}
    if not failed:
        return ran.code
    running = Running(replace(stage, arguments=tuple(failed)), folder)
    tests = running.wait()
    why = {name: f"at {commit}; before: {_last_line(said)}" for name, said in failed.items()}
    missing = set(failed).difference(tests)
    code = running.process.returncode or int(bool(missing))
    _keep(replace(ran, code=code, tests=ran.tests | tests, again=ran.again | why))
    return code


def _kept(running: Running, commit: str) -> int:
    """Wait for a stage and keep what it found, for this page and later ones."""
    tests = running.wait()
    # One that ran beside the others may have ended long before anybody asks.
    ended_s = running.log.stat().st_mtime
    ran = Ran(
        running.stage.name,
        commit,
        f"{datetime.fromtimestamp(ended_s, UTC):%Y-%m-%d %H:%M}",
        (ended_s - running.begun_at_s) / 60,
        running.process.returncode,
        {n: os.environ.get(f"MILLSTREAM_{n}", d) for n, d in NUMBERS.items()},
        tests,
    )
    _keep(ran)
    return ran.code


def _keep(ran: Ran) -> None:
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{ran.stage}.json").write_text(json.dumps(asdict(ran)))


def _ran(stage: str) -> Ran | None:
    path = KEPT / f"{stage}.json"
    return Ran(**json.loads(path.read_text())) if path.exists() else None


def text(ran: list[Ran | None]) -> str:
    """The page."""
    there = [r for r in ran if r is not None]
    tests = {name: said for r in there for name, said in r.tests.items()}
    lines = [
        "# The long run",
        "",
        "Written by `make faults`; how each is made: [reliability](../../docs/reliability.md).",
        f"Machine: {_machine()}.",
        "",
        "| stage | commit | ended (UTC) | minutes | passed | failed | exit |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in there:
        passed, failed = (
            sum(s["outcome"] == outcome for s in r.tests.values())
            for outcome in ("passed", "failed")
        )
        lines.append(
            f"| {r.stage} | `{r.commit}` | {r.ended_at} | {r.minutes:.0f} | {passed} | {failed} "
            f"| {r.code} |"
        )
    numbers = {n: r.numbers[n] for r in there for n in OF_STAGE.get(r.stage, ())}
    lines += [
        "",
        ", ".join(f"{n.lower().replace('_', ' ')} {v}" for n, v in numbers.items()) + ".",
        "",
        "| | fault | result | tests | figures |",
        "|---|---|---|---|---|",
    ]
    for number, fault in FAULTS.items():
        mine = {n: s for n, s in tests.items() if _number(n) == number}
        result, count = _result(number, mine)
        lines.append(f"| F{number} | {fault} | {result} | {count} | {_figures(mine)} |")
    failures = [(n, s) for n, s in tests.items() if s["outcome"] == "failed"]
    for name, said in failures:
        lines += ["", f"**{name}** failed: `{_last_line(said)}`"]
    again = {name: why for r in there for name, why in r.again.items()}
    if again:
        lines += ["", "Run again, for they had failed:", ""]
        lines += [f"* `{name}` {why}" for name, why in again.items()]
    return "\n".join([*lines, ""])


def _last_line(said: dict[str, Any]) -> str:
    """Return what a failure says: the last line of an error, not of the traceback's places."""
    lines = [
        line.removeprefix("E").strip() for line in said["text"].splitlines() if line[:1] == "E"
    ]
    return (lines or said["text"].strip().splitlines() or [""])[-1][:200]


def _number(name: str) -> int | None:
    match = NUMBER.search(name)
    if match is not None:
        return int(match[1])
    return next((n for n, files in ELSEWHERE.items() if name.startswith(files)), None)


def _result(number: int, mine: Found) -> tuple[str, int]:
    ran = {n: s for n, s in mine.items() if s["outcome"] != "skipped"}
    if number in REASONS:
        return f"not yet: {REASONS[number]}", 0
    if any(s["outcome"] == "failed" for s in ran.values()):
        return "**fail**", len(ran)
    return ("pass", len(ran)) if ran else ("**not run**", 0)


def _figures(mine: Found) -> str:
    """Counts of a fault's tests are added up, other figures are the largest."""
    together: dict[str, float] = {}
    words: list[str] = []
    for said in mine.values():
        for name, value in said["notes"].items():
            if not isinstance(value, int | float):
                words.append(f"{name} {value}")
            elif isinstance(value, int):
                together[name] = together.get(name, 0) + value
            else:
                together[name] = max(together.get(name, value), value)
    figures = [
        f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int)
        else f"{name.replace('_', ' ')} {value:.2f}"
        for name, value in together.items()
    ]  # fmt: skip
    return ", ".join(figures + words).replace(",", " ") if not words else ", ".join(figures + words)


def _machine() -> str:
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{os.cpu_count()} cores, {pages / 2**30:.0f} GiB, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}"
    )


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
