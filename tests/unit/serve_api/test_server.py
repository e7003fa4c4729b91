"""The server itself: where it listens, what it refuses, how it ends."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from millstream.errors import OptionError
from millstream.serve import connection
from millstream.serve.hub import Hub
from millstream.serve.server import Serving, host_and_port
from tests.servers.certificates import certificate
from tests.unit.serve_api.conftest import PROGRAM, until

TOKEN = "s3cret"


def get(url: str, token: str | None = None, context: ssl.SSLContext | None = None) -> bytes:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:
        found: bytes = answer.read()
    return found


def test_any_free_port_and_no_thread_left() -> None:
    """Port 0 is for tests and notebooks; the end of the block is the end of the server."""
    before = set(threading.enumerate())
    with Serving(Hub(), "127.0.0.1:0") as server:
        assert json.loads(get(f"{server.url}/v1/jobs")) == {"items": []}
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(OptionError, match="listen") as caught:
            Serving(Hub(), f"127.0.0.1:{port}").__enter__()
        assert "another port" in str(caught.value)
    server.close()
    with pytest.raises(urllib.error.URLError):
        get(f"{server.url}/v1/jobs")
    left = {t for t in set(threading.enumerate()) - before if "serve" in t.name}
    assert not left


def test_the_other_loopback() -> None:
    """Names and addresses of this machine in either notation."""
    assert host_and_port("[::1]:80") == ("::1", 80)
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    with Serving(Hub(), "[::1]:0") as server:
        assert b"items" in get(f"{server.url}/v1/views")


def test_who_sends_half_a_request_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand of them would take the files that the jobs of this process need."""
    monkeypatch.setattr(connection, "HEAD_S", 0.2)
    with Serving(Hub(), "127.0.0.1:0") as server:
        for begun in (b"", b"GET /v1/jobs HTTP/1.1\r\nHost: 127", WHOLE + b"GET /v1"):
            with connected(server) as client:
                client.sendall(begun)
                said = received(client)
                assert said.startswith(b"HTTP/1.1 200") == begun.startswith(WHOLE)


def test_connections_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes late hears that it is full, and is served when somebody has gone."""
    monkeypatch.setattr(connection, "CONNECTIONS_MAX", 2)
    with Serving(Hub(), "127.0.0.1:0") as server:
        with connected(server) as one, connected(server) as two:
            for client in (one, two):
                client.sendall(WHOLE)
                assert client.recv(12) == b"HTTP/1.1 200"
            with connected(server) as late:
                assert received(late).startswith(b"HTTP/1.1 503")
        until(lambda: answers(server))
    assert connection.connections_max() <= 2


def test_who_is_being_served_at_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A traceback in the log for each of them would hide what matters."""
    with Serving(Hub(), "127.0.0.1:0") as server, connected(server) as client:
        head = b"POST /v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        client.sendall(head + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100"), "it waits for the body"
        server.close()
        assert b"503" in received(client)
    assert not [record for record in caplog.records if record.exc_info]


WHOLE = b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def connected(server: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 20)


def received(client: socket.socket) -> bytes:
    """Return what comes until the server ends the connection."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while some := client.recv(65_536):
            found += some
    return found


def answers(server: Serving) -> bool:
    try:
        return b"items" in get(f"{server.url}/v1/jobs")
    except urllib.error.HTTPError:
        return False


def test_a_token_that_nobody_could_send_is_refused() -> None:
    """It would be found out by a 401 that nobody understands."""
    for token in ("schlüssel", "a\nb"):
        with pytest.raises(OptionError, match="no header carries"):
            Serving(Hub(), "127.0.0.1:0", token=token)
    with Serving(Hub(), "127.0.0.1:0", token=f"{TOKEN}\n") as server:
        assert b"items" in get(f"{server.url}/v1/jobs", TOKEN)


@pytest.mark.parametrize("address", ["8042", "host:", ":80", "h:99999", "h:x", "", "a:²"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """Before anything starts."""
    with pytest.raises(OptionError, match="HOST:PORT"):
        Serving(Hub(), address)


def test_other_machines_need_a_token_and_tls(tmp_path: Path) -> None:
    """Nobody opens a dashboard to the network by a slip."""
    for address in ("0.0.0.0:0", "192.0.2.1:0", "[::]:0", "example.org:0"):
        with pytest.raises(OptionError, match="a token and a certificate") as caught:
            Serving(Hub(), address)
        assert "--token-file" in str(caught.value)
    with pytest.raises(OptionError, match="needs a certificate"):
        Serving(Hub(), "0.0.0.0:0", token=TOKEN)
    cert, key = certificate(tmp_path)
    with pytest.raises(OptionError, match="needs a token"):
        Serving(Hub(), "0.0.0.0:0", tls_cert=cert, tls_key=key)
    with pytest.raises(OptionError, match="cannot be used"):
        Serving(Hub(), "127.0.0.1:0", tls_cert=key, tls_key=key)
    with pytest.raises(OptionError, match=r"cannot listen on a\.\.b"):
        Serving(Hub(), "a..b:0", token=TOKEN, tls_cert=cert, tls_key=key).__enter__()
    with pytest.raises(OptionError, match="no certificate"):
        Serving(Hub(), "127.0.0.1:0", tls_key=key)


def test_with_both_it_is_served_to_who_brings_the_token(tmp_path: Path) -> None:
    """TLS and the token, from an address of any name."""
    cert, key = certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(cert))
    with Serving(Hub(), "0.0.0.0:0", token=TOKEN, tls_cert=cert, tls_key=key) as server:
        url = f"https://127.0.0.1:{server.url.rpartition(':')[2]}"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{url}/v1/jobs", context=context)
        assert b"items" in get(f"{url}/v1/jobs", TOKEN, context)


SERVED = """
import sys, time
from pathlib import Path
from millstream.cli.inspect import jobs_of
from millstream.serve.hub import Hub
from millstream.serve.server import Serving
folder = Path(sys.argv[1])
pairs = ["pipeline.name=shop", f"execution.checkpointing.dir={folder / 'cp'}",
         "execution.checkpointing.interval=100ms"]
(job,) = jobs_of(folder / "shop.sql", pairs)
hub = Hub()
with hub.looking(), Serving(hub, "127.0.0.1:0") as server:
    hub.add(job, job.start())
    print(server.url, flush=True)
    time.sleep(600)
"""


@pytest.mark.faults
@pytest.mark.slow
def test_kill_9_of_the_server_loses_no_event_and_repeats_none(tmp_path: Path) -> None:
    """What was answered with 200 is counted once, through two deaths of the process.

    After each the client sends everything again that it sent, with the same keys, as one that
    does not know what was heard.
    """
    (tmp_path / "shop.sql").write_text(PROGRAM)
    sent: list[int] = []
    for round_ in range(3):
        command = [sys.executable, "-c", SERVED, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            fresh = list(range(round_ * 40, round_ * 40 + 40))
            for number in [*sent, *fresh]:
                answer = json.loads(post(f"{url}/v1/events/clicks", number))
                assert answer["accepted"] == 1
                assert answer["repeated"] == (number in sent)
            sent += fresh
            if round_ == 2:
                post(f"{url}/v1/events/clicks", -1, page="last")
                until(partial(counted, url, "last"))
                assert counted(url, "p") == len(sent), "what comes before the last is there"
            process.kill()


def post(url: str, number: int, page: str = "p") -> bytes:
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"key-{number}"}
    data = json.dumps({"id": number, "page": page}).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: bytes = answer.read()
    return found


def counted(url: str, page: str) -> int:
    rows = json.loads(get(f"{url}/v1/views/pages/rows"))["rows"]
    return {row[0]: int(row[1]) for row in rows}.get(page, 0)
