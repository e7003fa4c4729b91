"""A user's function that fails, hangs, eats all there is or kills its process (F22).

Each pipeline is a process of its own. It reads a file, calls the function, and writes to SQLite
exactly once; what became of every row is read from outside.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.faults
ROWS = 20_000
POISON = 12_345
STARTS_MAX = 8
LIMIT_S = 120.0

PROGRAM = """
import ctypes, os, resource, sys, time
import polars as pl
import millstream as ms

def function(frame):
{body}
    return frame

numbers = ms.read_json("in.json", schema={{"x": "BIGINT"}})
made = numbers.map_batches(function)
made.write_sqlite("out.db", table="good", key=[])
made.rejected.select("reason", "offset").write_sqlite("out.db", table="bad", key=[])
if __name__ == "__main__":
    summary = ms.run(checkpoint="checkpoints", settings={{
        "execution.checkpointing.interval": "100ms", "engine.chunk-rows-max": 4096,
        "restart-strategy.exponential-delay.initial-backoff": "10ms", {settings}
    }})
    print(summary.ended, summary.progress.restarts, flush=True)
"""


@dataclass(frozen=True)
class Case:
    """A program in a folder of its own."""

    folder: Path

    def start(self) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "program.py"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env={**os.environ, "PYTHONFAULTHANDLER": ""},
        )

    def good(self) -> list[int]:
        """The rows that came through."""
        return [x for (x,) in self._read("SELECT x FROM good ORDER BY x")]

    def bad(self) -> list[str]:
        """Why the others did not."""
        return [reason for (reason,) in self._read("SELECT reason FROM bad")]

    def _read(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "out.db") as database:
            return database.execute(query).fetchall()


def case(folder: Path, body: str, settings: str = "") -> Case:
    lines = (json.dumps({"x": x}) for x in range(ROWS))
    (folder / "in.json").write_text("\n".join(lines) + "\n")
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    (folder / "program.py").write_text(PROGRAM.format(body=indented, settings=settings))
    with sqlite3.connect(folder / "out.db") as database:
        database.execute("CREATE TABLE good (x INTEGER)")
        database.execute('CREATE TABLE bad (reason TEXT, "offset" INTEGER)')
    return Case(folder)


ALL_BUT_ONE = [x for x in range(ROWS) if x != POISON]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (f"if {POISON} in frame['x']: raise MemoryError('no memory for this row')", "no memory"),
        (f"if {POISON} in frame['x']: raise type('Panic', (BaseException,), {{}})('!')", "Panic"),
        (f"if {POISON} in frame['x']: [1] * 2**60", "MemoryError"),
    ],
    ids=["MemoryError", "panic", "too-large"],
)
def test_f22_one_row_fails(tmp_path: Path, body: str, why: str) -> None:
    """Everything else goes on, exactly once; the row is there, with its reason."""
    made = case(tmp_path, body)
    done = made.start()
    assert done.returncode == 0, done.stderr
    assert made.good() == ALL_BUT_ONE
    assert len(made.bad()) == 1
    assert why in made.bad()[0]


def test_f22_a_function_that_never_returns(tmp_path: Path) -> None:
    """It is interrupted, its row rejected, and nobody has to kill the process."""
    made = case(
        tmp_path,
        f"while {POISON} in frame['x']: pass",
        "'pipeline.batch-timeout': '300ms'",
    )
    done = made.start()
    assert done.returncode == 0, done.stderr
    assert made.good() == ALL_BUT_ONE
    assert "no return within 0.3 s" in made.bad()[0]


def test_f22_native_code_that_never_returns(tmp_path: Path) -> None:
    """No exception reaches it: the process ends itself and says why; the next one goes on."""
    made = case(
        tmp_path,
        f"if {POISON} in frame['x'] and len(frame) > 1: ctypes.CDLL(None).pause()",
        "'pipeline.batch-timeout': '500ms'",
    )
    done = made.start()
    assert done.returncode == 1
    assert "not even when interrupted" in done.stderr
    assert "function (" in done.stderr


def test_f22_a_function_that_kills_its_process(tmp_path: Path) -> None:
    """Start after start the suspicion narrows, until the one row is set aside."""
    made = case(tmp_path, f"if {POISON} in frame['x']: os.kill(os.getpid(), {int(signal.SIGSEGV)})")
    codes: list[int] = []
    while not codes or codes[-1]:
        codes.append(made.start().returncode)
        assert len(codes) <= STARTS_MAX, codes
    assert set(codes[:-1]) == {-signal.SIGSEGV}
    assert made.good() == ALL_BUT_ONE
    assert len(made.bad()) == 1
    assert "the process died 2 times" in made.bad()[0]


def test_f22_no_file_handle_left(tmp_path: Path) -> None:
    """It waits and goes on, or ends with a message; either way nothing is lost or doubled."""
    made = case(
        tmp_path,
        f"""
if {POISON} in frame['x'] and not hasattr(os, 'ran_out'):
    os.ran_out = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (5, os.ran_out[1]))
    import threading
    def later(limits):
        time.sleep(1.5)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    threading.Thread(target=later, args=(os.ran_out,), daemon=True).start()
""",
    )
    done = made.start()
    for _ in range(2):  # SQLite does not say why it cannot open its file: that ends the first run
        if done.returncode:
            assert "error" in done.stderr.lower()
            program = made.folder / "program.py"
            program.write_text(program.read_text().replace("not hasattr", "hasattr"))
            done = made.start()
    assert done.returncode == 0, done.stderr
    assert made.good() == list(range(ROWS))
    assert made.bad() == []


def test_f22_a_function_that_always_fails_is_the_end(tmp_path: Path) -> None:
    """A broken function is told as such: nothing loops, the checkpoint stays as it is."""
    made = case(tmp_path, "raise type('Panic', (BaseException,), {})('broken')")
    done = made.start()
    assert done.returncode == 1
    assert "rows failed alone" in done.stderr
    assert "Panic: broken" in done.stderr
    assert made.good() == []
