"""F23, from end to end: a pipeline whose checkpoints are in S3 is killed, stopped and gone on with.

moto on loopback, some of its answers refused; the pipeline runs as a process, by the CLI.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import s3

pytestmark = pytest.mark.faults
ROWS = 100_000
LIMIT_S = 120.0
SCRIPT = """
SET 'execution.checkpointing.interval' = '100ms';
SET 'engine.chunk-rows-max' = '500';
SET 'engine.split-quantum-rows' = '500';
SET 'engine.epoch-bytes-max' = '20000';
CREATE TABLE a (id BIGINT, k STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');
CREATE TABLE result (w TIMESTAMP(3), k STRING, n BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO result SELECT window_start, k, COUNT(*)
FROM TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY window_start, window_end, k;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[s3.S3Server]:
    with s3.running() as found:
        yield found


def started(folder: Path, place: str, server: s3.S3Server, *more: str) -> subprocess.Popen[str]:
    return cli(folder, server, "run", "job.sql", "--checkpoint", place, *more)


def cli(folder: Path, server: s3.S3Server, *args: str) -> subprocess.Popen[str]:
    pairs = {
        "s3.endpoint": server.through, "s3.region": "us-east-1",
        "s3.access-key": "testing", "s3.secret-key": "testing",
    }  # fmt: skip
    said = [part for name, value in pairs.items() for part in ("--set", f"{name}={value}")]
    return subprocess.Popen(
        [sys.executable, "-m", "millstream.cli", *args, *said],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip


def until_files(folder: Path, count: int, run: subprocess.Popen[str]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while len(list((folder / "out").glob("[!._]*"))) < count and run.poll() is None:
        assert time.monotonic() < end_s, "no progress"
        time.sleep(0.02)


def result(folder: Path) -> Counter[tuple[str, str, int]]:
    found: Counter[tuple[str, str, int]] = Counter()
    for file in (folder / "out").glob("[!._]*"):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            found[row["w"], row["k"], row["n"]] += 1
    return found


def test_f23_a_run_with_checkpoints_in_s3(server: s3.S3Server, tmp_path: Path) -> None:
    """What holds on a disk holds in a bucket: kill -9, refusals, listing, and no row twice."""
    place = server.bucket() + "/job"
    (tmp_path / "job.sql").write_text(SCRIPT)
    with (tmp_path / "in.json").open("w") as file:
        for n in range(ROWS):
            second, ms = divmod(n * 5, 1000)
            ts = f"2026-01-01 00:{second // 60:02d}:{second % 60:02d}.{ms:03d}"
            file.write(json.dumps({"id": n, "k": "xyz"[n % 3], "ts": ts}) + "\n")
    want: Counter[tuple[int, str]] = Counter((n * 5 // 1000, "xyz"[n % 3]) for n in range(ROWS))
    ended: list[int] = []
    for files in (1, 4):
        run = started(tmp_path, place, server)
        until_files(tmp_path, files, run)
        run.send_signal(signal.SIGKILL)
        run.communicate()
        ended.append(run.returncode)
    assert -signal.SIGKILL in ended, "it was never killed: give it more rows"
    server.fault = lambda request: 503 if request.number % 5 == 0 else None
    run = started(tmp_path, place, server)
    said, _ = run.communicate(timeout=LIMIT_S)
    server.fault = None
    assert run.returncode == 0, said
    found = result(tmp_path)
    assert sorted(n for _, _, n in found.elements()) == sorted(want.values())
    assert set(found.values()) == {1}
    verify = cli(tmp_path, server, "checkpoints", place, "verify")
    listed, _ = verify.communicate(timeout=LIMIT_S)
    assert verify.returncode == 0, listed
    assert "testing" not in listed
    again = started(tmp_path, place, server)
    said, _ = again.communicate(timeout=LIMIT_S)
    assert again.returncode == 0, said
    assert result(tmp_path) == found
