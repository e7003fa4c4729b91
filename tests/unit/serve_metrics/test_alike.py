"""Pages that ask alike get one answer: the right one, of now, and only who may see it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from millstream.serve.app import app_of
from millstream.serve.history import History
from millstream.serve.hub import Look
from tests.unit.serve_metrics.still import NOW_MS, Still, hub_of, progress

PATH = "/v1/jobs/shop/history"


@pytest.fixture
def asked(monkeypatch):
    """What the route asked the history for; one that is answered again is not in it."""
    found = []
    whole = History.series

    def series(self, names=None, **more):
        found.append(names)
        return whole(self, names, **more)

    monkeypatch.setattr(History, "series", series)
    return found


@pytest.fixture
def hub():
    hub = hub_of(shop=Still(), other=Still())
    for second in (1, 2):
        look_at(hub, second)
    return hub


def look_at(hub, second):
    for held in hub.jobs.values():
        now = replace(progress(), elapsed_s=10.0 + second, rows_in=100 + 10 * second)
        held.history.add(Look(NOW_MS + second * 1000, now, None))


def client_of(hub, token=None, **headers):
    return TestClient(app_of(hub, token=token), base_url="http://localhost", headers=headers,
                      client=("127.0.0.1", 5_000))  # fmt: skip


def test_who_asks_alike_is_answered_alike(hub, asked):
    """The second one gets the first one's bytes and headers; another question is another answer."""
    client = client_of(hub)
    first = client.get(PATH, params={"series": "rows_in_per_s"})
    second = client.get(PATH, params={"series": "rows_in_per_s"})
    assert first.json() == {
        "step_s": 1,
        "at_ms": [NOW_MS + 1_000, NOW_MS + 2_000],
        "series": {"rows_in_per_s": [10.0, 10.0]},
    }
    assert (first.content, first.headers) == (second.content, second.headers)
    assert asked == [["rows_in_per_s"]]
    since = client.get(PATH, params={"series": "rows_in_per_s", "since_ms": NOW_MS + 1_000})
    assert since.json()["at_ms"] == [NOW_MS + 2_000]
    other = client.get("/v1/jobs/other/history", params={"series": "rows_in_per_s"})
    assert other.status_code == 200
    assert len(asked) == 3


def test_a_look_makes_all_answers_old(hub, asked):
    """A chart that stood still for the sake of speed would be worse than a slow one."""
    client = client_of(hub)
    client.get(PATH)
    look_at(hub, 3)
    assert client.get(PATH).json()["at_ms"][-1] == NOW_MS + 3_000
    assert len(asked) == 2


def test_a_gap_is_null(hub):
    """NaN is no JSON: a browser would refuse the whole page."""
    found = client_of(hub).get(PATH, params={"series": "latency_p50_ms"})
    assert found.json()["series"] == {"latency_p50_ms": [None, None]}


def test_rights_are_asked_each_time(hub):
    """What one with the token has seen is not shown to one without."""
    mine = client_of(hub, token="s3cret", authorization="Bearer s3cret")
    assert mine.get(PATH).status_code == 200
    with TestClient(mine.app, base_url="http://localhost") as stranger:
        assert stranger.get(PATH).status_code == 401
    assert mine.get(PATH).status_code == 200


def test_refusals_are_not_kept(hub):
    """A mistake is told each time by the route; other methods are no question."""
    client = client_of(hub)
    for _ in range(2):
        assert client.get(PATH, params={"series": "busi"}).status_code == 400
        assert client.get("/v1/jobs/nobody/history").status_code == 404
        assert client.get(PATH).status_code == 200
        assert client.post(PATH).status_code == 405
