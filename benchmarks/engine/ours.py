"""One Nexmark query through Millstream, from columns in memory to the checksum.

run     python -m benchmarks.engine.ours --query 5 --events 10000000 [--warm 200000]
out     the harness' line of JSON; ``notes``: processor seconds within ``seconds``, the first run of
        this process (kernels compiled or fetched, plans made) over the first events, every row the
        sink was given (changes that take rows back included), and per step rows and busy seconds
method  the query runs over the first ``--warm`` events, which compiles; then over all of them. The
        clock goes from the source's first poll until the pipeline has ended
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
from benchmarks.engine import connector, events
from benchmarks.harness.contract import KEPT
from benchmarks.nexmark.run import script

import millstream as ms

CHUNK_ROWS_MAX = 20_000
WARM_EVENTS = 200_000
COUNTED = {12: "bid_count"}
"""Queries of which only the sum of a column is compared."""


def timed(query: int, table: pa.Table, name: str, folder: Path) -> dict[str, Any]:
    """Run a query over events and return what the harness asks for."""
    run = connector.RUNS[name] = connector.Run(table, COUNTED.get(query))
    source, sink = (
        f"'connector' = '{c}', 'run' = '{name}'" for c in ("bench-events", "bench-fold")
    )
    sinks = ms.script(script(query, source=source, sink=sink, folder=folder))
    asked_s = time.perf_counter()
    summary = ms.run(*sinks, settings={"engine.chunk-rows-max": str(CHUNK_ROWS_MAX)})
    ended_s, ended_cpu_s = time.perf_counter(), time.process_time()
    assert run.first_poll_s is not None, "the source was read"
    progress, fold = summary.progress, run.fold
    assert progress.rows_rejected == 0, f"{progress.rows_rejected} rows were rejected"
    notes = {
        "cpu_s": ended_cpu_s - run.first_poll_cpu_s,
        "opening_s": run.first_poll_s - asked_s,
        "after_last_write_s": ended_s - run.last_write_s if run.last_write_s else None,
        "rows_given": progress.rows_out,
        "rows_late": progress.rows_late,
        "state_bytes": progress.state_bytes,
        "batches": progress.batches,
        "steps": [[s.label, s.rows_in, s.rows_out, s.busy_s] for s in progress.steps],
    }
    return {
        "seconds": ended_s - run.first_poll_s,
        "events": table.num_rows,
        "rows": progress.rows_out if fold is None else fold.rows,
        "checksum": None if fold is None else fold.checksum,
        "notes": notes,
    }


@contextmanager
def profiled(query: int) -> Iterator[None]:
    """Let py-spy watch this process meanwhile, native frames too; without it nothing happens."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which("py-spy", path=os.pathsep.join((beside, os.environ.get("PATH", ""))))
    if program is None:
        print("py-spy is not installed: there is no flame graph", file=sys.stderr)
        yield
        return
    drawn = KEPT / "profiles" / f"q{query}.svg"
    drawn.parent.mkdir(parents=True, exist_ok=True)
    argv = (program, "record", "--native", "--threads", "-o", str(drawn), "-p", str(os.getpid()))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as spy:
        assert spy.stdout is not None, "its output is a pipe"
        first = spy.stdout.readline()  # it says that it has begun, or why not
        try:
            yield
        finally:
            spy.send_signal(signal.SIGINT)
            said = first + spy.stdout.read()
    print(said.decode(errors="replace"), file=sys.stderr)


def main() -> None:
    """Warm up, run, and say what came out."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--query", type=int, required=True)
    asked.add_argument("--events", type=int, required=True)
    asked.add_argument("--warm", type=int, default=WARM_EVENTS)
    asked.add_argument("--profile", action="store_true", help="draw a flame graph with py-spy")
    given = asked.parse_args()
    connector.install()
    table = events.load(events.path_of(given.events))
    with tempfile.TemporaryDirectory(dir=KEPT) as name:
        folder = Path(name)
        warm_s = time.perf_counter()
        first = timed(given.query, table.slice(0, given.warm), "warm", folder)
        warm_s = time.perf_counter() - warm_s
        shutil.rmtree(folder / "q10", ignore_errors=True)
        connector.RUNS.clear()
        with profiled(given.query) if given.profile else nullcontext():
            answer = timed(given.query, table, "real", folder)
    answer["notes"] |= {"first_run_s": warm_s, "first_run_events": first["events"]}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
