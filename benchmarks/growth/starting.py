"""How long a user waits for the first row of ``millstream run``.

out     seconds from the start of the process to its first line, the very first time (no compiled
        kernel, no compiled module on the disk) and each time after that, as installed by pip
method  the command line as installed, in a process of its own; a windowed count by a key over
        ``datagen`` into ``print``. The cache of kernels is a folder of its own, empty at first
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AGAIN = 5
SCRIPT = """
CREATE TABLE a (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'datagen', 'number-of-rows' = '100000', 'start-time' = '2026-01-01 00:00:00',
  'fields.k.min' = '0', 'fields.k.max' = '99');
CREATE TABLE o (k BIGINT, w TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = 'print');
INSERT INTO o SELECT k, window_end, COUNT(*), SUM(v)
  FROM TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '10' SECOND) GROUP BY k, window_start, window_end;
"""


def waits() -> tuple[float, list[float]]:
    """Return the seconds of the very first start, and of those after it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "first.sql").write_text(SCRIPT)
        taken = [_first_row(folder) for _ in range(AGAIN + 1)]
    return taken[0], taken[1:]


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of a user whose first start is this one; modules may be kept."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    kept = {"MILLSTREAM_CACHE": folder / "cache", "PYTHONPYCACHEPREFIX": folder / "modules"}
    return own | {name: str(place) for name, place in kept.items()}


def _first_row(folder: Path) -> float:
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "millstream", "run", str(folder / "first.sql"), "--quiet"],
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None, "asked for a pipe"
    line = process.stdout.readline()
    took_s = time.perf_counter() - began_s
    _, said = process.communicate()
    if not line or process.returncode:
        sys.exit(f"the pipeline gave no row:\n{said}")
    return took_s
