"""MATCH_RECOGNIZE against a naive twin, under any cut of the input and any crash and restore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millstream.engine.harness import Harness
from millstream.errors import DataError
from millstream.plan.derive import derive
from millstream.testing.cases import parse_case
from millstream.testing.run_case import planned

DELAY_MS = 3
Row = tuple[str, int | None, int]
Taken = dict[str, list[Row]]


@dataclass(frozen=True)
class Condition:
    """One condition in both worlds; the twin's gets the rows by variable, the asked one last."""

    sql: str
    holds: Callable[[Row, list[Row], list[Row], Taken], bool]


def _values(rows: list[Row]) -> list[int]:
    return [v for _, v, _ in rows if v is not None]


def _rises(row: Row, own: list[Row], _all: list[Row], _by: Taken) -> bool:
    before = own[-2][1] if len(own) > 1 else None
    return before is None or (row[1] is not None and row[1] > before)


def _above_first(row: Row, _own: list[Row], every: list[Row], _by: Taken) -> bool:
    first = every[0][1]
    return row[1] is not None and first is not None and row[1] >= first


def _small_sum(_row: Row, own: list[Row], _all: list[Row], _by: Taken) -> bool:
    found = _values(own)
    return bool(found) and sum(found) < 5


def _after_a(row: Row, _own: list[Row], _all: list[Row], by: Taken) -> bool:
    last = by["A"][-1][1] if by["A"] else None
    return row[1] is not None and last is not None and row[1] <= last


CONDITIONS = [
    Condition("TRUE", lambda *_: True),
    Condition("{x}.v > 1", lambda row, *_: row[1] is not None and row[1] > 1),
    Condition("v <= 2", lambda row, *_: row[1] is not None and row[1] <= 2),
    Condition("{x}.v IS NULL OR {x}.v = 1", lambda row, *_: row[1] is None or row[1] == 1),
    Condition("LAST({x}.v, 1) IS NULL OR {x}.v > LAST({x}.v, 1)", _rises),
    Condition("{x}.v >= FIRST(v)", _above_first),
    Condition("SUM({x}.v) < 5", _small_sum),
    Condition("v <= A.v", _after_a),
    Condition("COUNT(*) < 4 AND {x}.v < 3", lambda row, _own, every, _by: (
        len(every) < 4 and row[1] is not None and row[1] < 3)),
]  # fmt: skip
QUANTIFIERS = {
    "": (1, 1, False), "?": (0, 1, False), "*": (0, 99, True), "+": (1, 99, True),
    "*?": (0, 99, False), "+?": (1, 99, False), "{2}": (2, 2, False), "{1,2}": (1, 2, True),
    "{2,}": (2, 99, True), "{0,2}": (0, 2, True), "{1,2}?": (1, 2, False), "{2,}?": (2, 99, False),
}  # fmt: skip
"""How it is written, the least and the most rows, and whether rows are kept from what follows."""
SKIPS = ["PAST LAST ROW", "TO NEXT ROW", "TO LAST B", "TO FIRST B"]


@dataclass(frozen=True)
class Question:
    """One pattern."""

    signs: tuple[str, ...]
    conditions: tuple[int, ...]
    skip: str
    within_ms: int | None

    @property
    def names(self) -> str:
        return "ABCD"[: len(self.signs)]

    @property
    def sql(self) -> str:
        parts = " ".join(f"{n}{s}" for n, s in zip(self.names, self.signs, strict=True))
        within = "" if self.within_ms is None else f" WITHIN INTERVAL '0.00{self.within_ms}' SECOND"
        pairs = zip(self.names, self.conditions, strict=True)
        define = ", ".join(f"{n} AS {CONDITIONS[c].sql.format(x=n)}" for n, c in pairs)
        counts = ", ".join(f"COUNT({n}.ts) AS n_{n}" for n in self.names)
        return (
            "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES "
            f"FIRST(ts) AS f, LAST(ts) AS l, {counts}, SUM(v) AS s, MATCH_ROWTIME() AS rt "
            f"AFTER MATCH SKIP {self.skip} PATTERN ({parts}){within} DEFINE {define}) AS m"
        )

    @property
    def is_legal(self) -> bool:
        limits = [QUANTIFIERS[s] for s in self.signs]
        open_ends = (a[2] and b[0] == 0 and b[1] in (1, 99) for a, b in pairwise(limits))
        return any(least for least, _, _ in limits) and not limits[-1][2] and not any(open_ends)


# ---------------------------------------------------------------- the twin


@dataclass
class Twin:
    """Looks for matches in the sorted rows of one partition, one first row after the other."""

    asked: Question
    rows: list[Row]
    limits: list[tuple[int, int, bool]] = field(init=False)

    def __post_init__(self) -> None:
        self.limits = [QUANTIFIERS[s] for s in self.asked.signs]

    def holds(self, variable: int, start: int, taken: list[int], at: int) -> bool:
        """Tell whether a variable's condition accepts row ``at`` behind what was taken."""
        by: Taken = {n: [] for n in self.asked.names}
        for row, own in zip(self.rows[start:at], taken, strict=True):
            by[self.asked.names[own]].append(row)
        row = self.rows[at]
        by[self.asked.names[variable]].append(row)
        own_rows = by[self.asked.names[variable]]
        condition = CONDITIONS[self.asked.conditions[variable]]
        return condition.holds(row, own_rows, self.rows[start : at + 1], by)

    def choices(self, start: int, taken: list[int], at: int) -> Iterator[int]:
        """Yield the variables that may take row ``at``, first choice first."""
        last = taken[-1] if taken else -1
        more = taken and taken.count(last) < self.limits[last][1]
        if more and self.holds(last, start, taken, at):
            yield last
        if taken and taken.count(last) < self.limits[last][0]:
            return
        for following in range(last + 1, len(self.limits)):
            passed = range(max(last, 0), following)
            kept = any(self.limits[p][2] and self.holds(p, start, taken, at) for p in passed)
            if not kept and self.holds(following, start, taken, at):
                yield following
            if self.limits[following][0]:
                return

    def ends(self, start: int, taken: list[int], at: int, chosen: int) -> bool:
        """Tell whether the match is complete when ``chosen`` takes row ``at``."""
        if [*taken, chosen].count(chosen) < self.limits[chosen][0]:
            return False
        if any(least for least, _, _ in self.limits[chosen + 1 :]):
            return False
        passed = range(chosen, len(self.limits) - 1)
        return not any(self.limits[p][2] and self.holds(p, start, taken, at) for p in passed)

    def fate(self, start: int) -> tuple[str, int, list[int]]:
        """Return what becomes of a first row (match, dead, open), when, and who took which row."""
        paths: list[list[int]] = [[]]
        within, begun = self.asked.within_ms, self.rows[start][2]
        for at in range(start, len(self.rows)):
            time = self.rows[at][2]
            if within is not None and time - begun >= within:
                return "dead", begun + within, []
            grown: list[list[int]] = []
            for taken in paths:
                for chosen in self.choices(start, taken, at):
                    if self.ends(start, taken, at, chosen):
                        return "match", time, [*taken, chosen]
                    grown.append([*taken, chosen])
            if not grown:
                return "dead", time, []
            paths = grown
        return ("open", 0, []) if within is None else ("dead", begun + within, [])

    def matches(self) -> Iterator[tuple[Any, ...]]:
        """Yield what is given of each match."""
        start, known = 0, -(10**9)
        while start < len(self.rows):
            how, time, taken = self.fate(start)
            if how == "open":
                return
            known = max(known, time)
            if how == "dead":
                start += 1
                continue
            rows = self.rows[start : start + len(taken)]
            values = _values(rows)
            counts = [taken.count(i) for i in range(len(self.limits))]
            total = sum(values) if values else None
            yield (rows[0][0], rows[0][2], rows[-1][2], *counts, total, known)
            start = self.goes_on(start, taken)

    def goes_on(self, start: int, taken: list[int]) -> int:
        match self.asked.skip:
            case "PAST LAST ROW":
                return start + len(taken)
            case "TO NEXT ROW":
                return start + 1
            case skip:
                places = [i for i, v in enumerate(taken) if v == 1]
                place = -1 if not places else places[0 if "FIRST" in skip else -1]
                if place <= 0:
                    raise DataError("nowhere to go on")
                return start + place


def twin(asked: Question, rows: list[Row]) -> tuple[Counter[Any], Counter[Any]]:
    """Return the matches and the late rows."""
    late: list[Row] = []
    kept: list[Row] = []
    mark = -(10**9)
    for row in rows:
        (late if row[2] <= mark else kept).append(row)
        mark = max(mark, row[2] - DELAY_MS)
    found: list[tuple[Any, ...]] = []
    for key in dict.fromkeys(row[0] for row in kept):
        mine = sorted((row for row in kept if row[0] == key), key=lambda row: row[2])
        found += Twin(asked, mine).matches()
    return Counter(found), Counter(late)


# ---------------------------------------------------------------- ours


def ours(
    asked: Question, rows: list[Row], cuts: list[int], crashes: list[bool]
) -> tuple[Counter[Any], Counter[Any]]:
    """Return the matches of a run with these cuts, and the late rows."""
    head = (
        "-- why x\n-- input t: k STRING, v INT, ts TIMESTAMP(3); watermark ts - "
        f"{DELAY_MS}ms\n-- expect x\n-- late  x\n"
    )
    case = parse_case(head + asked.sql, "law")
    plan, tables, _ = planned(case)
    harness = Harness(derive(plan, tables), seed=5)
    times = pl.Series("ts", [r[2] for r in rows], dtype=pl.Int64).cast(pl.Datetime("ms"))
    frame = pl.DataFrame(
        [
            pl.Series("k", [r[0] for r in rows], dtype=pl.String),
            pl.Series("v", [r[1] for r in rows], dtype=pl.Int32),
            times,
        ]
    )
    bounds = sorted({0, len(rows), *(c % (len(rows) + 1) for c in cuts)})
    for i, (start, end) in enumerate(pairwise(bounds)):
        harness.feed("t", frame[start:end])
        if crashes[i % len(crashes)]:
            harness = harness.restarted()
    harness.finish()
    found: Counter[Any] = Counter()
    late: Counter[Any] = Counter()
    for frame in (f for frames in harness.out.values() for f in frames):
        stamps = [c for c in frame.columns if frame.schema[c] == pl.Datetime("ms")]
        rows_of = frame.with_columns(pl.col(stamps).cast(pl.Int64)).rows()
        (found if "rt" in frame.columns else late).update(rows_of)
    return found, late


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["p", "q"]),
        st.one_of(st.none(), st.integers(0, 3), st.integers(0, 3)),
        st.integers(0, 4),
    ),
    min_size=10,
    max_size=24,
).map(lambda rows: [(k, v, t + i) for i, (k, v, t) in enumerate(rows)])
QUESTIONS = st.integers(2, 4).flatmap(
    lambda count: st.builds(
        Question,
        st.tuples(*[st.sampled_from(list(QUANTIFIERS))] * count),
        # Half of the patterns ask of single rows alone, which another search finds.
        st.one_of(
            st.tuples(*[st.integers(0, 3)] * count),
            st.tuples(*[st.integers(0, len(CONDITIONS) - 1)] * count),
        ),
        st.sampled_from(SKIPS),
        st.one_of(st.none(), st.integers(2, 9)),
    )
).filter(lambda asked: asked.is_legal)  # fmt: skip


@settings(max_examples=60)
@given(
    QUESTIONS,
    ROWS,
    st.lists(st.integers(0, 30), max_size=8),
    st.lists(st.booleans(), min_size=1, max_size=3),
)
@example(
    Question(("", "?", ""), (1, 1, 1), "PAST LAST ROW", None),
    [("p", 2, i) for i in range(9)],
    [3],
    [True],
)
def test_matches_are_those_of_the_twin(
    asked: Question, rows: list[Row], cuts: list[int], crashes: list[bool]
) -> None:
    """Which rows match is a question of their order alone, not of batches or crashes."""
    try:
        wanted, late = twin(asked, rows)
    except DataError:
        with pytest.raises(DataError, match="SKIP TO"):
            ours(asked, rows, cuts, crashes)
        return
    assert ours(asked, rows, cuts, crashes) == (wanted, late)
