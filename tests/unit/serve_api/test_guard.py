"""What stands before the application: hosts, origins, limits, headers, errors nobody foresaw."""

from __future__ import annotations

import asyncio
import logging

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from millstream.serve.guard import Guard, Limits
from millstream.serve.hub import Hub
from millstream.serve.problems import handled
from tests.unit.serve_api.conftest import client_of

HERE = "http://127.0.0.1:8042"


@pytest.fixture(scope="module")
def empty() -> TestClient:
    return client_of(Hub())


@pytest.mark.parametrize("host", ["evil.com", "evil.com:8042", "127.0.0.1.evil.com", "10.0.0.1"])
def test_a_name_that_was_made_to_point_here_is_refused(empty: TestClient, host: str) -> None:
    """DNS rebinding: a page of another site would otherwise read everything."""
    refused = empty.get("/v1/jobs", headers={"Host": host})
    assert refused.status_code == 421
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:8042"])
def test_names_of_this_machine_are_served(empty: TestClient, host: str) -> None:
    """Whatever port a tunnel has on the other side."""
    assert empty.get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["", "a b", "user@127.0.0.1", "127.0.0.1/x"])
def test_what_is_no_host_is_refused(empty: TestClient, host: str) -> None:
    """Parsers that disagree about a host are a way around the check."""
    assert empty.get("/v1/jobs", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("origin", ["http://evil.com", "null", "http://127.0.0.1:9999", "file://"])
def test_pages_of_other_sites_change_nothing(empty: TestClient, origin: str) -> None:
    """A form on any page can post to this machine; the browser says from where."""
    asked = {"labels": {"a": "b"}, "seconds": 1}
    refused = empty.post("/v1/silences", json=asked, headers={"Origin": origin})
    assert refused.status_code == 403
    assert empty.post("/v1/silences", json=asked, headers={"Origin": HERE}).status_code == 409
    assert empty.get("/v1/jobs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_pages_of_other_sites_follow_nothing(client: TestClient) -> None:
    """A WebSocket knows no CORS: whoever opens one reads it."""
    feed = "ws://127.0.0.1:8042/v1/views/per_k/feed"
    for origin in ("http://evil.com", "null", "http://127.0.0.1:9999"):
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(feed, headers={"Origin": origin}),
        ):
            pass
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(feed.replace("127.0.0.1", "evil.com")),
    ):
        pass
    with client.websocket_connect(feed, headers={"Origin": HERE}) as socket:
        assert socket.receive_json()


@pytest.mark.parametrize("path", ["/", "/v1/jobs", "/v1/nothing", "/metrics", "/style.css"])
def test_every_answer_carries_the_headers(empty: TestClient, path: str) -> None:
    """A page may load nothing from elsewhere, run no inline script and stand in no frame."""
    answer = empty.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers


def test_a_body_has_a_limit(empty: TestClient) -> None:
    """Nobody fills the memory; who sends too much hears why."""
    large = b'{"sql": "' + b"x" * (2 << 20) + b'"}'
    headers = {"Content-Type": "application/json"}
    told = empty.post("/v1/query", content=large, headers=headers)
    assert told.status_code == 413
    assert told.json()["title"]

    def pieces():
        for _ in range(40):
            yield b"x" * 65_536

    assert empty.post("/v1/query", content=pieces(), headers=headers).status_code == 413


def test_many_bodies_have_a_limit_together() -> None:
    """Each is allowed, all of them would fill the memory; what is answered counts no more."""
    client, guard = guarded(bodies_bytes_max=100)
    for _ in range(3):
        assert client.post("/length", json={"a": "x" * 70}).json() == 1
    guard.bodies_bytes = 50  # of somebody else's
    told = client.post("/length", json={"a": "x" * 70})
    assert (told.status_code, told.headers["retry-after"]) == (503, "1")
    assert "at a time" in told.json()["detail"]
    assert guard.bodies_bytes == 50


def guarded(**limits: float) -> tuple[TestClient, Guard]:
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(60)

    @app.post("/length")
    async def length(asked: dict[str, str]) -> int:
        return len(asked)

    @app.get("/wrong")
    async def wrong() -> None:
        raise RuntimeError("a secret of ours")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def events():
            for _ in range(3):
                yield b": \n\n"
                await asyncio.sleep(0.05)

        return StreamingResponse(events(), media_type="text/event-stream")

    made: list[Guard] = []

    def guard(inner):
        made.append(Guard(inner, local=True, limits=Limits(**limits)))
        return made[-1]

    handled(app)
    app.add_middleware(guard)
    client = TestClient(app, base_url="http://127.0.0.1")
    client.get("/")  # what is added is built with the first request
    return client, made[-1]


def test_what_nobody_foresaw_is_told_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A traceback in an answer tells strangers about the house."""
    client, _ = guarded()
    with caplog.at_level(logging.ERROR, logger="millstream"):
        told = client.get("/wrong")
    assert told.status_code == 500
    assert told.headers["content-type"] == "application/problem+json"
    assert "secret" not in told.text
    assert "Traceback" not in told.text
    assert "a secret of ours" in caplog.text


def test_a_request_has_an_end_and_a_stream_has_not() -> None:
    """A request that hangs is answered; a stream may last longer than a request."""
    client, guard = guarded(request_s=0.1)
    told = client.get("/slow")
    assert told.status_code == 503
    assert told.headers["retry-after"]
    assert client.get("/stream").text == ": \n\n" * 3
    assert guard.streams == 0


def test_streams_are_counted() -> None:
    """A page that opens streams without end must not take them all from the others for ever."""
    client, guard = guarded(streams_max=0)
    assert client.get("/stream").status_code == 429
    assert guard.streams == 0
