"""``millstream query`` against a real server with a running job."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import polars as pl
import pytest
from typer.testing import CliRunner

import millstream as ms
from millstream.cli.app import app
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.serve.hub import Hub
from millstream.serve.server import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millstream.connect.live_view import LiveView

SALES = [{"country": "de", "v": 2**60}, {"country": "lux", "v": None}, {"country": 'f"r', "v": 3}]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, LiveView]]:
    sales = ms.read_memory(SALES, schema={"country": "STRING", "v": "BIGINT"})
    sink = sales.view("sales", key="country")
    job = Job(Plan((sink.node,)))
    hub = Hub()
    with job.start() as running:
        running.wait()
        hub.add(job, running, "shop")
        with Serving(hub, "127.0.0.1:0") as server:
            yield server.url.removeprefix("http://").rstrip("/"), sink.live


def asked(address: str, *args: str) -> str:
    found = CliRunner().invoke(app, ["query", *args, "--from", address])
    assert found.exit_code == 0, found.output
    return found.stdout


def test_an_answer_in_each_shape(served):
    """What a script reads must be JSON or CSV to the letter, whatever the rows hold."""
    address, _ = served
    sql = "SELECT country, v FROM sales ORDER BY country"
    lines = asked(address, sql, "--format", "json").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"country": "de", "v": str(2**60)},
        {"country": 'f"r', "v": 3},
        {"country": "lux", "v": None},
    ]
    read = list(csv.reader(io.StringIO(asked(address, sql, "--format", "csv"))))
    assert read == [["country", "v"], ["de", str(2**60)], ['f"r', "3"], ["lux", ""]]
    table = asked(address, sql)
    assert "country" in table
    assert "NULL" in table
    assert str(2**60) in table


def test_a_mistake_is_told_in_the_servers_words(served):
    """Whoever mistypes a name must see the near one, as with every other command."""
    found = CliRunner().invoke(app, ["query", "SELECT x FROM slaes", "--from", served[0]])
    assert found.exit_code != 0
    assert "slaes" in found.stderr
    assert "Did you mean 'sales'" in found.stderr


def test_there_are_more_rows(served):
    """An answer that was cut must not look like a whole one."""
    sql = "SELECT country FROM sales"
    found = CliRunner().invoke(app, ["query", sql, "--from", served[0], "--limit", "2"])
    assert "more rows" in found.stderr


def test_no_server(unused_port: int):
    """The message must say how to get one."""
    found = CliRunner().invoke(
        app, ["query", "SELECT 1 AS x", "--from", f"127.0.0.1:{unused_port}"]
    )
    assert found.exit_code == 1
    assert "No Millstream server answers" in found.stderr


def test_watching_prints_an_answer_again_when_it_changed(served):
    """A terminal or a script that follows a view must get each answer once."""
    address, view = served
    command = [sys.executable, "-m", "millstream", "query", "SELECT MAX(v) AS v FROM sales"]
    more = ["--from", address, "--watch", "--every", "0.1", "--format", "json"]
    # A test run in the background of a shell ignores Ctrl-C, and hands that down.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        watching = subprocess.Popen(
            [*command, *more],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline()) == {"v": str(2**60)}
        row = pl.DataFrame({"$row": [0], "country": ["de"], "v": [7]})
        view.put(row)
        assert json.loads(watching.stdout.readline()) == {"v": 7}
        watching.send_signal(signal.SIGINT)
        rest, _ = watching.communicate(timeout=60)
        assert rest == ""
        assert watching.returncode == 0
    finally:
        watching.kill()
        view.put(pl.DataFrame({"$row": [0], "country": ["de"], "v": [2**60]}))


@pytest.fixture
def unused_port() -> int:
    """A port on which nothing listens any more."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
