"""Every case against what Apache Flink answered; a chosen few against a Flink that runs here."""

from __future__ import annotations

import os

import pytest

from millstream.testing.cases import Case, parse_case
from tests.oracle import recordings
from tests.oracle.ask import ask, split_statements
from tests.oracle.compare import primary_keys, trouble
from tests.oracle.environment import NoFlink, present
from tests.oracle.record import all_cases

CASES = {case.name: case for case in all_cases()}
RECORDED_MIN = 150
LIVE = ("count_updating", "cumulate_tvf", "late_at_the_very_edge", "hop_partly_late",
        "sink_upsert_to_upsert", "order_by_two_columns", "two_delays", "view_shared",
        "float_keys", "failing_cast")  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_flink_gave_what_the_case_expects(name: str) -> None:
    """A script written for Flink must give the same answer here."""
    assert trouble(CASES[name]) == ""


def test_there_are_recordings_of_rows() -> None:
    """Were every answer a refusal, the comparison above would prove nothing."""
    known = [recordings.read(name) for name in CASES]
    assert sum(each is not None and each.outcome == "rows" for each in known) >= RECORDED_MIN


def test_no_recording_is_left_of_a_case_that_is_gone() -> None:
    """A file nobody compares would look like a proof."""
    left = {file.stem for file in recordings.FOLDER.glob("*.txt")} - {"random"}
    assert left <= set(CASES)


def _broken(old: str, new: str) -> Case:
    text = (
        "-- why x\n-- input bids: k STRING, v INT\n--   a,1\n--   b,2\n--   a,3\n"
        "-- expect k,n\n--   a,2\n--   b,1\nSELECT k, COUNT(*) AS n FROM bids GROUP BY k"
    )
    assert old in text
    return parse_case(text.replace(old, new), "count_updating")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("--   a,2", "--   a,3", "only Flink's"),
        ("expect k,n", "expect k,m", "columns"),
        ("-- expect", "-- targets flink gap: none\n-- expect", "is to go"),
        ("-- input bids", "-- input  bids", ""),
        ("--   b,2", "--   b,7", "was changed"),
    ],
)
def test_a_difference_is_told(old: str, new: str, told: str) -> None:
    """A comparison that never fails would make every recording worthless."""
    said = trouble(_broken(old, new))
    assert told in said
    assert bool(said) == bool(told)


def test_a_case_without_recording_is_told() -> None:
    """A new case must not go unproven."""
    case = _broken("a,1", "a,1")
    case.name = "no_such_case"
    assert "make oracle" in trouble(case)


def test_statements_are_split_outside_of_text() -> None:
    """Flink takes one statement at a time."""
    sql = "SET 'a' = 'b;c'; -- end; here\nSELECT `x;` FROM t /* ; */; INSERT INTO a-b VALUES (1)"
    assert split_statements(sql) == [
        "SET 'a' = 'b;c'",
        "-- end; here\nSELECT `x;` FROM t /* ; */",
        "INSERT INTO a-b VALUES (1)",
    ]


@pytest.mark.flink
def test_a_flink_that_runs_here_gives_the_recorded_answers() -> None:
    """Recordings are only as good as the way they were made."""
    must = os.environ.get("CI", "").lower() in ("true", "1")
    if not must and not present():
        pytest.skip("Flink is not here: 'make oracle' fetches it")
    cases = [CASES[name] for name in LIVE]
    try:
        answers = ask(cases)
    except NoFlink as reason:
        pytest.fail(str(reason), pytrace=False)
    for case, answer in zip(cases, answers, strict=True):
        text = (recordings.FOLDER / f"{case.name}.txt").read_text(encoding="utf-8")
        assert recordings.text_of(answer, case, primary_keys(case)) == text
