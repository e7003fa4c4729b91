"""``millstream warmup``: kernels are compiled once, into the cache, before they are needed."""

from __future__ import annotations

import sys
import time

from millstream.cli.failure import Exit

# One small pipeline per kind of kernel: windows, keys of one integer and of several columns,
# changes. Compiling happens in lowering and at the first batch, so each is run, over few rows.
_ROWS = 3


def warm_up() -> Exit:
    """Run a few tiny pipelines so that everything they need is compiled."""
    import millstream as ms
    from millstream import col

    began_s = time.monotonic()
    print("compiling kernels (once) …", file=sys.stderr, flush=True)
    rows = [
        {"n": i, "k": f"k{i}", "x": float(i), "ts": f"2026-01-01 00:00:0{i}"} for i in range(_ROWS)
    ]
    stream = ms.read_memory(
        rows,
        schema={"n": "BIGINT", "k": "STRING", "x": "DOUBLE", "ts": "TIMESTAMP(3)"},
        event_time="ts",
    )
    figures = {
        "rows": ms.count(),
        "total": col("n").sum(),
        "low": col("x").min(),
        "high": col("n").max(),
        "mean": col("x").mean(),
        "spread": col("x").std(),
        "different": col("k").n_unique(),
        "newest": col("k").last(),
    }
    hop, cumulate = ms.hop("4s", slide="2s"), ms.cumulate("4s", step="2s")
    for window in (None, ms.tumble("1s"), hop, cumulate, ms.session("1s")):
        for keys in (("n",), ("k",), ("k", "n"), ()):
            stream.group_by(*keys, window=window).agg(**figures).collect()
    print(f"done in {time.monotonic() - began_s:.1f} s", file=sys.stderr)
    return Exit.OK
