"""The three cases on Pathway.

in      case, broker, input topic, output topic, folder
out     JSON documents in the output topic, at least once
mode    static: it reads to the end that was there at the start, and gives counts out as changes
names   a column cannot be called ``id`` there: the results have ``number`` instead
"""

from __future__ import annotations

import sys

import pathway as pw

WINDOW_MS = 10_000
KEPT = "sold"


class Event(pw.Schema):
    """A document."""

    number: int
    user: str
    ts: int
    kind: str
    price: int
    item: str
    page: str
    agent: str


def main(case: str, broker: str, source: str, sink: str, _folder: str) -> None:
    """Run to the end of the input."""
    reads = {
        "bootstrap.servers": broker,
        "group.id": f"pathway-{sink}",
        "auto.offset.reset": "earliest",
    }
    rows = pw.io.kafka.read(
        reads, source, schema=Event, format="json", mode="static",
        json_field_paths={"number": "/id"},
    )  # fmt: skip
    if case == "filter":
        rows = rows.filter(pw.this.kind == KEPT)
    elif case == "window":
        begin = pw.this.ts // WINDOW_MS * WINDOW_MS
        rows = rows.select(pw.this.user, window_start=begin)
        rows = rows.groupby(pw.this.window_start, pw.this.user).reduce(
            pw.this.window_start, pw.this.user, n=pw.reducers.count()
        )
    writes = {"bootstrap.servers": broker, "linger.ms": "20"}
    pw.io.kafka.write(rows, writes, sink, format="json")
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main(*sys.argv[1:])
