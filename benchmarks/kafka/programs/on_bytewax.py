"""The three cases on Bytewax.

in      CASE, BROKER, INPUT, OUTPUT in the environment, for the flow is a module
out     JSON documents in the output topic, at least once; it ends at the end of the input
clock   event time only: left to itself its watermark goes on with the machine's clock too, and rows
        of a slow minute come late
speed   documents are decoded and filtered whole batches at a time, as its documentation advises
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow, Stream

BATCH = 10_000
WINDOW_MS = 10_000
KEPT = "sold"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH_MS = int(EPOCH.timestamp() * 1000)


def decode(batch: list[Any]) -> list[dict[str, Any]]:
    """Decode a batch of messages."""
    loads = orjson.loads
    return [loads(message.value) for message in batch]


def keep(batch: list[Any]) -> list[dict[str, Any]]:
    """Decode a batch and keep what is asked for."""
    return [row for row in decode(batch) if row["kind"] == KEPT]


def encode(batch: list[dict[str, Any]]) -> list[KafkaSinkMessage[None, bytes]]:
    """Encode a batch."""
    dumps = orjson.dumps
    return [KafkaSinkMessage(None, dumps(row)) for row in batch]


def result(row: tuple[str, tuple[int, int]]) -> dict[str, Any]:
    """Make a result row of (user, (number of the window, count))."""
    user, (window, n) = row
    return {"window_start": EPOCH_MS + window * WINDOW_MS, "user": user, "n": n}


def counted(rows: Stream[dict[str, Any]]) -> Stream[dict[str, Any]]:
    """Count per user and window."""
    clock: win.EventClock[dict[str, Any]] = win.EventClock(
        lambda row: datetime.fromtimestamp(row["ts"] / 1000, UTC),
        timedelta(seconds=1),
        now_getter=lambda: EPOCH,
        to_system_utc=lambda _: None,
    )
    windower = win.TumblingWindower(align_to=EPOCH, length=timedelta(milliseconds=WINDOW_MS))
    found = win.count_window("count", rows, clock, windower, lambda row: row["user"])
    return op.map("result", found.down, result)


brokers = [os.environ["BROKER"]]
case = os.environ["CASE"]
flow = Dataflow("kafka")
messages = op.input(
    "read", flow, KafkaSource(brokers, [os.environ["INPUT"]], tail=False, batch_size=BATCH)
)
results = op.flat_map_batch("decode", messages, keep if case == "filter" else decode)
if case == "window":
    results = counted(results)
sent = op.flat_map_batch("encode", results, encode)
config = {"linger.ms": "20", "queue.buffering.max.messages": "1000000"}
op.output("write", sent, KafkaSink(brokers, os.environ["OUTPUT"], add_config=config))
