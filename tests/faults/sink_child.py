"""A process that does with one sink what it is told, so that it can be stopped and woken.

in      one JSON command a line: {"do": "open" | "deliver" | "write" | "flush" | …, …}
out     one JSON line each: {"ok": result} or {"error": domain, "text": message}
"""

from __future__ import annotations

import json
import sys
from typing import Any

import polars as pl

from millstream.errors import ConnectorError
from millstream.plan.table import Physical, Table
from millstream.ports.connector import Deciding, Delivered, Sink
from millstream.ports.registry import sink_for
from millstream.types import Schema


def table_said(connector: str, options: dict[str, Any]) -> Table:
    """The table that parent and child write."""
    schema = Schema.of({"id": "BIGINT NOT NULL", "who": "STRING"})
    columns = tuple(Physical(f.name, f.type) for f in schema)
    return Table("t", columns, connector, options)


def rows_said(who: str, *ids: int) -> pl.DataFrame:
    """Rows that tell who wrote them."""
    return pl.DataFrame(
        {"id": list(ids), "who": [who] * len(ids)}, schema_overrides={"id": pl.Int64}
    )


def obey(sink: Sink, said: dict[str, Any]) -> Any:
    """Do one command."""
    frame = rows_said(said.get("who", "child"), *said.get("ids", ()))
    match said["do"]:
        case "open":
            return sink.open("p", said["incarnation"])
        case "deliver":
            return _count(sink.deliver(said["epoch"], [frame]))
        case "write":
            return _count(sink.write(frame))
        case "flush":
            return _count(sink.flush())
        case "close":
            return sink.close()
    assert isinstance(sink, Deciding), f"{said['do']} is for a deciding sink"
    match said["do"]:
        case "stage":
            return sink.stage(frame)
        case "prepare":
            return _count(sink.prepare(said["epoch"]))
        case "commit":
            return sink.commit(said["epoch"])
    raise AssertionError(f"nobody knows how to {said['do']}")


def _count(done: Delivered) -> list[int]:
    return [done.accepted, done.refused]


def main() -> None:
    """Obey until the input ends."""
    connector, options = sys.argv[1], json.loads(sys.argv[2])
    sink = sink_for(table_said(connector, options), updating=False)
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"ok": obey(sink, json.loads(line))}
        except ConnectorError as error:
            answer = {"error": error.domain.value, "text": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
