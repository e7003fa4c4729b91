"""How fast the embedded engine's own operators are, without sources and sinks.

in      rows made once in memory: integer keys, BIGINT values, event times in order
out     rows/s and ms per batch (median and spread over rounds) for project, tumble, hop and
        updating count, at 1 k and 1 M keys and batches of 1 k to 1 M rows
run     python benchmarks/operators.py [--quick] [--only tumble] [--rounds 5] [--json FILE]
method  real operators, called as the driver calls them (on_batch, then on_mark); one warm pass
        fills the state and compiles the kernels, then each round runs over fresh batches whose
        event time goes on; a window is 1 M rows long, so that firing is part of every round
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numba
import numpy as np
import polars as pl

from millstream import types as t
from millstream.engine.batch import Batch
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering, Operator
from millstream.engine.operators.fixed_window import FixedWindow
from millstream.engine.operators.group_aggregate import GroupAggregate
from millstream.expr import aggregates, resolve
from millstream.expr.tree import AggCall, Call, Column, Literal, Named
from millstream.plan.nodes import Aggregate, Values, WindowAggregate
from millstream.plan.windows import Hop, Tumble

SCHEMA = t.Schema.of({"k": "BIGINT", "v": "BIGINT", "ts": "TIMESTAMP(3)"})
KEYS = (1_000, 1_000_000)
BATCH_ROWS = (1_000, 10_000, 100_000, 1_000_000)
WINDOW_MS = 1_000_000
ROWS_PER_ROUND = 2_000_000
SEED = 0x5EED_5EED_5EED_5EED


def column(name: str) -> Column:
    return Column(name, type=SCHEMA.type_of(name))


def agg(name: str, function: str, *columns: str) -> Named:
    return Named(name, aggregates.resolve(AggCall(function, tuple(map(column, columns)))))


def lowering() -> Lowering:
    return Lowering(Context(), (False,), upsert_out=True, seed=SEED, bounded=True)


def project() -> Operator:
    """``k, v * 2 + 1, ts`` where ``v > 100``."""
    from millstream.engine.program import Program
    from millstream.engine.stages import Compute, Keep

    def resolved(expr: Call) -> Call:
        return resolve.resolve(expr, SCHEMA)  # type: ignore[return-value]

    more = resolved(Call(">", (Column("v"), Literal(100, type=t.BigInt(nullable=False)))))
    two, one = (Literal(n, type=t.BigInt(nullable=False)) for n in (2, 1))
    double = resolved(Call("+", (Call("*", (Column("v"), two)), one)))
    stages = (Keep(more), Compute((Named("k", column("k")), Named("w", double))))
    return Program(stages, Context(), seed=SEED, uid="project")


def windowed(window: Tumble | Hop) -> Operator:
    aggs = (agg("n", "COUNT"), agg("total", "SUM", "v"), agg("top", "MAX", "v"))
    source = Values(columns=SCHEMA, rows=())
    node = WindowAggregate(input=source, window=window, time="ts", keys=("k",), aggs=aggs)
    return FixedWindow(node, lowering())


def tumble() -> Operator:
    """COUNT, SUM, MAX per key and window of 1 M rows."""
    return windowed(Tumble(WINDOW_MS))


def hop() -> Operator:
    """The same over windows of 1 M rows, a new one every 250 k rows."""
    return windowed(Hop(WINDOW_MS, WINDOW_MS // 4))


def updating_count() -> Operator:
    """COUNT per key, newest row per key out."""
    source = Values(columns=SCHEMA, rows=())
    node = Aggregate(input=source, keys=("k",), aggs=(agg("n", "COUNT"),))
    return GroupAggregate(node, lowering())


STEPS: dict[str, Callable[[], Operator]] = {
    "project": project,
    "tumble": tumble,
    "hop": hop,
    "count": updating_count,
}


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    step: str
    keys: int
    batch_rows: int
    rows_per_s: float
    rows_per_s_min: float
    rows_per_s_max: float
    batch_ms: float
    batch_ms_p95: float
    batch_ms_max: float
    rows_out: int


def batches(rng: np.random.Generator, keys: int, rows: int, size: int, start: int) -> list[Batch]:
    """Return rows in pieces; one row per millisecond of event time."""
    frame = pl.DataFrame(
        {
            "k": rng.integers(0, keys, rows) * 7919,
            "v": rng.integers(0, 1_000, rows),
            "ts": np.arange(start, start + rows),
        }
    ).with_columns(pl.col("ts").cast(pl.Datetime("ms")))
    return [Batch(frame.slice(at, size), start + at + size - 1) for at in range(0, rows, size)]


def measure(step: str, keys: int, size: int, rounds: int, rows: int) -> Measured:
    """Run one step over several rounds of fresh rows."""
    rng = np.random.default_rng(1)
    operator = STEPS[step]()
    rates: list[float] = []
    all_ms: list[float] = []
    rows_out = 0
    rows = max(size, rows // size * size)
    start = 0
    for round_no in range(rounds + 1):
        pieces = batches(rng, keys, rows, size, start)
        start += rows
        spent: list[float] = []
        for piece in pieces:
            began = time.perf_counter()
            out = operator.on_batch(piece)
            fired = operator.on_mark(piece.mark_ms or 0)
            spent.append(time.perf_counter() - began)
            rows_out += sum(f.height for f in (*out.out, *fired.out))
        if round_no:
            rates.append(rows / sum(spent))
            all_ms += [s * 1e3 for s in spent]
    all_ms.sort()
    return Measured(
        step,
        keys,
        size,
        statistics.median(rates),
        min(rates),
        max(rates),
        statistics.median(all_ms),
        all_ms[int(len(all_ms) * 0.95)],
        all_ms[-1],
        rows_out,
    )


def machine() -> dict[str, str]:
    """Return what the figures were made on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "polars threads": str(pl.thread_pool_size()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "polars": pl.__version__,
        "numpy": np.__version__,
        "numba": numba.__version__,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Rates of the embedded engine's operators.")
    parser.add_argument("--quick", action="store_true", help="two rounds of 200 k rows")
    parser.add_argument("--only", choices=sorted(STEPS), help="one step alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    rounds, rows = (2, 200_000) if options.quick else (options.rounds, ROWS_PER_ROUND)
    about = machine()
    print("; ".join(f"{name} {value}" for name, value in about.items()))
    print(f"{rounds} rounds of about {rows:,} rows after a warm one; median (min - max)\n")
    print(
        f"{'step':<8} {'keys':>9} {'batch':>9} {'M rows/s':>9} {'(min - max)':>16}"
        f" {'ms/batch':>9} {'p95':>8} {'max':>8}"
    )
    found: list[Measured] = []
    for step in [options.only] if options.only else STEPS:
        for keys in KEYS:
            for size in BATCH_ROWS:
                m = measure(step, keys, size, rounds, rows)
                found.append(m)
                spread = f"({m.rows_per_s_min / 1e6:.1f} - {m.rows_per_s_max / 1e6:.1f})"
                print(
                    f"{step:<8} {keys:>9,} {size:>9,} {m.rows_per_s / 1e6:>9.2f} {spread:>16}"
                    f" {m.batch_ms:>9.3f} {m.batch_ms_p95:>8.3f} {m.batch_ms_max:>8.3f}",
                    flush=True,
                )
    if options.json:
        lines = {"machine": about, "figures": [asdict(m) for m in found]}
        options.json.write_text(json.dumps(lines, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
