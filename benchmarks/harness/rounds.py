"""Runs contenders in turn, several rounds interleaved, so that a slow minute meets them all.

in      contenders of one section, and how many rounds
out     one outcome per contender, in their order
method  case by case; in each round every contender of the case runs once, and the next round
        begins with the next contender. One that fails is not tried again: its runs so far stand
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.harness.contract import CHECKOUT, Contender, Measured, Outcome
from benchmarks.harness.measure import Failed, measure

Tell = Callable[[str], None]
Run = Callable[[Contender], Measured | Failed]


def run(
    contenders: Sequence[Contender], rounds: int, tell: Tell, run_one: Run = measure
) -> list[Outcome]:
    """Run all of them; ``tell`` is given a line after each run."""
    assert rounds >= 1, "there is one round at least"
    keys = [c.key for c in contenders]
    assert len(set(keys)) == len(keys), "a case has two contenders of one name"
    commit, date = commit_now(), date_now()
    outcomes = {c.key: Outcome(contender=c, commit=commit, date=date) for c in contenders}
    for case in dict.fromkeys(c.case for c in contenders):
        rivals = [c for c in contenders if c.case == case]
        for number in range(rounds):
            turn = number % len(rivals)
            for contender in rivals[turn:] + rivals[:turn]:
                so_far = outcomes[contender.key]
                if not so_far.failure:
                    given = run_one(contender)
                    outcomes[contender.key] = _added(so_far, given)
                    tell(_line(contender, given))
    return list(outcomes.values())


def commit_now() -> str:
    """Return the short commit of the checkout, with ``+`` where files differ from it."""
    asked = ("git", "describe", "--always", "--dirty=+", "--exclude=*")
    done = subprocess.run(asked, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no git"


def date_now() -> str:
    """Return the date and time, as reports say it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _added(outcome: Outcome, given: Measured | Failed) -> Outcome:
    if isinstance(given, Failed):
        return replace(outcome, failure=given.reason)
    return replace(outcome, runs=(*outcome.runs, given))


def _line(contender: Contender, given: Measured | Failed) -> str:
    head = f"{contender.case:>8}  {contender.name:<16}"
    if isinstance(given, Failed):
        return f"{head}  {given.reason.splitlines()[0][:100]}"
    return (
        f"{head}  {given.rate / 1e6:8.3f} M events/s  {given.seconds:8.3f} s"
        f"  cpu {given.cpu_s:7.1f} s  peak {given.memory_bytes_peak / 2**20:7.0f} MiB"
        f"  {given.rows:>12,} rows  {given.checksum or '-'}"
    )
