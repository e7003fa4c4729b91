"""Recording rules, alert rules and a scrape configuration for Prometheus, made from the table.

out     YAML texts; ``promtool check`` passes on them (tested), and the alerts have unit tests
rules   ``job_name:<metric>:<how>`` are recorded each minute; each alert says what it means and
        what to look at. Times and bounds are the constants below
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from millstream.serve.metrics.table import named
from millstream.serve.metrics.yaml_text import as_yaml

MADE = "# Made by `millstream metrics {what}`; a test compares.\n"
REJECTED_RATIO_MAX = 0.01
MEMORY_RATIO_MAX = 0.9
BACKPRESSURE_RATIO_MAX = 0.8
LAG_S_MIN = 60
"""A watermark less far behind the clock is no lag to speak of."""
LAG_GROWS_MIN = 0.1
"""Seconds of lag a second: a pipeline that falls behind by a tenth of the time that passes."""
RESTARTS_MAX = 2
CHECKPOINTS_MISSED_MAX = 5
PORT = 8042
RULES_FILE = "millstream.rules.yml"

_BY = "job, instance, job_name"


@dataclass(frozen=True, slots=True)
class Recorded:
    """An expression that is computed ahead, for dashboards and alerts."""

    record: str
    expr: str
    about: str


@dataclass(frozen=True, slots=True)
class Alert:
    """When somebody is to be told, what, and what to do."""

    name: str
    expr: str
    for_: str
    severity: str
    summary: str
    description: str


def _m(name: str, labels: str = "") -> str:
    return named(name) + (f"{{{labels}}}" if labels else "")


_BUCKETS = named("job_latency_seconds") + "_bucket"

RECORDED = (
    Recorded(
        "job_name:millstream_job_input_rows:rate1m",
        f"rate({_m('job_input_rows_total')}[1m])",
        "rows read a second",
    ),
    Recorded(
        "job_name:millstream_job_output_rows:rate1m",
        f"rate({_m('job_output_rows_total')}[1m])",
        "rows given to sinks a second",
    ),
    Recorded(
        "job_name:millstream_job_rejected:ratio_rate5m",
        f"rate({_m('job_rejected_rows_total')}[5m]) / (rate({_m('job_input_rows_total')}[5m]) > 0)",
        "rejected rows per row read",
    ),
    Recorded(
        "job_name:millstream_job_busy:ratio_rate1m",
        f"rate({_m('job_busy_seconds_total')}[1m])",
        "part of the time in which the compute thread worked",
    ),
    Recorded(
        "job_name:millstream_job_backpressure:ratio_rate5m",
        f"rate({_m('job_backpressure_seconds_total')}[5m])",
        "part of the time in which rows were there and none could be taken",
    ),
    Recorded(
        "job_name:millstream_job_latency_seconds:p50_1m",
        f"histogram_quantile(0.5, sum by ({_BY}, le) (rate({_BUCKETS}[1m])))",
        "half of the rows were faster",
    ),
    Recorded(
        "job_name:millstream_job_latency_seconds:p99_1m",
        f"histogram_quantile(0.99, sum by ({_BY}, le) (rate({_BUCKETS}[1m])))",
        "one row of a hundred was slower",
    ),
    Recorded(
        "job_name:millstream_job_memory:ratio",
        f"{_m('job_memory_bytes')} / {_m('job_memory_limit_bytes')}",
        "part of the memory limit in use",
    ),
)

_FAILED = _m("job_state", 'state="failed"') + " == 1"
_RUNS = f"on ({_BY}) " + _m("job_state", 'state="running"') + " == 1"

ALERTS = (
    Alert(
        "MillstreamJobFailed",
        _FAILED,
        "0m", "critical",
        "Job {{ $labels.job_name }} has failed.",
        "It does not run any more. Its last failure is on its page and in its log.",
    ),
    Alert(
        "MillstreamJobRestarting",
        f"increase({_m('job_restarts_total')}[15m]) > {RESTARTS_MAX}",
        "0m", "warning",
        "Job {{ $labels.job_name }} was restarted {{ printf \"%.0f\" $value }} times in "
        "15 minutes.",
        "It fails, goes on from its last checkpoint and fails again. See its last failure.",
    ),
    Alert(
        "MillstreamJobSilent",
        f"{_m('job_up')} == 0",
        "2m", "warning",
        "Job {{ $labels.job_name }} does not tell how it stands.",
        "Its process answers, but its figures cannot be read. The log of the process says why.",
    ),
    Alert(
        "MillstreamWatermarkStalled",
        f"(changes({_m('job_watermark_timestamp_seconds')}[5m]) == 0)"
        f" and (increase({_m('job_input_rows_total')}[5m]) > 0) and {_RUNS}",
        "5m", "warning",
        "The watermark of job {{ $labels.job_name }} stands still although rows come in.",
        "No window closes. A split without rows holds it back (set an idle timeout), or the rows "
        "carry old times. Compare the watermarks of the splits.",
    ),
    Alert(
        "MillstreamLagGrowing",
        f"(deriv({_m('job_watermark_lag_seconds')}[10m]) > {LAG_GROWS_MIN})"
        f" and (min_over_time({_m('job_watermark_lag_seconds')}[5m]) > {LAG_S_MIN}) and {_RUNS}",
        "10m", "warning",
        "Job {{ $labels.job_name }} falls behind.",
        "Its watermark falls back behind the clock. See which operator is busy, and whether sinks "
        "hold it up.",
    ),
    Alert(
        "MillstreamCheckpointsFailing",
        f"increase({_m('job_checkpoint_failures_total')}[15m]) > 0",
        "5m", "warning",
        "Checkpoints of job {{ $labels.job_name }} cannot be written.",
        "It goes on, but after a failure it would repeat much work. See whether the folder or "
        "store of its checkpoints can be reached and has room.",
    ),
    Alert(
        "MillstreamCheckpointsMissing",
        f"{_m('job_checkpoint_age_seconds')} > {CHECKPOINTS_MISSED_MAX} * "
        f"{_m('job_checkpoint_interval_seconds')} + 60 and {_RUNS}",
        "1m", "warning",
        "Job {{ $labels.job_name }} has made no checkpoint for "
        "{{ $value | humanizeDuration }}.",
        f"That is more than {CHECKPOINTS_MISSED_MAX} of its intervals. A sink that takes nothing, "
        "or a store that does not answer, holds it up.",
    ),
    Alert(
        "MillstreamRowsRejected",
        f"job_name:millstream_job_rejected:ratio_rate5m > {REJECTED_RATIO_MAX}",
        "5m", "warning",
        "Job {{ $labels.job_name }} rejects {{ $value | humanizePercentage }} of its rows.",
        "`millstream dlq list` shows them with their reasons.",
    ),
    Alert(
        "MillstreamMemoryNearLimit",
        f"job_name:millstream_job_memory:ratio > {MEMORY_RATIO_MAX}",
        "5m", "warning",
        "Job {{ $labels.job_name }} uses {{ $value | humanizePercentage }} of its memory limit.",
        "State moves to the disk, or the job ends at the limit. See which operator's state grows.",
    ),
    Alert(
        "MillstreamBackpressure",
        f"job_name:millstream_job_backpressure:ratio_rate5m > {BACKPRESSURE_RATIO_MAX}",
        "10m", "warning",
        "Job {{ $labels.job_name }} had to wait {{ $value | humanizePercentage }} of the time.",
        "Rows are there, but sinks, memory or answers of other systems let none be taken.",
    ),
)  # fmt: skip


def rules() -> str:
    """Return the recording rules and the alert rules as one rule file."""
    recorded = [{"record": r.record, "expr": r.expr} for r in RECORDED]
    alerts = [
        {
            "alert": a.name,
            "expr": a.expr,
            "for": a.for_,
            "labels": {"severity": a.severity},
            "annotations": {"summary": a.summary, "description": a.description},
        }
        for a in ALERTS
    ]
    groups = [
        {"name": "millstream", "interval": "15s", "rules": recorded},
        {"name": "millstream-alerts", "interval": "15s", "rules": alerts},
    ]
    return MADE.format(what="rules") + as_yaml({"groups": groups})


def scrape_config(
    targets: Sequence[str] = (f"localhost:{PORT}",),
    *,
    token_file: str | None = None,
    https: bool = False,
) -> str:
    """Return a configuration of Prometheus that scrapes and watches Millstream."""
    scrape: dict[str, Any] = {"job_name": "millstream", "metrics_path": "/metrics"}
    if https:
        scrape["scheme"] = "https"
    if token_file is not None:
        scrape["authorization"] = {"type": "Bearer", "credentials_file": token_file}
    scrape["static_configs"] = [{"targets": list(targets)}]
    config: dict[str, Any] = {
        "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
        "rule_files": [RULES_FILE],
        "scrape_configs": [scrape],
    }
    return MADE.format(what="scrape") + as_yaml(config)
