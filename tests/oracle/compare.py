"""Tells what a case expects from what Flink answered.

in      a case; its recording
out     a sentence about the difference, or "" where there is none
rules   a gap that the case declares must be one; a row that our engine rejects ends Flink's job;
        columns by name and place; appended rows as a multiset, updating results folded
"""

from __future__ import annotations

from collections import Counter

from millstream.plan.table import Table
from millstream.testing.cases import Case, Expected
from millstream.testing.run_case import planned
from tests.oracle import recordings, rows

RENEW = "run 'make oracle' and look at what changed"


def primary_keys(case: Case) -> dict[str, tuple[str, ...]]:
    """Return the keys of the sinks that have one."""
    return {name: table.primary_key for name, table in _sinks(case).items()}


def trouble(case: Case) -> str:
    """Compare a case with its recording."""
    known = recordings.read(case.name)
    if known is None:
        return f"Flink's answer is not recorded: {RENEW}"
    if known.hash != recordings.hash_of(case):
        return f"the case was changed after Flink was asked: {RENEW}"
    difference = _difference(case, known)
    if "flink" in case.gaps:
        line = "'-- targets  flink gap: …' is to go"
        return "" if difference else f"Flink gives what the case expects, so {line}"
    if difference and known.outcome == "failed" and case.rejected:
        return ""  # where Flink's job ends, ours rejects a row and goes on
    return difference


def _difference(case: Case, known: recordings.Recording) -> str:
    if known.outcome != "rows":
        return f"{known.outcome} by Flink: {known.error}"
    sinks = _sinks(case)
    first = next(iter(sinks))
    for expected in case.expect:
        name = expected.sink or first
        if name not in known.rows:
            return f"Flink wrote nothing to '{name}', only to {sorted(known.rows)}"
        if known.columns[name] != expected.columns:
            return f"Flink's columns are {known.columns[name]}, expected {expected.columns}"
        said = _rows_differ(expected, sinks[name], known, name)
        if said:
            return said
    return ""


def _rows_differ(expected: Expected, table: Table, known: recordings.Recording, name: str) -> str:
    schema = table.writable
    ours = [rows.of_case(cells, schema) for cells in expected.rows]
    theirs = [rows.of_flink(cells, schema) for cells in known.rows[name]]
    if expected.ordered and known.mode == "batch":
        return "" if ours == theirs else f"the order differs: Flink's is {theirs}"
    left, right = Counter(ours), Counter(theirs)
    if left == right:
        return ""
    return (
        f"only expected: {list((left - right).elements())}; "
        f"only Flink's: {list((right - left).elements())}"
    )


def _sinks(case: Case) -> dict[str, Table]:
    plan, _, _ = planned(case)
    return {sink.table.name: sink.table for sink in plan.sinks}
