"""A real Prometheus scrapes a running pipeline: numbers, every panel, every rule."""

from __future__ import annotations

import os
import time

import pytest

from millstream.serve.metrics import grafana, rules
from millstream.serve.metrics.table import METRICS, NAMES, PROCESS
from tests.e2e.watched import SQL, serving, watched
from tests.servers import ports

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

JOB = f"panels_{os.getpid()}"
"""Its own in each process of pytest: they share one Prometheus."""
FEW_MAX_S = 120.0


@pytest.fixture(scope="module")
def scraped(prometheus, tmp_path_factory):
    """A pipeline that has been scraped for a while, its hub, and the Prometheus."""
    with (
        watched(SQL, tmp_path_factory.mktemp("ck"), JOB) as hub,
        serving(hub) as port,
        prometheus.scraping(port, JOB),
    ):
        flows = f'rate(millstream_job_output_rows_total{{job_name="{JOB}"}}[5s]) > 0'
        assert ports.wait_until(lambda: bool(prometheus.query(flows)), limit_s=FEW_MAX_S)
        saved = f'millstream_job_checkpoint_number{{job_name="{JOB}"}} > 1'
        assert ports.wait_until(lambda: bool(prometheus.query(saved)), limit_s=FEW_MAX_S)
        yield prometheus, hub


def filled(expression: str) -> str:
    """Return an expression as Grafana would send it."""
    return (
        expression.replace("$__rate_interval", "5s")
        .replace("$__range", "10s")
        .replace("$job_name", JOB)
    )


def test_prometheus_takes_every_metric(scraped):
    """Our own parser is kind to us; the one that counts is Prometheus'."""
    prometheus, _ = scraped
    wanted = NAMES - {"millstream_job_latency_seconds"}
    wanted |= {"millstream_job_latency_seconds_bucket"}

    def missing():
        return wanted - set(prometheus.get("label/__name__/values"))

    assert ports.wait_until(lambda: not missing(), limit_s=FEW_MAX_S), missing()
    kinds = prometheus.get("metadata")
    for metric in METRICS:
        info = metric.name.endswith("_info")
        said = kinds.get(metric.name.removesuffix("_info")) or kinds.get(metric.family)
        assert said, metric.name
        assert said[0]["type"] == ("info" if info else metric.kind.value), metric.name
        assert said[0]["help"] == metric.help
        assert said[0]["unit"] == metric.unit
    assert {m.name for m in PROCESS} <= wanted


def test_no_label_is_renamed(scraped):
    """Prometheus renames labels that it has itself; a panel that asks for ours would be empty."""
    prometheus, _ = scraped
    assert not [name for name in prometheus.get("labels") if name.startswith("exported_")]


def test_its_numbers_are_those_of_the_job(scraped):
    """People compare the page with their Prometheus; what differs is trusted no more."""
    prometheus, hub = scraped
    held = hub.held(JOB)
    asked = f'millstream_job_input_rows_total{{job_name="{JOB}"}}'
    before = held.running.progress().rows_in
    newer = f"timestamp({asked}) > {time.time()}"
    assert ports.wait_until(lambda: bool(prometheus.query(newer)), limit_s=FEW_MAX_S)
    # A busy machine may miss a scrape, and what is there now is nothing then: the newest counts.
    found = prometheus.number(f"last_over_time({asked}[1m])")
    assert before <= found <= held.running.progress().rows_in
    of_splits = f'last_over_time(millstream_split_input_rows_total{{job_name="{JOB}"}}[1m])'
    assert prometheus.number(f"sum({of_splits})") > 0


@pytest.mark.parametrize("expression", grafana.expressions())
def test_every_panel_has_data(scraped, expression):
    """An empty panel is noticed at three in the morning."""
    prometheus, _ = scraped
    asked = filled(expression)
    assert ports.wait_until(lambda: bool(prometheus.query(asked)), limit_s=FEW_MAX_S), asked


@pytest.mark.parametrize("record", [r.record for r in rules.RECORDED])
def test_every_recording_rule_gives_numbers(scraped, record):
    """A rule that is valid may still find nothing."""
    prometheus, _ = scraped
    asked = f'{{__name__="{record}", job_name="{JOB}"}}'
    assert ports.wait_until(lambda: bool(prometheus.query(asked)), limit_s=FEW_MAX_S), record


def test_an_alert_fires_in_prometheus(scraped):
    """A tenth of the rows divides by zero: rejected rows are to be told."""
    prometheus, _ = scraped
    rejected = f'job_name:millstream_job_rejected:ratio_rate5m{{job_name="{JOB}"}} > 0.05'
    assert ports.wait_until(lambda: bool(prometheus.query(rejected)), limit_s=FEW_MAX_S)

    def alerts():
        found = prometheus.get("alerts")["alerts"]
        return {a["labels"]["alertname"] for a in found if a["labels"].get("job_name") == JOB}

    assert ports.wait_until(lambda: "MillstreamRowsRejected" in alerts(), limit_s=FEW_MAX_S)


def test_no_rule_fails_when_it_is_evaluated(scraped):
    """A rule that passes promtool may still match several series with one."""
    prometheus, _ = scraped

    def found():
        return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]

    wanted = len(rules.RECORDED) + len(rules.ALERTS)
    assert ports.wait_until(
        lambda: sum(r["health"] != "unknown" for r in found()) == wanted, limit_s=FEW_MAX_S
    )
    assert {r["name"]: r["lastError"] for r in found() if r.get("lastError")} == {}
