"""Questions that are answered again: over real sockets, with the real query engine."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import httpx2

from millstream.job import querying
from tests.unit.serve_feed.conftest import WAIT_S, Events, a_view, put, until
from tests.unit.serve_feed.test_events import following

SUM = "/v1/query/events?sql=SELECT SUM(n) AS total FROM v"


def test_the_answer_comes_again_when_a_view_has_changed(served):
    """The SQL box shows how things stand, not how they stood when it was asked."""
    view = served.hub.by_name["v"] = a_view()
    served.hub.by_name["other"] = a_view("other")
    put(view, {0: 1, 1: 2})
    with following(served, SUM) as reader:
        first = reader.next()
        assert (first["type"], first["rows"], first["truncated"]) == ("answer", [[3]], False)
        assert first["columns"] == [{"name": "total", "type": "BIGINT"}]
        assert first["versions"] == {"v": 1}
        put(view, {1: 5})
        reader.until(lambda: reader.frames[-1]["rows"] == [[6]])
        put(view, {2: 1})
        reader.until(lambda: reader.frames[-1]["versions"] == {"v": 3})


def test_an_answer_from_committed_rows_moves_when_they_do(served):
    """It has versions of its own: those of the newest rows would run it again for nothing."""
    view = served.hub.by_name["v"] = a_view()
    served.hub.by_name["no checkpoints"] = a_view("no checkpoints")
    view.begin("p")
    put(view, {0: 1})
    with following(served, SUM + "&at=committed") as reader:
        assert reader.next()["rows"] == [[None]]
        view.cut()
        put(view, {1: 5})
        view.commit(1)
        reader.until(lambda: reader.frames[-1]["rows"] == [[1]])
        assert reader.frames[-1]["versions"] == {"v": 1}
        assert len(reader.frames) == 2


def test_those_who_ask_the_same_share_the_runs(served, monkeypatch):
    """Ten pages with one question must not cost ten queries, nor two at a time."""
    view = served.hub.by_name["v"] = a_view()
    put(view, {0: 1})
    inner, runs, under_way, most = querying.query, [], [], []

    def counted(*given, **named):
        under_way.append(1)
        most.append(len(under_way))
        runs.append(threading.current_thread().name)
        try:
            return inner(*given, **named)
        finally:
            under_way.pop()

    monkeypatch.setattr(querying, "query", counted)
    with ExitStack() as stack:
        readers: list[Events] = []
        for _ in range(5):
            readers.append(stack.enter_context(following(served, SUM)))
            readers[-1].next()
        assert len(runs) == 1
        put(view, {0: 9})
        for reader in readers:
            reader.until(lambda reader=reader: reader.frames[-1]["rows"] == [[9]])
        assert len(runs) == 2
    assert set(most) == {1}
    assert all("answers" in name for name in runs), "not in the event loop"


def test_a_question_that_cannot_be_answered_is_a_problem(served):
    """A mistake in SQL is told with its place, before any stream begins."""
    served.hub.by_name["v"] = a_view()
    for sql in ("SELECT m FROM v", "SELECT", "SELECT * FROM w", "INSERT INTO v SELECT * FROM v"):
        answer = httpx2.get(served.url + "/v1/query/events", params={"sql": sql}, timeout=WAIT_S)
        assert answer.status_code in (400, 404), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    until(lambda: served.feed.facts.channels == 0, "what failed is forgotten")


def test_rows_beyond_the_limit_are_told_of(served):
    """A reader must know that it does not see everything."""
    view = served.hub.by_name["v"] = a_view()
    put(view, dict.fromkeys(range(20), 1))
    with following(served, "/v1/query/events?sql=SELECT k FROM v&limit=5") as reader:
        frame = reader.next()
        assert (len(frame["rows"]), frame["truncated"]) == (5, True)
