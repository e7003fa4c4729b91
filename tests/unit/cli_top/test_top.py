"""``millstream top``: against a real server, and its picture for screens of every size."""

from __future__ import annotations

import http.server
import io
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import termios
import threading
import time

import pytest
from rich.console import Console

from millstream.cli import top as command
from millstream.cli.asking_server import TOKEN, Server
from millstream.cli.top_screen import Seen, Size, bar, screen, sparkline
from millstream.errors import ConnectorError, OptionError
from millstream.frame.sqls import script_of
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.serve.hub import Hub
from millstream.serve.models import AlertInfo, JobInfo, OperatorInfo, PlanGraph
from millstream.serve.server import Serving

PIPELINE = """
SET 'pipeline.name' = 'shop';
CREATE TABLE orders (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '500');
CREATE TABLE bin (id BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO bin SELECT id FROM orders WHERE id IS NOT NULL;
"""
NOW_MS = 1_780_000_000_000
WAIT_S = 120.0


def job(name: str = "shop", **changed: object) -> JobInfo:
    said: dict[str, object] = {
        "name": name, "state": "running", "bounded": False, "exactly_once": True,
        "checkpoint_dir": None, "started_at_ms": 0, "ended_at_ms": None, "elapsed_s": 90.0,
        "rows_in": 1_000, "rows_out": 10, "rows_late": 0, "rows_rejected": 7,
        "rows_in_per_s": 1250.0, "rows_out_per_s": 3.0, "watermark_ms": NOW_MS - 2_000,
        "lag_ms": 2_000, "rows_waiting": None, "latency_p50_ms": 12.0, "latency_p99_ms": 80.0,
        "busy": 0.95, "pressure": 0.2, "state_rows": 5, "state_bytes": 1 << 20, "spilled_bytes": 0,
        "memory_bytes": 1 << 28, "memory_limit": 1 << 30, "queued_bytes": 0, "checkpoint": None,
        "checkpoint_failures": 0, "restarts": 0, "restart_in_s": None, "last_failure": None,
        "can_be_told": True,
    }  # fmt: skip
    return JobInfo.model_validate(said | changed)


def step(number: int, kind: str = "step") -> OperatorInfo:
    return OperatorInfo(
        id=f"s{number}", kind=kind, name=f"Step {number}", label="", rows_in=1, rows_out=1,
        rows_late=0, rows_rejected=0, rows_in_per_s=5.0, rows_out_per_s=5.0, bytes_in=0,
        bytes_out=0, busy=0.5, watermark_ms=None, state_rows=0, state_bytes=0, splits=[],
    )  # fmt: skip


def alert(number: int, **changed: object) -> AlertInfo:
    said: dict[str, object] = {
        "id": str(number), "alert": f"stalled {number}", "job": "shop", "state": "firing",
        "severity": "critical", "labels": {"shop": "[red]x"}, "summary": "No orders.",
        "values": {}, "since_ms": NOW_MS - 65_000, "fired_at_ms": NOW_MS, "resolved_at_ms": None,
        "silenced": False, "inhibited": False, "notified": 1, "failure": None,
    }  # fmt: skip
    return AlertInfo.model_validate(said | changed)


def drawn(seen: Seen, size: Size, chosen: int = 0) -> str:
    out = io.StringIO()
    Console(file=out, width=size.columns, color_system=None).print(screen(seen, chosen, size))
    return out.getvalue()


@pytest.fixture(scope="module")
def server():
    """A server of one running pipeline."""
    sinks, settings = script_of(PIPELINE, "shop.sql", {})
    pipeline = Job(Plan(tuple(sink.node for sink in sinks)), settings)
    hub = Hub()
    with pipeline.start() as running:
        hub.add(pipeline, running)
        with hub.looking(), Serving(hub, "127.0.0.1:0") as serving:
            yield serving.url.removeprefix("http://")


def test_once_prints_the_jobs_of_a_server(server, capsys):
    """A script reads one plain table: the job, its steps and no escape codes."""
    assert command.watch(server, 1.0, once=True) == 0
    said = capsys.readouterr().out
    assert re.search(r"shop +running", said)
    assert "Scan orders" in said
    assert "Write bin" in said
    assert "\x1b" not in said


def test_the_screen_follows_and_q_ends_it(server):
    """The real thing on a real terminal: it draws itself again and again until it is told."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 120))
    process = subprocess.Popen(
        [sys.executable, "-m", "millstream.cli", "top", server, "--every", "0.2"],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    said, asked = "", False
    end_s = time.monotonic() + WAIT_S
    try:
        while process.poll() is None and time.monotonic() < end_s:
            ready, _, _ = select.select([ours], [], [], 0.2)
            if ready:
                try:
                    said += os.read(ours, 1 << 16).decode(errors="replace")
                except OSError:  # the other side has gone
                    break
            if said.count("millstream top") >= 3 and not asked:
                os.write(ours, b"q")
                asked = True
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        os.close(ours)
    assert asked, "it was never drawn three times"
    assert "Scan orders" in said
    assert "\x1b[?1049l" in said, "the screen from before is not given back"


def test_nothing_answers(capsys):
    """Whoever forgot to start a server is told how."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConnectorError, match="No Millstream server answers") as raised:
            command.watch(address, 1.0, once=True)
    assert raised.value.hint == "Start one with: millstream run FILE --ui"


@pytest.mark.parametrize("address", ["nonsense:port", "ftp://x:1", "host:1/path", "http://"])
def test_an_address_that_is_none(address):
    """A slip in the address is the user's, and is not answered with a stack of sockets."""
    with pytest.raises(OptionError, match="is not the address of a server"):
        Server.at(address)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (None, "127.0.0.1:8042"),
        ("box", "box:8042"),
        ("[::1]:9", "[::1]:9"),
        ("https://box", "https://box:443"),
    ],
)
def test_an_address_in_its_forms(address, shown):
    """The forms people write come to the same server."""
    assert Server.at(address).address == shown


@pytest.fixture
def refusing():
    """A server that says no, and remembers what it was asked."""
    heard: list[tuple[str, str | None]] = []
    answers: list[tuple[int, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append((self.path, self.headers.get("Authorization")))
            status, body = answers[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield Server.at(f"127.0.0.1:{listening.server_port}"), heard, answers
        listening.shutdown()


def test_a_refusal_is_told_in_the_servers_words(refusing):
    """problem+json carries what is wrong and what to do: both reach the user."""
    server, _, answers = refusing
    problem = {"title": "Not found", "status": 404, "detail": "There is no job 'x'.", "hint": "a"}
    answers.append((404, json.dumps(problem).encode()))
    with pytest.raises(ConnectorError, match="There is no job 'x'") as raised:
        server.get("v1", "jobs", "x")
    assert raised.value.hint == "a"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff"])
def test_a_refusal_without_words_has_its_number(refusing, body):
    """Whatever stands on that port may answer anything: it must not be a bug of ours."""
    server, _, answers = refusing
    answers.append((401, body))
    with pytest.raises(ConnectorError, match="status 401") as raised:
        server.get("v1", "jobs")
    assert TOKEN in (raised.value.hint or "")


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b"null", b'{"jobs": []}', b'{"items": [{"name": "x"}]}', b'{"items": 1}']
)
def test_a_server_of_another_version_is_told(refusing, body):
    """It is asked again and again: its first odd answer must not end the screen."""
    server, _, answers = refusing
    answers.append((200, body))
    with pytest.raises(ConnectorError, match="this version"):
        command.Asked(server).look()


def test_an_answer_that_is_no_json(refusing):
    """Another program on the port is no Millstream server."""
    server, _, answers = refusing
    answers.append((200, b"hello"))
    with pytest.raises(ConnectorError, match="No Millstream server"):
        server.get("v1", "jobs")


def test_the_token_goes_along_and_names_are_quoted(refusing, monkeypatch):
    """A server beyond this machine wants its token; a job may be called anything."""
    server, heard, answers = refusing
    answers.append((200, b"{}"))
    monkeypatch.setenv(TOKEN, "s3cret")
    server.get("v1", "jobs", "a/b c", limit=3, cursor=None)
    assert heard == [("/v1/jobs/a%2Fb%20c?limit=3", "Bearer s3cret")]
    assert "s3cret" not in repr(server)


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 160, 200])
@pytest.mark.parametrize("lines", [12, 24, 60])
def test_no_line_is_wider_than_the_screen(columns, lines):
    """A line that wraps pushes the rest of the picture off the screen."""
    seen = Seen(
        "127.0.0.1:8042", NOW_MS, (job(), job("audit", state="paused")),
        {"shop": PlanGraph(operators=[step(n) for n in range(40)], edges=[])},
        {"shop": (1.0, None, 3.0)}, tuple(alert(n) for n in range(9)),
    )  # fmt: skip
    said = drawn(seen, Size(columns, lines))
    assert max(map(len, said.splitlines())) <= columns
    assert "1.25k" in said
    assert "rejected" in said
    assert "9 alerts fire" in said
    assert "[red]x" in said or columns < 84 or lines == 12, "names are no markup"
    assert "more alerts" in said or lines == 12


def test_more_steps_than_lines_are_counted():
    """What is left out of the screen is said, so that nobody takes it for all there is."""
    graph = PlanGraph(operators=[step(n) for n in range(40)], edges=[])
    seen = Seen("a:1", NOW_MS, (job(),), {"shop": graph})
    assert re.search(r"and \d+ more steps", drawn(seen, Size(120, 24)))
    assert "more steps" not in drawn(seen, Size(120))


@pytest.mark.parametrize("lines", [12, 24, 60])
@pytest.mark.parametrize("chosen", [0, 14, 29])
def test_thirty_jobs_fit_and_the_chosen_one_is_among_them(lines, chosen):
    """Beyond the last line nobody sees which job the steps are of."""
    jobs = tuple(job(f"job-{n:02}-Zürich-東京") for n in range(30))
    plan = PlanGraph(operators=[step(n) for n in range(40)], edges=[])
    seen = Seen("127.0.0.1:8042", NOW_MS, jobs, {one.name: plan for one in jobs}, {},
                tuple(alert(n) for n in range(9)))  # fmt: skip
    said = drawn(seen, Size(100, lines), chosen).rstrip("\n").splitlines()
    assert len(said) <= lines
    assert any(line.startswith(f"› job-{chosen:02}") for line in said)
    shown = sum("job-" in line and "running" in line for line in said)
    assert f"  and {30 - shown} more jobs" in said
    assert said[-1].startswith("q quit")
    assert lines == 12 or any("Step 0" in line for line in said)


def test_a_chosen_job_that_is_gone_is_the_last_one():
    """A server that was started again may have fewer jobs than the keys went down."""
    assert "› audit" in drawn(Seen("a", NOW_MS, (job(), job("audit"))), Size(100, 24), 7)


def test_texts_of_others_do_not_command_the_terminal():
    """A failure tells of rows: what clears the screen there must not do so here."""
    bad = "a\x1b[2Jb\nc\x9b31m"
    seen = Seen("a", NOW_MS, (job(bad, last_failure=f"No {bad}"),), {},
                {}, (alert(1, summary=bad, labels={"k": bad}),))  # fmt: skip
    said = drawn(seen, Size(120, 40))
    assert "a\ufffd[2Jb\ufffdc" in said
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said)


def test_trouble_is_on_the_screen():
    """What somebody must act on is never cut away: failures, silence of the server, alerts."""
    failing = job(
        state="restarting", restart_in_s=3.0, last_failure="Postgres went away.\ntrace",
        checkpoint_failures=2, restarts=4,
    )  # fmt: skip
    seen = Seen("a:1", NOW_MS, (failing,), alerts=(alert(1, failure="503"),), silent_s=12.0)
    said = drawn(seen, Size(120, 40))
    assert "no answer for 12.0 s" in said
    assert "Postgres went away. (again in 3.0 s)" in said
    assert "trace" not in said
    assert "could not be written 2 times" in said
    assert "1 alert fires" in said
    assert "503" in said


def test_a_checkpoint_from_before_this_process_has_no_duration():
    """What was found in the folder tells its size alone; the screen must not fall over it."""
    found = {"number": 7, "at_ms": NOW_MS, "took_ms": None, "bytes": 2_048}
    said = drawn(Seen("a:1", NOW_MS, (job(checkpoint=found),)), Size(120, 40))
    assert "checkpoint 7 at 20:26:40 (2.0 KiB)" in said


def test_the_steps_are_those_of_the_chosen_job():
    """The arrow keys choose whose steps are seen."""
    graphs = {
        "shop": PlanGraph(operators=[step(1)], edges=[]),
        "audit": PlanGraph(operators=[step(2)], edges=[]),
    }
    seen = Seen("a:1", NOW_MS, (job(), job("audit")), graphs)
    assert "Step 1" in drawn(seen, Size(120, 40), 0)
    assert "Step 2" in drawn(seen, Size(120, 40), 1)
    assert "› audit" in drawn(seen, Size(120, 40), 1)


def test_a_server_without_jobs_is_no_error():
    """``millstream serve`` may wait for its first job."""
    assert "No job runs" in drawn(Seen("a:1", NOW_MS, ()), Size(80, 24))


def test_a_server_that_falls_silent_leaves_its_last_picture(server):
    """A restart of the server must not wipe the screen of whoever watches it."""
    asked = command.Asked(Server.at(server))
    assert asked.look().silent_s == 0
    asked._server = Server.at("127.0.0.1:9", timeout_s=1.0)
    seen = asked.look()
    assert seen.silent_s > 0
    assert [one.name for one in seen.jobs] == ["shop"]


def test_keys_are_found_in_what_a_terminal_sends():
    """Arrows are three characters, and two keys may come together."""
    assert command.keys_in("\x1b[B\x1bOAxq") == ["down", "up", "quit"]


@pytest.mark.parametrize("share", [0.0, 0.04, 0.5, 0.96, 1.0])
def test_a_bar_has_one_width(share):
    """A bar that grows with its value would move the columns behind it."""
    assert len(bar(share).plain) == len(bar(0.5).plain)


def test_a_line_of_zeros_lies_on_the_ground():
    """A rate of nothing must not look like the most there was."""
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""
