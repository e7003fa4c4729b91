"""One pipeline between two topics: ``python -m benchmarks.latency.kafka CASE --broker ADDRESS``.

in      a case, a delivery, the interval of its checkpoints, a broker that runs
out     as the harness wants it, one JSON object as the last line; ``notes`` have the percentiles
        per rate as the half inside a process has them, what the pipeline could take, the
        time of its commits, and whether every result is there and right
parts   processes of their own: the pipeline (``millstream run``), the generator, the watcher
run     a warm-up; a burst that tells what goes through; then rates up to 80 % of that, until
        one is not kept up with. The results of a phase are waited for before the next one
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks.kafka import broker
from benchmarks.latency.events import CASES, RATE_JUDGED, following
from benchmarks.latency.judging import Late, Results, expected_rows, lateness, verdict
from benchmarks.latency.logged import commits_ms
from benchmarks.latency.parts import Done, Ends, ends_of, figures, generator_limits
from benchmarks.latency.places import run_folder
from benchmarks.latency.statements import (
    AT_LEAST_ONCE,
    EXACTLY_ONCE,
    Delivery,
    Topics,
    command,
    script,
)

from millstream.frame.measuring import (
    BEHIND_MS,
    SHARE_MAX,
    UNCOUNTED,
    AtRate,
    latency_of,
    stalls,
    usual_rates,
)

WARM_RATE, WARM_S = 10_000.0, 2.0
BURST_EVENTS = 300_000
FIRST_RESULT_S = 120.0
"""The first start of all compiles kernels."""
QUIET_S = 0.4
DRAIN_S = 15.0
STOP_S = 20.0


@dataclass
class Running:
    """A pipeline, its generator and its watcher."""

    case: str
    delivery: Delivery
    topics: int
    process: subprocess.Popen[bytes]
    log: Path
    ends: Ends
    done: list[Done] = field(default_factory=list)
    arrived: list[np.ndarray] = field(default_factory=list)
    rows: list[pl.DataFrame] = field(default_factory=list)

    def phase(self, events: int, rate: float) -> Done:
        """Send so many events and wait for what follows from them."""
        before = self.done[-1].phase if self.done else None
        phase = following(before, events // self.topics, rate, self.topics)
        self.ends.prepare(phase)
        count = self.ends.count()
        self.done.append(self.ends.send(phase))
        self._drain(count, expected_rows(self.case, phase), self.check)
        self.take()
        return self.done[-1]

    def late(self, done: Done) -> Late:
        """Return how late the results of a phase were."""
        return lateness(self.case, done.phase, self.results(), done.begin_ns)

    def results(self) -> Results:
        """Return everything that has arrived."""
        rows = [frame for frame in self.rows if frame.height]
        return Results(np.concatenate(self.arrived), pl.concat(rows))

    def take(self) -> None:
        """Let the watcher decode what came."""
        found = self.ends.take()
        self.arrived.append(found.arrived_ns)
        self.rows.append(found.rows)

    def stop(self) -> None:
        """End the pipeline as a user would; it gives out what its last epoch holds."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_S)
        self._drain(self.ends.count(), 0, lambda: None)
        self.take()

    def check(self) -> None:
        """Exit with the pipeline's own words where it has ended."""
        if self.process.poll() is not None:
            raise SystemExit(f"the pipeline ended: {self.log.read_text(errors='replace')[-2000:]}")

    def _drain(self, before: int, rows: int | None, check: Callable[[], None]) -> None:
        """Wait until the results are there and nothing more comes, or nothing has come for long.

        ``check`` is called meanwhile: a pipeline that has died gives no more results.
        Windows that documents of an earlier phase have opened are beyond the number expected.
        """
        first = len(self.done) == 1
        limit_s = FIRST_RESULT_S if first else DRAIN_S
        epoch_s = 2 * self.delivery.interval_ms / 1000 if self.delivery.exactly_once else 0.0
        last, since = -1, time.monotonic()
        while True:
            found = self.ends.count() - before
            now = time.monotonic()
            if found != last:
                last, since = found, now
            over_s = QUIET_S if rows is not None and found >= rows else QUIET_S + epoch_s
            whole = found >= rows if rows is not None else found > 0
            if now - since > (over_s if whole else limit_s):
                return
            check()
            time.sleep(0.02)


@contextmanager
def running(case: str, delivery: Delivery, address: str, folder: Path) -> Iterator[Running]:
    """Make the topics, start the three processes; they end with this."""
    name = folder.name
    topics = Topics(tuple(f"in-{name}-{n}" for n in range(2 if case == "join" else 1)), f"o-{name}")
    for topic in (*topics.read, topics.write):
        broker.make_topic(address, topic)
    file, log = folder / "pipeline.sql", folder / "log"
    file.write_text(script(case, address, topics))
    with log.open("wb") as out:
        process = subprocess.Popen(
            command(file, folder / "checkpoints", folder / "epochs", delivery),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        with ends_of(
            address,
            topics.read,
            topics.write,
            closes=case == "window",
            committed=delivery.exactly_once,
        ) as ends:
            yield Running(case, delivery, len(topics.read), process, log, ends)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def burst(run: Running, events: int) -> tuple[float, str]:
    """Return how many events a second went through, and what limited them."""
    done = run.phase(events, 0.0)
    last_ns = int(run.arrived[-1][-1])
    took_s = (last_ns - done.begin_ns) / 1e9
    by = "generator" if generator_limits(done, took_s) else "pipeline"
    return done.phase.count * run.topics / took_s, by


def at_rate(run: Running, rate: float, seconds: float) -> AtRate:
    """Run one rate, beside a process that only sleeps."""
    with stalls() as beside:
        done = run.phase(int(rate * seconds), rate)
    found = run.late(done)
    late_s = found.counted(seconds * UNCOUNTED)
    last = late_s[-max(1, len(late_s) // 10) :]
    kept = len(last) and not found.missing and np.median(last) * 1000 <= BEHIND_MS
    return figures(rate, seconds, done, late_s, beside[0], kept_up=bool(kept))


def rates_of(most_per_s: float) -> list[float]:
    """Return the rates that are asked for: the usual ones, and that of the aims."""
    found = set(usual_rates(most_per_s))
    if most_per_s * SHARE_MAX >= RATE_JUDGED:
        found.add(RATE_JUDGED)
    return sorted(found)


def measured(
    run: Running, seconds: float, burst_events: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Do all phases; return the notes."""
    run.phase(int(WARM_RATE * WARM_S), WARM_RATE)
    tell("warm")
    most, by = burst(run, burst_events)
    tell(f"a burst: {most:,.0f} events/s ({by})")
    epochs = run.log.with_name("epochs")
    uncounted = len(commits_ms(epochs))
    rates: list[AtRate] = []
    for rate in rates_of(most):
        rates.append(at_rate(run, rate, seconds))
        found = rates[-1].latency
        tell(f"{rate:,.0f} events/s: p50 {found.p50:.2f} ms, p99 {found.p99:.2f} ms")
        if not rates[-1].kept_up:
            break
    commits = np.array(commits_ms(epochs)[uncounted:]) / 1000
    run.stop()
    phases = [done.phase for done in run.done]
    judged = verdict(run.case, phases, run.results(), exactly_once=run.delivery.exactly_once)
    trouble = [f for done in run.done for f in done.sent.failures]
    wrong = [*judged.wrong, *(f"the generator: {failure}" for failure in dict.fromkeys(trouble))]
    return {
        "most_per_s": most,
        "most_limited_by": by,
        **({"commit": asdict(latency_of(commits))} if len(commits) else {}),
        "interval_ms": run.delivery.interval_ms,
        "right": not wrong,
        "wrong": "; ".join(wrong),
        "repeated": judged.repeated,
        "rates": [asdict(rate) for rate in rates],
    }


def main() -> None:
    """Run one case and print what the harness reads."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("case", choices=CASES)
    asked.add_argument("--broker", required=True, metavar="ADDRESS")
    asked.add_argument("--delivery", choices=(AT_LEAST_ONCE, EXACTLY_ONCE), default=AT_LEAST_ONCE)
    asked.add_argument("--interval-ms", type=int, default=1_000)
    asked.add_argument("--seconds", type=float, default=4.0)
    asked.add_argument("--burst", type=int, default=BURST_EVENTS, help="events of the burst")
    given = asked.parse_args()
    delivery = Delivery(given.delivery, given.interval_ms)
    folder = run_folder(given.case)

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        with running(given.case, delivery, given.broker, folder) as run:
            notes = measured(run, given.seconds, given.burst, tell)
            events = sum(done.phase.count * run.topics for done in run.done)
            rows = sum(len(arrived) for arrived in run.arrived)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        broker.drop_topics(given.broker, keep=set())
    answer = {
        "seconds": given.seconds * len(notes["rates"]),
        "events": events,
        "rows": rows,
        "checksum": None,
        "notes": notes,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
