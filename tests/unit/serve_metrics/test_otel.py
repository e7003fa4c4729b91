"""OpenTelemetry: what a collector receives over OTLP, as its own protocol reads it."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from millstream.engine.progress import CheckpointProgress, Histogram, State
from millstream.events import event_of
from millstream.serve.metrics.asked import ENDPOINTS, exporting_if_asked
from millstream.serve.metrics.metric import Kind
from millstream.serve.metrics.otel import UNITS, exporting
from millstream.serve.metrics.table import METRICS
from tests.servers import ports
from tests.servers.ports import wait_until
from tests.unit.serve_metrics.collector import attributes_of, collecting
from tests.unit.serve_metrics.still import NOW_MS, Still, hub_of, progress

OFTEN_MS = 50.0
CAME_MAX_S = 30.0


@pytest.fixture
def collector():
    with collecting() as found:
        yield found


def newest(collector, running=None):
    """Return the metrics of one export of a hub with one job."""
    with exporting(hub_of(j=running or Still()), collector.url, every_ms=OFTEN_MS):
        assert wait_until(lambda: bool(collector.metrics), limit_s=CAME_MAX_S)
    return collector.metrics[-1]


def test_a_collector_gets_every_metric_of_the_table(collector):
    """One table for all: who moves from Prometheus to a collector misses nothing."""
    found = newest(collector)
    wanted = {m for m in METRICS if "ratio" not in m.name and "batch_rows" not in m.name}
    wanted = {m for m in wanted if m.name.split("_")[1] not in ("view", "alert")}
    assert {m.family for m in wanted} <= set(found)
    for metric in wanted:
        sent = found[metric.family]
        assert (sent.unit, sent.description) == (UNITS[metric.unit], metric.help)
        shape = {Kind.COUNTER: "sum", Kind.GAUGE: "gauge", Kind.HISTOGRAM: "histogram"}
        assert sent.WhichOneof("data") == shape[metric.kind], metric.name
        if metric.kind is Kind.COUNTER:
            assert sent.sum.is_monotonic
    assert attributes_of(found["millstream_build_info"].gauge.data_points[0])["version"]


def test_numbers_and_labels_are_those_of_prometheus(collector):
    """Two systems that disagree are worse than one."""
    found = newest(collector)
    (rows,) = found["millstream_job_input_rows"].sum.data_points
    assert (rows.as_int, attributes_of(rows)) == (100, {"job_name": "j"})
    of_splits = found["millstream_split_waiting_rows"].gauge.data_points
    assert {attributes_of(p)["split"] for p in of_splits} == {"0", "1"}
    (latency,) = found["millstream_job_latency_seconds"].histogram.data_points
    assert list(latency.bucket_counts) == [60, 30, 10]
    assert list(latency.explicit_bounds) == [0.01, 0.1]
    assert (latency.count, latency.sum) == (100, 12.5)
    assert not latency.HasField("min"), "not known is not zero"


def test_differences_where_they_are_asked_for(collector, monkeypatch):
    """Some collectors want what came since the last export; histograms of ours obey as well."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    running = Still()
    with exporting(hub_of(j=running), collector.url, every_ms=OFTEN_MS):
        assert wait_until(lambda: bool(collector.metrics), limit_s=CAME_MAX_S)
        running.now = replace(
            running.now, rows_in=130, latency=Histogram((0.01, 0.1), (70, 30, 11), 13.5)
        )
        assert wait_until(lambda: rows_of(collector) >= 130, limit_s=CAME_MAX_S)
    assert rows_of(collector) == 130
    points = [
        m["millstream_job_latency_seconds"].histogram.data_points[0] for m in collector.metrics
    ]
    assert sum(p.count for p in points) == 111
    assert sum(p.sum for p in points) == 13.5
    sent = collector.metrics[0]["millstream_job_latency_seconds"].histogram
    assert sent.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA


@pytest.mark.parametrize("preference", ["delta", "cumulative"])
def test_a_job_that_counts_anew_is_no_negative_number(collector, monkeypatch, preference):
    """A job without checkpoints begins at zero when it is started again; OTLP knows no less."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    running = Still(now=progress(latency=Histogram((0.01, 0.1), (60, 30, 10), 12.5)))
    hub = hub_of(None, j=running)
    with exporting(hub, collector.url, every_ms=OFTEN_MS):
        assert wait_until(lambda: bool(points_of(collector)), limit_s=CAME_MAX_S)
        running.done = True
        again = Still(now=progress(latency=Histogram((0.01, 0.1), (1, 2, 0), 0.5)))
        hub.add(hub.held("j").job, again, "j")
        assert wait_until(lambda: bool(anew(collector)), limit_s=CAME_MAX_S)
    assert anew(collector)[0].sum == 0.5
    assert anew(collector)[0].start_time_unix_nano >= points_of(collector)[0].time_unix_nano


def anew(collector):
    return [p for p in points_of(collector) if list(p.bucket_counts) == [1, 2, 0]]


def points_of(collector):
    found = [m.get("millstream_job_latency_seconds") for m in list(collector.metrics)]
    return [p for m in found if m is not None for p in m.histogram.data_points]


def test_a_collector_that_is_down_is_told_once_and_not_waited_for(caplog):
    """The SDK logs each of its tries; a log of nothing else hides what matters."""
    (port,) = ports.free_ports(1)
    sdk = logging.getLogger("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    with (
        caplog.at_level(logging.WARNING),
        exporting(hub_of(j=Still()), f"http://127.0.0.1:{port}", every_ms=OFTEN_MS),
    ):
        assert wait_until(lambda: bool(caplog.records), limit_s=CAME_MAX_S)
        for _ in range(20):
            sdk.warning("again")
    assert [r.name for r in caplog.records] == ["millstream"]
    assert event_of(caplog.records[0]) == "otel_unreachable"
    sdk.warning("ours no more")
    assert caplog.records[-1].name == sdk.name


def rows_of(collector) -> int:
    return sum(
        p.as_int
        for m in list(collector.metrics)
        if "millstream_job_input_rows" in m
        for p in m["millstream_job_input_rows"].sum.data_points
    )


def test_the_standard_variables_say_where_and_who(collector, monkeypatch):
    """A container is configured by its environment, and not by a program."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", str(OFTEN_MS))
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    with exporting(hub_of(j=Still())):
        assert wait_until(lambda: bool(collector.metrics), limit_s=CAME_MAX_S)
    who = collector.resources[0]
    assert (who["service.name"], who["deployment.environment"]) == ("shop", "test")


def test_without_a_name_the_service_is_millstream(collector):
    """`unknown_service` helps nobody."""
    newest(collector)
    assert collector.resources[0]["service.name"] == "millstream"


def test_checkpoints_restarts_and_the_job_are_spans(collector):
    """Each is a trace of its own, with its true times, and links to the job it is of."""
    running = Still(progress(restarts=0))
    hub = hub_of(j=running)
    with exporting(hub, collector.url, every_ms=60_000):
        hub.look()
        running.now = replace(
            running.now, state=State.RESTARTING, last_failure="the broker went away"
        )
        hub.look()
        later = CheckpointProgress(4, NOW_MS - 500, 100.0, 1_000)
        kept = (*running.now.checkpoints, later)
        running.now = replace(running.now, state=State.RUNNING, restarts=1, checkpoints=kept)
        hub.look()
        hub.look()
    by_name = {}
    for span in collector.spans:
        by_name.setdefault(span.name, []).append(span)
    (job,) = by_name["millstream.job"]
    (restart,) = by_name["millstream.restart"]
    first, second = by_name["millstream.checkpoint"]
    assert attributes_of(job) == {"job_name": "j", "job.state": "running", "job.input_rows": "",
                                  "job.output_rows": "", "job.restarts": ""}  # fmt: skip
    assert first.start_time_unix_nano == (NOW_MS - 2_000) * 1_000_000
    assert second.end_time_unix_nano - second.start_time_unix_nano == 100 * 1_000_000
    assert restart.status.code == Status.STATUS_CODE_ERROR
    assert restart.status.message == "the broker went away"
    assert all(s.links[0].trace_id == job.trace_id for s in (first, second, restart))
    assert len({s.trace_id for s in (job, first, second, restart)}) == 4


def test_the_end_of_a_job_is_told_though_nobody_looked(collector):
    """A command ends within the second between two looks; its span must not say it runs."""
    running = Still()
    hub = hub_of(j=running)
    with exporting(hub, collector.url, every_ms=60_000):
        hub.look()
        running.now = replace(running.now, state=State.COMPLETED)
    (job,) = [s for s in collector.spans if s.name == "millstream.job"]
    assert attributes_of(job)["job.state"] == "completed"


def test_a_job_that_failed_is_a_span_that_failed(collector):
    """Who looks for errors in traces finds it, with its reason."""
    running = Still()
    hub = hub_of(j=running)
    with exporting(hub, collector.url, every_ms=60_000):
        hub.look()
        why = "k://me:hush@db: no space left"
        running.now = replace(running.now, state=State.FAILED, last_failure=why)
        running.done = True
        hub.look()
        hub.look()
    (job,) = [s for s in collector.spans if s.name == "millstream.job"]
    told = "k://me:***@db: no space left"
    assert (job.status.code, job.status.message) == (Status.STATUS_CODE_ERROR, told)


def test_nothing_is_sent_that_nobody_asked_for(collector, monkeypatch):
    """No request leaves the machine unless somebody says where to."""
    hub = hub_of(j=Still())
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", str(OFTEN_MS))
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    with exporting_if_asked(hub):
        assert not hub._listeners, "nobody looks for spans"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    with exporting_if_asked(hub):
        assert wait_until(lambda: bool(collector.metrics), limit_s=CAME_MAX_S)


def test_without_the_extra_it_says_which():
    """A missing package is told with the command that installs it."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from millstream.errors import MissingExtra\n"
        "try:\n    import millstream.serve.metrics.otel\n"
        "except MissingExtra as error:\n    print(error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "millstream[otel]" in done.stdout
