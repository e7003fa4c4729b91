"""What the results say: how late each was, and whether they are the right ones.

in      the phases as planned, every result with the moment it arrived
out     latencies in seconds of a phase; a sentence about each thing that is wrong
clock   stateless, join: from the planned time of the event (of the pair) to its first result;
        keyed: from the planned time of the event to the first row of its key that holds it;
        window: from the planned time of the event whose watermark closes the window, which is the
        later one of the first events at or behind its end in the two partitions
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from benchmarks.latency.events import (
    CLOSER,
    DROPPED,
    FIRST_ID,
    KEYS,
    PARTITIONS,
    WINDOW_MS,
    Phase,
)

_KEY_SPAN = 1 << 40
_WINDOW_SPAN = KEYS + 1


@dataclass(frozen=True, slots=True)
class Results:
    """What arrived, in the order it did."""

    arrived_ns: np.ndarray
    rows: pl.DataFrame

    def column(self, name: str) -> np.ndarray:
        return self.rows[name].to_numpy()


@dataclass(frozen=True, slots=True)
class Late:
    """Latencies of a phase: of each event (or window result), with its place in the plan."""

    planned_s: np.ndarray
    late_s: np.ndarray
    missing: int

    def counted(self, from_s: float) -> np.ndarray:
        """Return the latencies of what was planned from then on, in the order of the plan."""
        kept = self.planned_s >= from_s
        return self.late_s[kept][np.argsort(self.planned_s[kept], kind="stable")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the results of a whole run are right."""

    wrong: tuple[str, ...]
    repeated: int
    """Results that came more than once; wrong only where each is to come exactly once."""


def expected_rows(case: str, phase: Phase) -> int | None:
    """Return how many results a phase has; None where that depends on how events meet."""
    match case:
        case "stateless":
            return int((phase.kinds != DROPPED).sum())
        case "join":
            return phase.count
        case "window":
            return len(_windows([phase])[0])
    return None


def lateness(case: str, phase: Phase, results: Results, begin_ns: int) -> Late:
    """Return how late the results of a phase were."""
    match case:
        case "stateless" | "join":
            place, planned = _of_events(case, phase, results.column("id"))
        case "keyed":
            place, planned = _of_keys(phase, results)
        case _:
            place, planned = _of_windows(phase, results)
    found = place < len(results.arrived_ns)
    late = (results.arrived_ns[place[found]] - begin_ns) / 1e9 - planned[found]
    return Late(planned[found], late, int((~found).sum()))


def verdict(case: str, phases: list[Phase], results: Results, *, exactly_once: bool) -> Verdict:
    """Compare all results of a run with what follows from its events."""
    match case:
        case "keyed":
            found = _judged_keys(phases, results)
        case "window":
            start, k, n = (results.column(name) for name in ("start", "k", "n"))
            own = k != CLOSER
            names, counts = _windows(phases)
            found = _compared(names, counts, (start * _WINDOW_SPAN + k)[own], n[own])
        case _:
            kept = [p.kinds != DROPPED if case == "stateless" else p.kinds >= 0 for p in phases]
            ids = np.concatenate([p.ids[k] for p, k in zip(phases, kept, strict=True)])
            values = np.concatenate([p.values[k] for p, k in zip(phases, kept, strict=True)])
            found = _compared(ids, values * 2, results.column("id"), results.column("v"))
    wrong = found.wrong
    if exactly_once and found.repeated:
        wrong = (*wrong, f"{found.repeated:,} results came more than once")
    return Verdict(wrong, found.repeated)


def _of_events(case: str, phase: Phase, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the first result of each event is (behind the last: nowhere), and its plan."""
    kept = phase.kinds != DROPPED if case == "stateless" else np.ones(phase.count, bool)
    return _first(ids, phase.ids[kept]), phase.planned_s[kept]


def _of_keys(phase: Phase, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """A row of a key holds all events of the key up to its id."""
    own = results.column("id") >= phase.ids[0]
    where = np.flatnonzero(own)
    rows = results.column("k")[own] * _KEY_SPAN + results.column("id")[own]
    order = np.argsort(rows, kind="stable")
    at = np.searchsorted(rows[order], phase.keys * _KEY_SPAN + phase.ids)
    place = np.full(phase.count, len(results.arrived_ns))
    inside = at < len(rows)
    held = order[at[inside]]
    same = rows[held] // _KEY_SPAN == phase.keys[inside]
    place[np.flatnonzero(inside)[same]] = where[held[same]]
    return place, phase.planned_s


def _of_windows(phase: Phase, results: Results) -> tuple[np.ndarray, np.ndarray]:
    """A result's plan is that of the event that closes its window, where there is one."""
    names, _ = _windows([phase])
    ends = names // _WINDOW_SPAN + WINDOW_MS
    ts, planned_s, partitions = phase.ts, phase.planned_s, phase.partitions
    closed_s = np.zeros(len(names))
    known = np.ones(len(names), bool)
    for partition in range(PARTITIONS):
        own = partitions == partition
        at = np.searchsorted(ts[own], ends)
        known &= at < own.sum()
        closed_s = np.maximum(closed_s, planned_s[own][np.minimum(at, own.sum() - 1)])
    rows = results.column("start") * _WINDOW_SPAN + results.column("k")
    return _first(rows, names[known]), closed_s[known]


def _first(found: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return where each asked value stands first; behind the last where it does not."""
    values, first = np.unique(found, return_index=True)
    if not len(values):
        return np.full(len(asked), len(found))
    at = np.minimum(np.searchsorted(values, asked), len(values) - 1)
    return np.where(values[at] == asked, first[at], len(found))


def _windows(phases: list[Phase]) -> tuple[np.ndarray, np.ndarray]:
    """Return the name of each result, which is start and key in one number, and its count."""
    names = [(p.ts - p.ts % WINDOW_MS) * _WINDOW_SPAN + p.keys for p in phases]
    return np.unique(np.concatenate(names), return_counts=True)


def _compared(
    names: np.ndarray, values: np.ndarray, found: np.ndarray, found_values: np.ndarray
) -> Verdict:
    """Compare results by name; each must be there, with its value."""
    there, first, counts = np.unique(found, return_index=True, return_counts=True)
    wrong = []
    if missing := int((~np.isin(names, there)).sum()):
        wrong.append(f"{missing:,} of {len(names):,} results are missing")
    known = np.isin(found, names)
    if strange := int((~known).sum()):
        wrong.append(f"{strange:,} results should not be there")
    order = np.argsort(names)
    right = values[order][np.searchsorted(names[order], found[known])]
    if differing := int((right != found_values[known]).sum()):
        wrong.append(f"{differing:,} results have another value")
    return Verdict(tuple(wrong), int((counts - 1).sum()) if len(first) else 0)


def _judged_keys(phases: list[Phase], results: Results) -> Verdict:
    """The last row of each key must hold all of its events, and no row may go back."""
    keys = np.concatenate([p.keys for p in phases])
    ids = np.concatenate([p.ids for p in phases])
    right = np.bincount(keys, minlength=KEYS)
    newest = np.zeros(KEYS, np.int64)
    np.maximum.at(newest, keys, ids)
    k, n, row_ids = (results.column(name) for name in ("k", "n", "id"))
    own = k != CLOSER
    k, n, row_ids = k[own], n[own], row_ids[own]
    last_n, last_id = np.zeros(KEYS, np.int64), np.zeros(KEYS, np.int64)
    last_n[k], last_id[k] = n, row_ids  # of equal places the last one stays
    wrong = []
    if bad := int((last_n != right).sum()):
        wrong.append(f"{bad:,} of {KEYS:,} keys end with another count")
    if bad := int((last_id != newest).sum()):
        wrong.append(f"{bad:,} of {KEYS:,} keys end with another newest event")
    if bool((row_ids < FIRST_ID).any()):
        wrong.append("there are rows without an event")
    order = np.argsort(k, kind="stable")
    steps = np.diff(n[order])[np.diff(k[order]) == 0]
    if back := int((steps < 0).sum()):
        wrong.append(f"{back:,} rows go back to a lower count")
    return Verdict(tuple(wrong), int((steps == 0).sum()))
