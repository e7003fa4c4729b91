"""What the two engines that run a query as one batch have in common: warm up, time, say.

in      a function that runs the query over events and puts its result into a fold
out     the harness' line of JSON
method  once over the first events, as ours does, then over all; the clock goes from the query being
        handed over until the last value is in the checksum
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from benchmarks.engine import events
from benchmarks.engine.fold import Fold
from benchmarks.engine.ours import COUNTED, WARM_EVENTS
from benchmarks.nexmark.run import SIDE_ROWS, script

from millstream.columns.physical import polars_schema

Ready = Callable[[Fold], None]
"""Runs a query whose tables are prepared; the fold gets the result."""
Prepare = Callable[[int, pa.Table], Ready]


def result_of(query: int) -> dict[str, pl.DataType]:
    """Return the columns of a query's sink, from its own text."""
    import millstream as ms

    source, sink = "'connector' = 'nexmark', 'events.num' = '1'", "'connector' = 'blackhole'"
    with tempfile.TemporaryDirectory() as folder:
        (found,) = ms.script(script(query, source=source, sink=sink, folder=Path(folder)))
    return dict(polars_schema(found.node.table.writable))


def side_input() -> pl.DataFrame:
    """Return the table that q13 looks up."""
    key = pl.int_range(SIDE_ROWS, dtype=pl.Int64, eager=True).alias("key")
    return pl.DataFrame([key, key.cast(pl.String).alias("value")])


def timed(prepare: Prepare, query: int, table: pa.Table, fold: Fold) -> dict[str, Any]:
    """Run a query once over events; what has to be made before is not timed."""
    run = prepare(query, table)
    gc.collect()
    cpu_s, start_s = time.process_time(), time.perf_counter()
    run(fold)
    seconds = time.perf_counter() - start_s
    return {
        "seconds": seconds,
        "events": table.num_rows,
        "rows": fold.rows,
        "checksum": fold.checksum,
        "notes": {"cpu_s": time.process_time() - cpu_s},
    }


def main(prepare: Prepare, what: str) -> None:
    """Read the arguments, warm up, run, and say what came out."""
    asked = argparse.ArgumentParser(description=what)
    asked.add_argument("--query", type=int, required=True)
    asked.add_argument("--events", type=int, required=True)
    asked.add_argument("--warm", type=int, default=WARM_EVENTS)
    given = asked.parse_args()
    table = events.load(events.path_of(given.events))
    schema, only = result_of(given.query), COUNTED.get(given.query)
    first = timed(prepare, given.query, table.slice(0, given.warm), Fold(schema, only))
    answer = timed(prepare, given.query, table, Fold(schema, only))
    answer["notes"] |= {
        "first_run_s": first["seconds"],
        "first_run_events": first["events"],
    }
    print(json.dumps(answer))
