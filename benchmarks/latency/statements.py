"""The cases of the Kafka half in SQL, and the command that runs them.

in      case, broker, topics, delivery
out     a script and the settings of ``millstream run``
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.latency.events import DROPPED, WINDOW_MS

AT_LEAST_ONCE, EXACTLY_ONCE = "at_least_once", "exactly_once"
_COLUMNS = "id BIGINT, k INT, v BIGINT, kind INT, ts BIGINT"
# A millisecond behind, so that the first event of the next window closes one, not its own last.
_TIME = """,
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '0.001' SECOND
"""
_RESULTS = {
    "stateless": "id BIGINT, k INT, v BIGINT",
    "keyed": "k INT, n BIGINT, id BIGINT, PRIMARY KEY (k) NOT ENFORCED",
    "window": "window_start TIMESTAMP(3), k INT, n BIGINT",
    "join": "id BIGINT, v BIGINT",
}
_QUERIES = {
    "stateless": f"SELECT id, k, v * 2 FROM one WHERE kind <> {DROPPED}",
    "keyed": "SELECT k, COUNT(*), MAX(id) FROM one GROUP BY k",
    "window": f"""SELECT window_start, k, COUNT(*)
FROM TUMBLE(TABLE one, DESCRIPTOR(happened), INTERVAL '{WINDOW_MS / 1000}' SECOND)
GROUP BY window_start, window_end, k""",
    "join": """SELECT one.id, one.v + two.v FROM one JOIN two ON one.id = two.id
AND two.happened BETWEEN one.happened - INTERVAL '1' SECOND
AND one.happened + INTERVAL '1' SECOND""",
}
TIMED = ("window", "join")


@dataclass(frozen=True, slots=True)
class Topics:
    """Where events come from and results go to; a join reads two."""

    read: tuple[str, ...]
    write: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """The guarantee of the sink and the time between two checkpoints."""

    guarantee: str
    interval_ms: int

    @property
    def exactly_once(self) -> bool:
        return self.guarantee == EXACTLY_ONCE


def script(case: str, address: str, topics: Topics) -> str:
    """Return what ``millstream run`` is given."""
    shared = f"'properties.bootstrap.servers' = '{address}'"
    read = f"'connector' = 'kafka', {shared}, 'format' = 'json', "
    read += "'scan.startup.mode' = 'earliest-offset'"
    write = f"'connector' = 'kafka', {shared}, 'format' = 'json'"
    if case == "keyed":
        write = f"'connector' = 'upsert-kafka', {shared}, "
        write += "'key.format' = 'json', 'value.format' = 'json'"
    time = _TIME if case in TIMED else ""
    tables = "".join(
        f"CREATE TABLE {name} ({_COLUMNS}{time}) WITH ({read}, 'topic' = '{topic}');\n"
        for name, topic in zip(("one", "two"), topics.read, strict=False)
    )
    sink = f"CREATE TABLE results ({_RESULTS[case]}) WITH ({write}, 'topic' = '{topics.write}');\n"
    return f"{tables}{sink}INSERT INTO results {_QUERIES[case]};\n"


def command(file: Path, checkpoints: Path, log: Path, delivery: Delivery) -> tuple[str, ...]:
    """Return the process that runs a script: ``millstream run``, its log kept in a file."""
    once = "exactly-once" if delivery.exactly_once else "at-least-once"
    return (
        *(sys.executable, "-m", "benchmarks.latency.logged", str(log)),
        *("run", str(file), "--checkpoint", str(checkpoints)),
        *("--set", f"sink.delivery-guarantee={once}"),
        *("--set", f"execution.checkpointing.interval={delivery.interval_ms} ms"),
    )
