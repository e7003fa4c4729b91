"""A real job that fails and goes on: what Prometheus is given of it never falls, and is true."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from millstream.connect.memory import Collected
from millstream.errors import ConnectorError, Domain, Retry
from millstream.job import Job
from millstream.plan.nodes import Plan, Scan
from millstream.plan.table import Physical, Table
from millstream.serve.hub import Hub
from millstream.serve.metrics.metric import Kind
from millstream.serve.metrics.reading import Reader
from millstream.serve.metrics.table import METRICS
from millstream.settings import Settings
from millstream.types import Schema
from tests.servers.ports import wait_until
from tests.unit.engine.flaky import Flaky
from tests.unit.engine.pipelines import into, known

ROWS = pl.DataFrame({"n": range(400)}, schema={"n": pl.Int64})
NUMBERS = Schema.of({"n": "BIGINT"})
COUNTERS = [m.name for m in METRICS if m.kind is Kind.COUNTER]


@pytest.fixture(autouse=True)
def _connectors(monkeypatch):
    known(monkeypatch)


def gone() -> ConnectorError:
    return ConnectorError("The broker went away.", retry=Retry.LATER, domain=Domain.NETWORK)


def test_a_restarted_job_has_no_counter_that_falls(tmp_path: Path):
    """The engine counts back to its checkpoint; a rate over that would be of rows that never were.

    In the end each is what the job itself says.
    """
    source, hub = Flaky(ROWS, [(250, gone()), (300, gone())]), Hub()
    columns = tuple(Physical(f.name, f.type) for f in NUMBERS)
    scan = Scan(table=Table("numbers", columns, "flaky", {"flaky": source}))
    settings = Settings(
        checkpoint_dir=str(tmp_path), checkpoint_interval_ms=20, restart_backoff_initial_ms=20,
        restart_jitter=0.0,
    )  # fmt: skip
    job = Job(Plan((into(scan, "out", Collected()),)), settings)
    running = job.start()
    source.until = lambda: running.progress().epoch > 0
    held = hub.add(job, running, "j")
    reader = Reader(hub)
    before: dict[tuple[str, tuple[str, ...]], float] = {}

    def read() -> bool:
        over = running.done
        for name, samples in reader.read().samples.items():
            if name in COUNTERS:
                for labels, number in samples:
                    assert number >= before.get((name, labels), 0), (name, labels)
                    before[name, labels] = number
        return over

    assert wait_until(read, limit_s=60.0, step_s=0.001)
    now = held.running.progress()
    assert now.restarts == 2
    assert before["millstream_job_restarts_total", ("j",)] == 2
    assert before["millstream_job_input_rows_total", ("j",)] == now.rows_in == ROWS.height
    assert before["millstream_job_output_rows_total", ("j",)] == now.rows_out == ROWS.height
    of_split = ("j", now.splits[0].scan, "numbers", "0")
    assert before["millstream_split_input_rows_total", of_split] == ROWS.height
    for step in now.steps:
        assert before["millstream_operator_input_rows_total", ("j", step.uid)] == step.rows_in
    for sink in now.sinks:
        assert before["millstream_sink_accepted_rows_total", ("j", sink.name)] == sink.rows_accepted
