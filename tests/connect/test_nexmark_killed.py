"""Nexmark queries as processes of their own, killed in the middle and started again.

What the files of the sink hold in the end is folded and compared with Flink's recorded answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from benchmarks.nexmark.flink import EVENTS, RATE
from benchmarks.nexmark.run import generator, script

from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema
from tests.connect.test_nexmark_cuts import digest, folded, planned
from tests.connect.test_nexmark_queries import FLINK

pytestmark = pytest.mark.slow
QUERIES = (4, 5, 7, 18, 20)
"""A group of groups, windows, a join per window, the newest rows, a join."""
SLOWLY = """
SET 'execution.checkpointing.interval' = '50 ms';
SET 'engine.chunk-rows-max' = '500';
"""
EPOCHS_BEFORE_KILL = 4
LIMIT_S = 240.0


@pytest.mark.parametrize("query", QUERIES)
def test_a_killed_query_goes_on_and_ends_as_flink_does(query: int, tmp_path: Path) -> None:
    """kill -9 between two checkpoints: no row of the answer is lost, none is there twice."""
    results, checkpoints = tmp_path / "results", tmp_path / "checkpoints"
    sink = f"'connector' = 'filesystem', 'path' = '{results}', 'format' = 'debezium-json'"
    text = tmp_path / "query.sql"
    query_text = script(query, source=generator(EVENTS, RATE), sink=sink, folder=tmp_path)
    text.write_text(SLOWLY + query_text)
    first = started(text, checkpoints)
    end = time.monotonic() + LIMIT_S
    while epochs(checkpoints) < EPOCHS_BEFORE_KILL and first.poll() is None:
        assert time.monotonic() < end, log(text)
        time.sleep(0.005)
    killed_at = epochs(checkpoints)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL, f"over before the kill:\n{log(text)}"
    text.write_text(query_text)
    second = started(text, checkpoints)
    assert second.wait(LIMIT_S) == 0, log(text)
    assert epochs(checkpoints) > killed_at
    assert digest(standing(query, results, tmp_path)) == tuple(FLINK[f"q{query}"])


def started(text: Path, checkpoints: Path) -> subprocess.Popen[bytes]:
    """Run a script by the command line."""
    with text.with_suffix(".log").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "millstream.cli", "run", str(text),
             "--checkpoint", str(checkpoints)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip


def log(text: Path) -> str:
    return text.with_suffix(".log").read_text(errors="replace")[-4000:]


def epochs(checkpoints: Path) -> int:
    """Return the number of the newest checkpoint."""
    names = (path.stem for path in (checkpoints / "manifests").glob("*.json"))
    return max((int(name) for name in names if name.isdigit()), default=0)


def standing(query: int, results: Path, folder: Path) -> pl.DataFrame:
    """Return the rows that the changes in the sink's files leave."""
    (sink,) = planned(query, folder).plan.sinks
    kinds = polars_schema(sink.table.writable)
    texts = {n: pl.String if isinstance(k, pl.Datetime) else k for n, k in kinds.items()}
    row = pl.Struct(texts)
    files = sorted(results.glob("part-*"), key=lambda path: path.stem.rpartition("-")[2])
    changes = pl.concat(
        pl.read_ndjson(file, schema={"before": row, "after": row, "op": pl.String})
        for file in files
    )
    gone = pl.col("op") == "d"
    whole = changes.select(
        pl.when(gone).then("before").otherwise("after").alias("row"),
        pl.when(gone).then(int(Op.DELETE)).otherwise(int(Op.INSERT)).cast(pl.Int8).alias(OP),
    ).unnest("row")
    times = [n for n, kind in kinds.items() if isinstance(kind, pl.Datetime)]
    return folded([whole.with_columns(pl.col(times).str.to_datetime(time_unit="ms"))])
