"""The feed inside the real server: its guard, its limits, its end."""

from __future__ import annotations

import json

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from millstream.serve.hub import Hub
from millstream.serve.server import Serving
from tests.unit.serve_feed.conftest import WAIT_S, Events, a_view, put


@pytest.fixture
def view():
    return a_view()


@pytest.fixture
def server(view, monkeypatch):
    hub = Hub()
    monkeypatch.setattr(hub, "views", lambda: {"v": ("job", view)})
    with Serving(hub, "127.0.0.1:0") as found:
        yield found


def test_events_and_sockets_pass_the_guard(server, view):
    """A stream has no deadline, and a page of this server may open a socket."""
    put(view, {0: 1})
    with (
        httpx2.Client(timeout=WAIT_S) as client,
        client.stream("GET", f"{server.url}/v1/views/v/events?limit=3") as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        reader = Events(response.iter_lines())
        assert reader.next()["rows"] == [["k0", 1]]
        address = server.url.replace("http", "ws") + "/v1/views/v/feed?order=-n&limit=3"
        with connect(address, origin=server.url, subprotocols=["millstream"]) as socket:
            assert socket.subprotocol == "millstream"
            assert json.loads(socket.recv(WAIT_S))["type"] == "snapshot"
            put(view, {0: 2})
            assert json.loads(socket.recv(WAIT_S))["rows"] == [["k0", 2]]
        assert reader.next()["rows"] == [["k0", 2]]


def test_a_socket_that_is_refused_says_why(server):
    """A page shows what is wrong with an address, not that the server is gone."""
    address = server.url.replace("http", "ws")
    for path, status in (("w/feed", 404), ("v/feed?order=m&limit=1", 400)):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{address}/v1/views/{path}")
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["status"] == status


def test_a_server_that_ends_ends_its_streams(server, view):
    """Streams have no end of their own, and must not keep a process alive."""
    put(view, {0: 1})
    with (
        httpx2.Client(timeout=WAIT_S) as client,
        client.stream("GET", f"{server.url}/v1/views/v/events") as response,
        connect(server.url.replace("http", "ws") + "/v1/views/v/feed") as socket,
    ):
        reader = Events(response.iter_lines())
        reader.next()
        socket.recv(WAIT_S)
        server.close()
        with pytest.raises(EOFError):
            reader.next()
        with pytest.raises(ConnectionClosed):
            socket.recv(WAIT_S)
