"""The three cases in SQL, as ours and Flink are told them.

in      case, broker, topics
out     a script: the source, the sink, one INSERT. Both read to the offsets that were the end when
        they started; only the options of the clients differ, each as its documentation advises
"""

from __future__ import annotations

from benchmarks.kafka.workload import KEPT

_COLUMNS = """
  id BIGINT, `user` STRING, ts BIGINT, kind STRING, price BIGINT, item STRING, page STRING,
  agent STRING"""
_TIME = """,
  happened AS TO_TIMESTAMP_LTZ(ts, 3),
  WATERMARK FOR happened AS happened - INTERVAL '1' SECOND"""
_COUNTS = "window_start TIMESTAMP(3), `user` STRING, n BIGINT"
_QUERIES = {
    "window": """
SELECT window_start, `user`, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, `user`""",
    "filter": f"""
SELECT id, `user`, ts, kind, price, item, page, agent FROM events WHERE kind = '{KEPT}'""",
    "pass": """
SELECT id, `user`, ts, kind, price, item, page, agent FROM events""",
}
_FLINK_SOURCE = {
    "properties.max.poll.records": "8192",
    "properties.max.partition.fetch.bytes": "4194304",
    "scan.topic-partition-discovery.interval": "0",
}
_FLINK_SINK = {
    "sink.delivery-guarantee": "exactly-once",
    "sink.transactional-id-prefix": "flink",
    "properties.transaction.timeout.ms": "600000",
    "properties.batch.size": "524288",
    "properties.linger.ms": "20",
    "properties.buffer.memory": "67108864",
}


def our_script(case: str, address: str, source: str, sink: str) -> str:
    """Return what ``millstream run`` is given."""
    return _script(case, address, source, sink, {}, {})


def flink_script(case: str, address: str, source: str, sink: str, interval_ms: int) -> str:
    """Return what OnFlink.java is given."""
    settings = {
        "parallelism.default": "2",
        "execution.checkpointing.interval": f"{interval_ms} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "pipeline.object-reuse": "true",
        "state.backend.type": "hashmap",
        "table.local-time-zone": "UTC",
    }
    said = "".join(f"SET '{name}' = '{value}';\n" for name, value in settings.items())
    return said + _script(case, address, source, sink, _FLINK_SOURCE, _FLINK_SINK)


def _script(
    case: str,
    address: str,
    source: str,
    sink: str,
    source_options: dict[str, str],
    sink_options: dict[str, str],
) -> str:
    shared = {"connector": "kafka", "properties.bootstrap.servers": address, "format": "json"}
    read = {
        **shared,
        "topic": source,
        "scan.startup.mode": "earliest-offset",
        "scan.bounded.mode": "latest-offset",
        **source_options,
    }
    write = {**shared, "topic": sink, **sink_options}
    columns = _COLUMNS + (_TIME if case == "window" else "")
    results = _COUNTS if case == "window" else _COLUMNS
    return (
        f"CREATE TABLE events ({columns}) WITH ({_options(read)});\n"
        f"CREATE TABLE results ({results}) WITH ({_options(write)});\n"
        f"INSERT INTO results {_QUERIES[case]};\n"
    )


def _options(given: dict[str, str]) -> str:
    return ", ".join(f"'{name}' = '{value}'" for name, value in given.items())
