"""A real pipeline under a hub, and a client of the application that serves it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from millstream.cli.inspect import jobs_of
from millstream.serve.app import app_of
from millstream.serve.hub import Held, Hub

PROGRAM = """
CREATE TABLE ticks (n BIGINT, k INT)
WITH ('connector' = 'datagen', 'rows-per-second' = '200', 'seed' = '1',
      'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '100000000',
      'fields.k.min' = '0', 'fields.k.max' = '9');
CREATE TABLE clicks (id INT, page STRING, cost DECIMAL(10, 2))
WITH ('connector' = 'http-events', 'format' = 'json');
CREATE MATERIALIZED VIEW per_k AS SELECT k, COUNT(*) AS n, MAX(n) AS newest FROM ticks GROUP BY k;
CREATE MATERIALIZED VIEW pages AS SELECT page, COUNT(*) AS n, SUM(cost) AS cost FROM clicks
GROUP BY page;
CREATE TABLE out (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT 1 / (n - 3) FROM ticks WHERE n < 50;
"""
WAIT_S = 60.0


def until(what: Callable[[], Any], wait_s: float = WAIT_S) -> Any:
    """Return what a function gives once it gives something; waits by looking."""
    ends_s = time.monotonic() + wait_s
    while not (found := what()):
        assert time.monotonic() < ends_s, "it did not come"
        time.sleep(0.02)
    return found


def client_of(hub: Hub, **how: Any) -> TestClient:
    """Return a client on this machine."""
    return TestClient(
        app_of(hub, **how),
        base_url="http://127.0.0.1:8042",
        client=("127.0.0.1", 50_000),
        raise_server_exceptions=True,
    )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with one running job, ``shop``."""
    folder = tmp_path_factory.mktemp("served")
    program = folder / "shop.sql"
    program.write_text(PROGRAM)
    pairs = [
        "pipeline.name=shop",
        f"execution.checkpointing.dir={folder / 'checkpoint'}",
        "execution.checkpointing.interval=200ms",
        "source.discovery-interval=200ms",
    ]
    (job,) = jobs_of(program, pairs)
    hub = Hub()
    running = job.start()
    with hub.looking():
        hub.add(job, running)
        yield hub
        if not running.done:
            running.stop()


@pytest.fixture
def held(hub: Hub) -> Held:
    return hub.held("shop")


@pytest.fixture(scope="module")
def client(hub: Hub) -> TestClient:
    made = client_of(hub)
    until(lambda: made.get("/v1/views/per_k").json()["rows"] == 10)
    until(lambda: made.get("/v1/jobs/shop/checkpoints").json()["items"])
    until(lambda: made.get("/v1/jobs/shop/letters").json()["letters"])
    return made


def folder_of(hub: Hub) -> Path:
    kept = hub.held("shop").job.settings.checkpoint_dir
    assert kept is not None
    return Path(kept)
