"""Events over the API: on the disk before they are answered, in the view soon after."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from millstream.serve.problems import ProblemError
from millstream.serve.routes.events import documents
from tests.unit.serve_api.conftest import until

EVENTS = "/v1/events/clicks"
LINES = {"Content-Type": "application/x-ndjson"}


def count_of(client: TestClient, page: str) -> int:
    asked = {"sql": f"SELECT n FROM pages WHERE page = '{page}'"}
    rows = client.post("/v1/query", json=asked).json()["rows"]
    return rows[0][0] if rows else 0


def test_events_reach_the_view(client: TestClient) -> None:
    """One object, an array, lines: each event once."""
    one = {"id": 1, "page": "home", "cost": 1.25}
    assert client.post(EVENTS, json=one).json() == {"accepted": 1, "repeated": False}
    assert client.post(EVENTS, json=[one, one]).json()["accepted"] == 2
    lines = b'{"id": 2, "page": "home"}\n\n{"id": 3, "page": "home"}\r\n'
    assert client.post(EVENTS, content=lines, headers=LINES).json()["accepted"] == 2
    until(lambda: count_of(client, "home") == 5)
    assert client.post(EVENTS, json=[]).json()["accepted"] == 0


def test_a_key_makes_sending_again_harmless(client: TestClient) -> None:
    """A client that lost the answer repeats its request; the job sees it once."""
    key, event = {"Idempotency-Key": "order-1"}, {"id": 9, "page": "once"}
    first = client.post(EVENTS, json=event, headers=key).json()
    assert first == {"accepted": 1, "repeated": False}
    assert client.post(EVENTS, json=event, headers=key).json() == {"accepted": 1, "repeated": True}
    other = client.post(EVENTS, json={"id": 10}, headers=key)
    assert other.status_code == 409
    client.post(EVENTS, json={"id": 11, "page": "after"})
    until(lambda: count_of(client, "after") == 1)
    assert count_of(client, "once") == 1


def test_what_is_no_event_is_refused_whole(client: TestClient) -> None:
    """A body that was cut off must not be taken in part."""
    for body in (b"", b"5", b'"x"', b"null", b"{", b'[{"id": 1}', b'{"id": 1} 2', b"\xff{}"):
        json = client.post(EVENTS, content=body, headers={"Content-Type": "application/json"})
        assert json.status_code == 422, body
    for deep in (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"[" * 50_000 + b"]" * 50_000):
        json = client.post(EVENTS, content=deep, headers={"Content-Type": "application/json"})
        assert (json.status_code, "too deeply" in json.json()["detail"]) == (422, True)
    torn = client.post(EVENTS, content=b'{"id": 1}\n{"id"', headers=LINES)
    assert (torn.status_code, "Line 2" in torn.json()["detail"]) == (422, True)
    assert client.post(EVENTS, content=b"id=1").status_code == 415
    unknown = client.post("/v1/events/clcks", json={})
    assert (unknown.status_code, unknown.json()["hint"]) == (404, "Did you mean 'clicks'?")
    long = client.post(EVENTS, json={}, headers={"Idempotency-Key": "k" * 300})
    assert long.status_code == 422


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{\n "a": [1,\n 2]\n}', [b'{\n "a": [1,\n 2]\n}']),
        (b' [1, "a,b", {"c": "]"} ] ', [b"1", b'"a,b"', b'{"c": "]"}']),
        (b"[]", []),
    ],
)
def test_documents_are_cut_where_json_says(body: bytes, wanted: list[bytes]) -> None:
    """Bytes go on as they came: no number is rounded on the way."""
    assert list(documents(body, "application/json; charset=utf-8")) == wanted


def test_too_many_events_at_once_are_refused() -> None:
    """One request must not hold up all others."""
    with pytest.raises(ProblemError) as caught:
        documents(b"[" + b",".join([b"1"] * 100_001) + b"]", "application/json")
    assert caught.value.status == 413
