"""Rules and configuration as promtool judges them, and what the alerts do, minute by minute."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from millstream.serve.metrics import grafana, rules, shipped
from millstream.serve.metrics.table import NAMES

NAMED = re.compile(r"(?<![:\w])millstream_\w+")
HISTOGRAM_ENDS = ("_bucket", "_count", "_sum")


def metrics_of(expression: str) -> set[str]:
    found = NAMED.findall(expression)
    return {re.sub(f"({'|'.join(HISTOGRAM_ENDS)})$", "", n) for n in found}


EXPRESSIONS = [
    *grafana.expressions(),
    *(r.expr for r in rules.RECORDED),
    *(a.expr for a in rules.ALERTS),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_only_metrics_of_the_table_are_named(expression):
    """A metric that was renamed leaves no panel and no alert behind that shows nothing."""
    recorded = set(re.findall(r"job_name:millstream_\w+:\w+", expression))
    assert metrics_of(expression) or recorded
    assert metrics_of(expression) <= NAMES
    assert recorded <= {r.record for r in rules.RECORDED}


def test_the_dashboard_is_what_grafana_imports():
    """No Grafana runs here, so at least its published model is kept: ids, places, targets."""
    board = json.loads(grafana.dashboard())
    panels = board["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies on another panel"
        assert place["x"] + place["w"] <= grafana.COLUMNS
        taken |= cells
        if panel["type"] != "row":
            assert all(t["expr"] and t["refId"] for t in panel["targets"])
            assert panel["description"]
    assert {v["name"] for v in board["templating"]["list"]} == {"datasource", "job_name"}


@pytest.fixture
def files(tmp_path):
    shipped.write(tmp_path)
    return tmp_path / "prometheus"


def judged(promtool, *words, cwd):
    done = subprocess.run([promtool, *words], cwd=cwd, capture_output=True, text=True, timeout=60,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.prometheus
def test_promtool_takes_rules_and_configuration(promtool, files):
    """What is shipped must load: Prometheus does not start with a rule file it cannot read."""
    rule = rules.RULES_FILE
    said = judged(promtool, "check", "rules", "--lint=all", "--lint-fatal", rule, cwd=files)
    assert f"{len(rules.RECORDED) + len(rules.ALERTS)} rules found" in said
    judged(promtool, "check", "config", "--lint-fatal", "prometheus.yml", cwd=files)
    (files / "token").write_text("secret")
    guarded = rules.scrape_config(["shop:8042"], token_file="token", https=True)
    (files / "guarded.yml").write_text(guarded)
    judged(promtool, "check", "config", "--lint-fatal", "guarded.yml", cwd=files)
    assert "credentials_file: token" in guarded


LABELS = 'job="millstream", instance="a", job_name="shop"'
RUNS = {"series": f'millstream_job_state{{{LABELS}, state="running"}}', "values": "1x60"}


def series(name: str, values: str) -> dict[str, str]:
    return {"series": f"millstream_{name}{{{LABELS}}}", "values": values}


def alerted(promtool, files, name: str, at: str, *inputs: dict[str, str]) -> str:
    """Return what fires at a time, "" where nothing does, by promtool's own tests of rules."""
    test = {
        "rule_files": [rules.RULES_FILE],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [RUNS, *inputs],
            "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": []}],
        }],
    }  # fmt: skip
    (files / "test.yml").write_text(json.dumps(test))
    done = subprocess.run([promtool, "test", "rules", "test.yml"], cwd=files, text=True,
                          capture_output=True, timeout=60, check=False)  # fmt: skip
    assert ("got:" in done.stderr + done.stdout) == (done.returncode != 0), done.stderr
    return "" if done.returncode == 0 else done.stderr + done.stdout


FLOWS = series("job_input_rows_total", "0+600x60")


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        (
            "MillstreamWatermarkStalled",
            [FLOWS, series("job_watermark_timestamp_seconds", "1000x60")],
            [FLOWS, series("job_watermark_timestamp_seconds", "1000+60x60")],
        ),
        (
            "MillstreamLagGrowing",
            [series("job_watermark_lag_seconds", "60+30x60")],
            [series("job_watermark_lag_seconds", "7200-60x60")],
        ),
        (
            "MillstreamCheckpointsFailing",
            [series("job_checkpoint_failures_total", "0+1x60")],
            [series("job_checkpoint_failures_total", "3x60")],
        ),
        (
            "MillstreamCheckpointsMissing",
            [series("job_checkpoint_age_seconds", "0+60x60"),
             series("job_checkpoint_interval_seconds", "10x60")],
            [series("job_checkpoint_age_seconds", "8x60"),
             series("job_checkpoint_interval_seconds", "10x60")],
        ),
        (
            "MillstreamRowsRejected",
            [FLOWS, series("job_rejected_rows_total", "0+12x60")],
            [FLOWS, series("job_rejected_rows_total", "0+3x60")],
        ),
        (
            "MillstreamMemoryNearLimit",
            [series("job_memory_bytes", "95x60"), series("job_memory_limit_bytes", "100x60")],
            [series("job_memory_bytes", "95x60")],
        ),
        (
            "MillstreamJobRestarting",
            [series("job_restarts_total", "0+1x60")],
            [series("job_restarts_total", "0x20 1x40")],
        ),
        (
            "MillstreamBackpressure",
            [series("job_backpressure_seconds_total", "0+55x60")],
            [series("job_backpressure_seconds_total", "0+20x60")],
        ),
        ("MillstreamJobSilent", [series("job_up", "0x60")], [series("job_up", "1x60")]),
        (
            "MillstreamJobFailed",
            [{"series": f'millstream_job_state{{{LABELS}, state="failed"}}', "values": "1x60"}],
            [{"series": f'millstream_job_state{{{LABELS}, state="failed"}}', "values": "0x60"}],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_an_alert_fires_when_it_should_and_only_then(promtool, files, name, bad, good):
    """An alert that never fires is found out too late; one that always fires is switched off."""
    fired = alerted(promtool, files, name, "50m", *bad)
    assert 'job_name="shop"' in fired
    assert "shop" in fired.partition("summary=")[2], "the summary names the job"
    assert "error expanding" not in fired
    assert not alerted(promtool, files, name, "50m", *good)
