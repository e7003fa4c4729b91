"""One case of the section "growth" in a process of its own.

run     python -m benchmarks.growth.child step "join inner" --sizes 10000,1000000
        python -m benchmarks.growth.child shape windows | keys 10000000 | start | checkpoints
out     the harness' line of JSON; what was measured is in ``notes``
"""

from __future__ import annotations

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # before Polars is there

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def step(name: str, sizes: list[int]) -> dict[str, Any]:
    """Return the ms per batch of a step, by rows of state."""
    from benchmarks.growth import steps

    with tempfile.TemporaryDirectory() as folder:
        found = steps.told(name, steps.STEPS[name], sizes, Path(folder))
    return {"sizes": found, "rows": steps.ROWS}


def shape(name: str) -> dict[str, Any]:
    """Return the seconds per million rows of a query, by its size."""
    from benchmarks.growth import shapes

    frames, chosen = shapes.tables(), shapes.SHAPES[name]
    found: dict[int, dict[str, float]] = {}
    for size in chosen.sizes:
        seconds, rows = shapes.cost(chosen, size, frames)
        found[size] = {"s": seconds, "rows_out": rows}
    return {"what": chosen.what, "sizes": found, "rows": shapes.ROWS}


def keys(count: int) -> dict[str, Any]:
    """Return the bytes a key takes."""
    from benchmarks.growth.keys import per_key

    return {**per_key(count), "rows": count}


def start() -> dict[str, Any]:
    """Return the seconds to the first row: the very first time, and later."""
    from benchmarks.growth.starting import waits

    first_s, again_s = waits()
    return {"first_s": first_s, "again_s": again_s, "rows": 1}


def checkpoints() -> dict[str, Any]:
    """Return what recovery.py says of the cost and the size of checkpoints."""
    from benchmarks import recovery

    found = {"cost": recovery.cost(3, 10_000_000), "size": recovery.size()}
    return {"lines": found, "rows": 10_000_000}


def main() -> None:
    """Measure one case and print it."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("kind", choices=("step", "shape", "keys", "start", "checkpoints"))
    asked.add_argument("name", nargs="?", default="")
    asked.add_argument("--sizes", default="")
    given = asked.parse_args()
    began_s = time.perf_counter()
    if given.kind == "step":
        notes = step(given.name, [int(size) for size in given.sizes.split(",")])
    elif given.kind == "shape":
        notes = shape(given.name)
    elif given.kind == "keys":
        notes = keys(int(given.name))
    else:
        notes = start() if given.kind == "start" else checkpoints()
    seconds = time.perf_counter() - began_s
    if "sizes" in notes and given.kind == "step":
        seconds = statistics.median(s["ms"] for s in notes["sizes"].values()) / 1e3
    rows = notes.pop("rows")
    print(
        json.dumps(
            {"seconds": seconds, "events": rows, "rows": 0, "checksum": None, "notes": notes}
        ),
        file=sys.stdout,
    )


if __name__ == "__main__":
    main()
