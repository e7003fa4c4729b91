"""The list of SQL constructs in docs/sql.md is true: what runs has cases, a gap is refused."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from millstream.errors import MillstreamError
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.settings import Settings
from millstream.sql.script import Inserted, Session

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from sql_coverage import COVERAGE, TABLE, Gap, Runs  # noqa: E402

CASES = sorted(path.stem for path in (ROOT / "tests" / "cases").glob("*.sql"))
ROWS = [row for family in COVERAGE for row in family.rows]


def checked(text: str) -> None:
    for outcome in Session(settings=Settings()).execute(text):
        if isinstance(outcome, Inserted):
            Job(Plan(outcome.sinks)).check()


@pytest.mark.parametrize("row", [r for r in ROWS if isinstance(r, Runs) and r.cases], ids=str)
def test_what_runs_has_cases(row: Runs) -> None:
    """A construct without a case only seems to work."""
    for pattern in row.cases:
        assert any(fnmatch(name, pattern) for name in CASES), f"no case is named {pattern}"


@pytest.mark.parametrize("row", [r for r in ROWS if isinstance(r, Gap)], ids=str)
def test_a_gap_is_refused_by_name(row: Gap) -> None:
    """A user is told before anything runs, with the construct and what to write instead."""
    with pytest.raises(MillstreamError) as caught:
        checked(TABLE + row.sql)
    assert row.says in str(caught.value)
    assert caught.value.hint


def test_the_page_says_what_the_table_says() -> None:
    """Generated means generated: `python tools/sql_docs.py` writes it."""
    command = [sys.executable, str(ROOT / "tools" / "sql_docs.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0, "run tools/sql_docs.py"


def test_there_are_enough_cases() -> None:
    """The bar of the issue that made SQL complete."""
    assert len(CASES) >= 400
