"""What checkpoints cost, how soon a pipeline is back, and how large its checkpoints are.

in      rows made by ``datagen``: 1 M keys, a tumbling window that stays open, a group-by
out     cost    throughput and processor time without checkpoints and with one every second, in
                interleaved rounds of one process each; the median of each round's ratio
        restart time from the start of a process to its first row, split into parts
        size    bytes written per epoch as some of the keys change
run     python -m benchmarks.recovery [--rounds 5] [--rows 20000000] [--only cost] [--write]
method  every run is the command line in a process of its own, kernels from the cache. Rows per
        second are those of the summary: from the first turn on, the end of the window included.
        ``--write`` puts the figures into recovery.md
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KEYS = 1_000_000
INTERVALS = {"without": None, "every second": "1s"}
RESTARTS = 5
TARGET_COST, TARGET_RESTART_S = 0.10, 3.0
WINDOW = """
CREATE TABLE a (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
  'connector' = 'datagen', 'number-of-rows' = '{rows}', 'start-time' = '2026-01-01 00:00:00',
  'seed' = '7', 'fields.k.min' = '0', 'fields.k.max' = '{last}',
  'fields.v.min' = '0', 'fields.v.max' = '999');
CREATE TABLE o (k BIGINT, w TIMESTAMP(3), n BIGINT, total BIGINT, top BIGINT)
  WITH ('connector' = 'blackhole');
INSERT INTO o SELECT k, window_end, COUNT(*), SUM(v), MAX(v)
  FROM TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '10' DAY) GROUP BY k, window_start, window_end;
"""
# A row for every key first; then rows that come slowly: the first of them is the first output.
GROUPS = """
CREATE TABLE a (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '400000',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '9000000000');
CREATE TABLE o (k BIGINT, n BIGINT, total BIGINT, top BIGINT) WITH ('connector' = 'print');
INSERT INTO o SELECT MOD(id, {keys}) AS k, COUNT(*), SUM(id), MAX(id) FROM a
  GROUP BY MOD(id, {keys});
"""
PARTS = """
import sys, time
began = float(sys.argv.pop(1))
def tell(name):
    print("at", name, time.time() - began, time.process_time(), file=sys.stderr, flush=True)
tell("interpreter")
from millstream.cli import main
import millstream.job
tell("command line")
import millstream.engine.assemble as assemble
from millstream.engine.checkpoint_folder import CheckpointFolder
from millstream.engine.driver import Driver
tell("libraries")
def timed(owner, name, label):
    inner = getattr(owner, name)
    def run(*given, **named):
        tell("before " + label)
        out = inner(*given, **named)
        tell(label)
        return out
    setattr(owner, name, run)
timed(CheckpointFolder, "read", "read")
timed(assemble, "restored", "restored")
timed(Driver, "_start", "started")
from millstream.engine.delivering import SinkWorker
first = SinkWorker.write
def write(self, frame):
    SinkWorker.write = first
    tell("written")
    first(self, frame)
SinkWorker.write = write
main()
"""


MARKS = {
    "interpreter": "the interpreter",
    "command line": "the command line",
    "libraries": "libraries",
    "before read": "the plan",
    "read": "the checkpoint is read",
    "before restored": "graph and kernels",
    "restored": "the state is restored",
    "started": "sinks and sources are opened",
    "written": "the first batch",
}
"""What is told on the way, and what the time up to it went into."""


@dataclass(frozen=True, slots=True)
class Run:
    """One pipeline that ran to its end."""

    rows_per_s: float
    cpu_s: float
    peak_mib: float


def run_window(rows: int, interval: str | None, folder: Path) -> Run:
    """Run the window job, with checkpoints into ``folder`` where an interval is given."""
    program = folder / "window.sql"
    program.write_text(WINDOW.format(rows=rows, last=KEYS - 1))
    words = [] if interval is None else ["--checkpoint", str(folder / "checkpoints")]
    if interval is not None:
        words += ["--set", f"execution.checkpointing.interval={interval}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "millstream", "run", str(program), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None, "asked for a pipe"
    with process.stdout as lines:
        said = lines.read()
    _, status, used = os.wait4(process.pid, 0)  # its own figures, not the largest of all so far
    process.returncode = os.waitstatus_to_exitcode(status)
    found = re.search(r"completed after ([\d.]+) (s|min|ms)(?: (\d+) s)?:", said)
    if process.returncode or found is None:
        sys.exit(f"the window job failed:\n{said}")
    size = {"s": 1.0, "ms": 0.001, "min": 60.0}[found[2]]
    elapsed_s = float(found[1]) * size + float(found[3] or 0)
    return Run(rows / elapsed_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def cost(rounds: int, rows: int) -> list[str]:
    """Return lines about what checkpoints cost."""
    found: dict[str, list[Run]] = {name: [] for name in INTERVALS}
    with tempfile.TemporaryDirectory(dir=".") as place:
        folder = Path(place)
        for number, interval in enumerate(INTERVALS.values()):  # kernels, page cache
            warm = folder / f"warm{number}"
            warm.mkdir()
            run_window(min(rows, 2_000_000), interval, warm)
        for number in range(rounds):
            order = list(INTERVALS.items())
            for name, interval in order if number % 2 == 0 else order[::-1]:
                mine = folder / f"{number}{interval}"
                mine.mkdir()
                found[name].append(run_window(rows, interval, mine))
                print(name, found[name][-1], file=sys.stderr)
    without, every = found.values()
    speed = [b.rows_per_s / a.rows_per_s for a, b in zip(without, every, strict=True)]
    work = [b.cpu_s / a.cpu_s for a, b in zip(without, every, strict=True)]
    lines = [
        "| checkpoints | M rows/s (median) | processor s per M rows | peak memory, MiB |",
        "|---|---|---|---|",
    ]
    for name, runs in found.items():
        lines.append(
            f"| {name} | {_median(r.rows_per_s for r in runs) / 1e6:.2f} "
            f"| {_median(r.cpu_s for r in runs) / rows * 1e6:.2f} "
            f"| {_median(r.peak_mib for r in runs):.0f} |"
        )
    lost = 1 - _median(speed)
    verdict = "met" if lost < TARGET_COST else "missed"
    lines += [
        "",
        (
            f"Throughput with checkpoints by without, {rounds} rounds: median "
            f"{_median(speed):.3f}, from {min(speed):.3f} to {max(speed):.3f}; processor time "
            f"{_median(work):.2f} times. The cost is {lost:.1%}; the target of under "
            f"{TARGET_COST:.0%} is {verdict}."
        ),
    ]
    return lines


def restart(rounds: int) -> list[str]:
    """Return lines about the way from the start of a process to its first row."""
    with tempfile.TemporaryDirectory(dir=".") as place:
        folder = Path(place)
        program = folder / "groups.sql"
        program.write_text(GROUPS.format(keys=KEYS))
        (folder / "parts.py").write_text(PARTS)
        words = ["run", str(program), "--quiet", "--checkpoint", str(folder / "checkpoints")]
        _fill(words, 4 * KEYS)
        taken = [_first_row([*words], folder) for _ in range(rounds)]
    lines = ["| part | s (median) | from | to | s of the processor |", "|---|---|---|---|---|"]
    for name in taken[0]:
        values = [t[name][0] for t in taken]
        lines.append(
            f"| {name} | {_median(values):.2f} | {min(values):.2f} | {max(values):.2f} "
            f"| {_median(t[name][1] for t in taken):.2f} |"
        )
    whole, work = (_median(list(t.values())[-1][i] for t in taken) for i in (0, 1))
    verdict = "met" if whole < TARGET_RESTART_S else "missed"
    lines += [
        "",
        (
            f"From the start of the process to the first row: {whole:.2f} s (of the "
            f"processor {work:.2f} s); the target of under {TARGET_RESTART_S:.0f} s is {verdict}."
        ),
    ]
    return lines


def _fill(words: list[str], rows: int) -> None:
    """Run until each key has come, and stop with a checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-m", "millstream", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None, "asked for a pipe"
    for seen, _ in enumerate(process.stdout, start=1):
        if seen == rows:
            process.send_signal(signal.SIGINT)
    process.wait()


def _first_row(words: list[str], folder: Path) -> dict[str, tuple[float, float]]:
    """Start the pipeline, wait for its first row, stop it; returns the parts of the time."""
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, str(folder / "parts.py"), str(began), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None, "asked for a pipe"
    process.stdout.readline()
    first_s = time.time() - began
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    found = re.finditer(r"^at (.+) ([\d.]+) ([\d.]+)$", errors, re.MULTILINE)
    at = {m[1]: (float(m[2]), float(m[3])) for m in found}
    if "restored" not in at:
        sys.exit(f"nothing was restored:\n{errors}")
    ends = [at[name] for name in MARKS]
    parts: dict[str, tuple[float, float]] = {}
    for name, before, end in zip(MARKS.values(), [(0.0, 0.0), *ends], ends, strict=False):
        parts[name] = (end[0] - before[0], end[1] - before[1])
    parts["to the first row, all in all"] = (first_s, ends[-1][1])
    return parts


def size() -> list[str]:
    """Return lines about the bytes of an epoch."""
    import numpy as np
    import polars as pl
    from benchmarks.operators import windowed

    from millstream.engine.batch import Batch
    from millstream.engine.checkpoint import Epoch, State
    from millstream.engine.checkpoint_store import CheckpointStore
    from millstream.plan.windows import Tumble

    chance = np.random.default_rng(7)
    operator = windowed(Tumble(10**9))

    def fold(keys: np.ndarray) -> None:
        for start in range(0, keys.size, 100_000):
            some = keys[start : start + 100_000]
            values = chance.integers(0, 1_000, some.size)
            times = pl.Series("ts", np.full(some.size, 5)).cast(pl.Datetime("ms"))
            operator.on_batch(Batch(pl.DataFrame({"k": some, "v": values, "ts": times}), 0))

    few = KEYS // 100
    changes: dict[str, Callable[[], np.ndarray]] = {
        "all keys, new": lambda: chance.permutation(KEYS),
        "none": lambda: np.zeros(0, dtype=np.int64),
        "1 %, the keys that came first": lambda: np.arange(few),
        "1 %, anywhere": lambda: chance.integers(0, KEYS, few),
        "all": lambda: chance.permutation(KEYS),
    }
    lines = ["| keys that change | MB of state | MB written | s of the writing thread |"]
    lines.append("|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=".") as place:
        store = CheckpointStore(place, retained=3)
        for number, (name, keys) in enumerate(changes.items(), start=1):
            given = keys()
            if number == 1:
                order = given
            fold(order[given] if name.startswith("1 %, the") else given)
            state = operator.snapshot()
            held = sum(int(t.estimated_size()) for t in state.tables.values())
            began_s = time.thread_time()
            store.write(Epoch(number, State({"w": state}, {}, {}), {}, {}))
            took_s = time.thread_time() - began_s
            new = store.manifest(number).bytes_new
            lines.append(f"| {name} | {held / 1e6:.0f} | {new / 1e6:.1f} | {took_s:.2f} |")
        total = sum(p.stat().st_size for p in Path(place).rglob("*") if p.is_file())
        lines += ["", f"The folder with three epochs: {total / 1e6:.0f} MB."]
        store.close()
    return lines


def _median(values: object) -> float:
    return statistics.median(list(values))  # type: ignore[call-overload]


def _versions() -> str:
    import numba
    import numpy as np
    import polars as pl

    load = os.getloadavg()
    return (
        f"Python {platform.python_version()}, Polars {pl.__version__}, NumPy "
        f"{np.__version__}, Numba {numba.__version__}; {os.cpu_count()} cores, load "
        f"{load[0]:.0f} at the end; {time.strftime('%Y-%m-%d', time.gmtime())}."
    )


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--only", choices=("cost", "restart", "size"))
    parser.add_argument("--write", action="store_true", help="put the figures into recovery.md")
    given = parser.parse_args()
    sections: dict[str, tuple[str, Callable[[], list[str]]]] = {
        "cost": ("What a checkpoint every second costs", lambda: cost(given.rounds, given.rows)),
        "restart": ("From a start to the first row", lambda: restart(RESTARTS)),
        "size": ("Bytes of an epoch", size),
    }
    out: list[str] = []
    for name, (title, measure) in sections.items():
        if given.only in (None, name):
            out += [f"## {title}", "", *measure(), ""]
            print("\n".join(out[-8:]), file=sys.stderr)
    text = "\n".join([*out, _versions()]) + "\n"
    print(text)
    if given.write:
        page = Path(__file__).with_suffix(".md")
        head = page.read_text().split("\n## ")[0] if page.exists() else "# Recovery\n"
        page.write_text(head.rstrip() + "\n\n" + text)


if __name__ == "__main__":
    main()
