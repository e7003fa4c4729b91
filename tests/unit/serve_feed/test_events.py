"""The feed over real sockets: snapshot, changes, coming back, slow readers, problems."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from millstream.serve.feed import FeedLimits, Patience
from tests.unit.serve_feed.conftest import (
    WAIT_S,
    Events,
    a_view,
    applied,
    fill,
    put,
    running,
    until,
)


@contextmanager
def following(served, path, **headers):
    with (
        httpx2.Client(timeout=WAIT_S) as client,
        client.stream("GET", served.url + path, headers=headers) as response,
    ):
        assert response.status_code == 200
        yield Events(response.iter_lines())


def standing(view) -> dict[int, list]:
    seen = view.snapshot()
    return dict(zip(seen.rows.tolist(), map(list, seen.frame.rows()), strict=True))


def test_a_snapshot_comes_first_and_then_what_changes(served):
    """The contract of every reader: everything once, then differences that add up to the view."""
    view = served.hub.by_name["v"] = a_view()
    put(view, {0: 1, 1: 2})
    with following(served, "/v1/views/v/events") as reader:
        first = reader.next()
        assert first["type"] == "snapshot"
        assert first["columns"] == [
            {"name": "k", "type": "STRING"},
            {"name": "n", "type": "BIGINT"},
        ]
        assert first["total"] == 2
        put(view, {1: 3, 2: 4})
        reader.until(lambda: reader.rows == standing(view))
        assert reader.frames[-1]["type"] == "changes"
        assert reader.frames[-1]["ids"] == [1, 2]
        put(view, {0: None})
        reader.until(lambda: reader.rows == standing(view))
        assert reader.frames[-1]["gone"] == [0]
        assert reader.frames[-1]["version"] == view.version


@pytest.mark.parametrize("window", ["", "&order=-n&limit=2"])
def test_committed_rows_are_followed_alone(served, window):
    """Who may only act on what stays is told of nothing else, in the same frames."""
    view = served.hub.by_name["v"] = a_view()
    view.begin("p")
    put(view, {0: 1})
    with following(served, f"/v1/views/v/events?at=committed{window}") as reader:
        assert reader.next()["total"] == 0
        view.cut()
        put(view, {0: 5, 1: 5})
        view.commit(1)
        reader.until(lambda: reader.rows == {0: ["k0", 1]})
        view.cut()
        put(view, {0: None})
        view.commit(2)
        reader.until(lambda: reader.rows == {0: ["k0", 5], 1: ["k1", 5]})


def test_without_checkpoints_there_is_nothing_to_follow(served):
    """A page that waits for committed rows would wait for ever."""
    view = served.hub.by_name["v"] = a_view()
    put(view, {0: 1})
    with httpx2.Client(timeout=WAIT_S) as client:
        for path in ("/v1/views/v/events?", "/v1/query/events?sql=SELECT+k+FROM+v&"):
            answer = client.get(f"{served.url}{path}at=committed")
            assert answer.status_code == 409, answer.text
            assert "keeps no checkpoints" in answer.json()["detail"]


def test_a_window_shows_the_first_rows_by_a_column(served):
    """A tile with ten bars must not be sent a hundred thousand rows."""
    view = served.hub.by_name["v"] = a_view()
    fill(view, 1_000)
    put(view, {7: 9, 8: 8})
    with following(served, "/v1/views/v/events?order=-n&limit=2") as reader:
        assert reader.next()["ids"] == [7, 8]
        put(view, {500: 10})
        reader.until(lambda: set(reader.rows) == {500, 7})
        assert reader.frames[-1]["gone"] == [8]
        assert reader.frames[-1]["total"] == 1_000


def test_a_large_view_comes_in_frames_that_say_whether_there_is_more(served):
    """No frame is large, and a reader knows when it has everything."""
    view = served.hub.by_name["v"] = a_view()
    fill(view, 30_000)
    with following(served, "/v1/views/v/events") as reader:
        reader.next()
        assert reader.frames[0]["more"]
        assert not reader.last_id
        reader.until(lambda: "more" not in reader.frames[-1])
        assert len(reader.rows) == 30_000
        assert len(reader.frames) > 3
        assert max(len(json.dumps(f)) for f in reader.frames) < 400_000
        assert {f["type"] for f in reader.frames[1:]} == {"changes"}
        fill(view, 30_000, 1)
        reader.until(lambda: reader.rows == standing(view))


def test_who_comes_back_goes_on_with_changes(served):
    """A reader that was away for a moment need not be sent everything again."""
    view = served.hub.by_name["v"] = a_view()
    fill(view, 3_000)
    with following(served, "/v1/views/v/events") as reader:
        reader.until(lambda: bool(reader.last_id))
    put(view, {5: 5})
    with following(served, "/v1/views/v/events", **{"last-event-id": reader.last_id}) as again:
        frame = again.next()
        assert (frame["type"], frame["ids"]) == ("changes", [5])
    with following(served, "/v1/views/v/events", **{"last-event-id": "other.1"}) as stranger:
        assert stranger.next()["type"] == "snapshot"


def test_a_view_in_place_of_another_is_sent_anew(served):
    """After a restart numbers mean other rows."""
    view = served.hub.by_name["v"] = a_view()
    put(view, {0: 1, 1: 1})
    with following(served, "/v1/views/v/events") as reader:
        reader.next()
        other = a_view()
        put(other, {1: 7})
        served.hub.by_name["v"] = other
        assert reader.next()["type"] == "snapshot"
        assert reader.rows == standing(other)
        put(other, {1: None})
        put(other, {4: 2})
        reader.until(lambda: reader.rows == standing(other))


def test_a_websocket_gets_the_same_frames(served):
    """Browsers allow few event streams to one host; sockets are not counted among them."""
    view = served.hub.by_name["v"] = a_view()
    put(view, {0: 1})
    with connect(f"ws://127.0.0.1:{served.port}/v1/views/v/feed?limit=5") as socket_:
        frame = json.loads(socket_.recv(WAIT_S))
        rows = applied({}, frame)
        assert frame["type"] == "snapshot"
        put(view, {0: 2, 3: 3})
        rows = applied(rows, json.loads(socket_.recv(WAIT_S)))
        assert rows == standing(view)
        until(lambda: served.feed.facts.readers == 1)
    until(lambda: served.feed.facts.readers == 0, "a closed socket is let go")


def test_what_is_wrong_is_a_problem_before_anything_is_sent(served):
    """A mistake in the address must not look like a view without rows."""
    served.hub.by_name["v"] = a_view()
    wrong = {
        "/v1/views/w/events": 404,
        "/v1/views/v/events?order=m&limit=1": 400,
        "/v1/views/v/events?limit=0": 422,
    }
    for path, status in wrong.items():
        answer = httpx2.get(served.url + path)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["content-type"] == "application/problem+json"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{served.port}/v1/views/w/feed")
    assert refused.value.response.status_code == 404


def test_readers_are_let_go_when_they_leave(served):
    """What is kept for a reader must end with it."""
    view = served.hub.by_name["v"] = a_view()
    put(view, {0: 1})
    for _ in range(3):
        with following(served, "/v1/views/v/events") as reader:
            reader.next()
        until(lambda: served.feed.facts.readers == 0)
    assert served.feed.facts.channels == 1


def slow_reader(served, path: str) -> socket.socket:
    """Ask, and read nothing."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.connect(("127.0.0.1", served.port))
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return one


def test_who_never_reads_is_let_go_and_the_others_do_not_wait():
    """A stalled page costs one frame, not a queue, and nobody else notices it."""
    limits = FeedLimits(share=1.0, patience=Patience(stall_s=2.0))
    with running(limits) as served:
        view = served.hub.by_name["v"] = a_view()
        fill(view, 20_000)
        with slow_reader(served, "/v1/views/v/events") as stalled:
            with following(served, "/v1/views/v/events") as reader:
                until(lambda: served.feed.facts.readers == 2)
                for value in range(1, 6):
                    fill(view, 20_000, value)
                    reader.until(lambda: reader.rows == standing(view))
                waiting = [c.transport.get_write_buffer_size() for c in _connections(served)]
                assert max(waiting) < 1_000_000, "one frame at most waits for a reader"
                until(lambda: served.feed.facts.readers == 1, "who never reads is let go")
                until(lambda: len(_connections(served)) == 1, "with its connection")
                with pytest.raises(ConnectionResetError):  # and what the system kept for it
                    stalled.makefile("rb").read()
            stalled.close()


def _connections(served) -> list:
    return list(served.server.server_state.connections)


def test_who_reads_slowly_gets_the_newest_rows():
    """Frames that nobody took are never made up for: one with the newest rows takes their place."""
    with running(FeedLimits(share=1.0)) as served:
        view = served.hub.by_name["v"] = a_view()
        fill(view, 3_000)
        with slow_reader(served, "/v1/views/v/events") as slow:
            with following(served, "/v1/views/v/events") as quick:
                for value in range(1, 30):
                    fill(view, 3_000, value)
                    quick.until(lambda: quick.rows == standing(view))
            reader = Events(line.rstrip("\r\n") for line in slow.makefile(newline="\n"))
            reader.until(lambda: reader.rows == standing(view))
            slow.close()
            assert len(reader.frames) < len(quick.frames) / 2


def test_a_quiet_stream_is_kept_alive():
    """Proxies end connections on which nothing is said."""
    with running(FeedLimits(patience=Patience(heartbeat_s=0.5))) as served:
        view = served.hub.by_name["v"] = a_view()
        put(view, {0: 1})
        with slow_reader(served, "/v1/views/v/events") as one:
            lines = one.makefile()
            assert any(line.startswith(":") for line in lines)


def test_too_many_readers_are_told_so():
    """A limit is an answer, not a queue."""
    with running(FeedLimits(readers_max=1)) as served:
        served.hub.by_name["v"] = a_view()
        with following(served, "/v1/views/v/events") as reader:
            reader.next()
            answer = httpx2.get(served.url + "/v1/views/v/events")
            assert answer.status_code == 429
            assert answer.headers["retry-after"] == "1"
