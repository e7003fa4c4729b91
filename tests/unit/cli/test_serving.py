"""``run --ui`` and ``serve``: what options mean, and that a server lives as long as it should."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from millstream.cli.serve import serve_files
from millstream.cli.serving import ADDRESS, Wanted, wanted, with_address
from millstream.errors import OptionError

LIMIT_S = 120.0
ENDLESS = """
SET 'pipeline.name' = 'ticks';
CREATE TABLE made (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');
CREATE MATERIALIZED VIEW counted AS SELECT COUNT(*) AS n FROM made;
"""
BOUNDED = """
CREATE TABLE made (n BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '10');
CREATE TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO nowhere SELECT n FROM made;
"""


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["run", "a.sql", "--ui"], ["run", "a.sql", f"--ui={ADDRESS}"]),
        (["run", "--ui", "a.sql"], ["run", f"--ui={ADDRESS}", "a.sql"]),
        (["run", "--ui", "--quiet", "a.sql"], ["run", f"--ui={ADDRESS}", "--quiet", "a.sql"]),
        (["run", "--ui", "9000", "a.sql"], ["run", "--ui", "9000", "a.sql"]),
        (["run", "--ui", "[::1]:80", "a.sql"], ["run", "--ui", "[::1]:80", "a.sql"]),
        (["run", "--ui", "here:there", "a.sql"], ["run", "--ui", "here:there", "a.sql"]),
        (["sql", "--", "--ui"], ["sql", "--", "--ui"]),
    ],
)
def test_an_address_is_told_from_a_file(given: list[str], found: list[str]) -> None:
    """``--ui FILE`` must not take the file for an address, nor a wrong address for a file."""
    assert with_address(given) == found


def test_wrong_options_are_told() -> None:
    """An option of a server that is not asked for would be ignored in silence."""
    with pytest.raises(OptionError, match="HOST:PORT"):
        wanted("here:there", None, None, None, None)
    with pytest.raises(OptionError, match="--alert-to is about the server"):
        wanted(None, None, None, None, ["log"])
    found = wanted("9000", None, None, None, None)
    assert found is not None
    assert found.address == "127.0.0.1:9000"


def test_jobs_that_would_share_a_folder_are_refused(tmp_path: Path) -> None:
    """Before one of them runs: each would take the other's checkpoints for its own."""
    (tmp_path / "more").mkdir()
    files = [tmp_path / "ticks.sql", tmp_path / "more" / "ticks.sql"]
    for number, file in enumerate(files):
        file.write_text(ENDLESS.replace("ticks", f"ticks{number}"))
    asked = Wanted("127.0.0.1:0")
    with pytest.raises(OptionError, match="'ticks0' and 'ticks1' keep their checkpoints in one"):
        serve_files(files, str(tmp_path / "state"), [], asked, quiet=True)
    with pytest.raises(OptionError, match="Two jobs are called 'ticks0'"):
        serve_files([files[0], files[0]], None, [], asked, quiet=True)
    assert not (tmp_path / "state").exists()


def started(
    tmp_path: Path,
    command: str,
    text: str,
    kind: str = ".sql",
    under: Sequence[str] = (),
) -> tuple[subprocess.Popen[str], str]:
    """Start a command on a script, ``under`` another; return it and the address it tells."""
    file = tmp_path / f"job{kind}"
    file.write_text(text)
    argv = [*under, sys.executable, "-m", "millstream", command, str(file), "--ui", "127.0.0.1:0"]
    argv += ["--checkpoint", str(tmp_path / "state")]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"dashboard: (\S+)", line):
            return process, found.group(1).rstrip("/")
    raise AssertionError("it ended without telling an address")


def ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=LIMIT_S)
    return process.returncode


def test_a_run_that_ends_takes_its_server_along(tmp_path: Path) -> None:
    """A script that runs a bounded pipeline with --ui must not hang after it."""
    process, url = started(tmp_path, "run", BOUNDED)
    assert ended(process) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/healthz", timeout=5)


def test_a_served_job_is_stopped_and_goes_on(tmp_path: Path) -> None:
    """Serve stays when its job was stopped, and starts it where its checkpoint left off."""
    process, url = started(tmp_path, "serve", ENDLESS)

    def said(path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        ask = urllib.request.Request(
            f"{url}/v1{path}", data, {"Content-Type": "application/json"} if data else {}
        )
        with urllib.request.urlopen(ask, timeout=LIMIT_S) as answer:
            return json.load(answer)

    def until(holds: Callable[[], bool]) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < end_s, said("/jobs/ticks")
            time.sleep(0.05)

    def counted() -> int:
        try:
            rows = said("/views/counted/rows")["rows"]
        except urllib.error.HTTPError as error:
            if error.code != 404:  # the address is told before the job has started
                raise
            return 0
        return int(rows[0][0]) if rows else 0

    try:
        until(lambda: counted() > 0)
        said("/jobs/ticks/stop", {})
        until(lambda: said("/jobs/ticks")["state"] == "stopped")
        assert said("/jobs/ticks")["can_be_started_again"]
        before = counted()
        assert not said("/jobs/ticks/resume", {})["can_be_started_again"]
        until(lambda: counted() > before)
        process.send_signal(signal.SIGTERM)
        assert ended(process) == 143
    finally:
        process.kill()
        process.communicate()


STUCK = """
import time
import millstream as ms

@ms.udf
def waits(n: int) -> int:
    open("reached", "w").close()
    time.sleep(600)
    return n

made = ms.read_datagen(schema={"n": "BIGINT"}, rows_per_second=100)
made.select(n=waits(ms.col("n"))).view("counted")
"""


IN_BACKGROUND = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")
"""As a shell starts what it puts into the background: with SIGINT ignored."""


@pytest.mark.parametrize(
    ("number", "code", "under"),
    [
        (signal.SIGINT, 130, ()),
        (signal.SIGINT, 130, IN_BACKGROUND),
        (signal.SIGTERM, 143, ()),
    ],
)
def test_a_second_signal_ends_it_at_once(
    tmp_path: Path, number: int, code: int, under: Sequence[str]
) -> None:
    """A job that hangs in a step must not keep a server from being ended."""
    process, url = started(tmp_path, "serve", STUCK, ".py", under)

    def until(holds: Callable[[], bool]) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < end_s
            time.sleep(0.05)

    def state() -> str:
        with urllib.request.urlopen(f"{url}/v1/jobs/job", timeout=LIMIT_S) as answer:
            said: str = json.load(answer)["state"]
            return said

    try:
        until((tmp_path / "reached").exists)
        process.send_signal(number)
        until(lambda: state() == "stopping")
        process.send_signal(number)
        assert ended(process) == code
    finally:
        process.kill()
        process.communicate()
