"""Compares what the contenders of a case answered, and says who disagrees.

in      outcomes of a section
out     one sentence per disagreement: with the majority of the case, or with itself over rounds
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.harness.contract import Measured, Outcome

Answer = tuple[int | None, str | None]


def disagreements(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what does not agree; empty: everybody gave the same where it can be compared."""
    said: list[str] = []
    for case in dict.fromkeys(o.contender.case for o in outcomes):
        rivals = [o for o in outcomes if o.contender.case == case and o.runs]
        said += [found for o in rivals for found in _with_itself(o)]
        said += _within("rows", case, rivals)
        said += _within("checksum", case, rivals)
    return said


def _with_itself(outcome: Outcome) -> list[str]:
    contender = outcome.contender
    found = []
    for what in contender.compares:
        values = {_value(r, what) for r in outcome.runs} - {None}
        if len(values) > 1:
            shown = ", ".join(sorted(map(str, values)))
            found.append(
                f"{contender.case}: {contender.name} gave different {_plural(what)} in its own"
                f" rounds: {shown}"
            )
    return found


def _within(what: str, case: str, rivals: Sequence[Outcome]) -> list[str]:
    """Who gives something else than most; where there is no majority, all are named."""
    given = {
        o.contender.name: _value(o.runs[-1], what)
        for o in rivals
        if what in o.contender.compares and _value(o.runs[-1], what) is not None
    }
    ways = Counter(given.values()).most_common()
    if len(ways) < 2:
        return []
    if ways[0][1] == ways[1][1]:
        shown = ", ".join(f"{name} {value}" for name, value in given.items())
        return [f"{case}: the {_plural(what)} differ: {shown}"]
    most = ways[0][0]
    with_it = ", ".join(name for name, value in given.items() if value == most)
    return [
        f"{case}: {name} gave {_plural(what)} {value}, but {with_it} gave {most}"
        for name, value in given.items()
        if value != most
    ]


def _value(run: Measured, what: str) -> object:
    assert what in ("rows", "checksum"), f"nothing called '{what}' is compared"
    return run.rows if what == "rows" else run.checksum


def _plural(what: str) -> str:
    return "rows" if what == "rows" else "checksums"
