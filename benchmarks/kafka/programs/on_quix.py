"""The three cases on Quix Streams, one process of a group.

in      case, broker, input topic, output topic, folder, number of the process
out     JSON documents in the output topic, exactly once, a transaction a second
windows event time is the time of the message, which the loader set to that of the document; a
        partition's windows close with its own time
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import quixstreams.dataframe.windows.aggregations as agg
from quixstreams import Application

WINDOW = timedelta(seconds=10)
GRACE = timedelta(seconds=1)
KEPT = "sold"


def main(case: str, broker: str, source: str, sink: str, folder: str, number: str) -> None:
    """Run until told to stop."""
    app = Application(
        broker_address=broker,
        consumer_group=f"quix-{sink}",
        auto_offset_reset="earliest",
        commit_interval=1.0,
        processing_guarantee="exactly-once",
        state_dir=f"{folder}/state-{number}",
        loglevel="WARNING",
        max_partition_buffer_size=50_000,
        producer_extra_config={"linger.ms": 20, "batch.size": 1_000_000},
    )
    said = app.dataframe(app.topic(source, value_deserializer="json"))
    if case == "filter":
        said = said.filter(lambda row: row["kind"] == KEPT)
    elif case == "window":
        windows = said.tumbling_window(WINDOW, grace_ms=GRACE).agg(n=agg.Count())
        said = windows.final(closing_strategy="partition").apply(_count, metadata=True)
    said.to_topic(app.topic(sink, value_serializer="json"))
    app.run()


def _count(row: dict[str, Any], key: Any, _time: int, _headers: Any) -> dict[str, Any]:
    user = key.decode() if isinstance(key, bytes) else key
    return {"window_start": row["start"], "user": user, "n": row["n"]}


if __name__ == "__main__":
    main(*sys.argv[1:])
