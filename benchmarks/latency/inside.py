"""One measured pipeline inside this process: ``python -m benchmarks.latency.inside CASE``.

in      a case of :data:`CASES`; rows made up, sinks that count (as ``millstream bench``)
out     as the harness wants it, one JSON object as the last line; ``notes`` are the Measurement
method  that of :mod:`millstream.frame.measuring`; the window also runs at 200 k events/s
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from millstream.frame.measuring import Measurement, at_rate, measured
from millstream.frame.planned_rows import ROWS_USUAL, made_up
from millstream.frame.sqls import script_of
from millstream.job import Job
from millstream.plan.nodes import Plan, Scan

EVENTS = """
CREATE TABLE {name} (id BIGINT, k INT, v DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'datagen', 'fields.k.min' = '0', 'fields.k.max' = '999',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{rows}');
"""
CASES = {
    "stateless": """
CREATE TABLE out (id BIGINT, k INT, v DOUBLE) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT id, k, v * 2 FROM one WHERE v > 0.5;
""",
    "window": """
CREATE TABLE out (k INT, n BIGINT, total DOUBLE) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT k, COUNT(*), SUM(v)
FROM TUMBLE(TABLE one, DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY window_start, window_end, k;
""",
    "join": """
CREATE TABLE out (id BIGINT, v DOUBLE) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT one.id, one.v + two.v FROM one JOIN two ON one.id = two.id
AND two.ts BETWEEN one.ts - INTERVAL '1' SECOND AND one.ts + INTERVAL '1' SECOND;
""",
}
WINDOW_AIM_PER_S = 200_000.0


def job_of(case: str) -> Job:
    """Return the pipeline of a case."""
    tables = "".join(EVENTS.format(name=name, rows=ROWS_USUAL) for name in ("one", "two"))
    sinks, settings = script_of(tables + CASES[case], case, {})
    return Job(Plan(tuple(sink.node for sink in sinks)), settings)


def run(case: str, seconds: float) -> Measurement:
    """Measure a case."""
    job = job_of(case)
    scans = [node for node in job.derived.plan.walk() if isinstance(node, Scan)]
    rows = {scan.uid: made_up(scan, ROWS_USUAL) for scan in scans}
    found = measured(job, rows, seconds=seconds)
    if case != "window":
        return found
    extra = at_rate(job, rows, WINDOW_AIM_PER_S, seconds)
    rates = sorted((*found.rates, extra), key=lambda at: at.events_per_s)
    return replace(found, rates=tuple(rates))


def main() -> None:
    """Run one case and print what the harness reads."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("case", choices=sorted(CASES))
    asked.add_argument("--seconds", type=float, default=4.0)
    given = asked.parse_args()
    found = run(given.case, given.seconds)
    events = sum(at.latency.events for at in found.rates)
    answer = {
        "seconds": given.seconds * len(found.rates),
        "events": events,
        "rows": len(found.rates),
        "checksum": None,
        "notes": found.to_json(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
