"""The search: how beginnings of matches grow row by row, and which of them become matches.

in      rows of many partitions, and the beginnings that were left over from rows before
out     matches, in the order they begin; the beginnings that may still become one

A row begins at most one match: the first that is complete, in time. Rows are settled in their
order: a match waits until no earlier row can begin one any more, and then says where the next may
begin. Every row's fate can be worked out alone, so those of many partitions, and of some rows of
each partition ahead, are worked out together, column by column; how many ahead changes nothing in
the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from millstream.engine.operators import match_simple as simple
from millstream.engine.operators.match_conditions import Conditions
from millstream.engine.operators.match_nfa import FINAL, Automaton
from millstream.engine.operators.match_values import Partials, Rows, spread
from millstream.engine.state.codec import NO_WORDS
from millstream.engine.state.jit import kernel
from millstream.plan.match import Skip, SkipTo

ALIVE, DEAD, DONE = 0, 1, 2
NEVER_MS = -(2**62)
AHEAD_ROWS = 4096
"""Rows whose fate is worked out ahead, over all partitions, at most; at least AHEAD_MIN each."""
AHEAD_MIN = 2
LONG_ROUNDS = 32
"""A search of more rounds looks at fewer rows ahead the next time, and a shorter one at more."""


@dataclass(slots=True)
class Places:
    """Where each partition stands: ``at`` is the first row that is not settled.

    Rows before ``begun`` have begun their search; ``time`` is when the last row was settled.
    """

    at: np.ndarray
    begun: np.ndarray
    time: np.ndarray


@dataclass(slots=True)
class Matches:
    """Matches: first row, rows by variable, and the time at which each was known."""

    start: np.ndarray
    taken: np.ndarray
    known: np.ndarray


@dataclass(slots=True)
class Fates:
    """What became of rows as first rows: by row, and when; complete ones with rows by variable."""

    status: np.ndarray
    time: np.ndarray
    taken: np.ndarray
    seen: np.ndarray
    failed: dict[int, Partials] = field(default_factory=dict)
    """First row → what a condition could not be computed for; the state says which."""


class StuckSkip(Exception):
    """SKIP TO names a row that is not there, or the first of the match; ``start`` is its row."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


class Search:
    """How to search for one pattern."""

    def __init__(
        self,
        automaton: Automaton,
        conditions: Conditions,
        skip: Skip,
        variables: tuple[str, ...],
        within_ms: int | None,
    ) -> None:
        self._automaton = automaton
        self._conditions = conditions
        self._skip = skip
        self._skip_variable = -1 if skip.variable is None else variables.index(skip.variable)
        self._variables = len(variables)
        self._within_ms = within_ms
        self._ahead = AHEAD_ROWS
        alone = conditions.of_rows_alone and len(variables) <= simple.VARIABLES_MAX
        self._table = simple.table(automaton) if alone else None

    def run(
        self, rows: Rows, places: Places, live: Partials, waiting: Partials, until_ms: int
    ) -> tuple[Matches, Partials, Partials, list[tuple[int, str]]]:
        """Search all rows; ``places`` moves on.

        Returns the matches, the beginnings that are left, those that wait for an earlier one to be
        settled, and (row, reason) of conditions that could not be computed.
        """
        flags = self._conditions.flags_of(rows.values)
        if self._table is not None:
            return self._run_alone(self._table, rows, flags, places, live, until_ms)
        fates = self._fates(rows, places, live, waiting)
        found: list[Matches] = []
        failed: list[tuple[int, str]] = []
        while True:
            begun = self._begin(rows, places)
            live = Partials.joined([live, begun])
            live, rounds = self._grow(rows, flags, fates, live, until_ms)
            self._pace(rounds, begun)
            before = places.at.copy()
            found.append(self._settle(rows, flags, places, fates, failed))
            live = live.of(live.start >= places.at[rows.place[live.start]])
            if not len(begun) and (places.at == before).all():
                break
        matches = Matches(
            np.concatenate([m.start for m in found]),
            np.concatenate([m.taken for m in found]),
            np.concatenate([m.known for m in found]),
        )
        return matches, live, self._waiting(rows, places, fates), failed

    def _run_alone(
        self,
        table: simple.Table,
        rows: Rows,
        flags: dict[int, np.ndarray],
        places: Places,
        live: Partials,
        until_ms: int,
    ) -> tuple[Matches, Partials, Partials, list[tuple[int, str]]]:
        """Search where conditions speak of single rows: nothing waits, and nothing fails."""
        accepts = np.full(rows.times.size, sum(1 << v for v in self._conditions.always))
        for variable, flag in flags.items():
            accepts |= flag.astype(np.int64) << variable
        asked = simple.Asked(
            self._within_ms or 0, until_ms, simple.SKIPS[self._skip.to], self._skip_variable
        )
        begun = simple.Frontier(live.start, live.at, live.state, live.taken)
        of = np.searchsorted(live.start, np.append(rows.first, rows.times.size))
        start, taken, known, left, stuck = simple.search(
            table, asked, (accepts, rows.times, rows.end), places.at, places.begun, begun, of
        )
        if stuck >= 0:
            raise StuckSkip(stuck)
        none = Partials.none(self._variables)
        return Matches(start, taken, known), Partials(*left), none, []

    def _waiting(self, rows: Rows, places: Places, fates: Fates) -> Partials:
        """Return what waits until an earlier row is settled: matches and failures."""
        done = np.flatnonzero(fates.status == DONE)
        taken = fates.taken[done]
        matches = Partials(done, done + taken.sum(axis=1), np.full(done.size, FINAL), taken)
        left = Partials.joined([matches, *fates.failed.values()])
        return left.of(left.start >= places.at[rows.place[left.start]])

    def _fates(self, rows: Rows, places: Places, live: Partials, waiting: Partials) -> Fates:
        count = rows.times.size
        fates = Fates(
            np.zeros(count, dtype=np.int8),
            np.full(count, NEVER_MS),
            np.zeros((count, self._variables), dtype=np.int64),
            np.zeros(count, dtype=bool),
        )
        _, begun = spread(places.at, places.begun - places.at)
        fates.status[begun] = DEAD
        fates.status[live.start] = ALIVE
        complete = waiting.of(waiting.state == FINAL)
        fates.status[complete.start] = DONE
        fates.taken[complete.start] = complete.taken
        fates.time[complete.start] = rows.times[complete.at - 1]
        for i in np.flatnonzero(waiting.state < FINAL):  # one a condition that failed
            fates.failed[int(waiting.start[i])] = waiting.of(np.array([i]))
        return fates

    def _begin(self, rows: Rows, places: Places) -> Partials:
        """Begin the search with some more rows of each partition."""
        share = max(self._ahead // max(places.at.size, 1), AHEAD_MIN)
        upto = np.minimum(rows.end, places.at + share)
        more = np.maximum(upto - places.begun, 0)
        _, start = spread(places.begun, more)
        places.begun += more
        state = np.full(start.size, self._automaton.start)
        taken = np.zeros((start.size, self._variables), dtype=np.int64)
        return Partials(start, start.copy(), state, taken)

    def _pace(self, rounds: int, begun: Partials) -> None:
        if rounds > LONG_ROUNDS:
            self._ahead = max(self._ahead // 4, 16)
        elif len(begun):
            self._ahead = min(self._ahead * 2, AHEAD_ROWS)

    # ---- growing

    def _grow(
        self,
        rows: Rows,
        flags: dict[int, np.ndarray],
        fates: Fates,
        live: Partials,
        until_ms: int,
    ) -> tuple[Partials, int]:
        """Let every beginning take rows until there are none, or it is settled."""
        parked = [Partials.none(self._variables)]
        rounds = 0
        # A Python loop over the rows of the longest match, not over all rows.
        while True:
            ready = live.at < rows.end[rows.place[live.start]]
            if not ready.all():
                parked.append(live.of(~ready))
                live = live.of(ready)
            if not len(live):
                break
            rounds += 1
            live = self._round(rows, flags, fates, live)
        left = Partials.joined(parked)
        if self._within_ms is not None and len(left):
            over = rows.times[left.start] + self._within_ms <= until_ms
            self._expire(rows, fates, left.start[over])
            left = left.of(~over)
        return left, rounds

    def _expire(self, rows: Rows, fates: Fates, starts: np.ndarray) -> None:
        assert self._within_ms is not None, "only with WITHIN beginnings expire"
        fates.status[starts] = DEAD
        fates.time[starts] = rows.times[starts] + self._within_ms

    def _round(
        self, rows: Rows, flags: dict[int, np.ndarray], fates: Fates, live: Partials
    ) -> Partials:
        """Let every beginning take its next row in all ways there are."""
        if self._within_ms is not None:
            over = rows.times[live.at] - rows.times[live.start] >= self._within_ms
            if over.any():
                self._expire(rows, fates, live.start[over])
                live = live.of(~over)
        grown, complete = self._taken(rows, flags, fates, live)
        if len(complete):
            starts, first = np.unique(complete.start, return_index=True)
            fates.status[starts] = DONE
            fates.taken[starts] = complete.taken[first]
            fates.time[starts] = rows.times[complete.at[first] - 1]
        open_ = fates.status[grown.start] == ALIVE
        if not open_.all():
            grown = grown.of(open_)
        fates.seen[grown.start] = True
        gone = ~fates.seen[live.start] & (fates.status[live.start] == ALIVE)
        fates.seen[grown.start] = False
        fates.status[live.start[gone]] = DEAD
        fates.time[live.start[gone]] = rows.times[live.at[gone]]
        return grown

    def _taken(
        self, rows: Rows, flags: dict[int, np.ndarray], fates: Fates, live: Partials
    ) -> tuple[Partials, Partials]:
        """Return what the beginnings become with one row more: open ones and complete ones.

        Both in the order of the beginnings, of one beginning in the order of its choices.
        """
        automaton = self._automaton
        some: list[tuple[np.ndarray, int, int, int]] = []  # (beginnings, choice, variable, state)
        ends: list[tuple[np.ndarray, int, int, int]] = []
        for state in np.unique(live.state):
            which = np.flatnonzero(live.state == state)
            mine = live if which.size == len(live) else live.of(which)
            holds, able = self._answers(int(state), rows, flags, fates, mine)
            for choice, take in enumerate(automaton.states[state].takes):
                ok = holds[take.variable] & able
                for other in take.unless:
                    ok &= ~holds[other]
                if not ok.any():
                    continue
                chosen = which[ok]
                if take.target != FINAL:
                    some.append((chosen, choice, take.variable, take.target))
                for way in automaton.ends(take):
                    done = np.ones(chosen.size, dtype=bool)
                    for other in way:
                        done &= ~holds[other][ok]
                    ends.append((chosen[done], choice, take.variable, FINAL))
        return _grown(live, some), _grown(live, ends)

    def _answers(
        self,
        state: int,
        rows: Rows,
        flags: dict[int, np.ndarray],
        fates: Fates,
        asking: Partials,
    ) -> tuple[dict[int, np.ndarray], np.ndarray]:
        """Return the conditions that a state asks, and which beginnings can go on at all."""
        holds: dict[int, np.ndarray] = {}
        able = np.ones(len(asking), dtype=bool)
        for variable in self._automaton.asks(state):
            holds[variable], reasons = self._conditions.ask(variable, rows, flags, asking)
            if reasons is not None:
                wrong = reasons.is_not_null().to_numpy()
                for i in np.flatnonzero(wrong):  # one a condition that failed
                    one = asking.of(np.array([i]))
                    one.state = np.array([FINAL - 1 - variable])
                    fates.failed.setdefault(int(one.start[0]), one)
                able &= ~wrong
        return holds, able

    # ---- settling

    def _settle(
        self,
        rows: Rows,
        flags: dict[int, np.ndarray],
        places: Places,
        fates: Fates,
        failed: list[tuple[int, str]],
    ) -> Matches:
        """Settle rows in their order as far as their fate is known."""
        goes_on = self._goes_on(fates)
        before = places.at.copy() if fates.failed else places.at
        start, known, stuck = settle(
            places.at, places.begun, places.time, fates.status, fates.time, goes_on
        )
        if stuck >= 0:
            raise StuckSkip(int(stuck))
        if fates.failed:
            for one in _reported(places, before, start, goes_on, fates):
                variable = FINAL - 1 - int(one.state[0])
                _, reasons = self._conditions.ask(variable, rows, flags, one)
                assert reasons is not None, "what failed once fails again"
                failed.append((int(one.at[0]), str(reasons[0])))
        return Matches(start, fates.taken[start], known)

    def _goes_on(self, fates: Fates) -> np.ndarray:
        """Return where the search goes on after a match that begins with a row; -1: nowhere."""
        start = np.arange(fates.status.size)
        taken = fates.taken
        match self._skip.to:
            case SkipTo.NEXT_ROW:
                return start + 1
            case SkipTo.PAST_LAST_ROW:
                return start + taken.sum(axis=1)
            case to:
                place = self._skip_variable
                first = start + taken[:, :place].sum(axis=1)
                row = first if to is SkipTo.FIRST else first + taken[:, place] - 1
                return np.where(taken[:, place] > 0, row, -1)


def _reported(
    places: Places, before: np.ndarray, matched: np.ndarray, goes_on: np.ndarray, fates: Fates
) -> list[Partials]:
    """Return the failures of rows that were settled for themselves, not skipped."""
    skipped = np.zeros(fates.status.size, dtype=bool)
    for start in matched:  # only where a condition failed at all
        skipped[start + 1 : goes_on[start]] = True
    _, settled = spread(before, places.at - before)
    mine = [int(row) for row in settled[~skipped[settled]] if int(row) in fates.failed]
    return [fates.failed.pop(row) for row in mine]


def _grown(live: Partials, parts: list[tuple[np.ndarray, int, int, int]]) -> Partials:
    """Return beginnings with the row they took."""
    if not parts:
        return Partials(NO_WORDS, NO_WORDS, NO_WORDS, live.taken[:0])
    which = np.concatenate([p[0] for p in parts])
    sizes = [p[0].size for p in parts]
    choice = np.repeat([p[1] for p in parts], sizes)
    variable = np.repeat([p[2] for p in parts], sizes)
    state = np.repeat([p[3] for p in parts], sizes)
    if len(parts) > 1:
        order = np.lexsort((choice, which))
        which, variable, state = which[order], variable[order], state[order]
    taken = live.taken[which]
    taken[np.arange(which.size), variable] += 1
    return Partials(live.start[which], live.at[which] + 1, state, taken)


@kernel
def settle(
    at: np.ndarray,
    begun: np.ndarray,
    time: np.ndarray,
    status: np.ndarray,
    fate_time: np.ndarray,
    goes_on: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Move each partition on; returns the matches, when each was known, a match without way on."""
    start = np.empty(status.size, dtype=np.int64)
    known = np.empty(status.size, dtype=np.int64)
    n = 0
    for p in range(at.size):
        row = at[p]
        while row < begun[p] and status[row] != ALIVE:
            time[p] = max(time[p], fate_time[row])
            if status[row] == DEAD:
                row += 1
                continue
            if goes_on[row] <= row:
                return start[:0].copy(), known[:0].copy(), row
            start[n] = row
            known[n] = time[p]
            n += 1
            row = goes_on[row]
        at[p] = row
        begun[p] = max(begun[p], row)
    return start[:n].copy(), known[:n].copy(), -1
