"""A dashboard for Grafana, made from the table, and the files that provision it.

out     the dashboard's JSON; YAML for a data source and a folder of dashboards
names   every expression asks :func:`millstream.serve.metrics.table.named` for its metrics, so no
        panel names one that does not exist
not run no Grafana server was available where this was made: each expression is run by a real
        Prometheus in the tests, the JSON follows Grafana's published model
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import Any

from millstream.serve.metrics.table import named
from millstream.serve.metrics.yaml_text import as_yaml

UID = "millstream"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
"""Grafana's grid is so wide."""
CHOSEN = 'job_name=~"$job_name"'
RUNNING = ', state="running"'


@dataclass(frozen=True, slots=True)
class Line:
    """One expression of a panel, and what its series are called."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: ``kind`` is Grafana's (``stat``, ``timeseries``, ``state-timeline``)."""

    title: str
    about: str
    unit: str
    lines: tuple[Line, ...]
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    max: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def _now(metric: str, labels: str = "") -> str:
    return f"{named(metric)}{{{CHOSEN}{labels}}}"


def _rate(metric: str) -> str:
    return f"rate({_now(metric)}[$__rate_interval])"


def _quantile(part: float) -> str:
    buckets = f"{named('job_latency_seconds')}_bucket{{{CHOSEN}}}"
    by = "job_name, instance, le"
    return f"histogram_quantile({part}, sum by ({by}) (rate({buckets}[$__rate_interval])))"


def _stat(title: str, about: str, unit: str, line: Line) -> Panel:
    return Panel(title, about, unit, (line,), kind="stat", width=4, height=4)


_JOB, _OPERATOR = "{{job_name}}", "{{job_name}} · {{operator}}"
_SPLIT, _SINK = "{{job_name}} · {{table}} · {{split}}", "{{job_name}} · {{sink}}"

ROWS = (
    Row("Now", (
        _stat("Jobs running", "Jobs whose state is running.", "short",
              Line(f"sum({_now('job_state', RUNNING)})", "")),
        _stat("Rows in", "Rows read a second, all jobs together.", "cps",
              Line(f"sum({_rate('job_input_rows_total')})", "")),
        _stat("Watermark lag", "Clock minus watermark of the job that is furthest behind.", "s",
              Line(f"max({_now('job_watermark_lag_seconds')})", "")),
        _stat("Latency p99", "From read to sink; one row of a hundred is slower.", "s",
              Line(f"max({_quantile(0.99)})", "")),
        _stat("Restarts", "Restarts in the time shown.", "short",
              Line(f"sum(increase({_now('job_restarts_total')}[$__range]))", "")),
        _stat("Rejected", "Rows rejected or refused in the time shown.", "short",
              Line(f"sum(increase({_now('job_rejected_rows_total')}[$__range]))", "")),
    )),
    Row("Throughput and latency", (
        Panel("Rows read and given out", "Rows a second.", "cps", (
            Line(_rate("job_input_rows_total"), f"{_JOB} in"),
            Line(_rate("job_output_rows_total"), f"{_JOB} out"),
        )),
        Panel("Bytes read and given out", "Payload read, columns given to sinks.", "Bps", (
            Line(_rate("job_input_bytes_total"), f"{_JOB} in"),
            Line(_rate("job_output_bytes_total"), f"{_JOB} out"),
        )),
        Panel("End-to-end latency", "From read to sink, weighted by rows.", "s", (
            Line(_quantile(0.5), f"{_JOB} p50"),
            Line(_quantile(0.99), f"{_JOB} p99"),
        )),
        Panel("Watermark lag", "Clock minus watermark.", "s",
              (Line(_now("job_watermark_lag_seconds"), _JOB),)),
        Panel("Rows set aside", "Late, rejected or refused rows, and repeated ones, a second.",
              "cps", (
            Line(_rate("job_late_rows_total"), f"{_JOB} late"),
            Line(_rate("job_rejected_rows_total"), f"{_JOB} rejected"),
            Line(_rate("job_repeated_rows_total"), f"{_JOB} repeated"),
        )),
        Panel("State of jobs", "1 while a job is in a state.", "short",
              (Line(f"{_now('job_state')} == 1", "{{job_name}} {{state}}"),),
              kind="state-timeline"),
    )),
    Row("Busy and back-pressure", (
        Panel("Busy", "Part of the time in which the compute thread worked.", "percentunit",
              (Line(_rate("job_busy_seconds_total"), _JOB),), max=1),
        Panel("Back-pressure", "Part of the time in which rows were there and none could be taken.",
              "percentunit", (Line(_rate("job_backpressure_seconds_total"), _JOB),), max=1),
        Panel("Busy operators", "Part of the time in which each operator worked.", "percentunit",
              (Line(_rate("operator_busy_seconds_total"), _OPERATOR),), max=1),
        Panel("Rows in per operator", "Rows a second.", "cps",
              (Line(_rate("operator_input_rows_total"), _OPERATOR),)),
        Panel("Batch size", "Rows in a batch.", "short", (
            Line(f"{_rate('operator_input_rows_total')} / ({_rate('operator_batches_total')} > 0)",
                 _OPERATOR),
        )),
        Panel("Late and rejected per operator", "Rows a second.", "cps", (
            Line(_rate("operator_late_rows_total"), f"{_OPERATOR} late"),
            Line(_rate("operator_rejected_rows_total"), f"{_OPERATOR} rejected"),
        )),
    )),
    Row("Sources and sinks", (
        Panel("Rows per split", "Rows read a second.", "cps",
              (Line(_rate("split_input_rows_total"), _SPLIT),)),
        Panel("Rows that wait", "Source lag: rows known to wait at the source.", "short",
              (Line(_now("split_waiting_rows"), _SPLIT),)),
        Panel("Rows accepted and refused", "By the systems of the sinks, a second.", "cps", (
            Line(_rate("sink_accepted_rows_total"), f"{_SINK} accepted"),
            Line(_rate("sink_refused_rows_total"), f"{_SINK} refused"),
        )),
        Panel("Queued for sinks", "Bytes given out that a sink's system has not taken.", "bytes",
              (Line(_now("sink_queued_bytes"), _SINK),)),
    )),
    Row("Live views and alerts", (
        Panel("Rows of live views", "Rows each view holds.", "short",
              (Line(_now("view_rows"), "{{job_name}} · {{view}}"),)),
        Panel("Changes of live views", "Changes each view took in, a second.", "cps",
              (Line(_rate("view_changes_total"), "{{job_name}} · {{view}}"),)),
        Panel("Size of live views", "What each view keeps for its readers.", "bytes",
              (Line(_now("view_bytes"), "{{job_name}} · {{view}}"),)),
        Panel("Alerts", "How many keys each alert is pending or firing for.", "short",
              (Line(_now("alert_active"), "{{job_name}} · {{alert}} {{state}}"),)),
    )),
    Row("State, memory, checkpoints", (
        Panel("State entries", "Entries of state of each operator.", "short",
              (Line(f"{_now('operator_state_rows')} > 0", _OPERATOR),)),
        Panel("State size", "In memory and on the disk.", "bytes", (
            Line(_now("job_state_bytes"), f"{_JOB} state"),
            Line(_now("job_spilled_bytes"), f"{_JOB} on disk"),
        )),
        Panel("Memory", "What counts towards the limit, and the limit.", "bytes", (
            Line(_now("job_memory_bytes"), _JOB),
            Line(_now("job_memory_limit_bytes"), f"{_JOB} limit"),
        )),
        Panel("Checkpoint duration", "From the cut until the sinks had its rows.", "s",
              (Line(_now("job_checkpoint_duration_seconds"), _JOB),)),
        Panel("Checkpoint age", "Since the newest durable checkpoint, and the interval.", "s", (
            Line(_now("job_checkpoint_age_seconds"), _JOB),
            Line(_now("job_checkpoint_interval_seconds"), f"{_JOB} interval"),
        )),
        Panel("Checkpoint size", "Bytes written for the newest one.", "bytes",
              (Line(_now("job_checkpoint_size_bytes"), _JOB),)),
        Panel("Checkpoint failures", "Checkpoints that could not be written.", "short",
              (Line(f"increase({_now('job_checkpoint_failures_total')}[$__rate_interval])",
                    _JOB),)),
    )),
)  # fmt: skip


def expressions() -> list[str]:
    """Return every expression of the dashboard, with Grafana's variables in it."""
    return [line.expr for row in ROWS for panel in row.panels for line in panel.lines]


def dashboard() -> str:
    """Return the dashboard as Grafana imports it."""
    return json.dumps(_dashboard(), indent=2, ensure_ascii=False) + "\n"


def data_source(url: str = "http://localhost:9090") -> str:
    """Return the provisioning file of the data source."""
    source = {"name": "Prometheus", "type": "prometheus", "access": "proxy", "url": url}
    return as_yaml({"apiVersion": 1, "datasources": [{**source, "isDefault": True}]})


def provider(folder: str = "/var/lib/grafana/dashboards") -> str:
    """Return the provisioning file of the folder the dashboard lies in."""
    found = {"name": "Millstream", "type": "file", "options": {"path": folder}}
    return as_yaml({"apiVersion": 1, "providers": [found]})


def _dashboard() -> dict[str, Any]:
    return {
        "uid": UID,
        "title": "Millstream",
        "tags": ["millstream"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "panels": _panels(),
    }


def _variables() -> list[dict[str, Any]]:
    jobs = f"label_values({named('job_up')}, job_name)"
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "job_name",
            "label": "Job",
            "type": "query",
            "datasource": SOURCE,
            "definition": jobs,
            "query": {"query": jobs, "refId": "jobs"},
            "includeAll": True,
            "allValue": ".*",
            "multi": True,
            "refresh": 2,
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    number, y = count(1), 0
    for row in ROWS:
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        found.append({"id": next(number), "type": "row", "title": row.title, "gridPos": place,
                      "collapsed": False, "panels": []})  # fmt: skip
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            found.append({"id": next(number), "gridPos": place, **_panel(panel)})
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return found


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.max is not None:
        defaults["max"] = panel.max
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": line.expr,
             "legendFormat": line.legend or "__auto", "editorMode": "code", "range": True}
            for index, line in enumerate(panel.lines)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind],
    }  # fmt: skip


_OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"},
    "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"},
                   "tooltip": {"mode": "multi", "sort": "desc"}},
    "state-timeline": {"legend": {"showLegend": False}, "showValue": "never"},
}  # fmt: skip
