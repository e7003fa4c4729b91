"""The search for patterns whose conditions speak of single rows: one first row after the other.

in      for each row the variables that accept it, as bits; where each partition stands
out     the same as :mod:`.match_search` gives, in one pass without columns per beginning

Two beginnings of one first row that are in the same state at the same row have the same future, so
that only the first of them is kept: there are never more than the pattern has states.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millstream.engine.operators.match_nfa import Automaton
from millstream.engine.state.jit import kernel
from millstream.plan.match import SkipTo

VARIABLES_MAX = 62
NO_END = -1
OPEN, DEAD, DONE = 0, 1, 2
COMPLETE = -1
NEVER = -(2**62)
SKIPS = {SkipTo.NEXT_ROW: 0, SkipTo.PAST_LAST_ROW: 1, SkipTo.FIRST: 2, SkipTo.LAST: 3}


class Table(NamedTuple):
    """An automaton as arrays: the choices of state ``s`` are ``begin[s]`` to ``begin[s + 1]``.

    ``unless`` and ``ends`` are bits of variables that must not accept the row, for the choice and
    for the match to be complete with it; NO_END: it never is.
    """

    begin: np.ndarray
    variable: np.ndarray
    target: np.ndarray
    unless: np.ndarray
    ends: np.ndarray
    start: int


class Asked(NamedTuple):
    """What is asked besides the pattern; ``within`` and ``until`` in ms, within 0 = no limit."""

    within: int
    until: int
    skip: int
    skip_variable: int


class Frontier(NamedTuple):
    """Beginnings of matches as arrays, those of a partition side by side."""

    start: np.ndarray
    at: np.ndarray
    state: np.ndarray
    taken: np.ndarray


def table(automaton: Automaton) -> Table:
    """Return an automaton as arrays."""
    begin, rows = [0], []
    for state in automaton.states:
        for take in state.takes:
            ways = automaton.ends(take)
            assert len(ways) <= 1, "at most one way leads to the end"
            ends = _bits(ways[0]) if ways else NO_END
            rows.append((take.variable, take.target, _bits(take.unless), ends))
        begin.append(len(rows))
    columns = np.array(rows, dtype=np.int64).T.copy()
    variable, target, unless, ends_ = columns
    return Table(np.array(begin), variable, target, unless, ends_, automaton.start)


def _bits(variables: tuple[int, ...]) -> int:
    return sum(1 << v for v in variables)


class Growing(NamedTuple):
    """Beginnings of one first row, by number: those now and those with one row more.

    ``seen[s]`` is the last round in which state ``s`` was reached; behind them, that number.
    """

    state: np.ndarray
    taken: np.ndarray
    next_state: np.ndarray
    next_taken: np.ndarray
    seen: np.ndarray


@kernel
def search(
    table: Table,
    asked: Asked,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    at: np.ndarray,
    begun: np.ndarray,
    live: Frontier,
    live_from: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Frontier, int]:
    """Search each partition as far as its rows go; ``at`` and ``begun`` move on.

    ``rows``: who accepts each, its time; the end of each partition. Returns the matches (first
    row, rows by variable, when known), the beginnings that are left, and a match without a row to
    go on from, else -1.
    """
    _, times, end = rows
    states, variables = table.begin.size - 1, live.taken.shape[1]
    start = np.empty(times.size, dtype=np.int64)
    taken = np.empty((times.size, variables), dtype=np.int64)
    known = np.empty(times.size, dtype=np.int64)
    left = frontier(64, variables)
    found, kept = 0, 0
    own = Growing(
        np.empty(states, dtype=np.int64),
        np.empty((states, variables), dtype=np.int64),
        np.empty(states, dtype=np.int64),
        np.empty((states, variables), dtype=np.int64),
        np.zeros(states + 1, dtype=np.int64),
    )
    for p in range(end.size):
        row, here, count = at[p], at[p], 0
        latest = NEVER
        for i in range(live_from[p], live_from[p + 1]):
            own.state[count], own.taken[count] = live.state[i], live.taken[i]
            here = live.at[i]
            count += 1
        while row < end[p]:
            if count == 0:
                own.state[0], own.taken[0] = table.start, 0
                count, here = 1, row
            fate, time, here, count = grow(table, asked, rows, end[p], row, here, count, own)
            if fate == OPEN:
                break
            latest = max(latest, time)
            count = 0
            if fate == DEAD:
                row += 1
                continue
            onward = goes_on(asked, row, own.taken[0])
            if onward <= row:
                return start[:0], taken[:0], known[:0], left, row
            start[found], taken[found], known[found] = row, own.taken[0], latest
            found += 1
            row = onward
        at[p] = begun[p] = row
        if row < end[p]:
            begun[p] = row + 1
            if kept + count > left.start.size:
                left = wider(left, kept, count)
            for i in range(count):
                left.start[kept], left.at[kept] = row, here
                left.state[kept], left.taken[kept] = own.state[i], own.taken[i]
                kept += 1
    small = Frontier(left.start[:kept], left.at[:kept], left.state[:kept], left.taken[:kept])
    return start[:found], taken[:found], known[:found], small, -1


@kernel
def grow(
    table: Table,
    asked: Asked,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    end: int,
    row: int,
    here: int,
    count: int,
    own: Growing,
) -> tuple[int, int, int, int]:
    """Let the beginnings of one first row take rows from ``here`` on.

    Returns what became of it, when, the row it has come to, and how many beginnings there are; of
    a match ``own.taken[0]`` has the rows by variable.
    """
    accepts, times, _ = rows
    within = asked.within
    while here < end and (within == 0 or times[here] - times[row] < within):
        more = take(table, accepts[here], count, own)
        if more == COMPLETE:
            return DONE, times[here], here, 0
        if more == 0:
            return DEAD, times[here], here, 0
        own.state[:more] = own.next_state[:more]
        own.taken[:more] = own.next_taken[:more]
        count = more
        here += 1
    if within == 0 or (here == end and times[row] + within > asked.until):
        return OPEN, 0, here, count
    return DEAD, times[row] + within, here, 0


@kernel
def take(table: Table, bits: int, count: int, own: Growing) -> int:
    """Let all beginnings take one row; returns how many there are then, or COMPLETE."""
    more = 0
    own.seen[-1] += 1
    for i in range(count):
        for c in range(table.begin[own.state[i]], table.begin[own.state[i] + 1]):
            variable = table.variable[c]
            if (bits >> variable) & 1 == 0 or bits & table.unless[c] != 0:
                continue
            if table.ends[c] >= 0 and bits & table.ends[c] == 0:
                own.taken[0] = own.taken[i]
                own.taken[0, variable] += 1
                return COMPLETE
            target = table.target[c]
            if target >= 0 and own.seen[target] != own.seen[-1]:
                own.seen[target] = own.seen[-1]
                own.next_state[more], own.next_taken[more] = target, own.taken[i]
                own.next_taken[more, variable] += 1
                more += 1
    return more


@kernel
def frontier(size: int, variables: int) -> Frontier:
    """Return room for beginnings."""
    return Frontier(
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=np.int64),
        np.empty((size, variables), dtype=np.int64),
    )


@kernel
def goes_on(asked: Asked, row: int, taken: np.ndarray) -> int:
    """Return the row behind a match at which the search goes on, -1 where there is none."""
    if asked.skip == 0:
        return row + 1
    if asked.skip == 1:
        return row + taken.sum()
    count = taken[asked.skip_variable]
    if count == 0:
        return -1
    first = row + taken[: asked.skip_variable].sum()
    return first if asked.skip == 2 else first + count - 1


@kernel
def wider(left: Frontier, kept: int, more: int) -> Frontier:
    """Return room for more beginnings."""
    out = frontier(max(2 * left.start.size, kept + more), left.taken.shape[1])
    out.start[:kept] = left.start[:kept]
    out.at[:kept] = left.at[:kept]
    out.state[:kept] = left.state[:kept]
    out.taken[:kept] = left.taken[:kept]
    return out
