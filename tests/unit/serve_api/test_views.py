"""Views and questions over the API, against the views themselves."""

from __future__ import annotations

import json

import polars as pl
from fastapi.testclient import TestClient

from millstream.connect.live_view import LiveView
from millstream.serve.hub import Hub
from millstream.serve.routes.views import _page
from millstream.types import Schema


def test_a_view_is_described(client: TestClient, hub: Hub) -> None:
    """Columns, key, how it is drawn."""
    found = {one["name"]: one for one in client.get("/v1/views").json()["items"]}
    assert set(found) == {"per_k", "pages"}
    assert found["per_k"]["columns"] == [
        {"name": "k", "type": "INT"},
        {"name": "n", "type": "BIGINT NOT NULL"},
        {"name": "newest", "type": "BIGINT"},
    ]
    assert (found["per_k"]["key"], found["per_k"]["rows"]) == (["k"], 10)
    assert found["per_k"]["chart"]["title"]
    assert client.get("/v1/views/per_k").json()["job"] == "shop"
    assert client.get("/v1/views/per_l").json()["hint"] == "Did you mean 'per_k'?"


def test_pages_put_together_are_the_view(client: TestClient) -> None:
    """Without an order a page goes on behind the last row, whatever changes meanwhile."""
    keys, cursor = [], None
    while True:
        params = {"limit": 3} | ({} if cursor is None else {"cursor": cursor})
        page = client.get("/v1/views/per_k/rows", params=params).json()
        keys += [row[0] for row in page["rows"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(keys) == list(range(10))
    assert page["total"] == 10


def test_an_order_is_kept_over_pages(client: TestClient) -> None:
    """The largest first, or the smallest; a cursor of another order is refused."""
    params = {"order": "-k", "limit": 4}
    first = client.get("/v1/views/per_k/rows", params=params).json()
    assert [row[0] for row in first["rows"]] == [9, 8, 7, 6]
    more = client.get("/v1/views/per_k/rows", params={**params, "cursor": first["next"]}).json()
    assert [row[0] for row in more["rows"]] == [5, 4, 3, 2]
    other = {"order": "k", "cursor": first["next"]}
    assert client.get("/v1/views/per_k/rows", params=other).status_code == 422
    assert client.get("/v1/views/per_k/rows", params={"order": "q"}).status_code == 400
    for bad in ("limit=0", "limit=1001", "limit=x", "cursor=%00", "cursor=eyJ9"):
        assert client.get(f"/v1/views/per_k/rows?{bad}").status_code == 422, bad


def test_a_question_is_answered_once(client: TestClient) -> None:
    """SQL over the views while they change."""
    asked = {"sql": "SELECT COUNT(*) AS keys, SUM(n) AS total FROM per_k", "limit": 5}
    answer = client.post("/v1/query", json=asked).json()
    assert [column["name"] for column in answer["columns"]] == ["keys", "total"]
    assert answer["rows"][0][0] == 10
    assert answer["versions"]["per_k"] > 0
    assert answer["truncated"] is False
    cut = client.post("/v1/query", json={"sql": "SELECT k FROM per_k", "limit": 3}).json()
    assert (len(cut["rows"]), cut["truncated"]) == (3, True)


def test_a_wrong_question_is_marked(client: TestClient) -> None:
    """The place in the text, and nothing but a SELECT over views."""
    for sql in (
        "SELEC 1",
        "SELECT q FROM per_k",
        "SELECT * FROM x",
        "INSERT INTO a SELECT 1",
    ):
        told = client.post("/v1/query", json={"sql": sql})
        assert told.status_code == 400, told.text
        assert told.json()["detail"]
    assert client.post("/v1/query", json={"sql": ""}).status_code == 422
    assert client.post("/v1/query", json={"sql": "SELECT 1", "limits": 1}).status_code == 422
    assert client.post("/v1/query", content=b"{").status_code == 422


def test_committed_rows_of_a_job_with_checkpoints(client: TestClient, hub: Hub) -> None:
    """The same pages and answers, of a checkpoint: never ahead of the newest rows."""
    sql = "SELECT SUM(n) AS total FROM per_k"
    while True:
        asked = {"sql": sql, "at": "committed"}
        committed = client.post("/v1/query", json=asked).json()["rows"][0][0]
        newest = client.post("/v1/query", json={"sql": sql}).json()["rows"][0][0]
        if committed:
            break
    assert committed <= newest
    page = client.get("/v1/views/per_k/rows", params={"at": "committed", "order": "k"}).json()
    assert [row[0] for row in page["rows"]] == list(range(10))
    assert client.get("/v1/views/per_k/rows", params={"at": "later"}).status_code == 422


def test_a_text_is_no_number(client: TestClient) -> None:
    """The description says number: what is taken for one by chance hides a mistake."""
    for wrong in ({"limit": "5"}, {"limit": True}, {"timeout_s": "1"}, {"limit": 1.5}):
        asked = {"sql": "SELECT k FROM per_k", **wrong}
        assert client.post("/v1/query", json=asked).status_code == 422, wrong
    assert client.post("/v1/query", json={"sql": "SELECT k FROM per_k", "limit": 1.0}).is_success
    assert client.post("/v1/jobs/shop/stop", json={"drain": 0}).status_code == 422


def test_nothing_known_comes_last_in_both_directions() -> None:
    """NULL and NaN are no values: the pages and the feed must agree on where they stand."""
    view = LiveView("v", Schema.of({"k": "STRING", "x": "DOUBLE"}), key=("k",))
    rows = {"$row": [0, 1, 2, 3], "k": ["a", "b", "c", "d"], "x": [1.0, float("nan"), None, 2.0]}
    view.put(pl.DataFrame(rows))
    for order, wanted in (("-x", "dabc"), ("x", "adbc"), ("-k", "dcba")):
        page = json.loads(_page(view, 10, None, order))
        assert "".join(row[0] for row in page["rows"]) == wanted
