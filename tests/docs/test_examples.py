"""Everything a page shows is run: README, guide, examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(
    r"(?P<note><!--[^>]*-->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced example; ``looked_at`` means it needs servers and is only validated."""

    page: str
    line: int
    language: str
    code: str
    looked_at: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    found: list[Block] = []
    for page in PAGES:
        text = page.read_text()
        for match in FENCE.finditer(text):
            line = text[: match.start()].count("\n") + 1
            note = match["note"] or ""
            found.append(
                Block(page.name, line, match["language"], match["code"], "looked at" in note)
            )
    return found


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


PYTHON = [b for b in blocks() if b.language == "python"]
SQL = [b for b in blocks() if b.language == "sql"]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_on_a_page_runs(block, tmp_path):
    """Readers copy it; so it is run as they would, or checked where it needs servers."""
    file = tmp_path / "example.py"
    file.write_text(block.code)
    command = ("-m", "millstream", "check", str(file)) if block.looked_at else (str(file),)
    done = run(*command)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", SQL, ids=str)
def test_sql_on_a_page_runs(block, tmp_path):
    """The same for SQL, with the command the page names."""
    file = tmp_path / "example.sql"
    file.write_text(block.code)
    command = ("check", str(file)) if block.looked_at else ("sql", "-f", str(file))
    done = run("-m", "millstream", *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() or block.looked_at


def test_the_readme_shows_both_commands_first_and_has_examples():
    """A newcomer's first screen: make demo, make test, then Python and SQL that run."""
    text = (ROOT / "README.md").read_text()
    first = FENCE.search(text)
    assert first is not None
    assert first["code"].split()[:2] == ["make", "demo"]
    assert "make test" in first["code"]
    mine = [b for b in PYTHON + SQL if b.page == "README.md" and not b.looked_at]
    assert {b.language for b in mine} == {"python", "sql"}


def test_the_readmes_answers_are_right():
    """Python and SQL on the first page give the same revenue, and it is this one."""
    code = next(b.code for b in PYTHON if b.page == "README.md")
    asked = code.replace(
        "revenue.show()\nms.run()",
        "print(sorted(revenue.select('country', 'orders', 'total').collect().rows()))",
    )
    assert asked != code
    want = [("de", 1, 41.0), ("de", 2, 27.25), ("es", 1, 80.0)]
    want += [("fr", 1, 5.0), ("fr", 1, 12.0), ("fr", 1, 35.5)]
    assert run("-c", asked).stdout.strip() == str(want)
    sql = next(b.code for b in SQL if b.page == "README.md")
    done = run("-m", "millstream", "sql", sql, "--format", "csv")
    rows = [line.split(",")[1:] for line in done.stdout.splitlines()[1:]]
    assert sorted((c, int(n), float(total)) for c, n, total in rows) == want


@pytest.mark.parametrize("name", ["revenue.py", "own_functions.py"])
def test_an_example_program_runs(name):
    """Each program in examples/ runs as its first lines say."""
    done = run(f"examples/{name}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize(
    ("command", "name"),
    [("run", "revenue.sql"), ("run", "revenue.py"), ("check", "kafka_to_postgres.py")],
)
def test_an_example_works_with_the_command_line(command, name):
    """The commands named in the examples work; what needs servers is checked without them."""
    done = run("-m", "millstream", command, f"examples/{name}")
    assert done.returncode == 0, done.stderr


def test_the_example_of_a_test_passes():
    """It is the first test a user writes."""
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/a_test_of_a_pipeline.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", ["connectors", "settings"])
def test_a_page_made_from_configs_is_fresh(page):
    """The page and the command come from one definition; a new option must appear in both."""
    done = run("-m", "millstream", page, "--format", "markdown")
    assert done.returncode == 0, done.stderr
    assert (ROOT / "docs" / f"{page}.md").read_text() == done.stdout, (
        f"renew it: millstream {page} --format markdown > docs/{page}.md"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    """A link to a page that is not there is the most common rot."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_error_classes_of_the_page_are_those_there_are():
    """docs/errors.md lists every public error and its exit code as the command line uses it."""
    import millstream
    from millstream.errors import MissingExtra, PlanError

    listed = dict(
        re.findall(
            r"^\| `(\w+)` \|.*\| (\d) \|$", (ROOT / "docs/errors.md").read_text(), re.MULTILINE
        )
    )
    errors = {
        name: getattr(millstream, name)
        for name in millstream.__all__
        if isinstance(getattr(millstream, name), type)
        and issubclass(getattr(millstream, name), millstream.MillstreamError)
        and name != "MillstreamError"
    }
    assert set(listed) == set(errors)
    for name, kind in errors.items():
        assert listed[name] == ("2" if issubclass(kind, PlanError | MissingExtra) else "1"), name


def test_the_exit_codes_of_the_page_are_those_there_are():
    """docs/cli.md documents every exit code."""
    from millstream.cli.failure import Exit

    listed = re.findall(r"^\| (\d+) \|", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    assert {int(code) for code in listed} == {int(code) for code in Exit}
