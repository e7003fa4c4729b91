"""A pipeline keeps to its memory limit: state goes to the disk, sources wait, and the last resort
is a message. Each pipeline is a process of its own, watched from outside."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from millstream.engine import spill

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not spill.can_spill(), reason="only Linux maps over memory"),
]
MIB = 1 << 20
LIMIT_MIB = 400
BASE_MIB = 150
"""What a process takes before it has read a row."""
SLACK_MIB = 60
"""Between two looks, a batch under way may take so much more."""
KEYS = 1_500_000
GROUPS = f"""
CREATE TABLE a (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '{2 * KEYS}',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{2 * KEYS - 1}');
CREATE TABLE o (n BIGINT, least BIGINT, PRIMARY KEY (least) NOT ENFORCED)
  WITH ('connector' = 'sqlite', 'path' = 'out.db', 'table' = 'o');
CREATE VIEW named AS SELECT id,
  CONCAT('a key that is rather long, so that much text is kept for each: ',
         CAST(MOD(id, {KEYS}) AS STRING)) AS k FROM a;
INSERT INTO o SELECT COUNT(*) AS n, MIN(n) AS least
  FROM (SELECT k, COUNT(*) AS n FROM named GROUP BY k HAVING COUNT(*) = 2);
"""
WIDE_ROWS = 600_000
WIDE = f"""
CREATE TABLE a (id BIGINT, t STRING) WITH ('connector' = 'datagen',
  'number-of-rows' = '{WIDE_ROWS}', 'fields.t.length' = '1000',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{WIDE_ROWS}');
CREATE TABLE o (id BIGINT, t STRING) WITH ('connector' = 'print');
INSERT INTO o SELECT id, t FROM a;
"""


@dataclass
class Run:
    """The command line on a program, and the most memory it was seen to hold."""

    process: subprocess.Popen[str]
    folder: Path
    peak_bytes: int = 0
    spilled_bytes: int = 0

    @property
    def said(self) -> str:
        """What it wrote on stderr."""
        return (self.folder / "stderr.txt").read_text()

    def look(self) -> None:
        """Note what it holds now."""
        held = self._status("RssAnon:")
        self.peak_bytes = max(self.peak_bytes, held)
        self.spilled_bytes = max(self.spilled_bytes, self._mapped())

    def cpu_ticks(self) -> int:
        """Return how much it has worked."""
        try:
            words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0
        return int(words[11]) + int(words[12])

    def _status(self, name: str) -> int:
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        except OSError:
            return 0
        return next((int(x.split()[1]) << 10 for x in lines if x.startswith(name)), 0)

    def _mapped(self) -> int:
        """Return the room its nameless files take on the disk."""
        total = 0
        for handle in Path(f"/proc/{self.process.pid}/fd").glob("*"):
            try:
                if str(handle.readlink()).endswith(" (deleted)"):
                    total += handle.stat().st_blocks * 512
            except OSError:
                continue
        return total


def started(folder: Path, program: str, *settings: str, reads: bool = False) -> Run:
    """Start a pipeline; ``reads``: its output is read, else it is thrown away."""
    (folder / "program.sql").write_text(program)
    words = [w for setting in settings for w in ("--set", setting)]
    with (folder / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "millstream", "run", "program.sql", *words],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE if reads else subprocess.DEVNULL,
            stderr=errors,
            text=True,
        )
    return Run(process, folder)


def ended(run: Run) -> int:
    """Watch a pipeline until its end; returns its exit code."""
    with run.process:
        try:
            while run.process.poll() is None:
                run.look()
                time.sleep(0.01)
        finally:
            run.process.kill()
    return run.process.returncode


def test_state_beyond_the_limit_goes_to_the_disk(tmp_path: Path) -> None:
    """A group-by over ever new keys is what fills memory until the system kills the process."""
    run = started(tmp_path, GROUPS, f"memory.limit={LIMIT_MIB}mb")
    assert ended(run) == 0, run.said
    with sqlite3.connect(tmp_path / "out.db") as found:
        assert found.execute("SELECT n, least FROM o").fetchall() == [(KEYS, 2)]
    assert run.spilled_bytes > 100 * MIB, "the limit was not met: the test shows nothing"
    assert run.peak_bytes < (LIMIT_MIB + SLACK_MIB) * MIB
    assert {p.name for p in tmp_path.iterdir()} == {
        "program.sql",
        "stderr.txt",
        "out.db",
    }


def test_a_pipeline_that_fits_spills_nothing(tmp_path: Path) -> None:
    """The disk is for what does not fit: state in files is slower for nothing."""
    run = started(
        tmp_path, GROUPS.replace(f"MOD(id, {KEYS})", "MOD(id, 1000)").replace("= 2)", "> 2)")
    )
    assert ended(run) == 0, run.said
    assert not run.spilled_bytes


def test_over_the_limit_without_a_disk_is_a_message(tmp_path: Path) -> None:
    """Being killed says nothing; the message says who holds what, and what can be done."""
    missing = "memory.spill-dir=" + str(tmp_path / "missing")
    run = started(tmp_path, GROUPS, f"memory.limit={LIMIT_MIB // 2}mb", missing)
    assert ended(run) == 1
    for words in (f"its limit is {LIMIT_MIB // 2} MiB", "missing", "read ahead:", "memory.limit"):
        assert words in run.said


def test_a_sink_that_hangs_holds_the_source_back(tmp_path: Path) -> None:
    """F13: whatever a sink does not take must not pile up in memory, and none of it is lost."""
    run = started(tmp_path, WIDE, "memory.limit=0", "engine.chunk-bytes-max=8mb", reads=True)
    assert run.process.stdout is not None, "asked for a pipe"
    first = run.process.stdout.readline()  # from here on nobody reads: the pipe is full at once
    quiet, ticks = 0, -1
    while quiet < 20:  # two seconds in which it does next to nothing
        run.look()
        now = run.cpu_ticks()
        quiet, ticks = (quiet + 1, now) if now - ticks <= 1 else (0, now)
        time.sleep(0.1)
    hung_bytes = run.peak_bytes
    rows = 1 + sum(1 for _ in run.process.stdout)
    assert ended(run) == 0, run.said
    assert first.strip()
    assert rows >= WIDE_ROWS
    assert hung_bytes < (BASE_MIB + WIDE_ROWS // 1_000) * MIB, "it did not read on meanwhile"
