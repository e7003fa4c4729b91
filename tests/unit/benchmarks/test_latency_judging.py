"""What the Kafka half of the latency section says of results: how late, and whether right."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from benchmarks.latency import judging
from benchmarks.latency.events import DROPPED, FIRST_ID, Phase, following
from benchmarks.latency.judging import Results

PHASE = following(None, 2_000, 10_000.0, 1)
MS = 1_000_000


def answered(case: str, phase: Phase, late_ms: float) -> Results:
    """Answer each event by itself, so long after its plan; windows after what closes them."""
    arrived = ((phase.planned_s * 1000 + late_ms) * MS).round().astype(np.int64)
    numbers = {"id": phase.ids, "v": phase.values * 2, "k": phase.keys}
    if case == "stateless":
        kept = phase.kinds != DROPPED
        return Results(arrived[kept], pl.DataFrame(numbers).filter(kept))
    if case == "keyed":
        seen: dict[int, int] = {}
        counts = [seen.update({k: seen.get(k, 0) + 1}) or seen[k] for k in phase.keys.tolist()]
        return Results(arrived, pl.DataFrame({**numbers, "n": counts}))
    if case == "window":
        return _windows(phase, late_ms)
    return Results(arrived, pl.DataFrame(numbers))


def _windows(phase: Phase, late_ms: float) -> Results:
    """A naive twin: walks the events and closes a window when both partitions have passed it."""
    rows = list(
        zip(*(c.tolist() for c in (phase.ts, phase.keys, phase.partitions, phase.planned_s)),
            strict=True)
    )  # fmt: skip
    found = []
    for start in sorted({ts - ts % 100 for ts, *_ in rows}):
        firsts = [
            next((s for ts, _, p, s in rows if p == own and ts >= start + 100), phase.seconds)
            for own in (0, 1)
        ]
        counts: dict[int, int] = {}
        for ts, k, *_ in rows:
            if ts - ts % 100 == start:
                counts[k] = counts.get(k, 0) + 1
        at = round((max(firsts) * 1000 + late_ms) * MS)
        found += [(at, start, k, n) for k, n in counts.items()]
    at, start, k, n = (list(column) for column in zip(*found, strict=True))
    return Results(np.array(at), pl.DataFrame({"start": start, "k": k, "n": n}))


@pytest.mark.parametrize("case", ["stateless", "keyed", "window", "join"])
def test_a_result_counts_from_the_plan_of_what_it_follows_from(case: str):
    """All figures of the section are these; here the right ones are known."""
    found = judging.lateness(case, PHASE, answered(case, PHASE, 7.0), 0)
    assert found.missing == 0
    assert len(found.late_s) > 50
    assert np.allclose(found.late_s, 0.007, atol=1e-6)


@pytest.mark.parametrize("case", ["stateless", "keyed", "window", "join"])
def test_what_is_right_is_right_and_a_lost_or_repeated_result_is_not(case: str):
    """A pipeline that loses a row must not get a good figure for it."""
    second = following(PHASE, 500, 10_000.0, 1)
    right = answered(case, PHASE, 1.0)

    def wrong(results: Results) -> tuple[str, ...]:
        return judging.verdict(case, [PHASE], results, exactly_once=True).wrong

    count = len(right.arrived_ns)
    assert wrong(right) == ()
    assert wrong(Results(right.arrived_ns[:-1], right.rows.head(count - 1)))
    twice = Results(np.append(right.arrived_ns, 0), pl.concat([right.rows, right.rows.tail(1)]))
    assert wrong(twice)
    found = judging.verdict(case, [PHASE], twice, exactly_once=False)
    assert (found.wrong, found.repeated) == ((), 1)
    assert judging.verdict(case, [PHASE, second], right, exactly_once=False).wrong


def test_a_row_of_a_key_holds_every_event_up_to_its_newest():
    """Events that meet in one batch give one row; each of them still has a latency."""
    keys = PHASE.keys
    last = {k: i for i, k in enumerate(keys.tolist())}
    at = np.array(sorted(last.values()))
    rows = pl.DataFrame({"id": FIRST_ID + at, "k": keys[at]})
    found = judging.lateness("keyed", PHASE, Results(np.full(len(at), 500 * MS), rows), 0)
    assert (found.missing, len(found.late_s)) == (0, PHASE.count)
    assert np.allclose(found.late_s, 0.5 - PHASE.planned_s)
