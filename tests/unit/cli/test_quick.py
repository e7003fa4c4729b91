"""The short way into ``run`` must be the long way, only shorter."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from millstream.cli import collecting
from millstream.cli import run as long_way
from millstream.cli.app import app
from millstream.cli.failure import Exit
from millstream.cli.quick import Run, run_of
from tests.unit.cli.test_cli import millstream

WORDS = ("a.sql", "--quiet", "-q", "--checkpoint", "--set", "k=v", "--checkpoint=c", "--", "-x", "")
"""Values, flags, options whose value may be missing, and what only the library understands."""


def asked(argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Run | None:
    """Return what the library of the command line calls ``run`` with; None where it refuses."""
    calls: list[Run] = []

    def note(file: Path, checkpoint: str | None, pairs: list[str], *, quiet: bool) -> Exit:
        calls.append(Run(file, checkpoint, tuple(pairs), quiet))
        return Exit.OK

    monkeypatch.setattr(long_way, "run_file", note)
    command = typer.main.get_command(app)
    with pytest.raises(SystemExit) as left:
        command(list(argv), standalone_mode=True)
    assert bool(calls) == (left.value.code == 0), "a refusal calls nothing"
    return calls[0] if calls else None


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_the_short_way_calls_what_the_library_would(
    length: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Two readers of one command line must not differ: what the short one takes, both take."""
    taken = 0
    for words in itertools.product(WORDS, repeat=length):
        short = run_of(("run", *words))
        if short is None:
            continue
        taken += 1
        assert short == asked(("run", *words), monkeypatch), words
    capsys.readouterr()
    assert taken or not length


@pytest.mark.parametrize(
    "argv",
    [
        ("run", "a.sql", "--quiet", "--set", "a=b", "--checkpoint", "c", "--set", "d=e"),
        ("run", "--checkpoint", "c", "--checkpoint", "d", "a.sql"),
    ],
)
def test_options_that_come_again(argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    """`--set` adds up, `--checkpoint` is the last one; as the library has it."""
    short = run_of(argv)
    assert short is not None
    assert short == asked(argv, monkeypatch)


@pytest.mark.parametrize("argv", [(), ("sql", "SELECT 1"), ("run",), ("run", "-h"), ("--version",)])
def test_everything_else_is_left_to_the_library(argv: tuple[str, ...]):
    """Help, other commands and mistakes are told by the library, in its words."""
    assert run_of(argv) is None


def test_a_plain_run_loads_no_library_of_the_command_line(tmp_path: Path):
    """A restart waits for what it needs, not for the options of forty commands."""
    script = tmp_path / "a.sql"
    script.write_text(
        "CREATE TABLE o (x BIGINT) WITH ('connector' = 'print');"
        "INSERT INTO o SELECT x FROM (VALUES (1)) AS t(x);"
    )
    code = (
        "import sys\n"
        f"sys.argv = ['millstream', 'run', {str(script)!r}, '--quiet']\n"
        "from millstream.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as left:\n    assert not left.code\n"
        "heavy = {'typer', 'pydantic', 'rich', 'duckdb', 'confluent_kafka'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stdout.splitlines() == ["+I[1]", "[]"], done.stderr


def test_the_short_way_tells_a_mistake_as_the_long_one_does(tmp_path: Path):
    """A user sees one command line: the same words and the same exit code."""
    missing = str(tmp_path / "none.sql")
    short, long = millstream("run", missing), millstream("run", missing, "--engine", "embedded")
    assert (short.returncode, short.stderr) == (long.returncode, long.stderr)
    assert short.returncode == Exit.WRONG


@pytest.fixture
def thresholds() -> Any:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_running_pipeline_has_the_collector_it_came_with(thresholds: tuple[int, int, int]):
    """Collecting seldom is for the start: a pipeline that runs for months must not go on so."""
    collecting.starting()
    assert gc.get_threshold() == collecting.STARTING
    collecting.running()
    assert gc.get_threshold() == thresholds
    frozen = gc.get_freeze_count()
    collecting.running()
    assert frozen
    assert gc.get_freeze_count() == frozen


def test_thresholds_of_a_users_program_stay(thresholds: tuple[int, int, int]):
    """Who chose thresholds in his program, after we did, knows better."""
    collecting.starting()
    gc.set_threshold(123, 4, 5)
    collecting.running()
    assert gc.get_threshold() == (123, 4, 5)
    assert gc.isenabled()
