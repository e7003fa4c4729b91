"""One measured pipeline, alone or watched: ``python -m benchmarks.serve.child CASE WHO``.

case    ``paced``: 200 000 events a second; ``full``: as many as go through
who     ``alone``; ``served``: with the server and nobody there; ``watched``: with readers in
        another process; ``stalled``: one more that reads nothing
out     as the harness wants it, one JSON object as the last line
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.serve.pipeline import KEYS, PACED_PER_S, job_of

from millstream.job import Running
from millstream.serve.history import latency_ms

SAMPLE_S = 0.5
START_S = 120.0
OF_SERVER = (
    "millstream-serve",
    "millstream-feed",
    "millstream-answers",
    "millstream-looks",
    "AnyIO",
)
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Readers:
    """The process with the readers."""

    def __init__(self, url: str, browsers: int, *, stall: bool) -> None:
        words = [url, "--browsers", str(browsers), *(["--stall"] if stall else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serve.readers", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._line().strip() != "ready":
            sys.exit("the readers could not begin")

    def begin(self) -> None:
        """Start their clock."""
        self._say("begin")

    def end(self) -> dict[str, Any]:
        """Stop them; return what they saw."""
        self._say("stop")
        found = json.loads(self._line())
        self._process.wait(30)
        return found

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None, "asked for a pipe"
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None, "asked for a pipe"
        return self._process.stdout.readline()


@contextmanager
def served(running: Running, job: Any) -> Iterator[str]:
    """Serve the job; yield the address."""
    from millstream.serve.hub import Hub
    from millstream.serve.server import Serving

    hub = Hub()
    hub.add(job, running, "watched")
    with hub.looking(), Serving(hub, "127.0.0.1:0") as server:
        yield server.url


def measure(case: str, who: str, seconds: float, browsers: int) -> dict[str, Any]:
    """Run one pipeline; return what the harness reads."""
    job = job_of(0 if case == "full" else PACED_PER_S)
    running = job.start()
    wide = next(view for view in running.views if view.name == "wide")
    with ExitStack() as stack:
        stack.callback(running.stop)
        _wait_for(lambda: len(wide) == KEYS, running)
        readers = None
        if who != "alone":
            url = stack.enter_context(served(running, job))
            if who != "served":
                readers = Readers(url, browsers, stall=who == "stalled")
        time.sleep(min(3.0, seconds / 4))  # the first rows of everybody are no part of it
        if readers is not None:
            readers.begin()
        notes = _measured(running, seconds)
        if readers is not None:
            notes["readers"] = readers.end()
        events, passed_s = notes.pop("events"), notes.pop("seconds")
    return {
        "seconds": passed_s, "events": events, "rows": KEYS, "checksum": None, "notes": notes,
    }  # fmt: skip


def _measured(running: Running, seconds: float) -> dict[str, Any]:
    before, threads = running.progress(), _cpu_of_threads()
    cpu_s, began_s = time.process_time(), time.perf_counter()
    memory: list[tuple[float, int]] = []
    while (passed_s := time.perf_counter() - began_s) < seconds:
        memory.append((passed_s, _memory_bytes()))
        time.sleep(min(SAMPLE_S, seconds - passed_s))
    passed_s = time.perf_counter() - began_s
    after, cpu_s = running.progress(), time.process_time() - cpu_s
    used = {n: s - threads.get(n, 0.0) for n, s in _cpu_of_threads().items()}
    events = after.rows_in - before.rows_in
    server_s = sum(s for name, s in used.items() if name.startswith(OF_SERVER))
    return {
        "events": events,
        "seconds": passed_s,
        "cpu_s_per_million": 1e6 * cpu_s / events,
        "compute_s_per_million": 1e6 * used.get("millstream", 0.0) / events,
        "server_share": server_s / passed_s,
        "threads_share": {n: round(s / passed_s, 4) for n, s in used.items() if s > 0},
        "latency_ms_p50": latency_ms(before.latency, after.latency, 0.5),
        "latency_ms_p99": latency_ms(before.latency, after.latency, 0.99),
        "memory_mib_first": memory[0][1] / 2**20,
        "memory_mib_last": memory[-1][1] / 2**20,
        "memory_mib_peak": max(size for _, size in memory) / 2**20,
        "memory_mib_per_min": 60 * _slope(memory) / 2**20,
    }


def _slope(points: list[tuple[float, int]]) -> float:
    """Return by how much the second grows with the first (least squares), over the later half."""
    late = points[len(points) // 2 :]
    mid_t = sum(t for t, _ in late) / len(late)
    mid_v = sum(v for _, v in late) / len(late)
    below = sum((t - mid_t) ** 2 for t, _ in late)
    return sum((t - mid_t) * (v - mid_v) for t, v in late) / below if below else 0.0


def _wait_for(holds: Any, running: Running) -> None:
    end_s = time.monotonic() + START_S
    while not holds():
        if running.done:
            running.wait()
            sys.exit("the pipeline has ended")
        if time.monotonic() > end_s:
            sys.exit(f"the pipeline was not under way after {START_S:g} s")
        time.sleep(0.05)


def _memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _cpu_of_threads() -> dict[str, float]:
    """Return the processor time of our own threads by name, those of equal names together."""
    found: dict[str, float] = {}
    for thread in threading.enumerate():
        stat = Path(f"/proc/self/task/{thread.native_id}/stat")
        if thread.native_id is not None and stat.exists():
            text = stat.read_text()
            fields = text[text.rindex(")") + 2 :].split()
            used = (int(fields[11]) + int(fields[12])) / _TICKS
            found[thread.name] = found.get(thread.name, 0.0) + used
    return found


def main() -> None:
    """Measure one pipeline and print what the harness reads."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("case", choices=("paced", "full"))
    asked.add_argument("who", choices=("alone", "served", "watched", "stalled"))
    asked.add_argument("--seconds", type=float, default=30.0)
    asked.add_argument("--browsers", type=int, default=50)
    given = asked.parse_args()
    print(json.dumps(measure(given.case, given.who, given.seconds, given.browsers)))


if __name__ == "__main__":
    main()
