"""Asked to stop: gracefully, twice, while it waits, with a sink that hangs (F24)."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.feed import Feed
from tests.faults.readers import Readers, nothing_open
from tests.faults.scene import Scene

pytestmark = pytest.mark.faults
TERMINATED = 128 + signal.SIGTERM
LIMIT_S = 60.0
ROWS = 40_000


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_f24_sigterm_under_load(
    times: int, scene: Scene, feed: Callable[..., Feed], readers: Readers
) -> None:
    """Once: the last epoch is delivered. Twice: at once. No transaction is left open by either."""
    chance = random.Random(times)
    load = feed().start()
    for _ in range(3):
        run = scene.start()
        run.until_epochs(1)
        until_s = time.monotonic() + chance.uniform(0, 0.3)
        run.until(_passed(until_s))
        for _ in range(times):
            run.process.send_signal(signal.SIGTERM)
            time.sleep(0.01)  # two signals at one moment are one
        assert run.wait(LIMIT_S) == TERMINATED, run.text()
        nothing_open(scene)
        readers.check()
    load.stop()
    scene.finish()
    readers.end(load.answer())
    assert scene.stop_marks() == []


PROGRAM = """
import os, time
import millstream as ms

def function(frame):
    open("busy", "w").close()
{body}
    return frame

numbers = ms.read_json("in.json", schema={{"x": "BIGINT"}})
numbers.map_batches(function).write_sqlite("out.db", table="good", key=[])
if __name__ == "__main__":
    ms.run(checkpoint="checkpoints", settings={{
        "execution.checkpointing.interval": "100ms", "engine.chunk-rows-max": 2048, {settings}
    }})
    print("the program goes on", flush=True)
"""


class Case:
    """A pipeline over a file, in a folder and a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "in.json").write_text("".join(f'{{"x":{x}}}\n' for x in range(ROWS)))
        with sqlite3.connect(folder / "out.db") as database:
            database.execute("CREATE TABLE good (x INTEGER)")

    def start(
        self, body: str = "pass", settings: str = "", *, command: bool = False
    ) -> subprocess.Popen[str]:
        """Start it: as a program, or with the command line."""
        (self.folder / "busy").unlink(missing_ok=True)
        program = PROGRAM.format(body=f"    {body}", settings=settings)
        if command:
            program = program[: program.index("if __name__")] + "ms.run()\n"
        (self.folder / "program.py").write_text(program)
        words = ["program.py"]
        if command:
            words = ["-m", "millstream", "run", "program.py", "--checkpoint", "checkpoints"]
            words += ["--set", "execution.checkpointing.interval=100ms"]
            words += ["--set", "engine.chunk-rows-max=2048"]
        return subprocess.Popen(
            [sys.executable, *words], cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ},
        )  # fmt: skip

    def until(self, process: subprocess.Popen[str], happened: Callable[[], bool]) -> None:
        """Wait for something while the process lives."""
        deadline_s = time.monotonic() + LIMIT_S
        while not happened():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline_s, "it never came"
            time.sleep(0.01)

    def is_busy(self) -> bool:
        return (self.folder / "busy").exists()

    def rows(self) -> list[int]:
        with sqlite3.connect(self.folder / "out.db") as database:
            return [x for (x,) in database.execute("SELECT x FROM good ORDER BY x")]


@pytest.mark.parametrize("command", [False, True], ids=["program", "command line"])
def test_f24_sigterm_during_a_batch(tmp_path: Path, command: bool) -> None:
    """The batch is done, its epoch delivered, and the next start goes on behind it."""
    case = Case(tmp_path)
    process = case.start("time.sleep(0.05)", command=command)
    case.until(process, case.is_busy)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == (TERMINATED if command else 0), err
    assert command or "the program goes on" in out
    some = case.rows()
    assert some
    assert some == list(range(len(some)))
    again = case.start()
    assert again.communicate(timeout=LIMIT_S) is not None
    assert again.returncode == 0
    assert case.rows() == list(range(ROWS))


@pytest.mark.parametrize("command", [False, True], ids=["program", "command line"])
def test_f24_sigterm_twice_where_nothing_gets_on(tmp_path: Path, command: bool) -> None:
    """A function that hangs holds nobody up: the process ends in seconds, and nothing is lost."""
    case = Case(tmp_path)
    process = case.start("time.sleep(3600)", command=command)
    case.until(process, case.is_busy)
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == TERMINATED, err
    again = case.start()
    again.communicate(timeout=LIMIT_S)
    assert case.rows() == list(range(ROWS))


def test_f24_sigterm_while_it_waits_for_a_restart(tmp_path: Path) -> None:
    """Nothing is open then: it ends at once, with what the checkpoint has."""
    case = Case(tmp_path)
    process = case.start(
        "raise type('Panic', (BaseException,), {})('!')",
        "'restart-strategy.exponential-delay.initial-backoff': '1h',"
        "'restart-strategy.exponential-delay.max-backoff': '1h'",
    )
    case.until(process, case.is_busy)
    assert process.stderr is not None
    assert "restarting in" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err
    assert "the program goes on" in out
    again = case.start()
    again.communicate(timeout=LIMIT_S)
    assert case.rows() == list(range(ROWS))


def _passed(until_s: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > until_s
