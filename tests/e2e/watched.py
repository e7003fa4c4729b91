"""A pipeline that shows every metric there is, and the server that gives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from millstream.frame.sqls import script_of
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.serve.hub import Hub
from millstream.serve.server import Serving

SQL = """
CREATE TABLE bids (id BIGINT, part INT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH (
  'connector' = 'datagen', 'rows-per-second' = '2000', 'number-of-rows' = '100000000',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '99999999',
  'fields.part.min' = '0', 'fields.part.max' = '9', 'fields.ts.max-past' = '1s');
CREATE TABLE counts (window_end TIMESTAMP(3), part INT, n BIGINT, worth BIGINT)
  WITH ('connector' = 'blackhole');
CREATE MATERIALIZED VIEW parts AS SELECT part, COUNT(*) AS n FROM bids GROUP BY part;
CREATE ALERT busy ON bids WHEN part > 8 FOR INTERVAL '1' HOUR SEVERITY 'info' TO ('log');
INSERT INTO counts
SELECT window_end, part, COUNT(*), SUM(100 / part) FROM TABLE(
  TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, part;
"""


def job_of(sql: str, folder: Path) -> Job:
    """Return a job of a script, with checkpoints."""
    options = {
        "execution.checkpointing.dir": str(folder),
        "execution.checkpointing.interval": "500ms",
    }
    sinks, settings = script_of(sql, None, options)
    return Job(Plan(tuple(sink.node for sink in sinks)), settings)


@contextmanager
def watched(sql: str, folder: Path, name: str) -> Iterator[Hub]:
    """Run a script under a hub that looks at it."""
    job, hub = job_of(sql, folder), Hub()
    with job.start() as running:
        hub.add(job, running, name)
        with hub.looking():
            yield hub


@contextmanager
def serving(hub: Hub) -> Iterator[int]:
    """Serve a hub on loopback, as `run --ui` does; gives the port."""
    with Serving(hub, "127.0.0.1:0") as server:
        port = urlsplit(server.url).port
        assert port is not None, "an address has a port"
        yield port
