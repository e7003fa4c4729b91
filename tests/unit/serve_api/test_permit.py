"""Who may do what: every route names its action, and what is not allowed is refused."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from millstream.serve.app import app_of
from millstream.serve.hub import Hub
from millstream.serve.permit import Action, Rights, Verdict, action_of
from tests.unit.serve_api.conftest import client_of, until

TOKEN = "correct horse"
FEED = "ws://127.0.0.1:8042/v1/views/per_k/feed"
WRITES = {
    "pause_job": Action.CONTROL,
    "resume_job": Action.CONTROL,
    "stop_job": Action.CONTROL,
    "make_savepoint": Action.CONTROL,
    "replay_letters": Action.REPLAY,
    "make_silence": Action.SILENCE,
    "end_silence": Action.SILENCE,
    "send_events": Action.INGEST,
    "query": Action.QUERY,
}


def routes() -> list[object]:
    return list(iter_route_contexts(app_of(Hub()).routes))


def test_every_route_names_its_action() -> None:
    """A route that somebody adds without thinking of rights must not be open to all."""
    found = routes()
    assert len(found) > 30
    nameless = [getattr(r, "path", r) for r in found if action_of(r) is None]
    assert nameless == []


def test_only_pages_health_and_the_description_are_open() -> None:
    """What needs no token is a short list, written down twice on purpose."""
    open_to_all = {r.path for r in routes() if action_of(r) is Action.OPEN}
    assert open_to_all == {"/healthz", "/readyz", "/openapi.json", "/{path:path}"}


def test_what_changes_something_is_no_reading() -> None:
    """Roles will be made of actions: a reader must not be able to stop a job."""
    actions = {getattr(r, "operation_id", None): action_of(r) for r in routes()}
    assert {name: actions[name] for name in WRITES} == WRITES
    for route in routes():
        if set(route.methods or ()) - {"GET", "HEAD"}:
            assert action_of(route) is not Action.READ


@pytest.mark.parametrize("action", list(Action))
def test_the_rule_itself(action: Action) -> None:
    """Deny by default: no token from elsewhere, a wrong token, no token at all."""
    rights, nobody = Rights(TOKEN), Rights()
    refused = Verdict.YES if action is Action.OPEN else Verdict.WHO
    assert rights.verdict(action, given=TOKEN, client="10.0.0.1") is Verdict.YES
    assert rights.verdict(action, given=TOKEN + "x", client="127.0.0.1") is refused
    assert rights.verdict(action, given="", client=None) is refused
    assert rights.verdict(action, given=None, client=None) is refused
    assert nobody.verdict(action, given=None, client="::1") is Verdict.YES
    elsewhere = nobody.verdict(action, given=None, client="10.0.0.1")
    assert elsewhere is (Verdict.YES if action is Action.OPEN else Verdict.NO)


def test_a_token_is_needed_where_there_is_one() -> None:
    """The dashboard's page loads and asks for the token; its data need it."""
    client = client_of(Hub(), token=TOKEN)
    for path in ("/", "/app.js", "/healthz", "/openapi.json"):
        assert client.get(path).status_code == 200, path
    for path in ("/v1/jobs", "/v1/views", "/metrics", "/v1/jobs/x", "/v1/alerts"):
        refused = client.get(path)
        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.headers["content-type"] == "application/problem+json"
    wrong = client.get("/v1/jobs", headers={"Authorization": "Bearer wrong"})
    assert wrong.status_code == 401
    right = client.get("/v1/jobs", headers={"Authorization": f"Bearer {TOKEN}"})
    assert right.json() == {"items": []}


def test_a_websocket_offers_its_token_as_a_protocol(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """A browser cannot set a header for it; without the token it is closed before it opens."""
    client = client_of(hub, token=TOKEN)
    until(lambda: "per_k" in hub.views())
    wrong = base64.urlsafe_b64encode(b"wrong").decode()
    for offered in ([], ["bearer."], ["bearer.!"], [f"bearer.{wrong}"]):
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(FEED, subprotocols=["millstream", *offered]),
        ):
            pass
    assert not [record for record in caplog.records if record.exc_info], "nobody fills the log"
    right = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
    with client.websocket_connect(FEED, subprotocols=["millstream", f"bearer.{right}"]) as socket:
        assert socket.accepted_subprotocol == "millstream"


def test_without_a_token_other_machines_are_refused() -> None:
    """A server that is embedded and bound wrongly must still not answer everybody."""
    client = TestClient(app_of(Hub()), base_url="http://127.0.0.1", client=("10.1.2.3", 5))
    assert client.get("/v1/jobs").status_code == 403
    assert client.get("/").status_code == 200


def test_the_page_of_the_api_lists_each_address_with_its_action() -> None:
    """docs/api.md is written by hand; what is not in it is not found by anybody."""
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    listed = set(re.findall(r"^\| `([A-Z]+) ([^`]+)` \|.*\| (\w+) \|$", text, re.MULTILINE))
    there = set()
    for route in routes():
        action = action_of(route)
        path = str(route.path).replace(":path}", "}")
        for method in route.methods or {"WS"}:
            if path != "/{path}":
                there.add((method, path, None if action is None else action.value))
    assert listed == there
