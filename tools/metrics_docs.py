"""Writes docs/metrics.md and the files below ops/ from the table of metrics.

python tools/metrics_docs.py            write them
python tools/metrics_docs.py --check    exit 1 where one is not as the table says
"""

from __future__ import annotations

import sys
from pathlib import Path

from millstream.serve.metrics import rules, shipped
from millstream.serve.metrics.grafana import ROWS
from millstream.serve.metrics.metric import SPLITS_MAX, Metric
from millstream.serve.metrics.table import (
    OF_JOBS,
    OF_OPERATORS,
    OF_SINKS,
    OF_SPLITS,
    PROCESS,
    OfProcess,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "metrics.md"
OPS = ROOT / "ops"
_START = """# Metrics

Generated from the table of metrics by `tools/metrics_docs.py`; do not edit it by hand.

`millstream run FILE --ui` and `millstream serve` give the figures of all their jobs at `/metrics`
(by default `http://127.0.0.1:8042/metrics`), as OpenMetrics or as Prometheus' older text, whatever
is asked for. One table in the code makes the metrics, the rules, the dashboard and this page.

```bash
millstream metrics list            # this table; --format json for programs
millstream metrics rules           # recording and alert rules of Prometheus
millstream metrics scrape          # a configuration of Prometheus that scrapes --target HOST:PORT
millstream metrics grafana         # the dashboard
millstream metrics write monitoring  # all of it as files, those that provision Grafana too
```

The same files lie in `ops/` of the repository.

* **Names** end in their unit: seconds, bytes, rows, ratio (0 to 1). Counters end in `_total`.
* **Labels** come from the plan and from the splits of sources, never from data. The job is in
  `job_name`, because `job` and `instance` are Prometheus' own; an operator is known by its state
  id, as `explain` prints it. A source shows its first {splits} splits, the rest are summed as split
  `other`.
* **What is unknown is not there**, and never zero: no lag before the first watermark, no
  `millstream_job_memory_limit_bytes` without a limit.
* **Each scrape looks anew**; it does not stop the thread that computes. Only `_ratio` and
  `batch_rows` are of about the last second: for longer times take the rate of the counters.
* **Restarts make no peaks.** A job that is started again counts on from its last checkpoint; its
  counters stand still here until rows read again have caught up. Times count what was spent, also
  on what had to be repeated. A new process begins at zero, which Prometheus knows.
* **A server with a token** asks Prometheus for it too, and speaks TLS: `millstream metrics scrape
  --target HOST:PORT --token-file FILE --https` prints a configuration that gives it.
* A job that cannot tell how it stands has `millstream_job_up` 0; the others are as they are.
* Beside these there are `process_…` and `python_…`, the usual figures of a Python process.
"""
_LATENCY = """
Latency is a histogram in rows: in Prometheus
`histogram_quantile(0.99, sum by (job_name, le) (rate(millstream_job_latency_seconds_bucket[1m])))`.
"""
_OTEL = """## OpenTelemetry

With the extra `otel` (`pip install 'millstream[otel]'`) the same metrics go to a collector by OTLP
over HTTP, without `_total` in their names, as is the custom there. The standard variables turn it
on for every command that serves, and nothing is sent unless one of them names a collector:

<!-- looked at, not run: it needs a collector -->
```bash
OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 OTEL_METRIC_EXPORT_INTERVAL=10000 \\
  OTEL_SERVICE_NAME=shop millstream run pipeline.sql --ui
```

Traces: a span per job, per durable checkpoint and per restart (with its reason), each a trace of
its own that links to its job's. Restarts are seen by looks a second apart, and so are their times.
There is no span per batch: there are thousands of them a second. `millstream explain --analyze`
tells where their time goes.
"""
_GRAFANA = """## Dashboard for Grafana

`grafana/dashboards/millstream.json`, with files that provision it and a data source. Not run in
Grafana here: no Grafana server was available. What is tested: the JSON follows Grafana's model, no
panel lies on another, and a real Prometheus that scraped a running pipeline answers every
expression with data.
"""


def page() -> str:
    """Return the text of the page."""
    parts = [
        _START.format(splits=SPLITS_MAX),
        _table("Of a job", OF_JOBS) + _LATENCY,
        _table("Of an operator", OF_OPERATORS),
        _table("Of a split of a source", OF_SPLITS),
        _table("Of sinks, live views and alerts", OF_SINKS),
        _table("Of the process", PROCESS),
        _rules(),
        _alerts(),
        _GRAFANA + "\n" + _panels(),
        _OTEL,
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(title: str, metrics: tuple[Metric, ...] | tuple[OfProcess, ...]) -> str:
    lines = [f"## {title}", "", "| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    for m in metrics:
        kind = m.kind.value if isinstance(m, Metric) else "gauge"
        labels = ", ".join(f"`{label}`" for label in m.labels)
        lines.append(f"| `{m.name}` | {kind} | {labels} | {m.help} |")
    return "\n".join(lines) + "\n"


def _rules() -> str:
    lines = ["## Recording rules", "", "| rule | meaning |", "| --- | --- |"]
    lines += [f"| `{r.record}` | {r.about} |" for r in rules.RECORDED]
    return "\n".join(lines) + "\n"


def _alerts() -> str:
    lines = ["## Alerts", "", "| alert | severity | when | for |", "| --- | --- | --- | --- |"]
    lines += [f"| {a.name} | {a.severity} | `{a.expr}` | {a.for_} |" for a in rules.ALERTS]
    return "\n".join(lines) + "\n"


def _panels() -> str:
    return "\n".join(
        f"* **{row.title}**: {', '.join(panel.title for panel in row.panels)}" for row in ROWS
    )


def main() -> int:
    """Write the files, or say whether they are up to date."""
    wanted = {PAGE: page(), **{OPS / name: text for name, text in shipped.files().items()}}
    if "--check" in sys.argv[1:]:
        old = [p for p, t in wanted.items() if not p.exists() or p.read_text("utf-8") != t]
        for path in old:
            sys.stderr.write(f"{path.relative_to(ROOT)} is old; run tools/metrics_docs.py\n")
        return int(bool(old))
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
