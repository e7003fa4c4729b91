"""Jobs over the API: what is told, and what a job is told to do, on a real one."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from millstream.serve.hub import Held, Hub
from tests.unit.serve_api.conftest import folder_of, until


def test_a_job_tells_how_it_stands(client: TestClient, held: Held) -> None:
    """Figures of the API are those of the job itself."""
    items = client.get("/v1/jobs").json()["items"]
    assert [item["name"] for item in items] == ["shop"]
    until(lambda: client.get("/v1/jobs/shop").json()["rows_in"])  # it is looked at once a second
    said = client.get("/v1/jobs/shop").json()
    assert 0 < said["rows_in"] <= held.running.progress().rows_in
    assert said["state"] == "running"
    assert said["exactly_once"] is False, "the blackhole keeps no epochs"
    assert (said["can_be_told"], said["can_be_started_again"]) == (True, False)
    assert said["checkpoint_dir"] == held.job.settings.checkpoint_dir
    assert until(lambda: client.get("/v1/jobs/shop").json()["rows_rejected"]) >= 1
    assert until(lambda: client.get("/v1/jobs/shop").json()["rows_in_per_s"] > 0)


def test_the_plan_hangs_together(client: TestClient) -> None:
    """Each edge leads from one step to another, and each step is found by its id."""
    plan = client.get("/v1/jobs/shop/plan").json()
    ids = [operator["id"] for operator in plan["operators"]]
    assert {"source", "sink"} <= {operator["kind"] for operator in plan["operators"]}
    assert plan["edges"]
    for edge in plan["edges"]:
        assert ids.index(edge["source"]) < ids.index(edge["target"])
    for uid in ids:
        one = client.get(f"/v1/jobs/shop/operators/{uid}").json()
        assert one["id"] == uid
    sources = [o for o in plan["operators"] if o["kind"] == "source"]
    assert {split["table"] for o in sources for split in o["splits"]} == {"ticks", "clicks"}


def test_names_that_are_not_there_are_told_with_those_that_are(client: TestClient) -> None:
    """A typing error is found by reading the answer."""
    job = client.get("/v1/jobs/shpo")
    assert (job.status_code, job.json()["hint"]) == (404, "Did you mean 'shop'?")
    assert client.get("/v1/jobs/shop/operators/none").status_code == 404
    series = client.get("/v1/jobs/shop/history", params={"series": "busi"})
    assert (series.status_code, series.json()["hint"]) == (400, "Did you mean 'busy'?")
    parameter = client.get("/v1/jobs/shop/history", params={"serie": "busy"})
    assert (parameter.status_code, parameter.json()["hint"]) == (400, "Did you mean 'series'?")
    assert client.get("/v1/nothing").status_code == 404
    assert client.get("/v1/nothing", params={"x": "1"}).status_code == 404
    method = client.put("/v1/silences")
    assert (method.status_code, method.headers["allow"]) == (405, "GET, POST")
    assert client.get("/v1/query").headers["allow"] == "POST"


def test_the_past_of_a_job(client: TestClient) -> None:
    """Series stand on one axis, the ones that were asked for and no others."""
    until(lambda: len(client.get("/v1/jobs/shop/history").json()["at_ms"]) > 1)
    page = client.get("/v1/jobs/shop/history", params={"series": "rows_in_per_s,busy"}).json()
    assert set(page["series"]) == {"rows_in_per_s", "busy"}
    assert all(len(values) == len(page["at_ms"]) for values in page["series"].values())
    since = page["at_ms"][0]
    later = client.get("/v1/jobs/shop/history", params={"since_ms": since}).json()
    assert later["at_ms"][0] > since


def test_checkpoints_are_those_of_the_folder(client: TestClient, hub: Hub) -> None:
    """The list grows with the job, and each of them has its size."""
    items = client.get("/v1/jobs/shop/checkpoints").json()["items"]
    numbers = [one["number"] for one in items]
    assert numbers == sorted(set(numbers))
    assert items[-1]["bytes"] > 0
    assert (folder_of(hub) / "manifests").exists()


def test_pause_and_resume(client: TestClient, held: Held) -> None:
    """A paused job takes no rows and says so; resumed it goes on."""
    assert client.post("/v1/jobs/shop/pause").json()["state"] == "paused"
    assert client.post("/v1/jobs/shop/pause").status_code == 200
    before = held.running.progress().rows_in
    assert client.post("/v1/jobs/shop/resume").json()["state"] == "running"
    until(lambda: held.running.progress().rows_in > before)


def test_a_savepoint_is_made_beside_the_running_job(
    client: TestClient, hub: Hub, tmp_path: Path
) -> None:
    """It holds an epoch; a place in use, the job's own folder and odd addresses are refused."""
    target = str(tmp_path / "saved")
    made = client.post("/v1/jobs/shop/savepoint", json={"target": target})
    assert made.status_code == 200, made.text
    assert made.json() == {"epoch": made.json()["epoch"], "target": target}
    assert (tmp_path / "saved" / "identity.json").exists()
    again = client.post("/v1/jobs/shop/savepoint", json={"target": target})
    assert again.status_code == 409
    own = client.post("/v1/jobs/shop/savepoint", json={"target": str(folder_of(hub))})
    assert own.status_code == 409
    for odd in ("http://x/y", "ftp://x", "a\x00b", "x\ny"):
        assert client.post("/v1/jobs/shop/savepoint", json={"target": odd}).status_code == 400


def test_health_and_metrics(client: TestClient) -> None:
    """Probes and Prometheus read these."""
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").status_code == 200
    metrics = client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert 'job_name="shop"' in metrics.text


def test_the_dashboard_is_served(client: TestClient) -> None:
    """Types that a browser runs, an ETag, nothing from outside the folder."""
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    script = client.get("/app.js")
    assert script.headers["content-type"].startswith("text/javascript")
    fresh = client.get("/app.js", headers={"If-None-Match": script.headers["etag"]})
    assert fresh.status_code == 304
    assert client.get("/../models.py").status_code == 404
    assert client.get("/%2e%2e/models.py").status_code == 404
