"""What issue 5 wants of the engine section, held against what was measured.

in      outcomes of the section
out     one target per query with a rate, on one core; two about DuckDB's batch speed
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.harness.contract import OURS, Outcome, Target, of, ratio

RATES = {
    2.0: (0, 1, 2, 14, 21, 22),
    1.0: (5, 7, 8, 11, 12),
    0.5: (15, 16, 17),
    0.4: (3, 4, 20),
    0.2: (9, 18, 19),
}
"""M events/s/core → queries."""
OUTSIDE = (0, 1, 2, 10)
"""Queries that are not part of the geometric mean."""
MEAN_LEAST, ONE_LEAST = 0.5, 0.1
UNKNOWN = "not measured"


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """Return all of them, by query."""
    wanted = {query: rate for rate, queries in RATES.items() for query in queries}
    found = [_rate(outcomes, query, wanted[query]) for query in sorted(wanted)]
    by_query = ratios(outcomes, "duckdb")
    mean = worst = None
    if by_query:
        mean = math.exp(sum(map(math.log, by_query.values())) / len(by_query))
        worst = min(by_query, key=lambda case: by_query[case])
    found.append(
        Target(
            name=f"geometric mean to DuckDB's batch speed ({len(by_query)} queries)",
            wanted=f">= {MEAN_LEAST}",
            found=UNKNOWN if mean is None else f"{mean:.2f}",
            met=None if mean is None else mean >= MEAN_LEAST,
        )
    )
    found.append(
        Target(
            name="the least ratio to DuckDB's batch speed",
            wanted=f">= {ONE_LEAST}",
            found=UNKNOWN if worst is None else f"{by_query[worst]:.2f} ({worst})",
            met=None if worst is None else by_query[worst] >= ONE_LEAST,
        )
    )
    return found


def ratios(outcomes: Sequence[Outcome], peer: str, end: str = "") -> dict[str, float]:
    """Return our rate to a peer's, by the cases that count towards the mean."""
    found = {}
    for query in range(24):
        case = f"q{query}{end}"
        value = ratio(outcomes, case, OURS, peer)
        if value is not None and query not in OUTSIDE:
            found[case] = value
    return found


def _rate(outcomes: Sequence[Outcome], query: int, wanted: float) -> Target:
    outcome = of(outcomes, f"q{query}", OURS)
    rate = None if outcome is None else outcome.rate_per_core
    return Target(
        name=f"q{query} on one core",
        wanted=f">= {wanted} M events/s",
        found=UNKNOWN if rate is None else f"{rate / 1e6:.2f} M events/s",
        met=None if rate is None else rate >= wanted * 1e6,
    )
